//! What convolutions and pools have in common: a kernel that walks over an image.

use crate::kernels::geometry::Geometry;
use crate::types::{Dims, Message, Problem, Reach};

/// A kernel's size and how it walks; all numbers are `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The kernel's size.
    pub kernel_size: [usize; 2],
    /// The step from one window to the next.
    pub stride: [usize; 2],
    /// What is added around the image, on each side.
    pub padding: [usize; 2],
    /// The step from one tap of the kernel to the next.
    pub dilation: [usize; 2],
}

impl Window {
    /// How far the kernel reaches along an axis: `dilation (kernel_size - 1) + 1`.
    const fn extent(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
    }

    /// The height and width that come out: `(size + 2 padding - extent) / stride + 1`, rounded down.
    pub(crate) const fn infer(&self, image: Dims) -> Result<[usize; 2], Problem> {
        let mut output = [0, 0];
        let mut axis = 0;
        while axis < 2 {
            if self.kernel_size[axis] == 0 {
                return Err(Problem::zero("kernel size"));
            }
            if self.stride[axis] == 0 {
                return Err(Problem::zero("stride"));
            }
            if self.dilation[axis] == 0 {
                return Err(Problem::zero("dilation"));
            }
            let padded = image.size(1 + axis) + 2 * self.padding[axis];
            if self.extent(axis) > padded {
                return Err(self.too_large(image));
            }
            output[axis] = (padded - self.extent(axis)) / self.stride[axis] + 1;
            axis += 1;
        }
        Ok(output)
    }

    const fn too_large(&self, image: Dims) -> Problem {
        let [kh, kw] = self.kernel_size;
        let mut message = Message::new("has a ").num(kh).str("x").num(kw).str(" kernel");
        if self.extent(0) != kh || self.extent(1) != kw {
            message = message.str(" that reaches over ").num(self.extent(0)).str("x").num(self.extent(1));
        }
        let (h, w) = (image.size(1) + 2 * self.padding[0], image.size(2) + 2 * self.padding[1]);
        let is_padded = self.padding[0] > 0 || self.padding[1] > 0;
        let subject = if is_padded { ", but the image with its padding is only " } else { ", but the image is only " };
        Problem::new(message.str(subject).num(h).str("x").num(w))
    }

    pub(crate) const fn reach(&self) -> Reach {
        Reach::Window { size: [self.extent(0), self.extent(1)], stride: self.stride }
    }

    /// The walk over an image `[C, H, W]` that makes `[.., height, width]` of it.
    pub(crate) fn over(&self, image: Dims, output: Dims) -> Geometry {
        Geometry {
            image: [image.size(1), image.size(2)],
            kernel: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            output: [output.size(1), output.size(2)],
        }
    }

    /// Arguments for a label, where one number does for both axes.
    pub(crate) const fn square(&self) -> [usize; 4] {
        [self.kernel_size[0], self.stride[0], self.padding[0], self.dilation[0]]
    }
}
