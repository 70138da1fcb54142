//! NVIDIA cards: cudarc for what it has, and the driver's own functions for graphs.

use super::call::{Arg, Call, Gemm, Place, Space, THREADS};
use super::machine::{Machine, Memory};
use super::source::{declared, source};
use crate::engine::Precision;
use crate::error::Error;
use crate::float::Float;
use core::ffi::{CStr, c_int, c_uint, c_void};
use core::marker::PhantomData;
use cudarc::cublas::{result as blas, sys as blas_sys};
use cudarc::driver::sys::{CUdevice_attribute as Attribute, CUstreamCaptureMode as Capture};
use cudarc::driver::{result as driver, sys};
use cudarc::nvrtc::result as nvrtc;
use dfdx::tensor::{Cuda, Synchronize};
use dfdx::tensor_ops::Device;
use std::collections::HashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

/// An NVIDIA card: the kernels as NVRTC compiles them for it, cuBLAS for products, and each step as one CUDA graph.
///
/// **Nothing of it was ever run on a card**: none was at hand. What was seen: NVRTC and the assembler of CUDA 13.0 take all kernels for
/// compute capability 9.0, programs with it link, and on libraries that pretend to be CUDA's, and run the kernels on the processor, it
/// computes all golden cases.
#[derive(Clone)]
pub struct Card(Arc<Line>);

/// What all machines on one card have in common. It is kept until the program ends, as dfdx keeps the card's context.
struct Opened {
    context: sys::CUcontext,
    kernels: HashMap<String, sys::CUfunction>,
}

// SAFETY: the driver's handles may be used by every thread.
unsafe impl Send for Opened {}
// SAFETY: as above, and nothing here changes.
unsafe impl Sync for Opened {}

/// Where the calls of one machine follow one another: a stream of its own, with cuBLAS on it. Graphs cannot be made of the stream that
/// everybody shares.
struct Line {
    opened: &'static Opened,
    stream: sys::CUstream,
    blas: blas_sys::cublasHandle_t,
    workspace: sys::CUdeviceptr,
}

// SAFETY: the driver's handles may be used by every thread, and cuBLAS's by one at a time: an engine locks its memory for each step, and
// nothing else makes calls.
unsafe impl Send for Line {}
// SAFETY: as above.
unsafe impl Sync for Line {}

/// Numbers in the memory of a card.
pub struct Room<T> {
    line: Arc<Line>,
    at: sys::CUdeviceptr,
    count: usize,
    numbers: PhantomData<T>,
}

/// Calls as a graph.
pub struct Recording {
    graph: sys::CUgraphExec,
    /// The stream that it was made of.
    _line: Arc<Line>,
}

// SAFETY: as for `Line`: a graph may be used by one thread at a time.
unsafe impl Send for Recording {}

/// A number type that cards and cuBLAS know.
pub trait Real: Float {
    /// Its name in C++.
    const NAME: &'static str;

    /// `C = A B` on the handle's stream, or added to `C`.
    ///
    /// # Errors
    /// Those of cuBLAS.
    ///
    /// # Safety
    /// The places of `gemm`, added to `bases`, are in memory of the card, and have room for it.
    unsafe fn gemm(handle: blas_sys::cublasHandle_t, gemm: &Gemm, bases: &[sys::CUdeviceptr; Space::COUNT]) -> Result<(), blas::CublasError>;
}

