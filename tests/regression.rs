//! Linear, logistic and softmax regression: derivatives and hypergradients by value, values by formula, limits, errors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/check.rs"]
mod check;
mod common;

use blo::hypergradient::{self, Unrolled};
use blo::problem::{Examples, L2, LeastSquares, Loss, Problem, Reduction, Regression, one_hot};
use blo::solve::{Solve, Space, Spectral};
use blo::{Error, Estimator, Inverse, Scalar};
use check::{check_hypergradient, check_problem};
use common::{Rng, cast, distance, matvec, norm};

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };
const LOSSES: [Loss; 3] = [Loss::Logistic, Loss::Softmax { classes: 2 }, Loss::Softmax { classes: 3 }];
const REDUCTIONS: [Reduction; 2] = [Reduction::Sum, Reduction::Mean];
const KINDS: [Kind; 7] = [
    Kind::Raw(L2::Scalar),
    Kind::Raw(L2::PerFeature),
    Kind::Raw(L2::PerClass),
    Kind::Log(L2::Scalar),
    Kind::Log(L2::PerFeature),
    Kind::Log(L2::PerClass),
    Kind::Weights(0.3),
];

/// What u is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Raw(L2),
    Log(L2),
    /// With this L2 penalty.
    Weights(f64),
}

impl Kind {
    fn regression<T: Scalar>(self, loss: Loss, data: &Data<T>, reduction: Reduction) -> blo::Result<Regression<T>> {
        let (inner, outer) = data.clone();
        match self {
            Kind::Raw(l2) => Regression::raw_l2(loss, l2, inner, outer, reduction),
            Kind::Log(l2) => Regression::log_l2(loss, l2, inner, outer, reduction),
            Kind::Weights(l2) => Regression::example_weights(loss, l2, inner, outer, reduction),
        }
    }

    fn least_squares<T: Scalar>(self, data: &Data<T>, reduction: Reduction) -> blo::Result<LeastSquares<T>> {
        let (inner, outer) = data.clone();
        match self {
            Kind::Raw(l2) => LeastSquares::raw_l2(l2, inner, outer, reduction),
            Kind::Log(l2) => LeastSquares::log_l2(l2, inner, outer, reduction),
            Kind::Weights(l2) => LeastSquares::example_weights(l2, inner, outer, reduction),
        }
    }

    /// Outer parameters, as many as the problem has.
    fn point(self, rng: &mut Rng, len: usize) -> Vec<f64> {
        match self {
            Kind::Raw(_) => (0..len).map(|_| 0.1 + rng.uniform()).collect(),
            Kind::Log(_) => rng.normals(len),
            Kind::Weights(_) => rng.normals(len).iter().map(|u| 2.0 * u).collect(),
        }
    }

    /// The penalty of each parameter and the weight of each example, by the words of the documentation.
    fn weights(self, u: &[f64], classes: usize, features: usize, rows: usize) -> (Vec<f64>, Vec<f64>) {
        let (Kind::Raw(l2) | Kind::Log(l2)) = self else {
            let Kind::Weights(l2) = self else { unreachable!() };
            return (vec![l2; classes * features], u.iter().map(|u| 1.0 / (1.0 + (-u).exp())).collect());
        };
        let of = |class: usize, feature: usize| match l2 {
            L2::Scalar => u[0],
            L2::PerFeature => u[feature],
            L2::PerClass => u[class],
        };
        let penalties = (0..classes * features).map(|i| of(i / features, i % features));
        let penalties = penalties.map(|u| if matches!(self, Kind::Log(_)) { u.exp() } else { u });
        (penalties.collect(), vec![1.0; rows])
    }
}

type Data<T> = (Examples<T>, Examples<T>);

/// Inner and outer examples; soft targets and hard ones.
fn data(rng: &mut Rng, rows: usize, features: usize, loss: Option<Loss>) -> Data<f64> {
    let mut examples = |rows: usize| {
        let targets = (0..rows).flat_map(|i| match loss {
            None => vec![rng.normal()],
            Some(Loss::Logistic) if i % 2 == 0 => vec![(rng.uniform() > 0.5) as u8 as f64],
            Some(Loss::Logistic) => vec![rng.uniform()],
            Some(Loss::Softmax { classes }) if i % 2 == 0 => {
                one_hot(&[(rng.next() % classes as u64) as usize], classes).unwrap()
            }
            Some(Loss::Softmax { classes }) => {
                let row: Vec<f64> = (0..classes).map(|_| rng.uniform()).collect();
                let total: f64 = row.iter().sum();
                row.iter().map(|t| t / total).collect()
            }
        });
        let targets = targets.collect();
        Examples { design: rng.normals(rows * features), features, targets }
    };
    (examples(rows), examples(4))
}

