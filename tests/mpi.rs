//! Ranks that `mpirun` starts train as one process does, resume one another's runs, and do not wait for one that is gone.
//!
//! Each test starts copies of this program under `mpirun`; where there is none it says that it is skipped.
#![cfg(all(unix, feature = "mpi"))]

use formwork::cpu::{Observe, Static};
use formwork::engine::{Backend, Engine};
use formwork::group::{Group, Mpi, Normalized};
use formwork::learn::Scheme;
use formwork::portable::Portable;
use formwork::prelude::*;
use formwork::trainer::{Checkpoints, Progress, Trainer};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Reader = (
    NoBias<Conv2d<1, 4, 3, 1, 1>>, BatchNorm2d<4>, Relu, MaxPool2d<2>,
    Flatten, Dropout<20>,
    NoBias<Linear<64, 16>>, BatchNorm1d<16>, Tanh,
    Linear<16, 10>,
);

/// Its gradients are summed in three parts: of the last three layers, of the linear layer before, and what is in front of that.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Deep = (
    NoBias<Conv2d<1, 4, 3, 1, 1>>, BatchNorm2d<4>, Relu, MaxPool2d<2>,
    Flatten, Dropout<20>,
    NoBias<Linear<64, 256>>, BatchNorm1d<256>, Tanh,
    NoBias<Linear<256, 64>>, BatchNorm1d<64>, Tanh,
    Linear<64, 10>,
);

/// Networks that read the digits.
trait Images: formwork::types::Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>> {}
impl Images for Reader {}
impl Images for Deep {}

/// What a copy is asked for, and where it leaves what it has learned.
const TASK: &str = "FORMWORK_MPI_TASK";
const FOLDER: &str = "FORMWORK_MPI_FOLDER";

/// 100 steps: ten times nine batches of 33, and one of 3, which are fewer than four ranks.
const SAMPLES: usize = 300;
const BATCH: usize = 33;
const EPOCHS: u64 = 10;

/// How far `f64` may be from it after these steps: some of its roundings.
const NEAR: f64 = 1e-12;

/// A copy under `mpirun`.
struct Rank<'a> {
    group: &'a Mpi,
    folder: &'a Path,
    epochs: u64,
}

type Training<'a, N, O, E> = Trainer<'a, N, Class<10>, CrossEntropy, O, E>;

/// What a copy does; without a task there is nothing to do.
#[test]
fn rank() {
    let Ok(task) = std::env::var(TASK) else { return };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let group = Mpi::begin();
    let number = group.rank();
    let rank = Rank { group: &group, folder: &folder, epochs: EPOCHS };
    let adam = || Adam::new(1e-3).clip_norm(1.0).accumulated(2);
    match task.as_str() {
        "learn" => rank.learn::<f64, _>(adam(), |trainer| trainer, |_| ()),
        "learn half" => Rank { epochs: EPOCHS / 2, ..rank }.learn::<f64, _>(adam(), |trainer| trainer, |_| ()),
        "learn f32" => rank.learn::<f32, _>(Sgd::new(0.05), |trainer| trainer, |_| ()),
        "learn f32 with Adam" => rank.learn::<f32, _>(Adam::new(1e-3), |trainer| trainer, |_| ()),
        "learn portably" => rank.learn_on::<Reader, f64, Portable<f64, Cpu>, _>(adam(), |trainer| trainer, |_| ()),
        "learn deeply" => rank.learn_on::<Deep, f64, Static<f64>, _>(adam(), |trainer| trainer, |_| ()),
        "learn by rank" => rank.learn::<f64, _>(Adam::new(1e-3), |trainer| trainer.batch_norm(Normalized::OverRank), |_| ()),
        "diverge" => rank.learn::<f32, _>(Sgd::new(1e30), |trainer| trainer, |_| ()),
        "differ" => rank.learn::<f32, _>(Sgd::new(0.1), |trainer| trainer.batch_size(BATCH + number / 3), |_| ()),
        "die" => rank.learn::<f64, _>(
            adam(),
            |trainer| trainer,
            |epoch| {
                if (epoch, number) == (3, 2) {
                    rank.signal("KILL")
                }
            },
        ),
        "interrupt" => rank.learn::<f64, _>(
            adam(),
            |trainer| trainer.stop_on_ctrl_c(),
            |epoch| {
                if (epoch, number) == (3, 1) {
                    rank.signal("INT")
                }
            },
        ),
        "panic" => rank.learn::<f64, _>(adam(), |trainer| trainer, |epoch| assert!((epoch, number) != (3, 1), "what a mistake")),
        "fail" if number == 1 => group.abort(&"the disk is gone"),
        "fail" => rank.learn::<f64, _>(adam(), |trainer| trainer, |_| ()),
        other => panic!("no such task: {other}"),
    }
}

