//! Checking the derivatives of a problem against differences and against each other.

use super::differences::{Random, sweep};
use super::host::{distance, dot, norm, widen};
use super::report::{Check, Coordinate, Derivative, DerivativeReport, Verdict};
use crate::error::{check_finite, check_len, check_positive, invalid};
use crate::problem::{PointOf, Problem};
use crate::solve::Space;
use crate::{Error, Result, Scalar};

/// How derivatives are checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DerivativeOptions {
    /// Random directions for each derivative.
    pub directions: usize,
    /// Where the directions come from.
    pub seed: u64,
    /// The relative disagreement that counts as none; `None`: 1e-6 in f64, 1e-3 in f32.
    pub tolerance: Option<f64>,
    /// At most so many coordinates, evenly spread, are searched for the one where a wrong gradient is worst.
    pub searched: usize,
}

impl Default for DerivativeOptions {
    /// 3 directions, seed 0, the default tolerance, 4096 coordinates.
    fn default() -> DerivativeOptions {
        DerivativeOptions { directions: 3, seed: 0, tolerance: None, searched: 4096 }
    }
}

/// Compares what a problem's functions give at (u, w) with central differences of what they are the derivatives of, and
/// checks that H is symmetric and that M and Mᵀ are adjoints.
///
/// The points are in general position at best: at an optimum or at zero a mistake may not show. Differences are taken over a
/// sweep of steps; the one whose neighbours agree with it best is used, and how well they do says what accuracy can be
/// expected. A derivative is wrong if it disagrees by more than the tolerance and by more than that. What is below the
/// tolerance, or in few of very many coordinates, is not seen. In f32 rounding leaves some points undecided, and near the
/// kinks of large networks most: check in f64 where you can. Costs about 30 evaluations for each direction, and for a wrong
/// gradient 2 for each coordinate searched.
///
/// # Errors
///
/// [`Error::Shape`] and [`Error::NonFinite`] for u and w, [`Error::Invalid`] for an option. A callback that fails is no error
/// but a [`Verdict`].
///
/// ```
/// use blo::analysis::{Derivative, DerivativeOptions, check_derivatives};
/// use blo::problem::UserProblem;
///
/// // f = ½ (w − sin u)², F = ½ w²; the sign of M = −cos u is forgotten.
/// let problem = UserProblem::<f64>::new(
///     1,
///     1,
///     |u, w, g| {
///         g[0] = w[0] - u[0].sin();
///         Ok(0.5 * g[0] * g[0])
///     },
///     |_, w, _, gw| {
///         gw[0] = w[0];
///         Ok(0.5 * w[0] * w[0])
///     },
///     |_, _, v, out| {
///         out[0] = v[0];
///         Ok(())
///     },
///     |u, _, v, out| {
///         out[0] = u[0].cos() * v[0];
///         Ok(())
///     },
/// );
/// let report = check_derivatives(&problem, &[0.4], &[1.0], &DerivativeOptions::default())?;
/// assert_eq!(report.wrong(), [Derivative::MixedVjp]);
/// assert!(report.to_string().contains("everywhere about -1.0000 times what it should be"));
/// # Ok::<(), blo::Error>(())
/// ```
pub fn check_derivatives<T: Scalar, P: Problem<T>>(
    problem: &P,
    u: &[T],
    w: &[T],
    options: &DerivativeOptions,
) -> Result<DerivativeReport> {
    check_len("u", u.len(), problem.outer_space().len())?;
    check_len("w", w.len(), problem.inner_space().len())?;
    check_finite("u", u)?;
    check_finite("w", w)?;
    if options.directions == 0 {
        return Err(invalid("directions", 0, "at least 1"));
    }
    let tolerance = options.tolerance.unwrap_or(if T::EPSILON < 1e-10 { 1e-6 } else { 1e-3 });
    check_positive("tolerance", tolerance)?;
    let mut probe = Probe::new(problem, u, w);
    let mut checks = vec![
        gradient_check(Derivative::InnerGradient, &mut probe, tolerance, options),
        gradient_check(Derivative::OuterGradientU, &mut probe, tolerance, options),
        gradient_check(Derivative::OuterGradientW, &mut probe, tolerance, options),
        product_check(Derivative::Hvp, &mut probe, tolerance, options),
        identity_check(Derivative::Symmetry, &mut probe, tolerance, options),
        gradient_check(Derivative::MixedVjp, &mut probe, tolerance, options),
        product_check(Derivative::MixedJvp, &mut probe, tolerance, options),
        identity_check(Derivative::Adjoint, &mut probe, tolerance, options),
    ];
    if checks[0].verdict == Verdict::Wrong {
        for check in &mut checks {
            let by_gradient = matches!(check.derivative, Derivative::Hvp | Derivative::MixedVjp | Derivative::MixedJvp);
            if by_gradient && check.verdict == Verdict::Wrong {
                (check.verdict, check.worst, check.factor) = (Verdict::NotJudged, None, None);
            }
        }
    }
    Ok(DerivativeReport { checks, tolerance })
}

