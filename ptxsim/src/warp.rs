//! One warp: 32 lanes of registers with a bit per lane that tells whether it was written, and the reconvergence stack.

use crate::fault::{FaultKind, Res, stop};
use crate::op::{BarRed, Kernel, R, Special};

pub(crate) type V32 = [u32; 32];
pub(crate) type V64 = [u64; 32];

/// Lanes `mask` run from `pc` until `until`, where they join the frame below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub pc: u32,
    pub until: u32,
    pub mask: u32,
}

/// At which barrier a warp waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub id: u32,
    /// Threads expected; `None` for the whole block.
    pub count: Option<u32>,
    pub pc: u32,
    pub named: bool,
    /// Destination and the lanes whose predicate holds.
    pub red: Option<(BarRed, u32)>,
}

/// A `cp.async` that was not waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub lane: u32,
    pub group: u32,
    pub off: u32,
    pub size: u32,
    pub line: u32,
}

/// Shape of a launch as the special registers show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub grid: [u32; 3],
    pub block: [u32; 3],
}

impl Shape {
    pub fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// Coordinates of the `i`-th thread of a block.
    pub fn thread(&self, i: u32) -> [u32; 3] {
        let [x, y, _] = self.block;
        [i % x, i / x % y, i / x / y]
    }
}

#[derive(Default, Debug)]
pub(crate) struct Warp {
    pub index: u32,
    /// Lanes that were there at the start.
    pub initial: u32,
    /// Lanes that have not exited.
    pub live: u32,
    pub stack: Vec<Frame>,
    pub v32: Vec<V32>,
    pub v64: Vec<V64>,
    pub vp: Vec<u32>,
    pub init32: Vec<u32>,
    pub init64: Vec<u32>,
    pub initp: Vec<u32>,
    /// What this warp knows of every warp's barriers; see `shadow`.
    pub clocks: V32,
    pub waiting: Option<Waiting>,
    pub copies: Vec<Copy>,
    /// Groups each lane has committed.
    pub committed: V32,
}

/// The lanes of a mask.
pub(crate) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut m = mask;
    std::iter::from_fn(move || {
        if m == 0 {
            return None;
        }
        let i = m.trailing_zeros();
        m &= m - 1;
        Some(i as usize)
    })
}

/// Run `f` for each lane of the mask, with a loop that vectorises when all 32 take part.
#[inline(always)]
pub(crate) fn each(mask: u32, mut f: impl FnMut(usize)) {
    if mask == u32::MAX {
        for i in 0..32 {
            f(i);
        }
    } else {
        for i in 0..32 {
            if mask >> i & 1 == 1 {
                f(i);
            }
        }
    }
}

#[cold]
fn uninit<T>(missing: u32, what: &str, r: R) -> Res<T> {
    let detail = format!("{what} register number {r} (in order of declaration) was never written by this lane");
    stop(FaultKind::UninitRegister, missing.trailing_zeros(), 0, detail)
}

impl Warp {
    /// Ready to run block `ctaid` from the start.
    pub fn start(&mut self, k: &Kernel, index: u32, shape: &Shape, ctaid: [u32; 3]) {
        let [n32, n64, np] = k.regs.map(|n| n as usize);
        self.index = index;
        self.initial = match shape.threads() - 32 * index {
            n @ 0..32 => (1 << n) - 1,
            _ => u32::MAX,
        };
        self.live = self.initial;
        self.stack.clear();
        self.stack.push(Frame { pc: 0, until: u32::MAX, mask: self.initial });
        self.v32.resize(n32, [0; 32]);
        self.v64.resize(n64, [0; 32]);
        self.vp.resize(np, 0);
        for (init, n) in [(&mut self.init32, n32), (&mut self.init64, n64), (&mut self.initp, np)] {
            init.clear();
            init.resize(n, 0);
        }
        self.clocks = [0; 32];
        self.clocks[index as usize % 32] = 1;
        self.waiting = None;
        self.copies.clear();
        self.committed = [0; 32];
        for &(r, bits) in &k.consts32 {
            self.v32[r as usize] = [bits; 32];
            self.init32[r as usize] = u32::MAX;
        }
        for &(r, bits) in &k.consts64 {
            self.v64[r as usize] = [bits; 32];
            self.init64[r as usize] = u32::MAX;
        }
        for &(r, s) in &k.specials {
            let values = std::array::from_fn(|lane| {
                let lane = lane as u32;
                match s {
                    Special::Tid(axis) => shape.thread(32 * index + lane)[axis],
                    Special::Ntid(axis) => shape.block[axis],
                    Special::Ctaid(axis) => ctaid[axis],
                    Special::Nctaid(axis) => shape.grid[axis],
                    Special::Lane => lane,
                    Special::Warp => index,
                    Special::Warps => shape.threads().div_ceil(32),
                    Special::MaskEq => 1 << lane,
                    Special::MaskLt => (1 << lane) - 1,
                    Special::MaskLe => (2u64 << lane).wrapping_sub(1) as u32,
                    Special::MaskGt => !((2u64 << lane).wrapping_sub(1) as u32),
                    Special::MaskGe => !((1 << lane) - 1),
                }
            });
            self.v32[r as usize] = values;
            self.init32[r as usize] = u32::MAX;
        }
    }

    #[inline(always)]
    pub fn get32(&self, r: R, m: u32) -> Res<&V32> {
        let missing = m & !self.init32[r as usize];
        if missing != 0 {
            return uninit(missing, "32-bit", r);
        }
        Ok(&self.v32[r as usize])
    }

    #[inline(always)]
    pub fn get64(&self, r: R, m: u32) -> Res<&V64> {
        let missing = m & !self.init64[r as usize];
        if missing != 0 {
            return uninit(missing, "64-bit", r);
        }
        Ok(&self.v64[r as usize])
    }

    #[inline(always)]
    pub fn getp(&self, r: R, m: u32) -> Res<u32> {
        let missing = m & !self.initp[r as usize];
        if missing != 0 {
            return uninit(missing, "predicate", r);
        }
        Ok(self.vp[r as usize])
    }

    #[inline(always)]
    pub fn set32(&mut self, r: R, m: u32, f: impl Fn(usize) -> u32) {
        self.init32[r as usize] |= m;
        let d = &mut self.v32[r as usize];
        each(m, |i| d[i] = f(i));
    }

    #[inline(always)]
    pub fn set64(&mut self, r: R, m: u32, f: impl Fn(usize) -> u64) {
        self.init64[r as usize] |= m;
        let d = &mut self.v64[r as usize];
        each(m, |i| d[i] = f(i));
    }

    #[inline(always)]
    pub fn setp(&mut self, r: R, m: u32, bits: u32) {
        self.initp[r as usize] |= m;
        let d = &mut self.vp[r as usize];
        *d = *d & !m | bits & m;
    }

    /// Lanes of the mask have returned.
    pub fn exit(&mut self, m: u32) {
        self.live &= !m;
        for f in &mut self.stack {
            f.mask &= !m;
        }
        self.stack.retain(|f| f.mask != 0);
    }
}
