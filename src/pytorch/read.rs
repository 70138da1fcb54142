//! A file becomes parameters.

use super::import::Import;
use super::near::near;
use super::order::{by_order, natural};
use super::report::{Found, Loaded, Report};
use crate::checkpoint::{numbers, open};
use crate::engine::{Backend, Engine};
use crate::error::{Error, Mismatch};
use crate::float::Float;
use crate::model::Model;
use crate::types::{Dims, NamedParam, Network, Role, Spec, tensors, tied};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

impl<N: Network, E: Float, D: Backend<E>, G: Engine<E, D>> Model<N, E, D, G> {
    /// Loads parameters and buffers from a `state_dict` whose names or layouts differ, as [`Import`] says, and reports what became
    /// of each tensor.
    ///
    /// As in PyTorch, a file without `num_batches_tracked` is not incomplete.
    ///
    /// # Errors
    /// Those of [`Model::load`], and also without [`Import::strict`] if the file has nothing of the network; [`Error::Format`] if it
    /// has nothing that an [`Import::transposed`] is for. The model is then as it was.
    ///
    /// # Examples
    /// Those of [`Import`] and [`pytorch`](crate::pytorch).
    pub fn load_with(&mut self, path: impl AsRef<Path>, import: &Import) -> Result<Report, Error> {
        let path = path.as_ref();
        let data = std::fs::read(path).map_err(Error::file(path, "read it"))?;
        self.load_data(&data, path, import)
    }

    /// The same for a file that was read; `path` is what errors call it.
    pub(crate) fn load_data(&mut self, data: &[u8], path: &Path, import: &Import) -> Result<Report, Error> {
        let mut numbers = [self.parameters(), self.buffers()].map(|own| own.into_iter().map(E::f64).collect());
        let report = read((path, data), import, (N::SPEC, E::DTYPE), &mut numbers);
        let report = report?.map_err(|mismatches| Error::Parameters { path: path.to_owned(), network: N::NAME, mismatches })?;
        let [parameters, buffers] = numbers.map(|all: Vec<f64>| all.into_iter().map(E::of).collect::<Vec<E>>());
        self.set_parameters(&parameters)?;
        self.set_buffers(&buffers)?;
        Ok(report)
    }
}

/// Reads the parameters and buffers of a network that computes with `dtype`. It does so in `f64`, where every `f32` is what it is,
/// so that this is compiled once and not for every model.
fn read(
    (path, data): (&Path, &[u8]),
    import: &Import,
    (spec, dtype): (&'static Spec, Dtype),
    [parameters, buffers]: &mut [Vec<f64>; 2],
) -> Result<Result<Report, Vec<Mismatch>>, Error> {
    let mut reading = Reading::of(open(path, data)?, import, dtype);
    import.check(path, reading.left.keys())?;
    let (params, tied) = (tensors(spec), tied(spec));
    for (param, source) in params.iter().zip(reading.sources(&params, &tied)) {
        let place = if param.role == Role::Trained { &mut *parameters } else { &mut *buffers };
        reading.read(param, source, &mut place[param.range()]);
    }
    for param in &tied {
        reading.compare(param, &parameters[param.range()]);
    }
    let (mismatches, report) = reading.finish(&params);
    Ok(if mismatches.is_empty() { Ok(report) } else { Err(mismatches) })
}

/// Where a parameter is in a file.
struct Source {
    /// One tensor, or several whose rows stand one below the other.
    names: Vec<String>,
    found: Found,
}

/// A file on its way into a network.
struct Reading<'a> {
    file: SafeTensors<'a>,
    import: &'a Import,
    /// What the model computes with.
    dtype: Dtype,
    /// The tensors that no parameter has asked for, and their shapes.
    left: BTreeMap<String, Vec<usize>>,
    mismatches: Vec<Mismatch>,
    report: Report,
}