/// [`Real`] for a type, with cuBLAS's function for it.
macro_rules! real {
    ($Real:ident, $name:literal, $gemm:ident) => {
        impl Real for $Real {
            const NAME: &'static str = $name;

            unsafe fn gemm(handle: blas_sys::cublasHandle_t, gemm: &Gemm, bases: &[sys::CUdeviceptr; Space::COUNT]) -> Result<(), blas::CublasError> {
                let [m, n, k] = gemm.sizes.map(|size| size as c_int);
                let [(a, a_transposed), (b, b_transposed)] = gemm.factors;
                let [a_at, b_at, c_at] = [a, b, gemm.c].map(|matrix| address::<$Real>(bases, matrix.at) as *mut $Real);
                let [lda, ldb, ldc] = [a, b, gemm.c].map(|matrix| matrix.stride as c_int);
                let [stride_a, stride_b, stride_c] = [a, b, gemm.c].map(|matrix| matrix.batch_stride as i64);
                let (alpha, beta): ($Real, $Real) = (1.0, if gemm.add { 1.0 } else { 0.0 });
                let operation = |transposed| {
                    if transposed { blas_sys::cublasOperation_t::CUBLAS_OP_T } else { blas_sys::cublasOperation_t::CUBLAS_OP_N }
                };
                let [op_a, op_b] = [a_transposed, b_transposed].map(operation);
                // SAFETY: the caller's contract; the factors on the host are read before the function returns.
                unsafe {
                    blas::$gemm(
                        handle,
                        op_a,
                        op_b,
                        m,
                        n,
                        k,
                        &alpha,
                        a_at,
                        lda,
                        stride_a,
                        b_at,
                        ldb,
                        stride_b,
                        &beta,
                        c_at,
                        ldc,
                        stride_c,
                        gemm.batch as c_int,
                    )
                }
            }
        }
    };
}
real!(f32, "float", sgemm_strided_batched);
real!(f64, "double", dgemm_strided_batched);

fn mode(precision: Precision) -> blas_sys::cublasMath_t {
    match precision {
        Precision::Float32 => blas_sys::cublasMath_t::CUBLAS_DEFAULT_MATH,
        Precision::Tf32 => blas_sys::cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH,
    }
}

/// Where a place is in the card's memory.
fn address<E>(bases: &[sys::CUdeviceptr; Space::COUNT], place: Place) -> sys::CUdeviceptr {
    bases[place.space as usize] + (place.begin * size_of::<E>()) as sys::CUdeviceptr
}

fn failed<D: core::fmt::Debug>(during: &'static str) -> impl Fn(D) -> Error {
    move |error| Error::Device { during, message: format!("{error:?}") }
}

impl Opened {
    /// The card that a dfdx device is on, with the kernels for numbers of a type.
    fn of<E: Real>(device: &Cuda) -> Result<&'static Self, Error> {
        static OPENED: Mutex<Vec<(sys::CUdevice, &'static str, &'static Opened)>> = Mutex::new(Vec::new());
        // dfdx says nowhere which card it is on, but with its context it is the one of this thread from here on.
        device.try_synchronize().map_err(Error::device("looking for its card"))?;
        let mut number = 0;
        // SAFETY: the number is written, and never kept.
        unsafe { sys::cuCtxGetDevice(&mut number) }.result().map_err(failed("looking for its card"))?;
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&(.., opened)) = opened.iter().find(|&&(card, real, _)| card == number && real == E::NAME) {
            return Ok(opened);
        }
        let new: &'static Opened = Box::leak(Box::new(Self::open::<E>(number)?));
        opened.push((number, E::NAME, new));
        Ok(new)
    }

    fn open<E: Real>(card: sys::CUdevice) -> Result<Self, Error> {
        const LOADING: &str = "loading the kernels";
        let text = source(E::NAME);
        let image = compile(&text, &architecture(card)?)?;
        // SAFETY: the number is that of a card; the context is current; the image is what NVRTC wrote, which ends with a zero.
        let (context, module) = unsafe {
            let context = driver::primary_ctx::retain(card).map_err(failed("opening its context"))?;
            driver::ctx::set_current(context).map_err(failed("opening its context"))?;
            (context, driver::module::load_data(image.as_ptr().cast()).map_err(failed(LOADING))?)
        };
        let mut kernels = HashMap::new();
        for kernel in declared(&text) {
            let name = CString::new(kernel).map_err(failed(LOADING))?;
            // SAFETY: the module was just loaded, and is never unloaded.
            kernels.insert(kernel.to_owned(), unsafe { driver::module::get_function(module, name) }.map_err(failed(LOADING))?);
        }
        Ok(Opened { context, kernels })
    }

    /// Makes this card the one that the thread asks.
    fn bind(&self) -> Result<(), Error> {
        // SAFETY: the context is never given back.
        unsafe { driver::ctx::set_current(self.context) }.map_err(failed("turning to the card"))
    }
}

