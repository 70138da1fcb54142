//! Classical filters of grey images, and convolution as a matrix.
//!
//! A linear filter replaces a pixel by a weighted sum of those around it; the [`median`] takes the middle one. The same
//! filters are layers of a network in [`layers::filter`](crate::layers::filter), made of the same kernels.
//!
//! Course notes: image filters.

mod band;
mod border;
mod image;
mod kernel;
mod linear;
mod matrix;
mod median;

pub(crate) use band::Plane;
pub use border::Border;
pub use image::Image;
pub(crate) use kernel::Kernel;
pub use linear::{gaussian, laplace, mean, sobel_x, sobel_y};
pub use matrix::{Mode, convolution_matrix};
pub use median::median;
