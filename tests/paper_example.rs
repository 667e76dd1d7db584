//! The `paper` example as a program: its rows against the exact solution of each experiment, computed here from an
//! eigendecomposition of its own, and against numbers that an independent system found.
//!
//! With one original point the outer loop moves u along the fixed vector g = Φ r(ΦᵀΦ) φₒ, so that with a = (Φ⁺)ᵀ φₒ every
//! method converges to u = y g / (a·g), and w = Φ⁺ u.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{distance, dot, gram, matvec, matvec_t, norm};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn binary() -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let path = folder.join("examples").join(format!("paper{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: `cargo test` without a filter builds the examples", path.display());
    path
}

fn paper(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().unwrap()
}

fn rows(name: &str) -> Vec<Value> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paper");
    let output = paper(&[name, "--format", "json", "--out", out.to_str().unwrap(), "--seed", "1"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let object: Value = serde_json::from_str(&text).expect("one JSON object and nothing else");
    assert_eq!(object["experiment"], name);
    let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["experiment", "settings", "rows"]);
    let picture = std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
    assert!(picture.contains("<svg") && picture.trim_end().ends_with("</svg>"));
    object["rows"].as_array().unwrap().clone()
}

/// Jacobi's eigenvalue method: rotations until the off-diagonal part is gone. Slow, and hard to get wrong.
fn jacobi(n: usize, matrix: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut a = matrix.to_vec();
    let mut v: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let t = if theta == 0.0 { 1.0 } else { t };
                let (c, s) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
                for row in &mut v {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), (0..n).map(|j| v.iter().map(|row| row[j]).collect()).collect())
}

/// An experiment with one original point.
struct Setting {
    phi: Vec<f64>,
    phi_o: Vec<f64>,
    y: f64,
    rows: usize,
    n: usize,
    values: Vec<f64>,
    vectors: Vec<Vec<f64>>,
}

impl Setting {
    fn new(phi: Vec<f64>, phi_o: Vec<f64>, y: f64) -> Setting {
        let n = phi_o.len();
        let rows = phi.len() / n;
        let (values, vectors) = jacobi(n, &gram(rows, n, &phi));
        Setting { phi, phi_o, y, rows, n, values, vectors }
    }

    fn fourier(order: usize, amplitude: impl Fn(usize) -> f64) -> Setting {
        let row = |x: f64| -> Vec<f64> {
            let cosines = (1..=order).map(|k| amplitude(k) * (k as f64 * x).cos());
            let sines = (1..=order).map(|k| amplitude(k) * (k as f64 * x).sin());
            std::iter::once(1.0).chain(cosines).chain(sines).collect()
        };
        let points: Vec<f64> = (0..13).map(|i| -2.0 + 4.0 * i as f64 / 12.0).collect();
        Setting::new(points.iter().flat_map(|&x| row(x)).collect(), row(0.0), 2.0)
    }

    fn filter(&self, r: impl Fn(f64) -> f64, b: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n];
        for (value, vector) in self.values.iter().zip(&self.vectors) {
            let weight = r(*value) * dot(vector, b);
            out.iter_mut().zip(vector).for_each(|(out, u)| *out += weight * u);
        }
        out
    }

    fn pinv(&self, value: f64) -> f64 {
        let largest = self.values.iter().copied().fold(0.0, f64::max);
        if value > 1e-10 * largest { 1.0 / value } else { 0.0 }
    }

    /// u and w for a filter.
    fn solution(&self, r: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        let g = matvec(self.rows, self.n, &self.phi, &self.filter(r, &self.phi_o));
        let a = matvec(self.rows, self.n, &self.phi, &self.filter(|v| self.pinv(v), &self.phi_o));
        let scale = self.y / dot(&a, &g);
        let u: Vec<f64> = g.iter().map(|g| scale * g).collect();
        let w = self.filter(|v| self.pinv(v), &matvec_t(self.rows, self.n, &self.phi, &u));
        (u, w)
    }
}

