//! Problem handles, quadratics and regressions.

use super::args::{Growing, choice, dimension, elements, init_struct, not_null, read_matrix, read_struct};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::{self, Opaque, create, share};
use super::lend::{Lender, ReleaseFn, lend_matrix};
use super::status::Status;
use crate::error::invalid;
use crate::problem::{
    Data, ExampleData, InnerTerms, L2, LeastSquares, Loss, OuterTerms, Problem as _, Quadratic, Reduction, Regression,
};
use crate::{Result, Scalar};
use std::ffi::c_void;
use std::marker::PhantomData;
use std::sync::Arc;

/// A bilevel problem: u of n_outer and w of n_inner elements.
///
/// Made by a blo_problem_create function, ended by its blo_problem_destroy function. Immutable after creation: any number
/// of threads may use one at the same time, if its callbacks allow that. What is made from a problem shares it, and keeps
/// it alive after its handle was destroyed.
pub struct Problem<T>(PhantomData<T>);

impl<T: Scalar> Opaque for Problem<T> {
    type Value = Arc<Family<T>>;
    const TAG: u64 = 0xb10_0000 + size_of::<T>() as u64;
}

/// The terms of a quadratic problem: f(u, w) = w'A w / 2 + w'B u + u'C u / 2 + d'w + e'u + c and
/// F(u, w) = w'P w / 2 + f'w + h.
///
/// Set the struct to zero, struct_size to its size, then the terms. Arrays that may be NULL are then zero. Strides are
/// elements from row to row; 0: no gaps.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Quadratics<T> {
    /// The size of this struct.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// m, the length of u, 1 or above.
    pub n_outer: i64,
    /// n, the length of w, 1 or above.
    pub n_inner: i64,
    /// A (n x n): symmetric, positive semidefinite; may be singular.
    pub a: *const T,
    /// The stride of a.
    pub a_stride: i64,
    /// B (n x m).
    pub b: *const T,
    /// The stride of b.
    pub b_stride: i64,
    /// C (m x m), symmetric; may be NULL.
    pub c: *const T,
    /// The stride of c.
    pub c_stride: i64,
    /// d (n); may be NULL.
    pub d: *const T,
    /// e (m); may be NULL.
    pub e: *const T,
    /// P (n x n): symmetric, positive semidefinite.
    pub p: *const T,
    /// The stride of p.
    pub p_stride: i64,
    /// f (n); may be NULL.
    pub f: *const T,
    /// The constant c.
    pub constant: f64,
    /// The constant h.
    pub outer_constant: f64,
}

// SAFETY: two u32, then pointers, integers and doubles of 8 bytes, as the assertion below shows.
unsafe impl<T: Scalar> Growing for Quadratics<T> {
    const FIRST_SIZE: usize = 8 + 15 * 8;
}

const _: () = assert!(size_of::<usize>() != 8 || size_of::<Quadratics<f64>>() == Quadratics::<f64>::FIRST_SIZE);

/// Examples as rows: a design matrix and targets. A bias is a column of ones. Set the struct to zero, struct_size to its
/// size, then the fields. Strides are elements from row to row; 0: no gaps.
///
/// Without release the arrays are copied. With it they are lent: read where they are, which needs rows without gaps and
/// elements at multiples of their size; nobody may write to them before release is called. For arrays that last longer than
/// anything, give a release that does nothing.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ExampleRows<T> {
    /// The size of this struct.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// The number of examples, 1 or above.
    pub rows: i64,
    /// The number of columns of design, 1 or above.
    pub features: i64,
    /// (rows x features). May be NULL where it is made from u.
    pub design: *const T,
    /// The stride of design.
    pub design_stride: i64,
    /// (rows x outputs): one output for squared and logistic losses of regressions, one for each class of a softmax, those
    /// of a network. May be NULL where it is made from u.
    pub targets: *const T,
    /// The stride of targets.
    pub targets_stride: i64,
    /// NULL (the default): the arrays are copied. Else they are lent, and release is called once when they are free again.
    pub release: ReleaseFn,
    /// Passed to release.
    pub release_data: *mut c_void,
}

