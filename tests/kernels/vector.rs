//! Updates, inner products, optimizer steps.

use crate::common::{Rng, cast, norm, widen};
use crate::harness::{Kernels, Real, close};
use blo::cpu::Adam;
use blo::reference;
use ptxsim::Arg;

const LENGTHS: [usize; 10] = [1, 2, 3, 31, 33, 255, 256, 257, 1025, 2051];

fn n(len: usize) -> Arg {
    Arg::U64(len as u64)
}

fn updates<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["vector"]), Rng(1));
    for len in LENGTHS {
        let (x, y) = (cast::<T>(&rng.normals(len)), cast::<T>(&rng.normals(len)));
        let a = T::from_f64(rng.normal());
        let (dx, dy, dz) = (k.upload(&x), k.upload(&y), k.nans::<T>(len));

        k.each("fill", len, &[a.arg(), dz.arg(), n(len)]);
        assert_eq!(k.get::<T>(dz), vec![a; len]);

        k.each("axpy", len, &[a.arg(), dx.arg(), dy.arg(), n(len)]);
        let expected: Vec<T> = x.iter().zip(&y).map(|(x, y)| a.mul_add(*x, *y)).collect();
        assert_eq!(k.get::<T>(dy), expected, "axpy of {len}");
        let mut plain = y.clone();
        reference::axpy(a, &x, &mut plain);
        close(&expected, &widen(&plain), 2.0 * T::EPSILON, norm(&x), "axpy");

        k.each("scale", len, &[a.arg(), dx.arg(), n(len)]);
        let mut expected = x.clone();
        reference::scale(a, &mut expected);
        assert_eq!(k.get::<T>(dx), expected, "scale of {len}");

        let (lower, upper) = (T::from_f64(-0.5), T::from_f64(0.25));
        k.each("clamp", len, &[lower.arg(), upper.arg(), dx.arg(), n(len)]);
        let expected: Vec<f64> = expected.iter().map(|x| x.to_f64().clamp(-0.5, 0.25)).collect();
        assert_eq!(widen(&k.get::<T>(dx)), expected, "clamp of {len}");

        let (mu, step) = (T::from_f64(0.75), T::from_f64(0.125));
        let (g, v) = (cast::<T>(&rng.normals(len)), cast::<T>(&rng.normals(len)));
        let (dg, dv, dx) = (k.upload(&g), k.upload(&v), k.upload(&x));
        k.each("momentum", len, &[mu.arg(), step.arg(), dg.arg(), dv.arg(), dx.arg(), n(len)]);
        let v: Vec<T> = v.iter().zip(&g).map(|(v, g)| mu.mul_add(*v, *g)).collect();
        let x: Vec<T> = x.iter().zip(&v).map(|(x, v)| (-step).mul_add(*v, *x)).collect();
        assert_eq!(k.get::<T>(dv), v, "momentum of {len}");
        assert_eq!(k.get::<T>(dx), x, "momentum of {len}");
    }
    let special = [f64::NAN, f64::INFINITY, -2.0];
    let x = k.array::<T>(&special);
    k.each("clamp", 3, &[T::from_f64(-1.0).arg(), T::from_f64(1.0).arg(), x.arg(), n(3)]);
    close(&k.get::<T>(x), &[f64::NAN, 1.0, -1.0], 0.0, 0.0, "clamp");
}

fn reductions<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["vector"]), Rng(2));
    for len in LENGTHS.into_iter().chain([3000]) {
        let (x, y) = (cast::<T>(&rng.normals(len)), cast::<T>(&rng.normals(len)));
        let (dx, dy) = (k.upload(&x), k.upload(&y));
        let found = k.reduce("dot", len, &[dx.arg(), dy.arg()]);
        let tolerance = 8.0 * f64::EPSILON * (len as f64).sqrt() * norm(&x) * norm(&y);
        assert!((found - reference::dot(&x, &y)).abs() <= tolerance, "dot of {len}");
        // Equal bits for every order of blocks and warps (each launch has another seed).
        assert_eq!(found.to_bits(), k.reduce("dot", len, &[dx.arg(), dy.arg()]).to_bits());

        let (p, q, alpha) = (y, cast::<T>(&rng.normals(len)), T::from_f64(0.3));
        let (dp, dq) = (k.upload(&p), k.upload(&q));
        let found = k.reduce("neumann_update", len, &[alpha.arg(), dx.arg(), dp.arg(), dq.arg()]);
        let (mut p0, mut q0) = (p, q);
        let expected = reference::neumann_update(alpha, &x, &mut p0, &mut q0);
        assert_eq!(k.get::<T>(dq), q0, "q of {len}");
        close(&k.get::<T>(dp), &widen(&p0), 2.0 * T::EPSILON, 2.0, "p");
        assert!((found - expected).abs() <= 64.0 * T::EPSILON * (expected + norm(&x).powi(2)), "norm² of {len}");

        for bad in [None, Some(0), Some(len / 2), Some(len - 1)] {
            let mut x = x.clone();
            if let Some(bad) = bad {
                x[bad] = T::from_f64(f64::NAN);
                x[len - 1] = T::from_f64(f64::NEG_INFINITY);
            }
            let dx = k.upload(&x);
            let blocks = len.div_ceil(1024);
            let partial = k.nans::<f64>(blocks);
            k.launch("nonfinite", [blocks as u32, 1, 1], &[dx.arg(), partial.arg(), n(len)]);
            let found = k.get::<f64>(partial).iter().map(|word| word.to_bits()).min().unwrap();
            assert_eq!(found, bad.map_or(u64::MAX, |bad| bad as u64), "nonfinite of {len}");
        }
    }
    // Stage 2 alone, of nothing and of more than a block.
    for len in [0, 1, 256, 1000] {
        let x = rng.normals(len);
        let (partial, total) = (k.array::<f64>(&x), k.nans::<f64>(1));
        k.launch("sum", [1, 1, 1], &[partial.arg(), total.arg(), n(len)]);
        let found = k.get::<f64>(total)[0];
        assert!((found - x.iter().sum::<f64>()).abs() <= 1e-14 * (1.0 + norm(&x)) * (len as f64).sqrt().max(1.0));
    }
}

