//! Figure 18: antidistillation with a network. As in Figure 11, few terms of the Neumann series give smooth targets of large
//! norm, and many a spike.
//!
//! Cold: 5000 inner steps from w₀, then the series to K, which ends early where its terms begin to grow: 5000 steps do not
//! always suffice to get rid of negative curvature, and a thousand terms along it move u without bounds. What the paper calls
//! K terms is the series to K − 1; K = 0 is a single term. Alternating: T inner steps from the last w, unrolled.
//!
//! The outer step size is chosen anew for each run, as first hypergradients differ a hundredfold: the first step moves the
//! largest element of u by 0.1. It changes the time that a run takes, and hardly its way.

use crate::antidistillation::{self, Method, Run, Setting, Sweep};
use crate::experiment::{Context, Experiment, Output, Record};
use crate::plot::{Axis, Figure};
use crate::training::{Log, Session};
use blo::bilevel::{InnerSolve, Outcome, Progress, RunEnding, Runner, Settings, Start};
use blo::hypergradient::Unrolled;
use blo::problem::Problem;
use blo::problem::mlp::{Init, Mlp};
use blo::{Estimator, Rule};
use serde_json::json;
use std::error::Error;
use std::ops::ControlFlow;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig18",
    summary: "antidistillation with a network: cold starts with Neumann series, alternating descent with unrolling",
    trains: true,
    device: false,
    run,
};

/// The inner step size, which is that of the series, too.
const ALPHA: f64 = 0.01;
/// Inner steps of a cold start.
const COLD_STEPS: usize = 5000;
/// How far the first outer step moves u, in the largest norm.
const FIRST_MOVE: f64 = 0.1;
/// A run ends once F is below, and an alternating one once f is small, too.
const OUTER_LOSS: f64 = 1e-4;
const INNER_LOSS: f64 = 1e-2;
/// And in any case after so many outer steps.
const OUTER_STEPS: usize = 20_000;
/// Outer steps between two frames.
const FRAME_EVERY: usize = 5;
/// From the bottom of a frame's axis to its top.
const FRAME_HEIGHTS: (f64, f64) = (-1.0, 3.2);

/// A run's settings but for the outer step size.
fn settings(method: Method, beta: f64) -> Settings {
    let outer = Rule::descent(beta);
    match method {
        Method::Unrolled(k) => {
            let estimator = Estimator::Unrolled(Unrolled::descent(k + 1, ALPHA));
            Settings::new(Start::Warm, InnerSolve::descent(ALPHA, k + 1), estimator, outer)
        }
        method => {
            let estimator = method.estimator(ALPHA);
            Settings::new(Start::Cold, InnerSolve::descent(ALPHA, COLD_STEPS), estimator, outer)
        }
    }
}

/// The largest element of the first hypergradient, to size the outer step with.
fn first_slope(problem: &Mlp<f64>, method: Method, [u, w]: [&[f64]; 2]) -> Result<f64, Box<dyn Error>> {
    let mut settings = settings(method, 1.0);
    settings.outer_steps = 0;
    let mut runner = Runner::new(problem, settings, u, w)?;
    runner.run()?;
    Ok(runner.hypergradient().iter().fold(0.0, |largest: f64, g| largest.max(g.abs())))
}

/// A run and its outer step size.
fn train(
    context: &Context,
    setting: &Setting,
    problem: &Mlp<f64>,
    method: Method,
    w: &[f64],
) -> Result<(Run, f64), Box<dyn Error>> {
    let (name, sweep) = match method {
        Method::Unrolled(k) => (format!("unrolled-{}", k + 1), Sweep::Unrolled),
        method => (format!("K-{}", method.parameter().unwrap_or_default()), Sweep::Neumann),
    };
    let session = Session::new(context, EXPERIMENT.name, &name);
    let u = vec![0.0; setting.points.len()];
    let beta = FIRST_MOVE / first_slope(problem, method, [&u, w])?;
    let steps = context.options.steps.unwrap_or(OUTER_STEPS);
    let (mut last, mut done) = (None, false);
    let (mut at_work, mut gradient) = (problem.workspace(), w.to_vec());
    let visit = |at: &Progress<'_, Vec<f64>>, log: &mut Log| {
        if at.step == 0 {
            log.keep(0, "first", at.hypergradient.iter().copied());
        }
        if session.wants_frames() && at.step.is_multiple_of(FRAME_EVERY) {
            session.frame(at.step / FRAME_EVERY, &frame(setting, sweep, method, at)?)?;
        }
        last = Some((at.u.clone(), at.w.clone()));
        done = at.evaluation.outer_loss < OUTER_LOSS
            && (sweep == Sweep::Neumann || problem.inner(&mut at_work, at.u, at.w, &mut gradient)? < INNER_LOSS);
        Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let training = session.train(problem, settings(method, beta), [&u, w], steps, visit)?;
    let first_hypergradient = training.log.of("first").map(|(_, g)| g.to_vec()).next().unwrap_or_default();
    let (u, w) = last.unwrap_or((u, w.to_vec()));
    let mut outcome = training.outcome;
    if outcome.ending == RunEnding::Stopped {
        outcome.ending = if done { RunEnding::Converged } else { RunEnding::StepLimit };
    }
    Ok((Run { method, outcome, u, w, first_hypergradient }, beta))
}

