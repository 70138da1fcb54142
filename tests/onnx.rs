//! Every layer as an ONNX file: onnxruntime says what formwork says.
//!
//! onnxruntime is that of the Python that `FORMWORK_PYTHON` names, or else of `python3`, if it has one.

#![cfg(feature = "onnx")]

#[path = "every_layer/mod.rs"]
mod every_layer;
#[path = "onnxruntime/mod.rs"]
mod onnxruntime;

use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;
use every_layer::{Jitter, each_layer, each_network, missing};
use formwork::layers::custom::*;
use formwork::layers::filter::*;
use formwork::prelude::*;
use onnxruntime::Cases;

/// Adds a network for each layer, and lists them.
macro_rules! export_layers {
    ($($name:ident: $Layer:ty, [$($i:literal),*] => [$($o:literal),*];)*) => {
        fn add_layers(cases: &mut Cases) {
            $(cases.add::<Net<$Layer, ($(Const<$i>,)*), ($(Const<$o>,)*)>, f32>(stringify!($name));)*
        }

        const LAYERS: &[&Spec] = &[$(<$Layer as Layer>::SPEC),*];
    };
}
each_layer!(export_layers);

macro_rules! export_networks {
    ($($name:ident: $Layer:ty, $input:tt => $output:tt;)*) => {
        fn add_networks(cases: &mut Cases) {
            $({
                #[network($input => $output)]
                type Subject = $Layer;
                cases.add::<Subject, f32>(stringify!($name));
            })*
        }

        const NETWORKS: &[&Spec] = &[$(<$Layer as Layer>::SPEC),*];
    };
}
each_network!(export_networks);

#[test]
fn onnxruntime_says_the_same() {
    let mut cases = Cases::new();
    add_layers(&mut cases);
    add_networks(&mut cases);
    cases.check();
}

#[test]
fn no_layer_is_left_out() {
    assert_eq!(missing(LAYERS.iter().chain(NETWORKS)), [""; 0]);
}

/// In double precision too, as far as onnxruntime has it.
#[test]
fn numbers_of_f64_stay_so() {
    type Mlp = (Linear<6, 8>, BatchNorm1d<8>, Relu, Scale<1, 3>, Linear<8, 6>, Tanh, Softmax);
    #[network({ x: [ids < 9; 5], padding: [5] } => [3])]
    type Sentence = (Embedding<9, 8>, SinusoidalPositions, TransformerEncoderLayer<8, 2, 6, PreNorm, Silu>, MeanOverTime, Linear<8, 3>);
    let mut cases = Cases::new();
    cases.add::<Net<Mlp, Rank1<6>, Rank1<6>>, f64>("mlp");
    cases.add::<Sentence, f64>("sentence");
    cases.add::<Net<(MaxPool2d<2>, GroupNorm<2, 4>, Filter<Zeros, Mean<3>>, AdaptiveAvgPool2d<2>), Rank3<4, 6, 6>, Rank3<4, 2, 2>>, f64>("image");
    cases.check();
}

#[test]
fn what_cannot_be_said_names_the_layer() {
    #[network([8, 3] => [2])]
    struct Tagger {
        body: Residual<Gru<3, 3>>,
        pool: LastStep,
        fc: Linear<3, 2>,
    }
    let error = Model::<Tagger, f64>::new(0).onnx().unwrap_err().to_string();
    assert_eq!(error, "Tagger: layer body Gru<3, 3> has no ONNX form: onnxruntime has no GRU for f64; a model of f32 can be exported");
    #[network([5, 3] => [5, 3])]
    type Own = (Linear<3, 3>, Plain<3>);
    let error = Model::<Own>::new(0).onnx().unwrap_err().to_string();
    assert_eq!(error, "Own: layer 1 Plain<3> has no ONNX form: its `Meaning` has no function `onnx`");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    type Line = Net<Linear<3, 2>, Rank1<3>, Rank1<2>>;
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no folder").join("line.onnx");
    let error = Model::<Line>::new(0).export_onnx(&nowhere).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
    Model::<Line>::new(0).export_onnx(folder.path().join("line.onnx")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A layer of one's own that says nothing of ONNX.
struct Plain<const D: usize>;

impl<const D: usize> Layer for Plain<D> {
    const SPEC: &'static Spec =
        &Spec::custom(CustomSpec { name: "Plain", args: &[D], rule: formwork::rule!([t, d] => [t, d]), params: &[], meaning: &Same });
}

struct Same;

impl Meaning for Same {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, _: &Site<'_, E, D, T>, x: Var<E, D, T>, _: Dims) -> Result<Var<E, D, T>, D::Err> {
        Ok(x)
    }
}
