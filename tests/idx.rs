//! IDX files: whole ones are read, all others are errors that name the file, what was expected and what was given.

use flate2::Compression;
use flate2::write::GzEncoder;
use formwork::data::Source;
use formwork::data::idx::{self, Images};
use formwork::prelude::*;
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Notes the largest piece of memory that anybody asked for.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// What a file of numbers of one byte begins with, and its numbers.
fn file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let dimensions = sizes.len() as u8;
    let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
    [0, 0, 8, dimensions].into_iter().chain(sizes).chain(bytes.iter().copied()).collect()
}

/// Three images of 2x2.
fn images() -> Vec<u8> {
    file(&[3, 2, 2], &[0, 51, 102, 153, 204, 255, 0, 51, 102, 153, 204, 255])
}

fn labels() -> Vec<u8> {
    file(&[3], &[2, 0, 1])
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Small = Images<2, 2, 3>;

fn read(images: &[u8], labels: &[u8]) -> Result<Small, Error> {
    idx::read(("images", images), ("labels", labels))
}

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this is an error"),
        Err(error) => error.to_string(),
    }
}

fn of_images(images: &[u8]) -> String {
    message(read(images, &labels()))
}

fn of_labels(labels: &[u8]) -> String {
    message(read(&images(), labels))
}

#[test]
fn whole_files_are_read() {
    for (images, labels) in [(images(), labels()), (packed(&images()), labels()), (packed(&images()), packed(&labels()))] {
        let data = read(&images, &labels).unwrap();
        assert_eq!(data.len(), 3);
        assert_eq!(data.input(0), [0.0, 0.2, 0.4, 0.6]);
        assert_eq!(data.input(2), [0.4, 0.6, 0.8, 1.0]);
        assert_eq!([data.target(0), data.target(1), data.target(2)], [[2], [0], [1]]);
    }
}

#[test]
fn files_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("images"), folder.path().join("labels.gz"));
    std::fs::write(&a, images()).unwrap();
    let error = message(idx::load::<2, 2, 3, f32>(&a, &b));
    assert!(error.starts_with(&format!("{}: cannot open it: ", b.display())), "{error}");
    std::fs::write(&b, packed(&labels())).unwrap();
    assert_eq!(idx::load::<2, 2, 3, f64>(&a, &b).unwrap().len(), 3);
    let error = message(idx::load::<2, 3, 3, f32>(&a, &b));
    assert_eq!(error, format!("{}: expected images of 2x3, given 2x2", a.display()));
}

#[test]
fn mapped_files_are_as_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("images"), folder.path().join("labels"));
    std::fs::write(&a, images()).unwrap();
    std::fs::write(&b, labels()).unwrap();
    let mapped = idx::map::<2, 2, 3, f32>(&a, &b).unwrap();
    let (there, here) = (mapped.in_memory().unwrap().all(), read(&images(), &labels()).unwrap().all());
    assert_eq!((there.inputs(), there.targets()), (here.inputs(), here.targets()));
    for (length, problem) in [(27, "expected 12 pixels, given 11"), (15, "expected a number of 4 bytes in the header, given 3 bytes")] {
        std::fs::write(&a, &images()[..length]).unwrap();
        assert_eq!(message(idx::map::<2, 2, 3, f32>(&a, &b)), format!("{}: {problem}", a.display()));
    }
    std::fs::write(&a, packed(&images())).unwrap();
    assert!(message(idx::map::<2, 2, 3, f32>(&a, &b)).contains("which begins with 0x00000803, given 0x1f8b"));
}

#[test]
fn files_of_something_else() {
    assert_eq!(of_images(&labels()), "images: expected an IDX file of images, which begins with 0x00000803, given 0x00000801");
    assert_eq!(of_labels(b"hello"), "labels: expected an IDX file of labels, which begins with 0x00000801, given 0x68656c6c");
    let error = of_images(b"\x1f\x8b\x08");
    assert!(error.starts_with("images: expected a file that can be read to its end, given "), "{error}");
}

#[test]
fn files_that_end_too_early_or_too_late() {
    assert_eq!(of_images(&[]), "images: expected a number of 4 bytes in the header, given 0 bytes");
    assert_eq!(of_images(&images()[..15]), "images: expected a number of 4 bytes in the header, given 3 bytes");
    assert_eq!(of_images(&images()[..27]), "images: expected 12 pixels, given 11");
    assert_eq!(of_images(&[images(), vec![0]].concat()), "images: expected 12 pixels, given more");
    assert_eq!(of_labels(&labels()[..9]), "labels: expected 3 labels, given 1");
    assert_eq!(of_labels(&[labels(), packed(&[])].concat()), "labels: expected 3 labels, given more");
}

#[test]
fn labels_that_do_not_belong_to_the_images() {
    assert_eq!(of_labels(&file(&[2], &[0, 1])), "labels: expected 3 labels, one for each image, given 2");
    assert_eq!(of_labels(&file(&[3], &[0, 1, 3])), "labels: expected label 2, counted from 0, to be a class below 3, given 3");
}

/// The beginning of a file may promise anything; memory is only taken for what follows.
#[test]
fn sizes_that_no_file_has() {
    assert_eq!(of_images(&file(&[u32::MAX, 2, 2], &[7; 5])), "images: expected 17179869180 pixels, given 5");
    assert_eq!(of_images(&file(&[1, u32::MAX, u32::MAX], &[])), "images: expected images of 2x2, given 4294967295x4294967295");
    let huge = idx::read::<4294967295, 4294967295, 3, f32>(("images", &file(&[u32::MAX; 3], &[7])[..]), ("labels", &labels()[..]));
    assert_eq!(message(huge), "images: expected 18446744073709551615 pixels, given 1");
    assert_eq!(of_images(&packed(&file(&[u32::MAX, 2, 2], &[7; 5]))), "images: expected 17179869180 pixels, given 5");
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < 16 << 20, "{largest} bytes at once");
}

/// A file that goes on without end is read no further than its header says.
#[test]
fn a_file_without_end() {
    let beginning = file(&[3, 2, 2], &[]);
    let endless = beginning.as_slice().chain(std::io::repeat(0));
    assert_eq!(message(idx::read::<2, 2, 3, f32>(("images", endless), ("labels", &labels()[..]))), "images: expected 12 pixels, given more");
}

/// Some damage to bytes: a few are changed, and the end may be cut off.
fn damaged(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = bytes.len();
    (prop::collection::vec((0..length, any::<u8>()), 0..4), prop_oneof![Just(length), 0..length]).prop_map(move |(changes, end)| {
        let mut bytes = bytes.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(end);
        bytes
    })
}

fn any_file(whole: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![damaged(whole.clone()), damaged(packed(&whole)), prop::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #[test]
    fn damaged_files_are_read_or_refused(images in any_file(images()), labels in any_file(labels())) {
        if let Ok(data) = read(&images, &labels) {
            for i in 0..data.len() {
                prop_assert!(data.input(i).iter().all(|pixel| (0.0..=1.0).contains(pixel)));
                prop_assert!(data.target(i)[0] < 3);
            }
        }
    }
}
