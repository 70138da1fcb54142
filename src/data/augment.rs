//! Images that are a little different each time they are learned from.

use super::source::{Number, Source};
use super::target::Target;
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use crate::types::Sample;
use core::f64::consts::TAU;
use dfdx::shapes::ConstDim;

/// A change of an image that is left to chance, in place; a tuple of them is one, each behind the other.
///
/// What is drawn depends on `noise` and on nothing else.
///
/// # Examples
/// ```
/// use formwork::Noise;
/// use formwork::data::{Augment, Pixels};
/// use formwork::prelude::Float;
///
/// /// White becomes black.
/// struct Invert;
///
/// impl Augment for Invert {
///     fn apply<E: Float>(&self, image: &mut Pixels<'_, E>, noise: Noise) {
///         if noise.uniform(0) < 0.5 {
///             image.numbers.iter_mut().for_each(|x| *x = E::one() - *x);
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(message = "`{Self}` changes no images", label = "expected `FlipHorizontal`, `Shift`, .. or a tuple of such")]
pub trait Augment: Sync {
    /// Changes an image.
    fn apply<E: Float>(&self, image: &mut Pixels<'_, E>, noise: Noise);
}

/// An image that is to be changed: channel by channel, row by row.
#[derive(Debug)]
pub struct Pixels<'a, E> {
    /// How many channels there are.
    pub channels: usize,
    /// How many rows a channel has.
    pub height: usize,
    /// How many numbers a row has.
    pub width: usize,
    /// All numbers, `channels * height * width` of them.
    pub numbers: &'a mut [E],
}

/// A source of images, changed at random: see [`Source::augmented`].
#[derive(Clone, Debug)]
pub struct Augmented<S, A> {
    source: S,
    change: A,
}

impl<S, A> Augmented<S, A> {
    pub(super) fn new(source: S, change: A) -> Self {
        Augmented { source, change }
    }
}

impl<S, A, E, C, H, W> Source<E> for Augmented<S, A>
where
    S: Source<E, Input = (C, H, W)>,
    A: Augment,
    E: Float,
    C: ConstDim,
    H: ConstDim,
    W: ConstDim,
    (C, H, W): Sample,
{
    type Input = (C, H, W);
    type Target = S::Target;

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, noise: Noise, input: &mut [E], target: &mut [Number<S, E>]) -> Result<(), Error> {
        self.source.read(index, noise.split(0), input, target)?;
        self.change.apply(&mut Pixels { channels: C::SIZE, height: H::SIZE, width: W::SIZE, numbers: input }, noise.split(1));
        Ok(())
    }

    fn read_target(&self, index: usize, target: &mut [<S::Target as Target>::Number<E>]) -> Result<(), Error> {
        self.source.read_target(index, target)
    }
}

