//! NVIDIA GPUs: how one is opened, and what is wrong where it cannot be.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use super::driver;
use super::memory::Memory;
use crate::error::Error;
use crate::group::{local_rank, taken_by};
use core::ffi::{c_int, c_uint};
use dfdx::prelude::TryAdd;
use dfdx::tensor::{Cuda, Synchronize, Tensor, ZerosTensor};

// SAFETY: these are their types in `cuda.h` and `nvrtc.h`, where the numbers are written and never kept, and an `enum` is an `int`.
unsafe extern "C" {
    safe fn cuInit(flags: c_uint) -> c_uint;
    safe fn cuDriverGetVersion(version: &mut c_int) -> c_uint;
    safe fn cuDeviceGetCount(count: &mut c_int) -> c_uint;
    safe fn cuMemGetInfo_v2(free: &mut usize, total: &mut usize) -> c_uint;
    safe fn nvrtcVersion(major: &mut c_int, minor: &mut c_int) -> c_uint;
}

/// The first GPU, or that of the rank where several are on one machine.
///
/// dfdx panics where there is none, and where the driver is too old it fails at the first kernel: both are asked before.
pub(crate) fn open() -> Result<Cuda, Error> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    driver::library().map_err(|error| no_device(format!("there is no NVIDIA driver ({error}): install one, and see that `nvidia-smi` runs")))?;
    begun(cuInit(0))?;
    let (mut count, mut driver, mut toolkit) = (0, 0, [0; 2]);
    done(cuDeviceGetCount(&mut count))?;
    begun(if count == 0 { NO_DEVICE } else { 0 })?;
    done(cuDriverGetVersion(&mut driver))?;
    let [major, minor] = &mut toolkit;
    done(nvrtcVersion(major, minor))?;
    recent(Version::of_driver(driver), Version(toolkit))?;

    let cuda = Cuda::try_build(taken_by(local_rank(|name| std::env::var(name).ok()), count.unsigned_abs() as usize), 0)
        .map_err(Error::device("opening it"))?;
    let one: Result<Tensor<(usize,), f32, Cuda>, _> = cuda.try_zeros_like(&(1,)).and_then(|zero: Tensor<(usize,), f32, Cuda>| zero.try_add(1.0));
    one.and_then(|_| cuda.try_synchronize()).map_err(|error| Error::Device {
        during: "running a first kernel",
        message: format!(
            "{error:?}; kernels are compiled for the compute capability that `nvidia-smi`, or CUDA_COMPUTE_CAP, names when the program is \
             built: build it for this card"
        ),
    })?;
    Ok(cuda)
}

const NO_DEVICE: c_uint = 100;

fn no_device(problem: String) -> Error {
    Error::NoDevice { device: "CUDA", problem }
}

/// What `cuInit` has said, in words.
fn begun(code: c_uint) -> Result<(), Error> {
    let problem = match code {
        0 => return Ok(()),
        34 => {
            let problem = "the program has found the toolkit's stand-in for the driver's library: install the driver, and take the \
                           toolkit's folder `stubs` out of LD_LIBRARY_PATH";
            return Err(no_device(problem.to_owned()));
        }
        NO_DEVICE => {
            let problem = "the driver sees no GPU: `nvidia-smi -L` lists them, and CUDA_VISIBLE_DEVICES hides those that it does not name";
            return Err(no_device(problem.to_owned()));
        }
        803 => {
            "the driver's library and the driver in the kernel are of different versions: restart the machine, or install the driver anew".to_owned()
        }
        804 => "the package cuda-compat does not work with this card: install a newer driver instead".to_owned(),
        code => format!("the driver answers with error {code}, see `CUresult` in its documentation"),
    };
    Err(Error::Device { during: "starting the driver", message: problem })
}

fn done(code: c_uint) -> Result<(), Error> {
    if code == 0 {
        Ok(())
    } else {
        Err(Error::Device { during: "asking the driver", message: format!("error {code}, see `CUresult` in its documentation") })
    }
}

/// A version of CUDA: the major and the minor number.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Version([c_int; 2]);

impl Version {
    /// The driver writes 13.0 as 13000.
    fn of_driver(version: c_int) -> Self {
        Version([version / 1000, version % 1000 / 10])
    }
}

impl core::fmt::Display for Version {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Version([major, minor]) = self;
        write!(f, "{major}.{minor}")
    }
}

/// Kernels come as PTX, which the driver translates: it has to know the toolkit's version of it.
fn recent(driver: Version, toolkit: Version) -> Result<(), Error> {
    if driver >= toolkit {
        return Ok(());
    }
    let message = format!("its driver knows CUDA {driver}, and the toolkit is CUDA {toolkit}: install a newer driver, or build with CUDA {driver}");
    Err(Error::Device { during: "opening it", message })
}

impl Memory for Cuda {
    fn free(&self) -> Result<Option<u64>, Error> {
        // What was given back counts as free from here on, and the driver answers for the card that this thread is with now.
        self.try_synchronize().map_err(Error::device("asking for free memory"))?;
        let (mut free, mut total) = (0, 0);
        done(cuMemGetInfo_v2(&mut free, &mut total))?;
        Ok(Some(free as u64))
    }
}
