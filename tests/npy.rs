//! Arrays of NumPy, of each type and in either order, in memory and mapped.

use formwork::Noise;
use formwork::data::npy;
use formwork::prelude::*;

/// A file as `numpy.save` writes it.
fn file(descr: &str, order: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), numbers].concat()
}

fn read(bytes: &[u8]) -> Result<npy::Array, Error> {
    npy::read("mine.npy", bytes)
}

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this is an error"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn numbers_of_each_type() {
    let numbers = |descr: &str, bytes: &[u8]| read(&file(descr, "False", "(2,)", bytes)).unwrap().numbers::<f64>();
    assert_eq!(numbers("|b1", &[0, 1]), [0.0, 1.0]);
    assert_eq!(numbers("|u1", &[200, 1]), [200.0, 1.0]);
    assert_eq!(numbers("|i1", &[200, 1]), [-56.0, 1.0]);
    assert_eq!(numbers("<i2", &[0xfe, 0xff, 1, 2]), [-2.0, 513.0]);
    assert_eq!(numbers(">u2", &[1, 2, 0, 1]), [258.0, 1.0]);
    assert_eq!(numbers("<i4", &[(-5i32).to_le_bytes(), 7i32.to_le_bytes()].concat()), [-5.0, 7.0]);
    assert_eq!(numbers(">i8", &[(-5i64).to_be_bytes(), 7i64.to_be_bytes()].concat()), [-5.0, 7.0]);
    assert_eq!(numbers("<f4", &[1.5f32.to_le_bytes(), (-0.25f32).to_le_bytes()].concat()), [1.5, -0.25]);
    assert_eq!(numbers(">f8", &[1e300f64.to_be_bytes(), (-0.25f64).to_be_bytes()].concat()), [1e300, -0.25]);
}

/// `numpy.asfortranarray(numpy.arange(24).reshape(2, 3, 4))` is stored as `numpy.arange(24).reshape(2, 3, 4).T.ravel()`.
#[test]
fn the_other_order() {
    let stored: Vec<u8> = (0..4).flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| i * 12 + j * 4 + k))).collect();
    let array = read(&file("|u1", "True", "(2, 3, 4)", &stored)).unwrap();
    assert_eq!(array.numbers::<f32>(), (0..24).map(|x| x as f32).collect::<Vec<_>>());
}

#[test]
fn mapped_files_are_as_those_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    npy::save(&x, &[3, 2, 2], &(0..12).map(|x| x as f32).collect::<Vec<_>>()).unwrap();
    std::fs::write(&y, file("<i8", "False", "(3,)", &[2i64, 0, 1].map(i64::to_le_bytes).concat())).unwrap();
    let data: Dataset<Rank3<1, 2, 2>, Class<3>> = npy::load(&x, &y).unwrap();
    let mapped = npy::map_both::<Rank3<1, 2, 2>, Class<3>, f32>(&x, &y).unwrap();
    let mut batch = MiniBatch::<_, _, f32>::default();
    batch.read(&mapped, &[2, 0], Noise::new(0)).unwrap();
    assert_eq!(batch.inputs(), data.select(&[2, 0]).inputs());
    assert_eq!(batch.targets(), [1, 2]);
    // Token ids are numbers in a file.
    let ids: Dataset<Ids<12, Rank2<2, 2>>, Class<3>> = npy::load(&x, &y).unwrap();
    assert_eq!(ids.input(2), [8.0, 9.0, 10.0, 11.0]);
    assert_eq!(message(npy::load::<Ids<11, Rank2<2, 2>>, Class<3>, f32>(&x, &y)), "sample 2: expected an id below 11, given 11");
    let classes = message(npy::load::<Rank2<2, 2>, Class<2>, f32>(&x, &y));
    assert_eq!(classes, format!("{}: expected target 0 to be a class below 2, given 2", y.display()));
    let swapped = message(npy::map_both::<Rank0, Class<3>, f32>(&x, &y));
    assert_eq!(swapped, format!("{}: expected an array of shape [samples], given [3, 2, 2]", x.display()));
}

#[test]
fn files_of_something_else() {
    assert_eq!(message(read(b"PK\x03\x04")), "mine.npy: expected the header of an array, given only 4 of 8 bytes");
    assert_eq!(message(read(b"hello, world")), "mine.npy: expected an array of NumPy, which begins with \\x93NUMPY, given hello, w");
    let complex = message(read(&file("<c8", "False", "(1,)", &[0; 8])));
    assert_eq!(complex, "mine.npy: expected numbers of type bool, u1 to u8, i1 to i8, f4 or f8, given `<c8`");
    assert_eq!(message(read(&file("<f4", "False", "(3,)", &[0; 8]))), "mine.npy: expected [3] numbers of 4 bytes, given 8 bytes");
    assert_eq!(message(read(&file("<f4", "False", "(1,)", &[0; 8]))), "mine.npy: expected [1] numbers of 4 bytes, given more");
    let huge = message(read(&file("<f8", "False", "(9223372036854775807, 9)", &[0; 8])));
    assert_eq!(huge, "mine.npy: expected [9223372036854775807, 9] numbers of 8 bytes, given 8 bytes");
}

#[test]
fn arrays_that_cannot_be_saved() {
    assert_eq!(message(npy::save("mine.npy", &[2, 2], &[0.0f32; 3])), "numbers of an array: expected 4, given 3");
}
