//! Files whose names and layouts are not the network's: what is loaded, and what is said where that cannot be. What PyTorch itself
//! makes of such files is tested where the examples are.

use formwork::Mismatch;
use formwork::prelude::*;
use formwork::pytorch::{Found, Import, Report};
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::path::PathBuf;
use tempfile::TempDir;

#[network([2] => [2])]
type Small = (Linear<2, 3>, Relu, Linear<3, 2>);

#[network([3] => [3])]
type Normal = (NoBias<Linear<3, 3>>, BatchNorm1d<3>);

#[network([ids < 4; 2] => [2, 4])]
type Writer = Tied<Embedding<4, 3>, Tanh, NoBias<Linear<3, 4>>>;

/// A tensor whose numbers count upwards from one.
struct Given<'a>(&'a str, Dtype, &'a [usize], f32);

fn floats<'a>(name: &'a str, shape: &'a [usize], from: f32) -> Given<'a> {
    Given(name, Dtype::F32, shape, from)
}

impl Given<'_> {
    fn bytes(&self) -> Vec<u8> {
        let numbers = (0..self.2.iter().product()).map(|i: usize| self.3 + i as f32);
        match self.1 {
            Dtype::F16 => numbers.flat_map(|x| f16::from_f32(x).to_le_bytes()).collect(),
            Dtype::BF16 => numbers.flat_map(|x| bf16::from_f32(x).to_le_bytes()).collect(),
            _ => numbers.flat_map(f32::to_le_bytes).collect(),
        }
    }
}

