//! Rows by their indices, numbers narrowed, counts.

use crate::common::{Rng, cast};
use crate::harness::{Kernels, Real, close};
use ptxsim::Arg;

fn u(value: usize) -> Arg {
    Arg::U32(value as u32)
}

fn gathers<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["examples"]), Rng(61));
    for n in [0, 1, 2, 3, 31, 32, 33, 100] {
        for rows in [1, 2, 3, 7, 8, 9, 33] {
            const EXAMPLES: usize = 5;
            // The first, the last, and some twice.
            let index: Vec<usize> = (0..rows).map(|i| [4, 0, 3, 3, 1][i % 5]).collect();
            let from = cast::<T>(&rng.normals(EXAMPLES * n));
            let bits: Vec<f64> = index.iter().map(|i| f64::from_bits(*i as u64)).collect();
            let (dfrom, dindex) = (k.upload(&from), k.upload(&bits));
            for scale in [1.0, 0.3] {
                let (to, scale) = (k.nans::<T>(rows * n), T::from_f64(scale));
                k.by_rows("gather_rows", rows, &[scale.arg(), dfrom.arg(), dindex.arg(), to.arg(), u(rows), u(n)]);
                let expected: Vec<T> =
                    index.iter().flat_map(|i| from[i * n..(i + 1) * n].iter().map(|x| scale * *x)).collect();
                assert_eq!(k.get::<T>(to), expected, "{rows} rows of {n}");
            }
            assert_eq!(k.get::<T>(dfrom), from, "from is only read");
        }
    }
}

fn narrows<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["examples"]), Rng(62));
    for len in [1, 2, 3, 255, 256, 257] {
        let mut from = rng.normals(len);
        from[len / 2] = [f64::NAN, 1e300, -0.0][len % 3];
        let (dfrom, to) = (k.array::<f64>(&from), k.nans::<T>(len));
        k.each("narrow", len, &[dfrom.arg(), to.arg(), Arg::U64(len as u64)]);
        let expected: Vec<f64> = from.iter().map(|x| T::from_f64(*x).to_f64()).collect();
        close(&k.get::<T>(to), &expected, 0.0, 0.0, "narrow");
    }
}

fn counts<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["examples", "vector"]), Rng(63));
    for len in [1, 2, 3, 31, 33, 256, 257, 1025, 3000] {
        let mut x = cast::<T>(&rng.normals(len));
        // At the bound, on both sides of it, and what is no number.
        for (i, value) in [0.5, -0.5, f64::NAN, 0.5 + 1e-6, f64::INFINITY, 0.0].into_iter().enumerate() {
            if let Some(x) = x.get_mut(3 * i) {
                *x = T::from_f64(value);
            }
        }
        let dx = k.upload(&x);
        for bound in [0.5, 0.0, f64::INFINITY] {
            let found = k.reduce("count_within", len, &[Arg::F64(bound), dx.arg()]);
            let expected = x.iter().filter(|x| x.to_f64().abs() <= bound).count();
            assert_eq!(found, expected as f64, "{len} within {bound}");
        }
    }
}

#[test]
fn gathered_rows_are_those_of_their_indices() {
    gathers::<f32>();
    gathers::<f64>();
}

#[test]
fn narrowed_numbers_are_rounded() {
    narrows::<f32>();
    narrows::<f64>();
}

#[test]
fn counts_are_exact() {
    counts::<f32>();
    counts::<f64>();
}
