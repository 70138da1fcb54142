//! What steps make of their parameters before a batch of many chunks, so that each chunk reads them faster.

use super::plan::Plan;
use super::pool::Pool;
use crate::float::Float;
use crate::storage::Storage;

/// How many numbers are worth waking a thread.
const WORTH: usize = 1 << 15;

impl<E: Float> Plan<E> {
    /// Makes them all, with `wants_inputs` also those for the gradient with respect to the network's inputs.
    pub fn prepare(&self, threads: usize, parameters: &[E], wants_inputs: bool, prepared: &mut [E]) {
        let (threads, prepared) = (if self.prepared < WORTH { 1 } else { threads }, Storage::new(prepared));
        Pool::global().run(threads, self.nodes.len(), &|_, i| {
            let node = &self.nodes[i];
            let goes_back = wants_inputs || node.inputs.iter().any(|input| input.value > 0);
            // SAFETY: each step has its own.
            node.step.prepare(&parameters[node.params.clone()], goes_back, unsafe { prepared.write(node.prepared.clone()) });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::engine::Architecture;
    use crate::prelude::*;

    /// Sixteen rows a sample; panels that are full, and some that are not.
    #[network([16, 8] => [10])]
    type Rows = (Linear<8, 112>, Tanh, Linear<112, 40>, Gelu, Linear<40, 8>, LastStep, Linear<8, 10>);

    fn batch(samples: core::ops::Range<usize>) -> MiniBatch<Rank2<16, 8>, Class<10>, f64> {
        let numbers = (samples.start * 128..samples.end * 128).map(|i| (i * 7919 % 1013) as f64 / 506.5 - 1.0);
        MiniBatch::new(numbers.collect(), samples.map(|i| i % 10).collect()).unwrap()
    }

    /// A batch of many chunks, which read what was prepared, learns what its samples do by themselves, in each step anew.
    #[test]
    fn many_chunks_learn_what_single_samples_do() {
        const SAMPLES: usize = 50;
        assert!(Plan::<f64>::new(&Architecture::of::<Rows>()).prepared > 0);
        let (mut model, mut optimizer, loss) = (Model::<Rows, f64>::new(3), Sgd::new(0.5), CrossEntropy::default());
        for _ in 0..3 {
            let together = model.gradients(&batch(0..SAMPLES), &loss).unwrap().parameters;
            let mut sum = vec![0.0; together.len()];
            for i in 0..SAMPLES {
                let alone = model.gradients(&batch(i..i + 1), &loss).unwrap().parameters;
                sum.iter_mut().zip(alone).for_each(|(sum, g)| *sum += g / SAMPLES as f64);
            }
            assert!(together.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-13), "gradients of a batch are the mean of its samples'");
            model.train(&batch(0..SAMPLES), &loss, &mut optimizer).unwrap();
        }
    }
}
