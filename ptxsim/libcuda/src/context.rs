//! Driver, device, context, module and function.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::Arc;

use ptxsim::Module;

use crate::{
    CONTEXT, CURRENT, Code, Function, INVALID_DEVICE, INVALID_HANDLE, INVALID_VALUE, NOT_FOUND, NOT_INITIALIZED,
    Outcome, State, export, live, put, put_text, setting, with,
};

/// The driver plays this CUDA version, and takes PTX up to 8.7.
const VERSION: c_int = 12080;
const PTX: (u32, u32) = (8, 7);
pub(crate) const TOTAL: usize = 8 << 30;

fn capability() -> u32 {
    setting("PTXSIM_CC", 80) as u32
}

fn sms() -> u32 {
    setting("PTXSIM_SMS", 4) as u32
}

fn device(ordinal: c_int) -> Outcome {
    with(|s| match s.ready {
        false => Err(NOT_INITIALIZED),
        true if ordinal != 0 || setting("PTXSIM_DEVICES", 1) == 0 => Err(INVALID_DEVICE),
        true => Ok(()),
    })
}

fn attribute(a: c_uint) -> Outcome<c_int> {
    Ok(match a {
        1..=3 => 1024,
        4 => 64,
        5 => i32::MAX,
        6 | 7 => 65535,
        8 => 48 << 10,
        9 => 64 << 10,
        10 => 32,
        12 | 82 => 65536,
        13 | 36 => 1_000_000,
        16 => sms() as c_int,
        18 | 20 | 120 => 0,
        // Unified addressing, concurrent kernels, stream priorities, cooperative launch, memory pools and so on.
        19 | 31 | 41 | 78 | 95 | 115 => 1,
        37 => 256,
        38 => 4 << 20,
        39 => 2048,
        40 => 1,
        75 => (capability() / 10) as c_int,
        76 => (capability() % 10) as c_int,
        81 => 228 << 10,
        83 => 0,
        97 => 227 << 10,
        106 => 32,
        _ => 0,
    })
}

/// Blocks of a kernel that one multiprocessor holds: by threads, shared memory and the limit of 32.
pub(crate) fn occupancy(f: &Function, threads: u32, dynamic: u32) -> u32 {
    if threads == 0 || threads > 1024 {
        return 0;
    }
    let shared = f.module.static_shared(&f.name).unwrap_or(0) + dynamic + 1024;
    (2048 / threads.next_multiple_of(32)).min((228 << 10) / shared).min(32)
}

/// Blocks that are resident at once on the whole device.
pub(crate) fn resident(f: &Function, threads: u32, dynamic: u32) -> u32 {
    sms() * occupancy(f, threads, dynamic)
}

fn load(s: &mut State, image: *const c_void) -> Outcome<usize> {
    s.uncapturable()?;
    if image.is_null() {
        return Err(INVALID_VALUE);
    }
    // SAFETY: PTX comes as a C string; a binary image begins with bytes that are looked at here one by one.
    let bytes = unsafe { CStr::from_ptr(image.cast()) };
    let Ok(text) = bytes.to_str() else {
        return s.refuse(200, "the image is not PTX text");
    };
    if text.starts_with("\x7fELF") {
        return s.refuse(200, "binary images cannot be run here");
    }
    let module = match Module::parse(text) {
        Ok(m) => m,
        Err(e) => return s.refuse(218, format!("ptxsim: {e}")),
    };
    let (version, target) = (module.version(), module.target());
    if version > PTX {
        return s.refuse(222, format!(".version {}.{} is newer than {}.{}", version.0, version.1, PTX.0, PTX.1));
    }
    if target > capability() {
        return s.refuse(218, format!(".target sm_{target} on a device of sm_{}", capability()));
    }
    let h = s.handle();
    s.modules.insert(h, Arc::new(module));
    Ok(h)
}

