//! Quadratics on the device: estimators and loops against the host's.

use crate::common::{Rng, cast, distance, norm};
use crate::{Driver, device, inside};
use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::cuda::Quadratic;
use blo::hypergradient::{Estimator, Unrolled, Workspace, evaluate};
use blo::problem::{InnerTerms, OuterTerms, Problem};
use blo::solve::{Space, Spectral};
use blo::{Inverse, Rule, Scalar};

const N: usize = 19;
const M: usize = 6;

fn random(rng: &mut Rng) -> (InnerTerms<f64>, OuterTerms<f64>) {
    let gram = |rng: &mut Rng, rank: usize, scale: f64| {
        let half = rng.normals(N * rank);
        let mut out = vec![0.0; N * N];
        for i in 0..N {
            for j in 0..N {
                out[i * N + j] = scale * (0..rank).map(|k| half[i * rank + k] * half[j * rank + k]).sum::<f64>();
            }
        }
        out
    };
    let b = rng.normals(N * M);
    let c: Vec<f64> = (0..M * M).map(|i| if i % (M + 1) == 0 { 2.0 } else { 0.5 }).collect();
    let inner = InnerTerms { a: gram(rng, N + 5, 0.05), b, c, d: rng.normals(N), e: rng.normals(M), constant: 0.25 };
    let outer = OuterTerms { p: gram(rng, 4, 0.1), f: rng.normals(N), h: -1.5 };
    (inner, outer)
}

fn narrow<T: Scalar>((inner, outer): &(InnerTerms<f64>, OuterTerms<f64>)) -> (InnerTerms<T>, OuterTerms<T>) {
    let [a, b, c, d, e] = [&inner.a, &inner.b, &inner.c, &inner.d, &inner.e].map(|x| cast(x));
    let (p, f) = (cast(&outer.p), cast(&outer.f));
    let constant = T::from_f64(inner.constant);
    (InnerTerms { a, b, c, d, e, constant }, OuterTerms { p, f, h: T::from_f64(outer.h) })
}

fn estimators<T: Scalar>(tolerance: f64) {
    let device = device();
    let mut rng = Rng(5);
    let terms = narrow::<T>(&random(&mut rng));
    let there = Quadratic::new(&device, N, M, terms.0.clone(), terms.1.clone()).unwrap();
    let here = blo::problem::Quadratic::new(N, M, terms.0, terms.1).unwrap();
    let (u, w) = (cast::<T>(&rng.normals(M)), cast::<T>(&rng.normals(N)));
    let (mut on_u, mut on_w) = (Space::<T>::zeros(there.outer_space()), Space::<T>::zeros(there.inner_space()));
    there.outer_space().load(&u, &mut on_u).unwrap();
    there.inner_space().load(&w, &mut on_w).unwrap();
    let (mut at, mut host) = (Workspace::new(&there), Workspace::new(&here));
    let estimators: [Estimator; 6] = [
        Inverse::neumann(0, 0.1).into(),
        Inverse::neumann(30, 0.1).into(),
        Inverse::Cg { iterations: 12, tolerance: 1e-3 }.into(),
        Inverse::Damped { epsilon: 0.1, by: Spectral::Dense }.into(),
        Inverse::Zero.into(),
        Estimator::Unrolled(Unrolled { rule: Rule::adam(1e-2), ..Unrolled::descent(5, 0.1) }),
    ];
    for estimator in estimators {
        let expected = evaluate(&here, &estimator, &u, &w, &mut host).unwrap();
        let found = evaluate(&there, &estimator, &on_u, &on_w, &mut at).unwrap();
        let mut gradient = vec![T::ZERO; M];
        there.outer_space().store(at.gradient(), &mut gradient).unwrap();
        let error = distance(&gradient, host.gradient()) / (1.0 + norm(host.gradient()));
        assert!(error <= tolerance, "{estimator:?}: {error:e}");
        assert_eq!(format!("{found:?}").split('{').next(), format!("{expected:?}").split('{').next());
    }
}

#[test]
fn estimators_equal_those_of_the_host() {
    if inside(Driver::Simulated, "problems::estimators_equal_those_of_the_host", &[]) {
        estimators::<f64>(1e-12);
        estimators::<f32>(1e-4);
    }
}

#[test]
fn loops_equal_those_of_the_host() {
    if !inside(Driver::Simulated, "problems::loops_equal_those_of_the_host", &[]) {
        return;
    }
    let (device, mut rng) = (device(), Rng(9));
    let terms = random(&mut rng);
    let there = Quadratic::new(&device, N, M, terms.0.clone(), terms.1.clone()).unwrap();
    let here = blo::problem::Quadratic::new(N, M, terms.0, terms.1).unwrap();
    let (u0, w0) = (rng.normals(M), rng.normals(N));
    for (start, rule) in [(Start::Warm, Rule::adam(1e-2)), (Start::Cold, Rule::descent(1e-3))] {
        let inner = InnerSolve::Optimizer { rule: Rule::descent(0.2), steps: 4, tolerance: 0.0 };
        let mut settings = Settings::new(start, inner, Inverse::neumann(10, 0.2), rule);
        settings.outer_steps = 15;
        let mut on = Runner::new(&there, settings.clone(), &u0, &w0).unwrap();
        let mut host = Runner::new(&here, settings, &u0, &w0).unwrap();
        let (found, expected) = (on.run().unwrap(), host.run().unwrap());
        let (mut u, mut w) = (vec![0.0; M], vec![0.0; N]);
        there.outer_space().store(on.u(), &mut u).unwrap();
        there.inner_space().store(on.w(), &mut w).unwrap();
        assert!(distance(&u, host.u()) <= 1e-11 * (1.0 + norm(host.u())), "{start:?}");
        assert!(distance(&w, host.w()) <= 1e-11 * (1.0 + norm(host.w())), "{start:?}");
        assert!((found.outer_loss - expected.outer_loss).abs() <= 1e-11 * (1.0 + expected.outer_loss.abs()));
    }
    // The inner fixpoint, made on the host.
    let settings = Settings {
        outer_steps: 3,
        ..Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::neumann(10, 0.2), Rule::descent(1e-3))
    };
    let mut on = Runner::new(&there, settings.clone(), &u0, &w0).unwrap();
    let mut host = Runner::new(&here, settings, &u0, &w0).unwrap();
    on.run().unwrap();
    host.run().unwrap();
    let mut w = vec![0.0; N];
    there.inner_space().store(on.w(), &mut w).unwrap();
    assert!(distance(&w, host.w()) <= 1e-10 * (1.0 + norm(host.w())));
}

#[test]
fn bad_terms_are_named_as_on_the_host() {
    if inside(Driver::Simulated, "problems::bad_terms_are_named_as_on_the_host", &[]) {
        let (mut inner, outer) = random(&mut Rng(5));
        inner.a[1] += 1.0;
        assert_eq!(Quadratic::new(&device(), N, M, inner, outer).unwrap_err().status(), -20);
    }
}
