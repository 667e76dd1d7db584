//! Batches of inner examples: each epoch covers them once, estimates are unbiased, runs with them converge, resume with the
//! same bits, and refuse what does not go with them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{Batch, InnerSolve, RunEnding, Runner, Sampler, Settings, Start, ToleranceSchedule};
use blo::hypergradient::Unrolled;
use blo::problem::{Examples, L2, LeastSquares, Loss, Problem, Reduction, Regression};
use blo::solve::{Flat, Spectral};
use blo::{Error, Estimator, Inverse, Rule, Scalar};
use common::{RandomQuadratic, Rng, cast, distance, norm, widen};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const EXACT: Inverse = Inverse::MinNorm { cutoff: None, by: Spectral::LANCZOS };

fn sampler(examples: usize, size: usize, seed: u64) -> Sampler {
    Sampler::new(examples, Batch { size, seed }).unwrap()
}

fn epoch(sampler: &mut Sampler, batches: usize) -> Vec<Vec<usize>> {
    (0..batches).map(|_| sampler.next_batch().to_vec()).collect()
}

#[test]
fn every_epoch_has_every_example_once() {
    for n in [1, 2, 3, 4, 7, 8, 100] {
        for size in [1, 2, 3, 7, n - 1, n].into_iter().filter(|size| (1..=n).contains(size)) {
            let mut sampler = sampler(n, size, 5);
            for _ in 0..20 {
                let batches = epoch(&mut sampler, n.div_ceil(size));
                let (last, whole) = batches.split_last().unwrap();
                assert!(whole.iter().all(|batch| batch.len() == size), "{n} {size}");
                assert_eq!(last.len(), n - size * whole.len(), "{n} {size}");
                let mut all = batches.concat();
                all.sort();
                assert_eq!(all, (0..n).collect::<Vec<_>>(), "{n} {size}");
            }
        }
        for size in [0, n + 1, usize::MAX] {
            let error = Sampler::new(n, Batch { size, seed: 0 }).unwrap_err();
            let expected = format!("from 1 to the number of inner examples, {n}");
            assert_eq!(error, Error::Invalid { argument: "batch.size", found: size.to_string(), expected });
        }
    }
    assert!(matches!(Sampler::new(0, Batch { size: 1, seed: 0 }), Err(Error::Unsupported { operation: "batch", .. })));
}

#[test]
fn the_seed_decides_and_every_epoch_is_shuffled() {
    let epochs = |seed| {
        let mut sampler = sampler(50, 50, seed);
        epoch(&mut sampler, 4)
    };
    let (one, two) = (epochs(1), epochs(2));
    assert_eq!(one, epochs(1));
    let mut all: Vec<Vec<usize>> = one.into_iter().chain(two).chain([(0..50).collect()]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9, "all differ, from the order of the examples, too");
}

/// All 24 orders of four examples equally often over the seeds. Over the epochs of one sampler that would hold for a wrong
/// shuffle, too, since each epoch shuffles the one before.
#[test]
fn orders_are_uniform() {
    let mut counts = std::collections::HashMap::new();
    let seeds = 48_000;
    for seed in 0..seeds {
        *counts.entry(sampler(4, 4, seed).next_batch().to_vec()).or_insert(0.0) += 1.0;
    }
    let expected = seeds as f64 / 24.0;
    // χ² with 23 degrees of freedom: above 49.7 once in a thousand.
    let chi: f64 = counts.values().map(|count: &f64| (count - expected).powi(2) / expected).sum();
    assert!(counts.len() == 24 && chi < 49.7, "{chi}");
}

fn examples<T: Scalar>(rng: &mut Rng, rows: usize, features: usize, classes: usize) -> Examples<T> {
    let mut targets: Vec<f64> = (0..rows * classes).map(|_| 0.05 + 0.9 * rng.uniform()).collect();
    if classes > 1 {
        for row in targets.chunks_exact_mut(classes) {
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|t| *t /= sum);
        }
    }
    Examples { design: cast(&rng.normals(rows * features)), features, targets: cast(&targets) }
}

