//! A published run: one L2 penalty for each feature of a logistic regression, from hypertorch's example notebook
//! (github.com/prolearner/hypertorch, examples/logistic_regression.ipynb, whose output is in float32).
//!
//! The data come from NumPy's legacy generator with the seed 1, which is fixed for ever; `Legacy` is that generator, so
//! that nothing has to be kept. In NumPy:
//!
//! ```text
//! r = numpy.random.RandomState(1)
//! w = r.randn(20); X = r.randn(1000, 20); y = X @ w + 0.1 * r.randn(1000) > 0; order = r.permutation(1000)
//! ```
//!
//! The first 500 of the order are for validation, the others for training.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::approx_constant)]

mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::hypergradient::{Unrolled, Workspace, evaluate};
use blo::problem::{Examples, L2, Loss, Problem, Reduction, Regression};
use blo::solve::Spectral;
use blo::{Estimator, Inverse, Rule};
use common::{distance, dot, norm};
use std::ops::ControlFlow;

const FEATURES: usize = 20;
const STEPS: usize = 100;

/// The Mersenne twister MT19937 (Matsumoto and Nishimura, 1998), and normals and permutations as NumPy's `RandomState`
/// makes them of it.
struct Legacy {
    state: [u32; 624],
    next: usize,
    spare: Option<f64>,
}

impl Legacy {
    fn new(seed: u32) -> Legacy {
        let mut state = [seed; 624];
        for i in 1..624 {
            let last = state[i - 1];
            state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Legacy { state, next: 624, spare: None }
    }

    fn bits(&mut self) -> u32 {
        if self.next == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ if y & 1 == 1 { 0x9908_b0df } else { 0 };
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// Uniform in [0, 1), with 53 bits.
    fn uniform(&mut self) -> f64 {
        let (a, b) = (self.bits() >> 5, self.bits() >> 6);
        (f64::from(a) * 67_108_864.0 + f64::from(b)) / 9_007_199_254_740_992.0
    }

    /// Marsaglia's polar method; the second of a pair comes out first.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(factor * x);
                return factor * y;
            }
        }
    }

    fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }

    /// Fisher and Yates's shuffle of 0..n, drawing by rejection.
    fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            let mask = (i + 1).next_power_of_two() as u32 - 1;
            let j = loop {
                let draw = (self.bits() & mask) as usize;
                if draw <= i {
                    break draw;
                }
            };
            order.swap(i, j);
        }
        order
    }
}

fn problem() -> Regression<f64> {
    let mut r = Legacy::new(1);
    let (w, x) = (r.normals(FEATURES), r.normals(1000 * FEATURES));
    assert!(distance(&w[..2], &[1.62434536, -0.61175641]) < 1e-8 && (x[0] + 1.10061918).abs() < 1e-8);
    let rows: Vec<&[f64]> = x.chunks_exact(FEATURES).collect();
    let y: Vec<f64> = rows.iter().map(|x| f64::from(dot(x, &w) + 0.1 * r.normal() > 0.0)).collect();
    let order = r.permutation(1000);
    assert_eq!(order[..5], [648, 134, 667, 844, 149]);
    let examples = |order: &[usize]| Examples {
        design: order.iter().flat_map(|&i| rows[i].to_vec()).collect(),
        features: FEATURES,
        targets: order.iter().map(|&i| y[i]).collect(),
    };
    let (validation, training) = order.split_at(500);
    Regression::raw_l2(Loss::Logistic, L2::PerFeature, examples(training), examples(validation), Reduction::Mean)
        .unwrap()
}

/// Gradient descent from 0, and the inner losses on the way.
fn descend(problem: &Regression<f64>, h: &Vec<f64>) -> (Vec<f64>, Vec<f64>) {
    let (mut at, mut w, mut g) = (problem.workspace(), vec![0.0; FEATURES], vec![0.0; FEATURES]);
    let mut losses = Vec::new();
    for _ in 0..STEPS {
        losses.push(problem.inner(&mut at, h, &w, &mut g).unwrap());
        w.iter_mut().zip(&g).for_each(|(w, g)| *w -= 0.1 * g);
    }
    (w, losses)
}

fn truncated(last: usize) -> Estimator {
    Estimator::Unrolled(Unrolled { last: Some(last), ..Unrolled::descent(STEPS, 0.1) })
}

#[test]
fn inner_losses() {
    let (_, losses) = descend(&problem(), &vec![1.0; FEATURES]);
    for (step, published, measured) in [
        (0, 0.69314724, 0.6931471806),
        (10, 0.62855911, 0.6285591139),
        (20, 0.62439060, 0.6243904373),
        (50, 0.62409008, 0.6240900367),
        (99, 0.62408984, 0.6240899340),
    ] {
        assert!((losses[step] - published).abs() < 1e-6, "step {step}: {}", losses[step]);
        assert!((losses[step] - measured).abs() < 1e-10, "step {step}: {}", losses[step]);
    }
}

/// Cold starts, reverse mode through the last 10 of 100 steps, momentum as in PyTorch, and a projection to h ≥ 1e-8: the
/// library's own loop.
#[test]
fn outer_losses() {
    let problem = problem();
    let inner = InnerSolve::descent(0.1, STEPS);
    let mut settings = Settings::new(Start::Cold, inner, truncated(10), Rule::momentum(1.0, 0.9));
    (settings.outer_steps, settings.bounds) = (480, Some((1e-8, f64::INFINITY)));
    let mut losses = Vec::new();
    Runner::new(&problem, settings, &[1.0; FEATURES], &[0.0; FEATURES])
        .unwrap()
        .run_with(0, &mut [], |progress| {
            losses.push(progress.evaluation.outer_loss);
            ControlFlow::Continue(())
        })
        .unwrap();
    for (step, published, measured) in [
        (0, 0.5743990, 0.5743989632),
        (10, 0.5337679, 0.5337679260),
        (20, 0.3615219, 0.3615219089),
        (50, 0.2944670, 0.2944669362),
        (100, 0.2853544, 0.2853543589),
        (200, 0.2816700, 0.2816699687),
        (300, 0.2813564, 0.2813562956),
        (400, 0.2808988, 0.2808988078),
        (480, 0.2808096, 0.2808096163),
    ] {
        assert!((losses[step] - published).abs() < 1e-6, "step {step}: {}", losses[step]);
        assert!((losses[step] - measured).abs() < 1e-10, "step {step}: {}", losses[step]);
    }
}

/// The exact hypergradient at w₁₀₀ for h = 1, and what truncation costs.
#[test]
fn hypergradients() {
    let problem = problem();
    let (h, zero) = (vec![1.0; FEATURES], vec![0.0; FEATURES]);
    let (w, _) = descend(&problem, &h);
    let mut workspace = Workspace::new(&problem);
    for by in [Spectral::Dense, Spectral::LANCZOS] {
        let exact = Inverse::MinNorm { cutoff: None, by };
        evaluate(&problem, &exact.into(), &h, &w, &mut workspace).unwrap();
        assert!(distance(&workspace.gradient()[..3], &[0.0086594, 0.00151014, 0.00079047]) < 1e-7);
    }
    let exact: Vec<f64> = workspace.gradient().clone();
    for (last, error) in
        [(1, "8.76e-1"), (5, "5.16e-1"), (10, "2.67e-1"), (20, "7.16e-2"), (50, "1.46e-3"), (100, "2.96e-5")]
    {
        evaluate(&problem, &truncated(last), &h, &zero, &mut workspace).unwrap();
        let found = distance(workspace.gradient(), &exact) / norm(&exact);
        assert_eq!(format!("{found:.2e}"), error, "the last {last} steps");
    }
}
