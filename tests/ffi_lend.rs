//! Data lent to problems, with a release and as DLPack tensors, and vectors shown as DLPack tensors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/counting.rs"]
mod counting;
#[path = "common/dlpack.rs"]
mod dlpack;

use blo::ffi::*;
use counting::kept;
use dlpack::{DLManagedTensorVersioned, DLTensor, tensor, unversioned, versioned};
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const ROWS: usize = 6;
const FEATURES: usize = 3;

/// A design and labels that stay where they are.
struct Table {
    design: Vec<f64>,
    labels: Vec<f64>,
    released: AtomicUsize,
}

fn table(rows: usize) -> Table {
    let design = (0..rows * FEATURES).map(|i| ((i * i) as f64).sin()).collect();
    Table { design, labels: (0..rows).map(|i| (i % 2) as f64).collect(), released: AtomicUsize::new(0) }
}

unsafe extern "C" fn release(counter: *mut c_void) {
    // SAFETY: the counter outlives the problem.
    unsafe { (*counter.cast::<AtomicUsize>()).fetch_add(1, Ordering::SeqCst) };
}

impl Table {
    fn counter(&self) -> *mut c_void {
        (&raw const self.released).cast_mut().cast()
    }

    fn released(&self) -> usize {
        self.released.load(Ordering::SeqCst)
    }

    fn examples(&self, lent: bool) -> ExampleRows<f64> {
        ExampleRows {
            struct_size: size_of::<ExampleRows<f64>>() as u32,
            reserved: 0,
            rows: self.labels.len() as i64,
            features: FEATURES as i64,
            design: self.design.as_ptr(),
            design_stride: 0,
            targets: self.labels.as_ptr(),
            targets_stride: 0,
            release: if lent { Some(release) } else { None },
            release_data: self.counter(),
        }
    }
}

fn message() -> String {
    let mut text = vec![0_u8; 400];
    // SAFETY: of that capacity.
    assert_eq!(unsafe { blo_last_error(text.as_mut_ptr().cast(), 400, null_mut()) }, BLO_OK);
    String::from_utf8(text.into_iter().take_while(|&byte| byte != 0).collect()).unwrap()
}

/// Logistic regression with a penalty, or least squares with targets outside.
fn create(inner: &ExampleRows<f64>, outer: &ExampleRows<f64>, loss: i32) -> (Status, *mut Problem<f64>) {
    let mut problem = null_mut();
    // SAFETY: whole structs.
    let status = unsafe {
        let mut options: RegressionOptions = std::mem::zeroed();
        assert_eq!(blo_regression_options_init(&mut options, size_of::<RegressionOptions>()), BLO_OK);
        options.loss = loss;
        options.outer = if loss == BLO_LOSS_SQUARED { BLO_OUTER_TARGETS } else { BLO_OUTER_LOG_L2 };
        blo_problem_create_regression_f64(inner, outer, &options, &mut problem)
    };
    assert_eq!(status == BLO_OK, !problem.is_null());
    (status, problem)
}

fn network(inner: &ExampleRows<f64>, outer: &ExampleRows<f64>) -> (Status, *mut Problem<f64>) {
    let mut problem = null_mut();
    // SAFETY: whole structs.
    let status = unsafe {
        let mut options: NetworkOptions = std::mem::zeroed();
        assert_eq!(blo_network_options_init(&mut options, size_of::<NetworkOptions>()), BLO_OK);
        (options.loss, options.outer) = (BLO_NETWORK_LOSS_SQUARED, BLO_NETWORK_OUTER_LOG_L2);
        blo_problem_create_network_f64(3, [3, 4, 1].as_ptr(), inner, outer, &options, &mut problem)
    };
    assert_eq!(status == BLO_OK, !problem.is_null());
    (status, problem)
}

fn destroy(mut problem: *mut Problem<f64>) {
    // SAFETY: a living handle.
    unsafe { blo_problem_destroy_f64(&mut problem) };
}

fn workspace(problem: *mut Problem<f64>) -> *mut Workspace<f64> {
    let mut work = null_mut();
    // SAFETY: a living handle.
    assert_eq!(unsafe { blo_workspace_create_f64(problem, &mut work) }, BLO_OK);
    work
}