/// A scalar and its gradient.
type Valued = (f64, Vec<f64>);

/// The problem's functions over host vectors of `f64`.
struct Probe<'a, T: Scalar, P: Problem<T>> {
    problem: &'a P,
    at: P::Workspace,
    u: &'a [T],
    w: &'a [T],
    point_u: PointOf<T, P>,
    point_w: PointOf<T, P>,
    out_u: PointOf<T, P>,
    out_w: PointOf<T, P>,
}

/// Which of the two points moves.
#[derive(Clone, Copy, PartialEq)]
enum Moved {
    U,
    W,
}

impl<'a, T: Scalar, P: Problem<T>> Probe<'a, T, P> {
    fn new(problem: &'a P, u: &'a [T], w: &'a [T]) -> Self {
        let [point_u, out_u] = [(); 2].map(|()| problem.outer_space().zeros());
        let [point_w, out_w] = [(); 2].map(|()| problem.inner_space().zeros());
        Probe { problem, at: problem.workspace(), u, w, point_u, point_w, out_u, out_w }
    }

    /// u and w, one of them moved along a direction.
    fn go(&mut self, moved: Moved, direction: &[f64], step: f64) -> Result<()> {
        let shift =
            |x: &[T]| -> Vec<T> { x.iter().zip(direction).map(|(x, v)| T::from_f64(x.to_f64() + step * v)).collect() };
        let (u, w) = (self.problem.outer_space(), self.problem.inner_space());
        match moved {
            Moved::U => {
                u.load(&shift(self.u), &mut self.point_u)?;
                w.load(self.w, &mut self.point_w)
            }
            Moved::W => {
                u.load(self.u, &mut self.point_u)?;
                w.load(&shift(self.w), &mut self.point_w)
            }
        }
    }

    fn stay(&mut self) -> Result<()> {
        self.go(Moved::U, &vec![0.0; self.u.len()], 0.0)
    }

    fn inner(&mut self) -> Result<Valued> {
        let value = self.problem.inner(&mut self.at, &self.point_u, &self.point_w, &mut self.out_w)?;
        Ok((finite("value of inner", value)?, host("gradient of inner", self.problem.inner_space(), &self.out_w)?))
    }

    /// F with the gradient in u or w.
    fn outer(&mut self, moved: Moved) -> Result<Valued> {
        let (gu, gw) = (&mut self.out_u, &mut self.out_w);
        let value = self.problem.outer(&mut self.at, &self.point_u, &self.point_w, gu, gw)?;
        let value = finite("value of outer", value)?;
        match moved {
            Moved::U => Ok((value, host("gradient_u of outer", self.problem.outer_space(), &self.out_u)?)),
            Moved::W => Ok((value, host("gradient_w of outer", self.problem.inner_space(), &self.out_w)?)),
        }
    }

    /// H v, Mᵀ v or M du at (u, w).
    fn product(&mut self, derivative: Derivative, direction: &[f64]) -> Result<Vec<f64>> {
        self.stay()?;
        let narrow: Vec<T> = direction.iter().map(|&v| T::from_f64(v)).collect();
        let (problem, at) = (self.problem, &mut self.at);
        problem.linearize(at, &self.point_u, &self.point_w)?;
        let mut out = problem.vectors(at).zeros();
        if derivative == Derivative::MixedJvp {
            problem.outer_space().load(&narrow, &mut self.out_u)?;
            problem.mixed_jvp(at, &self.out_u, &mut out)?;
        } else {
            let mut v = problem.vectors(at).zeros();
            problem.inner_space().load(&narrow, &mut self.out_w)?;
            problem.lift(at, &self.out_w, &mut v)?;
            if derivative == Derivative::MixedVjp {
                problem.mixed_vjp(at, &v, &mut self.out_u)?;
                return host("output of mixed_vjp", problem.outer_space(), &self.out_u);
            }
            problem.hvp(at, &v, &mut out)?;
        }
        problem.lower(at, &out, &mut self.out_w)?;
        let name = if derivative == Derivative::MixedJvp { "output of mixed_jvp" } else { "output of hvp" };
        host(name, problem.inner_space(), &self.out_w)
    }

    /// The step that is small for the point that moves.
    fn unit(&self, moved: Moved) -> f64 {
        let x = if moved == Moved::U { self.u } else { self.w };
        let square: f64 = x.iter().map(|x| x.to_f64().powi(2)).sum();
        (square / x.len().max(1) as f64).sqrt().max(1.0)
    }

    fn len(&self, moved: Moved) -> usize {
        if moved == Moved::U { self.u.len() } else { self.w.len() }
    }
}

