//! Outer gradient descent for each method, and its row.

use super::{Basis, Method, Setting};
use crate::experiment::{Context, Output, Record};
use crate::plot::Figure;
use blo::Rule;
use blo::bilevel::{InnerSolve, Outcome, Progress, RunEnding, Runner, Settings, Start};
use blo::problem::Problem;
use blo::problem::fourier::Amplitude;
use blo::solve::Flat;
use serde_json::json;
use std::error::Error;
use std::ops::ControlFlow;

/// The outer step size.
const BETA: f64 = 1e-2;
/// A run ends once the hypergradient is this much smaller than the first one.
const OUTER_TOLERANCE: f64 = 5e-11;
/// And in any case after so many steps.
pub const OUTER_STEPS: usize = 2_000_000;
/// The outer steps between two looks at the clock.
const TICK: usize = 64;

/// Where a method went.
pub struct Run {
    /// Which.
    pub method: Method,
    /// How it ended.
    pub outcome: Outcome,
    /// The learned targets.
    pub u: Vec<f64>,
    /// The regressor fitted to them.
    pub w: Vec<f64>,
    /// The first hypergradient, at u = 0.
    pub first_hypergradient: Vec<f64>,
}

impl Run {
    /// ‖u‖.
    pub fn norm_u(&self) -> f64 {
        norm(&self.u)
    }

    /// ‖w‖.
    pub fn norm_w(&self) -> f64 {
        norm(&self.w)
    }

    /// The row of this run.
    pub fn record(&self) -> Record {
        let mut record = self.method.record();
        record.insert("norm_u".into(), self.norm_u().into());
        record.insert("norm_w".into(), self.norm_w().into());
        record.insert("outer_loss".into(), self.outcome.outer_loss.into());
        record.insert("outer_steps".into(), self.outcome.steps.into());
        record.insert("computed_by".into(), self.method.computed_by().into());
        record.insert("u".into(), self.u.clone().into());
        record
    }

    /// What is to be said if the run is not what it should be.
    pub fn note(&self) -> Option<String> {
        let mut faults = Vec::new();
        if self.outcome.ending != RunEnding::Converged {
            faults.push(format!("did not converge ({:?} after {} steps)", self.outcome.ending, self.outcome.steps));
        }
        if self.outcome.doubtful_solves > 0 {
            faults.push(format!("had {} doubtful solves", self.outcome.doubtful_solves));
        }
        (!faults.is_empty()).then(|| format!("{} {}", self.method.label(), faults.join(" and ")))
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Runs all methods, one after the other.
pub fn run_all(setting: &Setting, methods: &[Method], context: &Context) -> Result<Vec<Run>, Box<dyn Error>> {
    #[cfg(feature = "cuda")]
    if let Some(device) = context.options.device.open()? {
        return run_each(setting, &setting.problem_on(&device)?, methods, context);
    }
    run_each(setting, &setting.problem()?, methods, context)
}

fn run_each<P: Problem<f64, Points = Flat>>(
    setting: &Setting,
    problem: &P,
    methods: &[Method],
    context: &Context,
) -> Result<Vec<Run>, Box<dyn Error>> {
    let most = context.options.steps.unwrap_or(OUTER_STEPS);
    let runs = methods.iter().enumerate().map(|(i, &method)| {
        run(setting, problem, method, most, |at| {
            if at.step.is_multiple_of(TICK) {
                context.progress.tick(|| progress_line(method, i + 1, methods.len(), at));
            }
        })
    });
    runs.collect()
}

fn progress_line(method: Method, number: usize, of: usize, at: &Progress<'_, Vec<f64>>) -> String {
    format!("{number} of {of}, {}, outer step {}, outer loss {:.1e}", method.label(), at.step, at.evaluation.outer_loss)
}

/// Runs one method from u = 0, always from w₀ = 0, for so many outer steps at most. `watch` sees each outer step.
pub fn run<P: Problem<f64, Points = Flat>>(
    setting: &Setting,
    problem: &P,
    method: Method,
    outer_steps: usize,
    mut watch: impl FnMut(&Progress<'_, Vec<f64>>),
) -> Result<Run, Box<dyn Error>> {
    let estimator = method.estimator(setting.alpha);
    let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, estimator, Rule::descent(BETA));
    settings.outer_tolerance = OUTER_TOLERANCE;
    settings.outer_steps = outer_steps;
    let (u, w) = (vec![0.0; setting.points.len()], vec![0.0; setting.basis.features()]);
    let mut runner = Runner::new(problem, settings, &u, &w)?;
    let mut first_hypergradient = Vec::new();
    let outcome = runner.run_with(0, &mut [], |at| {
        if at.step == 0 {
            first_hypergradient.clone_from(at.hypergradient);
        }
        watch(at);
        ControlFlow::Continue(())
    })?;
    Ok(Run { method, outcome, u: runner.u().clone(), w: runner.w().clone(), first_hypergradient })
}

/// Every number that the runs depend on.
fn settings(setting: &Setting, context: &Context) -> Record {
    let mut settings = Record::new();
    match setting.basis {
        Basis::Fourier { order, amplitude } => {
            let amplitude = match amplitude {
                Amplitude::Exponential => "exponential",
                Amplitude::Harmonic => "harmonic",
            };
            settings.insert("basis".into(), "fourier".into());
            settings.insert("amplitude".into(), amplitude.into());
            settings.insert("order".into(), order.into());
        }
        Basis::Line => {
            settings.insert("basis".into(), "line".into());
        }
        Basis::Network => {
            settings.insert("basis".into(), "network".into());
        }
    }
    settings.insert("points".into(), json!(setting.points));
    settings.insert("original".into(), json!(setting.original));
    settings.insert("alpha".into(), setting.alpha.into());
    settings.insert("beta".into(), BETA.into());
    settings.insert("outer_tolerance".into(), OUTER_TOLERANCE.into());
    settings.insert("outer_steps".into(), context.options.steps.unwrap_or(OUTER_STEPS).into());
    settings.insert("seed".into(), context.options.seed.into());
    settings
}

/// The rows of the runs, with notes.
pub fn output(setting: &Setting, context: &Context, runs: &[Run], figure: Figure) -> Output {
    Output {
        settings: settings(setting, context),
        rows: runs.iter().map(Run::record).collect(),
        notes: runs.iter().filter_map(Run::note).collect(),
        figure,
    }
}