/// The hypergradient at u = 0.1 and w = 0.2, by conjugate gradients.
fn hypergradient(work: *mut Workspace<f64>, problem: *mut Problem<f64>) -> Vec<f64> {
    let (mut m, mut n) = (0, 0);
    // SAFETY: living handles, and arrays of the problem's sizes.
    unsafe {
        assert_eq!(blo_problem_sizes_f64(problem, &mut m, &mut n, null_mut()), BLO_OK);
        let mut how: EstimatorOptions = std::mem::zeroed();
        blo_estimator_options_init(&mut how, size_of::<EstimatorOptions>());
        (how.kind, how.iterations) = (BLO_ESTIMATOR_CG, 3);
        let (u, w, mut out) = (vec![0.1; m as usize], vec![0.2; n as usize], vec![0.0; m as usize]);
        let (to, no) = (out.as_mut_ptr(), null_mut());
        let status = blo_hypergradient_f64(work, &how, u.as_ptr(), m, w.as_ptr(), n, to, no, null_mut());
        assert_eq!(status, BLO_OK, "{}", message());
        out
    }
}

#[test]
fn lent_is_as_copied_and_given_back_with_the_last_handle() {
    type Create = fn(&ExampleRows<f64>, &ExampleRows<f64>) -> (Status, *mut Problem<f64>);
    let kinds: [Create; 3] = [|a, b| create(a, b, BLO_LOSS_LOGISTIC), |a, b| create(a, b, BLO_LOSS_SQUARED), network];
    for make in kinds {
        let (inner, outer) = (table(ROWS), table(ROWS + 1));
        let copied = make(&inner.examples(false), &outer.examples(false)).1;
        let (status, lent) = make(&inner.examples(true), &outer.examples(true));
        assert_eq!(status, BLO_OK, "{}", message());
        let (mut work, mut first, mut second) = (workspace(copied), workspace(lent), workspace(lent));
        let (expected, found) = (hypergradient(work, copied), hypergradient(first, lent));
        assert!(expected == found && expected.iter().any(|x| *x != 0.0), "{expected:?} {found:?}");
        // SAFETY: living handles.
        unsafe {
            blo_workspace_destroy_f64(&mut work);
            destroy(copied);
            destroy(lent);
            blo_workspace_destroy_f64(&mut first);
            assert_eq!((inner.released(), outer.released()), (0, 0));
            // By another thread.
            let place = second.expose_provenance();
            thread::spawn(move || {
                let mut second = std::ptr::with_exposed_provenance_mut::<Workspace<f64>>(place);
                blo_workspace_destroy_f64(&mut second);
            })
            .join()
            .unwrap();
            second = null_mut();
            blo_workspace_destroy_f64(&mut second);
        }
        assert_eq!((inner.released(), outer.released()), (1, 1));
    }
}

#[test]
fn nothing_is_copied() {
    let data = table(10_000);
    let bytes = 8 * data.design.len();
    for lent in [false, true] {
        let examples = data.examples(lent);
        for make in [|a: &_, b: &_| create(a, b, BLO_LOSS_LOGISTIC), network] {
            let ((status, problem), held) = kept(|| make(&examples, &examples));
            assert_eq!(status, BLO_OK, "{}", message());
            assert!(if lent { held < 10_000 } else { held > 2 * bytes }, "{held} of {bytes} bytes");
            destroy(problem);
        }
    }
    assert_eq!(data.released(), 4);
}

