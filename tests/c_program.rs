//! The C interface from C: the header alone in four languages, and a program against the static and the shared library.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// What the static library needs of the system (`rustc --print native-static-libs`).
const NATIVE: [&str; 7] = ["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-lc"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn compiler(variable: &str, usual: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| usual.into())
}

/// The library that was built beside this test.
fn library(name: &str) -> PathBuf {
    let here = env::current_exe().unwrap();
    let folders: Vec<&Path> = here.ancestors().skip(1).take(2).collect();
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name} in {folders:?}: is it in the crate-type of Cargo.toml?"))
}

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}. This test needs a compiler: set CC or CXX."));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

fn compile_header(compiler: &OsString, language: &str, standard: &str) {
    let source = root().join("tests/c/header.c");
    let standard = format!("-std={standard}");
    run(Command::new(compiler)
        .args(["-x", language, &standard, "-fsyntax-only"])
        .args(WARNINGS)
        .arg("-I")
        .arg(root().join("include"))
        .arg(source));
}

#[test]
fn the_header_compiles_alone_in_c() {
    for standard in ["c99", "c11"] {
        compile_header(&compiler("CC", "cc"), "c", standard);
    }
}

#[test]
fn the_header_compiles_alone_in_cpp() {
    let missing = Command::new(compiler("CXX", "c++")).arg("--version").output().is_err();
    if missing && env::var_os("CI").is_none() {
        println!("SKIPPED: there is no C++ compiler (set CXX); the header was not compiled as C++");
        return;
    }
    for standard in ["c++11", "c++17"] {
        compile_header(&compiler("CXX", "c++"), "c++", standard);
    }
}

fn smoke(name: &str, link: &[OsString]) {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    run(Command::new(compiler("CC", "cc"))
        .args(["-std=c99", "-g"])
        .args(WARNINGS)
        .arg("-I")
        .arg(root().join("include"))
        .arg(root().join("tests/c/smoke.c"))
        .args(link)
        .arg("-lm")
        .arg("-o")
        .arg(&program));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-runs"));
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(run(Command::new(&program).current_dir(folder)), "ok\n");
}

/// A folder with the shared library under the name that programs are bound to, and how to link with it.
fn shared(name: &str) -> Vec<OsString> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let link = folder.join("libblo.so.0");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(library("libblo.so"), &link).unwrap();
    let mut search = OsString::from("-Wl,-rpath,");
    search.push(&folder);
    vec![link.into_os_string(), search]
}

#[test]
fn a_program_against_the_static_library() {
    let mut link = vec![library("libblo.a").into_os_string()];
    link.extend(NATIVE.map(OsString::from));
    smoke("smoke_static", &link);
}

#[test]
fn a_program_against_the_shared_library() {
    // By its path, so that no search can find another one, when linking or when running.
    smoke("smoke_shared", &shared("shared"));
}

#[test]
fn the_shared_library_has_its_name() {
    let dynamic = run(Command::new("readelf").arg("-d").arg(library("libblo.so")));
    let name = format!("Library soname: [libblo.so.{}]", blo::ffi::BLO_ABI_VERSION);
    assert!(dynamic.contains(&name), "{dynamic}");
}

/// Compiles, links with the static library and runs.
fn program(name: &str, compiler: &OsString, flags: &[&str], source: &Path) -> String {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    run(Command::new(compiler)
        .args(flags)
        .args(WARNINGS)
        .arg("-I")
        .arg(root().join("include"))
        .arg(source)
        .arg(library("libblo.a"))
        .args(NATIVE)
        .arg("-o")
        .arg(&program));
    run(Command::new(program).current_dir(root()))
}

#[test]
fn the_example_of_the_readme() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme.split_once("```c\n").unwrap();
    let (code, _) = rest.split_once("```").unwrap();
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme.c");
    std::fs::write(&source, code).unwrap();
    // q = A^-1 (w - 1) = (-1/4, -3/16), and dF/du = q, since B = -I.
    let flags = ["-std=c99", "-Wno-missing-field-initializers"];
    assert_eq!(program("readme", &compiler("CC", "cc"), &flags, &source), "dF/du = (-0.25, -0.1875)\n");
}

#[test]
fn a_program_in_cpp() {
    let source = root().join("bindings/cpp/test.cpp");
    let include = format!("-I{}", root().join("bindings/cpp").display());
    assert_eq!(program("cpp_test", &compiler("CXX", "c++"), &["-std=c++17", &include], &source), "ok\n");
}
