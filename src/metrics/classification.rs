//! How often the right class is read.

use super::Metric;
use super::confusion::ConfusionMatrix;
use crate::data::{Labels, Values};
use crate::float::Float;
use crate::types::Plain;
use dfdx::shapes::ConstDim;

/// A metric that is computed from which class is taken for which: [`accuracy`], [`precision`], [`recall`], [`f1`] or [`iou`].
///
/// # Shapes
/// Scores `[C, ..]` and [`Labels<C, [..]>`](Labels): the class with the highest score is read; precision, recall, F1 and IoU are
/// means over classes. Logits `[..]` and [`Values`] of the same shape: a logit above 0 reads yes and a target above 1/2 says yes;
/// precision, recall, F1 and IoU are those of yes.
#[derive(Clone, Debug)]
pub struct Classification {
    name: &'static str,
    of_class: Option<fn(&ConfusionMatrix, usize) -> f64>,
    /// Whether the class of yes is the only one that counts.
    is_binary: bool,
    matrix: ConfusionMatrix,
}

/// The share of samples, or of places, whose class is read.
///
/// # Examples
/// ```
/// use formwork::metrics::{Metric, accuracy};
/// use formwork::prelude::*;
///
/// let mut metric = accuracy();
/// let (outputs, targets) = ([0.1f32, 0.7, 0.2, 0.9, 0.0, 0.1], [1, 2]);
/// Metric::<Rank1<3>, Class<3>>::add(&mut metric, &outputs, &targets);
/// assert_eq!(Metric::<Rank1<3>, Class<3>>::value(&metric), 0.5);
/// ```
pub fn accuracy() -> Classification {
    Classification::new("accuracy", None)
}

/// The share of those read as a class that are of it: see [`ConfusionMatrix`].
pub fn precision() -> Classification {
    Classification::new("precision", Some(ConfusionMatrix::precision))
}

/// The share of those of a class that are read as it: see [`ConfusionMatrix`].
pub fn recall() -> Classification {
    Classification::new("recall", Some(ConfusionMatrix::recall))
}

/// The harmonic mean of precision and recall: see [`ConfusionMatrix`].
pub fn f1() -> Classification {
    Classification::new("f1", Some(ConfusionMatrix::f1))
}

/// Intersection over union, the measure of segmentation: see [`ConfusionMatrix`].
pub fn iou() -> Classification {
    Classification::new("iou", Some(ConfusionMatrix::iou))
}

impl Classification {
    fn new(name: &'static str, of_class: Option<fn(&ConfusionMatrix, usize) -> f64>) -> Self {
        Classification { name, of_class, is_binary: false, matrix: ConfusionMatrix::default() }
    }

    /// The same for tokens: scores `[T, C]` and [`Labels<C, [T]>`](Labels), as [`TokenCrossEntropy`](crate::learn::TokenCrossEntropy)
    /// compares them.
    pub fn of_tokens(self) -> OfTokens {
        OfTokens(self)
    }

    /// What it is computed from.
    pub fn matrix(&self) -> &ConfusionMatrix {
        &self.matrix
    }

    /// Counts the highest of `classes` scores, which stand `places` apart, at each place of each sample.
    fn add_scores<E: Float>(&mut self, outputs: &[E], targets: &[usize], [classes, places]: [usize; 2]) {
        self.begin(classes, false);
        for (scores, targets) in outputs.chunks_exact(classes * places).zip(targets.chunks_exact(places)) {
            for (place, &target) in targets.iter().enumerate() {
                let score = |class: usize| scores[class * places + place];
                // The first of equals, and never NaN where there is a number.
                let read = (1..classes).fold(0, |best, class| if score(class) > score(best) || score(best).is_nan() { class } else { best });
                self.matrix.add(target, read);
            }
        }
    }

    fn begin(&mut self, classes: usize, is_binary: bool) {
        self.is_binary = is_binary;
        if self.matrix.classes() != classes {
            self.matrix = ConfusionMatrix::new(classes);
        }
    }

    fn score(&self) -> f64 {
        match self.of_class {
            None => self.matrix.accuracy(),
            Some(of_class) if self.is_binary => of_class(&self.matrix, 1),
            Some(of_class) => self.matrix.mean(of_class),
        }
    }

