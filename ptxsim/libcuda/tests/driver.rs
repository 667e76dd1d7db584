//! The driver functions through their C interface, as a loader would call them.
#![allow(non_snake_case, clippy::unwrap_used)]
// Every block calls the functions under test with pointers to locals.
#![allow(clippy::undocumented_unsafe_blocks)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard, PoisonError};

// Links the library, whose symbols are declared below.
use ptxsim_libcuda as _;

unsafe extern "C" {
    fn ptxsim_fault_text(buffer: *mut c_char, size: usize) -> u32;
    fn ptxsim_reset() -> u32;
    fn ptxsim_waits(out: *mut u64) -> u32;
    fn ptxsim_crossed(out: *mut u64) -> u32;
    fn cuInit(flags: u32) -> u32;
    fn cuDriverGetVersion(out: *mut i32) -> u32;
    fn cuDeviceGet(out: *mut i32, ordinal: i32) -> u32;
    fn cuDeviceGetCount(out: *mut i32) -> u32;
    fn cuDeviceGetName(out: *mut c_char, size: i32, dev: i32) -> u32;
    fn cuDeviceGetAttribute(out: *mut i32, which: u32, dev: i32) -> u32;
    fn cuDevicePrimaryCtxRetain(out: *mut usize, dev: i32) -> u32;
    fn cuDevicePrimaryCtxReset_v2(dev: i32) -> u32;
    fn cuCtxSetCurrent(ctx: usize) -> u32;
    fn cuCtxSynchronize() -> u32;
    fn cuModuleLoadData(out: *mut usize, image: *const c_char) -> u32;
    fn cuModuleLoadDataEx(out: *mut usize, image: *const c_char, n: u32, o: *const u32, v: *const usize) -> u32;
    fn cuModuleUnload(module: usize) -> u32;
    fn cuModuleGetFunction(out: *mut usize, module: usize, name: *const c_char) -> u32;
    fn cuFuncGetAttribute(out: *mut i32, which: u32, f: usize) -> u32;
    fn cuFuncSetAttribute(f: usize, which: u32, value: i32) -> u32;
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(out: *mut i32, f: usize, threads: i32, dynamic: usize) -> u32;
    fn cuMemAlloc_v2(out: *mut u64, bytes: usize) -> u32;
    fn cuMemFree_v2(p: u64) -> u32;
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> u32;
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> u32;
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> u32;
    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> u32;
    fn cuMemsetD8_v2(to: u64, value: u8, count: usize) -> u32;
    fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: usize) -> u32;
    fn cuStreamCreate(out: *mut usize, flags: u32) -> u32;
    fn cuStreamDestroy_v2(stream: usize) -> u32;
    fn cuStreamSynchronize(stream: usize) -> u32;
    fn cuStreamWaitEvent(stream: usize, event: usize, flags: u32) -> u32;
    fn cuStreamBeginCapture_v2(stream: usize, mode: u32) -> u32;
    fn cuStreamEndCapture(stream: usize, out: *mut usize) -> u32;
    fn cuStreamIsCapturing(stream: usize, out: *mut u32) -> u32;
    fn cuEventCreate(out: *mut usize, flags: u32) -> u32;
    fn cuEventRecord(event: usize, stream: usize) -> u32;
    fn cuEventElapsedTime(out: *mut f32, a: usize, b: usize) -> u32;
    fn cuGraphGetNodes(graph: usize, nodes: *mut c_void, count: *mut usize) -> u32;
    fn cuGraphInstantiateWithFlags(out: *mut usize, graph: usize, flags: u64) -> u32;
    fn cuGraphLaunch(exec: usize, stream: usize) -> u32;
    fn cuGraphDestroy(graph: usize) -> u32;
    fn cuGraphExecDestroy(exec: usize) -> u32;
    fn cuGetErrorName(code: u32, out: *mut *const c_char) -> u32;
    fn cuGetProcAddress_v2(name: *const c_char, out: *mut *const c_void, v: i32, flags: u64, status: *mut u32) -> u32;
    fn cuLaunchKernel(
        f: usize,
        gx: u32,
        gy: u32,
        gz: u32,
        bx: u32,
        by: u32,
        bz: u32,
        shared: u32,
        stream: usize,
        params: *const *const u8,
        extra: *const *const c_void,
    ) -> u32;
    fn cuLaunchCooperativeKernel(
        f: usize,
        gx: u32,
        gy: u32,
        gz: u32,
        bx: u32,
        by: u32,
        bz: u32,
        shared: u32,
        stream: usize,
        params: *const *const u8,
    ) -> u32;
}