#[test]
fn what_a_failed_creation_was_lent_is_still_the_callers() {
    let (good, data) = (table(ROWS), table(ROWS));
    let lent = data.examples(true);
    let mut bad = table(ROWS);
    bad.design[4] = f64::NAN;
    let askew = data.design.as_ptr().wrapping_byte_add(4);
    let cases = [
        (bad.examples(true), BLO_ERR_NON_FINITE, "inner design: found NaN at index 4"),
        (ExampleRows { design_stride: 4, ..lent }, BLO_ERR_INVALID, "inner design: found stride 4, expected 0 or 3"),
        (ExampleRows { targets_stride: 2, ..lent }, BLO_ERR_INVALID, "inner targets: found stride 2, expected 0 or 1"),
        (ExampleRows { design: askew, rows: 5, ..lent }, BLO_ERR_INVALID, "inner design: found 0x"),
        (ExampleRows { design: null(), ..lent }, BLO_ERR_NULL, "inner design"),
        (ExampleRows { features: 2, ..lent }, BLO_ERR_INVALID, "outer features"),
        (ExampleRows { rows: -1, ..lent }, BLO_ERR_INVALID, "rows"),
        (ExampleRows { struct_size: 8, ..lent }, BLO_ERR_STRUCT_SIZE, "inner"),
    ];
    for (inner, status, start) in cases {
        let (found, problem) = create(&inner, &good.examples(true), BLO_LOSS_LOGISTIC);
        assert!(found == status && message().starts_with(start), "{found}: {}", message());
        assert!(problem.is_null());
    }
    assert_eq!((good.released(), data.released(), bad.released()), (0, 0, 0));
    // One row has no gaps, whatever its stride.
    let one = ExampleRows { rows: 1, design_stride: 9, targets_stride: 7, ..lent };
    let (status, problem) = create(&one, &good.examples(true), BLO_LOSS_LOGISTIC);
    assert_eq!(status, BLO_OK, "{}", message());
    destroy(problem);
    assert_eq!((good.released(), data.released()), (1, 1));
}

#[test]
fn callbacks_give_their_data_back() {
    unsafe extern "C" fn zero(
        _: i64,
        _: i64,
        _: *const f64,
        _: *const f64,
        value: *mut f64,
        _: *mut f64,
        _: *mut c_void,
    ) -> i32 {
        // SAFETY: a place for the value.
        unsafe { value.write(0.0) };
        0
    }
    unsafe extern "C" fn outer(
        _: i64,
        _: i64,
        _: *const f64,
        _: *const f64,
        value: *mut f64,
        _: *mut f64,
        _: *mut f64,
        _: *mut c_void,
    ) -> i32 {
        // SAFETY: as above.
        unsafe { value.write(0.0) };
        0
    }
    unsafe extern "C" fn product(
        _: i64,
        _: i64,
        _: *const f64,
        _: *const f64,
        _: *const f64,
        _: *mut f64,
        _: *mut c_void,
    ) -> i32 {
        0
    }
    let counter = table(1);
    let functions = Callbacks {
        struct_size: size_of::<Callbacks<f64>>() as u32,
        reserved: 0,
        inner: Some(zero as unsafe extern "C" fn(_, _, _, _, _, _, _) -> _),
        outer: Some(outer as unsafe extern "C" fn(_, _, _, _, _, _, _, _) -> _),
        hvp: Some(product as unsafe extern "C" fn(_, _, _, _, _, _, _) -> _),
        mixed_vjp: Some(product as unsafe extern "C" fn(_, _, _, _, _, _, _) -> _),
        mixed_jvp: None,
        release: Some(release as unsafe extern "C" fn(_)),
    };
    let (mut problem, data) = (null_mut(), counter.counter());
    // SAFETY: whole structs and living handles.
    unsafe {
        let incomplete = Callbacks { hvp: None, ..functions };
        assert_eq!(blo_problem_create_callbacks_f64(1, 1, &incomplete, data, &mut problem), BLO_ERR_NULL);
        assert_eq!(counter.released(), 0);
        assert_eq!(blo_problem_create_callbacks_f64(1, 1, &functions, data, &mut problem), BLO_OK);
        let mut work = workspace(problem);
        assert_eq!(hypergradient(work, problem), [0.0]);
        destroy(problem);
        assert_eq!(counter.released(), 0);
        blo_workspace_destroy_f64(&mut work);
    }
    assert_eq!(counter.released(), 1);
}

fn empty() -> ExampleRows<f64> {
    // SAFETY: null pointers and numbers.
    let zero: ExampleRows<f64> = unsafe { std::mem::zeroed() };
    ExampleRows { struct_size: size_of::<ExampleRows<f64>>() as u32, ..zero }
}

