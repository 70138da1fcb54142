//! A network as a drawing.

mod layout;
mod mermaid;
mod piece;
mod svg;
mod u;

use crate::engine::Architecture;
use crate::types::{Branch, Chain, Dims, Field, Join, Parts, Prefix, Repeat, Slot, Spec, Text, Tied, infer, scalars};

/// The layers of a network, to be drawn: what [`Network::diagram`](crate::types::Network::diagram) returns.
///
/// [`Diagram::svg`] is a picture, for papers and pages; [`Diagram::mermaid`] is text that GitHub, GitLab and mdBook draw.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
///
/// #[network([8, 16, 16] => [4])]
/// type Small = (Residual<(Conv2d<8, 8, 3, 1, 1>, Relu)>, GlobalAvgPool2d, Linear<8, 4>);
///
/// let diagram = Small::diagram();
/// assert!(diagram.svg().contains("584 parameters")); // 8 * 8 * 9 + 8
/// assert!(diagram.mermaid().starts_with("flowchart TD"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Diagram {
    /// The network's name.
    name: &'static str,
    /// How many numbers its parameters have together.
    parameters: usize,
    /// What is drawn, in order.
    nodes: Vec<Node>,
}

/// What stands in a drawing.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Where samples come in, or out.
    End {
        what: &'static str,
        dims: Dims,
        beside: String,
    },
    Layer(Box<Drawn>),
    /// Layers with a frame around them.
    Frame {
        title: String,
        repeated: bool,
        parameters: usize,
        body: Vec<Node>,
    },
    /// Layers side by side on the same input; an empty side is a skip.
    Branch {
        join: Join,
        sides: Vec<Vec<Node>>,
        input: Dims,
        output: Dims,
    },
    /// Layers that work on the memory, past which the value goes.
    Encode {
        body: Vec<Node>,
    },
}

/// A layer that computes.
#[derive(Clone, Debug, PartialEq)]
struct Drawn {
    /// What a struct calls it; empty where nothing does.
    name: String,
    label: String,
    output: Dims,
    /// What is said of its parameters: how many, or whose they are. Empty if it has none.
    parameters: String,
    /// Whether it looks at the memory.
    reads_memory: bool,
}

impl Diagram {
    pub(crate) fn of(name: &'static str, network: Architecture) -> Self {
        let Architecture { spec, input, output } = network;
        let mut nodes = vec![Node::end("input", input)];
        walk(spec.unnamed(), input, "", &mut nodes);
        nodes.push(Node::end("output", output));
        Diagram { name, parameters: scalars(spec), nodes }
    }

    /// The same drawing with every block of this name as one box.
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([16, 32] => [16, 32])]
    /// type Encoder = Repeat<TransformerEncoderLayer<32, 4, 64>, 6>;
    ///
    /// let [all, folded] = [Encoder::diagram(), Encoder::diagram().folded("TransformerEncoderLayer")];
    /// assert!(all.svg().contains("LayerNorm"));
    /// assert!(!folded.svg().contains("LayerNorm"));
    /// ```
    pub fn folded(mut self, name: &str) -> Self {
        fold(&mut self.nodes, name);
        self
    }

    /// The drawing as an SVG file: light or dark, as the reader's page is.
    ///
    /// Samples go from the top to the bottom; in a U-Net down on the left, and up on the right.
    pub fn svg(&self) -> String {
        svg::write(self)
    }

    /// The drawing in the language of [Mermaid](https://mermaid.js.org): in a block of code marked `mermaid`, GitHub draws it.
    pub fn mermaid(&self) -> String {
        mermaid::write(self)
    }
}

impl Node {
    fn end(what: &'static str, parts: Parts<Dims>) -> Node {
        let beside = |slot: Slot| parts.beside(slot).map(|dims| format!("{} {dims}", slot.name()));
        let beside: Vec<String> = Slot::ALL.into_iter().filter_map(beside).collect();
        Node::End { what, dims: parts.x, beside: beside.join(", ") }
    }

    /// What it makes of its input.
    fn output(&self) -> Option<Dims> {
        match self {
            Node::End { dims, .. } => Some(*dims),
            Node::Layer(layer) => Some(layer.output),
            Node::Frame { body, .. } => body.iter().rev().find_map(Node::output),
            Node::Branch { output, .. } => Some(*output),
            Node::Encode { .. } => None,
        }
    }

    fn reads_memory(&self) -> bool {
        match self {
            Node::Layer(layer) => layer.reads_memory,
            Node::Frame { body, .. } => body.iter().any(Node::reads_memory),
            Node::Branch { sides, .. } => sides.iter().flatten().any(Node::reads_memory),
            Node::End { .. } | Node::Encode { .. } => false,
        }
    }
}