fn classes(loss: Loss) -> usize {
    if let Loss::Softmax { classes } = loss { classes } else { 1 }
}

/// Newton's method from 0, each step halved until f falls.
fn newton<P>(problem: &P, u: &Vec<f64>) -> Vec<f64>
where
    P: Problem<f64>,
    P::Points: Space<f64, Vector = Vec<f64>>,
    P::Vectors: Space<f64, Vector = Vec<f64>>,
{
    let n = problem.inner_space().len();
    let (mut at, mut scratch) = (problem.workspace(), blo::solve::Workspace::new());
    let (mut w, mut g, mut step) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut value = problem.inner(&mut at, u, &w, &mut g).unwrap();
    for _ in 0..60 {
        problem.linearize(&mut at, u, &w).unwrap();
        problem.solve(&mut at, &Solve::from(EXACT), &g.clone(), &mut step, &mut scratch).unwrap();
        let mut next = w.clone();
        for halvings in 0..30 {
            let size = 0.5_f64.powi(halvings);
            next = w.iter().zip(&step).map(|(w, s)| w - size * s).collect();
            let found = problem.inner(&mut at, u, &next, &mut g).unwrap();
            if found <= value + 1e-15 {
                value = found;
                break;
            }
        }
        w = next;
    }
    assert!(norm(&g) < 1e-10, "Newton's method is at a gradient of {:e}", norm(&g));
    w
}

#[test]
fn derivatives() {
    let mut rng = Rng(1);
    for rows in [1, 2, 7] {
        for features in [1, 2, 3, 17] {
            for kind in KINDS {
                for reduction in REDUCTIONS {
                    for loss in LOSSES {
                        let data = data(&mut rng, rows, features, Some(loss));
                        let problem = kind.regression(loss, &data, reduction).unwrap();
                        let u = kind.point(&mut rng, problem.outer_space().len());
                        let w = rng.normals(problem.inner_space().len());
                        check_problem(&problem, &u, &w, &mut rng);
                    }
                    let problem = kind.least_squares(&data(&mut rng, rows, features, None), reduction).unwrap();
                    let u = kind.point(&mut rng, problem.outer_space().len());
                    let w = rng.normals(features);
                    check_problem(&problem, &u, &w, &mut rng);
                }
            }
        }
    }
}

#[test]
fn hypergradients() {
    let mut rng = Rng(2);
    for kind in KINDS {
        for reduction in REDUCTIONS {
            for loss in LOSSES {
                let problem = kind.regression(loss, &data(&mut rng, 7, 3, Some(loss)), reduction).unwrap();
                let u = kind.point(&mut rng, problem.outer_space().len());
                check_hypergradient(&problem, EXACT.into(), &u, |u| newton(&problem, u), &mut rng);
                let start = rng.normals(problem.inner_space().len());
                for steps in [1, 2, 9] {
                    let unrolled = Estimator::Unrolled(Unrolled::descent(steps, 0.1));
                    check_hypergradient(&problem, unrolled, &u, |_| start.clone(), &mut rng);
                }
            }
            let problem = kind.least_squares(&data(&mut rng, 7, 3, None), reduction).unwrap();
            let u = kind.point(&mut rng, problem.outer_space().len());
            let solution = |u: &Vec<f64>| {
                let mut w = vec![0.5; 3];
                problem.fixpoint(&mut problem.workspace(), u, &mut w).unwrap();
                assert!(distance(&w, &newton(&problem, u)) < 1e-9);
                w
            };
            check_hypergradient(&problem, EXACT.into(), &u, solution, &mut rng);
            for steps in [1, 2, 9] {
                let unrolled = Estimator::Unrolled(Unrolled::descent(steps, 0.03));
                check_hypergradient(&problem, unrolled, &u, |_| vec![0.5; 3], &mut rng);
            }
        }
    }
}

