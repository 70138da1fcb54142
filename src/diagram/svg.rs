//! A drawing as SVG.

use super::layout::lay_out;
use super::piece::{Card, HEADER, Kind, LABEL_SIZE, NOTE_SIZE, PAD, Piece, Shape, text_width};
use super::{Diagram, counted};

/// Around everything, and above it for the name.
const MARGIN: i32 = 24;
const HEADING: i32 = 48;
/// The radius of a line's corners.
const CORNER: i32 = 8;

/// Classes and colours: the first block for light pages, the second for dark ones. No variables, which some readers of SVG lack.
const STYLE: &str = "\
.fw-paper{fill:#fff}.fw-text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2933}\
.fw-label{font-weight:600}.fw-faint{fill:#5b6875}\
.fw-line{fill:none;stroke:#5b6875;stroke-width:1.5}.fw-head,.fw-fork{fill:#5b6875}.fw-dashed{stroke-dasharray:4 3}\
.fw-plain{fill:#f5f7f9;stroke:#aeb8c2}.fw-learned{fill:#e3effc;stroke:#4a86c5}.fw-end{fill:#fff;stroke:#5b6875}\
.fw-frame{fill:#5b6875;fill-opacity:.05;stroke:#aeb8c2}.fw-repeated{fill:#b7791f;fill-opacity:.07;stroke:#cf9a45;stroke-width:1.5}\
.fw-times{fill:#8a5a13}.fw-veil{fill:#fff}.fw-note{stroke:#fff;stroke-width:4;paint-order:stroke;stroke-linejoin:round}\
@media(prefers-color-scheme:dark){\
.fw-paper,.fw-veil,.fw-end{fill:#12171d}.fw-text{fill:#e4e9ee}.fw-faint{fill:#9aa7b4}.fw-line,.fw-end{stroke:#8d9aa7}\
.fw-head,.fw-fork{fill:#8d9aa7}.fw-plain{fill:#1e252d;stroke:#4a5663}.fw-learned{fill:#16324f;stroke:#4f8fd0}\
.fw-frame{fill:#9aa7b4;stroke:#4a5663}.fw-repeated{fill:#d69e3f;stroke:#94702f}.fw-times{fill:#e0b46a}.fw-note{stroke:#12171d}}";

