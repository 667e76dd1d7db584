//! Decoding of memory, synchronisation, warp and control instructions.

use crate::decode::Cursor;
use crate::fault::{ParseError, ParseKind};
use crate::op::{Access, Atom, AtomOp, Bar, BarRed, CpAsync, MmaF64, MmaTf32, Op, R, Sem, Shfl, ShflMode, VoteMode};
use crate::syntax::Operand;
use crate::types::{Space, Ty};

type Parsed<T> = Result<T, ParseError>;

const SPACES: [(&str, Space); 4] =
    [("global", Space::Global), ("shared", Space::Shared), ("shared::cta", Space::Shared), ("const", Space::Const)];
/// Whether the scope reaches beyond the block.
const SCOPES: [(&str, bool); 4] = [("cta", false), ("cluster", true), ("gpu", true), ("sys", true)];
const DATA: [Ty; 14] = [
    Ty::B8,
    Ty::U8,
    Ty::S8,
    Ty::B16,
    Ty::U16,
    Ty::S16,
    Ty::B32,
    Ty::U32,
    Ty::S32,
    Ty::F32,
    Ty::B64,
    Ty::U64,
    Ty::S64,
    Ty::F64,
];

impl Cursor<'_> {
    /// The instruction this is, or `None`.
    pub(crate) fn memory(&mut self) -> Parsed<Option<Op>> {
        let name = self.raw.name.as_str();
        Ok(Some(match name {
            "ld" if self.take("param") => self.ld_param()?,
            "ld" => self.access(true)?,
            "st" => self.access(false)?,
            "cvta" => {
                let to = self.take("to");
                let space = self.require("a state space", &SPACES)?;
                let ty = self.ty(&[Ty::U64])?;
                let d = self.dst(ty)?;
                let o = self.operand()?;
                let a = match &o {
                    Operand::Name(n) if !to && self.symbol(n).is_some_and(|s| s.0 == space) => {
                        let at = self.symbol(n).map_or(0, |s| s.1);
                        self.d.const64(at as u64)
                    }
                    o => self.value(o, ty)?,
                };
                Op::Cvta { space, to, d, a }
            }
            "atom" | "red" => self.atom(name == "atom")?,
            "cp" => self.cp_async()?,
            "membar" => {
                let scopes = [("cta", false), ("gl", true), ("sys", true)];
                Op::Fence(self.require("a level", &scopes)?)
            }
            "fence" => {
                let _ = self.take("sc") || self.take("acq_rel");
                Op::Fence(self.require("a scope", &SCOPES)?)
            }
            "bar" | "barrier" => self.barrier(name == "bar")?,
            "shfl" => {
                self.require("sync", &[("sync", ())])?;
                let modes =
                    [("up", ShflMode::Up), ("down", ShflMode::Down), ("bfly", ShflMode::Bfly), ("idx", ShflMode::Idx)];
                let mode = self.require("a mode", &modes)?;
                let ty = self.ty(&[Ty::B32])?;
                let (d, p) = self.pair(ty)?;
                let Some(d) = d else {
                    return self.outside("a shfl without a destination");
                };
                let (a, b, c, mask) = (self.src(ty)?, self.src(ty)?, self.src(ty)?, self.src(ty)?);
                Op::Shfl(Shfl { mode, d, p, a, b, c, mask })
            }
            "vote" => {
                self.require("sync", &[("sync", ())])?;
                let modes = [
                    ("all", VoteMode::All),
                    ("any", VoteMode::Any),
                    ("uni", VoteMode::Uni),
                    ("ballot", VoteMode::Ballot),
                ];
                let mode = self.require("a mode", &modes)?;
                let ty = self.ty(if mode == VoteMode::Ballot { &[Ty::B32] } else { &[Ty::Pred] })?;
                let d = self.dst(ty)?;
                let (a, negated) = self.pred()?;
                Op::Vote { mode, d, a, negated, mask: self.src(Ty::B32)? }
            }
            "activemask" => {
                let ty = self.ty(&[Ty::B32])?;
                Op::ActiveMask(self.dst(ty)?)
            }
            "mma" => self.mma()?,
            "bra" => {
                let uniform = self.take("uni");
                Op::Bra { target: self.label()?, uniform }
            }
            "ret" | "exit" => {
                let _ = name == "ret" && self.take("uni");
                Op::Exit
            }
            "trap" => Op::Trap,
            _ => return Ok(None),
        }))
    }

    /// One register, or as many in braces as the vector has; `(registers, count, 64 bits wide)`.
    fn registers(&mut self, count: usize, ty: Ty, write: bool) -> Parsed<([R; 4], bool)> {
        let o = self.operand()?;
        let list = match o {
            Operand::Vec(list) if count > 1 && list.len() == count => list,
            o @ Operand::Name(_) if count == 1 => vec![o],
            o if count == 1 && !write => {
                let r = self.value(&o, ty)?;
                return Ok(([r, 0, 0, 0], ty.size() == 8));
            }
            o => return self.fail(ParseKind::Type, format!("expected {count} register(s), found {o:?}")),
        };
        let mut regs = [0; 4];
        let mut width = None;
        for (slot, o) in regs.iter_mut().zip(&list) {
            let (r, wide) = match o {
                Operand::Name(_) if write || self.is_register(o) => self.loose(o, ty)?,
                o if !write => (self.value(o, ty)?, ty.size() == 8),
                o => return self.fail(ParseKind::Type, format!("expected a register, found {o:?}")),
            };
            *slot = r;
            if width.replace(wide).is_some_and(|w| w != wide) {
                return self.outside("registers of different widths in one vector");
            }
        }
        Ok((regs, width.unwrap_or(false)))
    }

    fn is_register(&self, o: &Operand) -> bool {
        matches!(o, Operand::Name(n) if !n.starts_with("%tid") && !n.starts_with("%ctaid") && !n.starts_with("%ntid")
            && !n.starts_with("%nctaid") && !n.starts_with("%laneid") && !n.starts_with("%warpid"))
    }

    fn vector(&mut self, ty_of: &[Ty]) -> Parsed<(usize, Ty)> {
        let count = self.choose(&[("v2", 2), ("v4", 4)]).unwrap_or(1);
        let ty = self.ty(ty_of)?;
        if count * ty.size() > 16 {
            return self.outside("a vector of more than 16 bytes");
        }
        Ok((count, ty))
    }

    fn ld_param(&mut self) -> Parsed<Op> {
        let (count, ty) = self.vector(&DATA)?;
        let (regs, wide) = self.registers(count, ty, true)?;
        let (off, left) = self.param_address()?;
        if count * ty.size() > left as usize {
            return self.fail(ParseKind::Type, format!("reads {} bytes where {left} are left", count * ty.size()));
        }
        if !(off as usize).is_multiple_of(count * ty.size()) {
            return self.fail(ParseKind::Type, "misaligned parameter access");
        }
        Ok(Op::LdParam { ty, wide, off, regs, count: count as u8 })
    }

    fn scope(&mut self) -> Parsed<bool> {
        self.require("a scope", &SCOPES)
    }

    fn access(&mut self, load: bool) -> Parsed<Op> {
        let mut sem = Sem::default();
        if self.take("volatile") {
            // Relaxed semantics: it synchronises through fences only.
            sem = Sem { strong: true, grid: true, ..sem };
        } else if self.take("relaxed") {
            sem = Sem { strong: true, grid: self.scope()?, ..sem };
        } else if load && self.take("acquire") {
            sem = Sem { strong: true, acquire: true, release: false, grid: self.scope()? };
        } else if !load && self.take("release") {
            sem = Sem { strong: true, acquire: false, release: true, grid: self.scope()? };
        } else {
            let _ = self.take("weak");
        }
        let space = self.choose(&SPACES).unwrap_or(Space::Generic);
        if !load && space == Space::Const {
            return self.fail(ParseKind::Type, "constant memory cannot be written");
        }
        let mut nc = false;
        if !sem.strong {
            if load {
                let _ = ["ca", "cg", "cs", "lu", "cv"].iter().any(|h| self.take(h));
            } else {
                let _ = ["wb", "cg", "cs", "wt"].iter().any(|h| self.take(h));
            }
            if load && self.take("nc") {
                if space != Space::Global {
                    return self.fail(ParseKind::Type, ".nc goes with .global");
                }
                nc = true;
            }
        }
        while self.peek_mod().is_some_and(|m| m.contains("::")) {
            let hints = [
                "L1::evict_normal",
                "L1::evict_unchanged",
                "L1::evict_first",
                "L1::evict_last",
                "L1::no_allocate",
                "L2::64B",
                "L2::128B",
                "L2::256B",
            ];
            if !hints.iter().any(|h| self.take(h)) {
                return self.outside("unknown cache hint");
            }
        }
        let (count, ty) = self.vector(&DATA)?;
        if load {
            let (regs, wide) = self.registers(count, ty, true)?;
            let addr = self.address(space)?;
            return Ok(Op::Ld(Access { space, ty, count: count as u8, wide, sem, nc, addr, regs }));
        }
        let addr = self.address(space)?;
        let (regs, wide) = self.registers(count, ty, false)?;
        Ok(Op::St(Access { space, ty, count: count as u8, wide, sem, nc, addr, regs }))
    }

    fn atom(&mut self, returns: bool) -> Parsed<Op> {
        let mut sem = Sem { strong: true, grid: true, ..Sem::default() };
        let order = [
            ("relaxed", (false, false)),
            ("acquire", (true, false)),
            ("release", (false, true)),
            ("acq_rel", (true, true)),
        ];
        let order = if returns { &order[..] } else { &[order[0], order[2]] };
        if let Some((acquire, release)) = self.choose(order) {
            (sem.acquire, sem.release) = (acquire, release);
        }
        if let Some(grid) = self.choose(&SCOPES) {
            sem.grid = grid;
        }
        let space = self.choose(&SPACES).unwrap_or(Space::Generic);
        if space == Space::Const {
            return self.fail(ParseKind::Type, "constant memory cannot be written");
        }
        let ops = [
            ("add", AtomOp::Add),
            ("min", AtomOp::Min),
            ("max", AtomOp::Max),
            ("and", AtomOp::And),
            ("or", AtomOp::Or),
            ("xor", AtomOp::Xor),
            ("inc", AtomOp::Inc),
            ("dec", AtomOp::Dec),
            ("exch", AtomOp::Exch),
            ("cas", AtomOp::Cas),
        ];
        let op = self.require("an operation", if returns { &ops } else { &ops[..8] })?;
        let ty = match op {
            AtomOp::Add => self.ty(&[Ty::U32, Ty::S32, Ty::U64, Ty::F32, Ty::F64])?,
            AtomOp::Min | AtomOp::Max => self.ty(&[Ty::U32, Ty::S32, Ty::U64, Ty::S64])?,
            AtomOp::Inc | AtomOp::Dec => self.ty(&[Ty::U32])?,
            _ => self.ty(&[Ty::B32, Ty::B64])?,
        };
        let d = if returns { self.dst_or_sink(ty)? } else { None };
        let addr = self.address(space)?;
        let b = self.src(ty)?;
        let c = if op == AtomOp::Cas { self.src(ty)? } else { b };
        Ok(Op::Atom(Box::new(Atom { op, space, ty, sem, d, addr, b, c })))
    }

    fn cp_async(&mut self) -> Parsed<Op> {
        self.require("async", &[("async", ())])?;
        self.needs((7, 0), 80)?;
        if self.take("commit_group") {
            return Ok(Op::CpCommit);
        }
        if self.take("wait_all") {
            // As the manual says: a commit, then a wait for all groups.
            return Ok(Op::CpWait(None));
        }
        if self.take("wait_group") {
            return match self.operand()? {
                Operand::Int(n @ 0..=0xffff) => Ok(Op::CpWait(Some(n as u32))),
                other => self.fail(ParseKind::Type, format!("expected a group count, found {other:?}")),
            };
        }
        let cg = self.require("a cache", &[("ca", false), ("cg", true)])?;
        self.require("the shared space", &[("shared", ()), ("shared::cta", ())])?;
        self.require("the global space", &[("global", ())])?;
        let _ = ["L2::64B", "L2::128B", "L2::256B"].iter().any(|h| self.take(h));
        let (dst, src) = (self.address(Space::Shared)?, self.address(Space::Global)?);
        let size = match self.operand()? {
            Operand::Int(16) => 16,
            Operand::Int(n @ (4 | 8)) if !cg => n as u8,
            other => return self.fail(ParseKind::Type, format!("bad size {other:?}")),
        };
        let src_size = if self.left() > 0 { Some(self.src(Ty::B32)?) } else { None };
        Ok(Op::CpAsync(CpAsync { dst, src, size, src_size }))
    }

    fn barrier(&mut self, short: bool) -> Parsed<Op> {
        if short && self.take("warp") {
            self.require("sync", &[("sync", ())])?;
            return Ok(Op::BarWarp(self.src(Ty::B32)?));
        }
        let _ = self.take("cta");
        let red = self.require("sync or red", &[("sync", false), ("red", true)])?;
        let _ = !short && self.take("aligned");
        if !red {
            let zero = self.raw.operands.first() == Some(&Operand::Int(0));
            let id = self.src(Ty::B32)?;
            let count = if self.left() > 0 { Some(self.src(Ty::B32)?) } else { None };
            return Ok(Op::Bar(Bar { id, count, red: None, named: !zero || count.is_some() }));
        }
        let op = self.require("an operation", &[("popc", 0), ("and", 1), ("or", 2)])?;
        let ty = self.ty(if op == 0 { &[Ty::U32] } else { &[Ty::Pred] })?;
        let d = self.dst(ty)?;
        let zero = self.raw.operands.get(1) == Some(&Operand::Int(0));
        let id = self.src(Ty::B32)?;
        let count = if self.left() > 1 { Some(self.src(Ty::B32)?) } else { None };
        let (p, negated) = self.pred()?;
        let to = match op {
            0 => BarRed::Popc(d),
            1 => BarRed::And(d),
            _ => BarRed::Or(d),
        };
        Ok(Op::Bar(Bar { id, count, red: Some((to, p, negated)), named: !zero || count.is_some() }))
    }

    fn mma(&mut self) -> Parsed<Op> {
        self.needs((7, 0), 80)?;
        self.require("sync", &[("sync", ())])?;
        self.require("aligned", &[("aligned", ())])?;
        let double = self.require("a shape", &[("m16n8k8", false), ("m8n8k4", true)])?;
        self.require("row", &[("row", ())])?;
        self.require("col", &[("col", ())])?;
        for want in if double { ["f64"; 4] } else { ["f32", "tf32", "tf32", "f32"] } {
            self.require("a type", &[(want, ())])?;
        }
        if double {
            let d = self.list(Ty::F64, true)?;
            let (a, b) = (self.list::<1>(Ty::F64, true)?, self.list::<1>(Ty::F64, true)?);
            let c = self.list(Ty::F64, true)?;
            return Ok(Op::MmaF64(MmaF64 { d, a: a[0], b: b[0], c }));
        }
        Ok(Op::MmaTf32(Box::new(MmaTf32 {
            d: self.list(Ty::F32, true)?,
            a: self.list(Ty::B32, true)?,
            b: self.list(Ty::B32, true)?,
            c: self.list(Ty::F32, true)?,
        })))
    }
}