// SAFETY: two u32, then pointers and integers of 8 bytes, as the assertion below shows.
unsafe impl<T: Scalar> Growing for ExampleRows<T> {
    const FIRST_SIZE: usize = 8 + 8 * 8;
}

const _: () = assert!(size_of::<usize>() != 8 || size_of::<ExampleRows<f64>>() == ExampleRows::<f64>::FIRST_SIZE);

/// loss: (phi'w - t)^2 / 2.
pub const BLO_LOSS_SQUARED: i32 = 0;
/// loss: binary cross-entropy of one logit; targets are probabilities of the class 1.
pub const BLO_LOSS_LOGISTIC: i32 = 1;
/// loss: softmax cross-entropy; targets are rows of probabilities, one for each class, and w is (classes x features).
pub const BLO_LOSS_SOFTMAX: i32 = 2;

/// outer: u is the inner targets. BLO_LOSS_SQUARED only.
pub const BLO_OUTER_TARGETS: i32 = 0;
/// outer: u is the L2 penalties c, 0 or above.
pub const BLO_OUTER_RAW_L2: i32 = 1;
/// outer: u is the logarithms of the L2 penalties, c = exp(u).
pub const BLO_OUTER_LOG_L2: i32 = 2;
/// outer: u is the logits of the inner examples' weights, a = 1 / (1 + exp(-u)).
pub const BLO_OUTER_EXAMPLE_WEIGHTS: i32 = 3;

/// group: one penalty for all of w.
pub const BLO_GROUP_ALL: i32 = 0;
/// group: one for each feature, shared by the classes.
pub const BLO_GROUP_FEATURE: i32 = 1;
/// group: one for each class, shared by the features.
pub const BLO_GROUP_CLASS: i32 = 2;

/// reduction: the sum over the inner examples.
pub const BLO_REDUCTION_SUM: i32 = 0;
/// reduction: their mean.
pub const BLO_REDUCTION_MEAN: i32 = 1;

/// What a regression is. Initialise it with blo_regression_options_init, then set what differs.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegressionOptions {
    /// Set by blo_regression_options_init.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_LOSS_. Default BLO_LOSS_SQUARED.
    pub loss: i32,
    /// The classes of BLO_LOSS_SOFTMAX, 2 or above; else 0. Default 0.
    pub classes: i32,
    /// One of BLO_OUTER_: what u is. Default BLO_OUTER_LOG_L2.
    pub outer: i32,
    /// One of BLO_GROUP_, for penalties. Default BLO_GROUP_ALL.
    pub group: i32,
    /// One of BLO_REDUCTION_. Default BLO_REDUCTION_MEAN.
    pub reduction: i32,
    /// 0.
    pub reserved1: i32,
    /// The fixed penalty of all of w with BLO_OUTER_EXAMPLE_WEIGHTS, 0 or above; else 0. Default 0.
    pub l2: f64,
}

// SAFETY: two u32, then integers and a double without padding, as the assertion below shows.
unsafe impl Growing for RegressionOptions {
    const FIRST_SIZE: usize = 40;
}

const _: () = assert!(size_of::<RegressionOptions>() == RegressionOptions::FIRST_SIZE);

const DEFAULTS: RegressionOptions = RegressionOptions {
    struct_size: RegressionOptions::FIRST_SIZE as u32,
    reserved: 0,
    loss: BLO_LOSS_SQUARED,
    classes: 0,
    outer: BLO_OUTER_LOG_L2,
    group: BLO_GROUP_ALL,
    reduction: BLO_REDUCTION_MEAN,
    reserved1: 0,
    l2: 0.0,
};

/// Fills the options of a regression with their defaults.
///
/// - options [out]: the options
/// - size [in]: sizeof *options
///
/// Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
/// 4096. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_regression_options_init(options: *mut RegressionOptions, size: usize) -> Status {
    // SAFETY: the caller vouches for `size` bytes.
    guard(|| unsafe { Ok(init_struct("options", options, size, &DEFAULTS)?) })
}

