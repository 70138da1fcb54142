//! U-Nets, which go down on the left and up on the right. These pieces have two spines: the left one is `x = 0`.

use super::Node;
use super::layout::Layout;
use super::piece::{GAP, HEADER, LABEL_SIZE, PAD, Piece, Shape, Way, text_width};
use crate::types::{Dims, Join};

impl Node {
    /// Whether it is a skip past layers that make images smaller and larger again, or has one in it.
    pub(super) fn is_u(&self) -> bool {
        match self {
            Node::Frame { repeated: false, body, .. } => body.iter().any(Node::is_u),
            Node::Branch { join: Join::Concat, sides, input, .. } => match sides.as_slice() {
                [skip, body] if skip.is_empty() => body.iter().filter_map(Node::output).any(|dims| pixels(dims) != pixels(*input)),
                _ => false,
            },
            _ => false,
        }
    }
}

/// The size of an image, whatever its channels.
fn pixels(dims: Dims) -> usize {
    dims.numel() / dims.size(0).max(1)
}

impl Layout {
    /// A network with a U in it: its output beside its input.
    pub(super) fn network_with_u(&mut self, nodes: &[Node]) -> Piece {
        self.around_u(nodes, 0)
    }

    /// Layers of which one is a U: those before it are above it on the left, those behind it on the right; there they stand low,
    /// by `low` in 1.
    fn around_u(&mut self, nodes: &[Node], low: i32) -> Piece {
        let place = nodes.iter().position(Node::is_u).unwrap_or(0);
        let (before, after) = (self.stack(&nodes[..place], Way::Down), self.stack(&nodes[place + 1..], Way::Up));
        let above = before.height.max(after.height);
        let top = if above > 0 { above + GAP } else { 0 };
        let begin = low * (above - after.height);
        let mut all = Piece { is_box: [before.is_box[0], false], ..Piece::default() };
        let apart = self.apart;
        all.line([[0, before.height], [0, top]], false);
        all.line([[apart, top], [apart, begin + after.height]], after.is_box[1]);
        all.line([[apart, begin], [apart, 0]], false);
        self.sides(&mut all, (before, 0), (after, begin));
        let inner = self.u(&nodes[place]);
        all.place(inner, [0, top]);
        all
    }

    /// Takes in what stands on the two sides, each with its top.
    fn sides(&mut self, all: &mut Piece, left: (Piece, i32), right: (Piece, i32)) {
        self.inwards = [self.inwards[0].max(left.0.right), self.inwards[1].max(right.0.left)];
        all.place(left.0, [0, left.1]);
        all.place(right.0, [self.apart, right.1]);
    }

    fn u(&mut self, node: &Node) -> Piece {
        match node {
            Node::Frame { title, body, .. } => {
                let inner = self.around_u(body, 1);
                self.framed_u(inner, title)
            }
            Node::Branch { join, sides, input, output } => {
                let join = self.join(*join, *output);
                self.skip(join, *input, sides.last().map_or(&[], Vec::as_slice))
            }
            _ => Piece::default(),
        }
    }

    /// A skip from one side to the other, above what it goes past.
    fn skip(&mut self, join: Piece, input: Dims, body: &[Node]) -> Piece {
        let (edge, middle, end, apart) = (self.apart - join.left, join.height / 2, join.height, self.apart);
        let inner = if body.iter().any(Node::is_u) { self.around_u(body, 1) } else { self.bottom(body) };
        let top = end + GAP;
        let mut all = Piece::default();
        all.line([[0, 0], [0, top]], inner.is_box[0]);
        all.line([[apart, top], [apart, end]], true);
        all.line([[0, middle], [edge, middle]], true);
        all.shapes.push(Shape::Fork { at: [0, middle] });
        all.shapes.push(Shape::Note { at: [edge / 2, middle - 10], text: input.to_string() });
        self.sides(&mut all, (Piece::default(), 0), (join, 0));
        all.place(inner, [0, top]);
        all
    }

    /// The lowest layers of a U. What makes images larger again stands on the right.
    fn bottom(&mut self, nodes: &[Node]) -> Piece {
        let sizes: Vec<usize> = nodes.iter().map(|node| node.output().map_or(0, pixels)).collect();
        let turn = (1..sizes.len()).find(|&i| sizes[i] > sizes[i - 1]).unwrap_or(nodes.len());
        let (left, right) = (self.stack(&nodes[..turn], Way::Down), self.stack(&nodes[turn..], Way::Up));
        let height = left.height.max(right.height);
        let (apart, low, begin) = (self.apart, height + GAP, height - right.height);
        let mut all = Piece { height: low, is_box: [left.is_box[0], false], ..Piece::default() };
        all.line([[0, left.height], [0, low], [apart, low], [apart, height]], right.is_box[1]);
        all.line([[apart, begin], [apart, 0]], false);
        self.sides(&mut all, (left, 0), (right, begin));
        all
    }

    /// A frame around both sides, and its title between them.
    fn framed_u(&mut self, inner: Piece, title: &str) -> Piece {
        let apart = self.apart;
        self.apart = apart.max(text_width(title, LABEL_SIZE) + 2 * PAD);
        let (left, right, height) = (inner.left + PAD, inner.right + PAD, HEADER + inner.height + PAD);
        let frame = Shape::Frame { at: [-left, 0], size: [left + right, height], repeated: false };
        let title = Shape::Title { at: [apart / 2, HEADER / 2], text: title.to_owned(), repeated: false };
        let mut all = Piece { left, right, height, is_box: [false, false], shapes: vec![frame, title] };
        all.line([[0, 0], [0, HEADER]], inner.is_box[0]);
        all.line([[apart, HEADER], [apart, 0]], false);
        all.place(inner, [0, HEADER]);
        all
    }
}
