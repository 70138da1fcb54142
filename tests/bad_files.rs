//! Files of any bytes are read or refused: no panic, and no more than 64 MiB of memory beyond the size of the file.
//!
//! `FORMWORK_FUZZ_CASES` says how many files of each kind there are to be; a million take two minutes:
//! `FORMWORK_FUZZ_CASES=1000000 cargo test --release --features images --test bad_files -- --nocapture`.

use formwork::data::csv::{Columns, Frame};
use formwork::data::npy::{self, Arrays};
use formwork::data::{Source, Table, digits, idx};
use formwork::prelude::*;
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what a thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    MOST.set(MOST.get().max(HELD.get()));
}

// SAFETY: every call is handed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's contract is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // For a moment there may be both.
        count(size as isize);
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MOST_BEYOND: isize = 64 << 20;

/// Bytes that files like to be damaged with.
const EXTREMES: [u8; 6] = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];

/// Numbers that headers like to be damaged with: around what 32 and 64 bits hold, and what is no count.
const NUMBERS: [&str; 10] =
    ["0", "1", "-1", "4294967295", "4294967296", "9223372036854775807", "18446744073709551615", "18446744073709551616", "1e308", "nan"];

/// What happens to a file; nothing where there is no such place any more.
#[derive(Clone, Debug)]
enum Damage {
    Flip {
        at: usize,
        bit: u8,
    },
    Overwrite {
        at: usize,
        with: Vec<u8>,
    },
    Truncate {
        to: usize,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    Remove {
        at: usize,
        len: usize,
    },
    Duplicate {
        at: usize,
        len: usize,
        to: usize,
    },
    /// A run of digits, as in a header that is text, becomes something else.
    Number {
        nth: usize,
        to: String,
    },
}

impl Damage {
    fn strategy(len: usize) -> impl Strategy<Value = Damage> {
        let bytes = || prop::collection::vec(any::<u8>(), 1..40);
        prop_oneof![
            4 => (0..len, 0..8u8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
            2 => (0..len, prop::collection::vec(prop::sample::select(&EXTREMES[..]), 1..=8)).prop_map(|(at, with)| Damage::Overwrite { at, with }),
            2 => (0..len, prop::collection::vec(any::<u8>(), 1..=2)).prop_map(|(at, with)| Damage::Overwrite { at, with }),
            2 => (0..len).prop_map(|to| Damage::Truncate { to }),
            1 => (0..=len, bytes()).prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
            1 => (0..len, 1..40usize).prop_map(|(at, len)| Damage::Remove { at, len }),
            2 => (0..len, 1..40usize, 0..=len).prop_map(|(at, len, to)| Damage::Duplicate { at, len, to }),
            2 => (0..64usize, prop_oneof![prop::sample::select(&NUMBERS[..]).prop_map(str::to_owned), "[0-9]{1,20}"])
                .prop_map(|(nth, to)| Damage::Number { nth, to }),
        ]
    }

    fn apply(&self, file: &mut Vec<u8>) {
        // The part of the file that is there.
        let span = |at: usize, len: usize| at.min(file.len())..(at + len).min(file.len());
        match self {
            Damage::Flip { at, bit } => file.iter_mut().skip(*at).take(1).for_each(|byte| *byte ^= 1 << bit),
            Damage::Overwrite { at, with } => file.iter_mut().skip(*at).zip(with).for_each(|(byte, &with)| *byte = with),
            Damage::Truncate { to } => file.truncate(*to),
            Damage::Insert { at, bytes } => drop(file.splice(span(*at, 0), bytes.iter().copied())),
            Damage::Remove { at, len } => drop(file.drain(span(*at, *len))),
            Damage::Duplicate { at, len, to } => {
                let (place, piece) = (span(*to, 0), file[span(*at, *len)].to_vec());
                file.splice(place, piece);
            }
            Damage::Number { nth, to } => {
                let runs = file.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
                let places = runs.scan(0, |end, run| {
                    *end += run.len();
                    Some((*end - run.len()..*end, run[0].is_ascii_digit()))
                });
                let mut places: Vec<_> = places.filter_map(|(place, are_digits)| are_digits.then_some(place)).collect();
                if !places.is_empty() {
                    file.splice(places.swap_remove(nth % places.len()), to.bytes());
                }
            }
        }
    }
}

/// What a reader is shown.
#[derive(Clone, Debug)]
enum Case {
    /// The good file of this number, after this.
    Damaged { file: usize, damages: Vec<Damage> },
    /// Bytes of no meaning.
    Meaningless(Vec<u8>),
}

impl Case {
    fn strategy(files: &[Vec<u8>]) -> impl Strategy<Value = Case> + use<> {
        let damaged = |(file, bytes): (usize, &Vec<u8>)| {
            let damages = prop::collection::vec(Damage::strategy(bytes.len()), 1..=4);
            damages.prop_map(move |damages| Case::Damaged { file, damages }).boxed()
        };
        prop_oneof![
            7 => Union::new(files.iter().enumerate().map(damaged)),
            1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Case::Meaningless),
        ]
    }

