//! What convolutions and pools have in common: a kernel that walks over an image, or along a signal.

use crate::kernels::geometry::Geometry;
use crate::onnx::Attribute;
use crate::types::{Dims, Message, Problem, Reach};

/// What a layer works on. A signal `[C, L]` is an image `[C, 1, L]` to all that computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// `[C, L]`
    Signal,
    /// `[C, H, W]`
    Image,
}

impl Space {
    /// The sample as an image `[C, H, W]`.
    pub(crate) const fn image(self, x: Dims) -> Result<Dims, Problem> {
        match self {
            Space::Signal if x.rank() == 2 => Ok(Dims::new(&[x.size(0), 1, x.size(1)])),
            Space::Signal if x.rank() == 3 => {
                Err(Problem::rank("a signal [C, L]", x).help(Message::new("the layer of this name that ends in 2d works on images")))
            }
            Space::Signal => Err(Problem::rank("a signal [C, L]", x)),
            Space::Image if x.rank() == 3 => Ok(x),
            Space::Image if x.rank() == 2 => {
                Err(Problem::image(x).help(Message::new("the layer of this name that ends in 1d works on signals [C, L]")))
            }
            Space::Image => Err(Problem::image(x)),
        }
    }

    /// The sample that has these channels, height and width.
    pub(crate) const fn dims(self, channels: usize, [height, width]: [usize; 2]) -> Dims {
        match self {
            Space::Signal => Dims::new(&[channels, width]),
            Space::Image => Dims::new(&[channels, height, width]),
        }
    }

    /// Height and width of a sample that is known to be a signal or an image.
    pub(crate) fn extent(self, x: Dims) -> [usize; 2] {
        match self {
            Space::Signal => [1, x.size(1)],
            Space::Image => [x.size(1), x.size(2)],
        }
    }

    /// Height and width, or of a signal its length alone, as ONNX counts dimensions.
    pub(crate) fn axes(self, [height, width]: [usize; 2]) -> Vec<i64> {
        match self {
            Space::Signal => vec![width as i64],
            Space::Image => vec![height as i64, width as i64],
        }
    }

    /// The one of two words that is right here.
    pub(crate) const fn word(self, signal: &'static str, image: &'static str) -> &'static str {
        match self {
            Space::Signal => signal,
            Space::Image => image,
        }
    }
}

/// A kernel's size and how it walks; all numbers are `[height, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// What it walks over.
    pub space: Space,
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
    /// A kernel that walks along a signal.
    pub(crate) const fn along(kernel_size: usize, stride: usize, padding: usize, dilation: usize) -> Self {
        Window { space: Space::Signal, kernel_size: [1, kernel_size], stride: [1, stride], padding: [0, padding], dilation: [1, dilation] }
    }

    /// How far the kernel reaches along an axis: `dilation (kernel_size - 1) + 1`.
    pub(super) const fn extent(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
    }

    /// None of the numbers that must not be is zero.
    pub(super) const fn check(&self) -> Result<(), Problem> {
        if let [0, _] | [_, 0] = self.kernel_size {
            return Err(Problem::zero("kernel size"));
        }
        if let [0, _] | [_, 0] = self.stride {
            return Err(Problem::zero("stride"));
        }
        if let [0, _] | [_, 0] = self.dilation {
            return Err(Problem::zero("dilation"));
        }
        Ok(())
    }

    /// The height and width that come out: `(size + 2 padding - extent) / stride + 1`, rounded down.
    pub(crate) const fn infer(&self, image: Dims) -> Result<[usize; 2], Problem> {
        if let Err(problem) = self.check() {
            return Err(problem);
        }
        let mut output = [0, 0];
        let mut axis = 0;
        while axis < 2 {
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
        let ([h, w], [ph, pw]) = ([self.extent(0), self.extent(1)], self.padding);
        let message = if h == self.kernel_size[0] && w == self.kernel_size[1] {
            self.kernel(Message::new("has a "))
        } else {
            self.size(Message::new("has a kernel that reaches over "), [h, w])
        };
        let subject = if ph > 0 || pw > 0 {
            self.space.word(", but the signal with its padding is only ", ", but the image with its padding is only ")
        } else {
            self.space.word(", but the signal is only ", ", but the image is only ")
        };
        let message = self.size(message.str(subject), [image.size(1) + 2 * ph, image.size(2) + 2 * pw]);
        Problem::new(message.str(self.space.word(" long", "")))
    }

    /// `3x3 kernel`, or `kernel of 3`
    pub(super) const fn kernel(&self, message: Message) -> Message {
        match self.space {
            Space::Signal => self.size(message.str("kernel of "), self.kernel_size),
            Space::Image => self.size(message, self.kernel_size).str(" kernel"),
        }
    }

    /// `3x3`, or `3`
    pub(super) const fn size(&self, message: Message, [h, w]: [usize; 2]) -> Message {
        match self.space {
            Space::Signal => message.num(w),
            Space::Image => message.num(h).str("x").num(w),
        }
    }

    pub(crate) const fn reach(&self) -> Reach {
        Reach::Window { size: [self.extent(0), self.extent(1)], stride: self.stride }
    }

    /// The walk over an image `[C, H, W]` that makes `[.., height, width]` of it.
    pub(crate) fn over(&self, image: Dims, output: Dims) -> Geometry {
        Geometry {
            image: self.space.extent(image),
            kernel: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
            output: self.space.extent(output),
        }
    }

    /// What ONNX wants to know of it.
    pub(super) fn onnx(&self) -> Vec<(&'static str, Attribute)> {
        let axes = |pair| self.space.axes(pair);
        vec![
            ("kernel_shape", Attribute::Ints(axes(self.kernel_size))),
            ("strides", Attribute::Ints(axes(self.stride))),
            ("pads", Attribute::Ints(axes(self.padding).repeat(2))),
            ("dilations", Attribute::Ints(axes(self.dilation))),
        ]
    }

    /// How many taps the kernel has.
    pub(super) const fn taps(&self) -> usize {
        self.kernel_size[0] * self.kernel_size[1]
    }

    /// The shape of so many kernels.
    pub(crate) const fn weight(&self, [a, b]: [usize; 2]) -> Dims {
        let [kh, kw] = self.kernel_size;
        match self.space {
            Space::Signal => Dims::new(&[a, b, kw]),
            Space::Image => Dims::new(&[a, b, kh, kw]),
        }
    }

    /// Arguments for a label, where one number does for both axes.
    pub(crate) const fn square(&self) -> [usize; 4] {
        [self.one(self.kernel_size), self.one(self.stride), self.one(self.padding), self.one(self.dilation)]
    }

    /// One number of a pair that is for both axes.
    pub(super) const fn one(&self, [height, width]: [usize; 2]) -> usize {
        match self.space {
            Space::Signal => width,
            Space::Image => height,
        }
    }
}
