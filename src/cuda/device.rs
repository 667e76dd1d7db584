//! A device: context, stream, modules, launches, copies, and the first error.

use super::kernels::FAMILIES;
use super::probe::{Capability, probe};
use crate::error::invalid;
use crate::{Error, Result, Scalar};
use cudarc::driver::sys::{self, CUresult};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most blocks of the first stage of a reduction.
pub(super) const PARTIALS: usize = 256;

/// The threads of a block, for every kernel.
const BLOCK: u32 = 256;

/// An open device. Copies share it; it closes when the last of them and of all that lives on it is gone.
///
/// Threads may share a device and the problems on it, each with vectors and workspaces of its own; their work is queued on the
/// device's one stream.
#[derive(Debug, Clone)]
pub struct Device(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    index: usize,
    handle: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    name: String,
    capability: (i32, i32),
    tensor_cores: AtomicBool,
    loaded: Mutex<Loaded>,
    error: Mutex<Option<Error>>,
    /// Held by who uses `partials`, from the first stage of a reduction until its result has been read.
    reduces: Mutex<()>,
    /// Held for each call of the driver, and by who records a graph for as long: nobody else's work may get into it.
    turn: Mutex<()>,
    /// The thread that records, or 0.
    recorder: AtomicUsize,
    /// Partial sums, and behind them the total.
    partials: sys::CUdeviceptr,
}

// SAFETY: the driver's functions may be called from any thread with any of these handles; what is changed is behind locks.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// Nothing is left half-done under these locks, so that a panic of another user spoils nothing.
fn lock<V>(mutex: &Mutex<V>) -> MutexGuard<'_, V> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Loaded {
    /// By family and type.
    modules: HashMap<(usize, usize), sys::CUmodule>,
    /// By operation and type.
    functions: HashMap<(&'static str, usize), sys::CUfunction>,
}

/// A kernel's argument.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg {
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
}

impl Arg {
    pub fn scalar<T: Scalar>(value: T) -> Arg {
        if size_of::<T>() == 4 { Arg::F32(value.to_f64() as f32) } else { Arg::F64(value.to_f64()) }
    }

    /// The bits, low bytes first, as a parameter of its size reads them.
    fn bits(self) -> u64 {
        match self {
            Arg::U32(value) => value.into(),
            Arg::U64(value) => value,
            Arg::F32(value) => value.to_bits().into(),
            Arg::F64(value) => value.to_bits(),
        }
        .to_le()
    }
}

/// A number for each thread that is alive, not 0.
fn this_thread() -> usize {
    thread_local!(static HERE: u8 = const { 0 });
    HERE.with(|here| ptr::from_ref(here).addr())
}

/// An error for a code other than success, with the driver's words.
fn check(operation: &'static str, code: CUresult) -> Result<()> {
    if code == CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let text = |of: unsafe fn(CUresult, *mut *const std::ffi::c_char) -> CUresult| {
        let mut text = ptr::null();
        // SAFETY: the pointer is valid; the driver sets it to a static string, or leaves it.
        unsafe {
            of(code, &mut text);
            if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
        }
    };
    let reason = format!("{} {}: {}", text(sys::cuGetErrorName), code as u32, text(sys::cuGetErrorString));
    Err(Error::Device { operation, reason })
}

/// Calls a function of the driver, and makes an error of its code.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: `probe` has found the function; handles and pointers are those of an open device, and valid for the call.
        check(stringify!($function), unsafe { sys::$function($($argument),*) })
    };
}

