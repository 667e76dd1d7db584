//! Bad input: each a typed error, or an outcome, that names the argument, what was found and what was expected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, RunEnding, Runner, Settings, Start};
use blo::hypergradient::{self, Unrolled};
use blo::problem::{Examples, InnerTerms, L2, LeastSquares, OuterTerms, Quadratic, Reduction, UserProblem, fourier};
use blo::solve::{Ending, OnGrowth, Spectral, Step};
use blo::{Error, Estimator, Inverse, Rule};
use common::RandomQuadratic;

type Terms = (InnerTerms<f64>, OuterTerms<f64>);

fn terms() -> Terms {
    let q = RandomQuadratic::new(1, 3, 2, 3, 4.0);
    (q.inner, q.outer)
}

fn quadratic_error(change: impl Fn(&mut Terms)) -> Error {
    let mut terms = terms();
    change(&mut terms);
    Quadratic::new(3, 2, terms.0, terms.1).unwrap_err()
}

fn array<'a>(terms: &'a mut Terms, name: &str) -> &'a mut Vec<f64> {
    match name {
        "A" => &mut terms.0.a,
        "B" => &mut terms.0.b,
        "C" => &mut terms.0.c,
        "d" => &mut terms.0.d,
        "e" => &mut terms.0.e,
        "P" => &mut terms.1.p,
        _ => &mut terms.1.f,
    }
}

#[test]
fn quadratic_terms() {
    for name in ["A", "B", "C", "d", "e", "P", "f"] {
        for change in [-1_i32, 1] {
            let error = quadratic_error(|terms| {
                let array = array(terms, name);
                array.resize((array.len() as i32 + change) as usize, 0.0);
            });
            let Error::Shape { argument, found, expected } = error.clone() else { panic!("{error}") };
            assert_eq!((argument, found as i32), (name, expected as i32 + change));
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(&found.to_string()) && text.contains(&expected.to_string()));
        }
        let len = array(&mut terms(), name).len();
        for index in [0, len / 2, len - 1] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let error = quadratic_error(|terms| array(terms, name)[index] = bad);
                let Error::NonFinite { argument, index: at, found } = error else { panic!("{error}") };
                assert_eq!((argument, at, found.to_bits()), (name, index, bad.to_bits()));
            }
        }
    }
    assert!(matches!(quadratic_error(|t| t.0.constant = f64::NAN), Error::NonFinite { argument: "c", .. }));
    assert!(matches!(quadratic_error(|t| t.1.h = f64::INFINITY), Error::NonFinite { argument: "h", .. }));
    for (name, n) in [("A", 3), ("C", 2), ("P", 3)] {
        let error = quadratic_error(|terms| array(terms, name)[n - 1] += 0.5);
        let Error::Asymmetric { argument, row, column, difference } = error.clone() else { panic!("{error}") };
        assert_eq!((argument, row, column), (name, n - 1, 0));
        assert!((difference - 0.5).abs() < 1e-12);
    }
    for name in ["A", "P"] {
        let error = quadratic_error(|terms| *array(terms, name) = vec![1.0, 0.0, 0.0, 0.0, -0.25, 0.0, 0.0, 0.0, 2.0]);
        let Error::Indefinite { argument, eigenvalue, .. } = error else { panic!("{error}") };
        assert_eq!((argument, eigenvalue), (name, -0.25));
    }
    // Rounding is excused: singular matrices pass.
    let mut terms = terms();
    terms.0.a = vec![1.0, 1.0, 0.0, 1.0, 1.0 + 1e-16, 0.0, 0.0, 0.0, 0.0];
    Quadratic::new(3, 2, terms.0, terms.1).unwrap();
}

fn examples(rows: usize) -> Examples<f64> {
    Examples { design: vec![0.5; rows * 2], features: 2, targets: vec![1.0; rows] }
}

