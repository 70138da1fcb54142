//! Files that need not fit into memory.

use crate::error::Error;
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// The bytes of a file, which the system reads when they are looked at and forgets when memory is short.
#[derive(Debug)]
pub struct Mapped(Mmap);

impl Mapped {
    /// Maps a file, which is not to be changed as long as this value is there.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be opened.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::file(path, "open it"))?;
        // SAFETY: nothing in this process writes to the map, which is private to this value, or to the file. That no other process
        // does cannot be proved here: the caller is told not to let that happen. Bytes that change are read as numbers and checked
        // again with each batch; a file that is cut off ends the process with SIGBUS. Positioned reads would be free of both, but
        // take a call to the system and a copy for each sample.
        let map = unsafe { Mmap::map(&file) };
        map.map(Mapped).map_err(Error::file(path, "map it"))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
