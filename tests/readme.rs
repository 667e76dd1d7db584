//! The README shows what is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

const README: &str = include_str!("../README.md");

#[test]
fn the_c_example_is_the_file() {
    let (_, rest) = README.split_once("```c\n").unwrap();
    let (code, _) = rest.split_once("```").unwrap();
    assert_eq!(code, include_str!("../examples/hypergradient.c"));
}

#[test]
fn it_is_one_page() {
    assert!(README.lines().count() <= 120, "{} lines", README.lines().count());
}

#[test]
fn the_version_is_the_same_everywhere() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(include_str!("../CHANGELOG.md").contains("## Unreleased") || README.contains(version));
    let msrv = include_str!("../Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    assert!(README.contains(&format!("Rust {} or later", msrv.trim_matches('"'))));
}
