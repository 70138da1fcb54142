//! A machine for tests without a GPU: the kernels as C++ for the processor, thread by thread.

use super::call::{Arg, Call, Matrix, Product, Space, THREADS};
use super::machine::{Machine, Memory};
use super::source::source;
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
pub struct Emulated {
    kernels: &'static Library,
}

/// A kernel: blocks, threads, and where each argument lies.
type Kernel = unsafe extern "C" fn(c_uint, c_uint, *mut *mut c_void);

/// `KERNEL(name, (parameters), ..)` as a function that is given its arguments as a list.
fn callable(source: &str) -> String {
    let mut text = String::new();
    for (before, after) in source.match_indices("__global__ void ").map(|(at, mark)| source.split_at(at + mark.len())) {
        let _ = before;
        let Some((name, rest)) = after.split_once('(') else { continue };
        let Some((parameters, _)) = rest.split_once(')') else { continue };
        let arguments: Vec<String> = parameters.split(',').enumerate().map(|(i, parameter)| argument(i, parameter)).collect();
        text += &format!("static void call_{name}(void **a) {{ {name}({}); }}\n", arguments.join(", "));
        text += &format!(
            "extern \"C\" void run_{name}(unsigned blocks, unsigned threads, void **a) {{ emulated::run(call_{name}, blocks, threads, a); }}\n"
        );
    }
    text
}

/// The argument for `const real *x`: what the list holds at its place, with the parameter's type.
fn argument(i: usize, parameter: &str) -> String {
    let parameter = parameter.trim().replace("__restrict__", "");
    let name = parameter.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    format!("*({}*)a[{i}]", parameter[..name].trim())
}

fn compile(real: &str) -> Result<Library, String> {
    let kernels = source(real);
    let text = format!("{}\n{kernels}\n{}", include_str!("emulated.cpp"), callable(&kernels));
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let [source, library] = ["kernels.cpp", "kernels.so"].map(|name| folder.path().join(name));
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    build(&source, &library)?;
    // SAFETY: it was just built of our own source, and nothing in it runs when it is loaded.
    unsafe { Library::new(&library) }.map_err(|error| error.to_string())
}

fn build(source: &Path, library: &Path) -> Result<(), String> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let arguments = ["-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Wno-unused-function", "-Werror", "-shared", "-fPIC", "-o"];
    let output = Command::new(&compiler).args(arguments).arg(library).arg(source).output().map_err(|error| format!("{compiler}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{compiler}: {}", String::from_utf8_lossy(&output.stderr))) }
}

/// The kernels for numbers of a type, compiled once.
fn kernels<E: Float>() -> Result<&'static Library, Error> {
    static KERNELS: [OnceLock<Result<Library, String>>; 2] = [OnceLock::new(), OnceLock::new()];
    let single = size_of::<E>() == size_of::<f32>();
    let kernels = KERNELS[usize::from(single)].get_or_init(|| compile(if single { "float" } else { "double" }));
    kernels.as_ref().map_err(|message| Error::Device { during: "compiling the kernels", message: message.clone() })
}

/// The numbers of one matrix of a batch.
struct View<'a, E> {
    numbers: &'a [E],
    matrix: Matrix,
}

impl<E: Float> View<'_, E> {
    fn at(&self, batch: usize, row: usize, column: usize) -> E {
        let Matrix { at, stride, transposed, batch_stride } = self.matrix;
        let [row, column] = if transposed { [column, row] } else { [row, column] };
        self.numbers[at.begin + batch * batch_stride + row * stride + column]
    }
}

impl Emulated {
    fn call<E: Float>(&self, memory: &mut Memory<E, Self>, call: &Call) -> Result<(), Error>
    where
        Cpu: Device<E>,
    {
        match call {
            Call::Kernel { name, blocks, args } => self.kernel(memory, name, *blocks, args),
            Call::Product(product) => {
                multiply(memory, product);
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
        // SAFETY: every function of that name has this type: `callable` writes them.
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

/// A product as it is defined.
fn multiply<E: Float>(memory: &mut Memory<E, Emulated>, product: &Product)
where
    Cpu: Device<E>,
{
    let [m, n, k] = product.sizes;
    for batch in 0..product.batch {
        let [a, b] = [product.a, product.b].map(|matrix| View { numbers: &memory.numbers[matrix.at.space as usize][..], matrix });
        let sums: Vec<E> = (0..m * n).map(|i| (0..k).fold(E::zero(), |sum, j| sum + a.at(batch, i / n, j) * b.at(batch, j, i % n))).collect();
        let Matrix { at, stride, batch_stride, .. } = product.c;
        let c = memory.space(at.space);
        for (row, sums) in sums.chunks(n).enumerate() {
            let row = &mut c[at.begin + batch * batch_stride + row * stride..][..n];
            row.iter_mut().zip(sums).for_each(|(c, &sum)| *c = if product.add { *c + sum } else { sum });
        }
    }
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
