//! The functions of the CUDA driver that a host program needs to run PTX kernels, on top of `ptxsim`, so that its whole
//! device path can be tested without a GPU: probe, module load, argument order, copies, launches, graphs, errors.
//!
//! Everything happens at once, in the calling thread; only what is captured into a graph waits for its launch. One
//! device, one context. As with the hardware a kernel's fault does not show in the launch but in every later call, with
//! the same codes; unlike the hardware `ptxsim_fault_text` then tells what it was and `ptxsim_reset` starts over.
//! Environment: `PTXSIM_CC` (compute capability, 80), `PTXSIM_SMS` (multiprocessors, 4), `PTXSIM_SEED` and
//! `PTXSIM_STEPS` (see `LaunchConfig`), `PTXSIM_DEVICES` (0 or 1).

#![allow(non_snake_case)]

mod context;
mod memory;
mod stream;

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Instant;

use ptxsim::{Arg, Device, FaultKind, LaunchConfig, Module, Ptr};

/// `CUresult`.
pub(crate) type Code = u32;
pub(crate) type Outcome<T = ()> = Result<T, Code>;

/// Codes this library returns, with the driver's names.
pub(crate) const CODES: [(Code, &CStr, &CStr); 22] = [
    (0, c"CUDA_SUCCESS", c"no error"),
    (INVALID_VALUE, c"CUDA_ERROR_INVALID_VALUE", c"invalid argument"),
    (OUT_OF_MEMORY, c"CUDA_ERROR_OUT_OF_MEMORY", c"out of memory"),
    (NOT_INITIALIZED, c"CUDA_ERROR_NOT_INITIALIZED", c"initialization error"),
    (100, c"CUDA_ERROR_NO_DEVICE", c"no CUDA-capable device is detected"),
    (INVALID_DEVICE, c"CUDA_ERROR_INVALID_DEVICE", c"invalid device ordinal"),
    (200, c"CUDA_ERROR_INVALID_IMAGE", c"device kernel image is invalid"),
    (INVALID_CONTEXT, c"CUDA_ERROR_INVALID_CONTEXT", c"invalid device context"),
    (218, c"CUDA_ERROR_INVALID_PTX", c"a PTX JIT compilation failed"),
    (222, c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", c"the provided PTX was compiled with an unsupported toolchain."),
    (INVALID_HANDLE, c"CUDA_ERROR_INVALID_HANDLE", c"invalid resource handle"),
    (NOT_FOUND, c"CUDA_ERROR_NOT_FOUND", c"named symbol not found"),
    (700, c"CUDA_ERROR_ILLEGAL_ADDRESS", c"an illegal memory access was encountered"),
    (702, c"CUDA_ERROR_LAUNCH_TIMEOUT", c"the launch timed out and was terminated"),
    (716, c"CUDA_ERROR_MISALIGNED_ADDRESS", c"misaligned address"),
    (719, c"CUDA_ERROR_LAUNCH_FAILED", c"unspecified launch failure"),
    (720, c"CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE", c"too many blocks in cooperative launch"),
    (NOT_SUPPORTED, c"CUDA_ERROR_NOT_SUPPORTED", c"operation not supported"),
    (CAPTURE, c"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", c"operation not permitted when stream is capturing"),
    (INVALIDATED, c"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", c"operation failed due to a previous error during capture"),
    (
        IMPLICIT,
        c"CUDA_ERROR_STREAM_CAPTURE_IMPLICIT",
        c"operation would make the legacy stream depend on a capturing blocking stream",
    ),
    (
        WRONG_THREAD,
        c"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
        c"attempt to terminate a thread-local capture sequence from another thread",
    ),
];
pub(crate) const INVALID_VALUE: Code = 1;
pub(crate) const OUT_OF_MEMORY: Code = 2;
pub(crate) const NOT_INITIALIZED: Code = 3;
pub(crate) const INVALID_DEVICE: Code = 101;
pub(crate) const INVALID_CONTEXT: Code = 201;
pub(crate) const INVALID_HANDLE: Code = 400;
pub(crate) const NOT_FOUND: Code = 500;
pub(crate) const NOT_SUPPORTED: Code = 801;
pub(crate) const CAPTURE: Code = 900;
pub(crate) const INVALIDATED: Code = 901;
pub(crate) const IMPLICIT: Code = 906;
pub(crate) const WRONG_THREAD: Code = 908;

#[derive(Clone)]
pub(crate) struct Function {
    pub module: Arc<Module>,
    pub name: String,
    /// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`.
    pub dynamic: u32,
}

/// One piece of work of a stream.
#[derive(Clone)]
pub(crate) enum Node {
    Launch {
        function: Function,
        config: LaunchConfig,
        args: Vec<Arg>,
    },
    /// The host address is read when the work is done.
    ToDevice {
        to: Ptr,
        from: usize,
        bytes: usize,
    },
    ToHost {
        to: usize,
        from: Ptr,
        bytes: usize,
    },
    Within {
        to: Ptr,
        from: Ptr,
        bytes: usize,
    },
    Fill {
        to: Ptr,
        pattern: Vec<u8>,
        count: usize,
    },
}

pub(crate) struct Stream {
    /// Whether it waits for the legacy stream, and that for it.
    pub blocking: bool,
    /// The graph that is being captured, if any.
    pub graph: Option<usize>,
}

/// `CUstreamCaptureMode`: which threads may not do what cannot be captured while a capture goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// None may.
    Global,
    /// That of the capture may not.
    ThreadLocal,
    /// All may.
    Relaxed,
}

