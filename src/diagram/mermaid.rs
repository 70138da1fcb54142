//! A drawing as Mermaid.

use super::piece::{Card, Kind};
use super::{Diagram, Node, counted};
use crate::types::Join;

pub(super) fn write(diagram: &Diagram) -> String {
    let mut writer = Writer { text: format!("flowchart TD\n  %% {}: {}\n", diagram.name, counted(diagram.parameters)), ..Writer::default() };
    writer.chain(&diagram.nodes, None, 1);
    writer.text.push_str(&writer.edges);
    writer.text.push_str("  classDef learned fill:#4a86c533,stroke:#4a86c5\n");
    writer.text
}

#[derive(Default)]
struct Writer {
    text: String,
    /// They stand behind all boxes, outside of all frames.
    edges: String,
    boxes: usize,
    frames: usize,
    /// The memory, for those that look at it.
    memory: Option<usize>,
}

impl Writer {
    /// Nodes one behind the other; `from` is the box before them. Returns the last box.
    fn chain(&mut self, nodes: &[Node], from: Option<usize>, indent: usize) -> Option<usize> {
        nodes.iter().fold(from, |from, node| self.node(node, from, indent))
    }

    fn node(&mut self, node: &Node, from: Option<usize>, indent: usize) -> Option<usize> {
        match node {
            Node::End { .. } | Node::Layer(_) => {
                let to = Card::of(node).map(|card| self.card(&card, indent));
                self.edge(from, to, "-->");
                if matches!(node, Node::Layer(layer) if layer.reads_memory) {
                    self.edge(self.memory, to, "-.->");
                }
                to
            }
            Node::Frame { title, body, .. } => self.frame(title, body, from, indent),
            Node::Branch { join, sides, output, .. } => {
                let ends: Vec<_> = sides.iter().map(|side| self.chain(side, from, indent)).collect();
                let join = match join {
                    Join::Add => self.written("((\"+\"))", indent),
                    Join::Concat => self.card(&Card::concat(output), indent),
                };
                ends.into_iter().for_each(|end| self.edge(end, Some(join), "-->"));
                Some(join)
            }
            Node::Encode { body } => {
                self.memory = self.frame("Encode", body, None, indent);
                from
            }
        }
    }

    fn frame(&mut self, title: &str, body: &[Node], from: Option<usize>, indent: usize) -> Option<usize> {
        self.frames += 1;
        self.line(indent, &format!("subgraph f{}[\"{}\"]", self.frames, escaped(title)));
        let end = self.chain(body, from, indent + 1);
        self.line(indent, "end");
        end
    }

    fn card(&mut self, card: &Card, indent: usize) -> usize {
        let (label, note) = (escaped(&super::named(&card.name, &card.label)), escaped(&card.note));
        match card.kind {
            Kind::End => self.written(&format!("([\"{label}<br/>{note}\"])"), indent),
            Kind::Plain => self.written(&format!("[\"{label}<br/>{note}\"]"), indent),
            Kind::Learned => self.written(&format!("[\"{label}<br/>{}\"]:::learned", note.replace(" · ", "<br/>")), indent),
        }
    }

    fn written(&mut self, shape: &str, indent: usize) -> usize {
        self.boxes += 1;
        self.line(indent, &format!("n{}{shape}", self.boxes));
        self.boxes
    }

    fn line(&mut self, indent: usize, line: &str) {
        self.text.push_str(&format!("{}{line}\n", "  ".repeat(indent)));
    }

    fn edge(&mut self, from: Option<usize>, to: Option<usize>, arrow: &str) {
        if let (Some(from), Some(to)) = (from, to) {
            self.edges.push_str(&format!("  n{from} {arrow} n{to}\n"));
        }
    }
}

/// Text in quotation marks, in Mermaid's own escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '#' => escaped.push_str("#35;"),
            '&' => escaped.push_str("#amp;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '"' => escaped.push_str("#quot;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::tests::diagrams;
    use super::escaped;
    use std::collections::HashSet;

    #[test]
    fn labels_are_in_the_escapes_of_mermaid() {
        assert_eq!(escaped("Linear<4, 2> \"#1\""), "Linear#lt;4, 2#gt; #quot;#35;1#quot;");
    }

    #[test]
    fn arrows_lead_from_box_to_box_and_frames_are_closed() {
        for diagram in diagrams() {
            let mermaid = diagram.mermaid();
            let lines: Vec<&str> = mermaid.lines().map(str::trim).collect();
            let begins = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
            assert_eq!(begins("subgraph "), lines.iter().filter(|line| **line == "end").count());
            let id = |line: &str| line.split(['[', '(', ' ']).next().unwrap_or("").to_owned();
            let is_edge = |line: &str| line.contains("-->") || line.contains("-.->");
            let boxes: HashSet<String> = lines.iter().filter(|line| line.starts_with('n') && !is_edge(line)).map(|line| id(line)).collect();
            let ends: HashSet<String> =
                lines.iter().filter(|line| is_edge(line)).flat_map(|line| [id(line), line.split(' ').next_back().unwrap_or("").to_owned()]).collect();
            assert_eq!(boxes, ends, "{mermaid}");
        }
    }
}
