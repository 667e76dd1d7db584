//! GPUs, and problems on them.
//!
//! Two ways to make a problem on a device were written down: a create function beside each of the host's (two now, and another
//! for every family and binding that follows), and one function that puts a problem of the host on a device. The second is
//! here: checks, strides and options stay in one place. Its price is a copy in host memory until that problem is destroyed.

use super::args::{not_null, write_array};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, share};
use super::problem::Problem;
use super::status::{Status, copy_text};
use crate::error::invalid;
use crate::{Result, Scalar};
use std::ffi::c_char;
use std::sync::Arc;

/// What a build with CUDA and one without do about devices; the functions of the interface are the same.
#[cfg(feature = "cuda")]
mod gpu {
    use crate::cuda::{Capability, Device, FromHost, Mlp, Quadratic, probe};
    use crate::ffi::family::Family;
    use crate::{Error, Result, Scalar};

    pub(in crate::ffi) type DeviceQuadratic<T> = FromHost<Quadratic<T>>;
    pub(in crate::ffi) type DeviceNetwork<T> = FromHost<Mlp<T>>;

    #[derive(Clone)]
    pub(in crate::ffi) struct Gpu(Device);

    impl Gpu {
        pub fn count() -> usize {
            match probe() {
                Capability::Absent { .. } => 0,
                Capability::Present { devices, .. } => devices,
            }
        }

        pub fn open(index: usize) -> Result<Gpu> {
            Device::open(index).map(Gpu)
        }

        pub fn name(&self) -> &str {
            self.0.name()
        }

        pub fn compute_capability(&self) -> (i32, i32) {
            self.0.compute_capability()
        }

        pub fn copy_of<T: Scalar>(&self, problem: &Family<T>) -> Result<Family<T>> {
            match problem {
                Family::Quadratic(host) => {
                    Ok(Family::DeviceQuadratic(FromHost::new(Quadratic::copy_of(&self.0, host.clone())?)))
                }
                Family::Network(host) => Ok(Family::DeviceNetwork(FromHost::new(Mlp::copy_of(&self.0, host)?))),
                _ => Err(Error::Unsupported {
                    operation: "problem on a device",
                    reason: "quadratics and networks of the host can be put there, others not yet",
                }),
            }
        }
    }
}

#[cfg(not(feature = "cuda"))]
mod gpu {
    use crate::ffi::family::Family;
    use crate::{Error, Result, Scalar};

    #[derive(Clone)]
    pub(in crate::ffi) enum Gpu {}

    impl Gpu {
        pub fn count() -> usize {
            0
        }

        pub fn open(_: usize) -> Result<Gpu> {
            Err(Error::NoDevice { reason: "a library built without CUDA, expected one with it".into() })
        }

        pub fn name(&self) -> &str {
            match *self {}
        }

        pub fn compute_capability(&self) -> (i32, i32) {
            match *self {}
        }

        pub fn copy_of<T: Scalar>(&self, _: &Family<T>) -> Result<Family<T>> {
            match *self {}
        }
    }
}

pub(super) use gpu::Gpu;
#[cfg(feature = "cuda")]
pub(super) use gpu::{DeviceNetwork, DeviceQuadratic};

/// An open GPU. Problems on it keep it open after its handle was destroyed. Threads may share it.
pub struct Device(());

impl Opaque for Device {
    type Value = Gpu;
    const TAG: u64 = 0xb10_0070;
}

/// The number of GPUs that can be opened: 0 without a driver, or with one that is too old. blo_device_open then tells why.
///
/// - count [out]: the number
///
/// The same for the life of the process. Errors: BLO_ERR_NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_device_count(count: *mut i64) -> Status {
    guard(|| {
        not_null("count", count)?;
        // SAFETY: not null, and the caller vouches for it.
        unsafe { write_array(count, &[Gpu::count() as i64]) };
        Ok(())
    })
}

