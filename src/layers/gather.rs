//! What layers have in common that only move numbers: `y[i] = x[index[i]]` in each block of so many numbers, an image's
//! channel perhaps. The index behind a block's last number stands for a zero.

use crate::cpu::steps::Gather;
use crate::cpu::{Planner, Value};
use crate::float::Float;
use crate::portable::{Site, Var};
use crate::types::Dims;
use dfdx::prelude::PermuteTo;
use dfdx::shapes::Axes2;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;

pub(crate) fn portable<E: Float, D: Device<E>, T: Tape<E, D>>(
    site: &Site<'_, E, D, T>,
    x: Var<E, D, T>,
    y: Dims,
    block: usize,
    index: impl FnOnce() -> Vec<usize>,
) -> Result<Var<E, D, T>, D::Err> {
    let (samples, blocks) = (x.samples(), x.samples() * x.dims().numel() / block);
    let x = Var::new(x.flat(), blocks, Dims::new(&[block]))?;
    let out = x.gather(site.index(index)?, E::zero())?; // [Z, blocks]
    Var::new(out.try_permute::<(usize, usize), Axes2<1, 0>>()?, samples, y)
}

pub(crate) fn plan<E: Float>(planner: &mut Planner<E>, x: Value, y: Dims, block: usize, index: &[usize]) -> Value {
    planner.step(Gather::new(block, index), &[x], y)
}

/// What a network makes of one sample, for the tests of such layers.
#[cfg(test)]
pub(super) fn outputs<N: crate::types::Network<Input: crate::types::Sample<Numbers<f32> = Vec<f32>>>>(sample: &[f32]) -> Vec<f32> {
    use crate::prelude::*;
    let data = Dataset::<N::Input, Class<1>>::new(sample.to_vec(), vec![0]).unwrap();
    Model::<N>::new(0).predict(&data.all()).unwrap()
}
