//! Images in a grid.

use super::{Picture, counted, save};
use crate::error::Error;
use crate::float::Float;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

/// Images `[N, C, H, W]` in a grid: grey ones of one channel, coloured ones of three.
///
/// Of each image the least number is black, and the greatest is white.
///
/// # Examples
/// ```
/// use formwork::plot::Images;
///
/// let digits = formwork::data::digits::load().unwrap();
/// let pixels: Vec<f32> = (0..20).flat_map(|i| digits.input(i).to_vec()).collect();
/// let file = std::env::temp_dir().join("formwork-digits.png");
/// Images::new(&pixels, [20, 1, 8, 8]).unwrap().columns(10).zoom(6).save(&file).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Images {
    pixels: Vec<f64>,
    /// `[N, C, H, W]`.
    shape: [usize; 4],
    columns: usize,
    zoom: usize,
}

/// Pixels between two images.
const GAP: usize = 4;

impl Images {
    /// Images of this shape, each as large as it is, about as many beside as below one another.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not as many numbers, or neither one channel nor three.
    pub fn new<E: Float>(pixels: &[E], shape: [usize; 4]) -> Result<Self, Error> {
        counted("pixels of images", shape.iter().product(), pixels.len())?;
        if shape[1] != 1 {
            counted("channels of images, if not one,", 3, shape[1])?;
        }
        let columns = (1..).find(|columns| columns * columns >= shape[0]).unwrap_or(1);
        Ok(Images { pixels: pixels.iter().map(|x| x.f64()).collect(), shape, columns, zoom: 1 })
    }

    /// How many images stand beside one another.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = columns.max(1);
        self
    }

    /// How many pixels of the drawing one of an image is high and wide.
    pub fn zoom(mut self, zoom: usize) -> Self {
        self.zoom = zoom.max(1);
        self
    }

    /// Draws the images.
    ///
    /// # Errors
    /// [`Error::Format`] for a file that is neither SVG nor PNG by its name, and [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref())
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        save(self, path)
    }
}

impl Picture for Images {
    fn size(&self) -> [u32; 2] {
        let [n, _, h, w] = self.shape;
        let along = |count: usize, size: usize| (count * (size * self.zoom + GAP) + GAP) as u32;
        [along(self.columns.min(n.max(1)), w), along(n.div_ceil(self.columns), h)]
    }

    fn paint<B: DrawingBackend>(&self, paper: &DrawingArea<B, Shift>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let [_, channels, h, w] = self.shape;
        let zoom = self.zoom as i32;
        for (i, image) in self.pixels.chunks_exact((channels * h * w).max(1)).enumerate() {
            let [low, high] =
                image.iter().filter(|x| x.is_finite()).fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)]);
            let shade = |x: f64| if high > low { (255.0 * (x - low) / (high - low)).round() as u8 } else { 127 };
            let corner = |place: usize, size: usize| (GAP + place * (size * self.zoom + GAP)) as i32;
            let (left, top) = (corner(i % self.columns, w), corner(i / self.columns, h));
            for at in 0..h * w {
                let channel = |c: usize| shade(image[if channels == 1 { at } else { c * h * w + at }]);
                let (x, y) = (left + (at % w) as i32 * zoom, top + (at / w) as i32 * zoom);
                let colour = RGBColor(channel(0), channel(1), channel(2));
                paper.draw(&Rectangle::new([(x, y), (x + zoom, y + zoom)], colour.filled()))?;
            }
        }
        Ok(())
    }
}
