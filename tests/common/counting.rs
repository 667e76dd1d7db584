//! An allocator that counts the allocations of each thread, and the bytes that it has not given back.
#![allow(dead_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    pub static COUNT: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get() + layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The allocations that `body` makes.
pub fn counted(mut body: impl FnMut()) -> usize {
    let before = COUNT.get();
    body();
    COUNT.get() - before
}

/// What `make` makes, and the bytes that it keeps on the heap.
pub fn kept<V>(make: impl FnOnce() -> V) -> (V, usize) {
    let before = LIVE.get();
    let value = make();
    (value, usize::try_from(LIVE.get() - before).unwrap_or(0))
}
