//! Figure 2: what a learned pair of points is worth, by how the inner problem is solved.
//!
//! Many classifiers are right on two points. The optimistic one of them is the best on the data, the pessimistic one the
//! worst; a cold start gives the points one and the same solution whenever it is asked, and a warm start one that remembers
//! where they have been. The classifier is linear in 200 random Fourier features.

use crate::experiment::{Context, Experiment, Output, Record};
use crate::networks::{CLASSES, Featured, Features, Plane, ROW, Snapshot, accuracy, argmax, loss_panel, rows};
use crate::plot::{Color, Entry, Figure, Panel, Shape, Stroke};
use crate::random::Random;
use crate::training::{Log, Session};
use blo::analysis::retraining_gap;
use blo::bilevel::{InnerSolve, Progress, Settings, Start};
use blo::hypergradient::Unrolled;
use blo::optimize::State;
use blo::problem::mlp::{Activation, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, one_hot};
use blo::solve::Space;
use blo::{Estimator, Rule};
use serde_json::json;
use std::error::Error;
use std::ops::ControlFlow;

/// The entry of the list.
pub const EXPERIMENT: Experiment = Experiment {
    name: "fig02",
    summary: "two learned points: optimistic, pessimistic, cold-start and warm-start solutions",
    trains: true,
    device: false,
    run,
};

/// Points that are drawn in the square, and how near to the border none is kept.
const DRAWN: usize = 200;
const SQUARE: f64 = 3.0;
const GAP: f64 = 0.25;
const FEATURES: usize = 200;
/// Where the learned points start: one below the border, one above.
const START: [f64; 4] = [0.0, -1.5, 0.0, 1.5];
/// Adam on w, for the best and for the worst solution.
const EXTREME: (f64, usize) = (0.05, 3000);
/// Inner step size and T, outer step size of Adam and steps.
const COLD: (f64, usize, f64, usize) = (1.0, 500, 0.03, 300);
const WARM: (f64, usize, f64, usize) = (0.5, 1, 0.02, 8000);
/// Without momentum: with it the warm start stops at a straight border.
const WARM_BETAS: (f64, f64) = (0.0, 0.99);
/// Training anew, with the warm start's inner step size.
const RETRAINING_STEPS: usize = 10_000;
/// The rows of a run, about; frames of the warm start are so many steps apart, and those of the cold one.
const ROWS: usize = 160;
const FRAME_EVERY: [(Start, usize); 2] = [(Start::Warm, 50), (Start::Cold, 5)];
const PATH_EVERY: usize = 5;
const PLANE: Plane = Plane { half: 5.0, cells: 160 };
const ROW_HEIGHT: u32 = 565;
/// The width of a panel with a legend, in those of one without.
const WITH_LEGEND: f64 = 1.34;

/// A step's u, and the share of the learned points that are classified as they should be.
const POINTS: &str = "points";
const RIGHT: &str = "right";

/// The border between the classes.
fn border(x: f64) -> f64 {
    1.5 * (1.5 * x).sin()
}

/// What all solutions are about.
struct Setup {
    features: Features,
    design: Vec<f64>,
    labels: Vec<usize>,
}

impl Setup {
    fn new(seed: u64) -> Setup {
        let mut random = Random::new(seed);
        let (mut design, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..DRAWN {
            let [x, y] = [(); 2].map(|()| SQUARE * (2.0 * random.uniform() - 1.0));
            if (y - border(x)).abs() > GAP {
                design.extend([x, y]);
                labels.push(usize::from(y > border(x)));
            }
        }
        Setup { features: Features::new(FEATURES, &mut random), design, labels }
    }

    /// The problem with these labels of the data.
    fn problem(&self, labels: &[usize]) -> blo::Result<Featured<'_>> {
        let mut design = vec![0.0; labels.len() * FEATURES];
        self.features.map(&self.design, &mut design);
        let model = Model::new(&[FEATURES, 2], Activation::Identity, Loss::CrossEntropy)?;
        let inner = Examples { design: Vec::new(), features: FEATURES, targets: one_hot(&[0, 1], 2)? };
        let outer = Examples { design, features: FEATURES, targets: one_hot(labels, 2)? };
        let linear = Mlp::new(model, OuterParameters::Inputs, inner, outer, Reduction::Mean, 0.0)?;
        Ok(Featured::new(&self.features, linear))
    }

