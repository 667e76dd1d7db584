//! Every CPU kernel against its plain reference, with each set of vector instructions of this machine, on edge shapes,
//! misaligned starts and NaN-filled outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::cpu::{self, Simd};
use blo::{Scalar, reference};
use common::{Rng, cast, distance, norm};

const LENGTHS: [usize; 17] = [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 65, 100, 1027];

/// A vector whose first element is `offset` elements past an aligned start, and the guard around it.
struct Guarded<T> {
    all: Vec<T>,
    offset: usize,
    len: usize,
}

impl<T: Scalar> Guarded<T> {
    const GUARD: usize = 8;

    fn new(values: &[f64], offset: usize) -> Guarded<T> {
        let mut all = vec![T::from_f64(777.0); values.len() + offset + Self::GUARD];
        all[offset..offset + values.len()].copy_from_slice(&cast::<T>(values));
        Guarded { all, offset, len: values.len() }
    }

    fn get(&mut self) -> &mut [T] {
        &mut self.all[self.offset..self.offset + self.len]
    }

    fn check(&self) {
        let guards = self.all[..self.offset].iter().chain(&self.all[self.offset + self.len..]);
        assert!(guards.copied().all(|value| value == T::from_f64(777.0)), "written outside of the vector");
    }
}

fn each(mut body: impl FnMut(Simd, usize, &mut Rng)) {
    let mut rng = Rng(42);
    for simd in Simd::available() {
        for offset in [0, 1, 3] {
            body(simd, offset, &mut rng);
        }
    }
}

fn vectors<T: Scalar>() {
    each(|simd, offset, rng| {
        for len in LENGTHS {
            let (x, y, z) = (rng.normals(len), rng.normals(len), rng.normals(len));
            let tolerance = T::EPSILON * 8.0;
            let (mut gx, mut gy) = (Guarded::<T>::new(&x, offset), Guarded::<T>::new(&y, offset));
            let expected = reference::dot(gx.get(), gy.get());
            let size = norm(gx.get()) * norm(gy.get());
            let found = cpu::dot(simd, gx.get(), gy.get());
            assert!((found - expected).abs() <= 8.0 * f64::EPSILON * (len as f64).sqrt() * size, "dot of {len}");

            let a = T::from_f64(rng.normal());
            let mut expected = cast::<T>(&y);
            reference::axpy(a, &cast::<T>(&x), &mut expected);
            cpu::axpy(simd, a, gx.get(), gy.get());
            assert!(distance(gy.get(), &expected) <= tolerance * (norm(&expected) + norm(gx.get())), "axpy of {len}");
            gy.check();

            let mut expected = cast::<T>(&x);
            reference::scale(a, &mut expected);
            cpu::scale(simd, a, gx.get());
            assert_eq!(gx.get(), expected, "scale of {len}");
            gx.check();

            let mut out = Guarded::<T>::new(&vec![f64::NAN; len], offset);
            let (x64, y64) = (cast::<T>(&x), cast::<T>(&y));
            let expected: Vec<T> = x64.iter().zip(&y64).map(|(x, y)| *x * *y).collect();
            cpu::product(simd, &x64, &y64, out.get());
            assert_eq!(out.get(), expected, "product of {len}");
            out.check();
            let mut gx = Guarded::<T>::new(&x, offset);
            cpu::multiply(simd, gx.get(), &y64);
            assert_eq!(gx.get(), expected, "multiply of {len}");
            gx.check();
            assert!(cpu::is_finite(simd, gx.get()));
            for i in [0, len / 2, len.saturating_sub(1)] {
                for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                    if i < len {
                        let before = std::mem::replace(&mut gx.get()[i], T::from_f64(bad));
                        assert!(!cpu::is_finite(simd, gx.get()), "{bad} at {i} of {len}");
                        gx.get()[i] = before;
                    }
                }
            }

            let (mut p, mut q) = (Guarded::<T>::new(&y, offset), Guarded::<T>::new(&z, offset));
            let (mut p0, mut q0) = (cast::<T>(&y), cast::<T>(&z));
            let hp = cast::<T>(&x);
            let expected = reference::neumann_update(a, &hp, &mut p0, &mut q0);
            let found = cpu::neumann_update(simd, a, &hp, p.get(), q.get());
            assert!(distance(p.get(), &p0) <= tolerance * (norm(&p0) + norm(&hp)), "p of {len}");
            assert_eq!(q.get(), q0, "q of {len}");
            assert!((found - expected).abs() <= 64.0 * T::EPSILON * (expected + norm(&hp).powi(2)), "norm² of {len}");
            p.check();
            q.check();
        }
    });
}

