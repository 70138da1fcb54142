//! A sample's shape as a value.

use super::text::Text;

/// The most dimensions a sample has, its batch dimension not counted.
pub const MAX_RANK: usize = 5;

/// The shape of one sample, as a value: what the shape rules compute with, at compile time and at run time.
///
/// # Examples
/// ```
/// use formwork::types::Dims;
/// let image = Dims::new(&[3, 32, 32]);
/// assert_eq!((image.rank(), image.size(0), image.numel()), (3, 3, 3 * 32 * 32));
/// assert_eq!(image.to_string(), "[3, 32, 32]");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dims {
    rank: usize,
    sizes: [usize; MAX_RANK],
    /// For token ids, what they are all below; 0 for numbers.
    vocabulary: usize,
}

impl Dims {
    /// The shape with these sizes, of which there are at most [`MAX_RANK`].
    pub const fn new(sizes: &[usize]) -> Self {
        assert!(sizes.len() <= MAX_RANK, "a sample has at most 5 dimensions");
        let mut dims = Dims { rank: sizes.len(), sizes: [1; MAX_RANK], vocabulary: 0 };
        let mut i = 0;
        while i < sizes.len() {
            dims.sizes[i] = sizes[i];
            i += 1;
        }
        dims
    }

    /// The same shape of token ids, all below `vocabulary`, instead of numbers.
    pub const fn of_ids(mut self, vocabulary: usize) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// What token ids are below; `None` for numbers.
    pub const fn vocabulary(&self) -> Option<usize> {
        if self.vocabulary > 0 { Some(self.vocabulary) } else { None }
    }

    /// How many dimensions there are.
    pub const fn rank(&self) -> usize {
        self.rank
    }

    /// The size of one dimension; 1 where there is no such dimension.
    pub const fn size(&self, axis: usize) -> usize {
        if axis < self.rank { self.sizes[axis] } else { 1 }
    }

    /// All sizes, in order.
    pub const fn sizes(&self) -> &[usize] {
        self.sizes.split_at(self.rank).0
    }

    /// The last size, if there is one.
    pub const fn last(&self) -> Option<usize> {
        if self.rank > 0 { Some(self.sizes[self.rank - 1]) } else { None }
    }

    /// The same shape with another size in one place.
    pub const fn with(mut self, axis: usize, size: usize) -> Self {
        assert!(axis < self.rank, "no such dimension");
        self.sizes[axis] = size;
        self
    }

    /// How many numbers a sample of this shape has.
    pub const fn numel(&self) -> usize {
        product(self.sizes())
    }

    /// How many numbers lie behind `axis`: the stride of that dimension.
    pub const fn inner(&self, axis: usize) -> usize {
        product(self.sizes.split_at(axis + 1).1)
    }

    /// Whether two shapes are the same; `==` for constants.
    pub const fn same(&self, other: &Dims) -> bool {
        let mut i = 0;
        while i < MAX_RANK {
            if self.sizes[i] != other.sizes[i] {
                return false;
            }
            i += 1;
        }
        self.rank == other.rank && self.vocabulary == other.vocabulary
    }
}

/// Saturates, so that an absurd type is reported as a shape that does not fit and not as an overflow.
const fn product(sizes: &[usize]) -> usize {
    let (mut product, mut i) = (1usize, 0);
    while i < sizes.len() {
        product = product.saturating_mul(sizes[i]);
        i += 1;
    }
    product
}

impl core::fmt::Display for Dims {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut text = Text::new();
        text.dims(*self);
        f.write_str(text.as_str())
    }
}

impl core::fmt::Debug for Dims {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
