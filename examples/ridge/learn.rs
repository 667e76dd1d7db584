//! The ways to choose the penalties, and the errors they end with.

use crate::parts::Parts;
use blo::bilevel::{InnerSolve, Progress, RunEnding, Runner, Settings, Start};
use blo::problem::{Examples, L2, LeastSquares, Problem, Reduction};
use blo::solve::Spectral;
use blo::{Error, Inverse, Result, Rule};
use std::ops::ControlFlow;
use std::time::Instant;

/// The scalar penalties of the grid, evenly spaced in their logarithm.
pub const GRID_POINTS: usize = 50;
/// The smallest and the largest.
pub const GRID: (f64, f64) = (1e-3, 1e3);

/// The outer step of Adam, in the logarithm of a penalty.
const OUTER_STEP: f64 = 0.1;
/// Adam's epsilon, for a loss of about ½ (the target has unit variance). It bounds the step size by `OUTER_STEP /
/// EPSILON` where the hypergradient vanishes. With the usual 1e-8 the steps there become unstable: they amplify
/// rounding errors until cold and warm starts part.
const EPSILON: f64 = 1e-4;
const OUTER_STEPS: usize = 2000;
/// Relative to the hypergradient at the best scalar.
const OUTER_TOLERANCE: f64 = 1e-3;
/// A u counts as better if the validation loss is lower by this share. Above rounding, so that cold and warm starts
/// keep the u of the same step.
const BETTER: f64 = 1e-9;
/// A run stops before the Hessian's smallest eigenvalue falls to this share of its largest one.
const CONDITION: f64 = 1e-9;

/// The outer steps that are made once more with gradient descent inside.
const DESCENT_OUTER_STEPS: usize = 40;
/// Relative to the largest inner gradient.
const DESCENT_TOLERANCE: f64 = 1e-11;
/// Floating point operations that are worth it.
const DESCENT_BUDGET: f64 = 4e10;

/// Mean squared errors, in squared units of the target.
#[derive(Debug, Clone, Copy)]
pub struct Errors {
    pub validation: f64,
    pub test: f64,
}

impl Errors {
    /// Of a regression with these weights.
    pub fn of(parts: &Parts, w: &[f64]) -> Errors {
        let unit = parts.target_scale.powi(2);
        Errors {
            validation: unit * mean_squared_error(&parts.validation, w),
            test: unit * mean_squared_error(&parts.test, w),
        }
    }
}

fn mean_squared_error(examples: &Examples<f64>, w: &[f64]) -> f64 {
    let rows = examples.design.chunks_exact(examples.features);
    let squared = |(row, target): (&[f64], &f64)| {
        let prediction: f64 = row.iter().zip(w).map(|(x, w)| x * w).sum();
        (prediction - target).powi(2)
    };
    rows.zip(&examples.targets).map(squared).sum::<f64>() / examples.targets.len() as f64
}

/// Weights, and the logarithms of the penalties that they come from.
#[derive(Debug)]
pub struct Fit {
    pub log_penalties: Vec<f64>,
    pub errors: Errors,
    pub seconds: f64,
}

/// Least squares without a penalty; of all its solutions the one of minimum norm.
pub fn without_penalty(parts: &Parts) -> Result<Fit> {
    let clock = Instant::now();
    let problem = LeastSquares::targets(parts.train.clone(), parts.validation.clone(), Reduction::Mean)?;
    let mut w = vec![0.0; parts.train.features];
    problem.fixpoint(&mut problem.workspace(), &parts.train.targets, &mut w)?;
    Ok(Fit { log_penalties: Vec::new(), errors: Errors::of(parts, &w), seconds: clock.elapsed().as_secs_f64() })
}

/// The scalar penalty of the grid with the smallest validation error.
pub fn best_of_grid(parts: &Parts) -> Result<Fit> {
    let clock = Instant::now();
    let problem = problem(L2::Scalar, parts)?;
    let mut workspace = problem.workspace();
    let (low, high) = (GRID.0.ln(), GRID.1.ln());
    let mut best: Option<Fit> = None;
    for i in 0..GRID_POINTS {
        let u = vec![low + (high - low) * i as f64 / (GRID_POINTS - 1) as f64];
        let mut w = vec![0.0; parts.train.features];
        problem.fixpoint(&mut workspace, &u, &mut w)?;
        let errors = Errors::of(parts, &w);
        if best.as_ref().is_none_or(|best| errors.validation < best.errors.validation) {
            best = Some(Fit { log_penalties: u, errors, seconds: 0.0 });
        }
    }
    let best = best.ok_or(Error::Unsupported { operation: "grid", reason: "it has no points" })?;
    Ok(Fit { seconds: clock.elapsed().as_secs_f64(), ..best })
}

/// The inner problem is the regression on the training part, the outer one its loss on the validation part.
pub fn problem(l2: L2, parts: &Parts) -> Result<LeastSquares<f64>> {
    LeastSquares::log_l2(l2, parts.train.clone(), parts.validation.clone(), Reduction::Mean)
}

/// What a run of the bilevel loop ended with.
#[derive(Debug)]
pub struct Learned {
    pub fit: Fit,
    pub ending: RunEnding,
    pub outer_steps: usize,
    /// The outer step at which the penalties kept were seen.
    pub best_step: usize,
    /// The smallest and the largest logarithm of a penalty up to outer step [`DESCENT_OUTER_STEPS`].
    early_range: (f64, f64),
}

