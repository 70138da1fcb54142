//! How a kernel walks over an image.

/// How a kernel walks over an image of `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub image: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub output: [usize; 2],
}

impl Geometry {
    /// How many windows there are.
    pub(crate) fn windows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// How many pixels a window has.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub(crate) fn pixels(&self) -> usize {
        self.image[0] * self.image[1]
    }

    /// The pixel under tap `[ky, kx]` of window `[oy, ox]`; `None` in the padding.
    pub(crate) fn pixel(&self, [ky, kx]: [usize; 2], [oy, ox]: [usize; 2]) -> Option<usize> {
        let along = |axis: usize, tap: usize, window: usize| {
            (window * self.stride[axis] + tap * self.dilation[axis]).checked_sub(self.padding[axis]).filter(|&at| at < self.image[axis])
        };
        Some(along(0, ky, oy)? * self.image[1] + along(1, kx, ox)?)
    }

    /// The window whose tap `[ky, kx]` lies on pixel `[y, x]`, if there is one: the inverse of [`Geometry::pixel`].
    pub(crate) fn window(&self, [ky, kx]: [usize; 2], [y, x]: [usize; 2]) -> Option<usize> {
        let along = |axis: usize, tap: usize, at: usize| {
            let steps = (at + self.padding[axis]).checked_sub(tap * self.dilation[axis])?;
            let window = steps / self.stride[axis];
            (steps.is_multiple_of(self.stride[axis]) && window < self.output[axis]).then_some(window)
        };
        Some(along(0, ky, y)? * self.output[1] + along(1, kx, x)?)
    }
}

/// All places of a grid, row by row.
pub(crate) fn grid([height, width]: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]))
}
