//! The small examples, as programs: what they print is what they promise.
//!
//! `cargo test` builds the examples; before `cargo test --test small_examples` alone, `cargo build --examples` does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

fn output(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.is_file(), "{} is missing: build it with cargo build --example {name}", program.display());
    let output = Command::new(program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The numbers of a line, whatever stands between them.
fn numbers(line: &str) -> Vec<f64> {
    line.split(|c: char| c.is_whitespace() || "(),;:=".contains(c)).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_cold_start_makes_u_too_large() {
    let text = output("quadratic");
    let rows: Vec<(bool, Vec<f64>)> =
        text.lines().skip(1).map(|line| (line.starts_with("Cold"), numbers(line))).collect();
    assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [true, true, false, false]);
    for (cold, row) in rows {
        let &[w0, zero, u, first, second, loss, trained] = row.as_slice() else { panic!("{row:?}") };
        // w₁ − w₂ is that of the start, and the best w with that difference is reached; then the loss is known.
        assert!(zero == 0.0 && (first - second - w0).abs() < 2e-4 && (first + second - 4.0).abs() < 2e-4);
        let expected = (0.5 * (first - 3.0).powi(2)) + 0.5 * (second - 1.0).powi(2);
        assert!((loss - expected).abs() < 2e-4);
        // Five steps of 0.1 leave 0.8⁵ of the way.
        let left = if cold { 0.8_f64.powi(5) } else { 0.0 };
        assert!((w0 * left + (1.0 - left) * u - 4.0).abs() < 2e-4, "{u}");
        assert!((trained > loss + 0.1) == cold, "{trained}");
    }
}

#[test]
fn a_problem_of_ones_own_learns_what_is_far_off() {
    let text = output("user_problem");
    assert!(text.contains("verdict: all right"), "{text}");
    let found: Vec<Vec<f64>> = text.lines().filter(|line| line.contains("line")).map(numbers).collect();
    let [before, after] = found.as_slice() else { panic!("{text}") };
    let (&[d, level, _, loss], &[learned, near, slope, smaller]) = (&before[..], &after[..]) else { panic!("{text}") };
    // Least squares is off by a fifth of 4; the truth is 1 + 2 x.
    assert!(d > 7.0 && level > 1.7 && loss > 0.25, "{text}");
    assert!(learned < 0.5 && (near - 1.0).abs() < 0.1 && (slope - 2.0).abs() < 0.1 && smaller < 0.01, "{text}");
}

#[test]
fn influence_finds_the_wrong_labels() {
    let text = output("influence");
    let first = numbers(text.lines().next().unwrap());
    assert!((0.05..0.5).contains(&first[0]) && first[1] <= 5.0 && first[2] == 300.0, "{text}");
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("wrong  ") || line.contains("right  ")).collect();
    assert_eq!(rows.len(), 5);
    for row in rows {
        let &[_, predicted, retrained] = numbers(row).as_slice() else { panic!("{row}") };
        assert!(row.contains("wrong") && predicted < 0.0, "{row}");
        assert!((predicted - retrained).abs() < 0.05 * retrained.abs(), "{row}");
    }
    let found: Vec<Vec<f64>> = text.lines().filter(|line| line.starts_with("among")).map(numbers).collect();
    // By chance there would be 1 of 15 among 15, and 1.5 among 30.
    assert!(found[0][..] == [15.0, found[0][1], 15.0] && found[0][1] >= 8.0, "{text}");
    assert!(found[1][..] == [30.0, found[1][1], 15.0] && found[1][1] >= 11.0, "{text}");
}
