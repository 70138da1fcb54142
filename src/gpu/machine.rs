//! What has to be asked of a machine.

use super::call::{Call, Space};
use crate::error::Error;
use crate::float::Float;
use dfdx::tensor_ops::Device;

/// A machine that calls run on. Its operations follow one another as they were asked for; only reading waits for them.
pub trait Machine<E: Float>: Clone + Send + Sync + 'static {
    /// The dfdx device whose models it runs.
    type Device: Device<E>;
    /// Numbers in the machine's memory.
    type Numbers: Send;
    /// Whole numbers there.
    type Table: Send;
    /// Calls in the form in which they run the fastest.
    type Recording: Send;

    /// The machine that a dfdx device is on.
    ///
    /// # Errors
    /// Those of the device.
    fn of(device: &Self::Device) -> Result<Self, Error>;

    /// Room for so many numbers, whatever is in it.
    ///
    /// # Errors
    /// [`Error::Memory`], and those of the device.
    fn room(&self, count: usize) -> Result<Self::Numbers, Error>;

    /// A table of whole numbers.
    ///
    /// # Errors
    /// [`Error::Memory`], and those of the device.
    fn table(&self, words: &[i32]) -> Result<Self::Table, Error>;

    /// Replaces the numbers from `begin` on.
    ///
    /// # Errors
    /// Those of the device.
    fn write(&self, to: &mut Self::Numbers, begin: usize, numbers: &[E]) -> Result<(), Error>;

    /// Replaces the first words of a table.
    ///
    /// # Errors
    /// Those of the device.
    fn write_table(&self, to: &mut Self::Table, words: &[i32]) -> Result<(), Error>;

    /// Copies numbers from `begin` on, when all that was asked for before is done.
    ///
    /// # Errors
    /// Those of the device, and of what was asked for before.
    fn read(&self, from: &Self::Numbers, begin: usize, numbers: &mut [E]) -> Result<(), Error>;

    /// How many bytes are free, where the machine can be asked.
    ///
    /// # Errors
    /// Those of the device.
    fn free(&self) -> Result<Option<u64>, Error>;

    /// Makes calls ready to run, many times, on memory that stays where it is.
    ///
    /// # Errors
    /// Those of the device.
    fn record(&self, memory: &mut Memory<E, Self>, calls: &[Call]) -> Result<Self::Recording, Error>;

    /// Runs what was recorded, on the same memory.
    ///
    /// # Errors
    /// Those of the device.
    fn replay(&self, memory: &mut Memory<E, Self>, recording: &Self::Recording) -> Result<(), Error>;
}

/// The memory that calls run on.
pub struct Memory<E: Float, M: Machine<E>> {
    pub(crate) numbers: [M::Numbers; Space::COUNT],
    pub(crate) table: M::Table,
}

impl<E: Float, M: Machine<E>> Memory<E, M> {
    /// The numbers in one part of it.
    pub(crate) fn space(&mut self, space: Space) -> &mut M::Numbers {
        &mut self.numbers[space as usize]
    }
}
