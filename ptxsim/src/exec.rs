//! One warp: fetch, guard, branch, and hand everything else on.

use std::collections::HashMap;

use crate::fault::{Fault, FaultKind, Res, Stop, stop};
use crate::launch::Stats;
use crate::memory::{Bank, Memory};
use crate::op::{BarRed, Inst, Kernel, Op};
use crate::shadow::Clock;
use crate::warp::{Frame, Shape, Waiting, Warp};

/// What all blocks of a launch share.
pub(crate) struct Grid<'a> {
    pub kernel: &'a Kernel,
    pub constants: &'a [u8],
    pub params: &'a [u8],
    pub memory: &'a mut Memory,
    pub shape: Shape,
    /// Bytes that may be touched, as (start, end).
    pub shared: Vec<(u32, u32)>,
    pub epoch: u32,
    pub races: bool,
    pub budget: u64,
    pub stats: Stats,
    /// What was published through each address; see `shadow`.
    pub published: HashMap<u64, Clock>,
}

#[derive(Default)]
pub(crate) struct Block {
    pub id: u32,
    pub ctaid: [u32; 3],
    pub warps: Vec<Warp>,
    pub shared: Bank,
    /// Per word of shared memory: 1 + the thread whose `cp.async` is in flight.
    pub pending: Vec<u16>,
    pub pending_words: usize,
    pub clock: u32,
    pub seen: Clock,
    pub release: Option<Clock>,
    pub acquire: Clock,
}

/// Why a warp stopped running for now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Yield {
    Quantum,
    Barrier,
    Done,
}

pub(crate) struct Exec<'g, 'a> {
    pub grid: &'g mut Grid<'a>,
    pub block: &'g mut Block,
}

impl Grid<'_> {
    pub fn fault(&self, s: Stop, line: u32, block: &Block, warp: u32) -> Fault {
        Fault {
            kind: s.kind,
            kernel: self.kernel.name.clone(),
            line,
            block: block.ctaid,
            thread: self.shape.thread((32 * warp + s.lane).min(self.shape.threads() - 1)),
            address: s.address,
            detail: s.detail,
        }
    }
}

impl Exec<'_, '_> {
    /// Run the warp for up to `quantum` instructions.
    pub fn run(&mut self, w: &mut Warp, quantum: u32) -> Result<Yield, Fault> {
        let kernel = self.grid.kernel;
        for _ in 0..quantum {
            let Some(&Frame { pc, until, mask }) = w.stack.last() else {
                return Ok(Yield::Done);
            };
            if pc == until {
                w.stack.pop();
                continue;
            }
            let Some(inst) = kernel.code.get(pc as usize) else {
                w.exit(mask);
                continue;
            };
            let stats = &mut self.grid.stats;
            stats.instructions += 1;
            let result = if stats.instructions > self.grid.budget {
                stop(FaultKind::StepBudget, mask.trailing_zeros(), 0, format!("more than {} steps", self.grid.budget))
            } else {
                self.step(w, inst, pc, mask)
            };
            match result {
                Ok(false) => {}
                Ok(true) => return Ok(Yield::Barrier),
                Err(s) => return Err(self.grid.fault(*s, inst.line, self.block, w.index)),
            }
        }
        Ok(if w.stack.is_empty() { Yield::Done } else { Yield::Quantum })
    }

