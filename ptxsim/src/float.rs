//! Scalar floating-point semantics: directed rounding, flush to zero, NaN rules, conversions, and the model of the
//! `.approx` functions.
//!
//! A NaN result of an f32 operation is the canonical 0x7fffffff, as on the hardware; f64 NaNs are the host's.

use crate::op::{Cvt, F1, F2, Fm, Rnd};
use crate::types::Ty;

pub(crate) const NAN32: u32 = 0x7fff_ffff;

#[inline(always)]
pub(crate) fn ftz(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

#[inline(always)]
pub(crate) fn canon(x: f32) -> f32 {
    if x.is_nan() { f32::from_bits(NAN32) } else { x }
}

/// f64 to f32 in the given direction.
pub(crate) fn narrow(x: f64, rnd: Rnd) -> f32 {
    let y = x as f32;
    let wide = y as f64;
    match rnd {
        Rnd::Down if wide > x => y.next_down(),
        Rnd::Up if wide < x => y.next_up(),
        Rnd::Zero if wide.abs() > x.abs() => {
            if x > 0.0 {
                y.next_down()
            } else {
                y.next_up()
            }
        }
        _ => canon(y),
    }
}

/// a + b rounded once to f32. The sum is taken in f64 and rounded to odd there, which keeps the second rounding exact.
fn sum(a: f64, b: f64, rnd: Rnd) -> f32 {
    let s = a + b;
    if s == 0.0 && rnd == Rnd::Down && (a.is_sign_negative() || b.is_sign_negative()) {
        return -0.0;
    }
    if !s.is_finite() {
        return canon(s as f32);
    }
    let bb = s - a;
    let e = (a - (s - bb)) + (b - bb);
    let odd = if e == 0.0 || s.to_bits() & 1 == 1 {
        s
    } else if e > 0.0 {
        s.next_up()
    } else {
        s.next_down()
    };
    narrow(odd, rnd)
}

fn finish(x: f32, fm: Fm) -> f32 {
    let x = if fm.ftz { ftz(x) } else { x };
    match fm.sat {
        // The comparison is false for a NaN, which becomes +0.
        true if x > 0.0 => x.min(1.0),
        true => 0.0,
        false => canon(x),
    }
}

pub(crate) fn fma32(fm: Fm, a: f32, b: f32, c: f32) -> f32 {
    let (a, b, c) = if fm.ftz { (ftz(a), ftz(b), ftz(c)) } else { (a, b, c) };
    let r = if fm.rnd == Rnd::Near { a.mul_add(b, c) } else { sum(a as f64 * b as f64, c as f64, fm.rnd) };
    finish(r, fm)
}

pub(crate) fn binary32(op: F2, fm: Fm, a: f32, b: f32) -> f32 {
    if op == F2::Copysign {
        return b.copysign(a);
    }
    let (a, b) = if fm.ftz { (ftz(a), ftz(b)) } else { (a, b) };
    let near = fm.rnd == Rnd::Near;
    let r = match op {
        F2::Add if near => a + b,
        F2::Sub if near => a - b,
        F2::Mul if near => a * b,
        F2::Add => sum(a as f64, b as f64, fm.rnd),
        F2::Sub => sum(a as f64, -b as f64, fm.rnd),
        F2::Mul => narrow(a as f64 * b as f64, fm.rnd),
        F2::Div => a / b,
        F2::DivApprox => blur(a as f64 / b as f64, a.to_bits() ^ b.to_bits().rotate_left(16), REL_DIV),
        F2::Min | F2::Max | F2::MinNan | F2::MaxNan => extremum(op, a as f64, b as f64) as f32,
        F2::Copysign => a,
    };
    finish(r, fm)
}

/// Minimum and maximum with -0 below +0; a NaN loses, except for the `.NaN` forms.
fn extremum(op: F2, a: f64, b: f64) -> f64 {
    let min = matches!(op, F2::Min | F2::MinNan);
    let strict = matches!(op, F2::MinNan | F2::MaxNan);
    match (a.is_nan(), b.is_nan()) {
        (true, true) => f64::NAN,
        (true, false) => {
            if strict {
                f64::NAN
            } else {
                b
            }
        }
        (false, true) => {
            if strict {
                f64::NAN
            } else {
                a
            }
        }
        _ if a == b => {
            if a.is_sign_negative() == min {
                a
            } else {
                b
            }
        }
        _ => {
            if (a < b) == min {
                a
            } else {
                b
            }
        }
    }
}

pub(crate) fn binary64(op: F2, a: f64, b: f64) -> f64 {
    match op {
        F2::Add => a + b,
        F2::Sub => a - b,
        F2::Mul => a * b,
        F2::Div | F2::DivApprox => a / b,
        F2::Copysign => b.copysign(a),
        _ => extremum(op, a, b),
    }
}

// Largest errors of the modelled approximations. The manual's relative figures (2^-23 for rcp and sqrt, 2 ulp for div,
// 2^-22.9 for rsqrt, 2^-22.5 for ex2, 2^-11 for tanh) less the 2^-24 that the final rounding can add.
const REL_DIV: f64 = 5.9e-8;
const REL_RCP: f64 = 5.9e-8;
const REL_SQRT: f64 = 5.9e-8;
const REL_RSQRT: f64 = 6.8e-8;
const REL_EX2: f64 = 1.09e-7;
const ABS_LG2: f64 = 1.57e-7;
const ABS_SIN: f64 = 5.1e-7;
const REL_TANH: f64 = 4.88e-4;

/// A number in \[-0.9, 0.9\] that depends on the bits alone.
fn noise(seed: u32) -> f64 {
    let mut h = (seed as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((h >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * 0.9
}

/// The exact value, moved by up to `rel` of itself unless it is a f32 already (as 2^3 or 1/4 are).
fn blur(exact: f64, seed: u32, rel: f64) -> f32 {
    blur_abs(exact, seed, rel * exact.abs())
}

fn blur_abs(exact: f64, seed: u32, abs: f64) -> f32 {
    let near = exact as f32;
    if !exact.is_finite() || near as f64 == exact || !near.is_normal() {
        return near;
    }
    (exact + abs * noise(seed)) as f32
}

pub(crate) fn unary32(op: F1, fm: Fm, a: f32) -> f32 {
    let a = if fm.ftz { ftz(a) } else { a };
    let (x, bits) = (a as f64, a.to_bits());
    let r = match op {
        F1::Neg => return -a,
        F1::Abs => return a.abs(),
        F1::Sqrt => a.sqrt(),
        F1::Rcp => 1.0 / a,
        F1::SqrtApprox => blur(x.sqrt(), bits, REL_SQRT),
        F1::RcpApprox => blur(1.0 / x, bits, REL_RCP),
        F1::RsqrtApprox => blur(1.0 / x.sqrt(), bits, REL_RSQRT),
        F1::Ex2 => blur(x.exp2(), bits, REL_EX2),
        F1::Lg2 => blur_abs(x.log2(), bits, ABS_LG2),
        F1::Tanh => blur(x.tanh(), bits, REL_TANH).clamp(-1.0, 1.0),
        F1::Sin => blur_abs(x.sin(), bits, ABS_SIN),
        F1::Cos => blur_abs(x.cos(), bits, ABS_SIN),
    };
    finish(r, fm)
}

pub(crate) fn unary64(op: F1, a: f64) -> f64 {
    match op {
        F1::Neg => -a,
        F1::Abs => a.abs(),
        F1::Sqrt => a.sqrt(),
        // The decoder lets no other operation through in f64.
        _ => 1.0 / a,
    }
}

/// The value range of an integer type.
fn range(ty: Ty) -> (i128, i128) {
    let bits = ty.bits();
    if ty.is_signed() { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
}

/// The low bits as a value of an integer type.
pub(crate) fn extend(bits: u64, ty: Ty) -> i128 {
    let shift = 64 - ty.bits();
    if ty.is_signed() { ((bits << shift) as i64 >> shift) as i128 } else { (bits << shift >> shift) as i128 }
}

fn integral(x: f64, rnd: Rnd) -> f64 {
    match rnd {
        Rnd::Near => x.round_ties_even(),
        Rnd::Zero => x.trunc(),
        Rnd::Down => x.floor(),
        Rnd::Up => x.ceil(),
    }
}

fn int_to_f32(v: i128, rnd: Rnd) -> f32 {
    let y = v as f32;
    let back = y as i128;
    match rnd {
        Rnd::Down if back > v => y.next_down(),
        Rnd::Up if back < v => y.next_up(),
        Rnd::Zero if back.abs() > v.abs() => {
            if v > 0 {
                y.next_down()
            } else {
                y.next_up()
            }
        }
        _ => y,
    }
}

fn int_to_f64(v: i128, rnd: Rnd) -> f64 {
    let y = v as f64;
    let back = y as i128;
    match rnd {
        Rnd::Down if back > v => y.next_down(),
        Rnd::Up if back < v => y.next_up(),
        Rnd::Zero if back.abs() > v.abs() => {
            if v > 0 {
                y.next_down()
            } else {
                y.next_up()
            }
        }
        _ => y,
    }
}

fn clamp01(x: f64) -> f64 {
    if x > 0.0 { x.min(1.0) } else { 0.0 }
}

/// `cvt` on the bits of one lane; the result is extended to 64 bits.
pub(crate) fn convert(c: &Cvt, bits: u64) -> u64 {
    let flush = |x: f32| if c.ftz { ftz(x) } else { x };
    let float = match c.from {
        Ty::F32 => Some(flush(f32::from_bits(bits as u32)) as f64),
        Ty::F64 => Some(f64::from_bits(bits)),
        _ => None,
    };
    let fm = Fm { rnd: Rnd::Near, ftz: c.ftz, sat: c.sat };
    match (float, c.to) {
        (Some(x), Ty::F32) => {
            let y = match (c.from, c.integral) {
                (_, true) => integral(x, c.rnd) as f32,
                (Ty::F64, false) => narrow(x, c.rnd),
                _ => x as f32,
            };
            finish(y, fm).to_bits() as u64
        }
        (Some(x), Ty::F64) => {
            let y = if c.integral { integral(x, c.rnd) } else { x };
            (if c.sat { clamp01(y) } else { y }).to_bits()
        }
        (Some(x), to) => {
            let (low, high) = range(to);
            if x.is_nan() {
                // The manual: 0, except that a 64-bit side makes it the top bit alone.
                return if c.from == Ty::F64 || to.size() == 8 { 1 << (to.bits() - 1) } else { 0 };
            }
            (integral(x, c.rnd) as i128).clamp(low, high) as u64
        }
        (None, Ty::F32) => finish(int_to_f32(extend(bits, c.from), c.rnd), fm).to_bits() as u64,
        (None, Ty::F64) => {
            let y = int_to_f64(extend(bits, c.from), c.rnd);
            (if c.sat { clamp01(y) } else { y }).to_bits()
        }
        (None, to) => {
            let v = extend(bits, c.from);
            let (low, high) = range(to);
            if c.sat { v.clamp(low, high) as u64 } else { extend(v as u64, to) as u64 }
        }
    }
}
