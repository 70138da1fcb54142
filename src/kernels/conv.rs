//! Windows over images without copying them out: each tap of a window is a shift of the image.
//!
//! What lies in the lanes is up to the caller, who says where the places are: neighbouring windows of a row, or one window of
//! several samples. A [`Walk`] lists the places, a register each, and the taps as distances from a place. Two kernels go along
//! it: [`Correlate`], for the way forward and for the gradient of the image, and [`CorrelateBack`], for that of the weight.

use super::gemm::Element;
use super::lanes::{Choice, Largest};
use super::simd::{Kernel, Lanes};
use super::tile::{Sums, inner, outer, put, totals};

/// A register of windows: where their first tap lies in the image, where their sums lie, and how many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub from: u32,
    pub to: u32,
    pub len: u32,
}

/// A tap: which weight of a channel it is, and how far it is from the first one in the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub weight: u32,
    pub shift: u32,
}

/// Where windows are and what they see.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    places: Vec<Place>,
    taps: Vec<Tap>,
    /// How many numbers from the begin of a channel on are read, in whole registers, and written.
    reach: [usize; 2],
    is_ragged: bool,
    /// Whether four places, one behind the other, make a pool, and have one place in what is written.
    pools: bool,
}

impl Walk {
    /// For registers of `lanes` numbers.
    pub(crate) fn new(places: Vec<Place>, taps: Vec<Tap>, lanes: usize) -> Self {
        assert!(places.iter().all(|place| (1..=lanes).contains(&(place.len as usize))), "a place is a register or less");
        let begin = places.iter().map(|place| place.from as usize + lanes).max().unwrap_or(0);
        let shift = taps.iter().map(|tap| tap.shift as usize).max().unwrap_or(0);
        let end = places.iter().map(|place| (place.to + place.len) as usize).max().unwrap_or(0);
        let is_ragged = places.iter().any(|place| (place.len as usize) < lanes);
        Walk { places, taps, reach: [begin + shift, end], is_ragged, pools: false }
    }

    /// The same where four places, one behind the other, make a pool, and have one place in what is written.
    pub(crate) fn pooled(self) -> Self {
        assert!(self.places.chunks(4).all(|four| four.len() == 4 && four.iter().all(|place| place.to == four[0].to)), "pools of four");
        Walk { pools: true, ..self }
    }

    /// Whether any register has less numbers than it could.
    pub(crate) fn is_ragged(&self) -> bool {
        self.is_ragged
    }
}

/// Weights as a matrix: `rows` sums, each over `channels` of the image, and the taps of each, which lie next to one another.
#[derive(Clone, Copy)]
pub(crate) struct Filter {
    pub rows: usize,
    pub channels: usize,
    /// How far apart two rows lie, and two channels.
    pub row: usize,
    pub channel: usize,
}

impl Filter {
    fn fits(&self, walk: &Walk, numbers: usize) -> bool {
        let tap = walk.taps.iter().map(|tap| tap.weight as usize + 1).max().unwrap_or(0);
        self.rows * self.channels == 0 || (self.rows - 1) * self.row + (self.channels - 1) * self.channel + tap <= numbers
    }
}

/// Channels of an image, `plane` numbers apart.
#[derive(Clone, Copy)]
pub(crate) struct Planes<T> {
    pub data: T,
    pub plane: usize,
}

impl<T> Planes<T> {
    fn fits(&self, channels: usize, reach: usize, numbers: usize) -> bool {
        channels == 0 || (channels - 1) * self.plane + reach <= numbers
    }
}

/// `y[row][place] = bias[row] + Σ weight[row][channel][tap] x[channel][place + tap]`, or with `add` added to what is there.
pub(crate) struct Correlate<'a, E> {
    pub walk: &'a Walk,
    pub filter: Filter,
    pub weight: &'a [E],
    /// Empty where there is none.
    pub bias: &'a [E],
    pub x: Planes<&'a [E]>,
    pub y: Planes<&'a mut [E]>,
    pub add: bool,
    /// What becomes of the sums, if they are not what is written. Where four places make a pool, there is one.
    pub choice: Option<Choice<'a, E>>,
}

impl<E: Element> Correlate<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let Correlate { walk, filter, .. } = &self;
        assert!(filter.fits(walk, self.weight.len()), "the weight is smaller than its filter");
        assert!(self.bias.is_empty() || self.bias.len() == filter.rows, "a bias for each row");
        assert!(self.x.fits(filter.channels, walk.reach[0], self.x.data.len()), "the image is smaller than the walk");
        assert!(self.y.fits(filter.rows, walk.reach[1], self.y.data.len()), "the sums have less room than the walk");
        let chosen = self.choice.as_ref().map(|choice| choice.chosen.len() >= self.y.data.len());
        assert!(chosen.unwrap_or(!walk.pools) && (chosen.is_none() || !walk.is_ragged && !self.add), "a choice for each sum or pool");
        E::run(self);
    }
}

/// How many registers of places are walked together at most, and of all channels together, so that what they see stays in the
/// first-level cache.
const BLOCK: usize = 24;
const OF_CHANNELS: usize = 512;

