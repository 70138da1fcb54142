//! What the programs that are compared have in common: how they are asked, how they measure, and what they print.

#[path = "../../workloads/random.rs"]
pub mod random;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// All networks that are measured.
pub const WORKLOADS: [&str; 10] = [
    "mlp_train_b1",
    "mlp_train_b64",
    "mlp_train_b256",
    "cnn_train_b64",
    "cnn_train_b128",
    "cnn_infer_b1",
    "cnn_infer_b64",
    "lstm_train_b32",
    "encoder_train_b16",
    "unet_train_b8",
];

/// What is measured: a step of training or an inference.
pub type Step = Box<dyn FnMut()>;

/// A problem to be told, whatever it is.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The name of a workload in its parts: `cnn_train_b64` is a network `cnn`, which trains, on 64 samples.
#[derive(Clone, Copy)]
pub struct Workload<'a> {
    pub network: &'a str,
    pub trains: bool,
    pub samples: usize,
}

impl<'a> Workload<'a> {
    pub fn parse(name: &'a str) -> Option<Self> {
        let (rest, samples) = name.rsplit_once("_b")?;
        let (network, verb) = rest.split_once('_')?;
        Some(Workload { network, trains: verb == "train", samples: samples.parse().ok()? })
    }

    /// The numbers that a sample has.
    pub fn input(self) -> &'static [usize] {
        match self.network {
            "mlp" => &[784],
            "lstm" => &[28, 28],
            "encoder" => &[64, 128],
            "unet" => &[1, 64, 64],
            _ => &[1, 28, 28],
        }
    }

    /// The shape of a batch.
    pub fn batch(self) -> Vec<usize> {
        [&[self.samples], self.input()].concat()
    }

    /// How many classes are told apart, and how often in a batch.
    pub fn classes(self) -> [usize; 2] {
        if self.network == "unet" { [2, self.samples * 64 * 64] } else { [10, self.samples] }
    }
}

/// Microseconds for a step.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

/// How long a round of steps takes at least: long for a clock, short beside the whole.
const ROUND: f64 = 0.02;
const ROUNDS: usize = 5;
const WARM_UP: usize = 3;

/// Times rounds of steps for so many seconds.
pub fn measure(seconds: f64, step: &mut dyn FnMut()) -> Timing {
    let mut time = |steps: usize| {
        let start = Instant::now();
        (0..steps).for_each(|_| step());
        start.elapsed().as_secs_f64() / steps as f64
    };
    time(WARM_UP);
    let steps = ((ROUND / time(1)) as usize).max(1);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut rounds = Vec::new();
    while Instant::now() < end || rounds.len() < ROUNDS {
        rounds.push(time(steps) * 1e6);
    }
    rounds.sort_unstable_by(f64::total_cmp);
    let half = rounds.len() / 2;
    let median = if rounds.len() % 2 == 1 { rounds[half] } else { (rounds[half - 1] + rounds[half]) / 2.0 };
    Timing { min: rounds[0], median, max: rounds[rounds.len() - 1] }
}

/// What a program is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub threads: Option<usize>,
    /// How many times as many samples a batch has as its name says.
    pub times: usize,
    /// Whether numbers may be rounded to TF32 where they are multiplied.
    pub tf32: bool,
    pub workloads: Vec<String>,
    pub seconds: f64,
    /// Read names from the standard input and measure each when it comes.
    pub serve: bool,
    /// How many steps to take, instead of measuring time, before the memory that was needed is printed.
    pub memory: Option<usize>,
    /// A folder of files to compare with, in which `peers.py --dump` has put what PyTorch computes.
    pub check: Option<String>,
    /// Print what can be measured.
    pub list: bool,
}

const HELP: &str = "\
--workload NAME  measure this one (may be repeated); all if left out
--threads N      use up to N threads
--times N        formwork: batches of N times as many samples as their names say
--tf32           formwork: round to TF32 what is multiplied, on a GPU
--seconds S      measure each for S seconds (0.5)
--serve          read names from the standard input, and measure each when it comes
--memory N       take N steps, and print the peak of memory in KiB before and after
--check DIR      formwork: compare with what `peers.py --dump DIR` has left
--list           the sweep: print the settings as JSON";

