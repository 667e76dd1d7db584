//! Saved runs: killed at any moment, a run resumes and ends with the same bits; a torn, changed, foreign, older or newer file
//! is refused with the reason, never with a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start, ToleranceSchedule};
use blo::hypergradient::{Mode, Unrolled};
use blo::problem::Quadratic;
use blo::solve::{OnGrowth, Solve, Spectral, Step};
use blo::{Error, Estimator, Inverse, Rule, Scalar};
use common::{RandomQuadratic, Rng};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const STEPS: usize = 400;

fn problem<T: Scalar>() -> Quadratic<T> {
    RandomQuadratic::new(77, 9, 5, 7, 6.0).problem::<T>()
}

/// Runs that use everything there is to save.
fn settings(kind: usize) -> Settings {
    let rule = [Rule::adam(0.02), Rule::momentum(0.05, 0.7), Rule::descent(0.1), Rule::descent(0.1)][kind % 4];
    let inner = InnerSolve::Optimizer { rule, steps: 3, tolerance: [0.0, 0.0, 1e-4, 0.0][kind % 4] };
    let estimator: Estimator = match kind {
        0 => Estimator::Unrolled(Unrolled { last: Some(2), mode: Mode::ReverseCheckpointed, ..Unrolled::new(rule, 3) }),
        1 => Inverse::Neumann { terms: 6, step: Step::Auto, on_growth: OnGrowth::Continue }.into(),
        2 => Inverse::Damped { epsilon: 0.1, by: Spectral::Lanczos { tolerance: Some(1e-9), max_products: Some(5) } }
            .into(),
        3 => Inverse::MinNorm { cutoff: None, by: Spectral::Dense }.into(),
        // Two steps of the series from the q of the step before: the next step depends on it.
        4 => Solve { start_from_last: true, ..Inverse::neumann(1, 0.1).into() }.into(),
        _ => {
            let inverse = Inverse::Minres { tolerance: 1e-3, max_products: 40 };
            Solve { start_from_last: true, verify: false, ..inverse.into() }.into()
        }
    };
    let start = if kind == 2 { Start::Cold } else { Start::Warm };
    let inner = if kind == 3 { InnerSolve::Fixpoint } else { inner };
    let mut settings = Settings::new(start, inner, estimator, [Rule::momentum(1e-3, 0.9), Rule::adam(1e-3)][kind % 2]);
    settings.outer_steps = STEPS;
    settings.bounds = Some((-2.0, 2.0));
    settings.schedule = (kind == 2).then_some(ToleranceSchedule { first: 1e-1, factor: 0.97, last: 1e-8 });
    settings.keep_best = kind.is_multiple_of(2);
    settings
}

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saved");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join(format!("{name}-{}.blo", std::process::id()))
}

fn new<T: Scalar>(problem: &Quadratic<T>, kind: usize) -> Runner<T, &Quadratic<T>> {
    let u: Vec<T> = common::cast(&Rng(3).normals(5));
    let w: Vec<T> = common::cast(&Rng(4).normals(9));
    let u: Vec<T> = u.iter().map(|u| T::from_f64(u.to_f64().clamp(-1.9, 1.9))).collect();
    Runner::new(problem, settings(kind), &u, &w).unwrap()
}

/// Every bit of where a run is.
fn bits<T: Scalar>(runner: &Runner<T, &Quadratic<T>>) -> Vec<u64> {
    let best = runner.best().map(|best| best.u.iter().chain(&best.w).copied().collect::<Vec<T>>()).unwrap_or_default();
    runner.u().iter().chain(runner.w()).chain(&best).map(|x| x.to_f64().to_bits()).collect()
}