/// The mean loss of examples that weigh `weights`, by the textbook formulas.
fn plain_loss(examples: &Examples<f64>, loss: Option<Loss>, weights: &[f64], w: &[f64]) -> f64 {
    let classes = loss.map_or(1, classes);
    let losses = weights.iter().enumerate().map(|(i, weight)| {
        let x = &examples.design[i * examples.features..(i + 1) * examples.features];
        let t = &examples.targets[i * classes..(i + 1) * classes];
        let z = matvec(classes, examples.features, w, x);
        weight
            * match loss {
                None => 0.5 * (z[0] - t[0]).powi(2),
                Some(Loss::Logistic) => {
                    let p = 1.0 / (1.0 + (-z[0]).exp());
                    -t[0] * p.ln() - (1.0 - t[0]) * (1.0 - p).ln()
                }
                Some(Loss::Softmax { .. }) => {
                    let total: f64 = z.iter().map(|z| z.exp()).sum();
                    z.iter().zip(t).map(|(z, t)| -t * (z.exp() / total).ln()).sum()
                }
            }
    });
    losses.sum::<f64>() / weights.len() as f64
}

fn check_values<P>(problem: &P, data: &Data<f64>, loss: Option<Loss>, kind: Kind, reduction: Reduction, rng: &mut Rng)
where
    P: Problem<f64>,
    P::Points: Space<f64, Vector = Vec<f64>>,
{
    let (u, w) = (kind.point(rng, problem.outer_space().len()), rng.normals(problem.inner_space().len()));
    let (penalties, weights) = kind.weights(&u, loss.map_or(1, classes), data.0.features, 5);
    let scale = if reduction == Reduction::Sum { 5.0 } else { 1.0 };
    let penalty: f64 = penalties.iter().zip(&w).map(|(c, w)| 0.5 * c * w * w).sum();
    let inner = scale * plain_loss(&data.0, loss, &weights, &w) + penalty;
    let outer = plain_loss(&data.1, loss, &[1.0; 4], &w);
    let (mut at, mut gu, mut gw) = (problem.workspace(), vec![f64::NAN; u.len()], vec![f64::NAN; w.len()]);
    let found = problem.inner(&mut at, &u, &w, &mut gw).unwrap();
    assert!((found - inner).abs() < 1e-13 * (1.0 + inner), "{loss:?} {kind:?} {reduction:?}: {found} {inner}");
    let found = problem.outer(&mut at, &u, &w, &mut gu, &mut gw).unwrap();
    assert!((found - outer).abs() < 1e-13 * (1.0 + outer), "{loss:?} {kind:?} {reduction:?}: {found} {outer}");
    assert!(gu.iter().all(|gu| *gu == 0.0));
}

/// Derivatives agree with a value of any scale: the values themselves, against the formulas.
#[test]
fn values() {
    let mut rng = Rng(3);
    for kind in KINDS {
        for reduction in REDUCTIONS {
            for loss in LOSSES {
                let data = data(&mut rng, 5, 3, Some(loss));
                let problem = kind.regression(loss, &data, reduction).unwrap();
                check_values(&problem, &data, Some(loss), kind, reduction, &mut rng);
            }
            let data = data(&mut rng, 5, 3, None);
            let problem = kind.least_squares(&data, reduction).unwrap();
            check_values(&problem, &data, None, kind, reduction, &mut rng);
        }
    }
}

