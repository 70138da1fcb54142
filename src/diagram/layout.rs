//! Where everything stands in a drawing.

use super::piece::{Card, GAP, NOTE_SIZE, Piece, Shape, Way, text_width};
use super::{Diagram, Node};
use crate::types::{Dims, Join};

/// Between what a skip goes around and the skip.
const ASIDE: i32 = 20;
const RADIUS: i32 = 11;

/// How wide things are.
pub(super) struct Layout {
    /// All boxes are as wide as the widest.
    width: i32,
    /// From the left spine of a U to its right one.
    pub(super) apart: i32,
    /// How far what is on the two sides of a U reaches into it.
    pub(super) inwards: [i32; 2],
}

/// All of a network.
pub(super) fn lay_out(diagram: &Diagram) -> Piece {
    let width = widest(&diagram.nodes);
    let mut layout = Layout { width: width + width % 2, apart: 0, inwards: [0, 0] };
    if !diagram.nodes.iter().any(Node::is_u) {
        return layout.stack(&diagram.nodes, Way::Down);
    }
    // Once to see how far apart its sides must be.
    layout.network_with_u(&diagram.nodes);
    layout.apart = layout.apart.max(layout.inwards.iter().sum::<i32>() + 4 * GAP);
    layout.network_with_u(&diagram.nodes)
}

fn widest(nodes: &[Node]) -> i32 {
    let width = |node: &Node| match node {
        Node::End { .. } | Node::Layer(_) => Card::of(node).map_or(0, |card| card.width()),
        Node::Frame { body, .. } | Node::Encode { body } => widest(body),
        Node::Branch { sides, output, .. } => sides.iter().map(|side| widest(side)).max().unwrap_or(0).max(Card::concat(output).width()),
    };
    nodes.iter().map(width).max().unwrap_or(0)
}

impl Layout {
    /// Nodes one below the other.
    pub(super) fn stack(&self, nodes: &[Node], way: Way) -> Piece {
        let mut pieces: Vec<Piece> = nodes.iter().map(|node| self.piece(node, way)).collect();
        if way == Way::Up {
            pieces.reverse();
        }
        let mut all = Piece::default();
        pieces.into_iter().for_each(|piece| all.append(piece, way));
        all
    }

    fn piece(&self, node: &Node, way: Way) -> Piece {
        match node {
            Node::End { .. } | Node::Layer(_) => self.layer(node),
            Node::Frame { title, repeated, body, .. } => self.stack(body, way).framed_in_line(title, *repeated, way),
            Node::Branch { join, sides, output, .. } => {
                let join = self.join(*join, *output);
                match sides.as_slice() {
                    [body, skip] | [skip, body] if skip.is_empty() => skipped(self.stack(body, way), join, way),
                    _ => side_by_side(sides.iter().map(|side| self.side(side, way)).collect(), join, way),
                }
            }
            Node::Encode { body } => beside(self.stack(body, Way::Down).framed("Encode", false)),
        }
    }

    fn layer(&self, node: &Node) -> Piece {
        let Some(card) = Card::of(node) else { return Piece::default() };
        let mut piece = self.card(card);
        if let Node::Layer(layer) = node
            && layer.reads_memory
        {
            let (text, edge, middle) = ("memory".to_owned(), piece.right, piece.height / 2);
            let width = text_width(&text, NOTE_SIZE);
            piece.right += GAP + width;
            piece.shapes.push(Shape::Line { corners: vec![[edge + GAP, middle], [edge, middle]], head: true, dashed: true });
            piece.shapes.push(Shape::Note { at: [edge + GAP + 4 + width / 2, middle], text });
        }
        piece
    }

    fn card(&self, card: Card) -> Piece {
        let (half, size) = (self.width / 2, [self.width, card.height()]);
        Piece::boxed(half, size[1], Shape::Card { at: [-half, 0], size, card })
    }

    /// Where branches become one.
    pub(super) fn join(&self, join: Join, output: Dims) -> Piece {
        match join {
            Join::Add => Piece::boxed(RADIUS, 2 * RADIUS, Shape::Plus { at: [0, RADIUS] }),
            Join::Concat => self.card(Card::concat(output)),
        }
    }

    /// One of several branches, which may be a line.
    fn side(&self, nodes: &[Node], way: Way) -> Piece {
        if nodes.is_empty() { Piece { left: ASIDE, right: ASIDE, ..Piece::default() } } else { self.stack(nodes, way) }
    }
}

/// Layers with a line around them.
fn skipped(body: Piece, join: Piece, way: Way) -> Piece {
    let (aside, edge, half) = (body.right.max(join.right) + ASIDE, join.right, join.height / 2);
    // A piece without height, where the skip leaves.
    let fork = Piece { height: 1, ..Piece::default() };
    let mut all = Piece::default();
    let [above, below] = way.above_and_below(fork, join);
    all.append(above, way);
    if body.height > 0 {
        all.append(body, way);
    }
    all.append(below, way);
    let [fork, meet] = if way == Way::Down { [0, all.height - half] } else { [all.height, half] };
    all.line([[0, fork], [aside, fork], [aside, meet], [edge, meet]], true);
    all.shapes.push(Shape::Fork { at: [0, fork] });
    all.right = all.right.max(aside);
    all
}

