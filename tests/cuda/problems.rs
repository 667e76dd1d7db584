//! Quadratics on the device: estimators and loops against the host's.

use crate::common::{Rng, cast, distance, norm};
use crate::{Driver, device, inside};
use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::cuda::{DeviceSpace, Mlp, Network, Quadratic};
use blo::hypergradient::{Estimator, Unrolled, Workspace, evaluate};
use blo::problem::mlp::{Activation, Groups, Loss, Model, OuterParameters};
use blo::problem::{
    Examples, InnerTerms, L2, Loss as RegressionLoss, OuterTerms, Problem, Reduction, Regression, one_hot,
};
use blo::solve::{Ending, Flat, OnGrowth, Solve, Space, Spectral, Step};
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

/// Long series with what a problem's steps together make of them: those of the host, and the same bits at each call (launched,
/// recorded, replayed), whatever was between.
fn series<P: Problem<f64, Points = DeviceSpace, Vectors = DeviceSpace>, H: Problem<f64, Points = Flat>>(
    there: &P,
    here: &H,
    [u, w]: [&[f64]; 2],
    alphas: [f64; 2],
) {
    let upload = |space: &DeviceSpace, values: &[f64]| {
        let mut buffer = Space::<f64>::zeros(space);
        space.load(values, &mut buffer).unwrap();
        buffer
    };
    let (on_u, on_w) = (upload(there.outer_space(), u), upload(there.inner_space(), w));
    let shifted: Vec<f64> = u.iter().map(|u| u + 0.5).collect();
    let on_shifted = upload(there.outer_space(), &shifted);
    let (mut at, mut host) = (Workspace::new(there), Workspace::new(here));
    let (mut q, mut expected_q) = (there.inner_space().zeros(), here.inner_space().zeros());
    let mut endings = Vec::new();
    for (alpha, on_growth) in alphas.into_iter().flat_map(|a| [(a, OnGrowth::Stop), (a, OnGrowth::Continue)]) {
        for terms in [7, 8, 9, 30, 50] {
            let inverse = Inverse::Neumann { terms, step: Step::Fixed(alpha), on_growth };
            let estimator: Estimator = Solve { verify: false, ..inverse.into() }.into();
            let mut first: Option<Vec<f64>> = None;
            // Elsewhere in between, so that what depends on u is not taken from the record.
            for (call, (u, on_u)) in
                [(u, &on_u), (u, &on_u), (&shifted, &on_shifted), (u, &on_u)].into_iter().enumerate()
            {
                let expected = evaluate(here, &estimator, &u.to_vec(), &w.to_vec(), &mut host).unwrap().report;
                host.lower_q(here, &mut expected_q).unwrap();
                let found = evaluate(there, &estimator, on_u, &on_w, &mut at).unwrap().report;
                let mut values = vec![0.0; w.len()];
                at.lower_q(there, &mut q).unwrap();
                there.inner_space().store(&q, &mut values).unwrap();
                let error = distance(&values, &expected_q) / norm(&expected_q);
                assert!(error <= 1e-9, "alpha {alpha}, K {terms}, {on_growth:?}, call {call}: {error:e}");
                assert_eq!((found.ending, found.products), (expected.ending, expected.products), "K {terms}");
                assert_eq!(found.growth.is_some(), expected.growth.is_some(), "K {terms}");
                if call != 2 {
                    assert_eq!(first.get_or_insert_with(|| values.clone()), &values, "call {call}");
                }
                endings.push(expected.ending);
            }
        }
    }
    assert!(endings.contains(&Ending::Completed) && endings.contains(&Ending::NonContractive), "{endings:?}");
}