impl<E: Element> Kernel<E> for Correlate<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.blocks::<V, false>() }
    }

    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.blocks::<V, true>() }
    }
}

impl<E: Element> Correlate<'_, E> {
    /// All rows and places, with tiles for 32 registers or for 16: sums, a register of each column, and a number of each row.
    ///
    /// # Safety
    /// `run` has asserted what it does, and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn blocks<V: Lanes<E>, const IS_WIDE: bool>(mut self) {
        // Whole tiles of four registers.
        let block = (OF_CHANNELS / self.filter.channels.max(1)).next_multiple_of(4).clamp(4, BLOCK);
        for places in self.walk.places.chunks(block) {
            let mut row = 0;
            while row < self.filter.rows {
                // SAFETY: there are so many rows left, and the caller's contract.
                unsafe {
                    match self.filter.rows - row {
                        4.. if self.walk.pools && IS_WIDE => self.rows::<V, 4, 4>(&mut row, places),
                        2.. if self.walk.pools => self.rows::<V, 2, 4>(&mut row, places),
                        _ if self.walk.pools => self.rows::<V, 1, 4>(&mut row, places),
                        6 | 9.. if !IS_WIDE => self.rows::<V, 6, 2>(&mut row, places),
                        4.. if !IS_WIDE => self.rows::<V, 4, 2>(&mut row, places),
                        4.. => self.rows::<V, 4, 4>(&mut row, places),
                        2.. => self.rows::<V, 2, 4>(&mut row, places),
                        _ => self.rows::<V, 1, 6>(&mut row, places),
                    }
                }
            }
        }
    }

    /// # Safety
    /// There are `ROWS` rows from `row` on, `run` has asserted what it does, and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn rows<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, row: &mut usize, places: &[Place]) {
        let mut at = 0;
        // SAFETY: the caller's contract; there are so many places left.
        unsafe {
            while at < places.len() {
                match places.len() - at {
                    left if left >= REGS => self.tile::<V, ROWS, REGS>(*row, &places[at..], &mut at),
                    2.. => self.tile::<V, ROWS, 2>(*row, &places[at..], &mut at),
                    _ => self.tile::<V, ROWS, 1>(*row, &places[at..], &mut at),
                }
            }
        }
        *row += ROWS;
    }

    /// # Safety
    /// As for [`Correlate::rows`], and there are `REGS` places.
    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, row: usize, places: &[Place], at: &mut usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [[V::splat(E::zero()); REGS]; ROWS];
            let (mut rows, mut windows) = ([self.weight.as_ptr(); ROWS], [self.x.data.as_ptr(); REGS]);
            for i in 0..ROWS {
                rows[i] = rows[i].add((row + i) * self.filter.row);
                if !self.bias.is_empty() {
                    sums[i] = [V::splat(self.bias[row + i]); REGS];
                }
            }
            for j in 0..REGS {
                windows[j] = windows[j].add(places[j].from as usize);
            }
            for channel in 0..self.filter.channels {
                let (weights, planes) = (ahead(rows, channel * self.filter.channel), ahead(windows, channel * self.x.plane));
                for tap in &self.walk.taps {
                    outer(ahead(weights, tap.weight as usize), ahead(planes, tap.shift as usize), &mut sums);
                }
            }
            self.put(row, places, &sums);
        }
        *at += REGS;
    }

    /// # Safety
    /// As for [`Correlate::tile`].
    #[inline(always)]
    unsafe fn put<V: Lanes<E>, const ROWS: usize, const REGS: usize>(&mut self, row: usize, places: &[Place], sums: &Sums<V, ROWS, REGS>) {
        let (y, plane) = (self.y.data.as_mut_ptr(), self.y.plane);
        let to = |i: usize, place: &Place| (row + i) * plane + place.to as usize;
        // What is done is told apart outside of the loops: the compiler unrolls them then, and sums stay in registers.
        // SAFETY: `run` has asserted that `y`, and what is chosen, have the places' numbers in each row.
        unsafe {
            match &mut self.choice {
                // There are four registers in a tile then; in others nobody gets here.
                Some(Choice { has_relu, chosen }) if REGS == 4 && self.walk.pools => {
                    let chosen = chosen.as_mut_ptr();
                    for (i, sums) in sums.iter().enumerate() {
                        let to = to(i, &places[0]);
                        Largest::of([sums[0], sums[1], sums[2], sums[3]]).put(*has_relu, [y.add(to), chosen.add(to)]);
                    }
                }
                Some(Choice { has_relu, chosen }) => {
                    let chosen = chosen.as_mut_ptr();
                    for (i, sums) in sums.iter().enumerate() {
                        for (&sum, place) in sums.iter().zip(places) {
                            Largest::first(sum).put(*has_relu, [y.add(to(i, place)), chosen.add(to(i, place))]);
                        }
                    }
                }
                None => {
                    for (i, sums) in sums.iter().enumerate() {
                        for (&sum, place) in sums.iter().zip(places) {
                            put(sum, y.add(to(i, place)), place.len as usize, self.add);
                        }
                    }
                }
            }
        }
    }
}