/// The card's architecture, as NVRTC calls it.
fn architecture(card: sys::CUdevice) -> Result<String, Error> {
    let number = |attribute| {
        // SAFETY: the number is that of a card.
        unsafe { driver::device::get_attribute(card, attribute) }.map_err(failed("asking for its compute capability"))
    };
    let major = number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok(format!("compute_{major}{minor}"))
}

/// The kernels as PTX, which the driver loads.
pub(crate) fn compile(text: &str, architecture: &str) -> Result<Vec<core::ffi::c_char>, Error> {
    const COMPILING: &str = "compiling the kernels";
    let program = nvrtc::create_program(text).map_err(failed(COMPILING))?;
    let options = [format!("--gpu-architecture={architecture}")];
    // SAFETY: the program was just made, and is given back once, when nothing needs it any more.
    unsafe {
        let image = match nvrtc::compile_program(program, &options) {
            Ok(()) => nvrtc::get_ptx(program).map_err(failed(COMPILING)),
            Err(error) => {
                let log = nvrtc::get_program_log(program).map(|log| CStr::from_ptr(log.as_ptr()).to_string_lossy().into_owned());
                Err(Error::Device { during: COMPILING, message: format!("{error:?}: {}", log.unwrap_or_default()) })
            }
        };
        nvrtc::destroy_program(program).map_err(failed(COMPILING))?;
        image
    }
}

impl Line {
    /// What NVIDIA advises for cards of compute capability 9.0; others need less.
    const WORKSPACE: usize = 32 << 20;

    fn new(opened: &'static Opened) -> Result<Self, Error> {
        const OPENING: &str = "opening cuBLAS";
        opened.bind()?;
        let stream = driver::stream::create(driver::stream::StreamKind::NonBlocking).map_err(failed("making a stream"))?;
        // What is not there yet is null, which cuBLAS and the driver do not give back; what is there they do if the rest fails.
        let mut line = Line { opened, stream, blas: core::ptr::null_mut(), workspace: 0 };
        line.blas = blas::create_handle().map_err(failed(OPENING))?;
        line.workspace = allocate(Self::WORKSPACE)?;
        // SAFETY: all were just made, and the workspace stays as long as they do. In a graph cuBLAS may not look for one of its own.
        unsafe {
            blas::set_stream(line.blas, stream.cast()).map_err(failed(OPENING))?;
            let workspace = line.workspace as *mut c_void;
            blas_sys::cublasSetWorkspace_v2(line.blas, workspace, Self::WORKSPACE).result().map_err(failed(OPENING))?;
        }
        Ok(line)
    }

    fn wait(&self) -> Result<(), Error> {
        // SAFETY: the stream is there as long as this is.
        unsafe { driver::stream::synchronize(self.stream) }.map_err(failed("waiting for the card"))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // What fails here fails because the card is lost, and then there is nothing to give back.
        // SAFETY: all of these were made by `new`, and nobody uses them any more when the stream has come to its end.
        let _ = self.opened.bind().and_then(|()| self.wait()).map(|()| unsafe {
            let _ = (blas::destroy_handle(self.blas), driver::free_sync(self.workspace), driver::stream::destroy(self.stream));
        });
    }
}

/// Memory of the card that this thread asks, whatever is in it.
fn allocate(bytes: usize) -> Result<sys::CUdeviceptr, Error> {
    // SAFETY: what is there is not read before it was written: the planner's calls see to that.
    unsafe { driver::malloc_sync(bytes) }.map_err(|error| match driver::mem_get_info() {
        Ok((free, _)) if free < bytes => Error::Memory { needed: bytes as u64, free: free as u64 },
        _ => failed("making room")(error),
    })
}

impl<T> Room<T> {
    fn new(line: &Arc<Line>, count: usize) -> Result<Self, Error> {
        line.opened.bind()?;
        let at = allocate(count.max(1) * size_of::<T>())?;
        Ok(Room { line: Arc::clone(line), at, count, numbers: PhantomData })
    }