fn rows<T: Scalar>(examples: &Examples<T>, batch: &[usize], classes: usize) -> Examples<T> {
    let n = examples.features;
    let take =
        |from: &[T], width: usize| batch.iter().flat_map(|i| from[i * width..(i + 1) * width].to_vec()).collect();
    Examples { design: take(&examples.design, n), features: n, targets: take(&examples.targets, classes) }
}

/// f_B as the f of a problem that has no other examples than the batch's; then epochs of f_B against f.
fn check<T, P>(
    u: Vec<f64>,
    per_example: bool,
    n: usize,
    data: &Examples<T>,
    classes: usize,
    make: impl Fn(Examples<T>, Reduction) -> P,
) where
    T: Scalar,
    P: Problem<T, Points = Flat, Vectors = Flat>,
{
    let mut rng = Rng(9);
    let whole = make(data.clone(), Reduction::Mean);
    let (wide_u, w): (Vec<f64>, Vec<T>) = (u.clone(), cast(&rng.normals(whole.inner_space().len())));
    let u: Vec<T> = cast(&u);
    let value = |problem: &P, u: &Vec<T>| {
        let mut gradient = vec![T::from_f64(f64::NAN); w.len()];
        let value = problem.inner(&mut problem.workspace(), u, &w, &mut gradient).unwrap();
        (value, widen(&gradient))
    };
    let close = |found: &(f64, Vec<f64>), expected: &(f64, Vec<f64>), what: &str| {
        let size = norm(&expected.1) + expected.0.abs() + 1.0;
        let error = distance(&found.1, &expected.1) + (found.0 - expected.0).abs();
        assert!(error <= 200.0 * T::EPSILON * size, "{what}: {error} of {size}");
    };
    for reduction in [Reduction::Mean, Reduction::Sum] {
        let problem = make(data.clone(), reduction);
        assert_eq!(problem.examples(), n);
        let full = value(&problem, &u);
        let mut at = problem.workspace();
        let mut batch_value = |batch: &[usize]| {
            let mut gradient = vec![T::from_f64(f64::NAN); w.len()];
            let value = problem.inner_batch(&mut at, batch, &u, &w, &mut gradient).unwrap();
            (value, widen(&gradient))
        };
        for size in [1, 2, 3, n - 1, n].into_iter().filter(|size| (1..=n).contains(size)) {
            let mut sampler = sampler(n, size, 4);
            let (mut sum, mut gradient) = (0.0, vec![0.0; w.len()]);
            for _ in 0..n.div_ceil(size) {
                let batch = sampler.next_batch().to_vec();
                let found = batch_value(&batch);
                if reduction == Reduction::Mean {
                    let few = |u: &[f64]| if per_example { batch.iter().map(|i| u[*i]).collect() } else { u.to_vec() };
                    let alone = make(rows(data, &batch, classes), Reduction::Mean);
                    close(&found, &value(&alone, &cast(&few(&wide_u))), "alone");
                }
                let share = batch.len() as f64 / n as f64;
                sum += share * found.0;
                gradient.iter_mut().zip(&found.1).for_each(|(sum, g)| *sum += share * g);
            }
            close(&(sum, gradient), &full, "an epoch");
        }
        // One batch in any order, and one twice over, is all.
        let all: Vec<usize> = (0..n).rev().chain(0..n).collect();
        close(&batch_value(&all[..n]), &full, "all");
        close(&batch_value(&all), &full, "twice all");
    }
    let mut gradient = vec![T::ZERO; w.len()];
    let mut refused =
        |batch: &[usize]| whole.inner_batch(&mut whole.workspace(), batch, &u, &w, &mut gradient).unwrap_err();
    assert_eq!(refused(&[]).to_string(), "batch: found no examples, expected at least 1");
    assert_eq!(
        refused(&[0, n]).to_string(),
        format!("batch: found example {n} at index 1, expected examples below {n}")
    );
    refused(&[usize::MAX]);
}

