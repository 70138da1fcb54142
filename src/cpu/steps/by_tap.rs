//! The gradient of filters as a product of matrices for each tap.

use super::conv::Bank;
use crate::cpu::pieces::in_pieces;
use crate::float::Float;
use crate::kernels::frame::Frame;
use crate::kernels::gemm::Mat;
use crate::kernels::geometry::grid;
use crate::kernels::panels::Panels;
use crate::kernels::transpose::Transpose;
use crate::storage::cut;

/// `Σ y x` over all windows, where windows lie next to one another: with gaps between the rows of `y` as long as those in the frame of
/// `x`, each tap sees one run of numbers of a channel, and all channels make a matrix.
pub(super) struct ByTap {
    channels: [usize; 2],
    /// Of windows, height and width.
    windows: [usize; 2],
    /// What the taps see.
    frame: Frame,
    /// Where each tap's run begins in a channel, and how long runs are.
    shifts: Vec<usize>,
    run: usize,
}

/// Up to how long a row may be with its gap, for its own length, in tenths.
const GAP: usize = 17;
/// How many channels `x` and `y` have at least: as many as a tile has rows, and a register and a half.
const CHANNELS: [usize; 2] = [8, 24];

impl ByTap {
    /// If it is worth it: `frame` is what the filters see.
    pub fn new(bank: &Bank, frame: &Frame) -> Option<Self> {
        let (g, [inputs, outputs]) = (&bank.geometry, bank.channels);
        let is_dense = g.stride == [1, 1] && bank.groups == 1 && inputs >= CHANNELS[0] && outputs >= CHANNELS[1];
        let shift = |[y, x]: [usize; 2]| frame.at([y * g.dilation[0], x * g.dilation[1]]);
        (is_dense && 10 * frame.pitch() <= GAP * g.output[1]).then(|| ByTap {
            channels: bank.channels,
            windows: g.output,
            frame: *frame,
            shifts: grid(g.kernel).map(shift).collect(),
            run: (g.output[0] - 1) * frame.pitch() + g.output[1],
        })
    }

    /// What `x` and `y` take in their frames, the panels of `y`, and the gradient twice: tap by tap, and turned.
    fn spaces(&self) -> [usize; 5] {
        let ([inputs, outputs], weights) = (self.channels, self.channels[0] * self.channels[1] * self.shifts.len());
        [inputs * self.frame.plane(), outputs * self.run, outputs * self.run, weights, weights]
    }

    pub fn scratch(&self) -> usize {
        self.spaces().iter().sum()
    }

    /// Adds the gradient over the samples to that of the weight, `[out_channels, in_channels, taps]`.
    pub fn run<E: Float>(&self, threads: Option<usize>, x: &[E], y: &[E], scratch: &mut [E], d_weight: &mut [E]) {
        let ([inputs, outputs], taps) = (self.channels, self.shifts.len());
        let [framed_x, framed_y, panels, by_tap, turned] = cut(scratch, self.spaces());
        let [of_x, of_y] = [inputs * self.frame.image[0] * self.frame.image[1], outputs * self.windows[0] * self.windows[1]];
        for (i, (x, y)) in x.chunks_exact(of_x).zip(y.chunks_exact(of_y)).enumerate() {
            self.frame.fill_numbers(x, framed_x);
            self.spread_rows(y, framed_y);
            let y = Mat { data: &*framed_y, row: 1, col: self.run }; // [run, O]
            let y = Panels::copy(y, [self.run, outputs], panels);
            in_pieces(threads.unwrap_or(1), by_tap, inputs * outputs, &|first, d_tap| {
                let shift = self.shifts[first / (inputs * outputs)];
                let x = Mat { data: &framed_x[shift..], row: self.frame.plane(), col: 1 }; // [C, run]
                y.multiply(inputs, x, &[], i > 0, d_tap);
            });
        }
        if x.is_empty() {
            return;
        }
        Transpose { size: [taps * inputs, outputs], from: by_tap, row: outputs, to: turned, col: taps * inputs }.run();
        for (d_weight, by_tap) in d_weight.chunks_exact_mut(inputs * taps).zip(turned.chunks_exact(taps * inputs)) {
            for (tap, by_channel) in by_tap.chunks_exact(inputs).enumerate() {
                d_weight[tap..].iter_mut().step_by(taps).zip(by_channel).for_each(|(sum, &d)| *sum += d);
            }
        }
    }

    /// Copies each row of `y` to where its windows begin in the frame of `x`, with zeros between them.
    fn spread_rows<E: Float>(&self, y: &[E], to: &mut [E]) {
        let [height, width] = self.windows;
        for (y, to) in y.chunks_exact(height * width).zip(to.chunks_exact_mut(self.run)) {
            for (y, to) in y.chunks_exact(width).zip(to.chunks_mut(self.frame.pitch())) {
                let (row, gap) = to.split_at_mut(width);
                row.copy_from_slice(y);
                gap.fill(E::zero());
            }
        }
    }
}
