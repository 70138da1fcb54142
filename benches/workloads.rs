//! A step of each network that is compared with other libraries: `cargo bench -p formwork-benches --bench workloads`.

#[expect(dead_code, reason = "numbers are compared with PyTorch's in `benches/peers`")]
#[path = "workloads/mod.rs"]
mod networks;

use criterion::{Criterion, criterion_group, criterion_main};

fn workloads(criterion: &mut Criterion) {
    for workload in networks::all(1) {
        let mut step = workload.step(networks::How::default()).expect("the device is there");
        criterion.bench_function(workload.name(), |bencher| bencher.iter(&mut step));
    }
}

criterion_group!(benches, workloads);
criterion_main!(benches);
