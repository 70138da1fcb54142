//! The walk over time in dfdx operations.

use super::{Cell, RecurrentSpec};
use crate::engine::Flat;
use crate::float::Float;
use crate::layers::linear::project;
use crate::portable::{Site, Var};
use crate::types::{Dims, Parts, Slot};
use dfdx::prelude::{PermuteTo, TryAdd, TryMul, TryStack};
use dfdx::shapes::Axes3;
use dfdx::tensor::{Tape, Tensor};
use dfdx::tensor_ops::Device;

/// Which samples go on in a step, and which stand still: ones and zeros for each number of a state.
struct Mask<E: Float, D: Device<E>> {
    goes: Flat<E, D>,
    stands: Flat<E, D>,
}

/// What a direction of a layer has come to.
struct Walked<E: Float, D: Device<E>, T, const S: usize> {
    /// The history of all that is here.
    trunk: Var<E, D, T>,
    /// In the order of the sequence.
    outputs: Vec<Var<E, D, T>>,
    states: [Var<E, D, T>; S],
}

impl RecurrentSpec {
    /// All layers, both directions. One variable, the trunk, takes over the history of all others, which are used in more
    /// than one place.
    pub(super) fn taped<C: Cell<G, S, K>, E: Float, D: Device<E>, T: Tape<E, D>, const G: usize, const S: usize, const K: usize>(
        &self,
        site: &Site<'_, E, D, T>,
        mut x: Parts<Var<E, D, T>>,
    ) -> Result<Parts<Var<E, D, T>>, D::Err> {
        let (steps, directions) = (x.x.dims().size(0), self.directions());
        let masks = self.masks(site, &x)?;
        let mut ends: [Vec<Var<E, D, T>>; S] = core::array::from_fn(|_| Vec::new());
        for layer in 0..self.num_layers {
            let mut outputs = Vec::with_capacity(steps * directions);
            let mut trunk = x.x.fork();
            for direction in 0..directions {
                let run = layer * directions + direction;
                let begin = self.begin::<E, D, T, S>(site, run, &x)?;
                let input = trunk.fork();
                let walked = self.walk::<C, E, D, T, G, S, K>(site, run, [input, trunk], begin, &masks)?;
                trunk = walked.trunk;
                outputs.extend(walked.outputs.into_iter().enumerate().map(|(t, y)| (t * directions + direction, y)));
                ends.iter_mut().zip(walked.states).for_each(|(list, state)| list.push(state));
            }
            outputs.sort_by_key(|&(place, _)| place);
            let y = stacked(outputs.into_iter().map(|(_, y)| y))?.with_dims(Dims::new(&[steps, directions * self.hidden_size]));
            let (y, _) = y.absorb(trunk);
            x.x = y.absorb(x.x).0;
        }
        if self.last {
            let last = &ends[0][ends[0].len() - directions..];
            let y = stacked(last.iter().map(Var::fork))?.with_dims(Dims::new(&[directions * self.hidden_size]));
            x.x = y.absorb(x.x).0;
        }
        for (&slot, list) in self.kind.slots().iter().zip(ends).filter(|_| self.with_state) {
            let (y, states) = x.x.absorb(stacked(list.into_iter())?);
            x.x = y;
            x.put(slot, Some(states));
        }
        Ok(x)
    }

    /// The masks of all steps; none without padding. Padding is not differentiated.
    fn masks<E: Float, D: Device<E>, T: Tape<E, D>>(
        &self,
        site: &Site<'_, E, D, T>,
        x: &Parts<Var<E, D, T>>,
    ) -> Result<Option<Vec<Mask<E, D>>>, D::Err> {
        let Some(padding) = x.beside(Slot::Padding) else { return Ok(None) };
        let (steps, numel) = (padding.dims().numel(), padding.samples() * self.hidden_size);
        let padding = padding.fork().flat().as_vec();
        let mask = |t: usize| {
            let stands = padding.iter().skip(t).step_by(steps).flat_map(|&p| core::iter::repeat_n(p, self.hidden_size));
            let goes = stands.clone().map(|p| E::one() - p).collect();
            Ok(Mask { goes: site.constant(goes, (numel,))?, stands: site.constant(stands.collect(), (numel,))? })
        };
        (0..steps).map(mask).collect::<Result<_, _>>().map(Some)
    }