impl Device {
    /// Opens device number `index`.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] without a driver (or with one older than CUDA 11.4) or a device, [`Error::Invalid`] for an index
    /// that no device has, [`Error::Device`] where the driver fails.
    pub fn open(index: usize) -> Result<Device> {
        let devices = match probe() {
            Capability::Absent { reason } => return Err(Error::NoDevice { reason }),
            Capability::Present { devices, .. } => devices,
        };
        if index >= devices {
            return Err(invalid("device", index, format!("below {devices}, the number of devices")));
        }
        let (mut handle, mut context, mut stream, mut partials) = (0, ptr::null_mut(), ptr::null_mut(), 0);
        call!(cuDeviceGet(&mut handle, index as i32))?;
        let mut name = [0; 256];
        call!(cuDeviceGetName(name.as_mut_ptr(), 255, handle))?;
        let name = name.iter().take_while(|c| **c != 0).map(|c| char::from(*c as u8)).collect();
        use sys::CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
        };
        let mut capability = (0, 0);
        call!(cuDeviceGetAttribute(&mut capability.0, MAJOR, handle))?;
        call!(cuDeviceGetAttribute(&mut capability.1, MINOR, handle))?;
        call!(cuDevicePrimaryCtxRetain(&mut context, handle))?;
        let opened = call!(cuCtxSetCurrent(context))
            .and_then(|()| call!(cuStreamCreate(&mut stream, sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32)))
            .and_then(|()| call!(cuMemAlloc_v2(&mut partials, (PARTIALS + 1) * 8)));
        let (tensor_cores, loaded, error, reduces, turn, recorder) = Default::default();
        // What was not made is null, and is left alone when it is dropped.
        let inner = Inner {
            index,
            handle,
            context,
            stream,
            name,
            capability,
            tensor_cores,
            loaded,
            error,
            reduces,
            turn,
            recorder,
            partials,
        };
        opened.map(|()| Device(Arc::new(inner)))
    }

    /// Its number, as [`Device::open`] takes it.
    pub(crate) fn index(&self) -> usize {
        self.0.index
    }

    /// The device's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The compute capability, major and minor number.
    pub fn compute_capability(&self) -> (i32, i32) {
        self.0.capability
    }

    /// Chooses whether products of f32 matrices of more than a few rows (terms, for Aᵀ B) are taken in the tensor cores, for this
    /// device and its copies; not until this is called. To be called before problems are made: a series that was recorded
    /// stays as it is.
    ///
    /// Each factor is split into two TF32 numbers, x = x₁ + x₂, and x y is x₂ y₁ + x₁ y₂ + x₁ y₁, in short sums that are added
    /// in f32 (3xTF32; Ootomo and Yokota, 2022). Errors are those of f32: within (4e-7 + 3e-8 √k) Σ |a||b| for k terms
    /// wherever they were looked at. NaN and infinities come out as without; bits depend on the card. This is three times the
    /// arithmetic, and less time only where TF32 is more than three times as fast as f32: by their data sheets A100 and H100,
    /// not GeForce.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a device of a compute capability below 8.0 if `on`, [`Error::Device`] where the driver does not take
    /// the kernels. The setting is then as it was.
    pub fn set_tensor_cores(&self, on: bool) -> Result<()> {
        let (major, minor) = self.0.capability;
        if on && major < 8 {
            let found = format!("a device of compute capability {major}.{minor}");
            return Err(invalid("tensor cores", found, "one of 8.0 or later"));
        }
        if on {
            // Whichever a series then records: nothing can be loaded meanwhile.
            let _turn = self.turn();
            call!(cuCtxSetCurrent(self.0.context))?;
            for product in ["tensor_ab", "tensor_abt", "tensor_atb", "gemm_ab", "gemm_abt", "gemm_atb"] {
                self.function(product, size_of::<f32>())?;
            }
        }
        self.0.tensor_cores.store(on, Ordering::Relaxed);
        Ok(())
    }

    /// Whether products of matrices of this type go to the tensor cores.
    pub(super) fn tensor_cores<T: Scalar>(&self) -> bool {
        size_of::<T>() == 4 && self.0.tensor_cores.load(Ordering::Relaxed)
    }

    /// Waits until all that was launched is done.
    ///
    /// # Errors
    ///
    /// The first error of this device.
    pub fn synchronize(&self) -> Result<()> {
        self.guarded(|| call!(cuStreamSynchronize(self.0.stream)))
    }

    /// The first error of this device, if there was one.
    pub(super) fn status(&self) -> Result<()> {
        lock(&self.0.error).clone().map_or(Ok(()), Err)
    }

    /// Runs `body` on this device's context unless there was an error before; keeps the error.
    pub(super) fn guarded<V>(&self, body: impl FnOnce() -> Result<V>) -> Result<V> {
        self.status()?;
        let _turn = self.turn();
        let result = call!(cuCtxSetCurrent(self.0.context)).and_then(|()| body());
        if let Err(error) = &result {
            lock(&self.0.error).get_or_insert_with(|| error.clone());
        }
        result
    }

    fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        // Only this thread stores its own number, so that a look at another's is never taken for it.
        let records = self.0.recorder.load(Ordering::Relaxed) == this_thread();
        (!records).then(|| lock(&self.0.turn))
    }

    /// What `body` launches, not done but recorded. It may neither allocate nor wait, and all its kernels are loaded.
    pub(super) fn record(&self, body: impl FnOnce() -> Result<()>) -> Result<Graph> {
        self.status()?;
        let turn = self.turn();
        let stream = self.0.stream;
        call!(cuCtxSetCurrent(self.0.context))?;
        call!(cuStreamBeginCapture_v2(stream, sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))?;
        self.0.recorder.store(this_thread(), Ordering::Relaxed);
        let recorded = body();
        self.0.recorder.store(0, Ordering::Relaxed);
        let (mut graph, mut launchable) = (ptr::null_mut(), ptr::null_mut());
        let ended = call!(cuStreamEndCapture(stream, &mut graph));
        let made = recorded.and(ended).and_then(|()| call!(cuGraphInstantiateWithFlags(&mut launchable, graph, 0)));
        if !graph.is_null() {
            let _ = call!(cuGraphDestroy(graph));
        }
        drop(turn);
        made.map(|()| Graph { device: self.clone(), launchable })
    }

    /// Starts what was recorded.
    pub(super) fn replay(&self, graph: &Graph) -> Result<()> {
        self.guarded(|| call!(cuGraphLaunch(graph.launchable, self.0.stream)))
    }

    /// Zeroed memory; 0 where there is none, with the error kept.
    pub(super) fn allocate(&self, bytes: usize) -> sys::CUdeviceptr {
        let mut address = 0;
        let _ = self.guarded(|| {
            if bytes > 0 {
                // SAFETY: as in `call!`.
                let code = unsafe { sys::cuMemAlloc_v2(&mut address, bytes) };
                if code == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                    return Err(Error::DeviceMemory { bytes });
                }
                check("cuMemAlloc_v2", code)?;
                call!(cuMemsetD8Async(address, 0, bytes, self.0.stream))?;
            }
            Ok(())
        });
        address
    }

    pub(super) fn free(&self, address: sys::CUdeviceptr) {
        if address != 0 {
            // Work on it may be under way.
            self.settle();
            let _turn = self.turn();
            let _ = call!(cuMemFree_v2(address));
        }
    }

    /// Waits for all that was launched, whatever went wrong before. An error here has no one to go to.
    pub(super) fn settle(&self) {
        let _turn = self.turn();
        let _ = call!(cuCtxSetCurrent(self.0.context)).and_then(|()| call!(cuStreamSynchronize(self.0.stream)));
    }

    /// Host to device; done when it returns.
    pub(super) fn upload<T: Scalar>(&self, from: &[T], to: sys::CUdeviceptr) -> Result<()> {
        self.guarded(|| {
            if from.is_empty() {
                return Ok(());
            }
            call!(cuMemcpyHtoDAsync_v2(to, from.as_ptr().cast(), size_of_val(from), self.0.stream))?;
            call!(cuStreamSynchronize(self.0.stream))
        })
    }

    /// Device to host, behind all that was launched.
    pub(super) fn download<E: bytemuck::Pod>(&self, from: sys::CUdeviceptr, to: &mut [E]) -> Result<()> {
        self.guarded(|| {
            if to.is_empty() {
                return Ok(());
            }
            call!(cuMemcpyDtoHAsync_v2(to.as_mut_ptr().cast(), from, size_of_val(to), self.0.stream))?;
            call!(cuStreamSynchronize(self.0.stream))
        })
    }

    pub(super) fn copy(&self, from: sys::CUdeviceptr, to: sys::CUdeviceptr, bytes: usize) {
        if bytes > 0 {
            let _ = self.guarded(|| call!(cuMemcpyDtoDAsync_v2(to, from, bytes, self.0.stream)));
        }
    }

    /// Zeroes.
    pub(super) fn clear(&self, address: sys::CUdeviceptr, bytes: usize) {
        if bytes > 0 {
            let _ = self.guarded(|| call!(cuMemsetD8Async(address, 0, bytes, self.0.stream)));
        }
    }

    /// Where the first stage of a reduction writes, [`PARTIALS`] numbers of 8 bytes.
    pub(super) fn partials(&self) -> Arg {
        Arg::U64(self.0.partials)
    }

    /// Keeps other threads from the partial sums until the guard is dropped.
    pub(super) fn reducing(&self) -> MutexGuard<'_, ()> {
        lock(&self.0.reduces)
    }

    /// The sum of `count` f64 at `address`, in a fixed order. `first` makes them, where they are the partial sums.
    pub(super) fn sum(&self, address: Arg, count: usize, first: impl FnOnce()) -> Result<f64> {
        let _alone = self.reducing();
        first();
        let total = self.0.partials + (PARTIALS * 8) as u64;
        self.sum_to(address, count, total);
        let mut value = [0.0];
        self.download(total, &mut value)?;
        Ok(value[0])
    }

    /// The same, left at `to` in the device's memory. Who sums the partial sums is alone with them.
    pub(super) fn sum_to(&self, address: Arg, count: usize, to: sys::CUdeviceptr) {
        self.launch::<f64>("sum", [1, 1], &[address, Arg::U64(to), Arg::U64(count as u64)]);
    }

    /// Starts blo_<operation>_<T>. Arguments are those of the header of the kernel's text, in its order; an error is kept.
    ///
    /// Addresses among them are of live buffers on this device that are as long as the header says: the callers, all in
    /// this module, see to it.
    pub(super) fn launch<T: Scalar>(&self, operation: &'static str, [x, y]: [usize; 2], args: &[Arg]) {
        let _ = self.guarded(|| {
            let function = self.function(operation, size_of::<T>())?;
            let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else {
                return Err(invalid("sizes", format!("{x} x {y} blocks"), "as many as one launch can have"));
            };
            debug_assert!(args.len() <= 20);
            let mut bits: [u64; 20] = std::array::from_fn(|i| args.get(i).map_or(0, |arg| arg.bits()));
            let mut pointers = bits.each_mut().map(|bits| ptr::from_mut(bits).cast::<c_void>());
            let (stream, pointers) = (self.0.stream, pointers.as_mut_ptr());
            call!(cuLaunchKernel(function, x, y, 1, BLOCK, 1, 1, 0, stream, pointers, ptr::null_mut()))
        });
    }

    fn function(&self, operation: &'static str, size: usize) -> Result<sys::CUfunction> {
        let loaded = &mut *lock(&self.0.loaded);
        if let Some(function) = loaded.functions.get(&(operation, size)) {
            return Ok(*function);
        }
        let missing = || Error::Device { operation, reason: "no kernel of this name".into() };
        let family = FAMILIES.iter().position(|family| family.3.contains(&operation)).ok_or_else(missing)?;
        let module = match loaded.modules.get(&(family, size)) {
            Some(module) => *module,
            None => {
                let (_, narrow, wide, _) = FAMILIES[family];
                let module = load(if size == 4 { narrow } else { wide.ok_or_else(missing)? })?;
                loaded.modules.insert((family, size), module);
                module
            }
        };
        let name = CString::new(format!("blo_{operation}_f{}", 8 * size)).map_err(|_| missing())?;
        let mut function = ptr::null_mut();
        call!(cuModuleGetFunction(&mut function, module, name.as_ptr()))?;
        loaded.functions.insert((operation, size), function);
        Ok(function)
    }
}

