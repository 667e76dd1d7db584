//! Scores of single examples against plain formulas; influence against retraining, by closed form and by Newton's method.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::hypergradient::{self, Workspace, influence};
use blo::problem::{Examples, L2, LeastSquares, Loss, Problem, Reduction, Regression, UserProblem};
use blo::solve::{Flat, Solve, Spectral};
use blo::{Error, Inverse, Scalar};
use common::{Rng, cast, distance, dot, matvec, matvec_t, norm};

const EXACT: Inverse = Inverse::MinNorm { cutoff: Some(0.0), by: Spectral::Dense };
const REDUCTIONS: [Reduction; 2] = [Reduction::Sum, Reduction::Mean];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Random examples; for `classes` above 1 the targets are rows of probabilities, for `classes` 1 single ones.
fn examples(rng: &mut Rng, rows: usize, features: usize, classes: usize) -> Examples<f64> {
    let design = rng.normals(rows * features);
    let mut targets: Vec<f64> = (0..rows * classes).map(|_| 0.05 + 0.9 * rng.uniform()).collect();
    if classes > 1 {
        for row in targets.chunks_exact_mut(classes) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|t| *t /= sum);
        }
    }
    Examples { design, features, targets }
}

fn narrowed<T: Scalar>(examples: &Examples<f64>) -> Examples<T> {
    Examples { design: cast(&examples.design), features: examples.features, targets: cast(&examples.targets) }
}

/// ∇ℓ by the logits: z − t for the squared error (`None`), p − t for the others.
fn residual(loss: Option<Loss>, z: &[f64], t: &[f64]) -> Vec<f64> {
    let p: Vec<f64> = match loss {
        None => z.to_vec(),
        Some(Loss::Logistic) => vec![sigmoid(z[0])],
        Some(Loss::Softmax { .. }) => {
            let e: Vec<f64> = z.iter().map(|z| z.exp()).collect();
            e.iter().map(|x| x / e.iter().sum::<f64>()).collect()
        }
    };
    p.iter().zip(t).map(|(p, t)| p - t).collect()
}

/// Scores against the plain formula with the weights s aᵢ, and their sum against ∇_w f without the penalty c ∘ w.
fn check<T, P>(
    problem: &P,
    loss: Option<Loss>,
    data: &Examples<f64>,
    weights: &[f64],
    c: &[f64],
    u: &[f64],
    rng: &mut Rng,
) where
    T: Scalar,
    P: Problem<T, Points = Flat, Vectors = Flat>,
{
    let n = data.features;
    let classes = c.len() / n.max(1);
    let (w, v) = (rng.normals(c.len()), rng.normals(c.len()));
    let (wide, mut at) = ((w.clone(), v.clone()), problem.workspace());
    let (u, w, v): (Vec<T>, Vec<T>, Vec<T>) = (cast(u), cast(&w), cast(&v));
    problem.linearize(&mut at, &u, &w).unwrap();
    let mut scores = vec![f64::NAN; problem.examples()];
    problem.example_scores(&mut at, &v, &mut scores).unwrap();
    assert_eq!(scores.len(), weights.len());
    let mut size = 0.0_f64;
    for (i, score) in scores.iter().enumerate() {
        let x = &data.design[i * n..(i + 1) * n];
        let z = matvec(classes, n, &wide.0, x);
        let t = &data.targets[i * classes..(i + 1) * classes];
        let r = residual(loss, &z, t);
        let images = matvec(classes, n, &wide.1, x);
        let expected = weights[i] * dot(&r, &images);
        let scale = weights[i] * (norm(&r) + norm(t) + norm(&z)) * norm(x) * norm(&wide.1);
        size += scale;
        assert!((score - expected).abs() <= 32.0 * T::EPSILON * scale, "{i}: {score} {expected}");
    }
    let mut gradient = vec![T::ZERO; c.len()];
    problem.inner(&mut at, &u, &w, &mut gradient).unwrap();
    let total: f64 = gradient.iter().zip(&v).map(|(g, v)| g.to_f64() * v.to_f64()).sum();
    let penalty: f64 = (0..c.len()).map(|i| c[i] * wide.0[i] * wide.1[i]).sum();
    size += (0..c.len()).map(|i| (c[i] * wide.0[i] * wide.1[i]).abs()).sum::<f64>();
    let sum: f64 = scores.iter().sum();
    assert!((sum + penalty - total).abs() <= 64.0 * T::EPSILON * size + 1e-300, "{sum} + {penalty} is not {total}");
}

