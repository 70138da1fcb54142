//! Tables as text.

use core::fmt;

/// Lines of cells: some columns of text, to the left, and then columns of numbers, to the right.
pub(crate) struct Table<const N: usize> {
    pub lines: Vec<[String; N]>,
    /// How many columns are text.
    pub texts: usize,
    /// The lines that a rule stands before.
    pub ruled: Vec<usize>,
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| self.lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
        let widths: [usize; N] = core::array::from_fn(width);
        for (i, line) in self.lines.iter().enumerate() {
            if self.ruled.contains(&i) {
                writeln!(f, "{}", "-".repeat(widths.iter().sum::<usize>() + 2 * (N - 1)))?;
            }
            let cell = |(column, cell): (usize, &String)| {
                let width = widths[column];
                if column < self.texts { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            };
            let cells: Vec<String> = line.iter().enumerate().map(cell).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}
