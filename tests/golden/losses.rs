//! Losses: the value and its gradient, of outputs that a network without layers passes on.
//!
//! The static lowering calls a loss on plain numbers, the portable one writes it on dfdx's tape: both forms are checked.

use super::family::{Family, Subject};
use super::reference::{Comparison, Given, Golden};
use core::marker::PhantomData;
use formwork::data::Target;
use formwork::engine::Engine;
use formwork::prelude::*;

/// A kind of target that can be read from a case.
pub trait Stored: Target {
    /// The targets of a case.
    fn stored<E: Float>(golden: &Golden) -> Vec<Self::Number<E>>;
}

impl<C: ConstDim, S: Plain> Stored for Labels<C, S> {
    fn stored<E: Float>(golden: &Golden) -> Vec<usize> {
        golden.classes("target")
    }
}

impl<S: Plain> Stored for Values<S> {
    fn stored<E: Float>(golden: &Golden) -> Vec<E> {
        golden.numbers("target")
    }
}

/// A loss between outputs `O` and targets `T`.
struct Criterion<O, T, L> {
    loss: L,
    shapes: PhantomData<fn() -> (O, T)>,
}

impl<O: Given, T: Stored, L: Loss<O, T>> Subject for Criterion<O, T, L> {
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error> {
        let data = Dataset::<O, T, E>::new(O::given(golden, "input"), T::stored(golden))?;
        let mut model = Model::<Net<(), O, O>, E, D, G>::try_new(device, 0, Scheme::default())?;
        comparison.tensor("loss", &[model.evaluate(&data, &self.loss)?]);
        let gradients = model.gradients(&data.all(), &self.loss)?;
        comparison.tensor("loss", &[gradients.loss]);
        comparison.tensor("dinput", &gradients.inputs);
        Ok(())
    }
}

impl Family {
    fn loss<O: Given, T: Stored>(&mut self, name: &str, loss: impl Loss<O, T>) {
        assert_eq!(&Golden::open(name).shape("input")[1..], O::PARTS.x.sizes());
        self.criterion(name, loss);
    }

    /// For samples that are several rows of the case.
    fn rows<O: Given, T: Stored>(&mut self, name: &str, loss: impl Loss<O, T>) {
        assert_eq!(Golden::open(name).shape("input")[1..], O::PARTS.x.sizes()[1..]);
        self.criterion(name, loss);
    }

    fn criterion<O: Given, T: Stored>(&mut self, name: &str, loss: impl Loss<O, T>) {
        self.check(name, &Criterion { loss, shapes: PhantomData::<fn() -> (O, T)> });
    }
}

/// ```python
/// loss = torch.nn.functional.cross_entropy(input, target, label_smoothing=label_smoothing)
/// loss.backward()
/// ```
pub fn cross_entropy(family: &mut Family) {
    let smooth = |share| CrossEntropy::default().label_smoothing(share);
    family.loss::<Rank1<5>, Class<5>>("crossentropy_index", CrossEntropy::default());
    family.loss::<Rank1<2>, Class<2>>("crossentropy_binary", CrossEntropy::default());
    family.loss::<Rank1<7>, Class<7>>("crossentropy_one_sample", CrossEntropy::default());
    family.loss::<Rank3<3, 3, 4>, Labels<Const<3>, Rank2<3, 4>>>("crossentropy_spatial", CrossEntropy::default());
    family.loss::<Rank1<4>, Class<4>>("crossentropy_smooth0.1", smooth(0.1));
    family.loss::<Rank3<4, 2, 3>, Labels<Const<4>, Rank2<2, 3>>>("crossentropy_smooth0.3_spatial", smooth(0.3));
    family.loss::<Rank1<4>, Values<Rank1<4>>>("crossentropy_soft", CrossEntropy::default());
    family.loss::<Rank1<3>, Values<Rank1<3>>>("crossentropy_soft_smooth0.2", smooth(0.2));
    family.loss::<Rank1<3>, Class<3>>("crossentropy_extreme", CrossEntropy::default());
    // Rows as the tokens of fewer samples: the mean over all of them is the same.
    let tokens = TokenCrossEntropy::default();
    family.rows::<Rank2<3, 5>, Labels<Const<5>, Rank1<3>>>("crossentropy_index", tokens);
    family.rows::<Rank2<1, 7>, Labels<Const<7>, Rank1<1>>>("crossentropy_one_sample", tokens);
    family.rows::<Rank2<5, 4>, Labels<Const<4>, Rank1<5>>>("crossentropy_smooth0.1", tokens.label_smoothing(0.1));
    family.rows::<Rank2<2, 3>, Labels<Const<3>, Rank1<2>>>("crossentropy_extreme", tokens);
}

/// ```python
/// loss = torch.nn.functional.mse_loss(input, target)
/// loss.backward()
/// ```
pub fn mse(family: &mut Family) {
    family.loss::<Rank1<3>, Values<Rank1<3>>>("mse_4x3", Mse);
    family.loss::<Rank3<1, 4, 5>, Values<Rank3<1, 4, 5>>>("mse_image", Mse);
    family.loss::<Rank1<1>, Values<Rank1<1>>>("mse_1", Mse);
}

/// ```python
/// loss = torch.nn.functional.binary_cross_entropy_with_logits(input, target)
/// loss.backward()
/// ```
pub fn bce_with_logits(family: &mut Family) {
    family.loss::<Rank1<1>, Values<Rank1<1>>>("bcelogits_hard", BceWithLogits);
    family.loss::<Rank1<3>, Values<Rank1<3>>>("bcelogits_soft", BceWithLogits);
    family.loss::<Rank3<1, 3, 4>, Values<Rank3<1, 3, 4>>>("bcelogits_image", BceWithLogits);
    family.loss::<Rank1<9>, Values<Rank1<9>>>("bcelogits_extreme", BceWithLogits);
}

/// ```python
/// loss = torch.nn.functional.l1_loss(input, target)
/// loss.backward()
/// ```
pub fn l1(family: &mut Family) {
    family.loss::<Rank1<3>, Values<Rank1<3>>>("l1_4x3", L1);
    family.loss::<Rank3<1, 4, 5>, Values<Rank3<1, 4, 5>>>("l1_image", L1);
    family.loss::<Rank1<1>, Values<Rank1<1>>>("l1_1", L1);
}

/// ```python
/// loss = torch.nn.functional.huber_loss(input, target, delta=delta)
/// loss.backward()
/// ```
pub fn huber(family: &mut Family) {
    family.loss::<Rank1<4>, Values<Rank1<4>>>("huber_delta1", Huber::default());
    family.loss::<Rank1<6>, Values<Rank1<6>>>("huber_delta0.5", Huber::new(0.5));
}

/// ```python
/// loss = torch.nn.functional.kl_div(input, target, reduction=reduction, log_target=log_target)
/// loss.backward()
/// ```
pub fn kl_div(family: &mut Family) {
    family.loss::<Rank1<5>, Values<Rank1<5>>>("kldiv_mean", KlDiv::default());
    family.loss::<Rank1<5>, Values<Rank1<5>>>("kldiv_batchmean", KlDiv::default().batch_mean());
    family.loss::<Rank1<4>, Values<Rank1<4>>>("kldiv_zeros", KlDiv::default().batch_mean());
    family.loss::<Rank1<5>, Values<Rank1<5>>>("kldiv_log_target", KlDiv::default().log_target());
}
