//! A kernel on lines of a known length, its border included: a sparse matrix.

use super::{Border, Kernel};
use crate::float::Float;

/// What a kernel makes of a line of numbers: `y_i = b_i + Σ_j A_ij x_j`, where `A` is zero but for a band, and `b` is what the
/// kernel sees of a constant border.
pub(crate) struct Band<E> {
    len: usize,
    /// The numbers of `A` that are not zero, row by row, with their columns.
    weights: Vec<(usize, E)>,
    /// Where each row begins, and where the last one ends.
    bounds: Vec<usize>,
    /// `b`.
    beyond: Vec<E>,
}

impl<E: Float> Band<E> {
    fn new(taps: &[f64], len: usize, border: Border) -> Self {
        let constant = if let Border::Constant(constant) = border { constant } else { 0.0 };
        let places = border.places(len, taps.len() / 2);
        let mut band = Band { len, weights: Vec::new(), bounds: vec![0], beyond: Vec::new() };
        for window in places.windows(taps.len()) {
            let mut beyond = 0.0;
            for (&tap, place) in taps.iter().zip(window).filter(|&(&tap, _)| tap != 0.0) {
                match *place {
                    Some(place) => band.weights.push((place, E::of(tap))),
                    None => beyond += tap * constant,
                }
            }
            band.bounds.push(band.weights.len());
            band.beyond.push(E::of(beyond));
        }
        band
    }

    fn rows(&self) -> impl Iterator<Item = &[(usize, E)]> {
        self.bounds.windows(2).map(|bounds| &self.weights[bounds[0]..bounds[1]])
    }

    /// Adds `A x + b` to `y`. The numbers of a line are `stride` apart, and between them are those of the lines beside it.
    fn add(&self, stride: usize, x: &[E], y: &mut [E]) {
        for (x, y) in x.chunks_exact(self.len * stride).zip(y.chunks_exact_mut(self.len * stride)) {
            for ((row, &beyond), y) in self.rows().zip(&self.beyond).zip(y.chunks_exact_mut(stride)) {
                y.iter_mut().for_each(|y| *y += beyond);
                for &(j, weight) in row {
                    y.iter_mut().zip(&x[j * stride..]).for_each(|(y, &x)| *y += weight * x);
                }
            }
        }
    }

    /// Adds `Aᵀ dy` to `dx`.
    fn add_transposed(&self, stride: usize, dy: &[E], dx: &mut [E]) {
        for (dy, dx) in dy.chunks_exact(self.len * stride).zip(dx.chunks_exact_mut(self.len * stride)) {
            for (row, dy) in self.rows().zip(dy.chunks_exact(stride)) {
                for &(j, weight) in row {
                    dx[j * stride..].iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += weight * dy);
                }
            }
        }
    }

    /// `A`, with its zeros.
    pub(crate) fn dense(&self) -> Vec<E> {
        let mut matrix = vec![E::zero(); self.len * self.len];
        for (i, row) in self.rows().enumerate() {
            for &(j, weight) in row {
                matrix[i * self.len + j] += weight;
            }
        }
        matrix
    }
}

/// What a kernel makes of images of a known size: `Y = Σ A X Bᵀ`, a pair of bands for each of the kernel's products.
pub(crate) struct Plane<E> {
    width: usize,
    pixels: usize,
    /// `A`, which is for columns, and `B`, which is for rows.
    pub(crate) products: Vec<[Band<E>; 2]>,
}

impl<E: Float> Plane<E> {
    pub(crate) fn new(kernel: &Kernel, [height, width]: [usize; 2], border: Border) -> Self {
        let products = kernel.products().into_iter().map(|[column, row]| {
            // What the rows' kernel makes of a constant border is the border of what comes out.
            let behind = match border {
                Border::Constant(constant) => Border::Constant(constant * row.iter().sum::<f64>()),
                other => other,
            };
            [Band::new(&column, height, behind), Band::new(&row, width, border)]
        });
        Plane { width, pixels: height * width, products: products.collect() }
    }

    /// How many numbers an image has, and the scratch space of [`Plane::filter`].
    pub(crate) fn pixels(&self) -> usize {
        self.pixels
    }

