//! What is seen of a run while it goes on.

use super::history::History;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::Path;

/// What to show of a run, on standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    /// A bar on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// A line for each epoch, and a bar of the batches of this one.
    Bar,
    /// A line for each epoch.
    Lines,
    /// Nothing.
    Silent,
}

/// The screen of a run.
pub(super) struct Screen {
    bar: ProgressBar,
    epochs: u64,
    is_silent: bool,
}

impl Screen {
    pub(super) fn new(progress: Progress, epochs: u64) -> Self {
        let has_bar = match progress {
            Progress::Auto => std::io::stderr().is_terminal(),
            Progress::Bar => true,
            Progress::Lines | Progress::Silent => false,
        };
        let target = if has_bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Screen { bar: ProgressBar::with_draw_target(None, target).with_style(style), epochs, is_silent: progress == Progress::Silent }
    }

    /// Begins an epoch, counted from 0, of so many batches, some of which are done.
    pub(super) fn epoch(&self, epoch: u64, batches: u64, done: u64) {
        self.bar.reset();
        self.bar.set_length(batches);
        self.bar.set_position(done);
        self.bar.set_message(format!("epoch {}/{}", epoch + 1, self.epochs));
    }

    /// A batch is done.
    pub(super) fn batch(&self) {
        self.bar.inc(1);
    }

    /// An epoch is done: the last of the history.
    pub(super) fn line(&self, history: &History) {
        let Some(row) = history.rows().last() else { return };
        let numbers = history.columns().iter().zip(row).filter(|(column, _)| !matches!(column.as_str(), "epoch" | "seconds"));
        let numbers: Vec<String> = numbers.map(|(column, x)| format!("{column} {x:.4}")).collect();
        let seconds = history.last("seconds").unwrap_or(0.0);
        self.say(&format!("epoch {}/{}: {} ({seconds:.1} s)", row[0], self.epochs, numbers.join(", ")));
    }

    /// The run was interrupted in an epoch, counted from 0, after so many of its batches; where it was saved, if it was.
    pub(super) fn interrupted(&self, epoch: u64, [done, batches]: [u64; 2], saved: Option<&Path>) {
        let saved = saved.map_or("not saved, since there are no checkpoints".to_owned(), |path| format!("saved in {}", path.display()));
        self.say(&format!("interrupted in epoch {}/{}, after batch {done} of {batches}: {saved}", epoch + 1, self.epochs));
    }

    /// Anything else worth knowing.
    pub(super) fn say(&self, text: &str) {
        if self.is_silent {
            return;
        }
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
