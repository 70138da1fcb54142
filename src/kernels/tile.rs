//! The register tile: sums that stay in registers while what they sum over streams by. All products of this crate, of
//! matrices and of images, are made of these two functions.

use super::simd::Lanes;

/// Sums of a tile: `ROWS` rows of `REGS` registers.
pub(super) type Sums<V, const ROWS: usize, const REGS: usize> = [[V; REGS]; ROWS];

/// `sums[i][j] += a[i] b[j]`: a number of each row times a register of each column.
///
/// # Safety
/// There is a number behind each `a` and a register behind each `b`; and the contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn outer<E: Copy, V: Lanes<E>, const ROWS: usize, const REGS: usize>(
    a: [*const E; ROWS],
    b: [*const E; REGS],
    sums: &mut Sums<V, ROWS, REGS>,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut registers = [V::load(b[0]); REGS];
        for j in 1..REGS {
            registers[j] = V::load(b[j]);
        }
        for i in 0..ROWS {
            let x = V::splat(*a[i]);
            for j in 0..REGS {
                sums[i][j] = x.mul_add(registers[j], sums[i][j]);
            }
        }
    }
}

/// `sums[i][j] += a[i] b[j]`, number by number: a register of each row times a register of each column. Of `n < LEN` numbers
/// only these are read; `None` stands for all.
///
/// # Safety
/// There are so many numbers behind each `a` and each `b`; and the contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn inner<E: Copy, V: Lanes<E>, const ROWS: usize, const COLS: usize>(
    a: [*const E; ROWS],
    b: [*const E; COLS],
    n: Option<usize>,
    sums: &mut Sums<V, ROWS, COLS>,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut columns = [read::<E, V>(b[0], n); COLS];
        for j in 1..COLS {
            columns[j] = read::<E, V>(b[j], n);
        }
        for i in 0..ROWS {
            let x = read::<E, V>(a[i], n);
            for j in 0..COLS {
                sums[i][j] = x.mul_add(columns[j], sums[i][j]);
            }
        }
    }
}

/// The numbers at even and those at odd places of a row of `n`, two registers or less; behind the last, zeros.
///
/// # Safety
/// There are so many numbers behind `from`; and the contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn pairs<E: num_traits::Zero, V: Lanes<E>>(from: *const E, n: usize) -> [V; 2] {
    // SAFETY: the caller's contract.
    unsafe {
        if n >= 2 * V::LEN {
            return V::load(from).split(V::load(from.add(V::LEN)));
        }
        let first = if n >= V::LEN { V::load(from) } else { V::load_first(from, n) };
        let left = n.saturating_sub(V::LEN);
        first.split(if left > 0 { V::load_first(from.add(V::LEN), left) } else { V::splat(E::zero()) })
    }
}

#[inline(always)]
unsafe fn read<E, V: Lanes<E>>(from: *const E, n: Option<usize>) -> V {
    // SAFETY: the caller's contract.
    unsafe {
        match n {
            None => V::load(from),
            Some(n) => V::load_first(from, n),
        }
    }
}

/// Writes the first `n` numbers of a register, or all if it has less; with `add` they are added to what is there.
///
/// # Safety
/// There are so many numbers behind `to`; and the contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn put<E, V: Lanes<E>>(numbers: V, to: *mut E, n: usize, add: bool) {
    // SAFETY: the caller's contract.
    unsafe {
        if n >= V::LEN {
            (if add { V::load(to).add(numbers) } else { numbers }).store(to);
        } else {
            (if add { V::load_first(to, n).add(numbers) } else { numbers }).store_first(to, n);
        }
    }
}

/// The totals of all registers of a tile.
///
/// # Safety
/// The contract of [`Lanes`].
#[inline(always)]
pub(super) unsafe fn totals<E: Copy + num_traits::Zero, V: Lanes<E>, const ROWS: usize, const COLS: usize>(
    sums: &Sums<V, ROWS, COLS>,
) -> [[E; COLS]; ROWS] {
    let mut totals = [[E::zero(); COLS]; ROWS];
    // SAFETY: the caller's contract.
    unsafe {
        for i in 0..ROWS {
            let mut j = 0;
            while j < COLS {
                let mut four = [V::splat(E::zero()); 4];
                for (l, sum) in four.iter_mut().enumerate() {
                    if j + l < COLS {
                        *sum = sums[i][j + l];
                    }
                }
                let of_four = V::totals(four);
                for (l, &total) in of_four.iter().enumerate() {
                    if j + l < COLS {
                        totals[i][j + l] = total;
                    }
                }
                j += 4;
            }
        }
    }
    totals
}
