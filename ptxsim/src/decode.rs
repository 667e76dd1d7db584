//! Names, registers, constants and operands of one kernel, and the cursor that decodes one instruction.
//! The instructions themselves are in `decode_arith` and `decode_mem`.

use std::collections::HashMap;

use crate::fault::{ParseError, ParseKind};
use crate::flow;
use crate::lex::err;
use crate::op::{Addr, Base, Inst, Kernel, Op, Param, R, Special};
use crate::syntax::{Operand, RawInst, RawKernel, RawModule, Variable};
use crate::types::{Space, Ty, align_up};

type Parsed<T> = Result<T, ParseError>;
type Addresses = Vec<(String, u32)>;

/// First address of the shared window, so that address 0 is never valid.
pub(crate) const SHARED_BASE: u32 = 1024;
/// First address of the constant window.
pub(crate) const CONST_BASE: u32 = 1024;
/// Unused bytes between static shared variables, which a program must not count on being neighbours.
const SHARED_GAP: u64 = 64;

/// Beginnings of special registers that exist but are not modelled.
const SPECIAL_OUTSIDE: [&str; 12] = [
    "%clock",
    "%smid",
    "%nsmid",
    "%gridid",
    "%globaltimer",
    "%pm",
    "%envreg",
    "%total_smem",
    "%dynamic_smem",
    "%aggr_smem",
    "%cluster",
    "%is_explicit_cluster",
];

#[derive(Clone, Copy, Debug)]
enum Name {
    Reg(Ty, R),
    Param(u32, u32),
    Shared(u32),
    Const(u32),
}

pub(crate) struct Decoder {
    names: HashMap<String, Name>,
    labels: HashMap<String, usize>,
    kernel: Kernel,
    pool32: HashMap<u32, R>,
    pool64: HashMap<u64, R>,
    pub target: u32,
    pub version: (u32, u32),
}

/// Lay out the constants of a module: addresses by name, and the bytes.
fn constants(module: &RawModule) -> Parsed<(Addresses, Vec<u8>)> {
    let (mut names, mut bytes) = (Vec::new(), Vec::new());
    for v in &module.constants {
        let start = align_up(bytes.len() as u64, v.align).unwrap_or(u64::MAX);
        if start + v.init.len() as u64 > 65536 {
            return err(ParseKind::Unsupported, v.line, "more than 64 KiB of constants");
        }
        bytes.resize(start as usize, 0);
        bytes.extend_from_slice(&v.init);
        names.push((v.name.clone(), CONST_BASE + start as u32));
    }
    Ok((names, bytes))
}

/// Decode every kernel; also returns the constant bank.
pub(crate) fn decode(module: &RawModule) -> Parsed<(Vec<Kernel>, Vec<u8>)> {
    let (names, bank) = constants(module)?;
    let mut kernels = Vec::new();
    for raw in &module.kernels {
        let mut d = Decoder {
            names: HashMap::new(),
            labels: HashMap::new(),
            kernel: Kernel { name: raw.name.clone(), reqntid: raw.reqntid, maxntid: raw.maxntid, ..Kernel::default() },
            pool32: HashMap::new(),
            pool64: HashMap::new(),
            target: module.target,
            version: module.version,
        };
        for (v, (name, at)) in module.constants.iter().zip(&names) {
            d.define(v.line, name, Name::Const(*at))?;
        }
        d.params(raw)?;
        d.shared(module.shared.iter().chain(&raw.shared))?;
        for (line, name, ty) in &raw.regs {
            let r = d.fresh(*ty);
            d.define(*line, name, Name::Reg(*ty, r))?;
        }
        for (line, name, at) in &raw.labels {
            if d.names.contains_key(name) || d.labels.insert(name.clone(), *at).is_some() {
                return err(ParseKind::Name, *line, format!("label {name} is defined twice"));
            }
        }
        let mut code = Vec::with_capacity(raw.insts.len());
        for inst in &raw.insts {
            code.push(d.inst(inst)?);
        }
        flow::link(&mut code);
        d.kernel.code = code;
        kernels.push(d.kernel);
    }
    Ok((kernels, bank))
}

