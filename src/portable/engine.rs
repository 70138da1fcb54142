//! Runs a network in dfdx operations.

use super::var::another;
use super::{Index, Site, Var};
use crate::engine::{Engine, Flat, Gradients, Objective};
use crate::error::Error;
use crate::float::Float;
use crate::learn::Optimizer;
use crate::noise::Noise;
use crate::types::{Branch, Chain, Dims, Join, Spec, parameters};
use core::marker::PhantomData;
use dfdx::prelude::{Backward, Trace, TryAdd, TryConcatAlong};
use dfdx::shapes::Axis;
use dfdx::tensor::{OwnedTape, Tape};
use dfdx::tensor_ops::Device;
use std::sync::{Arc, OnceLock};

/// The portable lowering on a dfdx device.
pub struct Portable<E: Float, D: Device<E>> {
    device: D,
    spec: &'static Spec,
    input: Dims,
    params: Vec<Flat<E, D>>,
    /// One index for each leaf, in order.
    indices: Vec<Arc<OnceLock<Index<D>>>>,
}

/// A walk over the layers: what is left of the parameters and the indices.
struct Walk<'a, E: Float, D: Device<E>, T> {
    engine: &'a Portable<E, D>,
    params: usize,
    leaves: usize,
    noise: Option<Noise>,
    tape: PhantomData<T>,
}

impl<E: Float, D: Device<E>, T: Tape<E, D> + 'static> Walk<'_, E, D, T> {
    fn run(&mut self, spec: &Spec, x: Var<E, D, T>) -> Result<Var<E, D, T>, D::Err> {
        match spec.unnamed() {
            Spec::Leaf(leaf) => {
                let count = (0..).take_while(|&i| leaf.param(i).is_some()).count();
                let params = &self.engine.params[self.params..self.params + count];
                self.params += count;
                self.leaves += 1;
                let site = Site {
                    params,
                    // Counted as the static plan counts, so that both drop the same numbers.
                    noise: self.noise.map(|noise| (noise.split(self.leaves as u64), 0)),
                    index: &self.engine.indices[self.leaves - 1],
                    device: &self.engine.device,
                    tape: PhantomData,
                };
                let Ok(y) = leaf.infer(x.dims()) else { unreachable!("a network is checked before it is lowered") };
                leaf.portable(&site, x, y)
            }
            Spec::Chain(Chain { fields }) => fields.iter().try_fold(x, |x, field| self.run(field.spec, x)),
            Spec::Branch(branch) => self.run_branch(branch, x),
            Spec::Repeat { body, times } => (0..*times).try_fold(x, |x, _| self.run(body, x)),
            Spec::Named { .. } | Spec::Misfit { .. } => unreachable!("a network is checked before it is lowered"),
        }
    }

    fn run_branch(&mut self, branch: &Branch, x: Var<E, D, T>) -> Result<Var<E, D, T>, D::Err> {
        let (input, mut joined): (Dims, Option<Var<E, D, T>>) = (x.dims(), None);
        let forks: Vec<_> = branch.fields.iter().skip(1).map(|_| x.fork()).collect();
        for (field, x) in branch.fields.iter().zip(core::iter::once(x).chain(forks)) {
            let y = self.run(field.spec, x)?;
            joined = Some(match joined {
                None => y,
                Some(sum) => {
                    let Ok(dims) = branch.join.infer(input, sum.dims(), y.dims()) else { unreachable!("a network is checked before it is lowered") };
                    join(branch.join, sum, y, dims)?
                }
            });
        }
        joined.map_or_else(|| unreachable!("a branch has fields"), Ok)
    }
}

/// The join of two branches, of shape `y`. The second is another tensor than the first, even where both are the input: a
/// gradient cannot be borrowed twice.
fn join<E: Float, D: Device<E>, T: Tape<E, D>>(how: Join, a: Var<E, D, T>, b: Var<E, D, T>, y: Dims) -> Result<Var<E, D, T>, D::Err> {
    let samples = a.samples();
    match how {
        Join::Add => Var::new(a.flat().try_add(another(b.flat())?)?, samples, y),
        Join::Concat => {
            let (p, q) = (a.dims().numel(), b.dims().numel());
            let parts = (a.view(&(samples, p))?, another(b.view(&(samples, q))?)?);
            Var::new(parts.try_concat_along(Axis::<1>)?, samples, y)
        }
    }
}