    /// The states that a direction of a layer begins with: number `run` of those that are given, or zeros.
    fn begin<E: Float, D: Device<E>, T: Tape<E, D>, const S: usize>(
        &self,
        site: &Site<'_, E, D, T>,
        run: usize,
        x: &Parts<Var<E, D, T>>,
    ) -> Result<[Var<E, D, T>; S], D::Err> {
        let (dims, samples) = (Dims::new(&[self.hidden_size]), x.x.samples());
        let state = |&slot: &Slot| match x.beside(slot).filter(|_| self.with_state) {
            Some(states) => states.fork().columns(run * self.hidden_size, dims),
            None => {
                Var::new(site.constant(vec![E::zero(); samples * self.hidden_size], (samples * self.hidden_size,))?.retaped::<T>(), samples, dims)
            }
        };
        array(self.kind.slots().iter().map(state))
    }

    /// One direction of one layer; `trunk` takes over what `x` and the states become.
    fn walk<C: Cell<G, S, K>, E: Float, D: Device<E>, T: Tape<E, D>, const G: usize, const S: usize, const K: usize>(
        &self,
        site: &Site<'_, E, D, T>,
        run: usize,
        [x, trunk]: [Var<E, D, T>; 2],
        begin: [Var<E, D, T>; S],
        masks: &Option<Vec<Mask<E, D>>>,
    ) -> Result<Walked<E, D, T, S>, D::Err> {
        let (steps, samples, hidden) = (x.dims().size(0), x.samples(), self.hidden_size);
        let (first, is_reverse) = (run * self.params_per_run(), run % self.directions() == 1);
        let bias = |i: usize| self.bias.then_some(first + 2 + i);
        let (mut trunk, gates) = trunk.absorb(project(site, x, [first, G * hidden], bias(0))?); // [T, G H]
        let mut states = begin.each_ref().map(Var::fork);
        for state in begin {
            trunk = trunk.absorb(state).0;
        }
        let mut outputs = Vec::with_capacity(steps);
        for step in 0..steps {
            let t = if is_reverse { steps - 1 - step } else { step };
            let (grown, r) = trunk.absorb(project(site, states[0].fork(), [first + 1, G * hidden], bias(1))?); // [G H]
            trunk = grown;
            let before = states.each_ref().map(|state| state.fork().flat());
            let after = C::taped(units(&gates, t * G * hidden, hidden)?, units(&r, 0, hidden)?, before)?;
            for (state, after) in states.iter_mut().zip(after) {
                let after = match masks {
                    Some(masks) => {
                        let kept = state.fork().flat().try_mul(masks[t].stands.clone())?;
                        after.try_mul(masks[t].goes.clone())?.try_add(kept)?
                    }
                    None => after,
                };
                (trunk, *state) = trunk.absorb(Var::new(after, samples, Dims::new(&[hidden]))?);
            }
            let output = states[0].fork();
            outputs.push(match masks {
                Some(masks) => output.map(|h| h.try_mul(masks[t].goes.clone()))?,
                None => output,
            });
        }
        if is_reverse {
            outputs.reverse();
        }
        Ok(Walked { trunk, outputs, states })
    }
}

/// `N` parts of each sample that follow one another, each of `width` numbers.
fn units<E: Float, D: Device<E>, T: Tape<E, D>, const N: usize>(x: &Var<E, D, T>, begin: usize, width: usize) -> Result<[Flat<E, D, T>; N], D::Err> {
    array((0..N).map(|i| Ok(x.fork().columns(begin + i * width, Dims::new(&[width]))?.flat())))
}

/// What there are `N` of, if all can be had.
fn array<X, Err, const N: usize>(items: impl Iterator<Item = Result<X, Err>>) -> Result<[X; N], Err> {
    let items: Vec<X> = items.collect::<Result<_, _>>()?;
    Ok(items.try_into().unwrap_or_else(|items: Vec<X>| unreachable!("{} things are not {N}", items.len())))
}

/// Samples `[H]` as one sample `[N, H]`.
fn stacked<E: Float, D: Device<E>, T: Tape<E, D>>(rows: impl Iterator<Item = Var<E, D, T>>) -> Result<Var<E, D, T>, D::Err> {
    let mut shape = (0, 0);
    let rows = rows.map(|row| {
        shape = (row.samples(), row.dims().numel());
        row.view(&shape)
    });
    let rows: Vec<Tensor<(usize, usize), E, D, T>> = rows.collect::<Result<_, _>>()?;
    let dims = Dims::new(&[rows.len(), shape.1]);
    let all = rows.try_stack()?.try_permute::<(usize, usize, usize), Axes3<1, 0, 2>>()?; // [N, B, H] -> [B, N, H]
    Var::new(all, shape.0, dims)
}