fn matrices<T: Scalar>() {
    each(|simd, offset, rng| {
        for rows in [0, 1, 2, 3, 4, 5, 9, 33, 130] {
            for cols in [0, 1, 2, 3, 5, 16, 31, 32, 33, 67, 200] {
                let a = rng.normals(rows * cols);
                let mut ga = Guarded::<T>::new(&a, offset);
                let nan = |len: usize| Guarded::<T>::new(&vec![f64::NAN; len], offset);
                let tolerance = |a: &[T], x: &[T]| 8.0 * T::EPSILON * norm(a) * norm(x) + f64::MIN_POSITIVE;

                let x = cast::<T>(&rng.normals(cols));
                let (mut y, mut expected) = (nan(rows), vec![T::ZERO; rows]);
                reference::matvec(rows, cols, ga.get(), &x, &mut expected);
                cpu::matvec(simd, cols, ga.get(), &x, y.get());
                assert!(distance(y.get(), &expected) <= tolerance(ga.get(), &x), "matvec {rows} x {cols}");
                y.check();

                let x = cast::<T>(&rng.normals(rows));
                let (mut y, mut expected) = (nan(cols), vec![T::ZERO; cols]);
                reference::matvec_transposed(rows, cols, ga.get(), &x, &mut expected);
                cpu::matvec_transposed(simd, cols, ga.get(), &x, y.get());
                assert!(distance(y.get(), &expected) <= tolerance(ga.get(), &x), "transposed {rows} x {cols}");
                y.check();

                let mut expected = vec![0.0; cols * cols];
                reference::gram(rows, cols, &common::widen(ga.get()), &mut expected);
                let found = cpu::gram(cols, ga.get());
                assert!(distance(&found, &expected) <= 8.0 * f64::EPSILON * norm(ga.get()).powi(2) + f64::MIN_POSITIVE);
            }
        }
    });
}

fn gemm<T: Scalar>() {
    let sizes = [0, 1, 2, 3, 5, 6, 7, 10, 17, 33, 64];
    let mut shapes = Vec::new();
    for m in sizes {
        for n in sizes {
            shapes.extend([0, 1, 2, 6, 7, 31, 67].map(|k| [m, n, k]));
        }
    }
    // More than one panel, more terms than one takes, more rows than are read unpacked.
    shapes.extend([
        [33, 70, 300],
        [40, 130, 7],
        [35, 64, 257],
        [38, 129, 513],
        [100, 48, 40],
        [5, 200, 300],
        [41, 1, 260],
    ]);
    each(|simd, offset, rng| {
        for [m, n, k] in shapes.iter().copied() {
            for (form, transposed) in FORMS {
                let mut a = Guarded::<T>::new(&rng.normals(m * k), offset);
                let mut b = Guarded::<T>::new(&rng.normals(k * n), offset);
                let tolerance = 8.0 * T::EPSILON * (norm(a.get()) * norm(b.get()) + 10.0);
                for add in [false, true] {
                    let start = if add { rng.normals(m * n) } else { vec![f64::NAN; m * n] };
                    let (mut c, mut expected) = (Guarded::<T>::new(&start, offset), cast::<T>(&start));
                    reference::gemm(transposed, [m, n, k], a.get(), b.get(), add, &mut expected);
                    cpu::gemm(simd, form, [m, n, k], a.get(), b.get(), add, c.get());
                    let error = distance(c.get(), &expected);
                    assert!(error <= tolerance, "{form:?} {m} x {n} of {k}, add {add}: {error:e}");
                    c.check();
                }
            }
        }
    });
}