/// A capture that goes on.
pub(crate) struct Capture {
    pub mode: Mode,
    pub thread: ThreadId,
    /// Until something was attempted that cannot be captured.
    pub valid: bool,
}

pub(crate) struct Event {
    pub time: Option<Instant>,
    /// The graph that was captured when it was recorded.
    pub graph: Option<usize>,
}

#[derive(Default)]
pub(crate) struct State {
    pub ready: bool,
    pub device: Device,
    next: usize,
    pub modules: HashMap<usize, Arc<Module>>,
    pub functions: HashMap<usize, Function>,
    pub streams: HashMap<usize, Stream>,
    /// By the graph.
    pub captures: HashMap<usize, Capture>,
    pub events: HashMap<usize, Event>,
    pub graphs: HashMap<usize, Vec<Node>>,
    pub execs: HashMap<usize, Vec<Node>>,
    /// Page-locked host memory, by address.
    pub pinned: HashMap<usize, Vec<u64>>,
    pub sizes: HashMap<u64, usize>,
    /// What every call answers since a kernel went wrong.
    pub fault: Option<Code>,
    pub text: String,
    /// Calls that have waited for the device.
    pub waits: u64,
    /// Bytes that were copied between host and device.
    pub crossed: u64,
}

/// The only context.
pub(crate) const CONTEXT: usize = 0x10;

thread_local! {
    /// The calling thread's current context.
    pub(crate) static CURRENT: Cell<usize> = const { Cell::new(0) };
}

static STATE: Mutex<Option<State>> = Mutex::new(None);

pub(crate) fn with<T>(f: impl FnOnce(&mut State) -> T) -> T {
    let mut guard: MutexGuard<Option<State>> = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    f(guard.get_or_insert_with(State::default))
}

/// A state that is initialised and not broken, with a current context.
pub(crate) fn live<T>(f: impl FnOnce(&mut State) -> Outcome<T>) -> Outcome<T> {
    with(|s| {
        if !s.ready {
            return Err(NOT_INITIALIZED);
        }
        if CURRENT.get() != CONTEXT {
            return Err(INVALID_CONTEXT);
        }
        match s.fault {
            Some(code) => Err(code),
            None => f(s),
        }
    })
}

/// A number out of the environment.
pub(crate) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

impl State {
    /// A fresh handle.
    pub fn handle(&mut self) -> usize {
        self.next += 1;
        0x1000 + 0x10 * self.next
    }

    pub fn refuse<T>(&mut self, code: Code, text: impl Into<String>) -> Outcome<T> {
        self.text = text.into();
        Err(code)
    }

    /// The graph that a stream is captured into.
    pub fn graph(&self, stream: usize) -> Option<usize> {
        self.streams.get(&stream).and_then(|own| own.graph)
    }

    /// What one call forbids ends the captures that it is about, with this code.
    fn spoil(&mut self, code: Code, concerned: impl Fn(&Capture) -> bool) -> Outcome {
        let mut result = Ok(());
        for capture in self.captures.values_mut().filter(|capture| concerned(capture)) {
            capture.valid = false;
            result = Err(code);
        }
        result
    }

