//! Every derivative of a problem by value: central differences, adjoint and symmetry identities; and whole hypergradients.
#![allow(dead_code)]

use crate::common::{Rng, distance, dot, norm};
use blo::Estimator;
use blo::hypergradient;
use blo::problem::Problem;
use blo::solve::Space;

/// The derivative along v of a vector-valued f by the five-point rule, with steps of the length h.
fn difference(x: &[f64], v: &[f64], h: f64, f: &mut impl FnMut(&Vec<f64>) -> Vec<f64>) -> Vec<f64> {
    let h = h / norm(v).max(f64::MIN_POSITIVE);
    let mut at = |s: f64| f(&x.iter().zip(v).map(|(x, v)| x + s * h * v).collect());
    let [far, near, back, behind] = [2.0, 1.0, -1.0, -2.0].map(&mut at);
    (0..far.len()).map(|i| (8.0 * (near[i] - back[i]) - (far[i] - behind[i])) / (12.0 * h)).collect()
}

/// The best agreement over a sweep of steps; truncation falls as h⁴, rounding grows as 1/h. The small ones are for functions
/// with kinks, which must lie farther off than the step.
pub fn agrees(name: &str, exact: &[f64], x: &[f64], v: &[f64], mut f: impl FnMut(&Vec<f64>) -> Vec<f64>) {
    let steps = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
    let errors: Vec<f64> = steps.iter().map(|&h| distance(&difference(x, v, h, &mut f), exact)).collect();
    let best = errors.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best <= 2e-8 * (norm(exact) + 1.0), "{name}: {errors:?} against norm {}", norm(exact));
}

/// Every derivative of a problem at (u, w), three ways.
pub fn check_problem<P>(problem: &P, u: &Vec<f64>, w: &Vec<f64>, rng: &mut Rng)
where
    P: Problem<f64>,
    P::Points: Space<f64, Vector = Vec<f64>>,
    P::Vectors: Space<f64, Vector = Vec<f64>>,
{
    let (m, n) = (u.len(), w.len());
    let mut at = problem.workspace();
    let (mut gradient, mut gu, mut gw) = (vec![f64::NAN; n], vec![f64::NAN; m], vec![f64::NAN; n]);
    problem.inner(&mut at, u, w, &mut gradient).unwrap();
    problem.outer(&mut at, u, w, &mut gu, &mut gw).unwrap();
    let (v, v2, du) = (rng.normals(n), rng.normals(n), rng.normals(m));
    let mut scratch = problem.workspace();
    let (mut junk, mut junk_u) = (vec![0.0; n], vec![0.0; m]);
    agrees("∇_w f", &[dot(&gradient, &v)], w, &v, |w| vec![problem.inner(&mut scratch, u, w, &mut junk).unwrap()]);
    agrees("∂F/∂w", &[dot(&gw, &v)], w, &v, |w| {
        vec![problem.outer(&mut scratch, u, w, &mut junk_u, &mut junk).unwrap()]
    });
    agrees("∂F/∂u", &[dot(&gu, &du)], u, &du, |u| {
        vec![problem.outer(&mut scratch, u, w, &mut junk_u, &mut junk).unwrap()]
    });

    problem.linearize(&mut at, u, w).unwrap();
    let nan = |len: usize| vec![f64::NAN; len];
    let (mut hv, mut hv2, mut mdu, mut mtv) = (nan(n), nan(n), nan(n), nan(m));
    problem.hvp(&mut at, &v, &mut hv).unwrap();
    problem.hvp(&mut at, &v2, &mut hv2).unwrap();
    problem.mixed_jvp(&mut at, &du, &mut mdu).unwrap();
    problem.mixed_vjp(&mut at, &v, &mut mtv).unwrap();
    let mut gradient_at = |u: &Vec<f64>, w: &Vec<f64>| {
        let mut g = vec![0.0; n];
        problem.inner(&mut scratch, u, w, &mut g).unwrap();
        g
    };
    agrees("H v", &hv, w, &v, |w| gradient_at(u, w));
    agrees("M du", &mdu, u, &du, |u| gradient_at(u, w));
    let size = norm(&v) * norm(&hv2) + norm(&v2) * norm(&hv);
    assert!((dot(&v2, &hv) - dot(&v, &hv2)).abs() <= 1e-14 * size, "H is symmetric");
    let size = norm(&v) * norm(&mdu) + norm(&mtv) * norm(&du);
    assert!((dot(&v, &mdu) - dot(&mtv, &du)).abs() <= 1e-14 * size, "⟨v, M du⟩ = ⟨Mᵀv, du⟩");
}

/// dF/du against differences of F(u, w(u)), where an implicit estimator is taken at `solution` of u, and an unrolled one
/// runs from there.
pub fn check_hypergradient<P>(
    problem: &P,
    estimator: Estimator,
    u: &Vec<f64>,
    solution: impl Fn(&Vec<f64>) -> Vec<f64>,
    rng: &mut Rng,
) where
    P: Problem<f64>,
    P::Points: Space<f64, Vector = Vec<f64>>,
{
    let mut workspace = hypergradient::Workspace::new(problem);
    hypergradient::evaluate(problem, &estimator, u, &solution(u), &mut workspace).unwrap();
    let gradient: Vec<f64> = workspace.gradient().clone();
    let du = rng.normals(u.len());
    agrees("dF/du", &[dot(&gradient, &du)], u, &du, |u| {
        vec![hypergradient::evaluate(problem, &estimator, u, &solution(u), &mut workspace).unwrap().outer_loss]
    });
}
