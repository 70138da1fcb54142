//! Tables of numbers with a class for each row; two of them come with the crate.

use super::csv::{Row, for_each_row};
use super::{Class, Dataset};
use crate::error::Error;
use crate::float::Float;
use dfdx::shapes::Rank1;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Rows of numbers, each with a class.
///
/// # Examples
/// ```
/// use formwork::data::Table;
///
/// let text = "2,3,no,yes\n1.5,2,3,0\n4,5,6.25,1\n";
/// let table = Table::read("mine.csv", text.as_bytes()).unwrap();
/// assert_eq!(table.column(2), [3.0, 6.25]);
/// assert_eq!(table.class_names()[table.classes()[1]], "yes");
///
/// let error = Table::read("mine.csv", "1,2,no,yes\n1.5,x,0\n".as_bytes()).unwrap_err();
/// assert_eq!(error.to_string(), "mine.csv, line 2: column 2: expected a finite number, given `x`");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: usize,
    class_names: Vec<String>,
    numbers: Vec<f64>,
    classes: Vec<usize>,
}

impl Table {
    /// A table from text: `rows,columns,name of class 0,name of class 1,..` on the first line, and on each other one so many
    /// numbers and a class from 0, with commas between them.
    ///
    /// `name` is what errors call the text.
    ///
    /// # Errors
    /// [`Error::Data`] with the line, what was expected there and what it holds.
    pub fn read(name: &str, text: impl Read) -> Result<Self, Error> {
        let mut table = Table { columns: 0, class_names: Vec::new(), numbers: Vec::new(), classes: Vec::new() };
        let (mut expected, mut last) = (None, 1);
        for_each_row(name, text, b',', |row| {
            last = row.line;
            match expected {
                None => expected = Some(table.begin(&row)?),
                Some(rows) if table.rows() == rows => return Err(row.error(format!("expected the end, behind {rows} rows"))),
                Some(_) => table.push(&row)?,
            }
            Ok(())
        })?;
        let at_end = |problem: String| Error::Data { file: name.to_owned(), line: last, problem };
        match expected {
            None => Err(at_end("expected a first line of rows, columns and names of classes, given none".to_owned())),
            Some(rows) if rows > table.rows() => Err(at_end(format!("expected {rows} rows behind the first line, given {}", table.rows()))),
            Some(_) => Ok(table),
        }
    }

    /// A table from a file; see [`Table::read`].
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Data`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::file(path, "read"))?;
        Table::read(&path.display().to_string(), file)
    }

    /// Takes in the first line; returns how many others are to come.
    fn begin(&mut self, first: &Row<'_>) -> Result<usize, Error> {
        match first.len() {
            given @ ..2 => return Err(first.error(format!("expected rows, columns and names of classes, given {given} columns"))),
            2 => return Err(first.error("expected names of classes behind rows and columns, given none".to_owned())),
            _ => {}
        }
        let rows = first.number(0, |_| true, "how many rows there are")?;
        // With the class there is one more to count.
        self.columns = first.number(1, |columns| (1..usize::MAX).contains(columns), "how many columns there are")?;
        self.class_names = first.fields().skip(2).map(str::to_owned).collect();
        Ok(rows)
    }

    fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        row.expect_columns(self.columns + 1)?;
        for column in 0..self.columns {
            self.numbers.push(row.number(column, |x: &f64| x.is_finite(), "a finite number")?);
        }
        self.classes.push(row.class(self.columns, self.class_names.len())?);
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.classes.len()
    }

    /// How many numbers a row has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All numbers, row by row.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// The class of each row.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// What the classes are called.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The numbers of a column, counted from 0 and below [`Table::columns`].
    pub fn column(&self, column: usize) -> Vec<f64> {
        self.numbers.iter().skip(column).step_by(self.columns).copied().collect()
    }

    /// The rows as samples of `D` numbers, of `C` classes.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not as many columns or classes.
    ///
    /// # Examples
    /// ```
    /// let wine = formwork::data::wine().unwrap();
    /// assert_eq!(wine.dataset::<13, 3, f32>().unwrap().len(), 178);
    /// assert_eq!(wine.dataset::<12, 3, f32>().unwrap_err().to_string(), "columns: expected 12, given 13");
    /// ```
    pub fn dataset<const D: usize, const C: usize, E: Float>(&self) -> Result<Dataset<Rank1<D>, Class<C>, E>, Error> {
        let counts = [("columns", D, self.columns), ("classes", C, self.class_names.len())];
        if let Some((what, expected, given)) = counts.into_iter().find(|(_, expected, given)| expected != given) {
            return Err(Error::Count { what, expected, given });
        }
        Dataset::new(self.numbers.iter().map(|&x| E::of(x)).collect(), self.classes.clone())
    }
}

/// 178 wines of three growers in 13 columns, from alcohol to proline.
///
/// "Wine", S. Aeberhard and M. Forina, 1992, UCI data set 109, CC BY 4.0; `data/README.md` names the columns.
///
/// # Errors
/// None but a damaged build.
///
/// # Examples
/// ```
/// let wine = formwork::data::wine().unwrap();
/// assert_eq!((wine.rows(), wine.columns(), wine.class_names().len()), (178, 13, 3));
/// ```
pub fn wine() -> Result<Table, Error> {
    unpacked("wine.csv.gz", include_bytes!("../../data/wine.csv.gz"))
}

/// 569 tumours, malignant or benign, in 30 columns of measures of their cell nuclei.
///
/// "Breast Cancer Wisconsin (Diagnostic)", W. H. Wolberg, W. N. Street and O. L. Mangasarian, 1993, UCI data set 17, CC BY
/// 4.0.
///
/// # Errors
/// None but a damaged build.
///
/// # Examples
/// ```
/// let tumours = formwork::data::breast_cancer().unwrap();
/// assert_eq!((tumours.rows(), tumours.columns()), (569, 30));
/// assert_eq!(tumours.class_names(), ["malignant", "benign"]);
/// ```
pub fn breast_cancer() -> Result<Table, Error> {
    unpacked("breast_cancer.csv.gz", include_bytes!("../../data/breast_cancer.csv.gz"))
}

fn unpacked(name: &str, file: &[u8]) -> Result<Table, Error> {
    Table::read(name, flate2::read::GzDecoder::new(file))
}
