//! The files that a history is written to while it grows.

use super::Settings;
use super::history::History;
#[cfg(feature = "tensorboard")]
use super::tensorboard::Events;
use crate::error::Error;
use std::path::PathBuf;

/// Those that were asked for.
pub(super) struct Logs {
    csv: Option<PathBuf>,
    #[cfg(feature = "tensorboard")]
    events: Option<Events>,
}

impl Logs {
    /// Those of the settings, or none for a rank that writes nothing.
    pub fn create(settings: &Settings, writes: bool) -> Result<Self, Error> {
        Ok(Logs {
            csv: settings.csv.clone().filter(|_| writes),
            #[cfg(feature = "tensorboard")]
            events: settings.tensorboard.as_deref().filter(|_| writes).map(Events::create).transpose()?,
        })
    }

    /// Writes what the last epoch adds.
    pub fn epoch(&mut self, history: &History) -> Result<(), Error> {
        if let Some(path) = &self.csv {
            history.save_csv(path)?;
        }
        #[cfg(feature = "tensorboard")]
        if let (Some(events), Some(row)) = (&mut self.events, history.rows().last()) {
            let numbers = history.columns().iter().zip(row).filter(|(column, _)| *column != "epoch");
            events.epoch(row[0] as u64, numbers)?;
        }
        Ok(())
    }
}