fn estimates<T: Scalar>() {
    let mut rng = Rng(17);
    for n in [1, 2, 3, 6, 11] {
        let outer = examples::<T>(&mut rng, 3, 4, 1);
        let data = examples::<T>(&mut rng, n, 4, 1);
        let (u, c) = (rng.normals(n), vec![0.1, 0.0, 2.0, 0.5]);
        check(u.clone(), true, n, &data, 1, |data, r| LeastSquares::targets(data, outer.clone(), r).unwrap());
        check(u.clone(), true, n, &data, 1, |data, r| {
            LeastSquares::example_weights(0.3, data, outer.clone(), r).unwrap()
        });
        check(c.clone(), false, n, &data, 1, |data, r| {
            LeastSquares::raw_l2(L2::PerFeature, data, outer.clone(), r).unwrap()
        });
        check(vec![-1.0], false, n, &data, 1, |data, r| {
            LeastSquares::log_l2(L2::Scalar, data, outer.clone(), r).unwrap()
        });
        for (loss, classes) in [(Loss::Logistic, 1), (Loss::Softmax { classes: 3 }, 3)] {
            let (data, outer) = (examples::<T>(&mut rng, n, 4, classes), examples::<T>(&mut rng, 3, 4, classes));
            check(u.clone(), true, n, &data, classes, |data, r| {
                Regression::example_weights(loss, 0.3, data, outer.clone(), r).unwrap()
            });
            check(c.clone(), false, n, &data, classes, |data, r| {
                Regression::raw_l2(loss, L2::PerFeature, data, outer.clone(), r).unwrap()
            });
        }
    }
}

#[test]
fn estimates_are_of_the_batch_and_average_to_the_whole() {
    estimates::<f64>();
    estimates::<f32>();
}

fn settings(start: Start, steps: usize, alpha: f64, size: usize) -> Settings {
    let mut settings = Settings::new(start, InnerSolve::descent(alpha, steps), EXACT, Rule::descent(0.05));
    settings.batch = Some(Batch { size, seed: 12 });
    settings
}

/// 60 examples of 5 features; with `noise` 0 one w fits them all.
fn line(noise: f64) -> LeastSquares<f64> {
    let mut rng = Rng(31);
    let truth = [1.0, -2.0, 0.5, 3.0, -1.0];
    let mut examples = |rows: usize| {
        let design = rng.normals(rows * 5);
        let targets = design
            .chunks_exact(5)
            .map(|x| x.iter().zip(truth).map(|(x, w)| x * w).sum::<f64>() + noise * rng.normal())
            .collect();
        Examples { design, features: 5, targets }
    };
    LeastSquares::log_l2(L2::Scalar, examples(60), examples(40), Reduction::Mean).unwrap()
}

fn after_first_look_ahead(problem: &LeastSquares<f64>, settings: Settings, u: f64) -> Vec<f64> {
    let mut runner = Runner::new(problem, settings, &[u], &[0.0; 5]).unwrap();
    let mut w = Vec::new();
    runner
        .run_with(0, &mut [], |progress| {
            w.clone_from(progress.w);
            ControlFlow::Break(())
        })
        .unwrap();
    w
}

/// Without noise of the estimate at the solution, a constant step converges; with it, to a neighbourhood whose mean
/// square grows with the step.
#[test]
fn stochastic_descent_converges() {
    let clean = line(0.0);
    let truth = after_first_look_ahead(&clean, settings(Start::Cold, 8000, 0.05, 4), -80.0);
    assert!(distance(&truth, &[1.0, -2.0, 0.5, 3.0, -1.0]) < 1e-12, "{truth:?}");

    let noisy = line(0.5);
    let mut exact = vec![0.0; 5];
    noisy.fixpoint(&mut noisy.workspace(), &vec![-2.0], &mut exact).unwrap();
    let mean_square = |alpha: f64| {
        let squares = (0..40).map(|seed| {
            let mut settings = settings(Start::Cold, (20.0 / alpha) as usize, alpha, 4);
            settings.batch = Some(Batch { size: 4, seed });
            distance(&after_first_look_ahead(&noisy, settings, -2.0), &exact).powi(2)
        });
        squares.sum::<f64>() / 40.0
    };
    let (large, small) = (mean_square(0.05), mean_square(0.0125));
    assert!(large < 2e-2 && small < 0.4 * large && small > 0.02 * large, "{large} {small}");
}