/// One example each, with numbers that a pencil gives.
#[test]
fn by_hand() {
    let one = |design: &[f64], targets: &[f64]| Examples {
        design: design.to_vec(),
        features: design.len(),
        targets: targets.to_vec(),
    };
    let close = |x: &[f64], y: &[f64]| assert!(distance(x, y) < 1e-15, "{x:?} {y:?}");

    // x = (1, 2), t = 1, w = (ln 3, 0): z = ln 3, p = 3/4; ℓ = ln 4/3, r = −1/4, C = 3/16; c = (2, 4).
    let data = (one(&[1.0, 2.0], &[1.0]), one(&[1.0, 2.0], &[0.0]));
    let problem = Regression::raw_l2(Loss::Logistic, L2::PerFeature, data.0, data.1, Reduction::Sum).unwrap();
    let (u, w, l) = (vec![2.0, 4.0], vec![3.0_f64.ln(), 0.0], 3.0_f64.ln());
    let (mut at, mut g, mut gu) = (problem.workspace(), vec![0.0; 2], vec![0.0; 2]);
    let value = problem.inner(&mut at, &u, &w, &mut g).unwrap();
    close(&[value], &[(4.0_f64 / 3.0).ln() + l * l]);
    close(&g, &[-0.25 + 2.0 * l, -0.5]);
    let value = problem.outer(&mut at, &u, &w, &mut gu, &mut g).unwrap();
    close(&[value], &[4.0_f64.ln()]);
    close(&g, &[0.75, 1.5]);
    problem.linearize(&mut at, &u, &w).unwrap();
    problem.hvp(&mut at, &vec![1.0, 0.0], &mut g).unwrap();
    close(&g, &[3.0 / 16.0 + 2.0, 3.0 / 8.0]);
    problem.mixed_vjp(&mut at, &vec![5.0, 7.0], &mut gu).unwrap();
    close(&gu, &[5.0 * l, 0.0]);

    // x = 1, t = (1, 0, 0), W = (ln 2, 0, 0): p = (1/2, 1/4, 1/4); ℓ = ln 2; c = e^u = (1, 2, 4).
    let data = (one(&[1.0], &[1.0, 0.0, 0.0]), one(&[1.0], &[0.0, 0.5, 0.5]));
    let loss = Loss::Softmax { classes: 3 };
    let problem = Regression::log_l2(loss, L2::PerClass, data.0, data.1, Reduction::Mean).unwrap();
    let l = 2.0_f64.ln();
    let (u, w) = (vec![0.0, l, 2.0 * l], vec![l, 0.0, 0.0]);
    let (mut at, mut g, mut gu) = (problem.workspace(), vec![0.0; 3], vec![0.0; 3]);
    let value = problem.inner(&mut at, &u, &w, &mut g).unwrap();
    close(&[value], &[l + 0.5 * l * l]);
    close(&g, &[-0.5 + l, 0.25, 0.25]);
    let value = problem.outer(&mut at, &u, &w, &mut gu, &mut g).unwrap();
    close(&[value], &[2.0 * l]);
    close(&g, &[0.5, -0.25, -0.25]);
    problem.linearize(&mut at, &u, &w).unwrap();
    problem.hvp(&mut at, &vec![0.0, 1.0, 0.0], &mut g).unwrap();
    close(&g, &[-1.0 / 8.0, 3.0 / 16.0 + 2.0, -1.0 / 16.0]);
    problem.mixed_jvp(&mut at, &vec![3.0, 5.0, 7.0], &mut g).unwrap();
    close(&g, &[3.0 * l, 0.0, 0.0]);
}

/// Two classes with W = (w₁; w₂) are one logit with w₂ − w₁.
#[test]
fn two_classes_are_one_logit() {
    let mut rng = Rng(4);
    let (inner, outer) = data(&mut rng, 6, 3, Some(Loss::Logistic));
    let rows = |examples: &Examples<f64>| Examples {
        targets: examples.targets.iter().flat_map(|t| [1.0 - t, *t]).collect(),
        ..examples.clone()
    };
    let two = (rows(&inner), rows(&outer));
    let kind = Kind::Weights(0.0);
    let one = kind.regression(Loss::Logistic, &(inner, outer), Reduction::Mean).unwrap();
    let two = kind.regression(LOSSES[1], &two, Reduction::Mean).unwrap();
    let (u, w1, w2) = (rng.normals(6), rng.normals(3), rng.normals(3));
    let difference: Vec<f64> = w2.iter().zip(&w1).map(|(b, a)| b - a).collect();
    let (mut g1, mut g2) = (vec![0.0; 3], vec![0.0; 6]);
    let value = one.inner(&mut one.workspace(), &u, &difference, &mut g1).unwrap();
    let found = two.inner(&mut two.workspace(), &u, &[w1, w2].concat(), &mut g2).unwrap();
    assert!((value - found).abs() < 1e-15 && distance(&g1, &g2[3..]) < 1e-15);
    assert!(g1.iter().zip(&g2).all(|(a, b)| (a + b).abs() < 1e-15), "a shift of all classes changes nothing");
}