export! {
    /// Initialise; 100 where `PTXSIM_DEVICES` is 0.
    fn cuInit(_flags: c_uint) {
        if setting("PTXSIM_DEVICES", 1) == 0 {
            return Err(100);
        }
        with(|s| s.ready = true);
        Ok(())
    }

    /// 12.8.
    fn cuDriverGetVersion(out: *mut c_int) {
        // SAFETY: the caller's pointer.
        unsafe { put(out, VERSION) }
    }

    /// Device 0.
    fn cuDeviceGet(out: *mut c_int, ordinal: c_int) {
        device(ordinal)?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, 0) }
    }

    /// One.
    fn cuDeviceGetCount(out: *mut c_int) {
        if !with(|s| s.ready) {
            return Err(NOT_INITIALIZED);
        }
        // SAFETY: the caller's pointer.
        unsafe { put(out, setting("PTXSIM_DEVICES", 1).min(1) as c_int) }
    }

    /// Its name.
    fn cuDeviceGetName(out: *mut c_char, size: c_int, dev: c_int) {
        device(dev)?;
        // SAFETY: the caller's buffer.
        unsafe { put_text(out, size.max(0) as usize, "ptxsim") };
        Ok(())
    }

    /// A fixed identifier.
    fn cuDeviceGetUuid_v2(out: *mut [u8; 16], dev: c_int) {
        device(dev)?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, *b"ptxsim-device-00") }
    }

    /// The same.
    fn cuDeviceGetUuid(out: *mut [u8; 16], dev: c_int) {
        device(dev)?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, *b"ptxsim-device-00") }
    }

    /// 8 GiB.
    fn cuDeviceTotalMem_v2(out: *mut usize, dev: c_int) {
        device(dev)?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, TOTAL) }
    }

    /// Attributes; 0 for those that are not modelled.
    fn cuDeviceGetAttribute(out: *mut c_int, which: c_uint, dev: c_int) {
        device(dev)?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, attribute(which)?) }
    }

    /// The context.
    fn cuDevicePrimaryCtxRetain(out: *mut usize, dev: c_int) {
        device(dev)?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, CONTEXT) }
    }

    /// Keeps everything; see `cuDevicePrimaryCtxReset_v2`.
    fn cuDevicePrimaryCtxRelease_v2(dev: c_int) {
        device(dev)
    }

    /// Start over, as after a fault.
    fn cuDevicePrimaryCtxReset_v2(dev: c_int) {
        device(dev)?;
        with(|s| *s = State { ready: true, ..State::default() });
        Ok(())
    }

    /// Make the context current in this thread; null for none.
    fn cuCtxSetCurrent(ctx: usize) {
        if ctx != 0 && ctx != CONTEXT {
            return Err(crate::INVALID_CONTEXT);
        }
        CURRENT.set(ctx);
        Ok(())
    }

    /// The current context, or null.
    fn cuCtxGetCurrent(out: *mut usize) {
        // SAFETY: the caller's pointer.
        unsafe { put(out, CURRENT.get()) }
    }

    /// Device of the current context.
    fn cuCtxGetDevice(out: *mut c_int) {
        live(|_| Ok(()))?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, 0) }
    }

    /// Nothing to wait for; tells a fault.
    fn cuCtxSynchronize() {
        live(|s| {
            s.waits += 1;
            s.idle()
        })
    }

    /// 0 and 0.
    fn cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) {
        live(|_| Ok(()))?;
        // SAFETY: the caller's pointers.
        unsafe { put(least, 0).and(put(greatest, 0)) }
    }

    /// Parse a PTX text.
    fn cuModuleLoadData(out: *mut usize, image: *const c_void) {
        let h = live(|s| load(s, image))?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, h) }
    }

    /// The same; of the options only the two logs are used.
    fn cuModuleLoadDataEx(out: *mut usize, image: *const c_void, n: c_uint, options: *const c_uint, values: *const usize) {
        let result = live(|s| load(s, image));
        let option = |which: c_uint| {
            // SAFETY: both arrays have n entries.
            (0..n as usize).find(|&i| unsafe { *options.add(i) } == which).map(|i| unsafe { *values.add(i) })
        };
        let text = if result.is_ok() { String::new() } else { with(|s| s.text.clone()) };
        // Information log and error log, each with its size.
        for (buffer, size, text) in [(3, 4, ""), (5, 6, text.as_str())] {
            if let (Some(b), Some(n)) = (option(buffer), option(size)) {
                // SAFETY: the caller's buffer of this size.
                unsafe { put_text(b as *mut c_char, n & 0xffff_ffff, text) };
            }
        }
        // SAFETY: the caller's pointer.
        unsafe { put(out, result?) }
    }

    /// Forget a module; its functions become invalid.
    fn cuModuleUnload(module: usize) {
        live(|s| {
            let m = s.modules.remove(&module).ok_or(INVALID_HANDLE)?;
            s.functions.retain(|_, f| !Arc::ptr_eq(&f.module, &m));
            Ok(())
        })
    }

    /// A kernel by its name.
    fn cuModuleGetFunction(out: *mut usize, module: usize, name: *const c_char) {
        if name.is_null() {
            return Err(INVALID_VALUE);
        }
        // SAFETY: a C string by contract.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
        let h = live(|s| {
            let module = s.modules.get(&module).ok_or(INVALID_HANDLE)?.clone();
            if !module.kernels().any(|k| k == name) {
                return s.refuse(NOT_FOUND, format!("the module has no kernel {name}"));
            }
            let h = s.handle();
            s.functions.insert(h, Function { module, name, dynamic: 48 << 10 });
            Ok(h)
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, h) }
    }

    /// Threads per block, shared memory; 0 registers, as nothing is assembled.
    fn cuFuncGetAttribute(out: *mut c_int, which: c_uint, function: usize) {
        let v = live(|s| {
            let f = s.functions.get(&function).ok_or(INVALID_HANDLE)?;
            Ok(match which {
                0 => f.module.max_threads(&f.name).unwrap_or(0),
                1 => f.module.static_shared(&f.name).unwrap_or(0),
                5 => f.module.version().0 * 10 + f.module.version().1,
                6 => capability(),
                8 => f.dynamic,
                _ => 0,
            })
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, v as c_int) }
    }

    /// Only the limit of dynamic shared memory has an effect.
    fn cuFuncSetAttribute(function: usize, which: c_uint, value: c_int) {
        live(|s| {
            let f = s.functions.get_mut(&function).ok_or(INVALID_HANDLE)?;
            if which == 8 {
                let limit = (227 << 10) - f.module.static_shared(&f.name).unwrap_or(0);
                f.dynamic = u32::try_from(value).ok().filter(|&v| v <= limit).ok_or(INVALID_VALUE as Code)?;
            }
            Ok(())
        })
    }

    /// No effect.
    fn cuFuncSetCacheConfig(function: usize, _config: c_uint) {
        live(|s| s.functions.get(&function).map(|_| ()).ok_or(INVALID_HANDLE))
    }

    /// By threads and shared memory.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(out: *mut c_int, function: usize, threads: c_int, dynamic: usize) {
        let n = live(|s| {
            let f = s.functions.get(&function).ok_or(INVALID_HANDLE)?;
            Ok(occupancy(f, threads.max(0) as u32, dynamic.min(1 << 20) as u32))
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, n as c_int) }
    }
}
