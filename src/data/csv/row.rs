//! The rows of a text, one by one.

use crate::error::Error;
use ::csv::{ByteRecord, ReaderBuilder, Trim};
use core::fmt::Display;
use core::str::FromStr;
use std::io::Read;

/// A row that is not empty.
pub(in crate::data) struct Row<'a> {
    file: &'a str,
    /// The line it begins on, counted from 1.
    pub line: u64,
    fields: &'a ByteRecord,
}

/// Calls `visit` with each row that is not empty; `file` is what errors call the text, `separator` is between its fields.
///
/// A field in double quotes may hold anything, a double quote as two of them.
pub(in crate::data) fn for_each_row(
    file: &str,
    mut text: impl Read,
    separator: u8,
    mut visit: impl FnMut(Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let end = text.read_to_end(&mut bytes);
    for_each_row_of(file, (&bytes, end.map(drop)), separator, &mut visit)
}

/// The same of bytes, and how reading them ended: compiled once and not for every type of numbers.
fn for_each_row_of(
    file: &str,
    (bytes, end): (&[u8], std::io::Result<()>),
    separator: u8,
    visit: &mut dyn FnMut(Row<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut lines = Lines { text: bytes, at: 0, line: 1 };
    let mut rows = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).delimiter(separator).from_reader(bytes);
    let mut fields = ByteRecord::new();
    loop {
        let begin = rows.position().byte() as usize;
        let is_row = rows.read_byte_record(&mut fields);
        let line = lines.of_row(begin);
        let error = |problem: String| Error::Data { file: file.to_owned(), line, problem };
        if !is_row.map_err(|problem| error(problem.to_string()))? {
            return end.map_err(|problem| error(problem.to_string()));
        }
        if let Some(column) = fields.iter().position(|field| core::str::from_utf8(field).is_err()) {
            return Err(error(format!("column {}: expected UTF-8, given other bytes", column + 1)));
        }
        if fields.iter().any(|field| !field.is_empty()) || fields.len() > 1 {
            visit(Row { file, line, fields: &fields })?;
        }
    }
}

/// Counts lines as an editor does.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that is read from here on, behind the ends of lines before it.
    fn of_row(&mut self, begin: usize) -> u64 {
        let blank = self.text[begin..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += self.text[self.at..begin + blank].iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = begin + blank;
        self.line
    }
}

impl Row<'_> {
    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn fields(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|column| self.field(column))
    }

    /// What is in a column, counted from 0.
    pub fn field(&self, column: usize) -> &str {
        core::str::from_utf8(&self.fields[column]).unwrap_or_else(|_| unreachable!("it was checked when the row was read"))
    }

    /// An error of this row.
    pub fn error(&self, problem: String) -> Error {
        Error::Data { file: self.file.to_owned(), line: self.line, problem }
    }

    /// Checks how many fields there are.
    pub fn expect_columns(&self, expected: usize) -> Result<(), Error> {
        match self.len() {
            given if given == expected => Ok(()),
            given => Err(self.error(format!("expected {expected} columns, given {given}"))),
        }
    }

    /// The number in a column, counted from 0, if it is a good one; `expected` says what that is.
    pub fn number<N: FromStr>(&self, column: usize, is_good: impl Fn(&N) -> bool, expected: impl Display) -> Result<N, Error> {
        let field = self.field(column);
        let number = field.parse().ok().filter(is_good);
        number.ok_or_else(|| self.error(format!("column {}: expected {expected}, given `{field}`", column + 1)))
    }

    /// The class in a column, one of so many.
    pub fn class(&self, column: usize, classes: usize) -> Result<usize, Error> {
        self.number(column, |class| *class < classes, format_args!("a class from 0 to {}", classes - 1))
    }
}