impl Options {
    /// From the command line; `None` if it asks for help, which is then printed.
    pub fn parse() -> Outcome<Option<Self>> {
        use lexopt::prelude::*;
        let mut options = Options {
            threads: None,
            times: 1,
            tf32: false,
            workloads: Vec::new(),
            seconds: 0.5,
            serve: false,
            memory: None,
            check: None,
            list: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Long("workload") => options.workloads.push(parser.value()?.string()?),
                Long("threads") => options.threads = Some(parser.value()?.parse()?),
                Long("times") => options.times = parser.value()?.parse()?,
                Long("tf32") => options.tf32 = true,
                Long("seconds") => options.seconds = parser.value()?.parse()?,
                Long("serve") => options.serve = true,
                Long("memory") => options.memory = Some(parser.value()?.parse()?),
                Long("check") => options.check = Some(parser.value()?.string()?),
                Long("list") => options.list = true,
                Long("help") => {
                    println!("{HELP}");
                    return Ok(None);
                }
                _ => return Err(arg.unexpected().into()),
            }
        }
        Ok(Some(options))
    }
}

/// Runs a program whose steps `make` makes by name: `None` if the library lacks something, or is not on stable Rust.
pub fn main(peer: &str, make: impl Fn(&str, &Options) -> Outcome<Option<Step>>) -> ExitCode {
    let answered = Options::parse().and_then(|options| match options {
        Some(options) => answer(peer, &WORKLOADS, make, &options),
        None => Ok(()),
    });
    exit(answered)
}

/// Tells a problem.
pub fn exit(outcome: Outcome<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what the options ask for, or all of `names`.
pub fn answer(peer: &str, names: &[&str], make: impl Fn(&str, &Options) -> Outcome<Option<Step>>, options: &Options) -> Outcome<()> {
    let peer = if cfg!(feature = "mimalloc") { format!("{peer}+mimalloc") } else { peer.to_owned() };
    if let Some(steps) = options.memory {
        return memory(&peer, make, options, steps);
    }
    if !options.serve {
        let asked: Vec<&str> = options.workloads.iter().map(String::as_str).collect();
        for name in if asked.is_empty() { names } else { &asked } {
            let timing = make(name, options)?.map(|mut step| measure(options.seconds, &mut step));
            print(name, &peer, options, timing)?;
        }
        return Ok(());
    }
    let mut steps = HashMap::new();
    for name in std::io::stdin().lock().lines() {
        let name = name?;
        if !steps.contains_key(&name) {
            steps.insert(name.clone(), make(&name, options)?);
        }
        let timing = steps.get_mut(&name).and_then(Option::as_mut).map(|step| measure(options.seconds, step));
        print(&name, &peer, options, timing)?;
    }
    Ok(())
}

/// A line: the workload, who, threads, and the fastest, the median and the slowest round, or a dash where there is none.
fn print(name: &str, peer: &str, options: &Options, timing: Option<Timing>) -> Outcome<()> {
    let threads = options.threads.map_or("all".to_owned(), |threads| threads.to_string());
    let times = timing.map_or("-".to_owned(), |Timing { min, median, max }| format!("{min:.2}\t{median:.2}\t{max:.2}"));
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name}\t{peer}\t{threads}\t{times}")?;
    Ok(out.flush()?)
}

/// A line for each workload: its name, who, and the peak of memory in KiB before there was a network and after some steps.
fn memory(peer: &str, make: impl Fn(&str, &Options) -> Outcome<Option<Step>>, options: &Options, steps: usize) -> Outcome<()> {
    for name in &options.workloads {
        let before = peak_memory()?;
        if let Some(mut step) = make(name, options)? {
            (0..steps).for_each(|_| step());
            println!("{name}\t{peer}\t{before}\t{}", peak_memory()?);
        }
    }
    Ok(())
}

/// The most memory that the process has had, in KiB; Linux keeps count.
fn peak_memory() -> Outcome<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"));
    Ok(peak.ok_or("/proc/self/status has no line VmHWM")?.trim().parse()?)
}