/// Puts a box in place of each frame of this name.
fn fold(nodes: &mut [Node], folded: &str) {
    for node in nodes {
        let output = node.output();
        match node {
            Node::Frame { title, parameters, body, .. } if is_called(title, folded) => {
                let Some(output) = output else { continue };
                let (name, label) = title.split_once(": ").unwrap_or(("", title));
                let (name, label, parameters) = (name.to_owned(), label.to_owned(), counted(*parameters));
                let reads_memory = body.iter().any(Node::reads_memory);
                *node = Node::Layer(Box::new(Drawn { name, label, output, parameters, reads_memory }));
            }
            Node::Frame { body, .. } | Node::Encode { body } => fold(body, folded),
            Node::Branch { sides, .. } => sides.iter_mut().for_each(|side| fold(side, folded)),
            Node::End { .. } | Node::Layer(_) => {}
        }
    }
}

/// Whether the title of a frame, `name: Label<..> × 2`, is that of such a block.
fn is_called(title: &str, folded: &str) -> bool {
    let label = title.split_once(": ").map_or(title, |(_, label)| label);
    label.split(['<', ' ']).next() == Some(folded)
}

/// Adds the layers of `spec` to `nodes`; `name` is what a struct calls them. Returns the shapes that come out.
fn walk(spec: &Spec, x: Parts<Dims>, name: &str, nodes: &mut Vec<Node>) -> Parts<Dims> {
    let y = infer(spec, x).unwrap_or(x);
    match spec {
        Spec::Named { body, .. } if matches!(body.unnamed(), Spec::Leaf(_)) => drop(walk(body.unnamed(), x, name, nodes)),
        Spec::Named { body, .. } => frame(named(name, &label(spec)), spec, walked(body.unnamed(), x), nodes),
        Spec::Repeat(repeat) => walk_repeat(spec, repeat, x, name, nodes),
        _ if !name.is_empty() && !matches!(spec, Spec::Leaf(_)) => frame(name.to_owned(), spec, walked(spec, x), nodes),
        Spec::Leaf(leaf) => nodes.push(Node::Layer(Box::new(Drawn {
            name: name.to_owned(),
            label: label(spec),
            output: y.x,
            parameters: counted(scalars(spec)),
            reads_memory: x.beside(Slot::Memory).is_some() && leaf.infer(without_memory(x)).is_err(),
        }))),
        Spec::Chain(Chain { fields }) => drop(walk_fields(fields, x, nodes)),
        Spec::Branch(Branch { fields, join, .. }) => {
            let sides = fields.iter().map(|field| walked(field.spec, x)).collect();
            nodes.push(Node::Branch { join: *join, sides, input: x.x, output: y.x });
        }
        Spec::Tied(Tied { fields }) => {
            walk_fields(fields.as_slice(), x, nodes);
            let first = label(fields[0].spec);
            if let Some(Node::Layer(last)) = nodes.last_mut() {
                last.parameters = format!("weight of {}", first.split('<').next().unwrap_or(&first));
            }
        }
        Spec::Encode { body } => {
            if let (Some(memory), Some(&encoded)) = (x.memory(), y.beside(Slot::Memory)) {
                let mut inside = vec![Node::end("memory", Parts::alone(memory.x))];
                walk(body, memory, "", &mut inside);
                inside.push(Node::end("memory", Parts::alone(encoded)));
                nodes.push(Node::Encode { body: inside });
            }
        }
        Spec::Misfit { .. } => {}
    }
    y
}

fn walked(spec: &Spec, x: Parts<Dims>) -> Vec<Node> {
    let mut nodes = Vec::new();
    walk(spec, x, "", &mut nodes);
    nodes
}

fn walk_fields(fields: &[Field], x: Parts<Dims>, nodes: &mut Vec<Node>) -> Parts<Dims> {
    // A number, and a name that its parameters do not have, would only be in the way.
    let name = |field: &Field| match field.prefix {
        Prefix::Name => Some(field.name),
        Prefix::Renamed(name) => Some(name),
        Prefix::Flat => None,
    };
    let name = |field| name(field).filter(|name| !name.starts_with(|letter: char| letter.is_ascii_digit())).unwrap_or("");
    fields.iter().fold(x, |x, field| walk(field.spec, x, name(field), nodes))
}

