//! Sequences shown position by position.

use crate::cpu::Streaming;
use crate::engine::{Architecture, Backend, Engine, State};
use crate::error::Error;
use crate::float::Float;
use crate::model::Model;
use crate::types::{Ids, Network, Sample, check_stream};
use core::marker::PhantomData;
use dfdx::shapes::{ConstDim, Rank0};

/// A sequence, of which one position can be shown at a time: token ids `[T]`, or numbers `[T]` or `[T, D]`.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a sequence", label = "expected token ids `Ids<V, Rank1<T>>` or numbers `Rank2<T, D>`")]
pub trait Sequence: Sample {
    /// One position.
    type Position: Sample;
}

impl<const V: usize, T: ConstDim> Sequence for Ids<V, (T,)> {
    type Position = Ids<V, Rank0>;
}

impl<T: ConstDim> Sequence for (T,) {
    type Position = Rank0;
}

impl<T: ConstDim, D: ConstDim> Sequence for (T, D) {
    type Position = (D,);
}

/// A model that is shown a sequence position by position, and says at once what each becomes: what a language model writes with.
///
/// Recurrent layers keep their states, attention keeps the keys and values of the positions before, so that a position costs
/// the same work however many came before it, but for the attention to them. All computes on the host, as the static engine
/// does; the parameters are those that the model had when the stream was made.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 65])]
/// type Writer = (Embedding<65, 8>, CausalSelfAttention<8, 2>, Linear<8, 65>);
///
/// let model = Model::<Writer>::new(0);
/// let mut stream = model.stream();
/// let first = stream.next(vec![7]).unwrap(); // scores of what comes behind letter 7
/// let second = stream.next(vec![30]).unwrap(); // behind 7 and 30
/// assert_eq!((first.len(), second.len()), (65, 65));
/// ```
/// A network whose layers look ahead does not compile:
/// ```compile_fail
/// use formwork::prelude::*;
///
/// #[network([ids < 65; 16] => [16, 65])]
/// type Reader = (Embedding<65, 8>, SelfAttention<8, 2>, Linear<8, 65>);
/// Model::<Reader>::new(0).stream();
/// ```
///
/// The keys and values that attention keeps: Pope et al., [Efficiently scaling transformer
/// inference](https://arxiv.org/abs/2211.05102), 2022.
pub struct Stream<N, E: Float = f32> {
    streaming: Streaming<E>,
    position: usize,
    network: PhantomData<fn() -> N>,
}

impl<N: Network<Input: Sequence>, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// The model as one that is shown a sequence position by position. See [`Stream`].
    pub fn stream(&self) -> Stream<N, E> {
        const { check_stream::<N>() };
        let state = State { parameters: self.parameters(), buffers: self.buffers() };
        Stream { streaming: Streaming::new(&Architecture::of::<N>(), state), position: 0, network: PhantomData }
    }
}

impl<N: Network<Input: Sequence>, E: Float> Stream<N, E> {
    /// Shows the next position, and returns what it becomes.
    ///
    /// # Errors
    /// [`Error::Count`] when the sequence is as long as the network is declared for, or when these are not the numbers of one
    /// position; [`Error::Id`] and [`Error::NotFinite`] for numbers that are none.
    pub fn next(&mut self, position: <<N::Input as Sequence>::Position as Sample>::Numbers<E>) -> Result<Vec<E>, Error> {
        let row = <N::Input as Sequence>::Position::rows(position, 1)?;
        if self.is_full() {
            return Err(Error::Count { what: "positions of a sequence", expected: self.capacity(), given: self.position + 1 });
        }
        self.position += 1;
        Ok(self.streaming.next(&row).to_vec())
    }

    /// Whether the sequence is as long as the network is declared for.
    pub fn is_full(&self) -> bool {
        self.position == self.capacity()
    }

    /// Begins a new sequence.
    pub fn reset(&mut self) {
        self.position = 0;
        self.streaming.reset();
    }

    fn capacity(&self) -> usize {
        N::Input::PARTS.x.size(0)
    }
}
