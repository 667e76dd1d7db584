//! What the program prints, as text and as JSON.

use crate::learn::{Descent, Fit, GRID, GRID_POINTS, Learned, largest_difference};
use crate::parts::Parts;
use crate::table::Table;
use blo::bilevel::RunEnding;
use serde_json::{Value, json};
use std::fmt::{Display, Formatter, Result};

/// How much cold and warm starts may differ.
const AGREEMENT: f64 = 1e-6;

/// All the numbers.
pub struct Report<'a> {
    pub file: String,
    pub seed: u64,
    pub table: &'a Table,
    pub parts: &'a Parts,
    pub without_penalty: Fit,
    pub grid: Fit,
    pub scalar: Learned,
    pub cold: Learned,
    pub warm: Learned,
    pub descent: Option<Descent>,
}

impl Report<'_> {
    fn rows(&self) -> [usize; 3] {
        [&self.parts.train, &self.parts.validation, &self.parts.test].map(|part| part.targets.len())
    }

    fn u_difference(&self) -> f64 {
        largest_difference(&self.cold.fit.log_penalties, &self.warm.fit.log_penalties)
    }

    /// In units of the target's variance.
    fn validation_difference(&self) -> f64 {
        (self.cold.fit.errors.validation - self.warm.fit.errors.validation).abs() / self.parts.target_scale.powi(2)
    }

    fn agree(&self) -> bool {
        self.u_difference() <= AGREEMENT && self.validation_difference() <= AGREEMENT
    }

    /// Name, penalty, and whether the feature is constant.
    fn penalties(&self) -> impl Iterator<Item = (&str, f64, bool)> {
        let names = self.table.features.iter().map(String::as_str);
        let penalties = self.warm.fit.log_penalties.iter().map(|u| u.exp());
        names.zip(penalties).zip(&self.parts.constant).map(|((name, penalty), constant)| (name, penalty, *constant))
    }

    /// The report as one JSON object.
    pub fn json(&self) -> Value {
        let [train, validation, test] = self.rows();
        let penalties: Vec<Value> = self
            .penalties()
            .map(|(feature, penalty, constant)| json!({"feature": feature, "penalty": penalty, "constant": constant}))
            .collect();
        json!({
            "file": self.file,
            "seed": self.seed,
            "target": self.table.target,
            "features": self.table.features.len(),
            "rows": {"train": train, "validation": validation, "test": test},
            "error": "mean squared error, in squared units of the target",
            "methods": {
                "without_penalty": fit_json(&self.without_penalty),
                "scalar_grid": fit_json(&self.grid),
                "scalar_learned": learned_json(&self.scalar),
                "per_feature_cold": learned_json(&self.cold),
                "per_feature_warm": learned_json(&self.warm),
            },
            "penalties": penalties,
            "agreement": {
                "log_penalties": self.u_difference(),
                "validation_per_variance": self.validation_difference(),
                "agree": self.agree(),
            },
            "descent": self.descent.as_ref().map(descent_json),
        })
    }
}

fn fit_json(fit: &Fit) -> Value {
    let penalty = match fit.log_penalties[..] {
        [u] => json!(u.exp()),
        _ => Value::Null,
    };
    json!({
        "penalty": penalty,
        "validation": fit.errors.validation,
        "test": fit.errors.test,
        "seconds": fit.seconds,
    })
}

fn learned_json(learned: &Learned) -> Value {
    let mut value = fit_json(&learned.fit);
    value["ending"] = json!(ending(learned.ending));
    value["outer_steps"] = json!(learned.outer_steps);
    value["best_step"] = json!(learned.best_step);
    value
}

fn descent_json(descent: &Descent) -> Value {
    json!({
        "outer_steps": descent.outer_steps,
        "cold_inner_steps": descent.cold_inner_steps,
        "warm_inner_steps": descent.warm_inner_steps,
        "log_penalties": descent.u_difference,
        "seconds": descent.seconds,
    })
}