/// One of the repetitions, and how many there are; all of them, where each makes another shape.
fn walk_repeat(spec: &Spec, repeat: &Repeat, x: Parts<Dims>, name: &str, nodes: &mut Vec<Node>) {
    let Repeat { body, times, shared } = *repeat;
    let keeps = infer(body, x).is_ok_and(|y| y.same(&x));
    let title = if matches!(body, Spec::Named { .. }) { label(body) } else { String::new() };
    let title = format!("{} × {times}{}", named(name, &title), if shared { ", with the same parameters" } else { "" });
    let (mut inside, mut x) = (Vec::new(), x);
    for _ in 0..if keeps { times.min(1) } else { times } {
        // The name stands in the title.
        x = walk(if keeps { body.unnamed() } else { body }, x, "", &mut inside);
    }
    let before = nodes.len();
    frame(title.trim().to_owned(), spec, inside, nodes);
    if let Some(Node::Frame { repeated, .. }) = nodes.get_mut(before) {
        *repeated = true;
    }
}

/// Layers that do nothing have no frame.
fn frame(title: String, spec: &Spec, body: Vec<Node>, nodes: &mut Vec<Node>) {
    if !body.is_empty() {
        nodes.push(Node::Frame { title, repeated: false, parameters: scalars(spec), body });
    }
}

fn named(name: &str, label: &str) -> String {
    if name.is_empty() || label.is_empty() { format!("{name}{label}") } else { format!("{name}: {label}") }
}

fn label(spec: &Spec) -> String {
    let mut text = Text::new();
    spec.write_label(&mut text);
    text.as_str().to_owned()
}

fn counted(parameters: usize) -> String {
    match parameters {
        0 => String::new(),
        1 => "1 parameter".to_owned(),
        _ => format!("{} parameters", crate::summary::grouped(parameters)),
    }
}

fn without_memory(mut x: Parts<Dims>) -> Parts<Dims> {
    x.take(Slot::Memory);
    x.take(Slot::MemoryPadding);
    x
}

#[cfg(test)]
mod tests {
    use super::Diagram;
    use crate::prelude::*;

    /// A U of two levels in which everything else that can be drawn stands too.
    #[network([2, 8, 8] => [2, 8, 8])]
    type Everything = (
        Parallel<(Conv2d<2, 2, 1>, (Conv2d<2, 2, 3, 1, 1>, Relu), ())>,
        SkipConcat<(MaxPool2d<2>, SkipConcat<(MaxPool2d<2>, Residual<Conv2d<6, 6, 1>>, Upsample2d<2>)>, Upsample2d<2>, Conv2d<12, 2, 1>)>,
        Repeat<Residual<(Conv2d<8, 8, 3, 1, 1>, Relu), Conv2d<8, 8, 1>>, 3>,
        Repeat<Conv2d<8, 8, 2>, 2>,
        SkipConcat<(Conv2d<8, 2, 1>, Relu)>,
        Conv2d<10, 2, 1>,
        ZeroPad2d<1>,
    );

    #[network({ x: [ids < 20; 6], memory: [ids < 30; 9] } => [6, 20])]
    type Translator = (
        Encode<(Embedding<30, 16>, TransformerEncoderLayer<16, 2, 32>)>,
        Tied<Embedding<20, 16>, Repeat<TransformerDecoderLayer<16, 2, 32>, 6>, NoBias<Linear<16, 20>>>,
    );

    pub(super) fn diagrams() -> [Diagram; 3] {
        [Everything::diagram(), Translator::diagram(), Translator::diagram().folded("TransformerDecoderLayer")]
    }

    #[test]
    fn a_repetition_that_keeps_the_shape_is_drawn_once() {
        let svg = Everything::diagram().svg();
        let count = |label: &str| svg.matches(label).count();
        assert_eq!(count("Conv2d&lt;8, 8, 3, 1, 1&gt;"), 1);
        assert!(svg.contains("× 3"), "{svg}");
        assert_eq!(count("Conv2d&lt;8, 8, 2&gt;"), 2, "each of these makes another shape");
    }

    #[test]
    fn what_looks_at_the_memory_is_told_apart() {
        let labels = |mermaid: &str| {
            let arrow = mermaid.lines().find_map(|line| line.trim().split_once(" -.-> ")).map(|(_, to)| format!("{to}["));
            mermaid.lines().find(|line| line.trim_start().starts_with(arrow.as_deref().unwrap_or("none"))).map(str::to_owned)
        };
        assert!(labels(&Translator::diagram().mermaid()).is_some_and(|line| line.contains("CrossAttention")));
        let folded = Translator::diagram().folded("TransformerDecoderLayer").mermaid();
        assert!(labels(&folded).is_some_and(|line| line.contains("TransformerDecoderLayer#lt;16, 2, 32#gt; × 6")));
    }

    #[test]
    fn a_tied_weight_is_counted_once() {
        let svg = Translator::diagram().svg();
        assert!(svg.contains("[6, 20] · weight of Embedding"), "{svg}");
    }
}