/// Adds `s` to each of n floats; a cooperative launch is one whose kernel does not care.
const TEXT: &str = r#"
.version 7.0
.target sm_80
.address_size 64
.extern .shared .align 4 .b8 dyn[];
.visible .entry add(.param .u64 x, .param .f32 s, .param .u32 n)
{
    .reg .u64 %x;
    .reg .u32 %i, %n, %b;
    .reg .f32 %v, %s;
    .reg .pred %p;
    ld.param.u64 %x, [x];
    ld.param.f32 %s, [s];
    ld.param.u32 %n, [n];
    mov.u32 %i, %ctaid.x;
    mov.u32 %b, %ntid.x;
    mul.lo.u32 %i, %i, %b;
    mov.u32 %b, %tid.x;
    add.u32 %i, %i, %b;
    setp.ge.u32 %p, %i, %n;
    @%p ret;
    mad.wide.u32 %x, %i, 4, %x;
    ld.global.f32 %v, [%x];
    add.rn.f32 %v, %v, %s;
    st.global.f32 [%x], %v;
    ret;
}
"#;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Everything fresh, with a current context.
fn fresh() -> MutexGuard<'static, ()> {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ctx = 0;
    unsafe {
        assert_eq!(ptxsim_reset(), 0);
        assert_eq!(cuInit(0), 0);
        assert_eq!(cuDevicePrimaryCtxRetain(&mut ctx, 0), 0);
        assert_eq!(cuCtxSetCurrent(ctx), 0);
    }
    guard
}

fn text() -> String {
    let mut b = [0; 400];
    unsafe { ptxsim_fault_text(b.as_mut_ptr(), b.len()) };
    unsafe { CStr::from_ptr(b.as_ptr()) }.to_str().unwrap().to_string()
}

fn function() -> (usize, usize) {
    let (mut m, mut f) = (0, 0);
    let image = CString::new(TEXT).unwrap();
    unsafe {
        assert_eq!(cuModuleLoadData(&mut m, image.as_ptr()), 0, "{}", text());
        assert_eq!(cuModuleGetFunction(&mut f, m, c"add".as_ptr()), 0);
    }
    (m, f)
}

fn upload(x: &[f32]) -> u64 {
    let mut p = 0;
    unsafe {
        assert_eq!(cuMemAlloc_v2(&mut p, 4 * x.len()), 0);
        assert_eq!(cuMemcpyHtoD_v2(p, x.as_ptr().cast(), 4 * x.len()), 0);
    }
    p
}

fn download(p: u64, n: usize) -> Result<Vec<f32>, u32> {
    let mut x = vec![0f32; n];
    match unsafe { cuMemcpyDtoH_v2(x.as_mut_ptr().cast(), p, 4 * n) } {
        0 => Ok(x),
        code => Err(code),
    }
}

fn launch(f: usize, blocks: u32, stream: usize, p: u64, s: f32, n: u32) -> u32 {
    let params: [*const u8; 3] = [(&raw const p).cast(), (&raw const s).cast(), (&raw const n).cast()];
    unsafe { cuLaunchKernel(f, blocks, 1, 1, 32, 1, 1, 0, stream, params.as_ptr(), null()) }
}

