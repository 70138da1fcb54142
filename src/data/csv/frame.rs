//! A text file of columns, in memory.

use super::for_each_row;
use crate::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How a file of columns is written: by default with commas, and with the names of the columns on its first line.
///
/// # Examples
/// ```
/// use formwork::data::csv::Layout;
///
/// let frame = Layout::new().separator(';').without_header().read("mine.csv", "1;a\n2;b\n".as_bytes()).unwrap();
/// assert_eq!((frame.rows(), frame.columns()), (2, 2));
/// assert_eq!(frame.text(1, 1), "b");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    separator: char,
    has_header: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Layout::new()
    }
}

impl Layout {
    /// Commas, and a first line of names.
    pub fn new() -> Self {
        Layout { separator: ',', has_header: true }
    }

    /// What is between fields, a character of ASCII: `';'` or `'\t'`.
    pub fn separator(self, separator: char) -> Self {
        Layout { separator, ..self }
    }

    /// The first line is a row like any other, and columns have numbers for names, from `"1"` on.
    pub fn without_header(self) -> Self {
        Layout { has_header: false, ..self }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`], and those of [`Layout::read`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Frame, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::file(path, "read"))?;
        self.read(&path.display().to_string(), file)
    }

    /// Reads a text, which errors call `name`.
    ///
    /// # Errors
    /// [`Error::Data`] with the first line that has more or fewer fields than the first one, or is no UTF-8; [`Error::Setting`] for a
    /// separator that is not in ASCII.
    pub fn read(self, name: &str, text: impl Read) -> Result<Frame, Error> {
        let Some(separator) = u8::try_from(self.separator).ok().filter(u8::is_ascii) else {
            return Err(Error::Setting { what: "separator", expected: "a character of ASCII", given: f64::from(u32::from(self.separator)) });
        };
        let mut frame = Frame { file: name.to_owned(), header: Vec::new(), columns: 0, text: String::new(), ends: vec![0], lines: Vec::new() };
        for_each_row(name, text, separator, |row| {
            if frame.columns == 0 {
                frame.columns = row.len();
                if self.has_header {
                    // Some programs begin a file with a mark of the order of its bytes.
                    frame.header = row.fields().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
                    return Ok(());
                }
            }
            row.expect_columns(frame.columns)?;
            frame.lines.push(row.line);
            for field in row.fields() {
                frame.text += field;
                frame.ends.push(frame.text.len());
            }
            Ok(())
        })?;
        Ok(frame)
    }
}

/// A file of columns in memory, its fields as they are written there.
///
/// # Examples
/// ```
/// use formwork::data::csv::Frame;
///
/// let frame = Frame::read("mine.csv", "name,age\n\"Doe, Jane\",31\n".as_bytes()).unwrap();
/// assert_eq!(frame.header(), ["name", "age"]);
/// assert_eq!(frame.text(0, 0), "Doe, Jane");
///
/// let error = Frame::read("mine.csv", "a,b\n1,2\n1\n".as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), "mine.csv, line 3: expected 2 columns, given 1");
/// ```
#[derive(Clone, Debug)]
pub struct Frame {
    file: String,
    header: Vec<String>,
    columns: usize,
    /// All fields, one behind the other: a file of short fields would be many times its size in strings of their own.
    text: String,
    /// Where in `text` each of them ends, behind a zero.
    ends: Vec<usize>,
    /// Where each row begins, for errors.
    lines: Vec<u64>,
}

impl Frame {
    /// A file with commas, and names on its first line; [`Layout`] reads others.
    ///
    /// # Errors
    /// Those of [`Layout::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Layout::new().open(path)
    }

    /// The same from a text, which errors call `name`.
    ///
    /// # Errors
    /// Those of [`Layout::read`].
    pub fn read(name: &str, text: impl Read) -> Result<Self, Error> {
        Layout::new().read(name, text)
    }

    /// How many rows there are behind the names.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// How many fields a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The names of the columns; none if the file has no line of them.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The field in a row and a column, both counted from 0 and below [`Frame::rows`] and [`Frame::columns`].
    pub fn text(&self, row: usize, column: usize) -> &str {
        let field = row * self.columns + column;
        &self.text[self.ends[field]..self.ends[field + 1]]
    }

    /// The column of this name, or else the one with this number, counted from 1.
    pub(super) fn column(&self, name: &str) -> Result<usize, Error> {
        let error = |problem: String| Error::Data { file: self.file.clone(), line: 1, problem };
        let mut named = (0..self.header.len()).filter(|&column| self.header[column] == name);
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => Err(error(format!("expected one column `{name}`, given several: a number from 1 says which"))),
            (Some(column), None) => Ok(column),
            (None, _) => match name.parse::<usize>() {
                Ok(number) if (1..=self.columns).contains(&number) => Ok(number - 1),
                _ if self.header.is_empty() => Err(error(format!("expected a column `{name}`, given {} without names", self.columns))),
                _ => Err(error(format!("expected a column `{name}`, given `{}`", self.header.join("`, `")))),
            },
        }
    }

    /// An error of a field.
    pub(super) fn error(&self, row: usize, name: &str, expected: &str, given: &str) -> Error {
        let given = if given.is_empty() { "nothing".to_owned() } else { format!("`{given}`") };
        Error::Data { file: self.file.clone(), line: self.lines[row], problem: format!("column `{name}`: expected {expected}, given {given}") }
    }
}
