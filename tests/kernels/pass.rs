//! Elementwise parts, column sums and row operations.

use crate::common::{Rng, cast, norm};
use crate::harness::{Kernels, Real, close};
use ptxsim::Arg;

fn elementwise<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["pass"]), Rng(8));
    for len in [1, 2, 3, 255, 257, 600] {
        let n = Arg::U64(len as u64);
        let x: Vec<Vec<T>> = (0..5).map(|_| cast(&rng.normals(len))).collect();
        let d: Vec<_> = x.iter().map(|x| k.upload(x)).collect();
        let out = k.nans::<T>(len);
        k.each("product", len, &[d[0].arg(), d[1].arg(), out.arg(), n.clone()]);
        let expected: Vec<T> = (0..len).map(|i| x[0][i] * x[1][i]).collect();
        assert_eq!(k.get::<T>(out), expected);
        k.each("add_product", len, &[d[2].arg(), d[3].arg(), out.arg(), n.clone()]);
        let expected: Vec<T> = (0..len).map(|i| x[2][i].mul_add(x[3][i], expected[i])).collect();
        assert_eq!(k.get::<T>(out), expected);
        // In place.
        k.each("product", len, &[out.arg(), d[4].arg(), out.arg(), n.clone()]);
        let expected: Vec<T> = (0..len).map(|i| expected[i] * x[4][i]).collect();
        assert_eq!(k.get::<T>(out), expected);
        let out = k.nans::<T>(len);
        let pointers: Vec<Arg> = d.iter().map(|d| d.arg()).chain([out.arg(), n]).collect();
        k.each("curve_term", len, &pointers);
        let expected: Vec<T> = (0..len).map(|i| x[0][i].mul_add(x[1][i], x[2][i] * x[3][i] * x[4][i])).collect();
        assert_eq!(k.get::<T>(out), expected);
    }
}

fn sums<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["pass"]), Rng(9));
    for rows in [0, 1, 2, 3, 7, 8, 9, 65] {
        for n in [1, 2, 3, 31, 32, 33, 100] {
            let (u32_rows, u32_n) = (Arg::U32(rows as u32), Arg::U32(n as u32));
            let (x, y, c) = (rng.normals(rows * n), rng.normals(rows * n), rng.normals(n.max(rows)));
            let (x, y, c) = (cast::<T>(&x), cast::<T>(&y), cast::<T>(&c));
            let (dx, dy) = (k.upload(&x), k.upload(&y));
            let tolerance = 4.0 * T::EPSILON;
            for add in [false, true] {
                let out = if add { k.upload(&c[..n]) } else { k.nans::<T>(n) };
                let args = [dx.arg(), out.arg(), u32_rows.clone(), u32_n.clone(), Arg::U32(add as u32)];
                k.launch("column_sums", [n.div_ceil(32) as u32, 1, 1], &args);
                let before = |j: usize| if add { c[j].to_f64() } else { 0.0 };
                let sum = |j: usize| x.iter().skip(j).step_by(n).map(|x| x.to_f64()).sum::<f64>() + before(j);
                let expected: Vec<f64> = (0..n).map(sum).collect();
                close(&k.get::<T>(out), &expected, tolerance, 1.0 + norm(&x), "column sums");
            }
            if rows == 0 {
                continue;
            }
            let out = k.nans::<T>(rows);
            k.by_rows("row_dots", rows, &[dx.arg(), dy.arg(), out.arg(), u32_rows, u32_n]);
            let pairs = x.chunks_exact(n).zip(y.chunks_exact(n));
            let expected: Vec<f64> = pairs.map(|(x, y)| blo::reference::dot(x, y)).collect();
            close(&k.get::<T>(out), &expected, tolerance, n as f64, "row dots");

            let factors = k.upload(&c[..rows]);
            let (columns, count) = (Arg::U64(n as u64), Arg::U64((rows * n) as u64));
            k.each("row_axpy", rows * n, &[factors.arg(), dx.arg(), dy.arg(), columns, count]);
            let expected: Vec<T> = (0..rows * n).map(|i| c[i / n].mul_add(x[i], y[i])).collect();
            assert_eq!(k.get::<T>(dy), expected, "row axpy");
        }
    }
}

#[test]
fn elementwise_operations_equal_their_formula() {
    elementwise::<f32>();
    elementwise::<f64>();
}

#[test]
fn sums_equal_their_formula() {
    sums::<f32>();
    sums::<f64>();
}
