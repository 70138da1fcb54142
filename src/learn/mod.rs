//! Learning: losses, optimizers and how weights begin.

mod adam;
mod bce;
mod cross_entropy;
pub mod init;
mod loss;
mod mse;
mod optimizer;
mod sgd;

pub use adam::Adam;
pub use bce::BceWithLogits;
pub use cross_entropy::CrossEntropy;
pub use init::Scheme;
pub use loss::Loss;
pub(crate) use loss::{Bound, ByTape};
pub use mse::Mse;
pub use optimizer::Optimizer;
pub use sgd::Sgd;
