//! Who touched each 4-byte word last, and whether two accesses are ordered.
//!
//! Within a block, order comes from barriers, kept as vector clocks over warps: `bar.sync` joins the clocks of the
//! warps that take part, `bar.warp.sync` advances the warp's own. Two lanes of one warp are ordered only if the warp's
//! clock has advanced in between. Between blocks, order comes from fences and strong accesses (atomics, volatile,
//! relaxed): fence, then a strong store or atomic, publishes what the block did and saw; a strong load or atomic of
//! the same address, then a fence, takes it over. That clock is kept per block, not per thread.
//!
//! The last writer and the last two readers (of different threads) are kept, so that a later writer differs from at
//! least one of them.

use std::collections::HashMap;

/// Clock of each block that is known of, by block number.
pub(crate) type Clock = HashMap<u32, u32>;

pub(crate) fn join(into: &mut Clock, from: &Clock) {
    for (&k, &v) in from {
        let e = into.entry(k).or_insert(0);
        *e = (*e).max(v);
    }
}

#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Acc {
    pub block: u32,
    block_clock: u32,
    warp_clock: u32,
    pub line: u32,
    pub thread: u16,
    live: bool,
    strong: bool,
}

#[derive(Clone, Copy, Default, Debug)]
struct Cell {
    epoch: u32,
    write: Acc,
    reads: [Acc; 2],
}

/// The thread that makes an access.
pub(crate) struct Who<'a> {
    pub block: u32,
    pub block_clock: u32,
    /// Linear index within the block.
    pub thread: u16,
    pub line: u32,
    pub strong: bool,
    pub clocks: &'a [u32; 32],
    pub seen: &'a Clock,
}

impl Who<'_> {
    fn acc(&self) -> Acc {
        Acc {
            block: self.block,
            block_clock: self.block_clock,
            warp_clock: self.clocks[self.thread as usize / 32],
            line: self.line,
            thread: self.thread,
            live: true,
            strong: self.strong,
        }
    }

    fn conflicts(&self, a: &Acc) -> bool {
        if !a.live || (a.strong && self.strong) {
            return false;
        }
        if a.block != self.block {
            return self.seen.get(&a.block).is_none_or(|&c| c < a.block_clock);
        }
        let warp = a.thread as usize / 32;
        if a.thread == self.thread {
            false
        } else if warp == self.thread as usize / 32 {
            a.warp_clock >= self.clocks[warp]
        } else {
            a.warp_clock > self.clocks[warp]
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    Read,
    /// A read that promises nobody writes during the launch.
    ReadOnly,
    Write,
    /// An atomic read-modify-write.
    Both,
}

const PAGE: usize = 256;

/// The shadow of one allocation.
#[derive(Default, Debug)]
pub(crate) struct Shadow {
    pages: Vec<Option<Box<[Cell; PAGE]>>>,
}

impl Shadow {
    /// Note an access to `size` bytes at `off`; the earlier access it races with, if any.
    /// Cells of another epoch (an earlier launch or block) count as untouched.
    pub fn touch(&mut self, epoch: u32, off: usize, size: usize, kind: Use, who: &Who) -> Result<(), Acc> {
        for word in off / 4..(off + size).div_ceil(4) {
            let page = word / PAGE;
            if page >= self.pages.len() {
                self.pages.resize_with(page + 1, || None);
            }
            let cells = self.pages[page].get_or_insert_with(|| Box::new([Cell::default(); PAGE]));
            let cell = &mut cells[word % PAGE];
            if cell.epoch != epoch {
                *cell = Cell { epoch, ..Cell::default() };
            }
            if kind == Use::ReadOnly && cell.write.live || who.conflicts(&cell.write) {
                return Err(cell.write);
            }
            if matches!(kind, Use::Read | Use::ReadOnly) {
                let last = cell.reads[0];
                if last.live && (last.thread, last.block) != (who.thread, who.block) {
                    cell.reads[1] = last;
                }
                cell.reads[0] = who.acc();
                continue;
            }
            for r in &cell.reads {
                if who.conflicts(r) {
                    return Err(*r);
                }
            }
            cell.write = who.acc();
            cell.reads = [Acc::default(); 2];
        }
        Ok(())
    }
}
