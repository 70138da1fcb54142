//! Python, where it is there.

#[path = "../../../tests/python/mod.rs"]
mod finder;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::path::Path;
use std::process::Command;

/// A Python that has PyTorch.
pub struct Python {
    program: String,
}

/// A tensor for Python: its name, its shape and its numbers, which are whole ones if they are ids.
pub struct Column {
    pub name: &'static str,
    pub shape: Vec<usize>,
    pub numbers: Vec<f32>,
    pub are_ids: bool,
}

/// A Python to test with; says so where there is none.
pub fn find() -> Option<Python> {
    finder::find("torch, safetensors.torch").map(|program| Python { program })
}

impl Python {
    /// Runs the twins on what is in a folder.
    pub fn run(&self, folder: &Path) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pytorch.py");
        let output = Command::new(&self.program).arg("-B").arg(script).arg(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Writes tensors for Python.
pub fn write(file: &Path, columns: &[Column]) {
    let bytes = |column: &Column| -> Vec<u8> {
        let numbers = column.numbers.iter();
        if column.are_ids { numbers.flat_map(|&id| (id as i64).to_le_bytes()).collect() } else { numbers.flat_map(|x| x.to_le_bytes()).collect() }
    };
    let bytes: Vec<(&Column, Vec<u8>)> = columns.iter().map(|column| (column, bytes(column))).collect();
    let views = bytes.iter().map(|(column, bytes)| {
        let dtype = if column.are_ids { Dtype::I64 } else { Dtype::F32 };
        (column.name, TensorView::new(dtype, column.shape.clone(), bytes).unwrap())
    });
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Reads a tensor of Python's.
pub fn read(file: &Path, name: &str) -> Vec<f32> {
    let data = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&data).unwrap();
    let view = file.tensor(name).unwrap();
    assert_eq!(view.dtype(), Dtype::F32);
    view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}
