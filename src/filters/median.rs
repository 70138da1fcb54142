//! The median filter.

use super::{Border, Image, Kernel};
use crate::error::Error;
use crate::float::Float;
use crate::kernels::geometry::grid;

/// The middle one of the `size x size` pixels around each, in order of size: it takes away single spots and keeps edges.
///
/// A NaN counts as the largest number, or as the smallest if its sign says so.
///
/// # Errors
/// [`Error::Filter`] if `size` is not odd, or reaches further than the border does.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, median};
///
/// let edge_with_a_spot = Image::new(1, 6, vec![0.0, 0.0, 9.0, 0.0, 5.0, 5.0])?;
/// assert_eq!(median(&edge_with_a_spot, 3, Border::Nearest)?.pixels(), [0.0, 0.0, 0.0, 5.0, 5.0, 5.0]);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// SciPy's `ndimage.median_filter`. Course notes: image filters.
pub fn median<E: Float>(image: &Image<E>, size: usize, border: Border) -> Result<Image<E>, Error> {
    let kernel = Kernel::Median { size };
    image.check(&kernel, border)?;
    let constant = if let Border::Constant(constant) = border { E::of(constant) } else { E::zero() };
    let [rows, columns] = [image.height(), image.width()].map(|len| border.places(len, kernel.radius()));
    let pixel = |row: Option<usize>, column: Option<usize>| Some(image.pixels()[row? * image.width() + column?]);
    let mut window = Vec::with_capacity(size * size);
    let medians = grid([image.height(), image.width()]).map(|[i, j]| {
        let places = rows[i..i + size].iter().flat_map(|&row| columns[j..j + size].iter().map(move |&column| (row, column)));
        window.clear();
        window.extend(places.map(|(row, column)| pixel(row, column).unwrap_or(constant)));
        *window.select_nth_unstable_by(size * size / 2, |a, b| a.f64().total_cmp(&b.f64())).1
    });
    Ok(image.with_pixels(medians.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_border_is_what_the_border_says() {
        let image = Image::new(1, 3, vec![1.0, 2.0, 3.0]).unwrap();
        let pixels = |border| median(&image, 3, border).unwrap().pixels().to_vec();
        assert_eq!(pixels(Border::Constant(7.0)), [7.0, 7.0, 7.0]);
        assert_eq!(pixels(Border::Constant(0.0)), [0.0, 0.0, 0.0]);
        assert_eq!(pixels(Border::Reflect), [1.0, 2.0, 3.0]);
    }
}
