//! Figures 7, 12 and 13: rings of data, and fewer learned points than a training set would need.
//!
//! The network trains on the learned points alone, one step for each step that the points make. Warm starting lets it remember
//! what they told it on the way, so that it classifies rings that the points of no single moment could teach: trained anew
//! on them, it fails.

use super::{CLASSES, Plane, ROW, Snapshot, accuracy, argmax, loss_panel, record, rows};
use crate::experiment::{Context, Output, Record};
use crate::plot::{Axis, Color, Entry, Figure, Layer, Panel, Scale, Shape, Stroke};
use crate::random::Random;
use crate::training::{Log, Session, Training};
use blo::analysis::retraining_gap;
use blo::bilevel::{InnerSolve, Progress, RunEnding, Settings, Start};
use blo::hypergradient::Unrolled;
use blo::problem::mlp::{Activation, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, one_hot};
use blo::{Estimator, Rule};
use serde_json::json;
use std::error::Error;
use std::f64::consts::TAU;
use std::ops::ControlFlow;

/// Four layers, 200 units in each hidden one.
const HIDDEN: [usize; 3] = [200; 3];
/// Examples of each ring, and the standard deviation of their distance from it.
const PER_RING: usize = 100;
const NOISE: f64 = 0.1;
/// The inner step size, and T.
const ALPHA: f64 = 0.001;
const INNER_STEPS: usize = 1;
/// The outer step size of Adam.
const BETA: f64 = 0.01;
/// The standard deviation of the labels' first logits, where they are learned.
const LABEL_NOISE: f64 = 0.01;
/// Training anew.
const RETRAINING: InnerSolve =
    InnerSolve::Optimizer { rule: Rule::Descent { step: 0.01 }, steps: 10_000, tolerance: 0.0 };
/// Outer steps between two rows, two points of a way, and two frames.
const ROW_EVERY: usize = 50;
const PATH_EVERY: usize = 10;
const FRAME_EVERY: usize = 50;
/// Cells in a row of a picture's plane, and of a frame's.
const CELLS: usize = 160;
const FRAME_CELLS: usize = 100;
const ROW_HEIGHT: u32 = 620;

/// Names of the log's entries.
const POINTS: &str = "points";
const LABELS: &str = "labels";
const DECISIONS: &str = "decisions";

/// An experiment with rings.
pub struct Rings {
    /// Its name on the command line.
    pub name: &'static str,
    /// Above the picture.
    pub title: &'static str,
    /// One ring and one class each.
    pub radii: &'static [f64],
    /// Learned points; point j has the label j, unless labels are learned.
    pub points: usize,
    /// Whether each point's label is learned, too, as the softmax of logits.
    pub soft_labels: bool,
    /// Outer steps, unless the command line says how many.
    pub steps: usize,
    /// The first three panels.
    pub snapshots: [usize; 3],
    /// The network is trained anew on the points of each so many steps.
    pub retrain_every: usize,
    /// Half of the plane that is drawn.
    pub half: f64,
}

/// What a run is about.
struct Setup {
    problem: Mlp<f32>,
    labels: Vec<usize>,
    data: Vec<Vec<(f64, f64)>>,
    u: Vec<f32>,
    w: Vec<f32>,
    /// Where training anew starts.
    fresh: Vec<f32>,
}

impl Rings {
    fn classes(&self) -> usize {
        self.radii.len()
    }

