//! Vectors on the device against vectors on the host.

use crate::common::{Rng, cast, distance, norm, widen};
use crate::{Driver, device, inside};
use blo::Scalar;
use blo::cpu::Adam;
use blo::cuda::DeviceSpace;
use blo::solve::{Flat, Points, Space};

fn operations<T: Scalar>() {
    let (device, mut rng) = (device(), Rng(1));
    for len in [0, 1, 3, 257, 2100] {
        let (there, here) = (DeviceSpace::new(&device, len), Flat::new(len));
        let values: Vec<Vec<T>> = (0..5).map(|_| cast(&rng.normals(len))).collect();
        let mut host = values.clone();
        let mut on: Vec<_> = values
            .iter()
            .map(|values| {
                let mut buffer = Space::<T>::zeros(&there);
                there.load(values, &mut buffer).unwrap();
                buffer
            })
            .collect();
        let a = T::from_f64(0.7);
        let [x, y, p, q, m] = &mut on[..] else { panic!() };
        let [hx, hy, hp, hq, hm] = &mut host[..] else { panic!() };
        let close =
            |found: f64, expected: f64| assert!((found - expected).abs() <= 64.0 * T::EPSILON * (1.0 + expected.abs()));

        close(there.dot(x, y), here.dot(hx, hy));
        close(there.norm(x), here.norm(hx));
        there.axpy(a, x, y);
        here.axpy(a, hx, hy);
        there.scale(a, p);
        here.scale(a, hp);
        close(there.neumann_update(a, x, p, q), here.neumann_update(a, hx, hp, hq));
        there.clamp(-0.5, 0.5, q);
        here.clamp(-0.5, 0.5, hq);
        there.scale(T::ZERO, m);
        here.scale(T::ZERO, hm);
        let rule = Adam { step: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        // The second moment starts at 0 as well.
        let (mut s, mut hs) = (Space::<T>::zeros(&there), vec![T::ZERO; len]);
        there.adam(&rule, 1, y, m, &mut s, x);
        here.adam(&rule, 1, hy, hm, &mut hs, hx);
        there.check("q", q).unwrap();
        let mut found = vec![T::from_f64(f64::NAN); len];
        for (on, host) in [(&*x, &*hx), (y, hy), (p, hp), (q, hq), (m, hm), (&s, &hs)] {
            there.store(on, &mut found).unwrap();
            assert!(distance(&found, host) <= 8.0 * T::EPSILON * (1.0 + norm(host)), "{len}");
        }
        let mut copy = Space::<T>::zeros(&there);
        there.copy(x, &mut copy);
        there.store(&copy, &mut found).unwrap();
        assert!(distance(&found, hx) <= 8.0 * T::EPSILON * (1.0 + norm(hx)));

        let [ref g, ref dx, ref dm, ref ds, _] = values[..] else { panic!() };
        let upload = |values: &Vec<T>| {
            let mut buffer = Space::<T>::zeros(&there);
            there.load(values, &mut buffer).unwrap();
            buffer
        };
        let (adjoint_x, mut am, mut as_, mut ag) = (upload(dx), upload(dm), upload(ds), upload(g));
        there.adam_vjp(&rule, 1, [y, m, &s], &adjoint_x, [&mut am, &mut as_, &mut ag]);
        let (mut hm2, mut hs2, mut hg2) = (dm.clone(), ds.clone(), g.clone());
        here.adam_vjp(&rule, 1, [hy, hm, &hs], dx, [&mut hm2, &mut hs2, &mut hg2]);
        let (mut tm, mut ts, mut tx) = (upload(dm), upload(ds), upload(dx));
        there.adam_jvp(&rule, 1, [y, m, &s], &upload(g), [&mut tm, &mut ts, &mut tx]);
        let (mut hm3, mut hs3, mut hx3) = (dm.clone(), ds.clone(), dx.clone());
        here.adam_jvp(&rule, 1, [hy, hm, &hs], g, [&mut hm3, &mut hs3, &mut hx3]);
        for (on, host) in [(am, hm2), (as_, hs2), (ag, hg2), (tm, hm3), (ts, hs3), (tx, hx3)] {
            there.store(&on, &mut found).unwrap();
            assert!(distance(&found, &host) <= 256.0 * T::EPSILON * (1.0 + norm(&host)), "derivatives of {len}");
        }
    }
}

#[test]
fn vectors_equal_those_of_the_host() {
    if inside(Driver::Simulated, "vectors::vectors_equal_those_of_the_host", &[]) {
        operations::<f32>();
        operations::<f64>();
    }
}

#[test]
fn what_is_not_finite_is_named() {
    if inside(Driver::Simulated, "vectors::what_is_not_finite_is_named", &[]) {
        let space = DeviceSpace::new(&device(), 3000);
        let mut values = vec![1.0_f32; 3000];
        values[2999] = f32::NAN;
        values[1500] = f32::NEG_INFINITY;
        let mut x = Space::<f32>::zeros(&space);
        space.load(&values, &mut x).unwrap();
        let error = space.check("w", &x).unwrap_err();
        assert_eq!(error.status(), -4);
        assert_eq!(error.to_string(), "w: found -inf at index 1500, expected finite values");
        assert_eq!(space.load(&[1.0_f32; 7], &mut x).unwrap_err().status(), -3);
        let other = Space::<f32>::zeros(&DeviceSpace::new(space.device(), 2));
        assert_eq!(space.check("w", &other).unwrap_err().status(), -3);
        assert_eq!(widen(&values)[0], 1.0);
    }
}

#[test]
fn the_first_error_stays() {
    // A kernel that is stopped after a few steps, and a device that keeps saying so.
    if inside(Driver::Simulated, "vectors::the_first_error_stays", &[("PTXSIM_STEPS", "20")]) {
        let device = device();
        let space = DeviceSpace::new(&device, 3000);
        let x = Space::<f64>::zeros(&space);
        assert!(space.dot(&x, &x).is_nan());
        let error = device.synchronize().unwrap_err();
        assert_eq!(error.status(), -82);
        assert!(error.to_string().contains("CUDA_ERROR_LAUNCH_TIMEOUT 702"), "{error}");
        assert_eq!(space.store(&x, &mut [0.0; 3000]).unwrap_err(), error);
        assert_eq!(space.check("x", &x).unwrap_err(), error);
    }
}

#[test]
fn too_little_memory_is_a_status() {
    if inside(Driver::Simulated, "vectors::too_little_memory_is_a_status", &[]) {
        let device = device();
        let x = Space::<f64>::zeros(&DeviceSpace::new(&device, 1 << 50));
        assert_eq!(x.len(), 1 << 50);
        let error = device.synchronize().unwrap_err();
        assert_eq!((error.status(), error.to_string().contains("9007199254740992 bytes")), (-81, true), "{error}");
    }
}
