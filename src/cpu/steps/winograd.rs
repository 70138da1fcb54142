//! Convolutions of 3 x 3 with less multiplications.

use super::conv::{Bank, Lie};
use crate::cpu::pieces::in_pieces;
use crate::float::Float;
use crate::kernels::conv::{Filter, Planes};
use crate::kernels::geometry::Geometry;
use crate::kernels::lanes::Choice;
use crate::kernels::winograd::{Fold, NUMBERS, Prepare, Purpose, Squares, Winograd, WinogradBack, apart};
use crate::storage::Storage;
use core::ops::Range;

/// Filters of 3 x 3 over images, or their way back, which are filters of 3 x 3 too.
pub(super) struct Quick {
    pub squares: Squares,
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

/// What some rows of a group are written to.
struct To<'a, E> {
    y: &'a mut [E],
    add: bool,
    choice: Option<Choice<'a, E>>,
}

/// What it takes to bring a register of squares to the products or from them, to prepare one of filters, and to fold one of their
/// gradients, in multiplications of registers.
const AROUND: usize = 60;
const PREPARE: usize = 200;
const FOLD: usize = 250;
/// How many rows are worth a piece of their own.
const LEAST: usize = 8;
/// Into how many pieces the rows are cut, so that several threads have something to do.
const PIECES: usize = 4;

impl Quick {
    /// What the filters see of images in the first windows, if it pays; with `pools` each square of them becomes one number.
    pub(super) fn see<E: Float>(bank: &Bank, lie: Lie, windows: [usize; 2], pools: bool) -> Option<Self> {
        let (g, filter, unit) = (of_threes(&bank.geometry)?, bank.seeing(), lie.unit::<E>());
        let purpose = if pools { Purpose::Pools } else { Purpose::Sums };
        let squares = Squares::new::<E>(g.image, g.padding.map(|padding| padding as isize), windows, unit, purpose);
        let written = windows[0] * windows[1] / if pools { 4 } else { 1 } * unit;
        let pays = pays::<E>(&squares, filter, lie.registers_of::<E>(windows));
        pays.then(|| Self::new(bank, filter, squares, [unit, written]))
    }

    /// The same for the gradient of the images: the filters see that of what they have seen, the other way round.
    pub(super) fn spread<E: Float>(bank: &Bank, lie: Lie) -> Option<Self> {
        let (g, filter, unit) = (of_threes(&bank.geometry)?, bank.spreading(), lie.unit::<E>());
        let squares = Squares::new::<E>(g.output, g.padding.map(|padding| 2 - padding as isize), g.image, unit, Purpose::Sums);
        let pays = pays::<E>(&squares, filter, lie.registers_of::<E>(g.image));
        pays.then(|| Quick { is_turned: true, ..Self::new(bank, filter, squares, [unit, g.pixels() * unit]) })
    }

    fn new(bank: &Bank, filter: Filter, squares: Squares, [unit, written]: [usize; 2]) -> Self {
        let planes = [squares.frame.plane() * unit, written];
        Quick { squares, filter, weights: bank.weights_of_group(), groups: bank.groups, is_turned: false, planes }
    }

    /// How many numbers the prepared filters of a group have.
    fn prepared<E: Float>(&self) -> usize {
        NUMBERS * apart::<E>(self.filter.rows * self.filter.channels)
    }

