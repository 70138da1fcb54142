//! A training step allocates nothing after the first, and a predictor nothing at all.

use formwork::data::digits;
use formwork::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[network([1, 8, 8] => [10])]
type Reader = (
    Conv2d<1, 8, 3, 1, 1>,
    BatchNorm2d<8>,
    Relu,
    Residual<(Conv2d<8, 8, 3, 1, 1>, Gelu)>,
    SkipConcat<(Conv2d<8, 4, 1>, Silu)>,
    MaxPool2d<2>,
    Flatten,
    Dropout<25>,
    Linear<192, 32>,
    Tanh,
    Reshape<Rank2<8, 4>>,
    TransformerEncoderLayer<4, 2, 8>,
    Last<Bidirectional<Gru<4, 5>>>,
    Linear<10, 10>,
);

/// The only test of this file, so that no other one allocates beside it.
#[test]
fn a_training_step_allocates_nothing_after_the_first_and_a_predictor_nothing() {
    let (_, data) = digits::load().unwrap().split_stratified(0.2, 0);
    let mut model = Model::<Reader, f32, Cpu>::new(0);
    model.set_threads(2);
    let mut optimizer = Adam::new(0.01).penalty_l2(1e-4).clip_norm(1.0).scheduled(CosineAnnealingLr::new(0.01, 24));
    let mut batch = MiniBatch::default();
    let mut epochs: Vec<_> = (0..3).map(|seed| data.shuffled(50, seed)).collect();
    assert!(epochs[0].next_into(&mut batch));
    model.train(&batch, &CrossEntropy::default(), &mut optimizer).unwrap();

    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let mut steps = 0;
    for batches in &mut epochs {
        // The last batch of an epoch is a smaller one.
        while batches.next_into(&mut batch) {
            model.train(&batch, &CrossEntropy::default(), &mut optimizer).unwrap();
            steps += 1;
        }
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "allocations in {steps} steps");
    assert_eq!(steps, 23);

    let (mut predictor, mut scores) = (model.predictor(), [0.0; 10]);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for i in 0..20 {
        predictor.run(data.input(i), &mut scores).unwrap();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0, "allocations for 20 samples");
    assert_ne!(scores, [0.0; 10]);

    let counted = ALLOCATIONS.load(Ordering::Relaxed);
    drop(vec![0; 1000]);
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > counted, "the counter counts");
}
