//! Convolutions of 3 x 3 with less multiplications.

use super::conv::{Bank, Lie};
use crate::cpu::CHUNK;
use crate::cpu::pieces::in_pieces;
use crate::float::Float;
use crate::kernels::conv::{Filter, Planes};
use crate::kernels::frame::Frame;
use crate::kernels::geometry::Geometry;
use crate::kernels::lanes::Choice;
use crate::kernels::winograd::{Fold, NUMBERS, Prepare, Purpose, Samples, Squares, Winograd, WinogradBack, apart};
use crate::storage::Storage;
use core::ops::Range;

/// Filters of 3 x 3 over images, or their way back, which are filters of 3 x 3 too.
pub(super) struct Quick {
    squares: Together,
    /// From how many samples on it pays.
    least: usize,
    /// Those of one group.
    filter: Filter,
    /// How many weights a group has.
    weights: usize,
    groups: usize,
    /// Whether a filter's numbers come last first.
    is_turned: bool,
    /// How many numbers of a channel are read, in its frame, and how many are written.
    planes: [usize; 2],
}

/// What some rows of a group are written to, and of which squares.
struct To<'a, E> {
    squares: &'a Squares,
    y: &'a mut [E],
    add: bool,
    choice: Option<Choice<'a, E>>,
}

/// What it takes to bring a register of squares to the products or from them, to prepare one of filters, and to fold one of their
/// gradients, in multiplications of registers.
const AROUND: usize = 60;
const PREPARE: usize = 225;
const FOLD: usize = 500;
/// From how many bytes on prepared filters leave the second-level cache.
const FAR: usize = 512 * 1024;
/// Over how many squares the gradient of filters is summed at a time, so that it pays for what is copied: as many as there is room for in
/// so many numbers, which stay in the second-level cache.
const DEEP_ROOM: usize = 256 * 1024;
const LEAST_DEEP: usize = 64;
const MOST_DEEP: usize = 256;
/// Of how many samples squares are multiplied together at most.
const MOST: usize = 8;
/// How many registers of squares are worth preparing filters and folding their gradients.
const TOGETHER: usize = 8;
/// How many rows are worth a piece of their own.
const LEAST: usize = 8;
/// Into how many pieces the rows are cut, so that several threads have something to do.
const PIECES: usize = 4;

impl Quick {
    /// What the filters see of images in the first windows, if it pays; with `pools` each square of them becomes one number.
    pub(super) fn see<E: Float>(bank: &Bank, lie: Lie, windows: [usize; 2], pools: bool) -> Option<Self> {
        let (g, filter, unit) = (of_threes(&bank.geometry)?, bank.seeing(), lie.unit::<E>());
        let purpose = if pools { Purpose::Pools } else { Purpose::Sums };
        let written = windows[0] * windows[1] / if pools { 4 } else { 1 } * unit;
        let squares = |samples| Squares::new::<E>(g.image, g.padding.map(|padding| padding as isize), windows, samples, purpose);
        Self::if_it_pays::<E>(bank, filter, squares, [unit, written], lie.registers_of::<E>(windows))
    }

    /// The same for the gradient of the images: the filters see that of what they have seen, the other way round.
    pub(super) fn spread<E: Float>(bank: &Bank, lie: Lie) -> Option<Self> {
        let (g, filter, unit) = (of_threes(&bank.geometry)?, bank.spreading(), lie.unit::<E>());
        let squares = |samples| Squares::new::<E>(g.output, g.padding.map(|padding| 2 - padding as isize), g.image, samples, Purpose::Sums);
        let quick = Self::if_it_pays::<E>(bank, filter, squares, [unit, g.pixels() * unit], lie.registers_of::<E>(g.image))?;
        Some(Quick { is_turned: true, ..quick })
    }

    /// With squares for samples that lie in one way or another, each with so many numbers written for a channel, if it ever takes less than
    /// so many registers of windows.
    fn if_it_pays<E: Float>(
        bank: &Bank,
        filter: Filter,
        squares: impl Fn(Samples) -> Squares,
        [unit, written]: [usize; 2],
        windows: usize,
    ) -> Option<Self> {
        let one = squares(Samples::at_once(unit));
        let planes = [one.frame.plane() * unit, written];
        let apart = [bank.groups * filter.channels * planes[0], bank.groups * filter.rows * planes[1]];
        let squares = if unit > 1 { Together(vec![one]) } else { Together::in_full_tiles::<E>(|count| squares(Samples { unit, count, apart })) };
        let least = least::<E>(&squares, filter, windows, [NUMBERS, PREPARE]).filter(|&least| unit == 1 || least == 1)?;
        Some(Quick { squares, least, filter, weights: bank.weights_of_group(), groups: bank.groups, is_turned: false, planes })
    }