    /// Writes the filtered image.
    pub(crate) fn filter(&self, x: &[E], y: &mut [E], scratch: &mut [E]) {
        y.fill(E::zero());
        for [columns, rows] in &self.products {
            scratch.fill(E::zero());
            rows.add(1, x, scratch);
            columns.add(self.width, scratch, y);
        }
    }

    /// Adds to the gradient of the image.
    pub(crate) fn add_gradient(&self, dy: &[E], dx: &mut [E], scratch: &mut [E]) {
        for [columns, rows] in &self.products {
            scratch.fill(E::zero());
            columns.add_transposed(self.width, dy, scratch);
            rows.add_transposed(1, scratch, dx);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::geometry::grid;
    use crate::noise::Noise;

    const KERNELS: [Kernel; 6] =
        [Kernel::Mean { size: 5 }, Kernel::gaussian(0.8, 3.0), Kernel::Mean { size: 1 }, Kernel::SobelX, Kernel::SobelY, Kernel::Laplace];
    const BORDERS: [Border; 5] = [Border::Constant(0.0), Border::Constant(3.0), Border::Nearest, Border::Reflect, Border::Mirror];

    fn random(stream: u64, numel: usize) -> Vec<f64> {
        (0..numel as u64).map(|i| Noise::new(stream).uniform(i) - 0.5).collect()
    }

    fn filtered(plane: &Plane<f64>, x: &[f64]) -> Vec<f64> {
        let (mut y, mut scratch) = (vec![f64::NAN; x.len()], vec![f64::NAN; x.len()]);
        plane.filter(x, &mut y, &mut scratch);
        y
    }

    /// Every pixel under every tap of the kernel as a square.
    fn by_definition(kernel: &Kernel, [h, w]: [usize; 2], border: Border, x: &[f64]) -> Vec<f64> {
        let constant = if let Border::Constant(constant) = border { constant } else { 0.0 };
        let [rows, columns] = [h, w].map(|len| border.places(len, kernel.radius()));
        let (size, products) = (kernel.size(), kernel.products());
        let centred = |taps: &[f64], i: usize| (i + taps.len() / 2).checked_sub(size / 2).and_then(|i| taps.get(i)).copied().unwrap_or(0.0);
        let weight = |[i, j]: [usize; 2]| products.iter().map(|[column, row]| centred(column, i) * centred(row, j)).sum::<f64>();
        let pixel = |row: Option<usize>, column: Option<usize>| Some(x[row? * w + column?]);
        let sum = |[y, x]: [usize; 2]| grid([size, size]).map(|[i, j]| weight([i, j]) * pixel(rows[y + i], columns[x + j]).unwrap_or(constant)).sum();
        grid([h, w]).map(sum).collect()
    }

    #[test]
    fn two_passes_are_the_correlation_with_the_square_kernel() {
        for (size, kernel, border) in [[5, 7], [6, 4]].iter().flat_map(|size| pairs().map(move |(kernel, border)| (*size, kernel, border))) {
            let x = random(1, size[0] * size[1]);
            let given = filtered(&Plane::new(&kernel, size, border), &x);
            for (given, expected) in given.iter().zip(by_definition(&kernel, size, border, &x)) {
                assert!((given - expected).abs() < 1e-12, "{kernel:?}, {border:?}: expected {expected}, given {given}");
            }
        }
    }

    /// `<dy, A x> = <Aᵀ dy, x>`, and gradients are added to what is there.
    #[test]
    fn the_gradient_is_the_transposed_filter() {
        let size = [5, 7];
        for (kernel, border) in pairs().filter(|(_, border)| *border != Border::Constant(3.0)) {
            let (plane, x, dy) = (Plane::new(&kernel, size, border), random(1, 35), random(2, 35));
            let (mut dx, mut scratch) = (vec![1.0; 35], vec![f64::NAN; 35]);
            plane.add_gradient(&dy, &mut dx, &mut scratch);
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let expected = dot(&dy, &filtered(&plane, &x)) + x.iter().sum::<f64>();
            assert!((dot(&dx, &x) - expected).abs() < 1e-12, "{kernel:?}, {border:?}");
        }
    }

    fn pairs() -> impl Iterator<Item = (Kernel, Border)> {
        KERNELS.into_iter().flat_map(|kernel| BORDERS.map(|border| (kernel, border)))
    }
}
