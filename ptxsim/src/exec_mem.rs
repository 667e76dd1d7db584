//! Loads, stores, atomics and asynchronous copies, each lane checked on its own.

use crate::decode::CONST_BASE;
use crate::exec::Exec;
use crate::fault::{FaultKind, Res, stop};
use crate::float::{canon, extend, ftz};
use crate::memory::{Bank, CONST_SLOT, SHARED_SLOT};
use crate::op::{Access, Addr, Atom, AtomOp, Base, CpAsync, R, Sem};
use crate::shadow::{Acc, Use, Who, join};
use crate::types::{Space, Ty};
use crate::warp::{Copy, Warp, lanes};

/// Where an address that passed its checks lies.
#[derive(Clone, Copy)]
enum Place {
    Global(usize, usize),
    Shared(usize),
    Const(usize),
}

/// The addresses of all lanes.
fn addresses(w: &Warp, a: &Addr, m: u32) -> Res<[u64; 32]> {
    let off = a.off as u64;
    Ok(match a.base {
        Base::None => [off; 32],
        Base::R32(r) => {
            let v = w.get32(r, m)?;
            std::array::from_fn(|i| v[i].wrapping_add(off as u32) as u64)
        }
        Base::R64(r) => {
            let v = w.get64(r, m)?;
            std::array::from_fn(|i| v[i].wrapping_add(off))
        }
    })
}

/// What an access does to memory, for the checks.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    pub space: Space,
    pub size: usize,
    pub kind: Use,
    pub sem: Sem,
    pub line: u32,
}

impl Exec<'_, '_> {
    fn race<T>(&self, acc: &Acc, shared: bool, lane: usize, address: u64, kind: Use) -> Res<T> {
        let t = self.grid.shape.thread(acc.thread as u32);
        let what = match kind {
            Use::Read => "read",
            Use::ReadOnly => "read through .nc",
            Use::Write => "written",
            Use::Both => "updated atomically",
        };
        let detail = format!(
            "{what} here, without a barrier or fence since the access at line {} by thread ({}, {}, {}) of block number {}",
            acc.line, t[0], t[1], t[2], acc.block
        );
        let kind = if shared { FaultKind::SharedRace } else { FaultKind::GlobalRace };
        stop(kind, lane as u32, address, detail)
    }