/// Makes a problem of two quadratics; see blo_quadratics_f64 for the formula. H = A, M = B.
///
/// - terms [in]: the terms; all arrays are copied
/// - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
///
/// Errors: BLO_ERR_NULL for terms, problem, a, b or p; BLO_ERR_INVALID for a size below 1, or so large that a matrix cannot
/// exist, and for a stride; BLO_ERR_NON_FINITE; BLO_ERR_ASYMMETRIC for A, C or P; BLO_ERR_INDEFINITE for A or P;
/// BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_quadratic_f64(
    terms: *const Quadratics<f64>,
    problem: *mut *mut Problem<f64>,
) -> Status {
    // SAFETY: the caller vouches for a struct of the size in its first field with its arrays, and for the handle's place.
    guard(|| unsafe { create_quadratic(terms, problem) })
}

pub(super) unsafe fn create_quadratic<T: Scalar>(terms: *const Quadratics<T>, problem: *mut *mut Problem<T>) -> Done {
    let body = || {
        // SAFETY: zero bytes are a struct of null pointers and numbers.
        let none = unsafe { std::mem::zeroed() };
        // SAFETY: as the caller vouches.
        let terms = unsafe { read_struct("terms", terms, none) }?;
        let (m, n) = (dimension("n_outer", terms.n_outer)?, dimension("n_inner", terms.n_inner)?);
        elements("n_outer", m, m)?;
        elements("n_inner", n, n.max(m))?;
        // No array is read before all of those that have to be there are known to be.
        for (argument, pointer) in [("a", terms.a), ("b", terms.b), ("p", terms.p)] {
            not_null(argument, pointer)?;
        }
        let zero = |rows: usize, columns: usize| vec![T::ZERO; rows * columns];
        // SAFETY: the caller vouches for arrays of these sizes.
        let (inner, outer) = unsafe {
            let optional = |argument, pointer: *const T, rows, columns, stride| {
                if pointer.is_null() {
                    Ok(zero(rows, columns))
                } else {
                    read_matrix(argument, pointer, rows, columns, stride)
                }
            };
            let inner = InnerTerms {
                a: read_matrix("a", terms.a, n, n, terms.a_stride)?,
                b: read_matrix("b", terms.b, n, m, terms.b_stride)?,
                c: optional("c", terms.c, m, m, terms.c_stride)?,
                d: optional("d", terms.d, 1, n, 0)?,
                e: optional("e", terms.e, 1, m, 0)?,
                constant: T::from_f64(terms.constant),
            };
            let p = read_matrix("p", terms.p, n, n, terms.p_stride)?;
            (inner, OuterTerms { p, f: optional("f", terms.f, 1, n, 0)?, h: T::from_f64(terms.outer_constant) })
        };
        Ok(Arc::new(Family::Quadratic(Quadratic::new(n, m, inner, outer)?)))
    };
    // SAFETY: as the caller vouches.
    unsafe { create("problem", problem, body) }
}

/// Makes a linear regression, with loss l of the logits z = W phi:
/// f(u, w) = s sum_i a_i l(z_i, t_i) + sum_j c_j w_j^2 / 2, s = 1 or 1/n, and F(w) = 1/N sum_i l(z_i, t_i) over the N
/// outer examples. The options say which of t, c and a is u.
///
/// - inner, outer [in]: the examples, of as many features; copied or lent. inner.targets may be NULL with
///   BLO_OUTER_TARGETS
/// - options [in]: what the regression is; NULL for the defaults
/// - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
///
/// n_inner is features, or classes x features; n_outer is the number of inner examples (BLO_OUTER_TARGETS,
/// BLO_OUTER_EXAMPLE_WEIGHTS) or of penalties.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for sizes, strides, options, and targets that are no probabilities;
/// BLO_ERR_NON_FINITE; BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_regression_f64(
    inner: *const ExampleRows<f64>,
    outer: *const ExampleRows<f64>,
    options: *const RegressionOptions,
    problem: *mut *mut Problem<f64>,
) -> Status {
    // SAFETY: the caller vouches for structs of the sizes in their first fields with their arrays, and for the handle's place.
    guard(|| unsafe { create_regression(inner, outer, options, problem) })
}

