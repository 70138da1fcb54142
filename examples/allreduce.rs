//! Expect one rank to print the cost of a sum, a model of a step, and how it scales, in about a minute.
//!
//! Measures what training together costs: the sum of gradients over all ranks by the size of the buffer, and steps of training; and
//! says from that how a step scales with ranks and network.
//!
//! ```text
//! for n in 1 2 4; do mpirun --oversubscribe -n $n cargo run --release --features mpi --example allreduce; done
//! ```

use formwork::group::{Alone, Group, Mpi};
use formwork::prelude::*;
use formwork::trainer::{Progress, Trainer};
use std::fmt::Display;
use std::rc::Rc;
use std::time::Instant;

/// Sizes of the buffer, in numbers of four bytes.
const SIZES: [usize; 8] = [1, 256, 4 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];

/// How many sums of each size there are.
const SUMS: usize = 31;

/// What is trained: wide layers, of which a step on a sample costs `2 * 3` operations for each parameter.
#[network([1, 8, 8] => [10])]
type Wide = (Flatten, Linear<64, 512>, Relu, Linear<512, 512>, Relu, Linear<512, 10>);

/// The same with images first: in front, little to be sent takes long to be computed, and behind it is the other way round. Gradients
/// behind a normalization are sent while those in front of it are computed.
#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Deep = (
    NoBias<Conv2d<1, 32, 3, 1, 1>>, BatchNorm2d<32>, Relu,                // [32, 8, 8]
    NoBias<Conv2d<32, 32, 3, 1, 1>>, BatchNorm2d<32>, Relu, MaxPool2d<2>, // [32, 4, 4]
    Flatten, NoBias<Linear<512, 512>>, BatchNorm1d<512>, Relu, Linear<512, 10>,
);

const BATCH: usize = 256;
const EPOCHS: u64 = 32;

/// How long a sum takes, by a straight line: each number goes to another rank twice, but for the rank's own part of the buffer.
///
/// Rabenseifner, "Optimization of collective reduction operations", 2004: `latency * 2 log2(n) + 2 (n - 1) / n * bytes / bandwidth`.
#[derive(Clone, Copy)]
struct Wire {
    /// Seconds until a message is there, however short it is.
    latency: f64,
    /// Bytes a second.
    bandwidth: f64,
}

impl Wire {
    fn sum(self, ranks: usize, bytes: f64) -> f64 {
        let n = ranks as f64;
        self.latency * 2.0 * n.log2() + 2.0 * (n - 1.0) / n * bytes / self.bandwidth
    }

    /// The network whose sums take what was measured, of the smallest buffer and of the one nearest to `bytes`. One bandwidth does not
    /// describe all sizes: in shared memory, buffers that fit into a cache are summed several times as fast as those that do not.
    fn of(ranks: usize, bytes: f64, measured: &[(f64, f64)]) -> Self {
        let far = |size: f64| (size / bytes).ln().abs();
        let nearest = measured.iter().min_by(|(a, _), (b, _)| far(*a).total_cmp(&far(*b))).expect("some sizes are measured");
        let (n, (_, shortest), (size, seconds)) = (ranks as f64, measured[0], *nearest);
        Wire { latency: shortest / (2.0 * n.log2()), bandwidth: 2.0 * (n - 1.0) / n * size / (seconds - shortest) }
    }
}

/// The same ranks, if nothing is sent before all gradients are there.
struct AtTheEnd(Mpi);

impl Group for AtTheEnd {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn handle(&self) -> Rc<dyn Group> {
        Rc::new(AtTheEnd(self.0.clone()))
    }

    fn sum_f32(&self, numbers: &mut [f32]) {
        self.0.sum_f32(numbers);
    }

    fn sum_f64(&self, numbers: &mut [f64]) {
        self.0.sum_f64(numbers);
    }

    fn gather(&self, own: &[u8]) -> Vec<u8> {
        self.0.gather(own)
    }

    fn broadcast(&self, bytes: &mut Vec<u8>) {
        self.0.broadcast(bytes);
    }

    fn abort(&self, problem: &dyn Display) -> ! {
        self.0.abort(problem)
    }
}

/// The number in the middle, of the rank where it is greatest: all wait for that one.
fn median_of_slowest(group: &Mpi, mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let of_ranks = group.gather(&numbers[numbers.len() / 2].to_le_bytes());
    of_ranks.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).fold(0.0, f64::max)
}

/// How long a sum of so many numbers takes.
fn sum_of(group: &Mpi, numbers: usize) -> f64 {
    let mut buffer = vec![1.0; numbers];
    let seconds = (0..SUMS).map(|_| {
        buffer.fill(1.0);
        group.gather(&[0]); // begin together
        let begin = Instant::now();
        group.sum_f32(&mut buffer);
        begin.elapsed().as_secs_f64()
    });
    let seconds = seconds.collect();
    median_of_slowest(group, seconds)
}

