//! Checksums of the tensors of a file, so that a damaged file is no trained model.

use crate::error::Error;
use safetensors::{Dtype, SafeTensors};
use std::collections::HashMap;
use std::path::Path;

/// The one entry of the header's metadata: lines of a checksum and the name of a tensor, and at the end one of those lines.
const KEY: &str = "crc32";

/// What is known of a tensor before it is in a file.
pub(crate) struct Facts<'a> {
    pub name: &'a str,
    pub dtype: Dtype,
    pub shape: &'a [usize],
    pub bytes: &'a [u8],
}

impl Facts<'_> {
    /// The line of a tensor: its type, shape and numbers, and its name.
    fn line(&self) -> String {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(format!("{:?}{:?}", self.dtype, self.shape).as_bytes());
        hasher.update(self.bytes);
        format!("{:08x} {}\n", hasher.finalize(), self.name)
    }
}

/// The metadata of a file of these tensors.
pub(crate) fn metadata(tensors: &[Facts<'_>]) -> HashMap<String, String> {
    let mut lines: String = tensors.iter().map(Facts::line).collect();
    lines += &format!("{:08x}", crc32fast::hash(lines.as_bytes()));
    HashMap::from([(KEY.to_owned(), lines)])
}

/// Checks a file that holds checksums; one of another program need not.
///
/// # Errors
/// [`Error::Damaged`] with the tensor whose numbers changed.
pub(crate) fn verify(path: &Path, data: &[u8], file: &SafeTensors<'_>) -> Result<(), Error> {
    let damaged = |what: &str| Error::Damaged { path: path.to_owned(), what: what.to_owned() };
    let metadata = SafeTensors::read_metadata(data).ok().and_then(|(_, header)| header.metadata().clone()).unwrap_or_default();
    let Some(text) = metadata.get(KEY) else {
        return Ok(());
    };
    let (lines, own) = text.rsplit_once('\n').map(|(lines, own)| (format!("{lines}\n"), own)).unwrap_or_default();
    if format!("{:08x}", crc32fast::hash(lines.as_bytes())) != own {
        return Err(damaged("the header"));
    }
    let mut listed = 0;
    for line in lines.lines() {
        let name = line.split_once(' ').map_or("", |(_, name)| name);
        let view = file.tensor(name).map_err(|_| damaged("the header"))?;
        let facts = Facts { name, dtype: view.dtype(), shape: view.shape(), bytes: view.data() };
        if facts.line().trim_end() != line {
            return Err(damaged(&format!("`{name}`")));
        }
        listed += 1;
    }
    if listed == file.len() { Ok(()) } else { Err(damaged("the header")) }
}
