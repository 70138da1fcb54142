//! Bad input is an error that names the place, what was expected and what was given. Never a panic, and a model that could
//! not load is as it was.

use formwork::cpu::Static;
use formwork::data::digits::{self, Digits};
use formwork::data::{StandardScaler, Table};
use formwork::engine::Engine;
use formwork::portable::Portable;
use formwork::prelude::*;
use proptest::prelude::*;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[network([2] => [2])]
type Small = (Linear<2, 3>, Relu, Linear<3, 2>);

/// Shares a parameter's name with [`Small`], and its own shape for it.
#[network([2] => [2])]
type Other = (Linear<2, 4>, Linear<4, 2>);

#[network([2] => [1])]
type Line = Linear<2, 1>;

fn message<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("this is an error"),
        Err(error) => error.to_string(),
    }
}

// Data files

/// A line of the digits' text, with some of its 65 fields replaced.
fn line(changes: &[(usize, &str)]) -> String {
    let mut fields = vec!["0"; 65];
    for &(column, field) in changes {
        fields[column - 1] = field;
    }
    fields.join(",") + "\n"
}

fn read(text: impl AsRef<[u8]>) -> Result<Digits, Error> {
    digits::read("mine.csv", text.as_ref())
}

/// What is said of a file whose second line has these fields in place of good ones.
fn second_line(changes: &[(usize, &str)]) -> String {
    message(read(line(&[]) + &line(changes)))
}

#[test]
fn a_line_with_too_few_or_too_many_columns() {
    let missing = line(&[]).replacen("0,", "", 1);
    assert_eq!(message(read(line(&[]) + &missing)), "mine.csv, line 2: expected 65 columns, given 64");
    assert_eq!(message(read(line(&[]) + "7," + &line(&[]))), "mine.csv, line 2: expected 65 columns, given 66");
}

#[test]
fn a_class_that_is_none() {
    assert_eq!(second_line(&[(65, "10")]), "mine.csv, line 2: column 65: expected a class from 0 to 9, given `10`");
    assert_eq!(second_line(&[(65, "-1")]), "mine.csv, line 2: column 65: expected a class from 0 to 9, given `-1`");
    assert_eq!(second_line(&[(65, "")]), "mine.csv, line 2: column 65: expected a class from 0 to 9, given ``");
}

#[test]
fn a_pixel_that_is_none() {
    for pixel in ["NaN", "inf", "-0.5", "16.5", "1e400", "x", ""] {
        let expected = format!("mine.csv, line 2: column 7: expected a number from 0 to 16, given `{pixel}`");
        assert_eq!(second_line(&[(7, pixel)]), expected);
    }
}

#[test]
fn text_that_is_none() {
    let error = message(read([line(&[]).as_bytes(), b"\xff\xfe\n"].concat()));
    assert!(error.starts_with("mine.csv, line 2: ") && error.contains("UTF-8"), "{error}");
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    let text = line(&[]).replace('\n', "\r\n") + "\n\n" + &line(&[]) + "\n" + "1,2\n";
    assert_eq!(message(read(text)), "mine.csv, line 6: expected 65 columns, given 2");
}

/// No lines are no digits; what a model does with none is nothing.
#[test]
fn an_empty_file() {
    let none = read("").unwrap();
    assert!(none.is_empty());
    assert!(none.split_stratified(0.5, 0).0.is_empty());
    assert_eq!(none.shuffled(32, 0).count(), 0);
}

fn table(text: &str) -> Result<Table, Error> {
    Table::read("mine.csv", text.as_bytes())
}

#[test]
fn a_table_whose_first_line_is_none() {
    assert_eq!(message(table("")), "mine.csv, line 1: expected a first line of rows, columns and names of classes, given none");
    assert_eq!(message(table("7")), "mine.csv, line 1: expected rows, columns and names of classes, given 1 columns");
    assert_eq!(message(table("1,2")), "mine.csv, line 1: expected names of classes behind rows and columns, given none");
    assert_eq!(message(table("x,2,no")), "mine.csv, line 1: column 1: expected how many rows there are, given `x`");
    assert_eq!(message(table("1,0,no")), "mine.csv, line 1: column 2: expected how many columns there are, given `0`");
    let most = usize::MAX;
    assert_eq!(message(table(&format!("1,{most},no"))), format!("mine.csv, line 1: column 2: expected how many columns there are, given `{most}`"));
}

