//! Convolutions of 3 x 3 with less multiplications, one sample at a time.

use super::conv::{Bank, Lie};
use crate::cpu::storage::{Storage, in_pieces};
use crate::float::Float;
use crate::kernels::conv::{Filter, Planes};
use crate::kernels::frame::Frame;
use crate::kernels::winograd::{NUMBERS, Prepare, Squares, Winograd};

/// Filters of 3 x 3 over images, or their way back, which are filters of 3 x 3 too.
pub(super) struct Quick {
    pub squares: Squares,
    /// Those of one group.
    filter: Filter,
    /// How far apart the weights of two groups lie.
    weights: usize,
    groups: usize,
    is_turned: bool,
    /// How many numbers of a channel are written.
    plane: usize,
}

/// What rows and channels pay for the sums and differences.
const LEAST: usize = 8;
/// How many squares pay for preparing the filters.
const SQUARES: usize = 16;
/// Into how many pieces the rows are cut, so that several threads have something to do.
const PIECES: usize = 4;

impl Quick {
    /// What the filters see of images, if it pays.
    pub(super) fn see<E: Float>(bank: &Bank, lie: Lie) -> Option<Self> {
        let g = &bank.geometry;
        Self::new::<E>(bank, bank.seeing(), [g.image, g.output], g.padding.map(|padding| padding as isize), lie)
    }

    /// The same for the gradient of the images: the gradient of what was seen is seen by the filters the other way round.
    pub(super) fn spread<E: Float>(bank: &Bank, lie: Lie) -> Option<Self> {
        let g = &bank.geometry;
        let back = Self::new::<E>(bank, bank.spreading(), [g.output, g.image], g.padding.map(|padding| 2 - padding as isize), lie)?;
        Some(Quick { is_turned: true, ..back })
    }

    fn new<E: Float>(bank: &Bank, filter: Filter, [from, to]: [[usize; 2]; 2], padding: [isize; 2], lie: Lie) -> Option<Self> {
        let g = &bank.geometry;
        let squares = to[0].div_ceil(2) * to[1].div_ceil(2);
        let pays = filter.rows.min(filter.channels) >= LEAST && squares >= SQUARES;
        (g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && pays).then(|| Quick {
            squares: Squares::new::<E>(from, padding, to, &Frame::whole(to), lie.unit::<E>()),
            filter,
            weights: bank.weights_of_group(),
            groups: bank.groups,
            is_turned: false,
            plane: to[0] * to[1] * lie.unit::<E>(),
        })
    }

    /// How many numbers the prepared filters have.
    fn prepared(&self) -> usize {
        NUMBERS * self.groups * self.filter.rows * self.filter.channels
    }

    /// How many numbers the images have in their frames.
    fn framed(&self) -> usize {
        self.groups * self.filter.channels * self.squares.frame.plane() + self.squares.slack()
    }

    /// How many rows are done together: several threads share them out.
    fn piece(&self, threads: Option<usize>) -> usize {
        if threads.is_none() { self.filter.rows } else { self.filter.rows.div_ceil(PIECES).max(LEAST) }
    }

    fn room<E: Float>(&self, rows: usize) -> usize {
        self.squares.room::<E>([rows, self.filter.channels])
    }

    /// The prepared filters, the images in their frames, and what is multiplied.
    pub(super) fn scratch<E: Float>(&self) -> usize {
        let [alone, shared] = [None, Some(1)].map(|threads| {
            let piece = self.piece(threads);
            self.filter.rows.div_ceil(piece) * self.room::<E>(piece)
        });
        self.prepared() + self.framed() + alone.max(shared)
    }

    /// The filters of a group, prepared: so many numbers of each.
    fn of_group(&self) -> usize {
        self.filter.rows * self.filter.channels
    }

    /// The sums of images and the bias of each row or, with `add`, added to what is there.
    pub(super) fn run<E: Float>(&self, threads: Option<usize>, [weight, bias]: [&[E]; 2], x: &[E], scratch: &mut [E], add: bool, y: &mut [E]) {
        let Filter { rows, channels, .. } = self.filter;
        let (prepared, rest) = scratch.split_at_mut(self.prepared());
        let (framed, room) = rest.split_at_mut(self.framed());
        self.prepare(weight, prepared, room);
        let (image, plane) = (self.squares.frame.image, self.squares.frame.plane());
        let samples = x.chunks_exact(self.groups * channels * image[0] * image[1]).zip(y.chunks_exact_mut(self.groups * rows * self.plane));
        for (x, y) in samples {
            self.squares.frame.fill(x, framed);
            for (group, y) in y.chunks_exact_mut(rows * self.plane).enumerate() {
                let bias = if bias.is_empty() { bias } else { &bias[group * rows..][..rows] };
                let x = Planes { data: &framed[group * channels * plane..], plane };
                self.group(threads, [&prepared[group * NUMBERS * self.of_group()..], bias], x, room, add, y);
            }
        }
    }

    fn prepare<E: Float>(&self, weight: &[E], prepared: &mut [E], room: &mut [E]) {
        for (weight, prepared) in weight.chunks(self.weights).zip(prepared.chunks_exact_mut(NUMBERS * self.of_group())) {
            Prepare { filter: self.filter, weight, is_turned: self.is_turned, prepared, room }.run();
        }
    }

    /// One group of one sample.
    fn group<E: Float>(
        &self,
        threads: Option<usize>,
        [prepared, bias]: [&[E]; 2],
        x: Planes<&[E]>,
        room: &mut [E],
        add: bool,
        y: &mut [E],
    ) {
        let (channels, piece) = (self.filter.channels, self.piece(threads));
        let (of_piece, room) = (self.room::<E>(piece), Storage::new(room));
        in_pieces(threads.unwrap_or(1), y, piece * self.plane, &|first, y| {
            let (row, rows) = (first / self.plane, y.len() / self.plane);
            let begin = row / piece * of_piece;
            // SAFETY: each piece has a room of its own.
            let room = unsafe { room.write(begin..begin + of_piece) };
            Winograd {
                squares: &self.squares,
                size: [rows, channels],
                prepared: &prepared[row * channels..],
                apart: self.of_group(),
                bias: if bias.is_empty() { bias } else { &bias[row..row + rows] },
                x,
                y: Planes { data: y, plane: self.plane },
                add,
                room,
            }
            .run();
        });
    }
}
