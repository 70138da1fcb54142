//! Drawings of what is learned, as SVG or PNG: with the feature `plot`.
//!
//! What a drawing is written as, the name of its file says: `loss.svg` for pages and papers, `loss.png` for everything else. An
//! SVG file is light or dark, as the reader's page is.
//!
//! | type | what it draws |
//! | --- | --- |
//! | [`Curves`] | losses, step by step |
//! | [`HeatMap`] | where attention looks; how often a class was taken for which |
//! | [`Images`] | images in a grid |
//! | [`Histograms`] | weights and gradients, tensor by tensor |

mod curves;
mod heat_map;
mod histograms;
mod images;
mod raster;

pub use curves::Curves;
pub use heat_map::HeatMap;
pub use histograms::Histograms;
pub use images::Images;

use crate::error::Error;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use raster::Raster;
use std::path::Path;

/// What can be drawn on paper of any kind.
trait Picture {
    fn size(&self) -> [u32; 2];

    fn paint<B: DrawingBackend>(&self, paper: &DrawingArea<B, Shift>) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>;
}

/// What changes on a dark page: paper and legends, pure black text and lines. What is drawn in another colour stays.
const DARK: &str = "\
@media(prefers-color-scheme:dark){rect:first-of-type,rect[opacity=\"0.85\"]{fill:#12171d}text[fill=\"#000000\"]{fill:#e4e9ee}\
polyline[stroke=\"#000000\"],line[stroke=\"#000000\"],rect[stroke=\"#000000\"]{stroke:#9aa7b4}}";

/// Writes a picture, as what the name of the file says. Each picture calls it from a function without type parameters, so that
/// plotters is compiled with this crate and not with every program that draws.
fn save(picture: &impl Picture, path: &Path) -> Result<(), Error> {
    let format = || path.display().to_string();
    let failed = |given: String| Error::Format { file: format(), expected: "a drawing".to_owned(), given };
    let [width, height] = picture.size();
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => {
            let mut svg = String::new();
            paint(picture, SVGBackend::with_string(&mut svg, (width, height))).map_err(failed)?;
            svg.replacen('>', &format!(">\n<style>{DARK}</style>"), 1).into_bytes()
        }
        Some("png") => {
            let mut raster = Raster::new([width, height]);
            paint(picture, &mut raster).map_err(failed)?;
            raster.png().map_err(failed)?
        }
        _ => return Err(Error::Format { file: format(), expected: "a name that ends with .svg or .png".to_owned(), given: "another".to_owned() }),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(Error::file(path, "make its folder"))?;
    }
    std::fs::write(path, bytes).map_err(Error::file(path, "write it"))
}

fn paint<B: DrawingBackend>(picture: &impl Picture, backend: B) -> Result<(), String> {
    let paper = backend.into_drawing_area();
    let painted = paper.fill(&WHITE).and_then(|()| picture.paint(&paper)).and_then(|()| paper.present());
    painted.map_err(|error| error.to_string())
}

/// Text whose middle is at its place.
fn centred(size: u32) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", size)).pos(Pos::new(HPos::Center, VPos::Center))
}

fn counted(what: &'static str, expected: usize, given: usize) -> Result<(), Error> {
    if expected == given { Ok(()) } else { Err(Error::Count { what, expected, given }) }
}

/// The least and the greatest of some numbers; a little apart, even if all are one.
fn bounds(numbers: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let [low, high] = numbers.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], x| [low.min(x), high.max(x)]);
    let room = if high > low { 0.0 } else { low.abs().max(1.0) * 0.5 };
    (low <= high).then_some([low - room, high + room])
}
