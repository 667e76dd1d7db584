//! Figures 1, 6 and 8 of the `paper` example: their rows against formulas and against numbers found independently.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The JSON object of an experiment, whose picture is there.
fn object(name: &str) -> Value {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let binary = folder.join("examples").join(format!("paper{}", std::env::consts::EXE_SUFFIX));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper-analysis");
    let output =
        Command::new(binary).args([name, "--format", "json", "--out", out.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
    assert!(picture.contains("<svg") && picture.trim_end().ends_with("</svg>"));
    serde_json::from_slice(&output.stdout).expect("one JSON object and nothing else")
}

fn number(row: &Value, name: &str) -> f64 {
    row[name].as_f64().unwrap_or_else(|| panic!("{name} of {row}"))
}

fn numbers(row: &Value, name: &str) -> Vec<f64> {
    row[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

#[test]
fn fig06_spectral_curves() {
    let object = object("fig06");
    let rows = object["rows"].as_array().unwrap();
    let (alpha, terms, epsilon) = (0.1, 100, 0.1);
    for (name, value) in [("alpha", alpha), ("K", f64::from(terms)), ("epsilon", epsilon)] {
        assert_eq!(number(&object["settings"], name), value);
    }
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-7, "{found} {expected}");
    for row in rows {
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["lambda", "exact", "damped", "neumann"]);
        let lambda = number(row, "lambda");
        close(number(row, "exact"), 1.0 / lambda);
        close(number(row, "damped"), 1.0 / (lambda + epsilon));
        close(number(row, "neumann"), (0..=terms).map(|j| alpha * (1.0 - alpha * lambda).powi(j)).sum());
        // Eq. 5: the two are the same but for a factor from 1 to 1.3 and a little, as λ ≤ 1/alpha here.
        let ratio = number(row, "neumann") / number(row, "damped");
        assert!((1.0..=1.3073).contains(&ratio), "{row}");
    }
    for (lambda, exact, damped, neumann) in [
        (1e-5, 1e5, 9.9990001, 10.099495),
        (1e-3, 1e3, 9.9009901, 10.049666),
        (0.1, 10.0, 5.0, 6.3762798),
        (1.0, 1.0, 0.90909091, 0.99997609),
        (10.0, 0.1, 0.099009901, 0.1),
    ] {
        let row = rows.iter().find(|row| (number(row, "lambda") / lambda - 1.0).abs() < 1e-12).unwrap();
        for (name, expected) in [("exact", exact), ("damped", damped), ("neumann", neumann)] {
            close(number(row, name), expected);
        }
    }
    let lambdas: Vec<f64> = rows.iter().map(|row| number(row, "lambda")).collect();
    assert!(lambdas.is_sorted() && lambdas[0] <= 1e-5 && lambdas[lambdas.len() - 1] >= 10.0);
}

const COMMON: [f64; 2] = [3.0, 2.0];

fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}

#[test]
fn fig08_projections_in_turn() {
    let object = object("fig08");
    let rows = object["rows"].as_array().unwrap();
    let variant = |name: &str| -> Vec<(Vec<f64>, f64)> {
        let of: Vec<&Value> = rows.iter().filter(|row| row["variant"] == name).collect();
        for (step, row) in of.iter().enumerate() {
            let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["variant", "step", "w", "distance"]);
            assert_eq!(row["step"].as_u64(), Some(step as u64));
        }
        of.into_iter().map(|row| (numbers(row, "w"), number(row, "distance"))).collect()
    };
    let [cold, full, partial] = ["cold", "full_warm", "partial_warm"].map(variant);
    assert_eq!(cold.len() + full.len() + partial.len(), rows.len());
    let begins = |found: &[(Vec<f64>, f64)], expected: &[[f64; 2]], tolerance: f64| {
        assert_eq!(found[0].0, [0.0, 0.0]);
        for ((w, far), expected) in found[1..].iter().zip(expected) {
            assert!(distance(w, expected) < tolerance, "{w:?} {expected:?}");
            assert!((distance(w, &COMMON) - far).abs() < 1e-15);
        }
    };
    begins(&cold, &[[1.4, 2.8], [2.5, 2.5], [3.2, 1.6], [3.3, 1.1]], 1e-9);
    begins(&full, &[[1.4, 2.8], [1.8, 3.2], [2.28, 3.44], [2.496, 3.512]], 1e-9);
    let first = [[0.0875, 0.175], [0.324375, 0.411875], [1.018313, 0.758844], [2.096245, 1.118155]];
    begins(&partial, &first, 1e-6);
    // A cold start never lies in the intersection, and repeats itself.
    assert!(cold.iter().all(|(_, far)| *far > 0.4));
    for (i, (w, _)) in cold.iter().enumerate().skip(5) {
        assert_eq!(*w, cold[i - 4].0);
    }
    for (run, table, last) in [
        (&full, &[(1, 1.594), (2, 1.004), (5, 2.511e-1), (10, 2.492e-2), (20, 2.454e-4), (50, 2.345e-10)][..], 62),
        (&partial, &[(1, 1.263), (10, 2.400e-1), (100, 3.835e-3), (500, 3.977e-11)][..], 581),
    ] {
        for &(cycle, expected) in table {
            let found: f64 = run[4 * cycle].1;
            assert!((found - expected).abs() < 6e-4 * expected, "cycle {cycle}: {found:e}");
        }
        assert_eq!(run.len(), 4 * last + 1, "the run ends with its last cycle");
        assert!(run[4 * last].1 < 1e-12 && run[4 * (last - 1)].1 >= 1e-12);
    }
}