/// How long a step of training takes, with the others of `trained_by` or, as all ranks at a time, alone.
fn step<N>(group: &Mpi, trained_by: &dyn Group, batch: usize) -> Result<f64, Error>
where
    N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>,
{
    let digits = formwork::data::digits::load()?;
    let mut model = Model::<N, f32, Cpu>::new(0);
    model.set_threads(1);
    let mut trainer = Trainer::new(CrossEntropy::default(), Adam::new(1e-3)).batch_size(batch).epochs(EPOCHS).progress(Progress::Silent);
    trainer = trainer.group(trained_by);
    group.gather(&[0]); // begin together
    let history = trainer.fit(&mut model, &digits)?;
    Ok(median_of_slowest(group, history.column("seconds")) / digits.len().div_ceil(batch) as f64)
}

/// How long steps of one network take, and where the time goes. Returns the seconds of one on the whole batch, by itself.
fn steps<N>(group: &Mpi, measured: &[(f64, f64)]) -> Result<f64, Error>
where
    N: Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>,
{
    let (ranks, bytes) = (group.size(), 4.0 * N::SCALARS as f64);
    // What a rank computes by itself, while the others do the same: cores that are shared, and memory, are in it.
    let whole = step::<N>(group, &Alone, BATCH)?;
    let share = step::<N>(group, &Alone, BATCH / ranks)?;
    let [at_the_end, meanwhile] = [step::<N>(group, &AtTheEnd(group.clone()), BATCH)?, step::<N>(group, group, BATCH)?];
    if group.rank() == 0 {
        println!("{} parameters, {:.2} MB of gradients; batches of {BATCH}; ranks of one thread; ms of a step:", N::SCALARS, bytes / 1e6);
        println!("a rank by itself, while the others do the same: {:.2}, on {} samples {:.2}", 1e3 * whole, BATCH / ranks, 1e3 * share);
        println!("{ranks} ranks together: {:.2}, and {:.2} if gradients are summed while others are computed", 1e3 * at_the_end, 1e3 * meanwhile);
        if ranks > 1 {
            let sum = Wire::of(ranks, bytes, measured).sum(ranks, bytes);
            println!("by the model: {:.2}, and {:.2} if that costs nothing", 1e3 * (share + sum), 1e3 * share.max(sum));
        }
        println!();
    }
    Ok(whole)
}

fn run(group: &Mpi) -> Result<(), Box<dyn std::error::Error>> {
    let (rank, ranks) = (group.rank(), group.size());
    let measured: Vec<(f64, f64)> = SIZES.iter().map(|&numbers| (4.0 * numbers as f64, sum_of(group, numbers))).collect();
    let bytes = 4.0 * Wide::SCALARS as f64;
    if ranks > 1 && rank == 0 {
        let here = Wire::of(ranks, bytes, &measured);
        println!("a sum over {ranks} ranks here: latency {:.1} us, bandwidth {:.2} GB/s\n", 1e6 * here.latency, here.bandwidth / 1e9);
        println!("{:>12} {:>12} {:>12}", "bytes", "ms measured", "ms by model");
        for &(bytes, seconds) in &measured {
            println!("{bytes:>12} {:>12.3} {:>12.3}", 1e3 * seconds, 1e3 * here.sum(ranks, bytes));
        }
        println!();
    }
    let whole = steps::<Wide>(group, &measured)?;
    steps::<Deep>(group, &measured)?;
    if rank == 0 {
        scaling(whole, bytes);
    }
    Ok(())
}

/// How many times as fast `ranks` machines are, for networks that are usual between machines: with the batch shared out, and with a
/// batch that grows with the ranks.
fn scaling(whole: f64, bytes: f64) {
    let latency = 20e-6;
    println!("by the model, a rank a machine, as fast as this one; {:.0} us of latency; times as fast as one:", 1e6 * latency);
    println!(
        "{:>6} {:>22} {:>22} {:>22} {:>22}",
        "", "10 Gbit/s, batch 256", "100 Gbit/s, batch 256", "10 Gbit/s, 256 a rank", "100 Gbit/s, 256 a rank"
    );
    for ranks in [8, 16, 32, 64, 128, 256, 512, 1024] {
        let [slow, fast] = [10e9 / 8.0, 100e9 / 8.0].map(|bandwidth| Wire { latency, bandwidth }.sum(ranks, bytes));
        let n = ranks as f64;
        // No rank has less than a sample.
        let shared = whole / n.min(BATCH as f64);
        let times = [whole / (shared + slow), whole / (shared + fast), n * whole / (whole + slow), n * whole / (whole + fast)];
        println!("{ranks:>6} {}", times.map(|times| format!("{times:>22.1}")).join(" "));
    }
}

fn main() {
    let group = Mpi::begin();
    if let Err(error) = run(&group) {
        group.abort(&error);
    }
}
