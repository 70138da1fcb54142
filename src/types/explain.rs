//! The story of a fault: where it is, what every layer before it made of the sample, and the way out.

use super::fault::{ARGUMENT, MAX_DEPTH, OUTPUT, Step};
use super::{Branch, Chain, Dims, Fault, Field, Parts, Repeat, Slot, Spec, Text, Tied, infer};

/// How many layers before the one at fault are listed.
const LISTED: usize = 40;

/// What the compiler prints, after `evaluation panicked: `.
pub(crate) const fn explain(network: &str, spec: &Spec, [input, declared]: [Parts<Dims>; 2], fault: &Fault) -> Text {
    let mut text = Text::new();
    let (story, path) = (Story { fault, root: spec, declared }, fault.path());
    story.headline(&mut text, network);
    // A trace of layers nested that deep would be a staircase.
    if path.len() <= MAX_DEPTH {
        text.line(2);
        text.str(network);
        text.str(" on ");
        write_parts(&mut text, input);
        story.tell(&mut text, spec, input, path, 4);
    }
    // The declared output belongs to the network, and is below its layers.
    if let [OUTPUT] = path {
        story.point(&mut text, 4);
    }
    fault.problem.help.write(&mut text);
    text
}

struct Story<'a> {
    fault: &'a Fault,
    root: &'a Spec,
    declared: Parts<Dims>,
}

