//! Text that can be written in a constant: what a compile error says.

use super::Dims;

const CAPACITY: usize = 8192;

/// A text of fixed capacity, written by `const fn`s; what does not fit is left out.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; CAPACITY],
    len: usize,
}

impl Text {
    pub(crate) const fn new() -> Self {
        Text { bytes: [0; CAPACITY], len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn str(&mut self, s: &str) {
        let (bytes, mut i) = (s.as_bytes(), 0);
        // All or nothing, so that a character is never cut.
        if self.len + bytes.len() > CAPACITY {
            return;
        }
        while i < bytes.len() {
            self.bytes[self.len] = bytes[i];
            self.len += 1;
            i += 1;
        }
    }

    pub(crate) const fn num(&mut self, n: usize) {
        if n >= 10 {
            self.num(n / 10);
        }
        self.str(DIGITS.split_at(n % 10).1.split_at(1).0);
    }

    pub(crate) const fn dims(&mut self, dims: Dims) {
        self.str("[");
        self.list(dims.sizes());
        self.str("]");
        if let Some(vocabulary) = dims.vocabulary() {
            self.str(" of ids below ");
            self.num(vocabulary);
        }
    }

    /// Numbers with commas between them.
    pub(crate) const fn list(&mut self, numbers: &[usize]) {
        let mut i = 0;
        while i < numbers.len() {
            if i > 0 {
                self.str(", ");
            }
            self.num(numbers[i]);
            i += 1;
        }
    }

    pub(crate) const fn message(&mut self, message: &Message) {
        let mut i = 0;
        while i < message.len {
            match message.parts[i] {
                Part::Str(s) => self.str(s),
                Part::Num(n) => self.num(n),
                Part::Dims(d) => self.dims(d),
            }
            i += 1;
        }
    }

    pub(crate) const fn label(&mut self, label: &Label) {
        let mut i = label.wrappers.len();
        while i > 0 {
            i -= 1;
            if !label.wrappers[i].is_empty() {
                self.str(label.wrappers[i]);
                self.str("<");
            }
        }
        self.str(label.name);
        if label.len > 0 {
            self.str("<");
            self.list(label.args.split_at(label.len).0);
            self.str(">");
        }
        while i < label.wrappers.len() && !label.wrappers[i].is_empty() {
            self.str(">");
            i += 1;
        }
    }

    /// Blanks up to the given column of a line that began at `start`.
    pub(crate) const fn pad(&mut self, start: usize, column: usize) {
        while self.len - start < column && self.len < CAPACITY {
            self.str(" ");
        }
    }

    pub(crate) const fn line(&mut self, indent: usize) {
        self.str("\n");
        let start = self.len;
        self.pad(start, indent);
    }

    pub(crate) const fn as_str(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "formwork wrote a message that is not UTF-8",
        }
    }
}

const DIGITS: &str = "0123456789";

#[derive(Clone, Copy)]
enum Part {
    Str(&'static str),
    Num(usize),
    Dims(Dims),
}

/// A sentence with numbers and shapes in it, as data: written where a shape rule fails, and read by whoever reports it.
#[derive(Clone, Copy)]
pub struct Message {
    parts: [Part; Message::CAPACITY],
    len: usize,
}

impl Message {
    const CAPACITY: usize = 16;

    /// A sentence that begins with `text`.
    pub const fn new(text: &'static str) -> Self {
        Message { parts: [Part::Str(""); Self::CAPACITY], len: 0 }.str(text)
    }

    const fn push(mut self, part: Part) -> Self {
        assert!(self.len < Self::CAPACITY, "a message has at most 16 parts");
        self.parts[self.len] = part;
        self.len += 1;
        self
    }

    /// Adds text.
    pub const fn str(self, text: &'static str) -> Self {
        self.push(Part::Str(text))
    }

    /// Adds a number.
    pub const fn num(self, number: usize) -> Self {
        self.push(Part::Num(number))
    }

    /// Adds a shape.
    pub const fn dims(self, dims: Dims) -> Self {
        self.push(Part::Dims(dims))
    }

    /// Adds the output of a branch: `its body's [64, 6, 6]`, or `its input [64, 8, 8]` where it has no name.
    pub(crate) const fn output(self, (name, dims): (&'static str, Dims)) -> Self {
        let message = if name.is_empty() { self.str("its input") } else { self.str("its ").str(name).str("'s") };
        message.str(" ").dims(dims)
    }
}

impl core::fmt::Display for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut text = Text::new();
        text.message(self);
        f.write_str(text.as_str())
    }
}

/// A layer as its user writes it, `Conv2d<1, 6, 5>`, as data.
#[derive(Clone, Copy)]
pub struct Label {
    pub(crate) name: &'static str,
    args: [usize; Label::CAPACITY],
    len: usize,
    /// From the innermost on; empty where there is none.
    wrappers: [&'static str; Label::WRAPPERS],
}

impl Label {
    const CAPACITY: usize = 10;
    const WRAPPERS: usize = 4;

    /// The layer `name`, with these arguments.
    pub const fn new(name: &'static str, args: &[usize]) -> Self {
        let mut label = Label { name, args: [0; Self::CAPACITY], len: 0, wrappers: [""; Self::WRAPPERS] };
        while label.len < args.len() && label.len < Self::CAPACITY {
            label.args[label.len] = args[label.len];
            label.len += 1;
        }
        label
    }

    /// Leaves out the last arguments, as long as they are the defaults; `defaults` are those of the last arguments.
    pub const fn without_defaults(mut self, defaults: &[usize]) -> Self {
        let mut left = defaults.len();
        while left > 0 && self.len > 0 && self.args[self.len - 1] == defaults[left - 1] {
            left -= 1;
            self.len -= 1;
        }
        self
    }

    /// The name that stands first: that of the outermost layer around it, if there is one.
    pub(crate) const fn outer_name(&self) -> &'static str {
        let (mut name, mut i) = (self.name, 0);
        while i < Self::WRAPPERS && !self.wrappers[i].is_empty() {
            name = self.wrappers[i];
            i += 1;
        }
        name
    }

    /// The layer inside another: `NoBias<..>`.
    pub const fn wrapped(mut self, wrapper: &'static str) -> Self {
        let mut i = 0;
        while i < Self::WRAPPERS && !self.wrappers[i].is_empty() {
            i += 1;
        }
        assert!(i < Self::WRAPPERS, "a label has at most 4 wrappers");
        self.wrappers[i] = wrapper;
        self
    }
}

impl core::fmt::Display for Label {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut text = Text::new();
        text.label(self);
        f.write_str(text.as_str())
    }
}
