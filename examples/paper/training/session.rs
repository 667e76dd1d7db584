//! A run of the library's loop with an eye on it: what it shows is kept, and it may be saved, and gone on with.

use super::Log;
use crate::experiment::Context;
use crate::plot::Figure;
use blo::Scalar;
use blo::bilevel::{Outcome, Progress, Runner, Settings};
use blo::problem::Problem;
use blo::solve::Flat;
use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Outer steps between two states that are saved.
const SAVE_EVERY: usize = 250;

/// One of the runs of an experiment.
pub struct Session<'a> {
    context: &'a Context,
    /// The experiment, with the run's name if it has several.
    name: String,
    save: Option<PathBuf>,
}

/// A run that has ended.
pub struct Training<T> {
    /// How.
    pub outcome: Outcome,
    /// The learned u.
    pub u: Vec<T>,
    /// The w that goes with it.
    pub w: Vec<T>,
    /// What was kept on the way.
    pub log: Log,
}

impl<'a> Session<'a> {
    /// The only run of an experiment (`run` is then empty) or one of several.
    pub fn new(context: &'a Context, experiment: &str, run: &str) -> Session<'a> {
        let joined = |name: &str| if run.is_empty() { name.to_owned() } else { format!("{name}-{run}") };
        let save = context.options.save.as_ref().map(|path| PathBuf::from(joined(&path.display().to_string())));
        Session { context, name: joined(experiment), save }
    }

    /// Whether frames are wanted.
    pub fn wants_frames(&self) -> bool {
        self.context.options.frames.is_some()
    }

    /// Writes a frame, if frames are wanted.
    pub fn frame(&self, number: usize, figure: &Figure) -> Result<(), Box<dyn Error>> {
        let Some(folder) = &self.context.options.frames else { return Ok(()) };
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the directory {}: {error}", folder.display()))?;
        let path = folder.join(format!("{}-{number:05}.svg", self.name));
        figure.save(&path).map_err(|error| format!("cannot write {}: {error}", path.display()).into())
    }

    /// Runs to `steps` outer steps, or until `visit` breaks off. `visit` sees each evaluation and adds to the log.
    ///
    /// A run that was saved goes on with the same bits: what it keeps is what it would have kept without the break.
    pub fn train<T: Scalar, P: Problem<T, Points = Flat>>(
        &self,
        problem: &P,
        mut settings: Settings,
        [u, w]: [&[T]; 2],
        steps: usize,
        mut visit: impl FnMut(&Progress<'_, Vec<T>>, &mut Log) -> Result<ControlFlow<()>, Box<dyn Error>>,
    ) -> Result<Training<T>, Box<dyn Error>> {
        // The visitor ends the run, so that a longer one can go on with the same settings.
        settings.outer_steps = usize::MAX;
        let title = format!("{} --seed {}", self.name, self.context.options.seed);
        let log_path = self.save.as_ref().map(|path| PathBuf::from(format!("{}.log", path.display())));
        let (mut runner, mut log) = match (&self.save, &log_path) {
            (Some(path), Some(log_path)) if path.exists() => {
                let runner = Runner::resume(problem, path)?;
                let log = Log::resume(log_path, &title, runner.steps())?;
                (runner, log)
            }
            _ => (Runner::new(problem, settings, u, w)?, Log::new(log_path.as_deref(), &title)?),
        };
        if runner.steps() > steps {
            return Err(
                format!("the saved run has {} steps already, more than the {steps} wanted", runner.steps()).into()
            );
        }
        let mut saved = runner.steps();
        loop {
            let (mut failure, mut ended) = (None, true);
            let outcome = runner.run_with(0, &mut [], |at| {
                if self.save.is_some() && at.step > saved && at.step.is_multiple_of(SAVE_EVERY) {
                    ended = false;
                    return ControlFlow::Break(());
                }
                self.context.progress.tick(|| {
                    format!(
                        "{}: outer step {} of {steps}, outer loss {:.1e}",
                        self.name, at.step, at.evaluation.outer_loss
                    )
                });
                match visit(at, &mut log) {
                    Ok(ControlFlow::Continue(())) if at.step < steps => ControlFlow::Continue(()),
                    Ok(_) => ControlFlow::Break(()),
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
            if let Some(path) = &self.save {
                // The history first: of a newer one, the older state's part is taken.
                log.flush()?;
                runner.save(path)?;
                saved = runner.steps();
            }
            if ended {
                return Ok(Training { outcome, u: runner.u().clone(), w: runner.w().clone(), log });
            }
        }
    }
}
