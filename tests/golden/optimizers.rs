//! Optimizers: fed the gradients that PyTorch saw, they go through the parameters that PyTorch went through; and what changes
//! gradients and learning rates on the way.

use super::family::Family;
use super::reference::Golden;
use formwork::learn::{Adjustment, ClipNorm, ClipValue, Memory};
use formwork::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What an optimizer was made with.
pub trait Hyper: DeserializeOwned {
    /// The same optimizer here.
    fn optimizer<E: Float>(&self) -> impl Optimizer<E>;
}

#[derive(Deserialize)]
struct SgdHyper {
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
}

impl Hyper for SgdHyper {
    fn optimizer<E: Float>(&self) -> impl Optimizer<E> {
        let optimizer = Sgd::new(self.lr).momentum(self.momentum).dampening(self.dampening).weight_decay(self.weight_decay);
        if self.nesterov { optimizer.nesterov() } else { optimizer }
    }
}

/// For Adam and for AdamW; AMSGrad is another optimizer.
#[derive(Deserialize)]
pub struct AdamHyper {
    lr: f64,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    #[serde(default)]
    amsgrad: bool,
}

impl AdamHyper {
    fn without_decay<E: Float>(&self) -> Adam<E> {
        assert!(!self.amsgrad, "there is no AMSGrad here");
        Adam::new(self.lr).betas(self.betas[0], self.betas[1]).epsilon(self.eps)
    }
}

impl Hyper for AdamHyper {
    fn optimizer<E: Float>(&self) -> impl Optimizer<E> {
        self.without_decay().weight_decay(self.weight_decay)
    }
}

#[derive(Deserialize)]
struct AdamWHyper(AdamHyper);

impl Hyper for AdamWHyper {
    fn optimizer<E: Float>(&self) -> impl Optimizer<E> {
        self.0.without_decay().decoupled_weight_decay(self.0.weight_decay)
    }
}

#[derive(Deserialize)]
struct AdagradHyper {
    lr: f64,
    lr_decay: f64,
    eps: f64,
    weight_decay: f64,
    initial_accumulator_value: f64,
}

impl Hyper for AdagradHyper {
    fn optimizer<E: Float>(&self) -> impl Optimizer<E> {
        assert_eq!(self.initial_accumulator_value, 0.0, "AdaGrad begins at 0 here");
        Adagrad::new(self.lr).learning_rate_decay(self.lr_decay).epsilon(self.eps).weight_decay(self.weight_decay)
    }
}

#[derive(Deserialize)]
struct RmsPropHyper {
    lr: f64,
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
}

impl Hyper for RmsPropHyper {
    fn optimizer<E: Float>(&self) -> impl Optimizer<E> {
        let optimizer = RmsProp::new(self.lr).alpha(self.alpha).epsilon(self.eps).momentum(self.momentum).weight_decay(self.weight_decay);
        if self.centered { optimizer.centered() } else { optimizer }
    }
}

/// ```python
/// optimizer = torch.optim.SGD(params, lr, momentum, dampening, weight_decay, nesterov)
/// for t in range(25):                 # traj.* begins with the parameters before the first step
///     loss().backward()               # row t of grad.*
///     optimizer.step()                # row t + 1 of traj.*
/// ```
pub fn sgd(family: &mut Family) {
    family.optimizer::<SgdHyper>();
}

/// `torch.optim.Adam(params, lr, betas, eps, weight_decay)`, in the loop of [`sgd`].
pub fn adam(family: &mut Family) {
    family.optimizer::<AdamHyper>();
}

/// `torch.optim.AdamW(params, lr, betas, eps, weight_decay)`, in the loop of [`sgd`].
pub fn adamw(family: &mut Family) {
    family.optimizer::<AdamWHyper>();
}

/// `torch.optim.Adagrad(params, lr, lr_decay, weight_decay, eps=eps)`, in the loop of [`sgd`].
pub fn adagrad(family: &mut Family) {
    family.optimizer::<AdagradHyper>();
}

/// `torch.optim.RMSprop(params, lr, alpha, eps, weight_decay, momentum, centered)`, in the loop of [`sgd`].
pub fn rmsprop(family: &mut Family) {
    family.optimizer::<RmsPropHyper>();
}

