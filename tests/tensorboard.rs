//! TensorBoard itself reads what a trainer writes.
#![cfg(feature = "tensorboard")]

mod python;

use formwork::prelude::*;
use formwork::trainer::{Progress, Trainer};
use std::process::Command;

/// Prints the steps and values of the tag `loss`, as TensorBoard's own reader gives them.
const READER: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(*[f'{e.step}:{e.value!r}' for e in events.Scalars('loss')])
";

#[test]
fn tensorboard_reads_the_history() {
    let folder = tempfile::tempdir().unwrap();
    let data = Dataset::<Rank1<1>, Values<Rank1<1>>>::new(vec![0.0, 1.0], vec![1.0, 3.0]).unwrap();
    let mut trainer = Trainer::new(Mse, Sgd::new(0.1)).epochs(3).progress(Progress::Silent).tensorboard(folder.path());
    let history = trainer.fit(&mut Model::<Net<Linear<1, 1>, Rank1<1>, Rank1<1>>>::new(0), &data).unwrap();

    let Some(python) = python::find("tensorboard") else { return };
    let output = Command::new(&python).args(["-c", READER]).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected: Vec<String> = history.column("loss").iter().zip(1..).map(|(loss, step)| format!("{step}:{:?}", f64::from(*loss as f32))).collect();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected.join(" "));
}
