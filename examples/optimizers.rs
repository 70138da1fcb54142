//! Expect all six optimizers within 0.05 of the minimum after 2000 steps, and AdaGrad, whose steps only shrink, the farthest.
//!
//! Lets optimizers walk down one surface, Beale's function, and draws their ways: flat plains, a steep wall, and the minimum
//! at the end of a narrow valley.
//!
//! ```text
//! cargo run --release --example optimizers
//! cargo run --release --example optimizers -- --help
//! ```

use formwork::prelude::*;
use plotters::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

type Point = [f64; 2];

const START: Point = [1.0, 1.6];
const MINIMUM: Point = [3.0, 0.5];

/// The part of the plane that is drawn.
const X: Range<f64> = 0.0..4.0;
const Y: Range<f64> = -1.4..2.0;

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{HELP}");
        return Ok(());
    };
    let steps = if options.quick { 200 } else { 2000 };
    let walks: Result<Vec<Walk>, Error> = optimizers().into_iter().map(|(name, mut optimizer)| walk(name, &mut *optimizer, steps)).collect();
    let walks = walks?;
    draw(&walks, &options.out).map_err(|error| format!("{}: {error}", options.out.display()))?;
    println!("ways on Beale's function: {}\n", options.out.display());
    for Walk { name, points } in &walks {
        let end = points[points.len() - 1];
        println!("{name:10} ends at ({:6.3}, {:6.3}), {:.1e} from the minimum", end[0], end[1], distance(end, MINIMUM));
    }
    let farthest = walks.iter().map(|walk| distance(walk.points[steps], MINIMUM)).fold(0.0, f64::max);
    println!("\nfarthest from the minimum: {farthest:.3}");
    Ok(())
}

/// The optimizers, each with a rate that suits it here.
fn optimizers() -> Vec<(&'static str, Box<dyn Optimizer<f64>>)> {
    vec![
        ("SGD", Box::new(Sgd::new(0.01))),
        ("momentum", Box::new(Sgd::new(0.001).momentum(0.9))),
        ("Nesterov", Box::new(Sgd::new(0.001).momentum(0.9).nesterov())),
        ("AdaGrad", Box::new(Adagrad::new(0.3))),
        ("RMSProp", Box::new(RmsProp::new(0.01).alpha(0.9))),
        ("Adam", Box::new(Adam::new(0.03))),
    ]
}

/// Beale's function: `Σ (cᵢ - x + x yⁱ)²` with `c = 1.5, 2.25, 2.625`.
fn value([x, y]: Point) -> f64 {
    residuals([x, y]).iter().map(|r| r * r).sum()
}

fn residuals([x, y]: Point) -> [f64; 3] {
    [1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y]
}

fn gradient([x, y]: Point) -> Point {
    let [a, b, c] = residuals([x, y]);
    [2.0 * (a * (y - 1.0) + b * (y * y - 1.0) + c * (y * y * y - 1.0)), 2.0 * (a * x + b * 2.0 * x * y + c * 3.0 * x * y * y)]
}

fn distance(a: Point, b: Point) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The way of an optimizer, from the start.
struct Walk {
    name: &'static str,
    points: Vec<Point>,
}

fn walk(name: &'static str, optimizer: &mut dyn Optimizer<f64>, steps: usize) -> Result<Walk, Error> {
    let mut points = vec![START];
    let mut at = START;
    for _ in 0..steps {
        let slope = gradient(at);
        optimizer.update(&mut at, &slope)?;
        points.push(at);
    }
    Ok(Walk { name, points })
}

/// The ways over a map of the surface.
fn draw(walks: &[Walk], file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let root = SVGBackend::new(file, (900, 600)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root).margin(10).x_label_area_size(30).y_label_area_size(40).build_cartesian_2d(X, Y)?;
    chart.draw_series(tiles())?;
    chart.configure_mesh().disable_mesh().draw()?;
    for (i, walk) in walks.iter().enumerate() {
        let style = Palette99::pick(i).stroke_width(2);
        let inside = walk.points.iter().filter(|[x, y]| X.contains(x) && Y.contains(y));
        chart
            .draw_series(LineSeries::new(inside.map(|[x, y]| (*x, *y)), style))?
            .label(walk.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
    }
    chart.draw_series([Cross::new((MINIMUM[0], MINIMUM[1]), 6, BLACK.stroke_width(2))])?;
    chart.configure_series_labels().position(SeriesLabelPosition::LowerLeft).background_style(WHITE.mix(0.8)).draw()?;
    root.present()?;
    Ok(())
}

/// The surface as small rectangles, the darker the lower: a shade for each doubling, so that their edges are lines of one
/// height.
fn tiles() -> impl Iterator<Item = Rectangle<(f64, f64)>> {
    const COUNT: usize = 90;
    let edge = |range: &Range<f64>, i: usize| range.start + (range.end - range.start) * i as f64 / COUNT as f64;
    (0..COUNT * COUNT).map(move |i| {
        let (i, j) = (i / COUNT, i % COUNT);
        let corners = [(edge(&X, i), edge(&Y, j)), (edge(&X, i + 1), edge(&Y, j + 1))];
        let middle = [(corners[0].0 + corners[1].0) / 2.0, (corners[0].1 + corners[1].1) / 2.0];
        let shade = (value(middle).log2().round().clamp(-6.0, 6.0) + 6.0) / 12.0;
        let grey = (150.0 + 100.0 * shade) as u8;
        Rectangle::new(corners, RGBColor(grey, grey, grey).filled())
    })
}

struct Options {
    out: PathBuf,
    quick: bool,
}

const HELP: &str = "\
Lets optimizers walk down one surface, and draws their ways.

Usage: optimizers [OPTIONS]

  --out FILE  where to draw them [target/optimizers.svg]
  --quick     200 steps instead of 2000
  --help      print this";

/// The options of the command line; none if it asks for help.
fn options() -> Result<Option<Options>, lexopt::Error> {
    use lexopt::prelude::*;
    let mut options = Options { out: PathBuf::from("target/optimizers.svg"), quick: false };
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
