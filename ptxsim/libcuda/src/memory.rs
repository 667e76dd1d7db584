//! Allocation, copies, fills.

use std::ffi::{c_uint, c_void};

use ptxsim::Ptr;

use crate::context::TOTAL;
use crate::{CAPTURE, INVALID_HANDLE, INVALID_VALUE, Node, OUT_OF_MEMORY, Outcome, State, export, live, put};

fn allocate(s: &mut State, bytes: usize) -> Outcome<u64> {
    if bytes == 0 {
        return s.refuse(INVALID_VALUE, "an allocation of 0 bytes");
    }
    if s.sizes.values().sum::<usize>().saturating_add(bytes) > TOTAL {
        return s.refuse(OUT_OF_MEMORY, format!("{bytes} more bytes exceed {TOTAL}"));
    }
    match s.device.alloc(bytes) {
        Ok(p) => {
            s.sizes.insert(p.0, bytes);
            Ok(p.0)
        }
        Err(f) => s.refuse(OUT_OF_MEMORY, f.to_string()),
    }
}

fn release(s: &mut State, p: u64) -> Outcome {
    if p == 0 {
        return Ok(());
    }
    s.sizes.remove(&p);
    match s.device.free(Ptr(p)) {
        Ok(()) => Ok(()),
        Err(f) => s.refuse(INVALID_VALUE, f.to_string()),
    }
}

/// A call that waits for the device.
fn now(node: Node) -> Outcome {
    live(|s| {
        s.legacy()?;
        s.uncapturable()?;
        s.waits += 1;
        s.perform(&node)
    })
}

fn queue(stream: usize, node: Node) -> Outcome {
    live(|s| s.submit(stream, node))
}

fn plain(s: &State, stream: usize) -> Outcome {
    match s.streams.get(&stream) {
        None if stream > 2 => Err(INVALID_HANDLE),
        Some(own) if own.graph.is_some() => Err(CAPTURE),
        _ => Ok(()),
    }
}

fn fill(to: u64, pattern: &[u8], count: usize) -> Node {
    Node::Fill { to: Ptr(to), pattern: pattern.into(), count }
}

export! {
    /// Uninitialised memory.
    fn cuMemAlloc_v2(out: *mut u64, bytes: usize) {
        let p = live(|s| s.uncapturable().and_then(|()| allocate(s, bytes)))?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, p) }
    }

    /// The same; not while the stream is captured.
    fn cuMemAllocAsync(out: *mut u64, bytes: usize, stream: usize) {
        let p = live(|s| plain(s, stream).and_then(|()| allocate(s, bytes)))?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, p) }
    }

    /// Give it back.
    fn cuMemFree_v2(p: u64) {
        live(|s| s.uncapturable().and_then(|()| release(s, p)))
    }

    /// The same; not while the stream is captured.
    fn cuMemFreeAsync(p: u64, stream: usize) {
        live(|s| plain(s, stream).and_then(|()| release(s, p)))
    }

    /// Free and total bytes.
    fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let used = live(|s| Ok(s.sizes.values().sum::<usize>()))?;
        // SAFETY: the caller's pointers.
        unsafe { put(free, TOTAL - used).and(put(total, TOTAL)) }
    }

    /// Host memory.
    fn cuMemHostAlloc(out: *mut *mut c_void, bytes: usize, _flags: c_uint) {
        let p = live(|s| {
            if bytes == 0 || bytes > TOTAL {
                return Err(INVALID_VALUE);
            }
            s.uncapturable()?;
            let mut block = vec![0u64; bytes.div_ceil(8)];
            let p = block.as_mut_ptr();
            s.pinned.insert(p as usize, block);
            Ok(p)
        })?;
        // SAFETY: the caller's pointer.
        unsafe { put(out, p.cast()) }
    }

    /// Give it back.
    fn cuMemFreeHost(p: *mut c_void) {
        live(|s| s.uncapturable().and_then(|()| s.pinned.remove(&(p as usize)).map(|_| ()).ok_or(INVALID_VALUE)))
    }

    /// Host to device.
    fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) {
        now(Node::ToDevice { to: Ptr(to), from: from as usize, bytes })
    }

    /// Device to host; bytes that were never written are a fault.
    fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) {
        now(Node::ToHost { to: to as usize, from: Ptr(from), bytes })
    }

    /// Device to device.
    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        now(Node::Within { to: Ptr(to), from: Ptr(from), bytes })
    }

    /// Host to device, in order of the stream.
    fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: usize) {
        queue(stream, Node::ToDevice { to: Ptr(to), from: from as usize, bytes })
    }

    /// Device to host, in order of the stream.
    fn cuMemcpyDtoHAsync_v2(to: *mut c_void, from: u64, bytes: usize, stream: usize) {
        queue(stream, Node::ToHost { to: to as usize, from: Ptr(from), bytes })
    }

    /// Device to device, in order of the stream.
    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: usize) {
        queue(stream, Node::Within { to: Ptr(to), from: Ptr(from), bytes })
    }

    /// Fill bytes.
    fn cuMemsetD8_v2(to: u64, value: u8, count: usize) {
        now(fill(to, &[value], count))
    }

    /// Fill 32-bit words.
    fn cuMemsetD32_v2(to: u64, value: u32, count: usize) {
        now(fill(to, &value.to_le_bytes(), count))
    }

    /// Fill bytes, in order of the stream.
    fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: usize) {
        queue(stream, fill(to, &[value], count))
    }

    /// Fill 32-bit words, in order of the stream.
    fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: usize) {
        queue(stream, fill(to, &value.to_le_bytes(), count))
    }
}