#[test]
fn a_table_with_a_bad_row() {
    assert_eq!(message(table("2,1,no,yes\n1,0\n2,3,1")), "mine.csv, line 3: expected 2 columns, given 3");
    assert_eq!(message(table("2,1,no,yes\n1,0\n\nNaN,1")), "mine.csv, line 4: column 1: expected a finite number, given `NaN`");
    assert_eq!(message(table("2,1,no,yes\n1,0\n1,2")), "mine.csv, line 3: column 2: expected a class from 0 to 1, given `2`");
    assert_eq!(message(table("2,1,no,yes\n\n1,0")), "mine.csv, line 3: expected 2 rows behind the first line, given 1");
    assert_eq!(message(table("1,1,no,yes\n1,0\n1,1")), "mine.csv, line 3: expected the end, behind 1 rows");
    // As many as are claimed need not be there, and are not made room for.
    assert!(message(table("18446744073709551615,1,no\n1,0")).contains("rows behind the first line, given 1"));
}

#[test]
fn a_table_that_is_not_there() {
    assert!(message(Table::open("no/such.csv")).starts_with("no/such.csv: cannot read: "));
}

#[test]
fn samples_that_cannot_be_scaled() {
    assert_eq!(message(StandardScaler::fit::<f64>(&[], 2)), "input numbers: expected 2, given 0");
    assert_eq!(message(StandardScaler::fit(&[1.0, 2.0, 3.0], 2)), "input numbers: expected 2, given 3");
    assert_eq!(message(StandardScaler::fit(&[1.0, f32::NAN], 1)), "sample 1: expected a finite number, given NaN");
    let scaler = StandardScaler::fit(&[1.0, 2.0], 2).unwrap();
    assert_eq!(message(scaler.transform(&mut [1.0; 3])), "input numbers: expected 2, given 3");
    assert_eq!(message(StandardScaler::fit(&[1.0], 0)), "input numbers: expected 0, given 1");
}

/// Of no samples there is nothing to say and nothing to learn.
#[test]
fn no_samples_at_all() {
    no_samples::<Static<f32>>();
    no_samples::<Portable<f32, Cpu>>();
}

fn no_samples<G: Engine<f32, Cpu>>() {
    let none = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(vec![], vec![]).unwrap();
    let mut model = Model::<Line, f32, Cpu, G>::try_new(&Cpu::default(), 0, Scheme::default()).unwrap();
    let before = model.parameters();
    assert!(model.predict(&none.all()).unwrap().is_empty());
    assert_eq!(model.evaluate(&none, &Mse).unwrap(), 0.0);
    let expected = "samples of a batch: expected 1, given 0";
    assert_eq!(message(model.train(&none.all(), &Mse, &mut Sgd::new(0.1))), expected);
    assert_eq!(message(model.gradients(&none.all(), &Mse)), expected);
    assert_eq!(model.parameters(), before);
}

// Data in memory

type Pairs = Dataset<Rank1<2>, Class<3>>;

#[test]
fn samples_and_targets_that_do_not_match() {
    assert_eq!(message(Pairs::new(vec![0.0; 5], vec![0, 1])), "input numbers: expected 4, given 5");
    assert_eq!(message(Pairs::new(vec![0.0; 4], vec![0])), "input numbers: expected 2, given 4");
    let halves = Dataset::<Rank1<2>, Values<Rank1<2>>>::new(vec![0.0; 4], vec![0.0; 3]);
    assert_eq!(message(halves), "targets: expected 2, given 3");
}

#[test]
fn numbers_that_are_not_finite() {
    assert_eq!(message(Pairs::new(vec![0.0, 0.0, 0.0, f32::NAN], vec![0, 1])), "sample 1: expected a finite number, given NaN");
    assert_eq!(message(Pairs::new(vec![f32::NEG_INFINITY, 0.0], vec![0])), "sample 0: expected a finite number, given -inf");
    let targets = Dataset::<Rank1<1>, Values<Rank1<2>>>::new(vec![0.0; 2], vec![0.0, 0.0, f32::INFINITY, 0.0]);
    assert_eq!(message(targets), "target 1: expected a finite number, given inf");
}

#[test]
fn classes_out_of_range() {
    assert_eq!(message(Pairs::new(vec![0.0; 4], vec![2, 3])), "target 1: expected a class below 3, given 3");
}

#[test]
fn another_number_of_parameters() {
    let mut model = Model::<Small>::new(0);
    let before = model.parameters();
    assert_eq!(message(model.set_parameters(&[0.0; 3])), "parameters: expected 17, given 3");
    assert_eq!(model.parameters(), before);
}

