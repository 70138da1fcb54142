//! Parameters become a file.

use super::import::Import;
use super::read::transposed;
use crate::checkpoint::{Entry, write};
use crate::engine::{Backend, Engine};
use crate::error::Error;
use crate::float::Float;
use crate::model::Model;
use crate::types::{NamedParam, Network, Role, tensors, tied};
use std::collections::BTreeMap;
use std::path::Path;

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// Saves what [`Model::load_with`] reads with the same [`Import`]: under the names of the file, not of the network, so that
    /// PyTorch loads it with `strict=True`.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] if two parameters have one name in the file.
    ///
    /// # Examples
    /// Those of [`Import`].
    pub fn save_with(&self, path: impl AsRef<Path>, import: &Import) -> Result<(), Error> {
        let path = path.as_ref();
        let (parameters, buffers) = (self.parameters(), self.buffers());
        let mut entries = BTreeMap::new();
        // PyTorch lists what is tied under both names.
        for param in tensors(N::SPEC).into_iter().chain(tied(N::SPEC)) {
            let numbers = if param.role == Role::Trained { &parameters } else { &buffers };
            for entry in outward(&param, &numbers[param.range()], import) {
                if let Some((theirs, ours)) = entries.insert(entry.name.clone(), (entry, param.name.clone())).map(|(entry, ours)| (entry.name, ours))
                {
                    let (expected, given) = ("a name for each parameter".to_owned(), format!("{theirs} for {ours} and {}", param.name));
                    return Err(Error::Format { file: path.display().to_string(), expected, given });
                }
            }
        }
        write(path, entries.into_values().map(|(entry, _)| entry).collect())
    }
}

/// A parameter as the file has it: as one tensor, or as three projections.
fn outward<E: Float>(param: &NamedParam, numbers: &[E], import: &Import) -> Vec<Entry> {
    let theirs = import.theirs(&param.name);
    let entry = |name: String, shape: &[usize], numbers: &[E]| match *shape {
        [rows, columns] if import.is_transposed(&name) => Entry::new(name, vec![columns, rows], param.role, &transposed(numbers, columns)),
        _ => {
            let said = import.shape_of(&name).filter(|said| said.iter().product::<usize>() == numbers.len());
            Entry::new(name, said.unwrap_or(shape).to_vec(), param.role, numbers)
        }
    };
    match import.parts(&theirs) {
        Some(names) if import.splits() => {
            let (dims, share) = (param.dims.with(0, param.dims.size(0) / names.len()), numbers.len() / names.len());
            names.into_iter().zip(numbers.chunks_exact(share)).map(|(name, numbers)| entry(name, dims.sizes(), numbers)).collect()
        }
        _ => vec![entry(theirs, param.dims.sizes(), numbers)],
    }
}
