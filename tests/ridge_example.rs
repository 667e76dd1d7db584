//! The `ridge` example, as a program: its numbers on the diabetes table, and what it says of tables that are none.
//!
//! `cargo test` builds the examples; before `cargo test --test ridge_example` alone, `cargo build --example ridge`
//! does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("ridge{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is missing: build it with cargo build --example ridge", program.display());
    program
}

fn run(arguments: &[&OsStr]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

fn diabetes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/diabetes.csv")
}

fn json(file: &Path, seed: u64) -> Value {
    let seed = seed.to_string();
    let output = run(&[file.as_ref(), "--seed".as_ref(), seed.as_ref(), "--format".as_ref(), "json".as_ref()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer} in {value}"))
}

/// A file of this test run's own.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ridge-{}-{name}.csv", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Runs on a table; returns the exit code and what was written to stderr after the file's name.
fn run_on(name: &str, bytes: &[u8]) -> (Option<i32>, String) {
    let path = file(name, bytes);
    let output = run(&[path.as_ref()]);
    std::fs::remove_file(&path).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let message = stderr.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&stderr);
    (output.status.code(), message.trim_end().to_owned())
}

/// Eight good rows with a header.
const GOOD: [&str; 9] = ["a,b,y", "1,2,3", "2,1,4", "3,5,1", "4,4,2", "5,0,6", "6,3,3", "7,7,1", "8,1,9"];

/// The good table with one line (from 1) replaced, and these line ends.
fn spoilt(line: usize, by: &str, end: &str) -> Vec<u8> {
    let mut lines = GOOD;
    lines[line - 1] = by;
    lines.map(|line| format!("{line}{end}")).concat().into_bytes()
}

#[test]
fn per_feature_penalties_beat_the_best_scalar_and_both_starts_agree() {
    for seed in 0..5 {
        let report = json(&diabetes(), seed);
        assert_eq!(number(&report, "/rows/train"), 221.0);
        assert_eq!(number(&report, "/rows/validation"), 110.0);
        assert_eq!(number(&report, "/rows/test"), 111.0);
        let grid = number(&report, "/methods/scalar_grid/validation");
        let [cold, warm] = ["cold", "warm"].map(|start| {
            assert!(number(&report, &format!("/methods/per_feature_{start}/test")) > 0.0);
            number(&report, &format!("/methods/per_feature_{start}/validation"))
        });
        assert!(cold <= grid && warm <= grid, "seed {seed}: {cold} cold and {warm} warm, {grid} with one penalty");
        assert!((cold - warm).abs() <= 1e-6, "seed {seed}: {cold} cold and {warm} warm");
        assert!(number(&report, "/methods/scalar_learned/validation") <= grid);
        assert_eq!(report["agreement"]["agree"], true);
        assert!(number(&report, "/agreement/log_penalties") <= 1e-6);
        assert!(number(&report, "/descent/log_penalties") <= 1e-6);
        assert!(number(&report, "/descent/warm_inner_steps") < number(&report, "/descent/cold_inner_steps"));
    }
}

