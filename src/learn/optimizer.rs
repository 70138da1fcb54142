//! What optimizers have in common.

use crate::error::Error;
use crate::float::Float;

/// Moves parameters against their gradients.
///
/// Both are flat buffers of all parameters of a network. An optimizer that keeps state does so for one model.
pub trait Optimizer<E: Float> {
    /// One step.
    ///
    /// # Errors
    /// [`Error::Optimizer`] if the optimizer has begun with another number of parameters.
    fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error>;
}

/// The state of an optimizer for each parameter: zeros at first, made when the number of parameters is known.
pub(crate) fn state<'a, E: Float>(buffer: &'a mut Vec<E>, parameters: &[E]) -> Result<&'a mut [E], Error> {
    if buffer.is_empty() {
        buffer.resize(parameters.len(), E::zero());
    }
    if buffer.len() != parameters.len() {
        return Err(Error::Optimizer { expected: buffer.len(), given: parameters.len() });
    }
    Ok(buffer)
}