#[test]
fn series_equal_those_of_the_host() {
    if !inside(Driver::Simulated, "problems::series_equal_those_of_the_host", &[]) {
        return;
    }
    let (device, mut rng) = (device(), Rng(15));
    let terms = random(&mut rng);
    let here = blo::problem::Quadratic::new(N, M, terms.0, terms.1).unwrap();
    let there = Quadratic::copy_of(&device, here.clone()).unwrap();
    series(&there, &here, [&rng.normals(M), &rng.normals(N)], [0.1, 3.0]);
    let model = Model::new(&[3, 6, 5, 2], Activation::Tanh, Loss::CrossEntropy).unwrap();
    let examples = |rng: &mut Rng, n: usize| {
        let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
        Examples { design: rng.normals(3 * n), features: 3, targets: one_hot(&labels, 2).unwrap() }
    };
    let w = rng.normals(model.parameters());
    for kind in [OuterParameters::LogL2(Groups::PerLayer), OuterParameters::ProximalCentre { weight: 0.3 }] {
        let (inner, outer) = (examples(&mut rng, 7), examples(&mut rng, 5));
        let here = blo::problem::mlp::Mlp::new(model.clone(), kind, inner, outer, Reduction::Mean, 0.1).unwrap();
        let there = Mlp::copy_of(&device, &here).unwrap();
        let u: Vec<f64> = rng.normals(Space::<f64>::len(here.outer_space())).iter().map(|u| u - 1.0).collect();
        series(&there, &here, [&u, &w], [0.1, 20.0]);
    }
}

/// Batches, repeated examples and scores of a network against those of the host.
fn examples<T: Scalar>(tolerance: f64) {
    let (device, mut rng) = (device(), Rng(21));
    let model = Model::new(&[3, 6, 2], Activation::Tanh, Loss::CrossEntropy).unwrap();
    const ROWS: usize = 5;
    let data = |rng: &mut Rng, n: usize| {
        let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
        Examples { design: cast::<T>(&rng.normals(3 * n)), features: 3, targets: one_hot(&labels, 2).unwrap() }
    };
    let (w, v) = (cast::<T>(&rng.normals(model.parameters())), cast::<T>(&rng.normals(model.parameters())));
    for kind in [
        OuterParameters::Inputs,
        OuterParameters::Targets,
        OuterParameters::ExampleWeightLogits,
        OuterParameters::LogL2(Groups::Scalar),
        OuterParameters::ProximalCentre { weight: 0.3 },
    ] {
        let (inner, outer) = (data(&mut rng, ROWS), data(&mut rng, 3));
        let here = blo::problem::mlp::Mlp::new(model.clone(), kind, inner, outer, Reduction::Mean, 0.1).unwrap();
        let there = Mlp::copy_of(&device, &here).unwrap();
        let u = cast::<T>(&rng.normals(Space::<T>::len(here.outer_space())));
        let (mut at, mut host) = (there.workspace(), here.workspace());
        let (outer, inner) = (there.outer_space(), there.inner_space());
        let [mut on_w, mut on_v, mut out] = [(); 3].map(|()| Space::<T>::zeros(inner));
        let mut on_u = Space::<T>::zeros(outer);
        outer.load(&u, &mut on_u).unwrap();
        inner.load(&w, &mut on_w).unwrap();
        inner.load(&v, &mut on_v).unwrap();
        let (mut found, mut expected) = (w.clone(), w.clone());
        let all: Vec<usize> = (0..ROWS).collect();
        for batch in [&[2][..], &[4, 0, 4], &all, &[1; 12]] {
            let value = there.inner_batch(&mut at, batch, &on_u, &on_w, &mut out).unwrap();
            let host_value = here.inner_batch(&mut host, batch, &u, &w, &mut expected).unwrap();
            inner.store(&out, &mut found).unwrap();
            assert!((value - host_value).abs() <= tolerance * host_value.abs(), "{kind:?} {batch:?}: {value}");
            assert!(distance(&found, &expected) <= tolerance * norm(&expected), "{kind:?} {batch:?}");
        }
        for (batch, words) in [(&[][..], "batch: found no examples"), (&[0, ROWS], "example 5 at index 1")] {
            let error = there.inner_batch(&mut at, batch, &on_u, &on_w, &mut out).unwrap_err();
            assert!(error.status() == -2 && error.to_string().contains(words), "{error}");
        }
        there.linearize(&mut at, &on_u, &on_w).unwrap();
        here.linearize(&mut host, &u, &w).unwrap();
        let (mut scores, mut host_scores) = ([f64::NAN; ROWS], [0.0; ROWS]);
        there.example_scores(&mut at, &on_v, &mut scores).unwrap();
        here.example_scores(&mut host, &v, &mut host_scores).unwrap();
        assert_eq!(there.examples(), ROWS);
        assert!(distance(&scores, &host_scores) <= tolerance * norm(&host_scores), "{kind:?}: {scores:?}");
        let error = there.example_scores(&mut at, &on_v, &mut scores[1..]).unwrap_err();
        assert_eq!(error.to_string(), "scores: found length 4, expected length 5");
        // Vectors of the point, and what a pass leaves of each example.
        let least = (4 * w.len() + ROWS * 2 * 10) * size_of::<T>();
        let bytes = there.workspace_bytes(&at);
        assert!((least..40 * least).contains(&bytes), "{kind:?}: {bytes} bytes");
    }
}