#[test]
fn a_run_with_batches_ends_near_the_one_without() {
    let problem = line(0.5);
    for start in [Start::Cold, Start::Warm] {
        let mut settings = settings(start, 200, 0.02, 6);
        (settings.outer_steps, settings.outer) = (300, Rule::descent(0.5).into());
        let mut runner = Runner::new(&problem, settings.clone(), &[1.0], &[0.0; 5]).unwrap();
        let with = runner.run().unwrap();
        assert_eq!(with.ending, RunEnding::StepLimit);
        // Each step is one batch, whatever the start.
        let solves = if start == Start::Cold { 301 } else { 301 + 300 };
        assert_eq!(with.inner_steps, 200 * solves);
        (settings.batch, settings.inner) = (None, InnerSolve::Fixpoint);
        let mut exact = Runner::new(&problem, settings, &[1.0], &[0.0; 5]).unwrap();
        let without = exact.run().unwrap();
        let moved = 1.0 - exact.u()[0];
        assert!(moved > 0.1 && (runner.u()[0] - exact.u()[0]).abs() < 0.1 * moved, "{:?} {:?}", runner.u(), exact.u());
        assert!(
            (with.outer_loss / without.outer_loss - 1.0).abs() < 0.05,
            "{} {}",
            with.outer_loss,
            without.outer_loss
        );
    }
}

#[test]
fn a_batch_of_all_is_the_run_without() {
    let problem = line(0.5);
    for start in [Start::Cold, Start::Warm] {
        let mut settings = settings(start, 20, 0.1, 60);
        settings.outer_steps = 30;
        let mut with = Runner::new(&problem, settings.clone(), &[1.0], &[0.0; 5]).unwrap();
        settings.batch = None;
        let mut without = Runner::new(&problem, settings, &[1.0], &[0.0; 5]).unwrap();
        let (a, b) = (with.run().unwrap(), without.run().unwrap());
        assert_eq!((a.steps, a.inner_steps), (b.steps, b.inner_steps));
        assert!(distance(with.w(), without.w()) < 1e-12 && distance(with.u(), without.u()) < 1e-12);
        assert!(distance(with.w(), &[0.0; 5]) > 1.0);
    }
}