impl Decoder {
    fn define(&mut self, line: u32, name: &str, what: Name) -> Parsed<()> {
        match self.names.insert(name.to_string(), what) {
            None => Ok(()),
            Some(_) => err(ParseKind::Name, line, format!("{name} is defined twice")),
        }
    }

    fn params(&mut self, raw: &RawKernel) -> Parsed<()> {
        let mut at = 0u64;
        for v in &raw.params {
            let size = v.bytes.unwrap_or(0);
            at = align_up(at, v.align).unwrap_or(u64::MAX);
            if at.saturating_add(size) > 4096 {
                return err(ParseKind::Unsupported, v.line, "more than 4096 bytes of parameters");
            }
            self.define(v.line, &v.name, Name::Param(at as u32, size as u32))?;
            let (off, size) = (at as u32, size as u32);
            self.kernel.params.push(Param { name: v.name.clone(), ty: v.ty, off, size, array: v.array });
            at += size as u64;
        }
        self.kernel.param_bytes = at as u32;
        Ok(())
    }

    fn shared<'a>(&mut self, vars: impl Iterator<Item = &'a Variable>) -> Parsed<()> {
        let mut at = SHARED_BASE as u64;
        let mut dynamic = Vec::new();
        for v in vars {
            let Some(bytes) = v.bytes else {
                dynamic.push(v);
                continue;
            };
            let start = align_up(at, v.align.max(16)).unwrap_or(u64::MAX);
            if start.saturating_add(bytes) > u64::from(u32::MAX / 2) {
                return err(ParseKind::Unsupported, v.line, "too much shared memory");
            }
            self.define(v.line, &v.name, Name::Shared(start as u32))?;
            self.kernel.shared.push((start as u32, (start + bytes) as u32));
            self.kernel.shared_static_bytes += bytes as u32;
            at = start + bytes + SHARED_GAP;
        }
        let start = align_up(at, 256).unwrap_or(u64::MAX) as u32;
        self.kernel.shared_dynamic = start;
        for v in dynamic {
            self.define(v.line, &v.name, Name::Shared(start))?;
        }
        Ok(())
    }

    fn fresh(&mut self, ty: Ty) -> R {
        let file = match ty {
            Ty::Pred => 2,
            t if t.size() == 8 => 1,
            _ => 0,
        };
        self.kernel.regs[file] += 1;
        self.kernel.regs[file] - 1
    }

    pub fn const32(&mut self, bits: u32) -> R {
        if let Some(&r) = self.pool32.get(&bits) {
            return r;
        }
        let r = self.fresh(Ty::B32);
        self.pool32.insert(bits, r);
        self.kernel.consts32.push((r, bits));
        r
    }

    pub fn const64(&mut self, bits: u64) -> R {
        if let Some(&r) = self.pool64.get(&bits) {
            return r;
        }
        let r = self.fresh(Ty::B64);
        self.pool64.insert(bits, r);
        self.kernel.consts64.push((r, bits));
        r
    }

    fn special(&mut self, name: &str) -> Option<R> {
        let axis = match name.rsplit_once('.').map(|(_, c)| c) {
            Some("y") => 1,
            Some("z") => 2,
            _ => 0,
        };
        let s = match name.split('.').next()? {
            "%tid" => Special::Tid(axis),
            "%ntid" => Special::Ntid(axis),
            "%ctaid" => Special::Ctaid(axis),
            "%nctaid" => Special::Nctaid(axis),
            "%laneid" => Special::Lane,
            "%warpid" => Special::Warp,
            "%nwarpid" => Special::Warps,
            "%lanemask_eq" => Special::MaskEq,
            "%lanemask_lt" => Special::MaskLt,
            "%lanemask_le" => Special::MaskLe,
            "%lanemask_gt" => Special::MaskGt,
            "%lanemask_ge" => Special::MaskGe,
            _ => return None,
        };
        if let Some(&(r, _)) = self.kernel.specials.iter().find(|&&(_, t)| t == s) {
            return Some(r);
        }
        let r = self.fresh(Ty::B32);
        self.kernel.specials.push((r, s));
        Some(r)
    }

    fn inst(&mut self, raw: &RawInst) -> Parsed<Inst> {
        let guard = match &raw.guard {
            None => None,
            Some((name, negated)) => match self.names.get(name) {
                Some(&Name::Reg(Ty::Pred, r)) => Some((r, *negated)),
                Some(_) => return err(ParseKind::Type, raw.line, format!("guard {name} is not a predicate")),
                None => return err(ParseKind::Name, raw.line, format!("{name} is not defined")),
            },
        };
        let mut c = Cursor { d: self, raw, at_mod: 0, at_op: 0 };
        let op = c.decode()?;
        c.finish()?;
        Ok(Inst { op, line: raw.line, guard, reconverge: 0 })
    }
}