impl Rank<'_> {
    /// Learns, with a look at each epoch that is done; saves what was learned, and prints how it went.
    fn learn<E: Observe, O: Optimizer<E>>(
        &self,
        optimizer: O,
        more: impl FnOnce(Training<'_, Reader, O, E>) -> Training<'_, Reader, O, E>,
        each: impl Fn(usize),
    ) where
        Cpu: Backend<E>,
    {
        self.learn_on::<Reader, E, <Cpu as Backend<E>>::Engine, O>(optimizer, more, each);
    }

    /// The same with a network and an engine of one's choice.
    fn learn_on<N, E: Observe, G: Engine<E, Cpu>, O: Optimizer<E>>(
        &self,
        optimizer: O,
        more: impl FnOnce(Training<'_, N, O, E>) -> Training<'_, N, O, E>,
        each: impl Fn(usize),
    ) where
        N: Images,
        Cpu: Backend<E>,
    {
        let digits = formwork::data::digits::load().unwrap();
        let images = |range: std::ops::Range<usize>| {
            let inputs = range.clone().flat_map(|i| digits.input(i)).map(|&pixel: &f32| E::of(pixel.into())).collect();
            Dataset::<Rank3<1, 8, 8>, Class<10>, E>::new(inputs, range.flat_map(|i| digits.target(i)).copied().collect()).unwrap()
        };
        let (train, test) = (images(0..SAMPLES), images(SAMPLES..2 * SAMPLES + 1));
        // Ranks begin with parameters of their own, and go on with those of rank 0.
        let mut model = Model::<N, E, Cpu, G>::try_new(&Cpu::default(), self.group.rank() as u64, Scheme::default()).unwrap();
        let mut trainer = Trainer::new(CrossEntropy::default(), optimizer).group(self.group).epochs(self.epochs).batch_size(BATCH);
        trainer = trainer.validation(&test).metric(formwork::metrics::accuracy()).progress(Progress::Silent);
        trainer = more(trainer.checkpoints(Checkpoints::new(self.folder.join("run")).resume()));
        let history = trainer.fit_watched(&mut model, &train, |history, _| {
            each(history.rows().len());
            ControlFlow::Continue(())
        });
        let (rank, size) = (self.group.rank(), self.group.size());
        match history {
            Ok(history) => {
                model.save(self.folder.join(format!("{rank} of {size}"))).unwrap();
                let [loss, accuracy] = ["loss", "val_accuracy"].map(|column| history.last(column).unwrap());
                let (stopped, epochs) = (history.stopped, history.rows().len());
                println!("rank {rank}: {stopped:?} after {epochs} epochs, loss {loss:.12}, accuracy {accuracy}");
            }
            Err(error) => println!("rank {rank}: error: {error}"),
        }
    }

    /// Sends this process a signal.
    fn signal(&self, name: &str) {
        std::fs::write(self.folder.join("sent"), name).unwrap();
        Command::new("kill").args([format!("-{name}"), std::process::id().to_string()]).status().unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What `mpirun` of so many copies has printed, and whether it went well; none where there is no `mpirun`.
struct Run {
    text: String,
    went_well: bool,
}

/// Two cores are not enough for the copies of several tests.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn mpirun(ranks: usize, task: &str, folder: &Path) -> Option<Run> {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "-n", &ranks.to_string()]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "rank", "--nocapture", "--test-threads=1"]).env(TASK, task).env(FOLDER, folder);
    // Containers know no other user.
    command.envs(["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"].map(|name| (name, "1")));
    match command.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            Some(Run { text, went_well: output.status.success() })
        }
        Err(error) => {
            println!("skipped: mpirun: {error}");
            None
        }
    }
}