    /// What is seen of an image.
    pub(super) fn frame(&self) -> Frame {
        self.squares.one().frame
    }

    /// How many numbers the prepared filters of a group have.
    fn prepared<E: Float>(&self) -> usize {
        NUMBERS * apart::<E>(self.filter.rows * self.filter.channels)
    }

    /// How many samples should go together, so that filters are not prepared and their gradients folded for too few.
    pub(super) fn efficient<E: Float>(&self) -> usize {
        let [_, multiplied, _] = self.squares.one().registers::<E>();
        TOGETHER.div_ceil(multiplied)
    }

    /// Whether it pays for so many samples.
    pub(super) fn pays(&self, samples: usize) -> bool {
        samples >= self.least
    }

    /// How many numbers images have in their frames.
    pub(super) fn framed(&self) -> usize {
        self.groups * self.filter.channels * self.planes[0] + self.squares.all().slack()
    }

    /// How many numbers there must be room for to do so many rows.
    fn room<E: Float>(&self, rows: usize) -> usize {
        self.squares.room::<E>([rows, self.filter.channels])
    }

    /// The prepared filters, images in their frames, and what is multiplied.
    pub(super) fn scratch<E: Float>(&self) -> usize {
        let [alone, shared] = [None, Some(1)].map(|threads| {
            let piece = piece(self.filter.rows, threads);
            self.filter.rows.div_ceil(piece) * self.room::<E>(piece)
        });
        self.groups * self.prepared::<E>() + self.framed() + alone.max(shared)
    }

    fn prepare<E: Float>(&self, weight: &[E], prepared: &mut [E], room: &mut [E]) {
        for (weight, prepared) in weight.chunks(self.weights).zip(prepared.chunks_exact_mut(self.prepared::<E>())) {
            Prepare { filter: self.filter, weight, is_turned: self.is_turned, prepared, room }.run();
        }
    }

    /// The sums of images and the bias of each channel or, with `add`, added to what is there.
    pub(super) fn run<E: Float>(&self, threads: Option<usize>, [weight, bias]: [&[E]; 2], x: &[E], scratch: &mut [E], add: bool, y: &mut [E]) {
        let (prepared, rest) = scratch.split_at_mut(self.groups * self.prepared::<E>());
        let (framed, room) = rest.split_at_mut(self.framed());
        self.prepare(weight, prepared, room);
        let ([height, width], of_group) = (self.frame().image, self.filter.rows * self.planes[1]);
        let [of_x, of_y] = [self.groups * self.filter.channels * height * width, self.groups * of_group];
        let together = if threads.is_some() { 1 } else { self.squares.most() };
        let (piece, room) = (piece(self.filter.rows, threads), Storage::new(room));
        let of_piece = self.room::<E>(piece);
        for (x, y) in x.chunks(together * of_x).zip(y.chunks_mut(together * of_y)) {
            self.frame().fill_numbers(x, framed);
            let squares = self.squares.of(x.len() / of_x);
            for group in 0..self.groups {
                // Several samples are one piece: the rows of a group lie apart in them.
                let y = &mut y[group * of_group..];
                let (end, numbers) = if threads.is_some() { (of_group, piece * self.planes[1]) } else { (y.len(), y.len()) };
                in_pieces(threads.unwrap_or(1), &mut y[..end], numbers, &|first, y| {
                    let first = first / self.planes[1];
                    let begin = first / piece * of_piece;
                    // SAFETY: each piece has a room of its own.
                    let room = unsafe { room.write(begin..begin + of_piece) };
                    let rows = piece.min(self.filter.rows - first);
                    self.rows([group, first, rows], [prepared, bias, framed], To { squares, y, add, choice: None }, room);
                });
            }
        }
    }

    /// The same for samples side by side, which are in their frames; where squares are pooled, with a choice for all of them.
    pub(super) fn run_lanes<E: Float>(&self, [weight, bias]: [&[E]; 2], framed: &[E], scratch: &mut [E], y: &mut [E], choice: Option<Choice<'_, E>>) {
        let (prepared, room) = scratch.split_at_mut(self.groups * self.prepared::<E>());
        self.prepare(weight, prepared, room);
        let of_group = self.filter.rows * self.planes[1];
        let mut choice = choice.map(|Choice { has_relu, chosen }| (has_relu, chosen.chunks_exact_mut(of_group)));
        for (group, y) in y.chunks_exact_mut(of_group).enumerate() {
            let choice = choice.as_mut().and_then(|(has_relu, chosen)| Some(Choice { has_relu: *has_relu, chosen: chosen.next()? }));
            self.rows([group, 0, self.filter.rows], [prepared, bias, framed], To { squares: self.squares.one(), y, add: false, choice }, room);
        }
    }

