//! Pixels for plotters to draw on, with letters that need no font of the system.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontTransform};
use std::convert::Infallible;

/// An image of red, green and blue bytes.
pub(super) struct Raster {
    size: [u32; 2],
    pixels: Vec<u8>,
}

impl Raster {
    pub(super) fn new(size: [u32; 2]) -> Self {
        Raster { size, pixels: vec![255; 3 * size[0] as usize * size[1] as usize] }
    }

    /// The image as a PNG file.
    pub(super) fn png(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.size[0], self.size[1]);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.pixels));
        written.map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    fn blend(&mut self, [x, y]: [i32; 2], (r, g, b): (u8, u8, u8), alpha: f64) {
        let inside = |i: i32, size: u32| u32::try_from(i).ok().filter(|&i| i < size);
        let (Some(x), Some(y)) = (inside(x, self.size[0]), inside(y, self.size[1])) else { return };
        let at = 3 * (y as usize * self.size[0] as usize + x as usize);
        for (pixel, colour) in self.pixels[at..at + 3].iter_mut().zip([r, g, b]) {
            *pixel = (f64::from(*pixel) * (1.0 - alpha) + f64::from(colour) * alpha).round() as u8;
        }
    }
}

/// The height of letters that is next below the one that is wanted.
fn height(size: f64) -> RasterHeight {
    match size {
        size if size < 18.0 => RasterHeight::Size16,
        size if size < 22.0 => RasterHeight::Size20,
        _ => RasterHeight::Size24,
    }
}

impl DrawingBackend for &mut Raster {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.size[0], self.size[1])
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Result<(), DrawingErrorKind<Infallible>> {
        self.blend([x, y], color.rgb, color.alpha);
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, (x, y): BackendCoord) -> Result<(), DrawingErrorKind<Infallible>> {
        let (height, color) = (height(style.size()), style.color());
        let (letter, letters) = (get_raster_width(FontWeight::Regular, height) as i32, text.chars().count() as i32);
        let [w, h] = [letter * letters, height.val() as i32];
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -w / 2,
            HPos::Right => -w,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -h / 2,
            VPos::Bottom => -h,
        };
        for (i, glyph) in text.chars().enumerate().filter_map(|(i, c)| Some((i as i32, get_raster(c, FontWeight::Regular, height)?))) {
            for (row, line) in (0..).zip(glyph.rows()) {
                for (column, &strength) in (0..).zip(line) {
                    let [along, down] = [left + i * letter + column, top + row];
                    let [dx, dy] = match style.transform() {
                        FontTransform::None => [along, down],
                        FontTransform::Rotate90 => [-down, along],
                        FontTransform::Rotate180 => [-along, -down],
                        FontTransform::Rotate270 => [down, -along],
                    };
                    self.blend([x + dx, y + dy], color.rgb, color.alpha * f64::from(strength) / 255.0);
                }
            }
        }
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, style: &S) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let height = height(style.size());
        Ok(((get_raster_width(FontWeight::Regular, height) * text.chars().count()) as u32, height.val() as u32))
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Result<(), DrawingErrorKind<Infallible>> {
        plotters_backend::rasterizer::draw_line(self, from, to, style)
    }
}
