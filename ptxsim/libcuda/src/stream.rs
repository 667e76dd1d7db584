//! Streams, events, graphs and launches.

use std::ffi::{c_int, c_uint, c_void};
use std::thread;
use std::time::Instant;

use ptxsim::{Arg, LaunchConfig};

use crate::context::resident;
use crate::{
    CAPTURE, Capture, Event, INVALID_HANDLE, INVALID_VALUE, INVALIDATED, Mode, NOT_SUPPORTED, Node, Outcome, State,
    Stream, WRONG_THREAD, export, live, put, setting,
};

/// `CUlaunchConfig`.
#[repr(C)]
pub struct LaunchConfigEx {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared: c_uint,
    stream: usize,
    attributes: *const Attribute,
    count: c_uint,
}

/// `CUlaunchAttribute`: a number and a union of 64 bytes.
#[repr(C)]
pub struct Attribute {
    id: c_uint,
    pad: [u8; 4],
    value: [c_int; 16],
}

/// `CU_LAUNCH_ATTRIBUTE_COOPERATIVE`; the only one that is supported.
const COOPERATIVE: c_uint = 2;

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: c_uint = 1;

fn known(s: &State, stream: usize) -> Outcome {
    if stream <= 2 || s.streams.contains_key(&stream) { Ok(()) } else { Err(INVALID_HANDLE) }
}

/// # Safety
/// `params` has a valid pointer for each parameter of the kernel.
unsafe fn launch(
    function: usize,
    (grid, block): ([c_uint; 3], [c_uint; 3]),
    shared: c_uint,
    stream: usize,
    params: *const *const u8,
    cooperative: bool,
) -> Outcome {
    live(|s| {
        let f = s.functions.get(&function).ok_or(INVALID_HANDLE)?.clone();
        let sizes = f.module.parameters(&f.name).ok_or(INVALID_HANDLE)?;
        if params.is_null() && !sizes.is_empty() {
            return s.refuse(INVALID_VALUE, format!("{} takes {} arguments", f.name, sizes.len()));
        }
        let mut args = Vec::with_capacity(sizes.len());
        for (i, &(_, n)) in sizes.iter().enumerate() {
            // SAFETY: one valid pointer per parameter.
            let p = unsafe { *params.add(i) };
            if p.is_null() {
                return s.refuse(INVALID_VALUE, format!("argument {i} of {} is null", f.name));
            }
            // SAFETY: it points to a value of the parameter's size.
            args.push(Arg::Bytes(unsafe { std::slice::from_raw_parts(p, n) }.to_vec()));
        }
        if shared > f.dynamic {
            return s.refuse(INVALID_VALUE, format!("{shared} bytes of dynamic shared memory, {} allowed", f.dynamic));
        }
        let threads = block.iter().fold(1u32, |a, &b| a.saturating_mul(b));
        let blocks = grid.iter().fold(1u32, |a, &b| a.saturating_mul(b));
        if cooperative && blocks > resident(&f, threads, shared) {
            let most = resident(&f, threads, shared);
            return s.refuse(720, format!("{blocks} cooperative blocks, {most} are resident"));
        }
        let mut config = LaunchConfig::new(grid, block);
        (config.shared_bytes, config.cooperative) = (shared, cooperative);
        config.seed = setting("PTXSIM_SEED", 0);
        config.step_budget = setting("PTXSIM_STEPS", config.step_budget);
        s.submit(stream, Node::Launch { function: f, config, args })
    })
}

/// Whether an event is known, and of no capture.
fn outside(s: &mut State, event: usize) -> Outcome {
    match s.events.get(&event).ok_or(INVALID_HANDLE)?.graph.and_then(|graph| s.captures.get_mut(&graph)) {
        Some(capture) => {
            capture.valid = false;
            Err(CAPTURE)
        }
        None => Ok(()),
    }
}

fn new_stream(out: *mut usize, flags: c_uint) -> Outcome {
    let h = live(|s| {
        let h = s.handle();
        s.streams.insert(h, Stream { blocking: flags & NON_BLOCKING == 0, graph: None });
        Ok(h)
    })?;
    // SAFETY: the caller's pointer.
    unsafe { put(out, h) }
}

fn milliseconds(out: *mut f32, start: usize, end: usize) -> Outcome {
    let t = live(|s| {
        let time = |e| s.events.get(&e).ok_or(INVALID_HANDLE)?.time.ok_or(INVALID_HANDLE);
        Ok(time(end)?.saturating_duration_since(time(start)?).as_secs_f32() * 1e3)
    })?;
    // SAFETY: the caller's pointer.
    unsafe { put(out, t) }
}

