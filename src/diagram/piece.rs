//! Parts of a drawing, and how they are put together.

use super::{Node, named};

/// How wide a letter is, in hundredths of its size: that of most fonts of one width, and a little more.
const LETTER: usize = 62;
pub(super) const LABEL_SIZE: usize = 13;
pub(super) const NOTE_SIZE: usize = 11;

/// Between a box and the next.
pub(super) const GAP: i32 = 24;
/// Between a frame and what is in it.
pub(super) const PAD: i32 = 16;
pub(super) const HEADER: i32 = 26;
/// The height of a box with one line of text, and with two.
pub(super) const SLIM: i32 = 28;
const TALL: i32 = 44;

/// A thing to be drawn. Frames and cards are where their upper left corner is, the others where their middle is.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Frame {
        at: [i32; 2],
        size: [i32; 2],
        repeated: bool,
    },
    Title {
        at: [i32; 2],
        text: String,
        repeated: bool,
    },
    /// Through these corners; with a head at the end, if it leads somewhere.
    Line {
        corners: Vec<[i32; 2]>,
        head: bool,
        dashed: bool,
    },
    Fork {
        at: [i32; 2],
    },
    Plus {
        at: [i32; 2],
    },
    Note {
        at: [i32; 2],
        text: String,
    },
    Card {
        at: [i32; 2],
        size: [i32; 2],
        card: Card,
    },
}

impl Shape {
    fn moved(mut self, [x, y]: [i32; 2]) -> Shape {
        let shift = |at: &mut [i32; 2]| *at = [at[0] + x, at[1] + y];
        match &mut self {
            Shape::Line { corners, .. } => corners.iter_mut().for_each(shift),
            Shape::Frame { at, .. }
            | Shape::Title { at, .. }
            | Shape::Fork { at }
            | Shape::Plus { at }
            | Shape::Note { at, .. }
            | Shape::Card { at, .. } => {
                shift(at);
            }
        }
        self
    }
}

/// A box with text.
#[derive(Clone, Debug)]
pub(super) struct Card {
    pub kind: Kind,
    /// What stands before the label, and a colon behind it; may be empty.
    pub name: String,
    pub label: String,
    /// A line of its own below the label, or behind it where the box is slim.
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// Where samples come in, or out.
    End,
    /// A layer with parameters.
    Learned,
    /// A layer without.
    Plain,
}

impl Card {
    /// The box of what is no more than a box.
    pub(super) fn of(node: &Node) -> Option<Card> {
        match node {
            Node::End { what, dims, beside } => {
                let note = if beside.is_empty() { dims.to_string() } else { format!("{dims}, {beside}") };
                Some(Card { kind: Kind::End, name: String::new(), label: (*what).to_owned(), note })
            }
            Node::Layer(layer) => {
                let dims = layer.output;
                let (kind, note) = match layer.parameters.as_str() {
                    "" => (Kind::Plain, dims.to_string()),
                    parameters => (Kind::Learned, format!("{dims} · {parameters}")),
                };
                Some(Card { kind, name: layer.name.clone(), label: layer.label.clone(), note })
            }
            _ => None,
        }
    }

    /// Where samples become one again by being laid one behind the other.
    pub(super) fn concat(dims: impl ToString) -> Card {
        Card { kind: Kind::Plain, name: String::new(), label: "concat".to_owned(), note: dims.to_string() }
    }

    pub(super) fn height(&self) -> i32 {
        if self.kind == Kind::Learned { TALL } else { SLIM }
    }

    pub(super) fn width(&self) -> i32 {
        let label = text_width(&named(&self.name, &self.label), LABEL_SIZE);
        let note = text_width(&self.note, NOTE_SIZE);
        match self.kind {
            Kind::Learned => label.max(note) + PAD,
            Kind::Plain => label + note + 2 * PAD,
            Kind::End => label + note + 4 * PAD,
        }
    }
}

