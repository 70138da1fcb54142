//! What lies beyond the border of an image.

/// What a filter sees beyond the border of an image `a b c d`.
///
/// | border | seen | SciPy's `ndimage` | NumPy's `pad` | PyTorch's `pad` |
/// | --- | --- | --- | --- | --- |
/// | `Constant(x)` | `x x x \| a b c d \| x x x` | `constant` | `constant` | `constant` |
/// | `Nearest` | `a a a \| a b c d \| d d d` | `nearest` | `edge` | `replicate` |
/// | `Reflect` | `c b a \| a b c d \| d c b` | `reflect` | `symmetric` | |
/// | `Mirror` | `d c b \| a b c d \| c b a` | `mirror` | `reflect` | `reflect` |
///
/// The names are SciPy's. An image is reflected once: a kernel that reaches beyond the image in the mirror is refused.
///
/// # Examples
/// ```
/// use formwork::filters::{Border, Image, sobel_x};
///
/// let image = Image::new(1, 3, vec![1.0, 2.0, 4.0]).unwrap();
/// let slopes = |border| sobel_x(&image, border).unwrap().pixels().to_vec();
/// assert_eq!(slopes(Border::Nearest), [4.0, 12.0, 8.0]);
/// assert_eq!(slopes(Border::Constant(0.0)), [4.0, 6.0, -4.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    /// This number everywhere.
    Constant(f64),
    /// The nearest pixel.
    Nearest,
    /// The image in a mirror that stands beside its last pixel: half-sample symmetric.
    Reflect,
    /// The image in a mirror that stands on its last pixel: whole-sample symmetric.
    Mirror,
}

impl Border {
    /// How many pixels there are beyond either end of a line of `len`.
    pub(crate) const fn reach(self, len: usize) -> usize {
        match self {
            Border::Constant(_) | Border::Nearest => usize::MAX,
            Border::Reflect => len,
            Border::Mirror => len - 1,
        }
    }

    /// For every window of `2 radius + 1` places along a line of `len` pixels, the pixels that stand there: window `i` has the
    /// places `i..i + 2 radius + 1`. `None` is the constant.
    pub(crate) fn places(self, len: usize, radius: usize) -> Vec<Option<usize>> {
        let last = len - 1;
        let before = |distance: usize| match self {
            Border::Constant(_) => None,
            Border::Nearest => Some(0),
            Border::Reflect => Some(distance - 1),
            Border::Mirror => Some(distance),
        };
        // Both ends are alike.
        let after = |distance: usize| before(distance).map(|from_end| last - from_end);
        let (left, right) = ((1..=radius).rev().map(before), (1..=radius).map(after));
        left.chain((0..len).map(Some)).chain(right).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands beside `a b c d`, as in the table.
    fn seen(border: Border, radius: usize) -> String {
        let letter = |place: Option<usize>| place.map_or("x", |i| ["a", "b", "c", "d"][i]);
        border.places(4, radius).into_iter().map(letter).collect()
    }

    #[test]
    fn borders_are_those_of_the_table() {
        assert_eq!(seen(Border::Constant(1.0), 3), "xxxabcdxxx");
        assert_eq!(seen(Border::Nearest, 3), "aaaabcdddd");
        assert_eq!(seen(Border::Reflect, 3), "cbaabcddcb");
        assert_eq!(seen(Border::Mirror, 3), "dcbabcdcba");
    }

    #[test]
    fn borders_reach_as_far_as_they_say() {
        assert_eq!(seen(Border::Reflect, Border::Reflect.reach(4)), "dcbaabcddcba");
        assert_eq!(Border::Mirror.reach(4), 3);
    }
}