    fn setup(&self, seed: u64) -> blo::Result<Setup> {
        let mut random = Random::new(seed);
        let (mut design, mut labels) = (Vec::new(), Vec::new());
        for (class, radius) in self.radii.iter().enumerate() {
            for i in 0..PER_RING {
                let (radius, angle) = (radius + NOISE * random.normal(), TAU * i as f64 / PER_RING as f64);
                design.extend([radius * angle.cos(), radius * angle.sin()].map(|x| x as f32));
                labels.push(class);
            }
        }
        let data = design.chunks(2 * PER_RING).map(pairs).collect();
        let mut normal =
            |deviation: f64, n: usize| -> Vec<f32> { (0..n).map(|_| (deviation * random.normal()) as f32).collect() };
        let mut u = normal(1.0, 2 * self.points);
        if self.soft_labels {
            u.extend(normal(LABEL_NOISE, self.points * self.classes()));
        }
        let widths: Vec<usize> = [2].into_iter().chain(HIDDEN).chain([self.classes()]).collect();
        let model = Model::new(&widths, Activation::Relu, Loss::CrossEntropy)?;
        let [w, fresh] = [(); 2].map(|()| model.initial(Init::Glorot, random.next_u64()));
        let kind = if self.soft_labels { OuterParameters::InputsAndLabelLogits } else { OuterParameters::Inputs };
        let own: Vec<usize> = (0..self.points).collect();
        let inner = Examples { design: Vec::new(), features: 2, targets: one_hot(&own, self.classes())? };
        let outer = Examples { design, features: 2, targets: one_hot(&labels, self.classes())? };
        let problem = Mlp::new(model, kind, inner, outer, Reduction::Mean, 0.0)?;
        Ok(Setup { problem, labels, data, u, w, fresh })
    }

    /// Each point's most likely class.
    fn point_classes(&self, u: &[f32]) -> Vec<f64> {
        u[2 * self.points..].chunks_exact(self.classes()).map(|row| argmax(row) as f64).collect()
    }

    fn plane(&self, cells: usize) -> Plane {
        Plane { half: self.half, cells }
    }

    /// The colours of the points' ways: their classes' colours, where they have one for good.
    fn ways(&self) -> Vec<Color> {
        if self.soft_labels {
            vec![Color::INK, Color::PURPLE.toward(Color::INK, 0.3)]
        } else {
            CLASSES.map(|color| color.toward(Color::INK, 0.3)).into()
        }
    }
}

fn pairs<T: blo::Scalar>(values: &[T]) -> Vec<(f64, f64)> {
    values.chunks_exact(2).map(|pair| (pair[0].to_f64(), pair[1].to_f64())).collect()
}

/// Looks at a run as it goes.
struct Watcher<'a> {
    rings: &'a Rings,
    setup: &'a Setup,
    session: &'a Session<'a>,
    steps: usize,
    workspace: <Mlp<f32> as Problem<f32>>::Workspace,
    gradient: Vec<f32>,
    outputs: Vec<f32>,
}