#[test]
fn a_network_without_hidden_layers_is_a_regression() {
    if !inside(Driver::Simulated, "problems::a_network_without_hidden_layers_is_a_regression", &[]) {
        return;
    }
    const FEATURES: usize = 3;
    let (device, mut rng) = (device(), Rng(23));
    for (classes, logistic) in [(4, false), (2, true)] {
        let data = |rng: &mut Rng, n: usize| {
            let labels: Vec<usize> = (0..n).map(|i| (i * i + 1) % classes).collect();
            (rng.normals(FEATURES * n), labels)
        };
        let [inner, outer] = [9, 5].map(|n| data(&mut rng, n));
        let of_network = |(design, labels): &(Vec<f64>, Vec<usize>)| Examples {
            design: design.clone(),
            features: FEATURES,
            targets: one_hot(labels, classes).unwrap(),
        };
        // With a column of ones.
        let of_regression = |(design, labels): &(Vec<f64>, Vec<usize>)| Examples {
            design: design.chunks(FEATURES).flat_map(|x| x.iter().copied().chain([1.0])).collect(),
            features: FEATURES + 1,
            targets: if logistic {
                labels.iter().map(|label| *label as f64).collect()
            } else {
                one_hot(labels, classes).unwrap()
            },
        };
        let loss = if logistic { RegressionLoss::Logistic } else { RegressionLoss::Softmax { classes } };
        let (first, second) = (of_regression(&inner), of_regression(&outer));
        let here = Regression::log_l2(loss, L2::Scalar, first, second, Reduction::Mean).unwrap();
        let there = Mlp::new(
            &device,
            Network { widths: &[FEATURES, classes], activation: Activation::Identity, loss: Loss::CrossEntropy },
            OuterParameters::LogL2(Groups::Scalar),
            of_network(&inner),
            of_network(&outer),
            Reduction::Mean,
            0.0,
        )
        .unwrap();
        // Gradient descent to the solution, and the hypergradient there. The penalty of two classes is twice that of one.
        let settle = InnerSolve::Optimizer { rule: Rule::descent(0.5), steps: 300, tolerance: 1e-12 };
        let settings =
            Settings::new(Start::Cold, settle, Inverse::Cg { iterations: 40, tolerance: 1e-13 }, Rule::descent(0.1));
        let settings = Settings { outer_steps: 3, ..settings };
        let u = -0.5_f64;
        let on_u = if logistic { u + 2.0_f64.ln() } else { u };
        let len = Space::<f64>::len(here.inner_space());
        let mut host = Runner::new(&here, settings.clone(), &[u], &vec![0.0; len]).unwrap();
        let parameters = there.model().parameters();
        let mut on = Runner::new(&there, settings, &[on_u], &vec![0.0; parameters]).unwrap();
        let (expected, found) = (host.run().unwrap(), on.run().unwrap());
        let mut moved = [0.0];
        there.outer_space().store(on.u(), &mut moved).unwrap();
        let (found_step, expected_step) = (moved[0] - on_u, host.u()[0] - u);
        assert!(
            expected_step.abs() > 1e-4 && (found_step - expected_step).abs() <= 1e-9,
            "{found_step} {expected_step}"
        );
        assert!((found.outer_loss - expected.outer_loss).abs() <= 1e-9, "{classes} classes");
    }
}

