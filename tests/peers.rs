//! Defects found in published hypergradient codes, each with a test that would catch it here, and the published numbers of
//! other projects' own tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use approx::assert_relative_eq;
use blo::hypergradient::{self, Unrolled};
use blo::problem::{Examples, L2, LeastSquares, Problem, Reduction};
use blo::solve::{Ending, Filter, OnGrowth, Spectral, Step};
use blo::{Estimator, Inverse};
use common::{Oracle, RandomQuadratic, Rng, distance, norm, solve};

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };
const LANCZOS: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS };

fn cg(iterations: usize) -> Inverse {
    Inverse::Cg { iterations, tolerance: 0.0 }
}

/// moskomule/hypergrad builds the new direction from the old residual: error 0.95 after 8 steps where CG is exact.
#[test]
fn cg_terminates_in_n_steps() {
    let mut rng = Rng(8);
    let h = Oracle::semidefinite(&mut rng, 8, 8, 10.0, 1.0);
    let b = rng.normals(8);
    let expected = h.pinv(&b);
    let mut last = f64::INFINITY;
    for k in 1..=8 {
        let (q, _) = solve::<f64>(8, &h.matrix(), cg(k), &b);
        let error = distance(&q, &expected) / norm(&expected);
        assert!(error < last, "the error of conjugate gradients falls at each step");
        last = error;
    }
    assert!(last < 1e-12, "error {last:e} after 8 steps");
}

/// Betty scales the step's denominator but not the residual's update: error 20 after 8 steps at scale 0.5.
#[test]
fn the_scale_of_h_does_not_matter_to_cg() {
    let mut rng = Rng(9);
    let h = Oracle::semidefinite(&mut rng, 8, 8, 10.0, 1.0);
    let b = rng.normals(8);
    for k in 1..=8 {
        let (reference, _) = solve::<f64>(8, &h.matrix(), cg(k), &b);
        for factor in [0.1, 0.5, 2.0, 1e7] {
            let scaled: Vec<f64> = h.matrix().iter().map(|value| factor * value).collect();
            let (q, _) = solve::<f64>(8, &scaled, cg(k), &b);
            let expected: Vec<f64> = reference.iter().map(|q| q / factor).collect();
            assert!(distance(&q, &expected) <= 1e-11 * norm(&expected), "k = {k}, factor {factor}");
        }
    }
}

/// hypertorch and BOAT leave the loop before storing the last update: zero for H = cI, and (0.709, 1.109, 0.738) here.
#[test]
fn cg_returns_its_last_update() {
    let diagonal = [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 4.0];
    for tolerance in [0.0, 1e-10] {
        let inverse = Inverse::Cg { iterations: 50, tolerance };
        let (q, report) = solve::<f64>(3, &diagonal, inverse, &[1.0, 2.0, 3.0]);
        assert!(distance(&q, &[1.0, 1.0, 0.75]) < 1e-14, "{q:?}");
        assert_eq!((report.ending, report.products), (Ending::Converged, 3));
    }
    let half_identity = [0.5, 0.0, 0.0, 0.5];
    let (q, _) = solve::<f64>(2, &half_identity, Inverse::Cg { iterations: 50, tolerance: 1e-3 }, &[1.0, 2.0]);
    assert!(distance(&q, &[2.0, 4.0]) < 1e-15);
}

/// TorchOpt's Neumann test passes because its features are all zero and its Hessian the identity.
#[test]
fn test_matrices_are_far_from_the_identity() {
    for seed in 0..20 {
        let problem = RandomQuadratic::new(seed, 6, 4, 4, 30.0);
        let h = &problem.inner.a;
        let identity: Vec<f64> = (0..36).map(|i| if i % 7 == 0 { 1.0 } else { 0.0 }).collect();
        let trace = (0..6).map(|i| h[i * 7]).sum::<f64>() / 6.0;
        let scaled: Vec<f64> = identity.iter().map(|value| trace * value).collect();
        assert!(distance(h, &scaled) > 0.3 * norm(h), "H ≈ cI proves nothing");
    }
}

