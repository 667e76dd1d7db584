//! L-BFGS-B against SciPy's, a projected-gradient oracle, and the conditions of a minimum; and as an outer rule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::Error;
use blo::optimize::{Lbfgsb, Next};
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
/// "ftol": 0, "gtol": 1e-8})` of SciPy 1.17.1 (1e-4 for the quadratics): the evaluations, and F at the end, where it is not 0.
/// SciPy measures the projected gradient by its largest element, this library by its norm, which is never smaller.
#[test]
fn as_good_as_scipy() {
    type Function = fn(&[f64]) -> (f64, Vec<f64>);
    type Case = (&'static str, Function, Vec<f64>, (Vec<f64>, Vec<f64>), f64, usize);
    let repeat = |pattern: &[f64], n: usize| pattern.iter().copied().cycle().take(n).collect::<Vec<f64>>();
    let free = |n| (repeat(&[-INFINITE], n), repeat(&[INFINITE], n));
    let cases: [Case; 10] = [
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
        ("quadratic", ill_conditioned, vec![0.0; 30], free(30), -76.23481159844728, 517),
        ("quadratic", ill_conditioned, vec![0.0; 30], (vec![-0.5; 30], vec![0.5; 30]), -26.634573999146347, 316),
    ];
    for (name, f, x, (lower, upper), expected, scipy) in cases {
        let tolerance = if name == "quadratic" { 1e-4 } else { 1e-8 };
        let end = minimize(f, &x, &lower, &upper, 10, tolerance);
        assert!((end.f - expected).abs() <= 1e-8 * expected.abs().max(1.0), "{name}: {} for {expected}", end.f);
        assert!(2 * end.evaluations <= 3 * scipy, "{name}: {} evaluations for {scipy}", end.evaluations);
        assert!(end.how == Next::Converged && end.slope <= tolerance, "{name}: {:?} at {}", end.how, end.slope);
    }
}

/// ½xᵀHx − bᵀx in a box, some of it infinite and some of it a point.
#[derive(Debug, Clone)]
struct Boxed {
    h: Vec<f64>,
    largest: f64,
    b: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    start: Vec<f64>,
}

impl Boxed {
    fn new(seed: u64, n: usize, cond: f64) -> Boxed {
        let mut rng = Rng(seed);
        let oracle = Oracle::semidefinite(&mut rng, n, n, cond, 1.0);
        let (mut lower, mut upper) = (rng.normals(n), rng.normals(n));
        for i in 0..n {
            if lower[i] > upper[i] {
                std::mem::swap(&mut lower[i], &mut upper[i]);
            }
            match rng.next() % 6 {
                0 => lower[i] = -INFINITE,
                1 => upper[i] = INFINITE,
                2 => (lower[i], upper[i]) = (-INFINITE, INFINITE),
                3 => upper[i] = lower[i],
                _ => {}
            }
        }
        let start = (0..n).map(|i| (3.0 * rng.normal()).clamp(lower[i], upper[i])).collect();
        let b = rng.normals(n).iter().map(|b| 2.0 * b).collect();
        Boxed { h: oracle.matrix(), largest: oracle.largest(), b, lower, upper, start }
    }

    fn evaluate(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let hx = matvec(x.len(), x.len(), &self.h, x);
        let g = hx.iter().zip(&self.b).map(|(hx, b)| hx - b).collect();
        (0.5 * dot(x, &hx) - dot(&self.b, x), g)
    }

    /// Projected gradient descent, plainly.
    fn by_descent(&self) -> Vec<f64> {
        let mut x = self.start.clone();
        for _ in 0..1_000_000 {
            let (_, g) = self.evaluate(&x);
            if projected(&x, &g, &self.lower, &self.upper) <= 1e-12 {
                return x;
            }
            for i in 0..x.len() {
                x[i] = (x[i] - g[i] / self.largest).clamp(self.lower[i], self.upper[i]);
            }
        }
        panic!("the oracle does not converge");
    }
}

/// The conditions of a minimum in a box, by value: no gradient but against a bound.
fn assert_minimum(x: &[f64], g: &[f64], lower: &[f64], upper: &[f64], tolerance: f64) {
    for i in 0..x.len() {
        assert!(x[i] == upper[i] || g[i] >= -tolerance, "{i}: {} at {}, below {}", g[i], x[i], upper[i]);
        assert!(x[i] == lower[i] || g[i] <= tolerance, "{i}: {} at {}, above {}", g[i], x[i], lower[i]);
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn convex_quadratics_in_boxes(seed in any::<u64>(), n in 1_usize..25, memory in 1_usize..12, cond in 0.0..2.0_f64) {
        let problem = Boxed::new(seed, n, 10.0_f64.powf(cond));
        let Boxed { lower, upper, start, .. } = &problem;
        let end = minimize(|x| problem.evaluate(x), start, lower, upper, memory, 1e-10);
        let expected = problem.by_descent();
        prop_assert!(end.how == Next::Converged && end.slope <= 1e-10, "{:?} at {}", end.how, end.slope);
        prop_assert!(distance(&end.x, &expected) <= 1e-8, "{:?} for {expected:?}", end.x);
        assert_minimum(&end.x, &problem.evaluate(&end.x).1, lower, upper, 1e-10);
        // The plain method needs as many as the condition; this one does not.
        prop_assert!(end.evaluations <= 30 + 15 * n.min(20), "{} evaluations", end.evaluations);
    }

    /// ¼ Σ xᵢ⁴ − ½xᵀHx − bᵀx has many minima; one is found, never above the start.
    #[test]
    fn no_gradient_but_against_a_bound(seed in any::<u64>(), n in 1_usize..25, memory in 1_usize..12) {
        let problem = Boxed::new(seed, n, 30.0);
        let evaluate = |x: &[f64]| {
            let (f, g) = problem.evaluate(x);
            let minus: Vec<f64> = (0..n).map(|i| x[i].powi(3) - g[i] - 2.0 * problem.b[i]).collect();
            (x.iter().map(|x| x.powi(4) / 4.0).sum::<f64>() - f - 2.0 * dot(&problem.b, x), minus)
        };
        let Boxed { lower, upper, start, .. } = &problem;
        let end = minimize(evaluate, start, lower, upper, memory, 1e-7);
        prop_assert_eq!(end.how, Next::Converged);
        prop_assert!(end.f <= evaluate(start).0);
        assert_minimum(&end.x, &evaluate(&end.x).1, lower, upper, 1e-7);
    }
}

/// In f32 the trials are f32, so that F is evaluated where the method believes.
#[test]
fn single_precision() {
    for seed in 0..50 {
        let problem = Boxed::new(seed, 7, 10.0);
        let [lower, upper, start] = [&problem.lower, &problem.upper, &problem.start].map(|x| cast::<f32>(x));
        let mut method = Lbfgsb::new(&start, &lower, &upper, 5).unwrap();
        method.set_tolerance(1e-5).unwrap();
        let mut evaluations = 0;
        loop {
            let x = method.trial().to_vec();
            assert!((0..7).all(|i| lower[i] <= x[i] && x[i] <= upper[i]));
            let (f, g) = problem.evaluate(&common::widen(&x));
            evaluations += 1;
            // F with the noise of f32.
            if method.tell(f64::from(f as f32), &cast::<f32>(&g)).unwrap() != Next::Evaluate {
                break;
            }
            assert!(evaluations < 200);
        }
        let found = common::widen(method.trial());
        assert!(distance(&found, &problem.by_descent()) <= 1e-3, "{seed}: {found:?}");
    }
}

/// −Σ ln(1 − xᵢ²) + cᵢxᵢ is NaN outside of its domain; the bounds do not say so.
#[test]
fn steps_back_from_what_is_not_finite() {
    for (spoil_gradient, bad) in [(false, f64::NAN), (false, INFINITE), (true, f64::NAN), (false, -INFINITE)] {
        let mut seen = 0;
        let evaluate = |x: &[f64]| {
            let f: f64 = x.iter().enumerate().map(|(i, x)| -(1.0 - x * x).ln() - 40.0 * i as f64 * x).sum();
            let mut g: Vec<f64> =
                x.iter().enumerate().map(|(i, x)| 2.0 * x / (1.0 - x * x) - 40.0 * i as f64).collect();
            let outside = x.iter().any(|x| x.abs() >= 1.0);
            if outside && spoil_gradient {
                g[1] = bad;
            }
            (
                if outside && !spoil_gradient {
                    bad
                } else if outside {
                    0.0
                } else {
                    f
                },
                g,
            )
        };
        let counted = |x: &[f64]| {
            seen += usize::from(x.iter().any(|x| x.abs() >= 1.0));
            evaluate(x)
        };
        let end = minimize(counted, &[-0.9, 0.0, 0.5], &[-INFINITE; 3], &[INFINITE; 3], 5, 1e-7);
        assert!(seen > 0 && end.how == Next::Converged, "{seen} {:?}", end.how);
        for (i, x) in end.x.iter().enumerate() {
            // 2x/(1 − x²) = c.
            let c = 40.0 * i as f64;
            let root = if i == 0 { 0.0 } else { ((1.0 + c * c).sqrt() - 1.0) / c };
            assert!((x - root).abs() < 1e-8, "{i}: {x} for {root}");
        }
    }
}

#[test]
fn endings_that_are_no_minimum_are_said() {
    // Nothing is finite but the start.
    let start = [1.0, 2.0];
    let end = minimize(
        |x| if x == start { (1.0, vec![1.0, -1.0]) } else { (f64::NAN, vec![f64::NAN; 2]) },
        &start,
        &[-INFINITE; 2],
        &[INFINITE; 2],
        5,
        1e-9,
    );
    assert!(end.how == Next::Stalled && end.x == start && end.evaluations <= 21, "{}", end.evaluations);
    // The gradient is not F's.
    let end = minimize(
        |x| {
            let (f, g) = rosenbrock(x);
            (f, g.iter().map(|g| -g).collect())
        },
        &start,
        &[-INFINITE; 2],
        &[INFINITE; 2],
        5,
        1e-9,
    );
    assert!(end.how == Next::Stalled && end.x == start && end.evaluations <= 21, "{}", end.evaluations);
    // F has no bound below: it goes to where F overflows, and ends.
    let end = minimize(|x| (-x[0].exp(), vec![-x[0].exp()]), &[1.0], &[-INFINITE], &[INFINITE], 5, 1e-9);
    assert!(end.how == Next::Stalled && end.f < -1e150, "{:?} {}", end.how, end.f);
    // Tolerance 0: to the rounding floor, and an end there.
    let end = minimize(rosenbrock, &[-1.2, 1.0], &[-INFINITE; 2], &[INFINITE; 2], 5, 0.0);
    assert!(end.f < 1e-25 && end.evaluations < 150, "{:?} {} {}", end.how, end.f, end.evaluations);
    // After the end it is said again.
    let mut method = Lbfgsb::new(&[1.0], &[1.0], &[1.0], 1).unwrap();
    for _ in 0..3 {
        assert_eq!(method.tell(3.0, &[-7.0]).unwrap(), Next::Converged);
        assert_eq!((method.trial(), method.f()), (&[1.0][..], 3.0));
    }
    // At the first point there is nothing to step back to.
    let mut method = Lbfgsb::new(&[1.0], &[0.0], &[1.0], 1).unwrap();
    assert!(matches!(method.tell(f64::NAN, &[1.0]), Err(Error::NonFinite { argument: "F", .. })));
    assert!(matches!(method.tell(1.0, &[INFINITE]), Err(Error::NonFinite { argument: "gradient", index: 0, .. })));
    assert!(matches!(method.tell(1.0, &[]), Err(Error::Shape { argument: "gradient", found: 0, expected: 1 })));
    assert_eq!(method.tell(1.0, &[1.0]), Ok(Next::Evaluate));
    assert_eq!(method.trial(), [0.0]);
    assert_eq!(method.tell(0.5, &[1.0]), Ok(Next::Converged));
}

#[test]
fn sizes_and_arguments() {
    let none: [f64; 0] = [];
    let mut method = Lbfgsb::new(&none, &none, &none, 3).unwrap();
    assert_eq!(method.tell(1.0, &none), Ok(Next::Converged));
    let refused = |x: &[f64], lower: &[f64], upper: &[f64], memory| {
        Lbfgsb::new(x, lower, upper, memory).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for (found, expected) in [
        (refused(&[1.0], &[], &[2.0], 3), "lower: found length 0, expected length 1"),
        (refused(&[1.0], &[0.0], &[2.0; 2], 3), "upper: found length 2, expected length 1"),
        (refused(&[1.0, f64::NAN], &[0.0; 2], &[2.0; 2], 3), "x: found NaN at index 1"),
        (refused(&[1.0, 3.0], &[0.0; 2], &[2.0; 2], 3), "x: found 3 at index 1, expected 0 to 2"),
        (refused(&[1.0], &[2.0], &[0.0], 3), "bounds: found 2 to 0 at index 0"),
        (refused(&[1.0], &[f64::NAN], &[2.0], 3), "bounds: found NaN to 2 at index 0"),
        (refused(&[1.0], &[INFINITE], &[INFINITE], 3), "bounds: found inf to inf at index 0"),
        (refused(&[1.0], &[0.0], &[2.0], 0), "memory: found 0, expected from 1 to 100"),
        (refused(&[1.0], &[0.0], &[2.0], 101), "memory: found 101, expected from 1 to 100"),
    ] {
        assert!(found.starts_with(expected), "{found} for {expected}");
    }
    assert!(Lbfgsb::new(&[1.0], &[0.0], &[2.0], 3).unwrap().set_tolerance(-1.0).is_err());
}

#[test]
fn equal_bits_each_time() {
    let run = || {
        let mut path = Vec::new();
        let trace = |x: &[f64]| {
            path.extend(x.iter().map(|x| x.to_bits()));
            rosenbrock(x)
        };
        minimize(trace, &[-1.2; 9], &[-2.0; 9], &[0.9; 9], 4, 1e-9);
        path
    };
    assert_eq!(run(), run());
}
