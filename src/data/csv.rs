//! Lines of numbers with commas between them.

use crate::error::Error;
use core::fmt::Display;
use core::str::FromStr;
use std::io::{BufRead, BufReader, Read};

/// A line that is not empty.
pub(super) struct Row<'a> {
    file: &'a str,
    /// Counted from 1.
    pub line: u64,
    fields: Vec<&'a str>,
}

/// Calls `visit` with each line that is not empty; `file` is what errors call the text.
pub(super) fn for_each_row(file: &str, text: impl Read, mut visit: impl FnMut(Row<'_>) -> Result<(), Error>) -> Result<(), Error> {
    for (number, line) in (1..).zip(BufReader::new(text).lines()) {
        let text = line.map_err(|error| Error::Data { file: file.to_owned(), line: number, problem: error.to_string() })?;
        if !text.trim().is_empty() {
            visit(Row { file, line: number, fields: text.split(',').map(str::trim).collect() })?;
        }
    }
    Ok(())
}

impl Row<'_> {
    pub fn fields(&self) -> &[&str] {
        &self.fields
    }

    /// An error of this line.
    pub fn error(&self, problem: String) -> Error {
        Error::Data { file: self.file.to_owned(), line: self.line, problem }
    }

    /// Checks how many fields there are.
    pub fn expect_columns(&self, expected: usize) -> Result<(), Error> {
        match self.fields.len() {
            given if given == expected => Ok(()),
            given => Err(self.error(format!("expected {expected} columns, given {given}"))),
        }
    }

    /// The number in a column, counted from 0, if it is a good one; `expected` says what that is.
    pub fn number<N: FromStr>(&self, column: usize, is_good: impl Fn(&N) -> bool, expected: impl Display) -> Result<N, Error> {
        let field = self.fields[column];
        let number = field.parse().ok().filter(is_good);
        number.ok_or_else(|| self.error(format!("column {}: expected {expected}, given `{field}`", column + 1)))
    }

    /// The class in a column, one of so many.
    pub fn class(&self, column: usize, classes: usize) -> Result<usize, Error> {
        self.number(column, |class| *class < classes, format_args!("a class from 0 to {}", classes - 1))
    }
}