impl<'a> Reading<'a> {
    fn of(file: SafeTensors<'a>, import: &'a Import, dtype: Dtype) -> Self {
        let (ignored, left): (Vec<_>, Vec<_>) =
            file.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec())).partition(|(name, _)| import.is_ignored(name));
        let report = Report { left_out: ignored.into_iter().map(|(name, _)| name).collect(), ..Report::default() };
        Reading { file, import, dtype, left: left.into_iter().collect(), mismatches: Vec::new(), report }
    }

    /// Where each parameter is.
    fn sources(&mut self, params: &[NamedParam], tied: &[NamedParam]) -> Vec<Option<Source>> {
        let second = |param: &NamedParam| tied.iter().find(|tied| tied.role == param.role && tied.range() == param.range()).map(|tied| &tied.name);
        let mut sources: Vec<_> = params.iter().map(|param| self.by_name(param).or_else(|| self.by_second_name(second(param)?))).collect();
        if self.import.by_order {
            let left: Vec<_> = self.left.iter().map(|(name, shape)| (name.clone(), shape.clone())).collect();
            let pending: Vec<_> = params.iter().zip(&sources).filter(|(_, source)| source.is_none()).map(|(param, _)| param).collect();
            for (theirs, ours) in by_order(&left, &pending) {
                let place = params.iter().position(|param| param.name == ours);
                if let Some(place) = place.filter(|_| self.left.contains_key(&theirs)) {
                    sources[place] = self.take(vec![theirs], Found::Guessed);
                }
            }
        }
        sources
    }

    fn by_name(&mut self, param: &NamedParam) -> Option<Source> {
        let theirs = self.import.theirs(&param.name);
        let found = if theirs == param.name { Found::ByName } else { Found::Renamed };
        if self.left.contains_key(&theirs) {
            return self.take(vec![theirs], found);
        }
        let parts = self.import.parts(&theirs)?;
        if parts.iter().all(|part| self.left.contains_key(part)) { self.take(parts.to_vec(), found) } else { None }
    }

    /// Files in which no tensor is twice have one name or the other.
    fn by_second_name(&mut self, name: &str) -> Option<Source> {
        let theirs = self.import.theirs(name);
        if self.left.contains_key(&theirs) { self.take(vec![theirs], Found::Tied) } else { None }
    }

    fn take(&mut self, names: Vec<String>, found: Found) -> Option<Source> {
        names.iter().for_each(|name| _ = self.left.remove(name));
        Some(Source { names, found })
    }

    /// Writes the numbers of a parameter, or says why there are none.
    fn read(&mut self, param: &NamedParam, source: Option<Source>, place: &mut [f64]) {
        let Some(Source { names, found }) = source else {
            // PyTorch does not miss a counter either: files of old do not have it.
            if self.import.lenient || param.role == Role::Counter {
                self.report.missing.push(param.name.clone());
            } else {
                self.mismatches.push(self.missing(param));
            }
            return;
        };
        let mut converted = None;
        let share = place.len() / names.len();
        for (i, name) in names.iter().enumerate() {
            let expected = if names.len() > 1 { param.dims.with(0, param.dims.size(0) / names.len()) } else { param.dims };
            match self.tensor(name, param, expected) {
                Ok((numbers, how)) => {
                    place[i * share..(i + 1) * share].copy_from_slice(&numbers);
                    converted = how;
                }
                Err(mismatch) => return self.mismatches.push(mismatch),
            }
        }
        if names.len() > 1 {
            converted = Some("joined".to_owned());
        }
        self.report.loaded.push(Loaded { from: names, to: param.name.clone(), dims: param.dims, how: found, converted });
    }

    /// The numbers of a tensor that is to have a shape, and what was done for it.
    fn tensor(&self, theirs: &str, param: &NamedParam, expected: Dims) -> Result<(Vec<f64>, Option<String>), Mismatch> {
        let view = self.file.tensor(theirs).unwrap_or_else(|error| unreachable!("{theirs} is in the file: {error}"));
        let shape = view.shape();
        if let &[rows, columns] = shape
            && self.import.is_transposed(theirs)
            && expected.sizes() == [columns, rows]
        {
            return Ok((transposed(&numbers(&view, param, self.dtype)?, columns), Some("transposed".to_owned())));
        }
        let is_said = self.import.shape_of(theirs) == Some(shape) && shape.iter().product::<usize>() == expected.numel();
        if !is_said && !fits(shape, expected.sizes()) {
            return Err(Mismatch::Shape { name: param.name.clone(), expected, given: shape.to_vec() });
        }
        Ok((numbers(&view, param, self.dtype)?, (shape != expected.sizes()).then(|| format!("given as {shape:?}"))))
    }

    /// Holds the second name of a tensor that is there twice against the first.
    fn compare(&mut self, param: &NamedParam, first: &[f64]) {
        let theirs = self.import.theirs(&param.name);
        if self.left.remove(&theirs).is_none() {
            return;
        }
        match self.tensor(&theirs, param, param.dims) {
            Ok((numbers, _)) if numbers == first => {}
            Ok(_) => self.mismatches.push(Mismatch::Tied { name: theirs }),
            Err(mismatch) => self.mismatches.push(mismatch),
        }
    }

    fn missing(&self, param: &NamedParam) -> Mismatch {
        let theirs = self.import.theirs(&param.name);
        let layers = || self.import.parts(&theirs).map(|_| "where each projection is a layer: `.projections([..])`".to_owned());
        Mismatch::Missing { name: param.name.clone(), expected: param.dims, near: near(param, &self.left).or_else(layers) }
    }

    /// What does not match, and the report.
    fn finish(mut self, params: &[NamedParam]) -> (Vec<Mismatch>, Report) {
        if self.import.lenient {
            if self.report.loaded.is_empty() && self.mismatches.is_empty() {
                self.mismatches = params.iter().map(|param| self.missing(param)).collect();
            }
            self.report.left_out.extend(self.left.into_keys());
        } else {
            self.mismatches.extend(self.left.into_iter().map(|(name, given)| Mismatch::Unknown { name, given }));
        }
        self.report.left_out.sort_by(|a, b| natural(a, b));
        (self.mismatches, self.report)
    }
}

/// Whether a shape is another but for ones before or behind it, which change nothing in the order of the numbers.
pub(super) fn fits(given: &[usize], expected: &[usize]) -> bool {
    let (long, short) = if given.len() > expected.len() { (given, expected) } else { (expected, given) };
    let is = |(sizes, ones): (&[usize], &[usize])| sizes == short && ones.iter().all(|&size| size == 1);
    let (before, behind) = long.split_at(long.len() - short.len());
    is(long.split_at(short.len())) || is((behind, before))
}

/// A matrix of so many columns with its rows as columns.
pub(super) fn transposed(matrix: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| matrix[column..].iter().step_by(columns)).copied().collect()
}