const FORMS: [(cpu::Form, [bool; 2]); 3] =
    [(cpu::Form::Ab, [false; 2]), (cpu::Form::Abt, [false, true]), (cpu::Form::Atb, [true, false])];

/// Both images of a direction, and two outer products at once.
fn pairs<T: Scalar>() {
    each(|simd, offset, rng| {
        for m in [0, 1, 2, 3, 5, 6, 7, 33] {
            for n in [0, 1, 2, 3, 4, 7, 9, 34] {
                for k in [1, 2, 7, 16, 33, 67] {
                    let mut array = |len: usize| Guarded::<T>::new(&rng.normals(len), offset);
                    let [mut a, mut d, mut v, mut y] = [m * k, m * n, n * k, m * n].map(&mut array);
                    let tolerance = 8.0 * T::EPSILON * (norm(a.get()) + norm(d.get()) + 1.0) * (norm(v.get()) + 10.0);
                    let (mut sum, mut back) = (y.get().to_vec(), vec![T::ZERO; m * k]);
                    reference::gemm([false, true], [m, n, k], a.get(), v.get(), true, &mut sum);
                    reference::gemm([false; 2], [m, k, n], d.get(), v.get(), false, &mut back);
                    let mut z = Guarded::<T>::new(&vec![f64::NAN; m * k], offset);
                    cpu::images(simd, [m, n, k], v.get(), [a.get(), d.get()], y.get(), z.get());
                    assert!(distance(y.get(), &sum) <= tolerance, "Y {m} x {n} x {k}");
                    assert!(distance(z.get(), &back) <= tolerance, "Z {m} x {n} x {k}");
                    y.check();
                    z.check();

                    // D (m x n) and A (m x k) make n x k; so do as many rows less one.
                    let (half_d, half_a) = (&d.get().to_vec()[..m / 2 * n], &a.get().to_vec()[..m / 2 * k]);
                    let mut expected = vec![T::ZERO; n * k];
                    reference::gemm([true, false], [n, k, m], d.get(), a.get(), false, &mut expected);
                    reference::gemm([true, false], [n, k, m / 2], half_d, half_a, true, &mut expected);
                    let mut c = Guarded::<T>::new(&vec![f64::NAN; n * k], offset);
                    cpu::outer_products(simd, [n, k], [[d.get(), a.get()], [half_d, half_a]], false, c.get());
                    let tolerance = 16.0 * T::EPSILON * (norm(a.get()) * norm(d.get()) + 1e-30);
                    assert!(distance(c.get(), &expected) <= tolerance, "outer products {m} x {n} x {k}");
                    c.check();
                    cpu::outer_products(simd, [n, k], [[d.get(), a.get()], [&[], &[]]], true, c.get());
                    reference::gemm([true, false], [n, k, m], d.get(), a.get(), true, &mut expected);
                    assert!(distance(c.get(), &expected) <= tolerance, "added {m} x {n} x {k}");
                }
            }
        }
    });
}

#[test]
fn images_and_outer_products_equal_their_reference() {
    pairs::<f32>();
    pairs::<f64>();
}

#[test]
fn products_of_all_forms_equal_their_reference() {
    gemm::<f32>();
    gemm::<f64>();
}