fn ending(ending: RunEnding) -> &'static str {
    match ending {
        RunEnding::Converged => "converged",
        RunEnding::StepLimit => "step limit",
        RunEnding::Stopped => "stopped: penalties too far apart",
        RunEnding::InnerDiverged => "inner solve diverged",
        RunEnding::OuterDiverged => "outer steps diverged",
        _ => "other",
    }
}

impl Display for Report<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (features, target, [train, validation, test]) =
            (self.table.features.len(), &self.table.target, self.rows());
        writeln!(f, "{}: {features} features, target {target:?}", self.file)?;
        writeln!(f, "rows, shuffled with seed {}: {train} training, {validation} validation, {test} test", self.seed)?;
        writeln!(f, "features and target standardised by the training rows' mean and deviation\n")?;
        self.write_errors(f)?;
        self.write_runs(f)?;
        self.write_penalties(f)
    }
}

impl Report<'_> {
    fn write_errors(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "mean squared error, in squared units of the target")?;
        writeln!(f, "{:<34} {:>11} {:>12} {:>12} {:>9}", "", "penalty", "validation", "test", "seconds")?;
        let grid = format!("one L2, best of {GRID_POINTS} in {:e}..{:e}", GRID.0, GRID.1);
        let one = |fit: &Fit| fit.log_penalties.first().map_or(String::new(), |u| format!("{:.4e}", u.exp()));
        for (name, penalty, fit) in [
            ("no L2: least squares", "none".to_owned(), &self.without_penalty),
            (&grid, one(&self.grid), &self.grid),
            ("one L2, learned", one(&self.scalar.fit), &self.scalar.fit),
            ("L2 per feature, learned, cold", "see below".to_owned(), &self.cold.fit),
            ("L2 per feature, learned, warm", "see below".to_owned(), &self.warm.fit),
        ] {
            let (validation, test) = (fit.errors.validation, fit.errors.test);
            writeln!(f, "{name:<34} {penalty:>11} {validation:>12.6} {test:>12.6} {:>9.4}", fit.seconds)?;
        }
        writeln!(f)
    }

    fn write_runs(&self, f: &mut Formatter<'_>) -> Result {
        for (name, run) in [("cold", &self.cold), ("warm", &self.warm)] {
            let (steps, best) = (run.outer_steps, run.best_step);
            writeln!(f, "{name} start: {steps} outer steps, best at {best}, {}", ending(run.ending))?;
        }
        let verdict = if self.agree() { "agree" } else { "DO NOT agree" };
        let (u, loss) = (self.u_difference(), self.validation_difference());
        writeln!(f, "cold and warm start {verdict} to {AGREEMENT:e}:")?;
        writeln!(f, "  log penalties differ by {u:.1e}, validation errors by {loss:.1e} of the target's variance")?;
        match &self.descent {
            None => writeln!(f, "gradient descent inside: left out, it would take too long on this table\n"),
            Some(descent) => {
                let (cold, warm) = (descent.cold_inner_steps, descent.warm_inner_steps);
                let (steps, u, seconds) = (descent.outer_steps, descent.u_difference, descent.seconds);
                writeln!(f, "the first {steps} outer steps with gradient descent inside ({seconds:.2} s):")?;
                writeln!(f, "  {cold} inner steps cold, {warm} warm; log penalties differ by {u:.1e}\n")
            }
        }
    }

    fn write_penalties(&self, f: &mut Formatter<'_>) -> Result {
        let width = self.penalties().map(|(name, ..)| name.chars().count()).max().unwrap_or(0).max("feature".len());
        writeln!(f, "{:<width$}  learned penalty (the features have unit variance)", "feature")?;
        for (name, penalty, constant) in self.penalties() {
            let note = if constant { "  constant in the training rows: not used" } else { "" };
            writeln!(f, "{name:<width$}  {penalty:.4e}{note}")?;
        }
        Ok(())
    }
}
