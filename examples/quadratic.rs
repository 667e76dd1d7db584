//! The smallest complete program: what a cold and a warm start find on a quadratic with many inner solutions.
//!
//! ```text
//! cargo run --release --example quadratic
//! ```
//!
//! All that the inner problem asks is w₁ + w₂ = u: f = ½ (w₁ + w₂ − u)². The outer problem wants w = (3, 1):
//! F = ½ (w₁ − 3)² + ½ (w₂ − 1)². Descent moves w along (1, 1) alone, so w₁ − w₂ stays what it was at the start, and of all
//! the solutions at one u only that start decides which is found. Five steps are too few to solve the inner problem. A warm
//! start makes up for it from one outer step to the next. A cold one never does: its u grows until five steps are
//! enough, and is wrong once w is trained to the end.

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::problem::{InnerTerms, OuterTerms, Problem, Quadratic};
use blo::solve::Spectral;
use blo::{Inverse, Result, Rule};

fn main() -> Result<()> {
    // f = ½ wᵀA w + wᵀB u + ½ uᵀC u, and F = ½ wᵀP w + fᵀw + h.
    let inner = InnerTerms {
        a: vec![1.0, 1.0, 1.0, 1.0],
        b: vec![-1.0, -1.0],
        c: vec![1.0],
        d: vec![0.0; 2],
        e: vec![0.0],
        constant: 0.0,
    };
    let outer = OuterTerms { p: vec![1.0, 0.0, 0.0, 1.0], f: vec![-3.0, -1.0], h: 5.0 };
    let problem = Quadratic::<f64>::new(2, 1, inner, outer)?;

    // A is singular: its minimum-norm inverse gives the exact hypergradient.
    let exact = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };
    let loss = |w: &[f64]| 0.5 * ((w[0] - 3.0).powi(2) + (w[1] - 1.0).powi(2));
    println!("start  w from    u       w                 F       F with w trained to the end");
    for start in [Start::Cold, Start::Warm] {
        for from in [[0.0, 0.0], [2.0, 0.0]] {
            let mut settings = Settings::new(start, InnerSolve::descent(0.1, 5), exact, Rule::descent(0.5));
            settings.outer_steps = 200;
            let mut runner = Runner::new(&problem, settings, &[0.0], &from)?;
            runner.run()?;
            let (u, w) = (runner.u()[0], runner.w());
            print!("{start:?}   ({:.0}, {:.0})    {u:.4}  ({:.4}, {:.4})", from[0], from[1], w[0], w[1]);

            let mut trained = w.clone();
            problem.fixpoint(&mut problem.workspace(), runner.u(), &mut trained)?;
            println!("   {:.4}  {:.4}", loss(w), loss(&trained));
        }
    }
    Ok(())
}