// Checkpoints

/// A folder with a file of these bytes in it.
fn file_with(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn bits(model: &Model<Small>) -> Vec<u32> {
    model.parameters().iter().map(|x| x.to_bits()).collect()
}

/// What is said of a file that a [`Small`] cannot load, which stays as it was.
fn refused(path: &Path) -> String {
    let mut model = Model::<Small>::new(7);
    let before = bits(&model);
    let error = message(model.load(path));
    assert_eq!(bits(&model), before, "{error}");
    let Some(rest) = error.strip_prefix(&path.display().to_string()) else { panic!("no path in: {error}") };
    rest.to_owned()
}

fn checkpoint() -> Vec<u8> {
    let (_folder, path) = file_with(b"");
    Model::<Small>::new(1).save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// A checkpoint of [`Small`] in another number type, or with these bytes for the first bias.
fn written(dtype: Dtype, bytes_per_number: usize, first_bias: &[u8]) -> Vec<u8> {
    let parameters = Small::parameters();
    let bytes: Vec<Vec<u8>> = parameters
        .iter()
        .map(|param| if param.name == "0.bias" { first_bias.to_vec() } else { vec![0; param.dims.numel() * bytes_per_number] })
        .collect();
    let views = parameters.iter().zip(&bytes).map(|(param, bytes)| {
        let view = TensorView::new(dtype, param.dims.sizes().to_vec(), bytes).unwrap();
        (param.name.as_str(), view)
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_whole_checkpoint_loads() {
    let (_folder, path) = file_with(&checkpoint());
    let mut model = Model::<Small>::new(7);
    model.load(&path).unwrap();
    assert_eq!(bits(&model), bits(&Model::<Small>::new(1)));
}

#[test]
fn a_checkpoint_cut_at_any_length() {
    let whole = checkpoint();
    for length in 0..whole.len() {
        let (_folder, path) = file_with(&whole[..length]);
        let error = refused(&path);
        assert!(error.starts_with(": not a whole safetensors file: "), "{length} bytes: {error}");
    }
    let (_folder, path) = file_with(&whole[..whole.len() / 2]);
    assert_eq!(refused(&path), ": not a whole safetensors file: invalid header length");
    let (_folder, path) = file_with(&whole[..whole.len() - 1]);
    assert_eq!(refused(&path), ": not a whole safetensors file: incomplete metadata, file not fully covered");
}

#[test]
fn an_empty_checkpoint() {
    let (_folder, path) = file_with(b"");
    assert_eq!(refused(&path), ": not a whole safetensors file: header too small");
}

#[test]
fn the_checkpoint_of_another_network() {
    let (_folder, path) = file_with(b"");
    Model::<Other>::new(1).save(&path).unwrap();
    let expected = [
        ": these are not the parameters of Small:",
        "0.weight: expected [3, 2], given [4, 2]",
        "0.bias: expected [3], given [4]",
        "2.weight: missing, expected [2, 3]",
        "2.bias: missing, expected [2]; the file has 1.bias: `.rename(\"1\", \"2\")`",
        "1.bias: unknown, given [2]",
        "1.weight: unknown, given [2, 4]",
    ];
    assert_eq!(refused(&path), expected.join("\n  "));
}

#[test]
fn weights_that_are_not_finite() {
    let bias: Vec<u8> = [0.0, f32::NAN, 0.0].iter().flat_map(|x: &f32| x.to_le_bytes()).collect();
    let (_folder, path) = file_with(&written(Dtype::F32, 4, &bias));
    assert_eq!(refused(&path), ": these are not the parameters of Small:\n  0.bias: expected finite numbers, given NaN");
}

/// A finite `f64` that no `f32` can hold.
#[test]
fn weights_that_become_infinite() {
    let bias: Vec<u8> = [0.0, 0.0, 1e300].iter().flat_map(|x: &f64| x.to_le_bytes()).collect();
    let (_folder, path) = file_with(&written(Dtype::F64, 8, &bias));
    assert_eq!(refused(&path), ": these are not the parameters of Small:\n  0.bias: expected finite numbers, given inf");
}

#[test]
fn weights_of_a_type_that_is_not_read() {
    let (_folder, path) = file_with(&written(Dtype::I32, 4, &[0; 12]));
    let expected: String =
        ["0.weight", "0.bias", "2.weight", "2.bias"].map(|name| format!("\n  {name}: expected F64, F32, F16 or BF16, given I32")).concat();
    assert_eq!(refused(&path), format!(": these are not the parameters of Small:{expected}"));
}

#[test]
fn a_folder_or_nothing_where_a_checkpoint_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path());
    assert!(error.starts_with(": cannot read it: "), "{error}");
    let error = refused(&folder.path().join("none.safetensors"));
    assert!(error.starts_with(": cannot read it: "), "{error}");
}

// Saving

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn saving_into_a_folder_that_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("model.safetensors");
    let error = message(Model::<Small>::new(0).save(&path));
    assert!(error.starts_with(&format!("{}: cannot write beside it: ", path.display())), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[test]
fn saving_where_a_folder_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    std::fs::create_dir(&path).unwrap();
    let error = message(Model::<Small>::new(0).save(&path));
    assert!(error.starts_with(&format!("{}: cannot put it in place: ", path.display())), "{error}");
    assert_eq!(names(folder.path()), ["model.safetensors"]);
    assert!(path.is_dir());
}

/// The temporary file is its owner's alone, which the file is not to inherit.
#[cfg(unix)]
#[test]
fn a_saved_file_is_readable_like_any_other() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = file_with(b"");
    let saved = folder.path().join("saved.safetensors");
    Model::<Small>::new(1).save(&saved).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&saved), mode(&path));
}

