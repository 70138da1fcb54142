//! Expect `first layer / last layer: sigmoid 4.3e-31, ReLU 6.4e-1, batch norm 6.0e3, skips 6.5e0` on the last line,
//! or other numbers of these sizes for other seeds.
//!
//! Shows how gradients vanish and explode in networks of 50 hidden layers, before any training: for each layer the norm of the
//! gradient with respect to its outputs, as a drawing and as a table.
//!
//! A sigmoid's slope is 1/4 at most, and so gradients vanish although the weights are drawn by Xavier's rule. He's rule was made
//! for ReLU, and keeps them. Batch norm keeps the signals, but gradients explode at the start where no skip leads around it: by
//! √(π / (π - 1)) = 1.21 for each layer in theory (Yang et al., [A mean field theory of batch
//! normalization](https://arxiv.org/abs/1902.08129), 2019), and by 1.19 here.
//!
//! ```text
//! cargo run --release --example vanishing
//! cargo run --release --example vanishing -- --help
//! ```

use formwork::prelude::*;
use plotters::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[network([64] => [10])]
pub type Sigmoids = (Repeat<(Linear<64, 64>, Sigmoid), 50>, Linear<64, 10>);

#[network([64] => [10])]
pub type Relus = (Repeat<(Linear<64, 64>, Relu), 50>, Linear<64, 10>);

#[network([64] => [10])]
pub type Normalized = (Repeat<(Linear<64, 64>, BatchNorm1d<64>, Relu), 50>, Linear<64, 10>);

#[network([64] => [10])]
pub type Skips = (Repeat<Residual<(BatchNorm1d<64>, Relu, Linear<64, 64>)>, 50>, Linear<64, 10>);

type Features = Rank1<64>;
type Scores = Rank1<10>;

/// In `f64`: what is left behind 50 sigmoids is hardly a number in `f32`.
type Data = Dataset<Features, Class<10>, f64>;

const SAMPLES: usize = 64;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (data, seed) = (samples(options.seed)?, options.seed);
    let curves = [
        Curve { name: "sigmoid", norms: gradients::<Sigmoids>(&data, seed, Scheme::Xavier)? },
        Curve { name: "ReLU", norms: gradients::<Relus>(&data, seed, Scheme::He)? },
        Curve { name: "batch norm", norms: gradients::<Normalized>(&data, seed, Scheme::He)? },
        Curve { name: "skips", norms: gradients::<Skips>(&data, seed, Scheme::He)? },
    ];
    draw(&curves, &options.out).map_err(|error| format!("{}: {error}", options.out.display()))?;
    println!("gradients layer by layer: {}\n", options.out.display());
    print_table(&curves);
    let ratios: Vec<String> = curves.iter().map(|curve| format!("{} {:.1e}", curve.name, curve.norms[0] / curve.norms[49])).collect();
    println!("\nfirst layer / last layer: {}", ratios.join(", "));
    Ok(())
}

/// Samples that nothing can be learned of: the gradients of the start do not ask for more.
fn samples(seed: u64) -> Result<Data, Error> {
    let random = StdRng::seed_from_u64(seed);
    let numbers = StandardNormal.sample_iter(random).take(SAMPLES * 64).collect();
    Data::new(numbers, (0..SAMPLES).map(|i| i % 10).collect())
}

/// The norms of the gradients with respect to the outputs of the hidden layers, before their activations.
struct Curve {
    name: &'static str,
    norms: Vec<f64>,
}

fn gradients<N: Network<Input = Features, Output = Scores>>(data: &Data, seed: u64, scheme: Scheme) -> Result<Vec<f64>, Error> {
    let model = Model::<N, f64>::with_scheme(&AutoDevice::default(), seed, scheme);
    let layers = model.statistics(&data.all(), &CrossEntropy::default())?.layers;
    Ok(layers.iter().filter(|layer| layer.layer == "Linear<64, 64>").map(|layer| layer.gradient).collect())
}

fn print_table(curves: &[Curve]) {
    println!("layer{}", curves.iter().map(|curve| format!("  {:>10}", curve.name)).collect::<String>());
    for layer in [1, 10, 20, 30, 40, 50] {
        println!("{layer:5}{}", curves.iter().map(|curve| format!("  {:10.1e}", curve.norms[layer - 1])).collect::<String>());
    }
}

const LAYERS: Range<f64> = 1.0..50.0;
const NORMS: Range<f64> = 1e-34..1e6;

fn draw(curves: &[Curve], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let root = SVGBackend::new(file, (900, 600)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root).margin(10).x_label_area_size(40).y_label_area_size(70).build_cartesian_2d(LAYERS, NORMS.log_scale())?;
    chart.configure_mesh().x_desc("layer").y_desc("norm of the gradient").y_label_formatter(&|norm| format!("{norm:.0e}")).draw()?;
    for (i, curve) in curves.iter().enumerate() {
        let style = Palette99::pick(i).stroke_width(2);
        let points = curve.norms.iter().enumerate().map(|(i, &norm)| ((i + 1) as f64, norm));
        chart.draw_series(LineSeries::new(points, style))?.label(curve.name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
    }
    chart.configure_series_labels().position(SeriesLabelPosition::LowerRight).background_style(WHITE.mix(0.8)).draw()?;
    root.present()?;
    Ok(())
}

struct Options {
    seed: u64,
    out: PathBuf,
}

const HELP: &str = "\
Shows how gradients vanish and explode in networks of 50 hidden layers.

Usage: vanishing [OPTIONS]

  --seed N    seed of the samples and of the parameters [0]
  --out FILE  where to draw the gradients [target/vanishing.svg]
  --help      print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { seed: 0, out: PathBuf::from("target/vanishing.svg") };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => options.seed = arguments.value()?.parse()?,
            Long("out") => options.out = PathBuf::from(arguments.value()?),
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