    /// One instruction; true when the warp now waits.
    #[inline]
    fn step(&mut self, w: &mut Warp, inst: &Inst, pc: u32, mask: u32) -> Res<bool> {
        let m = match inst.guard {
            None => mask,
            Some((r, negated)) => {
                let p = w.getp(r, mask)?;
                mask & if negated { !p } else { p }
            }
        };
        self.grid.stats.thread_instructions += m.count_ones() as u64;
        let top = w.stack.len() - 1;
        w.stack[top].pc = pc + 1;
        match &inst.op {
            Op::Bra { target, uniform } => return branch(w, inst, (pc, *target), *uniform, mask, m).map(|()| false),
            _ if m == 0 => return Ok(false),
            Op::Exit => w.exit(m),
            Op::Trap => return stop(FaultKind::Trap, m.trailing_zeros(), 0, "trap"),
            Op::Bar(bar) => {
                if m != w.live || w.live != w.initial {
                    let detail = format!("executed by lanes {m:#010x} of the warp's {:#010x}", w.initial);
                    return stop(FaultKind::DivergentBarrier, m.trailing_zeros(), 0, detail);
                }
                let uniform = |w: &Warp, r| -> Res<u32> {
                    let v = w.get32(r, m)?;
                    let first = v[m.trailing_zeros() as usize];
                    match crate::warp::lanes(m).find(|&i| v[i] != first) {
                        Some(i) => stop(FaultKind::DivergentBarrier, i as u32, 0, "lanes name different barriers"),
                        None => Ok(first),
                    }
                };
                let id = uniform(w, bar.id)?;
                let count = bar.count.map(|r| uniform(w, r)).transpose()?;
                if id > 15 || count.is_some_and(|n| n == 0 || n % 32 != 0) {
                    let detail = format!("barrier {id} with {count:?} threads: 0 to 15, and a multiple of 32, wanted");
                    return stop(FaultKind::DivergentBarrier, m.trailing_zeros(), 0, detail);
                }
                let red = match bar.red {
                    None => None,
                    Some((to, p, negated)) => {
                        let p = w.getp(p, m)?;
                        Some((to, if negated { !p & m } else { p & m }))
                    }
                };
                w.waiting = Some(Waiting { id, count, pc, named: bar.named, red });
                return Ok(true);
            }
            Op::BarWarp(mask) => self.bar_warp(w, *mask, m)?,
            Op::Ld(a) => self.load(w, a, m, inst.line)?,
            Op::St(a) => self.store(w, a, m, inst.line)?,
            Op::Atom(a) => self.atom(w, a, m, inst.line)?,
            Op::LdParam { ty, wide, off, regs, count } => {
                for (i, &r) in regs[..*count as usize].iter().enumerate() {
                    let at = *off as usize + i * ty.size();
                    let mut le = [0; 8];
                    le[..ty.size()].copy_from_slice(&self.grid.params[at..at + ty.size()]);
                    let v = u64::from_le_bytes(le);
                    let v = if ty.is_signed() { crate::float::extend(v, *ty) as u64 } else { v };
                    if *wide {
                        w.set64(r, m, |_| v);
                    } else {
                        w.set32(r, m, |_| v as u32);
                    }
                }
            }
            Op::CpAsync(c) => self.cp_async(w, c, m, inst.line)?,
            Op::CpCommit => crate::warp::lanes(m).for_each(|i| w.committed[i] += 1),
            Op::CpWait(open) => self.cp_wait(w, *open, m)?,
            Op::Fence(grid) => {
                if *grid {
                    self.fence();
                }
            }
            Op::Shfl(s) => self.shfl(w, s, m)?,
            Op::Vote { mode, d, a, negated, mask } => self.vote(w, *mode, (*d, *a), *negated, *mask, m)?,
            Op::ActiveMask(d) => w.set32(*d, m, |_| mask),
            Op::MmaTf32(x) => self.mma_tf32(w, x, m)?,
            Op::MmaF64(x) => self.mma_f64(w, x, m)?,
            op => {
                if let Some(lane) = w.alu(op, m)? {
                    let s = Stop {
                        kind: FaultKind::DivideByZero,
                        lane: lane as u32,
                        address: 0,
                        detail: "the quotient is all ones, the remainder the dividend".into(),
                    };
                    let fault = self.grid.fault(s, inst.line, self.block, w.index);
                    let warnings = &mut self.grid.stats.warnings;
                    if warnings.len() < 16 && warnings.iter().all(|f| f.line != fault.line) {
                        warnings.push(fault);
                    }
                }
            }
        }
        Ok(false)
    }

