//! The arrows between modules point down only, and the crates and keywords that belong to one layer stay there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first. A module may name modules of its own row or below.
const LAYERS: [&[&str]; 10] = [
    &["error", "random", "scalar"],
    &["reference"],
    &["cpu"],
    &["solve"],
    &["problem", "optimize"],
    &["cuda"],
    &["hypergradient"],
    &["bilevel"],
    &["analysis"],
    &["ffi"],
];

/// What only these modules may name.
const ONLY_IN: [(&str, &[&str]); 5] = [
    ("faer", &["cpu"]),
    ("rayon", &["cpu"]),
    ("cudarc", &["cuda"]),
    ("extern \"C\"", &["ffi"]),
    ("target_feature", &["cpu"]),
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The module at the top: `src/solve/cg.rs` and `src/solve.rs` are `solve`.
fn module(path: &Path, root: &Path) -> String {
    let first = path.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// The modules named as `crate::a`, `crate::{a, b::…}`.
fn named(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        let word = |text: &str| -> String {
            text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let Some(group) = rest.strip_prefix('{') else {
            found.push(word(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => found.push(word(&std::mem::take(&mut item))),
                _ => {}
            }
            if c != ',' || depth > 0 {
                item.push(c);
            }
        }
        found.push(word(&item));
    }
    found
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[test]
fn arrows_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    for path in sources(&root) {
        let here = module(&path, &root);
        if here == "lib" {
            continue;
        }
        let own = layer(&here).unwrap_or_else(|| panic!("{} is in no layer; add it to LAYERS", path.display()));
        for target in named(&without_comments(&fs::read_to_string(&path).unwrap())) {
            // Re-exports at the root (`crate::Error`, `crate::Scalar`, …) come from the lowest layer but for these.
            let target = match target.as_str() {
                "Inverse" => "solve",
                "Estimator" => "hypergradient",
                "Rule" => "optimize",
                other => other,
            };
            if let Some(other) = layer(target) {
                checked += 1;
                assert!(other <= own, "{}: {here} must not use {target}", path.display());
                let sibling = other == own && target != here && here != "error" && here != "scalar" && here != "random";
                assert!(!sibling, "{}: {here} and {target} are of one layer", path.display());
                assert!(target != "reference", "{}: the plain reference is for tests", path.display());
            }
        }
    }
    assert!(checked > 30, "the scan found only {checked} uses: is it still reading the code?");
}

#[test]
fn crates_and_keywords_stay_in_their_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&root) {
        let here = module(&path, &root);
        let code = without_comments(&fs::read_to_string(&path).unwrap());
        for (word, allowed) in ONLY_IN {
            assert!(!code.contains(word) || allowed.contains(&here.as_str()), "{}: {word}", path.display());
        }
    }
}

#[test]
fn the_scan_reads_groups_and_paths() {
    let code = "use crate::solve::Space;\nuse crate::{Result, cpu::{dot, axpy}, problem};\nlet x = crate::ffi::f();";
    assert_eq!(named(code), ["solve", "Result", "cpu", "problem", "ffi"]);
}

#[test]
fn files_are_short_enough_to_read() {
    for folder in ["src", "examples", "benches", "tests"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if !root.is_dir() {
            continue;
        }
        for path in sources(&root) {
            let text = fs::read_to_string(&path).unwrap();
            // What is made from other files is not for reading.
            let made = text.lines().next().is_some_and(|line| line.contains("Not to be edited"));
            let lines = text.lines().count();
            assert!(made || lines <= 650, "{}: {lines} lines; find the natural cut", path.display());
        }
    }
}