/// Branches beside one another, between where they part and where they meet.
fn side_by_side(sides: Vec<Piece>, join: Piece, way: Way) -> Piece {
    let height = sides.iter().map(|side| side.height).max().unwrap_or(0);
    let mut places = Vec::new();
    for side in &sides {
        let end: i32 = places.last().map_or(0, |(_, end)| *end + GAP);
        places.push((end + side.left, end + side.left + side.right));
    }
    let ends = [places.first(), places.last()].map(|place| place.map_or(0, |(spine, _)| *spine));
    let middle = (ends[0] + ends[1]) / 2;
    let mut all = Piece { is_box: [way == Way::Up, way == Way::Down], ..Piece::default() };
    let (join_height, top) = (join.height, if way == Way::Down { GAP } else { join.height + 2 * GAP });
    let bottom = top + height;
    let [fork, meet, join_top] = if way == Way::Down { [0, bottom + GAP, bottom + 2 * GAP] } else { [bottom + GAP, top - GAP, 0] };
    for (side, (spine, _)) in sides.into_iter().zip(places) {
        let x = spine - middle;
        // What is shorter than the others hangs where samples come in.
        let begin = if way == Way::Down { top } else { bottom - side.height };
        let [first, last] = way.above_and_below(begin, begin + side.height);
        let head = side.is_box[usize::from(way == Way::Up)];
        all.line([[0, fork], [x, fork], [x, first]], head);
        all.line([[x, last], [x, meet], [0, meet]], false);
        all.place(side, [x, begin]);
    }
    let edge = if way == Way::Down { join_top } else { join_height };
    all.line([[0, meet], [0, edge]], true);
    all.place(join, [0, join_top]);
    all.shapes.push(Shape::Fork { at: [0, fork] });
    all.height = all.height.max(fork);
    all
}

/// A piece to the right of a line that it leaves alone.
fn beside(piece: Piece) -> Piece {
    let (x, mut all) = (GAP + piece.left, Piece::default());
    all.place(piece, [x, 0]);
    all.line([[0, 0], [0, all.height]], false);
    all
}

#[cfg(test)]
mod tests {
    use super::super::tests::diagrams;
    use super::*;

    #[test]
    fn boxes_do_not_overlap_and_frames_hold_them_whole() {
        for diagram in diagrams() {
            let (mut boxes, mut frames) = (Vec::new(), Vec::new());
            let all = lay_out(&diagram);
            for shape in &all.shapes {
                match shape {
                    Shape::Card { at: [x, y], size: [w, h], .. } => boxes.push([x - 1, y - 1, x + w + 1, y + h + 1]),
                    Shape::Plus { at: [x, y] } => boxes.push([x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS]),
                    Shape::Frame { at: [x, y], size: [w, h], .. } => frames.push([*x, *y, x + w, y + h]),
                    _ => {}
                }
            }
            let apart = |a: &[i32; 4], b: &[i32; 4]| a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
            let holds = |a: &[i32; 4], b: &[i32; 4]| a[0] <= b[0] && a[1] <= b[1] && a[2] >= b[2] && a[3] >= b[3];
            for (i, a) in boxes.iter().enumerate() {
                boxes[..i].iter().for_each(|b| assert!(apart(a, b), "{a:?} {b:?}"));
                frames.iter().for_each(|frame| assert!(apart(a, frame) || holds(frame, a), "{a:?} {frame:?}"));
            }
            for (i, a) in frames.iter().enumerate() {
                frames[..i].iter().for_each(|b| assert!(apart(a, b) || holds(a, b) || holds(b, a), "{a:?} {b:?}"));
            }
            let page = [-all.left - 1, -1, all.right + 1, all.height + 1];
            boxes.iter().chain(&frames).for_each(|inner| assert!(holds(&page, inner), "{page:?} {inner:?}"));
        }
    }

    #[test]
    fn lines_go_through_no_box_but_where_they_end() {
        for diagram in diagrams() {
            let shapes = lay_out(&diagram).shapes;
            let boxes: Vec<_> =
                shapes.iter().filter_map(|shape| if let Shape::Card { at, size, .. } = shape { Some((*at, *size)) } else { None }).collect();
            for shape in &shapes {
                let Shape::Line { corners, .. } = shape else { continue };
                for ends in corners.windows(2) {
                    let [a, b] = [ends[0], ends[1]];
                    for ([x, y], [w, h]) in &boxes {
                        let within = |axis: usize, begin: &i32, size: &i32| a[axis].max(b[axis]) > *begin && a[axis].min(b[axis]) < begin + size;
                        assert!(!(within(0, x, w) && within(1, y, h)), "{a:?} to {b:?} through a box at {x}, {y}");
                    }
                }
            }
        }
    }
}
