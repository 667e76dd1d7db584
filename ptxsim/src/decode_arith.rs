//! Decoding of moves, arithmetic, comparisons, logic and conversions.

use crate::decode::Cursor;
use crate::fault::{ParseError, ParseKind};
use crate::op::{BoolOp, Cmp, Cvt, F1, F2, Fm, I1, I2, Op, R, Rnd, Setp, Shift};
use crate::syntax::Operand;
use crate::types::Ty;

type Parsed<T> = Result<T, ParseError>;

const INTS: [Ty; 4] = [Ty::U32, Ty::S32, Ty::U64, Ty::S64];
const NUMBERS: [Ty; 6] = [Ty::U32, Ty::S32, Ty::U64, Ty::S64, Ty::F32, Ty::F64];
const SIGNED: [Ty; 4] = [Ty::S32, Ty::S64, Ty::F32, Ty::F64];
const ROUNDING: [(&str, Rnd); 4] = [("rn", Rnd::Near), ("rz", Rnd::Zero), ("rm", Rnd::Down), ("rp", Rnd::Up)];

impl Cursor<'_> {
    fn next_is_float(&self) -> bool {
        self.raw.mods.last().is_some_and(|m| matches!(m.as_str(), "f32" | "f64"))
    }

    fn d_a_b(&mut self, ty: Ty) -> Parsed<(R, R, R)> {
        Ok((self.dst(ty)?, self.src(ty)?, self.src(ty)?))
    }

    fn three(&mut self, ty: Ty) -> Parsed<[R; 3]> {
        Ok([self.src(ty)?, self.src(ty)?, self.src(ty)?])
    }

    /// `.rnd{.ftz}{.sat}`, all required or allowed as the instruction says; rounding is never left to ptxas, which
    /// would be free to fuse.
    fn float_mode(&mut self, sat: bool) -> Parsed<(Fm, Ty)> {
        let rnd = self.require("an explicit rounding", &ROUNDING)?;
        let ftz = self.take("ftz");
        let sat = sat && self.take("sat");
        let ty = self.ty(&[Ty::F32, Ty::F64])?;
        if ty == Ty::F64 && (rnd != Rnd::Near || ftz || sat) {
            return self.outside("f64 is supported with .rn only");
        }
        Ok((Fm { rnd, ftz, sat }, ty))
    }

    fn f2(&mut self, op: F2, fm: Fm, ty: Ty) -> Parsed<Op> {
        let (d, a, b) = self.d_a_b(ty)?;
        Ok(if ty == Ty::F32 { Op::F2x32(op, fm, d, a, b) } else { Op::F2x64(op, d, a, b) })
    }

    fn f1(&mut self, op: F1, fm: Fm, ty: Ty) -> Parsed<Op> {
        let (d, a) = (self.dst(ty)?, self.src(ty)?);
        Ok(if ty == Ty::F32 { Op::F1x32(op, fm, d, a) } else { Op::F1x64(op, d, a) })
    }

    fn i2(&mut self, op: I2, ty: Ty) -> Parsed<Op> {
        let (d, a, b) = self.d_a_b(ty)?;
        Ok(if ty.size() == 8 { Op::I2x64(op, d, a, b) } else { Op::I2x32(op, d, a, b) })
    }

    /// The arithmetic instruction this is, or `None`.
    pub(crate) fn arithmetic(&mut self) -> Parsed<Option<Op>> {
        let name = self.raw.name.as_str();
        Ok(Some(match name {
            "mov" => self.mov()?,
            "add" | "sub" if self.next_is_float() => {
                let (fm, ty) = self.float_mode(true)?;
                self.f2(if name == "add" { F2::Add } else { F2::Sub }, fm, ty)?
            }
            "add" | "sub" => {
                let sat = self.take("sat");
                let ty = if sat { self.ty(&[Ty::S32])? } else { self.ty(&INTS)? };
                let op = match (name, sat) {
                    ("add", false) => I2::Add,
                    ("add", true) => I2::AddSat,
                    (_, false) => I2::Sub,
                    (_, true) => I2::SubSat,
                };
                self.i2(op, ty)?
            }
            "mul" if self.next_is_float() => {
                let (fm, ty) = self.float_mode(true)?;
                self.f2(F2::Mul, fm, ty)?
            }
            "mul" | "mad" => self.product(name == "mad")?,
            "fma" => {
                let (fm, ty) = self.float_mode(true)?;
                let (d, abc) = (self.dst(ty)?, self.three(ty)?);
                if ty == Ty::F32 { Op::Fma32(fm, d, abc) } else { Op::Fma64(d, abc) }
            }
            "div" if self.next_is_float() => {
                if self.take("approx") || self.take("full") {
                    let ftz = self.take("ftz");
                    let ty = self.ty(&[Ty::F32])?;
                    self.f2(F2::DivApprox, Fm { ftz, ..Fm::RN }, ty)?
                } else {
                    let (fm, ty) = self.near(false)?;
                    self.f2(F2::Div, fm, ty)?
                }
            }
            "div" | "rem" => {
                let ty = self.ty(&INTS)?;
                let op = match (name, ty.is_signed()) {
                    ("div", true) => I2::DivS,
                    ("div", false) => I2::DivU,
                    (_, true) => I2::RemS,
                    (_, false) => I2::RemU,
                };
                self.i2(op, ty)?
            }
            "min" | "max" => self.extremum(name == "min")?,
            "abs" | "neg" => {
                let ftz = self.take("ftz");
                let ty = if ftz { self.ty(&[Ty::F32])? } else { self.ty(&SIGNED)? };
                let neg = name == "neg";
                if ty.is_float() {
                    self.f1(if neg { F1::Neg } else { F1::Abs }, Fm { ftz, ..Fm::RN }, ty)?
                } else {
                    self.i1(if neg { I1::Neg } else { I1::Abs }, ty, ty)?
                }
            }
            "sqrt" | "rcp" => {
                let sqrt = name == "sqrt";
                if self.take("approx") {
                    let ftz = self.take("ftz");
                    let ty = self.ty(&[Ty::F32])?;
                    self.f1(if sqrt { F1::SqrtApprox } else { F1::RcpApprox }, Fm { ftz, ..Fm::RN }, ty)?
                } else {
                    let (fm, ty) = self.near(false)?;
                    self.f1(if sqrt { F1::Sqrt } else { F1::Rcp }, fm, ty)?
                }
            }
            "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" => {
                self.require("approx", &[("approx", ())])?;
                let ftz = name != "tanh" && self.take("ftz");
                let ty = self.ty(&[Ty::F32])?;
                let op = match name {
                    "rsqrt" => F1::RsqrtApprox,
                    "sin" => F1::Sin,
                    "cos" => F1::Cos,
                    "lg2" => F1::Lg2,
                    "ex2" => F1::Ex2,
                    _ => {
                        self.needs((7, 0), 75)?;
                        F1::Tanh
                    }
                };
                self.f1(op, Fm { ftz, ..Fm::RN }, ty)?
            }
            "copysign" => {
                let ty = self.ty(&[Ty::F32, Ty::F64])?;
                self.f2(F2::Copysign, Fm::RN, ty)?
            }
            "setp" => self.setp()?,
            "selp" => {
                let ty = self.ty(&[&NUMBERS[..], &[Ty::B32, Ty::B64]].concat())?;
                let (d, a, b) = self.d_a_b(ty)?;
                let p = self.src(Ty::Pred)?;
                if ty.size() == 8 { Op::Sel64(d, a, b, p) } else { Op::Sel32(d, a, b, p) }
            }
            "slct" => {
                let ftz = self.take("ftz");
                let ty = self.ty(&[&NUMBERS[..], &[Ty::B32, Ty::B64]].concat())?;
                let by = self.ty(if ftz { &[Ty::F32] } else { &[Ty::F32, Ty::S32] })?;
                let (d, a, b) = self.d_a_b(ty)?;
                Op::Slct { wide: ty.size() == 8, float: by == Ty::F32, ftz, d, a, b, c: self.src(by)? }
            }
            "and" | "or" | "xor" => self.logic(name)?,
            "not" => {
                let ty = self.ty(&[Ty::Pred, Ty::B16, Ty::B32, Ty::B64])?;
                match ty {
                    Ty::Pred => Op::PredNot(self.dst(ty)?, self.src(ty)?),
                    Ty::B16 => self.i1(I1::Not16, ty, ty)?,
                    _ => self.i1(I1::Not, ty, ty)?,
                }
            }
            "popc" | "clz" => {
                let ty = self.ty(&[Ty::B32, Ty::B64])?;
                self.i1(if name == "popc" { I1::Popc } else { I1::Clz }, ty, Ty::U32)?
            }
            "brev" => {
                let ty = self.ty(&[Ty::B32, Ty::B64])?;
                self.i1(I1::Brev, ty, ty)?
            }
            "shl" | "shr" => {
                let left = name == "shl";
                let ty = self.ty(if left {
                    &[Ty::B32, Ty::B64]
                } else {
                    &[Ty::B32, Ty::B64, Ty::U32, Ty::U64, Ty::S32, Ty::S64]
                })?;
                let kind = match (left, ty.is_signed()) {
                    (true, _) => Shift::Left,
                    (false, false) => Shift::RightU,
                    (false, true) => Shift::RightS,
                };
                let (d, a, b) = (self.dst(ty)?, self.src(ty)?, self.src(Ty::B32)?);
                if ty.size() == 8 { Op::Sh64(kind, d, a, b) } else { Op::Sh32(kind, d, a, b) }
            }
            "shf" => {
                let right = self.require("a direction", &[("l", false), ("r", true)])?;
                let wrap = self.require("a mode", &[("wrap", true), ("clamp", false)])?;
                let ty = self.ty(&[Ty::B32])?;
                let d = self.dst(ty)?;
                let [a, b, c] = self.three(ty)?;
                Op::Shf { right, wrap, d, a, b, c }
            }
            "bfe" => {
                let ty = self.ty(&INTS)?;
                let d = self.dst(ty)?;
                let abc = [self.src(ty)?, self.src(Ty::U32)?, self.src(Ty::U32)?];
                if ty.size() == 8 { Op::Bfe64(ty.is_signed(), d, abc) } else { Op::Bfe32(ty.is_signed(), d, abc) }
            }
            "bfi" => {
                let ty = self.ty(&[Ty::B32, Ty::B64])?;
                let d = self.dst(ty)?;
                let abcd = [self.src(ty)?, self.src(ty)?, self.src(Ty::U32)?, self.src(Ty::U32)?];
                if ty.size() == 8 { Op::Bfi64(d, abcd) } else { Op::Bfi32(d, abcd) }
            }
            "prmt" => {
                let ty = self.ty(&[Ty::B32])?;
                Op::Prmt(self.dst(ty)?, self.three(ty)?)
            }
            "lop3" => {
                let ty = self.ty(&[Ty::B32])?;
                let (d, abc) = (self.dst(ty)?, self.three(ty)?);
                match self.operand()? {
                    Operand::Int(lut @ 0..=255) => Op::Lop3(lut as u8, d, abc),
                    other => return self.fail(ParseKind::Type, format!("the table must be 0 to 255, found {other:?}")),
                }
            }
            "cvt" => self.cvt()?,
            _ => return Ok(None),
        }))
    }

    /// Like [`Self::float_mode`], but only `.rn`.
    fn near(&mut self, sat: bool) -> Parsed<(Fm, Ty)> {
        let (fm, ty) = self.float_mode(sat)?;
        if fm.rnd != Rnd::Near { self.outside("only .rn is supported here") } else { Ok((fm, ty)) }
    }

    fn i1(&mut self, op: I1, ty: Ty, out: Ty) -> Parsed<Op> {
        let (d, a) = (self.dst(out)?, self.src(ty)?);
        Ok(if ty.size() == 8 { Op::I1x64(op, d, a) } else { Op::I1x32(op, d, a) })
    }

    fn mov(&mut self) -> Parsed<Op> {
        let ty = self.ty(&[
            Ty::Pred,
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
        ])?;
        if let Some(Operand::Vec(list)) = self.raw.operands.first() {
            if ty != Ty::B64 || list.len() != 2 {
                return self.outside("only a b64 can be taken apart, into two b32");
            }
            let mut d = [None; 2];
            for (slot, o) in d.iter_mut().zip(list) {
                *slot = match o {
                    Operand::Name(n) if n == "_" => None,
                    Operand::Name(n) => Some(self.reg_named(n, Ty::B32)?),
                    o => return self.fail(ParseKind::Type, format!("expected a register, found {o:?}")),
                };
            }
            self.operand()?;
            return Ok(Op::Unpack(d, self.src(ty)?));
        }
        let d = self.dst(ty)?;
        if let Some(Operand::Vec(_)) = self.raw.operands.get(1) {
            if ty != Ty::B64 {
                return self.outside("only a b64 can be put together, from two b32");
            }
            return Ok(Op::Pack(d, self.list(Ty::B32, false)?));
        }
        let o = self.operand()?;
        let symbol = match &o {
            Operand::Name(n) => self.symbol(n).map(|s| (s, 0)),
            Operand::Offset(n, off) => match self.symbol(n) {
                Some(s) => Some((s, *off)),
                None => return self.fail(ParseKind::Name, format!("{n} is not a variable")),
            },
            _ => None,
        };
        let a = match symbol {
            None => self.value(&o, ty)?,
            Some(_) if ty.is_float() || ty.size() < 4 => {
                return self.fail(ParseKind::Type, "an address needs a 32- or 64-bit integer");
            }
            Some(((_, at), off)) => {
                let address = i64::from(at) + off;
                if ty.size() == 8 { self.d.const64(address as u64) } else { self.d.const32(address as u32) }
            }
        };
        Ok(match ty.size() {
            0 => Op::MovPred(d, a),
            8 => Op::Mov64(d, a),
            _ => Op::Mov32(d, a),
        })
    }

    fn product(&mut self, mad: bool) -> Parsed<Op> {
        let part = self.require("a part of the product", &[("lo", 0), ("hi", 1), ("wide", 2)])?;
        let ty = self.ty(&INTS)?;
        let signed = ty.is_signed();
        if part == 2 {
            let wide = match ty {
                Ty::U32 => Ty::U64,
                Ty::S32 => Ty::S64,
                _ => return self.outside(".wide takes 32-bit factors"),
            };
            let (d, a, b) = (self.dst(wide)?, self.src(ty)?, self.src(ty)?);
            return Ok(match mad {
                false => Op::MulWide { signed, d, a, b },
                true => Op::MadWide { signed, d, a, b, c: self.src(wide)? },
            });
        }
        if mad {
            let high = (part == 1).then_some(signed);
            let (d, abc) = (self.dst(ty)?, self.three(ty)?);
            return Ok(if ty.size() == 8 { Op::Mad64(high, d, abc) } else { Op::Mad32(high, d, abc) });
        }
        let op = match (part, signed) {
            (0, _) => I2::MulLo,
            (_, true) => I2::MulHiS,
            (_, false) => I2::MulHiU,
        };
        self.i2(op, ty)
    }

    fn extremum(&mut self, min: bool) -> Parsed<Op> {
        let ftz = self.take("ftz");
        let nan = self.take("NaN");
        let ty = if ftz || nan { self.ty(&[Ty::F32])? } else { self.ty(&NUMBERS)? };
        if nan {
            self.needs((7, 0), 80)?;
        }
        if ty.is_float() {
            let op = match (min, nan) {
                (true, false) => F2::Min,
                (true, true) => F2::MinNan,
                (false, false) => F2::Max,
                (false, true) => F2::MaxNan,
            };
            return self.f2(op, Fm { ftz, ..Fm::RN }, ty);
        }
        let op = match (min, ty.is_signed()) {
            (true, true) => I2::MinS,
            (true, false) => I2::MinU,
            (false, true) => I2::MaxS,
            (false, false) => I2::MaxU,
        };
        self.i2(op, ty)
    }

    fn logic(&mut self, name: &str) -> Parsed<Op> {
        let ty = self.ty(&[Ty::Pred, Ty::B16, Ty::B32, Ty::B64])?;
        let (p, i) = match name {
            "and" => (BoolOp::And, I2::And),
            "or" => (BoolOp::Or, I2::Or),
            _ => (BoolOp::Xor, I2::Xor),
        };
        if ty == Ty::Pred {
            let (d, a, b) = self.d_a_b(ty)?;
            return Ok(Op::Pred2(p, d, a, b));
        }
        self.i2(i, ty)
    }

    fn setp(&mut self) -> Parsed<Op> {
        let cmp_name = self.peek_mod().unwrap_or("").to_string();
        let cmp = self.require(
            "a comparison",
            &[
                ("eq", Cmp::Eq),
                ("ne", Cmp::Ne),
                ("lt", Cmp::Lt),
                ("le", Cmp::Le),
                ("gt", Cmp::Gt),
                ("ge", Cmp::Ge),
                ("lo", Cmp::Lt),
                ("ls", Cmp::Le),
                ("hi", Cmp::Gt),
                ("hs", Cmp::Ge),
                ("equ", Cmp::Equ),
                ("neu", Cmp::Neu),
                ("ltu", Cmp::Ltu),
                ("leu", Cmp::Leu),
                ("gtu", Cmp::Gtu),
                ("geu", Cmp::Geu),
                ("num", Cmp::Num),
                ("nan", Cmp::Nan),
            ],
        )?;
        let combine = self.choose(&[("and", BoolOp::And), ("or", BoolOp::Or), ("xor", BoolOp::Xor)]);
        let ftz = self.take("ftz");
        let allowed: &[Ty] = match (ftz, cmp_name.as_str()) {
            (true, "lo" | "ls" | "hi" | "hs") => &[],
            (true, _) => &[Ty::F32],
            (_, "eq" | "ne") => &[Ty::U32, Ty::S32, Ty::U64, Ty::S64, Ty::F32, Ty::F64, Ty::B32, Ty::B64],
            (_, "lt" | "le" | "gt" | "ge") => &NUMBERS,
            (_, "lo" | "ls" | "hi" | "hs") => &[Ty::U32, Ty::U64],
            _ => &[Ty::F32, Ty::F64],
        };
        let ty = self.ty(allowed)?;
        let (d, q) = self.pair(Ty::Pred)?;
        let (a, b) = (self.src(ty)?, self.src(ty)?);
        let combine = match combine {
            None => None,
            Some(op) => {
                let (p, negated) = self.pred()?;
                Some((op, p, negated))
            }
        };
        let ty = match ty {
            Ty::B32 => Ty::U32,
            Ty::B64 => Ty::U64,
            t => t,
        };
        Ok(Op::Setp(Setp { cmp, ty, ftz, d, q, a, b, combine }))
    }

    fn cvt(&mut self) -> Parsed<Op> {
        if self.take("rna") {
            self.needs((7, 0), 80)?;
            self.require("tf32", &[("tf32", ())])?;
            self.ty(&[Ty::F32])?;
            return Ok(Op::CvtTf32(self.dst(Ty::B32)?, self.src(Ty::F32)?));
        }
        let integral = [("rni", Rnd::Near), ("rzi", Rnd::Zero), ("rmi", Rnd::Down), ("rpi", Rnd::Up)];
        let irnd = self.choose(&integral);
        let frnd = if irnd.is_none() { self.choose(&ROUNDING) } else { None };
        let ftz = self.take("ftz");
        let sat = self.take("sat");
        let all = [Ty::U8, Ty::U16, Ty::U32, Ty::U64, Ty::S8, Ty::S16, Ty::S32, Ty::S64, Ty::F32, Ty::F64];
        let (to, from) = (self.ty(&all)?, self.ty(&all)?);
        // Which rounding the pair of types asks for: (integral, floating).
        let want = match (from.is_float(), to.is_float()) {
            (true, false) => (true, false),
            (false, true) => (false, true),
            (false, false) => (false, false),
            (true, true) if from == to => (irnd.is_some(), false),
            (true, true) => (false, from == Ty::F64),
        };
        if (irnd.is_some(), frnd.is_some()) != want {
            let what = match want {
                (true, _) => "an integral rounding (.rni, .rzi, .rmi, .rpi)",
                (_, true) => "a rounding (.rn, .rz, .rm, .rp)",
                _ => "no rounding",
            };
            return self.fail(ParseKind::Type, format!("{from:?} to {to:?} takes {what}"));
        }
        if ftz && from != Ty::F32 && to != Ty::F32 {
            return self.fail(ParseKind::Type, ".ftz goes with f32");
        }
        let dst = self.operand()?;
        let (d, wide) = self.loose(&dst, to)?;
        let src = self.operand()?;
        let (a, from_wide) = match &src {
            Operand::Name(n) if n.starts_with('%') && self.special_name(n) => (self.value(&src, Ty::U32)?, false),
            Operand::Name(_) => self.loose(&src, from)?,
            _ => (self.value(&src, from)?, from.size() == 8),
        };
        if from_wide != (from.size() == 8) {
            return self.outside("the source register is wider than its type");
        }
        let rnd = irnd.or(frnd).unwrap_or(Rnd::Near);
        Ok(Op::Cvt(Cvt { from, to, rnd, integral: irnd.is_some(), ftz, sat, wide, d, a }))
    }

    fn special_name(&self, n: &str) -> bool {
        ["%tid.", "%ntid.", "%ctaid.", "%nctaid.", "%laneid", "%warpid"].iter().any(|s| n.starts_with(s))
    }
}