impl<E: Float, D: Device<E>> Portable<E, D> {
    fn run<T: Tape<E, D> + 'static>(&self, inputs: Flat<E, D, T>, samples: usize, noise: Option<Noise>) -> Result<Flat<E, D, T>, D::Err> {
        let x = Var::new(inputs, samples, self.input)?;
        let mut walk = Walk { engine: self, params: 0, leaves: 0, noise, tape: PhantomData };
        Ok(walk.run(self.spec, x)?.flat())
    }

    fn upload(&self, numbers: &[E]) -> Result<Flat<E, D>, Error> {
        self.device.try_tensor_from_vec(numbers.to_vec(), (numbers.len(),)).map_err(Error::device("copying numbers to it"))
    }
}

fn leaves(spec: &Spec) -> usize {
    match spec.unnamed() {
        Spec::Leaf(_) => 1,
        Spec::Chain(Chain { fields }) | Spec::Branch(Branch { fields, .. }) => fields.iter().map(|field| leaves(field.spec)).sum(),
        Spec::Repeat { body, times } => times * leaves(body),
        Spec::Named { .. } | Spec::Misfit { .. } => 0,
    }
}

/// For each number type and device by name, so that the engine is compiled here, once, and not again in every crate with a
/// model.
macro_rules! engine {
    ($E:ident on $D:ty) => {
        impl Engine<$E, $D> for Portable<$E, $D> {
            fn new(device: &$D, spec: &'static Spec, input: Dims, numbers: Vec<$E>) -> Result<Self, Error> {
                let indices = (0..leaves(spec)).map(|_| Arc::default()).collect();
                let mut engine = Portable { device: device.clone(), spec, input, params: Vec::new(), indices };
                engine.set_parameters(&numbers)?;
                Ok(engine)
            }

            fn parameters(&self) -> Vec<$E> {
                self.params.iter().flat_map(|param| param.as_vec()).collect()
            }

            fn set_parameters(&mut self, numbers: &[$E]) -> Result<(), Error> {
                let params: Result<Vec<_>, Error> = parameters(self.spec).iter().map(|param| self.upload(&numbers[param.range()])).collect();
                self.params = params?;
                Ok(())
            }

            fn infer(&self, inputs: Flat<$E, $D>, samples: usize) -> Result<Flat<$E, $D>, Error> {
                self.run(inputs, samples, None).map_err(Error::device("running the network"))
            }

            fn train(
                &mut self,
                inputs: &[$E],
                samples: usize,
                noise: Option<Noise>,
                objective: &dyn Objective<$E, $D>,
                optimizer: &mut dyn Optimizer<$E>,
            ) -> Result<$E, Error> {
                let gradients = self.gradients(inputs, samples, noise, objective)?;
                let mut numbers = self.parameters();
                optimizer.update(&mut numbers, &gradients.parameters)?;
                self.set_parameters(&numbers)?;
                Ok(gradients.loss)
            }

            fn gradients(
                &mut self,
                inputs: &[$E],
                samples: usize,
                noise: Option<Noise>,
                objective: &dyn Objective<$E, $D>,
            ) -> Result<Gradients<$E>, Error> {
                let inputs = self.upload(inputs)?;
                let outputs: Flat<$E, $D, OwnedTape<$E, $D>> =
                    self.run(inputs.leaky_trace(), samples, noise).map_err(Error::device("running the network"))?;
                let loss = objective.taped(outputs).map_err(Error::device("computing the loss"))?;
                let value = loss.as_vec()[0];
                let mut gradients = loss.try_backward().map_err(Error::device("differentiating the network"))?;
                let mut gradient_of = |tensor: &Flat<$E, $D>| -> Result<Vec<$E>, Error> {
                    gradients.try_alloc_for(tensor).map_err(Error::device("differentiating the network"))?;
                    Ok(gradients.get(tensor).as_vec())
                };
                let d_inputs = gradient_of(&inputs)?;
                let parts: Result<Vec<Vec<$E>>, Error> = self.params.iter().map(&mut gradient_of).collect();
                Ok(Gradients { loss: value, inputs: d_inputs, parameters: parts?.concat() })
            }
        }
    };
}
engine!(f32 on dfdx::tensor::Cpu);
engine!(f64 on dfdx::tensor::Cpu);
#[cfg(feature = "cuda")]
engine!(f32 on dfdx::tensor::Cuda);
#[cfg(feature = "cuda")]
engine!(f64 on dfdx::tensor::Cuda);
