//! What a machine is told to do, as data.

use crate::engine::Precision;

/// The parts of a machine's memory that hold numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// What an optimizer moves, as one row.
    Parameters,
    /// Their gradients, in the same order.
    Gradients,
    /// What layers write themselves.
    Buffers,
    /// What an optimizer keeps for each parameter, list by list.
    Kept,
    /// The coefficients of an optimizer, and what its calls sum.
    Coefficients,
    /// What a step is given: the inputs and the targets.
    Given,
    /// What a step computes: values, their gradients, and what layers leave for the way back.
    Work,
    /// What is the same in every step.
    Constants,
}

impl Space {
    /// How many there are.
    pub const COUNT: usize = 8;
}

/// Where numbers lie, which follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub space: Space,
    pub begin: usize,
}

impl Place {
    /// The place so many numbers behind this one.
    pub fn behind(self, numbers: usize) -> Self {
        Place { begin: self.begin + numbers, ..self }
    }
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// `real *`: null for what is not there.
    At(Option<Place>),
    /// `const int *`: a table.
    Table(usize),
    /// `int`
    Int(i32),
    /// `real`
    Real(f64),
}

impl From<Place> for Arg {
    fn from(place: Place) -> Self {
        Arg::At(Some(place))
    }
}

impl From<Option<Place>> for Arg {
    fn from(place: Option<Place>) -> Self {
        Arg::At(place)
    }
}

/// A plan whose numbers cannot be counted so is not run: `Plan::largest`.
impl From<usize> for Arg {
    fn from(number: usize) -> Self {
        Arg::Int(i32::try_from(number).unwrap_or(i32::MAX))
    }
}

impl From<bool> for Arg {
    fn from(flag: bool) -> Self {
        Arg::Int(i32::from(flag))
    }
}

impl From<f64> for Arg {
    fn from(number: f64) -> Self {
        Arg::Real(number)
    }
}

/// A matrix of a product, or as many as there are in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    pub at: Place,
    /// How far the rows are apart as they lie in memory, where the numbers of each follow one another.
    pub stride: usize,
    /// Whether the rows in memory are the columns of the factor.
    pub transposed: bool,
    /// How far the matrices of a batch are apart.
    pub batch_stride: usize,
}

impl Matrix {
    /// A matrix whose rows follow one another.
    pub fn new(at: Place, stride: usize) -> Self {
        Matrix { at, stride, transposed: false, batch_stride: 0 }
    }

    /// The same matrix transposed.
    pub fn t(self) -> Self {
        Matrix { transposed: !self.transposed, ..self }
    }

    /// One for each of a batch.
    pub fn each(self, batch_stride: usize) -> Self {
        Matrix { batch_stride, ..self }
    }
}

/// `C = A B`, or added to `C`, for a batch of matrices.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// Rows of `A`, columns of `B`, and what is summed over.
    pub sizes: [usize; 3],
    pub a: Matrix,
    pub b: Matrix,
    /// Not transposed.
    pub c: Matrix,
    pub batch: usize,
    pub add: bool,
}

/// A product as BLAS is asked for it, whose matrices lie column by column: our rows are its columns, so that it computes
/// `Cᵀ = Bᵀ Aᵀ`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm {
    /// Rows of the first factor, columns of the second one, and what is summed over.
    pub sizes: [usize; 3],
    /// Both factors, and whether each is transposed first.
    pub factors: [(Matrix, bool); 2],
    pub c: Matrix,
    pub batch: usize,
    pub add: bool,
}

impl Product {
    /// For BLAS.
    pub fn gemm(&self) -> Gemm {
        let [m, n, k] = self.sizes;
        Gemm { sizes: [n, m, k], factors: [self.b, self.a].map(|factor| (factor, factor.transposed)), c: self.c, batch: self.batch, add: self.add }
    }
}

/// What a machine is told to do.
#[derive(Clone, Debug)]
pub enum Call {
    /// A kernel in so many blocks of [`THREADS`].
    Kernel { name: &'static str, blocks: usize, args: Vec<Arg> },
    /// A product of matrices.
    Product(Product, Precision),
    /// Numbers that become zero.
    Zero { at: Place, count: usize },
}

/// How many threads a block has.
pub const THREADS: usize = 256;