impl Watcher<'_> {
    /// [accuracy, f] at (u, w).
    fn judge(&mut self, u: &Vec<f32>, w: &Vec<f32>) -> blo::Result<[f64; 2]> {
        let problem = &self.setup.problem;
        let inner_loss = problem.inner(&mut self.workspace, u, w, &mut self.gradient)?;
        problem.model().predict(w, &problem.outer_examples().design, &mut self.outputs)?;
        Ok([accuracy(&self.outputs, &self.setup.labels), inner_loss])
    }

    /// The decisions of w in the plane.
    fn decisions(&self, plane: Plane, w: &[f32]) -> blo::Result<Vec<f64>> {
        let points: Vec<f32> = plane.points();
        let classes = self.rings.classes();
        let mut outputs = vec![0.0_f32; plane.cells * plane.cells * classes];
        self.setup.problem.model().predict(w, &points, &mut outputs)?;
        Ok(plane.runs(outputs.chunks_exact(classes).map(argmax)))
    }

    fn visit(&mut self, at: &Progress<'_, Vec<f32>>, log: &mut Log) -> Result<ControlFlow<()>, Box<dyn Error>> {
        let step = at.step;
        let last = step == self.steps;
        if step.is_multiple_of(PATH_EVERY) || step.is_multiple_of(self.rings.retrain_every) || last {
            log.keep(step, POINTS, at.u.iter().map(|&u| f64::from(u)));
        }
        if self.rings.soft_labels {
            let classes = self.rings.point_classes(at.u);
            if log.of(LABELS).next_back().is_none_or(|(_, before)| before != classes) {
                log.keep(step, LABELS, classes);
            }
        }
        if step.is_multiple_of(ROW_EVERY) || last {
            let [accuracy, inner_loss] = self.judge(at.u, at.w)?;
            log.keep(step, ROW, [at.evaluation.outer_loss, accuracy, inner_loss]);
        }
        if self.rings.snapshots.contains(&step) || last {
            log.keep(step, DECISIONS, self.decisions(self.rings.plane(CELLS), at.w)?);
        }
        if self.session.wants_frames() && step.is_multiple_of(FRAME_EVERY) {
            let plane = self.rings.plane(FRAME_CELLS);
            let runs = self.decisions(plane, at.w)?;
            let panel = snapshot(self.rings, &self.setup.data, log, plane, &runs, step).panel(
                format!("outer step {step}"),
                &self.rings.ways(),
                true,
                1.25,
            );
            let loss = loss_panel("Outer loss", vec![warm_course(log)], self.steps, 1.0);
            let figure = Figure { title: self.rings.title.into(), row_height: 850, rows: vec![vec![panel, loss]] };
            self.session.frame(step / FRAME_EVERY, &figure)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn snapshot<'a>(
    rings: &Rings,
    data: &'a [Vec<(f64, f64)>],
    log: &Log,
    plane: Plane,
    runs: &'a [f64],
    step: usize,
) -> Snapshot<'a> {
    let labels = log.of(LABELS).take_while(|(at, _)| *at <= step).last();
    let mut paths: Vec<(Vec<(f64, f64)>, usize)> =
        (0..rings.points).map(|j| (Vec::new(), labels.map_or(j, |(_, classes)| classes[j] as usize))).collect();
    for (_, u) in log.of(POINTS).take_while(|(at, _)| *at <= step) {
        paths.iter_mut().zip(u.chunks_exact(2)).for_each(|((path, _), x)| path.push((x[0], x[1])));
    }
    Snapshot { plane, runs, data, paths }
}

fn line(label: &str, stroke: Stroke) -> Entry {
    Entry { label: label.into(), stroke: Some(stroke), mark: None }
}

fn warm_course(log: &Log) -> (Entry, Vec<(f64, f64)>) {
    let points = log.of(ROW).map(|(step, values)| (step as f64, values[0])).collect();
    (line("warm start", Stroke::solid(Color::BLUE)), points)
}

