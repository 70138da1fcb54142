//! What became of a file.

use crate::table::Table;
use crate::types::Dims;
use core::fmt;

/// What became of the tensors of a file, and of the parameters of a network; as text it is a table.
///
/// # Examples
/// ```
/// use formwork::prelude::*;
/// use formwork::pytorch::Import;
///
/// #[network([3] => [2])]
/// type Line = Linear<3, 2>;
///
/// let file = std::env::temp_dir().join("formwork-report.safetensors");
/// let (mut model, names) = (Model::<Line>::new(1), Import::new().rename("fc", ""));
/// model.save_with(&file, &names).unwrap();
/// let expected = "\
/// file       network  shape   how
/// -----------------------------------
/// fc.weight  weight   [2, 3]  renamed
/// fc.bias    bias     [2]     renamed
/// ";
/// assert_eq!(model.load_with(&file, &names).unwrap().to_string(), expected);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The parameters and buffers that were loaded, in the order of the network.
    pub loaded: Vec<Loaded>,
    /// The tensors of the file that were not.
    pub left_out: Vec<String>,
    /// The parameters and buffers that the file does not have, which are as they were.
    pub missing: Vec<String>,
}

/// A parameter or a buffer that was loaded.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The tensors of the file that it is made of: one, or three projections.
    pub from: Vec<String>,
    /// Its name in the network.
    pub to: String,
    /// Its shape.
    pub dims: Dims,
    /// Why this tensor is taken for it.
    pub how: Found,
    /// What was done to its layout; `None` if nothing had to be.
    pub converted: Option<String>,
}

/// Why a tensor is taken for a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It has its name.
    ByName,
    /// It has the name that the [`Import`](super::Import) says.
    Renamed,
    /// It has the name of a layer that is tied to it.
    Tied,
    /// It has its shapes, and its turn: see [`Import::by_order`](super::Import::by_order).
    Guessed,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Found::ByName => "",
            Found::Renamed => "renamed",
            Found::Tied => "tied",
            Found::Guessed => "guessed by shape and order",
        })
    }
}

impl Loaded {
    fn how(&self) -> String {
        match &self.converted {
            None => self.how.to_string(),
            Some(converted) if self.how == Found::ByName => converted.clone(),
            Some(converted) => format!("{}, {converted}", self.how),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![["file", "network", "shape", "how"].map(str::to_owned)];
        lines.extend(self.loaded.iter().map(|loaded| [loaded.from.join(", "), loaded.to.clone(), loaded.dims.to_string(), loaded.how()]));
        write!(f, "{}", Table { lines, texts: 4, ruled: vec![1] })?;
        for (what, names) in [("left out of the file", &self.left_out), ("not in the file, and as they were", &self.missing)] {
            if !names.is_empty() {
                writeln!(f, "{what}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}