/// Values by another route than the library's, and derivatives as differences of them.
#[test]
fn activations_and_their_derivatives() {
    use cpu::Activation::{self, *};
    let value = |activation: Activation, z: f64| match activation {
        Identity => z,
        Relu => z.max(0.0),
        Tanh => (z.exp() - (-z).exp()) / (z.exp() + (-z).exp()),
        Softplus => z.exp().ln_1p(),
        // Φ by the trapezoidal rule, which is exact to rounding for a density.
        Gelu => {
            let h = 1.0 / 64.0;
            let sum: f64 = (0..1280).map(|i| (-0.5 * (z - (i as f64 + 0.5) * h).powi(2)).exp()).sum::<f64>() * h;
            // ∫ from z − 20 to z, midpoints: the end at z is corrected by the first Euler-Maclaurin term.
            z * (sum - h * h / 24.0 * z * (-0.5 * z * z).exp()) / (2.0 * std::f64::consts::PI).sqrt()
        }
        Silu => z / (1.0 + (-z).exp()),
    };
    let points: Vec<f64> = (-40..=40).map(|i| i as f64 / 8.0 + 0.01).collect();
    for activation in [Identity, Relu, Tanh, Softplus, Gelu, Silu] {
        let (mut z, n) = (points.clone(), points.len());
        let (mut slope, mut curve) = (vec![f64::NAN; n], vec![f64::NAN; n]);
        activation.apply(Simd::best(), &vec![0.0; n], &mut z, &mut slope, &mut curve);
        for (i, &x) in points.iter().enumerate() {
            let tolerance = if activation == Gelu { 1e-8 } else { 4e-16 * (1.0 + x.abs()) };
            assert!((z[i] - value(activation, x)).abs() <= tolerance, "{activation:?}({x}) = {}", z[i]);
            let h = 1e-5;
            let [mut up, mut down] = [[x + h], [x - h]];
            let [mut above, mut below] = [[0.0]; 2];
            activation.apply(Simd::best(), &[0.0], &mut up, &mut above, &mut []);
            activation.apply(Simd::best(), &[0.0], &mut down, &mut below, &mut []);
            assert!(((up[0] - down[0]) / (2.0 * h) - slope[i]).abs() <= 1e-9, "{activation:?}'({x}) = {}", slope[i]);
            assert!(
                ((above[0] - below[0]) / (2.0 * h) - curve[i]).abs() <= 1e-9,
                "{activation:?}''({x}) = {}",
                curve[i]
            );
        }
        let (mut narrow, mut first) = (cast::<f32>(&points), vec![0.0_f32; n]);
        activation.apply(Simd::best(), &[0.0], &mut narrow, &mut first, &mut []);
        assert!(distance(&narrow, &z) <= 1e-7 * norm(&z) && distance(&first, &slope) <= 1e-7 * norm(&slope));
        // Biases, in three rows of 27, on every set of instructions.
        for simd in Simd::available() {
            let bias: Vec<f64> = (0..27).map(|i| 0.25 * f64::from(i % 5)).collect();
            let mut below: Vec<f64> = points.iter().zip(bias.iter().cycle()).map(|(z, b)| z - b).collect();
            let (mut shifted, mut first, mut second) = (below.clone(), vec![f64::NAN; n], vec![f64::NAN; n]);
            shifted.iter_mut().zip(bias.iter().cycle()).for_each(|(z, b)| *z += b);
            activation.apply(simd, &[0.0], &mut shifted, &mut first, &mut second);
            let (mut slope, mut curve) = (vec![f64::NAN; n], vec![f64::NAN; n]);
            activation.apply(simd, &bias, &mut below, &mut slope, &mut curve);
            assert_eq!((below, slope, curve), (shifted, first, second), "{activation:?}");
        }
        // Far out and at nothing: limits, never NaN; and a NaN stays one.
        let mut ends = [-1e4, -1e200, 1e4, 1e200, 0.0, -0.0, f64::NAN];
        let (mut slope, mut curve) = ([0.0; 7], [0.0; 7]);
        activation.apply(Simd::best(), &[0.0], &mut ends, &mut slope, &mut curve);
        assert!(
            ends[..6].iter().chain(&slope[..6]).chain(&curve[..6]).all(|x| x.is_finite()),
            "{activation:?} {ends:?}"
        );
        assert!(ends[6].is_nan());
        if activation == Relu {
            assert_eq!(slope[4..6], [0.0; 2]);
        }
    }
}

