//! Files of states.

use super::state::State;
use crate::checkpoint::{open, replace};
use crate::error::Error;
use std::path::{Path, PathBuf};

/// Where a run saves its states, how often, and how many are kept.
///
/// A state is all that a run is: parameters and buffers, what the optimizer and its schedule remember, how many epochs and batches
/// are done, the history, the best epoch. A file is written beside its place and then renamed, so that each is whole, and holds
/// checksums: [`Error::Damaged`] says what has changed since.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    every: Option<u64>,
    resume: bool,
}

const BEGIN: &str = "checkpoint-";
const END: &str = ".safetensors";

impl Checkpoints {
    /// In this folder after each epoch; the last one is kept.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Checkpoints { folder: folder.into(), keep: 1, every: None, resume: false }
    }

    /// Keeps the last so many; 0 is as 1.
    pub fn keep(mut self, files: usize) -> Self {
        self.keep = files.max(1);
        self
    }

    /// Saves after every so many steps too; 0 is as 1.
    pub fn every_steps(mut self, steps: u64) -> Self {
        self.every = Some(steps.max(1));
        self
    }

    /// Goes on where the last file in the folder was saved; begins where there is none. Without this a folder with files in it is an
    /// error, so that runs are not mixed.
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Whether to save after this step, counted from 1.
    pub(super) fn is_due(&self, step: u64) -> bool {
        self.every.is_some_and(|every| step.is_multiple_of(every))
    }

    /// Makes the folder, and returns the state to go on from, if there is one, and its file.
    pub(super) fn begin(&self) -> Result<Option<(PathBuf, State)>, Error> {
        std::fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder, "make it"))?;
        let Some(path) = self.files()?.pop() else { return Ok(None) };
        if !self.resume {
            let given = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let expected = "no checkpoints, or `Checkpoints::resume`".to_owned();
            return Err(Error::Format { file: self.folder.display().to_string(), expected, given });
        }
        let state = read(&path)?;
        Ok(Some((path, state)))
    }

    /// Saves a state, and removes what is not to be kept.
    pub(super) fn save(&self, step: u64, state: &State) -> Result<(), Error> {
        replace(&self.folder.join(format!("{BEGIN}{step:010}{END}")), &state.to_bytes())?;
        let files = self.files()?;
        let old = files.len().saturating_sub(self.keep);
        files[..old].iter().try_for_each(|file| std::fs::remove_file(file).map_err(Error::file(file, "remove it")))
    }

    /// The files in the folder, the last one last.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let failed = Error::file(&self.folder, "read it");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(BEGIN) && name.ends_with(END) {
                files.push(path);
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

fn read(path: &Path) -> Result<State, Error> {
    let data = std::fs::read(path).map_err(Error::file(path, "read it"))?;
    Ok(State::from_file(&open(path, &data)?))
}