/// How wide a text is, whatever the reader's font is.
pub(super) fn text_width(text: &str, size: usize) -> i32 {
    i32::try_from((text.chars().count() * size * LETTER).div_ceil(100)).unwrap_or(i32::MAX)
}

/// Which way samples go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Down,
    Up,
}

impl Way {
    /// What is above and what is below, of what comes first and what comes last.
    pub(super) fn above_and_below<T>(self, first: T, last: T) -> [T; 2] {
        if self == Way::Down { [first, last] } else { [last, first] }
    }
}

/// A part of a drawing. It hangs on its spine, the line that samples go along: `x = 0`, from `y = 0` to its height.
#[derive(Clone, Debug, Default)]
pub(super) struct Piece {
    /// How far it reaches to the left of its spine, and to the right.
    pub left: i32,
    pub right: i32,
    pub height: i32,
    /// Whether a line that comes from above ends at a box, and one from below.
    pub is_box: [bool; 2],
    pub shapes: Vec<Shape>,
}

impl Piece {
    /// A piece that is one shape with a box's edges.
    pub(super) fn boxed(half: i32, height: i32, shape: Shape) -> Piece {
        Piece { left: half, right: half, height, is_box: [true, true], shapes: vec![shape] }
    }

    /// A line through corners. One that ends where it began is none.
    pub(super) fn line(&mut self, corners: impl Into<Vec<[i32; 2]>>, head: bool) {
        let corners = corners.into();
        if corners.first() != corners.last() {
            self.shapes.push(Shape::Line { corners, head, dashed: false });
        }
    }

    /// Takes another piece in, its spine at `x` and its top at `y`.
    pub(super) fn place(&mut self, piece: Piece, [x, y]: [i32; 2]) {
        self.left = self.left.max(piece.left - x);
        self.right = self.right.max(piece.right + x);
        self.height = self.height.max(piece.height + y);
        self.shapes.extend(piece.shapes.into_iter().map(|shape| shape.moved([x, y])));
    }

    /// Takes another piece in at the lower end, with a line between.
    pub(super) fn append(&mut self, piece: Piece, way: Way) {
        if self.height == 0 {
            *self = piece;
            return;
        }
        let (end, top, [_, last]) = (self.height, self.height + GAP, self.is_box);
        let [first, below] = piece.is_box;
        match way {
            Way::Down => self.line([[0, end], [0, top]], first),
            Way::Up => self.line([[0, top], [0, end]], last),
        }
        self.place(piece, [0, top]);
        self.is_box[1] = below;
    }

    /// The same with a frame around it. The title hides the line that goes through it.
    pub(super) fn framed(self, title: &str, repeated: bool) -> Piece {
        let half = text_width(title, LABEL_SIZE) / 2 + PAD;
        let (left, right) = (self.left.max(half) + PAD, self.right.max(half) + PAD);
        let (top, height) = (HEADER + PAD / 2, HEADER + PAD / 2 + self.height + PAD);
        let frame = Shape::Frame { at: [-left, 0], size: [left + right, height], repeated };
        let title = Shape::Title { at: [0, HEADER / 2], text: title.to_owned(), repeated };
        let mut all = Piece { left, right, height, is_box: [false, false], shapes: vec![frame, title] };
        all.place(self, [0, top]);
        all
    }

    /// The same with a frame around it, and a line from its upper end to its lower one.
    pub(super) fn framed_in_line(self, title: &str, repeated: bool, way: Way) -> Piece {
        let ([above, below], inner) = (self.is_box, self.height);
        let mut all = self.framed(title, repeated);
        let (top, height) = (HEADER + PAD / 2, all.height);
        let end = top + inner;
        match way {
            Way::Down => {
                all.line([[0, 0], [0, top]], above);
                all.line([[0, end], [0, height]], false);
            }
            Way::Up => {
                all.line([[0, height], [0, end]], below);
                all.line([[0, top], [0, 0]], false);
            }
        }
        all
    }
}
