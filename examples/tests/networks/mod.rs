//! The networks of all examples, for the tests of this package.

#![allow(dead_code, reason = "a test of networks has no use for the rest of an example")]

use formwork::prelude::Network;

#[path = "../../attention.rs"]
pub mod attention;
#[path = "../../cnn_mnist.rs"]
pub mod cnn_mnist;
#[path = "../../csv.rs"]
pub mod csv;
#[path = "../../dfdx.rs"]
pub mod dfdx;
#[path = "../../digits.rs"]
pub mod digits;
#[path = "../../embedded.rs"]
pub mod embedded;
#[cfg(feature = "images")]
#[path = "../../folders.rs"]
pub mod folders;
#[path = "../../logistic.rs"]
pub mod logistic;
#[path = "../../lstm.rs"]
pub mod lstm;
#[path = "../../transformer.rs"]
pub mod transformer;
#[path = "../../unet.rs"]
pub mod unet;
#[path = "../../vanishing.rs"]
pub mod vanishing;
#[path = "../../vit.rs"]
pub mod vit;

/// What is done with each network.
pub trait Visitor {
    /// Looks at a network, whose name is that of its example and its own: `lstm_reader`.
    fn visit<N: Network>(&mut self, name: &'static str);
}

/// Shows the networks of the examples to a visitor, all of which can be exported.
pub fn visit(visitor: &mut impl Visitor) {
    visitor.visit::<attention::Reverser>("attention_reverser");
    visitor.visit::<cnn_mnist::Reader>("cnn_mnist_reader");
    visitor.visit::<csv::Grower>("csv_grower");
    visitor.visit::<dfdx::Eye>("dfdx_eye");
    visitor.visit::<digits::Reader>("digits_reader");
    visitor.visit::<embedded::Reader>("embedded_reader");
    #[cfg(feature = "images")]
    visitor.visit::<folders::Reader>("folders_reader");
    visitor.visit::<logistic::LogOdds>("logistic_log_odds");
    visitor.visit::<lstm::AddingLstm>("lstm_adding_lstm");
    visitor.visit::<lstm::AddingRnn>("lstm_adding_rnn");
    visitor.visit::<lstm::Reader>("lstm_reader");
    visitor.visit::<lstm::Writer>("lstm_writer");
    visitor.visit::<transformer::Writer>("transformer_writer");
    visitor.visit::<unet::UNet>("unet_unet");
    visitor.visit::<unet::Upscaler>("unet_upscaler");
    visitor.visit::<vanishing::Sigmoids>("vanishing_sigmoids");
    visitor.visit::<vanishing::Relus>("vanishing_relus");
    visitor.visit::<vanishing::Normalized>("vanishing_normalized");
    visitor.visit::<vanishing::Skips>("vanishing_skips");
    visitor.visit::<vit::Reader>("vit_reader");
}

/// Shows the others to a visitor: a layer that is a module of dfdx has parameters with names, but no nodes of ONNX.
pub fn visit_modules(visitor: &mut impl Visitor) {
    visitor.visit::<dfdx::Reader>("dfdx_reader");
}
