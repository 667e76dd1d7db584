//! Network problems: every derivative by value over shapes, activations, losses and kinds of outer parameters; identities;
//! both scalar types; edges and bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/check.rs"]
mod check;
mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::hypergradient::Unrolled;
use blo::optimize::Rule;
use blo::problem::mlp::{Activation, Groups, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, one_hot};
use blo::{Error, Estimator, Scalar};
use check::{agrees, check_hypergradient, check_problem};
use common::{Rng, cast, distance, dot, norm};

const ACTIVATIONS: [Activation; 6] = [
    Activation::Identity,
    Activation::Relu,
    Activation::Tanh,
    Activation::Softplus,
    Activation::Gelu,
    Activation::Silu,
];
const KINDS: [OuterParameters; 9] = [
    OuterParameters::Inputs,
    OuterParameters::Targets,
    OuterParameters::InputsAndLabelLogits,
    OuterParameters::LogL2(Groups::Scalar),
    OuterParameters::LogL2(Groups::PerLayer),
    OuterParameters::LogL2(Groups::PerParameter),
    OuterParameters::ExampleWeightLogits,
    OuterParameters::LinearAugmentation,
    OuterParameters::ProximalCentre { weight: 0.7 },
];

#[derive(Clone, Debug)]
struct Shape {
    widths: Vec<usize>,
    rows: usize,
    activation: Activation,
    loss: Loss,
    kind: OuterParameters,
    reduction: Reduction,
    l2: f64,
}

/// A problem with a point: u and w of a size at which activations are neither linear nor saturated.
struct Sample<T> {
    problem: Mlp<T>,
    u: Vec<T>,
    w: Vec<T>,
}

impl Shape {
    fn sample<T: Scalar>(&self, seed: u64) -> Sample<T> {
        let mut rng = Rng(seed);
        let (d, c) = (self.widths[0], *self.widths.last().unwrap());
        let model = Model::new(&self.widths, self.activation, self.loss).unwrap();
        let w: Vec<f64> = model.initial::<f64>(Init::LeCun, seed).iter().map(|w| w + 0.1 * rng.normal()).collect();
        let mut targets = |rows: usize| match self.loss {
            // Soft, and of a sum other than 1.
            Loss::CrossEntropy => (0..rows * c).map(|_| 2.0 * rng.uniform() / c as f64).collect(),
            Loss::SquaredError => rng.normals(rows * c),
        };
        let (inner_targets, outer_targets) = (targets(self.rows), targets(3));
        let features = if self.kind == OuterParameters::LinearAugmentation { d + 1 } else { d };
        let given = !matches!(self.kind, OuterParameters::Inputs | OuterParameters::InputsAndLabelLogits);
        let inner = Examples {
            design: cast(&rng.normals(if given { self.rows * features } else { 0 })),
            features,
            targets: cast::<T>(&inner_targets),
        };
        let outer = Examples { design: cast(&rng.normals(3 * d)), features: d, targets: cast(&outer_targets) };
        let problem = Mlp::new(model, self.kind, inner, outer, self.reduction, self.l2).unwrap();
        let mut u = rng.normals(blo::solve::Space::<T>::len(problem.outer_space()));
        if self.kind == OuterParameters::LinearAugmentation {
            u.iter_mut().for_each(|u| *u /= (features as f64).sqrt());
        }
        if self.kind == OuterParameters::Targets && self.loss == Loss::CrossEntropy {
            u.iter_mut().for_each(|u| *u = u.abs() / c as f64);
        }
        Sample { u: cast(&u), w: cast(&w), problem }
    }
}

/// Every activation with every loss and every kind; widths and numbers of examples in turn, so that all meet somewhere.
fn shapes() -> Vec<Shape> {
    let (sizes, numbers) = ([1, 2, 3, 17, 64, 65], [1, 2, 7, 100]);
    let mut rng = Rng(11);
    let mut pick = |from: &[usize]| from[(rng.uniform() * from.len() as f64) as usize];
    let mut shapes = Vec::new();
    for activation in ACTIVATIONS {
        for loss in [Loss::CrossEntropy, Loss::SquaredError] {
            for kind in KINDS {
                for hidden in [pick(&[0, 1]), pick(&[2, 3])] {
                    let widths = (0..hidden + 2).map(|_| pick(&sizes)).collect();
                    let reduction = if pick(&[0, 1]) == 0 { Reduction::Sum } else { Reduction::Mean };
                    let l2 = [0.0, 0.01][pick(&[0, 1])];
                    shapes.push(Shape { widths, rows: pick(&numbers), activation, loss, kind, reduction, l2 });
                }
            }
        }
    }
    shapes
}

