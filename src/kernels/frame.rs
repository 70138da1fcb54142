//! Images with a border, so that kernels need not look where an image ends.

/// A part of an image, which may reach beyond it: there it is zero. Columns that are `step` apart lie next to one another, so
/// that what a kernel sees in steps is contiguous too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Height and width of the image.
    pub image: [usize; 2],
    /// Where the part begins in it.
    pub begin: [isize; 2],
    /// Height and width of the part.
    pub size: [usize; 2],
    pub step: usize,
}

impl Frame {
    /// The image as it is.
    pub(crate) fn whole(image: [usize; 2]) -> Self {
        Frame { image, begin: [0, 0], size: image, step: 1 }
    }

    /// Where a pixel of the image lies, which is in the part.
    pub(crate) fn place(&self, [y, x]: [usize; 2]) -> usize {
        let [row, column] = [(y, 0), (x, 1)].map(|(at, axis)| (at as isize - self.begin[axis]).unsigned_abs());
        self.at([row, column])
    }

    /// Whether the part is the whole image as it is.
    pub(crate) fn is_image(&self) -> bool {
        self.begin == [0, 0] && self.size == self.image && self.step == 1
    }

    /// How many numbers each of the columns that lie together has.
    fn run(&self) -> usize {
        self.size[1].div_ceil(self.step)
    }

    /// How many numbers a row has.
    pub(crate) fn pitch(&self) -> usize {
        self.run() * self.step
    }

    /// How many numbers the part has.
    pub(crate) fn plane(&self) -> usize {
        self.size[0] * self.pitch()
    }

    /// Where a pixel of the part lies.
    pub(crate) fn at(&self, [row, column]: [usize; 2]) -> usize {
        row * self.pitch() + column % self.step * self.run() + column / self.step
    }

    /// Copies the part out of each image.
    pub(crate) fn fill<E: Copy + Default>(&self, images: &[E], to: &mut [E]) {
        let [height, width] = self.image;
        for (image, to) in images.chunks_exact(height * width).zip(to.chunks_exact_mut(self.plane())) {
            for (row, to) in to.chunks_exact_mut(self.pitch()).enumerate() {
                match usize::try_from(row as isize + self.begin[0]) {
                    Ok(y) if y < height => self.fill_row(&image[y * width..(y + 1) * width], to),
                    _ => to.fill(E::default()),
                }
            }
        }
    }

    fn fill_row<E: Copy + Default>(&self, from: &[E], to: &mut [E]) {
        for (phase, to) in to.chunks_exact_mut(self.run()).enumerate() {
            let first = phase as isize + self.begin[1];
            // The first place that lies in the image, and the first behind them.
            let inside = |end: isize| (end - first).max(0).unsigned_abs().div_ceil(self.step).min(to.len());
            let (begin, end) = (inside(0), inside(from.len() as isize));
            to[..begin].fill(E::default());
            to[end..].fill(E::default());
            if begin == end {
                continue;
            }
            let from = &from[(first + (begin * self.step) as isize).unsigned_abs()..];
            if self.step == 1 {
                to[begin..end].copy_from_slice(&from[..end - begin]);
            } else {
                to[begin..end].iter_mut().zip(from.iter().step_by(self.step)).for_each(|(to, &x)| *to = x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;
    use proptest::prelude::*;

    proptest! {
        /// Against the definition, pixel by pixel.
        #[test]
        fn a_frame_is_the_image_and_zeros_around_it(
            image in [1..7usize, 1..7usize], begin in [-3..6isize, -3..6isize], size in [1..9usize, 1..9usize], step in 1..4usize,
        ) {
            let pixels: Vec<i32> = (1..=2 * (image[0] * image[1]) as i32).collect();
            let frame = Frame { image, begin, size, step };
            let mut to = vec![-1; 2 * frame.plane()];
            frame.fill(&pixels, &mut to);
            for channel in 0..2 {
                for row in 0..size[0] {
                    for column in 0..size[1] {
                        let [y, x] = [row as isize + begin[0], column as isize + begin[1]];
                        let inside = (0..image[0] as isize).contains(&y) && (0..image[1] as isize).contains(&x);
                        let expected = if inside { pixels[channel * image[0] * image[1] + y as usize * image[1] + x as usize] } else { 0 };
                        prop_assert_eq!(to[channel * frame.plane() + frame.at([row, column])], expected);
                    }
                }
            }
        }
    }
}
