//! The device backend on the simulated driver: this file's tests run themselves again in a process that finds `libcuda.so`
//! where they put it. On a machine with a GPU, BLO_REQUIRE_GPU=1 runs them in place, on the real driver.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod c_interface;
#[path = "../common/case.rs"]
mod case;
mod cg;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/dlpack.rs"]
mod dlpack;
mod in_place;
mod paper;
mod problems;
mod reference;
mod tensor;
mod vectors;

use blo::cuda::{Capability, Device, probe};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Which driver a test wants to find.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Driver {
    None,
    Simulated,
    /// All that blo calls, of CUDA 11.0.
    Old,
    /// A library without most of its functions.
    Stub,
}

/// Makes a library that knows its version and fails in everything else; false without a C compiler.
fn stub(path: &Path, complete: bool) -> bool {
    const OTHERS: [&str; 29] = [
        "cuInit",
        "cuGetErrorName",
        "cuGetErrorString",
        "cuDeviceGet",
        "cuDeviceGetCount",
        "cuDeviceGetName",
        "cuDeviceGetAttribute",
        "cuDevicePrimaryCtxRetain",
        "cuDevicePrimaryCtxRelease_v2",
        "cuCtxSetCurrent",
        "cuStreamCreate",
        "cuStreamDestroy_v2",
        "cuStreamSynchronize",
        "cuMemAlloc_v2",
        "cuMemFree_v2",
        "cuMemsetD8Async",
        "cuMemcpyHtoDAsync_v2",
        "cuMemcpyDtoHAsync_v2",
        "cuMemcpyDtoDAsync_v2",
        "cuModuleLoadDataEx",
        "cuModuleGetFunction",
        "cuModuleUnload",
        "cuLaunchKernel",
        "cuStreamBeginCapture_v2",
        "cuStreamEndCapture",
        "cuGraphInstantiateWithFlags",
        "cuGraphLaunch",
        "cuGraphDestroy",
        "cuGraphExecDestroy",
    ];
    let mut text = String::from("int cuDriverGetVersion(int *v) { *v = 11000; return 0; }\n");
    for name in OTHERS.iter().take(if complete { OTHERS.len() } else { 5 }) {
        text += &format!("int {name}(void) {{ return 999; }}\n");
    }
    let source = path.with_extension("c");
    fs::write(&source, text).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(path).arg(&source).status();
    built.is_ok_and(|status| status.success())
}

/// Where files may go: on a machine other than that of the build, see scripts/gpu-check, in its folder.
fn temporary() -> PathBuf {
    env::var_os("BLO_ROOT").map_or(env!("CARGO_TARGET_TMPDIR").into(), |root| PathBuf::from(root).join("tmp"))
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
    let folder = temporary().join(format!("driver-{driver:?}"));
    fs::create_dir_all(&folder).unwrap();
    if driver == Driver::Simulated {
        // Cargo builds it beside this test. Copied once for each process, and put in place in one step.
        let built = own.parent().unwrap().join("libptxsim_libcuda.so");
        let copy = folder.join(format!("copy-{}-{}", std::process::id(), name.replace(':', "-")));
        fs::copy(&built, &copy).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
        fs::rename(&copy, folder.join("libcuda.so")).unwrap();
    }
    if matches!(driver, Driver::Old | Driver::Stub) && !stub(&folder.join("libcuda.so"), driver == Driver::Old) {
        println!("skipped: no C compiler");
        return false;
    }
    let mut command = Command::new(own);
    command
        .args(["--exact", name, "--nocapture", "--include-ignored"])
        .env("LD_LIBRARY_PATH", &folder)
        .env("BLO_TEST_INSIDE", name);
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

#[test]
fn a_driver_that_is_too_old_is_a_status() {
    if inside(Driver::Old, "a_driver_that_is_too_old_is_a_status", &[]) {
        let error = Device::open(0).unwrap_err();
        assert_eq!(error.status(), -80);
        assert_eq!(error.to_string(), "device: found a driver of CUDA 11.0, expected one of CUDA 11.4 or later");
    }
}

#[test]
fn a_driver_without_a_function_is_a_status() {
    if inside(Driver::Stub, "a_driver_without_a_function_is_a_status", &[]) {
        let error = Device::open(0).unwrap_err();
        assert_eq!(error.status(), -80);
        assert!(error.to_string().contains("a CUDA driver without cuDeviceGetName"), "{error}");
    }
}
