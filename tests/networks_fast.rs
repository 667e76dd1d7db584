//! The short ways of networks against the plain ones: factored series, and whatever else is chosen by sizes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::problem::mlp::{Activation, Groups, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Hessian, Problem, Reduction};
use blo::solve::{self, Ending, OnGrowth, Solve, Step};
use blo::{Inverse, Scalar};
use common::{Rng, cast, distance, norm};

const ACTIVATIONS: [Activation; 6] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Tanh,
    Activation::Softplus,
    Activation::Gelu,
    Activation::Silu,
];

/// A problem with u and w.
struct Sample<T> {
    problem: Mlp<T>,
    u: Vec<T>,
    w: Vec<T>,
}

fn sample<T: Scalar>(
    widths: &[usize],
    rows: usize,
    [activation, loss]: [usize; 2],
    kind: OuterParameters,
    l2: f64,
    seed: u64,
) -> Sample<T> {
    let mut rng = Rng(seed);
    let (d, c) = (widths[0], widths[widths.len() - 1]);
    let loss = [Loss::CrossEntropy, Loss::SquaredError][loss];
    let model = Model::new(widths, ACTIVATIONS[activation], loss).unwrap();
    let w: Vec<f64> = model.initial::<f64>(Init::LeCun, seed).iter().map(|w| w + 0.05 * rng.normal()).collect();
    let targets: Vec<f64> = (0..rows * c).map(|_| 2.0 * rng.uniform() / c as f64).collect();
    let inner = Examples { design: cast(&rng.normals(rows * d)), features: d, targets: cast(&targets) };
    let outer = Examples {
        design: cast(&rng.normals(3 * d)),
        features: d,
        targets: cast(&rng.normals(3 * c).iter().map(|t| t.abs()).collect::<Vec<f64>>()),
    };
    let problem = Mlp::new(model, kind, inner, outer, Reduction::Mean, l2).unwrap();
    let u = rng.normals(blo::solve::Space::<T>::len(problem.outer_space()));
    Sample { u: cast(&u), w: cast(&w), problem }
}

/// The series of `problem.solve` against the one of plain products.
fn compare<T: Scalar>(sample: &Sample<T>, terms: usize, alpha: f64, tolerance: f64, what: &str) {
    let Sample { problem, u, w } = sample;
    let mut ws = problem.workspace();
    problem.linearize(&mut ws, u, w).unwrap();
    let b: Vec<T> = cast(&Rng(7).normals(w.len()));
    let inverse = Inverse::Neumann { terms, step: Step::Fixed(alpha), on_growth: OnGrowth::Continue };
    let solve = Solve::from(inverse);
    let [mut fast, mut plain] = [(); 2].map(|()| vec![T::from_f64(f64::NAN); w.len()]);
    let mut scratch = solve::Workspace::new();
    let found = problem.solve(&mut ws, &solve, &b, &mut fast, &mut scratch).unwrap();
    let mut hessian = Hessian::new(problem, &mut ws);
    let expected = solve::solve(&mut hessian, &solve, &b, &mut plain, &mut scratch).unwrap();
    let error = distance(&fast, &plain) / norm(&plain);
    assert!(error <= tolerance, "{what}: {error:e}");
    // Linear models may take the way that needs no products; their series still are those of products.
    assert!(found.ending == expected.ending && [0, expected.products].contains(&found.products), "{what}");
    let (x, y) = (found.residual.unwrap(), expected.residual.unwrap());
    assert!((x - y).abs() <= 10.0 * tolerance * (1.0 + y), "{what}: residuals {x} and {y}");
    assert!((found.rhs_norm - expected.rhs_norm).abs() <= 1e3 * T::EPSILON * expected.rhs_norm, "{what}");
}

#[test]
fn factored_series_equal_plain_ones() {
    let kinds = [
        (OuterParameters::Inputs, 0.0),
        (OuterParameters::ExampleWeightLogits, 0.3),
        (OuterParameters::LogL2(Groups::PerLayer), 0.1),
        (OuterParameters::LogL2(Groups::Scalar), 0.0),
        (OuterParameters::ProximalCentre { weight: 0.5 }, 0.0),
        (OuterParameters::LogL2(Groups::PerParameter), 0.0),
    ];
    let mut rng = Rng(3);
    let mut pick = |count: usize| (rng.uniform() * count as f64) as usize;
    // All factored; none; mixed: a wide first layer with narrow ones behind it, and the other way round; one layer.
    for widths in
        [&[2, 30, 30, 3][..], &[2, 3, 2], &[40, 9, 8, 3], &[3, 60, 50, 4], &[30, 5], &[1, 1], &[65, 64, 1, 17]]
    {
        for rows in [1, 2, 3, 4, 5, 7, 20, 50] {
            for (kind, l2) in kinds {
                let of = [pick(6), pick(2)];
                let what = format!("{widths:?} n = {rows}, {:?}, {kind:?}", ACTIVATIONS[of[0]]);
                for terms in [2, 3, 40] {
                    // 0.05 contracts on the convex part; what negative curvature amplifies, both ways amplify alike.
                    compare(&sample::<f64>(widths, rows, of, kind, l2, 5), terms, 0.05, 1e-11, &what);
                    compare(&sample::<f32>(widths, rows, of, kind, l2, 5), terms, 0.05, 5e-5, &what);
                }
            }
        }
    }
}