#[test]
fn least_squares_examples() {
    let make = |inner, outer| LeastSquares::targets(inner, outer, Reduction::Sum).map(|_| ()).unwrap_err();
    let mut short = examples(3);
    short.design.pop();
    assert_eq!(make(short.clone(), examples(1)), Error::Shape { argument: "inner design", found: 5, expected: 6 });
    assert_eq!(make(examples(3), short), Error::Shape { argument: "outer design", found: 5, expected: 6 });
    let mut bad = examples(3);
    bad.targets[2] = f64::NAN;
    assert!(matches!(make(bad.clone(), examples(1)), Error::NonFinite { argument: "inner targets", index: 2, .. }));
    assert!(matches!(make(examples(1), bad), Error::NonFinite { argument: "outer targets", index: 2, .. }));
    assert!(make(examples(3), examples(0)).to_string().contains("outer examples: found 0, expected at least 1"));
    let mut narrow = examples(2);
    (narrow.features, narrow.design) = (1, vec![1.0; 2]);
    assert!(make(examples(3), narrow).to_string().contains("found 1, expected the inner features, 2"));
    assert!(fourier::design::<f64>(&[0.0, f64::NAN], 3, fourier::Amplitude::Harmonic).is_err());
}

fn evaluate(estimator: impl Into<Estimator>, u: &[f64], w: &[f64]) -> blo::Result<hypergradient::Evaluation> {
    let problem = RandomQuadratic::new(1, 3, 2, 3, 4.0).problem::<f64>();
    let mut workspace = hypergradient::Workspace::new(&problem);
    hypergradient::evaluate(&problem, &estimator.into(), &u.to_vec(), &w.to_vec(), &mut workspace)
}

#[test]
fn points() {
    let ok = Inverse::neumann(3, 0.1);
    assert_eq!(evaluate(ok, &[0.0; 3], &[0.0; 3]).unwrap_err(), Error::Shape { argument: "u", found: 3, expected: 2 });
    assert_eq!(evaluate(ok, &[0.0; 2], &[0.0; 2]).unwrap_err(), Error::Shape { argument: "w", found: 2, expected: 3 });
    let error = evaluate(ok, &[0.0, f64::NAN], &[0.0; 3]).unwrap_err();
    assert!(matches!(error, Error::NonFinite { argument: "u", index: 1, .. }));
    let error = evaluate(ok, &[0.0; 2], &[0.0, 0.0, f64::INFINITY]).unwrap_err();
    assert_eq!(error.to_string(), "w: found inf at index 2, expected finite values");
}

#[test]
fn estimator_parameters() {
    let by = Spectral::Dense;
    let lanczos = |tolerance, max_products| Spectral::Lanczos { tolerance, max_products };
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        for (name, inverse) in [
            ("alpha", Inverse::neumann(3, bad)),
            ("alpha", Inverse::Identity { alpha: bad }),
            ("alpha", Inverse::NeumannFilter { terms: 3, alpha: bad, by }),
            ("epsilon", Inverse::Damped { epsilon: bad, by }),
        ] {
            let error = evaluate(inverse, &[0.0; 2], &[0.0; 3]).unwrap_err();
            let Error::Invalid { argument, found, .. } = error.clone() else { panic!("{inverse:?}: {error}") };
            assert_eq!((argument, found), (name, bad.to_string()));
        }
    }
    for (name, inverse) in [
        ("cutoff", Inverse::MinNorm { cutoff: Some(1.0), by }),
        ("cutoff", Inverse::MinNorm { cutoff: Some(-1e-3), by }),
        ("cutoff", Inverse::MinNorm { cutoff: Some(f64::NAN), by }),
        ("max_products", Inverse::MinNorm { cutoff: None, by: lanczos(None, Some(0)) }),
        ("tolerance", Inverse::Damped { epsilon: 1.0, by: lanczos(Some(-1.0), None) }),
        ("tolerance", Inverse::Minres { tolerance: -1.0, max_products: 3 }),
        ("max_products", Inverse::Minres { tolerance: 0.0, max_products: 0 }),
        ("rank", Inverse::Nystrom { rank: 0, epsilon: 1.0, seed: 0 }),
        ("epsilon", Inverse::Nystrom { rank: 1, epsilon: -1.0, seed: 0 }),
        ("tolerance", Inverse::Cg { iterations: 3, tolerance: f64::NAN }),
    ] {
        let error = evaluate(inverse, &[0.0; 2], &[0.0; 3]).unwrap_err();
        assert!(matches!(error, Error::Invalid { argument, .. } if argument == name), "{inverse:?}: {error}");
    }
    for (name, unrolled) in [
        ("steps", Unrolled::descent(0, 0.1)),
        ("step", Unrolled::descent(1, -0.1)),
        ("last", Unrolled { last: Some(0), ..Unrolled::descent(3, 0.1) }),
        ("last", Unrolled { last: Some(4), ..Unrolled::descent(3, 0.1) }),
    ] {
        let error = evaluate(Estimator::Unrolled(unrolled), &[0.0; 2], &[0.0; 3]).unwrap_err();
        assert!(matches!(error, Error::Invalid { argument, .. } if argument == name), "{unrolled:?}: {error}");
    }
    // K = 0 is the identity, not an error; zero iterations of CG give zero.
    evaluate(Inverse::neumann(0, 0.1), &[0.0; 2], &[0.0; 3]).unwrap();
    evaluate(Inverse::Cg { iterations: 0, tolerance: 0.0 }, &[0.0; 2], &[0.0; 3]).unwrap();
}

