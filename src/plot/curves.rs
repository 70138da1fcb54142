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

    fn paint_on<B: DrawingBackend, Y>(&self, paper: &DrawingArea<B, Shift>, x: [f64; 2], y: Y) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>
    where
        Y: AsRangedCoord<Value = f64, CoordDescType: ValueFormatter<f64>>,
    {
        let mut builder = ChartBuilder::on(paper);
        let mut chart = builder.margin(16).x_label_area_size(44).y_label_area_size(72).build_cartesian_2d(x[0]..x[1], y)?;
        let number = |x: &f64| if *x != 0.0 && (x.abs() < 1e-2 || x.abs() >= 1e5) { format!("{x:.0e}") } else { format!("{}", *x as f32) };
        let mut mesh = chart.configure_mesh();
        mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.12)).label_style(("sans-serif", 14)).axis_desc_style(("sans-serif", 16));
        mesh.x_desc(&self.axes[0]).y_desc(&self.axes[1]).x_label_formatter(&number).y_label_formatter(&number).draw()?;
        for (i, (name, _)) in self.curves.iter().enumerate() {
            let style = Palette99::pick(i).stroke_width(2);
            let series = chart.draw_series(LineSeries::new(self.points(i), style))?;
            series.label(name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], style));
        }
        let mut labels = chart.configure_series_labels();
        labels
            .position(SeriesLabelPosition::UpperRight)
            .label_font(("sans-serif", 14))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .draw()
    }
}

impl Picture for Curves {
    fn size(&self) -> [u32; 2] {
        [900, 560]
    }

    fn paint<B: DrawingBackend>(&self, paper: &DrawingArea<B, Shift>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let Some([x, [low, high]]) = self.bounds() else { return Ok(()) };
        if self.is_log { self.paint_on(paper, x, (low..high).log_scale()) } else { self.paint_on(paper, x, low..high) }
    }
}