/// Mᵀq without q against the one of q; whether there was such a way.
fn compare_pulled_back<T: Scalar>(sample: &Sample<T>, terms: usize, tolerance: f64, what: &str) -> bool {
    let Sample { problem, u, w } = sample;
    let mut ws = problem.workspace();
    problem.linearize(&mut ws, u, w).unwrap();
    let b: Vec<T> = cast(&Rng(7).normals(w.len()));
    let mut solve = Solve { verify: false, ..Inverse::neumann(terms, 0.05).into() };
    let (mut q, mut scratch) = (vec![T::from_f64(f64::NAN); w.len()], solve::Workspace::new());
    let [mut short, mut expected] = [(); 2].map(|()| vec![T::from_f64(f64::NAN); u.len()]);
    let report = problem.solve_mixed_vjp(&mut ws, &solve, &b, &mut short).unwrap();
    let plain = solve::solve(&mut Hessian::new(problem, &mut ws), &solve, &b, &mut q, &mut scratch).unwrap();
    problem.mixed_vjp(&mut ws, &q, &mut expected).unwrap();
    let Some(report) = report else {
        assert!(short.iter().all(|value| value.to_f64().is_nan()), "{what}: written");
        return false;
    };
    assert_eq!((report.ending, report.products), (plain.ending, plain.products), "{what}");
    let error = distance(&short, &expected) / (norm(&expected) + f64::MIN_POSITIVE);
    assert!(error <= tolerance, "{what}: {error:e}");
    // One that is to be verified needs q.
    solve.verify = true;
    assert_eq!(problem.solve_mixed_vjp(&mut ws, &solve, &b, &mut short).unwrap(), None);
    true
}

#[test]
fn hypergradients_without_forming_q() {
    use OuterParameters::*;
    let kinds = [Inputs, Targets, InputsAndLabelLogits, ExampleWeightLogits, LinearAugmentation, LogL2(Groups::Scalar)];
    let mut rng = Rng(5);
    let mut pick = |count: usize| (rng.uniform() * count as f64) as usize;
    let mut short = 0;
    for widths in [&[2, 30, 30, 3][..], &[2, 3, 2], &[40, 9, 8, 3], &[3, 60, 50, 4], &[30, 5], &[60, 80, 80, 4]] {
        for rows in [1, 2, 3, 5, 20, 64] {
            for kind in kinds {
                let of = [pick(6), pick(2)];
                let what = format!("{widths:?} n = {rows}, {:?}, {kind:?}", ACTIVATIONS[of[0]]);
                for terms in [2, 40] {
                    let exact =
                        compare_pulled_back(&sample::<f64>(widths, rows, of, kind, 0.1, 5), terms, 1e-11, &what);
                    let single =
                        compare_pulled_back(&sample::<f32>(widths, rows, of, kind, 0.1, 5), terms, 5e-5, &what);
                    assert_eq!(exact, single, "{what}");
                    assert!(!exact || kind != LogL2(Groups::Scalar), "{what}");
                    short += usize::from(exact);
                }
            }
        }
    }
    assert!(short > 150, "{short} of 432");
}

/// The same hypergradient, whether q is kept or not; a run keeps none.
#[test]
fn runs_without_q() {
    use blo::bilevel::{InnerSolve, Runner, Settings, Start};
    use blo::hypergradient::{self, Estimator};
    let Sample { problem, u, w } = sample::<f64>(&[2, 30, 30, 3], 2, [1, 0], OuterParameters::Inputs, 0.1, 1);
    let estimator = Estimator::Implicit(Solve { verify: false, ..Inverse::neumann(20, 0.05).into() });
    let mut workspace = hypergradient::Workspace::new(&problem);
    let kept = hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
    let (expected, q) = (workspace.gradient().clone(), workspace.q().clone());
    let mut verified = hypergradient::Workspace::new(&problem);
    hypergradient::evaluate(&problem, &Inverse::neumann(20, 0.05).into(), &u, &w, &mut verified).unwrap();
    assert!(q == *verified.q() && norm(&q) > 0.0);
    workspace.keep_q(false);
    let short = hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
    assert!(distance(workspace.gradient(), &expected) <= 1e-13 * norm(&expected) && short == kept);
    assert_eq!(workspace.q(), &q, "not touched");
    let mut settings = Settings::new(Start::Warm, InnerSolve::descent(1e-300, 1), estimator, blo::Rule::adam(0.1));
    settings.outer_steps = 1;
    let mut runner = Runner::new(&problem, settings, &u, &w).unwrap();
    runner.outer_step().unwrap();
    assert_eq!(runner.hypergradient(), workspace.gradient(), "the same way, the same bits");
}