/// What a series on coefficients is made of; plain loops are the reference.
fn coefficients<T: Scalar>() {
    each(|simd, offset, rng| {
        for rows in 0..=cpu::FEW_COEFFICIENTS {
            for width in LENGTHS.into_iter().take(16) {
                let len = rows * width;
                let [by, stored] = [(); 2].map(|()| cast::<T>(&rng.normals(len)));
                let [gram, other] = [(); 2].map(|()| rng.normals(rows * rows));
                let [base, p, q, image] = [(); 4].map(|()| rng.normals(len));
                let [alpha, keep, s] = [0.1, 0.9, 0.7];
                for stored in [&stored[..], &[]] {
                    let wide = |values: &[T]| values.iter().map(|value| value.to_f64()).collect::<Vec<_>>();
                    let (mut new_p, mut new_q, mut new_image, mut sum) = (p.clone(), q.clone(), image.clone(), 0.0);
                    for (r, j) in (0..rows).flat_map(|r| (0..width).map(move |j| (r, j))) {
                        let at = r * width + j;
                        new_q[at] += p[at];
                        new_p[at] = keep * p[at] - alpha * by[at].to_f64();
                        new_image[at] = keep * image[at];
                        for m in 0..rows {
                            new_image[at] -= alpha * gram[m * rows + r] * by[m * width + j].to_f64();
                            let stored = stored.get(m * width + j).map_or(0.0, |stored| stored.to_f64());
                            new_image[at] += other[m * rows + r] * stored;
                        }
                        sum += new_p[at] * (s * base[at] + new_image[at]);
                    }
                    let [mut gp, mut gq, mut gi] = [&p, &q, &image].map(|values| Guarded::<f64>::new(values, offset));
                    let mut rounded = Guarded::<T>::new(&vec![f64::NAN; len], offset);
                    let (by, gram, other, base) = (&by[..], &gram[..], &other[..], &base[..]);
                    let found = cpu::advance(
                        simd,
                        [alpha, keep, s],
                        cpu::Factor {
                            rows,
                            by,
                            gram,
                            other,
                            stored,
                            base,
                            p: gp.get(),
                            q: gq.get(),
                            image: gi.get(),
                            rounded: rounded.get(),
                        },
                    );
                    let case = format!("{rows} x {width}, {simd:?}");
                    for (guarded, expected) in [(&mut gp, &new_p), (&mut gq, &new_q), (&mut gi, &new_image)] {
                        assert!(distance(guarded.get(), expected) <= 1e-14 * (1.0 + norm(expected)), "{case}");
                        guarded.check();
                    }
                    assert!((found - sum).abs() <= 1e-14 * (1.0 + norm(&new_p) * norm(&new_image) * 2.0), "{case}");
                    assert_eq!(wide(rounded.get()), wide(&cast::<T>(gi.get())), "{case}");
                    rounded.check();
                }
                let mut out = Guarded::<f64>::new(&vec![f64::NAN; rows * rows], offset);
                cpu::inner_products(simd, rows, -alpha, &by, &stored, out.get());
                for (m, r) in (0..rows).flat_map(|m| (0..rows).map(move |r| (m, r))) {
                    let (x, y) = (&by[m * width..][..width], &stored[r * width..][..width]);
                    let (found, expected) = (out.get()[m * rows + r], -alpha * reference::dot(x, y));
                    assert!((found - expected).abs() <= 1e-15 * (1.0 + norm(x) * norm(y)), "{rows} x {width}");
                }
                out.check();
            }
        }
        for len in LENGTHS {
            let (x, y, z) = (cast::<T>(&rng.normals(len)), rng.normals(len), rng.normals(len));
            let [mut by, mut p, mut q] = [&vec![f64::NAN; len], &y, &z].map(|v| Guarded::<f64>::new(v, offset));
            cpu::descend(simd, [0.1, 0.9], &x, by.get(), p.get(), q.get());
            for i in 0..len {
                let expected = [-0.1 * x[i].to_f64(), 0.9 * y[i] - 0.1 * x[i].to_f64(), y[i] + z[i]];
                let found = [by.get()[i], p.get()[i], q.get()[i]];
                assert!(distance(&found, &expected) <= 1e-15 * (1.0 + norm(&expected)), "descend of {len}");
            }
            [by, p, q].iter().for_each(Guarded::check);
            let mut sum = Guarded::<f64>::new(&y, offset);
            cpu::widen_axpy(simd, 0.3, &x, sum.get());
            let expected: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 0.3 * x.to_f64() + y).collect();
            assert!(distance(sum.get(), &expected) <= 1e-15 * (1.0 + norm(&expected)), "widen_axpy of {len}");
            sum.check();
            let mut narrow = Guarded::<T>::new(&vec![f64::NAN; len], offset);
            cpu::narrow(simd, &y, narrow.get());
            assert_eq!(narrow.get(), cast::<T>(&y), "narrow of {len}");
            narrow.check();
            let found = cpu::dot_sum(simd, &y, 0.3, &z, &expected);
            let combined: Vec<f64> = z.iter().zip(&expected).map(|(z, e)| 0.3 * z + e).collect();
            let dot = reference::dot(&y, &combined);
            assert!((found - dot).abs() <= 1e-14 * (1.0 + norm(&y) * norm(&combined)), "dot_sum of {len}");
        }
    });
}

