//! Restarted GMRES, for H that need not be symmetric.
//!
//! Saad and Schultz (1986): q minimises ‖b − H q‖ over q₀ + span{r₀, H r₀, …}, by Arnoldi's process (orthogonalised twice) and
//! Givens rotations of its Hessenberg matrix, always in `f64`. After `restart` products q₀ ← q. A restarted process may stand
//! still for ever: a cycle that gains less than a thousandth ends it as [`Ending::Stalled`].

use super::Workspace;
use super::memory::heap;
use super::operator::{Operator, VectorOf};
use super::report::{Ending, Report};
use super::space::Space;
use crate::{Error, Result, Scalar};

/// A cycle that leaves more than this of the residual has stalled.
const GAIN: f64 = 0.999;

/// R of the Hessenberg matrix, column j at `j * stride`, the rotations, and the rotated right-hand side.
#[derive(Debug, Default)]
pub(super) struct Scalars {
    upper: Vec<f64>,
    rotations: Vec<(f64, f64)>,
    right: Vec<f64>,
}

impl Scalars {
    /// Room for cycles of this many products.
    pub fn reserve(&mut self, cycle: usize) {
        self.upper.reserve_exact(((cycle + 1) * cycle).saturating_sub(self.upper.len()));
        self.rotations.reserve_exact(cycle.saturating_sub(self.rotations.len()));
        self.right.reserve_exact((cycle + 1).saturating_sub(self.right.len()));
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Scalars { upper, rotations, right } = self;
        heap(upper) + heap(rotations) + heap(right)
    }
}

/// q ← q₀ + its correction, from q₀ = 0. The workspace's first vector holds b.
pub(super) fn run<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    restart: usize,
    tolerance: f64,
    max_products: usize,
    q: &mut VectorOf<T, O>,
    workspace: &mut Workspace<T, VectorOf<T, O>>,
    report: &mut Report,
) -> Result<()> {
    let restart = restart.min(op.space().len());
    workspace.reserve(op.space(), restart + 2);
    workspace.gmres.reserve(restart);
    let norm = op.space().norm(&workspace.vectors[0]);
    let target = tolerance.max(4.0 * T::EPSILON) * norm;
    op.space().scale(T::ZERO, q);
    let mut before = norm;
    let mut size = 0.0_f64;
    let max_products = report.products.saturating_add(max_products);
    let mut first = true;
    loop {
        let Workspace { vectors, gmres: scalars, .. } = &mut *workspace;
        let Some((b, basis)) = vectors.split_first_mut() else { return Ok(()) };
        if std::mem::take(&mut first) {
            op.space().copy(b, &mut basis[0]);
        } else {
            if report.products + 1 >= max_products {
                report.ending = Ending::ProductLimit;
                return Ok(());
            }
            op.apply(q, &mut basis[0])?;
            report.products += 1;
            op.space().scale(-T::ONE, &mut basis[0]);
            op.space().axpy(T::ONE, b, &mut basis[0]);
            let residual = op.space().norm(&basis[0]);
            let floor = 16.0 * T::EPSILON * (norm + size * op.space().norm(q));
            if residual <= target.max(floor) {
                report.ending = Ending::Converged;
                return Ok(());
            }
            if residual > GAIN * before {
                report.ending = Ending::Stalled;
                return Ok(());
            }
            before = residual;
        }
        let end = cycle(op, basis, restart, max_products, before, target, &mut size, scalars, report)?;
        correct(op.space(), basis, restart + 1, size, scalars, q);
        if let Some(ending) = end {
            report.ending = ending;
            return Ok(());
        }
    }
}

/// One cycle from the residual in the first vector of `basis`, of norm `start`. Returns how the solve ends, if it does.
#[allow(clippy::too_many_arguments)]
fn cycle<T: Scalar, O: Operator<T> + ?Sized>(
    op: &mut O,
    basis: &mut [VectorOf<T, O>],
    restart: usize,
    max_products: usize,
    start: f64,
    target: f64,
    size: &mut f64,
    scalars: &mut Scalars,
    report: &mut Report,
) -> Result<Option<Ending>> {
    let stride = restart + 1;
    op.space().scale(T::from_f64(1.0 / start), &mut basis[0]);
    scalars.upper.clear();
    scalars.upper.resize(stride * restart, 0.0);
    scalars.rotations.clear();
    scalars.right.clear();
    scalars.right.push(start);
    for j in 0..restart {
        if report.products >= max_products {
            return Ok(Some(Ending::ProductLimit));
        }
        let (done, next) = basis.split_at_mut(j + 1);
        op.apply(&done[j], &mut next[0])?;
        report.products += 1;
        let column = &mut scalars.upper[j * stride..(j + 1) * stride];
        for _ in 0..2 {
            for (element, v) in column.iter_mut().zip(done.iter()) {
                let overlap = op.space().dot(v, &next[0]);
                *element += overlap;
                op.space().axpy(T::from_f64(-overlap), v, &mut next[0]);
            }
        }
        let mut below = op.space().norm(&next[0]);
        let length = column.iter().fold(below * below, |sum, x| sum + x * x).sqrt();
        if !length.is_finite() {
            return Err(Error::NonFinite { argument: "operator product", index: 0, found: length });
        }
        *size = size.max(length);
        let closed = below <= 16.0 * T::EPSILON * *size;
        if closed {
            below = 0.0;
        } else {
            op.space().scale(T::from_f64(1.0 / below), &mut next[0]);
        }
        for (i, &(cosine, sine)) in scalars.rotations.iter().enumerate() {
            let (x, y) = (column[i], column[i + 1]);
            column[i] = cosine * x + sine * y;
            column[i + 1] = cosine * y - sine * x;
        }
        let radius = column[j].hypot(below);
        let singular = radius <= 16.0 * T::EPSILON * *size;
        let (cosine, sine) = if singular { (1.0, 0.0) } else { (column[j] / radius, below / radius) };
        column[j] = if singular { 0.0 } else { radius };
        scalars.rotations.push((cosine, sine));
        let last = scalars.right[j];
        scalars.right[j] = cosine * last;
        scalars.right.push(-sine * last);
        if !singular && (sine * last).abs() <= target {
            return Ok(Some(Ending::Converged));
        }
        if closed {
            return Ok(Some(if singular { Ending::Singular } else { Ending::Converged }));
        }
    }
    Ok(None)
}

/// q ← q + V y, with R y = the rotated right-hand side; a vanishing pivot gets no part.
fn correct<T: Scalar, S: Space<T>>(
    space: &S,
    basis: &[S::Vector],
    stride: usize,
    size: f64,
    scalars: &mut Scalars,
    q: &mut S::Vector,
) {
    let Scalars { upper, rotations, right } = scalars;
    for j in (0..rotations.len()).rev() {
        let column = &upper[j * stride..(j + 1) * stride];
        let y = if column[j].abs() <= 16.0 * T::EPSILON * size { 0.0 } else { right[j] / column[j] };
        right.iter_mut().zip(column).take(j).for_each(|(right, element)| *right -= y * element);
        space.axpy(T::from_f64(y), &basis[j], q);
    }
}
