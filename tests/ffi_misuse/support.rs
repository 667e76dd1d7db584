//! What the tests of misuse share: sound arguments to be spoilt, and the check of a refusal.

use blo::ffi::*;
use std::ffi::c_void;
use std::ptr::null_mut;

pub const A: [f64; 4] = [2.0, 0.0, 0.0, 4.0];
pub const B: [f64; 4] = [1.0, 2.0, 3.0, 4.0];
pub const C: [f64; 4] = [0.0; 4];
pub const P: [f64; 4] = [1.0, 0.0, 0.0, 1.0];
pub const U: [f64; 2] = [0.5, -1.0];
pub const W: [f64; 2] = [2.0, 4.0];
pub const NOT_FINITE: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

pub fn message() -> String {
    let mut needed = 0;
    // SAFETY: asks for the size only.
    assert_eq!(unsafe { blo_last_error(null_mut(), 0, &mut needed) }, BLO_OK);
    let mut buffer = vec![1_u8; needed];
    // SAFETY: the buffer has the capacity stated.
    assert_eq!(unsafe { blo_last_error(buffer.as_mut_ptr().cast(), needed, null_mut()) }, BLO_OK);
    assert_eq!(buffer.pop(), Some(0));
    String::from_utf8(buffer).unwrap()
}

