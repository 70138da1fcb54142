//! Sources that stand on other sources: parts, and images changed at random.

use formwork::Noise;
use formwork::data::digits::{self, Digits};
use formwork::data::{Class, FlipHorizontal, GaussianNoise, Shift, Source};
use formwork::prelude::*;

fn digits() -> Digits {
    digits::load().unwrap()
}

fn read<S: Source<Target = Class<10>>>(source: &S, samples: &[usize], noise: Noise) -> Vec<f32> {
    let mut batch = MiniBatch::default();
    batch.read(source, samples, noise).unwrap();
    batch.inputs().to_vec()
}

#[test]
fn parts_are_all_there_once() {
    let data = digits();
    let (train, test) = data.split(0.25, 3);
    let mut all = [train.samples(), test.samples()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..1797).collect::<Vec<_>>());
    assert_eq!(read(&test, &[5], Noise::new(0)), data.input(test.samples()[5]));
    assert_eq!(data.split(0.25, 3).1.samples(), test.samples());
    assert_ne!(data.split(0.25, 4).1.samples(), test.samples());
    let mut tested: Vec<usize> = data.folds(7, 0).iter().flat_map(|(_, test)| test.samples().to_vec()).collect();
    tested.sort_unstable();
    assert_eq!(tested, all);
}

#[test]
fn a_split_by_class_is_that_of_the_data_set() {
    let data = digits();
    let (train, test) = data.split_by_class(0.2, 9).unwrap();
    let (kept, taken) = data.split_stratified(0.2, 9);
    assert_eq!(train.in_memory().unwrap().all().inputs(), kept.all().inputs());
    assert_eq!(test.in_memory().unwrap().all().targets(), taken.all().targets());
}

#[test]
fn changes_depend_on_the_seed_and_the_sample_alone() {
    let more = digits().augmented((FlipHorizontal::half(), Shift::up_to(2), GaussianNoise::new(0.1)));
    let together = read(&more, &[3, 8, 11], Noise::new(1));
    assert_eq!(read(&more, &[11, 8, 3], Noise::new(1)), [&together[128..], &together[64..128], &together[..64]].concat());
    assert_ne!(read(&more, &[3, 8, 11], Noise::new(2)), together);
    assert_ne!(read(&digits(), &[3, 8, 11], Noise::new(1)), together);
}

#[test]
fn parts_of_images() {
    let data = digits();
    let middle = read(&(&data).cropped::<4, 6>(), &[7], Noise::new(0)); // rows 2 to 6, columns 1 to 7
    let expected: Vec<f32> = (2..6).flat_map(|row| data.input(7)[8 * row + 1..][..6].to_vec()).collect();
    assert_eq!(middle, expected);
    let parts: Vec<Vec<f32>> = (0..8)
        .flat_map(|row| (0..2).map(move |column| (row, column)))
        .filter(|place| place.0 < 3)
        .map(|(top, left)| (top..top + 6).flat_map(|row| data.input(7)[8 * row + left..][..7].to_vec()).collect())
        .collect();
    let at_random = (&data).cropped_at_random::<6, 7>();
    let seen: Vec<usize> = (0..100).map(|seed| parts.iter().position(|part| *part == read(&at_random, &[7], Noise::new(seed))).unwrap()).collect();
    assert!((0..6).all(|part| seen.contains(&part)), "{seen:?}");
}
