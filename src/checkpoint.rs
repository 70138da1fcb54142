//! Parameters in files.

use crate::checksum::{self, Facts};
use crate::engine::{Backend, Engine};
use crate::error::{Error, Mismatch};
use crate::float::Float;
use crate::learn::Scheme;
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

    /// What [`Model::save`] writes, in memory.
    ///
    /// # Examples
    /// ```
    /// use formwork::prelude::*;
    ///
    /// #[network([3] => [2])]
    /// type Line = Linear<3, 2>;
    ///
    /// let model = Model::<Line>::new(1);
    /// let copy = Model::<Line>::from_bytes(&model.to_bytes()).unwrap();
    /// assert_eq!(model.parameters(), copy.parameters());
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_data(Path::new(BYTES), &Import::new()).unwrap_or_else(|error| unreachable!("parameters have names of their own: {error}"))
    }

    /// Loads parameters and buffers that [`Model::save`] or PyTorch has saved; numbers of another float type are converted. For
    /// other names and layouts see [`Model::load_with`].
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Safetensors`]; [`Error::Damaged`]; [`Error::Format`] for a file of `torch.save`; or [`Error::Parameters`] with every
    /// tensor that is missing, unknown or of another shape. The model is then as it was.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.load_with(path, &Import::new()).map(drop)
    }

    /// [`Model::load`] of a file that is in memory: with `include_bytes!` it is part of the program, which then needs no file.
    ///
    /// # Errors
    /// Those of [`Model::load`]; they call the file `bytes`.
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.load_data(bytes, Path::new(BYTES), &Import::new()).map(drop)
    }
}

/// What errors call a file that is in memory.
const BYTES: &str = "bytes";

impl<N: Network, E: Float, D: Backend<E>> Model<N, E, D> {
    /// A trained model from the bytes of its file, on the default device.
    ///
    /// `examples/embedded.rs` is a program that has its model in it: `from_bytes(include_bytes!("reader.safetensors"))`.
    ///
    /// # Errors
    /// Those of the device and of [`Model::load_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut model = Self::try_new(&D::default(), 0, Scheme::default())?;
        model.load_bytes(bytes)?;
        Ok(model)
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
    /// `dtype` is what the model computes with; a counter is a whole number all the same, as in PyTorch.
    pub fn new(name: String, shape: Vec<usize>, (role, dtype): (Role, Dtype), numbers: &[f64]) -> Self {
        if role == Role::Counter {
            let bytes = numbers.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect();
            return Entry { name, shape, dtype: Dtype::I64, bytes };
        }
        let bytes = match dtype {
            Dtype::F32 => numbers.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        Entry { name, shape, dtype, bytes }
    }

    pub fn facts(&self) -> Facts<'_> {
        Facts { name: &self.name, dtype: self.dtype, shape: &self.shape, bytes: &self.bytes }
    }
}

/// A file of these tensors, with their checksums. Their names differ.
pub(crate) fn serialized(tensors: &[Facts<'_>]) -> Vec<u8> {
    let views = tensors.iter().map(|Facts { name, dtype, shape, bytes }| {
        let view = TensorView::new(*dtype, shape.to_vec(), bytes);
        (name, view.unwrap_or_else(|error| unreachable!("{name}: {error}")))
    });
    let data = safetensors::serialize(views, Some(checksum::metadata(tensors)));
    data.unwrap_or_else(|error| unreachable!("tensors have names of their own: {error}"))
}

/// The tensors of a file, which are those that were saved if it has checksums.
pub(crate) fn open<'a>(path: &Path, data: &'a [u8]) -> Result<SafeTensors<'a>, Error> {
    let file = SafeTensors::deserialize(data).map_err(|error| {
        let saved_by_torch = ZIP_OR_PICKLE.iter().any(|magic| data.starts_with(magic));
        if saved_by_torch { pickled(path) } else { Error::Safetensors { path: path.to_owned(), message: error.to_string() } }
    })?;
    checksum::verify(path, data, &file)?;
    Ok(file)
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

/// Numbers of so many bytes each.
fn decoded<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| number(*chunk)).collect()
}

/// The numbers of a tensor, for a parameter or buffer of a model that computes with `dtype`: finite there too.
pub(crate) fn numbers(view: &TensorView<'_>, param: &NamedParam, dtype: Dtype) -> Result<Vec<f64>, Mismatch> {
    let (name, data) = (|| param.name.clone(), view.data());
    let mut numbers: Vec<f64> = match view.dtype() {
        Dtype::I64 if param.role == Role::Counter => decoded(data, |bytes| i64::from_le_bytes(bytes) as f64),
        Dtype::F32 => decoded(data, |bytes| f32::from_le_bytes(bytes).into()),
        Dtype::F64 => decoded(data, f64::from_le_bytes),
        Dtype::F16 => decoded(data, |bytes| f16::from_le_bytes(bytes).into()),
        Dtype::BF16 => decoded(data, |bytes| bf16::from_le_bytes(bytes).into()),
        other => return Err(Mismatch::Type { name: name(), given: format!("{other:?}") }),
    };
    if dtype == Dtype::F32 {
        numbers.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    }
    match numbers.iter().find(|x| !x.is_finite()) {
        Some(&given) => Err(Mismatch::NotFinite { name: name(), given }),
        None => Ok(numbers),
    }
}

/// Puts a file with these bytes in place, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    replace_by(path, tempfile::Builder::new(), bytes)
}

/// The same by way of a temporary file whose name the builder says.
pub(crate) fn replace_by(path: &Path, mut builder: tempfile::Builder<'_, '_>, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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