/// The status, and the parts of the message: the argument it begins with, what was found, what was expected.
#[track_caller]
pub fn refused(found: Status, expected: Status, argument: &str, parts: &[&str]) {
    let message = message();
    assert_eq!(found, expected, "{message}");
    let rest = message.strip_prefix(argument).unwrap_or_else(|| panic!("{argument:?} does not begin {message:?}"));
    assert!(argument.is_empty() || rest.starts_with([':', ' ']), "{argument:?} does not begin {message:?}");
    assert!(message.contains("found") && message.contains("expected"), "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

/// The terms of a quadratic, to be spoilt.
#[derive(Clone)]
pub struct Terms {
    pub sizes: (i64, i64),
    pub arrays: [Vec<f64>; 7],
    pub scalars: (f64, f64),
}

pub const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "p", "f"];

impl Terms {
    pub fn sound() -> Terms {
        let arrays = [A.into(), B.into(), C.into(), vec![0.0; 2], vec![0.0; 2], P.into(), vec![-1.0, -2.0]];
        Terms { sizes: (2, 2), arrays, scalars: (0.0, 1.25) }
    }

    pub fn create_with(&self, pointers: [*const f64; 7], problem: *mut *mut Problem<f64>) -> Status {
        // SAFETY: pointers are null, or to arrays of the sizes that the sound terms have.
        unsafe { blo_problem_create_quadratic_f64(&self.with(pointers), problem) }
    }

    pub fn with(&self, [a, b, c, d, e, p, f]: [*const f64; 7]) -> Quadratics<f64> {
        Quadratics {
            struct_size: size_of::<Quadratics<f64>>() as u32,
            reserved: 0,
            n_outer: self.sizes.0,
            n_inner: self.sizes.1,
            a,
            a_stride: 0,
            b,
            b_stride: 0,
            c,
            c_stride: 0,
            d,
            e,
            p,
            p_stride: 0,
            f,
            constant: self.scalars.0,
            outer_constant: self.scalars.1,
        }
    }

    pub fn pointers(&self) -> [*const f64; 7] {
        std::array::from_fn(|i| self.arrays[i].as_ptr())
    }

    pub fn create(&self) -> (Status, *mut Problem<f64>) {
        let mut problem = std::ptr::dangling_mut();
        let status = self.create_with(self.pointers(), &mut problem);
        (status, problem)
    }

    #[track_caller]
    pub fn refused(&self, status: Status, argument: &str, parts: &[&str]) {
        let (found, problem) = self.create();
        refused(found, status, argument, parts);
        assert!(problem.is_null(), "a handle after an error");
    }
}

/// A handle that is ended with the test.
pub struct Handle(pub *mut Problem<f64>);

impl Handle {
    pub fn quadratic() -> Handle {
        let (status, problem) = Terms::sound().create();
        assert_eq!(status, BLO_OK, "{}", message());
        Handle(problem)
    }

    pub fn callbacks(data: &mut Spoilt) -> Handle {
        let mut problem = null_mut();
        // SAFETY: the struct is whole, and the data outlive the handle in each test.
        let status = unsafe {
            blo_problem_create_callbacks_f64(2, 2, &callbacks(), std::ptr::from_mut(data).cast(), &mut problem)
        };
        assert_eq!(status, BLO_OK, "{}", message());
        Handle(problem)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: a living handle.
        unsafe { blo_problem_destroy_f64(&mut self.0) };
        assert!(self.0.is_null());
    }
}

/// What callbacks do wrong.
#[derive(Default)]
pub struct Spoilt {
    pub code: [i32; 4],
    pub value: [Option<f64>; 4],
    pub silent: bool,
}

impl Spoilt {
    /// # Safety
    ///
    /// `data` is the user data of the tests, `out` has two elements.
    unsafe fn finish(data: *mut c_void, which: usize, out: *mut f64) -> i32 {
        // SAFETY: as the caller vouches.
        unsafe {
            let data = &*data.cast::<Spoilt>();
            if let Some(value) = data.value[which] {
                out.add(1).write(value);
            }
            data.code[which]
        }
    }
}

unsafe extern "C" fn inner(
    _: i64,
    _: i64,
    _: *const f64,
    w: *const f64,
    value: *mut f64,
    gradient: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: the library passes arrays of two elements, and the data of the test.
    unsafe {
        if !(*data.cast::<Spoilt>()).silent {
            value.write(0.0);
        }
        gradient.write(2.0 * *w);
        gradient.add(1).write(4.0 * *w.add(1));
        Spoilt::finish(data, 0, gradient)
    }
}

unsafe extern "C" fn outer(
    _: i64,
    _: i64,
    _: *const f64,
    w: *const f64,
    value: *mut f64,
    _: *mut f64,
    gradient: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: as above.
    unsafe {
        if !(*data.cast::<Spoilt>()).silent {
            value.write(0.0);
        }
        gradient.copy_from(w, 2);
        Spoilt::finish(data, 1, gradient)
    }
}

unsafe extern "C" fn hvp(
    _: i64,
    _: i64,
    _: *const f64,
    _: *const f64,
    v: *const f64,
    out: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: as above.
    unsafe {
        out.write(2.0 * *v);
        out.add(1).write(4.0 * *v.add(1));
        Spoilt::finish(data, 2, out)
    }
}

unsafe extern "C" fn mixed_vjp(
    _: i64,
    _: i64,
    _: *const f64,
    _: *const f64,
    v: *const f64,
    out: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: as above.
    unsafe {
        out.copy_from(v, 2);
        Spoilt::finish(data, 3, out)
    }
}

pub fn callbacks() -> Callbacks<f64> {
    Callbacks {
        struct_size: size_of::<Callbacks<f64>>() as u32,
        reserved: 0,
        inner: Some(inner),
        outer: Some(outer),
        hvp: Some(hvp),
        mixed_vjp: Some(mixed_vjp),
        mixed_jvp: None,
        release: None,
    }
}

pub fn estimator(kind: i32) -> EstimatorOptions {
    // SAFETY: zeros are valid, and the init function fills them.
    unsafe {
        let mut options: EstimatorOptions = std::mem::zeroed();
        assert_eq!(blo_estimator_options_init(&mut options, size_of::<EstimatorOptions>()), BLO_OK);
        options.kind = kind;
        options
    }
}

/// Options with which every kind works.
pub fn usable(kind: i32) -> EstimatorOptions {
    let sound = estimator(kind);
    let rule = RuleOptions { step: 0.1, ..sound.rule };
    let room = EstimatorOptions { rank: 2, restart: 3, max_products: 50, rule, ..sound };
    EstimatorOptions { terms: 3, iterations: 2, steps: 3, alpha: 0.1, epsilon: 0.5, ..room }
}

pub fn run_options() -> RunOptions {
    // SAFETY: as above.
    unsafe {
        let mut options: RunOptions = std::mem::zeroed();
        assert_eq!(blo_run_options_init(&mut options, size_of::<RunOptions>()), BLO_OK);
        let inner_rule = RuleOptions { step: 0.1, ..options.inner_rule };
        RunOptions { outer_steps: 3, inner: BLO_INNER_OPTIMIZER, inner_rule, inner_steps: 5, ..options }
    }
}

/// A workspace that is ended with the test.
pub struct Work(pub *mut Workspace<f64>);

impl Work {
    pub fn of(problem: &Handle) -> Work {
        let mut work = null_mut();
        // SAFETY: a living handle and a place for another.
        assert_eq!(unsafe { blo_workspace_create_f64(problem.0, &mut work) }, BLO_OK, "{}", message());
        Work(work)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // SAFETY: a living handle.
        unsafe { blo_workspace_destroy_f64(&mut self.0) };
        assert!(self.0.is_null());
    }
}

pub fn hypergradient(problem: &Handle, options: &EstimatorOptions) -> Status {
    let (work, mut out) = (Work::of(problem), [7.0; 2]);
    let (u, w, to) = (U.as_ptr(), W.as_ptr(), out.as_mut_ptr());
    // SAFETY: a living handle and arrays of its sizes.
    let status = unsafe { blo_hypergradient_f64(work.0, options, u, 2, w, 2, to, null_mut(), null_mut()) };
    assert!(status == BLO_OK || out == [7.0; 2], "written after an error");
    keep_message(|| drop(work));
    status
}

/// Destroying leaves the message alone.
fn keep_message(body: impl FnOnce()) {
    let before = message();
    body();
    assert_eq!(message(), before);
}

pub fn outcome() -> OutcomeInfo {
    // SAFETY: integers and doubles.
    let zero: OutcomeInfo = unsafe { std::mem::zeroed() };
    OutcomeInfo { struct_size: size_of::<OutcomeInfo>() as u32, ..zero }
}

pub fn run(problem: &Handle, options: &RunOptions, estimator: &EstimatorOptions) -> (Status, OutcomeInfo) {
    let (mut runner, mut outcome) = (null_mut(), outcome());
    // SAFETY: a living handle and arrays of its sizes.
    unsafe {
        let mut status =
            blo_runner_create_f64(problem.0, options, estimator, U.as_ptr(), 2, W.as_ptr(), 2, &mut runner);
        assert!((status == BLO_OK) != runner.is_null(), "a handle after an error");
        if status == BLO_OK {
            status = blo_runner_run_f64(runner, None, null_mut(), 0, null_mut(), 0, &mut outcome);
        }
        keep_message(|| blo_runner_destroy_f64(&mut runner));
        (status, outcome)
    }
}