    fn forget(&mut self) {
        self.matrix = ConfusionMatrix::new(self.matrix.classes());
    }
}

/// [`Metric`] for what is counted in a matrix; the method that adds is given.
macro_rules! counted {
    ($this:ident => $classification:expr, $add:item) => {
        fn name(&self) -> String {
            let $this = self;
            $classification.name.to_owned()
        }

        $add

        fn value(&self) -> f64 {
            let $this = self;
            $classification.score()
        }

        fn reset(&mut self) {
            let $this = self;
            $classification.forget();
        }
    };
}

macro_rules! classification {
    ($($P:ident)*) => {
        impl<E: Float, C: ConstDim, $($P: ConstDim),*> Metric<(C, $($P,)*), Labels<C, ($($P,)*)>, E> for Classification {
            counted!(this => this, fn add(&mut self, outputs: &[E], targets: &[usize]) {
                let places = <($($P,)*) as dfdx::shapes::ConstShape>::NUMEL;
                self.add_scores(outputs, targets, [C::SIZE, places]);
            });
        }
    };
}
classification!();
classification!(A);
classification!(A B);
classification!(A B F);

impl<E: Float, S: Plain> Metric<S, Values<S>, E> for Classification {
    counted!(this => this, fn add(&mut self, outputs: &[E], targets: &[E]) {
        self.begin(2, true);
        for (&logit, &target) in outputs.iter().zip(targets) {
            self.matrix.add(usize::from(target > E::of(0.5)), usize::from(logit > E::zero()));
        }
    });
}

/// A metric of the tokens of sequences; [`Classification::of_tokens`] makes it.
#[derive(Clone, Debug)]
pub struct OfTokens(Classification);

impl OfTokens {
    /// What it is computed from.
    pub fn matrix(&self) -> &ConfusionMatrix {
        &self.0.matrix
    }
}

impl<E: Float, Tokens: ConstDim, C: ConstDim> Metric<(Tokens, C), Labels<C, (Tokens,)>, E> for OfTokens {
    counted!(this => this.0, fn add(&mut self, outputs: &[E], targets: &[usize]) {
        self.0.add_scores(outputs, targets, [C::SIZE, 1]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use dfdx::shapes::{Rank1, Rank2, Rank3};

    fn value<O: Plain, T: crate::data::Target, M: Metric<O, T>>(mut metric: M, outputs: &[f32], targets: &[T::Number<f32>]) -> f64 {
        metric.add(outputs, targets);
        metric.value()
    }

    #[test]
    fn classes_are_the_first_dimension_of_images_and_the_last_of_tokens() {
        // Two classes, three places: read as 1, 0, 1.
        let by_class = [0.0, 2.0, 0.0, 1.0, 1.0, 1.0];
        let by_token = [0.0, 1.0, 2.0, 1.0, 0.0, 1.0];
        type Places = Labels<dfdx::shapes::Const<2>, Rank1<3>>;
        assert_eq!(value::<Rank2<2, 3>, Places, _>(accuracy(), &by_class, &[1, 0, 0]), 2.0 / 3.0);
        assert_eq!(value::<Rank2<3, 2>, Places, _>(accuracy().of_tokens(), &by_token, &[1, 0, 0]), 2.0 / 3.0);
    }

    /// A mask of two images: 3 right yes, 1 wrong yes, 1 missed yes.
    #[test]
    fn of_yes_and_no_yes_counts() {
        let (logits, mask) = ([1.0, 2.0, 3.0, 4.0, -1.0, -2.0], [1.0, 1.0, 1.0, 0.0, 1.0, 0.0]);
        let of = |metric: Classification| value::<Rank3<1, 1, 3>, Values<Rank3<1, 1, 3>>, _>(metric, &logits, &mask);
        assert_eq!((of(iou()), of(precision()), of(recall()), of(f1())), (0.6, 0.75, 0.75, 0.75));
        assert_eq!(of(accuracy()), 4.0 / 6.0);
    }

    #[test]
    fn a_score_that_is_no_number_is_not_read() {
        assert_eq!(value::<Rank1<3>, crate::data::Class<3>, _>(accuracy(), &[f32::NAN, 0.0, 1.0], &[2]), 1.0);
    }
}
