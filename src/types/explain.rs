//! The story of a fault: where it is, what every layer before it made of the sample, and the way out.

use super::fault::{ARGUMENT, MAX_DEPTH, OUTPUT, Step};
use super::spec::{Branch, Chain, Field, Spec, infer};
use super::{Dims, Fault, Text};

/// What the compiler prints, after `evaluation panicked: `.
pub(crate) const fn explain(network: &str, spec: &Spec, [input, declared]: [Dims; 2], fault: &Fault) -> Text {
    let mut text = Text::new();
    let story = Story { fault, root: spec, declared };
    story.headline(&mut text, network);
    // A trace of layers nested that deep would be a staircase.
    if fault.path().len() <= MAX_DEPTH {
        text.line(2);
        text.str(network);
        text.str(" on ");
        text.dims(input);
        story.trace(&mut text, spec, input, fault.path(), 4);
    }
    fault.problem.help.write(&mut text);
    text
}

struct Story<'a> {
    fault: &'a Fault,
    root: &'a Spec,
    declared: Dims,
}

impl Story<'_> {
    /// `LeNet: layer 4, Linear<400, 120>, expects 400 features, but is given 864`
    const fn headline(&self, text: &mut Text, network: &str) {
        text.str(network);
        let path = self.fault.path();
        if let [OUTPUT] = path {
            text.str(" ");
        } else if path.len() > MAX_DEPTH {
            text.str(": it ");
        } else {
            text.str(": ");
            let guilty = self.write_place(text, path);
            guilty.write_label(text);
            text.str(", ");
        }
        text.message(&self.fault.problem.message);
    }

    /// `layer 2.0, ` or `layer2.body.conv1, `, and the layer that is there.
    const fn write_place(&self, text: &mut Text, path: &[Step]) -> &Spec {
        let (mut spec, mut i, mut named) = (self.root, 0, false);
        while i < path.len() {
            let part = child(spec, path[i]);
            if path[i] < ARGUMENT {
                if named {
                    text.str(".");
                } else if part.name.is_empty() {
                    text.str("layer ");
                }
                write_name(text, &part, path[i]);
                named = true;
            }
            spec = part.spec;
            i += 1;
        }
        if named {
            text.str(", ");
        }
        spec
    }

    /// The lines of everything inside `spec`, up to the fault; `path` leads there from `spec`.
    const fn trace(&self, text: &mut Text, spec: &Spec, x: Dims, path: &[Step], indent: usize) {
        match (spec.unnamed(), path) {
            (Spec::Chain(chain), _) => self.trace_chain(text, chain, x, path, indent),
            (Spec::Branch(branch), [step, rest @ ..]) if *step != OUTPUT => {
                self.trace(text, branch.fields[branch.field(*step)].spec, x, rest, indent);
            }
            // Each part is right, and they do not fit together: what the body returns is worth seeing.
            (Spec::Branch(branch), []) => {
                self.trace(text, body_of(branch).spec, x, &[OUTPUT], indent);
                self.point(text, indent);
            }
            (Spec::Repeat { body, times }, [_, rest @ ..]) if path[0] != OUTPUT => {
                let (_, given) = failing_repetition(body, *times, x);
                self.trace(text, body, given, rest, indent);
            }
            (_, [OUTPUT]) => {
                text.line(indent);
                spec.write_label(text);
                text.str("  ");
                text.dims(output(spec, x));
            }
            _ => {
                text.line(indent);
                spec.write_label(text);
                text.str("  <-- ");
                text.message(&self.fault.problem.message);
            }
        }
        // The declared output belongs to the network, and is below its layers.
        if let ([OUTPUT], [OUTPUT], 4) = (path, self.fault.path(), indent) {
            self.point(text, indent);
        }
    }

    /// A line of its own: `<-- adds its input ..`.
    const fn point(&self, text: &mut Text, indent: usize) {
        text.line(indent);
        text.str("<-- ");
        match self.fault.path() {
            [OUTPUT] => {
                text.str("is declared to end in ");
                text.dims(self.declared);
            }
            _ => text.message(&self.fault.problem.message),
        }
    }

    const fn trace_chain(&self, text: &mut Text, chain: &Chain, x: Dims, path: &[Step], indent: usize) {
        let last = match path {
            [] | [OUTPUT] => chain.fields.len(),
            [step, ..] => *step as usize,
        };
        let (names, labels) = widths(text, chain, last, path);
        let (mut given, mut i) = (x, 0);
        while i < chain.fields.len() && i <= last {
            let field = &chain.fields[i];
            text.line(indent);
            let start = text.len();
            write_name(text, field, i as Step);
            text.pad(start, names + 2);
            if i < last {
                given = output(field.spec, given);
                field.spec.write_label(text);
                text.pad(start, names + 2 + labels + 2);
                text.dims(given);
            } else if is_guilty_line(field.spec, path) {
                field.spec.write_label(text);
                text.pad(start, names + 2 + labels + 2);
                text.str("<-- ");
                text.message(&self.fault.problem.message);
            } else {
                let (_, rest) = path.split_at(1);
                open(text, field.spec, given, rest);
                self.trace(text, field.spec, given, rest, indent + names + 2 + 2);
            }
            i += 1;
        }
    }
}