/// A cold start goes on with the batches: its inner solves see other examples each time.
#[test]
fn cold_starts_go_on_with_the_batches() {
    let problem = line(0.5);
    let mut settings = settings(Start::Cold, 3, 0.1, 7);
    // u as good as stays.
    (settings.outer, settings.outer_steps) = (Rule::descent(1e-300).into(), 5);
    let mut seen: Vec<Vec<f64>> = Vec::new();
    let mut runner = Runner::new(&problem, settings, &[1.0], &[0.0; 5]).unwrap();
    runner
        .run_with(0, &mut [], |progress| {
            seen.push(progress.w.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen.len(), 6);
    // The plain transcript: three steps each from 0, along one sampler.
    let (mut sampler, mut at, mut g) = (sampler(60, 7, 12), problem.workspace(), vec![0.0; 5]);
    for seen in &seen {
        let mut w = vec![0.0; 5];
        for _ in 0..3 {
            problem.inner_batch(&mut at, sampler.next_batch(), &vec![1.0], &w, &mut g).unwrap();
            w.iter_mut().zip(&g).for_each(|(w, g)| *w -= 0.1 * g);
        }
        assert!(distance(&w, seen) < 1e-14, "{w:?} {seen:?}");
    }
    assert!(distance(&seen[0], &seen[1]) > 1e-3);
}

#[test]
fn divergence_is_noticed() {
    let problem = line(0.5);
    let mut settings = settings(Start::Warm, 50, 5.0, 3);
    settings.outer_steps = 1000;
    let outcome = Runner::new(&problem, settings, &[1.0], &[0.0; 5]).unwrap().run().unwrap();
    assert_eq!(outcome.ending, RunEnding::InnerDiverged);
}

#[test]
fn what_does_not_go_with_batches_is_refused() {
    let problem = line(0.5);
    let refusal = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings(Start::Warm, 5, 0.1, 7);
        change(&mut settings);
        let early = settings.validate().err().map(|error| error.to_string());
        let error = Runner::new(&problem, settings, &[1.0], &[0.0; 5]).map(|_| ()).unwrap_err().to_string();
        assert!(early.is_none_or(|early| early == error));
        error
    };
    let estimator = Estimator::Unrolled(Unrolled::descent(5, 0.1));
    assert!(refusal(&|s| s.estimator = estimator).contains("take an implicit one"));
    assert!(refusal(&|s| s.inner = InnerSolve::Fixpoint).contains("the closed form takes all examples"));
    let tolerance = InnerSolve::Optimizer { rule: Rule::descent(0.1), steps: 5, tolerance: 1e-3 };
    assert!(refusal(&|s| s.inner = tolerance).contains("inner tolerance: found 0.001, expected 0"));
    let schedule = ToleranceSchedule { first: 1e-2, factor: 0.9, last: 0.0 };
    assert!(refusal(&|s| s.schedule = Some(schedule)).contains("leave the schedule out"));
    assert!(
        refusal(&|s| s.batch = Some(Batch { size: 0, seed: 0 })).contains("batch.size: found 0, expected at least 1")
    );
    let too_large = refusal(&|s| s.batch = Some(Batch { size: 61, seed: 0 }));
    assert_eq!(too_large, "batch.size: found 61, expected from 1 to the number of inner examples, 60");
    let quadratic = RandomQuadratic::new(1, 4, 1, 4, 2.0).problem::<f64>();
    let error = Runner::new(&quadratic, settings(Start::Warm, 5, 0.1, 7), &[1.0], &[0.0; 4]).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("not known as a sum"), "{error}");
    let found = quadratic.inner_batch(&mut quadratic.workspace(), &[0], &vec![1.0], &vec![0.0; 4], &mut vec![0.0; 4]);
    assert!(matches!(found, Err(Error::Unsupported { operation: "batches of inner examples", .. })));
}

fn bits(runner: &Runner<f64, &LeastSquares<f64>>) -> Vec<u64> {
    runner.u().iter().chain(runner.w()).map(|x| x.to_bits()).collect()
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    let problem = line(0.5);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("batches-{}.blo", std::process::id()));
    for (start, size, rule) in [
        (Start::Cold, 7, Rule::descent(0.05)),
        (Start::Warm, 1, Rule::adam(0.02)),
        (Start::Warm, 60, Rule::momentum(0.02, 0.5)),
    ] {
        let mut settings = settings(start, 4, 0.05, size);
        settings.inner = InnerSolve::Optimizer { rule, steps: 4, tolerance: 0.0 };
        settings.outer_steps = 150;
        let mut whole = Runner::new(&problem, settings.clone(), &[1.0], &[0.0; 5]).unwrap();
        let outcome = whole.run().unwrap();
        let mut runner = Runner::new(&problem, settings, &[1.0], &[0.0; 5]).unwrap();
        let mut rng = Rng(6);
        for _ in 0..10 {
            for _ in 0..rng.next() % 12 {
                runner.outer_step().unwrap();
            }
            runner.save(&path).unwrap();
            runner = Runner::resume(&problem, &path).unwrap();
        }
        assert!(runner.steps() > 10 && runner.steps() < 150);
        let resumed = runner.run().unwrap();
        assert_eq!(bits(&runner), bits(&whole), "{start:?} {size}");
        assert_eq!(
            (resumed.inner_steps, resumed.outer_loss.to_bits()),
            (outcome.inner_steps, outcome.outer_loss.to_bits())
        );
    }
    std::fs::remove_file(path).unwrap();
}

