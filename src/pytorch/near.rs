//! What a missing parameter may be called.

use super::read::fits;
use crate::types::NamedParam;
use std::collections::BTreeMap;

/// How a missing parameter may be found: the tensor that nothing else has asked for whose shape fits and whose name ends most
/// alike, as a rename.
pub(super) fn near(param: &NamedParam, left: &BTreeMap<String, Vec<usize>>) -> Option<String> {
    let candidates = left.iter().filter(|(_, shape)| fits(shape, param.dims.sizes()));
    let mut candidates: Vec<(usize, &str)> = candidates.map(|(name, _)| (in_common(name, &param.name), name.as_str())).collect();
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    let (parts, name) = match candidates[..] {
        [] | [(0, _), ..] => return None,
        [(a, _), (b, _), ..] if a == b => return None,
        [best, ..] => best,
    };
    let beginning = |name: &str| name.rsplitn(parts + 1, '.').nth(parts).unwrap_or_default().to_owned();
    Some(format!("the file has {name}: `.rename({:?}, {:?})`", beginning(name), beginning(&param.name)))
}

/// With how many equal parts two names end.
fn in_common(a: &str, b: &str) -> usize {
    a.rsplit('.').zip(b.rsplit('.')).take_while(|(a, b)| a == b).count()
}