    /// Some rows of a group, from `first` on.
    fn rows<E: Float>(&self, [group, first, rows]: [usize; 3], [prepared, bias, framed]: [&[E]; 3], to: To<'_, E>, room: &mut [E]) {
        let Filter { rows: all, channels, .. } = self.filter;
        let [read, written] = self.planes;
        let begin = group * all + first;
        Winograd {
            squares: to.squares,
            size: [rows, channels],
            prepared: &prepared[group * self.prepared::<E>() + first * channels..],
            apart: apart::<E>(all * channels),
            bias: if bias.is_empty() { bias } else { &bias[begin..begin + rows] },
            x: Planes { data: &framed[group * channels * read..], plane: read },
            y: Planes { data: to.y, plane: written },
            add: to.add,
            choice: to.choice,
            room,
        }
        .run();
    }
}

/// The gradient of filters of 3 x 3.
pub(super) struct QuickBack {
    squares: Together,
    /// From how many samples on it pays.
    least: usize,
    /// Those of one group.
    filter: Filter,
    groups: usize,
    /// How many numbers of a channel are read, in its frame, and how many there are of what was seen.
    planes: [usize; 2],
}

impl QuickBack {
    /// Of what filters see along the rows of images, if it pays.
    pub(super) fn new<E: Float>(bank: &Bank) -> Option<Self> {
        let (g, filter) = (of_threes(&bank.geometry)?, bank.seeing());
        let deep = (DEEP_ROOM / (filter.rows + filter.channels) / NUMBERS).clamp(LEAST_DEEP, MOST_DEEP);
        let squares = |samples| Squares::new::<E>(g.image, g.padding.map(|padding| padding as isize), g.output, samples, Purpose::Gradient(deep));
        let one = squares(Samples::at_once(1));
        let planes = [one.frame.plane(), g.windows()];
        let apart = [bank.groups * filter.channels * planes[0], bank.groups * filter.rows * planes[1]];
        let squares = Together::in_full_tiles::<E>(|count| squares(Samples { unit: 1, count, apart }));
        // What is copied so that there are no sums over the lanes takes a third more.
        let least = least::<E>(&squares, filter, Lie::Row.registers_of::<E>(g.output), [NUMBERS * 4 / 3, FOLD])?;
        Some(QuickBack { squares, least, filter, groups: bank.groups, planes })
    }

    /// Whether it pays for so many samples.
    pub(super) fn pays(&self, samples: usize) -> bool {
        samples >= self.least
    }

    /// How many numbers images have in their frames.
    fn framed(&self) -> usize {
        self.groups * self.filter.channels * self.planes[0] + self.squares.all().slack()
    }

    /// How many numbers the gradients of so many prepared filters have, and how many there must be room for.
    fn spaces<E: Float>(&self, rows: usize) -> [usize; 2] {
        let channels = self.filter.channels;
        [NUMBERS * apart::<E>(rows * channels), self.squares.room::<E>([rows, channels]).max(2 * NUMBERS * channels)]
    }

    /// Images in their frames, the gradients of prepared filters, and what is multiplied.
    pub(super) fn scratch<E: Float>(&self) -> usize {
        let of = |threads| {
            let piece = piece(self.filter.rows, threads);
            let [gradients, room] = self.spaces::<E>(piece);
            self.filter.rows.div_ceil(piece) * (self.groups * gradients + room)
        };
        self.framed() + usize::max(of(None), of(Some(1)))
    }

