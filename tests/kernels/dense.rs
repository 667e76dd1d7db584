//! Dense matrices and vectors.

use crate::common::{Rng, cast, norm, widen};
use crate::harness::{Kernels, Real, close};
use blo::reference;
use ptxsim::Arg;

fn u(value: usize) -> Arg {
    Arg::U32(value as u32)
}

fn matvec<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["dense"]), Rng(6));
    for rows in [1, 2, 3, 7, 8, 9, 33] {
        for n in [0, 1, 2, 3, 31, 32, 33, 100] {
            let (a, x) = (cast::<T>(&rng.normals(rows * n)), cast::<T>(&rng.normals(n)));
            let (da, dx, dy) = (k.upload(&a), k.upload(&x), k.nans::<T>(rows));
            k.by_rows("matvec", rows, &[u(rows), u(n), da.arg(), dx.arg(), dy.arg()]);
            let mut expected = vec![0.0; rows];
            reference::matvec(rows, n, &widen(&a), &widen(&x), &mut expected);
            close(&k.get::<T>(dy), &expected, 8.0 * T::EPSILON, norm(&a) * norm(&x), "matvec");
        }
    }
}

fn neumann<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["dense", "vector"]), Rng(7));
    for n in [1, 2, 3, 7, 8, 9, 31, 33, 70] {
        let half = rng.normals(n * n);
        let a: Vec<f64> = (0..n * n).map(|i| half[i] + half[i % n * n + i / n]).collect();
        let (a, p, q) = (cast::<T>(&a), cast::<T>(&rng.normals(n)), cast::<T>(&rng.normals(n)));
        let alpha = T::from_f64(0.2);
        let blocks = n.div_ceil(8);
        let [da, dp, dq] = [&a, &p, &q].map(|x| k.upload(x));
        let (next, partial, total) = (k.nans::<T>(n), k.nans::<f64>(blocks), k.nans::<f64>(1));
        let args = [alpha.arg(), u(n), da.arg(), dp.arg(), dq.arg(), next.arg(), partial.arg()];
        k.by_rows("symmetric_neumann", n, &args);
        k.launch("sum", [1, 1, 1], &[partial.arg(), total.arg(), Arg::U64(blocks as u64)]);
        let (mut hp, mut p0, mut q0) = (vec![0.0; n], widen(&p), widen(&q));
        reference::matvec(n, n, &widen(&a), &p0, &mut hp);
        let square = reference::neumann_update(alpha.to_f64(), &hp, &mut p0, &mut q0);
        let tolerance = 8.0 * T::EPSILON;
        close(&k.get::<T>(next), &p0, tolerance, norm(&a) * norm(&p), "next");
        close(&k.get::<T>(dq), &q0, tolerance, 1.0, "q");
        assert_eq!(k.get::<T>(dp), p, "p is only read");
        close(&k.get::<f64>(total), &[square], tolerance, (norm(&a) * norm(&p)).powi(2), "norm²");
    }
}

#[test]
fn products_equal_their_reference() {
    matvec::<f32>();
    matvec::<f64>();
}

#[test]
fn fused_steps_equal_their_reference() {
    neumann::<f32>();
    neumann::<f64>();
}
