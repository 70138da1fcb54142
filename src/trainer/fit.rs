//! The loop over epochs and batches.

use super::checkpoints::Checkpoints;
use super::divergence;
use super::feed::feed;
use super::history::{History, Stopped};
use super::logs::Logs;
use super::progress::Screen;
use super::state::{Best, Identity, Run, State};
use super::{Goal, Monitor, Trainer};
use crate::cpu::{Observe, Static};
use crate::data::{MiniBatch, Source, Target};
use crate::engine::{Backend, Engine, Objective};
use crate::error::Error;
use crate::float::Float;
use crate::learn::{Bound, Loss, Optimizer};
use crate::model::Model;
use crate::noise::Noise;
use crate::types::Network;
use core::ops::ControlFlow;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

impl<N: Network, T: Target, L: Loss<N::Output, T>, O: Optimizer<E>, E: Float> Trainer<'_, N, T, L, O, E> {
    /// Trains a model on all samples of a source, and says how it went.
    ///
    /// # Errors
    /// Those of the source, the device and the files; [`Error::Diverged`] with the layer where a number first was none;
    /// [`Error::Checkpoint`] for the checkpoint of another run.
    pub fn fit<D, G, S>(&mut self, model: &mut Model<N, E, D, G>, source: &S) -> Result<History, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
        Cpu: Device<E>,
        Static<E>: Observe<E>,
    {
        self.fit_watched(model, source, |_, _| ControlFlow::Continue(()))
    }

    /// The same with a function that is shown the history and the model after each epoch, and can end the run.
    ///
    /// # Errors
    /// As for [`Trainer::fit`].
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    /// use formwork::trainer::{Progress, Stopped, Trainer};
    /// use std::ops::ControlFlow;
    ///
    /// #[network([1] => [1])]
    /// type Line = Linear<1, 1>;
    ///
    /// let data = Dataset::<Rank1<1>, Values<Rank1<1>>>::new(vec![0.0, 1.0], vec![1.0, 3.0]).unwrap();
    /// let mut trainer = Trainer::new(Mse, Sgd::new(0.1)).epochs(1000).progress(Progress::Silent);
    /// let history = trainer.fit_watched(&mut Model::<Line>::new(0), &data, |history, model| {
    ///     let [slope, offset] = [model.parameters()[0], model.parameters()[1]];
    ///     println!("after epoch {}: y = {slope} x + {offset}", history.rows().len());
    ///     if history.last("loss") < Some(0.01) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    /// });
    /// assert_eq!(history.unwrap().stopped, Stopped::Watched);
    /// ```
    pub fn fit_watched<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        source: &S,
        mut watch: impl FnMut(&History, &Model<N, E, D, G>) -> ControlFlow<()>,
    ) -> Result<History, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
        Cpu: Device<E>,
        Static<E>: Observe<E>,
    {
        let begin = Instant::now();
        let interrupted = self.interrupted()?;
        let screen = Screen::new(self.settings.progress, self.settings.epochs);
        let mut run = self.begin(model, source.len(), &screen)?;
        let mut logs = Logs::create(&self.settings)?;
        run.history.stopped = Stopped::Finished;
        while run.epoch < self.settings.epochs && run.history.stopped == Stopped::Finished {
            if self.is_stale(&run) {
                run.history.stopped = Stopped::Early;
                break;
            }
            if self.epoch(model, source, &mut run, &screen, &interrupted)?.is_break() {
                run.history.stopped = Stopped::Interrupted;
                break;
            }
            logs.epoch(&run.history)?;
            screen.line(&run.history);
            if watch(&run.history, model).is_break() {
                run.history.stopped = Stopped::Watched;
            }
        }
        screen.end();
        if let Some(best) = run.best.filter(|_| self.settings.keep_best && run.history.stopped != Stopped::Interrupted) {
            model.set_parameters(&best.parameters)?;
            model.set_buffers(&best.buffers)?;
        }
        run.history.took = begin.elapsed();
        Ok(run.history)
    }

    /// A run at its beginning, or where the last checkpoint was.
    fn begin<D: Backend<E>, G: Engine<E, D>>(&mut self, model: &mut Model<N, E, D, G>, samples: usize, screen: &Screen) -> Result<Run<E>, Error> {
        if samples == 0 {
            return Err(Error::Count { what: "samples to learn from", expected: 1, given: 0 });
        }
        let history = History::new(self.columns(), Vec::new());
        if let Some(Monitor { column, .. }) = &self.settings.monitor
            && !history.columns().contains(column)
        {
            let (expected, given) = (history.columns().join(", "), column.clone());
            return Err(Error::Format { file: "the column to monitor".to_owned(), expected, given });
        }
        let mut run = Run { epoch: 0, batch: 0, loss: 0.0, seconds: 0.0, history, best: None, stale: 0 };
        let saved = self.settings.checkpoints.as_ref().map(Checkpoints::begin).transpose()?.flatten();
        if let Some((path, state)) = saved {
            let restored = state.restore(&self.identity(samples), model, &mut self.optimizer, &mut run);
            restored.map_err(|mismatches| Error::Checkpoint { path: path.clone(), mismatches })?;
            screen.say(&format!("resumed from {}: {} epochs and {} batches are done", path.display(), run.epoch, run.batch));
        }
        Ok(run)
    }

    /// Goes through the samples once, or through what is left of them; breaks off when it is interrupted.
    fn epoch<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        source: &S,
        run: &mut Run<E>,
        screen: &Screen,
        interrupted: &AtomicBool,
    ) -> Result<ControlFlow<()>, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
        Cpu: Device<E>,
        Static<E>: Observe<E>,
    {
        let begin = Instant::now();
        let identity = self.identity(source.len());
        let good = State::of(&identity, model, &mut self.optimizer, run);
        let order = shuffled(source.len(), self.settings.seed.wrapping_add(run.epoch));
        let batches: Vec<&[usize]> = order.chunks(self.settings.batch_size).collect();
        let noise = Noise::new(self.settings.seed).split(run.epoch);
        screen.epoch(run.epoch, batches.len() as u64, run.batch);

        let before = run.seconds;
        let mut flow = ControlFlow::Continue(());
        let mut is_lost = false;
        let waited = feed(source, &batches[run.batch as usize..], noise, |batch| {
            let loss = model.train(batch, &self.loss, &mut self.optimizer)?.f64();
            is_lost = !loss.is_finite();
            if is_lost {
                return Ok(ControlFlow::Break(()));
            }
            run.loss += loss * batch.len() as f64;
            run.batch += 1;
            run.seconds = before + begin.elapsed().as_secs_f64();
            screen.batch();
            let is_interrupted = interrupted.load(Ordering::Relaxed);
            if is_interrupted {
                flow = ControlFlow::Break(());
            }
            if let Some(checkpoints) = &self.settings.checkpoints
                && (is_interrupted || checkpoints.is_due(model.progress().0))
            {
                checkpoints.save(model.progress().0, &State::of(&identity, model, &mut self.optimizer, run))?;
            }
            Ok(flow)
        })?;
        run.history.waited += waited;
        if !is_lost && flow.is_continue() {
            let loss = run.loss / source.len() as f64;
            let row = self.measure(model, source, run, loss)?;
            // Parameters that the last step of an epoch made infinite show here.
            is_lost = row.is_none();
            if let Some(row) = row {
                self.end_epoch(model, &identity, run, row)?;
            }
        }
        if is_lost {
            let noise = Noise::new(self.settings.seed).split(run.epoch);
            return Err(self.diverged(model, source, &batches, noise, (&identity, &good)));
        }
        Ok(flow)
    }

    /// The numbers of an epoch; none if its loss on the samples for validation is no number.
    fn measure<D, G, S>(&mut self, model: &Model<N, E, D, G>, source: &S, run: &Run<E>, loss: f64) -> Result<Option<Vec<f64>>, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
    {
        self.metrics.iter_mut().for_each(|metric| metric.reset());
        let mut row = vec![(run.epoch + 1) as f64, loss];
        let (given, metrics) = (&self.loss, &mut self.metrics);
        let (mut sum, has_metrics) = (0.0, !metrics.is_empty());
        let mut visit = |outputs: &[E], targets: &[T::Number<E>]| {
            let samples = targets.len() / T::PER_SAMPLE.max(1);
            // The gradient is of no use here.
            let mut d_outputs = vec![E::zero(); outputs.len()];
            let share = Bound::<L, N::Output, T, E>::new(given, targets, samples);
            sum += Objective::<E, D>::part(&share, 0..samples, outputs, &mut d_outputs).f64() * samples as f64;
            metrics.iter_mut().for_each(|metric| metric.add(outputs, targets));
        };
        match self.validation {
            Some(validation) => {
                model.each_output(validation, &mut visit)?;
                let loss = sum / validation.len() as f64;
                if !loss.is_finite() && !validation.is_empty() {
                    return Ok(None);
                }
                row.push(loss);
            }
            None if has_metrics => model.each_output(source, &mut visit)?,
            None => (),
        }
        row.extend(self.metrics.iter().map(|metric| metric.value()));
        row.push(run.seconds);
        Ok(Some(row))
    }

    /// Notes how good an epoch was, and saves it.
    fn end_epoch<D: Backend<E>, G: Engine<E, D>>(
        &mut self,
        model: &Model<N, E, D, G>,
        identity: &Identity,
        run: &mut Run<E>,
        row: Vec<f64>,
    ) -> Result<(), Error> {
        run.history.push(row);
        let Monitor { column, goal } = self.monitored();
        let value = run.history.last(&column).unwrap_or(f64::NAN);
        let is_better = |best: &Best<E>| match goal {
            Goal::Least => value < best.value,
            Goal::Most => value > best.value,
        };
        run.stale += 1;
        if run.best.as_ref().is_none_or(is_better) {
            run.stale = 0;
            run.best = Some(Best { value, parameters: model.parameters(), buffers: model.buffers() });
        }
        (run.epoch, run.batch, run.loss, run.seconds) = (run.epoch + 1, 0, 0.0, 0.0);
        match &self.settings.checkpoints {
            Some(checkpoints) => checkpoints.save(model.progress().0, &State::of(identity, model, &mut self.optimizer, run)),
            None => Ok(()),
        }
    }

    /// Makes the steps of an epoch again, from a state that was good, and looks for the first number that is none.
    fn diverged<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        source: &S,
        batches: &[&[usize]],
        noise: Noise,
        (identity, good): (&Identity, &State),
    ) -> Error
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
        Cpu: Device<E>,
        Static<E>: Observe<E>,
    {
        let mut run = Run { epoch: 0, batch: 0, loss: 0.0, seconds: 0.0, history: History::new(self.columns(), Vec::new()), best: None, stale: 0 };
        if good.restore(identity, model, &mut self.optimizer, &mut run).is_err() {
            unreachable!("a state of this run is restored by it");
        }
        let mut batch = MiniBatch::default();
        for (number, samples) in batches.iter().enumerate().skip(run.batch as usize) {
            let looked = batch.read(source, samples, noise).and_then(|()| divergence::step(model, &batch, &self.loss, &mut self.optimizer));
            match looked {
                Ok(None) => (),
                Ok(Some(place)) => return Error::Diverged { epoch: run.epoch + 1, batch: number as u64 + 1, place },
                Err(error) => return error,
            }
        }
        Error::Diverged { epoch: run.epoch + 1, batch: batches.len() as u64, place: "the loss of the samples for validation".to_owned() }
    }

    fn identity(&self, samples: usize) -> Identity {
        Identity { network: N::NAME, batch_size: self.settings.batch_size, seed: self.settings.seed, samples }
    }

    fn columns(&self) -> Vec<String> {
        let prefix = if self.validation.is_some() { "val_" } else { "" };
        let mut columns = vec!["epoch".to_owned(), "loss".to_owned()];
        columns.extend(self.validation.map(|_| "val_loss".to_owned()));
        columns.extend(self.metrics.iter().map(|metric| format!("{prefix}{}", metric.name())));
        columns.push("seconds".to_owned());
        columns
    }

    fn monitored(&self) -> Monitor {
        let column = if self.validation.is_some() { "val_loss" } else { "loss" };
        self.settings.monitor.clone().unwrap_or(Monitor { column: column.to_owned(), goal: Goal::Least })
    }

    fn is_stale(&self, run: &Run<E>) -> bool {
        self.settings.patience.is_some_and(|patience| run.stale >= patience.max(1))
    }

    /// What the first Ctrl-C sets, if it is asked for.
    fn interrupted(&self) -> Result<Arc<AtomicBool>, Error> {
        let interrupted = Arc::new(AtomicBool::new(false));
        if self.settings.stop_on_ctrl_c {
            let failed = |source| Error::File { path: "SIGINT".into(), action: "watch for it", source };
            // In this order: the second signal finds the flag set.
            signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, EXIT_BY_CTRL_C, interrupted.clone()).map_err(failed)?;
            signal_hook::flag::register(signal_hook::consts::SIGINT, interrupted.clone()).map_err(failed)?;
        }
        Ok(interrupted)
    }
}

/// What a shell says of a program that Ctrl-C ended.
const EXIT_BY_CTRL_C: i32 = 130;

/// The order of the samples of an epoch: that of [`Dataset::shuffled`](crate::data::Dataset::shuffled).
fn shuffled(samples: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..samples).collect();
    order.shuffle(&mut StdRng::seed_from_u64(seed));
    order
}
