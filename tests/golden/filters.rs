//! Filters of images, in double precision, against SciPy; and as layers, against the same numbers.

use super::family::Family;
use super::reference::Golden;
use formwork::cpu::Static;
use formwork::engine::Engine;
use formwork::filters::{Border, Image, gaussian, laplace, mean, median, sobel_x, sobel_y};
use formwork::layers::filter::*;
use formwork::portable::Portable;
use formwork::prelude::*;
use serde::Deserialize;

/// What an image is filtered with.
#[derive(Deserialize)]
struct Hyper {
    filter: String,
    border: String,
    size: Option<usize>,
    sigma: Option<f64>,
    truncate: Option<f64>,
}

impl Hyper {
    fn border(&self) -> Border {
        match self.border.as_str() {
            "constant" => Border::Constant(0.0),
            "nearest" => Border::Nearest,
            "reflect" => Border::Reflect,
            "mirror" => Border::Mirror,
            other => panic!("{other} is no border"),
        }
    }

    fn filter(&self, image: &Image<f64>) -> Result<Image<f64>, Error> {
        let border = self.border();
        match (self.filter.as_str(), self) {
            ("mean", Hyper { size: Some(size), .. }) => mean(image, *size, border),
            ("median", Hyper { size: Some(size), .. }) => median(image, *size, border),
            ("gaussian", Hyper { sigma: Some(sigma), truncate: Some(truncate), .. }) => gaussian(image, *sigma, *truncate, border),
            ("sobel_x", _) => sobel_x(image, border),
            ("sobel_y", _) => sobel_y(image, border),
            ("laplace", _) => laplace(image, border),
            (other, _) => panic!("{other} is no filter"),
        }
    }
}

type Picture = Rank3<1, 40, 48>;

fn run<L: Layer + 'static, G: Engine<f64, Cpu>>(golden: &Golden) -> Result<Vec<f64>, Error> {
    let model = Model::<Net<L, Picture, Picture>, f64, Cpu, G>::try_new(&Cpu::default(), 0, Scheme::default())?;
    let image = Dataset::<Picture, Values<Rank0>, f64>::new(golden.numbers("image"), vec![0.0])?;
    model.predict(&image.all())
}

impl Family {
    fn filtered(&mut self, golden: &Golden, by: &str, outcome: Result<Vec<f64>, Error>) {
        let mut comparison = golden.compare(by);
        let outcome = outcome.map(|pixels| comparison.tensor("filtered", &pixels));
        self.record(comparison, outcome);
    }

    fn filter_layer<L: Layer + 'static>(&mut self, name: &str) {
        let golden = self.open(name);
        self.filtered(&golden, "portable, f64", run::<L, Portable<f64, Cpu>>(&golden));
        self.filtered(&golden, "static, f64", run::<L, Static<f64>>(&golden));
    }
}

/// ```python
/// filtered = scipy.ndimage.gaussian_filter(image, sigma, truncate=truncate, mode=border, cval=0.0)
/// filtered = scipy.ndimage.uniform_filter(image, size, mode=border, cval=0.0)  # and median_filter, sobel, laplace
/// ```
pub fn image_filter(family: &mut Family) {
    for name in family.waiting() {
        let golden = family.open(name);
        let (hyper, shape): (Hyper, _) = (golden.hyper(), golden.shape("image"));
        let filtered = Image::new(shape[0], shape[1], golden.numbers("image")).and_then(|image| hyper.filter(&image));
        family.filtered(&golden, "an image", filtered.map(|image| image.pixels().to_vec()));
    }
    family.filter_layer::<Filter<Reflect, Mean<3>>>("filter_mean3_reflect");
    family.filter_layer::<Filter<Zeros, Mean<3>>>("filter_mean3_constant");
    family.filter_layer::<Filter<Nearest, Mean<5>>>("filter_mean5_nearest");
    family.filter_layer::<Filter<Reflect, Gaussian<1>>>("filter_gaussian1.0_reflect");
    family.filter_layer::<Filter<Mirror, Gaussian<2, 1, 3>>>("filter_gaussian2.0_mirror");
    family.filter_layer::<Filter<Nearest, Sobel<X>>>("filter_sobel_x_nearest");
    family.filter_layer::<Filter<Zeros, Sobel<Y>>>("filter_sobel_y_constant");
    family.filter_layer::<Filter<Reflect, Laplace>>("filter_laplace_reflect");
}