/// Whoever reads while a file is overwritten finds the old one or the new one, never a part.
#[test]
fn a_file_is_replaced_as_a_whole() {
    let whole = checkpoint();
    let (folder, path) = file_with(&whole);
    // A GPU stays with its thread.
    let mut other = Model::<Small, f32, Cpu>::new(1);
    other.set_parameters(&[0.5; Small::SCALARS]).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50 {
                other.save(&path).unwrap();
                std::fs::write(folder.path().join("copy"), std::fs::read(&path).unwrap()).unwrap();
                Model::<Small, f32, Cpu>::new(1).save(&path).unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            let seen = std::fs::read(&path).unwrap();
            assert!(seen == whole || (seen.len() == whole.len() && seen.ends_with(&0.5f32.to_le_bytes())));
        }
    });
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    let mut left = names(folder.path());
    left.sort();
    assert_eq!(left, ["copy", "model.safetensors"], "nothing temporary is left behind");
}

// Optimizers

#[test]
fn an_optimizer_for_two_models() {
    let data = Dataset::<Rank1<2>, Values<Rank1<2>>>::new(vec![1.0, 2.0], vec![0.0, 1.0]).unwrap();
    let line = Dataset::<Rank1<2>, Values<Rank1<1>>>::new(vec![1.0, 2.0], vec![3.0]).unwrap();
    let (mut adam, mut sgd) = (Adam::new(0.1), Sgd::new(0.1).momentum(0.9));
    let mut small = Model::<Small>::new(0);
    small.train(&data.all(), &Mse, &mut adam).unwrap();
    small.train(&data.all(), &Mse, &mut sgd).unwrap();

    let mut model = Model::<Line>::new(0);
    let before = model.parameters();
    let expected = "the optimizer keeps state for 17 parameters, but is given 3: use one optimizer for each model";
    assert_eq!(message(model.train(&line.all(), &Mse, &mut adam)), expected);
    assert_eq!(message(model.train(&line.all(), &Mse, &mut sgd)), expected);
    assert_eq!(model.parameters(), before);
    assert!(matches!(model.train(&line.all(), &Mse, &mut adam), Err(Error::Optimizer { expected: 17, given: 3 })));
}

// Anything at all

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

proptest! {
    #[test]
    fn a_damaged_checkpoint_is_loaded_or_refused(bytes in damaged(checkpoint())) {
        let (_folder, path) = file_with(&bytes);
        let mut model = Model::<Small>::new(7);
        let before = bits(&model);
        match model.load(&path) {
            Ok(()) => prop_assert!(model.parameters().iter().all(|x| x.is_finite())),
            Err(_) => prop_assert_eq!(bits(&model), before),
        }
    }

    #[test]
    fn damaged_text_is_read_or_refused(bytes in damaged((line(&[(3, "16"), (65, "9")]) + &line(&[(4, "7.5")])).into_bytes())) {
        if let Ok(digits) = read(&bytes) {
            for i in 0..digits.len() {
                prop_assert!(digits.input(i).iter().all(|pixel| (0.0..=1.0).contains(pixel)));
                prop_assert!(digits.target(i)[0] < 10);
            }
        }
    }
}