/// Logits of ±1000: values as large as the mistake, no overflow, nothing that is not a number.
fn extreme<T: Scalar>() {
    for loss in LOSSES {
        let k = classes(loss);
        let t = T::from_f64;
        // The same two rows, x = 1000 and −1000, once with their own class as target and once with the other.
        let targets = |right: usize| match loss {
            Loss::Logistic => vec![t(right as f64), t(1.0 - right as f64)],
            Loss::Softmax { .. } => one_hot(&[right, 1 - right], k).unwrap(),
        };
        let examples = |right| Examples { design: vec![t(1000.0), t(-1000.0)], features: 1, targets: targets(right) };
        let problem = Regression::example_weights(loss, 0.0, examples(1), examples(0), Reduction::Mean).unwrap();
        let (mut w, u) = (vec![T::ZERO; k], vec![t(1000.0), t(-1000.0)]);
        w[k.min(2) - 1] = t(1.0);
        w.iter_mut().skip(2).for_each(|w| *w = t(0.5));
        let (mut at, mut gu, mut g) = (problem.workspace(), vec![T::ZERO; 2], vec![T::ZERO; k]);
        // A third class is 500 below the best one: e⁻⁵⁰⁰ is about 1e-217.
        assert!(problem.inner(&mut at, &u, &w, &mut g).unwrap() < 1e-216, "{loss:?}");
        assert!(norm(&g) < 1e-210);
        assert_eq!(problem.outer(&mut at, &u, &w, &mut gu, &mut g).unwrap(), 1000.0, "{loss:?}");
        assert!(g.iter().all(|g| g.is_finite()) && norm(&g) >= 1000.0);
        problem.linearize(&mut at, &u, &w).unwrap();
        problem.hvp(&mut at, &vec![t(1.0); k], &mut g).unwrap();
        problem.mixed_vjp(&mut at, &vec![t(1.0); k], &mut gu).unwrap();
        assert!(g.iter().chain(&gu).all(|value| value.to_f64().abs() < 1e-200), "{loss:?} {g:?} {gu:?}");
    }
}

#[test]
fn extreme_logits() {
    extreme::<f32>();
    extreme::<f64>();
    // The tail is there: at z = 40 with the target 1 the loss is e⁻⁴⁰, not 0; so are its gradient and its curvature.
    for loss in [Loss::Logistic, Loss::Softmax { classes: 2 }] {
        let k = classes(loss);
        let targets = if k == 1 { vec![1.0] } else { vec![0.0, 1.0] };
        let examples = Examples { design: vec![1.0], features: 1, targets };
        let problem = Regression::log_l2(loss, L2::Scalar, examples.clone(), examples, Reduction::Sum).unwrap();
        let (mut at, mut g, mut gu, e) = (problem.workspace(), vec![0.0; k], vec![0.0], (-40.0_f64).exp());
        let (mut w, mut v) = (vec![0.0; k], vec![0.0; k]);
        (w[k - 1], v[k - 1]) = (40.0, 1.0);
        let value = problem.outer(&mut at, &vec![-1000.0], &w, &mut gu, &mut g).unwrap();
        assert!((value / e - 1.0).abs() < 1e-14, "{loss:?}: {value:e}");
        if k == 1 {
            assert!((g[0] / -e - 1.0).abs() < 1e-14, "{g:?}");
            problem.linearize(&mut at, &vec![-1000.0], &w).unwrap();
            problem.hvp(&mut at, &v, &mut g).unwrap();
            assert!((g[0] / e - 1.0).abs() < 1e-14, "{g:?}");
        }
    }
}

