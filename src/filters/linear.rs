//! Filters that are weighted sums.

use super::{Border, Image, Kernel, Plane};
use crate::error::Error;
use crate::float::Float;

/// The mean of the `size x size` pixels around each: `y = Σ x / size²`.
///
/// # Errors
/// [`Error::Filter`] if `size` is not odd, or reaches further than the border does.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, mean};
///
/// let spot = Image::new(3, 3, vec![0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0])?;
/// let spread = mean(&spot, 3, Border::Nearest)?;
/// assert!(spread.pixels().iter().all(|pixel: &f64| (pixel - 1.0).abs() < 1e-12));
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// SciPy's `ndimage.uniform_filter`. Course notes: image filters.
pub fn mean<E: Float>(image: &Image<E>, size: usize, border: Border) -> Result<Image<E>, Error> {
    image.filtered(&Kernel::Mean { size }, border)
}

/// A blur whose weights are a bell: `w_k ~ exp(-k² / 2σ²)` along both directions, with `|k| <= truncate σ`, rounded, and sum 1.
///
/// # Errors
/// [`Error::Filter`] if `sigma` is not above 0, `truncate` is below 0, or the kernel reaches further than the border does.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, gaussian};
///
/// let grey = Image::new(9, 9, vec![0.5; 81])?;
/// let blurred = gaussian(&grey, 2.0, 4.0, Border::Reflect)?;
/// assert!(blurred.pixels().iter().all(|pixel: &f64| (pixel - 0.5).abs() < 1e-12));
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// SciPy's `ndimage.gaussian_filter`. Course notes: image filters.
pub fn gaussian<E: Float>(image: &Image<E>, sigma: f64, truncate: f64, border: Border) -> Result<Image<E>, Error> {
    let error = |expected: &str, given: f64| Error::Filter { filter: "gaussian", expected: expected.to_owned(), given: given.to_string() };
    if !(sigma.is_finite() && sigma > 0.0) {
        return Err(error("a finite sigma above 0", sigma));
    }
    if !(truncate.is_finite() && truncate >= 0.0) {
        return Err(error("a finite truncate of at least 0", truncate));
    }
    image.filtered(&Kernel::gaussian(sigma, truncate), border)
}

/// The slope from left to right: correlation with `[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]`, which is eight times the derivative.
///
/// With a constant border that is not 0, SciPy pads between its two passes with the same constant again; here the border is
/// that of the image alone.
///
/// # Errors
/// [`Error::Filter`] if the kernel reaches further than the border does.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, sobel_x};
///
/// let ramp = Image::new(1, 4, vec![0.0, 1.0, 2.0, 3.0])?;
/// assert_eq!(sobel_x(&ramp, Border::Nearest)?.pixels(), [4.0, 8.0, 8.0, 4.0]);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// SciPy's `ndimage.sobel` with `axis=1`. Course notes: image filters.
pub fn sobel_x<E: Float>(image: &Image<E>, border: Border) -> Result<Image<E>, Error> {
    image.filtered(&Kernel::SobelX, border)
}

/// The slope from top to bottom: correlation with `[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]`; see [`sobel_x`].
///
/// # Errors
/// [`Error::Filter`] if the kernel reaches further than the border does.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, sobel_y};
///
/// let ramp = Image::new(4, 1, vec![0.0, 1.0, 2.0, 3.0])?;
/// assert_eq!(sobel_y(&ramp, Border::Nearest)?.pixels(), [4.0, 8.0, 8.0, 4.0]);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// SciPy's `ndimage.sobel` with `axis=0`. Course notes: image filters.
pub fn sobel_y<E: Float>(image: &Image<E>, border: Border) -> Result<Image<E>, Error> {
    image.filtered(&Kernel::SobelY, border)
}

/// The sum of the second derivatives: correlation with `[[0, 1, 0], [1, -4, 1], [0, 1, 0]]`.
///
/// # Errors
/// [`Error::Filter`] if the kernel reaches further than the border does.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, laplace};
///
/// let squares = Image::new(1, 5, vec![0.0, 1.0, 4.0, 9.0, 16.0])?;
/// assert_eq!(laplace(&squares, Border::Nearest)?.pixels()[1..4], [2.0, 2.0, 2.0]);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// SciPy's `ndimage.laplace`. Course notes: image filters.
pub fn laplace<E: Float>(image: &Image<E>, border: Border) -> Result<Image<E>, Error> {
    image.filtered(&Kernel::Laplace, border)
}

impl<E: Float> Image<E> {
    fn filtered(&self, kernel: &Kernel, border: Border) -> Result<Image<E>, Error> {
        self.check(kernel, border)?;
        let plane = Plane::new(kernel, [self.height(), self.width()], border);
        let (mut pixels, mut scratch) = (vec![E::zero(); plane.pixels()], vec![E::zero(); plane.pixels()]);
        plane.filter(self.pixels(), &mut pixels, &mut scratch);
        Ok(self.with_pixels(pixels))
    }
}
