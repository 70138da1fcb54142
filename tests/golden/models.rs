//! Whole models: a forward pass, the loss and all its gradients, then three steps of Adam.

use super::family::{Family, Subject};
use super::losses::Stored;
use super::optimizers::{AdamHyper, Hyper};
use super::reference::{Comparison, Given, Golden};
use core::marker::PhantomData;
use core::ops::Range;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::Device;
use formwork::data::Target;
use formwork::engine::{Engine, Flat};
use formwork::prelude::*;
use safetensors::Dtype;
use serde::Deserialize;
use std::sync::Mutex;

#[derive(Deserialize)]
struct Training {
    steps: usize,
    #[serde(flatten)]
    adam: AdamHyper,
}

/// The part of a bias that is added to keys, if the parameter is such a bias of `numel` numbers. It changes all scores of a query
/// alike, so its gradient is zero, and Adam makes steps of whatever rounding leaves there: that is left out in `f32`.
fn bias_of_keys(name: &str, numel: usize) -> Option<Range<usize>> {
    name.ends_with("in_proj_bias").then_some(numel / 3..numel / 3 * 2)
}

/// A network, the loss it is trained with, and the names its parameters have in the case.
struct Trained<N, T, L> {
    loss: L,
    names: Vec<String>,
    network: PhantomData<fn() -> (N, T)>,
}

impl<N: Network<Input: Given>, T: Stored, L: Loss<N::Output, T>> Trained<N, T, L> {
    /// Compares what there is for each parameter: `numbers` are in the order of the flat buffer.
    fn compare_params<E: Float>(&self, golden: &Golden, comparison: &mut Comparison<'_>, prefix: &str, numbers: &[E]) {
        for (param, name) in N::parameters().iter().zip(&self.names) {
            let mut numbers = numbers[param.range()].to_vec();
            if let (Some(keys), "after3.", Dtype::F32) = (bias_of_keys(name, numbers.len()), prefix, E::DTYPE) {
                let expected = golden.numbers(&format!("{prefix}{name}"));
                numbers[keys.clone()].copy_from_slice(&expected[keys]);
            }
            comparison.tensor(&format!("{prefix}{name}"), &numbers);
        }
    }

    fn compare_buffers<E: Float>(&self, comparison: &mut Comparison<'_>, prefix: &str, numbers: &[E]) {
        for buffer in N::buffers() {
            comparison.tensor(&format!("{prefix}{}", buffer.name), &numbers[buffer.range()]);
        }
    }
}

impl<N: Network<Input: Given>, T: Stored, L: Loss<N::Output, T>> Subject for Trained<N, T, L> {
    fn compare<E: Float, D: Backend<E>, G: Engine<E, D>>(&self, device: &D, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error> {
        let batch = MiniBatch::<N::Input, T, E>::new(N::Input::given(golden, "x"), T::stored(golden))?;
        let mut model = Model::<N, E, D, G>::try_new(device, 0, Scheme::default())?;
        model.set_parameters(&golden.flat(&N::parameters(), &self.names))?;
        model.set_buffers(&N::buffers().iter().flat_map(|buffer| golden.numbers::<E>(&buffer.name)).collect::<Vec<E>>())?;

        model.set_threads(1);
        let recorded = Recorded { loss: &self.loss, outputs: Mutex::default() };
        let gradients = model.gradients(&batch, &recorded)?;
        comparison.tensor("y", &recorded.outputs::<E>());
        comparison.tensor("loss", &[gradients.loss]);
        if golden.has("dx") {
            comparison.tensor("dx", &gradients.inputs);
        }
        self.compare_params(golden, comparison, "d", &gradients.parameters);

        let Training { steps, adam } = golden.hyper();
        let mut optimizer = adam.optimizer();
        let mut losses = vec![model.train(&batch, &self.loss, &mut optimizer)?];
        self.compare_buffers(comparison, "after1.", &model.buffers());
        for _ in 1..steps {
            losses.push(model.train(&batch, &self.loss, &mut optimizer)?);
        }
        losses.push(model.gradients(&batch, &self.loss)?.loss);
        comparison.tensor("losses", &losses);
        self.compare_params(golden, comparison, "after3.", &model.parameters());
        self.compare_buffers(comparison, "after3.", &model.buffers());
        comparison.tensor("y_eval_after3", &model.predict(&batch)?);
        Ok(())
    }
}

/// A loss that keeps the outputs that it is given, chunk by chunk: one thread gives them in order.
struct Recorded<'a, L> {
    loss: &'a L,
    outputs: Mutex<Vec<f64>>,
}

impl<L> Recorded<'_, L> {
    fn keep<E: Float>(&self, outputs: &[E]) {
        self.outputs.lock().expect("nothing panics while outputs are kept").extend(outputs.iter().map(|y| y.f64()));
    }

    fn outputs<E: Float>(self) -> Vec<E> {
        self.outputs.into_inner().expect("nothing panics while outputs are kept").into_iter().map(E::of).collect()
    }
}