/// A folder with a file of these tensors in it.
fn file(tensors: &[Given]) -> (TempDir, PathBuf) {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(Given::bytes).collect();
    let views = tensors.iter().zip(&bytes).map(|(given, bytes)| (given.0, TensorView::new(given.1, given.2.to_vec(), bytes).unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("theirs.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (folder, path)
}

/// The parameters of a network behind a load, and the report.
fn loaded<N: Network>(tensors: &[Given], import: &Import) -> (Vec<f32>, Report) {
    let (_folder, path) = file(tensors);
    let mut model = Model::<N>::new(0);
    let report = model.load_with(path, import).unwrap();
    (model.parameters(), report)
}

/// What is said of a file that a network cannot load, which stays as it was.
fn refused<N: Network>(tensors: &[Given], import: &Import) -> Vec<Mismatch> {
    let (_folder, path) = file(tensors);
    let mut model = Model::<N>::new(0);
    let before = (model.parameters(), model.buffers());
    let error = model.load_with(&path, import).unwrap_err();
    assert_eq!((model.parameters(), model.buffers()), before);
    let Error::Parameters { mismatches, .. } = error else { panic!("{error}") };
    mismatches
}

fn said<N: Network>(tensors: &[Given], import: &Import) -> Vec<String> {
    refused::<N>(tensors, import).iter().map(Mismatch::to_string).collect()
}

fn counted(from: f32, numbers: usize) -> Vec<f32> {
    (0..numbers).map(|i| from + i as f32).collect()
}

fn small<'a>(names: [&'a str; 4]) -> [Given<'a>; 4] {
    [floats(names[0], &[3, 2], 1.0), floats(names[1], &[3], 7.0), floats(names[2], &[2, 3], 10.0), floats(names[3], &[2], 16.0)]
}

const NAMES: [&str; 4] = ["module.fc1.weight", "module.fc1.bias", "module.fc2.weight", "module.fc2.bias"];

#[test]
fn names_that_differ() {
    let ways = [
        Import::new().strip_prefix("module.").rename("fc1", "0").rename("fc2.", "2."),
        Import::new().renames([("module.fc1", "0"), ("module.fc2.weight", "2.weight"), ("module.fc2.bias", "2.bias")]),
        Import::new().strip_prefix("module.").named(|name| name.replace("0.", "fc1.").replace("2.", "fc2.")),
        Import::new().by_order(),
    ];
    for import in ways {
        let (parameters, report) = loaded::<Small>(&small(NAMES), &import);
        assert_eq!(parameters, counted(1.0, 17));
        assert_eq!(report.loaded.iter().map(|loaded| loaded.from.join("")).collect::<Vec<_>>(), NAMES);
    }
}

#[test]
fn a_name_that_is_missing_comes_with_a_rename() {
    let expected = [
        "0.weight: missing, expected [3, 2]; the file has module.fc1.weight: `.rename(\"module.fc1\", \"0\")`",
        "0.bias: missing, expected [3]; the file has module.fc1.bias: `.rename(\"module.fc1\", \"0\")`",
        "2.weight: missing, expected [2, 3]; the file has module.fc2.weight: `.rename(\"module.fc2\", \"2\")`",
        "2.bias: missing, expected [2]; the file has module.fc2.bias: `.rename(\"module.fc2\", \"2\")`",
        "module.fc1.bias: unknown, given [3]",
        "module.fc1.weight: unknown, given [3, 2]",
        "module.fc2.bias: unknown, given [2]",
        "module.fc2.weight: unknown, given [2, 3]",
    ];
    assert_eq!(said::<Small>(&small(NAMES), &Import::new()), expected);
}

#[test]
fn one_tensor_is_not_two_parameters() {
    let import = Import::new().rename("fc", "0").rename("fc", "1");
    let tensors = [floats("fc.weight", &[2, 2], 1.0)];
    #[network([2] => [2])]
    type Twice = (NoBias<Linear<2, 2>>, NoBias<Linear<2, 2>>);
    assert_eq!(said::<Twice>(&tensors, &import), ["1.weight: missing, expected [2, 2]"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.safetensors");
    let error = Model::<Twice>::new(0).save_with(&path, &import).unwrap_err().to_string();
    assert_eq!(error, format!("{}: expected a name for each parameter, given fc.weight for 0.weight and for 1.weight", path.display()));
    assert!(!path.exists());
}

#[test]
fn what_is_left_out_and_what_is_kept() {
    let [weight, bias, ..] = small(["0.weight", "0.bias", "", ""]);
    let tensors = [weight, bias, floats("head.weight", &[7, 3], 0.0)];
    assert_eq!(refused::<Small>(&tensors, &Import::new()).len(), 3);
    assert_eq!(refused::<Small>(&tensors, &Import::new().ignore("head")).len(), 2);
    let (parameters, report) = loaded::<Small>(&tensors, &Import::new().strict(false));
    assert_eq!(parameters[..9], counted(1.0, 9));
    assert_eq!(parameters[9..], Model::<Small>::new(0).parameters()[9..]);
    assert_eq!((report.left_out, report.missing), (vec!["head.weight".to_owned()], vec!["2.weight".to_owned(), "2.bias".to_owned()]));
}

/// Nobody wants that, and it would go unnoticed.
#[test]
fn a_file_that_has_nothing_of_the_network() {
    assert_eq!(refused::<Small>(&[floats("pe", &[5], 0.0)], &Import::new().strict(false)).len(), 4);
}

#[test]
fn another_shape_is_an_error_in_any_case() {
    let [weight, bias, _, last] = small(["0.weight", "0.bias", "", "2.bias"]);
    let tensors = [weight, bias, floats("2.weight", &[3, 2], 0.0), last];
    assert_eq!(said::<Small>(&tensors, &Import::new().strict(false)), ["2.weight: expected [2, 3], given [3, 2]"]);
    let (parameters, _) = loaded::<Small>(&tensors, &Import::new().transposed("2.weight"));
    assert_eq!(parameters[9..15], [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
}

/// A square matrix would be loaded as it is.
#[test]
fn there_is_something_to_transpose() {
    let (_folder, path) = file(&small(["0.weight", "0.bias", "2.weight", "2.bias"]));
    let (mut model, import) = (Model::<Small>::new(0), Import::new().transposed("1.*"));
    let expected = format!("{}: expected a tensor 1.* to transpose, given none", path.display());
    assert_eq!(model.load_with(&path, &import).unwrap_err().to_string(), expected);
    assert_eq!(model.save_with(&path, &import).unwrap_err().to_string(), expected);
}

#[test]
fn ones_around_a_shape() {
    #[network([2, 3] => [2, 3])]
    type Places = LearnedPositions<2, 3>;
    for shape in [&[1, 2, 3][..], &[2, 3, 1, 1]] {
        let (parameters, report) = loaded::<Places>(&[floats("pos", shape, 0.0)], &Import::new().rename("pos", "weight"));
        assert_eq!(parameters, counted(0.0, 6));
        assert_eq!(report.loaded[0].converted, Some(format!("given as {shape:?}")));
    }
    let import = Import::new().rename("pos", "weight");
    assert_eq!(said::<Places>(&[floats("pos", &[2, 1, 3], 0.0)], &import), ["weight: expected [2, 3], given [2, 1, 3]"]);
    let (_, report) = loaded::<Places>(&[floats("pos", &[2, 1, 3], 0.0)], &import.shape("pos", &[2, 1, 3]));
    assert_eq!(report.loaded.len(), 1);
    let wrong = Model::<Places>::new(0).save_with("never-written.safetensors", &Import::new().shape("weight", &[3, 3]));
    assert_eq!(wrong.unwrap_err().to_string(), "numbers of a shape in the file: expected 6, given 9");
}

#[test]
fn a_file_without_the_counter_of_batch_norm() {
    let mut tensors = vec![floats("0.weight", &[3, 3], 0.0), floats("1.weight", &[3], 0.0), floats("1.bias", &[3], 0.0)];
    tensors.push(floats("1.running_mean", &[3], 4.0));
    assert_eq!(said::<Normal>(&tensors, &Import::new()), ["1.running_var: missing, expected [3]"]);
    tensors.push(floats("1.running_var", &[3], 1.0));
    let (_, report) = loaded::<Normal>(&tensors, &Import::new());
    assert_eq!(report.missing, ["1.num_batches_tracked"]);
}

#[test]
fn projections_that_are_layers() {
    #[network([3, 2] => [3, 2])]
    type Looking = SelfAttention<2, 1>;
    let parts = [("q", 0.0), ("k", 4.0), ("v", 8.0)];
    let names: Vec<[String; 2]> = parts.iter().map(|(part, _)| ["weight", "bias"].map(|kind| format!("attn.{part}_proj.{kind}"))).collect();
    let mut tensors: Vec<Given> = vec![floats("attn.out_proj.weight", &[2, 2], 18.0), floats("attn.out_proj.bias", &[2], 22.0)];
    for ([weight, bias], (_, from)) in names.iter().zip(parts) {
        tensors.extend([floats(weight, &[2, 2], from), floats(bias, &[2], 12.0 + from / 2.0)]);
    }
    let (parameters, report) = loaded::<Looking>(&tensors, &Import::new().rename("attn", ""));
    assert_eq!(parameters, counted(0.0, 24));
    assert_eq!(report.loaded[0].from, ["attn.q_proj.weight", "attn.k_proj.weight", "attn.v_proj.weight"]);
    assert_eq!(report.loaded[0].converted.as_deref(), Some("joined"));
    let missing = &said::<Looking>(&tensors[..2], &Import::new().rename("attn", ""))[0];
    assert_eq!(missing, "in_proj_weight: missing, expected [6, 2]; where each projection is a layer: `.projections([..])`");
}

#[test]
fn what_is_tied_has_one_name_or_two() {
    let names = ["0.weight", "2.weight"];
    for (tensors, found) in [(vec![names[0]], Found::ByName), (vec![names[1]], Found::Tied), (names.to_vec(), Found::ByName)] {
        let tensors: Vec<Given> = tensors.into_iter().map(|name| floats(name, &[4, 3], 1.0)).collect();
        let (parameters, report) = loaded::<Writer>(&tensors, &Import::new());
        assert_eq!((parameters, report.loaded[0].how), (counted(1.0, 12), found));
    }
    let apart = [floats("0.weight", &[4, 3], 1.0), floats("2.weight", &[4, 3], 2.0)];
    assert_eq!(said::<Writer>(&apart, &Import::new()), ["2.weight: expected the numbers of the layer that it is tied to, given others"]);
}

#[test]
fn half_precision() {
    for dtype in [Dtype::F16, Dtype::BF16] {
        let tensors = small(["0.weight", "0.bias", "2.weight", "2.bias"]).map(|Given(name, _, shape, from)| Given(name, dtype, shape, from));
        assert_eq!(loaded::<Small>(&tensors, &Import::new()).0, counted(1.0, 17), "{dtype:?}");
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.safetensors");
    Model::<Small>::new(0).save_with(&path, &Import::new().rename("fc1", "0").transposed("net.fc1.weight").strip_prefix("net.")).unwrap();
    let data = std::fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&data).unwrap();
    let mut shapes: Vec<(String, Vec<usize>)> = file.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect();
    shapes.sort_unstable();
    let expected: [(&str, &[usize]); 4] = [("net.2.bias", &[2]), ("net.2.weight", &[2, 3]), ("net.fc1.bias", &[3]), ("net.fc1.weight", &[2, 3])];
    assert_eq!(shapes, expected.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
}

#[test]
fn a_file_of_torch_save() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    for begin in [&b"PK\x03\x04 and what a zip archive has"[..], b"\x80\x02 and what a pickle has"] {
        std::fs::write(&path, begin).unwrap();
        let error = Model::<Small>::new(0).load(&path).unwrap_err().to_string();
        let (pt, safetensors) = (path.display(), path.with_extension("safetensors"));
        let expected = [
            format!("{pt}: expected a safetensors file, given what `torch.save` writes; in Python:"),
            "import torch, safetensors.torch".to_owned(),
            format!("safetensors.torch.save_file(torch.load({:?}, map_location=\"cpu\"), {safetensors:?})", pt.to_string()),
        ];
        assert_eq!(error, expected.join("\n  "));
    }
}