    /// Asked by what no capture can hold, allocations above all: forbidden to the capturing thread, unless its mode is the relaxed
    /// one, and to every other thread in the global mode.
    pub fn uncapturable(&mut self) -> Outcome {
        let here = thread::current().id();
        self.spoil(CAPTURE, |capture| match capture.mode {
            Mode::Global => true,
            Mode::ThreadLocal => capture.thread == here,
            Mode::Relaxed => false,
        })
    }

    /// Asked by what waits for the whole context.
    pub fn idle(&mut self) -> Outcome {
        self.spoil(CAPTURE, |_| true)
    }

    /// Asked by what uses the legacy stream, which would wait for the blocking streams.
    pub fn legacy(&mut self) -> Outcome {
        let blocking: Vec<usize> =
            self.streams.values().filter(|stream| stream.blocking).filter_map(|stream| stream.graph).collect();
        for graph in &blocking {
            self.captures.get_mut(graph).into_iter().for_each(|capture| capture.valid = false);
        }
        if blocking.is_empty() { Ok(()) } else { Err(IMPLICIT) }
    }

    /// Asked by what waits for a stream, or asks after it.
    pub fn settled(&mut self, stream: usize) -> Outcome {
        match self.graph(stream).and_then(|graph| self.captures.get_mut(&graph)) {
            Some(capture) => {
                let code = if capture.valid { CAPTURE } else { INVALIDATED };
                capture.valid = false;
                Err(code)
            }
            None if stream > 2 && !self.streams.contains_key(&stream) => Err(INVALID_HANDLE),
            None if stream < 2 => self.legacy(),
            None => Ok(()),
        }
    }

    /// Do it now, or add it to the graph that the stream is captured into.
    pub fn submit(&mut self, stream: usize, node: Node) -> Outcome {
        match self.graph(stream) {
            Some(graph) if self.captures.get(&graph).is_some_and(|capture| !capture.valid) => Err(INVALIDATED),
            Some(graph) => {
                self.graphs.entry(graph).or_default().push(node);
                Ok(())
            }
            None if stream > 2 && !self.streams.contains_key(&stream) => Err(INVALID_HANDLE),
            None if stream < 2 => self.legacy().and_then(|()| self.perform(&node)),
            None => self.perform(&node),
        }
    }

    pub fn perform(&mut self, node: &Node) -> Outcome {
        if let Node::ToDevice { bytes, .. } | Node::ToHost { bytes, .. } = node {
            self.crossed += *bytes as u64;
        }
        let result = match node {
            Node::Launch { function, config, args } => {
                self.device.launch(&function.module, &function.name, config, args).map(|_| ())
            }
            Node::ToDevice { to, from, bytes } => {
                // SAFETY: the caller of the copy vouches for `bytes` readable bytes at the host address.
                let data = unsafe { host(*from, *bytes) };
                self.device.write(*to, data)
            }
            Node::ToHost { to, from, bytes } => {
                // SAFETY: the caller of the copy vouches for `bytes` writable bytes at the host address.
                let data = unsafe { host_mut(*to, *bytes) };
                self.device.read(*from, data)
            }
            Node::Within { to, from, bytes } => self.device.copy(*to, *from, *bytes),
            Node::Fill { to, pattern, count } => self.device.write(*to, &pattern.repeat(*count)),
        };
        let Err(fault) = result else {
            return Ok(());
        };
        self.text = fault.to_string();
        let sticky = match fault.kind {
            FaultKind::Launch | FaultKind::Host => return Err(INVALID_VALUE),
            FaultKind::OutOfBounds => 700,
            FaultKind::Misaligned => 716,
            FaultKind::StepBudget | FaultKind::Deadlock => 702,
            _ => 719,
        };
        self.fault = Some(sticky);
        // A launch returns before the kernel runs; a copy to the host has seen the damage.
        if matches!(node, Node::Launch { .. }) { Ok(()) } else { Err(sticky) }
    }
}

/// # Safety
/// `bytes` readable bytes at `address`, for as long as the slice is used.
unsafe fn host<'a>(address: usize, bytes: usize) -> &'a [u8] {
    if bytes == 0 {
        return &[];
    }
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts(address as *const u8, bytes) }
}

