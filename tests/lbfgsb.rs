//! L-BFGS-B against SciPy's, a projected-gradient oracle, and the conditions of a minimum; and as an outer rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::optimize::{Lbfgsb, Next};
use blo::{Error, Scalar};
use common::{Oracle, Rng, cast, config, distance, dot, matvec, norm};
use proptest::prelude::*;

const INFINITE: f64 = f64::INFINITY;

/// Where a minimization ended: how, x, F, ‖P(x − g) − x‖, evaluations.
struct Ended {
    how: Next,
    x: Vec<f64>,
    f: f64,
    slope: f64,
    evaluations: usize,
}

fn projected(x: &[f64], g: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let moved = (0..x.len()).map(|i| (x[i] - g[i]).clamp(lower[i], upper[i]) - x[i]);
    norm(&moved.collect::<Vec<f64>>())
}

fn minimize(
    mut f: impl FnMut(&[f64]) -> (f64, Vec<f64>),
    x: &[f64],
    lower: &[f64],
    upper: &[f64],
    memory: usize,
    tolerance: f64,
) -> Ended {
    let mut method = Lbfgsb::new(x, lower, upper, memory).unwrap();
    method.set_tolerance(tolerance).unwrap();
    let mut evaluations = 0;
    loop {
        let x = method.trial().to_vec();
        assert!((0..x.len()).all(|i| lower[i] <= x[i] && x[i] <= upper[i]), "outside of the box: {x:?}");
        let (value, gradient) = f(&x);
        evaluations += 1;
        assert!(evaluations < 20_000, "no end");
        match method.tell(value, &gradient).unwrap() {
            Next::Evaluate => {}
            how => {
                let x = method.trial().to_vec();
                assert_eq!(method.x(), x);
                let (value, gradient) = f(&x);
                assert_eq!(value, method.f());
                return Ended { how, slope: projected(&x, &gradient, lower, upper), x, f: value, evaluations };
            }
        }
    }
}

fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
    let (mut f, mut g) = (0.0, vec![0.0; x.len()]);
    for i in 0..x.len() - 1 {
        let (a, b) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        f += 100.0 * a * a + b * b;
        g[i] -= 400.0 * a * x[i] + 2.0 * b;
        g[i + 1] += 200.0 * a;
    }
    (f, g)
}

fn beale(x: &[f64]) -> (f64, Vec<f64>) {
    let (mut f, mut g) = (0.0, vec![0.0; 2]);
    for (i, y) in [1.5, 2.25, 2.625].into_iter().enumerate() {
        let power = x[1].powi(i as i32);
        let r = y - x[0] * (1.0 - power * x[1]);
        f += r * r;
        g[0] -= 2.0 * r * (1.0 - power * x[1]);
        g[1] += 2.0 * r * x[0] * (i + 1) as f64 * power;
    }
    (f, g)
}

/// Powell's singular function: the Hessian has rank 2 of 4 at the minimum.
fn powell(x: &[f64]) -> (f64, Vec<f64>) {
    let (mut f, mut g) = (0.0, Vec::new());
    for x in x.chunks(4) {
        let (p, q, r, s) = (x[0] + 10.0 * x[1], x[2] - x[3], x[1] - 2.0 * x[2], x[0] - x[3]);
        f += p * p + 5.0 * q * q + r.powi(4) + 10.0 * s.powi(4);
        let (r3, s3) = (4.0 * r.powi(3), 40.0 * s.powi(3));
        g.extend([2.0 * p + s3, 20.0 * p + r3, 10.0 * q - 2.0 * r3, -10.0 * q - s3]);
    }
    (f, g)
}

/// ½ xᵀ(D + vvᵀ)x − bᵀx with a condition of 10⁴.
fn ill_conditioned(x: &[f64]) -> (f64, Vec<f64>) {
    let n = x.len();
    let [v, b] = [f64::cos, f64::sin].map(|wave| (0..n).map(|i| wave(i as f64)).collect::<Vec<f64>>());
    let s = dot(&v, x);
    let hx: Vec<f64> = (0..n).map(|i| 10.0_f64.powf(4.0 * i as f64 / (n - 1) as f64) * x[i] + s * v[i]).collect();
    let g: Vec<f64> = (0..n).map(|i| hx[i] - 10.0 * b[i]).collect();
    (0.5 * dot(&hx, x) - 10.0 * dot(&b, x), g)
}

/// The same from SciPy: `scipy.optimize.minimize(f, x, jac=True, method="L-BFGS-B", bounds=..., options={"maxcor": 10,
/// "ftol": 0, "gtol": 1e-8})` of SciPy 1.17.1: F at the end and the evaluations. SciPy measures the projected gradient by its
/// largest element, this library by its norm, which is never smaller; on the quadratics SciPy gave up, at 2e-5 and 6e-6.
#[test]
fn as_good_as_scipy() {
    type Function = fn(&[f64]) -> (f64, Vec<f64>);
    let repeat = |pattern: &[f64], n: usize| pattern.iter().copied().cycle().take(n).collect::<Vec<f64>>();
    let free = |n| (repeat(&[-INFINITE], n), repeat(&[INFINITE], n));
    let cases: [(&str, Function, Vec<f64>, (Vec<f64>, Vec<f64>), f64, usize); 10] = [
        ("rosenbrock", rosenbrock, vec![-1.2, 1.0], free(2), 0.0, 46),
        ("rosenbrock", rosenbrock, repeat(&[-1.2, 1.0], 20), free(20), 0.0, 172),
        ("rosenbrock", rosenbrock, vec![-1.2, 1.0], (vec![-INFINITE; 2], vec![0.5, INFINITE]), 0.25, 29),
        ("rosenbrock", rosenbrock, vec![-1.2, 0.4], (vec![-1.5, -0.5], vec![0.8, 0.4]), 0.1342528626735096, 12),
        (
            "rosenbrock",
            rosenbrock,
            repeat(&[-1.2, 0.5], 20),
            (repeat(&[-INFINITE], 20), repeat(&[INFINITE, 0.5], 20)),
            16.589245326819004,
            43,
        ),
        (
            "the example that comes with L-BFGS-B",
            rosenbrock,
            vec![3.0; 25],
            (repeat(&[1.0, -100.0], 25), vec![100.0; 25]),
            0.0,
            101,
        ),
        ("beale", beale, vec![1.0, 0.45], (vec![-4.5; 2], vec![2.5, 0.45]), 0.07270005065353363, 13),
        ("powell", powell, repeat(&[3.0, -1.0, 0.0, 1.0], 20), free(20), 0.0, 60),
        ("quadratic", ill_conditioned, vec![0.0; 30], free(30), -76.23481159844728, 612),
        ("quadratic", ill_conditioned, vec![0.0; 30], (vec![-0.5; 30], vec![0.5; 30]), -26.634573999146347, 436),
    ];
    for (name, f, x, (lower, upper), expected, scipy) in cases {
        let end = minimize(f, &x, &lower, &upper, 10, 1e-8);
        println!(
            "{name} {}: F {:e} slope {:e} evaluations {} scipy {scipy} {:?}",
            x.len(),
            end.f,
            end.slope,
            end.evaluations,
            end.how
        );
        assert!((end.f - expected).abs() <= 1e-8 * expected.abs().max(1.0), "{name}: {} for {expected}", end.f);
        assert!(2 * end.evaluations <= 3 * scipy, "{name}: {} evaluations for {scipy}", end.evaluations);
        if end.how != Next::Converged {
            println!("!!");
            continue;
        }
        assert!(end.slope <= 1e-8, "{name}: {}", end.slope);
    }
}
