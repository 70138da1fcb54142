//! Which class is taken for which.

use core::fmt;

/// How often each class is taken for each: rows are the classes that there are, columns those that were read.
///
/// With `n[t, y]` the number of samples of class `t` that were read as `y`, of class `c`:
///
/// ```text
/// precision = n[c, c] / Σ_t n[t, c]             recall = n[c, c] / Σ_y n[c, y]
/// F1 = 2 precision recall / (precision + recall)
/// IoU = n[c, c] / (Σ_t n[t, c] + Σ_y n[c, y] - n[c, c])
/// ```
///
/// They are 0 where nothing was right. A class that neither is there nor was read has none, and means are over the others.
///
/// # Examples
/// ```
/// use formwork::metrics::ConfusionMatrix;
///
/// let mut matrix = ConfusionMatrix::new(2);
/// for (class, read) in [(0, 0), (0, 1), (1, 1), (1, 1)] {
///     matrix.add(class, read);
/// }
/// assert_eq!((matrix.accuracy(), matrix.precision(1), matrix.recall(0)), (0.75, 2.0 / 3.0, 0.5));
/// assert_eq!(matrix.to_string(), "read as    0    1\n      0    1    1\n      1    .    2\n");
/// ```
///
/// scikit-learn's `metrics.confusion_matrix`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// One of so many classes, with nothing in it.
    pub fn new(classes: usize) -> Self {
        ConfusionMatrix { classes, counts: vec![0; classes * classes] }
    }

    /// Counts a sample of class `class` that was read as `read`; classes that are none are not counted.
    pub fn add(&mut self, class: usize, read: usize) {
        if class < self.classes && read < self.classes {
            self.counts[class * self.classes + read] += 1;
        }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many samples of class `class` were read as `read`.
    pub fn count(&self, class: usize, read: usize) -> u64 {
        if class < self.classes && read < self.classes { self.counts[class * self.classes + read] } else { 0 }
    }

    /// How many samples there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The share of all samples that were read as what they are.
    pub fn accuracy(&self) -> f64 {
        (0..self.classes).map(|class| self.count(class, class)).sum::<u64>() as f64 / self.total() as f64
    }

    /// The share of those read as a class that are of it.
    pub fn precision(&self, class: usize) -> f64 {
        self.share(class, self.read_as(class))
    }

    /// The share of a class that was read as it.
    pub fn recall(&self, class: usize) -> f64 {
        self.share(class, self.members(class))
    }

    /// The harmonic mean of precision and recall: `2 n[c, c] / (Σ_t n[t, c] + Σ_y n[c, y])`.
    pub fn f1(&self, class: usize) -> f64 {
        2.0 * self.share(class, self.read_as(class) + self.members(class))
    }

    /// Intersection over union: the share that is right of all that are of a class or were read as it.
    pub fn iou(&self, class: usize) -> f64 {
        self.share(class, self.read_as(class) + self.members(class) - self.count(class, class))
    }

    /// The mean of a number of each class over the classes that are there or were read.
    pub fn mean(&self, of: impl Fn(&Self, usize) -> f64) -> f64 {
        let seen: Vec<usize> = (0..self.classes).filter(|&class| self.members(class) + self.read_as(class) > 0).collect();
        seen.iter().map(|&class| of(self, class)).sum::<f64>() / seen.len() as f64
    }

    /// What is right of a class over something; 0 over nothing, as in scikit-learn.
    fn share(&self, class: usize, of: u64) -> f64 {
        if of == 0 { 0.0 } else { self.count(class, class) as f64 / of as f64 }
    }

    fn members(&self, class: usize) -> u64 {
        (0..self.classes).map(|read| self.count(class, read)).sum()
    }

    fn read_as(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.count(truth, class)).sum()
    }
}

impl fmt::Display for ConfusionMatrix {
    /// The mistakes stand beside the diagonal, and what never happened is a dot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.counts.iter().max().map_or(1, |most| most.to_string().len()).max(2) + 3;
        write!(f, "read as")?;
        (0..self.classes).try_for_each(|class| write!(f, "{class:>width$}"))?;
        writeln!(f)?;
        for class in 0..self.classes {
            write!(f, "{class:>7}")?;
            for read in 0..self.classes {
                match self.count(class, read) {
                    0 => write!(f, "{:>width$}", ".")?,
                    count => write!(f, "{count:>width$}")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are those of scikit-learn:
    /// `t = [0, 0, 0, 1, 1, 2, 2, 2, 2]; y = [0, 0, 1, 1, 2, 2, 2, 0, 2]`
    /// `precision_score(t, y, average='macro')`, likewise `recall_score`, `f1_score` and `jaccard_score`.
    #[test]
    fn means_over_classes() {
        let mut matrix = ConfusionMatrix::new(4);
        for (class, read) in [0, 0, 0, 1, 1, 2, 2, 2, 2].into_iter().zip([0, 0, 1, 1, 2, 2, 2, 0, 2]) {
            matrix.add(class, read);
        }
        let close = |given: f64, expected: f64| assert!((given - expected).abs() < 1e-12, "expected {expected}, given {given}");
        close(matrix.accuracy(), 6.0 / 9.0);
        close(matrix.mean(ConfusionMatrix::precision), (2.0 / 3.0 + 0.5 + 0.75) / 3.0);
        close(matrix.mean(ConfusionMatrix::recall), (2.0 / 3.0 + 0.5 + 0.75) / 3.0);
        close(matrix.mean(ConfusionMatrix::f1), (2.0 / 3.0 + 0.5 + 0.75) / 3.0);
        close(matrix.mean(ConfusionMatrix::iou), (0.5 + 1.0 / 3.0 + 0.6) / 3.0);
        assert_eq!(matrix.recall(3), 0.0);
    }
}