#[test]
fn fig01_sets_and_minimisers() {
    let object = object("fig01");
    let rows = object["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 73);
    let (mut same_w, mut same_loss, mut bounded) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let (u, w, loss) = (number(row, "u"), numbers(row, "w"), number(row, "outer_loss"));
        // The foot of the perpendicular from the origin on cos u w₁ + sin u w₂ = 1 + 2 cos u.
        let r = 1.0 + 2.0 * u.cos();
        assert!(distance(&w, &[r * u.cos(), r * u.sin()]) < 1e-14, "{row}");
        assert!((loss - 0.5 * w[0] * w[0]).abs() < 1e-15);
        // w₁ = 0 is met by every line but the upright ones, on which F is constant.
        let upright = u.sin().abs() < 1e-9;
        let best = number(row, "optimistic_loss");
        assert!((best - if upright { 0.5 * r * r } else { 0.0 }).abs() < 1e-14, "{row}");
        if upright {
            bounded.push(u);
            assert!((number(row, "pessimistic_loss") - 0.5 * r * r).abs() < 1e-14);
        } else {
            assert_eq!(row["pessimistic_loss"], "unbounded");
        }
        match row["underspecified"].as_str() {
            Some("two u, one w") => same_w.push((u, w)),
            Some("one F, two w") => same_loss.push((u, w)),
            other => assert!(other.is_none() && loss > 1e-5, "{row}"),
        }
    }
    let third = 2.0 * std::f64::consts::FRAC_PI_3;
    let half = std::f64::consts::FRAC_PI_2;
    assert_eq!(bounded.len(), 3);
    for (found, angle) in [(&same_w, third), (&same_loss, half)] {
        assert_eq!(found.len(), 2);
        assert!((found[0].0 + angle).abs() < 1e-14 && (found[1].0 - angle).abs() < 1e-14);
    }
    assert!(distance(&same_w[0].1, &same_w[1].1) < 1e-14);
    assert!((distance(&same_loss[0].1, &same_loss[1].1) - 2.0).abs() < 1e-14);
}

/// A table for a person: not every step of thousands, and it says so.
#[test]
fn long_tables_are_thinned_and_lists_name_all() {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let binary = folder.join("examples").join(format!("paper{}", std::env::consts::EXE_SUFFIX));
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper-table");
    let run = |arguments: &[&str]| {
        let output = Command::new(&binary).args(arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let table = run(&["fig08", "--out", out.to_str().unwrap()]);
    assert!(table.lines().count() < 90 && table.contains("--format json has all"), "{table}");
    assert!(table.contains("within 1e-12 of w† after 62 cycles") && table.contains("after 581 cycles"), "{table}");
    let list = run(&["list"]);
    for name in ["fig01", "fig06", "fig08"] {
        assert!(list.contains(name), "{list}");
    }
}
