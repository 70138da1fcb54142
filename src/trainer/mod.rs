//! Training that takes care of itself: epochs, validation, progress, checkpoints, history.
//!
//! ```
//! use formwork::metrics;
//! use formwork::prelude::*;
//! use formwork::trainer::{Progress, Trainer};
//!
//! #[network([1, 8, 8] => [10])]
//! type Reader = (Flatten, Linear<64, 32>, Relu, Linear<32, 10>);
//!
//! # fn main() -> Result<(), Error> {
//! let (train, test) = formwork::data::digits::load()?.split_stratified(0.2, 0);
//! let mut model = Model::<Reader>::new(0);
//! let history = Trainer::new(CrossEntropy::default(), Adam::new(0.01))
//!     .epochs(5)
//!     .batch_size(32)
//!     .validation(&test)
//!     .metric(metrics::accuracy())
//!     .keep_best()
//!     .progress(Progress::Silent)
//!     .fit(&mut model, &train)?;
//! assert!(history.last("val_accuracy").is_some_and(|accuracy| accuracy > 0.9));
//! # Ok(()) }
//! ```
//!
//! | file | what is in it |
//! | --- | --- |
//! | `mod.rs` | [`Trainer`]: all that can be asked for |
//! | `fit.rs` | the loop over epochs and batches |
//! | `feed.rs` | batches, read on a thread of its own |
//! | `step.rs` | what is known after each of them |
//! | `state.rs` | everything that a run is, as tensors: what a checkpoint holds |
//! | `checkpoints.rs` | files of states, the last few of which are kept |
//! | `together.rs` | what the ranks of a [`Group`] tell one another |
//! | `divergence.rs` | in which layer a loss became NaN |
//! | `history.rs`, `logs.rs`, `tensorboard.rs`, `progress.rs` | what was measured: as numbers, in files, on the screen |
//!
//! What optimizers do is said by optimizers: `Adam::new(1e-3).scheduled(..).clip_norm(1.0).accumulated(4)` has a schedule, gradients
//! of bounded length, and a step for every four batches; see [`Optimizer`](crate::learn::Optimizer).

mod checkpoints;
mod divergence;
mod feed;
mod fit;
mod history;
mod logs;
mod progress;
mod state;
mod step;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod together;

pub use checkpoints::Checkpoints;
pub use history::{History, Stopped};
pub use progress::Progress;
pub use step::Step;

use crate::data::{Source, Target};
use crate::float::Float;
use crate::group::{Alone, Group, Normalized};
use crate::metrics::Metric;
use crate::types::Network;
use core::ops::ControlFlow;
use std::path::PathBuf;
use step::OnBatch;
use together::Together;

/// Trains a model epoch by epoch: [`Trainer::fit`] does it, the other methods say how.
///
/// The same seed gives the same bits, on any number of threads; and a run that is stopped and resumed from its checkpoint gives
/// those of the run that was never stopped.
///
/// # Examples
/// The module has the usual one. A run that keeps its last three states and goes on where it was:
/// ```no_run
/// use formwork::prelude::*;
/// use formwork::trainer::{Checkpoints, Trainer};
///
/// # #[network([1, 8, 8] => [10])]
/// # type Reader = (Flatten, Linear<64, 10>);
/// # fn main() -> Result<(), Error> {
/// # let digits = formwork::data::digits::load()?;
/// let mut model = Model::<Reader>::new(0);
/// Trainer::new(CrossEntropy::default(), Adam::new(1e-3))
///     .epochs(100)
///     .checkpoints(Checkpoints::new("runs/reader").keep(3).resume())
///     .stop_on_ctrl_c()
///     .fit(&mut model, &digits)?;
/// # Ok(()) }
/// ```
pub struct Trainer<'a, N: Network, T: Target, L, O, E: Float = f32> {
    loss: L,
    optimizer: O,
    validation: Option<&'a dyn Source<E, Input = N::Input, Target = T>>,
    metrics: Vec<Box<dyn Metric<N::Output, T, E> + 'a>>,
    on_batch: Option<OnBatch<'a>>,
    settings: Settings,
    together: Together<'a>,
}

