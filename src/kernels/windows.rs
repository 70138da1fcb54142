//! Lists of the pixels that windows see, for pools and for gathering patches.

use super::geometry::{Geometry, grid};
use core::ops::Range;

/// Windows over one channel of an image, each a list of the pixels that it sees. Padding is in no list.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    /// How many pixels the image has.
    pub pixels: usize,
    seen: Vec<u32>,
    /// Where each window's list begins, and where the last one ends.
    bounds: Vec<usize>,
    /// What the mean over each window divides by.
    divisors: Vec<usize>,
    /// How they share out the image, if they do.
    pub tiles: Option<Tiles>,
}

/// Windows of one size that lie side by side and do not overlap. Rows and columns of the image can be left over at its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    pub image: [usize; 2],
    /// The size of a window.
    pub size: [usize; 2],
    /// How many windows there are along each axis.
    pub count: [usize; 2],
}

impl Tiles {
    fn of(g: &Geometry) -> Option<Self> {
        let dense = g.padding == [0, 0] && g.dilation == [1, 1] && g.stride == g.kernel;
        let whole = (0..2).all(|axis| g.output[axis] == g.image[axis] / g.kernel[axis]);
        (dense && whole).then_some(Tiles { image: g.image, size: g.kernel, count: g.output })
    }

    /// Whether some pixels are in no window.
    pub(crate) fn leave_some(&self) -> bool {
        (0..2).any(|axis| self.count[axis] * self.size[axis] < self.image[axis])
    }
}

/// One window.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a> {
    /// The pixels it sees, row by row.
    pub pixels: &'a [u32],
    /// What a mean over the window divides by.
    pub divisor: usize,
}

impl Windows {
    fn new(pixels: usize) -> Self {
        assert!(pixels <= u32::MAX as usize, "an image has at most 2^32 pixels");
        Windows { pixels, seen: Vec::new(), bounds: vec![0], divisors: Vec::new(), tiles: None }
    }

    /// The windows of a sliding kernel; a mean divides by the pixels seen or, with `count_padding`, by the kernel's size,
    /// in which the padding counts.
    pub(crate) fn sliding(g: &Geometry, count_padding: bool) -> Self {
        let mut windows = Windows { tiles: Tiles::of(g), ..Windows::new(g.pixels()) };
        for at in grid(g.output) {
            windows.push(grid(g.kernel).filter_map(|tap| g.pixel(tap, at)), count_padding.then(|| g.taps()));
        }
        windows
    }

    /// `output[0] x output[1]` windows that share out the whole image, as PyTorch's adaptive pools do.
    pub(crate) fn adaptive(image: [usize; 2], output: [usize; 2]) -> Self {
        let range = |axis: usize, i: usize| -> Range<usize> { i * image[axis] / output[axis]..((i + 1) * image[axis]).div_ceil(output[axis]) };
        let mut windows = Windows::new(image[0] * image[1]);
        for [i, j] in grid(output) {
            windows.push(range(0, i).flat_map(|y| range(1, j).map(move |x| y * image[1] + x)), None);
        }
        windows
    }

    fn push(&mut self, pixels: impl Iterator<Item = usize>, divisor: Option<usize>) {
        let begin = self.seen.len();
        self.seen.extend(pixels.map(|pixel| pixel as u32));
        self.bounds.push(self.seen.len());
        self.divisors.push(divisor.unwrap_or(self.seen.len() - begin));
    }

    /// How many windows there are.
    pub(crate) fn len(&self) -> usize {
        self.divisors.len()
    }

    /// The most pixels that a window sees.
    pub(crate) fn largest(&self) -> usize {
        self.iter().map(|window| window.pixels.len()).max().unwrap_or(0)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Window<'_>> {
        let lists = self.bounds.windows(2).map(|bounds| &self.seen[bounds[0]..bounds[1]]);
        lists.zip(&self.divisors).map(|(pixels, &divisor)| Window { pixels, divisor })
    }
}
