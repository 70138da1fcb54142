//! The value that layers work on, and what is beside it.

/// What can be beside the value that layers work on. Most layers take no notice of it; it stays there for those that do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Which places of a sequence are padding: 1 there, 0 elsewhere. PyTorch's `key_padding_mask`.
    Padding,
    /// Another sequence, to be attended to: what a decoder takes from an encoder.
    Memory,
    /// Which places of the memory are padding.
    MemoryPadding,
    /// Numbers that are added to the scores of attention, one for each query and key.
    AttentionMask,
    /// The hidden states of recurrent layers.
    Hidden,
    /// The cell states of LSTMs.
    Cell,
}

impl Slot {
    /// All of them, in the order in which a sample holds them.
    pub const ALL: [Slot; 6] = [Slot::Padding, Slot::Memory, Slot::MemoryPadding, Slot::AttentionMask, Slot::Hidden, Slot::Cell];

    /// What the source calls it: `padding` in `#[network({ x: [5, 8], padding: [5] } => [5, 8])]`.
    pub const fn name(self) -> &'static str {
        match self {
            Slot::Padding => "padding",
            Slot::Memory => "memory",
            Slot::MemoryPadding => "memory_padding",
            Slot::AttentionMask => "attention_mask",
            Slot::Hidden => "hidden",
            Slot::Cell => "cell",
        }
    }
}

/// The value that layers work on, and what is beside it: as shapes, as values of a plan, as tensors.
#[derive(Clone, Copy, Debug)]
pub struct Parts<T> {
    /// What layers work on.
    pub x: T,
    beside: [Option<T>; Slot::ALL.len()],
}

impl<T> Parts<T> {
    /// What is in a slot.
    pub const fn beside(&self, slot: Slot) -> Option<&T> {
        self.beside[slot as usize].as_ref()
    }

    /// A value with nothing beside it.
    pub(crate) fn new(x: T) -> Self {
        Parts { x, beside: core::array::from_fn(|_| None) }
    }

    /// The same slots filled with something else.
    pub(crate) fn map_ref<U>(&self, mut f: impl FnMut(&T) -> U) -> Parts<U> {
        Parts { x: f(&self.x), beside: core::array::from_fn(|i| self.beside[i].as_ref().map(&mut f)) }
    }

    /// Takes what is in a slot.
    pub(crate) fn take(&mut self, slot: Slot) -> Option<T> {
        self.beside[slot as usize].take()
    }

    /// Puts something into a slot.
    pub(crate) fn put(&mut self, slot: Slot, part: Option<T>) {
        self.beside[slot as usize] = part;
    }

    /// `x`, then what is in the slots that are not empty.
    pub(crate) fn into_list(self) -> impl Iterator<Item = T> {
        core::iter::once(self.x).chain(self.beside.into_iter().flatten())
    }

    /// The same with another value to work on, if it can be had.
    pub(crate) fn try_map_x<Err>(self, f: impl FnOnce(T) -> Result<T, Err>) -> Result<Self, Err> {
        Ok(Parts { x: f(self.x)?, beside: self.beside })
    }
}

impl<T: Copy> Parts<T> {
    /// A value with nothing beside it.
    pub const fn alone(x: T) -> Self {
        Parts { x, beside: [None; Slot::ALL.len()] }
    }

    /// The same with another value to work on.
    pub const fn with_x(mut self, x: T) -> Self {
        self.x = x;
        self
    }

    /// The same with this in a slot.
    pub const fn with(mut self, slot: Slot, part: T) -> Self {
        self.beside[slot as usize] = Some(part);
        self
    }

    /// The same with whatever `other` has in a slot.
    pub const fn with_slot_of(mut self, slot: Slot, other: &Self) -> Self {
        self.beside[slot as usize] = other.beside[slot as usize];
        self
    }

    /// The memory as the value to work on, with its own padding: what an encoder sees.
    pub const fn memory(&self) -> Option<Self> {
        let Some(memory) = self.beside[Slot::Memory as usize] else { return None };
        let mut parts = Parts::alone(memory);
        parts.beside[Slot::Padding as usize] = self.beside[Slot::MemoryPadding as usize];
        Some(parts)
    }
}