fn scores_of_all_kinds<T: Scalar>() {
    let mut rng = Rng(11);
    for rows in [0, 1, 2, 3, 9] {
        for features in [1, 2, 3, 5] {
            for reduction in REDUCTIONS {
                let s = if reduction == Reduction::Sum { 1.0 } else { 1.0 / rows.max(1) as f64 };
                let u: Vec<f64> = rng.normals(rows);
                let weighed: Vec<f64> = u.iter().map(|u| s * sigmoid(*u)).collect();
                let c: Vec<f64> = (0..features).map(|_| 0.1 + rng.uniform()).collect();
                let logs: Vec<f64> = c.iter().map(|c| c.ln()).collect();

                let (data, outer) = (examples(&mut rng, rows, features, 1), examples(&mut rng, 4, features, 1));
                let (inner, out) = (narrowed::<T>(&data), narrowed::<T>(&outer));
                let of_u = Examples { targets: u.clone(), ..data.clone() };
                let all = vec![s; rows];
                let p = LeastSquares::targets(inner.clone(), out.clone(), reduction).unwrap();
                check(&p, None, &of_u, &all, &vec![0.0; features], &u, &mut rng);
                let p = LeastSquares::raw_l2(L2::PerFeature, inner.clone(), out.clone(), reduction).unwrap();
                check(&p, None, &data, &all, &c, &c, &mut rng);
                let p = LeastSquares::log_l2(L2::PerFeature, inner.clone(), out.clone(), reduction).unwrap();
                check(&p, None, &data, &all, &c, &logs, &mut rng);
                let p = LeastSquares::example_weights(0.3, inner, out, reduction).unwrap();
                check(&p, None, &data, &weighed, &vec![0.3; features], &u, &mut rng);

                for loss in [Loss::Logistic, Loss::Softmax { classes: 2 }, Loss::Softmax { classes: 5 }] {
                    let classes = if let Loss::Softmax { classes } = loss { classes } else { 1 };
                    let data = examples(&mut rng, rows, features, classes);
                    let (inner, out) = (narrowed::<T>(&data), narrowed::<T>(&examples(&mut rng, 4, features, classes)));
                    let p = Regression::raw_l2(loss, L2::PerFeature, inner.clone(), out.clone(), reduction).unwrap();
                    check(&p, Some(loss), &data, &all, &c.repeat(classes), &c, &mut rng);
                    let p = Regression::log_l2(loss, L2::Scalar, inner.clone(), out.clone(), reduction).unwrap();
                    check(&p, Some(loss), &data, &all, &vec![0.5; classes * features], &[0.5_f64.ln()], &mut rng);
                    let p = Regression::example_weights(loss, 0.3, inner, out, reduction).unwrap();
                    check(&p, Some(loss), &data, &weighed, &vec![0.3; classes * features], &u, &mut rng);
                }
            }
        }
    }
}

#[test]
fn scores_are_the_plain_formula_and_sum_to_the_gradient() {
    scores_of_all_kinds::<f64>();
    scores_of_all_kinds::<f32>();
}

/// The products are those of the last `linearize`, whatever else was asked of the workspace since.
#[test]
fn scores_stay_at_the_linearization() {
    let mut rng = Rng(3);
    let (inner, outer) = (examples(&mut rng, 5, 3, 1), examples(&mut rng, 4, 3, 1));
    let targets = LeastSquares::targets(inner.clone(), outer.clone(), Reduction::Mean).unwrap();
    let logistic = Regression::raw_l2(Loss::Logistic, L2::Scalar, inner, outer, Reduction::Mean).unwrap();
    fn same<P: Problem<f64, Points = Flat, Vectors = Flat>>(problem: &P, u: Vec<f64>) {
        let (w, v, mut at, mut gradient) =
            (vec![0.5, -1.0, 2.0], vec![1.0, 2.0, 3.0], problem.workspace(), vec![0.0; 3]);
        let (mut before, mut after) = (vec![0.0; 5], vec![0.0; 5]);
        problem.linearize(&mut at, &u, &w).unwrap();
        problem.example_scores(&mut at, &v, &mut before).unwrap();
        problem.inner(&mut at, &u, &vec![9.0; 3], &mut gradient).unwrap();
        problem.inner_batch(&mut at, &[0, 3], &u, &vec![7.0; 3], &mut gradient).unwrap();
        problem.hvp(&mut at, &v, &mut gradient).unwrap();
        problem.example_scores(&mut at, &v, &mut after).unwrap();
        assert!(before == after && norm(&before) > 0.0);
    }
    same(&targets, vec![1.0, 2.0, 3.0, 4.0, 5.0]);
    same(&logistic, vec![0.5]);
}