/// The parameters that rank 0 of so many has learned; every rank has the same, and the same buffers, to the last bit.
fn learned<N: Images>(folder: &Path, ranks: usize) -> Learned {
    let load = |rank: usize| {
        let mut model = Model::<N, f64, Cpu>::new(9);
        model.load(folder.join(format!("{rank} of {ranks}"))).unwrap();
        Learned { parameters: model.parameters(), buffers: model.buffers() }
    };
    let first = load(0);
    (1..ranks).for_each(|rank| assert_eq!(load(rank), first, "rank {rank} of {ranks}"));
    first
}

#[derive(Debug, PartialEq)]
struct Learned {
    parameters: Vec<f64>,
    buffers: Vec<f64>,
}

impl Learned {
    /// The largest difference of parameters; or a tenth of that of buffers, which may be large, as a share of them.
    fn farthest_from(&self, other: &Learned) -> f64 {
        let of = |a: &[f64], b: &[f64], scale: fn(f64) -> f64| a.iter().zip(b).map(|(a, b)| (a - b).abs() / scale(*a)).fold(0.0, f64::max);
        let far = [of(&self.parameters, &other.parameters, |_| 1.0), of(&self.buffers, &other.buffers, |x| x.abs().max(1.0))];
        println!("parameters are {:.1e} apart, buffers {:.1e}", far[0], far[1]);
        far[0].max(far[1] / 10.0)
    }
}

/// The lines of ranks, without which rank it was: there has to be one for each, and they have to be the same.
fn said(run: &Run, ranks: usize) -> String {
    let lines: Vec<&str> = run.text.lines().filter_map(|line| line.split_once("rank ")?.1.split_once(": ")).map(|(_, said)| said).collect();
    assert!(lines.len() == ranks && lines.iter().all(|line| *line == lines[0]), "{}", run.text);
    lines[0].to_owned()
}

/// Trains with so many ranks, and returns what was learned.
fn train(ranks: usize, task: &str) -> Option<Learned> {
    train_of::<Reader>(ranks, task)
}

/// The same with a network of one's choice.
fn train_of<N: Images>(ranks: usize, task: &str) -> Option<Learned> {
    let folder = tempfile::tempdir().unwrap();
    let run = mpirun(ranks, task, folder.path())?;
    assert!(run.went_well && said(&run, ranks).starts_with("Finished after 10 epochs"), "{}", run.text);
    Some(learned::<N>(folder.path(), ranks))
}

/// After 100 steps with dropout, batch norm, clipping and accumulation; one of ten batches leaves a rank without samples.
#[test]
fn any_number_of_ranks_learns_the_same() {
    for (task, bound) in [("learn", NEAR), ("learn f32", 1e-6), ("learn f32 with Adam", 1e-6)] {
        let Some(one) = train(1, task) else { return };
        for ranks in [2, 4] {
            let far = one.farthest_from(&train(ranks, task).unwrap());
            println!("{task}: {ranks} ranks are {far:.1e} from one");
            assert!(far < bound, "{task}: {ranks} ranks are {far:e} from one");
        }
    }
}

/// Sums that are made while other gradients are computed are the same.
#[test]
fn gradients_may_be_summed_in_parts() {
    let Some(one) = train_of::<Deep>(1, "learn deeply") else { return };
    for ranks in [2, 4] {
        assert!(one.farthest_from(&train_of::<Deep>(ranks, "learn deeply").unwrap()) < NEAR);
    }
}

/// As on a GPU, with the sums of batch normalization on dfdx's tape.
#[test]
fn ranks_of_the_portable_engine_learn_the_same() {
    let Some(one) = train(1, "learn") else { return };
    for ranks in [1, 4] {
        assert!(one.farthest_from(&train(ranks, "learn portably").unwrap()) < 1e-9);
    }
}

