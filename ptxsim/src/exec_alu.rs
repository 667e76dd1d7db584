//! Arithmetic on 32 lanes at once.

use crate::fault::{FaultKind, Res, stop};
use crate::float::{NAN32, binary32, binary64, canon, convert, fma32, ftz, unary32, unary64};
use crate::op::{BoolOp, Cmp, F1, F2, Fm, I1, I2, Op, R, Setp, Shift};
use crate::types::{Space, Ty};
use crate::warp::{V64, Warp, lanes};

#[inline(always)]
fn f(x: u32) -> f32 {
    f32::from_bits(x)
}

#[inline(always)]
fn d(x: u64) -> f64 {
    f64::from_bits(x)
}

/// Whether `cmp` holds, lane by lane. Ordered comparisons are false on NaN, unordered ones true.
#[inline(always)]
#[allow(clippy::double_comparisons)] // clippy's `x != y` holds for NaN
fn compare_all<T: PartialOrd + Copy>(cmp: Cmp, a: [T; 32], b: [T; 32]) -> u32 {
    #[inline(always)]
    fn mask<T: Copy>(a: [T; 32], b: [T; 32], f: impl Fn(T, T) -> bool) -> u32 {
        let mut t = 0;
        for i in 0..32 {
            t |= (f(a[i], b[i]) as u32) << i;
        }
        t
    }
    match cmp {
        Cmp::Eq => mask(a, b, |x, y| x == y),
        Cmp::Ne => mask(a, b, |x, y| x < y || x > y),
        Cmp::Lt => mask(a, b, |x, y| x < y),
        Cmp::Le => mask(a, b, |x, y| x <= y),
        Cmp::Gt => mask(a, b, |x, y| x > y),
        Cmp::Ge => mask(a, b, |x, y| x >= y),
        Cmp::Equ => !mask(a, b, |x, y| x < y || x > y),
        Cmp::Neu => !mask(a, b, |x, y| x == y),
        Cmp::Ltu => !mask(a, b, |x, y| x >= y),
        Cmp::Leu => !mask(a, b, |x, y| x > y),
        Cmp::Gtu => !mask(a, b, |x, y| x <= y),
        Cmp::Geu => !mask(a, b, |x, y| x < y),
        Cmp::Num => mask(a, b, |x, y| x <= y || x > y),
        Cmp::Nan => !mask(a, b, |x, y| x <= y || x > y),
    }
}

/// Nearest number with 10 bits of fraction, ties away from zero.
fn tf32(x: u32) -> u32 {
    if f(x).is_nan() { NAN32 } else { (x + 0x1000) & !0x1fff }
}

fn bfe(signed: bool, a: u64, pos: u32, len: u32, bits: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    let value = if signed { (a << (64 - bits)) as i64 >> (64 - bits) } else { a as i64 };
    if len == 0 {
        return 0;
    }
    // Bits from pos on, filled with the field's top bit (or the value's, where the field reaches beyond it) or zeros.
    let shifted = if pos >= 64 {
        if value < 0 { -1 } else { 0 }
    } else if signed {
        value >> pos
    } else {
        (value as u64 >> pos) as i64
    };
    let keep = len.min(bits.saturating_sub(pos));
    let field = match (signed, keep) {
        (true, 0) => shifted,
        (true, k) => (shifted << (64 - k)) >> (64 - k),
        (false, 64) => shifted,
        (false, k) => shifted & ((1i64 << k) - 1),
    };
    field as u64
}

fn bfi(a: u64, b: u64, pos: u32, len: u32, bits: u32) -> u64 {
    let (pos, len) = (pos & 0xff, len & 0xff);
    if pos >= bits || len == 0 {
        return b;
    }
    let len = len.min(bits - pos);
    let mask = (if len == 64 { u64::MAX } else { (1 << len) - 1 }) << pos;
    (a << pos) & mask | b & !mask
}

fn prmt(a: u32, b: u32, c: u32) -> u32 {
    let bytes = (b as u64) << 32 | a as u64;
    (0..4).fold(0, |out, i| {
        let sel = c >> (4 * i);
        let byte = (bytes >> (8 * (sel & 7))) as u8;
        let byte = if sel & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 };
        out | (byte as u32) << (8 * i)
    })
}