/// x ← A⁻¹ b by Gauss's elimination with pivots: independent of the library.
fn gauss(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut a, mut x) = (a.to_vec(), b.to_vec());
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i * n + k].abs().total_cmp(&a[j * n + k].abs())).unwrap();
        (0..n).for_each(|j| a.swap(k * n + j, pivot * n + j));
        x.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i * n + k] / a[k * n + k];
            (k..n).for_each(|j| a[i * n + j] -= factor * a[k * n + j]);
            x[i] -= factor * x[k];
        }
    }
    for k in (0..n).rev() {
        x[k] = (x[k] - (k + 1..n).map(|j| a[k * n + j] * x[j]).sum::<f64>()) / a[k * n + k];
    }
    x
}

/// Σᵢ weightᵢ xᵢxᵢᵀ + c I.
fn weighed_gram(data: &Examples<f64>, weights: &[f64], c: f64) -> Vec<f64> {
    let n = data.features;
    let mut h = vec![0.0; n * n];
    for (x, weight) in data.design.chunks_exact(n).zip(weights) {
        (0..n * n).for_each(|at| h[at] += weight * x[at / n] * x[at % n]);
    }
    (0..n).for_each(|j| h[j * n + j] += c);
    h
}

fn ridge(data: &Examples<f64>, weights: &[f64], c: f64) -> Vec<f64> {
    let weighed: Vec<f64> = data.targets.iter().zip(weights).map(|(t, weight)| t * weight).collect();
    let right = matvec_t(data.targets.len(), data.features, &data.design, &weighed);
    gauss(data.features, &weighed_gram(data, weights, c), &right)
}

/// Half the mean of the squared errors.
fn outer_loss(data: &Examples<f64>, w: &[f64]) -> f64 {
    let errors = matvec(data.targets.len(), data.features, &data.design, w);
    0.5 * errors.iter().zip(&data.targets).map(|(z, t)| (z - t).powi(2)).sum::<f64>() / data.targets.len() as f64
}

#[test]
fn ridge_by_retraining() {
    let mut rng = Rng(5);
    for (rows, n, reduction, c) in [
        (40, 6, Reduction::Mean, 0.05),
        (40, 6, Reduction::Sum, 2.0),
        (3, 5, Reduction::Mean, 0.3),
        (1, 1, Reduction::Sum, 1.0),
    ] {
        let (inner, outer) = (examples(&mut rng, rows, n, 1), examples(&mut rng, 15, n, 1));
        let s = if reduction == Reduction::Sum { 1.0 } else { 1.0 / rows as f64 };
        let weights = vec![s; rows];
        let w = ridge(&inner, &weights, c);
        let problem = LeastSquares::raw_l2(L2::Scalar, inner.clone(), outer.clone(), reduction).unwrap();
        let mut workspace = Workspace::new(&problem);
        let mut scores = vec![f64::NAN; rows];
        let evaluation = influence(&problem, &EXACT.into(), &vec![c], &w, &mut workspace, &mut scores).unwrap();
        assert!((evaluation.outer_loss - outer_loss(&outer, &w)).abs() <= 1e-14 * evaluation.outer_loss);
        let h = weighed_gram(&inner, &weights, c);
        let (mut gaps, mut size) = (0.0, 0.0_f64);
        for i in 0..rows {
            // The derivative by the weight 1 + ε of one example, by central differences of the closed form.
            let retrained = |epsilon: f64| {
                let mut weights = weights.clone();
                weights[i] *= 1.0 + epsilon;
                outer_loss(&outer, &ridge(&inner, &weights, c))
            };
            // Two steps, so that the error of the difference is of the fourth order.
            let slope = |h: f64| (retrained(h) - retrained(-h)) / (2.0 * h);
            let expected = (4.0 * slope(1e-3) - slope(2e-3)) / 3.0;
            assert!((scores[i] - expected).abs() <= 1e-8 * (expected.abs() + 1e-2), "{i}: {} {expected}", scores[i]);

            // Without the example: w moves by δ = s rᵢ H⁻¹xᵢ / (1 − s hᵢ), by the rank-one formula, so that the change of F is
            // −scoreᵢ/(1 − s hᵢ) + ½ δᵀPδ exactly.
            let x = &inner.design[i * n..(i + 1) * n];
            let solved = gauss(n, &h, x);
            let leverage = s * dot(x, &solved);
            let r = dot(x, &w) - inner.targets[i];
            let moved: Vec<f64> = solved.iter().map(|y| s * r * y / (1.0 - leverage)).collect();
            let mut without = weights.clone();
            without[i] = 0.0;
            let left = ridge(&inner, &without, c);
            assert!(
                distance(&left, &w.iter().zip(&moved).map(|(w, d)| w + d).collect::<Vec<_>>())
                    <= 1e-11 * (norm(&left) + 1.0)
            );
            let images = matvec(outer.targets.len(), n, &outer.design, &moved);
            let curved = 0.5 * dot(&images, &images) / outer.targets.len() as f64;
            let change = outer_loss(&outer, &left) - outer_loss(&outer, &w);
            let exact = -scores[i] / (1.0 - leverage) + curved;
            assert!((change - exact).abs() <= 1e-12 * (change.abs() + 1.0), "{i}: {change} {exact}");
            gaps += (change + scores[i]).abs();
            size += change.abs();
        }
        // First order alone: the better, the more examples there are.
        assert!(rows < 40 || gaps <= 0.3 * size, "{gaps} of {size}");
    }
}

