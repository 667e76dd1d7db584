//! Threads. rayon is used here and nowhere else.

use rayon::prelude::*;

/// f of each item, in order; the items are shared out among the threads one by one.
pub fn map_in_parallel<I: Send, O: Send>(items: &mut [I], f: impl Fn(&mut I) -> O + Sync + Send) -> Vec<O> {
    items.par_iter_mut().with_max_len(1).map(f).collect()
}
