//! A save that is killed leaves the old file or the new one.

use formwork::prelude::*;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Large enough that writing it takes a while.
#[network([256] => [256])]
type Wide = (Linear<256, 512>, Relu, Linear<512, 256>);

/// Where a copy of this program saves, when it is started to be killed.
const FILE: &str = "FORMWORK_KILLED_SAVE";

/// What the copy does; without the variable there is nothing to do.
#[test]
fn saves_again_and_again() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let models = [Model::<Wide>::new(1), Model::<Wide>::new(2)];
    loop {
        models.iter().for_each(|model| model.save(&file).unwrap());
    }
}

#[test]
fn a_killed_save_leaves_a_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wide.safetensors");
    let whole = [1, 2].map(|seed| Model::<Wide>::new(seed).parameters());
    for round in 0..20 {
        kill_while_saving(&file, Duration::from_millis(round * 7 % 23));
        let mut model = Model::<Wide>::new(3);
        model.load(&file).unwrap();
        assert!(whole.contains(&model.parameters()), "round {round}");
    }
}

/// Starts a copy that saves, waits until it has saved once, and kills it a little later.
fn kill_while_saving(file: &Path, later: Duration) {
    let _ = std::fs::remove_file(file);
    let program = std::env::current_exe().unwrap();
    let mut copy = Command::new(program).args(["--exact", "saves_again_and_again"]).env(FILE, file).stdout(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while !file.exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the copy saves nothing");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(later);
    copy.kill().unwrap();
    copy.wait().unwrap();
}
