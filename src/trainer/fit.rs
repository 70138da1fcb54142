//! The loop over epochs and batches.

use super::checkpoints::Checkpoints;
use super::divergence;
use super::feed::feed;
use super::history::{History, Stopped};
use super::logs::Logs;
use super::progress::{Progress, Screen};
use super::state::{Best, Identity, Run, State};
use super::step::Step;
use super::{Goal, Monitor, Settings, Trainer};
use crate::cpu::Observe;
use crate::data::{MiniBatch, Source, Target, shuffled};
use crate::engine::{Backend, Engine};
use crate::error::Error;
use crate::learn::{Loss, Optimizer, summed};
use crate::model::Model;
use crate::noise::Noise;
use crate::types::Network;
use core::cell::Cell;
use core::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

impl<N: Network, T: Target, L: Loss<N::Output, T>, O: Optimizer<E>, E: Observe> Trainer<'_, N, T, L, O, E> {
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
    {
        self.fit_watched(model, source, |_, _| ControlFlow::Continue(()))
    }

    /// The same with a function that is shown the history and the model after each epoch, and can end the run. For one that is shown
    /// each batch see [`Trainer::on_batch`].
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
    {
        let begin = Instant::now();
        let together = self.together;
        let interrupted = together.group.agreed(self.interrupted())?;
        let screen = Screen::new(if together.writes() { self.settings.progress } else { Progress::Silent }, self.settings.epochs);
        let begun = self.begin(model, source.len(), &screen);
        let mut run = together.group.agreed(begun)?;
        together.begin(&self.identity(source.len()), model, &mut self.optimizer, &mut run)?;
        together.outcome(self.all_epochs(model, source, &mut run, (&screen, &interrupted), &mut watch))?;
        screen.end();
        let best = run.best.filter(|_| run.history.stopped != Stopped::Interrupted).and_then(|best| best.kept);
        if let Some([parameters, buffers]) = best {
            model.set_parameters(&parameters)?;
            model.set_buffers(&buffers)?;
        }
        run.history.took = begin.elapsed();
        Ok(run.history)
    }

    /// Goes through all epochs that are left.
    fn all_epochs<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        source: &S,
        run: &mut Run<E>,
        (screen, interrupted): (&Screen, &AtomicBool),
        watch: &mut impl FnMut(&History, &Model<N, E, D, G>) -> ControlFlow<()>,
    ) -> Result<(), Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
    {
        let group = self.together.group;
        let mut logs = Logs::create(&self.settings, self.together.writes())?;
        run.history.stopped = Stopped::Finished;
        while run.epoch < self.settings.epochs && run.history.stopped == Stopped::Finished {
            if self.is_stale(run) {
                run.history.stopped = Stopped::Early;
                break;
            }
            if let ControlFlow::Break(stopped) = self.epoch(model, source, run, screen, interrupted)? {
                run.history.stopped = stopped;
                break;
            }
            logs.epoch(&run.history)?;
            screen.line(&run.history);
            if group.any(watch(&run.history, model).is_break()) {
                run.history.stopped = Stopped::Watched;
            }
        }
        Ok(())
    }

    /// A run at its beginning, or where the last checkpoint was.
    fn begin<D: Backend<E>, G: Engine<E, D>>(&mut self, model: &mut Model<N, E, D, G>, samples: usize, screen: &Screen) -> Result<Run<E>, Error> {
        if samples == 0 {
            return Err(Error::Count { what: "samples to learn from", expected: 1, given: 0 });
        }
        let mut run = self.unbegun();
        if let Some(Monitor { column, .. }) = &self.settings.monitor
            && !run.history.columns().contains(column)
        {
            let (expected, given) = (run.history.columns().join(", "), column.clone());
            return Err(Error::Format { file: "the column to monitor".to_owned(), expected, given });
        }
        let saved = self.settings.checkpoints.as_ref().filter(|_| self.together.writes()).map(Checkpoints::begin).transpose()?.flatten();
        if let Some((path, state)) = saved {
            let restored = state.restore(&self.identity(samples), model, &mut self.optimizer, &mut run);
            restored.map_err(|mismatches| Error::Checkpoint { path: path.clone(), mismatches })?;
            screen.say(&format!("resumed from {}: {} epochs and {} batches are done", path.display(), run.epoch, run.batch));
        }
        Ok(run)
    }

    /// Goes through the samples once, or through what is left of them; breaks off when it is to stop.
    fn epoch<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        source: &S,
        run: &mut Run<E>,
        screen: &Screen,
        interrupted: &AtomicBool,
    ) -> Result<ControlFlow<Stopped>, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
    {
        let identity = self.identity(source.len());
        let good = State::of(&identity, model, &mut self.optimizer, run);
        let order = shuffled(source.len(), self.settings.seed.wrapping_add(run.epoch));
        let batches: Vec<&[usize]> = order.chunks(self.settings.batch_size).collect();
        screen.epoch(run.epoch, batches.len() as u64, run.batch);
        match self.steps(model, (source, &batches), run, (screen, interrupted))? {
            Ended::Stopped(stopped) => Ok(ControlFlow::Break(stopped)),
            // The last step may have left parameters behind that no loss has seen yet.
            Ended::Done if model.parameters().iter().all(|x| x.is_finite()) => {
                self.together.share_buffers(model)?;
                let row = self.measure(model, source, run)?;
                self.end_epoch(model, &identity, run, row)?;
                Ok(ControlFlow::Continue(()))
            }
            Ended::Done | Ended::Lost => Err(self.diverged(model, (source, &batches), (&identity, &good))),
        }
    }

    /// Makes the steps of an epoch that are left.
    fn steps<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        (source, batches): (&S, &[&[usize]]),
        run: &mut Run<E>,
        (screen, interrupted): (&Screen, &AtomicBool),
    ) -> Result<Ended, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
    {
        let (begin, before) = (Instant::now(), run.seconds);
        let (identity, noise) = (self.identity(source.len()), self.noise(run.epoch));
        let (mut ended, mut saved, together) = (Ended::Done, None, self.together);
        let own: Vec<&[usize]> = batches.iter().map(|samples| together.own(samples)).collect();
        let waited = feed(source, &own[run.batch as usize..], noise, |batch| {
            let learning_rate = if self.on_batch.is_some() { self.optimizer.rate() } else { None };
            let (stop, samples) = (Cell::new(interrupted.load(Ordering::Relaxed)), batches[run.batch as usize].len());
            let share = together.share(samples, &stop);
            let loss = model.train_share(batch, &share, &self.loss, &mut self.optimizer)?.f64();
            if !loss.is_finite() {
                ended = Ended::Lost;
                return Ok(ControlFlow::Break(()));
            }
            run.loss += loss * share.batch as f64;
            run.batch += 1;
            run.seconds = before + begin.elapsed().as_secs_f64();
            screen.batch();
            let step = model.progress().0;
            if let Some(watch) = &mut self.on_batch {
                let (epoch, batches) = (run.epoch + 1, batches.len() as u64);
                let stops = watch(&Step { epoch, batch: run.batch, batches, step, samples, loss, learning_rate }).is_break();
                if together.group.any(stops) {
                    ended = Ended::Stopped(Stopped::Watched);
                }
            }
            // A rank that is alone has asked nobody, and need not wait for the answer of the next step.
            if stop.get() || (share.ranks.is_none() && interrupted.load(Ordering::Relaxed)) {
                ended = Ended::Stopped(Stopped::Interrupted);
            }
            if let Some(checkpoints) = &self.settings.checkpoints
                && (ended != Ended::Done || checkpoints.is_due(step))
            {
                together.check(model)?;
                if together.writes() {
                    saved = Some(checkpoints.save(step, &State::of(&identity, model, &mut self.optimizer, run))?);
                }
            }
            Ok(if ended == Ended::Done { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        run.history.waited += waited;
        if ended == Ended::Stopped(Stopped::Interrupted) {
            screen.interrupted(run.epoch, [run.batch, batches.len() as u64], saved.as_deref());
        }
        Ok(ended)
    }

    /// The numbers of an epoch.
    fn measure<D, G, S>(&mut self, model: &Model<N, E, D, G>, source: &S, run: &Run<E>) -> Result<Vec<f64>, Error>
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
    {
        let (loss, metrics, group) = (&self.loss, &mut self.metrics, self.together.group);
        metrics.iter_mut().for_each(|metric| metric.reset());
        let (mut sum, has_metrics) = (0.0, !metrics.is_empty());
        let mut visit = |outputs: &[E], targets: &[T::Number<E>]| {
            sum += summed(loss, outputs, targets);
            metrics.iter_mut().for_each(|metric| metric.add(outputs, targets));
        };
        let mut row = vec![(run.epoch + 1) as f64, run.loss / source.len() as f64];
        match self.validation {
            Some(validation) => {
                model.each_output(validation, group, &mut visit)?;
                row.push(sum / validation.len() as f64);
            }
            None if has_metrics => model.each_output(source, group, &mut visit)?,
            None => (),
        }
        row.extend(self.metrics.iter().map(|metric| metric.value()));
        row.push(run.seconds);
        // Clocks differ, and all ranks are to come to the same conclusions.
        Ok(self.together.of_first(row))
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
            _ if best.value.is_nan() => !value.is_nan(),
            Goal::Least => value < best.value,
            Goal::Most => value > best.value,
        };
        run.stale += 1;
        if run.best.as_ref().is_none_or(is_better) {
            run.stale = 0;
            let kept = identity.keep_best.then(|| [model.parameters(), model.buffers()]);
            run.best = Some(Best { value, kept });
        }
        (run.epoch, run.batch, run.loss, run.seconds) = (run.epoch + 1, 0, 0.0, 0.0);
        self.together.check(model)?;
        match &self.settings.checkpoints {
            Some(checkpoints) if self.together.writes() => {
                checkpoints.save(model.progress().0, &State::of(identity, model, &mut self.optimizer, run)).map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Makes the steps of an epoch again, from a state that was good, and looks for the first number that is none.
    fn diverged<D, G, S>(
        &mut self,
        model: &mut Model<N, E, D, G>,
        (source, batches): (&S, &[&[usize]]),
        (identity, good): (&Identity, &State),
    ) -> Error
    where
        D: Backend<E>,
        G: Engine<E, D>,
        S: Source<E, Input = N::Input, Target = T> + ?Sized,
    {
        let mut run = self.unbegun();
        if good.restore(identity, model, &mut self.optimizer, &mut run).is_err() {
            unreachable!("a state of this run is restored by it");
        }
        let (noise, stop) = (self.noise(run.epoch), Cell::new(false));
        let read = |samples: &[usize]| {
            let mut batch = MiniBatch::default();
            batch.read(source, samples, noise).map(|()| batch)
        };
        for (number, samples) in batches.iter().enumerate().skip(run.batch as usize) {
            let share = self.together.share(samples.len(), &stop);
            let looked = divergence::step(model, (samples, &share, read), &self.loss, &mut self.optimizer);
            match looked {
                Ok(None) => (),
                Ok(Some(place)) => return Error::Diverged { epoch: run.epoch + 1, batch: number as u64 + 1, place },
                Err(error) => return error,
            }
        }
        // The same steps from the same state: only a source that is not the same each time it is read comes here.
        Error::Diverged {
            epoch: run.epoch + 1,
            batch: batches.len() as u64,
            place: "in samples that were others when they were read again".to_owned(),
        }
    }

    /// Where the random numbers of a source come from in an epoch.
    fn noise(&self, epoch: u64) -> Noise {
        Noise::new(self.settings.seed).split(epoch)
    }

    /// A run that has not begun.
    fn unbegun(&self) -> Run<E> {
        Run { epoch: 0, batch: 0, loss: 0.0, seconds: 0.0, history: History::new(self.columns(), Vec::new()), best: None, stale: 0 }
    }

    fn identity(&self, samples: usize) -> Identity {
        let Settings { batch_size, seed, keep_best, .. } = self.settings;
        Identity { network: N::NAME, batch_size, seed, samples, keep_best }
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

/// How the steps of an epoch ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Done,
    Stopped(Stopped),
    /// With a loss that is no number.
    Lost,
}

/// What a shell says of a program that Ctrl-C ended.
const EXIT_BY_CTRL_C: i32 = 130;
