//! The gradients of parameters, and the steps of optimizers against them.

use super::batch::Batch;
use super::engine::{InMemory, Static, lock};
use super::plan::Block;
use super::pool::Pool;
use super::steps::Deferred;
use super::together::{GradientPart, Meanwhile};
use crate::error::Error;
use crate::float::Float;
use crate::learn::{Changes, Optimizer, Pass};
use crate::storage::Storage;
use core::ops::Range;
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;

/// The gradients of some parameters that are computed when all samples have gone back: which of its layer's parameters a step
/// learns there, and from what.
struct Deferral<'a, E> {
    step: &'a dyn Deferred<E>,
    params: Range<usize>,
    input: &'a [E],
    d_output: &'a [E],
}

impl<E: Float> Static<E>
where
    Cpu: Device<E>,
{
    /// How many threads are worth waking for all blocks: a few multiplications are done sooner by the thread whose cache has the
    /// numbers.
    fn threads_for_blocks(&self, at: InMemory<'_, E>) -> usize {
        const WORTH: usize = 1 << 19;
        if at.batch.samples * self.plan.params < WORTH && self.plan.params < WORTH / 8 { 1 } else { self.threads }
    }

    /// The gradients of a block of parameters: over the whole batch where they were deferred, and otherwise over its parts, in
    /// order.
    fn block_gradients(&self, at: InMemory<'_, E>, block: &Block, gradients: &mut [E]) {
        if at.batch.samples == 0 {
            return gradients.fill(E::zero());
        }
        let Some(Deferral { step, params, input, d_output }) = self.deferral(at, block) else {
            for (i, part) in self.parts[..at.batch.parts()].iter().enumerate() {
                let part = &lock(part).gradients[block.params.clone()];
                if i == 0 {
                    gradients.copy_from_slice(part);
                } else {
                    gradients.iter_mut().zip(part).for_each(|(sum, &g)| *sum += g);
                }
            }
            return;
        };
        step.gradients(params, input, d_output, gradients);
    }

    /// Of what the gradients of a block are made, if they were deferred; all chunks have gone back.
    fn deferral<'a>(&'a self, at: InMemory<'a, E>, block: &Block) -> Option<Deferral<'a, E>> {
        let node = &self.plan.nodes[block.node?];
        let (step, begin) = (node.step.deferred()?, node.params.start);
        // SAFETY: nobody writes values or their gradients any more.
        let (input, d_output) = unsafe { (self.whole(at, node.inputs[0].value).0, self.whole(at, node.output).1) };
        Some(Deferral { step, params: block.params.start - begin..block.params.end - begin, input, d_output })
    }

    /// All gradients, for who wants to see them.
    pub(super) fn collect(&mut self, batch: &Batch<'_, E>) {
        let (mut gradients, parts) = (core::mem::take(&mut self.gradients), core::mem::take(&mut self.plan.gradients));
        let mut left = &mut gradients[..];
        for part in &parts {
            let (before, of_part) = left.split_at_mut(part.begin);
            self.collect_part(batch, part, of_part, None);
            left = before;
        }
        (self.gradients, self.plan.gradients) = (gradients, parts);
    }

    /// The gradients of one part, from its first parameter on.
    pub(super) fn collect_part(&mut self, batch: &Batch<'_, E>, part: &GradientPart, gradients: &mut [E], meanwhile: Option<Meanwhile<'_>>) {
        let of_part = Storage::new(gradients);
        self.in_memory(batch, |engine, at, _| {
            Pool::global().run_weighted(engine.threads_for_blocks(at), &part.ends, &|_, i| {
                let block = &engine.plan.blocks[part.blocks[i]];
                // SAFETY: blocks are disjoint.
                let gradients = unsafe { of_part.write(block.params.start - part.begin..block.params.end - part.begin) };
                engine.block_gradients(at, block, gradients);
                meanwhile.inspect(Meanwhile::go_on);
            });
        });
    }

    /// A step of an optimizer, when all chunks have gone back; the gradients may be `summed` already.
    pub(super) fn update(&mut self, batch: &Batch<'_, E>, optimizer: &mut dyn Optimizer<E>, summed: bool) -> Result<(), Error> {
        let pass = optimizer.begin(self.plan.params, Changes::default())?;
        let at_once = !summed && pass.as_ref().is_some_and(|pass| pass.changes.is_empty());
        if !summed && !at_once {
            self.collect(batch);
        }
        let Some(pass) = pass else { return optimizer.update(&mut self.parameters, &self.gradients) };
        pass.changes.make(&self.parameters, &mut self.gradients)?;
        self.step(batch, pass, at_once);
        Ok(())
    }

    /// Moves each block of parameters: `at_once` as soon as its gradients are there, or against those that are summed and changed.
    fn step(&mut self, batch: &Batch<'_, E>, pass: Pass<'_, E>, at_once: bool) {
        let mut parameters = core::mem::take(&mut self.parameters);
        let (rule, moved) = (pass.rule, Storage::new(&mut parameters));
        let mut lists = pass.lists().into_iter().map(Storage::new);
        let kept: [Option<Storage<'_, E>>; 3] = core::array::from_fn(|i| lists.next().filter(|_| i < rule.keeps()));
        self.in_memory(batch, |engine, at, _| {
            Pool::global().run_weighted(engine.threads_for_blocks(at), &engine.plan.block_ends, &|seat, i| {
                let block = &engine.plan.blocks[i];
                // SAFETY: blocks are disjoint.
                let (moved, kept) = unsafe {
                    let of_block = kept.map(|list| list.map_or::<&mut [E], _>(&mut [], |list| list.write(block.params.clone())));
                    (moved.write(block.params.clone()), of_block)
                };
                if !at_once {
                    return rule.apply(moved, &engine.gradients[block.params.clone()], kept);
                }
                if let Some(gradients) = engine.deferral(at, block).and_then(|of| of.step.rank_one(of.params, of.input, of.d_output)) {
                    return rule.apply_rank_one(moved, gradients, kept);
                }
                let gradients = &mut lock(&engine.rooms[seat]).block[..block.params.len()];
                engine.block_gradients(at, block, gradients);
                rule.apply(moved, gradients, kept);
            });
        });
        self.parameters = parameters;
    }
}
