//! Layers, losses, optimizers and whole models against numbers that PyTorch computed; `golden/README.md` says what they
//! are.
//!
//! Every case runs on both lowerings and in both precisions, with the tolerances of its entry in `golden/index.json`.
//! A tolerance is never loosened here.

#[path = "golden/attention.rs"]
mod attention;
#[path = "golden/batch_norm.rs"]
mod batch_norm;
#[path = "golden/family.rs"]
mod family;
#[path = "golden/filters.rs"]
mod filters;
#[cfg(feature = "cuda")]
#[path = "cuda/gpu.rs"]
mod gpu;
#[path = "golden/layers.rs"]
mod layers;
#[path = "golden/losses.rs"]
mod losses;
#[path = "golden/models.rs"]
mod models;
#[path = "golden/optimizers.rs"]
mod optimizers;
#[path = "golden/recurrent.rs"]
mod recurrent;
#[path = "golden/reference.rs"]
mod reference;
#[path = "golden/regression.rs"]
mod regression;

use family::Family;
use reference::{Golden, cases, files};
use std::collections::BTreeSet;

/// One test for each kind of case, and the list of the kinds.
macro_rules! tests {
    ($($test:ident: $kind:literal => $cases:path;)*) => {
        $(
            #[test]
            fn $test() {
                Family::test($kind, $cases);
            }
        )*

        const KINDS: &[&str] = &[$($kind),*];
    };
}

tests! {
    linear: "Linear" => layers::linear;
    conv2d: "Conv2d" => layers::conv2d;
    conv1d: "Conv1d" => layers::conv1d;
    conv_transpose2d: "ConvTranspose2d" => layers::conv_transpose2d;
    upsample: "Upsample" => layers::upsample;
    max_pool2d: "MaxPool2d" => layers::max_pool2d;
    avg_pool2d: "AvgPool2d" => layers::avg_pool2d;
    adaptive_avg_pool2d: "AdaptiveAvgPool2d" => layers::adaptive_avg_pool2d;
    batch_norm1d: "BatchNorm1d" => batch_norm::batch_norm1d;
    batch_norm2d: "BatchNorm2d" => batch_norm::batch_norm2d;
    relu: "ReLU" => layers::relu;
    leaky_relu: "LeakyReLU" => layers::leaky_relu;
    sigmoid: "Sigmoid" => layers::sigmoid;
    tanh: "Tanh" => layers::tanh;
    gelu: "GELU" => layers::gelu;
    silu: "SiLU" => layers::silu;
    softmax: "Softmax" => layers::softmax;
    log_softmax: "LogSoftmax" => layers::log_softmax;
    layer_norm: "LayerNorm" => layers::layer_norm;
    group_norm: "GroupNorm" => layers::group_norm;
    rnn: "RNN" => recurrent::rnn;
    lstm: "LSTM" => recurrent::lstm;
    gru: "GRU" => recurrent::gru;
    scaled_dot_product: "ScaledDotProductAttention" => attention::scaled_dot_product;
    transformer_encoder_layer: "TransformerEncoderLayer" => attention::encoder_layer;
    transformer_decoder_layer: "TransformerDecoderLayer" => attention::decoder_layer;
    transformer_classifier: "TransformerClassifier" => models::transformer_classifier;
    multihead_attention: "MultiheadAttention" => attention::multihead;
    cross_entropy: "CrossEntropyLoss" => losses::cross_entropy;
    mse: "MSELoss" => losses::mse;
    bce_with_logits: "BCEWithLogitsLoss" => losses::bce_with_logits;
    l1: "L1Loss" => losses::l1;
    huber: "HuberLoss" => losses::huber;
    kl_div: "KLDivLoss" => losses::kl_div;
    sgd: "SGD" => optimizers::sgd;
    adam: "Adam" => optimizers::adam;
    adamw: "AdamW" => optimizers::adamw;
    adagrad: "Adagrad" => optimizers::adagrad;
    rmsprop: "RMSprop" => optimizers::rmsprop;
    clip_norm: "ClipGradNorm" => optimizers::clip_norm;
    clip_value: "ClipGradValue" => optimizers::clip_value;
    step_lr: "StepLR" => optimizers::step_lr;
    exponential_lr: "ExponentialLR" => optimizers::exponential_lr;
    cosine_annealing_lr: "CosineAnnealingLR" => optimizers::cosine_annealing_lr;
    linear_lr: "LinearLR" => optimizers::linear_lr;
    lambda_lr: "LambdaLR" => optimizers::lambda_lr;
    ridge: "Ridge" => regression::ridge;
    lasso: "Lasso" => regression::lasso;
    logistic: "LogisticRegression" => regression::logistic;
    image_filter: "ImageFilter" => filters::image_filter;
    mlp: "MLP" => models::mlp;
    lenet: "LeNet" => models::lenet;
    unet: "UNet" => models::unet;
    embedding: "Embedding" => layers::embedding;
    lstm_classifier: "LSTMClassifier" => models::lstm_classifier;
}

/// That no case of a kind is forgotten is checked by the test of the kind.
#[test]
fn every_kind_of_the_index_has_a_test() {
    let tested: BTreeSet<&str> = KINDS.iter().copied().collect();
    let indexed: BTreeSet<&str> = cases().iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(tested, indexed);
}

#[test]
fn every_file_is_in_the_index() {
    let indexed: BTreeSet<String> = cases().iter().map(|case| case.name.clone()).collect();
    assert_eq!(indexed.len(), cases().len(), "two cases have the same name");
    assert_eq!(files(), indexed);
}

/// What a comparison with the outputs of `linear_3x5_b7` says, when they are replaced by `outputs`.
fn faults(outputs: impl Fn(Vec<f64>) -> Vec<f64>) -> String {
    let golden = Golden::open("linear_3x5_b7");
    let mut comparison = golden.compare("by hand");
    for name in ["y", "dx", "dweight", "dbias"] {
        let numbers = golden.numbers(name);
        comparison.tensor(name, &if name == "y" { outputs(numbers) } else { numbers });
    }
    comparison.faults().join("\n")
}

#[test]
fn a_comparison_accepts_what_is_within_the_tolerance() {
    assert_eq!(faults(|y| y), "");
    assert_eq!(faults(|y| y.iter().map(|y| y * (1.0 + 1e-11)).collect()), "");
}

#[test]
fn a_comparison_finds_each_kind_of_fault() {
    let with_first = |first: fn(f64) -> f64| {
        move |mut y: Vec<f64>| {
            y[0] = first(y[0]);
            y
        }
    };
    assert!(faults(with_first(|y| y + 1e-8)).contains("y[0]: expected"));
    assert!(faults(with_first(|_| f64::NAN)).contains("given NaN"));
    assert!(faults(with_first(|_| f64::INFINITY)).contains("given inf"));
    assert!(faults(|y| y[1..].to_vec()).contains("y: expected 35 numbers, given 34"));
}

#[test]
fn a_comparison_misses_what_was_not_compared() {
    let golden = Golden::open("linear_3x5_b7");
    let mut comparison = golden.compare("by hand");
    comparison.tensor("y", &golden.numbers::<f64>("y"));
    assert_eq!(comparison.faults().len(), 3);
}

#[cfg(feature = "cuda")]
#[test]
fn all_of_it_on_a_driver_that_pretends() {
    gpu::all_tests_pretended();
}
