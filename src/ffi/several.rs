//! Several solves with one operator, which share what they can.

use super::args::{count, dimension, elements, finite, not_null, read_into, room, same_dimension, write_array};
use super::estimator::{EstimatorOptions, read_solve};
use super::guard::{Done, guard};
use super::handle::{Entered, enter};
use super::report::{ReportInfo, ReportPlace};
use super::solver::{OperatorFn, Solver, Solving, operator};
use super::status::Status;
use crate::error::{check_finite, invalid};
use crate::solve::{self, Report, Solve};
use crate::{Result, Scalar};
use std::ffi::{c_double, c_void};

/// What several solves keep in a solver.
pub(super) struct Several<T> {
    bs: Vec<Vec<T>>,
    qs: Vec<Vec<T>>,
    reports: Vec<Report>,
    solves: Vec<Solve>,
    epsilons: Vec<f64>,
}

impl<T> Default for Several<T> {
    fn default() -> Self {
        Several { bs: Vec::new(), qs: Vec::new(), reports: Vec::new(), solves: Vec::new(), epsilons: Vec::new() }
    }
}

/// The caller's places for several reports, one struct behind the other.
struct ReportPlaces {
    first: *mut ReportInfo,
    /// The bytes from one to the next.
    stride: usize,
}

/// # Safety
///
/// `first` is null or points to `count` structs whose size is in their first field.
unsafe fn report_places(first: *mut ReportInfo, count: usize) -> Result<ReportPlaces> {
    // SAFETY: as the caller vouches.
    let stride = if first.is_null() { 0 } else { unsafe { first.cast::<u32>().read_unaligned() as usize } };
    let places = ReportPlaces { first, stride };
    for i in 0..count {
        // SAFETY: as the caller vouches, as long as the sizes are one.
        let size = unsafe {
            places.place(i)?;
            if first.is_null() { 0 } else { first.byte_add(i * stride).cast::<u32>().read_unaligned() as usize }
        };
        if size != stride {
            return Err(invalid(
                "report",
                format!("struct_size {size} at index {i}"),
                format!("{stride}, as before it"),
            ));
        }
    }
    Ok(places)
}

impl ReportPlaces {
    /// # Safety
    ///
    /// There is an i-th.
    unsafe fn place(&self, i: usize) -> Result<ReportPlace> {
        let at = if self.first.is_null() { self.first } else { self.first.wrapping_byte_add(i * self.stride) };
        // SAFETY: as the caller vouches.
        unsafe { ReportPlace::new(at) }
    }
}

/// Takes a solver for some solves, with room for them.
///
/// # Safety
///
/// `solver` is null or living.
unsafe fn take<T: Scalar>(
    solver: *mut Solver<T>,
    n: i64,
    n_solves: i64,
    n_bs: usize,
) -> Done<(Entered<Solving<T>>, usize)> {
    // SAFETY: as the caller vouches.
    let mut own = unsafe { enter("solver", solver) }?;
    same_dimension("n", n, own.n)?;
    let (rows, solves) = (own.n, dimension("count", n_solves)?);
    elements("count", solves, rows)?;
    if own.several.qs.len() < solves {
        room::<T>("count", solves.saturating_mul(rows))?;
    }
    let Several { bs, qs, .. } = &mut own.several;
    for (vectors, len) in [(bs, n_bs.min(solves)), (qs, solves)] {
        // They stay for a call with more.
        while vectors.len() < len {
            vectors.push(vec![T::ZERO; rows]);
        }
    }
    Ok((own, solves))
}

/// # Safety
///
/// `bs` is null or points to rows of as many elements as those of `to`.
unsafe fn read_rows<T: Scalar>(bs: *const T, to: &mut [Vec<T>]) -> Result<&[Vec<T>]> {
    for (i, row) in to.iter_mut().enumerate() {
        // SAFETY: as the caller vouches.
        unsafe { read_into("b", if bs.is_null() { bs } else { bs.add(i * row.len()) }, row) }?;
        check_finite("b", row)?;
    }
    Ok(to)
}

