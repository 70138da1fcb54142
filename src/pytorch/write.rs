//! Parameters become a file.

use super::import::Import;
use super::read::transposed;
use crate::checkpoint::{Entry, write};
use crate::engine::{Backend, Engine};
use crate::error::Error;
use crate::float::Float;
use crate::model::Model;
use crate::types::{Dims, NamedParam, Network, Role, tensors, tied};
use std::collections::BTreeMap;
use std::path::Path;

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// Saves what [`Model::load_with`] reads with the same [`Import`]: under the names of the file, not of the network, so that
    /// PyTorch loads it with `strict=True`.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] if two parameters have one name in the file, or none has that of an
    /// [`Import::transposed`]; [`Error::Count`] if an [`Import::shape`] has
    /// another number of numbers than the parameter.
    ///
    /// # Examples
    /// Those of [`Import`].
    pub fn save_with(&self, path: impl AsRef<Path>, import: &Import) -> Result<(), Error> {
        let path = path.as_ref();
        let (parameters, buffers) = (self.parameters(), self.buffers());
        let mut entries = BTreeMap::<String, (Entry, String)>::new();
        // PyTorch lists what is tied under both names.
        for param in tensors(N::SPEC).into_iter().chain(tied(N::SPEC)) {
            let numbers = if param.role == Role::Trained { &parameters } else { &buffers };
            for entry in outward(&param, &numbers[param.range()], import)? {
                if let Some((_, other)) = entries.get(&entry.name) {
                    let given = format!("{} for {other} and for {}", entry.name, param.name);
                    return Err(Error::Format { file: path.display().to_string(), expected: "a name for each parameter".to_owned(), given });
                }
                entries.insert(entry.name.clone(), (entry, param.name.clone()));
            }
        }
        import.check(path, entries.keys())?;
        write(path, entries.into_values().map(|(entry, _)| entry).collect())
    }
}

/// A parameter as the file has it: as one tensor, or as three projections.
fn outward<E: Float>(param: &NamedParam, numbers: &[E], import: &Import) -> Result<Vec<Entry>, Error> {
    let theirs = import.theirs(&param.name);
    match import.parts(&theirs).filter(|_| import.splits()) {
        Some(names) => {
            let (dims, share) = (param.dims.with(0, param.dims.size(0) / names.len()), numbers.len() / names.len());
            names.into_iter().zip(numbers.chunks_exact(share)).map(|(name, numbers)| entry(name, dims, param.role, numbers, import)).collect()
        }
        None => Ok(vec![entry(theirs, param.dims, param.role, numbers, import)?]),
    }
}

/// A tensor in the layout that it has in the file.
fn entry<E: Float>(name: String, dims: Dims, role: Role, numbers: &[E], import: &Import) -> Result<Entry, Error> {
    if let &[rows, columns] = dims.sizes()
        && import.is_transposed(&name)
    {
        return Ok(Entry::new(name, vec![columns, rows], role, &transposed(numbers, columns)));
    }
    let shape = import.shape_of(&name).unwrap_or(dims.sizes()).to_vec();
    let given = shape.iter().product();
    if given != numbers.len() {
        return Err(Error::Count { what: "numbers of a shape in the file", expected: numbers.len(), given });
    }
    Ok(Entry::new(name, shape, role, numbers))
}