#[test]
fn tensors_in() {
    let data = table(ROWS);
    let expected = {
        let problem = create(&data.examples(false), &data.examples(false), BLO_LOSS_LOGISTIC).1;
        let mut work = workspace(problem);
        let expected = hypergradient(work, problem);
        // SAFETY: a living handle.
        unsafe { blo_workspace_destroy_f64(&mut work) };
        destroy(problem);
        expected
    };
    let deleted = AtomicUsize::new(0);
    let mut shape = [ROWS as i64, FEATURES as i64];
    let (mut strides, mut tall) = ([FEATURES as i64, 1], [ROWS as i64, 1]);
    let design = tensor(&data.design, &mut shape);
    let labels = tensor(&data.labels, &mut tall);
    for kind in 0..2 {
        // With strides and an offset, and without.
        let before = DLTensor {
            data: design.data.wrapping_byte_sub(24),
            byte_offset: 24,
            strides: strides.as_mut_ptr(),
            ..design
        };
        let mut both = [versioned(before, &deleted), versioned(labels, &deleted)];
        let mut old = [unversioned(design, &deleted), unversioned(DLTensor { ndim: 1, ..labels }, &deleted)];
        let [x, y]: [*mut c_void; 2] = match kind {
            0 => both.each_mut().map(|managed| (&raw mut *managed).cast()),
            _ => old.each_mut().map(|managed| (&raw mut *managed).cast()),
        };
        let mut inner = empty();
        let problem;
        // SAFETY: whole structs, and tensors that live as long.
        unsafe {
            assert_eq!(blo_examples_from_dlpack_f64(x, y, 1 - kind, &mut inner), BLO_OK, "{}", message());
            assert_eq!((inner.rows, inner.features, inner.design), (6, 3, data.design.as_ptr()));
            assert_eq!((inner.targets, inner.design_stride, inner.targets_stride), (data.labels.as_ptr(), 0, 0));
            let (status, made) = create(&inner, &data.examples(true), BLO_LOSS_LOGISTIC);
            assert_eq!(status, BLO_OK, "{}", message());
            problem = made;
            let mut work = workspace(problem);
            assert_eq!(hypergradient(work, problem), expected);
            blo_workspace_destroy_f64(&mut work);
        }
        assert_eq!(deleted.load(Ordering::SeqCst), 2 * kind as usize);
        destroy(problem);
        assert_eq!(deleted.load(Ordering::SeqCst), 2 * (kind as usize + 1));
    }
    // Where no problem came of it the caller gives them back; features without a design are the caller's too.
    let mut managed = versioned(labels, &deleted);
    let mut inner = ExampleRows { features: 5, ..empty() };
    // SAFETY: as above.
    unsafe {
        let y = (&raw mut managed).cast();
        assert_eq!(blo_examples_from_dlpack_f64(null_mut(), y, 1, &mut inner), BLO_OK, "{}", message());
        assert_eq!((inner.rows, inner.features, inner.design), (6, 5, null()));
        inner.release.unwrap()(inner.release_data);
    }
    assert_eq!(deleted.load(Ordering::SeqCst), 5);
}

