//! Whole models: a forward pass, the loss and all its gradients, then three steps of Adam.

use super::family::{Family, Subject};
use super::losses::Stored;
use super::optimizers::{AdamHyper, Hyper};
use super::reference::{Comparison, Given, Golden};
use core::marker::PhantomData;
use core::ops::Range;
use formwork::engine::Engine;
use formwork::prelude::*;
use safetensors::Dtype;
use serde::Deserialize;

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
}

impl<N: Network<Input: Given>, T: Stored, L: Loss<N::Output, T>> Subject for Trained<N, T, L> {
    fn compare<E: Float, G: Engine<E, Cpu>>(&self, golden: &Golden, comparison: &mut Comparison<'_>) -> Result<(), Error>
    where
        Cpu: Backend<E>,
    {
        let data = Dataset::<N::Input, T, E>::new(N::Input::given(golden, "x"), T::stored(golden))?;
        let batch = data.all();
        let mut model = Model::<N, E, Cpu, G>::try_new(&Cpu::default(), 0, Scheme::default())?;
        model.set_parameters(&golden.flat(&N::parameters(), &self.names))?;

        comparison.tensor("y", &model.predict(&batch)?);
        let gradients = model.gradients(&batch, &self.loss)?;
        comparison.tensor("loss", &[gradients.loss]);
        if golden.has("dx") {
            comparison.tensor("dx", &gradients.inputs);
        }
        self.compare_params(golden, comparison, "d", &gradients.parameters);

        let Training { steps, adam } = golden.hyper();
        let mut optimizer = adam.optimizer();
        let before_steps: Result<Vec<E>, Error> = (0..steps).map(|_| model.train(&batch, &self.loss, &mut optimizer)).collect();
        comparison.tensor("losses", &[before_steps?, vec![model.evaluate(&data, &self.loss)?]].concat());
        self.compare_params(golden, comparison, "after3.", &model.parameters());
        comparison.tensor("y_eval_after3", &model.predict(&batch)?);
        Ok(())
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