/// ∂f/∂u and the count of units near their kink, for everything that u can be, against those of the host.
fn of_u<T: Scalar>(tolerance: f64) {
    let (device, mut rng) = (device(), Rng(22));
    const ROWS: usize = 5;
    let mut counted = 0;
    for loss in [Loss::CrossEntropy, Loss::SquaredError] {
        let model = Model::new(&[3, 6, 4, 2], Activation::Relu, loss).unwrap();
        let w = cast::<T>(&rng.normals(model.parameters()));
        for kind in [
            OuterParameters::Inputs,
            OuterParameters::Targets,
            OuterParameters::InputsAndLabelLogits,
            OuterParameters::ExampleWeightLogits,
            OuterParameters::LinearAugmentation,
            OuterParameters::LogL2(Groups::Scalar),
            OuterParameters::LogL2(Groups::PerLayer),
            OuterParameters::LogL2(Groups::PerParameter),
            OuterParameters::ProximalCentre { weight: 0.3 },
        ] {
            let mut data = |n: usize| {
                let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
                Examples { design: cast::<T>(&rng.normals(3 * n)), features: 3, targets: one_hot(&labels, 2).unwrap() }
            };
            let (inner, outer) = (data(ROWS), data(3));
            let here = blo::problem::mlp::Mlp::new(model.clone(), kind, inner, outer, Reduction::Mean, 0.1).unwrap();
            let there = Mlp::copy_of(&device, &here).unwrap();
            let u = cast::<T>(&rng.normals(Space::<T>::len(here.outer_space())));
            let (mut on_u, mut on_w) = (Space::<T>::zeros(there.outer_space()), Space::<T>::zeros(there.inner_space()));
            there.outer_space().load(&u, &mut on_u).unwrap();
            there.inner_space().load(&w, &mut on_w).unwrap();
            let (mut at, mut host) = (there.workspace(), here.workspace());
            let nan = T::from_f64(f64::NAN);
            let (mut found, mut expected) = (vec![nan; u.len()], vec![nan; u.len()]);
            let mut out = Space::<T>::zeros(there.outer_space());
            there.outer_space().load(&found, &mut out).unwrap();
            there.inner_gradient_u(&mut at, &on_u, &on_w, &mut out).unwrap();
            there.outer_space().store(&out, &mut found).unwrap();
            here.inner_gradient_u(&mut host, &u, &w, &mut expected).unwrap();
            let error = distance(&found, &expected) / norm(&expected);
            assert!(error <= tolerance, "{loss:?}, {kind:?}: {error:e}");
            for near in [0.0, 0.3, 2.0, f64::INFINITY] {
                let found = there.near_kink(&mut at, &on_u, &on_w, near).unwrap();
                assert_eq!(found, here.near_kink(&mut host, &u, &w, near).unwrap(), "{kind:?} within {near}");
                counted += usize::from(found > 0 && found < ROWS * 10);
                assert!(near.is_finite() || found == ROWS * 10);
            }
        }
    }
    assert!(counted > 0);
}

#[test]
fn derivatives_in_u_equal_those_of_the_host() {
    if inside(Driver::Simulated, "problems::derivatives_in_u_equal_those_of_the_host", &[]) {
        of_u::<f64>(1e-12);
        of_u::<f32>(1e-5);
    }
}

#[test]
fn batches_and_scores_equal_those_of_the_host() {
    if inside(Driver::Simulated, "problems::batches_and_scores_equal_those_of_the_host", &[]) {
        examples::<f64>(1e-12);
        examples::<f32>(1e-5);
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
    let momentum = Rule::Momentum { step: 1e-3, momentum: 0.8 };
    for (start, rule) in [(Start::Warm, Rule::adam(1e-2)), (Start::Cold, Rule::descent(1e-3)), (Start::Warm, momentum)]
    {
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