/// `d_weight[row][channel][tap] += Σ dy[row][place] x[channel][place + tap]`, the gradient of [`Correlate`].
pub(crate) struct CorrelateBack<'a, E> {
    pub walk: &'a Walk,
    pub filter: Filter,
    pub d_weight: &'a mut [E],
    pub x: Planes<&'a [E]>,
    pub dy: Planes<&'a [E]>,
}

impl<E: Element> CorrelateBack<'_, E> {
    /// Does it.
    pub(crate) fn run(self) {
        let CorrelateBack { walk, filter, .. } = &self;
        assert!(filter.fits(walk, self.d_weight.len()), "the gradient is smaller than its filter");
        assert!(self.x.fits(filter.channels, walk.reach[0], self.x.data.len()), "the image is smaller than the walk");
        assert!(self.dy.fits(filter.rows, walk.reach[1], self.dy.data.len()), "there are less gradients than places");
        E::run(self);
    }
}

/// How many registers of places one sum goes over, so that the gradients of a few rows stay in the first-level cache.
const BLOCK_BACK: usize = 128;

impl<E: Element> Kernel<E> for CorrelateBack<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.blocks::<V, 3>() }
    }

    #[inline(always)]
    unsafe fn run_wide<V: Lanes<E>>(self) {
        // SAFETY: the caller's contract.
        unsafe { self.blocks::<V, 6>() }
    }
}

impl<E: Element> CorrelateBack<'_, E> {
    /// All rows and places; tiles of four rows have `COLS` weights of each.
    ///
    /// # Safety
    /// `run` has asserted what it does, and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn blocks<V: Lanes<E>, const COLS: usize>(mut self) {
        for places in self.walk.places.chunks(BLOCK_BACK) {
            let mut row = 0;
            while row < self.filter.rows {
                // SAFETY: there are so many rows left, and the caller's contract.
                unsafe {
                    match self.filter.rows - row {
                        4.. => self.rows::<V, 4, COLS>(&mut row, places),
                        2.. => self.rows::<V, 2, 4>(&mut row, places),
                        _ => self.rows::<V, 1, 6>(&mut row, places),
                    }
                }
            }
        }
    }

    /// # Safety
    /// There are `ROWS` rows from `row` on, `run` has asserted what it does, and the contract of [`Lanes`].
    #[inline(always)]
    unsafe fn rows<V: Lanes<E>, const ROWS: usize, const COLS: usize>(&mut self, row: &mut usize, places: &[Place]) {
        let cols = self.filter.channels * self.walk.taps.len();
        let mut col = 0;
        // SAFETY: the caller's contract; there are so many weights left.
        unsafe {
            while col < cols {
                match cols - col {
                    left if left >= COLS => self.tile::<V, ROWS, COLS>(*row, &mut col, places),
                    2.. => self.tile::<V, ROWS, 2>(*row, &mut col, places),
                    _ => self.tile::<V, ROWS, 1>(*row, &mut col, places),
                }
            }
        }
        *row += ROWS;
    }

    /// # Safety
    /// As for [`CorrelateBack::rows`], and there are `COLS` weights from `col` on in a row.
    #[inline(always)]
    unsafe fn tile<V: Lanes<E>, const ROWS: usize, const COLS: usize>(&mut self, row: usize, col: &mut usize, places: &[Place]) {
        let taps = self.walk.taps.len();
        let mut weights = [0; COLS];
        // SAFETY: the caller's contract.
        let totals = unsafe {
            let mut sums = [[V::splat(E::zero()); COLS]; ROWS];
            let (mut rows, mut columns) = ([self.dy.data.as_ptr(); ROWS], [self.x.data.as_ptr(); COLS]);
            for (i, at) in rows.iter_mut().enumerate() {
                *at = at.add((row + i) * self.dy.plane);
            }
            for j in 0..COLS {
                let (channel, tap) = ((*col + j) / taps, self.walk.taps[(*col + j) % taps]);
                columns[j] = columns[j].add(channel * self.x.plane + tap.shift as usize);
                weights[j] = channel * self.filter.channel + tap.weight as usize;
            }
            for place in places {
                let (rows, columns) = (ahead(rows, place.to as usize), ahead(columns, place.from as usize));
                let n = place.len as usize;
                if n == V::LEN {
                    inner(rows, columns, None, &mut sums);
                } else {
                    inner(rows, columns, Some(n), &mut sums);
                }
            }
            totals::<E, V, ROWS, COLS>(&sums)
        };
        for (i, totals) in totals.iter().enumerate() {
            for (&total, weight) in totals.iter().zip(weights) {
                self.d_weight[(row + i) * self.filter.row + weight] += total;
            }
        }
        *col += COLS;
    }
}

/// The pointers, so many numbers on.
#[inline(always)]
fn ahead<E, const N: usize>(mut pointers: [*const E; N], numbers: usize) -> [*const E; N] {
    for pointer in &mut pointers {
        *pointer = pointer.wrapping_add(numbers);
    }
    pointers
}
