//! Learns what a logistic regression should not trust: features, by an L2 penalty for each; examples, by a weight for each.
//!
//! ```text
//! cargo run --release --example regression
//! ```
//!
//! The data are made here: 12 features of which 3 matter, and 200 training labels of which 50 are flipped. The outer
//! objective is the loss on 300 clean validation examples; the test examples are clean, too, and nothing is tuned on them.

use blo::bilevel::{InnerSolve, RunEnding, Runner, Settings, Start};
use blo::problem::{Examples, L2, Loss, Problem, Reduction, Regression};
use blo::solve::Spectral;
use blo::{Inverse, Result, Rule};

const FEATURES: usize = 12;
const RELEVANT: usize = 3;
const TRAINING: usize = 200;
/// Every fourth training label is wrong.
const FLIPPED: usize = 4;

fn main() -> Result<()> {
    let mut random = Random(1);
    let [mut train, validation, test] = [TRAINING, 300, 1000].map(|rows| examples(&mut random, rows));
    for target in train.targets.iter_mut().step_by(FLIPPED) {
        *target = 1.0 - *target;
    }
    let (inner, outer) = (train.clone(), validation.clone());
    let problem = Regression::log_l2(Loss::Logistic, L2::PerFeature, inner, outer, Reduction::Mean)?;
    println!("one L2 penalty for each feature, from exp(-4):");
    let penalties = learn(&problem, -4.0, &test)?;
    let (relevant, others) = penalties.split_at(RELEVANT);
    println!("  geometric mean: {:.4} where a feature matters", mean(relevant).exp());
    println!("                  {:.4} where it does not", mean(others).exp());

    let problem = Regression::example_weights(Loss::Logistic, 0.01, train, validation, Reduction::Mean)?;
    println!("one weight for each training example, from 1/2:");
    let weights: Vec<f64> = learn(&problem, 0.0, &test)?.iter().map(|u| 1.0 / (1.0 + (-u).exp())).collect();
    let flipped: Vec<f64> = weights.iter().copied().step_by(FLIPPED).collect();
    let right: Vec<f64> = weights.chunks(FLIPPED).flat_map(|chunk| &chunk[1..]).copied().collect();
    println!("  mean weight: {:.2} where the label is right", mean(&right));
    println!("               {:.2} where it is flipped", mean(&flipped));
    Ok(())
}

/// 40 steps of Adam from u = `start` for all. Returns u; prints losses and accuracies before and after.
fn learn(problem: &Regression<f64>, start: f64, test: &Examples<f64>) -> Result<Vec<f64>> {
    // The step must stay below 2/λmax; λmax grows with the penalties. A run that diverges says so in its ending.
    let inner = InnerSolve::Optimizer { rule: Rule::descent(0.2), steps: 20_000, tolerance: 1e-9 };
    let exact = Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS };
    let mut settings = Settings::new(Start::Cold, inner, exact, Rule::adam(0.1));
    let mut u = vec![start; problem.outer_space().len()];
    for (when, steps) in [("before", 0), ("after", 40)] {
        settings.outer_steps = steps;
        let mut runner = Runner::new(problem, settings.clone(), &u, &[0.0; FEATURES])?;
        let outcome = runner.run()?;
        let correct = test.design.chunks_exact(FEATURES).zip(&test.targets);
        let correct = correct.filter(|(x, t)| (logit(x, runner.w()) > 0.0) == (**t == 1.0)).count();
        let accuracy = 100.0 * correct as f64 / test.targets.len() as f64;
        println!("  {when:6} validation loss {:.4}, test accuracy {accuracy:.1} %", outcome.outer_loss);
        if outcome.ending != RunEnding::StepLimit {
            println!("  the run ended early: {:?}", outcome.ending);
        }
        u.copy_from_slice(runner.u());
    }
    Ok(u)
}

/// Standard normal features; the label is the sign of the sum of the relevant ones and some noise.
fn examples(random: &mut Random, rows: usize) -> Examples<f64> {
    let design: Vec<f64> = (0..rows * FEATURES).map(|_| random.normal()).collect();
    let label = |x: &[f64]| f64::from(x[..RELEVANT].iter().sum::<f64>() + 0.5 * random.normal() > 0.0);
    let targets = design.chunks_exact(FEATURES).map(label).collect();
    Examples { design, features: FEATURES, targets }
}

fn logit(x: &[f64], w: &[f64]) -> f64 {
    x.iter().zip(w).map(|(x, w)| x * w).sum()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A linear congruential generator: enough for an example.
struct Random(u64);

impl Random {
    /// Nearly normal: a sum of twelve uniform numbers.
    fn normal(&mut self) -> f64 {
        let mut uniform = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..12).map(|_| uniform()).sum::<f64>() - 6.0
    }
}