#[derive(Deserialize)]
struct ClipNormHyper {
    max_norm: f64,
    norm_type: f64,
}

/// ```python
/// total_norm = torch.nn.utils.clip_grad_norm_(params, max_norm)
/// ```
pub fn clip_norm(family: &mut Family) {
    for name in family.waiting() {
        let golden = family.open(name);
        let hyper: ClipNormHyper = golden.hyper();
        assert_eq!(hyper.norm_type, 2.0, "the norm is Euclid's here");
        family.clip::<f64>(&golden, ClipNorm::new(hyper.max_norm), true);
        family.clip::<f32>(&golden, ClipNorm::new(hyper.max_norm), true);
    }
}

#[derive(Deserialize)]
struct ClipValueHyper {
    clip_value: f64,
}

/// ```python
/// torch.nn.utils.clip_grad_value_(params, clip_value)
/// ```
pub fn clip_value(family: &mut Family) {
    for name in family.waiting() {
        let golden = family.open(name);
        let hyper: ClipValueHyper = golden.hyper();
        family.clip::<f64>(&golden, ClipValue::new(hyper.clip_value), false);
        family.clip::<f32>(&golden, ClipValue::new(hyper.clip_value), false);
    }
}

#[derive(Deserialize)]
struct StepLrHyper {
    lr0: f64,
    step_size: u64,
    gamma: f64,
}

/// ```python
/// scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size, gamma)
/// for t in range(steps):              # lr holds the learning rate of each step
///     optimizer.step()
///     scheduler.step()
/// ```
pub fn step_lr(family: &mut Family) {
    family.schedules(|StepLrHyper { lr0, step_size, gamma }| StepLr::new(lr0, step_size, gamma));
}

#[derive(Deserialize)]
struct ExponentialLrHyper {
    lr0: f64,
    gamma: f64,
}

/// `ExponentialLR(optimizer, gamma)`, in the loop of [`step_lr`].
pub fn exponential_lr(family: &mut Family) {
    family.schedules(|ExponentialLrHyper { lr0, gamma }| ExponentialLr::new(lr0, gamma));
}

#[derive(Deserialize)]
struct CosineAnnealingLrHyper {
    lr0: f64,
    #[serde(rename = "T_max")]
    steps: u64,
    eta_min: f64,
}

/// `CosineAnnealingLR(optimizer, T_max, eta_min)`, in the loop of [`step_lr`].
pub fn cosine_annealing_lr(family: &mut Family) {
    family.schedules(|CosineAnnealingLrHyper { lr0, steps, eta_min }| CosineAnnealingLr::new(lr0, steps).minimum(eta_min));
}

#[derive(Deserialize)]
struct LinearLrHyper {
    lr0: f64,
    start_factor: f64,
    end_factor: f64,
    total_iters: u64,
}

/// `LinearLR(optimizer, start_factor, end_factor, total_iters)`, in the loop of [`step_lr`].
pub fn linear_lr(family: &mut Family) {
    family.schedules(|hyper: LinearLrHyper| LinearLr::new(hyper.lr0, hyper.total_iters).factors(hyper.start_factor, hyper.end_factor));
}

#[derive(Deserialize)]
struct WarmUpHyper {
    lr0: f64,
    warmup: u64,
    /// Where the cosine ends, if there is one.
    total: Option<u64>,
}

/// `LambdaLR(optimizer, ..)` with these functions, in the loop of [`step_lr`]:
///
/// ```python
/// lambda t: min(1, (t + 1) / warmup)
/// lambda t: (t + 1) / warmup if t < warmup else (1 + cos(pi * (t - warmup) / (total - warmup))) / 2
/// ```
pub fn lambda_lr(family: &mut Family) {
    family.schedules(|WarmUpHyper { lr0, warmup, total }| {
        let then = total.map(|total| CosineAnnealingLr::new(lr0, total - warmup));
        WarmUp::new(warmup, move |step: u64| then.map_or(lr0, |cosine| cosine.rate(step)))
    });
}

/// An optimizer that writes down the learning rates it is given.
#[derive(Default)]
struct Recorder {
    rate: f64,
    rates: Vec<f64>,
}