/// An example of weight 0 is not there, one of weight 1 is there as ever; neither feels a change of u.
#[test]
fn weights_of_zero_and_one() {
    let mut rng = Rng(5);
    let u = vec![800.0, -800.0, 800.0, 800.0, -800.0];
    let keep = |examples: &Examples<f64>, width: usize| {
        let pick = |values: &[f64], width: usize| {
            [0, 2, 3].iter().flat_map(|i| values[i * width..(i + 1) * width].to_vec()).collect::<Vec<f64>>()
        };
        Examples { design: pick(&examples.design, 3), features: 3, targets: pick(&examples.targets, width) }
    };
    let same = |expected: (f64, Vec<f64>), found: (f64, Vec<f64>)| {
        assert!((expected.0 - found.0).abs() < 1e-14 * expected.0 && distance(&expected.1, &found.1) < 1e-14);
    };
    fn inner<P>(problem: &P, u: &[f64], w: &[f64]) -> (f64, Vec<f64>)
    where
        P: Problem<f64>,
        P::Points: Space<f64, Vector = Vec<f64>>,
    {
        let mut g = vec![0.0; w.len()];
        let value = problem.inner(&mut problem.workspace(), &u.to_vec(), &w.to_vec(), &mut g).unwrap();
        let mut workspace = hypergradient::Workspace::new(problem);
        if u.len() == 5 {
            hypergradient::evaluate(problem, &EXACT.into(), &u.to_vec(), &w.to_vec(), &mut workspace).unwrap();
            assert!(norm(workspace.gradient()) == 0.0);
        }
        (value, g)
    }
    let (all, l2) = (Kind::Weights(0.7), Kind::Raw(L2::Scalar));
    for loss in LOSSES {
        let data = data(&mut rng, 5, 3, Some(loss));
        let some = l2.regression(loss, &(keep(&data.0, classes(loss)), data.1.clone()), Reduction::Sum).unwrap();
        let all = all.regression(loss, &data, Reduction::Sum).unwrap();
        let w = rng.normals(3 * classes(loss));
        same(inner(&some, &[0.7], &w), inner(&all, &u, &w));
    }
    let data = data(&mut rng, 5, 3, None);
    let some = l2.least_squares(&(keep(&data.0, 1), data.1.clone()), Reduction::Sum).unwrap();
    let all = all.least_squares(&data, Reduction::Sum).unwrap();
    let w = rng.normals(3);
    same(inner(&some, &[0.7], &w), inner(&all, &u, &w));
    // The fixpoints are the same, too.
    let (mut w, mut expected) = (vec![0.3; 3], vec![0.3; 3]);
    all.fixpoint(&mut all.workspace(), &u, &mut w).unwrap();
    some.fixpoint(&mut some.workspace(), &vec![0.7], &mut expected).unwrap();
    assert!(distance(&w, &expected) < 1e-13);
}

/// With no penalty the fixpoint is the solution nearest to w: gradient descent from w ends there.
#[test]
fn fixpoints_without_penalty() {
    let mut rng = Rng(6);
    for kind in [Kind::Weights(0.0), Kind::Raw(L2::Scalar), Kind::Raw(L2::PerFeature)] {
        let problem = kind.least_squares(&data(&mut rng, 2, 4, None), Reduction::Sum).unwrap();
        let u = vec![0.0; problem.outer_space().len()];
        let start = rng.normals(4);
        let (mut at, mut w, mut found, mut g) = (problem.workspace(), start.clone(), start, vec![0.0; 4]);
        problem.fixpoint(&mut at, &u, &mut found).unwrap();
        for _ in 0..20_000 {
            problem.inner(&mut at, &u, &w, &mut g).unwrap();
            w.iter_mut().zip(&g).for_each(|(w, g)| *w -= 0.05 * g);
        }
        assert!(distance(&w, &found) < 1e-12, "{kind:?}: {w:?} {found:?}");
    }
}

/// f32 next to f64.
#[test]
fn single_precision_agrees() {
    let mut rng = Rng(7);
    let narrow = |examples: &Examples<f64>| Examples::<f32> {
        design: cast(&examples.design),
        features: examples.features,
        targets: cast(&examples.targets),
    };
    fn gradient<T: Scalar, P>(problem: &P, estimator: Estimator, u: &[f64], w: &[f64]) -> Vec<T>
    where
        P: Problem<T>,
        P::Points: Space<T, Vector = Vec<T>>,
    {
        let mut workspace = hypergradient::Workspace::new(problem);
        hypergradient::evaluate(problem, &estimator, &cast(u), &cast(w), &mut workspace).unwrap();
        workspace.gradient().clone()
    }
    let unrolled = Estimator::Unrolled(Unrolled::descent(10, 0.1));
    for kind in KINDS {
        for estimator in [EXACT.into(), Inverse::neumann(10, 0.1).into(), unrolled] {
            for loss in LOSSES {
                let data = data(&mut rng, 9, 5, Some(loss));
                let data32 = (narrow(&data.0), narrow(&data.1));
                let problem = kind.regression(loss, &data, Reduction::Mean).unwrap();
                let problem32 = kind.regression(loss, &data32, Reduction::Mean).unwrap();
                let u = kind.point(&mut rng, problem.outer_space().len());
                let w = rng.normals(problem.inner_space().len());
                let expected = gradient::<f64, _>(&problem, estimator, &u, &w);
                let found = gradient::<f32, _>(&problem32, estimator, &u, &w);
                assert!(distance(&expected, &found) <= 2e-5 * norm(&expected), "{loss:?} {kind:?} {estimator:?}");
            }
            let data = data(&mut rng, 9, 5, None);
            let problem = kind.least_squares(&data, Reduction::Mean).unwrap();
            let data32 = (narrow(&data.0), narrow(&data.1));
            let problem32 = kind.least_squares(&data32, Reduction::Mean).unwrap();
            let (u, w) = (kind.point(&mut rng, problem.outer_space().len()), rng.normals(5));
            let expected = gradient::<f64, _>(&problem, estimator, &u, &w);
            let found = gradient::<f32, _>(&problem32, estimator, &u, &w);
            assert!(distance(&expected, &found) <= 2e-5 * norm(&expected), "{kind:?} {estimator:?}");
        }
    }
}

