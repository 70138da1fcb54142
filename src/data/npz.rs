//! Archives of arrays, as NumPy's `savez` and `savez_compressed` write them.

use super::npy::{self, Array};
use crate::error::Error;
use crate::float::Float;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// An archive of arrays with names.
///
/// # Examples
/// ```no_run
/// use formwork::data::Source;
/// use formwork::data::npy::Arrays;
/// use formwork::data::npz::Archive;
/// use formwork::prelude::*;
///
/// let mut mnist = Archive::open("mnist.npz")?;
/// let (x, y) = (mnist.array("x_train")?, mnist.array("y_train")?);
/// let train: Dataset<Rank3<1, 28, 28>, Class<10>> = Arrays::new(x, y)?.in_memory()?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Archive<R> {
    file: String,
    zip: ZipArchive<R>,
}

impl Archive<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::File`], and those of [`Archive::read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::file(path, "open it"))?;
        Archive::read(&path.display().to_string(), BufReader::new(file))
    }
}

impl<R: Read + Seek> Archive<R> {
    /// An archive from bytes, which errors call `name`.
    ///
    /// # Errors
    /// [`Error::Format`] if it is none.
    pub fn read(name: &str, bytes: R) -> Result<Self, Error> {
        match ZipArchive::new(bytes) {
            Ok(zip) => Ok(Archive { file: name.to_owned(), zip }),
            Err(problem) => Err(Error::Format { file: name.to_owned(), expected: "an archive of arrays".to_owned(), given: problem.to_string() }),
        }
    }

    /// What the arrays are called, in the order of the archive.
    pub fn names(&self) -> Vec<String> {
        self.zip.file_names().filter_map(Result::ok).map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned()).collect()
    }

    /// The array of this name, in memory.
    ///
    /// # Errors
    /// [`Error::Format`] if there is none, or if it is damaged.
    pub fn array(&mut self, name: &str) -> Result<Array, Error> {
        let names = self.names();
        let file = format!("{}, {name}", self.file);
        match self.zip.by_name(&format!("{name}.npy")) {
            Ok(bytes) => npy::read(&file, bytes),
            Err(zip::result::ZipError::FileNotFound) => {
                Err(Error::Format { file: self.file.clone(), expected: format!("an array `{name}`"), given: format!("`{}`", names.join("`, `")) })
            }
            Err(problem) => Err(Error::Format { file, expected: "an array in the archive".to_owned(), given: problem.to_string() }),
        }
    }
}

/// Writes arrays into one archive, as NumPy's `savez` does: each with its name, its shape and its numbers, as for [`npy::save`].
///
/// # Errors
/// [`Error::Count`] if there are not as many numbers as a shape says; [`Error::Format`] for two arrays of one name; [`Error::File`] if
/// the file cannot be written.
///
/// # Examples
/// ```
/// use formwork::data::npz::{self, Archive};
///
/// let path = std::env::temp_dir().join("formwork-scores.npz");
/// npz::save(&path, &[("scores", &[2, 2], &[0.5, 1.5, 2.5, 0.25]), ("classes", &[2], &[1.0, 0.0])])?;
/// let mut archive = Archive::open(&path)?;
/// assert_eq!(archive.names(), ["scores", "classes"]);
/// assert_eq!(archive.array("classes")?.numbers::<f32>(), [1.0, 0.0]);
///
/// let twice: [(&str, &[usize], &[f32]); 2] = [("x", &[1], &[0.0]), ("x", &[1], &[1.0])];
/// assert!(npz::save(&path, &twice).unwrap_err().to_string().contains("expected arrays with names of their own"));
/// # Ok::<(), formwork::prelude::Error>(())
/// ```
pub fn save<E: Float>(path: impl AsRef<Path>, arrays: &[(&str, &[usize], &[E])]) -> Result<(), Error> {
    let path = path.as_ref();
    // For arrays beyond 4 GiB, as NumPy does.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let unnamed = |problem: zip::result::ZipError| {
        let expected = "arrays with names of their own".to_owned();
        Error::Format { file: path.display().to_string(), expected, given: problem.to_string() }
    };
    for &(name, shape, numbers) in arrays {
        let bytes = npy::to_bytes(shape, numbers)?;
        zip.start_file(format!("{name}.npy"), options).map_err(unnamed)?;
        zip.write_all(&bytes).map_err(Error::file(path, "write it"))?;
    }
    let bytes = zip.finish().map_err(unnamed)?.into_inner();
    std::fs::write(path, bytes).map_err(Error::file(path, "write it"))
}
