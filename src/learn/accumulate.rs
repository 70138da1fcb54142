//! One step for several batches.

use super::memory::Memory;
use super::optimizer::{LearningRate, Optimizer, state};
use crate::error::Error;
use crate::float::Float;

/// An optimizer that moves parameters after every `k` batches, against the mean of their gradients;
/// [`Optimizer::accumulated`] makes it.
///
/// For batches of equal size it is the step on all their samples at once, with the memory of one of them. Layers that look at a
/// whole batch, such as batch norm, still see each by itself.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// let mut optimizer = Sgd::new(1.0).accumulated(2);
/// let mut parameters = [1.0];
/// optimizer.update(&mut parameters, &[0.5]).unwrap();
/// assert_eq!(parameters, [1.0]);
/// optimizer.update(&mut parameters, &[1.5]).unwrap();
/// assert_eq!(parameters, [0.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Accumulated<E, O> {
    batches: u64,
    optimizer: O,
    sum: Vec<E>,
    summed: u64,
}

impl<E: Float, O> Accumulated<E, O> {
    /// After every so many batches; 0 is as 1.
    pub(crate) fn new(batches: usize, optimizer: O) -> Self {
        Accumulated { batches: batches.max(1) as u64, optimizer, sum: Vec::new(), summed: 0 }
    }
}

impl<E: Float, O: Optimizer<E>> Optimizer<E> for Accumulated<E, O> {
    fn update(&mut self, parameters: &mut [E], gradients: &[E]) -> Result<(), Error> {
        let sum = state(&mut self.sum, parameters.len())?;
        if gradients.len() != sum.len() {
            return Err(Error::Count { what: "gradients", expected: sum.len(), given: gradients.len() });
        }
        let share = E::one() / E::of(self.batches as f64);
        for (sum, gradient) in sum.iter_mut().zip(gradients) {
            *sum += share * *gradient;
        }
        self.summed += 1;
        if self.summed < self.batches {
            return Ok(());
        }
        self.optimizer.update(parameters, sum)?;
        sum.fill(E::zero());
        self.summed = 0;
        Ok(())
    }

    fn remember(&mut self, memory: &mut dyn Memory<E>) {
        memory.numbers("accumulated.sum", &mut self.sum);
        memory.count("accumulated.batches", &mut self.summed);
        self.optimizer.remember(memory);
    }

    fn rate(&self) -> Option<f64> {
        self.optimizer.rate()
    }
}

impl<E, O: LearningRate> LearningRate for Accumulated<E, O> {
    fn learning_rate(&self) -> f64 {
        self.optimizer.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.optimizer.set_learning_rate(learning_rate);
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    /// Two halves of a batch make the step of the whole, and a rest that is smaller than `k` waits for the next ones.
    #[test]
    fn parts_of_a_batch_make_the_step_of_the_whole() {
        #[network([2] => [1])]
        type Line = Linear<2, 1>;
        let inputs: Vec<f64> = (0..8).map(|i| f64::from(i) / 8.0).collect();
        let data = Dataset::<Rank1<2>, Values<Rank1<1>>, f64>::new(inputs, vec![1.0, -1.0, 0.5, 2.0]).unwrap();
        let train = |size: usize, batches: usize| {
            let mut model = Model::<Line, f64, Cpu>::new(0);
            let mut optimizer = Adam::new(0.1).accumulated(batches);
            for batch in data.batches(size) {
                model.train(&batch, &Mse, &mut optimizer).unwrap();
            }
            model.parameters()
        };
        let (whole, halves) = (train(4, 1), train(2, 2));
        assert!(whole.iter().zip(&halves).all(|(a, b)| (a - b).abs() < 1e-12), "{whole:?} {halves:?}");
        assert_eq!(train(2, 3), Model::<Line, f64, Cpu>::new(0).parameters());
    }
}