fn lop3(lut: u8, a: u32, b: u32, c: u32) -> u32 {
    (0..8).filter(|i| lut >> i & 1 == 1).fold(0, |out, i| {
        let pick = |x: u32, bit: u32| if i >> bit & 1 == 1 { x } else { !x };
        out | pick(a, 2) & pick(b, 1) & pick(c, 0)
    })
}

#[inline(always)]
fn shift(kind: Shift, a: u64, n: u32, bits: u32) -> u64 {
    match kind {
        Shift::Left if n >= bits => 0,
        Shift::Left => a << n,
        Shift::RightU if n >= bits => 0,
        Shift::RightU => a >> n,
        Shift::RightS => ((a << (64 - bits)) as i64 >> (64 - bits) >> n.min(63)) as u64,
    }
}

impl Warp {
    #[inline(always)]
    fn bin32(&mut self, d: R, a: R, b: R, m: u32, f: impl Fn(u32, u32) -> u32) -> Res {
        let (x, y) = (*self.get32(a, m)?, *self.get32(b, m)?);
        self.set32(d, m, |i| f(x[i], y[i]));
        Ok(())
    }

    #[inline(always)]
    fn bin64(&mut self, d: R, a: R, b: R, m: u32, f: impl Fn(u64, u64) -> u64) -> Res {
        let (x, y) = (*self.get64(a, m)?, *self.get64(b, m)?);
        self.set64(d, m, |i| f(x[i], y[i]));
        Ok(())
    }

    #[inline(always)]
    fn un32(&mut self, d: R, a: R, m: u32, f: impl Fn(u32) -> u32) -> Res {
        let x = *self.get32(a, m)?;
        self.set32(d, m, |i| f(x[i]));
        Ok(())
    }

    #[inline(always)]
    fn un64(&mut self, d: R, a: R, m: u32, f: impl Fn(u64) -> u64) -> Res {
        let x = *self.get64(a, m)?;
        self.set64(d, m, |i| f(x[i]));
        Ok(())
    }

    #[inline(always)]
    fn tri32(&mut self, d: R, [a, b, c]: [R; 3], m: u32, f: impl Fn(u32, u32, u32) -> u32) -> Res {
        let (x, y, z) = (*self.get32(a, m)?, *self.get32(b, m)?, *self.get32(c, m)?);
        self.set32(d, m, |i| f(x[i], y[i], z[i]));
        Ok(())
    }

    #[inline(always)]
    fn tri64(&mut self, d: R, [a, b, c]: [R; 3], m: u32, f: impl Fn(u64, u64, u64) -> u64) -> Res {
        let (x, y, z) = (*self.get64(a, m)?, *self.get64(b, m)?, *self.get64(c, m)?);
        self.set64(d, m, |i| f(x[i], y[i], z[i]));
        Ok(())
    }

