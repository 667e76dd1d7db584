//! Many runs at once have the bits of each alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start, run_many};
use blo::hypergradient::Unrolled;
use blo::problem::mlp::{Activation, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, L2, LeastSquares, Reduction, one_hot};
use blo::{Estimator, Inverse, Rule};
use common::{RandomQuadratic, Rng};

#[test]
fn seeds_of_a_network() {
    let mut rng = Rng(4);
    let model = Model::new(&[2, 12, 2], Activation::Relu, Loss::CrossEntropy).unwrap();
    let outer = Examples {
        design: rng.normals(80),
        features: 2,
        targets: one_hot(&(0..40).map(|i| i % 2).collect::<Vec<usize>>(), 2).unwrap(),
    };
    let inner = Examples { design: vec![], features: 2, targets: one_hot::<f64>(&[0, 1], 2).unwrap() };
    let problem = Mlp::new(model.clone(), OuterParameters::Inputs, inner, outer, Reduction::Mean, 0.0).unwrap();
    let estimator = Estimator::Unrolled(Unrolled::descent(1, 0.1));
    let mut settings = Settings::new(Start::Warm, InnerSolve::descent(0.1, 1), estimator, Rule::adam(0.01));
    settings.outer_steps = 60;
    let runner = |seed: u64| {
        let u = Rng(seed).normals(4);
        Runner::new(&problem, settings.clone(), &u, &model.initial(Init::Glorot, seed)).unwrap()
    };
    let mut alone: Vec<_> = (0..9).map(runner).collect();
    let mut together: Vec<_> = (0..9).map(runner).collect();
    let expected: Vec<_> = alone.iter_mut().map(|runner| runner.run().unwrap()).collect();
    let found: Vec<_> = run_many(&mut together).into_iter().map(Result::unwrap).collect();
    for (i, (a, b)) in alone.iter().zip(&together).enumerate() {
        assert_eq!((a.u(), a.w(), expected[i].outer_loss), (b.u(), b.w(), found[i].outer_loss), "run {i}");
    }
    assert!(together.windows(2).all(|pair| pair[0].u() != pair[1].u()), "each has its own seed");
}

#[test]
fn one_that_fails_leaves_the_others_alone() {
    let quadratic = RandomQuadratic::new(1, 4, 2, 4, 5.0).problem::<f64>();
    let settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::neumann(3, 0.1), Rule::descent(0.01));
    let mut runs = [(); 3].map(|()| Runner::new(&quadratic, settings.clone(), &[0.1; 2], &[0.0; 4]).unwrap());
    assert!(run_many(&mut runs).iter().all(Result::is_ok));
    assert!(run_many(&mut runs[..0]).is_empty());
    // A negative penalty is an error of that run alone.
    let examples = || Examples { design: vec![1.0, 2.0], features: 1, targets: vec![1.0, 0.0] };
    let ridge = LeastSquares::raw_l2(L2::Scalar, examples(), examples(), Reduction::Mean).unwrap();
    let settings = Settings::new(Start::Warm, InnerSolve::descent(0.1, 1), Inverse::Zero, Rule::descent(0.01));
    let mut runs = [0.1, -1.0, 0.2].map(|u| Runner::new(&ridge, settings.clone(), &[u], &[0.0]).unwrap());
    let ends: Vec<bool> = run_many(&mut runs).iter().map(Result::is_ok).collect();
    assert_eq!(ends, [true, false, true]);
}
