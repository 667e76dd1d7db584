//! Outer parameters: softmax by rows, exponentials, sigmoids.

use crate::common::{Rng, cast};
use crate::harness::{Kernels, Real, close};
use blo::cpu::sigmoids;
use ptxsim::Arg;

fn rows<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["outer"]), Rng(11));
    for [rows, n] in [[1, 1], [1, 2], [3, 3], [8, 10], [9, 33], [2, 70]] {
        let (z, g) = (cast::<T>(&rng.normals(rows * n)), cast::<T>(&rng.normals(rows * n)));
        let (t, dg) = (k.upload(&z), k.upload(&g));
        let [r, c] = [rows as u32, n as u32].map(Arg::U32);
        k.by_rows("softmax_rows", rows, &[t.arg(), r.clone(), c.clone()]);
        let mut expected = Vec::new();
        for row in z.chunks_exact(n) {
            let sum: f64 = row.iter().map(|z| z.to_f64().exp()).sum();
            expected.extend(row.iter().map(|z| z.to_f64().exp() / sum));
        }
        close(&k.get::<T>(t), &expected, 4.0 * T::EPSILON, 0.0, "softmax");
        k.by_rows("softmax_derivative", rows, &[t.arg(), dg.arg(), r, c]);
        let mut derivative = Vec::new();
        for (s, g) in expected.chunks_exact(n).zip(g.chunks_exact(n)) {
            let mean: f64 = s.iter().zip(g).map(|(s, g)| s * g.to_f64()).sum();
            derivative.extend(s.iter().zip(g).map(|(s, g)| s * (g.to_f64() - mean)));
        }
        close(&k.get::<T>(dg), &derivative, 8.0 * T::EPSILON, 1.0, "derivative");
    }
}

fn functions<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["outer"]), Rng(12));
    let mut u: Vec<f64> = (-300..=300).map(|i| f64::from(i) * 0.237 + 1e-3).collect();
    u.extend([0.0, -0.0, 700.0, -700.0, -1e4, f64::NAN]);
    let u = cast::<T>(&u);
    let x = cast::<T>(&rng.normals(u.len()));
    let (du, dx, len) = (k.upload(&u), k.upload(&x), u.len());
    let n = Arg::U64(len as u64);
    // Results that f32 cannot hold are infinite or 0 there as they are after a conversion.
    let narrow = |value: f64| T::from_f64(value).to_f64();
    let mut check = |operation: &str, args: &[Arg], of: &dyn Fn(f64, f64) -> f64| {
        let out = k.nans::<T>(len);
        k.each(operation, len, &[args, &[out.arg(), n.clone()]].concat());
        let expected: Vec<f64> = u.iter().zip(&x).map(|(u, x)| narrow(of(u.to_f64(), x.to_f64()))).collect();
        close(&k.get::<T>(out), &expected, 2.0 * T::EPSILON, 1e-37, operation);
    };
    check("exp", &[Arg::F64(0.5), du.arg()], &|u, _| 0.5 + u.exp());
    check("exp", &[Arg::F64(0.0), du.arg()], &|u, _| u.exp());
    check("times_exp", &[du.arg(), dx.arg()], &|u, x| u.exp() * x);
    check("sigmoid", &[Arg::F64(0.25), du.arg()], &|u, _| 0.25 * sigmoids(u).0);
    check("sigmoid_slope", &[du.arg(), dx.arg()], &|u, x| sigmoids(u).1 * x);
    // In place, as the device layer calls it; and beyond the range of f64.
    k.each("times_exp", len, &[du.arg(), dx.arg(), dx.arg(), n]);
    let (huge, out) = (k.array::<T>(&[1e5, f64::INFINITY]), k.nans::<T>(2));
    k.each("exp", 2, &[Arg::F64(0.0), huge.arg(), out.arg(), Arg::U64(2)]);
    assert!(k.get::<T>(out).iter().all(|e| e.to_f64() == f64::INFINITY));
}

#[test]
fn rows_equal_their_formulas() {
    rows::<f32>();
    rows::<f64>();
}

#[test]
fn functions_equal_their_formulas() {
    functions::<f32>();
    functions::<f64>();
}