/// Runs the experiment.
pub fn run(context: &Context, rings: &Rings) -> Result<Output, Box<dyn Error>> {
    let setup = rings.setup(context.options.seed)?;
    let steps = context.options.steps.unwrap_or(rings.steps);
    let session = Session::new(context, rings.name, "");
    let estimator = Estimator::Unrolled(Unrolled::descent(INNER_STEPS, ALPHA));
    let inner = InnerSolve::descent(ALPHA, INNER_STEPS);
    let settings = Settings::new(Start::Warm, inner, estimator, Rule::adam(BETA));
    let problem = &setup.problem;
    let mut watcher = Watcher {
        rings,
        setup: &setup,
        session: &session,
        steps,
        workspace: problem.workspace(),
        gradient: vec![0.0; setup.w.len()],
        outputs: vec![0.0; setup.labels.len() * rings.classes()],
    };
    let start: [&[f32]; 2] = [&setup.u, &setup.w];
    let mut visit = |at: &Progress<'_, Vec<f32>>, log: &mut Log| watcher.visit(at, log);
    #[cfg(feature = "cuda")]
    let on = match context.options.device.open()? {
        Some(device) => Some(blo::cuda::FromHost::new(blo::cuda::Mlp::copy_of(&device, problem)?)),
        None => None,
    };
    #[cfg(not(feature = "cuda"))]
    let on = None::<Mlp<f32>>;
    let training = match &on {
        Some(problem) => session.train(problem, settings, start, steps, &mut visit)?,
        None => session.train(problem, settings, start, steps, &mut visit)?,
    };

    let chosen =
        |(step, _): &(usize, &[f64])| *step > 0 && (step.is_multiple_of(rings.retrain_every) || *step == steps);
    let mut retrained: Vec<(usize, [f64; 3])> = Vec::new();
    let (mut decisions, mut notes) = (Vec::new(), notes(rings, &training, steps));
    for (step, u) in training.log.of(POINTS).filter(chosen) {
        context.progress.tick(|| format!("training anew on the points of step {step}"));
        let u: Vec<f32> = u.iter().map(|&u| u as f32).collect();
        let anew = match retraining_gap(problem, &RETRAINING, &setup.fresh, &u, &training.w) {
            Ok(anew) => anew,
            // The run itself is worth its rows.
            Err(error) => {
                notes.push(format!("training anew on the points of step {step} failed: {error}"));
                continue;
            }
        };
        let [accuracy, inner_loss] = watcher.judge(&u, &anew.retrained)?;
        retrained.push((step, [anew.retrained_loss, accuracy, inner_loss]));
        if step == steps {
            decisions = watcher.decisions(rings.plane(CELLS), &anew.retrained)?;
        }
    }
    let mut rows: Vec<Record> = rows("warm", &training.log).collect();
    rows.extend(retrained.iter().map(|(step, values)| record("retrained", *step, values)));
    if rings.soft_labels {
        add_labels(&mut rows, &training.log);
    }
    Ok(Output {
        settings: settings_record(rings, context, steps),
        rows,
        notes,
        figure: figure(rings, &setup, &training.log, &retrained, &decisions, steps),
    })
}

/// Each row's most likely classes of the points.
fn add_labels(rows: &mut [Record], log: &Log) {
    for row in rows {
        let step = row.get("step").and_then(serde_json::Value::as_u64).unwrap_or(0) as usize;
        if let Some((_, classes)) = log.of(LABELS).take_while(|(at, _)| *at <= step).last() {
            let classes: Vec<usize> = classes.iter().map(|&class| class as usize).collect();
            row.insert("labels".into(), json!(classes));
        }
    }
}

