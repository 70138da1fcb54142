//! Parameters in files.

use crate::engine::{Backend, Engine};
use crate::error::{Error, Mismatch};
use crate::float::Float;
use crate::model::Model;
use crate::types::{NamedParam, Network, Role, tensors};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::io::Write;
use std::path::Path;

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// Saves the parameters and buffers as a safetensors file, under their names as in a PyTorch `state_dict`.
    ///
    /// The file is written beside its place and then renamed, so that whatever happens there is the old one or the new one.
    ///
    /// # Errors
    /// [`Error::File`].
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([3] => [2])]
    /// type Line = Linear<3, 2>;
    ///
    /// let file = std::env::temp_dir().join("formwork-line.safetensors");
    /// let model = Model::<Line>::new(1);
    /// model.save(&file).unwrap();
    /// let mut other = Model::<Line>::new(2);
    /// other.load(&file).unwrap();
    /// assert_eq!(model.parameters(), other.parameters());
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let (parameters, buffers) = (self.parameters(), self.buffers());
        let bytes: Vec<(NamedParam, Vec<u8>)> = tensors(N::SPEC)
            .into_iter()
            .map(|tensor| {
                let numbers = if tensor.role == Role::Trained { &parameters } else { &buffers };
                let bytes = to_bytes(&tensor, &numbers[tensor.range()]);
                (tensor, bytes)
            })
            .collect();
        let views = bytes.iter().map(|(tensor, bytes)| {
            let view = TensorView::new(dtype::<E>(tensor), tensor.dims.sizes().to_vec(), bytes);
            (tensor.name.as_str(), view.unwrap_or_else(|error| unreachable!("{}: {error}", tensor.name)))
        });
        let data = safetensors::serialize(views, None).unwrap_or_else(|error| unreachable!("parameters have names of their own: {error}"));
        replace(path, &data)
    }

    /// Loads parameters and buffers that [`Model::save`] or PyTorch has saved; numbers of the other float type are converted.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Safetensors`], or [`Error::Parameters`] with every tensor that is missing, unknown or of
    /// another shape. The model is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let data = std::fs::read(path).map_err(Error::file(path, "read it"))?;
        let file = SafeTensors::deserialize(&data).map_err(|error| Error::Safetensors { path: path.to_owned(), message: error.to_string() })?;
        let expected = tensors(N::SPEC);
        let mut mismatches = Vec::new();
        let (mut parameters, mut buffers) = (Vec::with_capacity(N::SCALARS), Vec::new());
        for param in &expected {
            match tensor::<E>(&file, param) {
                Ok(numbers) => if param.role == Role::Trained { &mut parameters } else { &mut buffers }.extend(numbers),
                Err(mismatch) => mismatches.push(mismatch),
            }
        }
        let mut given = file.tensors(); // in no particular order
        given.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (name, view) in given {
            if !expected.iter().any(|param| param.name == name) {
                mismatches.push(Mismatch::Unknown { name, given: view.shape().to_vec() });
            }
        }
        if !mismatches.is_empty() {
            return Err(Error::Parameters { path: path.to_owned(), network: N::NAME, mismatches });
        }
        self.set_parameters(&parameters)?;
        self.set_buffers(&buffers)
    }
}

/// The type of a tensor's numbers in a file: a counter is a whole number, as in PyTorch.
fn dtype<E: Float>(tensor: &NamedParam) -> Dtype {
    if tensor.role == Role::Counter { Dtype::I64 } else { E::DTYPE }
}

fn to_bytes<E: Float>(tensor: &NamedParam, numbers: &[E]) -> Vec<u8> {
    if tensor.role == Role::Counter {
        return numbers.iter().flat_map(|x| (x.f64() as i64).to_le_bytes()).collect();
    }
    E::to_le_bytes(numbers)
}

fn counts<E: Float>(bytes: &[u8]) -> Vec<E> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| E::of(i64::from_le_bytes(*chunk) as f64)).collect()
}

/// The numbers of one parameter or buffer.
fn tensor<E: Float>(file: &SafeTensors<'_>, param: &NamedParam) -> Result<Vec<E>, Mismatch> {
    let name = || param.name.clone();
    let view = file.tensor(&param.name).map_err(|_| Mismatch::Missing { name: name(), expected: param.dims })?;
    if view.shape() != param.dims.sizes() {
        return Err(Mismatch::Shape { name: name(), expected: param.dims, given: view.shape().to_vec() });
    }
    let numbers: Vec<E> = match view.dtype() {
        dtype if dtype == E::DTYPE => E::from_le_bytes(view.data()),
        Dtype::I64 if param.role == Role::Counter => counts(view.data()),
        Dtype::F32 => <f32 as Float>::from_le_bytes(view.data()).into_iter().map(|x| E::of(x.into())).collect(),
        Dtype::F64 => <f64 as Float>::from_le_bytes(view.data()).into_iter().map(E::of).collect(),
        other => return Err(Mismatch::Type { name: name(), given: format!("{other:?}") }),
    };
    match numbers.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(Mismatch::NotFinite { name: name(), given: x.f64() }),
        None => Ok(numbers),
    }
}

/// Puts a file with these bytes in place, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // A temporary file is its owner's alone; this one becomes a file like any other.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // By its kind alone, since the whole error names a temporary file that nobody has heard of.
    let mut file = builder.tempfile_in(folder).map_err(|error| Error::file(path, "write beside it")(error.kind().into()))?;
    file.write_all(bytes).map_err(Error::file(path, "write it"))?;
    // Without this a crash soon after the rename could leave a new name with nothing behind it.
    file.as_file().sync_all().map_err(Error::file(path, "write it"))?;
    file.persist(path).map_err(|error| Error::file(path, "put it in place")(error.error))?;
    Ok(())
}
