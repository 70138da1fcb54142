//! Images with a border, so that kernels need not look where an image ends.

use super::simd::{Kernel, Lanes};
use crate::float::Float;

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

    /// The same for pixels of one number.
    pub(crate) fn fill_numbers<E: Float>(&self, images: &[E], to: &mut [E]) {
        if self.step == 1 { E::run(Fill { frame: self, images, to }) } else { self.fill(images, to) }
    }

    /// Clears planes but for where pixels lie of the first rows and columns of the image, which are in the part; each has so many
    /// numbers, and columns lie next to one another.
    pub(crate) fn clear_around<E: Copy + Default>(&self, [rows, columns]: [usize; 2], numbers: usize, planes: &mut [E]) {
        assert!(self.step == 1, "pixels of a row lie next to one another");
        for plane in planes.chunks_exact_mut(self.plane() * numbers) {
            let mut end = 0;
            for row in 0..rows {
                let begin = self.place([row, 0]) * numbers;
                plane[end..begin].fill(E::default());
                end = begin + columns * numbers;
            }
            plane[end..].fill(E::default());
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

/// [`Frame::fill_numbers`], where columns lie next to one another.
struct Fill<'a, E> {
    frame: &'a Frame,
    images: &'a [E],
    to: &'a mut [E],
}

impl<E: Float> Kernel<E> for Fill<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        let Frame { image: [height, width], begin: [y, x], size: [rows, columns], .. } = *self.frame;
        // The first column that lies in the image, and the first behind them.
        let inside = |end: isize| (end - x).max(0).unsigned_abs().min(columns);
        let (begin, end) = (inside(0), inside(width as isize));
        for (image, to) in self.images.chunks_exact(height * width).zip(self.to.chunks_exact_mut(rows * columns)) {
            for (row, to) in to.chunks_exact_mut(columns).enumerate() {
                let to = to.as_mut_ptr();
                // SAFETY: the row has as many columns, and those from `begin` to `end` are in the image; and the caller's contract.
                unsafe {
                    match usize::try_from(row as isize + y) {
                        Ok(y) if y < height && begin < end => {
                            let first = y * width + (x + begin as isize).unsigned_abs();
                            clear::<E, V>(to, begin);
                            copy::<E, V>(image.as_ptr().add(first), to.add(begin), end - begin);
                            clear::<E, V>(to.add(end), columns - end);
                        }
                        _ => clear::<E, V>(to, columns),
                    }
                }
            }
        }
    }
}

/// # Safety
/// So many numbers are behind both pointers; and the contract of [`Lanes`].
#[inline(always)]
unsafe fn copy<E, V: Lanes<E>>(from: *const E, to: *mut E, numbers: usize) {
    let whole = numbers / V::LEN * V::LEN;
    // SAFETY: the caller's contract.
    unsafe {
        for i in (0..whole).step_by(V::LEN) {
            V::load(from.add(i)).store(to.add(i));
        }
        if whole < numbers {
            V::load_first(from.add(whole), numbers - whole).store_first(to.add(whole), numbers - whole);
        }
    }
}

/// # Safety
/// As for [`copy`].
#[inline(always)]
unsafe fn clear<E: num_traits::Zero, V: Lanes<E>>(to: *mut E, numbers: usize) {
    let whole = numbers / V::LEN * V::LEN;
    // SAFETY: the caller's contract.
    unsafe {
        let zero = V::splat(E::zero());
        for i in (0..whole).step_by(V::LEN) {
            zero.store(to.add(i));
        }
        if whole < numbers {
            zero.store_first(to.add(whole), numbers - whole);
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
            image in [1..7usize, 1..40usize], begin in [-3..6isize, -3..9isize], size in [1..9usize, 1..50usize], step in 1..4usize,
        ) {
            let pixels: Vec<f32> = (1..=2 * image[0] * image[1]).map(|pixel| pixel as f32).collect();
            let frame = Frame { image, begin, size, step };
            let [mut to, mut numbers] = [(); 2].map(|()| vec![-1.0; 2 * frame.plane()]);
            frame.fill(&pixels, &mut to);
            frame.fill_numbers(&pixels, &mut numbers);
            prop_assert_eq!(&to, &numbers);
            for channel in 0..2 {
                for row in 0..size[0] {
                    for column in 0..size[1] {
                        let [y, x] = [row as isize + begin[0], column as isize + begin[1]];
                        let inside = (0..image[0] as isize).contains(&y) && (0..image[1] as isize).contains(&x);
                        let expected = if inside { pixels[channel * image[0] * image[1] + y as usize * image[1] + x as usize] } else { 0.0 };
                        prop_assert_eq!(to[channel * frame.plane() + frame.at([row, column])], expected);
                    }
                }
            }
        }

        #[test]
        fn what_is_around_is_cleared(image in [1..7usize, 1..7usize], begin in [-3..1isize, -3..1isize], more in [0..4usize, 0..4usize], less in 0..2usize) {
            let size = [0, 1].map(|axis| image[axis] + begin[axis].unsigned_abs() + more[axis]);
            let (frame, seen) = (Frame { image, begin, size, step: 1 }, image.map(|size| size - less.min(size - 1)));
            let mut planes = vec![1; 2 * 3 * frame.plane()];
            frame.clear_around(seen, 3, &mut planes);
            let is_left = |plane: &[i32], row: usize, column: usize| plane[3 * frame.at([row, column])..][..3] == [1; 3];
            let is_clear = |plane: &[i32], row: usize, column: usize| plane[3 * frame.at([row, column])..][..3] == [0; 3];
            for plane in planes.chunks_exact(3 * frame.plane()) {
                for (row, column) in (0..size[0]).flat_map(|row| (0..size[1]).map(move |column| (row, column))) {
                    let [y, x] = [row as isize + begin[0], column as isize + begin[1]];
                    let inside = (0..seen[0] as isize).contains(&y) && (0..seen[1] as isize).contains(&x);
                    let is_right = if inside { is_left(plane, row, column) } else { is_clear(plane, row, column) };
                    prop_assert!(is_right, "at row {}, column {}", row, column);
                }
            }
        }
    }
}