pub(super) fn write(diagram: &Diagram) -> String {
    let Piece { left, right, height, shapes, .. } = lay_out(diagram);
    let counted = counted(diagram.parameters);
    let heading = text_width(diagram.name, 18).max(text_width(&counted, NOTE_SIZE + 1));
    let [width, height] = [(left + right).max(heading) + 2 * MARGIN, height + HEADING + 2 * MARGIN];
    let (name, x) = (escaped(diagram.name), MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{name}</title>\n<style>{STYLE}</style>\n<rect class=\"fw-paper\" width=\"{width}\" height=\"{height}\"/>\n\
         <text class=\"fw-text fw-label\" x=\"{x}\" y=\"{}\" font-size=\"18\">{name}</text>\n\
         <text class=\"fw-text fw-faint\" x=\"{x}\" y=\"{}\" font-size=\"{}\">{counted}</text>\n\
         <g transform=\"translate({} {})\">\n",
        MARGIN + 14,
        MARGIN + 34,
        NOTE_SIZE + 1,
        MARGIN + left,
        MARGIN + HEADING,
    );
    // Lines over frames, boxes and titles over lines.
    for layer in 0..3 {
        shapes.iter().filter(|shape| depth(shape) == layer).for_each(|shape| write_shape(shape, &mut svg));
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn depth(shape: &Shape) -> u8 {
    match shape {
        Shape::Frame { .. } => 0,
        Shape::Line { .. } => 1,
        _ => 2,
    }
}

fn write_shape(shape: &Shape, svg: &mut String) {
    match shape {
        Shape::Frame { at: [x, y], size: [w, h], repeated } => {
            let class = if *repeated { "fw-repeated" } else { "fw-frame" };
            svg.push_str(&format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"10\"/>\n"));
        }
        Shape::Title { at, text, repeated } => write_title(*at, text, *repeated, svg),
        Shape::Line { corners, head, dashed } => write_line(corners, *head, *dashed, svg),
        Shape::Fork { at: [x, y] } => svg.push_str(&format!("<circle class=\"fw-fork\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>\n")),
        Shape::Plus { at: [x, y] } => {
            svg.push_str(&format!("<circle class=\"fw-end\" cx=\"{x}\" cy=\"{y}\" r=\"11\"/>\n"));
            svg.push_str(&format!("<path class=\"fw-line\" d=\"M{} {y}h10M{x} {}v10\"/>\n", x - 5, y - 5));
        }
        Shape::Note { at, text } => write_text(*at, "fw-note fw-faint", NOTE_SIZE, &escaped(text), svg),
        Shape::Card { at, size, card } => write_card(*at, *size, card, svg),
    }
}

/// A title, over the line that goes through it.
fn write_title([x, y]: [i32; 2], text: &str, repeated: bool, svg: &mut String) {
    let class = if repeated { "fw-label fw-times" } else { "fw-label fw-faint" };
    let width = text_width(text, LABEL_SIZE - 1) + 8;
    svg.push_str(&format!(
        "<rect class=\"fw-veil\" x=\"{}\" y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"4\"/>\n",
        x - width / 2,
        y - HEADER / 2 + 4,
        HEADER - 8
    ));
    write_text([x, y], class, LABEL_SIZE - 1, &escaped(text), svg);
}

fn write_card([x, y]: [i32; 2], [w, h]: [i32; 2], card: &Card, svg: &mut String) {
    let (class, radius) = match card.kind {
        Kind::End => ("fw-end", h / 2),
        Kind::Learned => ("fw-learned", 6),
        Kind::Plain => ("fw-plain", 6),
    };
    svg.push_str(&format!("<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{radius}\"/>\n"));
    let name = if card.name.is_empty() { String::new() } else { format!("<tspan class=\"fw-faint\">{}: </tspan>", escaped(&card.name)) };
    let label = format!("{name}<tspan class=\"fw-label\">{}</tspan>", escaped(&card.label));
    let note = escaped(&card.note);
    if card.kind == Kind::Learned {
        write_text([x + w / 2, y + 15], "", LABEL_SIZE, &label, svg);
        write_text([x + w / 2, y + 32], "fw-faint", NOTE_SIZE, &note, svg);
    } else {
        let text = format!("{label}<tspan class=\"fw-faint\" font-size=\"{NOTE_SIZE}\" dx=\"{}\">{note}</tspan>", PAD - 4);
        write_text([x + w / 2, y + h / 2], "", LABEL_SIZE, &text, svg);
    }
}

/// A line of text, its middle at a point.
fn write_text([x, y]: [i32; 2], class: &str, size: usize, content: &str, svg: &mut String) {
    // Where the middle of small letters is; `dominant-baseline` is not known everywhere.
    let y = y + i32::try_from(size).unwrap_or(0) * 35 / 100;
    let class = format!("fw-text {class}");
    svg.push_str(&format!("<text class=\"{}\" x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"middle\">{content}</text>\n", class.trim_end()));
}

/// A line with round corners.
fn write_line(corners: &[[i32; 2]], head: bool, dashed: bool, svg: &mut String) {
    let mut corners = corners.to_vec();
    corners.dedup();
    let [.., before, end] = corners.as_slice() else { return };
    let direction = towards(*before, *end);
    // The head covers the end of the line.
    let shortened = if head { [end[0] - 5 * direction[0], end[1] - 5 * direction[1]] } else { *end };
    let mut path = format!("M{} {}", corners[0][0], corners[0][1]);
    for around in corners.windows(3) {
        let [a, corner, b] = [around[0], around[1], around[2]];
        let radius = CORNER.min(distance(a, corner) / 2).min(distance(corner, b) / 2);
        let [back, on] = [towards(corner, a), towards(corner, b)];
        let [from, to] = [back, on].map(|d| [corner[0] + radius * d[0], corner[1] + radius * d[1]]);
        path.push_str(&format!("L{} {}Q{} {} {} {}", from[0], from[1], corner[0], corner[1], to[0], to[1]));
    }
    path.push_str(&format!("L{} {}", shortened[0], shortened[1]));
    let class = if dashed { "fw-line fw-dashed" } else { "fw-line" };
    svg.push_str(&format!("<path class=\"{class}\" d=\"{path}\"/>\n"));
    if head {
        let ([x, y], [dx, dy]) = (*end, direction);
        let [base, side] = [[x - 8 * dx, y - 8 * dy], [4 * dy, 4 * dx]];
        let [a, b] = [[base[0] + side[0], base[1] + side[1]], [base[0] - side[0], base[1] - side[1]]];
        svg.push_str(&format!("<path class=\"fw-head\" d=\"M{x} {y}L{} {}L{} {}Z\"/>\n", a[0], a[1], b[0], b[1]));
    }
}

/// One step along the line from `a` to `b`, which goes straight across or straight down or up.
fn towards(a: [i32; 2], b: [i32; 2]) -> [i32; 2] {
    [(b[0] - a[0]).signum(), (b[1] - a[1]).signum()]
}

fn distance(a: [i32; 2], b: [i32; 2]) -> i32 {
    (a[0] - b[0]).abs() + (a[1] - b[1]).abs()
}

/// Text as XML.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::diagrams;
    use super::*;

    #[test]
    fn labels_are_text_and_not_tags() {
        assert_eq!(escaped("NoBias<Linear<4, 2>> & \"b\""), "NoBias&lt;Linear&lt;4, 2&gt;&gt; &amp; &quot;b&quot;");
    }

    /// Tags that are opened are closed, in order; attributes are in quotation marks.
    #[test]
    fn a_drawing_is_a_whole_document() {
        for diagram in diagrams() {
            let svg = diagram.svg();
            let mut open = Vec::new();
            for piece in svg.split('<').skip(1) {
                let Some((tag, text)) = piece.split_once('>') else { panic!("a tag without an end: {piece}") };
                assert!(!text.contains('>') || open.last() == Some(&"style"), "{piece}");
                let name = tag.split(' ').next().unwrap_or(tag);
                assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
                match name.strip_prefix('/') {
                    Some(closed) => assert_eq!(open.pop(), Some(closed)),
                    None if tag.ends_with('/') => {}
                    None => open.push(name),
                }
            }
            assert!(open.is_empty(), "{open:?}");
        }
    }
}