#[test]
fn derivatives_three_ways() {
    for (seed, shape) in shapes().iter().enumerate() {
        let Sample { problem, u, w } = shape.sample::<f64>(seed as u64);
        println!("{shape:?}");
        let mut rng = Rng(seed as u64 + 1000);
        check_problem(&problem, &u, &w, &mut rng);
        let mut ws = problem.workspace();
        let mut gradient_u = vec![f64::NAN; u.len()];
        problem.inner_gradient_u(&mut ws, &u, &w, &mut gradient_u).unwrap();
        let (du, mut junk) = (rng.normals(u.len()), vec![0.0; w.len()]);
        agrees("∇_u f", &[dot(&gradient_u, &du)], &u, &du, |u| {
            vec![problem.inner(&mut ws, u, &w, &mut junk).unwrap()]
        });
    }
}

#[test]
fn hypergradients_of_unrolled_runs() {
    for kind in KINDS {
        let shape = Shape {
            widths: vec![2, 5, 4, 3],
            rows: 4,
            activation: Activation::Tanh,
            loss: Loss::CrossEntropy,
            kind,
            reduction: Reduction::Mean,
            l2: 0.01,
        };
        let Sample { problem, u, w } = shape.sample::<f64>(3);
        for steps in [1, 2, 7] {
            let estimator = Estimator::Unrolled(Unrolled::descent(steps, 0.1));
            check_hypergradient(&problem, estimator, &u, |_| w.clone(), &mut Rng(steps as u64));
        }
    }
}

#[test]
fn gauss_newton_is_semidefinite_and_equals_h_where_residuals_vanish() {
    for (seed, shape) in shapes().iter().enumerate() {
        let Sample { problem, u, w } = shape.sample::<f64>(seed as u64);
        let mut ws = problem.workspace();
        problem.linearize(&mut ws, &u, &w).unwrap();
        let mut rng = Rng(seed as u64);
        let (v, x) = (rng.normals(w.len()), rng.normals(w.len()));
        let [mut gv, mut gx, mut hv] = [(); 3].map(|()| vec![f64::NAN; w.len()]);
        problem.gauss_newton(&mut ws, &v, &mut gv);
        problem.gauss_newton(&mut ws, &x, &mut gx);
        problem.hvp(&mut ws, &v, &mut hv).unwrap();
        let size = norm(&gv) * norm(&x) + norm(&gx) * norm(&v);
        assert!((dot(&gv, &x) - dot(&gx, &v)).abs() <= 1e-14 * size, "{shape:?}");
        assert!(dot(&gv, &v) >= -1e-14 * norm(&gv) * norm(&v), "{} {} {} {shape:?}", dot(&gv, &v), norm(&gv), norm(&v));
        if shape.widths.len() == 2 {
            assert!(distance(&gv, &hv) <= 1e-14 * norm(&hv), "a linear model: {shape:?}");
        }
        if shape.kind == OuterParameters::Targets {
            // With t = the model's answer, every residual is 0.
            let x = problem.inner_examples().design.to_vec();
            let mut t = vec![0.0; u.len()];
            problem.model().predict(&w, &x, &mut t).unwrap();
            if shape.loss == Loss::CrossEntropy {
                for row in t.chunks_exact_mut(problem.model().outputs()) {
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = row.iter().map(|z| (z - largest).exp()).sum();
                    row.iter_mut().for_each(|z| *z = (*z - largest).exp() / sum);
                }
            }
            problem.linearize(&mut ws, &t, &w).unwrap();
            problem.gauss_newton(&mut ws, &v, &mut gv);
            problem.hvp(&mut ws, &v, &mut hv).unwrap();
            assert!(distance(&gv, &hv) <= 1e-13 * (norm(&hv) + norm(&v)), "no residuals: {shape:?}");
        }
    }
}

