//! Each instruction family on hand-computed values.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Bits, eval};

/// `t!("op %d, %a, %b;", [types] -> type: (inputs) => output, ...)`.
macro_rules! t {
    ($body:expr, [$($ty:literal),*] -> $out:literal: $(($($x:expr),*) => $want:expr),* $(,)?) => {{
        let rows: Vec<Vec<u64>> = vec![$(vec![$($x.bits()),*]),*];
        let want: Vec<u64> = vec![$($want.bits()),*];
        let got = eval($body, &[$($ty),*], $out, &rows);
        for (i, (g, w)) in got.iter().zip(&want).enumerate() {
            assert!(g == w, "{} row {i} {:x?}: got {g:#x}, want {w:#x}", $body, rows[i]);
        }
    }};
}

const MIN: i32 = i32::MIN;
const MAX: i32 = i32::MAX;
const NAN: f32 = f32::NAN;
const SUB: f32 = 1e-40;
const INF: f32 = f32::INFINITY;

fn canonical() -> f32 {
    f32::from_bits(0x7fff_ffff)
}

#[test]
fn integer_sums_and_products() {
    t!("add.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (1, 2) => 3, (MAX, 1) => MIN, (-1, 1) => 0);
    t!("add.sat.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (MAX, 1) => MAX, (MIN, -1) => MIN, (-5, 3) => -2);
    t!("sub.sat.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (MIN, 1) => MIN, (0, MIN) => MAX);
    t!("sub.u32 %d, %a, 1;", ["u32"] -> "u32": (0u32) => u32::MAX, (7u32) => 6u32);
    t!("add.u64 %d, %a, %b;", ["u64", "u64"] -> "u64": (u64::MAX, 2u64) => 1u64);
    t!("mul.lo.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (MIN, -1) => MIN, (65537, 65537) => 131073, (-3, 5) => -15);
    t!("mul.hi.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (MIN, MIN) => 0x4000_0000, (-1, 1) => -1, (-1, -1) => 0);
    t!("mul.hi.u32 %d, %a, %b;", ["u32", "u32"] -> "u32": (u32::MAX, u32::MAX) => 0xffff_fffeu32);
    t!("mul.hi.s64 %d, %a, %b;", ["s64", "s64"] -> "s64": (i64::MIN, -1i64) => 0i64, (i64::MIN, 2i64) => -1i64);
    t!("mul.hi.u64 %d, %a, %b;", ["u64", "u64"] -> "u64": (u64::MAX, 2u64) => 1u64);
    t!("mul.wide.s32 %d, %a, %b;", ["s32", "s32"] -> "s64": (MIN, MIN) => 1i64 << 62, (-2, 3) => -6i64);
    t!("mul.wide.u32 %d, %a, %b;", ["u32", "u32"] -> "u64": (u32::MAX, u32::MAX) => 0xffff_fffe_0000_0001u64);
    t!("mad.lo.s32 %d, %a, %b, %c;", ["s32", "s32", "s32"] -> "s32": (MAX, 2, 3) => 1, (-2, 3, 6) => 0);
    t!("mad.hi.u32 %d, %a, %b, %c;", ["u32", "u32", "u32"] -> "u32": (u32::MAX, u32::MAX, 5u32) => 3u32);
    t!("mad.hi.s32 %d, %a, %b, %c;", ["s32", "s32", "s32"] -> "s32": (-1, 1, 5) => 4);
    t!("mad.wide.s32 %d, %a, %b, %c;", ["s32", "s32", "s64"] -> "s64": (-2, 3, 1i64 << 40) => (1i64 << 40) - 6);
    t!("mad.wide.u32 %d, %a, %b, %c;", ["u32", "u32", "u64"] -> "u64": (u32::MAX, 2u32, u64::MAX) => 0x1_ffff_fffdu64);
    t!("mad.lo.u64 %d, %a, %b, %c;", ["u64", "u64", "u64"] -> "u64": (u64::MAX, 3u64, 4u64) => 1u64);
}

#[test]
fn integer_quotients_and_order() {
    t!("div.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (-7, 2) => -3, (7, -2) => -3, (MIN, -1) => MIN, (5, 0) => -1);
    t!("rem.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (-7, 2) => -1, (7, -2) => 1, (MIN, -1) => 0, (5, 0) => 5);
    t!("div.u32 %d, %a, %b;", ["u32", "u32"] -> "u32": (u32::MAX, 2u32) => 0x7fff_ffffu32, (9u32, 0u32) => u32::MAX);
    t!("rem.u64 %d, %a, %b;", ["u64", "u64"] -> "u64": (u64::MAX, 10u64) => 5u64, (9u64, 0u64) => 9u64);
    t!("div.s64 %d, %a, %b;", ["s64", "s64"] -> "s64": (i64::MIN, -1i64) => i64::MIN, (-9i64, 4i64) => -2i64);
    t!("min.s32 %d, %a, %b;", ["s32", "s32"] -> "s32": (-1, 1) => -1, (MIN, MAX) => MIN);
    t!("min.u32 %d, %a, %b;", ["u32", "u32"] -> "u32": (u32::MAX, 1u32) => 1u32);
    t!("max.s64 %d, %a, %b;", ["s64", "s64"] -> "s64": (-1i64, 1i64) => 1i64);
    t!("max.u64 %d, %a, %b;", ["u64", "u64"] -> "u64": (u64::MAX, 1u64) => u64::MAX);
    t!("neg.s32 %d, %a;", ["s32"] -> "s32": (MIN) => MIN, (5) => -5);
    t!("abs.s32 %d, %a;", ["s32"] -> "s32": (MIN) => MIN, (-5) => 5);
    t!("abs.s64 %d, %a;", ["s64"] -> "s64": (i64::MIN) => i64::MIN, (-5i64) => 5i64);
    t!("neg.s64 %d, %a;", ["s64"] -> "s64": (7i64) => -7i64);
}

#[test]
fn bits_and_shifts() {
    t!("shl.b32 %d, %a, %b;", ["b32", "u32"] -> "b32": (1u32, 31u32) => 1u32 << 31, (1u32, 32u32) => 0u32, (3u32, u32::MAX) => 0u32);
    t!("shr.u32 %d, %a, %b;", ["u32", "u32"] -> "u32": (0x8000_0000u32, 31u32) => 1u32, (u32::MAX, 32u32) => 0u32);
    t!("shr.s32 %d, %a, %b;", ["s32", "u32"] -> "s32": (MIN, 31u32) => -1, (MIN, 40u32) => -1, (MAX, 99u32) => 0, (-8, 1u32) => -4);
    t!("shl.b64 %d, %a, %b;", ["b64", "u32"] -> "b64": (1u64, 63u32) => 1u64 << 63, (1u64, 64u32) => 0u64);
    t!("shr.s64 %d, %a, %b;", ["s64", "u32"] -> "s64": (i64::MIN, 64u32) => -1i64, (-4i64, 1u32) => -2i64);
    t!("shr.u64 %d, %a, 65;", ["u64"] -> "u64": (u64::MAX) => 0u64);
    t!("shf.l.wrap.b32 %d, %a, %b, %c;", ["b32", "b32", "u32"] -> "b32": (0x8000_0001u32, 2u32, 33u32) => 5u32, (1u32, 2u32, 0u32) => 2u32);
    t!("shf.r.clamp.b32 %d, %a, %b, %c;", ["b32", "b32", "u32"] -> "b32": (1u32, 7u32, 40u32) => 7u32, (16u32, 1u32, 4u32) => 0x1000_0001u32);
    t!("and.b32 %d, %a, %b;", ["b32", "b32"] -> "b32": (0xff00u32, 0x0ff0u32) => 0x0f00u32);
    t!("or.b64 %d, %a, %b;", ["b64", "b64"] -> "b64": (1u64 << 40, 1u64) => (1u64 << 40) + 1);
    t!("xor.b32 %d, %a, -1;", ["b32"] -> "b32": (5u32) => !5u32);
    t!("not.b64 %d, %a;", ["b64"] -> "b64": (0u64) => u64::MAX);
    t!("popc.b64 %d, %a;", ["b64"] -> "u32": (u64::MAX) => 64u32, (0u64) => 0u32);
    t!("clz.b32 %d, %a;", ["b32"] -> "u32": (0u32) => 32u32, (1u32) => 31u32);
    t!("clz.b64 %d, %a;", ["b64"] -> "u32": (0u64) => 64u32);
    t!("brev.b32 %d, %a;", ["b32"] -> "b32": (1u32) => 1u32 << 31);
    t!("bfe.u32 %d, %a, %b, %c;", ["u32", "u32", "u32"] -> "u32": (0xabcd_ef01u32, 8u32, 8u32) => 0xefu32, (u32::MAX, 28u32, 8u32) => 0xfu32,
        (u32::MAX, 32u32, 4u32) => 0u32, (u32::MAX, 3u32, 0u32) => 0u32);
    t!("bfe.s32 %d, %a, %b, %c;", ["s32", "u32", "u32"] -> "s32": (0xf0, 4u32, 4u32) => -1, (0x70, 4u32, 4u32) => 7, (MIN, 28u32, 8u32) => -8,
        (MIN, 32u32, 4u32) => -1, (MIN, 0u32, 0u32) => 0, (1, 32u32, 4u32) => 0);
    t!("bfe.u64 %d, %a, %b, %c;", ["u64", "u32", "u32"] -> "u64": (u64::MAX, 0u32, 64u32) => u64::MAX, (u64::MAX, 60u32, 9u32) => 0xfu64);
    t!("bfe.s64 %d, %a, %b, %c;", ["s64", "u32", "u32"] -> "s64": (1i64 << 40, 40u32, 1u32) => -1i64);
    t!("bfe.u32 %d, %a, %b, %c;", ["u32", "u32", "u32"] -> "u32": (u32::MAX, 0u32, 255u32) => u32::MAX, (u32::MAX, 0x104u32, 0x108u32) => 0xffu32,
        (u32::MAX, 255u32, 255u32) => 0u32);
    t!("bfe.s64 %d, %a, %b, %c;", ["s64", "u32", "u32"] -> "s64": (i64::MIN, 255u32, 255u32) => -1i64, (i64::MAX, 0u32, 255u32) => i64::MAX);
    t!("bfi.b32 %d, %a, %b, %c, %e;", ["b32", "b32", "u32", "u32"] -> "b32": (0xfu32, 0u32, 4u32, 4u32) => 0xf0u32,
        (u32::MAX, 0u32, 28u32, 8u32) => 0xf000_0000u32, (1u32, 7u32, 32u32, 1u32) => 7u32, (0u32, u32::MAX, 0u32, 32u32) => 0u32);
    t!("bfi.b64 %d, %a, %b, %c, %e;", ["b64", "b64", "u32", "u32"] -> "b64": (3u64, 0u64, 62u32, 2u32) => 3u64 << 62);
    t!("prmt.b32 %d, %a, %b, %c;", ["b32", "b32", "b32"] -> "b32": (0x3322_1100u32, 0x7766_5544u32, 0x7531u32) => 0x7755_3311u32,
        (0x80u32, 0u32, 0x8u32) => 0x8080_80ffu32);
    t!("lop3.b32 %d, %a, %b, %c, 0x96;", ["b32", "b32", "b32"] -> "b32": (0xf0u32, 0xccu32, 0xaau32) => 0x96u32);
    t!("lop3.b32 %d, %a, %b, %c, 0xe8;", ["b32", "b32", "b32"] -> "b32": (0xf0u32, 0xccu32, 0xaau32) => 0xe8u32);
}

#[test]
fn f32_arithmetic() {
    t!("add.rn.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, 2f32) => 3f32, (0f32, -0f32) => 0f32, (-0f32, -0f32) => -0f32,
        (f32::MAX, f32::MAX) => INF, (INF, -INF) => canonical(), (NAN, 1f32) => canonical(), (SUB, SUB) => SUB + SUB);
    t!("add.rn.ftz.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (SUB, -SUB) => 0f32, (-SUB, -0f32) => -0f32, (SUB, 1f32) => 1f32,
        (1.5e-38f32, -1.2e-38f32) => 0f32);
    t!("add.rn.sat.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, 2f32) => 1f32, (-3f32, 1f32) => 0f32, (NAN, 0f32) => 0f32, (0.25f32, 0.5f32) => 0.75f32);
    // 1 + 2^-30: toward zero and down stay, up goes on; and mirrored.
    let e = 2f32.powi(-30);
    t!("add.rz.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, e) => 1f32, (1f32, -e) => 1f32.next_down(), (f32::MAX, f32::MAX) => f32::MAX);
    t!("add.rp.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, e) => 1f32.next_up(), (1f32, -e) => 1f32, (-1f32, e) => (-1f32).next_up());
    t!("add.rm.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, e) => 1f32, (1f32, -e) => 1f32.next_down(), (1f32, -1f32) => -0f32, (0f32, 0f32) => 0f32);
    // The f64 sum 2^60 + 1 is inexact itself, and just above a f32.
    t!("add.rp.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (2f32.powi(60), 1f32) => 2f32.powi(60).next_up(), (2f32.powi(60), 2f32.powi(-140)) => 2f32.powi(60).next_up());
    t!("sub.rn.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, 1f32) => 0f32, (INF, INF) => canonical(), (-0f32, 0f32) => -0f32);
    t!("sub.rm.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, e) => 1f32.next_down());
    t!("mul.rn.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (3f32, -4f32) => -12f32, (1e38f32, 10f32) => INF, (0f32, INF) => canonical(), (1e-30f32, 1e-10f32) => 1e-30f32 * 1e-10f32);
    t!("mul.rn.ftz.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1e-30f32, -1e-10f32) => -0f32, (SUB, INF) => canonical());
    t!("mul.rz.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1.0000001f32, 1.0000001f32) => 1.0000002f32, (1e38f32, 10f32) => f32::MAX);
    t!("mul.rp.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1.0000001f32, 1.0000001f32) => 1.0000002f32.next_up(), (1e-40f32, 1e-40f32) => f32::from_bits(1));
    // x*x - round(x*x): what only a fused product keeps.
    let x = 1f32 + 2f32.powi(-12);
    let xx = x * x;
    t!("fma.rn.f32 %d, %a, %b, %c;", ["f32", "f32", "f32"] -> "f32": (x, x, -xx) => 2f32.powi(-24), (2f32, 3f32, 4f32) => 10f32,
        (INF, 0f32, 1f32) => canonical(), (1e30f32, 1e30f32, -INF) => -INF, (1f32, -0f32, 0f32) => 0f32);
    t!("fma.rn.ftz.f32 %d, %a, %b, %c;", ["f32", "f32", "f32"] -> "f32": (SUB, 2f32, 0f32) => 0f32, (1e-20f32, 1e-20f32, 0f32) => 0f32);
    t!("fma.rz.f32 %d, %a, %b, %c;", ["f32", "f32", "f32"] -> "f32": (e, 1f32, 1f32) => 1f32, (-e, 1f32, 1f32) => 1f32.next_down());
    t!("fma.rp.f32 %d, %a, %b, %c;", ["f32", "f32", "f32"] -> "f32": (e, 1f32, 1f32) => 1f32.next_up(), (e, e, 1f32) => 1f32.next_up());
    t!("fma.rn.sat.f32 %d, %a, %b, %c;", ["f32", "f32", "f32"] -> "f32": (2f32, 3f32, 4f32) => 1f32);
    t!("div.rn.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (1f32, 3f32) => 1f32 / 3f32, (1f32, -0f32) => -INF, (0f32, 0f32) => canonical());
    t!("sqrt.rn.f32 %d, %a;", ["f32"] -> "f32": (2f32) => 2f32.sqrt(), (-0f32) => -0f32, (-1f32) => canonical(), (SUB) => SUB.sqrt());
    t!("sqrt.rn.ftz.f32 %d, %a;", ["f32"] -> "f32": (SUB) => 0f32);
    t!("rcp.rn.f32 %d, %a;", ["f32"] -> "f32": (3f32) => 1f32 / 3f32, (-0f32) => -INF, (INF) => 0f32, (2e38f32) => 1f32 / 2e38f32);
    t!("neg.f32 %d, %a;", ["f32"] -> "f32": (0f32) => -0f32, (INF) => -INF);
    t!("abs.f32 %d, %a;", ["f32"] -> "f32": (-0f32) => 0f32, (-2f32) => 2f32);
    t!("abs.ftz.f32 %d, %a;", ["f32"] -> "f32": (-SUB) => 0f32);
    t!("copysign.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (-1f32, 2f32) => -2f32, (0f32, -2f32) => 2f32);
}

#[test]
fn f32_order() {
    t!("min.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (0f32, -0f32) => -0f32, (-0f32, 0f32) => -0f32, (NAN, 1f32) => 1f32, (1f32, NAN) => 1f32, (NAN, NAN) => canonical(), (2f32, 1f32) => 1f32);
    t!("max.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (0f32, -0f32) => 0f32, (-0f32, 0f32) => 0f32, (NAN, 1f32) => 1f32, (-INF, 1f32) => 1f32);
    t!("max.NaN.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (NAN, 1f32) => canonical(), (1f32, NAN) => canonical(), (3f32, 2f32) => 3f32);
    t!("min.ftz.f32 %d, %a, %b;", ["f32", "f32"] -> "f32": (SUB, 1f32) => 0f32);
    t!("min.f64 %d, %a, %b;", ["f64", "f64"] -> "f64": (0f64, -0f64) => -0f64, (f64::NAN, 1f64) => 1f64);
    t!("setp.lt.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (1f32, 2f32) => true, (NAN, 2f32) => false, (0f32, -0f32) => false);
    t!("setp.ne.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 2f32) => false, (1f32, 2f32) => true, (0f32, -0f32) => false);
    t!("setp.neu.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 2f32) => true, (1f32, 1f32) => false);
    t!("setp.equ.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, NAN) => true, (1f32, 2f32) => false);
    t!("setp.geu.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 1f32) => true, (0f32, 1f32) => false);
    t!("setp.ltu.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 1f32) => true, (1f32, 1f32) => false);
    t!("setp.leu.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 1f32) => true, (1f32, 1f32) => true);
    t!("setp.gtu.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 1f32) => true, (1f32, 1f32) => false);
    t!("setp.num.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (NAN, 1f32) => false, (1f32, 1f32) => true);
    t!("setp.nan.f64 %d, %a, %b;", ["f64", "f64"] -> "pred": (1f64, f64::NAN) => true, (1f64, 1f64) => false);
    t!("setp.eq.ftz.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (SUB, 0f32) => true, (SUB, 1f32) => false);
    t!("setp.eq.f32 %d, %a, %b;", ["f32", "f32"] -> "pred": (SUB, 0f32) => false, (0f32, -0f32) => true);
}

#[test]
fn integer_comparisons_and_selection() {
    t!("setp.lt.s32 %d, %a, %b;", ["s32", "s32"] -> "pred": (MIN, 1) => true, (1, 1) => false);
    t!("setp.lt.u32 %d, %a, %b;", ["u32", "u32"] -> "pred": (0x8000_0000u32, 1u32) => false, (0u32, 1u32) => true);
    t!("setp.lo.u32 %d, %a, %b;", ["u32", "u32"] -> "pred": (u32::MAX, 1u32) => false);
    t!("setp.hs.u64 %d, %a, %b;", ["u64", "u64"] -> "pred": (u64::MAX, 1u64) => true, (1u64, 1u64) => true);
    t!("setp.ge.s64 %d, %a, %b;", ["s64", "s64"] -> "pred": (i64::MIN, 0i64) => false, (0i64, 0i64) => true);
    t!("setp.ne.b32 %d, %a, 7;", ["b32"] -> "pred": (7u32) => false, (8u32) => true);
    t!("setp.gt.and.s32 %d, %a, %b, %c;", ["s32", "s32", "pred"] -> "pred": (2, 1, true) => true, (2, 1, false) => false);
    t!("setp.gt.or.s32 %d|%q, %a, %b, !%c;", ["s32", "s32", "pred"] -> "pred": (0, 1, true) => false, (0, 1, false) => true);
    // The second destination holds (not the comparison) op c.
    t!("setp.gt.xor.s32 %q|%d, %a, %b, %c;", ["s32", "s32", "pred"] -> "pred": (2, 1, true) => true, (2, 1, false) => false, (0, 1, true) => false);
    t!("setp.gt.and.s32 %q|%d, %a, %b, %c;", ["s32", "s32", "pred"] -> "pred": (2, 1, false) => false, (0, 1, true) => true, (0, 1, false) => false);
    t!("setp.le.s32 _|%d, %a, %b;", ["s32", "s32"] -> "pred": (2, 1) => true, (1, 1) => false);
    t!("selp.f32 %d, %a, %b, %c;", ["f32", "f32", "pred"] -> "f32": (1f32, 2f32, true) => 1f32, (1f32, 2f32, false) => 2f32);
    t!("selp.b64 %d, %a, 9, %b;", ["b64", "pred"] -> "b64": (1u64, true) => 1u64, (1u64, false) => 9u64);
    t!("slct.s32.s32 %d, %a, %b, %c;", ["s32", "s32", "s32"] -> "s32": (1, 2, 0) => 1, (1, 2, -1) => 2);
    t!("slct.f64.f32 %d, %a, %b, %c;", ["f64", "f64", "f32"] -> "f64": (1f64, 2f64, -0f32) => 1f64, (1f64, 2f64, NAN) => 2f64, (1f64, 2f64, -SUB) => 2f64);
    t!("slct.ftz.s32.f32 %d, %a, %b, %c;", ["s32", "s32", "f32"] -> "s32": (1, 2, -SUB) => 1);
    t!("and.pred %d, %a, %b;", ["pred", "pred"] -> "pred": (true, true) => true, (true, false) => false);
    t!("xor.pred %q, %a, %b; not.pred %d, %q;", ["pred", "pred"] -> "pred": (true, true) => true, (true, false) => false);
    t!("or.pred %d, %a, %b;", ["pred", "pred"] -> "pred": (false, true) => true, (false, false) => false);
}

#[test]
fn f64_arithmetic() {
    let x = 1f64 + 2f64.powi(-27);
    let xx = x * x;
    t!("fma.rn.f64 %d, %a, %b, %c;", ["f64", "f64", "f64"] -> "f64": (x, x, -xx) => 2f64.powi(-54), (1e300f64, 1e300f64, -f64::INFINITY) => -f64::INFINITY);
    t!("add.rn.f64 %d, %a, %b;", ["f64", "f64"] -> "f64": (0.1f64, 0.2f64) => 0.1f64 + 0.2f64, (-0f64, -0f64) => -0f64, (5e-324f64, 5e-324f64) => 1e-323f64);
    t!("sub.rn.f64 %d, %a, 0d3FF0000000000000;", ["f64"] -> "f64": (3f64) => 2f64);
    t!("mul.rn.f64 %d, %a, 0.5;", ["f64"] -> "f64": (5e-324f64) => 0f64, (3f64) => 1.5f64);
    t!("div.rn.f64 %d, %a, %b;", ["f64", "f64"] -> "f64": (1f64, 3f64) => 1f64 / 3f64, (1f64, -0f64) => -f64::INFINITY);
    t!("sqrt.rn.f64 %d, %a;", ["f64"] -> "f64": (2f64) => 2f64.sqrt());
    t!("rcp.rn.f64 %d, %a;", ["f64"] -> "f64": (7f64) => 1f64 / 7f64);
    t!("neg.f64 %d, %a;", ["f64"] -> "f64": (0f64) => -0f64);
    t!("abs.f64 %d, %a;", ["f64"] -> "f64": (-3f64) => 3f64);
    t!("copysign.f64 %d, %a, %b;", ["f64", "f64"] -> "f64": (-0f64, 2f64) => -2f64);
    t!("max.f64 %d, %a, %b;", ["f64", "f64"] -> "f64": (-0f64, 0f64) => 0f64, (2f64, f64::NAN) => 2f64);
}

#[test]
fn conversions() {
    t!("cvt.rn.f32.f64 %d, %a;", ["f64"] -> "f32": (0.1f64) => 0.1f32, (1e300f64) => INF, (f64::NAN) => canonical(), (1e-41f64) => 1e-41f32);
    t!("cvt.rz.f32.f64 %d, %a;", ["f64"] -> "f32": (1e300f64) => f32::MAX, (-1e300f64) => f32::MIN, (1.99999999999f64) => 2f32.next_down(), (1e-60f64) => 0f32);
    t!("cvt.rp.f32.f64 %d, %a;", ["f64"] -> "f32": (1e-60f64) => f32::from_bits(1), (-1e-60f64) => -0f32, (1.00000000001f64) => 1f32.next_up());
    t!("cvt.rm.f32.f64 %d, %a;", ["f64"] -> "f32": (-1e-60f64) => -f32::from_bits(1), (1e300f64) => f32::MAX, (-1e300f64) => -INF);
    t!("cvt.rn.ftz.f32.f64 %d, %a;", ["f64"] -> "f32": (1e-41f64) => 0f32, (-1e-41f64) => -0f32);
    t!("cvt.rn.sat.f32.f64 %d, %a;", ["f64"] -> "f32": (2.5f64) => 1f32, (f64::NAN) => 0f32);
    t!("cvt.f64.f32 %d, %a;", ["f32"] -> "f64": (0.1f32) => 0.1f32 as f64, (SUB) => SUB as f64);
    t!("cvt.ftz.f64.f32 %d, %a;", ["f32"] -> "f64": (-SUB) => -0f64);
    t!("cvt.rni.f32.f32 %d, %a;", ["f32"] -> "f32": (2.5f32) => 2f32, (3.5f32) => 4f32, (-0.5f32) => -0f32);
    t!("cvt.rmi.f64.f64 %d, %a;", ["f64"] -> "f64": (-0.5f64) => -1f64, (2.9f64) => 2f64);
    t!("cvt.rpi.f32.f32 %d, %a;", ["f32"] -> "f32": (0.1f32) => 1f32, (-0.1f32) => -0f32);
    t!("cvt.sat.f32.f32 %d, %a;", ["f32"] -> "f32": (-1f32) => 0f32, (0.3f32) => 0.3f32, (NAN) => 0f32);
    t!("cvt.rzi.s32.f32 %d, %a;", ["f32"] -> "s32": (-2.9f32) => -2, (3e9f32) => MAX, (-3e9f32) => MIN, (NAN) => 0);
    t!("cvt.rni.s32.f32 %d, %a;", ["f32"] -> "s32": (2.5f32) => 2, (-2.5f32) => -2, (-0.6f32) => -1);
    t!("cvt.rmi.s32.f64 %d, %a;", ["f64"] -> "s32": (-2.1f64) => -3, (1e300f64) => MAX);
    t!("cvt.rpi.u32.f32 %d, %a;", ["f32"] -> "u32": (2.1f32) => 3u32, (-5f32) => 0u32, (1e20f32) => u32::MAX);
    t!("cvt.rzi.u64.f64 %d, %a;", ["f64"] -> "u64": (1e30f64) => u64::MAX, (-1f64) => 0u64, (1e15f64) => 1_000_000_000_000_000u64, (f64::NAN) => 1u64 << 63);
    t!("cvt.rzi.s64.f32 %d, %a;", ["f32"] -> "s64": (-1e30f32) => i64::MIN, (NAN) => i64::MIN);
    t!("cvt.rn.f32.s32 %d, %a;", ["s32"] -> "f32": (16_777_217) => 16_777_216f32, (16_777_219) => 16_777_220f32, (MIN) => -2147483648f32);
    t!("cvt.rp.f32.s32 %d, %a;", ["s32"] -> "f32": (16_777_217) => 16_777_218f32, (-16_777_217) => -16_777_216f32);
    t!("cvt.rz.f32.u64 %d, %a;", ["u64"] -> "f32": (u64::MAX) => 18446742974197923840f32);
    t!("cvt.rn.f32.u64 %d, %a;", ["u64"] -> "f32": (u64::MAX) => 18446744073709551616f32);
    t!("cvt.rm.f64.s64 %d, %a;", ["s64"] -> "f64": ((1i64 << 53) + 1) => 9007199254740992f64, (-(1i64 << 53) - 1) => -9007199254740994f64);
    t!("cvt.rn.f64.u32 %d, %a;", ["u32"] -> "f64": (u32::MAX) => 4294967295f64);
    t!("cvt.u64.u32 %d, %a;", ["u32"] -> "u64": (u32::MAX) => 0xffff_ffffu64);
    t!("cvt.s64.s32 %d, %a;", ["s32"] -> "s64": (-1) => -1i64);
    t!("cvt.u32.u64 %d, %a;", ["u64"] -> "u32": (0x1_2345_6789u64) => 0x2345_6789u32);
    t!("cvt.sat.s32.s64 %d, %a;", ["s64"] -> "s32": (1i64 << 40) => MAX, (-(1i64 << 40)) => MIN, (-7i64) => -7);
    t!("cvt.sat.u32.s32 %d, %a;", ["s32"] -> "u32": (-7) => 0u32);
    t!("cvt.s32.s16 %d, %a;", ["s16"] -> "s32": (-3i16) => -3);
    t!("cvt.u16.u32 %d, %a;", ["u32"] -> "u16": (0x12345u32) => 0x2345u16);
    t!("cvt.s32.s8 %d, %a;", ["s32"] -> "s32": (0x180) => -128, (0x17f) => 127);
    t!("cvt.rna.tf32.f32 %d, %a;", ["f32"] -> "b32": (f32::from_bits(0x3f80_1000)) => 0x3f80_2000u32,
        (f32::from_bits(0xbf80_1000)) => 0xbf80_2000u32, (f32::from_bits(0x3f80_0fff)) => 0x3f80_0000u32, (f32::MAX) => 0x7f80_0000u32,
        (INF) => 0x7f80_0000u32, (NAN) => 0x7fff_ffffu32, (-0f32) => 0x8000_0000u32, (f32::from_bits(0x3fff_ffff)) => 0x4000_0000u32,
        (f32::from_bits(0x3f80_1001)) => 0x3f80_2000u32, (f32::from_bits(0x3f80_3000)) => 0x3f80_4000u32, (-INF) => 0xff80_0000u32,
        (f32::from_bits(0x0fff)) => 0u32, (f32::from_bits(0x1000)) => 0x2000u32);
    t!("cvt.rzi.s32.f32 %d, 0f40490FDB;", ["f32"] -> "s32": (0f32) => 3);
}

#[test]
fn moves() {
    t!("mov.b64 %d, {%a, %b};", ["b32", "b32"] -> "b64": (1u32, 2u32) => 0x2_0000_0001u64);
    t!("mov.b64 {_, %d}, %a;", ["b64"] -> "b32": (0x5_0000_0001u64) => 5u32);
    t!("mov.b32 %d, %a;", ["f32"] -> "b32": (1f32) => 0x3f80_0000u32);
    t!("mov.b64 %d, %a;", ["b64"] -> "f64": (0x3ff0_0000_0000_0000u64) => 1f64);
    t!("mov.f32 %d, 0f3F800000;", ["f32"] -> "f32": (0f32) => 1f32);
    t!("mov.u32 %d, 0xFFFFFFFF;", ["u32"] -> "u32": (0u32) => u32::MAX);
    t!("mov.s32 %d, -1;", ["u32"] -> "s32": (0u32) => -1);
    t!("mov.u32 %d, WARP_SZ;", ["u32"] -> "u32": (0u32) => 32u32);
    t!("mov.u32 %d, %lanemask_lt;", ["u32"] -> "u32": (0u32) => 0u32, (0u32) => 1u32, (0u32) => 3u32);
    t!("mov.u32 %d, %lanemask_ge;", ["u32"] -> "u32": (0u32) => u32::MAX, (0u32) => 0xffff_fffeu32);
    t!("mov.f64 %d, 1.5;", ["f64"] -> "f64": (0f64) => 1.5f64);
    t!("@!%a mov.u32 %d, 1;\n@%a mov.u32 %d, 2;", ["pred"] -> "u32": (true) => 2u32, (false) => 1u32);
}

/// The models stay within the documented errors, are not exact (so that a test cannot count on that), and keep the
/// special values.
#[test]
fn approximations() {
    let within = |body: &str, f: fn(f64) -> f64, xs: &[f32], tol: f64, relative: bool| {
        let rows: Vec<Vec<u64>> = xs.iter().map(|x| vec![x.bits()]).collect();
        let mut inexact = 0;
        for (x, got) in xs.iter().zip(eval(body, &["f32"], "f32", &rows)) {
            let (got, want) = (f32::from_bits(got as u32), f(*x as f64));
            let error = (got as f64 - want).abs() / if relative { want.abs() } else { 1.0 };
            assert!(error <= tol, "{body} at {x}: {got}, want {want}");
            inexact += (got != want as f32) as u32;
        }
        assert!(inexact > 0, "{body} is exact everywhere");
    };
    let xs: Vec<f32> = (1..200).map(|i| i as f32 * 0.037).collect();
    within("ex2.approx.f32 %d, %a;", f64::exp2, &xs, 2f64.powf(-22.0), true);
    within("lg2.approx.f32 %d, %a;", f64::log2, &xs, 3e-7, false);
    within("rcp.approx.f32 %d, %a;", |x| 1.0 / x, &xs, 2f64.powi(-22), true);
    within("rsqrt.approx.f32 %d, %a;", |x| 1.0 / x.sqrt(), &xs, 2f64.powf(-22.4), true);
    within("sqrt.approx.f32 %d, %a;", f64::sqrt, &xs, 2f64.powi(-22), true);
    within("tanh.approx.f32 %d, %a;", f64::tanh, &xs, 2f64.powi(-11), true);
    within("sin.approx.f32 %d, %a;", f64::sin, &xs[..80], 2f64.powf(-20.5), false);
    within("cos.approx.f32 %d, %a;", f64::cos, &xs[..80], 2f64.powf(-20.5), false);
    within("div.approx.f32 %d, %a, 0f40400000;", |x| x / 3.0, &xs, 2f64.powi(-22), true);
    within("div.full.f32 %d, %a, 0f40400000;", |x| x / 3.0, &xs, 2f64.powi(-22), true);
    t!("ex2.approx.f32 %d, %a;", ["f32"] -> "f32": (0f32) => 1f32, (3f32) => 8f32, (-INF) => 0f32, (200f32) => INF, (NAN) => canonical());
    t!("ex2.approx.ftz.f32 %d, %a;", ["f32"] -> "f32": (-140f32) => 0f32);
    t!("lg2.approx.f32 %d, %a;", ["f32"] -> "f32": (1f32) => 0f32, (0f32) => -INF, (-1f32) => canonical());
    t!("rcp.approx.f32 %d, %a;", ["f32"] -> "f32": (4f32) => 0.25f32, (0f32) => INF, (-INF) => -0f32);
    t!("rsqrt.approx.f32 %d, %a;", ["f32"] -> "f32": (4f32) => 0.5f32, (-0f32) => -INF, (INF) => 0f32);
    t!("tanh.approx.f32 %d, %a;", ["f32"] -> "f32": (0f32) => 0f32, (INF) => 1f32, (-INF) => -1f32);
    t!("sin.approx.f32 %d, %a;", ["f32"] -> "f32": (-0f32) => -0f32, (INF) => canonical());
}
