//! In which layer a run left the numbers.

use crate::cpu::Observe;
use crate::data::{MiniBatch, Target};
use crate::engine::{Backend, Engine};
use crate::error::Error;
use crate::group::Share;
use crate::learn::{Loss, Optimizer};
use crate::model::Model;
use crate::statistics::LayerStatistics;
use crate::types::Network;

/// One step of a run that is known to diverge; returns where, once it does.
///
/// A step whose loss is no number has left behind parameters that are none. So the step before is made again from a state that is
/// known to be good, and each step looked at before and after. The ranks of a group make it together; then each looks at the whole
/// batch, so that all find the same.
pub(super) fn step<N, T, L, E, D, G>(
    model: &mut Model<N, E, D, G>,
    (samples, share, read): (&[usize], &Share<'_>, impl Fn(&[usize]) -> Result<MiniBatch<N::Input, T, E>, Error>),
    loss: &L,
    optimizer: &mut impl Optimizer<E>,
) -> Result<Option<String>, Error>
where
    N: Network,
    T: Target,
    L: Loss<N::Output, T>,
    E: Observe,
    D: Backend<E>,
    G: Engine<E, D>,
{
    let (parameters, buffers) = (model.parameters(), model.buffers());
    let (steps, noise) = model.progress();
    let value = model.train_share(&read(&samples[share.samples.clone()])?, share, loss, optimizer)?;
    if value.is_finite() && model.parameters().iter().chain(&model.buffers()).all(|x| x.is_finite()) {
        return Ok(None);
    }
    model.set_parameters(&parameters)?;
    model.set_buffers(&buffers)?;
    model.set_progress(steps, noise);
    let layers = model.statistics(&read(samples)?, loss)?.layers;
    Ok(Some(place(&layers, value.is_finite())))
}

/// Where the first number is that is none: forward from the first layer, then back from the last.
fn place(layers: &[LayerStatistics], is_loss_finite: bool) -> String {
    let called = |layer: &LayerStatistics| format!("layer {}, {}", layer.name, layer.layer);
    if let Some(layer) = layers.iter().find(|layer| !(layer.mean.is_finite() && layer.deviation.is_finite())) {
        return format!("the output of {}", called(layer));
    }
    if !is_loss_finite {
        return "the loss itself".to_owned();
    }
    let has_gradient = |layer: &&LayerStatistics| layer.gradient.is_finite() && layer.weight_gradient.is_none_or(f64::is_finite);
    match layers.iter().rev().find(|layer| !has_gradient(layer)) {
        Some(layer) => format!("the gradient of {}", called(layer)),
        None => "the step of the optimizer".to_owned(),
    }
}