/// TorchOpt's two Neumann routines give different sums for the same count. K is the number of products everywhere.
#[test]
fn k_counts_products_in_every_form_of_the_series() {
    let quadratic = RandomQuadratic::new(3, 5, 3, 5, 10.0);
    let problem = quadratic.problem::<f64>();
    let (u, w) = (vec![0.5; 3], vec![-0.25; 5]);
    let alpha = 0.4;
    let mut workspace = hypergradient::Workspace::new(&problem);
    for k in [0_usize, 1, 2, 9] {
        let mut gradients = Vec::new();
        for (estimator, products) in [
            (Inverse::neumann(k, alpha).into(), k),
            (Inverse::NeumannFilter { terms: k as u64, alpha, by: Spectral::Dense }.into(), 0),
        ] {
            let evaluation = hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
            assert_eq!(evaluation.report.products, products);
            gradients.push(workspace.gradient().clone());
        }
        // From an inner solution, K + 1 unrolled steps are the same sum, with K products.
        let solution = quadratic.nearest(&u, &w);
        let unrolled = Estimator::Unrolled(Unrolled::descent(k + 1, alpha));
        let evaluation = hypergradient::evaluate(&problem, &unrolled, &u, &solution, &mut workspace).unwrap();
        assert_eq!(evaluation.report.products, k);
        let unrolled = workspace.gradient().clone();
        hypergradient::evaluate(&problem, &Inverse::neumann(k, alpha).into(), &u, &solution, &mut workspace).unwrap();
        assert!(distance(&unrolled, workspace.gradient()) <= 1e-13 * norm(&unrolled));
        assert!(distance(&gradients[0], &gradients[1]) <= 1e-13 * norm(&gradients[0]));
    }
}

/// lorraine2's two copies of the series differ by the factor alpha.
#[test]
fn the_series_carries_its_step_size() {
    let mut rng = Rng(10);
    let h = Oracle::semidefinite(&mut rng, 6, 6, 5.0, 1.0);
    let b = rng.normals(6);
    for alpha in [0.01, 0.5, 1.5] {
        let (zeroth, _) = solve::<f64>(6, &h.matrix(), Inverse::neumann(0, alpha), &b);
        let expected: Vec<f64> = b.iter().map(|b| alpha * b).collect();
        assert!(distance(&zeroth, &expected) <= 1e-15 * norm(&expected));
        let (identity, _) = solve::<f64>(6, &h.matrix(), Inverse::Identity { alpha }, &b);
        assert_eq!(zeroth, identity);
    }
    // Whatever alpha, the limit is H⁻¹ b.
    for alpha in [0.3, 1.9] {
        let (q, _) = solve::<f64>(6, &h.matrix(), Inverse::neumann(3000, alpha), &b);
        assert!(distance(&q, &h.pinv(&b)) <= 1e-12 * norm(&q));
    }
}

const UNSYMMETRIC: [f64; 9] = [1.0, 0.5, 0.25, 5.0 / 7.0, 1.0, 1.0 / 7.0, 0.3, 0.6, 1.0];
const SYMMETRIC: [f64; 9] = [5.0, 1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0, 3.0];

fn columns(inverse: Inverse, matrix: &[f64]) -> (Vec<f64>, Vec<blo::solve::Report>) {
    let mut out = vec![0.0; 9];
    let mut reports = Vec::new();
    for j in 0..3 {
        let mut unit = [0.0; 3];
        unit[j] = 1.0;
        let (q, report) = solve::<f64>(3, matrix, inverse, &unit);
        (0..3).for_each(|i| out[i * 3 + j] = q[i]);
        reports.push(report);
    }
    (out, reports)
}

/// The largest |A X − I|.
fn inverse_error(matrix: &[f64], x: &[f64]) -> f64 {
    let product = |i: usize, j: usize| (0..3).map(|k| matrix[i * 3 + k] * x[k * 3 + j]).sum::<f64>();
    (0..9).map(|i| (product(i / 3, i % 3) - f64::from(i % 4 == 0)).abs()).fold(0.0, f64::max)
}

/// curvlinops (peers.md 4.4): an unsymmetric matrix whose series contracts, and twice it, which needs half the step.
#[test]
fn curvlinops_unsymmetric_matrix() {
    let (x, reports) = columns(Inverse::neumann(1000, 1.0), &UNSYMMETRIC);
    assert!(reports.iter().all(|report| report.ending == Ending::Completed));
    assert!(inverse_error(&UNSYMMETRIC, &x) < 1e-14);
    let doubled = UNSYMMETRIC.map(|value| 2.0 * value);
    let (x, reports) = columns(Inverse::neumann(1000, 0.5), &doubled);
    assert!(reports.iter().all(|report| report.ending == Ending::Completed));
    assert!(inverse_error(&doubled, &x) < 1e-14);
    // curvlinops notices at NaN, after 731 terms.
    let (_, reports) = columns(Inverse::neumann(1000, 1.0), &doubled);
    for report in reports {
        assert_eq!(report.ending, Ending::NonContractive);
        assert!(report.products <= 5, "noticed after {} terms", report.products);
        assert!(report.growth.unwrap() > 2.0);
    }
    // A dense solve is for symmetric matrices, and says so.
    let mut op = common::Dense::<f64>::new(3, &UNSYMMETRIC);
    let mut q = vec![0.0; 3];
    let error = blo::solve::solve(&mut op, &EXACT.into(), &vec![1.0; 3], &mut q, &mut blo::solve::Workspace::new());
    assert!(error.unwrap_err().to_string().contains("symmetric"));
}

