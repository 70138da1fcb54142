//! Learning: losses, optimizers and how weights begin.

mod adagrad;
mod adam;
mod adjust;
mod bce;
mod clip;
mod cross_entropy;
mod huber;
pub mod init;
mod kl_div;
mod l1;
mod loss;
mod mse;
mod optimizer;
mod penalty;
mod pointwise;
mod rmsprop;
mod schedule;
mod sgd;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use adjust::{Adjusted, Adjustment};
pub use bce::BceWithLogits;
pub use clip::{ClipNorm, ClipValue};
pub use cross_entropy::{CrossEntropy, TokenCrossEntropy};
pub use huber::Huber;
pub use init::Scheme;
pub use kl_div::KlDiv;
pub use l1::L1;
pub use loss::Loss;
pub(crate) use loss::{Bound, ByTape};
pub use mse::Mse;
pub use optimizer::{LearningRate, Optimizer};
pub use penalty::Penalty;
pub use rmsprop::RmsProp;
pub use schedule::{CosineAnnealingLr, ExponentialLr, LinearLr, OneCycleLr, Schedule, Scheduled, StepLr, WarmUp};
pub use sgd::Sgd;
