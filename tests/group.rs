//! Ranks of a group train as one, on both lowerings; here they are threads of this process, so that no MPI is needed.

use formwork::cpu::Static;
use formwork::engine::Engine;
use formwork::group::{Alone, Group, Normalized};
use formwork::learn::Scheme;
use formwork::portable::Portable;
use formwork::prelude::*;
use formwork::trainer::{Progress, Trainer};
use std::fmt::Display;
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex, PoisonError};

/// What threads share: a place for the bytes of each.
struct Table {
    places: Mutex<Vec<Vec<u8>>>,
    all: Barrier,
}

/// One of the threads.
#[derive(Clone)]
struct Seat {
    table: Arc<Table>,
    rank: usize,
    size: usize,
}

impl Seat {
    /// The bytes of all, in order.
    fn exchange(&self, own: &[u8]) -> Vec<Vec<u8>> {
        let places = || self.table.places.lock().unwrap_or_else(PoisonError::into_inner);
        places()[self.rank] = own.to_vec();
        self.table.all.wait();
        let all = places().clone();
        self.table.all.wait();
        all
    }

    fn sum<E: Float>(&self, numbers: &mut [E]) {
        let all = self.exchange(&E::to_le_bytes(numbers));
        numbers.fill(E::zero());
        all.iter().for_each(|of_rank| numbers.iter_mut().zip(E::from_le_bytes(of_rank)).for_each(|(sum, x)| *sum += x));
    }
}

impl Group for Seat {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn handle(&self) -> Rc<dyn Group> {
        Rc::new(self.clone())
    }

    fn sum_f32(&self, numbers: &mut [f32]) {
        self.sum(numbers);
    }

    fn sum_f64(&self, numbers: &mut [f64]) {
        self.sum(numbers);
    }

    fn gather(&self, own: &[u8]) -> Vec<u8> {
        self.exchange(own).concat()
    }

    fn broadcast(&self, bytes: &mut Vec<u8>) {
        *bytes = self.exchange(bytes).swap_remove(0);
    }

    /// Not of this thread alone: the others would wait for it.
    fn abort(&self, problem: &dyn Display) -> ! {
        eprintln!("rank {}: {problem}", self.rank);
        std::process::abort()
    }
}

/// What each of so many ranks returns.
fn ranks<R: Send>(size: usize, work: impl Fn(&dyn Group) -> R + Sync) -> Vec<R> {
    let table = Arc::new(Table { places: Mutex::new(vec![Vec::new(); size]), all: Barrier::new(size) });
    std::thread::scope(|scope| {
        let sit = |rank| {
            let (table, work) = (Arc::clone(&table), &work);
            scope.spawn(move || work(&Seat { table, rank, size }))
        };
        let seats: Vec<_> = (0..size).map(sit).collect();
        seats.into_iter().map(|seat| seat.join().unwrap()).collect()
    })
}

#[network([1, 8, 8] => [10])]
type Normal = (NoBias<Conv2d<1, 2, 3, 2, 1>>, BatchNorm2d<2>, Relu, Flatten, Dropout<20>, Linear<32, 10>);

#[network([1, 8, 8] => [10])]
type Plainly = (Flatten, Linear<64, 8>, Tanh, Dropout<20>, Linear<8, 10>);

/// Parameters and buffers after two epochs of three batches, of which the last has one sample.
fn learned<N, G>(group: &dyn Group, normalized: Normalized) -> Result<Vec<f64>, Error>
where
    N: formwork::types::Network<Input = Rank3<1, 8, 8>, Output = Rank1<10>>,
    G: Engine<f64, Cpu>,
{
    let digits = formwork::data::digits::load()?;
    let inputs = (0..21).flat_map(|i| digits.input(i)).map(|&pixel: &f32| f64::from(pixel)).collect();
    let data = Dataset::<Rank3<1, 8, 8>, Class<10>, f64>::new(inputs, (0..21).flat_map(|i| digits.target(i)).copied().collect())?;
    let mut model = Model::<N, f64, Cpu, G>::try_new(&Cpu::default(), group.rank() as u64, Scheme::default())?;
    let mut trainer = Trainer::new(CrossEntropy::default(), Adam::new(0.01)).group(group).batch_norm(normalized);
    trainer = trainer.epochs(2).batch_size(10).progress(Progress::Silent).metric(formwork::metrics::accuracy());
    trainer.fit(&mut model, &data)?;
    Ok(model.parameters().into_iter().chain(model.buffers()).collect())
}

