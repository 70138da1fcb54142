//! A network that is shown a sequence position by position says of each what it says when it sees the sequence at once.

use formwork::prelude::*;

const T: usize = 7;
const V: usize = 11;

fn agrees<N: Network<Input = Ids<V, Rank1<T>>, Output = Rank2<T, V>>>() {
    let model = Model::<N, f64, Cpu>::new(3);
    let ids: [usize; T] = [4, 0, 10, 10, 3, 7, 1];
    let whole = model.forward(model.device().tensor([ids])).as_vec(); // [1, T, V]
    let mut stream = model.stream();
    for _ in 0..2 {
        for (&id, expected) in ids.iter().zip(whole.chunks_exact(V)) {
            let given = stream.next(vec![id]).unwrap();
            let off = given.iter().zip(expected).map(|(given, expected)| (given - expected).abs()).fold(0.0, f64::max);
            assert!(off < 1e-12, "{}: off by {off}", N::NAME);
        }
        assert!(stream.is_full());
        stream.reset();
    }
}

#[network([ids < V; T] => [T, V])]
type Gpt = (
    Embedding<V, 8>,
    LearnedPositions<T, 8>,
    Repeat<TransformerEncoderLayer<8, 2, 12, PreNorm, Gelu, Causal, Dropout<10>>, 2>,
    LayerNorm<8>,
    Linear<8, V>,
);

#[network([ids < V; T] => [T, V])]
type PostNormGpt = Tied<
    Embedding<V, 8>,
    (SqrtScale<8>, SinusoidalPositions, RepeatShared<TransformerEncoderLayer<8, 4, 12, PostNorm, Relu, Causal>, 2>),
    NoBias<Linear<8, V>>,
>;

#[network([ids < V; T] => [T, V])]
type StackedLstm = (Embedding<V, 5>, Lstm<5, 6, 2>, Tanh, Linear<6, V>);

#[network([ids < V; T] => [T, V])]
type Mixed = (Embedding<V, 6>, Residual<(Gru<6, 6>, Silu)>, NoBias<Rnn<6, 6>>, CausalSelfAttention<6, 3>, Linear<6, V>, LogSoftmax);

#[test]
fn a_transformer_that_keeps_keys_and_values() {
    agrees::<Gpt>();
    agrees::<PostNormGpt>();
}

#[test]
fn recurrent_layers_that_keep_their_states() {
    agrees::<StackedLstm>();
    agrees::<Mixed>();
}

#[network([T, 3] => [T, 2])]
type Signal = (Lstm<3, 4>, Linear<4, 2>);

#[test]
fn a_signal_of_numbers() {
    let model = Model::<Signal, f64, Cpu>::new(1);
    let numbers: Vec<f64> = (0..T * 3).map(|i| (i as f64).sin()).collect();
    let whole = model.forward(model.device().tensor_from_vec(numbers.clone(), (Const::<1>, Const::<T>, Const::<3>))).as_vec();
    let mut stream = model.stream();
    let given: Vec<f64> = numbers.chunks_exact(3).flat_map(|x| stream.next(x.to_vec()).unwrap()).collect();
    assert!(given.iter().zip(&whole).all(|(given, expected)| (given - expected).abs() < 1e-12));
}

#[test]
fn what_is_no_next_position_is_an_error() {
    let mut stream = Model::<Gpt>::new(0).stream();
    assert_eq!(stream.next(vec![V]).unwrap_err().to_string(), "sample 0: expected an id below 11, given 11");
    assert_eq!(stream.next(vec![1, 2]).unwrap_err().to_string(), "input ids: expected 1, given 2");
    for _ in 0..T {
        stream.next(vec![1]).unwrap();
    }
    assert_eq!(stream.next(vec![1]).unwrap_err().to_string(), "positions of a sequence: expected 7, given 8");
}
