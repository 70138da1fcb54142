//! Windows over an image as the columns of a matrix, and back.

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

    /// Whether the windows are the pixels, in order: a 1x1 kernel that skips nothing.
    pub(crate) fn is_identity(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// The pixel under tap `[ky, kx]` of window `[oy, ox]`; `None` in the padding.
    pub(crate) fn pixel(&self, [ky, kx]: [usize; 2], [oy, ox]: [usize; 2]) -> Option<usize> {
        let along = |axis: usize, tap: usize, window: usize| {
            (window * self.stride[axis] + tap * self.dilation[axis]).checked_sub(self.padding[axis]).filter(|&at| at < self.image[axis])
        };
        Some(along(0, ky, oy)? * self.image[1] + along(1, kx, ox)?)
    }

    /// The windows of a row whose tap `kx` lies on the image, and the column that the first of them sees.
    fn inside(&self, kx: usize) -> (core::ops::Range<usize>, usize) {
        let (shift, padding, stride) = (kx * self.dilation[1], self.padding[1], self.stride[1]);
        let begin = padding.saturating_sub(shift).div_ceil(stride);
        let end = (self.image[1] + padding).saturating_sub(shift).div_ceil(stride).min(self.output[1]).max(begin);
        (begin..end, (begin * stride + shift).saturating_sub(padding))
    }

    /// Calls `f(column, windows, pixels)` for each run of windows in a row of the matrix `[taps, windows]`: `windows` is
    /// where the run lies in the matrix, and its pixels begin at `pixels` and are a stride apart.
    fn for_each_run(&self, mut f: impl FnMut(core::ops::Range<usize>, usize)) {
        for kx in 0..self.kernel[1] {
            let (inside, column) = self.inside(kx);
            for ky in 0..self.kernel[0] {
                let row = (ky * self.kernel[1] + kx) * self.windows();
                for oy in 0..self.output[0] {
                    let y = (oy * self.stride[0] + ky * self.dilation[0]).wrapping_sub(self.padding[0]);
                    if y < self.image[0] && !inside.is_empty() {
                        let at = row + oy * self.output[1];
                        f(at + inside.start..at + inside.end, y * self.image[1] + column);
                    }
                }
            }
        }
    }
}

/// Writes the windows of one channel as a matrix `[taps, windows]`; taps in the padding are zero.
pub(crate) fn im2col<E: Copy + Default>(g: &Geometry, image: &[E], columns: &mut [E]) {
    if g.padding != [0, 0] {
        columns.fill(E::default());
    }
    g.for_each_run(|windows, pixel| {
        let to = &mut columns[windows];
        if g.stride[1] == 1 {
            copy(&image[pixel..pixel + to.len()], to);
        } else {
            for (to, from) in to.iter_mut().zip(image[pixel..].iter().step_by(g.stride[1])) {
                *to = *from;
            }
        }
    });
}

/// Copies the pixels of a row. Rows are short, and a call that copies memory would cost more than the copy.
fn copy<E: Copy>(from: &[E], to: &mut [E]) {
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<4>(), to.as_chunks_mut::<4>());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    to_rest.iter_mut().zip(from_rest).for_each(|(to, from)| *to = *from);
}

/// Adds a matrix `[taps, windows]` to the pixels that its windows see: the transpose of [`im2col`].
pub(crate) fn col2im<E: Copy + core::ops::AddAssign>(g: &Geometry, columns: &[E], image: &mut [E]) {
    g.for_each_run(|windows, pixel| {
        let from = &columns[windows];
        // Told apart so that the usual stride is a loop over neighbours.
        if g.stride[1] == 1 {
            image[pixel..pixel + from.len()].iter_mut().zip(from).for_each(|(to, &x)| *to += x);
        } else {
            image[pixel..].iter_mut().step_by(g.stride[1]).zip(from).for_each(|(to, &x)| *to += x);
        }
    });
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
            im2col(&g, &image, &mut columns);
            let mut back = vec![0; g.pixels()];
            let mut expected_back = back.clone();
            col2im(&g, &columns, &mut back);
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
