//! What was measured, epoch by epoch.

use crate::checkpoint::replace;
use crate::error::Error;
use std::path::Path;
use std::time::Duration;

/// The numbers of each epoch of a run: what [`Trainer::fit`](super::Trainer::fit) returns.
///
/// The columns are `epoch` (from 1), `loss`, and with samples for validation `val_loss`; then the metrics, `accuracy` or
/// `val_accuracy`; and `seconds`.
#[derive(Clone, Debug)]
pub struct History {
    columns: Vec<String>,
    rows: Vec<Vec<f64>>,
    /// Why the run ended.
    pub stopped: Stopped,
    /// How long the run took, from where it began or was resumed.
    pub took: Duration,
    /// How much of that it waited for batches to be read.
    pub waited: Duration,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It has done all its epochs.
    Finished,
    /// It had become no better for as long as [`Trainer::patience`](super::Trainer::patience) says.
    Early,
    /// By Ctrl-C.
    Interrupted,
    /// A function that watched it broke it off: that of [`Trainer::fit_watched`](super::Trainer::fit_watched), or that of
    /// [`Trainer::on_batch`](super::Trainer::on_batch).
    Watched,
}

impl History {
    pub(super) fn new(columns: Vec<String>, rows: Vec<Vec<f64>>) -> Self {
        History { columns, rows, stopped: Stopped::Finished, took: Duration::ZERO, waited: Duration::ZERO }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The numbers of each epoch, in the order of the columns.
    pub fn rows(&self) -> &[Vec<f64>] {
        &self.rows
    }

    /// The numbers of a column, one for each epoch; none if there is no such column.
    pub fn column(&self, name: &str) -> Vec<f64> {
        let place = self.columns.iter().position(|column| column == name);
        place.map_or(Vec::new(), |place| self.rows.iter().map(|row| row[place]).collect())
    }

    /// The number of the last epoch in a column.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.column(name).last().copied()
    }

    /// Which share of the time was spent waiting for batches to be read.
    pub fn waiting(&self) -> f64 {
        if self.took.is_zero() { 0.0 } else { self.waited.as_secs_f64() / self.took.as_secs_f64() }
    }

    /// The table as comma-separated text, with the names of the columns on the first line.
    pub fn csv(&self) -> String {
        let line = |row: &Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n";
        self.columns.join(",") + "\n" + &self.rows.iter().map(line).collect::<String>()
    }

    /// Writes [`History::csv`] to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        replace(path.as_ref(), self.csv().as_bytes())
    }

    pub(super) fn push(&mut self, row: Vec<f64>) {
        self.rows.push(row);
    }
}
