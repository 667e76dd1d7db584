//! Is there a driver, is it new enough, are there devices: asked before cudarc is, which panics where a library is missing.

use cudarc::driver::sys;
use std::ffi::c_void;
use std::sync::OnceLock;

/// CUDA 11.4, the oldest whose functions cudarc is told to call here.
const OLDEST: i32 = 11_040;

/// Every function of the driver that this library calls.
const SYMBOLS: [&str; 30] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuDeviceGet",
    "cuDeviceGetCount",
    "cuDeviceGetName",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxSetCurrent",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemsetD8Async",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuModuleLoadDataEx",
    "cuModuleGetFunction",
    "cuModuleUnload",
    "cuLaunchKernel",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphLaunch",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
];

/// What this machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// Nothing to work on.
    Absent {
        /// What is missing, and what was found.
        reason: String,
    },
    /// A driver with devices.
    Present {
        /// The driver's CUDA version, as 1000 · major + 10 · minor.
        driver: i32,
        /// The number of devices.
        devices: usize,
    },
}

/// Looks for the driver and its devices; at the first call, with the answer kept.
pub fn probe() -> Capability {
    static FOUND: OnceLock<Capability> = OnceLock::new();
    FOUND.get_or_init(|| look().unwrap_or_else(|reason| Capability::Absent { reason })).clone()
}

fn look() -> Result<Capability, String> {
    // SAFETY: opens and closes the library; no other code of the process depends on whether it is loaded.
    if !unsafe { sys::is_culib_present() } {
        return Err("no CUDA driver (libcuda), expected one".into());
    }
    // SAFETY: the library is there; each symbol is only looked for.
    let library = unsafe { sys::culib() };
    for name in SYMBOLS {
        // SAFETY: as above; the address is not used.
        if unsafe { library.get::<*const c_void>(name.as_bytes()) }.is_err() {
            return Err(format!("a CUDA driver without {name}, expected one of CUDA 11.4 or later"));
        }
    }
    let mut version = 0;
    // SAFETY: the symbol is there, and the pointer is valid.
    let code = unsafe { sys::cuDriverGetVersion(&mut version) };
    if code != sys::CUresult::CUDA_SUCCESS || version < OLDEST {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        return Err(format!("a driver of CUDA {major}.{minor}, expected one of CUDA 11.4 or later"));
    }
    // SAFETY: the symbol is there.
    let code = unsafe { sys::cuInit(0) };
    if code == sys::CUresult::CUDA_ERROR_NO_DEVICE {
        return Err("a CUDA driver without a device, expected at least one".into());
    }
    if code != sys::CUresult::CUDA_SUCCESS {
        return Err(format!("a CUDA driver that does not start (error {})", code as u32));
    }
    let mut devices = 0;
    // SAFETY: the driver has started, and the pointer is valid.
    let code = unsafe { sys::cuDeviceGetCount(&mut devices) };
    match usize::try_from(devices) {
        Ok(devices) if devices > 0 && code == sys::CUresult::CUDA_SUCCESS => {
            Ok(Capability::Present { driver: version, devices })
        }
        _ => Err("a CUDA driver without a device, expected at least one".into()),
    }
}