/// What does not depend on types.
struct Settings {
    epochs: u64,
    batch_size: usize,
    seed: u64,
    monitor: Option<Monitor>,
    keep_best: bool,
    patience: Option<u64>,
    checkpoints: Option<Checkpoints>,
    csv: Option<PathBuf>,
    #[cfg(feature = "tensorboard")]
    tensorboard: Option<PathBuf>,
    progress: Progress,
    stop_on_ctrl_c: bool,
}

/// The column of the history that says which epoch is the best.
#[derive(Clone)]
struct Monitor {
    column: String,
    goal: Goal,
}

/// Which way a number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The less the better, as of a loss.
    Least,
    /// The more the better, as of an accuracy.
    Most,
}

// What a loss and an optimizer have to be is asked where they are used, in `fit`, so that a mistake is told once.
impl<'a, N: Network, T: Target, L, O, E: Float> Trainer<'a, N, T, L, O, E> {
    /// Training that makes this loss small with this optimizer: 10 epochs, in batches of 32.
    pub fn new(loss: L, optimizer: O) -> Self {
        let settings = Settings {
            epochs: 10,
            batch_size: 32,
            seed: 0,
            monitor: None,
            keep_best: false,
            patience: None,
            checkpoints: None,
            csv: None,
            #[cfg(feature = "tensorboard")]
            tensorboard: None,
            progress: Progress::Auto,
            stop_on_ctrl_c: false,
        };
        let together = Together { group: &Alone, normalized: Normalized::default() };
        Trainer { loss, optimizer, validation: None, metrics: Vec::new(), on_batch: None, settings, together }
    }

    /// Trains together with the other ranks of a group, each of which runs this same program: a batch is shared out over them, and
    /// gradients are summed, so that the result does not depend on how many there are. It is the same bits only for as many ranks.
    ///
    /// All ranks begin with the parameters of rank 0, or where its checkpoint is, which may be of any number of ranks. Rank 0 alone
    /// writes checkpoints, logs and progress; the history is the same on all ranks. An error on one of them ends all.
    ///
    /// # Examples
    /// ```
    /// use formwork::group::Alone;
    /// use formwork::prelude::*;
    /// use formwork::trainer::{Progress, Trainer};
    ///
    /// #[network([1] => [1])]
    /// type Line = Linear<1, 1>;
    ///
    /// let group = Alone; // `Mpi::begin()` where `mpirun` has started several
    /// let data = Dataset::<Rank1<1>, Values<Rank1<1>>>::new(vec![0.0, 1.0], vec![1.0, 3.0]).unwrap();
    /// let mut trainer = Trainer::new(Mse, Sgd::new(0.1)).group(&group).epochs(100).progress(Progress::Silent);
    /// trainer.fit(&mut Model::<Line>::new(0), &data).unwrap();
    /// ```
    pub fn group(mut self, group: &'a dyn Group) -> Self {
        self.together.group = group;
        self
    }

    /// What batch normalization looks at in a group: the samples of all ranks unless told otherwise.
    pub fn batch_norm(mut self, normalized: Normalized) -> Self {
        self.together.normalized = normalized;
        self
    }

    /// How often to go through all samples, in another order each time.
    pub fn epochs(mut self, epochs: u64) -> Self {
        self.settings.epochs = epochs;
        self
    }

    /// How many samples make a step; the last batch of an epoch may be smaller. 0 is as 1.
    pub fn batch_size(mut self, samples: usize) -> Self {
        self.settings.batch_size = samples.max(1);
        self
    }

    /// What the order of the samples, and what a source leaves to chance, are drawn from; the model has a seed of its own.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// Computes the loss and all metrics of these samples too after each epoch: `val_loss` and the like in the history.
    pub fn validation(mut self, source: &'a dyn Source<E, Input = N::Input, Target = T>) -> Self {
        self.validation = Some(source);
        self
    }