/// Whether the fault is told on the line of the layer itself, and not below its parts.
const fn is_guilty_line(spec: &Spec, path: &[Step]) -> bool {
    path.len() == 1 && !matches!(spec.unnamed(), Spec::Branch(_))
}

/// The line above the parts of a layer: `Residual, its body on [64, 8, 8]`.
const fn open(text: &mut Text, spec: &Spec, x: Dims, path: &[Step]) {
    let mut given = x;
    match spec {
        Spec::Branch(branch) => {
            let field = match path {
                [] => body_of(branch),
                [step, ..] => &branch.fields[branch.field(*step)],
            };
            text.str(branch.name);
            text.str(", its ");
            text.str(field.name);
        }
        Spec::Repeat { body, times } => {
            let repetition;
            (repetition, given) = failing_repetition(body, *times, x);
            text.str("Repeat, repetition ");
            text.num(repetition);
            text.str(" of ");
            text.num(*times);
        }
        _ => spec.write_label(text),
    }
    text.str(" on ");
    text.dims(given);
}

/// The repetition that fails, counted from 1, and what it is given.
const fn failing_repetition(body: &Spec, times: usize, x: Dims) -> (usize, Dims) {
    let (mut given, mut i) = (x, 1);
    while i < times {
        given = match infer(body, given) {
            Ok(y) => y,
            Err(_) => break,
        };
        i += 1;
    }
    (i, given)
}

/// The part that a step leads to.
const fn child(spec: &Spec, step: Step) -> Field {
    match spec.unnamed() {
        Spec::Chain(chain) => chain.fields[step as usize],
        Spec::Branch(branch) => branch.fields[branch.field(step)],
        Spec::Repeat { body, .. } => Field::item(body),
        _ => panic!("a leaf has no parts"),
    }
}

/// The branch that is more than the input itself.
const fn body_of(branch: &Branch) -> &Field {
    let mut i = 0;
    while branch.fields[i].name.is_empty() {
        i += 1;
    }
    &branch.fields[i]
}

const fn output(spec: &Spec, x: Dims) -> Dims {
    match infer(spec, x) {
        Ok(y) => y,
        Err(_) => x,
    }
}

const fn write_name(text: &mut Text, field: &Field, number: Step) {
    if field.name.is_empty() { text.num(number as usize) } else { text.str(field.name) }
}

/// The widths of the two columns, names and labels, of the lines up to `last`.
const fn widths(text: &Text, chain: &Chain, last: usize, path: &[Step]) -> (usize, usize) {
    let mut scratch = *text;
    let (mut names, mut labels, mut i) = (0, 0, 0);
    while i < chain.fields.len() && i <= last {
        let start = scratch.len();
        write_name(&mut scratch, &chain.fields[i], i as Step);
        names = max(names, scratch.len() - start);
        // A layer whose parts are listed below it has no second column.
        if i < last || is_guilty_line(chain.fields[i].spec, path) {
            let start = scratch.len();
            chain.fields[i].spec.write_label(&mut scratch);
            labels = max(labels, scratch.len() - start);
        }
        i += 1;
    }
    (names, labels)
}

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}
