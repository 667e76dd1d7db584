//! Hypergradients from and into DLPack tensors, in host memory or on the problem's GPU, in place.
//!
//! Two other ways for vectors on a GPU were weighed:
//!
//! - *device pointers as plain arguments*: nothing would tell an address on the host from one on a GPU, or on which; a
//!   tensor says where it is, of what type and how long, so that a mistake is a status and not a fault of the device;
//! - *handles that keep u and w on the device*, as a runner of the library's own does there: the caller, whose loop it is,
//!   has them in a framework's tensors, and would copy at each step.

use super::args::flag;
use super::dlpack::{CPU, CUDA, Managed, Names, names, told};
use super::estimator::{EstimatorOptions, read_estimator};
use super::evaluate::{Workspace, compute};
use super::guard::{Done, guard};
use super::handle::enter;
use super::report::{ReportInfo, ReportPlace};
use super::status::Status;
use crate::error::invalid;
use crate::{Error, Scalar};
use std::ffi::c_void;
use std::ptr::null_mut;

/// What a build with CUDA and one without do about problems on a device.
#[cfg(feature = "cuda")]
mod gpu {
    use crate::cuda::{Buffer, DeviceSpace, Mlp, Quadratic};
    use crate::ffi::family::Family;
    use crate::hypergradient::{Estimator, Evaluation, Workspace, evaluate};
    use crate::problem::Problem;
    use crate::solve::Space;
    use crate::{Result, Scalar};