impl Optimizer<f64> for &mut Recorder {
    fn update(&mut self, _parameters: &mut [f64], _gradients: &[f64]) -> Result<(), Error> {
        self.rates.push(self.rate);
        Ok(())
    }

    fn remember(&mut self, _memory: &mut dyn Memory<f64>) {}
}

impl LearningRate for &mut Recorder {
    fn learning_rate(&self) -> f64 {
        self.rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.rate = learning_rate;
    }
}

impl Family {
    fn optimizer<H: Hyper>(&mut self) {
        for name in self.waiting() {
            let golden = self.open(name);
            let hyper: H = golden.hyper();
            self.walk::<f64>(&golden, &mut hyper.optimizer());
            self.walk::<f32>(&golden, &mut hyper.optimizer());
        }
    }

    fn clip<E: Float>(&mut self, golden: &Golden, clip: impl Adjustment, has_norm: bool) {
        let mut comparison = golden.compare(core::any::type_name::<E>());
        let tensors = ["g0", "g1", "g2"].map(|name| golden.numbers::<E>(name));
        let mut gradients = tensors.concat();
        if has_norm {
            comparison.tensor("total_norm", &[E::of(ClipNorm::norm(&gradients))]);
        }
        let parameters = vec![E::zero(); gradients.len()];
        let outcome = clip.adjust(&parameters, &mut gradients);
        let mut rest = gradients.as_slice();
        for (i, tensor) in tensors.iter().enumerate() {
            let (clipped, behind) = rest.split_at(tensor.len());
            comparison.tensor(&format!("clipped.g{i}"), clipped);
            rest = behind;
        }
        self.record(comparison, outcome);
    }

    /// Schedules, as an optimizer sees them.
    fn schedules<H: DeserializeOwned, S: Schedule>(&mut self, schedule: impl Fn(H) -> S) {
        for name in self.waiting() {
            let golden = self.open(name);
            let mut recorder = Recorder::default();
            let mut optimizer = (&mut recorder).scheduled(schedule(golden.hyper()));
            let outcome = (0..golden.shape("lr")[0]).try_for_each(|_| optimizer.update(&mut [], &[]));
            let mut comparison = golden.compare("f64");
            comparison.tensor("lr", &recorder.rates);
            self.record(comparison, outcome);
        }
    }

    fn walk<E: Float>(&mut self, golden: &Golden, optimizer: &mut impl Optimizer<E>) {
        let mut comparison = golden.compare(core::any::type_name::<E>());
        let outcome = trajectory(golden, optimizer).map(|rows| {
            let mut begin = 0;
            for param in golden.params() {
                let end = begin + golden.numbers::<E>(param).len();
                let trajectory: Vec<E> = rows.iter().flat_map(|row| &row[begin..end]).copied().collect();
                comparison.tensor(&format!("traj.{param}"), &trajectory);
                begin = end;
            }
        });
        self.record(comparison, outcome);
    }
}

/// The flat buffer of all parameters, before the first step and after each.
fn trajectory<E: Float>(golden: &Golden, optimizer: &mut impl Optimizer<E>) -> Result<Vec<Vec<E>>, Error> {
    let mut rows: Vec<Vec<E>> = vec![golden.params().map(|param| golden.numbers(param)).collect::<Vec<_>>().concat()];
    for gradients in gradients(golden) {
        let mut parameters = rows[rows.len() - 1].clone();
        optimizer.update(&mut parameters, &gradients)?;
        rows.push(parameters);
    }
    Ok(rows)
}

/// The flat buffer of all gradients, for each step.
fn gradients<E: Float>(golden: &Golden) -> Vec<Vec<E>> {
    let names: Vec<String> = golden.params().map(|param| format!("grad.{param}")).collect();
    let steps = golden.shape(&names[0])[0];
    let tensors: Vec<Vec<E>> = names.iter().map(|name| golden.numbers(name)).collect();
    let row = |t: usize| tensors.iter().flat_map(|tensor| &tensor[t * tensor.len() / steps..][..tensor.len() / steps]).copied().collect();
    (0..steps).map(row).collect()
}
