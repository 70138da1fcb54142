//! Files of states.

use super::state::State;
use crate::checkpoint::{open, replace_by};
use crate::error::Error;
use std::path::{Path, PathBuf};

/// Where a run saves its states, how often, and how many are kept.
///
/// A state is all that a run is: parameters and buffers, what the optimizer and its schedule remember, how many epochs and batches
/// are done, the history, the best epoch. A file is written beside its place and then renamed, so that each is whole, and holds
/// checksums: [`Error::Damaged`] says what has changed since. What a save that was killed left beside them,
/// `.checkpoint-XXXXXX.unfinished`, the next run in the folder removes.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    every: Option<u64>,
    resume: bool,
}

const BEGIN: &str = "checkpoint-";
const END: &str = ".safetensors";

/// Around the letters and digits by which a file is called until it is whole.
const UNFINISHED: [&str; 2] = [".checkpoint-", ".unfinished"];
const RANDOM: usize = 6;

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

    /// Makes the folder, removes what killed saves left there, and returns the state to go on from, if there is one, and its file.
    pub(super) fn begin(&self) -> Result<Option<(PathBuf, State)>, Error> {
        std::fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder, "make it"))?;
        let last = self.files(is_checkpoint)?.pop();
        if let (Some(path), false) = (&last, self.resume) {
            let given = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let expected = "no checkpoints, or `Checkpoints::resume`".to_owned();
            return Err(Error::Format { file: self.folder.display().to_string(), expected, given });
        }
        self.files(is_unfinished)?.iter().try_for_each(|file| remove(file))?;
        let Some(path) = last else { return Ok(None) };
        let state = read(&path)?;
        Ok(Some((path, state)))
    }

    /// Saves a state, and removes what is not to be kept; returns the file.
    pub(super) fn save(&self, step: u64, state: &State) -> Result<PathBuf, Error> {
        let path = self.folder.join(format!("{BEGIN}{step:010}{END}"));
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED[0]).suffix(UNFINISHED[1]).rand_bytes(RANDOM);
        replace_by(&path, builder, &state.to_bytes())?;
        let files = self.files(is_checkpoint)?;
        let old = files.len().saturating_sub(self.keep);
        files[..old].iter().try_for_each(|file| remove(file))?;
        Ok(path)
    }

    /// The files in the folder with such names, the last one last.
    fn files(&self, is_one: fn(&str) -> bool) -> Result<Vec<PathBuf>, Error> {
        let failed = Error::file(&self.folder, "read it");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if is_one(&name) {
                files.push(path);
            }
        }
        files.sort_unstable();
        Ok(files)
    }
}

fn is_checkpoint(name: &str) -> bool {
    name.starts_with(BEGIN) && name.ends_with(END)
}

/// Whether a save made a file of this name; nobody else does.
fn is_unfinished(name: &str) -> bool {
    let random = name.strip_prefix(UNFINISHED[0]).and_then(|rest| rest.strip_suffix(UNFINISHED[1]));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn remove(file: &Path) -> Result<(), Error> {
    std::fs::remove_file(file).map_err(Error::file(file, "remove it"))
}

fn read(path: &Path) -> Result<State, Error> {
    let data = std::fs::read(path).map_err(Error::file(path, "read it"))?;
    Ok(State::from_file(&open(path, &data)?))
}