#[test]
fn device_and_context() {
    let _guard = fresh();
    let mut v = 0;
    let mut name = [0; 32];
    unsafe {
        assert_eq!((cuDriverGetVersion(&mut v), v), (0, 12080));
        assert_eq!((cuDeviceGetCount(&mut v), v), (0, 1));
        assert_eq!((cuDeviceGet(&mut v, 0), v), (0, 0));
        assert_eq!(cuDeviceGet(&mut v, 1), 101);
        assert_eq!((cuDeviceGetAttribute(&mut v, 75, 0), v), (0, 8));
        assert_eq!((cuDeviceGetAttribute(&mut v, 10, 0), v), (0, 32));
        assert_eq!(cuDeviceGetName(name.as_mut_ptr(), 4, 0), 0);
        assert_eq!(CStr::from_ptr(name.as_ptr()), c"ptx");
        let mut out = null();
        assert_eq!(cuGetErrorName(700, &mut out), 0);
        assert_eq!(CStr::from_ptr(out), c"CUDA_ERROR_ILLEGAL_ADDRESS");
        assert_eq!(cuGetErrorName(12345, &mut out), 1);
        assert_eq!(cuCtxSetCurrent(99), 201);
        // Without a context nothing works.
        assert_eq!(cuCtxSetCurrent(0), 0);
        assert_eq!(cuMemAlloc_v2(&mut 0, 4), 201);
    }
}

#[test]
fn launch_copy_and_attributes() {
    let _guard = fresh();
    let (m, f) = function();
    let p = upload(&[1.0; 70]);
    assert_eq!(launch(f, 3, 0, p, 0.5, 70), 0);
    assert_eq!(download(p, 70).unwrap(), [1.5; 70]);
    let (mut v, mut free, mut total, mut q) = (0, 0, 0, 0);
    let zero = 0u32;
    unsafe {
        assert_eq!((cuFuncGetAttribute(&mut v, 0, f), v), (0, 1024));
        assert_eq!((cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut v, f, 1024, 0), v), (0, 2));
        assert_eq!((cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut v, f, 32, 100 << 10), v), (0, 2));
        assert_eq!((cuMemGetInfo_v2(&mut free, &mut total), total - free), (0, 280));
        assert_eq!(cuMemAlloc_v2(&mut q, 280), 0);
        assert_eq!(cuMemcpyDtoD_v2(q, p, 280), 0);
        assert_eq!(cuMemsetD8_v2(p, 0, 4), 0);
        assert_eq!(cuMemsetD32Async(p + 4, 0x3f80_0000, 2, 0), 0);
        assert_eq!(download(p, 4).unwrap(), [0.0, 1.0, 1.0, 1.5]);
        assert_eq!(download(q, 1).unwrap(), [1.5]);
        assert_eq!(cuMemAlloc_v2(&mut q, 9 << 30), 2);
        assert_eq!(cuMemFree_v2(p + 4), 1);
        assert_eq!(cuMemFree_v2(p), 0);
        assert_eq!(download(p, 1).unwrap_err(), 1);
        // Dynamic shared memory beyond 48 KiB must be asked for.
        let params: [*const u8; 3] = [(&raw const q).cast(), (&raw const q).cast(), (&raw const zero).cast()];
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 50000, 0, params.as_ptr(), null()), 1);
        assert_eq!(cuFuncSetAttribute(f, 8, 60000), 0);
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 50000, 0, params.as_ptr(), null()), 0);
        assert_eq!(cuFuncSetAttribute(f, 8, 300_000), 1);
        assert_eq!(cuLaunchKernel(f, 1, 1, 1, 2000, 1, 1, 0, 0, params.as_ptr(), null()), 1);
        assert_eq!(cuLaunchCooperativeKernel(f, 4 * 2, 1, 1, 1024, 1, 1, 0, 0, params.as_ptr()), 0);
        assert_eq!(cuLaunchCooperativeKernel(f, 4 * 2 + 1, 1, 1, 1024, 1, 1, 0, 0, params.as_ptr()), 720);
        assert_eq!(cuModuleUnload(m), 0);
        assert_eq!(launch(f, 1, 0, p, 0.5, 0), 400);
    }
}

