//! A problem of your own: closures, a check of their derivatives, and a run.
//!
//! ```text
//! cargo run --release --example user_problem
//! ```
//!
//! A line is fitted to points of which every fifth is far off, with the loss d² log cosh(r/d): squares for residuals below d,
//! absolute values above. The outer problem learns u = log d on a few points that are known to be right.

use blo::analysis::{DerivativeOptions, check_derivatives};
use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::problem::UserProblem;
use blo::{Inverse, Result, Rule};

const POINTS: usize = 40;

/// r, tanh(r/d) and log cosh(r/d) for a point and its line w₀ + w₁ x.
fn residual((x, y): (f64, f64), w: &[f64], d: f64) -> (f64, f64, f64) {
    let r = w[0] + w[1] * x - y;
    let z = (r / d).abs();
    (r, (r / d).tanh(), z + (-2.0 * z).exp().ln_1p() - std::f64::consts::LN_2)
}

/// Points of the line 1 + 2 x, some noise, and, if asked for, the ones that are far off.
fn points(count: usize, far_off: f64) -> impl Iterator<Item = (f64, f64)> {
    (0..count).map(move |i| {
        let (x, noise) = (2.0 * i as f64 / count as f64 - 1.0, 0.1 * (37.0 * i as f64).sin());
        (x, 1.0 + 2.0 * x + noise + if i % 5 == 4 { far_off } else { 0.0 })
    })
}

fn main() -> Result<()> {
    let training = || points(POINTS, 4.0);
    let weight = 1.0 / POINTS as f64;
    let problem = UserProblem::<f64>::new(
        1,
        2,
        // f(u, w), and its gradient by w.
        move |u, w, gradient| {
            let (d, mut value) = (u[0].exp(), 0.0);
            for (x, y) in training() {
                let (_, t, log_cosh) = residual((x, y), w, d);
                value += weight * d * d * log_cosh;
                gradient[0] += weight * d * t;
                gradient[1] += weight * d * t * x;
            }
            Ok(value)
        },
        // F(u, w), and its gradients by u, which is zero, and by w.
        |_, w, _, gradient| {
            let mut value = 0.0;
            for (x, y) in points(13, 0.0) {
                let r = w[0] + w[1] * x - y;
                value += 0.5 * r * r / 13.0;
                gradient[0] += r / 13.0;
                gradient[1] += r * x / 13.0;
            }
            Ok(value)
        },
        // H v.
        move |u, w, v, out| {
            for (x, y) in training() {
                let (_, t, _) = residual((x, y), w, u[0].exp());
                let image = weight * (1.0 - t * t) * (v[0] + v[1] * x);
                out[0] += image;
                out[1] += image * x;
            }
            Ok(())
        },
        // Mᵀ v, with ∂/∂u (d tanh(r/d)) = d tanh(r/d) − r (1 − tanh²(r/d)).
        move |u, w, v, out| {
            let d = u[0].exp();
            for (x, y) in training() {
                let (r, t, _) = residual((x, y), w, d);
                out[0] += weight * (d * t - r * (1.0 - t * t)) * (v[0] + v[1] * x);
            }
            Ok(())
        },
    );
    println!("{}", check_derivatives(&problem, &[0.3], &[0.5, -0.7], &DerivativeOptions::default())?);

    let inner = InnerSolve::Optimizer { rule: Rule::descent(1.0), steps: 10_000, tolerance: 1e-10 };
    let cg = Inverse::Cg { iterations: 10, tolerance: 1e-12 };
    let mut settings = Settings::new(Start::Cold, inner, cg, Rule::adam(0.1));
    for (when, steps) in [("before", 0), ("after", 60)] {
        settings.outer_steps = steps;
        let mut runner = Runner::new(&problem, settings.clone(), &[2.0], &[0.0; 2])?;
        let outcome = runner.run()?;
        let (d, w) = (runner.u()[0].exp(), runner.w());
        println!("{when:6}  d = {d:.3}, line {:.3} + {:.3} x, F = {:.5}", w[0], w[1], outcome.outer_loss);
    }
    Ok(())
}
