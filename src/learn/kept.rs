//! What optimizers keep for each parameter.

use super::optimizer::state;
use crate::error::Error;
use crate::float::Float;
use std::sync::Arc;

/// Numbers, one for each parameter: here, or with an engine that has taken them to where its parameters are.
pub struct Kept<E> {
    /// As they were when they were here last.
    numbers: Vec<E>,
    away: Option<Arc<dyn Away<E>>>,
}

/// An engine that has numbers of an optimizer.
pub(crate) trait Away<E>: Send + Sync {
    /// Copies them.
    fn fetch(&self, numbers: &mut [E]);

    /// Which list of numbers they are, of which engine's.
    fn place(&self) -> (*const (), usize);
}

impl<E: Float> Kept<E> {
    /// None, until the number of parameters is known.
    pub(crate) fn new() -> Self {
        Kept { numbers: Vec::new(), away: None }
    }

    /// Zeros at first, made when the number of parameters is known.
    pub(crate) fn for_parameters(&mut self, parameters: usize) -> Result<&mut Self, Error> {
        state(&mut self.numbers, parameters)?;
        Ok(self)
    }

    /// The numbers, brought back here.
    pub(crate) fn here(&mut self) -> &mut Vec<E> {
        if let Some(away) = self.away.take() {
            away.fetch(&mut self.numbers);
        }
        &mut self.numbers
    }

    /// Where they are, if not here.
    pub(crate) fn place(&self) -> Option<(*const (), usize)> {
        self.away.as_ref().map(|away| away.place())
    }

    /// Says who has them from now on.
    pub(crate) fn lend(&mut self, to: Arc<dyn Away<E>>) {
        self.away = Some(to);
    }
}

/// A copy that is here.
impl<E: Clone> Clone for Kept<E> {
    fn clone(&self) -> Self {
        let mut numbers = self.numbers.clone();
        if let Some(away) = &self.away {
            away.fetch(&mut numbers);
        }
        Kept { numbers, away: None }
    }
}

/// How many there are: those that are away are not fetched for it.
impl<E> core::fmt::Debug for Kept<E> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kept").field("numbers", &self.numbers.len()).field("is_away", &self.away.is_some()).finish()
    }
}