#[test]
fn f32_follows_f64() {
    for (seed, shape) in shapes().iter().enumerate() {
        let (narrow, wide) = (shape.sample::<f32>(seed as u64), shape.sample::<f64>(seed as u64));
        let mut rng = Rng(seed as u64);
        let (v, du) = (rng.normals(wide.w.len()), rng.normals(wide.u.len()));
        let (mut a, mut b) = (narrow.problem.workspace(), wide.problem.workspace());
        narrow.problem.linearize(&mut a, &narrow.u, &narrow.w).unwrap();
        // At the point that f32 sees.
        let (u, w) = (common::widen(&narrow.u), common::widen(&narrow.w));
        wide.problem.linearize(&mut b, &u, &w).unwrap();
        let close = |name: &str, x: &[f32], y: &[f64]| {
            let error = distance(x, y);
            assert!(error <= 2e-5 * norm(y) + 1e-6, "{name}: {error:e} of {:e}, {shape:?}", norm(y));
        };
        let [mut x, mut y] = [vec![0.0_f32; w.len()], vec![0.0_f32; u.len()]];
        let [mut x64, mut y64] = [vec![0.0; w.len()], vec![0.0; u.len()]];
        narrow.problem.hvp(&mut a, &cast(&v), &mut x).unwrap();
        wide.problem.hvp(&mut b, &v, &mut x64).unwrap();
        close("H v", &x, &x64);
        narrow.problem.mixed_vjp(&mut a, &cast(&v), &mut y).unwrap();
        wide.problem.mixed_vjp(&mut b, &v, &mut y64).unwrap();
        close("Mᵀ v", &y, &y64);
        narrow.problem.mixed_jvp(&mut a, &cast(&du), &mut x).unwrap();
        wide.problem.mixed_jvp(&mut b, &du, &mut x64).unwrap();
        close("M du", &x, &x64);
    }
}

/// Three hundred outer examples go through in two pieces: the mean must not notice.
#[test]
fn outer_examples_in_pieces() {
    let mut rng = Rng(1);
    let model = Model::new(&[3, 8, 2], Activation::Tanh, Loss::CrossEntropy).unwrap();
    let w = model.initial::<f64>(Init::Glorot, 1);
    let labels: Vec<usize> = (0..300).map(|i| i % 2).collect();
    let outer = Examples { design: rng.normals(900), features: 3, targets: one_hot(&labels, 2).unwrap() };
    let value = |outer: Examples<f64>, gradient: &mut Vec<f64>| {
        let inner = Examples { design: vec![], features: 3, targets: vec![1.0, 0.0] };
        let problem = Mlp::new(model.clone(), OuterParameters::Inputs, inner, outer, Reduction::Mean, 0.0).unwrap();
        problem.outer(&mut problem.workspace(), &vec![0.0; 3], &w, &mut vec![0.0; 3], gradient).unwrap()
    };
    let mut whole = vec![f64::NAN; w.len()];
    let f = value(outer.clone(), &mut whole);
    let (mut sum, mut mean) = (vec![0.0; w.len()], 0.0);
    for i in 0..300 {
        let one = Examples {
            design: outer.design[3 * i..3 * i + 3].to_vec(),
            features: 3,
            targets: outer.targets[2 * i..2 * i + 2].to_vec(),
        };
        let mut gradient = vec![f64::NAN; w.len()];
        mean += value(one, &mut gradient) / 300.0;
        blo::reference::axpy(1.0 / 300.0, &gradient, &mut sum);
    }
    assert!((f - mean).abs() <= 1e-14 && distance(&whole, &sum) <= 1e-14 * norm(&sum));
}