/// curvlinops (peers.md 4.4): diverges at alpha = 1 with an error of 1e14 at 20 terms and no word of it.
#[test]
fn curvlinops_symmetric_matrix() {
    let (_, reports) = columns(Inverse::neumann(20, 1.0), &SYMMETRIC);
    for report in reports {
        assert_eq!(report.ending, Ending::NonContractive);
        assert!(report.products <= 5);
    }
    let going_on = Inverse::Neumann { terms: 20, step: Step::Fixed(1.0), on_growth: OnGrowth::Continue };
    let (x, reports) = columns(going_on, &SYMMETRIC);
    let exact = columns(EXACT, &SYMMETRIC).0;
    let worst = x.iter().zip(&exact).map(|(x, e)| (x - e).abs()).fold(0.0, f64::max);
    assert_relative_eq!(worst, 1.06e14, max_relative = 0.01);
    assert!(reports.iter().all(|report| report.ending == Ending::Completed && report.growth.unwrap() > 1.0));
    for (terms, expected) in [(20, 4.3e-3), (100, 3.7e-8)] {
        // The published counts are terms: K = count − 1 or count, within the digits given.
        let x = columns(Inverse::neumann(terms, 0.3), &SYMMETRIC).0;
        let worst = x.iter().zip(&exact).map(|(x, e)| (x - e).abs()).fold(0.0, f64::max);
        assert!(worst < 1.3 * expected && worst > 0.5 * expected, "{worst:e} at {terms}");
    }
    let (q, report) = solve::<f64>(3, &[4.0, 1.0, 0.0, 1.0, 3.0, 1.0, 0.0, 1.0, 2.0], cg(3), &[1.0, 2.0, 3.0]);
    assert!(distance(&q, &[2.0 / 9.0, 1.0 / 9.0, 13.0 / 9.0]) < 1e-14);
    assert_eq!(report.products, 3);
}

