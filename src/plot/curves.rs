//! Losses, step by step.

use super::{Picture, bounds, save};
use crate::error::Error;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::path::Path;

/// Curves over steps, such as losses.
///
/// # Examples
/// ```
/// use formwork::plot::Curves;
///
/// let training = (0..100).map(|step| (step as f64, 1.0 / (1.0 + step as f64)));
/// let file = std::env::temp_dir().join("formwork-loss.svg");
/// Curves::new("step", "loss").curve("training", training).log_scale().save(&file).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Curves {
    axes: [String; 2],
    curves: Vec<(String, Vec<(f64, f64)>)>,
    is_log: bool,
}

impl Curves {
    /// No curves yet; `x` and `y` stand beside the axes.
    pub fn new(x: &str, y: &str) -> Self {
        Curves { axes: [x, y].map(str::to_owned), curves: Vec::new(), is_log: false }
    }

    /// One more curve, through these points. Those that are not finite are left out, as a loss that is none has no place.
    pub fn curve(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let points = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        self.curves.push((name.to_owned(), points));
        self
    }

    /// The vertical axis shows orders of magnitude; numbers that are not above zero are left out.
    pub fn log_scale(mut self) -> Self {
        self.is_log = true;
        self
    }

    /// Draws the curves.
    ///
    /// # Errors
    /// [`Error::Count`] if there is no point to draw, [`Error::Format`] for a file that is neither SVG nor PNG by its name, and
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref())
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        match self.bounds() {
            Some(_) => save(self, path),
            None => Err(Error::Count { what: "points of curves", expected: 1, given: 0 }),
        }
    }

    fn points(&self, curve: usize) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.curves[curve].1.iter().copied().filter(|(_, y)| !self.is_log || *y > 0.0)
    }

    fn bounds(&self) -> Option<[[f64; 2]; 2]> {
        let all = || (0..self.curves.len()).flat_map(|curve| self.points(curve));
        let ([low, high], x) = (bounds(all().map(|(_, y)| if self.is_log { y.ln() } else { y }))?, bounds(all().map(|(x, _)| x))?);
        let room = 0.03 * (high - low);
        let y = [low - room, high + room];
        Some([x, if self.is_log { y.map(f64::exp) } else { y }])
    }

    /// The corner in which the fewest points are hidden by the names of curves.
    fn emptiest_corner(&self, bounds: [[f64; 2]; 2]) -> SeriesLabelPosition {
        let scale = |y: f64| if self.is_log { y.ln() } else { y };
        let [[left, right], [low, high]] = [bounds[0], bounds[1].map(scale)];
        let all = || (0..self.curves.len()).flat_map(|curve| self.points(curve));
        let places: Vec<_> = all().map(|(x, y)| ((x - left) / (right - left), (scale(y) - low) / (high - low))).collect();
        let hidden = |is_right, is_upper| {
            let is_near = |place: f64, is_far_end| if is_far_end { place > 0.7 } else { place < 0.3 };
            places.iter().filter(|(x, y)| is_near(*x, is_right) && is_near(*y, is_upper)).count()
        };
        let corners = [
            (hidden(true, true), SeriesLabelPosition::UpperRight),
            (hidden(true, false), SeriesLabelPosition::LowerRight),
            (hidden(false, true), SeriesLabelPosition::UpperLeft),
            (hidden(false, false), SeriesLabelPosition::LowerLeft),
        ];
        corners.into_iter().min_by_key(|(hidden, _)| *hidden).expect("there are four").1
    }

    fn paint_on<B: DrawingBackend, Y>(
        &self,
        paper: &DrawingArea<B, Shift>,
        bounds: [[f64; 2]; 2],
        y: Y,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>
    where
        Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
    {
        let [x, height] = bounds;
        let mut builder = ChartBuilder::on(paper);
        let mut chart = builder.margin(16).x_label_area_size(44).y_label_area_size(72).build_cartesian_2d(x[0]..x[1], y)?;
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.12)).label_style(("sans-serif", 14)).axis_desc_style(("sans-serif", 16));
        mesh.x_desc(&self.axes[0]).y_desc(&self.axes[1]).x_label_formatter(&|at| tick(*at, x)).y_label_formatter(&|at| tick(*at, height)).draw()?;
        for (i, (name, _)) in self.curves.iter().enumerate() {
            let style = Palette99::pick(i).stroke_width(2);
            let series = chart.draw_series(LineSeries::new(self.points(i), style))?;
            series.label(name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
        }
        let mut labels = chart.configure_series_labels();
        labels
            .position(self.emptiest_corner(bounds))
            .label_font(("sans-serif", 14))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()
    }
}

/// The number beside a line across, on an axis from `low` to `high`.
fn tick(number: f64, [low, high]: [f64; 2]) -> String {
    // Counted up in steps from below zero, zero comes to something like -3e-17.
    let is_zero = low < 0.0 && number.abs() < 1e-9 * (high - low);
    match number.abs() {
        _ if is_zero || number == 0.0 => "0".to_owned(),
        1e-2..1e5 => format!("{}", number as f32),
        _ => format!("{number:.0e}"),
    }
}

impl Picture for Curves {
    fn size(&self) -> [u32; 2] {
        [900, 560]
    }

    fn paint<B: DrawingBackend>(&self, paper: &DrawingArea<B, Shift>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let Some(bounds @ [_, [low, high]]) = self.bounds() else { return Ok(()) };
        if self.is_log { self.paint_on(paper, bounds, (low..high).log_scale()) } else { self.paint_on(paper, bounds, low..high) }
    }
}