    /// Adds the gradient of the weight over the samples.
    pub(super) fn run<E: Float>(&self, threads: Option<usize>, x: &[E], dy: &[E], scratch: &mut [E], d_weight: &mut [E]) {
        let (Filter { rows, channels, row, .. }, frame) = (self.filter, self.squares.one().frame);
        let piece = piece(rows, threads);
        let [of_piece, of_room] = self.spaces::<E>(piece);
        let of_group = rows.div_ceil(piece) * of_piece;
        let (framed, rest) = scratch.split_at_mut(self.framed());
        let (gradients, room) = rest.split_at_mut(self.groups * of_group);
        let (room, threads) = (Storage::new(room), threads.unwrap_or(1));
        // SAFETY: each piece has a room of its own.
        let room_of = |i: usize| unsafe { room.write(i * of_room..(i + 1) * of_room) };
        // What lies behind the frames is read, too, and multiplied with zeros.
        framed[self.groups * channels * self.planes[0]..].fill(E::zero());
        let [of_x, of_y] = [self.groups * channels * frame.image[0] * frame.image[1], self.groups * rows * self.planes[1]];
        let samples = x.chunks(self.squares.most() * of_x).zip(dy.chunks(self.squares.most() * of_y));
        for (i, (x, dy)) in samples.enumerate() {
            frame.fill_numbers(x, framed);
            let squares = self.squares.of(x.len() / of_x);
            for (group, gradients) in gradients.chunks_exact_mut(of_group).enumerate() {
                let x = Planes { data: &framed[group * channels * self.planes[0]..], plane: self.planes[0] };
                in_pieces(threads, gradients, of_piece, &|first, gradients| {
                    let of_rows = self.rows_of(first / of_piece, piece);
                    let size = [of_rows.len(), channels];
                    let d_prepared = &mut gradients[..self.spaces::<E>(of_rows.len())[0]];
                    let dy = Planes { data: &dy[(group * rows + of_rows.start) * self.planes[1]..], plane: self.planes[1] };
                    WinogradBack { squares, size, x, dy, d_prepared, add: i > 0, room: room_of(first / of_piece) }.run();
                });
            }
        }
        for (d_weight, gradients) in d_weight.chunks_exact_mut(rows * row).zip(gradients.chunks_exact(of_group)) {
            in_pieces(threads, d_weight, piece * row, &|first, d_weight| {
                let i = first / row / piece;
                let rows = self.rows_of(i, piece).len();
                let d_prepared = &gradients[i * of_piece..][..self.spaces::<E>(rows)[0]];
                Fold { filter: Filter { rows, ..self.filter }, d_prepared, d_weight, room: room_of(i) }.run();
            });
        }
    }

    /// Which rows a piece has.
    fn rows_of(&self, i: usize, piece: usize) -> Range<usize> {
        i * piece..((i + 1) * piece).min(self.filter.rows)
    }
}

/// Squares of one sample, those of two that lie one behind the other, and so on.
struct Together(Vec<Squares>);

impl Together {
    /// Of as many samples as it takes to fill the tiles of products.
    fn in_full_tiles<E: Float>(of: impl Fn(usize) -> Squares) -> Self {
        let all: Vec<Squares> = (1..=MOST).map(of).collect();
        // A block is a reading of the filters, too.
        let cost = |squares: &Squares| {
            let [_, multiplied, blocks] = squares.registers::<E>();
            multiplied + blocks
        };
        let fits = |&samples: &usize| (1..=MOST).all(|others| 20 * cost(&all[samples - 1]) * others <= 21 * cost(&all[others - 1]) * samples);
        let samples = (1..=MOST).find(fits).unwrap_or(1);
        Together(all.into_iter().take(samples).collect())
    }

    /// How many samples there are at most.
    fn most(&self) -> usize {
        self.0.len()
    }

    fn of(&self, samples: usize) -> &Squares {
        &self.0[samples - 1]
    }

    fn one(&self) -> &Squares {
        self.of(1)
    }

    /// Those of the most samples.
    fn all(&self) -> &Squares {
        self.of(self.most())
    }

    /// How many numbers there must be room for, `[rows, channels]`.
    fn room<E: Float>(&self, size: [usize; 2]) -> usize {
        self.0.iter().map(|squares| squares.room::<E>(size)).max().unwrap_or(0)
    }
}

/// How many rows are done together: several threads share them out.
fn piece(rows: usize, threads: Option<usize>) -> usize {
    if threads.is_none() { rows } else { rows.div_ceil(PIECES).max(LEAST) }
}

/// The geometry, if it is one of filters of 3 x 3 whose squares of windows see squares of the image.
fn of_threes(g: &Geometry) -> Option<&Geometry> {
    (g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1]).then_some(g)
}

/// From how many samples on squares take less than to see so many registers of windows tap by tap, in multiplications of registers: `number`
/// for each number of a square, and `once` for each register of filters, however many samples there are.
fn least<E: Float>(squares: &Together, Filter { rows, channels, .. }: Filter, windows: usize, [number, once]: [usize; 2]) -> Option<usize> {
    let [seen, multiplied, blocks] = squares.all().registers::<E>();
    // Filters that do not stay in the cache take twice as long, and are read anew for each block, as long as another register of squares.
    let far = usize::from(NUMBERS * rows * channels * size_of::<E>() > FAR);
    let each = number * rows * channels * (multiplied + far * blocks) + AROUND * seen * (channels + rows);
    let saved = (9 * rows * channels * windows * squares.most()).checked_sub(each)?;
    let least = ((1 + far) * once * rows * channels.div_ceil(E::lanes()) * squares.most()).div_ceil(saved.max(1));
    (least <= CHUNK).then_some(least.max(1))
}
