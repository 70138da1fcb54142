//! What optimizers remember, to be saved and put back.

use crate::float::Float;

/// Shown everything that an optimizer remembers between steps, by name: it takes a copy, or puts one back.
///
/// [`Optimizer::remember`](super::Optimizer::remember) shows it. Settings, such as a learning rate, are no memory: they stand in
/// the program.
///
/// # Examples
/// ```
/// use formwork::learn::{Memory, Optimizer};
/// use formwork::prelude::Adam;
///
/// /// How many numbers there are.
/// struct Size(usize);
///
/// impl Memory<f32> for Size {
///     fn numbers(&mut self, _name: &str, numbers: &mut Vec<f32>) {
///         self.0 += numbers.len();
///     }
///
///     fn count(&mut self, _name: &str, _count: &mut u64) {}
/// }
///
/// let mut adam = Adam::new(0.1);
/// adam.update(&mut [1.0; 5], &[1.0; 5]).unwrap();
/// let mut size = Size(0);
/// adam.remember(&mut size);
/// assert_eq!(size.0, 2 * 5); // the running means of the gradient and of its square
/// ```
pub trait Memory<E: Float> {
    /// Numbers, as many as there are parameters, or none before the first step.
    fn numbers(&mut self, name: &str, numbers: &mut Vec<E>);

    /// A count of steps.
    fn count(&mut self, name: &str, count: &mut u64);
}