    /// Bounds, alignment, initialisation, pending copies and races of one lane's access.
    fn place(&mut self, w: &Warp, c: &Check, lane: usize, address: u64) -> Res<Place> {
        let l = lane as u32;
        if address & (c.size as u64 - 1) != 0 {
            return stop(FaultKind::Misaligned, l, address, format!("a multiple of {} is needed", c.size));
        }
        let (space, local) = match (c.space, address >> 32) {
            (Space::Generic, SHARED_SLOT) => (Space::Shared, address & 0xffff_ffff),
            (Space::Generic, CONST_SLOT) => (Space::Const, address & 0xffff_ffff),
            (Space::Generic, _) => (Space::Global, address),
            (s, _) => (s, address),
        };
        let write = matches!(c.kind, Use::Write | Use::Both);
        let who = Who {
            block: self.block.id,
            block_clock: self.block.clock,
            thread: (32 * w.index + l) as u16,
            line: c.line,
            strong: c.sem.strong,
            clocks: &w.clocks,
            seen: &self.block.seen,
        };
        let unwritten = |b: &Bank, off: usize| if c.kind == Use::Write { None } else { b.uninit(off, c.size) };
        match space {
            Space::Const => {
                let off = local.wrapping_sub(CONST_BASE as u64);
                if write || off.saturating_add(c.size as u64) > self.grid.constants.len() as u64 {
                    return stop(FaultKind::OutOfBounds, l, address, "outside constant memory, or written");
                }
                Ok(Place::Const(off as usize))
            }
            Space::Shared => {
                let inside = |(a, b): (u32, u32)| local >= a as u64 && local + c.size as u64 <= b as u64;
                if local > u32::MAX as u64 || !self.grid.shared.iter().any(|&r| inside(r)) {
                    let detail = format!("{} bytes outside every shared variable", c.size);
                    return stop(FaultKind::OutOfBounds, l, address, detail);
                }
                let off = local as usize;
                if self.block.pending_words > 0 {
                    let words = off / 4..(off + c.size).div_ceil(4);
                    if let Some(t) = words.clone().find_map(|i| self.block.pending.get(i).filter(|&&t| t != 0)) {
                        let t = self.grid.shape.thread(*t as u32 - 1);
                        let detail = format!("target of a cp.async of thread ({}, {}, {}) in flight", t[0], t[1], t[2]);
                        return stop(FaultKind::AsyncRead, l, address, detail);
                    }
                }
                let bank = &mut self.block.shared;
                if let Some(at) = unwritten(bank, off) {
                    return stop(FaultKind::UninitMemory, l, at as u64, "shared memory never written by this block");
                }
                if self.grid.races
                    && let Err(acc) = bank.shadow.touch(self.block.id + 1, off, c.size, c.kind, &who)
                {
                    return self.race(&acc, true, lane, address, c.kind);
                }
                Ok(Place::Shared(off))
            }
            _ => {
                let (slot, off) = match self.grid.memory.locate(address, c.size) {
                    Ok(v) => v,
                    Err(why) => return stop(FaultKind::OutOfBounds, l, address, why),
                };
                let (epoch, races) = (self.grid.epoch, self.grid.races);
                let Some(bank) = self.grid.memory.bank(slot) else {
                    return stop(FaultKind::OutOfBounds, l, address, "no allocation");
                };
                if let Some(at) = unwritten(bank, off) {
                    let address = address + (at - off) as u64;
                    return stop(FaultKind::UninitMemory, l, address, "global memory never written");
                }
                if races && let Err(acc) = bank.shadow.touch(epoch, off, c.size, c.kind, &who) {
                    return self.race(&acc, false, lane, address, c.kind);
                }
                let n = c.size as u64;
                self.grid.stats.global_read += if c.kind == Use::Write { 0 } else { n };
                self.grid.stats.global_written += if write { n } else { 0 };
                if c.sem.strong && c.sem.grid {
                    self.strong(c, address);
                }
                Ok(Place::Global(slot, off))
            }
        }
    }

    /// Order between blocks that a strong access makes.
    fn strong(&mut self, c: &Check, address: u64) {
        if c.sem.release {
            self.fence();
        }
        let b = &mut *self.block;
        if matches!(c.kind, Use::Write | Use::Both)
            && let Some(published) = &b.release
        {
            join(self.grid.published.entry(address).or_default(), published);
        }
        if c.kind != Use::Write
            && let Some(clock) = self.grid.published.get(&address)
        {
            join(if c.sem.acquire { &mut b.seen } else { &mut b.acquire }, clock);
        }
    }

    /// A fence whose scope reaches beyond the block.
    pub fn fence(&mut self) {
        let b = &mut *self.block;
        join(&mut b.seen, &b.acquire);
        b.acquire.clear();
        let mut publish = b.seen.clone();
        publish.insert(b.id, b.clock);
        b.release = Some(publish);
        b.clock += 1;
    }

    fn bytes(&mut self, place: Place, size: usize) -> &mut [u8] {
        match place {
            Place::Shared(off) => &mut self.block.shared.data[off..off + size],
            Place::Global(slot, off) => match self.grid.memory.bank(slot) {
                Some(bank) => &mut bank.data[off..off + size],
                None => &mut [],
            },
            Place::Const(_) => &mut [],
        }
    }

    fn read(&mut self, place: Place, size: usize) -> [u8; 16] {
        let mut out = [0; 16];
        match place {
            Place::Const(off) => out[..size].copy_from_slice(&self.grid.constants[off..off + size]),
            p => out[..size].copy_from_slice(self.bytes(p, size)),
        }
        out
    }

    fn write(&mut self, place: Place, bytes: &[u8]) {
        match place {
            Place::Shared(off) => self.block.shared.write(off, bytes),
            Place::Global(slot, off) => {
                if let Some(bank) = self.grid.memory.bank(slot) {
                    bank.write(off, bytes);
                }
            }
            Place::Const(_) => {}
        }
    }

