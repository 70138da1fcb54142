//! One sample at a time, in several threads at once.

use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;
use formwork::data::digits;
use formwork::layers::custom::{CustomSpec, Dims, Meaning, Site, Var};
use formwork::prelude::*;
use std::sync::Barrier;

#[network([1, 8, 8] => [10])]
type Reader = (
    Conv2d<1, 8, 3, 1, 1>,
    BatchNorm2d<8>,
    Relu,
    SkipConcat<(MaxPool2d<2>, Conv2d<8, 4, 1>, Upsample2d<2>)>,
    MaxPool2d<2>,
    Flatten,
    Dropout<25>,
    Linear<192, 10>,
);

#[test]
fn a_predictor_says_what_the_model_says_bit_for_bit() {
    let data = digits::load().unwrap();
    let mut model = Model::<Reader>::new(0);
    let batch = data.shuffled(50, 0).next().unwrap();
    model.train(&batch, &CrossEntropy::default(), &mut Adam::new(0.01)).unwrap();
    let mut predictor = model.predictor();
    let (mut scores, before) = ([0.0; 10], model.parameters());
    for i in 0..20 {
        predictor.run(data.input(i), &mut scores).unwrap();
        let sample = Dataset::<Rank3<1, 8, 8>, Class<10>>::new(data.input(i).to_vec(), vec![0]).unwrap();
        assert_eq!(scores.as_slice(), model.predict(&sample.all()).unwrap(), "sample {i}");
    }
    // It is what the model was, and not what it becomes.
    model.train(&batch, &CrossEntropy::default(), &mut Adam::new(0.01)).unwrap();
    assert_ne!(before, model.parameters());
    let mut again = [0.0; 10];
    predictor.run(data.input(19), &mut again).unwrap();
    assert_eq!(scores, again);
}

#[test]
fn threads_that_share_a_model_read_the_same() {
    let data = digits::load().unwrap();
    let model = Model::<Reader, f32, Cpu>::new(0);
    let expected = model.predict(&data.all()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (model, data, expected) = (&model, &data, &expected);
            let mut predictor = model.predictor();
            scope.spawn(move || {
                for i in (thread..400).step_by(4) {
                    let sample = Dataset::<Rank3<1, 8, 8>, Class<10>>::new(data.input(i).to_vec(), vec![0]).unwrap();
                    assert_eq!(model.predict(&sample.all()).unwrap(), expected[10 * i..10 * i + 10], "sample {i}");
                    let mut scores = [0.0; 10];
                    predictor.run(data.input(i), &mut scores).unwrap();
                    assert_eq!(scores.as_slice(), &expected[10 * i..10 * i + 10], "sample {i}");
                }
                assert_eq!(&model.predict(&data.all()).unwrap(), expected);
            });
        }
    });
}

/// A layer in which two threads meet: one that waited for the other to be through would wait for ever.
struct Meeting;

impl Layer for Meeting {
    const SPEC: &'static Spec =
        &Spec::custom(CustomSpec { name: "Meeting", args: &[], rule: formwork::rule!([d] => [d]), params: &[], meaning: &WaitForAnother });
}

struct WaitForAnother;

static BOTH: Barrier = Barrier::new(2);

impl Meaning for WaitForAnother {
    fn forward<E: Float, D: Device<E>, T: Tape<E, D>>(&self, _: &Site<'_, E, D, T>, x: Var<E, D, T>, _: Dims) -> Result<Var<E, D, T>, D::Err> {
        BOTH.wait();
        Ok(x)
    }
}

#[test]
fn clones_do_not_wait_for_one_another() {
    let predictor = Model::<Net<Meeting, Rank1<3>, Rank1<3>>>::new(0).predictor();
    let threads = [1.0, 2.0].map(|number: f32| {
        let mut predictor = predictor.clone();
        std::thread::spawn(move || {
            let mut output = [0.0; 3];
            predictor.run(&[number; 3], &mut output).map(|()| output)
        })
    });
    assert_eq!(threads.map(|thread| thread.join().unwrap().unwrap()), [[1.0; 3], [2.0; 3]]);
}

#[network({ x: [ids < 20; 6], memory: [9, 4] } => [6, 8])]
type Translator = (Embedding<20, 8>, Residual<generic::CrossAttention<Const<8>, Const<2>, Const<4>>>);

#[test]
fn what_does_not_fit_is_an_error_that_names_it() {
    let mut predictor = Model::<Translator>::new(0).predictor();
    let (mut input, mut output) = ([1.0; 6 + 36], [0.0; 48]);
    assert!(predictor.run(&input, &mut output).is_ok());
    let mut error = |input: &[f32], output: &mut [f32]| predictor.run(input, output).unwrap_err().to_string();
    assert_eq!(error(&input[..41], &mut output), "input numbers: expected 42, given 41");
    assert_eq!(error(&input, &mut output[..47]), "output numbers: expected 48, given 47");
    input[41] = f32::NAN;
    assert_eq!(error(&input, &mut output), "sample 0: expected a finite number, given NaN");
    input[41] = 300.0;
    input[5] = 20.0;
    assert_eq!(error(&input, &mut output), "sample 0: expected an id below 20, given 20");
    input[5] = -1.0;
    assert_eq!(error(&input, &mut output), "a token id: expected a whole number, not below zero, given -1");
    input[5] = 1.5;
    assert_eq!(error(&input, &mut output), "a token id: expected a whole number, not below zero, given 1.5");
}

#[test]
fn bytes_that_are_no_file_of_this_network_are_errors() {
    type Line = Net<Linear<3, 2>, Rank1<3>, Rank1<2>>;
    let bytes = Model::<Line>::new(3).to_bytes();
    assert_eq!(Model::<Line>::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    let error = |bytes: &[u8]| Model::<Line>::from_bytes(bytes).unwrap_err().to_string();
    assert!(error(&bytes[..bytes.len() - 1]).starts_with("bytes: not a whole safetensors file: "));
    let other = Model::<Net<Linear<4, 2>, Rank1<4>, Rank1<2>>>::new(3).to_bytes();
    assert_eq!(error(&other), "bytes: these are not the parameters of Net:\n  weight: expected [2, 3], given [2, 4]");
}
