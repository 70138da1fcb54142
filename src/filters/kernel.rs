//! Kernels, and the lines that they are products of.

/// A kernel along one direction of an image: an odd number of weights.
pub(crate) type Taps = Vec<f64>;

/// A kernel, as data that a type can carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    /// One over the number of pixels, everywhere.
    Mean { size: usize },
    /// `exp(-k² / 2σ²)` for `|k| <= radius`, normalised to sum 1, along both directions.
    Gaussian { sigma: f64, radius: usize },
    /// The derivative along the rows, smoothed along the columns.
    SobelX,
    /// The derivative along the columns, smoothed along the rows.
    SobelY,
    /// The sum of the second derivatives.
    Laplace,
    /// No weights at all: the middle one of the pixels in a window.
    Median { size: usize },
}

impl Kernel {
    /// No kernel is larger: its tables would not fit in memory, and it was hardly meant.
    pub(crate) const LARGEST: usize = 4095;

    /// A [`Kernel::Gaussian`] that ends at `truncate sigma`, rounded.
    pub(crate) const fn gaussian(sigma: f64, truncate: f64) -> Self {
        // The cast of a number that is too large gives the largest there is.
        Kernel::Gaussian { sigma, radius: (truncate * sigma + 0.5) as usize }
    }

    /// As errors call it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Kernel::Mean { .. } => "mean",
            Kernel::Gaussian { .. } => "gaussian",
            Kernel::SobelX => "sobel_x",
            Kernel::SobelY => "sobel_y",
            Kernel::Laplace => "laplace",
            Kernel::Median { .. } => "median",
        }
    }

    /// Its height, and its width.
    pub(crate) const fn size(&self) -> usize {
        match self {
            Kernel::Mean { size } | Kernel::Median { size } => *size,
            Kernel::Gaussian { radius, .. } => radius.saturating_mul(2).saturating_add(1),
            Kernel::SobelX | Kernel::SobelY | Kernel::Laplace => 3,
        }
    }

    /// How far it reaches from its middle.
    pub(crate) const fn radius(&self) -> usize {
        self.size() / 2
    }

    /// Whether it has a middle, and is not larger than [`Kernel::LARGEST`].
    pub(crate) const fn has_sound_size(&self) -> bool {
        self.size() % 2 == 1 && self.size() <= Self::LARGEST
    }

    /// The kernel as a sum of products of a column and a row: a window is then seen line by line, `2 n` numbers and not `n²`.
    pub(crate) fn products(&self) -> Vec<[Taps; 2]> {
        let (smooth, slope, curvature, only) = (vec![1.0, 2.0, 1.0], vec![-1.0, 0.0, 1.0], vec![1.0, -2.0, 1.0], vec![1.0]);
        match *self {
            Kernel::Mean { size } => square(vec![1.0 / size as f64; size]),
            Kernel::Gaussian { sigma, radius } => square(bell(sigma, radius)),
            Kernel::SobelX => vec![[smooth, slope]],
            Kernel::SobelY => vec![[slope, smooth]],
            Kernel::Laplace => vec![[curvature.clone(), only.clone()], [only, curvature]],
            Kernel::Median { .. } => Vec::new(),
        }
    }
}

/// The same along both directions.
fn square(taps: Taps) -> Vec<[Taps; 2]> {
    vec![[taps.clone(), taps]]
}

fn bell(sigma: f64, radius: usize) -> Taps {
    let distances = (0..=2 * radius).map(|i| (i as f64 - radius as f64) / sigma);
    let weights: Taps = distances.map(|z| (-z * z / 2.0).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