/// The order of Algorithm 2 with K = T = 1, step by step, with nothing but plain values and gradients.
#[test]
fn a_warm_loop_of_distillation() {
    let shape = Shape {
        widths: vec![2, 6, 2],
        rows: 2,
        activation: Activation::Tanh,
        loss: Loss::CrossEntropy,
        kind: OuterParameters::Inputs,
        reduction: Reduction::Mean,
        l2: 0.0,
    };
    let Sample { problem, mut u, mut w } = shape.sample::<f64>(5);
    let (alpha, beta, steps) = (0.2, 0.3, 20);
    let inner = InnerSolve::descent(alpha, 1);
    let mut settings =
        Settings::new(Start::Warm, inner, Estimator::Unrolled(Unrolled::descent(1, alpha)), Rule::descent(beta));
    settings.outer_steps = steps;
    let mut runner = Runner::new(&problem, settings, &u, &w).unwrap();
    runner.run().unwrap();
    let mut ws = problem.workspace();
    let [mut g, mut ahead_g, mut m] = [vec![0.0; w.len()], vec![0.0; w.len()], vec![0.0; u.len()]];
    for _ in 0..steps {
        problem.inner(&mut ws, &u, &w, &mut g).unwrap();
        let mut ahead = w.clone();
        blo::reference::axpy(-alpha, &g, &mut ahead);
        problem.outer(&mut ws, &u, &ahead, &mut m, &mut ahead_g).unwrap();
        problem.linearize(&mut ws, &u, &w).unwrap();
        problem.mixed_vjp(&mut ws, &ahead_g, &mut m).unwrap();
        blo::reference::axpy(beta * alpha, &m, &mut u);
        problem.inner(&mut ws, &u, &w, &mut g).unwrap();
        blo::reference::axpy(-alpha, &g, &mut w);
    }
    assert!(distance(runner.u(), &u) <= 1e-13 * norm(&u), "{:?} {u:?}", runner.u());
    assert!(distance(runner.w(), &w) <= 1e-13 * norm(&w));
}

#[test]
fn the_dense_hessian() {
    let shape = Shape {
        widths: vec![2, 5, 3],
        rows: 4,
        activation: Activation::Silu,
        loss: Loss::CrossEntropy,
        kind: OuterParameters::Inputs,
        reduction: Reduction::Sum,
        l2: 0.1,
    };
    let Sample { problem, u, w } = shape.sample::<f64>(8);
    let mut ws = problem.workspace();
    problem.linearize(&mut ws, &u, &w).unwrap();
    let (n, v, mut hv) = (w.len(), Rng(1).normals(w.len()), vec![0.0; w.len()]);
    let dense = blo::problem::Hessian::new(&problem, &mut ws).dense().unwrap();
    problem.hvp(&mut ws, &v, &mut hv).unwrap();
    assert!(distance(&common::matvec(n, n, &dense, &v), &hv) <= 1e-13 * norm(&hv));
    let mut own = blo::solve::Spectrum::default();
    let (spectrum, _) = problem.spectrum(&mut ws, &mut own).unwrap();
    let trace: f64 = (0..n).map(|i| dense[i * n + i]).sum();
    assert!((spectrum.values().iter().sum::<f64>() - trace).abs() <= 1e-12 * norm(&dense));
}

#[test]
fn kinks_are_counted() {
    let model = Model::new(&[1, 3, 1], Activation::Relu, Loss::SquaredError).unwrap();
    // Pre-activations of x = 2: 2·1 − 2 = 0, 2·1 − 1.5 = 0.5, 2·1 − 5 = −3.
    let w = vec![1.0, 1.0, 1.0, -2.0, -1.5, -5.0, 1.0, 1.0, 1.0, 0.0];
    let inner = Examples { design: vec![2.0], features: 1, targets: vec![0.0] };
    let outer = inner.clone();
    let problem = Mlp::new(model, OuterParameters::Targets, inner, outer, Reduction::Sum, 0.0).unwrap();
    let mut ws = problem.workspace();
    for (distance, count) in [(0.0, 1), (0.4, 1), (0.5, 2), (2.9, 2), (3.0, 3)] {
        assert_eq!(problem.near_kink(&mut ws, &[0.0], &w, distance).unwrap(), count);
    }
}

#[test]
fn initial_parameters() {
    let model = Model::new(&[30, 50, 10], Activation::Relu, Loss::CrossEntropy).unwrap();
    for (init, first, second) in [
        (Init::Glorot, (2.0 / 80.0_f64).sqrt(), (2.0 / 60.0_f64).sqrt()),
        (Init::He, (2.0 / 30.0_f64).sqrt(), (2.0 / 50.0_f64).sqrt()),
        (Init::LeCun, (1.0 / 30.0_f64).sqrt(), (1.0 / 50.0_f64).sqrt()),
        (Init::Zero, 0.0, 0.0),
    ] {
        let w = model.initial::<f64>(init, 9);
        for (part, deviation) in [(0..1500, first), (1550..2050, second)] {
            let found = norm(&w[part.clone()]) / (part.len() as f64).sqrt();
            assert!((found - deviation).abs() <= 0.1 * deviation, "{init:?} {found} {deviation}");
        }
        assert!(w[1500..1550].iter().chain(&w[2050..]).all(|bias| *bias == 0.0));
        assert_eq!(w, model.initial::<f64>(init, 9));
        assert!(init == Init::Zero || w != model.initial::<f64>(init, 10));
    }
}