macro_rules! tuple {
    ($($A:ident $i:tt),*) => {
        impl<$($A: Augment),*> Augment for ($($A,)*) {
            fn apply<Num: Float>(&self, image: &mut Pixels<'_, Num>, noise: Noise) {
                $( self.$i.apply(image, noise.split($i)); )*
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, F 4);
tuple!(A 0, B 1, C 2, D 3, F 4, G 5);

/// The image seen in a mirror, left and right exchanged, with probability `p`.
///
/// PyTorch's `transforms.RandomHorizontalFlip`.
#[derive(Clone, Copy, Debug)]
pub struct FlipHorizontal(f64);

impl FlipHorizontal {
    /// Every other image.
    pub fn half() -> Self {
        FlipHorizontal(0.5)
    }

    /// With probability `p`.
    pub fn new(p: f64) -> Self {
        FlipHorizontal(p)
    }
}

impl Augment for FlipHorizontal {
    fn apply<E: Float>(&self, image: &mut Pixels<'_, E>, noise: Noise) {
        if noise.uniform(0) < self.0 {
            image.numbers.chunks_exact_mut(image.width.max(1)).for_each(<[E]>::reverse);
        }
    }
}

/// The image upside down, with probability `p`.
///
/// PyTorch's `transforms.RandomVerticalFlip`.
#[derive(Clone, Copy, Debug)]
pub struct FlipVertical(f64);

impl FlipVertical {
    /// Every other image.
    pub fn half() -> Self {
        FlipVertical(0.5)
    }

    /// With probability `p`.
    pub fn new(p: f64) -> Self {
        FlipVertical(p)
    }
}

impl Augment for FlipVertical {
    fn apply<E: Float>(&self, image: &mut Pixels<'_, E>, noise: Noise) {
        if noise.uniform(0) < self.0 {
            for channel in image.numbers.chunks_exact_mut((image.height * image.width).max(1)) {
                for row in 0..image.height / 2 {
                    let (above, below) = channel.split_at_mut((image.height - 1 - row) * image.width);
                    above[row * image.width..][..image.width].swap_with_slice(&mut below[..image.width]);
                }
            }
        }
    }
}

/// The image moved by up to so many pixels, down or up and right or left, each way as likely; what comes in is 0.
///
/// That is what PyTorch's `transforms.RandomCrop(size, padding=pixels)` does to an image of that size.
#[derive(Clone, Copy, Debug)]
pub struct Shift(usize);

impl Shift {
    /// By 0 to `pixels`.
    pub fn up_to(pixels: usize) -> Self {
        Shift(pixels)
    }
}

impl Augment for Shift {
    fn apply<E: Float>(&self, image: &mut Pixels<'_, E>, noise: Noise) {
        // 0 to twice the most: the first half of it is up or left.
        let drawn = |index: u64| (noise.uniform(index) * (2 * self.0 + 1) as f64) as usize;
        let (width, down, right) = (image.width.max(1), drawn(0), drawn(1));
        for channel in image.numbers.chunks_exact_mut((image.height * width).max(1)) {
            moved(channel, down as isize - self.0 as isize, width);
            channel.chunks_exact_mut(width).for_each(|row| moved(row, right as isize - self.0 as isize, 1));
        }
    }
}

/// Moves items of `size` numbers by so many places towards the end, or the beginning if it is negative; the places left are 0.
fn moved<E: Float>(numbers: &mut [E], places: isize, size: usize) {
    let (len, by) = (numbers.len(), (places.unsigned_abs() * size).min(numbers.len()));
    if places >= 0 {
        numbers.copy_within(..len - by, by);
        numbers[..by].fill(E::zero());
    } else {
        numbers.copy_within(by.., 0);
        numbers[len - by..].fill(E::zero());
    }
}

/// Noise on each number by itself, normal with mean 0: `x + deviation * n`.
///
/// PyTorch's `transforms.v2.GaussianNoise`, without clipping.
#[derive(Clone, Copy, Debug)]
pub struct GaussianNoise(f64);

impl GaussianNoise {
    /// With this standard deviation, in the units of the image.
    pub fn new(deviation: f64) -> Self {
        GaussianNoise(deviation)
    }
}

impl Augment for GaussianNoise {
    fn apply<E: Float>(&self, image: &mut Pixels<'_, E>, noise: Noise) {
        for (pair, numbers) in (0..).zip(image.numbers.chunks_mut(2)) {
            // Box and Muller: two normal numbers of two uniform ones, of which the first is not 0.
            let radius = (-2.0 * (1.0 - noise.uniform(2 * pair)).ln()).sqrt() * self.0;
            let (sin, cos) = (TAU * noise.uniform(2 * pair + 1)).sin_cos();
            numbers.iter_mut().zip([cos, sin]).for_each(|(x, side)| *x = E::of(x.f64() + radius * side));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl Augment, seed: u64) -> Vec<f32> {
        let mut numbers: Vec<f32> = (1..=12).map(|x| x as f32).collect(); // [2, 2, 3]
        change.apply(&mut Pixels { channels: 2, height: 2, width: 3, numbers: &mut numbers }, Noise::new(seed));
        numbers
    }

    #[test]
    fn images_are_turned_around() {
        let (kept, mirrored) = (changed(FlipHorizontal::new(0.0), 0), changed(FlipHorizontal::new(1.0), 0));
        assert_eq!(mirrored, [3.0, 2.0, 1.0, 6.0, 5.0, 4.0, 9.0, 8.0, 7.0, 12.0, 11.0, 10.0]);
        assert_eq!(changed(FlipVertical::new(1.0), 0), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 7.0, 8.0, 9.0]);
        let count = (0..1000).filter(|&seed| changed(FlipHorizontal::half(), seed) == mirrored).count();
        assert!((450..550).contains(&count) && kept[0] == 1.0, "{count}");
    }

    #[test]
    fn images_are_moved_each_way() {
        let mut seen: Vec<[i64; 6]> = (0..300).map(|seed| core::array::from_fn(|i| changed(Shift::up_to(1), seed)[i] as i64)).collect();
        seen.sort();
        seen.dedup();
        let expected = [
            [0, 0, 0, 0, 1, 2],
            [0, 0, 0, 1, 2, 3],
            [0, 0, 0, 2, 3, 0],
            [0, 1, 2, 0, 4, 5],
            [0, 4, 5, 0, 0, 0],
            [1, 2, 3, 4, 5, 6],
            [2, 3, 0, 5, 6, 0],
            [4, 5, 6, 0, 0, 0],
            [5, 6, 0, 0, 0, 0],
        ];
        assert_eq!(seen, expected);
        assert!((0..100).any(|seed| changed(Shift::up_to(9), seed).iter().all(|&x| x == 0.0)), "far moves leave nothing");
    }

    #[test]
    fn noise_is_normal() {
        let mut numbers = vec![2.0f64; 10_001];
        GaussianNoise::new(0.5).apply(&mut Pixels { channels: 1, height: 1, width: 10_001, numbers: &mut numbers }, Noise::new(5));
        let moment = |power: i32| numbers.iter().map(|x| ((x - 2.0) / 0.5).powi(power)).sum::<f64>() / 10_001.0;
        assert!(moment(1).abs() < 0.05 && (moment(2) - 1.0).abs() < 0.05 && (moment(4) - 3.0).abs() < 0.3);
    }
}
