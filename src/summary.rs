//! A network as a table.

use crate::cpu::workspace;
use crate::engine::Architecture;
use crate::table::Table;
use crate::types::{Chain, Cost, Dims, Parts, Spec, Text, cost, infer, scalars};
use core::fmt;

/// The layers of a network, one to a line: what [`Network::summary`](crate::types::Network::summary) returns.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([4] => [3])]
/// type Iris = (Linear<4, 8>, Relu, Linear<8, 3>);
/// println!("{}", Iris::summary());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The network's name.
    pub name: &'static str,
    /// The shape of an input sample.
    pub input: Dims,
    /// The layers, in order; what is inside a layer is counted with it.
    pub rows: Vec<Row>,
    /// The whole network.
    pub total: Row,
    /// Bytes that a step of training on the CPU needs for each sample of a batch, in single precision: values, what layers leave for
    /// the way back, and gradients. Parameters are not among them.
    pub workspace: usize,
}

/// A line of a [`Summary`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What its parameters' names begin with, without the last dot.
    pub name: String,
    /// The layer as its user writes it.
    pub layer: String,
    /// The shape that comes out.
    pub output: Dims,
    /// How many numbers its parameters have.
    pub parameters: usize,
    /// Floating-point operations for one sample, forward.
    pub flops: usize,
    /// Numbers that it writes for one sample.
    pub activations: usize,
}

impl Summary {
    pub(crate) fn of(name: &'static str, network: Architecture) -> Self {
        let Architecture { spec, input, .. } = network;
        let mut rows = Vec::new();
        match spec.unnamed() {
            Spec::Chain(Chain { fields }) => {
                let mut x = input;
                for (i, field) in fields.iter().enumerate() {
                    let prefix = field.extend("", i);
                    rows.push(Row::of(prefix.trim_end_matches('.').to_owned(), field.spec, x));
                    x = infer(field.spec, x).unwrap_or(x);
                }
            }
            other => rows.push(Row::of(String::new(), other, input)),
        }
        let mut total = Row::of(String::new(), spec, input);
        total.layer = name.to_owned();
        Summary { name, input: input.x, rows, total, workspace: workspace::<f32>(&network) }
    }
}

impl Row {
    fn of(name: String, spec: &Spec, x: Parts<Dims>) -> Self {
        let mut label = Text::new();
        spec.write_label(&mut label);
        let Cost { output, flops, activations } = cost(spec, x);
        Row { name, layer: label.as_str().to_owned(), output: output.x, parameters: scalars(spec), flops, activations }
    }

    /// Bytes that it writes for one sample, in single precision.
    pub fn memory(&self) -> usize {
        self.activations.saturating_mul(size_of::<f32>())
    }

    fn cells(&self) -> [String; 6] {
        let [parameters, flops, memory] = [self.parameters, self.flops, self.memory()].map(grouped);
        [self.name.clone(), self.layer.clone(), self.output.to_string(), parameters, flops, memory]
    }
}

/// A number with its digits in threes: `12 345`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["name", "layer", "output", "parameters", "FLOPs", "memory"].map(str::to_owned);
        let input = ["", "input", &self.input.to_string(), "", "", ""].map(str::to_owned);
        let body = self.rows.iter().map(Row::cells);
        let lines: Vec<[String; 6]> = [header, input].into_iter().chain(body).chain([self.total.cells()]).collect();
        let ruled = vec![1, lines.len() - 1];
        write!(f, "{}", Table { lines, texts: 3, ruled })?;
        writeln!(f, "for one sample, forward: {} FLOPs, {} bytes written", grouped(self.total.flops), grouped(self.total.memory()))?;
        write!(f, "a step of training on the CPU: {} bytes for each sample of the batch", grouped(self.workspace))
    }
}
