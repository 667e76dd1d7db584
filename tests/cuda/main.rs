//! The device backend on the simulated driver: this file's tests run themselves again in a process that finds `libcuda.so`
//! where they put it. On a machine with a GPU, BLO_REQUIRE_GPU=1 runs them in place, on the real driver.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod case;
#[path = "../common/mod.rs"]
mod common;
mod problems;
mod reference;
mod vectors;

use blo::cuda::{Capability, Device, probe};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// Which driver a test wants to find.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Driver {
    None,
    Simulated,
}

/// Whether this is the process that runs the test `name`. If not it is run in one that does, and has passed there.
fn inside(driver: Driver, name: &str, settings: &[(&str, &str)]) -> bool {
    if env::var("BLO_TEST_INSIDE").is_ok_and(|inside| inside == name) {
        return true;
    }
    if driver == Driver::Simulated && settings.is_empty() && env::var_os("BLO_REQUIRE_GPU").is_some() {
        return true;
    }
    let own = env::current_exe().unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("driver-{driver:?}"));
    fs::create_dir_all(&folder).unwrap();
    if driver == Driver::Simulated {
        // Cargo builds it beside this test. Copied once for each process, and put in place in one step.
        let built = own.parent().unwrap().join("libptxsim_libcuda.so");
        let copy = folder.join(format!("copy-{}-{}", std::process::id(), name.replace(':', "-")));
        fs::copy(&built, &copy).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        fs::rename(&copy, folder.join("libcuda.so")).unwrap();
    }
    let mut command = Command::new(own);
    command.args(["--exact", name, "--nocapture"]).env("LD_LIBRARY_PATH", &folder).env("BLO_TEST_INSIDE", name);
    let output = command.envs(settings.iter().copied()).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{name} inside: {text}");
    false
}

fn device() -> Device {
    Device::open(0).unwrap()
}

#[test]
fn no_driver_is_a_status() {
    if !inside(Driver::None, "no_driver_is_a_status", &[]) {
        return;
    }
    if let Capability::Present { .. } = probe() {
        println!("skipped: this machine has a driver");
        return;
    }
    for _ in 0..2 {
        let error = Device::open(0).unwrap_err();
        assert_eq!(error.status(), -80);
        assert!(error.to_string().contains("no CUDA driver"), "{error}");
    }
}

#[test]
fn a_driver_without_a_device_is_a_status() {
    if inside(Driver::Simulated, "a_driver_without_a_device_is_a_status", &[("PTXSIM_DEVICES", "0")]) {
        let error = Device::open(0).unwrap_err();
        assert_eq!(error.status(), -80);
        assert!(error.to_string().contains("without a device"), "{error}");
    }
}

#[test]
fn a_device_opens_once_more_and_has_a_name() {
    if inside(Driver::Simulated, "a_device_opens_once_more_and_has_a_name", &[]) {
        assert!(matches!(probe(), Capability::Present { devices: 1.., .. }));
        let (first, second) = (device(), device());
        assert!(!first.name().is_empty() && first.name() == second.name());
        second.synchronize().unwrap();
        let error = Device::open(1000).unwrap_err();
        assert_eq!(error.status(), -2);
    }
}