fn assert_near(a: &[f64], b: &[f64]) {
    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(a.len() == b.len() && far < 1e-12, "{far:e}");
}

#[test]
fn ranks_learn_what_one_learns() {
    let alone = learned::<Normal, Static<f64>>(&Alone, Normalized::OverAll).unwrap();
    let plainly = learned::<Plainly, Static<f64>>(&Alone, Normalized::OverAll).unwrap();
    assert_near(&learned::<Normal, Portable<f64, Cpu>>(&Alone, Normalized::OverAll).unwrap(), &alone);
    for size in [2, 3, 12] {
        for of_rank in ranks(size, |group| learned::<Normal, Static<f64>>(group, Normalized::OverAll).unwrap()) {
            assert_near(&of_rank, &alone);
        }
        for of_rank in ranks(size, |group| learned::<Normal, Portable<f64, Cpu>>(group, Normalized::OverAll).unwrap()) {
            assert_near(&of_rank, &alone);
        }
        for of_rank in ranks(size, |group| learned::<Plainly, Portable<f64, Cpu>>(group, Normalized::OverAll).unwrap()) {
            assert_near(&of_rank, &plainly);
        }
    }
}

/// Both lowerings normalize over a rank, and keep what rank 0 has seen.
#[test]
fn lowerings_normalize_over_a_rank_alike() {
    let fixed = ranks(2, |group| learned::<Normal, Static<f64>>(group, Normalized::OverRank).unwrap());
    let portable = ranks(2, |group| learned::<Normal, Portable<f64, Cpu>>(group, Normalized::OverRank).unwrap());
    assert_eq!((&fixed[0], &portable[0]), (&fixed[1], &portable[1]));
    assert_near(&fixed[0], &portable[0]);
}

/// The machine that plays a GPU normalizes over a rank as the others do, and says so where it is to be all of them.
#[cfg(feature = "emulated-gpu")]
#[test]
fn fused_networks_learn_with_ranks() {
    use formwork::engine::{Architecture, Objective, State};
    use formwork::gpu::{Emulated, Fused};
    use formwork::group::{Ranks, Share};
    let plainly = learned::<Plainly, Static<f64>>(&Alone, Normalized::OverAll).unwrap();
    for of_rank in ranks(12, |group| learned::<Plainly, Fused<f64, Emulated>>(group, Normalized::OverAll).unwrap()) {
        assert_near(&of_rank, &plainly);
    }
    let normal = ranks(2, |group| learned::<Normal, Static<f64>>(group, Normalized::OverRank).unwrap());
    let fused = ranks(2, |group| learned::<Normal, Fused<f64, Emulated>>(group, Normalized::OverRank).unwrap());
    assert_near(&fused[0], &normal[0]);
    let stop = core::cell::Cell::new(false);
    let share = Share::of(2, Ranks { group: &Alone, normalized: Normalized::OverAll, stop: &stop });
    let (network, model) = (Architecture::of::<Normal>(), Model::<Normal, f64, Cpu>::new(1));
    let state = State { parameters: model.parameters(), buffers: model.buffers() };
    let mut engine = Fused::<f64, Emulated>::new(&Cpu::default(), network, state).unwrap();
    let refused = engine.train_share(&[0.0; 128], &share, Some(formwork::Noise::new(1)), Objective::ByParts(&Zero), &mut Sgd::new(0.1)).unwrap_err();
    let message = "the device failed while normalizing over all ranks: this engine normalizes over the samples of a rank, `Normalized::OverRank`; \
                   the engine `Portable` can do it";
    assert_eq!(refused.to_string(), message);
}

/// A loss that is zero.
#[cfg(feature = "emulated-gpu")]
struct Zero;

#[cfg(feature = "emulated-gpu")]
impl formwork::engine::ByParts<f64> for Zero {
    fn part(&self, _samples: core::ops::Range<usize>, _outputs: &[f64], d_outputs: &mut [f64]) -> f64 {
        d_outputs.fill(0.0);
        0.0
    }
}