/// alpha Σ_{j=0..K} (1 − alpha λ)ʲ, term by term for small K.
fn series(terms: u64, alpha: f64) -> impl Fn(f64) -> f64 {
    move |value: f64| {
        if terms <= 1000 {
            return (0..=terms).map(|j| alpha * (1.0 - alpha * value).powi(j as i32)).sum();
        }
        let x = alpha * value.max(0.0);
        if x < 1e-300 { alpha * (terms as f64 + 1.0) } else { -((terms as f64 + 1.0) * (-x).ln_1p()).exp_m1() / value }
    }
}

fn vector(row: &Value) -> Vec<f64> {
    row["u"].as_array().unwrap().iter().map(|u| u.as_f64().unwrap()).collect()
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found} instead of {expected}");
}

/// Every row of a filter against the exact solution; norms strictly monotone in K and in 1/ε.
fn check(name: &str, setting: &Setting, alpha: f64) -> Vec<Value> {
    let rows = rows(name);
    let mut last: Option<(String, f64, f64)> = None;
    for row in &rows {
        let method = row["method"].as_str().unwrap();
        let (norm_u, norm_w) = (row["norm_u"].as_f64().unwrap(), row["norm_w"].as_f64().unwrap());
        assert!(row["outer_loss"].as_f64().unwrap() < 1e-18, "{row}");
        assert!(row["outer_steps"].as_u64().unwrap() > 0);
        let (solution, computed_by) = match method {
            "neumann" | "unrolled" => {
                let terms = row["K"].as_u64().unwrap();
                let by = if terms <= 1000 { "recurrence" } else { "filter" };
                (setting.solution(series(terms, alpha)), by)
            }
            "damped" => {
                let epsilon = row["epsilon"].as_f64().unwrap();
                (setting.solution(move |value| 1.0 / (value + epsilon)), "filter")
            }
            "exact" => (setting.solution(|value| setting.pinv(value)), "filter"),
            "cg" => {
                assert_eq!(row["computed_by"], "recurrence");
                continue;
            }
            other => panic!("method {other}"),
        };
        assert_eq!(row["computed_by"], computed_by, "{row}");
        let what = format!("{name}: {method} {} {}", row["K"], row["epsilon"]);
        close(norm_u, norm(&solution.0), 1e-6, &what);
        close(norm_w, norm(&solution.1), 1e-6, &what);
        assert!(distance(&vector(row), &solution.0) <= 1e-6 * norm(&solution.0), "{what}");
        close(norm(&vector(row)), norm_u, 1e-12, &what);
        if let Some((before, u, w)) = last.filter(|(before, ..)| before == method) {
            assert!(norm_u < u && norm_w > w, "{before}: norm_u falls and norm_w rises; {what}");
        }
        last = Some((method.to_owned(), norm_u, norm_w));
    }
    rows
}

fn find<'a>(rows: &'a [Value], method: &str, key: &str, value: f64) -> &'a Value {
    rows.iter()
        .find(|row| row["method"] == method && (key.is_empty() || row[key].as_f64() == Some(value)))
        .unwrap_or_else(|| panic!("no row {method} {key} = {value}"))
}

/// (key's value, norm_u, norm_w) found by an independent system.
fn check_published(rows: &[Value], method: &str, key: &str, table: &[(f64, f64, f64)]) {
    for &(value, norm_u, norm_w) in table {
        let row = find(rows, method, key, value);
        close(row["norm_u"].as_f64().unwrap(), norm_u, 1e-6, &format!("norm_u of {method} {value}"));
        close(row["norm_w"].as_f64().unwrap(), norm_w, 1e-6, &format!("norm_w of {method} {value}"));
    }
}

fn exponential() -> Setting {
    Setting::fourier(10, |k| 2.0_f64.powi(10 - k as i32))
}