    /// Barriers that are complete: their warps go on, knowing each other's past.
    pub fn release_barriers(&mut self) -> Result<bool, Fault> {
        let warps = self.block.warps.len() as u32;
        let mut any = false;
        for id in 0..16 {
            let at: Vec<usize> =
                (0..warps as usize).filter(|&i| self.block.warps[i].waiting.is_some_and(|x| x.id == id)).collect();
            let Some(&first) = at.first() else {
                continue;
            };
            let Some(wait) = self.block.warps[first].waiting else {
                continue;
            };
            for &i in &at {
                let Some(other) = self.block.warps[i].waiting else {
                    continue;
                };
                let differs = other.count != wait.count || other.red.is_some() != wait.red.is_some();
                if differs || (other.pc != wait.pc && !(other.named && wait.named)) {
                    let line = self.grid.kernel.code[wait.pc as usize].line;
                    return self.barrier_fault(i, format!("warp {first} waits at another one, at line {line}"));
                }
            }
            if wait.count.is_none()
                && let Some(gone) = (0..warps as usize).find(|&i| self.block.warps[i].live == 0)
            {
                return self.barrier_fault(first, format!("warp {gone} has exited"));
            }
            let want = wait.count.map_or(warps, |n| n / 32) as usize;
            if at.len() > want {
                return self.barrier_fault(at[want], format!("{} warps arrived where {want} were wanted", at.len()));
            }
            if at.len() == want {
                any = true;
                self.release(&at);
            }
        }
        Ok(any)
    }

    fn barrier_fault<T>(&self, warp: usize, detail: String) -> Result<T, Fault> {
        let s = Stop { kind: FaultKind::DivergentBarrier, lane: 0, address: 0, detail };
        let pc = self.block.warps[warp].waiting.map_or(0, |w| w.pc);
        Err(self.grid.fault(s, self.grid.kernel.code[pc as usize].line, self.block, warp as u32))
    }

    fn release(&mut self, at: &[usize]) {
        self.grid.stats.barriers += 1;
        let mut all = [0; 32];
        let mut sum = (0, true, false);
        for &i in at {
            let w = &self.block.warps[i];
            for (x, &y) in all.iter_mut().zip(&w.clocks) {
                *x = y.max(*x);
            }
            if let Some((_, p)) = w.waiting.and_then(|x| x.red) {
                sum = (sum.0 + p.count_ones(), sum.1 && p == w.initial, sum.2 || p != 0);
            }
        }
        for &i in at {
            let w = &mut self.block.warps[i];
            w.clocks = all;
            w.clocks[i] += 1;
            let flag = |b: bool| if b { u32::MAX } else { 0 };
            match w.waiting.take().and_then(|x| x.red) {
                Some((BarRed::Popc(d), _)) => w.set32(d, w.live, |_| sum.0),
                Some((BarRed::And(d), _)) => w.setp(d, w.live, flag(sum.1)),
                Some((BarRed::Or(d), _)) => w.setp(d, w.live, flag(sum.2)),
                None => {}
            }
        }
    }
}

fn branch(w: &mut Warp, inst: &Inst, (pc, target): (u32, u32), uniform: bool, mask: u32, taken: u32) -> Res {
    let top = w.stack.len() - 1;
    if taken == mask {
        w.stack[top].pc = target;
        return Ok(());
    }
    if taken == 0 {
        return Ok(());
    }
    if uniform {
        let detail = format!("bra.uni taken by {taken:#010x} of {mask:#010x}");
        return stop(FaultKind::DivergentWarp, taken.trailing_zeros(), 0, detail);
    }
    let meet = inst.reconverge;
    if w.stack[top].until == meet {
        w.stack.pop();
    } else {
        w.stack[top].pc = meet;
    }
    for (pc, mask) in [(pc + 1, mask & !taken), (target, taken)] {
        if pc != meet {
            w.stack.push(Frame { pc, until: meet, mask });
        }
    }
    Ok(())
}