#[test]
fn a_fault_sticks_until_the_reset() {
    let _guard = fresh();
    let (_, f) = function();
    let p = upload(&[1.0; 32]);
    assert_eq!(launch(f, 2, 0, p, 0.5, 33), 0);
    assert_eq!(unsafe { cuCtxSynchronize() }, 700);
    assert_eq!(download(p, 1).unwrap_err(), 700);
    assert_eq!(launch(f, 1, 0, p, 0.5, 1), 700);
    assert!(text().contains("OutOfBounds in add at line 23"), "{}", text());
    unsafe {
        assert_eq!(cuDevicePrimaryCtxReset_v2(0), 0);
        assert_eq!(cuCtxSynchronize(), 0);
    }
    // Misaligned, and uninitialised.
    let (_, f) = function();
    let p = upload(&[1.0; 32]);
    assert_eq!((launch(f, 1, 0, p + 2, 0.5, 1), unsafe { cuCtxSynchronize() }), (0, 716));
    unsafe { ptxsim_reset() };
    let (_, f) = function();
    let mut p = 0;
    unsafe { cuMemAlloc_v2(&mut p, 64) };
    assert_eq!((launch(f, 1, 0, p, 0.5, 1), unsafe { cuCtxSynchronize() }), (0, 719));
}

#[test]
fn modules_that_cannot_be() {
    let _guard = fresh();
    let load = |t: &str| unsafe { cuModuleLoadData(&mut 0, CString::new(t).unwrap().as_ptr()) };
    assert_eq!(load("no ptx"), 218);
    assert_eq!(load("\x7fELF"), 200);
    assert_eq!(load(&TEXT.replace("sm_80", "sm_90")), 218);
    assert_eq!(load(&TEXT.replace(".version 7.0", ".version 9.0")), 222);
    let bad = CString::new(TEXT.replace("add.rn.f32", "add.rn.f16")).unwrap();
    let mut log = [1; 200];
    let (options, values) = ([5, 6], [log.as_mut_ptr() as usize, log.len()]);
    let code = unsafe { cuModuleLoadDataEx(&mut 0, bad.as_ptr(), 2, options.as_ptr(), values.as_ptr()) };
    let log = unsafe { CStr::from_ptr(log.as_ptr()) }.to_str().unwrap();
    assert!(code == 218 && log.contains("line 24"), "{code} {log}");
    let (m, _) = function();
    assert_eq!(unsafe { cuModuleGetFunction(&mut 0, m, c"sub".as_ptr()) }, 500);
}