    fn write(&mut self, begin: usize, numbers: &[T]) -> Result<(), Error> {
        assert!(begin + numbers.len() <= self.count, "what is written has room");
        self.line.opened.bind()?;
        let to = self.at + (begin * size_of::<T>()) as sys::CUdeviceptr;
        // SAFETY: there is room; from memory that is not pinned the driver has copied the numbers when it returns.
        unsafe { driver::memcpy_htod_async(to, numbers, self.line.stream) }.map_err(failed("copying numbers to it"))
    }

    fn read(&self, begin: usize, numbers: &mut [T]) -> Result<(), Error> {
        assert!(begin + numbers.len() <= self.count, "what is read is there");
        self.line.opened.bind()?;
        let from = self.at + (begin * size_of::<T>()) as sys::CUdeviceptr;
        // SAFETY: the numbers are there, and are waited for.
        unsafe { driver::memcpy_dtoh_async(numbers, from, self.line.stream) }.map_err(failed("copying numbers from it"))?;
        self.line.wait()
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        // SAFETY: it was made by `new`, and no call that is under way uses it any more when the stream has come to its end.
        let _ = self.line.opened.bind().and_then(|()| self.line.wait()).map(|()| unsafe { driver::free_sync(self.at) });
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // SAFETY: it was made by `record`; the driver keeps what still runs of it.
        let _ = unsafe { sys::cuGraphExecDestroy(self.graph) };
    }
}

/// An argument as it lies in memory.
#[derive(Clone, Copy)]
union Argument<E: Copy> {
    at: sys::CUdeviceptr,
    int: c_int,
    real: E,
}

impl Card {
    fn call<E: Real>(&self, memory: &Memory<E, Self>, call: &Call) -> Result<(), Error>
    where
        Cuda: Device<E>,
    {
        let bases: [sys::CUdeviceptr; Space::COUNT] = core::array::from_fn(|i| memory.numbers[i].at);
        match call {
            Call::Kernel { name, blocks, args } => self.kernel::<E>(&bases, memory.table.at, name, *blocks, args),
            // SAFETY: the handle is there as long as this is; the planner gives each call places that have room for what it does.
            Call::Product(product, precision) => unsafe {
                let chosen = blas_sys::cublasSetMathMode(self.0.blas, mode(*precision)).result();
                chosen.and_then(|()| E::gemm(self.0.blas, &product.gemm(), &bases)).map_err(failed("multiplying matrices"))
            },
            Call::Zero { at, count } => {
                // SAFETY: as above; all bytes of a zero are zero.
                let zeroed = unsafe { driver::memset_d8_async(address::<E>(&bases, *at), 0, count * size_of::<E>(), self.0.stream) };
                zeroed.map_err(failed("writing zeros"))
            }
        }
    }

    fn kernel<E: Real>(
        &self,
        bases: &[sys::CUdeviceptr; Space::COUNT],
        table: sys::CUdeviceptr,
        name: &'static str,
        blocks: usize,
        args: &[Arg],
    ) -> Result<(), Error> {
        let Some(&function) = self.0.opened.kernels.get(name) else { unreachable!("there is a kernel `{name}`") };
        let mut arguments: Vec<Argument<E>> = args
            .iter()
            .map(|arg| match *arg {
                Arg::At(place) => Argument { at: place.map_or(0, |place| address::<E>(bases, place)) },
                Arg::Table(begin) => Argument { at: table + (begin * size_of::<i32>()) as sys::CUdeviceptr },
                Arg::Int(number) => Argument { int: number },
                Arg::Real(number) => Argument { real: E::of(number) },
            })
            .collect();
        let mut list: Vec<*mut c_void> = arguments.iter_mut().map(|argument| core::ptr::from_mut(argument).cast()).collect();
        // SAFETY: the planner gives each kernel the arguments of its parameters, with places that have room for what it does. The driver
        // has copied them when it returns.
        let launched = unsafe { driver::launch_kernel(function, (blocks as c_uint, 1, 1), (THREADS as c_uint, 1, 1), 0, self.0.stream, &mut list) };
        launched.map_err(|error| Error::Device { during: "running a kernel", message: format!("{name}: {error:?}") })
    }