fn finite(argument: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::NonFinite { argument, index: 0, found: value }) }
}

/// A point as finite `f64`.
fn host<T: Scalar, S: Space<T>>(argument: &'static str, space: &S, x: &S::Vector) -> Result<Vec<f64>> {
    let mut out = vec![T::ZERO; space.len()];
    space.store(x, &mut out)?;
    check_finite(argument, &out)?;
    Ok(widen(&out))
}

/// What one direction shows, in absolute numbers but for the error.
struct Comparison {
    error: f64,
    reachable: f64,
    step: f64,
    verdict: Verdict,
}

impl Comparison {
    /// `found` has a part of the size `size`, or is a number of about that size.
    fn new<T: Scalar>(
        found: &[f64],
        size: f64,
        unit: f64,
        tolerance: f64,
        at: impl FnMut(f64) -> Option<Vec<f64>>,
    ) -> Comparison {
        let Some(estimate) = sweep(unit, T::EPSILON, size * unit, at) else {
            return Comparison { error: f64::NAN, reachable: f64::NAN, step: f64::NAN, verdict: Verdict::Undecided };
        };
        let off = distance(found, &estimate.derivative);
        let scale = size.max(norm(&estimate.derivative)).max(estimate.secant).max(f64::MIN_POSITIVE);
        let verdict = if off <= tolerance * scale {
            Verdict::Right
        } else if off <= 4.0 * estimate.uncertainty || off <= estimate.jump {
            Verdict::Undecided
        } else {
            Verdict::Wrong
        };
        Comparison {
            error: off / scale,
            reachable: (estimate.uncertainty / scale).min(1.0),
            step: estimate.step,
            verdict,
        }
    }

    fn rank(&self) -> u8 {
        match self.verdict {
            Verdict::Wrong => 2,
            Verdict::Undecided => 1,
            _ => 0,
        }
    }

    fn is_worse(&self, other: &Comparison) -> bool {
        self.rank() > other.rank() || (self.rank() == other.rank() && self.error > other.error)
    }
}

fn without_numbers(derivative: Derivative, verdict: Verdict) -> Check {
    Check { derivative, verdict, error: f64::NAN, reachable: 0.0, step: 0.0, worst: None, factor: None }
}

/// The check of a derivative that could not be evaluated.
fn failed(derivative: Derivative, error: Error) -> Check {
    let absent = matches!(error, Error::Unsupported { operation: "mixed_jvp", .. });
    without_numbers(derivative, if absent { Verdict::Absent } else { Verdict::Failed(error) })
}

fn finish(derivative: Derivative, worst: Option<(Comparison, Differences)>) -> Check {
    let Some((comparison, (indices, found, expected))) = worst else {
        return without_numbers(derivative, Verdict::Right);
    };
    let Comparison { error, reachable, step, verdict } = comparison;
    let mut check = Check { derivative, verdict, error, reachable, step, worst: None, factor: None };
    if check.verdict == Verdict::Wrong {
        let off = |i: &usize| (found[*i] - expected[*i]).abs();
        let at = (0..found.len()).max_by(|i, j| off(i).total_cmp(&off(j)));
        check.worst = at.map(|i| Coordinate { index: indices[i], found: found[i], expected: expected[i] });
        let factor = dot(&found, &expected) / dot(&expected, &expected);
        let scaled: Vec<f64> = expected.iter().map(|x| factor * x).collect();
        // One coordinate is a multiple of anything.
        let clear = factor != 0.0 && factor.is_finite() && distance(&found, &scaled) <= 1e-3 * norm(&found);
        check.factor = (clear && (found.len() > 1 || indices.len() == 1)).then_some(factor);
    }
    check
}

/// Indices, and what was found and expected there.
type Differences = (Vec<usize>, Vec<f64>, Vec<f64>);

