//! Numbers that are sums of a few others.

use crate::gpu::call::{Arg, Place};
use crate::gpu::{Planner, Value};
use crate::types::Dims;

/// Which numbers of a block are summed, and how much each counts: a list for each sum.
pub(crate) struct Lists {
    /// How many numbers a block has.
    width: usize,
    begins: Vec<usize>,
    index: Vec<usize>,
    /// Empty where all count one.
    weights: Vec<f64>,
}

/// The same on the machine.
#[derive(Clone, Copy)]
pub(crate) struct Placed {
    begins: Arg,
    index: Arg,
    weights: Option<Place>,
}

impl Lists {
    /// One list after the other.
    pub(crate) fn new(width: usize, lists: impl IntoIterator<Item = Vec<(usize, f64)>>) -> Self {
        let mut new = Lists { width, begins: vec![0], index: Vec::new(), weights: Vec::new() };
        for list in lists {
            for (index, weight) in list {
                new.index.push(index);
                new.weights.push(weight);
            }
            new.begins.push(new.index.len());
        }
        if new.weights.iter().all(|&weight| weight == 1.0) {
            new.weights.clear();
        }
        new
    }

    /// One number for each sum; what lies behind the block stands for nothing.
    pub(crate) fn gather(width: usize, index: &[usize]) -> Self {
        Self::new(width, index.iter().map(|&i| if i < width { vec![(i, 1.0)] } else { Vec::new() }))
    }

    /// How many sums there are.
    pub(crate) fn rows(&self) -> usize {
        self.begins.len() - 1
    }

    /// For each number of a block, the sums that it is in.
    pub(crate) fn transposed(&self) -> Self {
        let mut lists = vec![Vec::new(); self.width];
        for row in 0..self.rows() {
            for i in self.begins[row]..self.begins[row + 1] {
                lists[self.index[i]].push((row, self.weights.get(i).copied().unwrap_or(1.0)));
            }
        }
        Self::new(self.rows(), lists)
    }
}

impl Planner {
    pub(crate) fn place(&mut self, lists: &Lists) -> Placed {
        Placed {
            begins: self.table(lists.begins.iter().copied()),
            index: self.table(lists.index.iter().copied()),
            weights: (!lists.weights.is_empty()).then(|| self.constants(lists.weights.iter().copied())),
        }
    }

    /// Sums of numbers of `x`, block by block.
    pub(crate) fn sparse(&mut self, x: Value, dims: Dims, lists: &Lists) -> Value {
        let y = self.value(dims);
        let (rows, width, there, back) = (lists.rows(), lists.width, self.place(lists), lists.transposed());
        let (count, x_at, y_at) = (self.samples() * dims.numel(), self.at(x), self.at(y));
        let args = |from: Place, to: Place, add: bool, [width, rows]: [usize; 2], lists: Placed| -> [Arg; 8] {
            [from.into(), to.into(), add.into(), width.into(), rows.into(), lists.begins, lists.index, lists.weights.into()]
        };
        self.each("sparse", count, &args(x_at, y_at, false, [width, rows], there));
        self.back(y, move |p, dy| {
            let count = p.samples() * x.dims.numel();
            let Some(dx) = p.d(x) else { return };
            let lists = p.place(&back);
            p.each("sparse", count, &args(dy, dx.at, dx.add, [rows, width], lists));
        });
        y
    }

    /// The largest number of each list, block by block, and the first of them where there are several.
    pub(crate) fn largest(&mut self, x: Value, dims: Dims, lists: &Lists) -> Value {
        let y = self.value(dims);
        let (rows, width, back) = (lists.rows(), lists.width, lists.transposed());
        let count = self.samples() * dims.numel();
        let (first, there) = (self.room(count), self.place(lists));
        let args = [self.at(x).into(), self.at(y).into(), first.into(), width.into(), rows.into(), there.begins, there.index];
        self.each("max_pool", count, &args);
        self.back(y, move |p, dy| {
            let count = p.samples() * x.dims.numel();
            let Some(dx) = p.d(x) else { return };
            let lists = p.place(&back);
            let args = [dy.into(), first.into(), dx.at.into(), dx.add.into(), width.into(), rows.into(), lists.begins, lists.index];
            p.each("max_pool_back", count, &args);
        });
        y
    }
}
