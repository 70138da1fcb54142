//! A training step and an inference of the digits network, on both lowerings.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use formwork::data::digits;
use formwork::engine::Engine;
use formwork::portable::Portable;
use formwork::prelude::*;
use std::hint::black_box;

#[network([1, 8, 8] => [10])]
#[rustfmt::skip]
type Reader = (
    Conv2d<1, 16, 3, 1, 1>, Relu,
    Conv2d<16, 32, 3, 1, 1>, Relu, MaxPool2d<2>,
    Flatten, Dropout<50>, Linear<512, 64>, Relu, Linear<64, 10>,
);

const BATCH: usize = 32;

fn lowering<G: Engine<f32, Cpu>>(criterion: &mut Criterion, name: &str) {
    let data = digits::load().expect("the digits come with the crate");
    let batch = data.select(&(0..BATCH).collect::<Vec<_>>());
    let mut model = Model::<Reader, f32, Cpu, G>::try_new(&Cpu::default(), 0, Scheme::He).expect("there is memory for a small model");
    let mut optimizer = Adam::new(1e-3);
    let mut group = criterion.benchmark_group("digits");
    group.bench_function(BenchmarkId::new("train_b32", name), |bencher| {
        bencher.iter(|| model.train(black_box(&batch), &CrossEntropy::default(), &mut optimizer));
    });
    group.bench_function(BenchmarkId::new("infer_b32", name), |bencher| bencher.iter(|| model.predict(black_box(&batch))));
    group.finish();
}

fn digits_network(criterion: &mut Criterion) {
    lowering::<formwork::cpu::Static<f32>>(criterion, "static");
    lowering::<Portable<f32, Cpu>>(criterion, "portable");
}

criterion_group!(benches, digits_network);
criterion_main!(benches);