    fn bytes(&self, files: &[Vec<u8>]) -> Vec<u8> {
        match self {
            Case::Damaged { file, damages } => {
                let mut bytes = files[*file].clone();
                damages.iter().for_each(|damage| damage.apply(&mut bytes));
                bytes
            }
            Case::Meaningless(bytes) => bytes.clone(),
        }
    }
}

/// Shows many damaged files to a reader, which says whether it takes one; of those that fail the smallest damage is printed.
fn attack(kind: &str, files: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
    let cases = std::env::var("FORMWORK_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000);
    assert!(files.iter().all(|file| read(file)), "{kind}: a good file is read");
    let (taken, most) = (Cell::new(0), Cell::new(0));
    let check = |case: Case| {
        let file = case.bytes(files);
        let before = HELD.get();
        MOST.set(before);
        taken.set(taken.get() + u32::from(read(&file)));
        let beyond = MOST.get() - before - file.len() as isize;
        most.set(most.get().max(beyond));
        prop_assert!(beyond <= MOST_BEYOND, "{beyond} bytes beyond the {} of the file", file.len());
        Ok(())
    };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    // The same cases each time.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    if let Err(failed) = runner.run(&Case::strategy(files), check) {
        panic!("{kind}: {failed}");
    }
    let (taken, most) = (taken.get(), most.get());
    println!("{kind}: {cases} files, {taken} taken, {} refused, at most {most} bytes beyond the file", cases - taken);
    assert!(taken < cases, "{kind}: nothing was damaged");
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn idx_files() {
    let images: Vec<u8> = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2].into_iter().chain(0..12).collect();
    let labels = [0, 0, 8, 1, 0, 0, 0, 3, 2, 0, 1];
    attack("IDX images", &[images.clone(), packed(&images)], |file| idx::read::<2, 2, 3, f32>(("images", file), ("labels", &labels[..])).is_ok());
    attack("IDX labels", &[labels.to_vec(), packed(&labels)], |file| idx::read::<2, 2, 3, f32>(("images", &images[..]), ("labels", file)).is_ok());
}

/// An array `[2, 3]` as `numpy.save` writes it.
fn array(descr: &str, order: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), numbers].concat()
}

fn arrays() -> Vec<Vec<u8>> {
    let single: Vec<u8> = (0..6u8).flat_map(|x| f32::from(x).to_le_bytes()).collect();
    let double: Vec<u8> = (0..6u8).flat_map(|x| f64::from(x).to_be_bytes()).collect();
    vec![array("<f4", "False", "(2, 3)", &single), array(">f8", "True", "(2, 3)", &double), array("|u1", "False", "(2, 3)", &[0; 6])]
}

fn is_array(array: npy::Array) -> bool {
    let _ = array.numbers::<f32>();
    let targets = npy::read("targets", &self::array("<i8", "False", "(2,)", &[0; 16])[..]).unwrap();
    <Arrays<Rank1<3>, Class<2>>>::new(array, targets).is_ok_and(|arrays| arrays.in_memory().is_ok())
}

#[test]
fn arrays_of_numpy() {
    attack("npy", &arrays(), |file| npy::read("mine.npy", file).is_ok_and(is_array));
}

#[cfg(feature = "npz")]
#[test]
fn archives_of_numpy() {
    use formwork::data::npz::Archive;
    use std::io::{Cursor, Write};
    use zip::write::SimpleFileOptions;
    let archive = |method| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("x.npy", SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(&arrays()[0]).unwrap();
        zip.finish().unwrap().into_inner()
    };
    attack("npz", &[zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated].map(archive), |file| {
        Archive::read("mine.npz", Cursor::new(file)).is_ok_and(|mut archive| archive.array("x").is_ok_and(is_array))
    });
}

#[test]
fn text_of_columns() {
    let text = "age,\"city, or town\",bought\n31,Rome,yes\n,\"Os\"\"lo\",no\n47,Rome,no\n";
    let columns = Columns::new().numbers_or_mean(&["age"]).categories_or_none(&["city, or town"]).class("bought");
    attack("CSV", &[text.into(), text.replace('\n', "\r\n").into()], |file| {
        let Ok(frame) = Frame::read("mine.csv", file) else { return false };
        columns.fit(&frame).and_then(|encoder| encoder.dataset::<3, Class<2>, f32>(&frame)).is_ok()
    });
    attack("tables", &[b"2,3,no,yes\n1.5,2,3,0\n4,5,6.25,1\n".to_vec()], |file| Table::read("mine.csv", file).is_ok());
    attack("digits", &[("0,".repeat(64) + "7\n").into()], |file| digits::read::<f32>("mine.csv", file).is_ok());
}

#[cfg(feature = "images")]
#[test]
fn images() {
    use formwork::data::images::{self, Fit};
    use image::{ImageFormat, RgbImage};
    use std::io::Cursor;
    let picture = RgbImage::from_fn(24, 16, |x, y| image::Rgb([x as u8 * 10, y as u8 * 10, 77]));
    let file = |format| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    for (kind, format) in [("PNG", ImageFormat::Png), ("JPEG", ImageFormat::Jpeg)] {
        attack(kind, &[file(format)], |file| {
            let grey = images::read::<1, 8, 8, f32>("mine", Cursor::new(file), Fit::Crop);
            let colour = images::read::<3, 5, 9, f32>("mine", Cursor::new(file), Fit::Stretch);
            grey.is_ok() && colour.is_ok()
        });
    }
}

#[network([2] => [2])]
type Small = Linear<2, 2>;

#[test]
fn checkpoints() {
    let own = Model::<Small>::new(1).to_bytes();
    // As PyTorch writes it, which knows of no checksums.
    let foreign = safetensors::SafeTensors::deserialize(&own).unwrap().tensors();
    let foreign = safetensors::serialize(foreign, None).unwrap();
    attack("safetensors", &[own, foreign], |file| Model::<Small>::new(7).load_bytes(file).is_ok());
}