export! {
    /// A stream.
    fn cuStreamCreate(out: *mut usize, flags: c_uint) {
        new_stream(out, flags)
    }

    /// A stream; the priority has no effect.
    fn cuStreamCreateWithPriority(out: *mut usize, flags: c_uint, _priority: c_int) {
        new_stream(out, flags)
    }

    /// Forget it.
    fn cuStreamDestroy_v2(stream: usize) {
        live(|s| s.streams.remove(&stream).map(|_| ()).ok_or(INVALID_HANDLE))
    }

    /// Nothing to wait for; tells a fault.
    fn cuStreamSynchronize(stream: usize) {
        live(|s| {
            s.waits += 1;
            s.settled(stream)
        })
    }

    /// Always done, unless it is captured.
    fn cuStreamQuery(stream: usize) {
        live(|s| s.settled(stream))
    }

    /// Order is kept anyway; in a capture the waiting stream joins that of the event.
    fn cuStreamWaitEvent(stream: usize, event: usize, _flags: c_uint) {
        live(|s| {
            known(s, stream)?;
            let graph = s.events.get(&event).ok_or(INVALID_HANDLE)?.graph;
            match (graph, s.streams.get_mut(&stream).map(|own| &mut own.graph)) {
                (Some(_), None) => Err(CAPTURE),
                (Some(g), Some(own)) if own.is_none_or(|o| o == g) => {
                    *own = Some(g);
                    Ok(())
                }
                (None, Some(None)) | (None, None) => Ok(()),
                // Waiting inside a capture for what lies outside, or in another one.
                _ => Err(CAPTURE),
            }
        })
    }

    /// Begin to record instead of doing; not on the default streams.
    fn cuStreamBeginCapture_v2(stream: usize, mode: c_uint) {
        let mode = match mode {
            0 => Mode::Global,
            1 => Mode::ThreadLocal,
            2 => Mode::Relaxed,
            _ => return Err(INVALID_VALUE),
        };
        live(|s| {
            known(s, stream)?;
            let g = s.handle();
            match s.streams.get_mut(&stream) {
                Some(own) if own.graph.is_none() => own.graph = Some(g),
                _ => return Err(CAPTURE),
            }
            s.graphs.insert(g, Vec::new());
            s.captures.insert(g, Capture { mode, thread: thread::current().id(), valid: true });
            Ok(())
        })
    }

    /// The graph that was recorded; null where something was attempted that cannot be.
    fn cuStreamEndCapture(stream: usize, out: *mut usize) {
        let (g, valid) = live(|s| {
            let g = s.graph(stream).ok_or(INVALID_VALUE)?;
            let capture = s.captures.get(&g).ok_or(INVALID_VALUE)?;
            if capture.mode != Mode::Relaxed && capture.thread != thread::current().id() {
                return Err(WRONG_THREAD);
            }
            let valid = capture.valid;
            s.captures.remove(&g);
            s.streams.values_mut().filter(|own| own.graph == Some(g)).for_each(|own| own.graph = None);
            s.events.values_mut().filter(|e| e.graph == Some(g)).for_each(|e| e.graph = None);
            if !valid {
                s.graphs.remove(&g);
            }
            Ok((g, valid))
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, if valid { g } else { 0 }) }?;
        if valid { Ok(()) } else { Err(INVALIDATED) }
    }

    /// 0; 1 while it is captured; 2 once that has been spoilt.
    fn cuStreamIsCapturing(stream: usize, out: *mut c_uint) {
        let status = live(|s| {
            known(s, stream)?;
            let capture = s.graph(stream).and_then(|g| s.captures.get(&g));
            Ok(capture.map_or(0, |capture| if capture.valid { 1 } else { 2 }))
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, status) }
    }

    /// An event.
    fn cuEventCreate(out: *mut usize, _flags: c_uint) {
        let h = live(|s| {
            let h = s.handle();
            s.events.insert(h, Event { time: None, graph: None });
            Ok(h)
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, h) }
    }

    /// Forget it.
    fn cuEventDestroy_v2(event: usize) {
        live(|s| s.events.remove(&event).map(|_| ()).ok_or(INVALID_HANDLE))
    }

    /// Note the time, or the capture.
    fn cuEventRecord(event: usize, stream: usize) {
        live(|s| {
            known(s, stream)?;
            let graph = s.graph(stream);
            let e = s.events.get_mut(&event).ok_or(INVALID_HANDLE)?;
            *e = Event { time: if graph.is_none() { Some(Instant::now()) } else { None }, graph };
            Ok(())
        })
    }

    /// Nothing to wait for; not for one of a capture.
    fn cuEventSynchronize(event: usize) {
        live(|s| {
            s.waits += 1;
            outside(s, event)
        })
    }

    /// Always done, unless it is one of a capture.
    fn cuEventQuery(event: usize) {
        live(|s| outside(s, event))
    }

    /// The simulator's own time.
    fn cuEventElapsedTime(out: *mut f32, start: usize, end: usize) {
        milliseconds(out, start, end)
    }

    /// The same.
    fn cuEventElapsedTime_v2(out: *mut f32, start: usize, end: usize) {
        milliseconds(out, start, end)
    }

    /// A graph that can be launched.
    fn cuGraphInstantiateWithFlags(out: *mut usize, graph: usize, _flags: u64) {
        let h = live(|s| {
            let nodes = s.graphs.get(&graph).ok_or(INVALID_HANDLE)?.clone();
            let h = s.handle();
            s.execs.insert(h, nodes);
            Ok(h)
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, h) }
    }

    /// No effect.
    fn cuGraphUpload(exec: usize, stream: usize) {
        live(|s| known(s, stream).and(s.execs.get(&exec).map(|_| ()).ok_or(INVALID_HANDLE)))
    }

    /// Do what was recorded, in that order.
    fn cuGraphLaunch(exec: usize, stream: usize) {
        live(|s| {
            for node in s.execs.get(&exec).ok_or(INVALID_HANDLE)?.clone() {
                s.submit(stream, node)?;
                if s.fault.is_some() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Forget it.
    fn cuGraphExecDestroy(exec: usize) {
        live(|s| s.execs.remove(&exec).map(|_| ()).ok_or(INVALID_HANDLE))
    }

    /// Forget it.
    fn cuGraphDestroy(graph: usize) {
        live(|s| s.graphs.remove(&graph).map(|_| ()).ok_or(INVALID_HANDLE))
    }

    /// Number of nodes; the nodes themselves have no handles here.
    fn cuGraphGetNodes(graph: usize, nodes: *mut c_void, count: *mut usize) {
        if !nodes.is_null() {
            return Err(NOT_SUPPORTED);
        }
        let n = live(|s| Ok(s.graphs.get(&graph).ok_or(INVALID_HANDLE)?.len()))?;
        // SAFETY: the caller's pointer.
        unsafe { put(count, n) }
    }

    /// Launch a kernel; its fault shows in the next call.
    fn cuLaunchKernel(
        f: usize, gx: c_uint, gy: c_uint, gz: c_uint, bx: c_uint, by: c_uint, bz: c_uint, shared: c_uint, stream: usize,
        params: *const *const u8, extra: *const *const c_void,
    ) {
        if !extra.is_null() {
            return Err(NOT_SUPPORTED);
        }
        // SAFETY: the caller's parameters.
        unsafe { launch(f, ([gx, gy, gz], [bx, by, bz]), shared, stream, params, false) }
    }

    /// The same with all blocks resident.
    fn cuLaunchCooperativeKernel(
        f: usize, gx: c_uint, gy: c_uint, gz: c_uint, bx: c_uint, by: c_uint, bz: c_uint, shared: c_uint, stream: usize,
        params: *const *const u8,
    ) {
        // SAFETY: the caller's parameters.
        unsafe { launch(f, ([gx, gy, gz], [bx, by, bz]), shared, stream, params, true) }
    }

    /// The same with attributes, of which only the cooperative one is known.
    fn cuLaunchKernelEx(config: *const LaunchConfigEx, f: usize, params: *const *const u8, extra: *const *const c_void) {
        if config.is_null() {
            return Err(INVALID_VALUE);
        }
        if !extra.is_null() {
            return Err(NOT_SUPPORTED);
        }
        // SAFETY: not null, so the caller's configuration.
        let c = unsafe { &*config };
        let mut cooperative = false;
        for i in 0..c.count as usize {
            // SAFETY: the configuration has `count` attributes.
            let a = unsafe { &*c.attributes.add(i) };
            match a.id {
                0 => {}
                COOPERATIVE => cooperative = a.value[0] != 0,
                _ => return Err(NOT_SUPPORTED),
            }
        }
        // SAFETY: the caller's parameters.
        unsafe { launch(f, (c.grid, c.block), c.shared, c.stream, params, cooperative) }
    }
}