#[test]
fn no_inner_examples() {
    for kind in KINDS {
        let shape = Shape {
            widths: vec![2, 3, 2],
            rows: 0,
            activation: Activation::Tanh,
            loss: Loss::CrossEntropy,
            kind,
            reduction: Reduction::Mean,
            l2: 0.5,
        };
        let Sample { problem, u, w } = shape.sample::<f64>(1);
        let mut ws = problem.workspace();
        let mut g = vec![f64::NAN; w.len()];
        problem.inner(&mut ws, &u, &w, &mut g).unwrap();
        problem.linearize(&mut ws, &u, &w).unwrap();
        let mut out = vec![f64::NAN; w.len()];
        problem.hvp(&mut ws, &w, &mut out).unwrap();
        assert!(g.iter().chain(&out).all(|x| x.is_finite()));
        let mut du = vec![f64::NAN; u.len()];
        problem.mixed_vjp(&mut ws, &w, &mut du).unwrap();
        problem.mixed_jvp(&mut ws, &u, &mut out).unwrap();
        assert!(du.iter().chain(&out).all(|x| x.is_finite()), "{kind:?}");
    }
}

#[test]
fn bad_input() {
    let model = |widths: &[usize]| Model::new(widths, Activation::Relu, Loss::CrossEntropy);
    for widths in [&[][..], &[3], &[3, 0, 2], &[usize::MAX, 2], &[1 << 40, 1 << 40]] {
        let error = model(widths).unwrap_err();
        assert!(matches!(error, Error::Invalid { argument: "widths", .. }), "{error}");
    }
    let model = model(&[2, 4, 3]).unwrap();
    let good = || Examples { design: vec![0.5; 4], features: 2, targets: one_hot::<f64>(&[0, 2], 3).unwrap() };
    let error = |kind, inner: Examples<f64>, outer: Examples<f64>, l2| {
        Mlp::new(model.clone(), kind, inner, outer, Reduction::Mean, l2).unwrap_err().to_string()
    };
    let weights = OuterParameters::ExampleWeightLogits;
    let cases = [
        (error(weights, Examples { features: 3, ..good() }, good(), 0.0), "inner features"),
        (error(weights, good(), Examples { features: 1, ..good() }, 0.0), "outer features"),
        (error(weights, Examples { design: vec![0.5; 3], ..good() }, good(), 0.0), "inner design"),
        (error(weights, Examples { targets: vec![0.1; 4], ..good() }, good(), 0.0), "inner targets"),
        (error(weights, Examples { targets: vec![-0.1; 6], ..good() }, good(), 0.0), "inner targets"),
        (error(weights, good(), Examples { design: vec![f64::NAN; 4], ..good() }, 0.0), "outer design"),
        (error(weights, good(), Examples { design: vec![], targets: vec![], features: 2 }, 0.0), "outer examples"),
        (error(weights, good(), good(), -1.0), "l2"),
        (error(OuterParameters::ProximalCentre { weight: 0.0 }, good(), good(), 0.0), "proximal weight"),
    ];
    for (message, argument) in cases {
        assert!(message.contains(argument), "{message} should name {argument}");
    }
    let w = model.initial::<f64>(Init::He, 0);
    for (w, x, out, argument) in [(3, 4, 6, "w"), (w.len(), 3, 6, "x"), (w.len(), 4, 5, "out")] {
        let error = model.predict(&vec![0.0; w], &vec![0.0; x], &mut vec![0.0; out]).unwrap_err();
        assert!(error.to_string().contains(argument), "{error}");
    }
    // A penalty too large for the type is an error where it is first used, not an infinity.
    let problem =
        Mlp::new(model, OuterParameters::LogL2(Groups::Scalar), good(), good(), Reduction::Mean, 0.0).unwrap();
    let result = problem.inner(&mut problem.workspace(), &vec![1e3], &w, &mut vec![0.0; w.len()]);
    assert!(matches!(result, Err(Error::NonFinite { argument: "exp(u)", .. })));
}