/// Whether a register of type `reg` can be an operand of type `want`.
fn fits(want: Ty, reg: Ty) -> bool {
    want.size() == reg.size()
        && (want == Ty::Pred) == (reg == Ty::Pred)
        && (want.is_bits() || reg.is_bits() || want.is_float() == reg.is_float())
}

/// Walks the modifiers and operands of one instruction.
pub(crate) struct Cursor<'a> {
    pub d: &'a mut Decoder,
    pub raw: &'a RawInst,
    at_mod: usize,
    at_op: usize,
}

impl Cursor<'_> {
    pub fn fail<T>(&self, kind: ParseKind, message: impl AsRef<str>) -> Parsed<T> {
        let mods: String = self.raw.mods.iter().map(|m| format!(".{m}")).collect();
        err(kind, self.raw.line, format!("{}{mods}: {}", self.raw.name, message.as_ref()))
    }

    pub fn outside<T>(&self, message: impl AsRef<str>) -> Parsed<T> {
        self.fail(ParseKind::Unsupported, message)
    }

    /// The module's version and target must be at least these.
    pub fn needs(&self, version: (u32, u32), target: u32) -> Parsed<()> {
        if self.d.version < version || self.d.target < target {
            let (a, b) = version;
            return self.outside(format!("needs .version {a}.{b} and .target sm_{target}"));
        }
        Ok(())
    }

    pub fn peek_mod(&self) -> Option<&str> {
        self.raw.mods.get(self.at_mod).map(String::as_str)
    }

    /// Take the next modifier if it is this one.
    pub fn take(&mut self, name: &str) -> bool {
        let yes = self.peek_mod() == Some(name);
        self.at_mod += yes as usize;
        yes
    }

    /// Take the next modifier if it is in the table.
    pub fn choose<T: Copy>(&mut self, table: &[(&str, T)]) -> Option<T> {
        let m = self.peek_mod()?;
        let found = table.iter().find(|(name, _)| *name == m).map(|&(_, v)| v);
        self.at_mod += found.is_some() as usize;
        found
    }

    pub fn require<T: Copy>(&mut self, what: &str, table: &[(&str, T)]) -> Parsed<T> {
        match self.choose(table) {
            Some(v) => Ok(v),
            None => {
                let found = self.peek_mod().map_or("nothing".to_string(), |m| format!(".{m}"));
                let names: Vec<&str> = table.iter().map(|(n, _)| *n).collect();
                self.outside(format!("expected {what} (.{}), found {found}", names.join(", .")))
            }
        }
    }

    /// The next modifier as a type out of `allowed`.
    pub fn ty(&mut self, allowed: &[Ty]) -> Parsed<Ty> {
        match self.peek_mod().and_then(Ty::parse) {
            Some(t) if allowed.contains(&t) => {
                self.at_mod += 1;
                Ok(t)
            }
            _ => {
                let found = self.peek_mod().map_or("nothing".to_string(), |m| format!(".{m}"));
                self.outside(format!("expected a type out of {allowed:?}, found {found}"))
            }
        }
    }

    pub fn finish(&self) -> Parsed<()> {
        if let Some(m) = self.peek_mod() {
            return self.outside(format!("modifier .{m}"));
        }
        if self.at_op < self.raw.operands.len() {
            let (found, used) = (self.raw.operands.len(), self.at_op);
            return self.fail(ParseKind::Type, format!("takes {used} operands, found {found}"));
        }
        Ok(())
    }

    pub fn left(&self) -> usize {
        self.raw.operands.len() - self.at_op
    }

    pub fn operand(&mut self) -> Parsed<Operand> {
        match self.raw.operands.get(self.at_op) {
            Some(o) => {
                self.at_op += 1;
                Ok(o.clone())
            }
            None => self.fail(ParseKind::Type, format!("only {} operands", self.at_op)),
        }
    }

    fn reg(&self, name: &str) -> Parsed<(Ty, R)> {
        match self.d.names.get(name) {
            Some(&Name::Reg(ty, r)) => Ok((ty, r)),
            Some(_) => self.fail(ParseKind::Type, format!("{name} is not a register")),
            None if SPECIAL_OUTSIDE.iter().any(|s| name.starts_with(s)) => {
                self.outside(format!("special register {name}"))
            }
            None => self.fail(ParseKind::Name, format!("{name} is not defined")),
        }
    }

    fn mismatch<T>(&self, name: &str, found: Ty, want: Ty) -> Parsed<T> {
        self.fail(ParseKind::Type, format!("{name} is of type {found:?}, the instruction wants {want:?}"))
    }

    pub fn reg_named(&self, name: &str, want: Ty) -> Parsed<R> {
        let (ty, r) = self.reg(name)?;
        if fits(want, ty) { Ok(r) } else { self.mismatch(name, ty, want) }
    }

    /// Destination register.
    pub fn dst(&mut self, want: Ty) -> Parsed<R> {
        match self.operand()? {
            Operand::Name(n) => self.reg_named(&n, want),
            other => self.fail(ParseKind::Type, format!("expected a destination register, found {other:?}")),
        }
    }

    /// Destination register or, for `_`, nothing.
    pub fn dst_or_sink(&mut self, want: Ty) -> Parsed<Option<R>> {
        match self.raw.operands.get(self.at_op) {
            Some(Operand::Name(n)) if n == "_" => {
                self.at_op += 1;
                Ok(None)
            }
            _ => self.dst(want).map(Some),
        }
    }

    /// Register that may be wider than the value, as `ld`, `st` and `cvt` allow; true when it has 64 bits.
    pub fn loose(&self, o: &Operand, want: Ty) -> Parsed<(R, bool)> {
        let Operand::Name(n) = o else {
            return self.fail(ParseKind::Type, format!("expected a register, found {o:?}"));
        };
        let (ty, r) = self.reg(n)?;
        let wider = ty.size() > want.size() && !want.is_float() && !ty.is_float() && ty != Ty::Pred;
        if fits(want, ty) || wider { Ok((r, ty.size() == 8)) } else { self.mismatch(n, ty, want) }
    }

    pub fn src(&mut self, want: Ty) -> Parsed<R> {
        let o = self.operand()?;
        self.value(&o, want)
    }

    /// A register, special register or immediate of this type.
    pub fn value(&mut self, o: &Operand, want: Ty) -> Parsed<R> {
        let bits: u64 = match (o, want) {
            (Operand::Name(n), _) => {
                if let Some(r) = self.d.special(n) {
                    return if fits(want, Ty::U32) { Ok(r) } else { self.mismatch(n, Ty::U32, want) };
                }
                if n == "WARP_SZ" && want.size() == 4 && !want.is_float() {
                    return Ok(self.d.const32(32));
                }
                return self.reg_named(n, want);
            }
            (Operand::Int(v), t) if !t.is_float() && t != Ty::Pred => {
                let bits = t.bits();
                if *v >= 1i128 << bits || *v < -(1i128 << (bits - 1)) {
                    return self.fail(ParseKind::Type, format!("immediate {v} does not fit {t:?}"));
                }
                let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
                *v as u64 & mask
            }
            (Operand::Float(v), Ty::F32) => (*v as f32).to_bits() as u64,
            (Operand::Float(v), Ty::F64) => v.to_bits(),
            (Operand::F32(b), Ty::F32 | Ty::B32) => *b as u64,
            (Operand::F64(b), Ty::F64 | Ty::B64) => *b,
            (o, t) => return self.fail(ParseKind::Type, format!("{o:?} where a {t:?} is expected")),
        };
        Ok(if want.size() == 8 { self.d.const64(bits) } else { self.d.const32(bits as u32) })
    }

    /// A predicate, possibly negated.
    pub fn pred(&mut self) -> Parsed<(R, bool)> {
        match self.operand()? {
            Operand::Name(n) => Ok((self.reg_named(&n, Ty::Pred)?, false)),
            Operand::Not(n) => Ok((self.reg_named(&n, Ty::Pred)?, true)),
            other => self.fail(ParseKind::Type, format!("expected a predicate, found {other:?}")),
        }
    }

    /// `d` or `d|p`; either may be `_` when it is a predicate.
    pub fn pair(&mut self, want: Ty) -> Parsed<(Option<R>, Option<R>)> {
        let one = |c: &Self, n: &str, ty: Ty| if n == "_" { Ok(None) } else { c.reg_named(n, ty).map(Some) };
        match self.operand()? {
            Operand::Name(n) => Ok((Some(self.reg_named(&n, want)?), None)),
            Operand::Pair(a, b) => Ok((one(self, &a, want)?, one(self, &b, Ty::Pred)?)),
            other => self.fail(ParseKind::Type, format!("expected a destination, found {other:?}")),
        }
    }

    /// A list of exactly `N` values.
    pub fn list<const N: usize>(&mut self, want: Ty, write: bool) -> Parsed<[R; N]> {
        let Operand::Vec(list) = self.operand()? else {
            return self.fail(ParseKind::Type, format!("expected {N} operands in braces"));
        };
        let mut out = [0; N];
        if list.len() != N {
            return self.fail(ParseKind::Type, format!("expected {N} operands in braces, found {}", list.len()));
        }
        for (slot, o) in out.iter_mut().zip(&list) {
            *slot = match o {
                Operand::Name(n) => self.reg_named(n, want)?,
                o if !write => self.value(o, want)?,
                o => return self.fail(ParseKind::Type, format!("expected a register, found {o:?}")),
            };
        }
        Ok(out)
    }

    /// Where a symbol lies in its window.
    pub fn symbol(&self, name: &str) -> Option<(Space, u32)> {
        match self.d.names.get(name)? {
            Name::Shared(at) => Some((Space::Shared, *at)),
            Name::Const(at) => Some((Space::Const, *at)),
            _ => None,
        }
    }

    pub fn label(&mut self) -> Parsed<u32> {
        let Operand::Name(n) = self.operand()? else {
            return self.fail(ParseKind::Type, "expected a label");
        };
        match self.d.labels.get(&n) {
            Some(&at) => Ok(at as u32),
            None => self.fail(ParseKind::Name, format!("label {n} is not defined")),
        }
    }

    /// Parameter operand `[name + off]`: offset and bytes left of that parameter.
    pub fn param_address(&mut self) -> Parsed<(u32, u32)> {
        let Operand::Addr(n, off) = self.operand()? else {
            return self.fail(ParseKind::Type, "expected a parameter in brackets");
        };
        match self.d.names.get(&n) {
            Some(&Name::Param(at, size)) if (0..size as i64).contains(&off) => Ok((at + off as u32, size - off as u32)),
            Some(&Name::Param(..)) => self.fail(ParseKind::Type, format!("offset {off} is outside parameter {n}")),
            Some(_) => self.fail(ParseKind::Type, format!("{n} is not a parameter")),
            None => self.fail(ParseKind::Name, format!("{n} is not defined")),
        }
    }

    pub fn address(&mut self, space: Space) -> Parsed<Addr> {
        match self.operand()? {
            Operand::AbsAddr(off) => Ok(Addr { base: Base::None, off }),
            Operand::Addr(n, off) => {
                if let Some((s, at)) = self.symbol(&n) {
                    if s != space {
                        return self.fail(ParseKind::Type, format!("{n} lies in {s:?} space, not {space:?}"));
                    }
                    return Ok(Addr { base: Base::None, off: off + i64::from(at) });
                }
                let (ty, r) = self.reg(&n)?;
                let base = match (ty.size(), ty.is_float(), space) {
                    (8, false, _) => Base::R64(r),
                    (4, false, Space::Shared | Space::Const) => Base::R32(r),
                    _ => return self.fail(ParseKind::Type, format!("{n} ({ty:?}) cannot hold a {space:?} address")),
                };
                Ok(Addr { base, off })
            }
            other => self.fail(ParseKind::Type, format!("expected an address in brackets, found {other:?}")),
        }
    }

    fn decode(&mut self) -> Parsed<Op> {
        if let Some(op) = self.arithmetic()? {
            return Ok(op);
        }
        if let Some(op) = self.memory()? {
            return Ok(op);
        }
        self.outside("instruction outside the subset")
    }
}