/// # Safety
/// `bytes` writable bytes at `address`, used by nobody else for as long as the slice is.
unsafe fn host_mut<'a>(address: usize, bytes: usize) -> &'a mut [u8] {
    if bytes == 0 {
        return &mut [];
    }
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(address as *mut u8, bytes) }
}

/// Write through an output pointer.
///
/// # Safety
/// `p` is null or valid for a write.
pub(crate) unsafe fn put<T>(p: *mut T, value: T) -> Outcome {
    if p.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: not null, and valid by the contract.
    unsafe { p.write(value) };
    Ok(())
}

/// Copy a text with its NUL into a buffer, cut to fit.
///
/// # Safety
/// `buffer` is null or has `size` writable bytes.
pub(crate) unsafe fn put_text(buffer: *mut c_char, size: usize, text: &str) {
    if buffer.is_null() || size == 0 {
        return;
    }
    let n = text.len().min(size - 1);
    // SAFETY: n + 1 <= size.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), n);
        *buffer.add(n) = 0;
    }
}

/// Defines exported functions with the driver's calling convention. The body is an [`Outcome`]; a panic, which would
/// be a mistake in here, is `CUDA_ERROR_UNKNOWN`. Also makes the table of names and addresses of the module.
macro_rules! export {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the driver's function of this name: pointers are null or valid for what they stand for.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
                let body = std::panic::AssertUnwindSafe(move || -> $crate::Outcome { $body });
                match std::panic::catch_unwind(body) {
                    Ok(Ok(())) => 0,
                    Ok(Err(code)) => code,
                    Err(_) => 999,
                }
            }
        )*
        pub(crate) fn address(name: &str) -> Option<*const std::ffi::c_void> {
            match name {
                $(stringify!($name) => Some($name as *const std::ffi::c_void),)*
                _ => None,
            }
        }
    };
}
pub(crate) use export;

export! {
    /// Text of the last fault or refusal, as a C string.
    fn ptxsim_fault_text(buffer: *mut c_char, size: usize) {
        // SAFETY: the caller's buffer has `size` bytes.
        with(|s| unsafe { put_text(buffer, size, &s.text) });
        Ok(())
    }

    /// How many calls have waited for the device.
    fn ptxsim_waits(out: *mut u64) {
        // SAFETY: the caller's pointer.
        unsafe { put(out, with(|s| s.waits)) }
    }

    /// How many bytes were copied between host and device.
    fn ptxsim_crossed(out: *mut u64) {
        // SAFETY: the caller's pointer.
        unsafe { put(out, with(|s| s.crossed)) }
    }

    /// Forget everything: memory, modules, handles, the fault.
    fn ptxsim_reset() {
        with(|s| *s = State { ready: s.ready, ..State::default() });
        Ok(())
    }

    /// The name of a code; a static string.
    fn cuGetErrorName(code: u32, out: *mut *const c_char) {
        match CODES.iter().find(|c| c.0 == code) {
            // SAFETY: the caller's pointer.
            Some(c) => unsafe { put(out, c.1.as_ptr()) },
            None => Err(INVALID_VALUE),
        }
    }

    /// What a code means; a static string.
    fn cuGetErrorString(code: u32, out: *mut *const c_char) {
        match CODES.iter().find(|c| c.0 == code) {
            // SAFETY: the caller's pointer.
            Some(c) => unsafe { put(out, c.2.as_ptr()) },
            None => Err(INVALID_VALUE),
        }
    }

    /// The address of a function by its name, with or without its version suffix.
    fn cuGetProcAddress_v2(name: *const c_char, out: *mut *const c_void, _version: c_int, _flags: u64, status: *mut u32) {
        if name.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: a C string by contract.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        let find = |n: &str| {
            address(n).or_else(|| context::address(n)).or_else(|| memory::address(n)).or_else(|| stream::address(n))
        };
        // The newest of the versions, as the driver would hand out.
        let found = ["_v2", ""].iter().find_map(|v| find(&format!("{name}{v}")));
        if !status.is_null() {
            // SAFETY: not null.
            unsafe { status.write(found.is_none() as u32) };
        }
        // SAFETY: the caller's pointer.
        unsafe { put(out, found.unwrap_or(std::ptr::null())) }?;
        if found.is_some() { Ok(()) } else { Err(NOT_FOUND) }
    }
}