fn is_exact(row: &Value) {
    let mut expected = [0.0; 13];
    expected[6] = 2.0;
    assert!(distance(&vector(row), &expected) < 1e-8, "the exact solution is 2 e₇: {row}");
}

#[test]
fn fig11_neumann_series() {
    let rows = check("fig11", &exponential(), 1e-7);
    check_published(
        &rows,
        "neumann",
        "K",
        &[
            (0.0, 3.92478978, 3.382909e-3),
            (1.0, 3.90385022, 3.383563e-3),
            (10.0, 3.70943988, 3.457994e-3),
            (100.0, 2.93875712, 5.660993e-3),
            (1e3, 2.52607918, 1.134853e-2),
            (1e4, 2.23058633, 2.749029e-2),
            (1e5, 2.04017718, 6.736133e-2),
            (1e6, 2.00000009, 1.044778e-1),
        ],
    );
    check_published(&rows, "exact", "", &[(0.0, 2.0, 1.04538248e-1)]);
    is_exact(find(&rows, "exact", "", 0.0));
    // T unrolled steps are K = T − 1.
    let mut compared = 0;
    for row in rows.iter().filter(|row| row["method"] == "unrolled") {
        let other = find(&rows, "neumann", "K", row["K"].as_f64().unwrap());
        assert!(distance(&vector(row), &vector(other)) <= 1e-12 * norm(&vector(other)), "{row}");
        assert_eq!(row["outer_steps"], other["outer_steps"]);
        compared += 1;
    }
    assert!(compared >= 3);
}

#[test]
fn fig14_damped() {
    let rows = check("fig14", &exponential(), 1e-7);
    check_published(
        &rows,
        "damped",
        "epsilon",
        &[
            (1e7, 3.88688979, 3.385067e-3),
            (1e6, 3.63239936, 3.525430e-3),
            (1e5, 2.97916927, 5.372393e-3),
            (1e4, 2.54849920, 1.057064e-2),
            (1e3, 2.25085968, 2.489414e-2),
            (1e2, 2.05932815, 5.897701e-2),
            (10.0, 2.00215937, 9.539834e-2),
            (1.0, 2.00002624, 1.035236e-1),
        ],
    );
}

#[test]
fn fig15_truncated_conjugate_gradients() {
    let rows = check("fig15", &exponential(), 1e-7);
    for (k, norm_u) in [(1.0, 3.92478978), (2.0, 3.11546007), (3.0, 2.83441857), (5.0, 2.31867953)] {
        close(find(&rows, "cg", "iterations", k)["norm_u"].as_f64().unwrap(), norm_u, 1e-6, &format!("cg {k}"));
    }
    for (k, norm_w) in [(1.0, 3.38290851e-3), (2.0, 5.70300e-3), (5.0, 2.43475e-2)] {
        close(find(&rows, "cg", "iterations", k)["norm_w"].as_f64().unwrap(), norm_w, 3e-6, &format!("cg {k}"));
    }
    // The right-hand side lies in seven of the eigenvectors: exact from k = 7 on but for rounding, and it stays so.
    close(find(&rows, "cg", "iterations", 7.0)["norm_u"].as_f64().unwrap(), 2.0, 1e-3, "cg 7");
    for k in [10.0, 13.0, 15.0, 21.0] {
        is_exact(find(&rows, "cg", "iterations", k));
    }
}

#[test]
fn fig16_harmonic() {
    let rows = check("fig16", &Setting::fourier(10, |k| 1.0 / k as f64), 1e-3);
    check_published(
        &rows,
        "neumann",
        "K",
        &[
            (1.0, 4.19150666, 1.25251146),
            (10.0, 4.12994045, 1.25308553),
            (100.0, 3.60319731, 1.30238353),
            (1000.0, 2.40953047, 1.97106993),
            (1e4, 2.00570391, 3.10754218),
            (1e5, 2.0, 3.28592099),
        ],
    );
    check_published(
        &rows,
        "damped",
        "epsilon",
        &[
            (1000.0, 4.18476528, 1.25252841),
            (100.0, 4.07083778, 1.25454572),
            (10.0, 3.42048834, 1.34184518),
            (1.0, 2.41089994, 1.95728824),
            (0.1, 2.02704650, 2.88240612),
        ],
    );
    check_published(&rows, "exact", "", &[(0.0, 2.0, 3.28592101)]);
}

