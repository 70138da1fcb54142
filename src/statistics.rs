//! Signals and gradients of a network, layer by layer.

use crate::float::Float;
use crate::table::Table;
use crate::types::{NamedLeaf, NamedParam, Spec, Text, leaves};
use core::fmt;

/// Signals and gradients of a batch, one layer to a line: what [`Model::statistics`](crate::Model::statistics) returns.
///
/// Signals vanish or explode where the deviation of the outputs does from layer to layer; gradients do where their norm does
/// from the last layer to the first.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([4] => [2])]
/// type Deep = (Repeat<(Linear<4, 4>, Sigmoid), 20>, Linear<4, 2>);
///
/// let data = Dataset::<Rank1<4>, Class<2>>::new(vec![1.0, -1.0, 0.5, 2.0], vec![1]).unwrap();
/// let statistics = Model::<Deep>::new(0).statistics(&data.all(), &CrossEntropy::default()).unwrap();
/// let [first, last] = [&statistics.layers[0], &statistics.layers[38]];
/// assert_eq!([&first.name, &last.name], ["0.0.0", "0.19.0"]);
/// assert!(first.gradient < 1e-6 * last.gradient);
/// ```
///
/// Course notes: vanishing and exploding gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The layers that compute, in the order in which they do; those inside others too.
    pub layers: Vec<LayerStatistics>,
}

/// A line of [`Statistics`].
#[derive(Clone, Debug, PartialEq)]
pub struct LayerStatistics {
    /// What its parameters' names begin with, without the last dot: `0`, `layer1.conv1`.
    pub name: String,
    /// The layer as its user writes it.
    pub layer: String,
    /// The mean of its outputs, over all numbers of all samples.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The share of them that is zero.
    pub zeros: f64,
    /// The norm of the gradient with respect to them: the root of the sum of squares over all samples.
    pub gradient: f64,
    /// The norm of the gradient with respect to its first parameter, the weight, if it has any; a weight that stands in
    /// several places has the same gradient in all of them.
    pub weight_gradient: Option<f64>,
}

impl Statistics {
    /// Those of the layers of `spec`. `visit` shows the outputs of a layer and the gradient with respect to them, chunk by chunk.
    pub(crate) fn of<E: Float>(spec: &Spec, parameters: &[E], visit: impl Fn(usize, &mut dyn FnMut(&[E], &[E]))) -> Self {
        let of_layer = |(i, leaf): (usize, &NamedLeaf<'_>)| {
            let (mut outputs, mut gradient) = (Vec::new(), 0.0);
            visit(i, &mut |values, gradients| {
                outputs.extend(values.iter().map(|x| x.f64()));
                gradient += squares(gradients);
            });
            let weight = leaf.tensors().into_iter().find(NamedParam::is_trained);
            let (mean, deviation) = moments(&outputs);
            LayerStatistics {
                name: leaf.name().to_owned(),
                layer: label(leaf),
                mean,
                deviation,
                zeros: outputs.iter().filter(|x| **x == 0.0).count() as f64 / outputs.len() as f64,
                gradient: gradient.sqrt(),
                weight_gradient: weight.map(|weight| squares(&parameters[weight.range()]).sqrt()),
            }
        };
        Statistics { layers: leaves(spec).iter().enumerate().map(of_layer).collect() }
    }
}

fn squares<E: Float>(numbers: &[E]) -> f64 {
    numbers.iter().map(|x| x.f64() * x.f64()).sum()
}

/// The mean and the standard deviation.
fn moments(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

fn label(leaf: &NamedLeaf<'_>) -> String {
    let mut text = Text::new();
    text.label(&leaf.leaf.label());
    text.as_str().to_owned()
}

impl LayerStatistics {
    fn cells(&self) -> [String; 7] {
        let zeros = format!("{:.0}%", 100.0 * self.zeros);
        let weight_gradient = self.weight_gradient.map_or(String::new(), |norm| format!("{norm:.2e}"));
        let [mean, deviation, gradient] = [self.mean, self.deviation, self.gradient].map(|x| format!("{x:.2e}"));
        [self.name.clone(), self.layer.clone(), mean, deviation, zeros, gradient, weight_gradient]
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["", "layer", "mean", "deviation", "zeros", "gradient", "weight gradient"].map(str::to_owned);
        let lines = core::iter::once(header).chain(self.layers.iter().map(LayerStatistics::cells)).collect();
        write!(f, "{}", Table { lines, texts: 2, ruled: vec![1] })
    }
}
