//! Convolution as a matrix.

use crate::error::Error;
use crate::float::Float;
use dfdx::tensor::{Tensor, TensorFromVec};

/// Which part of a convolution is wanted, in NumPy's and SciPy's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Wherever kernel and signal meet: `len + K - 1` numbers.
    Full,
    /// As many numbers as the signal has, the middle of [`Mode::Full`], as SciPy's `signal.convolve` counts.
    Same,
    /// Where the kernel lies on the signal as a whole: `len - K + 1` numbers.
    Valid,
}

/// The matrix `T` that convolves a signal of `len` numbers with a kernel: `T x = k * x`, that is `T_ij = k_(i - j)`.
///
/// In [`Mode::Full`] every column is the kernel, a place further down than in the column before, so that all numbers on a
/// diagonal are the same: a Toeplitz matrix, `K` diagonals of which are not zero. The other modes are the rows of it from
/// `(K - 1) / 2` and from `K - 1` on.
///
/// What deep learning calls convolution is cross-correlation, `y_i = Σ_j w_j x_(i + j)`. It is the convolution with the
/// flipped kernel: the matrix of `k_j = w_(K - 1 - j)` in [`Mode::Valid`], whose rows are `w`, each a place further right.
///
/// # Errors
/// [`Error::Filter`] if kernel or signal have no numbers, or if the kernel is longer than the signal in [`Mode::Valid`].
///
/// # Examples
/// ```
/// use dfdx::prelude::*;
/// use formwork::filters::{Mode, convolution_matrix};
///
/// let matrix = convolution_matrix(&[1.0_f32, 2.0, 3.0], 3, Mode::Full)?;
/// #[rustfmt::skip]
/// assert_eq!(matrix.as_vec(), [
///     1.0, 0.0, 0.0,
///     2.0, 1.0, 0.0,
///     3.0, 2.0, 1.0,
///     0.0, 3.0, 2.0,
///     0.0, 0.0, 3.0,
/// ]);
/// let signal = matrix.device().tensor_from_vec(vec![1.0, 10.0, 100.0], (3, 1)); // a column
/// assert_eq!(matrix.matmul(signal).as_vec(), [1.0, 12.0, 123.0, 230.0, 300.0]);
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
///
/// Course notes: convolution.
pub fn convolution_matrix<E: Float>(kernel: &[E], len: usize, mode: Mode) -> Result<Tensor<(usize, usize), E, E::Host>, Error> {
    let error =
        |expected: &str, given: usize| Error::Filter { filter: "convolution_matrix", expected: expected.to_owned(), given: given.to_string() };
    let taps = kernel.len();
    if taps == 0 || len == 0 {
        return Err(error(if taps == 0 { "a kernel of at least 1 number" } else { "a signal of at least 1 number" }, 0));
    }
    let (first, rows) = match mode {
        Mode::Full => (0, len + taps - 1),
        Mode::Same => ((taps - 1) / 2, len),
        Mode::Valid if taps > len => return Err(error(&format!("a kernel of at most {len} numbers, as many as the signal has"), taps)),
        Mode::Valid => (taps - 1, len - taps + 1),
    };
    let entry = |i: usize, j: usize| (first + i).checked_sub(j).and_then(|k| kernel.get(k)).copied().unwrap_or(E::zero());
    let numbers = (0..rows).flat_map(|i| (0..len).map(move |j| entry(i, j))).collect();
    E::Host::default().try_tensor_from_vec(numbers, (rows, len)).map_err(Error::device("writing a matrix"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use dfdx::tensor_ops::TryMatMul;

    const SIGNAL: [f64; 6] = [1.0, -2.0, 0.5, 3.0, 4.0, -1.5];

    fn product(kernel: &[f64], mode: Mode) -> Vec<f64> {
        let matrix = convolution_matrix(kernel, SIGNAL.len(), mode).unwrap();
        let signal = matrix.device().tensor_from_vec(SIGNAL.to_vec(), (SIGNAL.len(), 1));
        matrix.matmul(signal).as_vec()
    }

    /// `(k * x)_i = Σ k_a x_b` over all `a + b = i`.
    fn convolution(kernel: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; SIGNAL.len() + kernel.len() - 1];
        for (a, k) in kernel.iter().enumerate() {
            for (b, x) in SIGNAL.iter().enumerate() {
                sums[a + b] += k * x;
            }
        }
        sums
    }

    #[test]
    fn the_matrix_times_a_signal_is_the_convolution() {
        for kernel in [&[2.0][..], &[1.0, -3.0], &[0.5, 2.0, -1.0], &[1.0, 2.0, 4.0, 8.0], &[1.0; 6]] {
            let (full, taps) = (convolution(kernel), kernel.len());
            assert_eq!(product(kernel, Mode::Full), full);
            assert_eq!(product(kernel, Mode::Same), full[(taps - 1) / 2..][..SIGNAL.len()]);
            assert_eq!(product(kernel, Mode::Valid), full[taps - 1..SIGNAL.len()]);
        }
        let long = [1.0; 9];
        assert_eq!(product(&long, Mode::Full), convolution(&long));
        assert_eq!(product(&long, Mode::Same), convolution(&long)[4..10]);
    }

    /// The example of NumPy's page:
    /// ```python
    /// numpy.convolve([1, 2, 3], [0, 1, 0.5], mode)
    /// ```
    #[test]
    fn modes_are_those_of_numpy() {
        let product = |mode| {
            let matrix = convolution_matrix(&[0.0_f64, 1.0, 0.5], 3, mode).unwrap();
            let signal = matrix.device().tensor_from_vec(vec![1.0, 2.0, 3.0], (3, 1));
            matrix.matmul(signal).as_vec()
        };
        assert_eq!(product(Mode::Full), [0.0, 1.0, 2.5, 4.0, 1.5]);
        assert_eq!(product(Mode::Same), [1.0, 2.5, 4.0]);
        assert_eq!(product(Mode::Valid), [2.5]);
    }

    #[test]
    fn a_layer_correlates() {
        type Slide = generic::Conv2d<Const<1>, Const<1>, (Const<1>, Const<3>)>;
        let weight = [0.5, 2.0, -1.0];
        let mut model = Model::<Net<NoBias<Slide>, Rank3<1, 1, 6>, Rank3<1, 1, 4>>, f64, Cpu>::new(0);
        model.set_parameters(&weight).unwrap();
        let signal = Dataset::<Rank3<1, 1, 6>, Values<Rank0>, f64>::new(SIGNAL.to_vec(), vec![0.0]).unwrap();
        let flipped: Vec<f64> = weight.into_iter().rev().collect();
        assert_eq!(model.predict(&signal.all()).unwrap(), product(&flipped, Mode::Valid));
    }

    #[test]
    fn what_cannot_be_convolved_is_an_error() {
        let message = |kernel: &[f64], len| convolution_matrix(kernel, len, Mode::Valid).unwrap_err().to_string();
        assert_eq!(message(&[], 3), "convolution_matrix: expected a kernel of at least 1 number, given 0");
        assert_eq!(message(&[1.0], 0), "convolution_matrix: expected a signal of at least 1 number, given 0");
        let expected = "convolution_matrix: expected a kernel of at most 2 numbers, as many as the signal has, given 3";
        assert_eq!(message(&[1.0; 3], 2), expected);
    }
}