impl<O: Sample, T: Target, L: Loss<O, T>> Loss<O, T> for Recorded<'_, L> {
    fn part<E: Float>(&self, outputs: &[E], targets: &[T::Number<E>], scale: E, d_outputs: &mut [E]) -> E {
        self.keep(outputs);
        self.loss.part(outputs, targets, scale, d_outputs)
    }

    fn terms(&self) -> usize {
        self.loss.terms()
    }

    fn taped<E: Float, D: Device<E>, Tp: Tape<E, D>>(
        &self,
        outputs: Flat<E, D, Tp>,
        samples: usize,
        targets: &[T::Number<E>],
    ) -> Result<Tensor<Rank0, E, D, Tp>, D::Err> {
        self.keep(&outputs.as_vec());
        self.loss.taped(outputs, samples, targets)
    }
}

impl Family {
    /// `renamed` says what a parameter is called in the case.
    fn model<N: Network<Input: Given>, T: Stored>(&mut self, name: &str, loss: impl Loss<N::Output, T>, renamed: fn(&str) -> String) {
        let names = N::parameters().iter().map(|param| renamed(&param.name)).collect();
        self.check(name, &Trained { loss, names, network: PhantomData::<fn() -> (N, T)> });
    }
}

#[network([6] => [3])]
type Classifier = (Linear<6, 16>, Relu, Linear<16, 12>, Relu, Linear<12, 3>);

#[network([4] => [2])]
type Regression = (Linear<4, 10>, Tanh, Linear<10, 10>, Tanh, Linear<10, 2>);

#[network([5] => [4])]
type GeluClassifier = (Linear<5, 12>, Gelu, Linear<12, 4>);

/// The cases number the linear layers alone; here the activations between them are numbered too.
fn among_linear_layers(name: &str) -> String {
    let (item, param) = name.split_once('.').expect("a parameter of a tuple has a number");
    let item: usize = item.parse().expect("a parameter of a tuple has a number");
    format!("layers.{}.{param}", item / 2)
}

/// ```python
/// class MLP(nn.Module):
///     def __init__(self, sizes, activation):
///         super().__init__()
///         self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
///         self.act = {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}[activation]
///
///     def forward(self, x):
///         for i, l in enumerate(self.layers):
///             x = l(x) if i + 1 == len(self.layers) else self.act(l(x))
///         return x
/// ```
pub fn mlp(family: &mut Family) {
    family.model::<Classifier, Class<3>>("model_mlp_classifier", CrossEntropy::default(), among_linear_layers);
    family.model::<Regression, Values<Rank1<2>>>("model_mlp_regression", Mse, among_linear_layers);
    family.model::<GeluClassifier, Class<4>>("model_mlp_gelu", CrossEntropy::default(), among_linear_layers);
}

#[network([1, 16, 16] => [10])]
struct LeNet {
    conv1: Conv2d<1, 4, 5>,
    relu1: Relu,
    pool1: MaxPool2d<2>,
    conv2: Conv2d<4, 6, 3>,
    relu2: Relu,
    pool2: MaxPool2d<2>,
    flatten: Flatten,
    fc1: Linear<24, 20>,
    relu3: Relu,
    fc2: Linear<20, 10>,
}

#[network([1, 14, 16] => [4])]
struct LeNetAvg {
    conv1: Conv2d<1, 3, 3>,
    relu1: Relu,
    pool1: AvgPool2d<2>,
    conv2: Conv2d<3, 5, 3>,
    relu2: Relu,
    pool2: AvgPool2d<2>,
    flatten: Flatten,
    fc1: Linear<20, 12>,
    relu3: Relu,
    fc2: Linear<12, 4>,
}

/// ```python
/// class LeNet(nn.Module):
///     def __init__(self, cin, c1, c2, k1, k2, flat, hidden, classes, pool):
///         super().__init__()
///         self.conv1 = nn.Conv2d(cin, c1, k1)
///         self.conv2 = nn.Conv2d(c1, c2, k2)
///         self.fc1 = nn.Linear(flat, hidden)
///         self.fc2 = nn.Linear(hidden, classes)
///         self.pool = {"max": F.max_pool2d, "avg": F.avg_pool2d}[pool]
///
///     def forward(self, x):
///         x = self.pool(F.relu(self.conv1(x)), 2)
///         x = self.pool(F.relu(self.conv2(x)), 2)
///         x = torch.flatten(x, 1)
///         return self.fc2(F.relu(self.fc1(x)))
/// ```
pub fn lenet(family: &mut Family) {
    family.model::<LeNet, Class<10>>("model_lenet", CrossEntropy::default(), str::to_owned);
    family.model::<LeNetAvg, Class<4>>("model_lenet_avg", CrossEntropy::default(), str::to_owned);
}

#[derive(Layer)]
struct DoubleConv<const I: usize, const O: usize> {
    conv1: NoBias<Conv2d<I, O, 3, 1, 1>>,
    bn1: BatchNorm2d<O>,
    relu1: Relu,
    conv2: NoBias<Conv2d<O, O, 3, 1, 1>>,
    bn2: BatchNorm2d<O>,
    relu2: Relu,
}