    /// Execute an arithmetic instruction for the lanes of `m`. The result names a lane that divided by zero.
    pub fn alu(&mut self, op: &Op, m: u32) -> Res<Option<usize>> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both features.
            return unsafe { self.alu_native(op, m) };
        }
        self.alu_any(op, m)
    }

    /// The same code with wide vectors and the processor's fused multiply-add; without them `mul_add` is a library
    /// call, as correct but slow.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn alu_native(&mut self, op: &Op, m: u32) -> Res<Option<usize>> {
        self.alu_any(op, m)
    }

    #[inline(always)]
    fn alu_any(&mut self, op: &Op, m: u32) -> Res<Option<usize>> {
        match *op {
            Op::Mov32(d, a) => self.un32(d, a, m, |x| x)?,
            Op::Mov64(d, a) => self.un64(d, a, m, |x| x)?,
            Op::MovPred(d, a) => {
                let x = self.getp(a, m)?;
                self.setp(d, m, x);
            }
            Op::Pack(d, [lo, hi]) => {
                let (x, y) = (*self.get32(lo, m)?, *self.get32(hi, m)?);
                self.set64(d, m, |i| (y[i] as u64) << 32 | x[i] as u64);
            }
            Op::Unpack(d, a) => {
                let x = *self.get64(a, m)?;
                for (r, shift) in d.into_iter().zip([0, 32]) {
                    if let Some(r) = r {
                        self.set32(r, m, |i| (x[i] >> shift) as u32);
                    }
                }
            }
            Op::I1x32(op, d, a) => match op {
                I1::Neg => self.un32(d, a, m, u32::wrapping_neg)?,
                I1::Abs => self.un32(d, a, m, |x| (x as i32).wrapping_abs() as u32)?,
                I1::Not => self.un32(d, a, m, |x| !x)?,
                I1::Not16 => self.un32(d, a, m, |x| !x & 0xffff)?,
                I1::Brev => self.un32(d, a, m, u32::reverse_bits)?,
                I1::Popc => self.un32(d, a, m, u32::count_ones)?,
                I1::Clz => self.un32(d, a, m, u32::leading_zeros)?,
            },
            Op::I1x64(op, d, a) => match op {
                I1::Neg => self.un64(d, a, m, u64::wrapping_neg)?,
                I1::Abs => self.un64(d, a, m, |x| (x as i64).wrapping_abs() as u64)?,
                I1::Not | I1::Not16 => self.un64(d, a, m, |x| !x)?,
                I1::Brev => self.un64(d, a, m, u64::reverse_bits)?,
                I1::Popc | I1::Clz => {
                    let x = *self.get64(a, m)?;
                    self.set32(d, m, |i| if op == I1::Popc { x[i].count_ones() } else { x[i].leading_zeros() });
                }
            },
            Op::I2x32(op, d, a, b) => return self.int32(op, d, a, b, m),
            Op::I2x64(op, d, a, b) => return self.int64(op, d, a, b, m),
            Op::MulWide { signed, d, a, b } => {
                let (x, y) = (*self.get32(a, m)?, *self.get32(b, m)?);
                if signed {
                    self.set64(d, m, |i| (x[i] as i32 as i64 * y[i] as i32 as i64) as u64);
                } else {
                    self.set64(d, m, |i| x[i] as u64 * y[i] as u64);
                }
            }
            Op::MadWide { signed, d, a, b, c } => {
                let (x, y, z) = (*self.get32(a, m)?, *self.get32(b, m)?, *self.get64(c, m)?);
                if signed {
                    self.set64(d, m, |i| ((x[i] as i32 as i64 * y[i] as i32 as i64) as u64).wrapping_add(z[i]));
                } else {
                    self.set64(d, m, |i| (x[i] as u64 * y[i] as u64).wrapping_add(z[i]));
                }
            }
            Op::Mad32(high, d, abc) => match high {
                None => self.tri32(d, abc, m, |a, b, c| a.wrapping_mul(b).wrapping_add(c))?,
                Some(true) => self.tri32(d, abc, m, |a, b, c| hi_s32(a, b).wrapping_add(c))?,
                Some(false) => self.tri32(d, abc, m, |a, b, c| hi_u32(a, b).wrapping_add(c))?,
            },
            Op::Mad64(high, d, abc) => match high {
                None => self.tri64(d, abc, m, |a, b, c| a.wrapping_mul(b).wrapping_add(c))?,
                Some(true) => self.tri64(d, abc, m, |a, b, c| hi_s64(a, b).wrapping_add(c))?,
                Some(false) => self.tri64(d, abc, m, |a, b, c| hi_u64(a, b).wrapping_add(c))?,
            },
            Op::Sh32(kind, d, a, b) => self.bin32(d, a, b, m, |x, n| shift(kind, x as u64, n, 32) as u32)?,
            Op::Sh64(kind, d, a, b) => {
                let (x, n) = (*self.get64(a, m)?, *self.get32(b, m)?);
                self.set64(d, m, |i| shift(kind, x[i], n[i], 64));
            }
            Op::Shf { right, wrap, d, a, b, c } => self.tri32(d, [a, b, c], m, |a, b, c| {
                let n = if wrap { c & 31 } else { c.min(32) };
                let both = (b as u64) << 32 | a as u64;
                if right { (both >> n) as u32 } else { ((both << n) >> 32) as u32 }
            })?,
            Op::Bfe32(signed, d, abc) => {
                self.tri32(d, abc, m, |a, b, c| bfe(signed, a as u64, b, c, 32) as u32)?;
            }
            Op::Bfe64(signed, d, [a, b, c]) => {
                let (x, y, z) = (*self.get64(a, m)?, *self.get32(b, m)?, *self.get32(c, m)?);
                self.set64(d, m, |i| bfe(signed, x[i], y[i], z[i], 64));
            }
            Op::Bfi32(d, [a, b, c, e]) => {
                let len = *self.get32(e, m)?;
                let (x, y, pos) = (*self.get32(a, m)?, *self.get32(b, m)?, *self.get32(c, m)?);
                self.set32(d, m, |i| bfi(x[i] as u64, y[i] as u64, pos[i], len[i], 32) as u32);
            }
            Op::Bfi64(d, [a, b, c, e]) => {
                let len = *self.get32(e, m)?;
                let (x, y, pos) = (*self.get64(a, m)?, *self.get64(b, m)?, *self.get32(c, m)?);
                self.set64(d, m, |i| bfi(x[i], y[i], pos[i], len[i], 64));
            }
            Op::Prmt(d, abc) => self.tri32(d, abc, m, prmt)?,
            Op::Lop3(lut, d, abc) => self.tri32(d, abc, m, |a, b, c| lop3(lut, a, b, c))?,
            Op::F1x32(op, fm, d, a) => match op {
                F1::Neg if !fm.ftz => self.un32(d, a, m, |x| x ^ 0x8000_0000)?,
                F1::Abs if !fm.ftz => self.un32(d, a, m, |x| x & 0x7fff_ffff)?,
                _ => self.un32(d, a, m, |x| unary32(op, fm, f(x)).to_bits())?,
            },
            Op::F1x64(op, d, a) => self.un64(d, a, m, |x| unary64(op, f64::from_bits(x)).to_bits())?,
            Op::F2x32(op, fm, d, a, b) => match op {
                F2::Add if fm == Fm::RN => self.bin32(d, a, b, m, |x, y| canon(f(x) + f(y)).to_bits())?,
                F2::Sub if fm == Fm::RN => self.bin32(d, a, b, m, |x, y| canon(f(x) - f(y)).to_bits())?,
                F2::Mul if fm == Fm::RN => self.bin32(d, a, b, m, |x, y| canon(f(x) * f(y)).to_bits())?,
                _ => self.bin32(d, a, b, m, |x, y| binary32(op, fm, f(x), f(y)).to_bits())?,
            },
            Op::F2x64(op, r, a, b) => match op {
                F2::Add => self.bin64(r, a, b, m, |x, y| (d(x) + d(y)).to_bits())?,
                F2::Mul => self.bin64(r, a, b, m, |x, y| (d(x) * d(y)).to_bits())?,
                _ => self.bin64(r, a, b, m, |x, y| binary64(op, d(x), d(y)).to_bits())?,
            },
            Op::Fma32(fm, r, abc) => {
                if fm == Fm::RN {
                    self.tri32(r, abc, m, |a, b, c| canon(f(a).mul_add(f(b), f(c))).to_bits())?;
                } else {
                    self.tri32(r, abc, m, |a, b, c| fma32(fm, f(a), f(b), f(c)).to_bits())?;
                }
            }
            Op::Fma64(r, abc) => self.tri64(r, abc, m, |a, b, c| d(a).mul_add(d(b), d(c)).to_bits())?,
            Op::Cvt(c) => {
                let x: V64 = if c.from.size() == 8 {
                    *self.get64(c.a, m)?
                } else {
                    let x = self.get32(c.a, m)?;
                    std::array::from_fn(|i| x[i] as u64)
                };
                if c.wide {
                    self.set64(c.d, m, |i| convert(&c, x[i]));
                } else {
                    self.set32(c.d, m, |i| convert(&c, x[i]) as u32);
                }
            }
            Op::CvtTf32(d, a) => self.un32(d, a, m, tf32)?,
            Op::Setp(ref s) => self.set_predicate(s, m)?,
            Op::Sel32(d, a, b, p) => {
                let p = self.getp(p, m)?;
                let (x, y) = (*self.get32(a, m & p)?, *self.get32(b, m & !p)?);
                self.set32(d, m, |i| if p >> i & 1 == 1 { x[i] } else { y[i] });
            }
            Op::Sel64(d, a, b, p) => {
                let p = self.getp(p, m)?;
                let (x, y) = (*self.get64(a, m & p)?, *self.get64(b, m & !p)?);
                self.set64(d, m, |i| if p >> i & 1 == 1 { x[i] } else { y[i] });
            }
            Op::Slct { wide, float, ftz: flush, d, a, b, c } => {
                let z = *self.get32(c, m)?;
                let first = |x: u32| match float {
                    // A NaN selects b, -0 selects a.
                    true => (if flush { ftz(f(x)) } else { f(x) }) >= 0.0,
                    false => x as i32 >= 0,
                };
                if wide {
                    let (x, y) = (*self.get64(a, m)?, *self.get64(b, m)?);
                    self.set64(d, m, |i| if first(z[i]) { x[i] } else { y[i] });
                } else {
                    let (x, y) = (*self.get32(a, m)?, *self.get32(b, m)?);
                    self.set32(d, m, |i| if first(z[i]) { x[i] } else { y[i] });
                }
            }
            Op::Pred2(op, d, a, b) => {
                let v = combine(op, self.getp(a, m)?, self.getp(b, m)?);
                self.setp(d, m, v);
            }
            Op::PredNot(d, a) => {
                let v = !self.getp(a, m)?;
                self.setp(d, m, v);
            }
            Op::Cvta { space, to, d, a } => {
                let window = match space {
                    Space::Shared => crate::memory::SHARED_SLOT << 32,
                    Space::Const => crate::memory::CONST_SLOT << 32,
                    _ => 0,
                };
                self.un64(d, a, m, |x| if to { x.wrapping_sub(window) } else { x.wrapping_add(window) })?;
            }
            ref other => return stop(FaultKind::Launch, 0, 0, format!("{other:?} is not arithmetic")),
        }
        Ok(None)
    }

    #[inline(always)]
    fn int32(&mut self, op: I2, d: R, a: R, b: R, m: u32) -> Res<Option<usize>> {
        let s = |x: u32| x as i32;
        match op {
            I2::Add => self.bin32(d, a, b, m, u32::wrapping_add)?,
            I2::Sub => self.bin32(d, a, b, m, u32::wrapping_sub)?,
            I2::AddSat => self.bin32(d, a, b, m, |x, y| s(x).saturating_add(s(y)) as u32)?,
            I2::SubSat => self.bin32(d, a, b, m, |x, y| s(x).saturating_sub(s(y)) as u32)?,
            I2::MulLo => self.bin32(d, a, b, m, u32::wrapping_mul)?,
            I2::MulHiS => self.bin32(d, a, b, m, hi_s32)?,
            I2::MulHiU => self.bin32(d, a, b, m, hi_u32)?,
            I2::MinS => self.bin32(d, a, b, m, |x, y| s(x).min(s(y)) as u32)?,
            I2::MaxS => self.bin32(d, a, b, m, |x, y| s(x).max(s(y)) as u32)?,
            I2::MinU => self.bin32(d, a, b, m, u32::min)?,
            I2::MaxU => self.bin32(d, a, b, m, u32::max)?,
            I2::And => self.bin32(d, a, b, m, |x, y| x & y)?,
            I2::Or => self.bin32(d, a, b, m, |x, y| x | y)?,
            I2::Xor => self.bin32(d, a, b, m, |x, y| x ^ y)?,
            I2::DivS | I2::DivU | I2::RemS | I2::RemU => {
                let y = *self.get32(b, m)?;
                self.bin32(d, a, b, m, |x, y| match (op, y) {
                    (I2::DivS | I2::DivU, 0) => u32::MAX,
                    (_, 0) => x,
                    (I2::DivS, _) => s(x).wrapping_div(s(y)) as u32,
                    (I2::DivU, _) => x / y,
                    (I2::RemS, _) => s(x).wrapping_rem(s(y)) as u32,
                    _ => x % y,
                })?;
                return Ok(lanes(m).find(|&i| y[i] == 0));
            }
        }
        Ok(None)
    }

    #[inline(always)]
    fn int64(&mut self, op: I2, d: R, a: R, b: R, m: u32) -> Res<Option<usize>> {
        let s = |x: u64| x as i64;
        match op {
            I2::Add | I2::AddSat => self.bin64(d, a, b, m, u64::wrapping_add)?,
            I2::Sub | I2::SubSat => self.bin64(d, a, b, m, u64::wrapping_sub)?,
            I2::MulLo => self.bin64(d, a, b, m, u64::wrapping_mul)?,
            I2::MulHiS => self.bin64(d, a, b, m, hi_s64)?,
            I2::MulHiU => self.bin64(d, a, b, m, hi_u64)?,
            I2::MinS => self.bin64(d, a, b, m, |x, y| s(x).min(s(y)) as u64)?,
            I2::MaxS => self.bin64(d, a, b, m, |x, y| s(x).max(s(y)) as u64)?,
            I2::MinU => self.bin64(d, a, b, m, u64::min)?,
            I2::MaxU => self.bin64(d, a, b, m, u64::max)?,
            I2::And => self.bin64(d, a, b, m, |x, y| x & y)?,
            I2::Or => self.bin64(d, a, b, m, |x, y| x | y)?,
            I2::Xor => self.bin64(d, a, b, m, |x, y| x ^ y)?,
            I2::DivS | I2::DivU | I2::RemS | I2::RemU => {
                let y = *self.get64(b, m)?;
                self.bin64(d, a, b, m, |x, y| match (op, y) {
                    (I2::DivS | I2::DivU, 0) => u64::MAX,
                    (_, 0) => x,
                    (I2::DivS, _) => s(x).wrapping_div(s(y)) as u64,
                    (I2::DivU, _) => x / y,
                    (I2::RemS, _) => s(x).wrapping_rem(s(y)) as u64,
                    _ => x % y,
                })?;
                return Ok(lanes(m).find(|&i| y[i] == 0));
            }
        }
        Ok(None)
    }

    #[inline(always)]
    fn set_predicate(&mut self, s: &Setp, m: u32) -> Res {
        let mut t = match s.ty {
            Ty::F32 => {
                let (a, b) = (self.get32(s.a, m)?, self.get32(s.b, m)?);
                if s.ftz {
                    compare_all(s.cmp, a.map(|x| ftz(f(x))), b.map(|x| ftz(f(x))))
                } else {
                    compare_all(s.cmp, a.map(f), b.map(f))
                }
            }
            Ty::F64 => compare_all(s.cmp, self.get64(s.a, m)?.map(d), self.get64(s.b, m)?.map(d)),
            Ty::U64 => compare_all(s.cmp, *self.get64(s.a, m)?, *self.get64(s.b, m)?),
            Ty::S64 => compare_all(s.cmp, self.get64(s.a, m)?.map(|x| x as i64), self.get64(s.b, m)?.map(|x| x as i64)),
            Ty::S32 => compare_all(s.cmp, self.get32(s.a, m)?.map(|x| x as i32), self.get32(s.b, m)?.map(|x| x as i32)),
            _ => compare_all(s.cmp, *self.get32(s.a, m)?, *self.get32(s.b, m)?),
        };
        let mut q = !t;
        if let Some((op, c, negated)) = s.combine {
            let c = self.getp(c, m)?;
            let c = if negated { !c } else { c };
            (t, q) = (combine(op, t, c), combine(op, !t, c));
        }
        for (r, v) in [(s.d, t), (s.q, q)] {
            if let Some(r) = r {
                self.setp(r, m, v);
            }
        }
        Ok(())
    }
}

#[inline(always)]
fn combine(op: BoolOp, a: u32, b: u32) -> u32 {
    match op {
        BoolOp::And => a & b,
        BoolOp::Or => a | b,
        BoolOp::Xor => a ^ b,
    }
}

#[inline(always)]
fn hi_s32(a: u32, b: u32) -> u32 {
    ((a as i32 as i64 * b as i32 as i64) >> 32) as u32
}

#[inline(always)]
fn hi_u32(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 32) as u32
}

#[inline(always)]
fn hi_s64(a: u64, b: u64) -> u64 {
    ((a as i64 as i128 * b as i64 as i128) >> 64) as u64
}

#[inline(always)]
fn hi_u64(a: u64, b: u64) -> u64 {
    ((a as u128 * b as u128) >> 64) as u64
}
