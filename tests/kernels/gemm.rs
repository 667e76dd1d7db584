//! Products of matrices, with bias and activation.

use crate::common::{Rng, cast, norm, widen};
use crate::harness::{Array, Kernels, Real, close};
use blo::cpu::Activation;
use blo::reference;
use ptxsim::Arg;

const TILED: [[usize; 3]; 19] = [
    [20, 20, 26],
    [40, 40, 22],
    [36, 52, 29],
    [20, 40, 10],
    [40, 20, 9],
    [52, 52, 11],
    [12, 20, 7],
    [68, 72, 20],
    [1, 1, 1],
    [1, 2, 0],
    [2, 3, 1],
    [3, 1, 5],
    [9, 17, 15],
    [64, 64, 16],
    [65, 63, 17],
    [63, 65, 32],
    [70, 130, 33],
    [131, 3, 49],
    [5, 200, 100],
];
const FEW: [[usize; 3]; 10] = [
    [1, 1, 1],
    [1, 1, 0],
    [2, 3, 2],
    [3, 33, 31],
    [4, 10, 9],
    [5, 8, 32],
    [6, 12, 40],
    [7, 31, 33],
    [8, 70, 100],
    [8, 9, 7],
];

fn u(value: usize) -> Arg {
    Arg::U32(value as u32)
}

fn null() -> Arg {
    Arg::U64(0)
}

/// bias, activation, slope and curve, all absent.
fn plain() -> [Arg; 4] {
    [null(), u(0), null(), null()]
}

fn product<T: Real + From<f32>>(k: &mut Kernels, operation: &str, [m, n, terms]: [usize; 3], rng: &mut Rng) {
    let transposed = match operation.rsplit('_').next().unwrap() {
        "ab" => [false, false],
        "abt" => [false, true],
        _ => [true, false],
    };
    let (a, b, c) = (rng.normals(m * terms), rng.normals(n * terms), rng.normals(m * n));
    let (a, b, c) = (cast::<T>(&a), cast::<T>(&b), cast::<T>(&c));
    for add in [false, true] {
        let (da, db) = (k.upload(&a), k.upload(&b));
        let dc = if add { k.upload(&c) } else { k.nans::<T>(m * n) };
        let mut args = vec![u(m), u(n), u(terms), da.arg(), db.arg(), dc.arg(), u(add as usize)];
        if operation.ends_with("_abt") {
            args.extend(plain());
        }
        let grid = match operation {
            "few_abt" => [n.div_ceil(8), 1, 1],
            "few_ab" => [n.div_ceil(32), 1, 1],
            "few_atb" => [(m * n).div_ceil(256), 1, 1],
            _ => [n.div_ceil(64), m.div_ceil(64), 1],
        };
        k.launch(operation, grid.map(|n| n as u32), &args);
        let mut expected = widen(&c);
        reference::gemm(transposed, [m, n, terms], &widen(&a), &widen(&b), add, &mut expected);
        let what = format!("{operation} {m} x {n} of {terms}, add {add}");
        let size = norm(&a) * norm(&b) / ((m * n) as f64).sqrt() + if add { 1.0 } else { 0.0 };
        close(&k.get::<T>(dc), &expected, 8.0 * T::EPSILON, size, &what);
    }
}

fn products<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["gemm"]), Rng(4));
    for form in ["ab", "abt", "atb"] {
        for shape in TILED {
            product::<T>(&mut k, &format!("gemm_{form}"), shape, &mut rng);
        }
        for [m, n, terms] in FEW {
            let shape = if form == "atb" { [n, terms.max(1), m] } else { [m, n, terms] };
            product::<T>(&mut k, &format!("few_{form}"), shape, &mut rng);
        }
    }
    product::<T>(&mut k, "few_atb", [300, 3, 0], &mut rng);
}

pub const ACTIVATIONS: [Activation; 6] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Tanh,
    Activation::Softplus,
    Activation::Gelu,
    Activation::Silu,
];

/// φ, φ′ and φ″ of z by the kernel given: C = 1 zᵀ, one row.
fn activate<T: Real + From<f32>>(k: &mut Kernels, operation: &str, code: usize, z: &[T], bends: bool) -> [Vec<T>; 3] {
    let n = z.len();
    let (one, b) = (k.array::<T>(&[1.0]), k.upload(z));
    let out: [Array; 3] = [(); 3].map(|()| k.nans::<T>(n));
    let curve = if bends { out[2].arg() } else { null() };
    let args = [u(1), u(n), u(1), one.arg(), b.arg(), out[0].arg(), u(0), null(), u(code), out[1].arg(), curve];
    let per_block = if operation == "few_abt" { 8 } else { 64 };
    k.launch(operation, [n.div_ceil(per_block) as u32, 1, 1], &args);
    out.map(|array| k.get::<T>(array))
}