/// The lower level of a U-Net on 4, 8 and 16 channels; `Up` doubles height and width and halves the 16 channels.
#[derive(Layer)]
struct Bottom<Up> {
    pool: MaxPool2d<2>,
    bottom: DoubleConv<8, 16>,
    up2: Up,
}

#[derive(Layer)]
struct Middle<Up2, Up1> {
    pool: MaxPool2d<2>,
    enc2: DoubleConv<4, 8>,
    #[layer(flatten)]
    skip: SkipConcat<Bottom<Up2>>,
    dec2: DoubleConv<16, 8>,
    up1: Up1,
}

#[derive(Layer)]
struct UNet<Up2, Up1> {
    enc1: DoubleConv<1, 4>,
    #[layer(flatten)]
    skip: SkipConcat<Middle<Up2, Up1>>,
    dec1: DoubleConv<8, 4>,
    head: Conv2d<4, 1, 1>,
}

/// The class is the case's `source`: two levels of skips, and transposed convolution or nearest neighbours on the way up.
pub fn unet(family: &mut Family) {
    type Transposed = UNet<ConvTranspose2d<16, 8, 2, 2>, ConvTranspose2d<8, 4, 2, 2>>;
    type Nearest = UNet<(Upsample2d<2>, Conv2d<16, 8, 3, 1, 1>), (Upsample2d<2>, Conv2d<8, 4, 3, 1, 1>)>;
    type Image<const H: usize, const W: usize> = Rank3<1, H, W>;

    family.model::<Net<Transposed, Image<16, 16>, Image<16, 16>>, Values<Image<16, 16>>>("model_unet_transposed", BceWithLogits, str::to_owned);
    family.model::<Net<Nearest, Image<12, 20>, Image<12, 20>>, Values<Image<12, 20>>>("model_unet_nearest", BceWithLogits, str::to_owned);
}

#[network([9, 5] => [3])]
struct LstmClassifier {
    lstm: Last<Lstm<5, 10>>,
    fc: Linear<10, 3>,
}

#[network([ids < 12; 8] => [4])]
struct LstmOfTokens {
    emb: Embedding<12, 6>,
    lstm: Last<Bidirectional<Lstm<6, 7>>>,
    fc: Linear<14, 4>,
}

/// ```python
/// class LSTMClassifier(nn.Module):
///     def __init__(self, vocab, features, hidden, layers, bidirectional, classes):
///         super().__init__()
///         # vocab = 0: x holds real vectors [N,T,features]; else token ids [N,T]
///         self.emb = nn.Embedding(vocab, features) if vocab else None
///         self.lstm = nn.LSTM(features, hidden, num_layers=layers, batch_first=True, bidirectional=bidirectional)
///         self.fc = nn.Linear(hidden * (2 if bidirectional else 1), classes)
///         self.bi = bidirectional
///
///     def forward(self, x):
///         if self.emb is not None:
///             x = self.emb(x)
///         _, (h, _) = self.lstm(x)
///         last = torch.cat([h[-2], h[-1]], 1) if self.bi else h[-1]
///         return self.fc(last)
/// ```
pub fn lstm_classifier(family: &mut Family) {
    family.model::<LstmClassifier, Class<3>>("model_lstm", CrossEntropy::default(), str::to_owned);
    family.model::<LstmOfTokens, Class<4>>("model_lstm_tokens_bi", CrossEntropy::default(), str::to_owned);
}

#[network([ids < 15; 7] => [4])]
struct TokenClassifier {
    emb: Embedding<15, 16>,
    scale: SqrtScale<16>,
    positions: SinusoidalPositions,
    layers: Repeat<TransformerEncoderLayer<16, 4, 32>, 2>,
    pool: MeanOverTime,
    fc: Linear<16, 4>,
}

#[network([9, 5] => [3])]
struct VectorClassifier {
    proj: Linear<5, 12>,
    positions: SinusoidalPositions,
    layers: Repeat<TransformerEncoderLayer<12, 2, 20, PreNorm, Gelu>, 2>,
    norm: LayerNorm<12>,
    pool: MeanOverTime,
    fc: Linear<12, 3>,
}

/// ```python
/// def forward(self, x):
///     x = self.emb(x) * math.sqrt(self.d) if self.emb is not None else self.proj(x)
///     x = x + torch.tensor(sinusoidal(x.shape[1], self.d), dtype=x.dtype)
///     for l in self.layers:
///         x = l(x)
///     if self.norm is not None:
///         x = self.norm(x)
///     return self.fc(x.mean(dim=1))
/// ```
pub fn transformer_classifier(family: &mut Family) {
    family.model::<TokenClassifier, Class<4>>("model_transformer_tokens", CrossEntropy::default(), str::to_owned);
    family.model::<VectorClassifier, Class<3>>("model_transformer_prenorm", CrossEntropy::default(), str::to_owned);
}