#[test]
fn fig17_underparameterized() {
    let rows = check("fig17", &Setting::fourier(4, |k| 1.0 / k as f64), 1e-3);
    for (terms, square) in [(0.0, 19.503841), (1.0, 19.450420), (10.0, 18.978163), (1e6, 6.870372), (1e7, 6.863353)] {
        let norm_u = find(&rows, "neumann", "K", terms)["norm_u"].as_f64().unwrap();
        close(norm_u * norm_u, square, 1e-6, &format!("K = {terms}"));
    }
    check_published(&rows, "exact", "", &[(0.0, 2.61980017, 20.1671812)]);
    let half = [0.034949, -0.169098, 0.336414, -0.2523, -0.299615, 1.065487];
    let expected: Vec<f64> = half.iter().chain([&2.0]).chain(half.iter().rev()).copied().collect();
    let found = vector(find(&rows, "exact", "", 0.0));
    assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 6e-7), "{found:?}");
}

#[test]
fn fig11c_two_points() {
    let setting = Setting::new(vec![1.0, 0.0, 1.0, 2.0], vec![1.0, 1.0], 1.0);
    let rows = check("fig11c", &setting, 0.01);
    for (method, key, value, expected) in [
        ("neumann", "K", 0.0, [0.5, 1.5]),
        ("neumann", "K", 1.0, [0.5025641, 1.4974359]),
        ("neumann", "K", 10.0, [0.52667651, 1.47332349]),
        ("neumann", "K", 100.0, [0.7651675, 1.2348325]),
        ("neumann", "K", 200.0, [0.89824657, 1.10175343]),
        ("neumann", "K", 1000.0, [0.99979261, 1.00020739]),
        ("damped", "epsilon", 1.0, [0.75, 1.25]),
        ("damped", "epsilon", 0.1, [0.95454545, 1.04545455]),
        ("exact", "", 0.0, [1.0, 1.0]),
    ] {
        let row = find(&rows, method, key, value);
        assert!(distance(&vector(row), &expected) < 1e-6, "{row}");
        // At the origin the hypergradient is −Φ r(H) φₒ: the same direction, downhill.
        let g: Vec<f64> =
            row["hypergradient_at_origin"].as_array().unwrap().iter().map(|g| g.as_f64().unwrap()).collect();
        assert!((g[0] * expected[1] - g[1] * expected[0]).abs() < 1e-6 && g[0] < 0.0, "{row}");
    }
    let exact = &find(&rows, "exact", "", 0.0)["hypergradient_at_origin"];
    assert!((exact[0].as_f64().unwrap() + 0.5).abs() < 1e-14 && (exact[1].as_f64().unwrap() + 0.5).abs() < 1e-14);
}

#[test]
fn command_line() {
    let list = paper(&["list"]);
    let text = String::from_utf8(list.stdout).unwrap();
    for name in ["fig11", "fig11c", "fig14", "fig15", "fig16", "fig17"] {
        assert!(list.status.success() && text.contains(name), "{text}");
    }
    let unknown = paper(&["fig99"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("fig99") && unknown.stdout.is_empty());
    assert_eq!(paper(&["fig11", "--format", "xml"]).status.code(), Some(2));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("not-a-folder");
    std::fs::write(&file, "x").unwrap();
    let output = paper(&["fig15", "--out", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("not-a-folder") && !message.contains("panicked"), "{message}");
    // A table for people.
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("table");
    let table = paper(&["fig15", "--out", out.to_str().unwrap()]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.contains("norm_u") && text.contains("fig15.svg"), "{text}");
}
