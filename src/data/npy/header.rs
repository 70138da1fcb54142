//! What an array is: the beginning of its file.

use crate::error::Error;
use std::io::Read;

/// <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>
pub(super) const MAGIC: [u8; 6] = *b"\x93NUMPY";

/// The beginning of a file.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub kind: Kind,
    pub is_big_endian: bool,
    /// Whether it is the first index that changes from number to number, and not the last one.
    pub is_fortran: bool,
    pub shape: Vec<usize>,
    /// Where the numbers begin.
    pub len: usize,
}

/// The types of numbers that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
}

impl Kind {
    /// How a file calls each, behind the mark of its order of bytes.
    const NAMES: [(&'static str, Kind); 11] = [
        ("b1", Kind::Bool),
        ("u1", Kind::U8),
        ("i1", Kind::I8),
        ("u2", Kind::U16),
        ("i2", Kind::I16),
        ("u4", Kind::U32),
        ("i4", Kind::I32),
        ("u8", Kind::U64),
        ("i8", Kind::I64),
        ("f4", Kind::F32),
        ("f8", Kind::F64),
    ];

    /// How many bytes a number has.
    pub fn size(self) -> usize {
        match self {
            Kind::Bool | Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 => 8,
        }
    }

    /// The number that little-endian bytes hold, the others being 0.
    pub fn number(self, bytes: [u8; 8]) -> f64 {
        let bits = u64::from_le_bytes(bytes);
        match self {
            Kind::Bool => f64::from(bits != 0),
            Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => bits as f64,
            Kind::I8 => f64::from(bits as i8),
            Kind::I16 => f64::from(bits as i16),
            Kind::I32 => f64::from(bits as i32),
            Kind::I64 => bits as i64 as f64,
            Kind::F32 => f64::from(f32::from_bits(bits as u32)),
            Kind::F64 => f64::from_bits(bits),
        }
    }
}

impl Header {
    /// Reads as far as the numbers.
    pub fn read(file: &str, bytes: &mut impl Read) -> Result<Self, Error> {
        let error = |expected: &str, given: String| Error::Format { file: file.to_owned(), expected: expected.to_owned(), given };
        let mut len = 0;
        let mut take = |count: usize| {
            let mut taken = Vec::new();
            bytes
                .by_ref()
                .take(count as u64)
                .read_to_end(&mut taken)
                .map_err(|problem| error("a file that can be read to its end", problem.to_string()))?;
            len += count;
            if taken.len() == count { Ok(taken) } else { Err(error("the header of an array", format!("only {} of {count} bytes", taken.len()))) }
        };
        let begin = take(MAGIC.len() + 2)?;
        if !begin.starts_with(&MAGIC) {
            return Err(error("an array of NumPy, which begins with \\x93NUMPY", begin.escape_ascii().to_string()));
        }
        let text_len = match begin[MAGIC.len()] {
            1 => take(2)?.into_iter().rev().fold(0, |len, byte| len << 8 | usize::from(byte)),
            2 | 3 => take(4)?.into_iter().rev().fold(0, |len, byte| len << 8 | usize::from(byte)),
            version => return Err(error("version 1, 2 or 3 of the format", version.to_string())),
        };
        let text = take(text_len)?;
        let text = String::from_utf8_lossy(&text);
        let shown = || text.trim().chars().take(200).collect::<String>();
        let parsed = parsed(&text).ok_or_else(|| error("a header of descr, fortran_order and shape", shown()))?;
        let (mark, name) = parsed.0.split_at_checked(1).unwrap_or_default();
        let kind = Kind::NAMES.into_iter().find(|(known, _)| *known == name).filter(|_| ["<", ">", "|", "="].contains(&mark));
        let (_, kind) = kind.ok_or_else(|| error("numbers of type bool, u1 to u8, i1 to i8, f4 or f8", format!("`{}`", parsed.0)))?;
        Ok(Header { kind, is_big_endian: mark == ">", is_fortran: parsed.1, shape: parsed.2, len })
    }

    /// How many bytes the numbers have; none if that is more than a file can.
    pub fn numbers_len(&self) -> Option<usize> {
        self.shape.iter().try_fold(self.kind.size(), |len, &size| len.checked_mul(size))
    }
}

/// The three entries of a dictionary of Python: `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.
fn parsed(text: &str) -> Option<(&str, bool, Vec<usize>)> {
    let entry = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
    let (descr, _) = entry("descr")?.strip_prefix('\'')?.split_once('\'')?;
    let order = entry("fortran_order")?;
    let is_fortran = order.starts_with("True");
    let (shape, _) = entry("shape")?.strip_prefix('(')?.split_once(')')?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect::<Option<_>>()?;
    (is_fortran || order.starts_with("False")).then_some((descr, is_fortran, sizes))
}