fn interrupted<T: Scalar>(kind: usize) {
    let problem = problem::<T>();
    let path = file(&format!("interrupted-{}-{kind}", size_of::<T>()));
    let mut whole = new(&problem, kind);
    let outcome = whole.run().unwrap();
    let mut runner = new(&problem, kind);
    let mut rng = Rng(kind as u64);
    let mut made = 0;
    for _ in 0..12 {
        for _ in 0..rng.next() % 30 {
            runner.outer_step().unwrap();
            made += 1;
        }
        runner.save(&path).unwrap();
        runner = Runner::resume(&problem, &path).unwrap();
    }
    let resumed = runner.run().unwrap();
    assert!(made > 0 && made < STEPS);
    assert_eq!(bits(&runner), bits(&whole), "kind {kind}");
    assert_eq!(
        (resumed.steps, resumed.inner_steps, resumed.products),
        (outcome.steps, outcome.inner_steps, outcome.products)
    );
    assert_eq!(resumed.outer_loss.to_bits(), outcome.outer_loss.to_bits());
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_resumed_run_has_the_same_bits() {
    for kind in 0..6 {
        interrupted::<f64>(kind);
        interrupted::<f32>(kind);
    }
}

/// The process that is killed: this test binary again, told so by an environment variable; does nothing otherwise.
#[test]
fn child_process() {
    let Ok(path) = std::env::var("BLO_TEST_SAVED_RUN") else { return };
    let problem = problem::<f64>();
    let mut runner =
        if Path::new(&path).exists() { Runner::resume(&problem, &path).unwrap() } else { new(&problem, 0) };
    // Far more than it lives to make.
    for _ in 0..200_000 {
        runner.outer_step().unwrap();
        runner.save(&path).unwrap();
    }
}

#[test]
fn killed_at_random_moments() {
    let path = file("killed");
    let _ = std::fs::remove_file(&path);
    let mut rng = Rng(99);
    let steps_in_file = || match Runner::resume(&problem::<f64>(), &path) {
        Ok(runner) => runner.steps(),
        Err(error) => {
            assert!(!path.exists(), "{error}");
            0
        }
    };
    let mut kills = 0;
    while kills < 50 || steps_in_file() < 20 {
        assert!(kills < 5000, "the children make no steps");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process"])
            .env("BLO_TEST_SAVED_RUN", &path)
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
    let problem = problem::<f64>();
    // What is there is a whole file of some step; as many steps without a break have the same bits.
    let resumed = Runner::resume(&problem, &path).unwrap();
    let steps = resumed.steps();
    let mut whole = new(&problem, 0);
    for _ in 0..steps {
        whole.outer_step().unwrap();
    }
    assert_eq!(bits(&resumed), bits(&whole), "after {steps} steps");
    let _ = std::fs::remove_file(path);
}

fn refusal(problem: &Quadratic<f64>, path: &Path) -> String {
    match Runner::resume(problem, path) {
        Err(Error::File { path: named, reason }) => {
            assert_eq!(named, path.display().to_string());
            reason
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn changed_and_torn_files_are_refused() {
    let problem = problem::<f64>();
    let path = file("changed");
    let mut runner = new(&problem, 0);
    runner.outer_step().unwrap();
    runner.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for position in 0..whole.len() {
        for change in [1_u8, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] ^= change;
            std::fs::write(&path, &bytes).unwrap();
            refusal(&problem, &path);
        }
    }
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        refusal(&problem, &path);
    }
    let mut longer = whole.clone();
    longer.push(0);
    std::fs::write(&path, &longer).unwrap();
    refusal(&problem, &path);
    std::fs::write(&path, &whole).unwrap();
    Runner::resume(&problem, &path).unwrap();
    std::fs::remove_file(path).unwrap();
}

/// Bytes that have a right checksum and are nonsense inside.
#[test]
fn well_summed_nonsense_is_refused() {
    let problem = problem::<f64>();
    let path = file("nonsense");
    new(&problem, 1).save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut rng = Rng(1);
    let (mut refused, mut accepted) = (0, 0);
    for round in 0..4000 {
        let mut bytes = whole[..whole.len() - 8].to_vec();
        for _ in 0..1 + round % 4 {
            // Past magic, version and sizes, where the refusal has reasons of its own.
            let position = 29 + rng.next() as usize % (bytes.len() - 29);
            bytes[position] = rng.next() as u8;
        }
        let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        bytes.extend(sum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        match Runner::resume(&problem, &path) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    // Most positions are numbers, and any number is one.
    assert!(refused > 50 && accepted > 50, "{refused} refused, {accepted} accepted");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_reason_is_told() {
    let problem = problem::<f64>();
    let path = file("reason");
    assert!(matches!(Runner::resume(&problem, &path), Err(Error::File { .. })), "no such file");
    std::fs::write(&path, "age,sex,bmi\n1,2,3\n").unwrap();
    assert!(refusal(&problem, &path).contains("another kind of file"));
    let runner = new(&problem, 3);
    runner.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for (version, text) in [(1_u32, "found version 1, expected 2"), (3, "saved by a newer blo")] {
        let mut bytes = whole.clone();
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        assert!(refusal(&problem, &path).contains(text));
    }
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    assert!(refusal(&problem, &path).contains("checksum"));
    std::fs::write(&path, &whole).unwrap();
    let other = RandomQuadratic::new(1, 9, 4, 9, 2.0).problem::<f64>();
    let reason = refusal(&other, &path);
    assert!(reason.contains("found u of 5 and w of 9 elements, expected 4 and 9"), "{reason}");
    let single = self::problem::<f32>();
    let error = Runner::resume(&single, &path).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("found 8-byte scalars, expected 4-byte ones"), "{error}");
    // What cannot be written is said, and what was there stays.
    let folder = path.with_extension("folder");
    std::fs::create_dir_all(&folder).unwrap();
    assert!(matches!(runner.save(&folder), Err(Error::File { .. })));
    assert!(matches!(runner.save(folder.join("no/such/place")), Err(Error::File { .. })));
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    std::fs::remove_dir(&folder).unwrap();
    std::fs::remove_file(path).unwrap();
}