#[test]
fn penalties_go_by_the_names_in_the_header() {
    let report = json(&diabetes(), 0);
    let penalties = report["penalties"].as_array().unwrap();
    let names: Vec<&str> = penalties.iter().map(|penalty| penalty["feature"].as_str().unwrap()).collect();
    assert_eq!(names, ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"]);
    assert!(penalties.iter().all(|penalty| penalty["penalty"].as_f64().unwrap() > 0.0));
    assert_eq!(report["target"], "target");
}

#[test]
fn a_seed_gives_the_same_numbers_again_and_another_one_does_not() {
    let validation = |seed| number(&json(&diabetes(), seed), "/methods/per_feature_warm/validation");
    assert_eq!(validation(1), validation(1));
    assert_ne!(validation(1), validation(2));
}

#[test]
fn the_text_says_what_the_errors_are_and_names_each_feature() {
    let output = run(&[diabetes().as_ref()]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in ["mean squared error, in squared units of the target", "cold and warm start agree to 1e-6", "\nbmi "] {
        assert!(text.contains(part), "{part:?} in:\n{text}");
    }
}

#[test]
fn tables_without_a_header_with_crlf_or_with_empty_lines_are_read() {
    let headerless = GOOD[1..].join("\n");
    let quoted = GOOD.map(|line| format!("\"{}\"", line.replace(',', "\",\""))).join("\n");
    let tables = [
        headerless,
        GOOD.join("\r\n"),
        GOOD.join("\n\n"),
        GOOD.join("\r"),
        format!("\u{feff}{}", GOOD.join("\n")),
        quoted,
    ];
    let mut first = None;
    for (i, table) in tables.iter().enumerate() {
        let path = file(&format!("read-{i}"), table.as_bytes());
        let report = json(&path, 0);
        std::fs::remove_file(path).unwrap();
        let errors = number(&report, "/methods/per_feature_warm/validation");
        assert_eq!(*first.get_or_insert(errors), errors, "{table:?}");
        let name = if i == 0 { "column 1" } else { "a" };
        assert_eq!(report["penalties"][0]["feature"], name, "{table:?}");
    }
}

#[test]
fn constant_columns_and_more_features_than_rows_are_no_trouble() {
    let rows = (0..12).map(|i| {
        let features: Vec<String> = (0..20).map(|j| ((i * (j + 3) + j * j) % 11).to_string()).collect();
        format!("0.1,{},{}\n", features.join(","), i * i)
    });
    let path = file("wide", rows.collect::<String>().as_bytes());
    let report = json(&path, 0);
    std::fs::remove_file(path).unwrap();
    assert_eq!(report["penalties"][0]["constant"], true);
    assert_eq!(report["penalties"][1]["constant"], false);
    assert_eq!(report["agreement"]["agree"], true);
    let [tuned, scalar] =
        ["per_feature_warm", "scalar_grid"].map(|method| number(&report, &format!("/methods/{method}/validation")));
    assert!(tuned <= scalar);
}

#[test]
fn a_table_of_constants_has_nothing_to_learn() {
    let (code, message) = run_on("constant", "1,1,1\n".repeat(8).as_bytes());
    assert_eq!((code, message.as_str()), (Some(0), ""));
}

#[test]
fn errors_in_a_cell_have_its_line_and_column() {
    for (line, by, expected) in [
        (3, "1,2", "line 3, column 3: the row ends after 2 columns; the first line has 3"),
        (4, "1,2,3,4", "line 4, column 4: the row ends after 4 columns; the first line has 3"),
        (5, "1,two,3", "line 5, column 2: \"two\" is not a number"),
        (6, "1,2,", "line 6, column 3: \"\" is not a number"),
        (9, "NaN,2,3", "line 9, column 1: \"NaN\" is not a finite number"),
        (2, "1,2,-inf", "line 2, column 3: \"-inf\" is not a finite number"),
        (7, "1,1e999,3", "line 7, column 2: \"1e999\" is not a finite number"),
        (1, "a,2,y", "line 1, column 1: \"a\" is not a number"),
        (3, "1,\0,3", "line 3, column 2: \"\\0\" is not a number"),
        (3, "1,\"2\n2\",3", "line 3, column 2: \"2\\n2\" is not a number"),
    ] {
        for end in ["\n", "\r\n", "\r"] {
            let (code, message) = run_on("cell", &spoilt(line, by, end));
            assert_eq!((code, message.as_str()), (Some(1), expected), "line end {end:?}");
        }
    }
}

#[test]
fn lines_are_counted_with_the_empty_ones_and_with_those_in_quotes() {
    let (_, message) = run_on("empty-lines", b"\n\r\na,b\n\n1,2\n\n\nx,1\n");
    assert_eq!(message, "line 8, column 1: \"x\" is not a number");
    let (_, message) = run_on("quoted-lines", b"\"a\nname\",b\n1,2\nx,1\n");
    assert_eq!(message, "line 4, column 1: \"x\" is not a number");
}

#[test]
fn long_cells_are_cut() {
    let (code, message) = run_on("long", &spoilt(2, &format!("1,{},3", "x".repeat(100_000)), "\n"));
    assert_eq!(code, Some(1));
    assert_eq!(message, format!("line 2, column 2: \"{}\"... is not a number", "x".repeat(40)));
}

#[test]
fn files_that_are_no_table_are_refused() {
    let short = GOOD[..8].join("\n");
    let one = "line 1, column 1: one column, but features and a target are needed (is the separator a comma?)";
    let cases: [(&[u8], &str); 9] = [
        (b"", "line 1: the file is empty"),
        (b"\n\n\r\n", "line 1: the file is empty"),
        (b"\xef\xbb\xbf", "line 1: the file is empty"),
        (b"a,b,y\n", "line 1: a header, and no rows after it"),
        (b"y\n1\n2\n", one),
        (b"a;b;y\n1;2;3\n", one),
        (short.as_bytes(), "line 8: the table ends after 7 rows; at least 8 are needed"),
        (b"a,b,y\n1,2,3\n4,\xff5,6\n", "line 3, column 2: this is not UTF-8 text: found the byte 0xff"),
        (b"\x7fELF\x02\x01\x01\0\xfe", "line 1, column 1: this is not UTF-8 text: found the byte 0xfe"),
    ];
    for (bytes, expected) in cases {
        let (code, message) = run_on("refused", bytes);
        assert_eq!((code, message.as_str()), (Some(1), expected));
    }
}

#[test]
fn numbers_too_large_to_work_with_are_refused() {
    for line in ["1e200,1,1", "1,1,-1e300"] {
        let table = format!("{line}\n1,2,3\n").repeat(8);
        let (code, message) = run_on("large", table.as_bytes());
        assert_eq!(code, Some(1));
        assert!(message.contains("too large"), "{message}");
    }
    // Whichever part the outlier's row comes into.
    for row in 0..8 {
        for outlier in ["1e200,1,1", "1,1,-1e300"] {
            let (code, message) = run_on("outlier", &spoilt(row + 2, outlier, "\n"));
            assert_eq!(code, Some(1));
            assert!(message.contains("too large"), "{message}");
        }
    }
}

#[test]
fn a_missing_file_and_wrong_arguments() {
    let missing = run(&["no-such-file.csv".as_ref()]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("no-such-file.csv: "));
    let directory = run(&[env!("CARGO_TARGET_TMPDIR").as_ref()]);
    assert_eq!(directory.status.code(), Some(1));
    for arguments in [&[][..], &["--seed", "-1", "x.csv"], &["x.csv", "--format", "xml"], &["x.csv", "y.csv"]] {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        assert_eq!(run(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

const ODD_CELLS: [&str; 9] = ["", "nan", "\"", "1e308", "5e-324", "-0", " 7 ", "é", "\r"];

/// Pieces that get further into the program than plain noise does.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (-9i32..9).prop_map(|value| value.to_string()),
        2 => any::<f64>().prop_map(|value| format!("{value:e}")),
        1 => prop::sample::select(&ODD_CELLS[..]).prop_map(str::to_owned),
    ]
}

fn check_survival(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (code, message) = run_on("garbage", bytes);
    prop_assert!(matches!(code, Some(0 | 1)), "{code:?}: {message}");
    prop_assert!(!message.contains("panicked"), "{message}");
    prop_assert_eq!(code == Some(0), message.is_empty());
    Ok(())
}

#[test]
fn garbage_is_survived() {
    let config = ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let separated = prop::collection::vec(prop::sample::select(b"0123456789,,,,\n\n.-e\"\r".to_vec()), 0..400);
    let row = |width| prop::collection::vec(cell(), width).prop_map(|cells| cells.join(","));
    let table = (2usize..5).prop_flat_map(move |width| prop::collection::vec(row(width), 1..20));
    let numbers = prop::collection::vec(prop::collection::vec(-1e160f64..1e160, 3), 8..16).prop_map(|rows| {
        let line = |row: Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
    });
    let garbage = prop_oneof![
        noise,
        separated,
        table.prop_map(|rows| rows.join("\n").into_bytes()),
        numbers.prop_map(String::into_bytes),
    ];
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    runner.run(&garbage, |bytes| check_survival(&bytes)).unwrap();
}