#[test]
fn tensors_refused() {
    let (data, deleted) = (table(ROWS), AtomicUsize::new(0));
    let (mut shape, mut gaps, mut turned) = ([6_i64, 3], [4_i64, 1], [1_i64, 6]);
    let (mut negative, mut short, mut apart) = ([6_i64, -3], [5_i64], [3_i64, 2]);
    let sound = tensor(&data.design, &mut shape);
    let refuse = |spoil: &dyn Fn(&mut DLManagedTensorVersioned), start: &str, parts: &str| {
        let mut managed = versioned(sound, &deleted);
        spoil(&mut managed);
        let before = empty();
        let mut examples = before;
        // SAFETY: a whole struct, and a tensor in which something is wrong.
        let status = unsafe { blo_examples_from_dlpack_f64((&raw mut managed).cast(), null_mut(), 1, &mut examples) };
        assert_eq!(status, if start.ends_with("null") { BLO_ERR_NULL } else { BLO_ERR_INVALID }, "{}", message());
        let start = start.trim_end_matches(" null");
        assert!(message().starts_with(start) && message().contains(parts), "{start}, {parts}: {}", message());
        assert!(examples.rows == 0 && examples.release.is_none(), "written after an error");
    };
    refuse(&|t| t.major = 2, "design version", "found 2.1, expected 1");
    refuse(&|t| t.dl_tensor.device.device_type = 2, "design device", "found type 2 number 0");
    refuse(&|t| t.dl_tensor.device.device_id = 1, "design device", "number 1");
    refuse(&|t| t.dl_tensor.dtype.bits = 32, "design dtype", "found code 2 with 32 bits and 1 lanes");
    refuse(&|t| t.dl_tensor.dtype.code = 0, "design dtype", "found code 0");
    refuse(&|t| t.dl_tensor.dtype.lanes = 2, "design dtype", "2 lanes");
    for ndim in [-1, 0, 1, 3, i32::MAX] {
        refuse(&|t| t.dl_tensor.ndim = ndim, "design ndim", &format!("found {ndim}, expected 2"));
    }
    refuse(&|t| t.dl_tensor.shape = null_mut(), "design shape null", "");
    refuse(&|t| t.dl_tensor.data = null_mut(), "design data null", "");
    refuse(&|t| t.dl_tensor.byte_offset = 4, "design data", "+ 4, expected a multiple of 8");
    let (gaps, turned, negative) = (gaps.as_mut_ptr(), turned.as_mut_ptr(), negative.as_mut_ptr());
    refuse(&|t| t.dl_tensor.strides = gaps, "design strides", "found 4 and 1, expected 3 and 1");
    refuse(&|t| t.dl_tensor.strides = turned, "design strides", "found 1 and 6, expected 3 and 1");
    let apart = apart.as_mut_ptr();
    refuse(&|t| t.dl_tensor.strides = apart, "design strides", "found 3 and 2, expected 3 and 1");
    refuse(&|t| t.dl_tensor.shape = negative, "design shape", "found -3");
    // What concerns both.
    let mut design = versioned(sound, &deleted);
    let mut fewer = versioned(tensor(&data.labels, &mut short), &deleted);
    let [x, y]: [*mut c_void; 2] = [(&raw mut design).cast(), (&raw mut fewer).cast()];
    let mut examples = empty();
    // SAFETY: as above.
    unsafe {
        assert_eq!(blo_examples_from_dlpack_f64(x, y, 1, &mut examples), BLO_ERR_SHAPE);
        assert!(message().starts_with("targets: found length 5, expected length 6"), "{}", message());
        assert_eq!(blo_examples_from_dlpack_f64(null_mut(), null_mut(), 1, &mut examples), BLO_ERR_NULL);
        assert_eq!(blo_examples_from_dlpack_f64(x, null_mut(), 2, &mut examples), BLO_ERR_INVALID);
        examples.struct_size = 8;
        assert_eq!(blo_examples_from_dlpack_f64(x, null_mut(), 1, &mut examples), BLO_ERR_STRUCT_SIZE);
        // In single precision what is sound in double is not.
        let mut single: ExampleRows<f32> = std::mem::zeroed();
        single.struct_size = size_of::<ExampleRows<f32>>() as u32;
        assert_eq!(blo_examples_from_dlpack_f32(x, null_mut(), 1, &mut single), BLO_ERR_INVALID);
    }
    assert_eq!(deleted.load(Ordering::SeqCst), 0);
}

/// What a tensor of the library's shows.
unsafe fn shown<'a>(managed: *mut c_void) -> &'a [f64] {
    // SAFETY: as the caller vouches.
    unsafe {
        let DLManagedTensorVersioned { major, flags, dl_tensor: view, .. } = &*managed.cast();
        assert_eq!((*major, *flags, view.ndim, view.byte_offset, *view.strides), (1, 1, 1, 0, 1));
        assert_eq!((view.device.device_type, view.dtype.code, view.dtype.bits, view.dtype.lanes), (1, 2, 64, 1));
        std::slice::from_raw_parts(view.data.cast(), *view.shape as usize)
    }
}

unsafe fn delete(managed: *mut c_void) {
    let managed = managed.cast::<DLManagedTensorVersioned>();
    // SAFETY: as the caller vouches.
    unsafe { (*managed).deleter.unwrap()(managed) }
}

