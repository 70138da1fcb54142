//! The library of NVIDIA's driver, opened when it is first needed.
//!
//! dfdx links against it, and a program that does so does not even start where there is no driver. Here are functions of the
//! names that it looks for, so that the linker needs no library: each goes on to the function of the same name in the library,
//! which [`cuInit`] has opened. It is what every program calls first.

use core::ffi::{c_uint, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};
use libloading::Library;
use std::sync::OnceLock;

const NAME: &str = "libcuda.so.1";

/// `CUDA_ERROR_SHARED_OBJECT_INIT_FAILED`: there is no library.
const NO_LIBRARY: c_uint = 303;
/// `CUDA_ERROR_NOT_FOUND`: the library has no such function, or [`cuInit`] was not called.
const NO_FUNCTION: c_uint = 500;

/// Functions that go on to those of the library, and the table of where these are.
macro_rules! forwarded {
    ($($function:ident)*) => {
        #[allow(non_upper_case_globals)]
        mod slots {
            use super::*;
            $(pub(super) static $function: AtomicPtr<c_void> = AtomicPtr::new(missing as *mut c_void);)*
        }

        const SLOTS: &[(&str, &AtomicPtr<c_void>)] = &[$((stringify!($function), &slots::$function)),*];

        $(
            // SAFETY: nothing else defines the name where this file is compiled, and the library's function gets every
            // register and the stack as the caller left them.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            unsafe extern "C" fn $function() {
                core::arch::naked_asm!("jmp qword ptr [rip + {slot}]", slot = sym slots::$function)
            }
        )*
    };
}

forwarded! {
    cuCtxGetCurrent cuCtxGetDevice cuCtxSetCurrent cuDestroyExternalMemory cuDeviceGet cuDeviceGetAttribute cuDeviceGetCount
    cuDevicePrimaryCtxRelease_v2 cuDevicePrimaryCtxRetain cuDeviceTotalMem_v2 cuDriverGetVersion cuEventCreate cuEventDestroy_v2
    cuEventElapsedTime cuEventRecord cuExternalMemoryGetMappedBuffer cuGetErrorName cuGetErrorString cuGraphDestroy cuGraphExecDestroy
    cuGraphInstantiateWithFlags cuGraphLaunch cuImportExternalMemory
    cuLaunchKernel cuMemAllocAsync cuMemAlloc_v2 cuMemFreeAsync cuMemFree_v2 cuMemGetInfo_v2 cuMemcpyDtoDAsync_v2
    cuMemcpyDtoD_v2 cuMemcpyDtoHAsync_v2 cuMemcpyDtoH_v2 cuMemcpyHtoDAsync_v2 cuMemcpyHtoD_v2 cuMemsetD8Async cuMemsetD8_v2
    cuModuleGetFunction cuModuleLoad cuModuleLoadData cuModuleUnload cuOccupancyAvailableDynamicSMemPerBlock
    cuOccupancyMaxActiveBlocksPerMultiprocessor cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags cuOccupancyMaxActiveClusters
    cuOccupancyMaxPotentialBlockSize cuOccupancyMaxPotentialBlockSizeWithFlags cuOccupancyMaxPotentialClusterSize
    cuProfilerStart cuProfilerStop cuStreamBeginCapture_v2 cuStreamCreate cuStreamDestroy_v2 cuStreamEndCapture cuStreamSynchronize cuStreamWaitEvent
}

extern "C" fn missing() -> c_uint {
    NO_FUNCTION
}

type Init = unsafe extern "C" fn(c_uint) -> c_uint;

/// Opens the library, and begins with it.
// SAFETY: as above; the arguments are those of the library's function.
#[unsafe(no_mangle)]
#[allow(non_snake_case)]
extern "C" fn cuInit(flags: c_uint) -> c_uint {
    let Ok(library) = library() else { return NO_LIBRARY };
    // SAFETY: this is its type in `cuda.h`, and any flags may be given.
    unsafe { library.get::<Init>(b"cuInit\0").map_or(NO_FUNCTION, |init| init(flags)) }
}

/// The library, with every slot set to what it has; it stays until the program ends. The error says why there is none.
pub(super) fn library() -> Result<&'static Library, &'static str> {
    static OPENED: OnceLock<Result<Library, String>> = OnceLock::new();
    let opened = OPENED.get_or_init(|| {
        // SAFETY: the driver's library may be opened at any time.
        let library = unsafe { Library::new(NAME) }.map_err(|error| {
            use std::error::Error;
            error.source().map_or_else(|| error.to_string(), ToString::to_string)
        })?;
        for (name, slot) in SLOTS {
            // SAFETY: it is used as what it is, by callers who know its type.
            if let Ok(function) = unsafe { library.get::<*mut c_void>(name.as_bytes()) } {
                slot.store(*function, Ordering::Release);
            }
        }
        Ok(library)
    });
    opened.as_ref().map_err(String::as_str)
}