    pub fn load(&mut self, w: &mut Warp, a: &Access, m: u32, line: u32) -> Res {
        let at = addresses(w, &a.addr, m)?;
        let one = a.ty.size();
        let size = one * a.count as usize;
        let kind = if a.nc { Use::ReadOnly } else { Use::Read };
        let check = Check { space: a.space, size, kind, sem: a.sem, line };
        if self.fast_load(w, a, &check, &at, m) {
            return Ok(());
        }
        for i in lanes(m) {
            let place = self.place(w, &check, i, at[i])?;
            let bytes = self.read(place, size);
            for (j, &r) in a.regs[..a.count as usize].iter().enumerate() {
                put(w, r, i, a.ty, a.wide, &bytes[j * one..]);
            }
        }
        for &r in &a.regs[..a.count as usize] {
            *(if a.wide { &mut w.init64[r as usize] } else { &mut w.init32[r as usize] }) |= m;
        }
        Ok(())
    }

    pub fn store(&mut self, w: &mut Warp, a: &Access, m: u32, line: u32) -> Res {
        let at = addresses(w, &a.addr, m)?;
        let one = a.ty.size();
        let size = one * a.count as usize;
        for &r in &a.regs[..a.count as usize] {
            if a.wide {
                w.get64(r, m)?;
            } else {
                w.get32(r, m)?;
            }
        }
        let check = Check { space: a.space, size, kind: Use::Write, sem: a.sem, line };
        if self.fast_store(w, a, &check, &at, m) {
            return Ok(());
        }
        for i in lanes(m) {
            let place = self.place(w, &check, i, at[i])?;
            let mut bytes = [0; 16];
            for (j, &r) in a.regs[..a.count as usize].iter().enumerate() {
                let v = if a.wide { w.v64[r as usize][i] } else { w.v32[r as usize][i] as u64 };
                bytes[j * one..(j + 1) * one].copy_from_slice(&v.to_le_bytes()[..one]);
            }
            self.write(place, &bytes[..size]);
        }
        Ok(())
    }

    pub fn atom(&mut self, w: &mut Warp, a: &Atom, m: u32, line: u32) -> Res {
        let at = addresses(w, &a.addr, m)?;
        let size = a.ty.size();
        let wide = size == 8;
        let fetch = |w: &Warp, r: R| -> Res<[u64; 32]> {
            Ok(if wide { *w.get64(r, m)? } else { w.get32(r, m)?.map(u64::from) })
        };
        let (b, c) = (fetch(w, a.b)?, fetch(w, a.c)?);
        let check = Check { space: a.space, size, kind: Use::Both, sem: a.sem, line };
        for i in lanes(m) {
            let place = self.place(w, &check, i, at[i])?;
            let bytes = self.read(place, size);
            let old =
                u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]);
            let new = update(a.op, a.ty, old, b[i], c[i], matches!(place, Place::Global(..)));
            self.write(place, &new.to_le_bytes()[..size]);
            if let Some(d) = a.d {
                put(w, d, i, a.ty, wide, &bytes);
            }
        }
        if let Some(d) = a.d {
            *(if wide { &mut w.init64[d as usize] } else { &mut w.init32[d as usize] }) |= m;
        }
        Ok(())
    }

    pub fn cp_async(&mut self, w: &mut Warp, c: &CpAsync, m: u32, line: u32) -> Res {
        let (dst, src) = (addresses(w, &c.dst, m)?, addresses(w, &c.src, m)?);
        let size = c.size as usize;
        let real = match c.src_size {
            Some(r) => *w.get32(r, m)?,
            None => [size as u32; 32],
        };
        for i in lanes(m) {
            if src[i] % size as u64 != 0 {
                let detail = format!("a multiple of {size} is needed");
                return stop(FaultKind::Misaligned, i as u32, src[i], detail);
            }
            let mut bytes = [0; 16];
            // Byte by byte only when part of the source is left out.
            let n = real[i].min(size as u32) as usize;
            let step = if n == size { size } else { 1 };
            let mut check = Check { space: Space::Global, size: step, kind: Use::Read, sem: Sem::default(), line };
            for k in (0..n).step_by(step) {
                let place = self.place(w, &check, i, src[i] + k as u64)?;
                bytes[k..k + step].copy_from_slice(&self.read(place, step)[..step]);
            }
            check = Check { space: Space::Shared, size, kind: Use::Write, ..check };
            let place = self.place(w, &check, i, dst[i])?;
            let off = dst[i] as usize;
            self.bytes(place, size).copy_from_slice(&bytes[..size]);
            if self.block.pending.is_empty() {
                self.block.pending = vec![0; self.block.shared.data.len().div_ceil(4)];
            }
            self.block.pending[off / 4..(off + size) / 4].fill((32 * w.index + i as u32 + 1) as u16);
            self.block.pending_words += size / 4;
            let group = w.committed[i];
            w.copies.push(Copy { lane: i as u32, group, off: off as u32, size: size as u32, line });
        }
        Ok(())
    }

    pub fn cp_wait(&mut self, w: &mut Warp, open: Option<u32>, m: u32) -> Res {
        if open.is_none() {
            lanes(m).for_each(|i| w.committed[i] += 1);
        }
        let keep = open.unwrap_or(0);
        let copies = std::mem::take(&mut w.copies);
        for c in copies {
            if m >> c.lane & 1 == 0 || c.group + keep >= w.committed[c.lane as usize] {
                w.copies.push(c);
                continue;
            }
            let (off, size) = (c.off as usize, c.size as usize);
            self.block.pending[off / 4..(off + size) / 4].fill(0);
            self.block.pending_words -= size / 4;
            // From here on it is a write of this thread, made now.
            let (lane, sem) = (c.lane as usize, Sem::default());
            let check = Check { space: Space::Shared, size, kind: Use::Write, sem, line: c.line };
            self.place(w, &check, lane, off as u64)?;
            self.block.shared.mark(off, size, true);
        }
        Ok(())
    }
}