#[test]
fn run_settings() {
    let problem = RandomQuadratic::new(1, 3, 2, 3, 4.0).problem::<f64>();
    let descent = InnerSolve::Optimizer { rule: Rule::descent(0.1), steps: 4, tolerance: 0.0 };
    let make = |change: &dyn Fn(&mut Settings)| {
        let mut settings = Settings::new(Start::Warm, descent, Inverse::neumann(3, 0.1), Rule::descent(0.1));
        change(&mut settings);
        match Runner::new(&problem, settings, &[0.0; 2], &[0.0; 3]) {
            Ok(_) => panic!("accepted"),
            Err(error) => error.to_string(),
        }
    };
    for (change, expected) in [
        (
            &(|s: &mut Settings| s.outer = Rule::descent(0.0).into()) as &dyn Fn(&mut Settings),
            "step: found 0, expected",
        ),
        (
            &|s| s.outer = Rule::Adam { step: 0.1, beta1: 1.0, beta2: 0.9, epsilon: 1e-8 }.into(),
            "beta1: found 1, expected",
        ),
        (
            &|s| s.outer = Rule::Adam { step: 0.1, beta1: 0.0, beta2: 0.9, epsilon: 0.0 }.into(),
            "epsilon: found 0, expected",
        ),
        (&|s| s.outer_tolerance = -1.0, "outer_tolerance: found -1, expected"),
        (&|s| s.outer_tolerance = f64::NAN, "outer_tolerance: found NaN, expected"),
        (
            &|s| s.inner = InnerSolve::Optimizer { rule: Rule::descent(0.1), steps: 0, tolerance: 0.0 },
            "inner steps: found 0, expected",
        ),
        (
            &|s| s.inner = InnerSolve::Optimizer { rule: Rule::descent(-0.1), steps: 1, tolerance: 0.0 },
            "inner step: found -0.1",
        ),
        (
            &|s| s.inner = InnerSolve::Optimizer { rule: Rule::descent(0.1), steps: 1, tolerance: -1.0 },
            "inner tolerance: found -1",
        ),
        (&|s| s.estimator = Inverse::neumann(3, -1.0).into(), "alpha: found -1, expected"),
        (
            &|s| s.estimator = Estimator::Unrolled(Unrolled::descent(4, 0.2)),
            "unrolled rule: found Descent { step: 0.2 }, expected the inner rule, Descent { step: 0.1 }",
        ),
        (
            &|s| s.estimator = Estimator::Unrolled(Unrolled::descent(5, 0.1)),
            "unrolled steps: found 5, expected the inner steps, 4",
        ),
        (&|s| (s.start, s.keep_look_ahead) = (Start::Cold, true), "keep_look_ahead: not possible"),
    ] {
        let text = make(change);
        assert!(text.contains(expected), "{text} should contain {expected}");
    }
    let settings = Settings::new(Start::Cold, descent, Inverse::Zero, Rule::descent(0.1));
    let error = Runner::new(&problem, settings.clone(), &[0.0; 1], &[0.0; 3]).map(|_| ()).unwrap_err();
    assert_eq!(error, Error::Shape { argument: "u", found: 1, expected: 2 });
    let error = Runner::new(&problem, settings, &[0.0; 2], &[f64::NAN; 3]).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::NonFinite { argument: "w", index: 0, .. }));
}

