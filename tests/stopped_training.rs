//! Training that is killed, interrupted or out of disk goes on later as if nothing had happened.
#![cfg(unix)]

use formwork::prelude::*;
use formwork::trainer::{Checkpoints, History, Progress, Stopped, Trainer};
use rand::{Rng, SeedableRng};
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

#[network([1, 8, 8] => [10])]
type Reader = (Conv2d<1, 4, 3, 1, 1>, BatchNorm2d<4>, Relu, MaxPool2d<2>, Flatten, Dropout<20>, Linear<64, 10>);

/// Where a copy of this program keeps its checkpoints, when it is started to be stopped.
const FOLDER: &str = "FORMWORK_STOPPED_TRAINING";
const EPOCHS: u64 = 12;

fn train(model: &mut Model<Reader>, checkpoints: Option<Checkpoints>) -> Result<History, Error> {
    let (train, test) = formwork::data::digits::load()?.split_stratified(0.2, 0);
    let optimizer = Adam::new(0.0).scheduled(CosineAnnealingLr::new(2e-3, EPOCHS * 45)).accumulated(2);
    let mut trainer = Trainer::new(CrossEntropy::default(), optimizer).epochs(EPOCHS).validation(&test).keep_best();
    trainer = trainer.progress(Progress::Silent).stop_on_ctrl_c();
    if let Some(checkpoints) = checkpoints {
        trainer = trainer.checkpoints(checkpoints).progress(Progress::Lines).on_batch(|_| {
            // Compiled for speed, a copy would be done before it is stopped.
            std::thread::sleep(Duration::from_millis(1));
            ControlFlow::Continue(())
        });
    }
    trainer.fit(model, &train)
}

/// What the copy does; without the variable there is nothing to do.
#[test]
fn trains() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut model = Model::<Reader>::new(4);
    let trained = train(&mut model, Some(Checkpoints::new(&folder).keep(2).every_steps(3).resume()));
    match trained {
        Ok(history) => {
            println!("stopped: {:?} after {} epochs", history.stopped, history.rows().len());
            if history.stopped == Stopped::Finished {
                model.save(folder.join("trained")).unwrap();
            }
        }
        Err(error) => println!("error: {error}"),
    }
}

fn copy(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "trains", "--nocapture"]).env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(".safetensors")).collect();
    paths.sort_unstable();
    paths
}

/// The names of everything in the folder.
fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    names
}

/// Starts a copy and waits until it has saved something new.
fn start(folder: &Path) -> Child {
    let before = checkpoints(folder).pop();
    let mut child = copy(folder).spawn().unwrap();
    let begin = Instant::now();
    while checkpoints(folder).pop() <= before && child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(120), "the copy saves nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The folder holds a run that is finished, and its bits are those of one that was never stopped.
fn assert_as_if_never_stopped(folder: &Path) {
    let mut whole = Model::<Reader>::new(4);
    train(&mut whole, None).unwrap();
    let mut stopped = Model::<Reader>::new(0);
    stopped.load(folder.join("trained")).unwrap();
    let bits = |model: &Model<Reader>| model.parameters().into_iter().chain(model.buffers()).map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&stopped), bits(&whole));
}

#[test]
fn killed_at_any_time_it_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(11);
    let mut killed = 0;
    for _ in 0..20 {
        let mut child = start(folder.path());
        std::thread::sleep(Duration::from_millis(rng.gen_range(0..20)));
        killed += i32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        // By these names the next run knows what to remove.
        let names = names(folder.path()).into_iter().map(|name| name.into_string().unwrap());
        let others: Vec<_> = names.filter(|name| !name.starts_with("checkpoint-") && !name.ends_with(".unfinished")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
    assert_eq!(killed, 20, "the copy was done before it was killed so often");
    let last = copy(folder.path()).output().unwrap();
    assert!(printed(&last).contains("stopped: Finished after 12 epochs"), "{}", printed(&last));
    assert!(names(folder.path()).iter().all(|name| !name.to_string_lossy().ends_with(".unfinished")));
    assert_as_if_never_stopped(folder.path());
}

#[test]
fn ctrl_c_ends_it_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let child = start(folder.path());
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && printed(&output).contains("stopped: Interrupted"), "{}", printed(&output));
    let (lines, saved) = (String::from_utf8_lossy(&output.stderr), checkpoints(folder.path()).pop().unwrap());
    let said = lines.lines().find(|line| line.starts_with("interrupted in epoch ")).unwrap_or_default();
    assert!(said.ends_with(&format!(" of 45: saved in {}", saved.display())), "{lines}");
    let last = copy(folder.path()).output().unwrap();
    assert!(printed(&last).contains("stopped: Finished"), "{}", printed(&last));
    assert_as_if_never_stopped(folder.path());
}

/// No file may grow beyond 8 KiB, and then beyond what it likes: as on a disk that is full, and one that was emptied.
#[test]
fn a_full_disk_leaves_the_last_checkpoint_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let before = checkpoints(folder.path());

    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact trains --nocapture"]).arg(std::env::current_exe().unwrap());
    let output = limited.env(FOLDER, folder.path()).output().unwrap();
    let text = printed(&output);
    assert!(text.contains(".safetensors: cannot write it: ") && text.contains("error: "), "{text}");
    // What the killed save may have left beside them is gone, and what could not be written too.
    assert_eq!(names(folder.path()), before.iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>());

    let last = copy(folder.path()).output().unwrap();
    assert!(printed(&last).contains("stopped: Finished"), "{}", printed(&last));
    assert_as_if_never_stopped(folder.path());
}