/// Put a loaded value into a lane, extended to the register.
fn put(w: &mut Warp, r: R, lane: usize, ty: Ty, wide: bool, bytes: &[u8]) {
    let mut le = [0; 8];
    le[..ty.size()].copy_from_slice(&bytes[..ty.size()]);
    let v = u64::from_le_bytes(le);
    let v = if ty.is_signed() { extend(v, ty) as u64 } else { v };
    if wide {
        w.v64[r as usize][lane] = v;
    } else {
        w.v32[r as usize][lane] = v as u32;
    }
}

/// The value an atomic leaves behind. In global memory the f32 sum flushes subnormals, in shared memory it does not.
fn update(op: AtomOp, ty: Ty, old: u64, b: u64, c: u64, global: bool) -> u64 {
    let less = |x: u64, y: u64| extend(x, ty) < extend(y, ty);
    match (op, ty) {
        (AtomOp::Add, Ty::F32) => {
            let flush = |x: f32| if global { ftz(x) } else { x };
            let (x, y) = (flush(f32::from_bits(old as u32)), flush(f32::from_bits(b as u32)));
            canon(flush(x + y)).to_bits() as u64
        }
        (AtomOp::Add, Ty::F64) => (f64::from_bits(old) + f64::from_bits(b)).to_bits(),
        (AtomOp::Add, _) => old.wrapping_add(b),
        (AtomOp::Min, _) => {
            if less(b, old) {
                b
            } else {
                old
            }
        }
        (AtomOp::Max, _) => {
            if less(old, b) {
                b
            } else {
                old
            }
        }
        (AtomOp::And, _) => old & b,
        (AtomOp::Or, _) => old | b,
        (AtomOp::Xor, _) => old ^ b,
        (AtomOp::Exch, _) => b,
        (AtomOp::Cas, _) => {
            if old == b {
                c
            } else {
                old
            }
        }
        (AtomOp::Inc, _) => {
            if old >= b {
                0
            } else {
                old + 1
            }
        }
        (AtomOp::Dec, _) => {
            if old == 0 || old > b {
                b
            } else {
                old - 1
            }
        }
    }
}