fn activations<T: Real + From<f32>>(stated: f64) {
    let mut k = Kernels::of::<T>(&["gemm"]);
    let mut points: Vec<f64> = (-1500..=1500).map(|i| i as f64 / 100.0 + 1e-3).collect();
    points.extend((-60..=60).flat_map(|i| [1.0, -1.0].map(|sign| sign * 1.3 * 2.0_f64.powi(i))));
    let far = if T::NAME == "f32" { 1e30 } else { 1e200 };
    points.extend([0.0, -0.0, 87.5, -87.5, -104.0, -708.3, 1e4, -1e4, far, -far]);
    let z = cast::<T>(&points);
    let mut worst = 0.0_f64;
    for (i, activation) in ACTIVATIONS.into_iter().enumerate() {
        let mut value = widen(&z);
        let (mut slope, mut curve) = (value.clone(), value.clone());
        activation.apply(blo::cpu::Simd::best(), &[0.0], &mut value, &mut slope, &mut curve);
        let found = activate(&mut k, "few_abt", i + 1, &z, true);
        for (found, expected) in found.iter().zip([&value, &slope, &curve]) {
            for (j, (found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (found.to_f64() - expected).abs() / (1.0 + z[j].to_f64().abs());
                assert!(error <= stated, "{activation:?} at {}: {found:e}, expected {expected:e}", z[j]);
                worst = worst.max(error);
            }
        }
        // The other kernel's copy of the code has the same bits; without curve nothing is written there.
        let some = |all: &[T]| all.iter().copied().step_by(7).collect::<Vec<T>>();
        let few = some(&z);
        let [v, s, c] = activate(&mut k, "gemm_abt", i + 1, &few, false);
        assert!(v == some(&found[0]) && s == some(&found[1]) && c.iter().all(|c| !c.is_finite()), "{activation:?}");
        assert_eq!(activate(&mut k, "gemm_abt", i + 1, &few, true)[2], some(&found[2]), "{activation:?}");
        for operation in ["few_abt", "gemm_abt"] {
            let [v, s, _] = activate(&mut k, operation, i + 1, &[T::from_f64(f64::NAN)], true);
            let slope_is_free = matches!(activation, Activation::Identity | Activation::Relu);
            assert!(!v[0].is_finite() && (slope_is_free || !s[0].is_finite()), "{activation:?} of NaN");
        }
    }
    println!("{}: largest error {worst:e} (1 + |z|)", T::NAME);
}

/// A layer: bias and activation in both shapes, with more than a tile.
fn layers<T: Real + From<f32>>() {
    let (mut k, mut rng) = (Kernels::of::<T>(&["gemm"]), Rng(5));
    for (operation, m, n, terms) in [("few_abt", 3, 35, 20), ("gemm_abt", 66, 67, 18), ("gemm_abt", 9, 2, 3)] {
        let [a, b, bias] = [m * terms, n * terms, n].map(|len| cast::<T>(&rng.normals(len)));
        let [da, db, dbias] = [&a, &b, &bias].map(|x| k.upload(x));
        let out: [Array; 3] = [(); 3].map(|()| k.nans::<T>(m * n));
        let args = [u(m), u(n), u(terms), da.arg(), db.arg(), out[0].arg(), u(0), dbias.arg(), u(3)];
        let grid = if operation == "few_abt" { [n.div_ceil(8), 1, 1] } else { [n.div_ceil(64), m.div_ceil(64), 1] };
        k.launch(operation, grid.map(|n| n as u32), &[&args[..], &[out[1].arg(), out[2].arg()]].concat());
        let mut z: Vec<f64> = widen(&bias).repeat(m);
        reference::gemm([false, true], [m, n, terms], &widen(&a), &widen(&b), true, &mut z);
        let (mut slope, mut curve) = (z.clone(), z.clone());
        Activation::Tanh.apply(blo::cpu::Simd::best(), &[0.0], &mut z, &mut slope, &mut curve);
        for (found, expected) in out.into_iter().zip([z, slope, curve]) {
            close(&k.get::<T>(found), &expected, 64.0 * T::EPSILON, 1.0, operation);
        }
    }
}

#[test]
fn products_equal_their_reference() {
    products::<f32>();
    products::<f64>();
}

#[test]
fn activations_keep_the_error_that_their_header_states() {
    activations::<f32>(2e-7);
    activations::<f64>(4e-16);
}

#[test]
fn layers_equal_their_reference() {
    layers::<f32>();
    layers::<f64>();
}

#[test]
fn nan_and_infinity_pass_through() {
    let mut k = Kernels::of::<f32>(&["gemm"]);
    for operation in ["gemm_ab", "gemm_abt", "gemm_atb", "few_ab", "few_abt", "few_atb"] {
        let (a, b, c) = (k.array::<f32>(&[f64::NAN, 1.0]), k.array::<f32>(&[1.0, 2.0]), k.nans::<f32>(1));
        let mut args = vec![u(1), u(1), u(2), a.arg(), b.arg(), c.arg(), u(0)];
        if operation.ends_with("_abt") {
            args.extend(plain());
        }
        k.launch(operation, [1, 1, 1], &args);
        assert!(k.get::<f32>(c)[0].is_nan(), "{operation}");
    }
}