    fn data(&self) -> Vec<Vec<(f64, f64)>> {
        let of = |class| move |(x, &label): (&[f64], &usize)| (label == class).then_some((x[0], x[1]));
        [0, 1].map(|class| self.design.chunks_exact(2).zip(&self.labels).filter_map(of(class)).collect()).into()
    }
}

/// Judges solutions.
struct Judge<'a> {
    setup: &'a Setup,
    problem: &'a Featured<'a>,
    workspace: <Featured<'a> as Problem<f64>>::Workspace,
    gradient: Vec<f64>,
}

impl Judge<'_> {
    /// Keeps [F, accuracy, f], and how the learned points do.
    fn row(&mut self, step: usize, u: &Vec<f64>, w: &Vec<f64>, outer_loss: f64, log: &mut Log) -> blo::Result<()> {
        let inner_loss = self.problem.inner(&mut self.workspace, u, w, &mut self.gradient)?;
        let accuracy_on =
            |x: &[f64], labels: &[usize]| Ok::<_, blo::Error>(accuracy(&self.problem.predict(w, x)?, labels));
        log.keep(step, ROW, [outer_loss, accuracy_on(&self.setup.design, &self.setup.labels)?, inner_loss]);
        log.keep(step, RIGHT, [accuracy_on(u, &[0, 1])?]);
        Ok(())
    }
}

/// A solution with what led to it.
struct Solution {
    name: &'static str,
    title: &'static str,
    color: Color,
    log: Log,
    u: Vec<f64>,
    w: Vec<f64>,
}

/// The history of u and w, and where they end.
type Learned = (Log, Vec<f64>, Vec<f64>);

/// The best or the worst w for u = START, nearly: Adam on f and F with the labels of `target`, which are flipped for the worst,
/// as F itself is not bounded above.
fn extreme(judge: &mut Judge<'_>, target: &Featured<'_>, steps: usize) -> Result<(Log, Vec<f64>), Box<dyn Error>> {
    let (rule, space, u) = (Rule::adam(EXTREME.0), target.inner_space(), START.to_vec());
    let mut log = Log::new(None, "")?;
    log.keep(0, POINTS, START);
    let mut state: State<Vec<f64>> = State::new(&rule, space);
    let mut workspace = target.workspace();
    let (mut own, mut direct, mut gradient) = (space.zeros(), vec![0.0; u.len()], space.zeros());
    for step in 0..=steps {
        judge.problem.inner(&mut workspace, &u, &state.x, &mut own)?;
        if step.is_multiple_of(EXTREME.1 / ROWS) || step == steps {
            let outer_loss = judge.problem.outer(&mut workspace, &u, &state.x, &mut direct, &mut gradient)?;
            judge.row(step, &u, &state.x, outer_loss, &mut log)?;
        }
        if step < steps {
            target.outer(&mut workspace, &u, &state.x, &mut direct, &mut gradient)?;
            gradient.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own);
            state.step(&rule, space, &gradient);
        }
    }
    Ok((log, state.x))
}

