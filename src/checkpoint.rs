//! Parameters in files.

use crate::engine::{Backend, Engine};
use crate::error::{Error, Mismatch};
use crate::float::Float;
use crate::model::Model;
use crate::pytorch::Import;
use crate::types::{NamedParam, Network, Role};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::io::Write;
use std::path::Path;

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// Saves the parameters and buffers as a safetensors file, under their names as in a PyTorch `state_dict`.
    ///
    /// The file is written beside its place and then renamed, so that whatever happens there is the old one or the new one.
    /// For other names see [`Model::save_with`].
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
        self.save_with(path, &Import::new())
    }

    /// Loads parameters and buffers that [`Model::save`] or PyTorch has saved; numbers of another float type are converted. For
    /// other names and layouts see [`Model::load_with`].
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Safetensors`]; [`Error::Format`] for a file of `torch.save`; or [`Error::Parameters`] with every
    /// tensor that is missing, unknown or of another shape. The model is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.load_with(path, &Import::new()).map(drop)
    }
}

/// A tensor in a file.
pub(crate) struct Entry {
    pub name: String,
    shape: Vec<usize>,
    dtype: Dtype,
    bytes: Vec<u8>,
}

impl Entry {
    pub fn new<E: Float>(name: String, shape: Vec<usize>, role: Role, numbers: &[E]) -> Self {
        Entry { name, shape, dtype: dtype::<E>(role), bytes: to_bytes(role, numbers) }
    }
}

/// Puts a file with these tensors in place, whole or not at all. Their names differ.
pub(crate) fn write(path: &Path, entries: Vec<Entry>) -> Result<(), Error> {
    let views = entries.iter().map(|Entry { name, shape, dtype, bytes }| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (name.as_str(), view.unwrap_or_else(|error| unreachable!("{name}: {error}")))
    });
    let data = safetensors::serialize(views, None).unwrap_or_else(|error| unreachable!("tensors have names of their own: {error}"));
    replace(path, &data)
}

/// The tensors of a file.
pub(crate) fn open<'a>(path: &Path, data: &'a [u8]) -> Result<SafeTensors<'a>, Error> {
    SafeTensors::deserialize(data).map_err(|error| {
        let saved_by_torch = ZIP_OR_PICKLE.iter().any(|magic| data.starts_with(magic));
        if saved_by_torch { pickled(path) } else { Error::Safetensors { path: path.to_owned(), message: error.to_string() } }
    })
}

/// How files of `torch.save` begin, today and before PyTorch 1.6. So may a safetensors file, if its header has just that length.
const ZIP_OR_PICKLE: [&[u8]; 2] = [b"PK\x03\x04", b"\x80\x02"];

/// The error of a file that `torch.save` has written, which is a program in disguise and is not run here.
fn pickled(path: &Path) -> Error {
    let (file, to) = (path.display().to_string(), path.with_extension("safetensors"));
    let python =
        ["import torch, safetensors.torch".to_owned(), format!("safetensors.torch.save_file(torch.load({file:?}, map_location=\"cpu\"), {to:?})")];
    let given = format!("what `torch.save` writes; in Python:\n  {}", python.join("\n  "));
    Error::Format { file, expected: "a safetensors file".to_owned(), given }
}

/// The type of a tensor's numbers in a file: a counter is a whole number, as in PyTorch.
fn dtype<E: Float>(role: Role) -> Dtype {
    if role == Role::Counter { Dtype::I64 } else { E::DTYPE }
}

fn to_bytes<E: Float>(role: Role, numbers: &[E]) -> Vec<u8> {
    if role == Role::Counter {
        return numbers.iter().flat_map(|x| (x.f64() as i64).to_le_bytes()).collect();
    }
    E::to_le_bytes(numbers)
}

fn counts<E: Float>(bytes: &[u8]) -> Vec<E> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| E::of(i64::from_le_bytes(*chunk) as f64)).collect()
}

/// Numbers of two bytes each.
fn halves<E: Float>(bytes: &[u8], number: impl Fn([u8; 2]) -> f64) -> Vec<E> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| E::of(number(*chunk))).collect()
}

/// The numbers of a tensor, for a parameter or buffer.
pub(crate) fn numbers<E: Float>(view: &TensorView<'_>, param: &NamedParam) -> Result<Vec<E>, Mismatch> {
    let name = || param.name.clone();
    let numbers: Vec<E> = match view.dtype() {
        dtype if dtype == E::DTYPE => E::from_le_bytes(view.data()),
        Dtype::I64 if param.role == Role::Counter => counts(view.data()),
        Dtype::F32 => <f32 as Float>::from_le_bytes(view.data()).into_iter().map(|x| E::of(x.into())).collect(),
        Dtype::F64 => <f64 as Float>::from_le_bytes(view.data()).into_iter().map(E::of).collect(),
        Dtype::F16 => halves(view.data(), |bytes| f16::from_le_bytes(bytes).into()),
        Dtype::BF16 => halves(view.data(), |bytes| bf16::from_le_bytes(bytes).into()),
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
