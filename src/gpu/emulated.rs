//! A machine for tests without a GPU: the kernels as C++ for the processor, thread by thread.

use super::call::{Arg, Call, Gemm, Matrix, Space, THREADS};
use super::machine::{Machine, Memory};
use super::source::{declared, source};
use crate::engine::Precision;
use crate::error::Error;
use crate::float::Float;
use core::ffi::{c_int, c_uint, c_void};
use dfdx::tensor::Cpu;
use dfdx::tensor_ops::Device;
use libloading::Library;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// A GPU that is played by the processor: slow, and with the same kernels.
///
/// It needs a C++ compiler, `c++` or what `CXX` names, and compiles the kernels when it is first asked for.
#[derive(Clone)]
pub struct Emulated {
    kernels: &'static Library,
}

/// A kernel: blocks, threads, and where each argument lies.
type Kernel = unsafe extern "C" fn(c_uint, c_uint, *mut *mut c_void);

fn compile(real: &str) -> Result<Library, String> {
    let kernels = source(real);
    let exported: String = declared(&kernels).map(|name| format!("KERNEL({name})\n")).collect();
    let text = format!("{}\n{kernels}\n{exported}", include_str!("emulated.cpp"));
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let [source, library] = ["kernels.cpp", "kernels.so"].map(|name| folder.path().join(name));
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    build(&source, &library)?;
    // SAFETY: it was just built of our own source, and nothing in it runs when it is loaded.
    unsafe { Library::new(&library) }.map_err(|error| error.to_string())
}

fn build(source: &Path, library: &Path) -> Result<(), String> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    // On a GPU an arithmetic that becomes double on the way is many times slower.
    let warnings = ["-Wall", "-Wdouble-promotion", "-Wno-unused-function", "-Wno-unknown-pragmas", "-Werror"];
    let arguments = ["-std=c++17", "-O1", "-U_FORTIFY_SOURCE", "-ffp-contract=off", "-shared", "-fPIC", "-o"];
    let mut command = Command::new(&compiler);
    let output = command.args(warnings).args(arguments).arg(library).arg(source).output().map_err(|error| format!("{compiler}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{compiler}: {}", String::from_utf8_lossy(&output.stderr))) }
}

/// The kernels for numbers of a type, compiled once.
fn kernels<E: Float>() -> Result<&'static Library, Error> {
    static KERNELS: [OnceLock<Result<Library, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let single = size_of::<E>() == size_of::<f32>();
    let kernels = KERNELS[usize::from(single)].get_or_init(|| compile(if single { "float" } else { "double" }));
    kernels.as_ref().map_err(|message| Error::Device { during: "compiling the kernels", message: message.clone() })
}

impl Emulated {
    fn call<E: Float>(&self, memory: &mut Memory<E, Self>, call: &Call) -> Result<(), Error>
    where
        Cpu: Device<E>,
    {
        match call {
            Call::Kernel { name, blocks, args } => self.kernel(memory, name, *blocks, args),
            Call::Product(product, precision) => {
                multiply(memory, &product.gemm(), *precision);
                Ok(())
            }
            Call::Zero { at, count } => {
                memory.space(at.space)[at.begin..][..*count].fill(E::zero());
                Ok(())
            }
        }
    }

    fn kernel<E: Float>(&self, memory: &mut Memory<E, Self>, name: &str, blocks: usize, args: &[Arg]) -> Result<(), Error>
    where
        Cpu: Device<E>,
    {
        let symbol = format!("run_{name}");
        // SAFETY: every function of that name has this type: the macro `KERNEL` writes them.
        let kernel = unsafe { self.kernels.get::<Kernel>(symbol.as_bytes()) };
        let kernel = kernel.map_err(|error| Error::Device { during: "finding a kernel", message: error.to_string() })?;
        let bases: [*mut E; Space::COUNT] = core::array::from_fn(|i| memory.numbers[i].as_mut_ptr());
        let mut arguments: Vec<Argument<E>> = args
            .iter()
            .map(|arg| match *arg {
                Arg::At(place) => Argument { at: place.map_or(core::ptr::null_mut(), |at| bases[at.space as usize].wrapping_add(at.begin)) },
                Arg::Table(begin) => Argument { table: memory.table[begin..].as_ptr() },
                Arg::Int(number) => Argument { int: number },
                Arg::Real(number) => Argument { real: E::of(number) },
            })
            .collect();
        let mut list: Vec<*mut c_void> = arguments.iter_mut().map(|argument| core::ptr::from_mut(argument).cast()).collect();
        // SAFETY: the planner gives each kernel the arguments of its parameters, with places that have room for what it does; nobody
        // else looks at the memory meanwhile.
        unsafe { kernel(blocks as c_uint, THREADS as c_uint, list.as_mut_ptr()) };
        Ok(())
    }
}

