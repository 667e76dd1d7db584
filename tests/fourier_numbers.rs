//! The numbers of the paper's antidistillation experiments against their exact values.

use blo::bilevel::{InnerSolve, RunEnding, Runner, Settings, Start};
use blo::problem::{Examples, LeastSquares, Reduction, fourier};
use blo::{Inverse, Rule};

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn smoke() {
    let points: Vec<f64> = (0..13).map(|i| -2.0 + i as f64 / 3.0).collect();
    let design = |x: &[f64]| fourier::design::<f64>(x, 10, fourier::Amplitude::Exponential).unwrap();
    let inner = Examples { design: design(&points), features: 21, targets: vec![0.0; 13] };
    let outer = Examples { design: design(&[0.0]), features: 21, targets: vec![2.0] };
    let problem = LeastSquares::targets(inner, outer, Reduction::Sum).unwrap();
    println!("{:?}", problem.gram_spectrum().unwrap().values());
    for (k, inverse) in [
        (0, Inverse::neumann(0, 1e-7)),
        (1, Inverse::neumann(1, 1e-7)),
        (10, Inverse::neumann(10, 1e-7)),
        (100, Inverse::neumann(100, 1e-7)),
        (1000, Inverse::neumann(1000, 1e-7)),
        (0, Inverse::MinNorm { cutoff: None, by: blo::solve::Spectral::Dense }),
        (0, Inverse::MinNorm { cutoff: None, by: blo::solve::Spectral::LANCZOS }),
    ] {
        let t = std::time::Instant::now();
        let mut settings = Settings::new(
            Start::Cold,
            InnerSolve::Fixpoint,
            blo::solve::Solve { inverse, verify: false },
            Rule::descent(1e-2),
        );
        settings.outer_tolerance = 5e-11;
        settings.outer_steps = 1_000_000;
        let mut runner = Runner::new(&problem, settings, &[0.0; 13], &[0.0; 21]).unwrap();
        let outcome = runner.run().unwrap();
        assert_eq!(outcome.ending, RunEnding::Converged);
        println!("{k} {:?} {:.10} {:.10e} {:?}", outcome, norm(runner.u()), norm(runner.w()), t.elapsed());
    }
}
