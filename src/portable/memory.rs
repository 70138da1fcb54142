//! Whether a step has room.

use crate::engine::Architecture;
use crate::error::Error;
use crate::types::{cost, scalars};
use dfdx::tensor::Cpu;

/// A device whose memory can end.
pub(super) trait Memory {
    /// How many bytes are free, where the device can be asked.
    ///
    /// # Errors
    /// Those of the device.
    fn free(&self) -> Result<Option<u64>, Error>;
}

impl Memory for Cpu {
    fn free(&self) -> Result<Option<u64>, Error> {
        Ok(None)
    }
}

/// How many bytes a step takes at least, besides the parameters: their gradients, the inputs and theirs, and those of what layers
/// write, which dfdx keeps until all have been on their way back. What layers write takes as much again, or more, but not all of
/// it at once.
pub(super) fn needed<E>(network: &Architecture, samples: usize) -> u64 {
    let per_sample = 2 * network.input.numel() + cost(network.spec, network.input).activations;
    let numbers = scalars(network.spec) as u64 + samples as u64 * per_sample as u64;
    numbers * size_of::<E>() as u64
}

/// Whether a step of so many samples has room on the device.
pub(super) fn has_room<E>(device: &impl Memory, network: &Architecture, samples: usize) -> Result<(), Error> {
    fits(needed::<E>(network, samples), device.free()?)
}

fn fits(needed: u64, free: Option<u64>) -> Result<(), Error> {
    match free {
        Some(free) if free < needed => Err(Error::Memory { needed, free }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[test]
    fn what_does_not_fit_is_said_in_numbers() {
        #[network([3] => [2])]
        type Line = (Linear<3, 4>, Relu, Flatten, Linear<4, 2>);
        let network = Architecture::of::<Line>();
        // 26 parameters, and for each sample 3 inputs with their gradients, and 4 + 4 + 2 numbers of layers; `Flatten` is a view.
        let needed = needed::<f32>(&network, 5);
        assert_eq!(needed, 4 * (26 + 5 * (2 * 3 + 10)));
        assert!(fits(needed, Some(needed)).is_ok() && fits(needed, None).is_ok());
        let error = fits(needed, Some(needed - 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the device has too little memory: a step needs 424 bytes or more, and 423 are free; a smaller batch needs less"
        );
    }
}
