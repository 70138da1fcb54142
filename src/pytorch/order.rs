//! Layers matched by their shapes.

use crate::types::{NamedParam, Role};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A layer: what its tensors' names begin with, and the tensors' own names and shapes.
#[derive(Default)]
struct Layer {
    name: String,
    tensors: Vec<(String, Vec<usize>)>,
}

/// Which tensor of a file, by name, is taken for which parameter: pairs of `(theirs, ours)`.
///
/// Layers are alike if their tensors have the same names and shapes; where there are as many that are alike in the file as in the
/// network, they are matched one by one in order.
pub(super) fn by_order(theirs: &[(String, Vec<usize>)], ours: &[&NamedParam]) -> Vec<(String, String)> {
    let counters = |name: &str| name.rsplit('.').next() == Some("num_batches_tracked");
    let mut sorted: Vec<_> = theirs.iter().filter(|(name, _)| !counters(name)).cloned().collect();
    sorted.sort_by(|(a, _), (b, _)| natural(a, b));
    let own = ours.iter().filter(|param| param.role != Role::Counter).map(|param| (param.name.clone(), param.dims.sizes().to_vec()));
    let (mut theirs, mut ours) = (alike(layers(sorted)), alike(layers(own)));
    ours.retain(|kind, layers| theirs.get(kind).is_some_and(|theirs| theirs.len() == layers.len()));
    let pairs = ours.into_iter().flat_map(|(kind, ours)| {
        let theirs = theirs.remove(&kind).unwrap_or_default();
        let names: Vec<String> = kind.into_iter().map(|(name, _)| name).chain(["num_batches_tracked".to_owned()]).collect();
        let named = move |(theirs, ours): (String, String)| names.iter().map(|name| (joined(&theirs, name), joined(&ours, name))).collect::<Vec<_>>();
        theirs.into_iter().zip(ours).flat_map(named)
    });
    pairs.collect()
}

fn joined(layer: &str, tensor: &str) -> String {
    if layer.is_empty() { tensor.to_owned() } else { format!("{layer}.{tensor}") }
}

/// The layers that tensors belong to, in the order of their first ones.
fn layers(tensors: impl IntoIterator<Item = (String, Vec<usize>)>) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    for (name, shape) in tensors {
        let (layer, tensor) = name.rsplit_once('.').unwrap_or(("", &name));
        let place = layers.iter().position(|known| known.name == layer).unwrap_or_else(|| {
            layers.push(Layer { name: layer.to_owned(), ..Layer::default() });
            layers.len() - 1
        });
        layers[place].tensors.push((tensor.to_owned(), shape));
    }
    layers
}

/// The names of layers under what they have in common.
fn alike(layers: Vec<Layer>) -> BTreeMap<Vec<(String, Vec<usize>)>, Vec<String>> {
    let mut kinds: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for Layer { name, mut tensors } in layers {
        tensors.sort();
        kinds.entry(tensors).or_default().push(name);
    }
    kinds
}

/// The order of names in which `layers.2` comes before `layers.10`.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(&pieces(b))
}

/// Runs of digits as numbers, and what is between them; a number comes before a word.
fn pieces(name: &str) -> Vec<(bool, usize, &str)> {
    let mut pieces = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let is_digit = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(end);
        pieces.push((!is_digit, if is_digit { piece.parse().unwrap_or(usize::MAX) } else { 0 }, piece));
        rest = behind;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Dims, Init};

    fn theirs(tensors: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        tensors.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect()
    }

    fn ours(tensors: &[(&str, &[usize])]) -> Vec<NamedParam> {
        let param = |(name, dims): &(&str, &[usize])| NamedParam {
            name: (*name).to_owned(),
            dims: Dims::new(dims),
            offset: 0,
            init: Init::Constant(0.0),
            role: Role::Trained,
        };
        tensors.iter().map(param).collect()
    }

    fn matched(theirs: &[(String, Vec<usize>)], ours: &[NamedParam]) -> Vec<String> {
        let pairs = by_order(theirs, &ours.iter().collect::<Vec<_>>());
        let mut shown: Vec<String> = pairs.into_iter().filter(|(_, ours)| !ours.contains("num_")).map(|(a, b)| format!("{a} {b}")).collect();
        shown.sort();
        shown
    }

    #[test]
    fn numbers_in_names_are_numbers() {
        assert_eq!(natural("net.2.weight", "net.10.weight"), Ordering::Less);
        assert_eq!(natural("conv", "conv1"), Ordering::Less);
    }

    #[test]
    fn layers_that_are_alike_come_in_order() {
        let file = theirs(&[("net.10.bias", &[3]), ("net.10.weight", &[3, 3]), ("net.2.bias", &[3]), ("net.2.weight", &[3, 3]), ("a.weight", &[4])]);
        let own = ours(&[("0.weight", &[3, 3]), ("0.bias", &[3]), ("1.weight", &[3, 3]), ("1.bias", &[3]), ("2.weight", &[4])]);
        let expected = ["a.weight 2.weight", "net.10.bias 1.bias", "net.10.weight 1.weight", "net.2.bias 0.bias", "net.2.weight 0.weight"];
        assert_eq!(matched(&file, &own), expected);
    }

    #[test]
    fn too_few_or_too_many_are_not_guessed() {
        let own = ours(&[("0.weight", &[3]), ("1.weight", &[3])]);
        assert_eq!(matched(&theirs(&[("a.weight", &[3])]), &own), [""; 0]);
        assert_eq!(matched(&theirs(&[("a.weight", &[3]), ("b.weight", &[3]), ("c.weight", &[3])]), &own), [""; 0]);
    }
}
