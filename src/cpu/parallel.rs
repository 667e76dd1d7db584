//! Threads. rayon is used here and nowhere else.
//!
//! Long operations move onto rayon's threads as a whole ([`on_threads`]), since going there costs some 15 µs and a fork between
//! threads there only about 2 µs; the kernels below then divide their work by [`join`]. What a number is computed from, and in
//! which order, never depends on the division, so bits are the same for every number of threads.

use rayon::prelude::*;

/// Multiplications from which on a whole operation moves to rayon's threads: about 150 µs on one.
const MOVES: usize = 1 << 23;
/// Multiplications from which on a kernel divides its work: about 20 µs.
const FORKS: usize = 1 << 20;

/// f of each item, in order; the items are shared out among the threads one by one.
pub fn map_in_parallel<I: Send, O: Send>(items: &mut [I], f: impl Fn(&mut I) -> O + Sync + Send) -> Vec<O> {
    items.par_iter_mut().with_max_len(1).map(f).collect()
}

/// f, on rayon's threads if it is `work` multiplications that pay for the way there.
pub fn on_threads<R: Send>(work: usize, f: impl FnOnce() -> R + Send) -> R {
    if work < MOVES || rayon::current_thread_index().is_some() || rayon::current_num_threads() == 1 {
        return f();
    }
    rayon::scope(|_| f())
}

/// The threads that there are to divide among.
pub(super) fn threads() -> usize {
    rayon::current_num_threads()
}

/// Whether a kernel with so many multiplications should divide them.
pub(super) fn forks(work: usize) -> bool {
    work >= FORKS && rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1
}

/// Both, at the same time if a thread is free.
pub(super) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(a, b)
}