/// Launches that were recorded, as one.
#[derive(Debug)]
pub(super) struct Graph {
    device: Device,
    launchable: sys::CUgraphExec,
}

// SAFETY: as for the device.
unsafe impl Send for Graph {}
// SAFETY: as above.
unsafe impl Sync for Graph {}

impl Drop for Graph {
    fn drop(&mut self) {
        // A launch of it goes on; an error has no one to go to.
        let _turn = self.device.turn();
        let _ = call!(cuCtxSetCurrent(self.device.0.context));
        let _ = call!(cuGraphExecDestroy(self.launchable));
    }
}

/// Compiles a text for the current context; the compiler's log is in the error.
fn load(text: &str) -> Result<sys::CUmodule> {
    let unreadable = |_| Error::Device { operation: "cuModuleLoadDataEx", reason: "a text with a zero in it".into() };
    let text = CString::new(text).map_err(unreadable)?;
    let mut log = vec![0_u8; 4096];
    let mut options =
        [sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER, sys::CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
    let mut values = [log.as_mut_ptr().cast::<c_void>(), ptr::without_provenance_mut::<c_void>(log.len() - 1)];
    let mut module = ptr::null_mut();
    let image = text.as_ptr().cast();
    match call!(cuModuleLoadDataEx(&mut module, image, 2, options.as_mut_ptr(), values.as_mut_ptr())) {
        Ok(()) => Ok(module),
        Err(Error::Device { operation, reason }) => {
            let log = log.split(|byte| *byte == 0).next().unwrap_or(&[]);
            let reason = format!("{reason}; {}", String::from_utf8_lossy(log).trim());
            Err(Error::Device { operation, reason })
        }
        Err(other) => Err(other),
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Errors have no one to go to.
        let _ = call!(cuCtxSetCurrent(self.context));
        if !self.stream.is_null() {
            let _ = call!(cuStreamSynchronize(self.stream));
            let _ = call!(cuStreamDestroy_v2(self.stream));
        }
        if self.partials != 0 {
            let _ = call!(cuMemFree_v2(self.partials));
        }
        for module in lock(&self.loaded).modules.values() {
            let _ = call!(cuModuleUnload(*module));
        }
        let _ = call!(cuDevicePrimaryCtxRelease_v2(self.handle));
    }
}