/// The best point of a run so far.
struct Best {
    loss: f64,
    step: usize,
    u: Vec<f64>,
    w: Vec<f64>,
}

/// Learns the penalties from here with exact hypergradients and exact inner solutions.
pub fn learn(problem: &LeastSquares<f64>, parts: &Parts, start: Start, u: &[f64]) -> Result<Learned> {
    let clock = Instant::now();
    let gram = extremes(problem)?;
    let mut best: Option<Best> = None;
    let mut early_range = (f64::INFINITY, f64::NEG_INFINITY);
    let mut runner = runner(problem, start, InnerSolve::Fixpoint, u, OUTER_STEPS)?;
    let outcome = runner.run_with(0, &mut [], |progress| {
        keep_best(&mut best, progress);
        let range = range(progress.u);
        if progress.step <= DESCENT_OUTER_STEPS {
            early_range = (early_range.0.min(range.0), early_range.1.max(range.1));
        }
        let (least, most) = curvature(gram, range);
        if least > CONDITION * most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let reason = "the validation loss or its gradient overflows; are there outliers in the table?";
    let best = best.ok_or(Error::Unsupported { operation: "learning the penalties", reason })?;
    let errors = Errors::of(parts, &best.w);
    Ok(Learned {
        fit: Fit { log_penalties: best.u, errors, seconds: clock.elapsed().as_secs_f64() },
        ending: outcome.ending,
        outer_steps: outcome.steps,
        best_step: best.step,
        early_range,
    })
}

fn runner<'a>(
    problem: &'a LeastSquares<f64>,
    start: Start,
    inner: InnerSolve,
    u: &[f64],
    outer_steps: usize,
) -> Result<Runner<f64, &'a LeastSquares<f64>>> {
    let exact = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };
    let rule = Rule::Adam { step: OUTER_STEP, beta1: 0.9, beta2: 0.999, epsilon: EPSILON };
    let mut settings = Settings::new(start, inner, exact, rule);
    settings.outer_steps = outer_steps;
    settings.outer_tolerance = OUTER_TOLERANCE;
    let w = vec![0.0; problem.gram_spectrum()?.values().len()];
    Runner::new(problem, settings, u, &w)
}

fn keep_best(best: &mut Option<Best>, progress: &Progress<'_, Vec<f64>>) {
    let loss = progress.evaluation.outer_loss;
    if best.as_ref().is_none_or(|best| loss < best.loss * (1.0 - BETTER)) {
        *best = Some(Best { loss, step: progress.step, u: progress.u.clone(), w: progress.w.clone() });
    }
}

/// The smallest and the largest element.
fn range(u: &[f64]) -> (f64, f64) {
    u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), u| (low.min(*u), high.max(*u)))
}

/// The smallest and the largest eigenvalue of the Hessian without penalty.
fn extremes(problem: &LeastSquares<f64>) -> Result<(f64, f64)> {
    let values = problem.gram_spectrum()?.values();
    let least = values.first().map_or(0.0, |value| value.max(0.0));
    Ok((least, values.last().map_or(0.0, |value| value.max(0.0))))
}

/// Bounds of the Hessian's eigenvalues for log penalties in this range.
fn curvature(gram: (f64, f64), log_penalties: (f64, f64)) -> (f64, f64) {
    (gram.0 + log_penalties.0.exp(), gram.1 + log_penalties.1.exp())
}

/// Gradient descent inside, from 0 at each outer step (cold) or from the weights of the last one (warm).
#[derive(Debug)]
pub struct Descent {
    pub outer_steps: usize,
    pub cold_inner_steps: usize,
    pub warm_inner_steps: usize,
    pub u_difference: f64,
    pub seconds: f64,
}

/// Makes the first outer steps of a run again, with gradient descent inside; `None` if that would take too long.
pub fn descend(problem: &LeastSquares<f64>, parts: &Parts, u: &[f64], exact: &Learned) -> Result<Option<Descent>> {
    let (least, most) = curvature(extremes(problem)?, exact.early_range);
    let outer_steps = exact.outer_steps.min(DESCENT_OUTER_STEPS);
    let steps = -DESCENT_TOLERANCE.ln() * most / least;
    let work = 4.0 * parts.train.design.len() as f64 * steps * 2.0 * (outer_steps + 1) as f64;
    if work > DESCENT_BUDGET || !work.is_finite() {
        return Ok(None);
    }
    let clock = Instant::now();
    let inner = InnerSolve::Optimizer {
        rule: Rule::descent(1.0 / most),
        steps: 2 * steps.ceil() as usize,
        tolerance: DESCENT_TOLERANCE,
    };
    let run = |start| -> Result<_> {
        let mut runner = runner(problem, start, inner, u, outer_steps)?;
        let outcome = runner.run()?;
        Ok((runner.u().clone(), outcome))
    };
    let (cold_u, cold) = run(Start::Cold)?;
    let (warm_u, warm) = run(Start::Warm)?;
    Ok(Some(Descent {
        outer_steps: cold.steps,
        cold_inner_steps: cold.inner_steps,
        warm_inner_steps: warm.inner_steps,
        u_difference: largest_difference(&cold_u, &warm_u),
        seconds: clock.elapsed().as_secs_f64(),
    }))
}

/// max |aᵢ − bᵢ|.
pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