/// Σ scores + ⟨∇R, v⟩ = ⟨∇f, v⟩, each score is what its own example adds, and batches average to the whole.
#[test]
fn examples_one_by_one_and_in_batches() {
    for (seed, kind) in KINDS.into_iter().enumerate() {
        for (rows, loss) in [(1, Loss::CrossEntropy), (5, Loss::SquaredError), (300, Loss::CrossEntropy)] {
            let reduction = if seed % 2 == 0 { Reduction::Mean } else { Reduction::Sum };
            let shape =
                Shape { widths: vec![3, 6, 2], rows, activation: Activation::Gelu, loss, kind, reduction, l2: 0.2 };
            let Sample { problem, u, w } = shape.sample::<f64>(seed as u64);
            let mut ws = problem.workspace();
            let v = Rng(9).normals(w.len());
            let [mut whole, mut penalty, mut part] = [(); 3].map(|()| vec![f64::NAN; w.len()]);
            let f = problem.inner(&mut ws, &u, &w, &mut whole).unwrap();
            problem.linearize(&mut ws, &u, &w).unwrap();
            let mut scores = vec![f64::NAN; rows];
            problem.example_scores(&mut ws, &v, &mut scores).unwrap();
            // n fᵢ + R is the batch of i alone; R is what is left of f without all of them.
            let (mut sum, mut values) = (vec![0.0; w.len()], 0.0);
            for i in 0..rows {
                values += problem.inner_batch(&mut ws, &[i], &u, &w, &mut part).unwrap();
                sum.iter_mut().zip(&part).for_each(|(sum, part)| *sum += part);
            }
            let n = rows as f64;
            assert!(
                (values / n - f).abs() <= 1e-13 * f.abs()
                    && distance(&sum, &whole.iter().map(|g| n * g).collect::<Vec<_>>()) <= 1e-12 * n * norm(&whole)
            );
            let all: Vec<usize> = (0..rows).rev().collect();
            let value = problem.inner_batch(&mut ws, &all, &u, &w, &mut part).unwrap();
            assert!(
                (value - f).abs() <= 1e-13 * f.abs() && distance(&part, &whole) <= 1e-12 * norm(&whole),
                "{kind:?}"
            );
            let twice: Vec<usize> = all.iter().chain(&all).copied().collect();
            problem.inner_batch(&mut ws, &twice, &u, &w, &mut part).unwrap();
            assert!(distance(&part, &whole) <= 1e-12 * norm(&whole), "{kind:?}");
            // ∇R from two batches of the same example once and from none: n ∇fᵢ = ∇f_{i} − ∇R.
            penalty.copy_from_slice(&whole);
            let mut total = 0.0;
            for (i, score) in scores.iter().enumerate() {
                problem.inner_batch(&mut ws, &[i], &u, &w, &mut part).unwrap();
                total += score;
                if i + 1 < rows {
                    let mut next = vec![0.0; w.len()];
                    problem.inner_batch(&mut ws, &[i + 1], &u, &w, &mut next).unwrap();
                    let expected = (dot(&part, &v) - dot(&next, &v)) / n;
                    assert!(
                        (score - scores[i + 1] - expected).abs() <= 1e-12 * (1.0 + norm(&part) * norm(&v)),
                        "{kind:?}"
                    );
                }
            }
            let mut groups = 0.2_f64;
            let mut expected = dot(&whole, &v) - total;
            if let OuterParameters::ProximalCentre { weight } = kind {
                expected -= weight * w.iter().zip(&u).zip(&v).map(|((w, u), v)| (w - u) * v).sum::<f64>();
            }
            if let OuterParameters::LogL2(Groups::Scalar) = kind {
                groups += u[0].exp();
            }
            if !matches!(kind, OuterParameters::LogL2(Groups::PerLayer | Groups::PerParameter)) {
                assert!((expected - groups * dot(&w, &v)).abs() <= 1e-11 * (1.0 + norm(&whole) * norm(&v)), "{kind:?}");
            }
            for bad in [&[][..], &[rows]] {
                assert!(problem.inner_batch(&mut ws, bad, &u, &w, &mut part).is_err());
            }
            assert!(problem.example_scores(&mut ws, &v, &mut vec![0.0; rows + 1]).is_err());
        }
    }
}

#[test]
fn on_each_set_of_instructions() {
    common::with_each_set_of_instructions("on_each_set_of_instructions");
}