/// All choices of a word, and random ones of several.
fn choices<T: Scalar>() {
    each(|simd, offset, rng| {
        let mut check = |len: usize, chosen: &[u16]| {
            let x = rng.normals(len);
            let room = len.next_multiple_of(cpu::WORD) + cpu::WORD;
            let mut from = Guarded::<T>::new(&x, offset);
            let is = |i: usize| chosen[i / 16] >> (i % 16) & 1 == 1;
            let expected: Vec<T> = (0..len).filter(|i| is(*i)).map(|i| T::from_f64(x[i])).collect();
            let mut side = Guarded::<T>::new(&vec![f64::NAN; room], offset);
            let count = cpu::compress(simd, from.get(), chosen, side.get());
            assert_eq!(&side.get()[..count], expected, "{len}, {chosen:x?}");
            assert_eq!(side.get()[count..][..cpu::WORD], [T::ZERO; cpu::WORD], "{len}, {chosen:x?}");
            side.check();
            side.get()[count..].fill(T::from_f64(f64::NAN));
            let mut back = Guarded::<T>::new(&vec![f64::NAN; len], offset);
            cpu::expand(simd, side.get(), chosen, back.get());
            let expected: Vec<T> = (0..len).map(|i| T::from_f64(if is(i) { x[i] } else { 0.0 })).collect();
            assert_eq!(back.get(), expected, "{len}, {chosen:x?}");
            back.check();
        };
        for bits in 0..=u16::MAX {
            check(16, &[bits]);
        }
        for len in LENGTHS {
            for seed in 1..20_u64 {
                let word = |i: u64| (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(i as u32 * 7) >> 20) as u16;
                check(len, &(0..len.div_ceil(16) as u64).map(word).collect::<Vec<_>>());
            }
            check(len, &vec![u16::MAX; len.div_ceil(16)]);
        }
    });
}

#[test]
fn coefficients_and_choices_equal_plain_loops() {
    coefficients::<f64>();
    coefficients::<f32>();
    choices::<f64>();
    choices::<f32>();
}

#[test]
fn vector_kernels_equal_their_reference() {
    vectors::<f32>();
    vectors::<f64>();
}

#[test]
fn matrix_kernels_equal_their_reference() {
    matrices::<f32>();
    matrices::<f64>();
}

#[test]
fn equal_input_gives_equal_bits() {
    let mut rng = Rng(3);
    for simd in Simd::available() {
        let (a, x) = (rng.normals(37 * 53), rng.normals(53));
        let run = || {
            let mut y = vec![0.0; 37];
            cpu::matvec(simd, 53, &a, &x, &mut y);
            (y, cpu::dot(simd, &a, &a))
        };
        assert_eq!(run(), run());
    }
}

#[test]
fn nan_and_infinity_pass_through() {
    for simd in Simd::available() {
        for position in [0, 5, 33, 39] {
            let mut x = vec![1.0_f32; 40];
            x[position] = f32::NAN;
            assert!(cpu::dot(simd, &x, &x).is_nan() && cpu::norm(simd, &x).is_nan());
            x[position] = f32::INFINITY;
            assert_eq!(cpu::norm(simd, &x), f64::INFINITY);
            let mut y = vec![0.0_f32; 1];
            cpu::matvec(simd, 40, &x, &[1.0_f32; 40], &mut y);
            assert_eq!(y[0], f32::INFINITY);
        }
    }
}