/// A step beyond 2/λmax is an outcome: of the solve, of the inner loop, of the outer loop. u and w stay sound.
#[test]
fn steps_that_are_too_large() {
    let q = RandomQuadratic::new(9, 4, 3, 4, 3.0);
    let problem = q.problem::<f64>();
    let alpha = 2.2 / q.h.largest();
    let evaluation = {
        let mut workspace = hypergradient::Workspace::new(&problem);
        let estimator = Inverse::neumann(1000, alpha).into();
        hypergradient::evaluate(&problem, &estimator, &vec![1.0; 3], &vec![1.0; 4], &mut workspace).unwrap()
    };
    assert_eq!(evaluation.report.ending, Ending::NonContractive);
    assert!((evaluation.report.growth.unwrap() - 1.2).abs() < 0.05, "{:?}", evaluation.report.growth);

    let run = |inner, estimator: Estimator, rule| {
        let mut settings = Settings::new(Start::Warm, inner, estimator, rule);
        settings.outer_steps = 20_000;
        let mut runner = Runner::new(&problem, settings, &[1.0; 3], &[1.0; 4]).unwrap();
        let outcome = runner.run().unwrap();
        assert!(runner.u().iter().chain(runner.w()).all(|x| x.is_finite()));
        outcome
    };
    let good = Inverse::neumann(10, 0.5 / q.h.largest());
    for (steps, tolerance) in [(1, 0.0), (50, 0.0), (100_000, 1e-9)] {
        let inner = InnerSolve::Optimizer { rule: Rule::descent(alpha), steps, tolerance };
        let outcome = run(inner, good.into(), Rule::descent(1e-9));
        assert_eq!(outcome.ending, RunEnding::InnerDiverged, "{steps} {outcome:?}");
    }
    let inner = InnerSolve::Optimizer { rule: Rule::descent(alpha), steps: 30, tolerance: 0.0 };
    let unrolled = Estimator::Unrolled(Unrolled { last: Some(2), ..Unrolled::descent(30, alpha) });
    assert_eq!(run(inner, unrolled, Rule::descent(1e-12)).ending, RunEnding::InnerDiverged);
    assert_eq!(run(InnerSolve::Fixpoint, good.into(), Rule::descent(1e6)).ending, RunEnding::OuterDiverged);
    let continuing = Inverse::Neumann { terms: 10, step: Step::Fixed(alpha), on_growth: OnGrowth::Stop };
    let mut settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, continuing, Rule::descent(1e-3));
    settings.outer_steps = 5;
    let outcome = Runner::new(&problem, settings, &[1.0; 3], &[1.0; 4]).unwrap().run().unwrap();
    assert_eq!((outcome.ending, outcome.doubtful_solves), (RunEnding::StepLimit, 6));
}

/// An inner problem without a minimum: B u + d outside of the range of A.
#[test]
fn an_unbounded_inner_problem() {
    let mut terms = terms();
    terms.0.a = vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0];
    let problem = Quadratic::new(3, 2, terms.0, terms.1).unwrap();
    let settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::Zero, Rule::descent(0.1));
    let error = Runner::new(&problem, settings, &[1.0; 2], &[0.0; 3]).unwrap().run().unwrap_err();
    assert!(error.to_string().contains("unbounded below"), "{error}");
}

