//! Files of any bytes are read or refused: no panic, and no more than 64 MiB of memory beyond the size of the file.
//!
//! `FORMWORK_FUZZ_CASES` says how many files of each kind there are to be.

use formwork::Noise;
use formwork::data::csv::{Columns, Frame};
use formwork::data::npy::{self, Arrays};
use formwork::data::{Source, Table, digits, idx};
use formwork::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// Random whole numbers.
struct Draw(Noise, u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.1 += 1;
        (self.0.uniform(self.1) * end as f64) as usize
    }
}

/// Bytes that files like to be damaged with.
const EXTREMES: [u8; 6] = [0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff];

/// Bytes of no meaning, or a good file that is cut off, has wrong bits or bytes, or has a piece twice.
fn damaged(files: &[Vec<u8>], draw: &mut Draw) -> Vec<u8> {
    if draw.below(8) == 0 {
        return (0..draw.below(200)).map(|_| draw.below(256) as u8).collect();
    }
    let mut bytes = files[draw.below(files.len())].clone();
    for _ in 0..draw.below(4) + 1 {
        let at = draw.below(bytes.len().max(1));
        let Some(byte) = bytes.get_mut(at) else { break };
        match draw.below(6) {
            0 => bytes.truncate(at),
            1 | 2 => *byte ^= 1 << draw.below(8),
            3 => *byte = draw.below(256) as u8,
            4 => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = EXTREMES[draw.below(EXTREMES.len())]),
            _ => {
                let end = (at + draw.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let place = draw.below(bytes.len());
                bytes.splice(place..place, piece);
            }
        }
    }
    bytes
}

/// Shows many damaged files to a reader, which says whether it takes one.
fn attack(kind: &str, files: &[Vec<u8>], read: impl Fn(&[u8]) -> bool) {
    let cases: u64 = std::env::var("FORMWORK_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000);
    assert!(files.iter().all(|file| read(file)), "{kind}: a good file is read");
    let (mut taken, mut most) = (0, 0);
    for case in 0..cases {
        let file = damaged(files, &mut Draw(Noise::new(case), 0));
        let before = HELD.get();
        MOST.set(before);
        match catch_unwind(AssertUnwindSafe(|| read(&file))) {
            Ok(is_taken) => taken += u64::from(is_taken),
            Err(_) => panic!("{kind}: case {case} panics"),
        }
        let beyond = MOST.get() - before - file.len() as isize;
        assert!(beyond <= MOST_BEYOND, "{kind}: case {case} takes {beyond} bytes beyond the {} of the file", file.len());
        most = most.max(beyond);
    }
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