impl Story<'_> {
    /// `LeNet: layer 4, Linear<400, 120>, expects 400 features, but is given 864`
    const fn headline(&self, text: &mut Text, network: &str) {
        text.str(network);
        let path = self.fault.path();
        if path.len() > MAX_DEPTH {
            // Without the label, which would be as long as the way down.
            let (outermost, _) = path.split_at(1);
            text.str(if path[0] < ARGUMENT { ": " } else { "" });
            self.write_place(text, outermost);
        } else if !matches!(path, [OUTPUT]) {
            text.str(": ");
            let (guilty, has_place) = self.write_place(text, path);
            text.str(if has_place { ", " } else { "" });
            guilty.write_label(text);
            text.str(",");
        }
        text.str(" ");
        text.message(&self.fault.problem.message);
    }

    /// `layer 2.0` or `layer2.body.conv1`, if the layer that is there has a name or a number; and the layer.
    const fn write_place(&self, text: &mut Text, path: &[Step]) -> (&Spec, bool) {
        let (mut spec, mut i, mut has_place) = (self.root, 0, false);
        while i < path.len() {
            let part = child(spec, path[i]);
            if path[i] < ARGUMENT {
                if has_place {
                    text.str(".");
                } else if part.name.is_empty() {
                    text.str("layer ");
                }
                write_name(text, &part, path[i]);
                has_place = true;
            }
            spec = part.spec;
            i += 1;
        }
        (spec, has_place)
    }

    /// The lines of a layer that has neither a name nor a number before it; `path` leads from it to the fault. What is put
    /// together of layers has no line of its own: the one above has said where it is.
    const fn tell(&self, text: &mut Text, spec: &Spec, x: Parts<Dims>, path: &[Step], indent: usize) {
        if let Spec::Chain(chain) = spec.unnamed() {
            return self.rows(text, chain, x, path, indent);
        }
        text.line(indent);
        if let [OUTPUT] = path {
            spec.write_label(text);
            text.str("  ");
            text.dims(output(spec, x).x);
        } else if is_leaf(spec) {
            spec.write_label(text);
            text.str("  ");
            self.write_arrow(text);
        } else {
            open(text, spec, x, path);
            self.parts(text, spec, x, path, indent + 2);
        }
    }

    /// The lines below [`open`]'s.
    const fn parts(&self, text: &mut Text, spec: &Spec, x: Parts<Dims>, path: &[Step], indent: usize) {
        match (spec, path) {
            (Spec::Chain(_) | Spec::Named { .. }, _) => self.tell(text, spec.unnamed(), x, path, indent),
            (Spec::Branch(branch), []) => self.branches(text, branch, x, indent),
            (Spec::Branch(branch), [step, rest @ ..]) => self.tell(text, branch.fields[branch.field(*step)].spec, x, rest, indent),
            (Spec::Repeat(repeat), [_, rest @ ..]) => {
                let (_, given) = failing_repetition(repeat, x);
                self.tell(text, repeat.body, given, rest, indent);
            }
            (Spec::Tied(tied), []) => self.tied(text, tied, x, indent),
            (Spec::Tied(tied), [step, rest @ ..]) => {
                let part = tied_part(*step);
                self.tell(text, tied.fields[part].spec, before(tied.fields, part, x), rest, indent);
            }
            (Spec::Encode { body }, [_, rest @ ..]) => self.tell(text, body, memory(x), rest, indent),
            _ => (), // a leaf has no parts
        }
    }

    /// Each branch is right, and they do not fit together: what they return is worth seeing.
    const fn branches(&self, text: &mut Text, branch: &Branch, x: Parts<Dims>, indent: usize) {
        let body = body_of(branch);
        self.tell(text, branch.fields[body].spec, x, &[OUTPUT], indent);
        let mut i = body + 1;
        while i < branch.fields.len() {
            let field = &branch.fields[i];
            if !field.spec.is_identity() {
                text.line(indent - 2);
                open_branch(text, field, x);
                self.tell(text, field.spec, x, &[OUTPUT], indent);
            }
            i += 1;
        }
        self.point(text, indent);
    }

    /// Each part is right, and two of them are not to be tied: the parts, and what they return.
    const fn tied(&self, text: &mut Text, tied: &Tied, x: Parts<Dims>, indent: usize) {
        let mut part = 0;
        while part < tied.fields.len() {
            let given = before(tied.fields, part, x);
            if part > 0 {
                text.line(indent - 2);
                open_branch(text, &tied.fields[part], given);
            }
            self.tell(text, tied.fields[part].spec, given, &[OUTPUT], indent);
            part += 1;
        }
        self.point(text, indent);
    }

    /// A line of its own: `<-- adds its input ..`.
    const fn point(&self, text: &mut Text, indent: usize) {
        text.line(indent);
        self.write_arrow(text);
    }

    const fn write_arrow(&self, text: &mut Text) {
        text.str("<-- ");
        match self.fault.path() {
            [OUTPUT] => {
                text.str("is declared to end in ");
                write_parts(text, self.declared);
            }
            _ => text.message(&self.fault.problem.message),
        }
    }

    /// A line for each layer of a chain, up to the fault.
    const fn rows(&self, text: &mut Text, chain: &Chain, x: Parts<Dims>, path: &[Step], indent: usize) {
        let last = match path {
            [] | [OUTPUT] => chain.fields.len(),
            [step, ..] => *step as usize,
        };
        let first = last.saturating_sub(LISTED);
        if first > 0 {
            text.line(indent);
            text.str("..");
        }
        let (names, labels) = widths(chain, [first, last], path);
        let (mut given, mut i) = (x, 0);
        while i < chain.fields.len() && i <= last {
            let field = &chain.fields[i];
            if i >= first {
                text.line(indent);
                let start = text.len();
                write_name(text, field, i as Step);
                text.pad(start, names + 2);
                if i == last && !is_guilty_row(field.spec, path) {
                    let (_, rest) = path.split_at(1);
                    open(text, field.spec, given, rest);
                    self.parts(text, field.spec, given, rest, indent + names + 2 + 2);
                    return;
                }
                field.spec.write_label(text);
                text.pad(start, names + 2 + labels + 2);
            }
            given = output(field.spec, given);
            if i == last {
                self.write_arrow(text);
            } else if i >= first {
                text.dims(given.x);
            }
            i += 1;
        }
    }
}

/// Whether the fault is told in the row of the layer itself, and not below its parts.
const fn is_guilty_row(spec: &Spec, path: &[Step]) -> bool {
    path.len() == 1 && !matches!(spec.unnamed(), Spec::Branch(_) | Spec::Tied(_))
}