#[test]
fn graphs_and_streams() {
    let _guard = fresh();
    let (_, f) = function();
    let p = upload(&[1.0; 32]);
    let (mut a, mut b, mut e, mut g, mut x, mut n, mut yes) = (0, 0, 0, 0, 0, 0, 0);
    unsafe {
        assert_eq!((cuStreamCreate(&mut a, 1), cuStreamCreate(&mut b, 1), cuEventCreate(&mut e, 2)), (0, 0, 0));
        assert_eq!(cuStreamBeginCapture_v2(0, 0), 900);
        assert_eq!(cuStreamBeginCapture_v2(a, 0), 0);
        assert_eq!((cuStreamIsCapturing(a, &mut yes), yes), (0, 1));
        assert_eq!(launch(f, 1, a, p, 1.0, 32), 0);
        // Fork into b and back.
        assert_eq!((cuEventRecord(e, a), cuStreamWaitEvent(b, e, 0)), (0, 0));
        assert_eq!(launch(f, 1, b, p, 2.0, 32), 0);
        assert_eq!((cuEventRecord(e, b), cuStreamWaitEvent(a, e, 0)), (0, 0));
        assert_eq!(cuStreamEndCapture(a, &mut g), 0);
        assert_eq!((cuStreamIsCapturing(b, &mut yes), yes), (0, 0));
        assert_eq!((cuGraphGetNodes(g, null_mut(), &mut n), n), (0, 2));
        assert_eq!(download(p, 32).unwrap(), [1.0; 32], "recorded, not done");
        assert_eq!((cuGraphInstantiateWithFlags(&mut x, g, 0), cuGraphDestroy(g)), (0, 0));
        for k in 1..4 {
            assert_eq!(cuGraphLaunch(x, a), 0);
            assert_eq!(download(p, 32).unwrap(), [1.0 + 3.0 * k as f32; 32]);
        }
        assert_eq!((cuGraphExecDestroy(x), cuGraphLaunch(x, a)), (0, 400));
        let (mut e2, mut ms) = (0, -1.0);
        assert_eq!((cuEventCreate(&mut e2, 0), cuEventRecord(e, a), cuEventRecord(e2, a)), (0, 0, 0));
        assert_eq!((cuEventElapsedTime(&mut ms, e, e2), ms >= 0.0), (0, true));
        assert_eq!((cuStreamDestroy_v2(b), cuStreamSynchronize(b)), (0, 400));
    }
}

/// What `call` returns during a capture in this mode on a stream with these flags, by the capturing thread or another one; and what the
/// stream's status and the end of the capture are then.
fn during(mode: u32, flags: u32, other: bool, call: impl Fn(usize, u64) -> u32 + Sync) -> [u32; 3] {
    let (_, f) = function();
    let p = upload(&[0.0; 32]);
    let (mut stream, mut g, mut status) = (0, 7, 9);
    unsafe {
        assert_eq!((cuStreamCreate(&mut stream, flags), cuStreamBeginCapture_v2(stream, mode)), (0, 0));
        assert_eq!(launch(f, 1, stream, p, 1.0, 32), 0);
        let answer = || {
            assert_eq!(cuCtxSetCurrent(0x10), 0);
            call(stream, p)
        };
        let code = if other { std::thread::scope(|s| s.spawn(answer).join().unwrap()) } else { answer() };
        assert_eq!(cuStreamIsCapturing(stream, &mut status), 0);
        let more = launch(f, 1, stream, p, 1.0, 32);
        assert_eq!(more, if status == 2 { 901 } else { 0 }, "a launch into the capture");
        let end = cuStreamEndCapture(stream, &mut g);
        assert_eq!(g == 0, end != 0, "the graph of a capture that ended with {end}");
        // It may be captured again.
        assert_eq!((cuStreamBeginCapture_v2(stream, mode), cuStreamEndCapture(stream, &mut g)), (0, 0));
        assert_eq!(cuStreamDestroy_v2(stream), 0);
        [code, status, end]
    }
}

