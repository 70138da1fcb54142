//! Grey images.

use super::{Border, Kernel};
use crate::error::Error;
use crate::float::Float;

/// A grey image: `height` rows of `width` numbers.
///
/// # Examples
/// ```
/// use formwork::filters::Image;
///
/// let image = Image::new(2, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
/// assert_eq!((image.height(), image.width(), image.pixel(1, 0)), (2, 3, Some(3.0)));
///
/// let error = Image::new(2, 3, vec![0.0; 5]).unwrap_err();
/// assert_eq!(error.to_string(), "pixels of an image: expected 6, given 5");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Image<E = f32> {
    height: usize,
    width: usize,
    pixels: Vec<E>,
}

impl<E: Float> Image<E> {
    /// The image with these pixels, row by row.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not `height * width` of them, or if there are no rows or no columns.
    pub fn new(height: usize, width: usize, pixels: Vec<E>) -> Result<Self, Error> {
        let count = |what, expected, given| if expected == given { Ok(()) } else { Err(Error::Count { what, expected, given }) };
        count("rows of an image", height.max(1), height)?;
        count("columns of an image", width.max(1), width)?;
        count("pixels of an image", height.saturating_mul(width), pixels.len())?;
        Ok(Image { height, width, pixels })
    }

    /// How many rows there are.
    pub fn height(&self) -> usize {
        self.height
    }

    /// How many pixels a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> &[E] {
        &self.pixels
    }

    /// The pixel in a row and a column, if it is on the image.
    pub fn pixel(&self, row: usize, column: usize) -> Option<E> {
        let is_inside = row < self.height && column < self.width;
        is_inside.then(|| self.pixels[row * self.width + column])
    }

    /// An image of the same size.
    pub(super) fn with_pixels(&self, pixels: Vec<E>) -> Self {
        debug_assert_eq!(pixels.len(), self.pixels.len());
        Image { pixels, ..*self }
    }

    /// Checks that `kernel` is one, and that it reaches no further than `border` does.
    pub(super) fn check(&self, kernel: &Kernel, border: Border) -> Result<(), Error> {
        let error = |expected, given| Err(Error::Filter { filter: kernel.name(), expected, given });
        if !kernel.has_sound_size() {
            return error(format!("a kernel of an odd size up to {}", Kernel::LARGEST), kernel.size().to_string());
        }
        let reach = border.reach(self.height.min(self.width));
        if kernel.radius() > reach {
            let (height, width) = (self.height, self.width);
            let expected = format!("a kernel that reaches at most {reach} pixels beyond an image of {height}x{width} with border {border:?}");
            return error(expected, kernel.radius().to_string());
        }
        Ok(())
    }
}