/// # Safety
///
/// The places are writable.
unsafe fn write_rows<T: Scalar>(qs: &[Vec<T>], reports: &[Report], q: *mut T, places: &ReportPlaces) -> Result<()> {
    qs.iter().try_for_each(|row| check_finite("q", row))?;
    for (i, (row, report)) in qs.iter().zip(reports).enumerate() {
        // SAFETY: as the caller vouches.
        unsafe {
            write_array(q.add(i * row.len()), row);
            places.place(i)?.write(report, f64::NAN);
        }
    }
    Ok(())
}

/// q_i = r(H) b_i for several right-hand sides, with the solver's estimator. A dense decomposition is made once, and counted in
/// the first report; all else is one solve after the other.
///
/// - solver [in]: the solver
/// - product [in]: H, by its products; user_data [in]: passed to it
/// - count [in]: the number of right-hand sides, 1 or above
/// - b [in, count x n], n [in]: the right-hand sides as rows without gaps, and the solver's size
/// - q [out, count x n]: the solutions; may be b
/// - report [out, count]: how each went; may be NULL; struct_size to be set in each
///
/// With start_from_last each starts at the q of its row in the last call for several. Allocates where count is new.
///
/// Errors: as blo_solver_solve_f64, and BLO_ERR_INVALID for count. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_solve_many_f64(
    solver: *mut Solver<f64>,
    product: OperatorFn<f64>,
    user_data: *mut c_void,
    count: i64,
    b: *const f64,
    n: i64,
    q: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, arrays of these sizes and structs of the sizes in their first fields.
    guard(|| unsafe { solve_many(solver, (product, user_data), count, (b, n), q, report) })
}

pub(super) unsafe fn solve_many<T: Scalar>(
    solver: *mut Solver<T>,
    (product, user_data): (OperatorFn<T>, *mut c_void),
    n_solves: i64,
    (b, n): (*const T, i64),
    q: *mut T,
    report: *mut ReportInfo,
) -> Done {
    // SAFETY: as the caller vouches.
    unsafe {
        let (mut own, solves) = take(solver, n, n_solves, usize::MAX)?;
        let Solving { n: rows, solve, scratch, several, .. } = &mut *own;
        let mut op = operator(product, user_data, *rows)?;
        let places = report_places(report, solves)?;
        not_null("q", q)?;
        let Several { bs, qs, reports, .. } = several;
        let (bs, qs) = (&mut bs[..solves], &mut qs[..solves]);
        read_rows(b, bs)?;
        solve::solve_many(&mut op, solve, bs, qs, reports, scratch)?;
        Ok(write_rows(qs, reports, q, &places)?)
    }
}

/// q_i = r_i(H) b for several spectral filters and one right-hand side: BLO_ESTIMATOR_MIN_NORM, BLO_ESTIMATOR_DAMPED and
/// BLO_ESTIMATOR_NEUMANN_FILTER, all BLO_BY_LANCZOS, where one process serves them all and the largest number of products is
/// what was spent; or all BLO_BY_DENSE, with one decomposition, counted in the first report. The solver's own estimator is not
/// used.
///
/// - solver [in]: the solver
/// - product [in]: H, by its products; user_data [in]: passed to it
/// - count [in]: the number of filters, 1 or above
/// - estimator [in, count]: the filters, one struct behind the other
/// - b [in, n], n [in]: the right-hand side, and the solver's size
/// - q [out, count x n]: the solutions as rows without gaps; may begin at b
/// - report [out, count]: how each went; may be NULL; struct_size to be set in each
///
/// Allocates where count is new. Errors: as blo_solver_solve_f64; BLO_ERR_INVALID for count, fields of estimator and filters
/// that mix dense and Lanczos; BLO_ERR_UNSUPPORTED for other kinds, refine and start_from_last; BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_solve_family_f64(
    solver: *mut Solver<f64>,
    product: OperatorFn<f64>,
    user_data: *mut c_void,
    count: i64,
    estimator: *const EstimatorOptions,
    b: *const f64,
    n: i64,
    q: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, arrays of these sizes and structs of the sizes in their first fields.
    guard(|| unsafe { solve_family(solver, (product, user_data), (estimator, count), (b, n), q, report) })
}