#[test]
fn captures_are_as_strict_as_their_mode() {
    let _guard = fresh();
    let [global, local, relaxed] = [0, 1, 2];
    const NON_BLOCKING: u32 = 1;
    let (fine, spoilt) = ([0, 1, 0], [900, 2, 901]);
    let allocate = |_, _| unsafe { cuMemAlloc_v2(&mut 0, 4) };
    let free = |_, _| {
        // One that is not there is another error; what matters is which comes first.
        let code = unsafe { cuMemFree_v2(12) };
        if code == 1 { 0 } else { code }
    };
    let load = |_, _| {
        let text = CString::new(TEXT).unwrap();
        unsafe { cuModuleLoadData(&mut 0, text.as_ptr()) }
    };
    let copy = |_, p| unsafe { cuMemcpyDtoH_v2([0.0_f32; 4].as_mut_ptr().cast(), p, 16) };
    let calls: [&(dyn Fn(usize, u64) -> u32 + Sync); 4] = [&allocate, &free, &load, &copy];
    for call in calls {
        for (mode, other, expected) in [
            (global, false, spoilt),
            (global, true, spoilt),
            (local, false, spoilt),
            (local, true, fine),
            (relaxed, false, fine),
            (relaxed, true, fine),
        ] {
            assert_eq!(during(mode, NON_BLOCKING, other, call), expected, "mode {mode}, other thread: {other}");
        }
    }
    // Whatever the mode: waiting for the context or for the stream, and the end in another thread.
    for mode in [global, local, relaxed] {
        for other in [false, true] {
            assert_eq!(during(mode, NON_BLOCKING, other, |_, _| unsafe { cuCtxSynchronize() }), spoilt);
            assert_eq!(during(mode, NON_BLOCKING, other, |stream, _| unsafe { cuStreamSynchronize(stream) }), spoilt);
            // The legacy stream waits for the blocking streams alone.
            let legacy = |_, p| unsafe { cuMemsetD32Async(p, 0, 1, 0) };
            assert_eq!(during(mode, NON_BLOCKING, other, legacy), fine);
            assert_eq!(during(mode, 0, other, legacy), [906, 2, 901]);
            assert_eq!(during(mode, 0, other, |_, p| unsafe { cuMemsetD32Async(p, 0, 1, 2) }), fine);
        }
        let end = |stream, _| unsafe { cuStreamEndCapture(stream, &mut 0) };
        if mode != relaxed {
            assert_eq!(during(mode, NON_BLOCKING, true, end), [908, 1, 0]);
        }
        assert_eq!(during(mode, 0, false, copy)[0], 906);
    }
    assert_eq!(unsafe { cuStreamBeginCapture_v2(0, 3) }, 1);
}

#[test]
fn waits_are_counted() {
    let _guard = fresh();
    let (mut before, mut after, mut stream) = (0, 0, 0);
    let p = upload(&[0.0; 32]);
    unsafe {
        assert_eq!((cuStreamCreate(&mut stream, 1), ptxsim_waits(&mut before)), (0, 0));
        assert_eq!(cuMemsetD32Async(p, 0, 1, stream), 0);
        assert_eq!((cuStreamSynchronize(stream), cuCtxSynchronize()), (0, 0));
        assert_eq!(cuMemcpyDtoH_v2([0.0_f32; 4].as_mut_ptr().cast(), p, 16), 0);
        assert_eq!((ptxsim_waits(&mut after), after - before), (0, 3));
    }
}

#[test]
fn bytes_between_host_and_device_are_counted() {
    let _guard = fresh();
    let (mut before, mut after) = (0, 0);
    let p = upload(&[0.0; 32]);
    unsafe {
        assert_eq!(ptxsim_crossed(&mut before), 0);
        assert_eq!(cuMemcpyDtoD_v2(p, p + 64, 64), 0);
        assert_eq!(cuMemcpyHtoD_v2(p, [0.0_f32; 4].as_ptr().cast(), 16), 0);
        assert_eq!(cuMemcpyDtoH_v2([0.0_f32; 2].as_mut_ptr().cast(), p, 8), 0);
        assert_eq!((ptxsim_crossed(&mut after), after - before), (0, 24));
    }
}

#[test]
fn functions_by_name() {
    let _guard = fresh();
    let get = |name: &CStr| unsafe {
        let (mut p, mut status) = (null(), 9);
        let code = cuGetProcAddress_v2(name.as_ptr(), &mut p, 12000, 0, &mut status);
        (code, p, status)
    };
    assert_eq!(get(c"cuMemAlloc"), (0, cuMemAlloc_v2 as *const c_void, 0));
    assert_eq!(get(c"cuMemAlloc_v2"), (0, cuMemAlloc_v2 as *const c_void, 0));
    assert_eq!(get(c"cuLaunchKernel"), (0, cuLaunchKernel as *const c_void, 0));
    assert_eq!(get(c"cuNothing"), (500, null(), 1));
}
