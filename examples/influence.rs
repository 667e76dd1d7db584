//! Which training rows matter: influence scores find the labels that are wrong.
//!
//! ```text
//! cargo run --release --example influence
//! ```
//!
//! A logistic regression is trained on 300 rows of which 15 have the wrong label, and tested on 200 right ones. One solve
//! gives for each training row how the test loss changes with its weight. The rows that harm most are looked at first.

use blo::hypergradient::{self, influence};
use blo::problem::{Examples, L2, Loss, Problem, Reduction, Regression};
use blo::solve::{Solve, Spectral};
use blo::{Inverse, Result};

const FEATURES: usize = 5;
const ROWS: usize = 300;
/// Every twentieth label is wrong.
const WRONG: usize = 20;

fn main() -> Result<()> {
    let mut random = Random(1);
    let [mut train, test] = [ROWS, 200].map(|rows| examples(&mut random, rows));
    for target in train.targets.iter_mut().step_by(WRONG) {
        *target = 1.0 - *target;
    }
    let problem = Regression::raw_l2(Loss::Logistic, L2::Scalar, train.clone(), test.clone(), Reduction::Mean)?;
    let penalty = vec![0.01];
    let w = trained(&problem, &penalty)?;

    let exact = Solve::from(Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS });
    let mut workspace = hypergradient::Workspace::new(&problem);
    let mut scores = vec![0.0; ROWS];
    let evaluation = influence(&problem, &exact, &penalty, &w, &mut workspace, &mut scores)?;
    println!("test loss {:.5}; {} products for {ROWS} scores", evaluation.outer_loss, evaluation.report.products);

    let mut order: Vec<usize> = (0..ROWS).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    println!("the rows that harm most:");
    println!("  row  label        change of the test loss without it");
    println!("                    predicted   retrained");
    for &row in &order[..5] {
        let mut fewer = train.clone();
        fewer.design.drain(row * FEATURES..(row + 1) * FEATURES);
        fewer.targets.remove(row);
        // The others keep their weight 1/300, so that the penalty stays what it was against them.
        let share = (ROWS - 1) as f64 / ROWS as f64;
        let problem = Regression::raw_l2(Loss::Logistic, L2::Scalar, fewer, test.clone(), Reduction::Mean)?;
        let w = trained(&problem, &vec![penalty[0] / share])?;
        let [mut gu, mut gw] = [vec![0.0], vec![0.0; FEATURES]];
        let loss = problem.outer(&mut problem.workspace(), &penalty, &w, &mut gu, &mut gw)?;
        let label = if row % WRONG == 0 { "wrong" } else { "right" };
        println!("  {row:3}  {label}  {:17.6}  {:10.6}", -scores[row], loss - evaluation.outer_loss);
    }
    let planted = ROWS / WRONG;
    for looked_at in [planted, 2 * planted] {
        let found = order[..looked_at].iter().filter(|&row| row % WRONG == 0).count();
        println!("among the first {looked_at} rows: {found} of the {planted} wrong labels");
    }
    Ok(())
}

/// Gradient descent to the end, from 0.
fn trained(problem: &Regression<f64>, penalty: &Vec<f64>) -> Result<Vec<f64>> {
    let (mut w, mut gradient, mut at) = (vec![0.0; FEATURES], vec![0.0; FEATURES], problem.workspace());
    for _ in 0..3000 {
        problem.inner(&mut at, penalty, &w, &mut gradient)?;
        w.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= g);
    }
    Ok(w)
}

/// Nearly normal features; the label is the sign of their weighted sum.
fn examples(random: &mut Random, rows: usize) -> Examples<f64> {
    let design: Vec<f64> = (0..rows * FEATURES).map(|_| random.normal()).collect();
    let label = |x: &[f64]| f64::from(x[0] + x[1] - x[2] + 0.5 * x[3] + 0.3 * random.normal() > 0.0);
    let targets = design.chunks_exact(FEATURES).map(label).collect();
    Examples { design, features: FEATURES, targets }
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