/// With a step from Lanczos, too.
#[test]
fn series_that_find_their_step() {
    for (widths, rows) in [(&[2, 30, 30, 3][..], 2), (&[30, 5], 4), (&[3, 60, 50, 4], 7)] {
        let Sample { problem, u, w } = sample::<f64>(widths, rows, [2, 0], OuterParameters::Inputs, 0.3, 5);
        let mut ws = problem.workspace();
        problem.linearize(&mut ws, &u, &w).unwrap();
        let b = Rng(7).normals(w.len());
        let solve = Inverse::Neumann { terms: 30, step: Step::Auto, on_growth: OnGrowth::Continue }.into();
        let [mut fast, mut plain] = [(); 2].map(|()| vec![f64::NAN; w.len()]);
        let mut scratch = solve::Workspace::new();
        let found = problem.solve(&mut ws, &solve, &b, &mut fast, &mut scratch).unwrap();
        let mut hessian = Hessian::new(&problem, &mut ws);
        let expected = solve::solve(&mut hessian, &solve, &b, &mut plain, &mut scratch).unwrap();
        assert!(distance(&fast, &plain) <= 1e-11 * norm(&plain), "{widths:?}");
        assert_eq!((found.alpha, found.curvature), (expected.alpha, expected.curvature), "{widths:?}");
        assert_eq!((found.ending, found.products), (expected.ending, expected.products), "{widths:?}");
        let zero = vec![0.0; w.len()];
        let found = problem.solve(&mut ws, &solve, &zero, &mut fast, &mut scratch).unwrap();
        assert!(found.products == 0 && fast == zero);
    }
}

/// From 64 examples on, the algebra of f32 networks is f32.
#[test]
fn factored_series_of_many_examples() {
    for widths in [&[60, 120, 120, 4][..], &[90, 10], &[80, 20, 20, 3]] {
        for rows in [63, 64, 70] {
            for of in [[1, 0], [2, 1], [4, 0]] {
                let what = format!("{widths:?} n = {rows}, {:?}", ACTIVATIONS[of[0]]);
                for terms in [2, 40] {
                    compare(
                        &sample::<f64>(widths, rows, of, OuterParameters::Inputs, 0.1, 5),
                        terms,
                        0.05,
                        1e-11,
                        &what,
                    );
                    compare(
                        &sample::<f32>(widths, rows, of, OuterParameters::Inputs, 0.1, 5),
                        terms,
                        0.05,
                        5e-5,
                        &what,
                    );
                }
            }
        }
    }
}

#[test]
fn growth_and_what_is_not_finite_are_seen_in_factored_series() {
    let Sample { problem, u, w } = sample::<f64>(&[2, 30, 30, 3], 2, [1, 0], OuterParameters::Inputs, 0.0, 1);
    let mut ws = problem.workspace();
    problem.linearize(&mut ws, &u, &w).unwrap();
    let mut scratch = solve::Workspace::new();
    let (mut b, mut q) = (Rng(1).normals(w.len()), vec![0.0; w.len()]);
    let report = problem.solve(&mut ws, &Inverse::neumann(1000, 50.0).into(), &b, &mut q, &mut scratch).unwrap();
    assert_eq!(report.ending, Ending::NonContractive);
    assert!(report.products < 30 && report.growth.unwrap() > 1.0 && q.iter().all(|x| x.is_finite()), "{report:?}");
    // A right-hand side in the range of a semidefinite H: all of it contracts, far below what the norm of a sum of cancelling
    // terms resolves. No false alarm there.
    let tame = sample::<f32>(&[30, 5], 4, [0, 1], OuterParameters::Inputs, 0.0, 1);
    let mut at = tame.problem.workspace();
    tame.problem.linearize(&mut at, &tame.u, &tame.w).unwrap();
    let (x, mut b32) = (cast::<f32>(&Rng(2).normals(155)), vec![0.0_f32; 155]);
    tame.problem.hvp(&mut at, &x, &mut b32).unwrap();
    let mut q32 = vec![0.0_f32; 155];
    let solve = Inverse::neumann(3000, 0.05).into();
    let report = tame.problem.solve(&mut at, &solve, &b32, &mut q32, &mut solve::Workspace::new()).unwrap();
    assert_eq!((report.ending, report.growth), (Ending::Completed, None));
    // The plain series has 2e-5 here: its terms' rounding is in the null space, and never contracts.
    assert!(report.residual.unwrap() < 3e-7, "{report:?}");
    b[3] = f64::NAN;
    problem.solve(&mut ws, &Inverse::neumann(5, 0.1).into(), &b, &mut q, &mut scratch).unwrap_err();
    b[3] = f64::INFINITY;
    problem.solve(&mut ws, &Inverse::neumann(5, 0.1).into(), &b, &mut q, &mut scratch).unwrap_err();
    let report =
        problem.solve(&mut ws, &Inverse::neumann(5, 0.1).into(), &vec![0.0; w.len()], &mut q, &mut scratch).unwrap();
    assert!(q.iter().all(|x| *x == 0.0) && report.residual == Some(0.0));
}

