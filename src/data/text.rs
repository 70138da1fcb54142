//! Text, character by character.

use super::source::{Number, Source};
use super::target::Labels;
use crate::error::Error;
use crate::float::Float;
use crate::noise::Noise;
use crate::types::Ids;
use core::marker::PhantomData;
use dfdx::shapes::{Const, Rank1};

/// The `V` characters that a text is written with, in their own order: the id of each is its place.
///
/// # Examples
/// ```
/// use formwork::data::text::Vocabulary;
///
/// let letters = Vocabulary::<4>::of("banana!").unwrap();
/// assert_eq!(letters.encode("nab").unwrap(), [3, 1, 2]);
/// assert_eq!(letters.decode(&[2, 1, 3, 0]), "ban!");
///
/// let error = Vocabulary::<5>::of("banana!").unwrap_err();
/// assert_eq!(error.to_string(), "different characters of the text: expected 5, given 4");
/// let error = letters.encode("bar").unwrap_err();
/// assert_eq!(error.to_string(), "text, line 1: expected one of 4 characters, given 'r'");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary<const V: usize> {
    letters: Vec<char>,
}

impl<const V: usize> Vocabulary<V> {
    /// The characters of a text, each once.
    ///
    /// # Errors
    /// [`Error::Count`] if there are not `V` of them: it says how many there are, which is what `V` is to be.
    pub fn of(text: &str) -> Result<Self, Error> {
        let letters: std::collections::BTreeSet<char> = text.chars().collect();
        match letters.len() {
            given if given == V => Ok(Vocabulary { letters: letters.into_iter().collect() }),
            given => Err(Error::Count { what: "different characters of the text", expected: V, given }),
        }
    }

    /// The id of a character; none if it is not in the text.
    pub fn id(&self, letter: char) -> Option<usize> {
        self.letters.binary_search(&letter).ok()
    }

    /// The ids of the characters of a text.
    ///
    /// # Errors
    /// [`Error::Data`] with the line of the first character that has none.
    pub fn encode(&self, text: &str) -> Result<Vec<usize>, Error> {
        let mut line = 1;
        let id = |letter| {
            let unknown = |line| Error::Data { file: "text".to_owned(), line, problem: format!("expected one of {V} characters, given {letter:?}") };
            let id = self.id(letter).ok_or_else(|| unknown(line));
            line += u64::from(letter == '\n');
            id
        };
        text.chars().map(id).collect()
    }

    /// The text that ids stand for; one that is not below `V` stands for nothing.
    pub fn decode(&self, ids: &[usize]) -> String {
        ids.iter().filter_map(|&id| self.letters.get(id)).collect()
    }
}

/// Windows of `T` ids of a text, one beginning at each place; the target of each id is the one behind it.
///
/// # Examples
/// ```
/// use formwork::Noise;
/// use formwork::data::Source;
/// use formwork::data::text::{Vocabulary, Windows};
/// use formwork::prelude::*;
///
/// let letters = Vocabulary::<4>::of("banana!")?;
/// let windows: Windows<4, 3> = Windows::new(letters.encode("banana!")?)?;
/// assert_eq!(windows.len(), 4); // ban, ana, nan, ana
///
/// let mut batch = MiniBatch::<_, _, f32>::default();
/// batch.read(&windows, &[3], Noise::new(0))?;
/// assert_eq!((batch.inputs(), batch.targets()), (&[1.0, 3.0, 1.0][..], &[3, 1, 0][..]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Windows<const V: usize, const T: usize, E = f32> {
    ids: Vec<usize>,
    numbers: PhantomData<fn() -> E>,
}

impl<const V: usize, const T: usize, E: Float> Windows<V, T, E> {
    /// The windows of a text, as ids.
    ///
    /// # Errors
    /// [`Error::Id`] with the first id that is not below `V`; [`Error::Setting`] for a text that is too short for one window and
    /// what comes behind it.
    pub fn new(ids: Vec<usize>) -> Result<Self, Error> {
        super::checked_ids(&ids, V, 1)?;
        if ids.len() <= T {
            return Err(Error::Setting { what: "length of a text", expected: "a window and a character behind it", given: ids.len() as f64 });
        }
        Ok(Windows { ids, numbers: PhantomData })
    }

    /// The whole text.
    pub fn ids(&self) -> &[usize] {
        &self.ids
    }
}

impl<const V: usize, const T: usize, E: Float> Source<E> for Windows<V, T, E> {
    type Input = Ids<V, Rank1<T>>;
    type Target = Labels<Const<V>, Rank1<T>>;

    fn len(&self) -> usize {
        self.ids.len() - T
    }

    fn read(&self, index: usize, _noise: Noise, input: &mut [E], target: &mut [Number<Self, E>]) -> Result<(), Error> {
        input.iter_mut().zip(&self.ids[index..]).for_each(|(x, &id)| *x = E::of(id as f64));
        target.copy_from_slice(&self.ids[index + 1..][..T]);
        Ok(())
    }
}