/// The points and their fit, on axes that stay.
fn frame(
    setting: &Setting,
    sweep: Sweep,
    method: Method,
    at: &Progress<'_, Vec<f64>>,
) -> Result<Figure, Box<dyn Error>> {
    let run = Run { method, outcome: outcome(at), u: at.u.clone(), w: at.w.clone(), first_hypergradient: Vec::new() };
    let title = format!("Figure 18: {}, outer step {}", method.label(), at.step);
    let mut figure = antidistillation::figure(&title, setting, &[run], &[sweep])?;
    for row in &mut figure.rows {
        row.truncate(1);
        row.iter_mut().for_each(|panel| panel.y = Axis::within("u, net(x; w)", FRAME_HEIGHTS.0, FRAME_HEIGHTS.1));
    }
    Ok(figure)
}

/// That of a run which is not over.
fn outcome(at: &Progress<'_, Vec<f64>>) -> Outcome {
    Outcome {
        ending: RunEnding::StepLimit,
        steps: at.step,
        outer_loss: at.evaluation.outer_loss,
        norm_hypergradient: at.norm_hypergradient,
        inner_steps: 0,
        products: 0,
        doubtful_solves: 0,
        trace_rows: 0,
    }
}

fn row((run, beta): &(Run, f64)) -> Record {
    let mut record = run.record();
    record.insert("beta".into(), (*beta).into());
    record
}

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setting = Setting::network(ALPHA);
    let problem = setting.network_problem()?;
    let w = problem.model().initial(Init::LeCun, context.options.seed);
    let train_all = |methods: &[Method]| -> Result<Vec<(Run, f64)>, Box<dyn Error>> {
        methods.iter().map(|&method| train(context, &setting, &problem, method, &w)).collect()
    };
    let cold = train_all(&[0, 1, 10, 100, 1000].map(Method::Neumann))?;
    let alternating = train_all(&[0, 9, 99].map(Method::Unrolled))?;
    let rows = cold.iter().chain(&alternating).map(row).collect();
    let title = "Figure 18: antidistillation with a network of 141 parameters";
    let runs = |pairs: Vec<(Run, f64)>| pairs.into_iter().map(|(run, _)| run).collect::<Vec<_>>();
    let (cold, alternating) = (runs(cold), runs(alternating));
    let mut figure = antidistillation::figure(title, &setting, &cold, &[Sweep::Neumann])?;
    let below = antidistillation::figure(title, &setting, &alternating, &[Sweep::Unrolled])?;
    figure.rows.extend(below.rows);
    let settings = [
        ("model", json!([1, 10, 10, 1])),
        ("activation", "relu".into()),
        ("init", "lecun".into()),
        ("points", json!(setting.points)),
        ("original", json!(setting.original)),
        ("alpha", ALPHA.into()),
        ("cold_steps", COLD_STEPS.into()),
        ("first_move", FIRST_MOVE.into()),
        ("outer_loss_below", OUTER_LOSS.into()),
        ("inner_loss_below", INNER_LOSS.into()),
        ("scalar", "f64".into()),
        ("seed", context.options.seed.into()),
    ];
    Ok(Output {
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        rows,
        notes: cold.iter().chain(&alternating).filter_map(Run::note).collect(),
        figure,
    })
}