#[test]
fn tensors_out() {
    let data = table(ROWS);
    let (_, problem) = create(&data.examples(true), &data.examples(false), BLO_LOSS_SQUARED);
    let (mut work, mut runner) = (workspace(problem), null_mut());
    // SAFETY: living handles, arrays of their sizes, and tensors until they are deleted.
    unsafe {
        let mut tensor = null_mut();
        assert_eq!(blo_workspace_tensor_f64(work, BLO_VECTOR_HYPERGRADIENT, &mut tensor), BLO_OK);
        let expected = hypergradient(work, problem);
        assert_eq!(shown(tensor), expected);
        // Of another type, or none: the place holds NULL.
        let mut none = std::ptr::dangling_mut();
        assert_eq!(blo_workspace_tensor_f64(work, BLO_VECTOR_W, &mut none), BLO_ERR_INVALID);
        assert!(none.is_null() && message().starts_with("vector: found 1"));

        for method in [BLO_METHOD_RULE, BLO_METHOD_LBFGSB] {
            for start in [BLO_START_COLD, BLO_START_WARM] {
                for unrolled in [false, true] {
                    let mut options: RunOptions = std::mem::zeroed();
                    blo_run_options_init(&mut options, size_of::<RunOptions>());
                    (options.method, options.start, options.inner) = (method, start, BLO_INNER_OPTIMIZER);
                    (options.inner_steps, options.inner_rule.step) = (5, 0.01);
                    options.keep_best = 1;
                    let mut how: EstimatorOptions = std::mem::zeroed();
                    blo_estimator_options_init(&mut how, size_of::<EstimatorOptions>());
                    if unrolled {
                        (how.kind, how.steps, how.rule) = (BLO_ESTIMATOR_UNROLLED, 5, options.inner_rule);
                    }
                    let (u, w) = ([0.25; ROWS], [0.5; FEATURES]);
                    let (up, wp) = (u.as_ptr(), w.as_ptr());
                    let status = blo_runner_create_f64(problem, &options, &how, up, 6, wp, 3, &mut runner);
                    if method == BLO_METHOD_LBFGSB && start == BLO_START_WARM {
                        assert_ne!(status, BLO_OK);
                        continue;
                    }
                    assert_eq!(status, BLO_OK, "{}", message());
                    let vectors = [BLO_VECTOR_U, BLO_VECTOR_W, BLO_VECTOR_HYPERGRADIENT].map(|vector| {
                        let mut tensor = null_mut();
                        assert_eq!(blo_runner_tensor_f64(runner, vector, &mut tensor), BLO_OK);
                        tensor
                    });
                    assert_eq!((shown(vectors[0]), shown(vectors[1])), (&u[..], &w[..]));
                    // They follow the run, whatever it does.
                    let (mut now_u, mut now_w, mut g) = (u, w, [0.0; ROWS]);
                    for step in 0..6 {
                        if step == 3 {
                            assert_eq!(blo_runner_set_f64(runner, up, 6, wp, 3), BLO_OK);
                            assert_eq!((shown(vectors[0]), shown(vectors[1])), (&u[..], &w[..]));
                        }
                        let (to, state) = (g.as_mut_ptr(), (now_u.as_mut_ptr(), now_w.as_mut_ptr()));
                        assert_eq!(blo_runner_step_f64(runner, to, null_mut(), &mut 0), BLO_OK, "{}", message());
                        assert_eq!(blo_runner_state_f64(runner, state.0, 6, state.1, 3, null_mut()), BLO_OK);
                        assert_eq!((shown(vectors[0]), shown(vectors[1])), (&now_u[..], &now_w[..]));
                        assert!(shown(vectors[2]) == g && now_u != u);
                    }
                    // The runner's end leaves them, and the first one's end leaves the others.
                    blo_runner_destroy_f64(&mut runner);
                    delete(vectors[1]);
                    assert_eq!(shown(vectors[0]), now_u);
                    delete(vectors[0]);
                    assert_eq!(shown(vectors[2]), g);
                    let place = vectors[2].expose_provenance();
                    thread::spawn(move || delete(std::ptr::with_exposed_provenance_mut(place))).join().unwrap();
                }
            }
        }
        // A workspace that only its tensor keeps, keeps the problem with what it was lent.
        blo_workspace_destroy_f64(&mut work);
        destroy(problem);
        assert_eq!((shown(tensor), data.released()), (&expected[..], 0));
        delete(tensor);
    }
    assert_eq!(data.released(), 1);
}