/// Retraining without an example, as a user would do it: a new problem with n − 1 examples, and a sum, so that nothing else
/// changes.
#[test]
fn ridge_left_out_through_the_library() {
    let mut rng = Rng(8);
    let (rows, n) = (200, 4);
    let (inner, outer) = (examples(&mut rng, rows, n, 1), examples(&mut rng, 50, n, 1));
    let solved = |inner: &Examples<f64>| {
        let problem = LeastSquares::raw_l2(L2::Scalar, inner.clone(), outer.clone(), Reduction::Sum).unwrap();
        let mut w = vec![0.0; n];
        problem.fixpoint(&mut problem.workspace(), &vec![1.0], &mut w).unwrap();
        (problem, w)
    };
    let (problem, w) = solved(&inner);
    let mut scores = vec![0.0; rows];
    influence(&problem, &EXACT.into(), &vec![1.0], &w, &mut Workspace::new(&problem), &mut scores).unwrap();
    let changes: Vec<f64> = (0..rows)
        .map(|i| {
            let mut fewer = inner.clone();
            fewer.design.drain(i * n..(i + 1) * n);
            fewer.targets.remove(i);
            outer_loss(&outer, &solved(&fewer).1) - outer_loss(&outer, &w)
        })
        .collect();
    let opposite: Vec<f64> = scores.iter().map(|score| -score).collect();
    assert!(
        distance(&changes, &opposite) <= 0.08 * norm(&changes),
        "{} of {}",
        distance(&changes, &opposite),
        norm(&changes)
    );
}

/// Newton's method on s Σ weightᵢ ℓᵢ + ½ c ‖w‖² for the logistic loss, from the start given.
fn newton(data: &Examples<f64>, weights: &[f64], c: f64) -> Vec<f64> {
    let n = data.features;
    let mut w = vec![0.0; n];
    for _ in 0..40 {
        let p: Vec<f64> = data.design.chunks_exact(n).map(|x| sigmoid(dot(x, &w))).collect();
        let curved: Vec<f64> = p.iter().zip(weights).map(|(p, weight)| weight * p * (1.0 - p)).collect();
        let pulled: Vec<f64> = (0..p.len()).map(|i| weights[i] * (p[i] - data.targets[i])).collect();
        let mut gradient = matvec_t(p.len(), n, &data.design, &pulled);
        gradient.iter_mut().zip(&w).for_each(|(g, w)| *g += c * w);
        let step = gauss(n, &weighed_gram(data, &curved, c), &gradient);
        w.iter_mut().zip(step).for_each(|(w, step)| *w -= step);
    }
    w
}

#[test]
fn logistic_by_retraining() {
    let mut rng = Rng(21);
    let (rows, n, c) = (30, 4, 0.02);
    let (inner, outer) = (examples(&mut rng, rows, n, 1), examples(&mut rng, 12, n, 1));
    let loss = |w: &[f64]| {
        let terms = outer.design.chunks_exact(n).zip(&outer.targets).map(|(x, t)| {
            let z = dot(x, w);
            (1.0 - t) * z.exp().ln_1p() + t * (-z).exp().ln_1p()
        });
        terms.sum::<f64>() / outer.targets.len() as f64
    };
    let weights = vec![1.0 / rows as f64; rows];
    let w = newton(&inner, &weights, c);
    let problem =
        Regression::raw_l2(Loss::Logistic, L2::Scalar, inner.clone(), outer.clone(), Reduction::Mean).unwrap();
    let mut scores = vec![f64::NAN; rows];
    influence(&problem, &EXACT.into(), &vec![c], &w, &mut Workspace::new(&problem), &mut scores).unwrap();
    for i in 0..rows {
        let retrained = |epsilon: f64| {
            let mut weights = weights.clone();
            weights[i] *= 1.0 + epsilon;
            loss(&newton(&inner, &weights, c))
        };
        let slope = |h: f64| (retrained(h) - retrained(-h)) / (2.0 * h);
        let expected = (4.0 * slope(1e-2) - slope(2e-2)) / 3.0;
        assert!((scores[i] - expected).abs() <= 1e-8 * (expected.abs() + 1e-2), "{i}: {} {expected}", scores[i]);
    }
}