fn adam_with_batches(problem: &LeastSquares<f64>) -> Runner<f64, &LeastSquares<f64>> {
    let mut settings = settings(Start::Warm, 4, 0.05, 7);
    settings.inner = InnerSolve::Optimizer { rule: Rule::adam(0.02), steps: 4, tolerance: 0.0 };
    Runner::new(problem, settings, &[1.0], &[0.0; 5]).unwrap()
}

/// The process that is killed: this test binary again, told so by an environment variable; does nothing otherwise.
#[test]
fn child_process() {
    let Ok(path) = std::env::var("BLO_TEST_BATCHES") else { return };
    let problem = line(0.5);
    let mut runner = match Path::new(&path).exists() {
        true => Runner::resume(&problem, &path).unwrap(),
        false => adam_with_batches(&problem),
    };
    // Far more than it lives to make.
    for _ in 0..200_000 {
        runner.outer_step().unwrap();
        runner.save(&path).unwrap();
    }
}

#[test]
fn killed_at_random_moments() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("killed-batches-{}.blo", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let (problem, mut rng, mut kills) = (line(0.5), Rng(8), 0);
    let steps = || if path.exists() { Runner::resume(&problem, &path).unwrap().steps() } else { 0 };
    while kills < 20 || steps() < 20 {
        assert!(kills < 2000, "the children make no steps");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process"])
            .env("BLO_TEST_BATCHES", &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_micros(4_000 + rng.next() % 12_000));
        assert!(child.try_wait().unwrap().is_none(), "the child ended before it was killed: did it fail?");
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let resumed = Runner::resume(&problem, &path).unwrap();
    let mut whole = adam_with_batches(&problem);
    for _ in 0..resumed.steps() {
        whole.outer_step().unwrap();
    }
    assert_eq!(bits(&resumed), bits(&whole), "after {} steps", resumed.steps());
    let _ = std::fs::remove_file(path);
}

/// A file ends with the sampler, four words of random state, the order and the position; a byte that says that there is no
/// last q; and the checksum.
#[test]
fn a_saved_sampler_that_is_none_is_refused() {
    let problem = line(0.5);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("no-batches-{}.blo", std::process::id()));
    let mut runner = Runner::new(&problem, settings(Start::Warm, 4, 0.05, 7), &[1.0], &[0.0; 5]).unwrap();
    runner.outer_step().unwrap();
    runner.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let body = &whole[..whole.len() - 8];
    let begin = body.len() - 1 - 8 * (4 + 60 + 1);
    let word = |at: usize| u64::from_le_bytes(body[begin + 8 * at..][..8].try_into().unwrap());
    assert!((4..64).all(|at| word(at) < 60) && word(64) == 56, "the layout is not what this test thinks");
    let attempt = |words: &[(usize, u64)]| {
        let mut bytes = body.to_vec();
        for (at, word) in words {
            bytes[begin + 8 * at..][..8].copy_from_slice(&word.to_le_bytes());
        }
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        bytes.extend(sum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        Runner::resume(&problem, &path).map(|_| ())
    };
    assert!(attempt(&[]).is_ok());
    assert!(attempt(&[(4, word(5)), (5, word(4)), (64, 60)]).is_ok());
    let no_state = [(0, 0), (1, 0), (2, 0), (3, 0)];
    for words in [&no_state[..], &[(4, 60)], &[(4, word(5))], &[(63, u64::MAX)], &[(64, 61)], &[(64, u64::MAX)]] {
        assert!(matches!(attempt(words), Err(Error::File { .. })), "{words:?}");
    }
    std::fs::remove_file(path).unwrap();
}
