//! `include/blo.h` says what `src/ffi` does: it is made again and compared. `BLO_UPDATE_HEADER=1` writes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

/// What the header is made of, in its order.
const SOURCES: [&str; 23] = [
    "src/ffi/status.rs",
    "src/ffi/lend.rs",
    "src/ffi/problem.rs",
    "src/ffi/network.rs",
    "src/ffi/callbacks.rs",
    "src/ffi/device.rs",
    "src/ffi/optimizer.rs",
    "src/ffi/lbfgsb.rs",
    "src/ffi/estimator.rs",
    "src/ffi/report.rs",
    "src/ffi/evaluate.rs",
    "src/ffi/batch.rs",
    "src/ffi/solver.rs",
    "src/ffi/several.rs",
    "src/ffi/run_options.rs",
    "src/bilevel/trace.rs",
    "src/ffi/runner.rs",
    "src/ffi/stepping.rs",
    "src/ffi/dlpack.rs",
    "src/ffi/tensors.rs",
    "src/ffi/analysis.rs",
    "src/ffi/solution_set.rs",
    "src/ffi/f32.rs",
];

/// What the doc comments of the Rust library write and a header in ASCII cannot.
const PLAIN: [(&str, &str); 4] = [("‖", "|"), ("−", "-"), ("₀", "0"), ("α", "alpha")];

fn generate(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("include/cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(source));
    }
    let mut bytes = Vec::new();
    builder.generate().unwrap().write(&mut bytes);
    let mut text = String::from_utf8(bytes).unwrap();
    for (from, to) in PLAIN {
        text = text.replace(from, to);
    }
    shorten(&text)
}

/// Comments of one line are written in one line.
fn shorten(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < lines.len() {
        let indent = lines[at].len() - lines[at].trim_start().len();
        let comment = match lines[at..] {
            [open, body, close, ..] if open.trim() == "/**" && close.trim() == "*/" => body.trim().strip_prefix("* "),
            _ => None,
        };
        match comment {
            Some(comment) if indent + comment.len() <= 113 => {
                out += &format!("{:indent$}/** {comment} */\n", "");
                at += 3;
            }
            _ => {
                out += lines[at];
                out += "\n";
                at += 1;
            }
        }
    }
    out
}

const F32: &str = "//! Made from the `_f64` functions by `tests/header.rs` (`BLO_UPDATE_HEADER=1`). Not to be edited.

#![allow(clippy::undocumented_unsafe_blocks, reason = \"each is that of the function it is made from\")]

use super::guard::guard;
use super::handle;
use super::*;
use crate::bilevel::TraceRow;
use std::ffi::{c_char, c_double, c_void};
";

/// The functions in single precision: those in double precision with the other type. What is a double in both is called
/// `c_double` in their signatures.
fn single_precision(root: &Path) -> String {
    let mut out = F32.to_owned();
    for source in SOURCES {
        let text = fs::read_to_string(root.join(source)).unwrap();
        for part in text.split("#[unsafe(no_mangle)]\n").skip(1) {
            let body = part.split("\n}\n").next().unwrap();
            let name = body.split("extern \"C\" fn ").nth(1).unwrap().split('(').next().unwrap();
            if name.ends_with("_f64") {
                let code: Vec<&str> = body.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                let code = code.join("\n").replace("f64", "f32");
                out += &format!("\n/// As {name}, in single precision.\n#[unsafe(no_mangle)]\n{code}\n}}\n");
            }
        }
    }
    out
}

#[test]
fn single_precision_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (path, expected) = (root.join("src/ffi/f32.rs"), single_precision(root));
    if std::env::var_os("BLO_UPDATE_HEADER").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "src/ffi/f32.rs is stale; run with BLO_UPDATE_HEADER=1");
    assert!(found.matches("no_mangle").count() > 30, "the functions were not found");
}

#[test]
fn the_header_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/blo.h");
    let expected = generate(root);
    if let Some(line) = expected.lines().find(|line| !line.is_ascii()) {
        panic!("not ASCII: {line}");
    }
    if std::env::var_os("BLO_UPDATE_HEADER").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if let Some((line, (found, expected))) =
        found.lines().zip(expected.lines()).enumerate().find(|(_, (found, expected))| found != expected)
    {
        panic!("include/blo.h is stale at line {}:\n  {found}\n  {expected}\nRun with BLO_UPDATE_HEADER=1.", line + 1);
    }
    assert_eq!(found.len(), expected.len(), "include/blo.h is stale; run with BLO_UPDATE_HEADER=1");
}

/// The exported functions of the sources, by their attribute and not through cbindgen.
fn exported(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("src/ffi")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for part in text.split("#[unsafe(no_mangle)]").skip(1) {
            let name = part.split("extern \"C\" fn ").nth(1).unwrap().split('(').next().unwrap();
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn every_exported_function_is_in_the_header_and_contained() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = generate(root);
    let names = exported(root);
    assert!(names.len() >= 10, "{names:?}");
    for name in &names {
        assert!(name.starts_with("blo_"), "{name} lacks the prefix");
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
    // Neither returns a constant only.
    // Destroy functions are one call, which is contained.
    let plain = ["blo_version", "blo_abi_version"];
    for entry in fs::read_dir(root.join("src/ffi")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for part in text.split("#[unsafe(no_mangle)]").skip(1) {
            let body = part.split("\n}\n").next().unwrap();
            let contained = body.contains("guard(||") || body.contains("contain(") || body.contains("handle::destroy(");
            assert!(contained || plain.iter().any(|name| body.contains(name)), "not contained: {body}");
        }
    }
}