pub(super) unsafe fn create_regression<T: Scalar>(
    inner: *const ExampleRows<T>,
    outer: *const ExampleRows<T>,
    options: *const RegressionOptions,
    problem: *mut *mut Problem<T>,
) -> Done {
    let body = || {
        // SAFETY: as the caller vouches.
        let options = if options.is_null() { DEFAULTS } else { unsafe { read_struct("options", options, DEFAULTS) }? };
        let how = options.read()?;
        // SAFETY: as the caller vouches.
        let ((inner, lender), (outer, other)) = unsafe {
            let own_targets = options.outer != BLO_OUTER_TARGETS;
            (
                read_examples(["inner", "inner design", "inner targets"], inner, how.outputs, true, own_targets)?,
                read_examples(["outer", "outer design", "outer targets"], outer, how.outputs, true, true)?,
            )
        };
        let family = Arc::new(how.regression(inner, outer)?);
        [lender, other].iter().for_each(Lender::keep);
        Ok(family)
    };
    // SAFETY: as the caller vouches.
    unsafe { create("problem", problem, body) }
}

/// The examples of a struct, and who lent them; arrays that need not be there are zero.
///
/// # Safety
///
/// `examples` is null, or a struct of the size in its first field whose arrays are null or have the sizes that it says.
pub(super) unsafe fn read_examples<T: Scalar>(
    [argument, design_name, targets_name]: [&'static str; 3],
    examples: *const ExampleRows<T>,
    outputs: usize,
    needs_design: bool,
    needs_targets: bool,
) -> Result<(ExampleData<T>, Option<Arc<Lender>>)> {
    // SAFETY: zero bytes are a struct of null pointers and numbers.
    let none = unsafe { std::mem::zeroed() };
    // SAFETY: as the caller vouches.
    let examples = unsafe { read_struct(argument, examples, none) }?;
    let (rows, features) = (dimension("rows", examples.rows)?, dimension("features", examples.features)?);
    elements("rows", rows, features.max(outputs))?;
    let lender = Lender::new(examples.release, examples.release_data);
    let read = |argument, pointer: *const T, columns, stride, needed: bool| {
        if pointer.is_null() && !needed {
            return Ok(None);
        }
        // SAFETY: as the caller vouches.
        let values: Data<T> = unsafe {
            match &lender {
                None => read_matrix(argument, pointer, rows, columns, stride)?.into(),
                Some(lender) => lend_matrix(argument, pointer, rows, columns, stride, lender)?,
            }
        };
        Ok(Some(values))
    };
    let design = read(design_name, examples.design, features, examples.design_stride, needs_design)?;
    let targets = read(targets_name, examples.targets, outputs, examples.targets_stride, needs_targets)?;
    let examples = ExampleData {
        design: design.unwrap_or_else(|| Vec::new().into()),
        features,
        targets: targets.unwrap_or_else(|| vec![T::ZERO; rows * outputs].into()),
    };
    Ok((examples, lender))
}

/// Options that make sense.
struct How {
    loss: Option<Loss>,
    outputs: usize,
    outer: i32,
    group: L2,
    reduction: Reduction,
    l2: f64,
}

/// One of BLO_REDUCTION_.
pub(super) fn read_reduction(found: i32) -> Result<Reduction> {
    match choice("reduction", found, &["BLO_REDUCTION_SUM", "BLO_REDUCTION_MEAN"])? as i32 {
        BLO_REDUCTION_SUM => Ok(Reduction::Sum),
        _ => Ok(Reduction::Mean),
    }
}

impl RegressionOptions {
    fn read(&self) -> Result<How> {
        if self.reserved1 != 0 {
            return Err(invalid("reserved1", self.reserved1, 0));
        }
        let losses = ["BLO_LOSS_SQUARED", "BLO_LOSS_LOGISTIC", "BLO_LOSS_SOFTMAX"];
        let softmax = choice("loss", self.loss, &losses)? as i32 == BLO_LOSS_SOFTMAX;
        if softmax != (self.classes >= 2) || (!softmax && self.classes != 0) {
            return Err(invalid("classes", self.classes, "2 or above with BLO_LOSS_SOFTMAX, else 0"));
        }
        let classes = self.classes as usize;
        let (loss, outputs) = match self.loss {
            BLO_LOSS_LOGISTIC => (Some(Loss::Logistic), 1),
            BLO_LOSS_SOFTMAX => (Some(Loss::Softmax { classes }), classes),
            _ => (None, 1),
        };
        let outers = ["BLO_OUTER_TARGETS", "BLO_OUTER_RAW_L2", "BLO_OUTER_LOG_L2", "BLO_OUTER_EXAMPLE_WEIGHTS"];
        let outer = choice("outer", self.outer, &outers)? as i32;
        if outer == BLO_OUTER_TARGETS && loss.is_some() {
            return Err(invalid("outer", "BLO_OUTER_TARGETS", "another, or BLO_LOSS_SQUARED"));
        }
        if outer != BLO_OUTER_EXAMPLE_WEIGHTS && self.l2 != 0.0 {
            return Err(invalid("l2", self.l2, "0: only BLO_OUTER_EXAMPLE_WEIGHTS has a fixed penalty"));
        }
        let group =
            match choice("group", self.group, &["BLO_GROUP_ALL", "BLO_GROUP_FEATURE", "BLO_GROUP_CLASS"])? as i32 {
                BLO_GROUP_FEATURE => L2::PerFeature,
                BLO_GROUP_CLASS => L2::PerClass,
                _ => L2::Scalar,
            };
        Ok(How { loss, outputs, outer, group, reduction: read_reduction(self.reduction)?, l2: self.l2 })
    }
}

impl How {
    fn regression<T: Scalar>(&self, inner: ExampleData<T>, outer: ExampleData<T>) -> Result<Family<T>> {
        let How { group, reduction, l2, .. } = *self;
        match self.loss {
            None => match self.outer {
                BLO_OUTER_TARGETS => LeastSquares::targets(inner, outer, reduction),
                BLO_OUTER_RAW_L2 => LeastSquares::raw_l2(group, inner, outer, reduction),
                BLO_OUTER_LOG_L2 => LeastSquares::log_l2(group, inner, outer, reduction),
                _ => LeastSquares::example_weights(l2, inner, outer, reduction),
            }
            .map(Family::LeastSquares),
            Some(loss) => match self.outer {
                BLO_OUTER_RAW_L2 => Regression::raw_l2(loss, group, inner, outer, reduction),
                BLO_OUTER_LOG_L2 => Regression::log_l2(loss, group, inner, outer, reduction),
                _ => Regression::example_weights(loss, l2, inner, outer, reduction),
            }
            .map(Family::Regression),
        }
    }
}

/// The sizes of a problem.
///
/// - problem [in]: the problem
/// - n_outer, n_inner [out]: the lengths of u and w; may be NULL
/// - n_examples [out]: the number of inner examples, 0 where f is not known as a sum over examples; may be NULL
///
/// Errors: BLO_ERR_NULL or BLO_ERR_INVALID for problem. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_sizes_f64(
    problem: *const Problem<f64>,
    n_outer: *mut i64,
    n_inner: *mut i64,
    n_examples: *mut i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and for what is not null.
    guard(|| unsafe { problem_sizes(problem, n_outer, n_inner, n_examples) })
}

pub(super) unsafe fn problem_sizes<T: Scalar>(
    problem: *const Problem<T>,
    n_outer: *mut i64,
    n_inner: *mut i64,
    n_examples: *mut i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let problem = unsafe { share("problem", problem) }?;
    let sizes = [problem.outer_space().len(), problem.inner_space().len(), problem.examples()];
    for (place, size) in [n_outer, n_inner, n_examples].into_iter().zip(sizes) {
        // SAFETY: as the caller vouches.
        unsafe { super::args::write_optional(place, &[size as i64]) };
    }
    Ok(())
}

/// Ends a problem and sets *problem to NULL. What was made from it goes on with it.
///
/// - problem [in, out]: the place of the handle; NULL, or a place that holds NULL, is fine
///
/// No call may be using this handle on another thread. Leaves the message of blo_last_error alone. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_destroy_f64(problem: *mut *mut Problem<f64>) {
    // SAFETY: the caller vouches for the place of a handle.
    unsafe { handle::destroy(problem) }
}