/// An argument as it lies in memory.
#[derive(Clone, Copy)]
union Argument<E: Copy> {
    at: *mut E,
    table: *const i32,
    int: c_int,
    real: E,
}

/// A product as BLAS defines it.
fn multiply<E: Float>(memory: &mut Memory<E, Emulated>, gemm: &Gemm, precision: Precision)
where
    Cpu: Device<E>,
{
    let [m, n, k] = gemm.sizes;
    let rounded = |x: E| if precision == Precision::Tf32 { E::of(f64::from(tf32(x.f64() as f32))) } else { x };
    for batch in 0..gemm.batch {
        let [a, b] = gemm.factors.map(|(factor, transposed)| {
            let numbers = &memory.numbers[factor.at.space as usize][factor.at.begin + batch * factor.batch_stride..];
            move |row: usize, column: usize| rounded(numbers[if transposed { row * factor.stride + column } else { column * factor.stride + row }])
        });
        let sums: Vec<E> = (0..m * n).map(|i| (0..k).fold(E::zero(), |sum, j| sum + a(i % m, j) * b(j, i / m))).collect();
        let Matrix { at, stride, batch_stride, .. } = gemm.c;
        let c = &mut memory.space(at.space)[at.begin + batch * batch_stride..];
        for (column, sums) in sums.chunks(m).enumerate() {
            let column = &mut c[column * stride..][..m];
            column.iter_mut().zip(sums).for_each(|(c, &sum)| *c = if gemm.add { *c + sum } else { sum });
        }
    }
}

/// A number with 10 bits behind the point, the nearest.
fn tf32(x: f32) -> f32 {
    if x.is_finite() { f32::from_bits((x.to_bits() + (1 << 12)) & !((1 << 13) - 1)) } else { x }
}

impl<E: Float> Machine<E> for Emulated
where
    Cpu: Device<E>,
{
    type Device = Cpu;
    type Numbers = Vec<E>;
    type Table = Vec<i32>;
    type Recording = Vec<Call>;

    fn of(_: &Cpu) -> Result<Self, Error> {
        Ok(Emulated { kernels: kernels::<E>()? })
    }

    /// Not a number, so that what nobody has written is seen.
    fn room(&self, count: usize) -> Result<Vec<E>, Error> {
        Ok(vec![E::nan(); count])
    }

    fn table(&self, words: &[i32]) -> Result<Vec<i32>, Error> {
        Ok(words.to_vec())
    }

    fn write(&self, to: &mut Vec<E>, begin: usize, numbers: &[E]) -> Result<(), Error> {
        to[begin..][..numbers.len()].copy_from_slice(numbers);
        Ok(())
    }

    fn write_table(&self, to: &mut Vec<i32>, words: &[i32]) -> Result<(), Error> {
        to[..words.len()].copy_from_slice(words);
        Ok(())
    }

    fn read(&self, from: &Vec<E>, begin: usize, numbers: &mut [E]) -> Result<(), Error> {
        numbers.copy_from_slice(&from[begin..][..numbers.len()]);
        Ok(())
    }

    fn free(&self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    fn record(&self, _: &mut Memory<E, Self>, calls: &[Call]) -> Result<Vec<Call>, Error> {
        Ok(calls.to_vec())
    }

    fn replay(&self, memory: &mut Memory<E, Self>, recording: &Vec<Call>) -> Result<(), Error> {
        recording.iter().try_for_each(|call| self.call(memory, call))
    }
}
