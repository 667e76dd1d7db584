//! What a workspace or a run says that it holds is what it has allocated, before it is used as after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/counting.rs"]
mod counting;

use blo::bilevel::{Batch, InnerSolve, Runner, Settings, Start, TraceRow};
use blo::hypergradient::{self, Mode, Unrolled};
use blo::problem::{Examples, L2, LeastSquares, Loss, Problem, Reduction, Regression, UserProblem};
use blo::solve::{Flat, OnGrowth, Solve, Spectral, Step};
use blo::{Error, Estimator, Inverse, Rule, Scalar};
use common::{RandomQuadratic, Rng, cast};
use counting::{counted, kept};
use std::ops::ControlFlow;

/// Every estimator; `true` where a workspace that grows by itself ends with another size: its list of vectors has some room
/// to spare, or fewer products were made than were allowed.
fn estimators() -> Vec<(Estimator, bool)> {
    let by = Spectral::LANCZOS;
    let few = Spectral::Lanczos { tolerance: Some(0.0), max_products: Some(3) };
    let dense = Spectral::Dense;
    let inverses = [
        (Inverse::MinNorm { cutoff: None, by: dense }, false),
        (Inverse::Damped { epsilon: 0.1, by: dense }, false),
        (Inverse::NeumannFilter { terms: 9, alpha: 0.1, by: dense }, false),
        (Inverse::MinNorm { cutoff: None, by }, true),
        (Inverse::Damped { epsilon: 0.1, by }, true),
        (Inverse::Damped { epsilon: 0.1, by: few }, true),
        (Inverse::NeumannFilter { terms: 1000, alpha: 0.01, by }, true),
        (Inverse::neumann(10, 0.01), false),
        (Inverse::Neumann { terms: 10, step: Step::Auto, on_growth: OnGrowth::Continue }, true),
        (Inverse::Cg { iterations: 10, tolerance: 0.0 }, false),
        (Inverse::CgTwice { tolerance: 0.0, max_products: 30 }, true),
        (Inverse::Gmres { restart: 3, tolerance: 0.0, max_products: 30 }, true),
        (Inverse::Gmres { restart: 1000, tolerance: 0.0, max_products: 2000 }, true),
        (Inverse::Minres { tolerance: 0.0, max_products: 30 }, true),
        (Inverse::Nystrom { rank: 3, epsilon: 0.1, seed: 0 }, true),
        (Inverse::Nystrom { rank: 1000, epsilon: 0.1, seed: 0 }, true),
        (Inverse::Identity { alpha: 0.1 }, true),
        (Inverse::Zero, false),
    ];
    let mut all: Vec<(Estimator, bool)> = Vec::new();
    for (inverse, differs) in inverses {
        for verify in [true, false] {
            all.push((Estimator::Implicit(Solve { verify, ..inverse.into() }), differs));
        }
    }
    for inverse in [Inverse::neumann(10, 0.01), Inverse::Cg { iterations: 10, tolerance: 0.0 }] {
        all.push((Estimator::Implicit(Solve { start_from_last: true, ..inverse.into() }), true));
    }
    let cg = Inverse::Cg { iterations: 2, tolerance: 0.0 };
    all.push((Estimator::Implicit(Solve { refine: 2, ..cg.into() }), true));
    for rule in [Rule::descent(0.01), Rule::momentum(0.01, 0.5), Rule::adam(0.01)] {
        for mode in [Mode::Reverse, Mode::ReverseCheckpointed, Mode::Forward] {
            for last in [None, Some(4)] {
                all.push((Estimator::Unrolled(Unrolled { last, mode, ..Unrolled::new(rule, 7) }), false));
            }
        }
    }
    all
}

fn is_dense(estimator: &Estimator) -> bool {
    let Estimator::Implicit(solve) = estimator else { return false };
    matches!(
        solve.inverse,
        Inverse::MinNorm { by: Spectral::Dense, .. }
            | Inverse::Damped { by: Spectral::Dense, .. }
            | Inverse::NeumannFilter { by: Spectral::Dense, .. }
    )
}