#[test]
fn norms_neither_overflow_nor_underflow() {
    for scale in [1e-300, 1e-160, 1.0, 1e160, 1e300] {
        let x: Vec<f64> = [3.0, 4.0, 12.0].iter().map(|x| x * scale).collect();
        let found = cpu::norm(Simd::best(), &x);
        assert!((found / scale - 13.0).abs() < 1e-13, "{found:e}");
    }
    assert_eq!(cpu::norm::<f64>(Simd::best(), &[]), 0.0);
    assert_eq!(cpu::norm(Simd::best(), &[0.0_f64; 5]), 0.0);
}

#[test]
fn adam_equals_its_reference() {
    let mut rng = Rng(1);
    let rule = cpu::Adam { step: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    for len in [0, 1, 5, 64] {
        let (mut x, mut y) = (rng.normals(len), Vec::new());
        y.clone_from(&x);
        let zero = || vec![0.0; len];
        let (mut m, mut v, mut m0, mut v0) = (zero(), zero(), zero(), zero());
        for t in 1..=7 {
            let g = rng.normals(len);
            rule.update(t, &g, &mut m, &mut v, &mut x);
            reference::adam(0.1, 0.9, 0.99, 1e-8, t, &g, &mut m0, &mut v0, &mut y);
        }
        assert!(distance(&x, &y) <= 1e-15 * norm(&y));
    }
    // A gradient of zero moves nothing and makes no NaN.
    let (mut x, mut m, mut v) = (vec![1.0], vec![0.0], vec![0.0]);
    rule.update(1, &[0.0], &mut m, &mut v, &mut x);
    assert_eq!(x, [1.0]);
}

#[test]
fn positive_definite_test_and_eigenvalues_agree() {
    for (matrix, expected) in
        [(vec![2.0, 1.0, 1.0, 2.0], true), (vec![1.0, 2.0, 2.0, 1.0], false), (vec![1.0, 1.0, 1.0, 1.0], true)]
    {
        assert_eq!(cpu::is_positive_definite(2, &matrix, 1e-12), expected);
        let (values, vectors) = cpu::symmetric_eigen("matrix", 2, &matrix).unwrap();
        assert_eq!(values[0] > -1e-12, expected);
        assert!(values[0] <= values[1]);
        for i in 0..2 {
            let v = &vectors[i * 2..(i + 1) * 2];
            let hv = common::matvec(2, 2, &matrix, v);
            assert!(distance(&hv, &[values[i] * v[0], values[i] * v[1]]) < 1e-14);
        }
    }
}

#[test]
fn cholesky_solves_badly_scaled_systems() {
    // diag(s) (I + ones) diag(s) with s from 1e-8 to 1e8: each x is accurate, not only the largest.
    let s: Vec<f64> = (0..9).map(|i| 10.0_f64.powi(2 * i - 8)).collect();
    let a: Vec<f64> = (0..81).map(|k| s[k / 9] * s[k % 9] * if k / 9 == k % 9 { 2.0 } else { 1.0 }).collect();
    let mut rng = Rng(8);
    let z = rng.normals(9);
    let total: f64 = z.iter().sum();
    let b: Vec<f64> = z.iter().zip(&s).map(|(z, s)| s * (z + total)).collect();
    let mut x = vec![f64::NAN; 9];
    cpu::solve_positive_definite("matrix", &a, &b, &mut x).unwrap();
    for i in 0..9 {
        assert!((x[i] * s[i] - z[i]).abs() < 1e-14 * norm(&z), "{i}: {} {}", x[i] * s[i], z[i]);
    }
    let error = cpu::solve_positive_definite("matrix", &[1.0, 2.0, 2.0, 1.0], &[1.0, 1.0], &mut x[..2]);
    assert!(error.unwrap_err().to_string().contains("matrix"));
    cpu::solve_positive_definite::<f64>("matrix", &[], &[], &mut []).unwrap();
}
