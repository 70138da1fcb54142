//! Parameters become a file.

use super::import::Import;
use super::read::transposed;
use crate::checkpoint::{Entry, replace, serialized};
use crate::engine::{Backend, Engine};
use crate::error::Error;
use crate::float::Float;
use crate::model::Model;
use crate::types::{Dims, NamedParam, Network, Role, Spec, tensors, tied};
use safetensors::Dtype;
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
        replace(path, &self.to_data(path, import)?)
    }

    /// The same as the bytes of a file; `path` is what errors call it.
    pub(crate) fn to_data(&self, path: &Path, import: &Import) -> Result<Vec<u8>, Error> {
        let numbers = [self.parameters(), self.buffers()].map(|own| own.into_iter().map(E::f64).collect());
        written(path, import, (N::SPEC, E::DTYPE), &numbers)
    }
}

/// A file of the parameters and buffers of a network that computes with `dtype`: compiled once and not for every model.
fn written(path: &Path, import: &Import, (spec, dtype): (&'static Spec, Dtype), [parameters, buffers]: &[Vec<f64>; 2]) -> Result<Vec<u8>, Error> {
    let mut entries = BTreeMap::<String, (Entry, String)>::new();
    // PyTorch lists what is tied under both names.
    for param in tensors(spec).into_iter().chain(tied(spec)) {
        let numbers = if param.role == Role::Trained { parameters } else { buffers };
        for entry in outward(&param, &numbers[param.range()], dtype, import)? {
            if let Some((_, other)) = entries.get(&entry.name) {
                let given = format!("{} for {other} and for {}", entry.name, param.name);
                return Err(Error::Format { file: path.display().to_string(), expected: "a name for each parameter".to_owned(), given });
            }
            entries.insert(entry.name.clone(), (entry, param.name.clone()));
        }
    }
    import.check(path, entries.keys())?;
    let entries: Vec<Entry> = entries.into_values().map(|(entry, _)| entry).collect();
    Ok(serialized(&entries.iter().map(Entry::facts).collect::<Vec<_>>()))
}

/// A parameter as the file has it: as one tensor, or as three projections.
fn outward(param: &NamedParam, numbers: &[f64], dtype: Dtype, import: &Import) -> Result<Vec<Entry>, Error> {
    let theirs = import.theirs(&param.name);
    match import.parts(&theirs).filter(|_| import.splits()) {
        Some(names) => {
            let (dims, share) = (param.dims.with(0, param.dims.size(0) / names.len()), numbers.len() / names.len());
            names
                .into_iter()
                .zip(numbers.chunks_exact(share))
                .map(|(name, numbers)| entry(name, dims, (param.role, dtype), numbers, import))
                .collect()
        }
        None => Ok(vec![entry(theirs, param.dims, (param.role, dtype), numbers, import)?]),
    }
}

/// A tensor in the layout that it has in the file.
fn entry(name: String, dims: Dims, kind: (Role, Dtype), numbers: &[f64], import: &Import) -> Result<Entry, Error> {
    if let &[rows, columns] = dims.sizes()
        && import.is_transposed(&name)
    {
        return Ok(Entry::new(name, vec![columns, rows], kind, &transposed(numbers, columns)));
    }
    let shape = import.shape_of(&name).unwrap_or(dims.sizes()).to_vec();
    let given = shape.iter().product();
    if given != numbers.len() {
        return Err(Error::Count { what: "numbers of a shape in the file", expected: numbers.len(), given });
    }
    Ok(Entry::new(name, shape, kind, numbers))
}
