//! Figures of the `paper` example on the device: their rows are those of the CPU up to rounding.

use crate::{Driver, inside, temporary};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

fn paper(name: &str, options: &[&str]) -> Output {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let program: PathBuf = folder.join("examples").join(format!("paper{}", std::env::consts::EXE_SUFFIX));
    let out = temporary().join("paper-on-device");
    Command::new(program).args([name, "--format", "json", "--out"]).arg(out).args(options).output().unwrap()
}

fn rows(name: &str, steps: &str, device: &str) -> Value {
    let output = paper(name, &["--steps", steps, "--device", device]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["settings"]["device"], if device == "cuda" { "cuda".into() } else { Value::Null });
    object["rows"].take()
}

/// Numbers within the tolerance, relative to the expected one, or to the largest of its array; all else equal.
fn close(found: &Value, expected: &Value, tolerance: f64, place: &str) {
    let numbers =
        |value: &Value| value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
    match (found, expected) {
        (Value::Array(_), Value::Array(_)) if numbers(found).is_some() && numbers(expected).is_some() => {
            let (found, expected) = (numbers(found).unwrap(), numbers(expected).unwrap());
            let size = expected.iter().fold(0.0, |size: f64, x| size.max(x.abs()));
            assert_eq!(found.len(), expected.len(), "{place}");
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() <= tolerance * size, "{place}: {found} instead of {expected}");
            }
        }
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
            assert!(error <= tolerance * expected.abs(), "{place}: {found} instead of {expected}");
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}

/// Of f64 normal equations whose condition number is a million and more; of f32, and after 10 000 steps of training anew.
const FIGURES: [(&str, [f64; 2]); 4] =
    [("fig11", [1e-6; 2]), ("fig07", [1e-6, 1e-4]), ("fig12", [1e-6, 1e-4]), ("fig13", [1e-6, 1e-4])];

fn compare(name: &str, steps: &str) {
    let [run, anew] = FIGURES.iter().find(|(figure, _)| *figure == name).unwrap().1;
    let (found, expected) = (rows(name, steps, "cuda"), rows(name, steps, "cpu"));
    let (found, expected) = (found.as_array().unwrap(), expected.as_array().unwrap());
    assert!(expected.len() >= 3 && found.len() == expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        close(found, expected, if expected["variant"] == "retrained" { anew } else { run }, &format!("{name} row {i}"));
    }
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
fn fig12_is_that_of_the_cpu() {
    if inside(Driver::Simulated, "paper::fig12_is_that_of_the_cpu", &[]) {
        compare("fig12", "2");
    }
}

#[test]
fn fig13_is_that_of_the_cpu() {
    if inside(Driver::Simulated, "paper::fig13_is_that_of_the_cpu", &[]) {
        compare("fig13", "2");
    }
}

#[test]
#[ignore = "minutes on the simulator"]
fn twenty_steps_are_those_of_the_cpu() {
    if inside(Driver::Simulated, "paper::twenty_steps_are_those_of_the_cpu", &[]) {
        // The two others take three minutes more, for the same kernels.
        ["fig11", "fig07"].iter().for_each(|name| compare(name, "20"));
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
    for name in ["fig11", "fig07", "fig12", "fig13"] {
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
