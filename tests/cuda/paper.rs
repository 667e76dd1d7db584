//! Figures of the `paper` example on the device: their rows are those of the CPU up to rounding.

use crate::{Driver, inside};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn paper(name: &str, options: &[&str]) -> Output {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let program: PathBuf = folder.join("examples").join(format!("paper{}", std::env::consts::EXE_SUFFIX));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper-on-device");
    Command::new(program).args([name, "--format", "json", "--out"]).arg(out).args(options).output().unwrap()
}

fn rows(name: &str, steps: &str, device: &str) -> Value {
    let output = paper(name, &["--steps", steps, "--device", device]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["settings"]["device"], if device == "cuda" { "cuda".into() } else { Value::Null });
    object["rows"].take()
}

/// Numbers within the tolerance, relative to the larger of them; all else equal.
fn close(found: &Value, expected: &Value, tolerance: f64, place: &str) {
    match (found, expected) {
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{place}");
            found
                .iter()
                .zip(expected)
                .enumerate()
                .for_each(|(i, (f, e))| close(f, e, tolerance, &format!("{place} {i}")));
        }
        (Value::Object(found), Value::Object(expected)) => {
            assert!(found.keys().eq(expected.keys()), "{place}");
            found.iter().for_each(|(key, f)| close(f, &expected[key], tolerance, &format!("{place} {key}")));
        }
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().unwrap(), expected.as_f64().unwrap());
            let error = (found - expected).abs();
            assert!(error <= tolerance * found.abs().max(expected.abs()), "{place}: {found} instead of {expected}");
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

/// 10^-6 of f64 normal equations whose condition number is 10^6 and more, and a few rounding errors of f32, which 10 000 steps of
/// training anew make larger.
const FIGURES: [(&str, f64); 2] = [("fig11", 1e-6), ("fig07", 1e-5)];

fn compare(name: &str, steps: &str) {
    let tolerance = FIGURES.iter().find(|(figure, _)| *figure == name).unwrap().1;
    let (found, expected) = (rows(name, steps, "cuda"), rows(name, steps, "cpu"));
    assert!(expected.as_array().unwrap().len() >= 3);
    close(&found, &expected, tolerance, name);
}

#[test]
fn fig11_is_that_of_the_cpu() {
    if inside(Driver::Simulated, "paper::fig11_is_that_of_the_cpu", &[]) {
        compare("fig11", "3");
    }
}

#[test]
fn fig07_is_that_of_the_cpu() {
    if inside(Driver::Simulated, "paper::fig07_is_that_of_the_cpu", &[]) {
        compare("fig07", "4");
    }
}

#[test]
#[ignore = "half a minute on the simulator"]
fn twenty_steps_are_those_of_the_cpu() {
    if inside(Driver::Simulated, "paper::twenty_steps_are_those_of_the_cpu", &[]) {
        FIGURES.iter().for_each(|(name, _)| compare(name, "20"));
    }
}

#[test]
fn a_figure_without_a_driver_ends_with_the_error() {
    if !inside(Driver::None, "paper::a_figure_without_a_driver_ends_with_the_error", &[]) {
        return;
    }
    if let blo::cuda::Capability::Present { .. } = blo::cuda::probe() {
        println!("skipped: this machine has a driver");
        return;
    }
    for name in ["fig11", "fig07"] {
        let output = paper(name, &["--device", "cuda", "--steps", "1"]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("error: device: found no CUDA driver (libcuda), expected one"), "{text}");
        assert!(output.stdout.is_empty());
    }
    let output = paper("fig06", &["--device", "cuda"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fig06 runs on the CPU only"));
}