    /// How many numbers images have in their frames.
    pub(super) fn framed(&self) -> usize {
        self.groups * self.filter.channels * self.planes[0] + self.squares.slack()
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
        let ([height, width], of_group) = (self.squares.frame.image, self.filter.rows * self.planes[1]);
        let samples = x.chunks_exact(self.groups * self.filter.channels * height * width).zip(y.chunks_exact_mut(self.groups * of_group));
        let (piece, room) = (piece(self.filter.rows, threads), Storage::new(room));
        let of_piece = self.room::<E>(piece);
        for (x, y) in samples {
            self.squares.frame.fill_numbers(x, framed);
            for (group, y) in y.chunks_exact_mut(of_group).enumerate() {
                in_pieces(threads.unwrap_or(1), y, piece * self.planes[1], &|first, y| {
                    let first = first / self.planes[1];
                    let begin = first / piece * of_piece;
                    // SAFETY: each piece has a room of its own.
                    let room = unsafe { room.write(begin..begin + of_piece) };
                    self.rows([group, first], [prepared, bias, framed], To { y, add, choice: None }, room);
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
            self.rows([group, 0], [prepared, bias, framed], To { y, add: false, choice }, room);
        }
    }

    /// As many rows of a group as there is room for, from `first` on.
    fn rows<E: Float>(&self, [group, first]: [usize; 2], [prepared, bias, framed]: [&[E]; 3], to: To<'_, E>, room: &mut [E]) {
        let Filter { rows: all, channels, .. } = self.filter;
        let (rows, [read, written]) = (to.y.len() / self.planes[1], self.planes);
        let begin = group * all + first;
        Winograd {
            squares: &self.squares,
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
    squares: Squares,
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
        let squares = Squares::new::<E>(g.image, g.padding.map(|padding| padding as isize), g.output, 1, Purpose::Gradient);
        let pays = pays_back::<E>(&squares, filter, Lie::Row.registers_of::<E>(g.output));
        let planes = [squares.frame.plane(), g.windows()];
        pays.then_some(QuickBack { squares, filter, groups: bank.groups, planes })
    }

    /// How many numbers images have in their frames.
    fn framed(&self) -> usize {
        self.groups * self.filter.channels * self.planes[0] + self.squares.slack()
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
        let (Filter { rows, channels, row, .. }, [height, width]) = (self.filter, self.squares.frame.image);
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
        let samples = x.chunks_exact(self.groups * channels * height * width).zip(dy.chunks_exact(self.groups * rows * self.planes[1]));
        for (i, (x, dy)) in samples.enumerate() {
            self.squares.frame.fill_numbers(x, framed);
            let groups = gradients.chunks_exact_mut(of_group).zip(dy.chunks_exact(rows * self.planes[1]));
            for (group, (gradients, dy)) in groups.enumerate() {
                let x = Planes { data: &framed[group * channels * self.planes[0]..], plane: self.planes[0] };
                in_pieces(threads, gradients, of_piece, &|first, gradients| {
                    let of_rows = self.rows_of(first / of_piece, piece);
                    let (squares, size) = (&self.squares, [of_rows.len(), channels]);
                    let d_prepared = &mut gradients[..self.spaces::<E>(of_rows.len())[0]];
                    let dy = Planes { data: &dy[of_rows.start * self.planes[1]..], plane: self.planes[1] };
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

/// How many rows are done together: several threads share them out.
fn piece(rows: usize, threads: Option<usize>) -> usize {
    if threads.is_none() { rows } else { rows.div_ceil(PIECES).max(LEAST) }
}

/// The geometry, if it is one of filters of 3 x 3 whose squares of windows see squares of the image.
fn of_threes(g: &Geometry) -> Option<&Geometry> {
    (g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1]).then_some(g)
}

/// Whether it takes less for one sample than to see so many registers of windows tap by tap.
fn pays<E: Float>(squares: &Squares, Filter { rows, channels, .. }: Filter, windows: usize) -> bool {
    let [seen, multiplied] = squares.registers::<E>();
    let around = AROUND * seen * (channels + rows) + PREPARE * rows * channels.div_ceil(E::lanes());
    NUMBERS * rows * channels * multiplied + around < 9 * rows * channels * windows
}

/// The same for the gradient of the filters. The sums over the lanes, or what is copied so that there are none, take a third more.
fn pays_back<E: Float>(squares: &Squares, Filter { rows, channels, .. }: Filter, windows: usize) -> bool {
    let [seen, multiplied] = squares.registers::<E>();
    let around = AROUND * seen * (channels + rows) + FOLD * rows * channels.div_ceil(E::lanes());
    NUMBERS * rows * channels * multiplied * 4 / 3 + around < 9 * rows * channels * windows
}
