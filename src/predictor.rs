//! One sample at a time.

use crate::cpu::Single;
use crate::data::check;
use crate::engine::{Architecture, Backend, Engine, State};
use crate::error::Error;
use crate::float::Float;
use crate::model::Model;
use crate::types::{Network, Sample};
use core::marker::PhantomData;

/// A trained network that is shown one sample at a time, and allocates nothing.
///
/// It has the parameters that the model had when it was made, and computes on the host, as the static engine does: the outputs
/// are bit for bit those of [`Model::predict`]. A clone shares the parameters and has memory of its own, so that several threads
/// predict at the same time, each with a clone, and none waits for another.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([1, 8, 8] => [10])]
/// type Reader = (Conv2d<1, 4, 3>, Relu, Flatten, Linear<144, 10>);
///
/// let predictor = Model::<Reader>::new(0).predictor();
/// let threads = [0.0, 0.5, 1.0].map(|grey| {
///     let mut predictor = predictor.clone();
///     std::thread::spawn(move || {
///         let mut scores = [0.0; 10];
///         predictor.run(&[grey; 64], &mut scores).map(|()| scores)
///     })
/// });
/// for thread in threads {
///     assert!(thread.join().unwrap().unwrap().iter().all(|score| score.is_finite()));
/// }
/// ```
pub struct Predictor<N, E: Float = f32> {
    single: Single<E>,
    network: PhantomData<fn() -> N>,
}

impl<N, E: Float> Clone for Predictor<N, E> {
    fn clone(&self) -> Self {
        Predictor { single: self.single.clone(), network: PhantomData }
    }
}

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// The model as one that is shown one sample at a time. See [`Predictor`].
    pub fn predictor(&self) -> Predictor<N, E> {
        let state = State { parameters: self.parameters(), buffers: self.buffers() };
        Predictor { single: Single::new(&Architecture::of::<N>(), state), network: PhantomData }
    }
}

impl<N: Network, E: Float> Predictor<N, E> {
    /// Writes what the network makes of a sample, without the randomness of training.
    ///
    /// Numbers are in the order of a [`Dataset`](crate::data::Dataset)'s: those of the input, then those of what is beside it, in
    /// the order of [`Slot::ALL`](crate::types::Slot::ALL); token ids are numbers too.
    ///
    /// # Shapes
    /// `input` has as many numbers as the network's input, and `output` as its output, with what is beside them.
    ///
    /// # Errors
    /// [`Error::Count`] for other lengths; [`Error::NotFinite`], [`Error::Id`] and [`Error::Setting`] for numbers that are none, or
    /// no ids.
    pub fn run(&mut self, input: &[E], output: &mut [E]) -> Result<(), Error> {
        counted("input numbers", N::Input::WIDTH, input.len())?;
        counted("output numbers", N::Output::WIDTH, output.len())?;
        check::<N::Input, E>(input)?;
        self.single.run(input, output);
        Ok(())
    }

    /// How many threads to use at most for one sample. Results do not depend on it; where each thread has a predictor, 1 is best.
    pub fn set_threads(&mut self, threads: usize) {
        self.single.set_threads(threads);
    }
}

fn counted(what: &'static str, expected: usize, given: usize) -> Result<(), Error> {
    if expected == given { Ok(()) } else { Err(Error::Count { what, expected, given }) }
}