#[test]
fn bad_input() {
    let good = |targets: &[f64]| Examples { design: vec![1.0; 4], features: 2, targets: targets.to_vec() };
    let (three, log) = (Loss::Softmax { classes: 3 }, Kind::Log(L2::Scalar));
    let rows = good(&[1.0, 0.0, 0.0, 0.2, 0.3, 0.5]);
    let error = |kind: Kind, loss: Loss, inner: Examples<f64>, outer: Examples<f64>| {
        kind.regression(loss, &(inner, outer), Reduction::Mean).unwrap_err().to_string()
    };
    let contains = |text: String, expected: &str| assert!(text.contains(expected), "{text} should contain {expected}");
    let binary = good(&[0.0, 1.0]);
    contains(error(log, Loss::Logistic, good(&[0.0, 1.5]), binary.clone()), "inner targets: found 1.5 at index 1");
    contains(error(log, Loss::Logistic, binary.clone(), good(&[-1.0, 1.0])), "outer targets: found -1 at index 0");
    contains(error(log, Loss::Logistic, good(&[0.0, f64::NAN]), binary.clone()), "inner targets: found NaN at index 1");
    contains(error(log, Loss::Logistic, good(&[0.0]), binary.clone()), "inner design");
    contains(error(log, Loss::Logistic, binary.clone(), Examples { features: 4, ..good(&[0.0]) }), "outer features");
    contains(error(log, Loss::Logistic, binary.clone(), Examples { design: vec![], ..good(&[]) }), "outer examples");
    contains(error(log, three, good(&[1.0, 0.0, 0.0, 0.2]), rows.clone()), "inner targets: found length 4");
    contains(error(log, three, good(&[1.0, 0.0, 0.0, 0.2, 0.3, 0.4]), rows.clone()), "row 1 with the sum 0.9");
    contains(error(log, Loss::Softmax { classes: 1 }, binary.clone(), binary.clone()), "classes: found 1");
    contains(error(log, Loss::Softmax { classes: 0 }, binary.clone(), binary.clone()), "classes: found 0");
    contains(error(Kind::Weights(-1.0), three, rows.clone(), rows.clone()), "l2: found -1");
    let text = Kind::Weights(f64::NAN).least_squares(&(binary.clone(), binary.clone()), Reduction::Sum);
    contains(text.unwrap_err().to_string(), "l2: found NaN");
    contains(one_hot::<f64>(&[0, 3], 3).unwrap_err().to_string(), "labels: found 3 at index 1");

    // A negative penalty is refused wherever it would be used; 0 is a penalty.
    let data = (binary.clone(), binary);
    let regression = Kind::Raw(L2::PerFeature).regression(Loss::Logistic, &data, Reduction::Mean).unwrap();
    let squares = Kind::Raw(L2::PerFeature).least_squares(&data, Reduction::Mean).unwrap();
    let (bad, mut w, mut g) = (vec![0.0, -0.5], vec![0.0; 2], vec![0.0; 2]);
    for error in [
        regression.inner(&mut regression.workspace(), &bad, &w, &mut g).unwrap_err(),
        regression.linearize(&mut regression.workspace(), &bad, &w).unwrap_err(),
        squares.inner(&mut squares.workspace(), &bad, &w, &mut g).unwrap_err(),
        squares.linearize(&mut squares.workspace(), &bad, &w).unwrap_err(),
        squares.fixpoint(&mut squares.workspace(), &bad, &mut w).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Invalid { argument: "u", .. }), "{error}");
        contains(error.to_string(), "u: found the penalty -0.5 at index 1, expected 0 or above");
    }
    regression.inner(&mut regression.workspace(), &vec![0.0; 2], &w, &mut g).unwrap();
    assert!(regression.fixpoint(&mut regression.workspace(), &vec![0.0; 2], &mut w).is_err());
}