/// Linear models by the eigenvectors of their Gram matrix, against those of H.
fn long_series<T: Scalar>(tolerance: f64) {
    for (seed, loss, rows, l2) in [(1, 0, 4, 0.0), (2, 1, 4, 0.0), (3, 0, 3, 0.1), (4, 1, 1, 0.02), (5, 0, 9, 0.0)] {
        let sample = sample::<T>(&[5, 3], rows, [0, loss], OuterParameters::ExampleWeightLogits, l2, seed);
        let Sample { problem, u, w } = &sample;
        let mut ws = problem.workspace();
        problem.linearize(&mut ws, u, w).unwrap();
        let mut own = solve::Spectrum::default();
        let spectrum = problem.spectrum(&mut ws, &mut own).unwrap().0.clone();
        let b: Vec<T> = cast(&Rng(7).normals(w.len()));
        let mut scratch = blo::problem::SolveWorkspace::<T, Mlp<T>>::new();
        for terms in [100_000, 10_000_000] {
            let alpha = 0.9 / spectrum.radius();
            let step = Step::Fixed(alpha);
            let solve = Solve::from(Inverse::Neumann { terms, step, on_growth: OnGrowth::Stop });
            let (mut q, mut expected) = (cast::<T>(&vec![f64::NAN; w.len()]), b.clone());
            let report = problem.solve(&mut ws, &solve, &b, &mut q, &mut scratch).unwrap();
            assert_eq!((report.ending, report.products), (Ending::Completed, 0), "a series of {terms} terms");
            let filter = solve::Filter::Neumann { terms: terms as u64, alpha };
            // Where H is singular in exact arithmetic, its eigenvalues are round-off, and K times that is not small.
            let floor = 1e-6 * spectrum.radius();
            let mut values = vec![0.0; w.len()];
            for (i, value) in spectrum.values().iter().enumerate() {
                let value = if *value < floor { l2 } else { *value };
                let along: f64 = spectrum.vector(i).iter().zip(&b).map(|(v, b)| v * b.to_f64()).sum();
                values.iter_mut().zip(spectrum.vector(i)).for_each(|(sum, v)| *sum += filter.value(value) * along * v);
            }
            expected.copy_from_slice(&cast::<T>(&values));
            let error = distance(&q, &expected);
            assert!(error <= tolerance * norm(&expected), "loss {loss}, n {rows}, l2 {l2}, {terms} terms: {error:e}");
            // The part in the range of H by itself, which is far smaller than q where H is singular.
            for (i, _) in spectrum.values().iter().enumerate().filter(|(_, value)| **value > floor + l2) {
                let along = |x: &[T]| -> f64 { spectrum.vector(i).iter().zip(x).map(|(v, x)| v * x.to_f64()).sum() };
                let error = (along(&q) - along(&expected)).abs();
                assert!(error <= tolerance * norm(&expected), "along {i}: {error:e}");
            }
            let share = report.null_share.unwrap_or(0.0);
            let null = if l2 > 0.0 { 0.0 } else { spectrum.null_share(floor, &b) };
            assert!((share - null).abs() < tolerance, "{share} {null}");
        }
        // Terms that grow are left to the recurrence, which sees where they do.
        let step = Step::Fixed(2.5 / spectrum.radius());
        let solve = Solve::from(Inverse::Neumann { terms: 100_000, step, on_growth: OnGrowth::Stop });
        let mut q = b.clone();
        let report = problem.solve(&mut ws, &solve, &b, &mut q, &mut scratch).unwrap();
        assert!(report.ending == Ending::NonContractive && report.products > 0, "{report:?}");
        assert!(report.growth.unwrap() > 1.01, "{report:?}");
    }
}

#[test]
fn long_series_of_linear_models() {
    long_series::<f64>(1e-9);
    long_series::<f32>(1e-4);
}

#[test]
fn on_each_set_of_instructions() {
    common::with_each_set_of_instructions("on_each_set_of_instructions");
}