    /// Computes this after each epoch, of the samples for validation, or of the others if there are none.
    pub fn metric(mut self, metric: impl Metric<N::Output, T, E> + 'a) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// Which column of the history says how good an epoch is. Without this it is the loss of the samples for validation, or of the
    /// others if there are none.
    pub fn monitor(mut self, column: &str, goal: Goal) -> Self {
        self.settings.monitor = Some(Monitor { column: column.to_owned(), goal });
        self
    }

    /// Gives the model the parameters of its best epoch in the end, not those of the last.
    pub fn keep_best(mut self) -> Self {
        self.settings.keep_best = true;
        self
    }

    /// Stops early, when so many epochs in a row were no better than the best before them.
    pub fn patience(mut self, epochs: u64) -> Self {
        self.settings.patience = Some(epochs);
        self
    }

    /// Shows a function each step, after it is made: to draw the loss of every batch, to find a learning rate, to end a run within
    /// an epoch. [`Trainer::fit_watched`] has one that is shown the history and the model after each epoch.
    ///
    /// Where it breaks off the run ends as [`Stopped::Watched`], with a checkpoint if they are asked for; the history has the epochs
    /// that are done. There is one such function: another one replaces it.
    ///
    /// # Examples
    /// A range test: the learning rate grows with each batch, until the loss is no longer what it was.
    /// ```
    /// use formwork::prelude::*;
    /// use formwork::trainer::{Progress, Stopped, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// #[network([1, 8, 8] => [10])]
    /// type Reader = (Flatten, Linear<64, 32>, Relu, Linear<32, 10>);
    ///
    /// # fn main() -> Result<(), Error> {
    /// let digits = formwork::data::digits::load()?;
    /// let (mut rates, mut losses) = (Vec::new(), Vec::new());
    /// let history = Trainer::new(CrossEntropy::default(), Sgd::new(1e-3).scheduled(ExponentialLr::new(1e-3, 1.1)))
    ///     .epochs(100)
    ///     .on_batch(|step| {
    ///         rates.extend(step.learning_rate);
    ///         losses.push(step.loss);
    ///         if step.loss > 4.0 * losses[0] { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    ///     })
    ///     .progress(Progress::Silent)
    ///     .fit(&mut Model::<Reader>::new(0), &digits)?;
    /// assert_eq!(history.stopped, Stopped::Watched);
    /// println!("the loss is lost at a learning rate of {:?}", rates.last());
    /// # Ok(()) }
    /// ```
    pub fn on_batch(mut self, watch: impl FnMut(&Step) -> ControlFlow<()> + 'a) -> Self {
        self.on_batch = Some(Box::new(watch));
        self
    }

    /// Saves the state of the run while it goes on.
    pub fn checkpoints(mut self, checkpoints: Checkpoints) -> Self {
        self.settings.checkpoints = Some(checkpoints);
        self
    }

    /// Writes the history to a file after each epoch, as [`History::save_csv`] does.
    pub fn csv(mut self, file: impl Into<PathBuf>) -> Self {
        self.settings.csv = Some(file.into());
        self
    }

    /// Writes the history into a folder, for TensorBoard to show: `tensorboard --logdir FOLDER`. With the feature `tensorboard`.
    #[cfg(feature = "tensorboard")]
    pub fn tensorboard(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.tensorboard = Some(folder.into());
        self
    }

    /// What to show on the screen.
    pub fn progress(mut self, progress: Progress) -> Self {
        self.settings.progress = progress;
        self
    }

    /// Ends the run cleanly at the first Ctrl-C: after the batch that it is at, with a checkpoint if they are asked for, so that it
    /// can be resumed there. The second one ends the program.
    pub fn stop_on_ctrl_c(mut self) -> Self {
        self.settings.stop_on_ctrl_c = true;
        self
    }
}