/// jaxopt's CG, GMRES and LU give NaN on this singular, inconsistent system, without a word.
#[test]
fn singular_and_inconsistent() {
    let h = [2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let b = [1.0, 1.0, 1.0];
    for inverse in [EXACT, LANCZOS] {
        let (q, report) = solve::<f64>(3, &h, inverse, &b);
        assert!(distance(&q, &[0.5, 1.0, 0.0]) < 1e-14, "{inverse:?}: {q:?}");
        assert_relative_eq!(report.null_share.unwrap(), 1.0 / 3.0_f64.sqrt(), max_relative = 1e-14);
        assert_relative_eq!(report.residual.unwrap(), 1.0 / 3.0_f64.sqrt(), max_relative = 1e-14);
    }
    let (q, report) = solve::<f64>(3, &h, cg(50), &b);
    assert_eq!(report.ending, Ending::Singular);
    assert!(report.products <= 3);
    assert!(q.iter().all(|q| q.is_finite()) && report.residual.unwrap() <= (2.0_f64 / 3.0).sqrt() + 1e-15, "{q:?}");
    let (q, _) = solve::<f64>(3, &h, Inverse::Damped { epsilon: 0.5, by: Spectral::LANCZOS }, &b);
    assert!(distance(&q, &[0.4, 1.0 / 1.5, 2.0]) < 1e-14);
    let (q, report) = solve::<f64>(3, &h, Inverse::neumann(400, 0.9), &b);
    assert!(distance(&q, &[0.5, 1.0, 0.9 * 401.0]) < 1e-10, "the null part grows as alpha (K + 1)");
    assert_eq!(report.ending, Ending::Completed);
}

/// peers.md 4.5: on H = XᵀX/n with more columns than rows, plain CG must not run on past the floor of its residual.
#[test]
fn cg_stops_at_the_floor_of_its_residual() {
    for seed in 0..50 {
        let mut rng = Rng(seed);
        let h = Oracle::semidefinite(&mut rng, 12, 5, 20.0, 1.0);
        let b = rng.normals(12);
        let null = norm(&h.null_part(&b)) / norm(&b);
        let (q, report) = solve::<f64>(12, &h.matrix(), cg(100), &b);
        assert_eq!(report.ending, Ending::Singular, "{report:?}");
        assert!(report.products <= 7, "rank + 1 products show it; {} spent", report.products);
        assert!(report.residual.unwrap() >= null - 1e-12);
        assert!(report.residual.unwrap() <= 1.0 + 1e-12, "no worse than q = 0");
        assert!(norm(&q) < 1e3 * norm(&h.pinv(&b)).max(norm(&b)), "a bounded answer: {}", norm(&q));
        // On the projected right-hand side it is exact, and stays so.
        let projected: Vec<f64> = b.iter().zip(h.null_part(&b)).map(|(b, n)| b - n).collect();
        let (q, _) = solve::<f64>(12, &h.matrix(), cg(100), &projected);
        assert!(distance(&q, &h.pinv(&b)) <= 1e-9 * norm(&q));
    }
}

/// Negative curvature is found, reported, and does not make NaN.
#[test]
fn indefinite_matrices_are_reported() {
    let mut rng = Rng(4);
    let mut h = Oracle::semidefinite(&mut rng, 7, 7, 10.0, 1.0);
    h.values[2] = -0.6;
    let b = rng.normals(7);
    let (q, report) = solve::<f64>(7, &h.matrix(), cg(50), &b);
    assert!(q.iter().all(|q| q.is_finite()));
    assert!(report.ending == Ending::NegativeCurvature, "{report:?}");
    assert!(report.curvature.unwrap().0 < 0.0);
    let (q, report) = solve::<f64>(7, &h.matrix(), LANCZOS, &b);
    assert!(distance(&q, &h.pinv(&b)) < 1e-10 * norm(&q));
    assert_relative_eq!(report.curvature.unwrap().0, -0.6, max_relative = 1e-10);
    let (_, report) = solve::<f64>(7, &h.matrix(), Inverse::neumann(10_000, 1.0), &b);
    assert_eq!(report.ending, Ending::NonContractive);
    // The report's sum is the one up to the smallest term.
    let inverse = Inverse::Neumann { terms: 10_000, step: Step::Fixed(1.0), on_growth: OnGrowth::Continue };
    let (q, report) = solve::<f64>(7, &h.matrix(), inverse, &b);
    assert_eq!(report.ending, Ending::NonContractive, "an overflow stops the series even so");
    assert!(q.iter().all(|q| q.is_finite()));
}

/// The sum returned at growth is the one up to the smallest term, found here from the dense series.
#[test]
fn growth_returns_the_best_partial_sum() {
    for seed in 0..20 {
        let mut rng = Rng(100 + seed);
        let mut h = Oracle::semidefinite(&mut rng, 6, 6, 10.0, 1.0);
        h.values[5] = -0.05;
        let b = rng.normals(6);
        let term = |k: i32| norm(&h.filter(|value| (1.0 - value).powi(k), &b));
        let smallest = (0..400).min_by(|&i, &j| term(i).total_cmp(&term(j))).unwrap();
        let (q, report) = solve::<f64>(6, &h.matrix(), Inverse::neumann(400, 1.0), &b);
        let expected = h.filter(|v| Filter::Neumann { terms: smallest as u64, alpha: 1.0 }.value(v), &b);
        assert_eq!(report.ending, Ending::NonContractive);
        assert!(distance(&q, &expected) <= 1e-12 * norm(&expected), "seed {seed}: smallest term {smallest}");
        assert!(report.products as i32 - smallest <= 5, "noticed within five terms");
    }
}

/// In f32 the growing null part eats the digits of the rest (peers.md 4.5): the error in the range is U-shaped in K.
#[test]
fn the_null_part_eats_digits_in_f32() {
    let mut rng = Rng(77);
    let h = Oracle::semidefinite(&mut rng, 10, 6, 30.0, 1.0);
    let b = rng.normals(10);
    let range_error = |terms: usize| {
        let (q, _) = solve::<f32>(10, &h.matrix(), Inverse::neumann(terms, 1.0), &common::cast(&b));
        let q = common::widen(&q);
        let range: Vec<f64> = q.iter().zip(h.null_part(&q)).map(|(q, n)| q - n).collect();
        distance(&range, &h.pinv(&b)) / norm(&h.pinv(&b))
    };
    let [early, middle, late] = [10, 400, 300_000].map(range_error);
    assert!(middle < 0.1 * early && late > 10.0 * middle, "{early:e} {middle:e} {late:e}");
}

/// pounce#328: damping hides a sensitivity of 1/ε; the residual for the undamped operator shows it.
#[test]
fn damping_shows_in_the_residual() {
    for epsilon in [1e-3, 1e-5, 1e-7] {
        let a = [1.0, 0.0, 1.0, epsilon];
        let normal = common::gram(2, 2, &a);
        let (_, report) = solve::<f64>(2, &normal, Inverse::Damped { epsilon: 1e-2, by: Spectral::Dense }, &[0.0, 1.0]);
        assert!(report.residual.unwrap() > 0.9, "{:?}", report.residual);
        let (low, high) = report.curvature.unwrap();
        assert!(low < 1.1 * epsilon * epsilon && high > 1.0, "the condition shows too: {low:e} {high:e}");
    }
}

/// jaxopt's ridge test (peers.md 4.2): scikit-learn's make_regression(n_samples=10, n_features=3, random_state=0), λ = 5,
/// whose solution and derivative are published.
#[test]
fn jaxopt_ridge_derivative() {
    let rows = include_str!("data/jaxopt_ridge.csv");
    let values: Vec<f64> = rows
        .lines()
        .filter(|l| !l.starts_with('#'))
        .flat_map(|l| l.split(',').map(|v| v.parse::<f64>().unwrap()))
        .collect();
    let design: Vec<f64> = values.chunks(4).flat_map(|row| row[..3].to_vec()).collect();
    let targets: Vec<f64> = values.chunks(4).map(|row| row[3]).collect();
    let examples = |targets: Vec<f64>| Examples { design: design.clone(), features: 3, targets };
    let lambda = 5.0_f64;
    let published_w = [16.51390727, 8.20625411, 23.62360791];
    let published_dw = [-2.50171644, -1.26718286, -3.54263662];
    let problem =
        LeastSquares::log_l2(L2::Scalar, examples(targets.clone()), examples(targets), Reduction::Mean).unwrap();
    let u = vec![lambda.ln()];
    let mut at = problem.workspace();
    let mut w = vec![0.0; 3];
    problem.fixpoint(&mut at, &u, &mut w).unwrap();
    assert!(distance(&w, &published_w) <= 2e-8, "{w:?}");

    // Jᵀ eᵢ through the hypergradient of an outer objective whose gradient is eᵢ; d/dλ = d/du / λ.
    for i in 0..3 {
        let mut unit = vec![0.0; 3];
        unit[i] = 1.0;
        let mut q = vec![0.0; 3];
        for (inverse, tolerance) in
            [(EXACT, 1e-12), (LANCZOS, 1e-12), (cg(3), 1e-12), (Inverse::neumann(60, 0.15), 1e-12)]
        {
            problem.linearize(&mut at, &u, &w).unwrap();
            let mut hessian = blo::problem::Hessian::new(&problem, &mut at);
            blo::solve::solve(&mut hessian, &inverse.into(), &unit, &mut q, &mut blo::solve::Workspace::new()).unwrap();
            let mut product = vec![0.0];
            problem.mixed_vjp(&mut at, &q, &mut product).unwrap();
            let derivative = -product[0] / lambda;
            assert!((derivative - published_dw[i]).abs() < 1e-8, "{inverse:?}: {derivative}");
            // Closed form: −n (XᵀX + nλI)⁻¹ w, with the spectrum independent of the estimator.
            let spectrum = problem.gram_spectrum().unwrap();
            let exact: f64 = (0..3)
                .map(|j| {
                    let v = spectrum.vector(j);
                    -v[i] * common::dot(v, &w) / (spectrum.values()[j] + lambda)
                })
                .sum();
            assert!((derivative - exact).abs() <= tolerance * exact.abs(), "{inverse:?}: {derivative} {exact}");
        }
    }
    // A unit step does not contract here (1 − eig(H) from −4.94 to −5.66), and is refused.
    problem.linearize(&mut at, &u, &w).unwrap();
    let mut hessian = blo::problem::Hessian::new(&problem, &mut at);
    let mut q = vec![0.0; 3];
    let mut scratch = blo::solve::Workspace::new();
    let report =
        blo::solve::solve(&mut hessian, &Inverse::neumann(50, 1.0).into(), &vec![1.0; 3], &mut q, &mut scratch)
            .unwrap();
    assert_eq!(report.ending, Ending::NonContractive);
    assert!((4.9..5.7).contains(&report.growth.unwrap()), "{:?}", report.growth);
}