#[test]
fn hypergradients_in_tensors() {
    let data = table(ROWS);
    let (_, problem) = create(&data.examples(false), &data.examples(false), BLO_LOSS_SQUARED);
    let (mut work, deleted) = (workspace(problem), AtomicUsize::new(0));
    let (u, w): ([f64; ROWS], [f64; FEATURES]) = ([0.25; ROWS], [0.5, -1.0, 2.0]);
    let (mut expected, mut expected_q) = ([0.0; ROWS], [0.0; FEATURES]);
    // SAFETY: a living handle, and arrays of its sizes.
    unsafe {
        let (g, q) = (expected.as_mut_ptr(), expected_q.as_mut_ptr());
        let status = blo_hypergradient_f64(work, null(), u.as_ptr(), 6, w.as_ptr(), 3, g, q, null_mut());
        assert_eq!(status, BLO_OK, "{}", message());
    }
    // Guard words around the outputs; q may be left out.
    let before = [-7.0_f64; ROWS + FEATURES + 3];
    let run = |spoil: &dyn Fn(&mut [DLManagedTensorVersioned; 4]), wants_q: bool| {
        let (mut out, mut shapes, mut strides) = (before, [[2, 3], [3, 1], [1, 6], [3, 1]], [6, 1]);
        let [a, b, c, d] = shapes.each_mut();
        let [g, q] = [1, ROWS + 2].map(|at| DLTensor { byte_offset: 8 * at as u64, ..tensor(&out, &mut []) });
        let g = DLTensor { ndim: 2, shape: c.as_mut_ptr(), strides: strides.as_mut_ptr(), ..g };
        let q = DLTensor { ndim: 1, shape: d.as_mut_ptr(), ..q };
        let views = [tensor(&u, a), tensor(&w, b), g, q];
        let mut managed = views.map(|view| versioned(view, &deleted));
        let place = out.as_mut_ptr().cast();
        (managed[2].flags, managed[3].flags) = (0, 0);
        (managed[2].dl_tensor.data, managed[3].dl_tensor.data) = (place, place);
        spoil(&mut managed);
        let [u, w, g, q] = managed.each_mut().map(|managed| (&raw mut *managed).cast::<c_void>());
        let q = if wants_q { q } else { null_mut() };
        // SAFETY: a living handle, and tensors that are sound unless they were spoilt.
        let status = unsafe { blo_hypergradient_dlpack_f64(work, null(), u, w, g, q, 1, null_mut()) };
        (status, out)
    };
    for wants_q in [true, false] {
        let (status, out) = run(&|_| (), wants_q);
        assert_eq!(status, BLO_OK, "{}", message());
        assert_eq!(
            (&out[1..=ROWS], out[0], out[ROWS + 1], out[ROWS + FEATURES + 2]),
            (&expected[..], -7.0, -7.0, -7.0)
        );
        assert_eq!(out[ROWS + 2..][..FEATURES], if wants_q { expected_q } else { [-7.0; FEATURES] });
    }
    for (at, name) in ["u", "w", "hypergradient", "q"].into_iter().enumerate() {
        let refuse = |part: &str, parts: &str, spoil: &dyn Fn(&mut DLManagedTensorVersioned)| {
            let (status, out) = run(&|all| spoil(&mut all[at]), true);
            assert_eq!((status, out), (BLO_ERR_INVALID, before), "{}", message());
            let start = format!("{name} {part}: ");
            assert!(message().starts_with(&start) && message().contains(parts), "{start}: {}", message());
        };
        refuse("version", "found 0.1", &|t| t.major = 0);
        // The problem is on the host, whatever this build can do.
        refuse("device", "found type 2 number 0, expected type 1 number 0", &|t| t.dl_tensor.device.device_type = 2);
        if at >= 2 {
            refuse("flags", "found 1, a read-only tensor", &|t| t.flags = 1);
        }
    }
    assert_eq!(deleted.load(Ordering::SeqCst), 0);
    // SAFETY: the place of a living handle.
    unsafe { blo_workspace_destroy_f64(&mut work) };
    destroy(problem);
}