/// Opens a GPU.
///
/// - index [in]: which, from 0
/// - device [out]: the handle, NULL after an error; end it with blo_device_destroy
///
/// Errors: BLO_ERR_NULL; BLO_ERR_NO_DEVICE; BLO_ERR_INVALID for an index that no device has; BLO_ERR_DEVICE;
/// BLO_ERR_DEVICE_MEMORY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_device_open(index: i64, device: *mut *mut Device) -> Status {
    let body = || match usize::try_from(index) {
        Ok(index) => Ok(Gpu::open(index)?),
        Err(_) => Err(invalid("device", index, "0 or above").into()),
    };
    // SAFETY: the caller vouches for the place of the handle.
    guard(|| unsafe { create("device", device, body) })
}

/// Copies the name of a GPU.
///
/// - device [in]: the GPU
/// - buffer [out, capacity bytes]: the name, cut if it does not fit, always closed by a NUL; NULL if capacity is 0
/// - capacity [in]: the size of buffer
/// - needed [out]: the capacity that holds the whole name and its NUL; may be NULL
///
/// Errors: BLO_ERR_NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_device_name(
    device: *const Device,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> Status {
    guard(|| {
        // SAFETY: the caller vouches for a living handle.
        let device = unsafe { share("device", device) }?;
        if capacity > 0 {
            not_null("buffer", buffer)?;
        }
        // SAFETY: the caller vouches for the buffer and the place of the number.
        unsafe { copy_text(device.name(), buffer, capacity, needed) };
        Ok(())
    })
}

/// The compute capability of a GPU, such as 9.0.
///
/// - device [in]: the GPU
/// - major, minor [out]: the numbers
///
/// Errors: BLO_ERR_NULL. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_device_compute_capability(
    device: *const Device,
    major: *mut i32,
    minor: *mut i32,
) -> Status {
    guard(|| {
        // SAFETY: the caller vouches for a living handle.
        let device = unsafe { share("device", device) }?;
        not_null("major", major)?;
        not_null("minor", minor)?;
        let (first, second) = device.compute_capability();
        // SAFETY: not null, and the caller vouches for them.
        unsafe {
            write_array(major, &[first]);
            write_array(minor, &[second]);
        }
        Ok(())
    })
}

/// Ends a handle of a GPU and sets *device to NULL. The GPU closes when no problem on it is left.
///
/// - device [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// No call may be using this handle on another thread. Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_device_destroy(device: *mut *mut Device) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(device) }
}

/// Puts a problem on a GPU: the same problem, whose objectives, products and solves are computed there. Workspaces and runners
/// take it as any other, with every estimator and loop; u, w and results stay in host memory, and are copied at each call. A
/// solve is one call, whatever its number of products. Eigendecompositions and inner fixpoints are made on the host.
///
/// - problem [in]: a quadratic or a network; it may be destroyed after this
/// - device [in]: the GPU
/// - on_device [out]: the problem on it, NULL after an error; end it with blo_problem_destroy_f64
///
/// Results are those of the host up to rounding, and equal bits for equal input on the same GPU and driver.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_UNSUPPORTED for other problems; BLO_ERR_DEVICE; BLO_ERR_DEVICE_MEMORY. Calls with what was
/// made from it have the last two as well. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_on_device_f64(
    problem: *const Problem<f64>,
    device: *const Device,
    on_device: *mut *mut Problem<f64>,
) -> Status {
    // SAFETY: the caller vouches for living handles and the place of the new one.
    guard(|| unsafe { problem_on_device(problem, device, on_device) })
}

pub(super) unsafe fn problem_on_device<T: Scalar>(
    problem: *const Problem<T>,
    device: *const Device,
    on_device: *mut *mut Problem<T>,
) -> Done {
    // SAFETY: as the caller vouches.
    let body = || unsafe {
        let (problem, device): (Arc<Family<T>>, Gpu) = (share("problem", problem)?, share("device", device)?);
        let on_device: Result<Family<T>> = device.copy_of(&problem);
        Ok(Arc::new(on_device?))
    };
    // SAFETY: as the caller vouches.
    unsafe { create("on_device", on_device, body) }
}