/// ∇_w f, ∂F/∂u, ∂F/∂w or Mᵀ v, against differences of what each is the gradient of.
fn gradient_check<T: Scalar, P: Problem<T>>(
    derivative: Derivative,
    probe: &mut Probe<'_, T, P>,
    tolerance: f64,
    options: &DerivativeOptions,
) -> Check {
    let moved =
        if matches!(derivative, Derivative::OuterGradientU | Derivative::MixedVjp) { Moved::U } else { Moved::W };
    let mut random = Random(options.seed);
    let (unit, n) = (probe.unit(moved), probe.len(moved));
    let mut worst: Option<(Comparison, Differences)> = None;
    for _ in 0..options.directions {
        let (along, v) = (random.normals(n), random.normals(probe.w.len()));
        // The function whose gradient it is, and the gradient.
        let value = |probe: &mut Probe<'_, T, P>| match derivative {
            Derivative::InnerGradient => probe.inner(),
            Derivative::MixedVjp => probe.inner().map(|(_, gradient)| (dot(&gradient, &v), Vec::new())),
            _ => probe.outer(moved),
        };
        let here = probe.stay().and_then(|()| value(probe)).and_then(|(_, gradient)| match derivative {
            Derivative::MixedVjp => probe.product(derivative, &v),
            _ => Ok(gradient),
        });
        let gradient = match here {
            Ok(gradient) => gradient,
            Err(error) => return failed(derivative, error),
        };
        let mut at = |direction: &[f64], step: f64| {
            let value = probe.go(moved, direction, step).and_then(|()| value(probe));
            value.ok().map(|(value, _)| vec![value])
        };
        let slope = [dot(&gradient, &along)];
        let comparison = Comparison::new::<T>(&slope, norm(&gradient), unit, tolerance, |step| at(&along, step));
        if worst.as_ref().is_some_and(|(worst, _)| !comparison.is_worse(worst)) {
            continue;
        }
        let mut differences = Differences::default();
        if comparison.verdict == Verdict::Wrong {
            let stride = n.div_ceil(options.searched.max(1)).max(1);
            let mut unit_vector = vec![0.0; n];
            for i in (0..n).step_by(stride) {
                unit_vector[i] = 1.0;
                if let (Some(plus), Some(minus)) =
                    (at(&unit_vector, comparison.step), at(&unit_vector, -comparison.step))
                {
                    differences.0.push(i);
                    differences.1.push(gradient[i]);
                    differences.2.push((plus[0] - minus[0]) / (2.0 * comparison.step));
                }
                unit_vector[i] = 0.0;
            }
        }
        worst = Some((comparison, differences));
    }
    finish(derivative, worst)
}

/// H v or M du, against differences of ∇_w f.
fn product_check<T: Scalar, P: Problem<T>>(
    derivative: Derivative,
    probe: &mut Probe<'_, T, P>,
    tolerance: f64,
    options: &DerivativeOptions,
) -> Check {
    let moved = if derivative == Derivative::MixedJvp { Moved::U } else { Moved::W };
    let mut random = Random(options.seed.wrapping_add(1));
    let (unit, n) = (probe.unit(moved), probe.len(moved));
    let mut worst: Option<(Comparison, Differences)> = None;
    for _ in 0..options.directions {
        let along = random.normals(n);
        let found = match probe.product(derivative, &along) {
            Ok(found) => found,
            Err(error) => return failed(derivative, error),
        };
        if let Err(error) = probe.stay().and_then(|()| probe.inner()) {
            return failed(derivative, error);
        }
        let mut at = |step: f64| {
            let value = probe.go(moved, &along, step).and_then(|()| probe.inner());
            value.ok().map(|(_, gradient)| gradient)
        };
        let comparison = Comparison::new::<T>(&found, norm(&found), unit, tolerance, &mut at);
        if worst.as_ref().is_some_and(|(worst, _)| !comparison.is_worse(worst)) {
            continue;
        }
        let mut differences = Differences::default();
        if let (Verdict::Wrong, Some(plus), Some(minus)) =
            (&comparison.verdict, at(comparison.step), at(-comparison.step))
        {
            let expected = plus.iter().zip(&minus).map(|(p, m)| (p - m) / (2.0 * comparison.step)).collect();
            differences = ((0..found.len()).collect(), found, expected);
        }
        worst = Some((comparison, differences));
    }
    finish(derivative, worst)
}

/// ⟨v, H v'⟩ = ⟨H v, v'⟩ or ⟨v, M du⟩ = ⟨Mᵀ v, du⟩.
fn identity_check<T: Scalar, P: Problem<T>>(
    derivative: Derivative,
    probe: &mut Probe<'_, T, P>,
    tolerance: f64,
    options: &DerivativeOptions,
) -> Check {
    let mut random = Random(options.seed.wrapping_add(2));
    let (of_v, of_other, moved) = match derivative {
        Derivative::Symmetry => (Derivative::Hvp, Derivative::Hvp, Moved::W),
        _ => (Derivative::MixedVjp, Derivative::MixedJvp, Moved::U),
    };
    let mut error = 0.0_f64;
    for _ in 0..options.directions {
        let (v, other) = (random.normals(probe.w.len()), random.normals(probe.len(moved)));
        let products = probe.product(of_other, &other).and_then(|right| Ok((probe.product(of_v, &v)?, right)));
        let (left, right) = match products {
            Ok(products) => products,
            Err(error) => return failed(derivative, error),
        };
        let size = norm(&left) * norm(&other) + norm(&right) * norm(&v);
        let off = (dot(&left, &other) - dot(&right, &v)).abs();
        error = error.max(off / size.max(f64::MIN_POSITIVE));
    }
    let verdict = if error <= tolerance { Verdict::Right } else { Verdict::Wrong };
    Check { error, ..without_numbers(derivative, verdict) }
}