    /// A problem on a device, itself.
    pub(in crate::ffi) enum OnDevice<'a, T: Scalar> {
        Quadratic(&'a Quadratic<T>),
        Network(&'a Mlp<T>),
    }

    /// The workspace of one, from its first call on.
    pub(in crate::ffi) struct DeviceScratch<T: Scalar> {
        quadratic: Option<Box<Workspace<T, Quadratic<T>>>>,
        network: Option<Box<Workspace<T, Mlp<T>>>>,
    }

    impl<T: Scalar> Default for DeviceScratch<T> {
        fn default() -> DeviceScratch<T> {
            DeviceScratch { quadratic: None, network: None }
        }
    }

    impl<T: Scalar> DeviceScratch<T> {
        pub fn bytes(&self, problem: &Family<T>) -> usize {
            match OnDevice::of(problem) {
                Some(OnDevice::Quadratic(problem)) => self.quadratic.as_ref().map_or(0, |own| own.bytes(problem)),
                Some(OnDevice::Network(problem)) => self.network.as_ref().map_or(0, |own| own.bytes(problem)),
                None => 0,
            }
        }
    }

    impl<'a, T: Scalar> OnDevice<'a, T> {
        pub fn of(problem: &'a Family<T>) -> Option<OnDevice<'a, T>> {
            match problem {
                Family::DeviceQuadratic(problem) => Some(OnDevice::Quadratic(problem.problem())),
                Family::DeviceNetwork(problem) => Some(OnDevice::Network(problem.problem())),
                _ => None,
            }
        }

        /// The number of its device.
        pub fn number(&self) -> i32 {
            let space = match self {
                OnDevice::Quadratic(problem) => problem.outer_space(),
                OnDevice::Network(problem) => problem.outer_space(),
            };
            space.device().index() as i32
        }

        /// # Safety
        ///
        /// As `run`.
        pub unsafe fn hypergradient(
            &self,
            scratch: &mut DeviceScratch<T>,
            estimator: &Estimator,
            vectors: [*mut T; 3],
            q: *mut T,
        ) -> Result<Evaluation> {
            // SAFETY: as the caller vouches.
            unsafe {
                match *self {
                    OnDevice::Quadratic(problem) => {
                        let own = scratch.quadratic.get_or_insert_with(|| Box::new(Workspace::new(problem)));
                        run(problem, own, estimator, vectors, q)
                    }
                    OnDevice::Network(problem) => {
                        let own = scratch.network.get_or_insert_with(|| Box::new(Workspace::new(problem)));
                        run(problem, own, estimator, vectors, q)
                    }
                }
            }
        }
    }

    /// From u and w into the hypergradient and, if it is not null, q, which are written once everything else has succeeded.
    ///
    /// # Safety
    ///
    /// The addresses are of vectors of the problem's sizes in its device's memory, aligned to an element, on which nobody else
    /// works until this returns.
    unsafe fn run<T: Scalar, P: Problem<T, Points = DeviceSpace>>(
        problem: &P,
        scratch: &mut Workspace<T, P>,
        estimator: &Estimator,
        [u, w, hypergradient]: [*mut T; 3],
        q: *mut T,
    ) -> Result<Evaluation> {
        let (outer, inner) = (problem.outer_space(), problem.inner_space());
        let device = outer.device();
        // SAFETY: as the caller vouches. What is lent ends with this call, and waits for the device's work.
        let lend = |address: *mut T, space: &DeviceSpace| unsafe {
            Buffer::lent(device, address.addr() as u64, Space::<T>::len(space))
        };
        let (u, w) = (lend(u, outer), lend(w, inner));
        scratch.keep_q(!q.is_null());
        let evaluation = evaluate(problem, estimator, &u, &w, scratch)?;
        let mut found = lend(hypergradient, outer);
        outer.copy(scratch.gradient(), &mut found);
        if !q.is_null() {
            scratch.lower_q(problem, &mut lend(q, inner))?;
        }
        device.synchronize()?;
        Ok(evaluation)
    }
}

#[cfg(not(feature = "cuda"))]
mod gpu {
    use crate::ffi::family::Family;
    use crate::hypergradient::{Estimator, Evaluation};
    use crate::{Result, Scalar};
    use std::convert::Infallible;
    use std::marker::PhantomData;

    /// There is none.
    pub(in crate::ffi) struct OnDevice<'a, T>(Infallible, PhantomData<&'a T>);

    #[derive(Default)]
    pub(in crate::ffi) struct DeviceScratch<T>(PhantomData<T>);

    impl<T: Scalar> DeviceScratch<T> {
        pub fn bytes(&self, _: &Family<T>) -> usize {
            0
        }
    }

    impl<'a, T: Scalar> OnDevice<'a, T> {
        pub fn of(_: &'a Family<T>) -> Option<OnDevice<'a, T>> {
            None
        }

        pub fn number(&self) -> i32 {
            match self.0 {}
        }

        pub unsafe fn hypergradient(
            &self,
            _: &mut DeviceScratch<T>,
            _: &Estimator,
            _: [*mut T; 3],
            _: *mut T,
        ) -> Result<Evaluation> {
            match self.0 {}
        }
    }
}

pub(super) use gpu::DeviceScratch;
use gpu::OnDevice;

const U: Names = names!("u");
const W: Names = names!("w");
const HYPERGRADIENT: Names = names!("hypergradient");
const Q: Names = names!("q");

/// Computes one hypergradient, as blo_hypergradient_f64, from and into DLPack tensors in place. On a GPU u, w and the results
/// stay there, but for estimators that decompose H and for a u of penalties of groups of weights, with which the host works.
///
/// - workspace [in]: a workspace of the problem
/// - estimator [in]: how; NULL for the defaults
/// - u [in], w [in]: the outer and the inner parameters
/// - hypergradient [out]: the result
/// - q [out]: q, as blo_hypergradient_f64 tells; may be NULL
/// - versioned [in]: of all of these: 1 for a DLManagedTensorVersioned of version 1, 0 for a DLManagedTensor
/// - report [out]: how the solve went; may be NULL; struct_size to be set
///
/// Tensors are borrowed for the call: their deleters are not called. They have floats of this precision, without gaps,
/// row-major in any shape of as many elements as the problem's vector has, and are in host memory, all of them, or, for a
/// problem of blo_problem_on_device_f64, all in the memory of its GPU (type kDLCUDA, the number that blo_device_open was
/// given). On a GPU all work on the tensors has to be done before (their stream synchronised), because the library has a stream of
/// its own; that has done its work when the call returns, after errors too. An address that is not what its tensor says is the
/// caller's fault, and can be BLO_ERR_DEVICE.
///
/// Outputs may overlap u and w, but not each other, and are written only if the call succeeds. The first call with tensors on a
/// GPU allocates scratch there, which blo_workspace_reserve_f64 does not foresee, but counts after that; such calls start from the
/// last q of such calls (start_from_last), and change nothing of what blo_workspace_tensor_f64 shows.
///
/// Errors: as blo_hypergradient_f64; BLO_ERR_INVALID with the part of a tensor: version, flags (an output that is read-only),
/// device, dtype, ndim, shape, strides, data (which is not aligned); BLO_ERR_NULL for data too; BLO_ERR_SHAPE; for a problem
/// on a GPU BLO_ERR_DEVICE and BLO_ERR_DEVICE_MEMORY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_hypergradient_dlpack_f64(
    workspace: *mut Workspace<f64>,
    estimator: *const EstimatorOptions,
    u: *const c_void,
    w: *const c_void,
    hypergradient: *mut c_void,
    q: *mut c_void,
    versioned: i32,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, structs of the sizes in their first fields, and sound tensors.
    guard(|| unsafe { compute_in_tensors(workspace, estimator, [u, w], [hypergradient, q], versioned, report) })
}

pub(super) unsafe fn compute_in_tensors<T: Scalar>(
    workspace: *mut Workspace<T>,
    estimator: *const EstimatorOptions,
    inputs: [*const c_void; 2],
    outputs: [*mut c_void; 2],
    versioned: i32,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("workspace", workspace) }?;
    let versioned = flag("versioned", versioned)?;
    let (problem, n_outer, n_inner) = (own.problem.clone(), own.u.len(), own.w.len());
    let there = OnDevice::of(&problem);
    let number = there.as_ref().map(OnDevice::number);
    let ([u, w], [hypergradient, q]) = (inputs, outputs);
    let wanted = [(&U, u.cast_mut(), n_outer), (&W, w.cast_mut(), n_inner), (&HYPERGRADIENT, hypergradient, n_outer)];
    let (mut all, mut place) = ([null_mut(); 4], None);
    for (at, (names, pointer, len)) in wanted.into_iter().chain([(&Q, q, n_inner)]).enumerate() {
        // SAFETY: as the caller vouches; the tensors stay for the call.
        unsafe {
            let Some(tensor) = Managed::new(names, pointer, versioned)? else {
                if at == 3 {
                    break;
                }
                return Err(Error::Null { argument: names.tensor }.into());
            };
            // That of u decides.
            let device = tensor.device();
            let fits = match place {
                None => device == (CPU, 0) || number.is_some_and(|number| device == (CUDA, number)),
                Some(place) => device == place,
            };
            if !fits {
                let expected = match (place, number) {
                    (Some(place), _) => format!("{}, that of u", told(place)),
                    (None, None) => format!("{}, the CPU, where the problem is", told((CPU, 0))),
                    (None, Some(number)) => {
                        format!("{}, where the problem is, or {}, the CPU", told((CUDA, number)), told((CPU, 0)))
                    }
                };
                return Err(invalid(names.device, told(device), expected).into());
            }
            place = Some(device);
            if at >= 2 {
                tensor.check_writable(names)?;
            }
            all[at] = tensor.vector::<T>(names, len)?;
        }
    }
    let [u, w, hypergradient, q] = all;
    match there {
        Some(there) if place != Some((CPU, 0)) => {
            own.linearized = false;
            // SAFETY: as the caller vouches; nobody else uses the workspace.
            unsafe {
                let (estimator, report) = (read_estimator("estimator", estimator)?, ReportPlace::new(report)?);
                let found = there.hypergradient(&mut own.there, &estimator, [u, w, hypergradient], q)?;
                report.write(&found.report, found.outer_loss);
            }
            Ok(())
        }
        _ => {
            // Not gone in between, if somebody destroys it.
            let _kept = own.keep();
            drop(own);
            // SAFETY: as the caller vouches; arrays of the problem's sizes in host memory.
            unsafe {
                let (u, w) = ((u.cast_const(), n_outer as i64), (w.cast_const(), n_inner as i64));
                compute(workspace, estimator, u, w, hypergradient, q, report)
            }
        }
    }
}