/// Where u is the logits of the examples' weights, dF/duᵢ = out[i] σ′(uᵢ)/σ(uᵢ) = out[i] (1 − σ(uᵢ)), at any w and for any r(H).
#[test]
fn influence_is_the_hypergradient_of_weights() {
    let mut rng = Rng(13);
    fn agrees<P: Problem<f64, Points = Flat, Vectors = Flat>>(problem: &P, rng: &mut Rng) {
        let (u, w) = (rng.normals(problem.outer_space().len()), rng.normals(problem.inner_space().len()));
        for inverse in [EXACT, Inverse::neumann(7, 0.1), Inverse::Identity { alpha: 0.2 }, Inverse::Zero] {
            let (mut workspace, mut scores) = (Workspace::new(problem), vec![f64::NAN; u.len()]);
            let evaluation = influence(problem, &inverse.into(), &u, &w, &mut workspace, &mut scores).unwrap();
            let from_scores: Vec<f64> = scores.iter().zip(&u).map(|(score, u)| score * (1.0 - sigmoid(*u))).collect();
            assert!(distance(&from_scores, workspace.gradient()) <= 1e-13 * norm(&from_scores), "{inverse:?}");
            let mut other = Workspace::new(problem);
            let alone = hypergradient::evaluate(problem, &inverse.into(), &u, &w, &mut other).unwrap();
            assert_eq!((alone, other.gradient(), other.q()), (evaluation, workspace.gradient(), workspace.q()));
            assert!((inverse == Inverse::Zero) == (norm(&scores) == 0.0));
        }
    }
    for reduction in REDUCTIONS {
        let (inner, outer) = (examples(&mut rng, 9, 4, 1), examples(&mut rng, 5, 4, 1));
        agrees(&LeastSquares::example_weights(0.1, inner.clone(), outer.clone(), reduction).unwrap(), &mut rng);
        agrees(&Regression::example_weights(Loss::Logistic, 0.1, inner, outer, reduction).unwrap(), &mut rng);
        let (inner, outer, loss) =
            (examples(&mut rng, 9, 4, 3), examples(&mut rng, 5, 4, 3), Loss::Softmax { classes: 3 });
        agrees(&Regression::example_weights(loss, 0.1, inner, outer, reduction).unwrap(), &mut rng);
    }
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let mut rng = Rng(2);
    let (inner, outer) = (examples(&mut rng, 3, 2, 1), examples(&mut rng, 4, 2, 1));
    let problem = LeastSquares::raw_l2(L2::Scalar, inner, outer, Reduction::Mean).unwrap();
    let mut workspace = Workspace::new(&problem);
    let solve = Solve::from(EXACT);
    let mut at =
        |w: Vec<f64>, len: usize| influence(&problem, &solve, &vec![1.0], &w, &mut workspace, &mut vec![0.0; len]);
    assert_eq!(at(vec![0.0; 2], 4), Err(Error::Shape { argument: "out", found: 4, expected: 3 }));
    assert_eq!(at(vec![0.0; 3], 3), Err(Error::Shape { argument: "w", found: 3, expected: 2 }));
    assert!(matches!(at(vec![0.0, f64::INFINITY], 3), Err(Error::NonFinite { argument: "w", index: 1, .. })));
    assert!(at(vec![0.0; 2], 3).is_ok());
    let found = problem.example_scores(&mut problem.workspace(), &vec![0.0; 2], &mut [0.0; 2]);
    assert_eq!(found, Err(Error::Shape { argument: "scores", found: 2, expected: 3 }));
    let user = UserProblem::<f64>::new(
        1,
        1,
        |_, _, _| Ok(0.0),
        |_, _, _, _| Ok(0.0),
        |_, _, _, _| Ok(()),
        |_, _, _, _| Ok(()),
    );
    let refused = influence(&user, &solve, &vec![1.0], &vec![1.0], &mut Workspace::new(&user), &mut [0.0; 3]);
    assert!(matches!(refused, Err(Error::Unsupported { operation: "scores of inner examples", .. })));
}