/// A cold or a warm start.
fn learn(context: &Context, judge: &mut Judge<'_>, start: Start, steps: usize) -> Result<Learned, Box<dyn Error>> {
    let (name, (alpha, inner_steps, beta, most)) = match start {
        Start::Cold => ("cold", COLD),
        Start::Warm => ("warm", WARM),
    };
    let outer = match (start, Rule::adam(beta)) {
        (Start::Warm, Rule::Adam { step, epsilon, .. }) => {
            Rule::Adam { step, beta1: WARM_BETAS.0, beta2: WARM_BETAS.1, epsilon }
        }
        (_, rule) => rule,
    };
    let session = Session::new(context, EXPERIMENT.name, name);
    let inner = InnerSolve::descent(alpha, inner_steps);
    let settings = Settings::new(start, inner, Estimator::Unrolled(Unrolled::descent(inner_steps, alpha)), outer);
    let (problem, w) = (judge.problem, judge.problem.inner_space().zeros());
    let frame_every = FRAME_EVERY.iter().find(|(of, _)| *of == start).map_or(1, |(_, every)| *every);
    let visit = |at: &Progress<'_, Vec<f64>>, log: &mut Log| {
        if at.step.is_multiple_of(PATH_EVERY) || at.step == steps {
            log.keep(at.step, POINTS, at.u.iter().copied());
        }
        if at.step.is_multiple_of((most / ROWS).max(1)) || at.step == steps {
            judge.row(at.step, at.u, at.w, at.evaluation.outer_loss, log)?;
        }
        if at.step == steps {
            log.keep(at.step, "w", at.w.iter().copied());
        }
        if session.wants_frames() && at.step.is_multiple_of(frame_every) {
            let plane = Plane { cells: 100, ..PLANE };
            let panel =
                panel(judge.setup, problem, plane, format!("outer step {}", at.step), Ways::Kept(log), at.w, true)?;
            let course = course("outer loss", Color::BLUE, log);
            let figure = Figure {
                title: format!("Figure 2: {name} start"),
                row_height: 850,
                rows: vec![vec![panel, loss_panel("Outer loss", vec![course], steps, 1.0)]],
            };
            session.frame(at.step / frame_every, &figure)?;
        }
        Ok(ControlFlow::Continue(()))
    };
    let training = session.train(problem, settings, [&START, &w], steps, visit)?;
    let w = training.log.of("w").last().map_or(training.w, |(_, w)| w.to_vec());
    Ok((training.log, training.u, w))
}

