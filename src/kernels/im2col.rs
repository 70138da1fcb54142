//! Windows over an image as the columns of a matrix, and back.

use super::geometry::{Geometry, grid};
use core::ops::{AddAssign, Range};

/// The windows of one channel as a matrix `[taps, windows]`: what is copied from where, found out once.
pub(crate) struct Unfold {
    runs: Vec<Run>,
    /// Where windows see padding.
    padding: Vec<u32>,
    stride: usize,
}

/// Neighbouring windows under one tap: where they lie in the matrix, and the first pixel; the others are a stride apart.
struct Run {
    windows: Range<usize>,
    pixel: usize,
}

impl Unfold {
    pub(crate) fn new(g: &Geometry) -> Self {
        assert!(g.taps() * g.windows() <= u32::MAX as usize, "a matrix of windows has at most 2^32 numbers");
        let mut unfold = Unfold { runs: Vec::new(), padding: Vec::new(), stride: g.stride[1] };
        for (tap, at) in grid(g.kernel).enumerate() {
            unfold.push_runs(g, tap * g.windows(), at);
            let outside = grid(g.output).enumerate().filter(|&(_, window)| g.pixel(at, window).is_none());
            unfold.padding.extend(outside.map(|(window, _)| (tap * g.windows() + window) as u32));
        }
        unfold
    }

    /// The runs of a tap, whose row of the matrix begins at `begin`: one for each row of windows or, where the width is kept,
    /// one that goes on from row to row, over windows that see padding.
    fn push_runs(&mut self, g: &Geometry, begin: usize, [ky, kx]: [usize; 2]) {
        let ((rows, y), (columns, x)) = (g.inside(0, ky), g.inside(1, kx));
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let window = |row: usize, column: usize| begin + row * g.output[1] + column;
        let mut push = |first: usize, last: usize, y: usize| {
            self.runs.push(Run { windows: window(first, columns.start)..window(last, columns.end), pixel: y * g.image[1] + x });
        };
        if g.keeps_width() {
            push(rows.start, rows.end - 1, y);
        } else {
            rows.enumerate().for_each(|(i, row)| push(row, row, y + i * g.stride[0]));
        }
    }

    /// Writes the windows of an image; where they see padding they are zero.
    pub(crate) fn im2col<E: Copy + Default>(&self, image: &[E], columns: &mut [E]) {
        for Run { windows, pixel } in &self.runs {
            let to = &mut columns[windows.clone()];
            // Told apart so that the usual stride is one copy.
            if self.stride == 1 {
                to.copy_from_slice(&image[*pixel..*pixel + to.len()]);
            } else {
                to.iter_mut().zip(image[*pixel..].iter().step_by(self.stride)).for_each(|(to, from)| *to = *from);
            }
        }
        self.clear_padding(columns);
    }

    /// Adds the windows to the pixels that they see, the transpose of [`Unfold::im2col`]; what they have of the padding is
    /// zeroed on the way.
    pub(crate) fn col2im<E: Copy + Default + AddAssign>(&self, columns: &mut [E], image: &mut [E]) {
        self.clear_padding(columns);
        for Run { windows, pixel } in &self.runs {
            let from = &columns[windows.clone()];
            // Told apart so that the usual stride is a loop over neighbours.
            if self.stride == 1 {
                image[*pixel..*pixel + from.len()].iter_mut().zip(from).for_each(|(to, &x)| *to += x);
            } else {
                image[*pixel..].iter_mut().step_by(self.stride).zip(from).for_each(|(to, &x)| *to += x);
            }
        }
    }

    fn clear_padding<E: Default>(&self, columns: &mut [E]) {
        for &at in &self.padding {
            columns[at as usize] = E::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn geometry() -> impl Strategy<Value = Geometry> {
        let pair = |range: core::ops::Range<usize>| [range.clone(), range];
        (pair(1..8), pair(1..4), pair(1..4), pair(0..3), pair(1..3)).prop_filter_map(
            "the kernel fits",
            |(image, kernel, stride, padding, dilation)| {
                let size = |axis: usize| {
                    let reach = dilation[axis] * (kernel[axis] - 1) + 1;
                    Some((image[axis] + 2 * padding[axis]).checked_sub(reach)? / stride[axis] + 1)
                };
                Some(Geometry { image, kernel, stride, padding, dilation, output: [size(0)?, size(1)?] })
            },
        )
    }

    proptest! {
        /// Both directions against the definition, pixel by pixel.
        #[test]
        fn columns_are_what_the_windows_see(g in geometry()) {
            let image: Vec<i64> = (1..=g.pixels() as i64).collect();
            let mut columns = vec![-1; g.taps() * g.windows()];
            let unfold = Unfold::new(&g);
            unfold.im2col(&image, &mut columns);
            let mut back = vec![0; g.pixels()];
            let mut expected_back = back.clone();
            unfold.col2im(&mut columns.clone(), &mut back);
            for tap in 0..g.taps() {
                for window in 0..g.windows() {
                    let pixel = g.pixel([tap / g.kernel[1], tap % g.kernel[1]], [window / g.output[1], window % g.output[1]]);
                    let at = tap * g.windows() + window;
                    prop_assert_eq!(columns[at], pixel.map_or(0, |p| image[p]));
                    if let Some(p) = pixel {
                        expected_back[p] += columns[at];
                    }
                }
            }
            prop_assert_eq!(back, expected_back);
        }
    }
}
