//! Least squares by Householder reflections.

use super::dot;
use crate::error::Error;

/// The `w` that makes `|A w - b|` smallest, for a matrix `A` given by its columns.
///
/// `A = Q R` is worked out on `A` itself, never on `Aᵀ A`, whose condition is the square of `A`'s.
///
/// # Errors
/// [`Error::Dependent`] if a column is a combination of the columns before it.
pub(super) fn least_squares(mut columns: Vec<Vec<f64>>, mut b: Vec<f64>) -> Result<Vec<f64>, Error> {
    let mut diagonal = Vec::with_capacity(columns.len());
    for j in 0..columns.len() {
        let whole = norm(&columns[j]);
        let (before, behind) = columns.split_at_mut(j + 1);
        let reflector = before[j].get_mut(j..).unwrap_or_default();
        let length = norm(reflector);
        if length <= whole * f64::EPSILON * b.len() as f64 {
            return Err(Error::Dependent { column: j });
        }
        // Away from its first number, so that nothing cancels.
        let reflected = -length.copysign(reflector[0]);
        reflector[0] -= reflected;
        let square = dot(reflector, reflector);
        for column in behind.iter_mut().chain([&mut b]) {
            let factor = 2.0 * dot(reflector, &column[j..]) / square;
            column[j..].iter_mut().zip(&*reflector).for_each(|(c, r)| *c -= factor * r);
        }
        diagonal.push(reflected);
    }
    // What stands above the diagonal is R.
    let mut w = vec![0.0; columns.len()];
    for j in (0..w.len()).rev() {
        let known: f64 = (j + 1..w.len()).map(|k| columns[k][j] * w[k]).sum();
        w[j] = (b[j] - known) / diagonal[j];
    }
    Ok(w)
}

fn norm(numbers: &[f64]) -> f64 {
    dot(numbers, numbers).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_system_is_solved() {
        // 2 x + y = 4, x + 3 y = 7
        let w = least_squares(vec![vec![2.0, 1.0], vec![1.0, 3.0]], vec![4.0, 7.0]).unwrap();
        assert!((w[0] - 1.0).abs() < 1e-14 && (w[1] - 2.0).abs() < 1e-14);
    }

    /// Läuchli's matrix: its product with its transpose is singular in double precision.
    #[test]
    fn what_normal_equations_lose_is_kept() {
        let e = 1e-9;
        let w = least_squares(vec![vec![1.0, e, 0.0], vec![1.0, 0.0, e]], vec![2.0, e, e]).unwrap();
        assert!((w[0] - 1.0).abs() < 1e-6 && (w[1] - 1.0).abs() < 1e-6, "{w:?}");
    }

    #[test]
    fn dependent_columns_are_named() {
        let column = |result: Result<Vec<f64>, Error>| match result {
            Err(Error::Dependent { column }) => column,
            other => panic!("{other:?}"),
        };
        assert_eq!(column(least_squares(vec![vec![1.0, 2.0, 2.0], vec![0.1, 0.2, 0.2]], vec![1.0; 3])), 1);
        assert_eq!(column(least_squares(vec![vec![0.0, 0.0]], vec![1.0; 2])), 0);
        assert_eq!(column(least_squares(vec![vec![1.0], vec![2.0], vec![3.0]], vec![1.0])), 1);
    }
}