/// The line above the parts of a layer: `Residual, its body on [64, 8, 8]`.
const fn open(text: &mut Text, spec: &Spec, x: Parts<Dims>, path: &[Step]) {
    match spec {
        Spec::Branch(branch) => {
            text.str(branch.name);
            text.str(", ");
            let field = match path {
                [] => body_of(branch),
                [step, ..] => branch.field(*step),
            };
            open_branch(text, &branch.fields[field], x);
        }
        Spec::Repeat(repeat) => {
            let (repetition, given) = failing_repetition(repeat, x);
            text.str(repeat.name());
            text.str(", repetition ");
            text.num(repetition);
            text.str(" of ");
            text.num(repeat.times);
            text.str(" on ");
            text.dims(given.x);
        }
        Spec::Tied(tied) => {
            text.str("Tied, ");
            let part = match path {
                [] => 0,
                [step, ..] => tied_part(*step),
            };
            open_branch(text, &tied.fields[part], before(tied.fields, part, x));
        }
        Spec::Encode { body } => {
            text.str("Encode, ");
            open_branch(text, &Field::named("body", body), memory(x));
        }
        _ => {
            spec.write_label(text);
            text.str(" on ");
            text.dims(x.x);
        }
    }
}

/// `its body on [64, 8, 8]`
const fn open_branch(text: &mut Text, field: &Field, x: Parts<Dims>) {
    text.str("its ");
    text.str(field.name);
    text.str(" on ");
    text.dims(x.x);
}

/// The repetition that fails, counted from 1, and what it is given.
const fn failing_repetition(repeat: &Repeat, x: Parts<Dims>) -> (usize, Parts<Dims>) {
    let (mut given, mut i) = (x, 1);
    while i < repeat.times {
        given = match infer(repeat.body, given) {
            Ok(y) => y,
            Err(_) => break,
        };
        i += 1;
    }
    (i, given)
}

/// Which part of a `Tied` a step leads to.
const fn tied_part(step: Step) -> usize {
    (step - ARGUMENT) as usize
}

/// What the part number `part` of some layers is given.
const fn before(fields: &[Field], part: usize, x: Parts<Dims>) -> Parts<Dims> {
    let (mut given, mut i) = (x, 0);
    while i < part {
        given = output(fields[i].spec, given);
        i += 1;
    }
    given
}

/// What the layers inside an `Encode` are given.
const fn memory(x: Parts<Dims>) -> Parts<Dims> {
    match x.memory() {
        Some(memory) => memory,
        None => x,
    }
}

/// `[5, 8]`, or with something beside it `[5, 8], memory: [7, 8]`.
const fn write_parts(text: &mut Text, parts: Parts<Dims>) {
    text.dims(parts.x);
    let mut i = 0;
    while i < Slot::ALL.len() {
        if let Some(part) = parts.beside(Slot::ALL[i]) {
            text.str(", ");
            text.str(Slot::ALL[i].name());
            text.str(": ");
            text.dims(*part);
        }
        i += 1;
    }
}

/// The part that a step leads to.
const fn child(spec: &Spec, step: Step) -> Field {
    match spec.unnamed() {
        Spec::Chain(chain) => chain.fields[step as usize],
        Spec::Branch(branch) => branch.fields[branch.field(step)],
        Spec::Repeat(Repeat { body, .. }) | Spec::Encode { body } => Field::item(body),
        Spec::Tied(tied) => tied.fields[tied_part(step)],
        _ => panic!("a leaf has no parts"),
    }
}

/// Which branch is the first that is more than the input itself.
const fn body_of(branch: &Branch) -> usize {
    let mut i = 0;
    while branch.fields[i].name.is_empty() {
        i += 1;
    }
    i
}

const fn is_leaf(spec: &Spec) -> bool {
    matches!(spec.unnamed(), Spec::Leaf(_) | Spec::Misfit { .. })
}

const fn output(spec: &Spec, x: Parts<Dims>) -> Parts<Dims> {
    match infer(spec, x) {
        Ok(y) => y,
        Err(_) => x,
    }
}

const fn write_name(text: &mut Text, field: &Field, number: Step) {
    if field.name.is_empty() { text.num(number as usize) } else { text.str(field.name) }
}

/// The widths of the two columns, names and labels, of the rows from `first` to `last`.
const fn widths(chain: &Chain, [first, last]: [usize; 2], path: &[Step]) -> (usize, usize) {
    let mut scratch = Text::new();
    let (mut names, mut labels, mut i) = (0, 0, first);
    while i < chain.fields.len() && i <= last {
        let start = scratch.len();
        write_name(&mut scratch, &chain.fields[i], i as Step);
        names = max(names, scratch.len() - start);
        // A layer whose parts are listed below it has no second column.
        if i < last || is_guilty_row(chain.fields[i].spec, path) {
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