fn adam<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["vector"]), Rng(3));
    let rule = Adam { step: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    for len in [1, 3, 257] {
        let zero = || cast::<T>(&vec![0.0; len]);
        let (mut m, mut s, mut x) = (zero(), zero(), cast::<T>(&rng.normals(len)));
        for t in 1..=3_u64 {
            // The second element's gradient is always 0: no NaN may come of it.
            let mut g = cast::<T>(&rng.normals(len));
            g.iter_mut().skip(1).take(1).for_each(|g| *g = T::ZERO);
            let constants = [
                rule.step,
                rule.beta1,
                rule.beta2,
                rule.epsilon,
                1.0 - rule.beta1.powf(t as f64),
                1.0 - rule.beta2.powf(t as f64),
            ]
            .map(Arg::F64);
            let [dg, dm, ds, dx] = [&g, &m, &s, &x].map(|v| k.upload(v));
            k.each("adam", len, &[&constants[..], &[dg.arg(), dm.arg(), ds.arg(), dx.arg(), n(len)]].concat());
            rule.update(t, &g, &mut m, &mut s, &mut x);
            let tolerance = 4.0 * T::EPSILON;
            close(&k.get::<T>(dm), &widen(&m), tolerance, 0.1, "adam m");
            close(&k.get::<T>(ds), &widen(&s), tolerance, 0.1, "adam s");
            close(&k.get::<T>(dx), &widen(&x), tolerance, 0.1, "adam x");

            let given = [(); 4].map(|()| cast::<T>(&rng.normals(len)));
            let after = [&g, &m, &s].map(|v| k.upload(v));
            let [ax, am, as_, ag] = [&given[0], &given[1], &given[2], &given[3]].map(|v| k.upload(v));
            let pointers = [after[0], after[1], after[2], ax, am, as_, ag].map(|a| a.arg());
            k.each("adam_vjp", len, &[&constants[..], &pointers, &[n(len)]].concat());
            let [x0, mut m0, mut s0, mut g0] = given.clone();
            rule.vjp(t, [&g, &m, &s], &x0, [&mut m0, &mut s0, &mut g0]);
            for (found, expected) in [(am, &m0), (as_, &s0), (ag, &g0)] {
                // ∂/∂s is large where s is small.
                close(&k.get::<T>(found), &widen(expected), 64.0 * T::EPSILON, 1.0, "adam_vjp");
            }
            let [tg, tm, ts, tx] = [&given[0], &given[1], &given[2], &given[3]].map(|v| k.upload(v));
            let pointers = [after[0], after[1], after[2], tg, tm, ts, tx].map(|a| a.arg());
            k.each("adam_jvp", len, &[&constants[..], &pointers, &[n(len)]].concat());
            let [g0, mut m0, mut s0, mut x0] = given;
            rule.jvp(t, [&g, &m, &s], &g0, [&mut m0, &mut s0, &mut x0]);
            for (found, expected) in [(tm, &m0), (ts, &s0), (tx, &x0)] {
                close(&k.get::<T>(found), &widen(expected), 64.0 * T::EPSILON, 1.0, "adam_jvp");
            }
        }
    }
    // No rounding constant at all and a gradient that was always 0: the derivatives are finite.
    let [g, m, s, dx, dm, ds, dg] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, f64::NAN].map(|v| k.array::<T>(&[v]));
    let constants = [0.1, 0.9, 0.99, 1e-8, 0.1, 0.01].map(Arg::F64);
    let pointers = [g, m, s, dx, dm, ds, dg].map(|a| a.arg());
    k.each("adam_vjp", 1, &[&constants[..], &pointers, &[n(1)]].concat());
    assert!(k.get::<T>(dg)[0].is_finite() && k.get::<T>(ds)[0] == T::ZERO);
}

#[test]
fn updates_equal_their_reference() {
    updates::<f32>();
    updates::<f64>();
}

#[test]
fn reductions_equal_their_reference() {
    reductions::<f32>();
    reductions::<f64>();
}

#[test]
fn adam_equals_its_reference() {
    adam::<f32>();
    adam::<f64>();
}
