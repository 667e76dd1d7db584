//! Losses: value, gradient, curvature, and derivatives in the targets.

use crate::common::{Rng, cast};
use crate::harness::{Kernels, Real, close};
use ptxsim::Arg;

const SHAPES: [[usize; 2]; 9] = [[1, 1], [1, 2], [2, 1], [3, 3], [7, 10], [8, 31], [9, 33], [17, 70], [1, 64]];

/// The plain formulas, in f64: ℓ, s and δ of a row.
fn plain(loss: u32, weight: f64, z: &[f64], t: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
    if loss == 1 {
        let value = z.iter().zip(t).map(|(z, t)| 0.5 * (z - t).powi(2)).sum();
        return (value, z.to_vec(), z.iter().zip(t).map(|(z, t)| weight * (z - t)).collect());
    }
    let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - top).exp()).sum();
    let (lse, tau) = (top + sum.ln(), t.iter().sum::<f64>());
    let s: Vec<f64> = z.iter().map(|z| (z - top).exp() / sum).collect();
    let value = z.iter().zip(t).map(|(z, t)| t * (lse - z)).sum();
    let delta = s.iter().zip(t).map(|(s, t)| weight * (tau * s - t)).collect();
    (value, s, delta)
}

fn losses<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["loss"]), Rng(10));
    for [rows, n] in SHAPES {
        for loss in [0, 1] {
            let scale = if rows == 3 { 30.0 } else { 1.0 };
            let z = cast::<T>(&rng.normals(rows * n).iter().map(|z| scale * z).collect::<Vec<_>>());
            let t = cast::<T>(&(0..rows * n).map(|_| rng.uniform()).collect::<Vec<_>>());
            let [y, dt, before] = [(); 3].map(|()| cast::<T>(&rng.normals(rows * n)));
            let weights = cast::<T>(&(0..rows).map(|_| rng.uniform()).collect::<Vec<_>>());
            let [dz, dtargets, dy, ddt, dweights] = [&z, &t, &y, &dt, &weights].map(|x| k.upload(x));
            let [s, delta, out] = [(); 3].map(|()| k.nans::<T>(rows * n));
            let [value, weighted] = [(); 2].map(|()| k.nans::<f64>(rows));
            let [kind, r, c] = [loss, rows as u32, n as u32].map(Arg::U32);
            let pointers = [dz, dtargets, dweights, s, delta, value, weighted].map(|a| a.arg());
            k.by_rows("loss", rows, &[&[kind.clone()][..], &pointers, &[r.clone(), c.clone()]].concat());
            let [s0, delta0, value0, weighted0] = {
                let mut all = [(); 4].map(|()| Vec::new());
                for i in 0..rows {
                    let row = |x: &[T]| x[i * n..(i + 1) * n].iter().map(|x| x.to_f64()).collect::<Vec<_>>();
                    let weight = weights[i].to_f64();
                    let (l, s, delta) = plain(loss, weight, &row(&z), &row(&t));
                    all[0].extend(s);
                    all[1].extend(delta);
                    all[2].push(l);
                    all[3].push(weight * l);
                }
                all
            };
            let tolerance = 4.0 * T::EPSILON;
            close(&k.get::<T>(s), &s0, tolerance, 0.0, "s");
            close(&k.get::<T>(delta), &delta0, tolerance, n as f64, "delta");
            // Values are taken from the logits themselves, in f64.
            close(&k.get::<f64>(value), &value0, 1e-14, scale * n as f64, "value");
            close(&k.get::<f64>(weighted), &weighted0, 1e-14, scale * n as f64, "weighted");

            let pointers = [dtargets, dweights, s, dy, out].map(|a| a.arg());
            k.by_rows("curvature", rows, &[&[kind.clone()][..], &pointers, &[r.clone(), c.clone()]].concat());
            let gradient = k.nans::<T>(rows * n);
            let pointers = [dz, dtargets, dweights, gradient].map(|a| a.arg());
            k.by_rows("target_gradient", rows, &[&[kind.clone()][..], &pointers, &[r.clone(), c.clone()]].concat());
            let gradient0: Vec<f64> = (0..rows * n)
                .map(|i| {
                    let row = &z[i / n * n..(i / n + 1) * n];
                    let top = row.iter().fold(f64::NEG_INFINITY, |top, z| top.max(z.to_f64()));
                    let rest = row.iter().map(|z| (z.to_f64() - top).exp()).sum::<f64>().ln();
                    // No cancellation: both parts are positive.
                    let of_entropy = rest + (top - z[i].to_f64());
                    weights[i / n].to_f64() * if loss == 0 { of_entropy } else { t[i].to_f64() - z[i].to_f64() }
                })
                .collect();
            // Rounded once; the logarithm of the oracle is of a rounded sum.
            close(&k.get::<T>(gradient), &gradient0, 2.0 * T::EPSILON, 1.0, "target gradient");
            let vjp = k.nans::<T>(rows * n);
            let pointers = [dweights, s, dy, vjp].map(|a| a.arg());
            k.by_rows("target_vjp", rows, &[&[kind.clone()][..], &pointers, &[r.clone(), c.clone()]].concat());
            let jvp = k.upload(&before);
            let pointers = [dweights, s, ddt, jvp].map(|a| a.arg());
            k.by_rows("target_jvp", rows, &[&[kind.clone()][..], &pointers, &[r.clone(), c.clone()]].concat());
            let [mut out0, mut vjp0, mut jvp0] = [(); 3].map(|()| Vec::new());
            for i in 0..rows * n {
                let row = i / n * n..(i / n + 1) * n;
                let f = |x: &[T]| x[i].to_f64();
                let mean: f64 = row.clone().map(|j| s0[j] * y[j].to_f64()).sum();
                let tau: f64 = t[row.clone()].iter().map(|t| t.to_f64()).sum();
                let total: f64 = dt[row].iter().map(|t| t.to_f64()).sum();
                let weight = weights[i / n].to_f64();
                if loss == 0 {
                    out0.push(weight * tau * s0[i] * (f(&y) - mean));
                    vjp0.push(weight * (mean - f(&y)));
                    jvp0.push(f(&before) + weight * (s0[i] * total - f(&dt)));
                } else {
                    out0.push(weight * f(&y));
                    vjp0.push(-weight * f(&y));
                    jvp0.push(f(&before) - weight * f(&dt));
                }
            }
            for (found, expected, what) in [(out, out0, "curvature"), (vjp, vjp0, "vjp"), (jvp, jvp0, "jvp")] {
                close(&k.get::<T>(found), &expected, tolerance, n as f64, what);
            }
        }
    }
}

