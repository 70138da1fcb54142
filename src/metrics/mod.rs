//! Numbers that say how good a network is: how often it is right, how far off, how surprised.
//!
//! | metric | outputs and targets | what it is |
//! | --- | --- | --- |
//! | [`accuracy`], [`precision`], [`recall`], [`f1`], [`iou`] | scores and classes, or logits and yes or no | shares of right and wrong, from a [`ConfusionMatrix`] |
//! | [`mse`], [`r2`] | values and values | distances |
//! | [`perplexity`] | whatever the loss compares | `exp` of the loss |
//!
//! A [`Trainer`](crate::trainer::Trainer) computes them after each epoch; [`Model::measure`] at any time.

mod classification;
mod confusion;
mod perplexity;
mod regression;

pub use classification::{Classification, OfTokens, accuracy, f1, iou, precision, recall};
pub use confusion::ConfusionMatrix;
pub use perplexity::{Perplexity, perplexity};
pub use regression::{Regression, mse, r2};

use crate::data::{MiniBatch, Source, Target};
use crate::engine::{Backend, Engine};
use crate::error::Error;
use crate::float::Float;
use crate::group::{Alone, Group, part};
use crate::model::Model;
use crate::noise::Noise;
use crate::types::{Network, Sample};

/// A number that is computed from all outputs of a network and their targets, batch by batch.
///
/// Like a loss it is typed by both: an accuracy of ten classes does not compile against three outputs.
///
/// # Examples
/// ```
/// use formwork::metrics::Metric;
/// use formwork::prelude::*;
///
/// /// The largest error of all.
/// struct Worst(f64);
///
/// impl<S: Plain> Metric<S, Values<S>> for Worst {
///     fn name(&self) -> String {
///         "worst".to_owned()
///     }
///
///     fn add(&mut self, outputs: &[f32], targets: &[f32]) {
///         let errors = outputs.iter().zip(targets).map(|(y, t)| f64::from((y - t).abs()));
///         self.0 = errors.fold(self.0, f64::max);
///     }
///
///     fn value(&self) -> f64 {
///         self.0
///     }
///
///     fn reset(&mut self) {
///         self.0 = 0.0;
///     }
/// }
///
/// let data = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(vec![1.0, 2.0], vec![50.0]).unwrap();
/// let model = Model::<Net<Linear<2, 1>, Rank1<2>, Rank1<1>>>::new(0);
/// assert!(model.measure(&data, Worst(0.0)).unwrap().0 > 40.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not measure outputs of shape `{O}` by targets of kind `{T}`",
    label = "this metric is for other outputs or other targets"
)]
pub trait Metric<O: Sample, T: Target, E: Float = f32> {
    /// What a table calls it.
    fn name(&self) -> String;

    /// Takes the outputs of some samples and their targets, sample by sample.
    fn add(&mut self, outputs: &[E], targets: &[T::Number<E>]);

    /// The number, of all that was added; NaN if that is nothing.
    fn value(&self) -> f64;

    /// Forgets all that was added.
    fn reset(&mut self);
}

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// A metric of what the network makes of all samples of a source, without the randomness of training.
    ///
    /// # Errors
    /// Those of the source and of the device.
    ///
    /// # Examples
    /// ```
    /// use formwork::metrics;
    /// use formwork::prelude::*;
    ///
    /// #[network([1, 8, 8] => [10])]
    /// type Reader = (Flatten, Linear<64, 10>);
    ///
    /// let digits = formwork::data::digits::load().unwrap();
    /// let measured = Model::<Reader>::new(0).measure(&digits, metrics::accuracy()).unwrap();
    /// println!("{}", measured.matrix());
    /// assert_eq!(measured.matrix().total(), 1797);
    /// ```
    pub fn measure<S, M>(&self, source: &S, mut metric: M) -> Result<M, Error>
    where
        S: Source<E, Input = N::Input> + ?Sized,
        M: Metric<N::Output, S::Target, E>,
    {
        self.each_output(source, &Alone, |outputs, targets| metric.add(outputs, targets))?;
        Ok(metric)
    }

    /// Calls `visit` with the outputs and targets of all samples of a source, in order, some at a time; the ranks of a group share out
    /// the work, and all of them see all outputs.
    pub(crate) fn each_output<S>(
        &self,
        source: &S,
        group: &dyn Group,
        mut visit: impl FnMut(&[E], &[<S::Target as Target>::Number<E>]),
    ) -> Result<(), Error>
    where
        S: Source<E, Input = N::Input> + ?Sized,
    {
        let all: Vec<usize> = (0..source.len()).collect();
        let (mut batch, mut targets) = (MiniBatch::default(), Vec::new());
        for samples in all.chunks(MEASURED_AT_ONCE * group.size()) {
            batch.read(source, &samples[part(samples.len(), group.rank(), group.size())], Noise::new(0))?;
            let outputs = self.predict(&batch)?;
            if group.size() == 1 {
                visit(&outputs, batch.targets());
                continue;
            }
            let outputs = group.gather_each(&E::to_le_bytes(&outputs)).concat();
            let per_sample = <S::Target as Target>::PER_SAMPLE;
            targets.resize(samples.len() * per_sample, Default::default());
            for (i, &index) in samples.iter().enumerate() {
                source.read_target(index, &mut targets[i * per_sample..(i + 1) * per_sample])?;
            }
            visit(&E::from_le_bytes(&outputs), &targets);
        }
        Ok(())
    }
}

/// How many samples are measured together.
const MEASURED_AT_ONCE: usize = 256;
