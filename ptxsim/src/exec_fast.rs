//! Loads and stores of a whole warp whose lanes all pass their checks. Whenever one does not, or anything is out of the
//! ordinary, these functions change no data and answer false, and `exec_mem` goes lane by lane and finds the fault.
//! (The shadow may then hold accesses of the first lanes; noting them once more changes nothing.)

use crate::exec::Exec;
use crate::exec_mem::Check;
use crate::memory::Bank;
use crate::op::Access;
use crate::shadow::{Use, Who};
use crate::types::{Space, Ty};
use crate::warp::{Warp, lanes};

impl Exec<'_, '_> {
    /// The bank that holds all lanes' ranges, and the address of its first byte. Checks bounds, alignment,
    /// initialisation and races.
    #[inline(always)]
    fn span(&mut self, w: &Warp, c: &Check, at: &[u64; 32], m: u32) -> Option<(&mut Bank, u64)> {
        let (mut low, mut high, mut bits) = (u64::MAX, 0, 0);
        for i in lanes(m) {
            low = low.min(at[i]);
            high = high.max(at[i]);
            bits |= at[i];
        }
        let size = c.size as u64;
        if bits & (size - 1) != 0 || c.sem.strong {
            return None;
        }
        let (bank, base, epoch) = match c.space {
            Space::Shared => {
                let inside = |&(a, b): &(u32, u32)| low >= a as u64 && high.saturating_add(size) <= b as u64;
                if !self.grid.shared.iter().any(inside) {
                    return None;
                }
                let words = |i: usize| &self.block.pending[at[i] as usize / 4..(at[i] + size).div_ceil(4) as usize];
                if self.block.pending_words > 0 && lanes(m).any(|i| words(i).iter().any(|thread| *thread != 0)) {
                    return None;
                }
                (&mut self.block.shared, 0, self.block.id + 1)
            }
            Space::Global => {
                let (slot, off) = self.grid.memory.locate(low, (high - low).checked_add(size)? as usize).ok()?;
                (self.grid.memory.bank(slot)?, low - off as u64, self.grid.epoch)
            }
            _ => return None,
        };
        if c.kind != Use::Write {
            for i in lanes(m) {
                if bank.uninit((at[i] - base) as usize, c.size).is_some() {
                    return None;
                }
            }
        }
        if self.grid.races {
            let mut who = Who {
                block: self.block.id,
                block_clock: self.block.clock,
                thread: 0,
                line: c.line,
                strong: false,
                clocks: &w.clocks,
                seen: &self.block.seen,
            };
            // Of lanes that read one address, two are enough: they differ from any one writer.
            let (mut last, mut same) = (u64::MAX, 0);
            for i in lanes(m) {
                same = if at[i] == last { same + 1 } else { 0 };
                last = at[i];
                if same >= 2 && c.kind != Use::Write {
                    continue;
                }
                who.thread = (32 * w.index + i as u32) as u16;
                if bank.shadow.touch(epoch, (at[i] - base) as usize, c.size, c.kind, &who).is_err() {
                    return None;
                }
            }
        }
        if c.space == Space::Global {
            let bytes = size * m.count_ones() as u64;
            let stats = &mut self.grid.stats;
            *(if c.kind == Use::Write { &mut stats.global_written } else { &mut stats.global_read }) += bytes;
        }
        Some((bank, base))
    }

    pub fn fast_load(&mut self, w: &mut Warp, a: &Access, c: &Check, at: &[u64; 32], m: u32) -> bool {
        let one = a.ty.size();
        if a.wide != (one == 8) || !matches!(one, 4 | 8) || a.ty == Ty::Pred {
            return false;
        }
        let Some((bank, base)) = self.span(w, c, at, m) else {
            return false;
        };
        for (j, &r) in a.regs[..a.count as usize].iter().enumerate() {
            let off = |i: usize| (at[i] - base) as usize + j * one;
            if a.wide {
                let v = &mut w.v64[r as usize];
                for i in lanes(m) {
                    if let Some(&b) = bank.data.get(off(i)..).and_then(|d| d.first_chunk()) {
                        v[i] = u64::from_le_bytes(b);
                    }
                }
                w.init64[r as usize] |= m;
            } else {
                let v = &mut w.v32[r as usize];
                for i in lanes(m) {
                    if let Some(&b) = bank.data.get(off(i)..).and_then(|d| d.first_chunk()) {
                        v[i] = u32::from_le_bytes(b);
                    }
                }
                w.init32[r as usize] |= m;
            }
        }
        true
    }

    pub fn fast_store(&mut self, w: &mut Warp, a: &Access, c: &Check, at: &[u64; 32], m: u32) -> bool {
        let one = a.ty.size();
        if a.wide != (one == 8) || !matches!(one, 4 | 8) {
            return false;
        }
        let Some((bank, base)) = self.span(w, c, at, m) else {
            return false;
        };
        for i in lanes(m) {
            let off = (at[i] - base) as usize;
            for (j, &r) in a.regs[..a.count as usize].iter().enumerate() {
                let to = bank.data.get_mut(off + j * one..).unwrap_or_default();
                if a.wide {
                    if let Some(b) = to.first_chunk_mut() {
                        *b = w.v64[r as usize][i].to_le_bytes();
                    }
                } else if let Some(b) = to.first_chunk_mut() {
                    *b = w.v32[r as usize][i].to_le_bytes();
                }
            }
            bank.mark(off, c.size, true);
        }
        true
    }
}
