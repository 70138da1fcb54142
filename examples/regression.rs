//! Expect a lasso that tells the alcohol of a wine from 4 of 12 measures with a test R² of 0.42, which is that of all 12.
//!
//! Follows the coefficients of ridge and lasso as the penalty grows, and draws them: ridge makes all of them small, the lasso
//! makes one after the other exactly 0.
//!
//! ```text
//! cargo run --release --example regression
//! cargo run --release --example regression -- --help
//! ```

use formwork::data::{self, StandardScaler};
use formwork::prelude::Error;
use formwork::regression::{Lasso, LinearModel, Ridge};
use plotters::prelude::*;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Problem = Box<dyn std::error::Error>;

/// What the alcohol, the first column of the wines, is told from.
const FEATURES: [&str; 12] = [
    "malic acid",
    "ash",
    "alcalinity",
    "magnesium",
    "phenols",
    "flavanoids",
    "other phenols",
    "proanthocyanins",
    "colour",
    "hue",
    "OD280/OD315",
    "proline",
];

/// One wine in so many is for testing.
const TESTED: usize = 4;

/// The penalty of the lasso that is looked at more closely.
const ALPHA: f64 = 0.06;

fn run() -> Result<(), Problem> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let (train, test) = wines()?;
    let points = if options.quick { 9 } else { 61 };
    let ridge = CoefPath::follow("ridge", powers(0.1, 1e5, points), |alpha| Ridge::new(alpha).fit(&train.samples, &train.alcohol))?;
    let lasso = CoefPath::follow("lasso", powers(1e-3, 1.0, points), |alpha| Lasso::new(alpha).fit(&train.samples, &train.alcohol))?;
    draw(&[&ridge, &lasso], &options.out).map_err(|error| format!("{}: {error}", options.out.display()))?;
    println!("paths of the coefficients: {}\n", options.out.display());

    let all = Ridge::new(0.0).fit(&train.samples, &train.alcohol)?;
    let few = Lasso::new(ALPHA).fit(&train.samples, &train.alcohol)?;
    println!("{:16} {:>13} {:>13}", "", "least squares", "lasso");
    for ((name, all), few) in FEATURES.iter().zip(&all.coef).zip(&few.coef) {
        println!("{name:16} {all:13.3} {few:13.3}");
    }
    println!("{:16} {:13.3} {:13.3}\n", "test R²", r_squared(&all, &test)?, r_squared(&few, &test)?);
    println!("features that the lasso uses: {}", few.coef.iter().filter(|w| **w != 0.0).count());
    Ok(())
}

/// Some wines: samples of [`FEATURES`], of mean 0 and deviation 1 among the wines to learn from, and their alcohol.
#[derive(Default)]
struct Wines {
    samples: Vec<f64>,
    alcohol: Vec<f64>,
}

/// The wines to learn from, and those to test with.
fn wines() -> Result<(Wines, Wines), Error> {
    let table = data::wine()?;
    let (mut train, mut test) = (Wines::default(), Wines::default());
    for (i, row) in table.numbers().chunks_exact(table.columns()).enumerate() {
        let part = if i % TESTED == 0 { &mut test } else { &mut train };
        part.alcohol.push(row[0]);
        part.samples.extend_from_slice(&row[1..]);
    }
    let scaler = StandardScaler::fit(&train.samples, FEATURES.len())?;
    scaler.transform(&mut train.samples)?;
    scaler.transform(&mut test.samples)?;
    Ok((train, test))
}

/// The share of the variance that a model explains.
fn r_squared(model: &LinearModel, wines: &Wines) -> Result<f64, Error> {
    let mean = wines.alcohol.iter().sum::<f64>() / wines.alcohol.len() as f64;
    let off = |told: &[f64]| told.iter().zip(&wines.alcohol).map(|(y, t)| (y - t) * (y - t)).sum::<f64>();
    Ok(1.0 - off(&model.predict(&wines.samples)?) / off(&vec![mean; wines.alcohol.len()]))
}

/// So many numbers between two, each the same multiple of the one before.
fn powers(from: f64, to: f64, count: usize) -> Vec<f64> {
    (0..count).map(|i| from * (to / from).powf(i as f64 / (count - 1) as f64)).collect()
}

/// A model for each of several penalties.
struct CoefPath {
    name: &'static str,
    alphas: Vec<f64>,
    models: Vec<LinearModel>,
}

impl CoefPath {
    fn follow(name: &'static str, alphas: Vec<f64>, fit: impl Fn(f64) -> Result<LinearModel, Error>) -> Result<Self, Error> {
        let models = alphas.iter().map(|&alpha| fit(alpha)).collect::<Result<_, _>>()?;
        Ok(CoefPath { name, alphas, models })
    }
}

/// The coefficients over the penalty, path beside path; the colours are those of ridge's legend, where there is room for it.
fn draw(paths: &[&CoefPath], file: &Path) -> Result<(), Problem> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let root = SVGBackend::new(file, (1200, 500)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, path) in root.split_evenly((1, paths.len())).iter().zip(paths) {
        let (first, last) = (path.alphas[0], path.alphas[path.alphas.len() - 1]);
        let mut chart = ChartBuilder::on(area)
            .caption(path.name, ("sans-serif", 20))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d((first..last).log_scale(), -0.2..0.5)?;
        chart.configure_mesh().x_desc("penalty").y_desc("coefficient").draw()?;
        for (j, name) in FEATURES.iter().enumerate() {
            let colour = Palette99::pick(j);
            let points = path.alphas.iter().zip(&path.models).map(|(&alpha, model)| (alpha, model.coef[j]));
            let legend = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], legend));
        }
        if path.name == "ridge" {
            chart.configure_series_labels().position(SeriesLabelPosition::UpperRight).background_style(WHITE.mix(0.8)).draw()?;
        }
    }
    root.present()?;
    Ok(())
}

struct Options {
    out: PathBuf,
    quick: bool,
}

const HELP: &str = "\
Follows the coefficients of ridge and lasso on wines as the penalty grows.

Usage: regression [OPTIONS]

  --out FILE  where to draw them [target/regression.svg]
  --quick     with fewer penalties
  --help      print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { out: PathBuf::from("target/regression.svg"), quick: false };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("out") => options.out = PathBuf::from(arguments.value()?),
            Long("quick") => options.quick = true,
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