fn user(bad: &'static str) -> UserProblem<f64> {
    let nan = move |name: &str| if bad == name { f64::NAN } else { 1.0 };
    let fail = move |name: &'static str| if bad == name { Err(Error::Callback { name, code: 7 }) } else { Ok(()) };
    UserProblem::<f64>::new(
        2,
        3,
        move |_, w, g| {
            fail("inner")?;
            g.copy_from_slice(w);
            g[1] *= nan("inner gradient");
            Ok(0.5 * nan("inner value"))
        },
        move |_, _, gu, gw| {
            fail("outer")?;
            gu.fill(nan("outer gradient_u"));
            gw.fill(nan("outer gradient_w"));
            Ok(nan("outer value"))
        },
        move |_, _, v, out| {
            fail("hvp")?;
            out.copy_from_slice(v);
            out[2] *= nan("hvp");
            if bad == "hvp nan" {
                out[2] = f64::NAN;
            }
            Ok(())
        },
        move |_, _, _, out| {
            fail("mixed_vjp")?;
            out.fill(nan("mixed_vjp nan"));
            Ok(())
        },
    )
}

#[test]
fn user_callbacks() {
    let run = |bad| {
        let problem = user(bad);
        let inner = InnerSolve::Optimizer { rule: Rule::descent(0.5), steps: 2, tolerance: 0.0 };
        let settings = Settings::new(Start::Warm, inner, Inverse::neumann(2, 0.5), Rule::descent(0.1));
        Runner::new(&problem, settings, &[1.0; 2], &[1.0; 3]).unwrap().run()
    };
    run("nothing").unwrap();
    for name in ["inner", "outer", "hvp", "mixed_vjp"] {
        assert_eq!(run(name).unwrap_err(), Error::Callback { name, code: 7 });
    }
    for (bad, expected) in [
        ("inner gradient", "gradient of callback inner: found NaN at index 1, expected finite values"),
        ("inner value", "value of callback inner: found NaN"),
        ("outer gradient_u", "gradient_u of callback outer: found NaN"),
        ("outer gradient_w", "gradient_w of callback outer: found NaN"),
        ("outer value", "value of callback outer: found NaN"),
        ("hvp nan", "output of callback hvp: found NaN at index 2"),
        ("mixed_vjp nan", "output of callback mixed_vjp: found NaN"),
    ] {
        let text = run(bad).unwrap_err().to_string();
        assert!(text.contains(expected), "{text} should contain {expected}");
    }
    // What the problem does not have is said.
    let settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::Zero, Rule::descent(0.1));
    let problem = user("nothing");
    let error = Runner::new(&problem, settings, &[1.0; 2], &[1.0; 3]).unwrap().run().unwrap_err();
    assert!(error.to_string().contains("use gradient descent"), "{error}");
}

/// Penalties that overflow are named.
#[test]
fn overflowing_penalty() {
    let problem = LeastSquares::log_l2(L2::PerFeature, examples(3), examples(2), Reduction::Mean).unwrap();
    let settings = Settings::new(Start::Cold, InnerSolve::Fixpoint, Inverse::Zero, Rule::descent(0.1));
    let error = Runner::new(&problem, settings, &[0.0, 1000.0], &[0.5; 2]).unwrap().run().unwrap_err();
    assert!(matches!(error, Error::NonFinite { argument: "exp(u)", index: 1, .. }), "{error}");
}

#[test]
fn statuses_are_distinct_and_negative() {
    let errors = [
        Error::Null { argument: "x" },
        quadratic_error(|t| t.0.a.truncate(1)),
        quadratic_error(|t| t.0.a[0] = f64::NAN),
        quadratic_error(|t| t.0.a[1] += 1.0),
        quadratic_error(|t| t.0.a = vec![-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]),
        evaluate(Inverse::neumann(1, -1.0), &[0.0; 2], &[0.0; 3]).unwrap_err(),
        Error::StructSize { argument: "x", found: 1, expected: 2 },
        Error::Unsupported { operation: "x", reason: "y" },
        Error::Callback { name: "x", code: 1 },
        Error::File { path: "x".into(), reason: "y".into() },
        Error::Decomposition { argument: "x" },
        Error::Panic { message: "x".into() },
    ];
    let mut numbers: Vec<i32> = errors.iter().map(Error::status).collect();
    assert!(numbers.iter().all(|&number| number < 0));
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), errors.len());
}