/// Where learned points come from.
enum Ways<'a> {
    /// As far as a log has them.
    Kept(&'a Log),
    /// Here they are, and nothing is known of their ways.
    Ends(&'a [f64]),
}

/// The plane as w divides it, with the ways of the learned points.
fn panel(
    setup: &Setup,
    problem: &Featured<'_>,
    plane: Plane,
    title: String,
    ways: Ways<'_>,
    w: &[f64],
    legend: bool,
) -> blo::Result<Panel> {
    let outputs = problem.predict(w, &plane.points::<f64>())?;
    let runs = plane.runs(outputs.chunks_exact(2).map(argmax));
    let mut paths: Vec<(Vec<(f64, f64)>, usize)> = vec![(Vec::new(), 0), (Vec::new(), 1)];
    let mut extend = |u: &[f64]| {
        paths.iter_mut().zip(u.chunks_exact(2)).for_each(|((path, _), x)| path.push((x[0], x[1])));
    };
    match ways {
        Ways::Kept(log) => log.of(POINTS).for_each(|(_, u)| extend(u)),
        Ways::Ends(u) => extend(u),
    }
    let data = setup.data();
    let colors = CLASSES.map(|color| color.toward(Color::INK, 0.3));
    let weight = if legend { WITH_LEGEND } else { 1.0 };
    Ok(Snapshot { plane, runs: &runs, data: &data, paths }.panel(title, &colors, legend, weight))
}

fn course(label: &str, color: Color, log: &Log) -> (Entry, Vec<(f64, f64)>) {
    let points = log.of(ROW).map(|(step, values)| (step as f64, values[0])).collect();
    (Entry { label: label.into(), stroke: Some(Stroke::solid(color)), mark: None }, points)
}

fn run(context: &Context) -> Result<Output, Box<dyn Error>> {
    let setup = Setup::new(context.options.seed);
    let problem = setup.problem(&setup.labels)?;
    let flipped = setup.problem(&setup.labels.iter().map(|label| 1 - label).collect::<Vec<_>>())?;
    let gradient = problem.inner_space().zeros();
    let mut judge = Judge { setup: &setup, problem: &problem, workspace: problem.workspace(), gradient };
    let steps = context.options.steps.unwrap_or(WARM.3);
    let mut solutions = Vec::new();
    for (name, title, color, target) in
        [("optimistic", "Optimistic", Color::GREEN, &problem), ("pessimistic", "Pessimistic", Color::PURPLE, &flipped)]
    {
        let (log, w) = extreme(&mut judge, target, steps.min(EXTREME.1))?;
        solutions.push(Solution { name, title, color, log, u: START.to_vec(), w });
    }
    for (name, title, color, start, steps) in [
        ("cold", "Cold start", Color::INK, Start::Cold, steps.min(COLD.3)),
        ("warm", "Warm start", Color::BLUE, Start::Warm, steps),
    ] {
        let (log, u, w) = learn(context, &mut judge, start, steps)?;
        solutions.push(Solution { name, title, color, log, u, w });
    }
    if let Some(warm) = solutions.last() {
        let inner = InnerSolve::descent(WARM.0, RETRAINING_STEPS);
        let anew = retraining_gap(&problem, &inner, &problem.inner_space().zeros(), &warm.u, &warm.w)?;
        let (mut log, u, w) = (Log::new(None, "")?, warm.u.clone(), anew.retrained);
        judge.row(steps, &u, &w, anew.retrained_loss, &mut log)?;
        solutions.push(Solution { name: "retrained", title: "Trained anew", color: Color::ACCENT, log, u, w });
    }
    let mut all: Vec<Record> = Vec::new();
    for solution in &solutions {
        for (mut row, (_, right)) in rows(solution.name, &solution.log).zip(solution.log.of(RIGHT)) {
            row.insert("points_accuracy".into(), right[0].into());
            all.push(row);
        }
    }
    let settings = [
        ("data", setup.labels.len().into()),
        ("features", FEATURES.into()),
        ("start", json!(START)),
        ("cold", json!({"alpha": COLD.0, "T": COLD.1, "outer": "adam", "beta": COLD.2, "steps": steps.min(COLD.3)})),
        (
            "warm",
            json!({"alpha": WARM.0, "T": WARM.1, "outer": "adam", "beta": WARM.2, "beta1": WARM_BETAS.0,
            "beta2": WARM_BETAS.1, "steps": steps}),
        ),
        ("scalar", "f64".into()),
        ("seed", context.options.seed.into()),
    ];
    Ok(Output {
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        rows: all,
        notes: vec!["pessimistic: the best on flipped labels, as F has no largest value".into()],
        figure: figure(&setup, &problem, &solutions, steps)?,
    })
}

fn figure(setup: &Setup, problem: &Featured<'_>, solutions: &[Solution], steps: usize) -> blo::Result<Figure> {
    let (mut panels, mut courses) = (Vec::new(), Vec::new());
    for solution in solutions {
        let share = solution.log.of(ROW).last().map_or(0.0, |(_, values)| 100.0 * values[1]);
        let title = format!("{}, accuracy {share:.0} %", solution.title);
        let anew = solution.name == "retrained";
        let ways = if anew { Ways::Ends(&solution.u) } else { Ways::Kept(&solution.log) };
        panels.push(panel(setup, problem, PLANE, title, ways, &solution.w, solution.name == "cold")?);
        if !anew {
            courses.push(course(solution.title, solution.color, &solution.log));
        }
    }
    if let Some(panel) = panels.iter_mut().find(|panel| !panel.legend.is_empty()) {
        panel.legend.push(Entry { label: "beyond".into(), stroke: None, mark: Some((Shape::Ring, Color::INK)) });
    }
    let mut bottom = panels.split_off(panels.len().min(3));
    bottom.push(loss_panel("Outer loss", courses, steps, WITH_LEGEND));
    let title = "Figure 2: four solutions for two learned points".into();
    Ok(Figure { title, row_height: ROW_HEIGHT, rows: vec![panels, bottom] })
}