pub(super) unsafe fn solve_family<T: Scalar>(
    solver: *mut Solver<T>,
    (product, user_data): (OperatorFn<T>, *mut c_void),
    (estimator, n_solves): (*const EstimatorOptions, i64),
    (b, n): (*const T, i64),
    q: *mut T,
    report: *mut ReportInfo,
) -> Done {
    not_null("estimator", estimator)?;
    // SAFETY: as the caller vouches.
    unsafe {
        let (mut own, count) = take(solver, n, n_solves, 1)?;
        let Solving { n: rows, scratch, several, .. } = &mut *own;
        let mut op = operator(product, user_data, *rows)?;
        let places = report_places(report, count)?;
        not_null("q", q)?;
        several.solves.clear();
        let stride = estimator.cast::<u32>().read_unaligned();
        for i in 0..count {
            let one = estimator.wrapping_byte_add(i * stride as usize);
            let size = one.cast::<u32>().read_unaligned();
            if size != stride {
                let found = format!("struct_size {size} at index {i}");
                return Err(invalid("estimator", found, format!("{stride}, as before it")).into());
            }
            several.solves.push(read_solve("estimator", "family", one)?);
        }
        let Several { bs, qs, reports, solves, .. } = several;
        let (b, qs) = (read_rows(b, &mut bs[..1])?, &mut qs[..count]);
        solve::solve_family(&mut op, solves, &b[0], qs, reports, scratch)?;
        Ok(write_rows(qs, reports, q, &places)?)
    }
}

/// q_i = (H + epsilon_i I)^-1 b for several epsilon and positive semidefinite H, for the products of the smallest: conjugate
/// gradients with shifts, in the memory of one vector for each epsilon. The solver's own estimator is not used.
///
/// - solver [in]: the solver
/// - product [in]: H, by its products; user_data [in]: passed to it
/// - count [in]: the number of dampings, 1 or above
/// - epsilon [in, count]: the dampings, above 0, doubles for both precisions
/// - tolerance [in]: each stops at a residual this small relative to b; 0: at the rounding floor
/// - max_products [in]: the most products, 0 or above
/// - b [in, n], n [in]: the right-hand side, and the solver's size
/// - q [out, count x n]: the solutions as rows without gaps; may begin at b
/// - report [out, count]: how each went, without a residual; may be NULL; struct_size to be set in each
///
/// Allocates where count is new. Errors: as blo_solver_solve_f64, and BLO_ERR_INVALID for count, epsilon, tolerance and
/// max_products. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_solver_shifted_cg_f64(
    solver: *mut Solver<f64>,
    product: OperatorFn<f64>,
    user_data: *mut c_void,
    count: i64,
    epsilon: *const c_double,
    tolerance: c_double,
    max_products: i64,
    b: *const f64,
    n: i64,
    q: *mut f64,
    report: *mut ReportInfo,
) -> Status {
    // SAFETY: the caller vouches for a living handle, arrays of these sizes and structs of the sizes in their first fields.
    guard(|| unsafe {
        shifted_cg(solver, (product, user_data), (epsilon, count), (tolerance, max_products), (b, n), q, report)
    })
}

pub(super) unsafe fn shifted_cg<T: Scalar>(
    solver: *mut Solver<T>,
    (product, user_data): (OperatorFn<T>, *mut c_void),
    (epsilon, n_solves): (*const f64, i64),
    (tolerance, max_products): (f64, i64),
    (b, n): (*const T, i64),
    q: *mut T,
    report: *mut ReportInfo,
) -> Done {
    finite("tolerance", tolerance)?;
    let most = count("max_products", max_products)?;
    // SAFETY: as the caller vouches.
    unsafe {
        let (mut own, count) = take(solver, n, n_solves, 1)?;
        let Solving { n: rows, scratch, several, .. } = &mut *own;
        let mut op = operator(product, user_data, *rows)?;
        let places = report_places(report, count)?;
        not_null("q", q)?;
        let Several { bs, qs, reports, epsilons, .. } = several;
        let (b, qs) = (read_rows(b, &mut bs[..1])?, &mut qs[..count]);
        epsilons.resize(count, 0.0);
        read_into("epsilon", epsilon, epsilons)?;
        solve::shifted_cg(&mut op, epsilons, tolerance, most, &b[0], qs, reports, scratch)?;
        Ok(write_rows(qs, reports, q, &places)?)
    }
}
