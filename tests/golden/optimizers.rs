//! Optimizers: fed the gradients that PyTorch saw, they go through the parameters that PyTorch went through.

use super::family::Family;
use super::reference::Golden;
use formwork::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct SgdHyper {
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
}

impl SgdHyper {
    fn optimizer<E: Float>(&self) -> Sgd<E> {
        let optimizer = Sgd::new(self.lr).momentum(self.momentum).dampening(self.dampening).weight_decay(self.weight_decay);
        if self.nesterov { optimizer.nesterov() } else { optimizer }
    }
}

/// What Adam was made with; AMSGrad is another optimizer.
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
    /// The same optimizer here.
    pub fn optimizer<E: Float>(&self) -> Adam<E> {
        assert!(!self.amsgrad, "there is no AMSGrad here");
        Adam::new(self.lr).betas(self.betas[0], self.betas[1]).epsilon(self.eps).weight_decay(self.weight_decay)
    }
}

/// ```python
/// optimizer = torch.optim.SGD(params, lr, momentum, dampening, weight_decay, nesterov)
/// for t in range(25):                 # traj.* begins with the parameters before the first step
///     loss().backward()               # row t of grad.*
///     optimizer.step()                # row t + 1 of traj.*
/// ```
pub fn sgd(family: &mut Family) {
    for name in family.waiting() {
        let golden = family.open(name);
        let hyper: SgdHyper = golden.hyper();
        family.walk::<f64>(&golden, &mut hyper.optimizer());
        family.walk::<f32>(&golden, &mut hyper.optimizer());
    }
}

/// ```python
/// optimizer = torch.optim.Adam(params, lr, betas, eps, weight_decay)
/// for t in range(25):                 # traj.* begins with the parameters before the first step
///     loss().backward()               # row t of grad.*
///     optimizer.step()                # row t + 1 of traj.*
/// ```
pub fn adam(family: &mut Family) {
    for name in family.waiting() {
        let golden = family.open(name);
        let hyper: AdamHyper = golden.hyper();
        family.walk::<f64>(&golden, &mut hyper.optimizer());
        family.walk::<f32>(&golden, &mut hyper.optimizer());
    }
}

impl Family {
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