#[test]
fn the_same_number_of_ranks_learns_the_same_bits() {
    let Some(once) = train(4, "learn f32") else { return };
    assert_eq!(train(4, "learn f32").unwrap(), once);
}

/// What is normalized over a rank depends on the ranks; they still agree.
#[test]
fn batch_norm_may_look_at_one_rank() {
    let (Some(one), Some(two)) = (train(1, "learn by rank"), train(2, "learn by rank")) else { return };
    assert!(one.farthest_from(&two) > 1e-6);
    train(4, "learn by rank");
}

#[test]
fn any_number_of_ranks_resumes() {
    let Some(whole) = train(1, "learn") else { return };
    let folder = tempfile::tempdir().unwrap();
    let half = mpirun(4, "learn half", folder.path()).unwrap();
    assert!(said(&half, 4).starts_with("Finished after 5 epochs"), "{}", half.text);
    let rest = mpirun(2, "learn", folder.path()).unwrap();
    assert!(said(&rest, 2).starts_with("Finished after 10 epochs"), "{}", rest.text);
    assert!(learned::<Reader>(folder.path(), 2).farthest_from(&whole) < NEAR);
}

#[test]
fn a_rank_that_is_killed_ends_the_others_and_fewer_resume() {
    let folder = tempfile::tempdir().unwrap();
    let Some(killed) = mpirun(4, "die", folder.path()) else { return };
    let took = folder.path().join("sent").metadata().unwrap().modified().unwrap().elapsed().unwrap();
    println!("ended {took:?} after the signal:\n{}", killed.text);
    assert!(took < Duration::from_secs(10) && !killed.went_well && killed.text.contains("rank 2 with PID"), "{took:?}\n{}", killed.text);
    let rest = mpirun(2, "learn", folder.path()).unwrap();
    assert!(said(&rest, 2).starts_with("Finished after 10 epochs"), "{}", rest.text);
    assert!(learned::<Reader>(folder.path(), 2).farthest_from(&train(1, "learn").unwrap()) < NEAR);
}

#[test]
fn a_rank_that_fails_or_panics_ends_the_others() {
    for (task, message) in [("fail", "error: rank 1 of 4: the disk is gone"), ("panic", "error: rank 1 of 4: it has panicked")] {
        let folder = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        let Some(run) = mpirun(4, task, folder.path()) else { return };
        assert!(!run.went_well && run.text.contains(message), "{}", run.text);
        println!("{task}: {:?}", begin.elapsed());
    }
}

#[test]
fn ctrl_c_on_one_rank_stops_all_where_they_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(run) = mpirun(2, "interrupt", folder.path()) else { return };
    assert!(run.went_well && said(&run, 2).starts_with("Interrupted after 3 epochs"), "{}", run.text);
    let rest = mpirun(4, "learn", folder.path()).unwrap();
    assert!(said(&rest, 4).starts_with("Finished after 10 epochs"), "{}", rest.text);
    assert!(learned::<Reader>(folder.path(), 4).farthest_from(&train(1, "learn").unwrap()) < NEAR);
}

#[test]
fn what_all_ranks_find_is_an_error_on_all() {
    let folder = tempfile::tempdir().unwrap();
    let Some(diverged) = mpirun(4, "diverge", folder.path()) else { return };
    let said = said(&diverged, 4);
    assert!(diverged.went_well && said.contains("the loss is no longer a number; the first place that is not finite is the "), "{said}");
    let differ = mpirun(4, "differ", tempfile::tempdir().unwrap().path()).unwrap();
    assert!(differ.went_well && differ.text.contains("rank 3: error: ranks 0 and 3 do not train the same:"), "{}", differ.text);
    // Lines of other ranks may come between those of one.
    assert_eq!(differ.text.matches("  run.batch_size: expected 34, given 33").count(), 4, "{}", differ.text);
    assert_eq!(differ.text.matches("error: rank 3 of the group: ranks 0 and 3 do not").count(), 3, "{}", differ.text);
}