/// `fixed`: the Hessian does not move, and its decomposition is the problem's own.
fn check<T: Scalar, P: Problem<T, Points = Flat, Vectors = Flat>>(problem: &P, fixed: bool, what: &str) {
    let mut rng = Rng(3);
    // What the problem keeps for itself is made before anything is measured.
    let dense = Inverse::MinNorm { cutoff: None, by: Spectral::Dense };
    hypergradient::Workspace::new(problem).reserve(problem, &dense.into()).unwrap();
    let u: Vec<T> = (0..problem.outer_space().len()).map(|_| T::from_f64(0.1 + rng.uniform())).collect();
    let w: Vec<T> = cast(&rng.normals(problem.inner_space().len()));
    for (estimator, differs) in estimators() {
        let name = format!("{what} {estimator:?}");
        let (mut workspace, held) = kept(|| {
            let mut workspace = hypergradient::Workspace::new(problem);
            workspace.reserve(problem, &estimator).unwrap();
            workspace
        });
        let told = workspace.bytes(problem);
        assert_eq!(told, held, "{name}: reserved");
        // Nothing comes to it, and but for a decomposition that is made anew nothing is allocated at all.
        let (count, grown) = kept(|| {
            counted(|| {
                hypergradient::evaluate(problem, &estimator, &u, &w, &mut workspace).unwrap();
            })
        });
        assert_eq!((grown, workspace.bytes(problem)), (0, told), "{name}: used");
        assert!(count == 0 || (is_dense(&estimator) && !fixed), "{name}: {count} allocations");
        // A second time there is nothing to reserve.
        let (_, grown) = kept(|| workspace.reserve(problem, &estimator).unwrap());
        assert_eq!(grown, 0, "{name}: twice");

        // Without the reservation the same is held in the end, or less where the products decide.
        let (workspace, held) = kept(|| {
            let mut workspace = hypergradient::Workspace::new(problem);
            hypergradient::evaluate(problem, &estimator, &u, &w, &mut workspace).unwrap();
            workspace
        });
        assert_eq!(workspace.bytes(problem), held, "{name}: unreserved");
        // A network's factored series does not take the vectors that are kept for the plain one.
        if !differs && !what.starts_with("network") {
            assert_eq!(held, told, "{name}: what is reserved is what is needed");
        }
        // A list of up to 145 vectors that grows by doubling has room for 256; the vectors themselves are never more.
        assert!(held <= told + 112 * size_of::<Vec<T>>(), "{name}: {held} unreserved, {told} reserved");
    }
}

fn examples<T: Scalar>(rows: usize, features: usize, classes: usize) -> Examples<T> {
    let mut rng = Rng(4);
    let design = cast(&rng.normals(rows * features));
    Examples { design, features, targets: vec![T::from_f64(1.0 / classes as f64); rows * classes] }
}

/// Networks of every kind that differs in memory: with and without factored series, φ″, inputs, targets, penalties.
fn networks<T: Scalar>() {
    use blo::problem::mlp::{Activation, Groups, Loss, Mlp, Model, OuterParameters};
    // The packing buffer of large eigendecompositions is one for each thread, kept for good: not of a workspace.
    let symmetric: Vec<f64> = (0..64 * 64).map(|i| ((i / 64) * (i % 64) % 7) as f64).collect();
    blo::cpu::symmetric_eigen("matrix", 64, &symmetric).unwrap();
    for (kind, activation) in [
        (OuterParameters::Inputs, Activation::Relu),
        (OuterParameters::InputsAndLabelLogits, Activation::Tanh),
        (OuterParameters::Targets, Activation::Gelu),
        (OuterParameters::LogL2(Groups::PerParameter), Activation::Relu),
        (OuterParameters::LogL2(Groups::PerLayer), Activation::Silu),
        (OuterParameters::ExampleWeightLogits, Activation::Identity),
        (OuterParameters::LinearAugmentation, Activation::Softplus),
        (OuterParameters::ProximalCentre { weight: 0.5 }, Activation::Relu),
    ] {
        for (rows, widths) in [(2, &[4, 6, 3][..]), (9, &[4, 3, 3, 3]), (3, &[4, 3])] {
            let model = Model::new(widths, activation, Loss::CrossEntropy).unwrap();
            let (inner, outer) = (examples::<T>(rows, 4, 3), examples::<T>(5, 4, 3));
            let problem = Mlp::new(model, kind, inner, outer, Reduction::Mean, 0.1).unwrap();
            check(&problem, false, &format!("network {kind:?} {widths:?}"));
        }
    }
}

fn all<T: Scalar>() {
    networks::<T>();
    for n in [5, 24] {
        let quadratic = RandomQuadratic::new(n as u64, n, 3, n - 1, 5.0).problem::<T>();
        check(&quadratic, true, "quadratic");
        let (inner, outer) = (examples::<T>(9, n, 1), examples::<T>(4, n, 1));
        let mean = Reduction::Mean;
        check(&LeastSquares::targets(inner.clone(), outer.clone(), mean).unwrap(), true, "targets");
        check(&LeastSquares::raw_l2(L2::Scalar, inner.clone(), outer.clone(), mean).unwrap(), false, "ridge");
        check(&LeastSquares::log_l2(L2::PerFeature, inner.clone(), outer.clone(), mean).unwrap(), false, "penalties");
        check(&LeastSquares::example_weights(0.1, inner, outer, mean).unwrap(), false, "weights");
        let (inner, outer, loss) = (examples::<T>(9, n, 3), examples::<T>(4, n, 3), Loss::Softmax { classes: 3 });
        check(&Regression::raw_l2(loss, L2::PerFeature, inner.clone(), outer.clone(), mean).unwrap(), false, "softmax");
        check(&Regression::example_weights(loss, 0.1, inner, outer, mean).unwrap(), false, "softmax weights");
    }
}