    /// A product of single numbers: cuBLAS loads what it needs at its first one, which it may not do in a graph.
    fn warm_up<E: Real>(&self) -> Result<(), Error> {
        let mut room = Room::<E>::new(&self.0, 3)?;
        room.write(0, &[E::zero(); 3])?;
        let matrix = |begin: usize| super::Matrix::new(Place { space: Space::Work, begin }, 1);
        let gemm = Gemm { sizes: [1; 3], factors: [(matrix(0), false), (matrix(1), false)], c: matrix(2), batch: 1, add: false };
        // SAFETY: three numbers are there.
        unsafe { E::gemm(self.0.blas, &gemm, &[room.at; Space::COUNT]) }.map_err(failed("multiplying matrices"))?;
        self.0.wait()
    }
}

impl<E: Real> Machine<E> for Card
where
    Cuda: Device<E>,
{
    type Device = Cuda;
    type Numbers = Room<E>;
    type Table = Room<i32>;
    type Recording = Recording;

    fn of(device: &Cuda) -> Result<Self, Error> {
        let card = Card(Arc::new(Line::new(Opened::of::<E>(device)?)?));
        card.warm_up::<E>()?;
        Ok(card)
    }

    fn room(&self, count: usize) -> Result<Room<E>, Error> {
        Room::new(&self.0, count)
    }

    fn table(&self, words: &[i32]) -> Result<Room<i32>, Error> {
        let mut table = Room::new(&self.0, words.len())?;
        table.write(0, words)?;
        Ok(table)
    }

    fn write(&self, to: &mut Room<E>, begin: usize, numbers: &[E]) -> Result<(), Error> {
        to.write(begin, numbers)
    }

    fn write_table(&self, to: &mut Room<i32>, words: &[i32]) -> Result<(), Error> {
        to.write(0, words)
    }

    fn read(&self, from: &Room<E>, begin: usize, numbers: &mut [E]) -> Result<(), Error> {
        from.read(begin, numbers)
    }

    fn free(&self) -> Result<Option<u64>, Error> {
        self.0.opened.bind()?;
        let (free, _) = driver::mem_get_info().map_err(failed("asking for free memory"))?;
        Ok(Some(free as u64))
    }

    fn record(&self, memory: &mut Memory<E, Self>, calls: &[Call]) -> Result<Recording, Error> {
        const RECORDING: &str = "making a graph";
        self.0.opened.bind()?;
        let (mut graph, mut runnable) = (core::ptr::null_mut(), core::ptr::null_mut());
        // SAFETY: the stream is ours. What fails on the way ends the recording all the same, and what was made of it is given back; what
        // can be run of a graph has all that it needs.
        unsafe {
            sys::cuStreamBeginCapture_v2(self.0.stream, Capture::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL).result().map_err(failed(RECORDING))?;
            let called = calls.iter().try_for_each(|call| self.call(memory, call));
            let ended = sys::cuStreamEndCapture(self.0.stream, &mut graph).result().map_err(failed(RECORDING));
            let made = called.and(ended).and_then(|()| sys::cuGraphInstantiateWithFlags(&mut runnable, graph, 0).result().map_err(failed(RECORDING)));
            if !graph.is_null() {
                let _ = sys::cuGraphDestroy(graph);
            }
            made?;
        }
        Ok(Recording { graph: runnable, _line: Arc::clone(&self.0) })
    }

    fn replay(&self, _: &mut Memory<E, Self>, recording: &Recording) -> Result<(), Error> {
        self.0.opened.bind()?;
        // SAFETY: the memory of the graph's calls is that of the engine, which stays where it is between `record` and this.
        unsafe { sys::cuGraphLaunch(recording.graph, self.0.stream) }.result().map_err(failed("running a graph"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NVRTC needs no card.
    #[test]
    fn nvrtc_takes_all_kernels() {
        for real in [f32::NAME, f64::NAME] {
            for architecture in ["compute_80", "compute_90"] {
                let text = source(real);
                let image = compile(&text, architecture).unwrap();
                // SAFETY: NVRTC ends its image with a zero.
                let image = unsafe { CStr::from_ptr(image.as_ptr()) }.to_string_lossy().into_owned();
                for kernel in declared(&text) {
                    assert!(image.contains(&format!(".entry {kernel}(")), "{kernel} for {architecture}");
                }
            }
        }
    }
}