fn settings_record(rings: &Rings, context: &Context, steps: usize) -> Record {
    let settings = [
        ("model", json!([2, HIDDEN[0], HIDDEN[1], HIDDEN[2], rings.classes()])),
        ("activation", "relu".into()),
        ("init", "glorot".into()),
        ("radii", json!(rings.radii)),
        ("noise", NOISE.into()),
        ("per_ring", PER_RING.into()),
        ("points", rings.points.into()),
        ("labels", if rings.soft_labels { "soft" } else { "fixed" }.into()),
        ("alpha", ALPHA.into()),
        ("T", INNER_STEPS.into()),
        ("outer", "adam".into()),
        ("beta", BETA.into()),
        ("steps", steps.into()),
        ("scalar", "f32".into()),
        ("seed", context.options.seed.into()),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// (from, to, class) of each time that point j spends with a label.
fn stays(log: &Log, j: usize, steps: usize) -> Vec<(usize, usize, usize)> {
    let mut stays: Vec<(usize, usize, usize)> = Vec::new();
    for (step, classes) in log.of(LABELS) {
        let class = classes[j] as usize;
        match stays.last_mut() {
            Some((_, _, last)) if *last == class => {}
            before => {
                if let Some((_, to, _)) = before {
                    *to = step;
                }
                stays.push((step, steps, class));
            }
        }
    }
    stays
}

fn notes(rings: &Rings, training: &Training<f32>, steps: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if training.outcome.ending != RunEnding::Stopped {
        notes
            .push(format!("the run ended early: {:?} after {} steps", training.outcome.ending, training.outcome.steps));
    }
    if rings.soft_labels {
        for j in 0..rings.points {
            let stays = stays(&training.log, j, steps);
            let mut spent = vec![0; rings.classes()];
            stays.iter().for_each(|(from, to, class)| spent[*class] += to - from);
            let switches = stays.len().saturating_sub(1);
            notes.push(format!("point {} spends {spent:?} steps with labels 1, 2, …; {switches} switches", j + 1));
        }
    }
    notes
}

fn figure(
    rings: &Rings,
    setup: &Setup,
    log: &Log,
    retrained: &[(usize, [f64; 3])],
    decisions: &[f64],
    steps: usize,
) -> Figure {
    let plane = rings.plane(CELLS);
    let ways = rings.ways();
    let percent = |accuracy: f64| format!(", accuracy {:.0} %", 100.0 * accuracy);
    let warm =
        |step: usize| log.of(ROW).find(|(at, _)| *at == step).map_or(String::new(), |(_, values)| percent(values[1]));
    let mut shown: Vec<(usize, &[f64])> = log.of(DECISIONS).collect();
    shown.dedup_by_key(|(step, _)| *step);
    let taken = shown.len().min(3);
    let shown: Vec<(usize, &[f64])> = shown.into_iter().take(taken).collect();
    let top = shown
        .iter()
        .map(|&(step, runs)| {
            snapshot(rings, &setup.data, log, plane, runs, step).panel(
                format!("Step {step}{}", warm(step)),
                &ways,
                false,
                1.0,
            )
        })
        .collect();
    let anew = retrained.last().map_or(String::new(), |(_, values)| percent(values[1]));
    let last = {
        let mut shown = snapshot(rings, &setup.data, log, plane, decisions, steps);
        // Only where the points are: their ways are forgotten.
        shown.paths.iter_mut().for_each(|(path, _)| *path = path.last().copied().into_iter().collect());
        shown.panel(format!("Trained anew on the last points{anew}"), &ways, true, 1.3)
    };
    let points = retrained.iter().map(|(step, values)| (*step as f64, values[0])).collect();
    let stroke = Stroke { width: 2, ..Stroke::dashed(Color::ACCENT) };
    let mark = Some((Shape::Disc, Color::ACCENT));
    let courses = vec![warm_course(log), (Entry { label: "trained anew".into(), stroke: Some(stroke), mark }, points)];
    let mut bottom = vec![last, loss_panel("Outer loss", courses, steps, 1.7)];
    let mut figure_rows = vec![top];
    if rings.soft_labels {
        figure_rows.push(bottom);
        bottom = vec![occupancy_panel(rings, log, steps)];
    }
    figure_rows.push(bottom);
    Figure { title: rings.title.into(), row_height: ROW_HEIGHT, rows: figure_rows }
}

/// The most likely label of each point over time, as bands.
fn occupancy_panel(rings: &Rings, log: &Log, steps: usize) -> Panel {
    let mut layers = Vec::new();
    for j in 0..rings.points {
        let (low, high) = (rings.points as f64 - j as f64 - 0.9, rings.points as f64 - j as f64 - 0.1);
        for (from, to, class) in stays(log, j, steps) {
            let corners = [(from, low), (to, low), (to, high), (from, high)].map(|(x, y)| (x as f64, y)).into();
            layers.push(Layer::Region { corners, color: CLASSES[class] });
        }
    }
    let legend = (0..rings.classes()).map(|class| Entry {
        label: format!("label {}", class + 1),
        stroke: None,
        mark: Some((Shape::Square, CLASSES[class])),
    });
    let mut y = Axis::within("", 0.0, rings.points as f64);
    y.ticks = (0..rings.points).map(|j| (rings.points as f64 - j as f64 - 0.5, format!("{}", j + 1))).collect();
    Panel {
        title: "Most likely label of each learned point".into(),
        x: Axis::fit("outer steps", Scale::Linear, &[0.0, steps as f64]),
        y,
        layers,
        legend: legend.collect(),
        weight: 1.0,
    }
}