fn tails<T: Real + From<f32>>() {
    // One sure output: the value is that of the small rest, not 0. Huge logits do not overflow. NaN stays.
    let mut k = Kernels::of::<T>(&["loss"]);
    let z = [40.0, 0.0, 0.0, 1e30, -1e30, 0.0, f64::NAN, 1.0, 2.0];
    let [z, t, w] = [&z[..], &[1.0, 0.0, 0.0].repeat(3), &[1.0; 3]].map(|x| k.array::<T>(x));
    let [s, delta] = [(); 2].map(|()| k.nans::<T>(9));
    let [value, weighted] = [(); 2].map(|()| k.nans::<f64>(3));
    let pointers = [z, t, w, s, delta, value, weighted].map(|a| a.arg());
    k.by_rows("loss", 3, &[&[Arg::U32(0)][..], &pointers, &[Arg::U32(3), Arg::U32(3)]].concat());
    let found = k.get::<f64>(value);
    assert!((found[0] / (2.0 * (-40.0_f64).exp()) - 1.0).abs() < 1e-14, "{found:?}");
    assert!(found[1] == 0.0 && found[2].is_nan());
    assert_eq!(k.get::<T>(s)[3..6], [T::ONE, T::ZERO, T::ZERO]);
    assert!(k.get::<T>(s)[6..].iter().all(|s| !s.is_finite()));
    // Of a sure output that small rest, too; t is not read.
    let (out, unread) = (k.nans::<T>(9), k.nans::<T>(9));
    let pointers = [z, unread, w, out].map(|a| a.arg());
    k.by_rows("target_gradient", 3, &[&[Arg::U32(0)][..], &pointers, &[Arg::U32(3), Arg::U32(3)]].concat());
    let found = k.get::<T>(out);
    assert!((found[0].to_f64() / (2.0 * (-40.0_f64).exp()) - 1.0).abs() < 4.0 * T::EPSILON, "{found:?}");
    let huge = T::from_f64(1e30).to_f64();
    close(&found[1..6], &[40.0, 40.0, 0.0, 2.0 * huge, huge], 2.0 * T::EPSILON, 0.0, "target gradient");
    assert!(found[6..].iter().all(|g| !g.is_finite()));
}

#[test]
fn losses_equal_their_formulas() {
    losses::<f32>();
    losses::<f64>();
}

#[test]
fn tails_are_accurate_and_nothing_overflows() {
    tails::<f32>();
    tails::<f64>();
}
