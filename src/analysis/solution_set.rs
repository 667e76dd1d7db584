//! The optimistic and the pessimistic choice among many inner solutions, in closed form for quadratics.

use super::host::{axpy, dot, norm, widen};
use crate::problem::{Problem, Quadratic};
use crate::solve::{Filter, Points, Spectrum, default_cutoff};
use crate::{Result, Scalar};

/// The best or the worst inner solution.
#[derive(Debug, Clone, PartialEq)]
pub enum Extremum<T> {
    /// There is one.
    Attained {
        /// It; where there are many, the one nearest to the given start.
        w: Vec<T>,
        /// F there.
        outer_loss: f64,
    },
    /// F has no bound on S(u).
    Unbounded {
        /// A direction of length 1 within S(u) along which F goes to the infinity in question.
        direction: Vec<T>,
    },
}

/// The w in S(u) = argmin_w f(u, w) with the smallest F: the optimistic solution at u.
///
/// S(u) is the affine set w* + null(A), with w* the solution nearest to `start`; minimising F = ½ wᵀP w + fᵀw + h over it is a
/// quadratic problem in the null space. Of many minimisers the one nearest to `start` is returned, with `start` = 0 the one of
/// minimum norm. Unbounded where F falls along null(A) ∩ null(P).
///
/// # Errors
///
/// [`Error::Shape`](crate::Error::Shape) and [`Error::NonFinite`](crate::Error::NonFinite) for u and start;
/// [`Error::Invalid`](crate::Error::Invalid) if S(u) is empty, as f is unbounded below.
pub fn optimistic<T: Scalar>(problem: &Quadratic<T>, u: &[T], start: &[T]) -> Result<Extremum<T>> {
    let set = SolutionSet::new(problem, u, start)?;
    let Some((reduced, gradient)) = set.reduced()? else { return Ok(set.attained(&[])) };
    let k = gradient.len();
    let (mut step, mut scratch) = (vec![0.0; k], Vec::new());
    reduced.apply(Filter::MinNorm { floor: set.floor }, &gradient, &mut step, &mut scratch);
    let slope = reduced.null_share(set.floor, &gradient) * norm(&gradient);
    if slope > set.flat {
        let inside = |value: f64| value.abs() <= set.floor;
        let mut downhill = vec![0.0; k];
        for (i, _) in reduced.values().iter().enumerate().filter(|(_, value)| inside(**value)) {
            axpy(-dot(reduced.vector(i), &gradient), reduced.vector(i), &mut downhill);
        }
        return Ok(Extremum::Unbounded { direction: set.direction(&downhill) });
    }
    step.iter_mut().for_each(|z| *z = -*z);
    Ok(set.attained(&step))
}

/// The w in S(u) with the largest F: the pessimistic solution at u. Finite only where F is constant along null(A), and then
/// attained everywhere on S(u): the point nearest to `start` is returned.
///
/// # Errors
///
/// As [`optimistic`].
pub fn pessimistic<T: Scalar>(problem: &Quadratic<T>, u: &[T], start: &[T]) -> Result<Extremum<T>> {
    let set = SolutionSet::new(problem, u, start)?;
    let Some((reduced, gradient)) = set.reduced()? else { return Ok(set.attained(&[])) };
    let last = gradient.len() - 1;
    if reduced.radius() > set.floor {
        // Uphill both ways; the way that is so from the start.
        let steepest = reduced.vector(last);
        let sign = if dot(steepest, &gradient) < 0.0 { -1.0 } else { 1.0 };
        let uphill: Vec<f64> = steepest.iter().map(|x| sign * x).collect();
        return Ok(Extremum::Unbounded { direction: set.direction(&uphill) });
    }
    if norm(&gradient) > set.flat {
        return Ok(Extremum::Unbounded { direction: set.direction(&gradient) });
    }
    Ok(set.attained(&[]))
}

/// S(u): a point of it, and directions of length 1 that span the rest.
struct SolutionSet<'a, T> {
    problem: &'a Quadratic<T>,
    point: Vec<f64>,
    /// The eigenvectors of A in its null space.
    directions: Vec<Vec<f64>>,
    p: Vec<f64>,
    f: Vec<f64>,
    /// The curvature of F that counts as none.
    floor: f64,
    /// The slope of F that counts as none.
    flat: f64,
}

impl<'a, T: Scalar> SolutionSet<'a, T> {
    fn new(problem: &'a Quadratic<T>, u: &[T], start: &[T]) -> Result<Self> {
        let (u, mut w) = (u.to_vec(), start.to_vec());
        problem.outer_space().check("u", &u)?;
        problem.inner_space().check("start", &w)?;
        problem.fixpoint(&mut problem.workspace(), &u, &mut w)?;
        problem.inner_space().check("w", &w)?;
        let spectrum = problem.hessian_spectrum()?;
        let null = default_cutoff::<T>() * spectrum.radius();
        let directions = spectrum.values().iter().enumerate().filter(|(_, value)| value.abs() <= null);
        let terms = problem.outer_terms();
        let (p, f, point) = (widen(&terms.p), widen(&terms.f), widen(&w));
        let size = norm(&p);
        Ok(SolutionSet {
            problem,
            directions: directions.map(|(i, _)| spectrum.vector(i).to_vec()).collect(),
            floor: default_cutoff::<T>() * size,
            flat: 100.0 * default_cutoff::<T>() * (size * norm(&point) + norm(&f)),
            point,
            p,
            f,
        })
    }

    fn p_times(&self, x: &[f64]) -> Vec<f64> {
        self.p.chunks_exact(x.len().max(1)).map(|row| dot(row, x)).collect()
    }

    /// The curvature of F within the set, and its gradient at the point; `None` if the set is that point.
    fn reduced(&self) -> Result<Option<(Spectrum, Vec<f64>)>> {
        let k = self.directions.len();
        if k == 0 {
            return Ok(None);
        }
        let mut gradient = self.p_times(&self.point);
        axpy(1.0, &self.f, &mut gradient);
        let mut matrix = vec![0.0; k * k];
        for (i, column) in self.directions.iter().map(|direction| self.p_times(direction)).enumerate() {
            for j in 0..k {
                matrix[i * k + j] = dot(&column, &self.directions[j]);
            }
        }
        let spectrum = Spectrum::of("P in the null space of A", k, &matrix)?;
        Ok(Some((spectrum, self.directions.iter().map(|direction| dot(direction, &gradient)).collect())))
    }

    /// Σ zᵢ vᵢ.
    fn combine(&self, z: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.point.len()];
        for (z, direction) in z.iter().zip(&self.directions) {
            axpy(*z, direction, &mut out);
        }
        out
    }

    fn direction(&self, z: &[f64]) -> Vec<T> {
        let length = norm(z);
        self.combine(z).iter().map(|x| T::from_f64(x / length)).collect()
    }

    /// The point, moved by z within the set.
    fn attained(&self, z: &[f64]) -> Extremum<T> {
        let mut w = self.combine(z);
        axpy(1.0, &self.point, &mut w);
        let h = self.problem.outer_terms().h.to_f64();
        let outer_loss = 0.5 * dot(&w, &self.p_times(&w)) + dot(&w, &self.f) + h;
        Extremum::Attained { w: w.iter().map(|&x| T::from_f64(x)).collect(), outer_loss }
    }
}