#[test]
fn workspaces_tell_what_they_hold() {
    all::<f64>();
    all::<f32>();
    for n in [1, 2, 17] {
        let user = UserProblem::<f64>::new(
            2,
            n,
            |u, w, g| {
                g.iter_mut().zip(w).for_each(|(g, w)| *g = *w - u[0]);
                Ok(0.0)
            },
            |_, w, _, g| {
                g.copy_from_slice(w);
                Ok(0.0)
            },
            |_, _, v, out| {
                out.copy_from_slice(v);
                Ok(())
            },
            |_, _, v, out| {
                out[0] = -v.iter().sum::<f64>();
                Ok(())
            },
        )
        .with_mixed_jvp(|_, _, du, out| {
            out.fill(-du[0]);
            Ok(())
        });
        check(&user, false, "user");
    }
}

#[test]
fn runs_tell_what_they_hold_and_allocate_nothing_more() {
    for n in [5, 24] {
        let quadratic = RandomQuadratic::new(7, n, 3, n, 5.0).problem::<f64>();
        quadratic.hessian_spectrum().unwrap();
        let ridge = LeastSquares::raw_l2(L2::Scalar, examples(9, n, 1), examples(4, n, 1), Reduction::Mean).unwrap();
        let mut runs = 0;
        for (estimator, _) in estimators() {
            for start in [Start::Cold, Start::Warm] {
                let rule = if let Estimator::Unrolled(unrolled) = estimator { unrolled.rule } else { Rule::adam(0.01) };
                let inner = InnerSolve::Optimizer { rule, steps: 7, tolerance: 0.0 };
                let mut settings = Settings::new(start, inner, estimator, Rule::adam(1e-3));
                (settings.outer_steps, settings.keep_best) = (6, true);
                run(&quadratic, settings.clone(), 3, n);
                if is_dense(&estimator) || matches!(estimator, Estimator::Unrolled(_)) {
                    continue;
                }
                settings.batch = Some(Batch { size: 4, seed: 1 });
                run(&ridge, settings, 1, n);
                runs += 1;
            }
        }
        assert!(runs > 20);
    }
}

fn run<P: Problem<f64, Points = Flat, Vectors = Flat>>(problem: &P, settings: Settings, outer_len: usize, n: usize) {
    let (u, w, mut trace) = (vec![0.5; outer_len], vec![0.1; n], [TraceRow::default(); 8]);
    let (mut runner, held) = kept(|| {
        let mut runner = Runner::new(problem, settings.clone(), &u, &w).unwrap();
        runner.reserve().unwrap();
        runner
    });
    let told = runner.bytes();
    assert_eq!(told, held, "{settings:?}");
    assert!(runner.best().is_none());
    let (count, grown) = kept(|| {
        counted(|| {
            runner.run_with(1, &mut trace, |_| ControlFlow::Continue(())).unwrap();
        })
    });
    assert_eq!((count, grown, runner.bytes()), (0, 0, told), "{settings:?}");
    let moves = settings.estimator != Inverse::Zero.into()
        && settings.estimator != Solve { verify: false, ..Inverse::Zero.into() }.into();
    assert!(runner.best().is_some() && (runner.steps() == 6 || !moves), "{settings:?}");
}

/// Reserving for one estimator after another, as a caller that compares them does.
#[test]
fn one_workspace_serves_all() {
    let problem = RandomQuadratic::new(1, 12, 3, 12, 5.0).problem::<f64>();
    problem.hessian_spectrum().unwrap();
    let mut workspace = hypergradient::Workspace::new(&problem);
    let implicit =
        || estimators().into_iter().map(|(estimator, _)| estimator).filter(|e| matches!(e, Estimator::Implicit(_)));
    implicit().for_each(|estimator| workspace.reserve(&problem, &estimator).unwrap());
    let (told, u, w) = (workspace.bytes(&problem), vec![0.5; 3], vec![0.1; 12]);
    for estimator in implicit() {
        let count = counted(|| {
            hypergradient::evaluate(&problem, &estimator, &u, &w, &mut workspace).unwrap();
        });
        assert_eq!((count, workspace.bytes(&problem)), (0, told), "{estimator:?}");
    }
}

#[test]
fn what_cannot_be_had_is_an_error() {
    let problem = RandomQuadratic::new(1, 12, 3, 12, 5.0).problem::<f64>();
    let mut workspace = hypergradient::Workspace::new(&problem);
    let mut refusal = |estimator: Estimator| workspace.reserve(&problem, &estimator).unwrap_err();
    for mode in [Mode::Reverse, Mode::ReverseCheckpointed] {
        let steps = if mode == Mode::Reverse { 1 << 55 } else { usize::MAX };
        let unrolled = Unrolled { mode, ..Unrolled::descent(steps, 0.1) };
        let error = refusal(Estimator::Unrolled(unrolled));
        assert!(matches!(error, Error::Invalid { argument: "memory of the estimator", .. }), "{mode:?}: {error}");
    }
    assert!(matches!(refusal(Inverse::neumann(3, -1.0).into()), Error::Invalid { argument: "alpha", .. }));
    // Beyond what a process can use there is nothing to reserve.
    let by = Spectral::Lanczos { tolerance: None, max_products: Some(usize::MAX) };
    workspace.reserve(&problem, &Inverse::MinNorm { cutoff: None, by }.into()).unwrap();
}