/// No rows, no columns: whatever has a meaning has its value.
#[test]
fn empty_shapes() {
    let examples = |rows: usize, features: usize| Examples {
        design: vec![1.0; rows * features],
        features,
        targets: vec![0.5; rows],
    };
    for (rows, features) in [(0, 2), (3, 0)] {
        for kind in [Kind::Raw(L2::Scalar), Kind::Log(L2::PerFeature), Kind::Raw(L2::PerClass), Kind::Weights(1.0)] {
            let data = (examples(rows, features), examples(1, features));
            let problem = kind.regression(Loss::Logistic, &data, Reduction::Mean).unwrap();
            let mut rng = Rng(8);
            let u = kind.point(&mut rng, problem.outer_space().len());
            check_problem(&problem, &u, &vec![0.5; features], &mut rng);
            let problem = kind.least_squares(&data, Reduction::Mean).unwrap();
            check_problem(&problem, &u, &vec![0.5; features], &mut rng);
            let mut w = vec![0.5; features];
            problem.fixpoint(&mut problem.workspace(), &u, &mut w).unwrap();
            assert!(norm(&w) < 1e-15, "nothing but the penalty is left");
        }
    }
}

/// jaxopt's ridge test: scikit-learn's make_regression(n_samples=10, n_features=3, random_state=0) with λ = 5, whose
/// solution and derivative in λ are published. λ is u itself here.
#[test]
fn jaxopt_ridge_in_the_penalty_itself() {
    let lines = include_str!("data/jaxopt_ridge.csv").lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(|v| v.parse().unwrap()).collect()).collect();
    let design = rows.iter().flat_map(|row| row[..3].to_vec()).collect();
    let examples = Examples { design, features: 3, targets: rows.iter().map(|row| row[3]).collect() };
    for l2 in [L2::Scalar, L2::PerClass, L2::PerFeature] {
        let problem = LeastSquares::raw_l2(l2, examples.clone(), examples.clone(), Reduction::Mean).unwrap();
        let (mut at, u) = (problem.workspace(), vec![5.0; problem.outer_space().len()]);
        let (mut w, mut change, mut dw) = (vec![0.0; 3], vec![0.0; 3], vec![0.0; 3]);
        problem.fixpoint(&mut at, &u, &mut w).unwrap();
        assert!(distance(&w, &[16.51390727, 8.20625411, 23.62360791]) < 2e-8, "{w:?}");
        // dw*/dλ = −H⁻¹ M 1.
        problem.linearize(&mut at, &u, &w).unwrap();
        problem.mixed_jvp(&mut at, &vec![-1.0; u.len()], &mut change).unwrap();
        problem.solve(&mut at, &Solve::from(EXACT), &change, &mut dw, &mut blo::solve::Workspace::new()).unwrap();
        assert!(distance(&dw, &[-2.50171644, -1.26718286, -3.54263662]) < 2e-8, "{l2:?}: {dw:?}");
    }
}

/// Targets that sum to 1 up to their rounding: the gradient is that of the value, Σ t (ln Σ eᶻ − z), all the same.
#[test]
fn rounded_targets() {
    let examples = Examples::<f32> { design: vec![1.0], features: 1, targets: vec![0.5002, 0.5001] };
    let problem = Regression::raw_l2(LOSSES[1], L2::Scalar, examples.clone(), examples, Reduction::Sum).unwrap();
    let (mut at, u, w, mut g) = (problem.workspace(), vec![0.0], vec![0.0; 2], vec![0.0; 2]);
    let value = problem.inner(&mut at, &u, &w, &mut g).unwrap();
    assert!((value - 1.0003 * 2.0_f64.ln()).abs() < 1e-7);
    assert!(distance(&g, &[-0.00005, 0.00005]) < 1e-7, "{g:?}");
    problem.linearize(&mut at, &u, &w).unwrap();
    problem.hvp(&mut at, &vec![1.0, 0.0], &mut g).unwrap();
    assert!(distance(&g, &[1.0003 / 4.0, -1.0003 / 4.0]) < 1e-7, "{g:?}");
}
