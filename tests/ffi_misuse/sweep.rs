//! Every exported function with each argument spoilt, one at a time: NULL for pointers, sizes that are negative, zero, huge or
//! not the problem's, structs of wrong sizes, numbers that are not finite, unknown choices. Each gives a status and a message.

use crate::dlpack::{DLManagedTensorVersioned, DLTensor, tensor, versioned};
use crate::support::*;
use blo::bilevel::TraceRow;
use blo::ffi::*;
use std::collections::BTreeSet;
use std::ffi::{CString, c_char, c_void};
use std::fs;
use std::path::Path;
use std::ptr::{null, null_mut};

/// An argument with what spoils it.
trait Spoil {
    type Value;
    fn sound(&self) -> Self::Value;
    fn spoilt(&self) -> Vec<Self::Value>;
    /// How many of the spoilt ones, the first, can never be right.
    fn wrong(&self) -> usize;
}

macro_rules! spoil {
    ($([$($generics:tt)*] $type:ty: $bad:expr, $wrong:expr;)*) => {$(
        impl<$($generics)*> Spoil for $type {
            type Value = $type;
            fn sound(&self) -> $type {
                *self
            }
            fn spoilt(&self) -> Vec<$type> {
                $bad.to_vec()
            }
            fn wrong(&self) -> usize {
                $wrong
            }
        }
    )*};
}

spoil! {
    [P] *const P: [null()], 0;
    [P] *mut P: [null_mut()], 0;
    [F: Copy] Option<F>: [None], 1;
    [] i64: [-1, 0, 1, 5, 1 << 40, i64::MAX, i64::MIN], 7;
    [] i32: [-1, 99, i32::MIN], 3;
    [] u64: [u64::MAX], 0;
    [] f64: NOT_FINITE, 3;
}

/// An argument that only the caller can know, like the capacity of a buffer.
struct Vouched<V>(V);

impl<V: Copy> Spoil for Vouched<V> {
    type Value = V;
    fn sound(&self) -> V {
        self.0
    }
    fn spoilt(&self) -> Vec<V> {
        Vec::new()
    }
    fn wrong(&self) -> usize {
        0
    }
}

/// A size of which the caller has to vouch that the arrays have it, where it is not the problem's.
struct Size(i64);

impl Spoil for Size {
    type Value = i64;
    fn sound(&self) -> i64 {
        self.0
    }
    fn spoilt(&self) -> Vec<i64> {
        vec![-1, i64::MAX, i64::MIN, 0]
    }
    fn wrong(&self) -> usize {
        4
    }
}

/// A number of which 0 and others are fine.
struct Count(i64);

impl Spoil for Count {
    type Value = i64;
    fn sound(&self) -> i64 {
        self.0
    }
    fn spoilt(&self) -> Vec<i64> {
        vec![-1, i64::MIN, 0, 1 << 40]
    }
    fn wrong(&self) -> usize {
        2
    }
}

/// A number of which 0 and more are done at once.
struct Few(i64);

impl Spoil for Few {
    type Value = i64;
    fn sound(&self) -> i64 {
        self.0
    }
    fn spoilt(&self) -> Vec<i64> {
        vec![-1, i64::MIN, 0]
    }
    fn wrong(&self) -> usize {
        2
    }
}

/// Elements from row to row.
struct Stride(i64);

impl Spoil for Stride {
    type Value = i64;
    fn sound(&self) -> i64 {
        self.0
    }
    fn spoilt(&self) -> Vec<i64> {
        vec![-1, 1, i64::MAX, i64::MIN, 0]
    }
    fn wrong(&self) -> usize {
        4
    }
}

/// A struct that declares its size.
struct Sized<S>(S);

impl<S: Copy> Sized<S> {
    fn with(&self, size: Option<u32>) -> *mut S {
        // Two more words behind it, and never freed: what the library keeps a pointer to shows.
        let room = Box::leak(Box::new((self.0, [0_u64; 2])));
        if let Some(size) = size {
            // SAFETY: these structs begin with their size.
            unsafe { (&raw mut room.0).cast::<u32>().write(size) };
        }
        &raw mut room.0
    }
}

impl<S: Copy> Spoil for Sized<S> {
    type Value = *mut S;
    fn sound(&self) -> *mut S {
        self.with(None)
    }
    fn spoilt(&self) -> Vec<*mut S> {
        let sizes = [0, 1, 7, 8, size_of::<S>() as u32 - 1, 5000, u32::MAX];
        sizes.into_iter().map(|size| self.with(Some(size))).chain([null_mut()]).collect()
    }
    fn wrong(&self) -> usize {
        7
    }
}

fn pick<V: Spoil>(value: V, at: &mut usize, (which, variant): (usize, usize)) -> V::Value {
    let here = *at == which;
    *at += 1;
    if here { value.spoilt().swap_remove(variant) } else { value.sound() }
}

fn check(name: &str, at: (usize, usize), status: Status) {
    let message = message();
    let known = [
        BLO_OK,
        BLO_ERR_NULL,
        BLO_ERR_INVALID,
        BLO_ERR_SHAPE,
        BLO_ERR_NON_FINITE,
        BLO_ERR_STRUCT_SIZE,
        BLO_ERR_UNSUPPORTED,
        BLO_ERR_FILE,
    ];
    assert!(known.contains(&status), "{name} with argument {at:?} spoilt: {status}, {message}");
    assert_eq!(status == BLO_OK, message.is_empty(), "{name} with argument {at:?} spoilt: {status}, {message}");
}

macro_rules! sweep {
    ($names:ident, $function:ident($($value:expr),* $(,)?)) => { sweep!($names, $function($($value),*), {}) };
    ($names:ident, $function:ident($($value:expr),* $(,)?), $after:block) => {{
        $names.insert(stringify!($function).to_owned());
        let counts = vec![$(($value.spoilt().len(), $value.wrong())),*];
        for (which, (count, wrong)) in counts.into_iter().enumerate() {
            for variant in 0..count {
                let mut at = 0;
                // SAFETY: pointers are null, or to what the function asks for.
                let status = unsafe { $function($(pick($value, &mut at, (which, variant))),*) };
                check(stringify!($function), (which, variant), status);
                let refused = status != BLO_OK || variant >= wrong;
                assert!(refused, "{} took argument {which} as spoilt in way {variant}", stringify!($function));
                $after
            }
        }
        // SAFETY: as above.
        let status = unsafe { $function($($value.sound()),*) };
        assert_eq!(status, BLO_OK, "{}: {}", stringify!($function), message());
        $after
    }};
}

fn examples(design: &'static [f64], targets: &'static [f64]) -> ExampleRows<f64> {
    let rows = targets.len() as i64;
    ExampleRows {
        struct_size: size_of::<ExampleRows<f64>>() as u32,
        reserved: 0,
        rows,
        features: design.len() as i64 / rows,
        design: design.as_ptr(),
        design_stride: 0,
        targets: targets.as_ptr(),
        targets_stride: 0,
        release: None,
        release_data: null_mut(),
    }
}

macro_rules! init {
    ($function:ident, $type:ident) => {{
        // SAFETY: zeros are valid, and the init function fills them.
        unsafe {
            let mut options: $type = std::mem::zeroed();
            assert_eq!($function(&mut options, size_of::<$type>()), BLO_OK);
            options
        }
    }};
}

unsafe extern "C" fn twice(n: i64, v: *const f64, out: *mut f64, _: *mut c_void) -> i32 {
    for i in 0..n as usize {
        // SAFETY: both have n elements.
        unsafe { out.add(i).write(2.0 * *v.add(i)) };
    }
    0
}

static DESIGN: [f64; 6] = [1.0, 0.5, 1.0, -0.5, 1.0, 2.0];
static LABELS: [f64; 3] = [1.0, 0.0, 1.0];

#[test]
fn every_argument_of_every_function() {
    let mut names = BTreeSet::new();
    let mut text_room = [0 as c_char; 8];
    let place = &raw mut *Box::leak(Box::new([0.0_f64; 8]));
    let (out, number) = (place.cast::<f64>(), place.cast::<i64>());
    let (flag, report) = (Box::leak(Box::new(0_i32)) as *mut i32, Sized(report()));
    let (u, w) = (U.as_ptr(), W.as_ptr());

    // Options and problems.
    let mut room = [0_u64; 64];
    let bytes = room.as_mut_ptr();
    names.extend(["blo_estimator_options_init", "blo_run_options_init"].map(str::to_owned));
    names.extend(["blo_regression_options_init", "blo_network_options_init"].map(str::to_owned));
    for size in [0, 8, usize::MAX, 4097] {
        // SAFETY: sizes that do not fit are refused before anything is written.
        unsafe {
            assert_ne!(blo_regression_options_init(bytes.cast(), size), BLO_OK);
            assert_ne!(blo_network_options_init(bytes.cast(), size), BLO_OK);
            assert_eq!(blo_regression_options_init(null_mut(), size), BLO_ERR_NULL);
            assert_eq!(blo_network_options_init(null_mut(), size), BLO_ERR_NULL);
        }
    }
    sweep!(names, blo_rule_init(bytes.cast::<RuleOptions>()));
    let mut problem: *mut Problem<f64> = null_mut();
    let at = &raw mut problem;
    macro_rules! end {
        () => {{
            // SAFETY: the place of a handle.
            unsafe { blo_problem_destroy_f64(at) }
        }};
    }
    let terms = Terms::sound();
    sweep!(names, blo_problem_create_quadratic_f64(Sized(terms.with(terms.pointers())), at), { end!() });
    let mut data = Spoilt::default();
    let user = (&raw mut data).cast::<c_void>();
    let sizes = (Size(2), Size(2));
    sweep!(names, blo_problem_create_callbacks_f64(Size(sizes.0.0), Size(sizes.1.0), Sized(callbacks()), user, at), {
        end!()
    });
    let (inner, outer) = (Sized(examples(&DESIGN, &LABELS)), Sized(examples(&DESIGN, &LABELS)));
    let options =
        Sized(RegressionOptions { loss: BLO_LOSS_LOGISTIC, ..init!(blo_regression_options_init, RegressionOptions) });
    sweep!(names, blo_problem_create_regression_f64(Sized(inner.0), Sized(outer.0), Sized(options.0), at), { end!() });
    let network =
        Sized(NetworkOptions { loss: BLO_NETWORK_LOSS_SQUARED, ..init!(blo_network_options_init, NetworkOptions) });
    let widths = [2_i64, 3, 1];
    let layers = widths.as_ptr();
    sweep!(
        names,
        blo_problem_create_network_f64(Vouched(3), layers, Sized(inner.0), Sized(outer.0), Sized(network.0), at),
        { end!() }
    );
    for bad in [-1, 0, 1, 1 << 40, i64::MAX] {
        // SAFETY: the number of widths is checked before they are read.
        let status = unsafe { blo_problem_create_network_f64(bad, layers, &inner.0, &outer.0, &network.0, at) };
        refused(status, BLO_ERR_INVALID, if bad == 1 { "widths" } else { "n_widths" }, &[]);
    }
    for bad in [-1, 0, 1 << 40, i64::MAX] {
        let widths = [2, bad, 1];
        // SAFETY: three widths.
        let status = unsafe { blo_problem_create_network_f64(3, widths.as_ptr(), &inner.0, &outer.0, &network.0, at) };
        assert_eq!(status, BLO_ERR_INVALID, "{}", message());
    }

    // Tensors of a framework.
    let (counter, mut shape, mut len) = (std::sync::atomic::AtomicUsize::new(0), [3, 2], [3]);
    let mut design = versioned(tensor(&DESIGN, &mut shape), &counter);
    let mut targets = versioned(tensor(&LABELS, &mut len), &counter);
    let [design, targets] = [&raw mut design, &raw mut targets].map(|managed| managed.cast::<c_void>());
    let zero = Sized(ExampleRows { design: null(), ..inner.0 });
    sweep!(names, blo_examples_from_dlpack_f64(design, targets, 1_i32, Sized(zero.0)));

    // Networks.
    // SAFETY: sound arguments.
    unsafe { blo_problem_create_network_f64(3, layers, &inner.0, &outer.0, &network.0, at) };
    let parameters = Box::leak(Box::new([0.1; 13])).as_mut_ptr();
    sweep!(names, blo_network_initial_f64(problem, 0_i32, 7_u64, parameters, 13_i64));
    let (x, from) = (DESIGN.as_ptr(), parameters.cast_const());
    sweep!(names, blo_network_predict_f64(problem.cast_const(), from, 13_i64, x, Size(3), Stride(2), out));
    // SAFETY: a quadratic is no network.
    let status = unsafe { blo_network_initial_f64(Handle::quadratic().0, 0, 0, parameters, 2) };
    assert_eq!(status, BLO_ERR_UNSUPPORTED);
    end!();

    // Devices; `tests/cuda` has those that are there.
    sweep!(names, blo_device_count(number));
    names.extend(["blo_device_open", "blo_device_name", "blo_device_compute_capability"].map(str::to_owned));
    names.insert("blo_problem_on_device_f64".to_owned());
    let mut device: *mut Device = null_mut();
    let mut count = -1;
    // SAFETY: places of handles and numbers, or null.
    unsafe {
        assert_eq!(blo_device_open(0, null_mut()), BLO_ERR_NULL);
        assert_eq!(blo_device_count(&mut count), BLO_OK);
        for bad in [-1, i64::MIN, count, i64::MAX] {
            let none = BLO_ERR_NO_DEVICE * i32::from(count == 0 && bad >= 0);
            let expected = if none == 0 { BLO_ERR_INVALID } else { none };
            assert_eq!(blo_device_open(bad, &mut device), expected, "{bad}: {}", message());
            assert!(device.is_null() && !message().is_empty());
        }
        assert_eq!(blo_device_name(null_mut(), text_room.as_mut_ptr(), 8, null_mut()), BLO_ERR_NULL);
        assert_eq!(blo_device_compute_capability(null_mut(), flag, flag), BLO_ERR_NULL);
        assert_eq!(blo_problem_on_device_f64(Handle::quadratic().0, null_mut(), at), BLO_ERR_NULL);
        // A problem is no device.
        assert_eq!(
            blo_device_name(Handle::quadratic().0.cast(), text_room.as_mut_ptr(), 8, null_mut()),
            BLO_ERR_INVALID
        );
        blo_device_destroy(&mut device);
        blo_device_destroy(null_mut());
    }

    // Evaluations.
    let mut tensor = null_mut::<c_void>();
    let shown = &raw mut tensor;
    let quadratic = Handle::quadratic();
    let problem = quadratic.0.cast_const();
    sweep!(names, blo_problem_sizes_f64(problem, number, number, number));
    let mut work: *mut Workspace<f64> = null_mut();
    let at = &raw mut work;
    sweep!(names, blo_workspace_create_f64(problem, at), {
        // SAFETY: the place of a handle.
        unsafe { blo_workspace_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_workspace_create_f64(problem, at) };
    let cg = Sized(usable(BLO_ESTIMATOR_CG));
    macro_rules! evaluate {
        ($function:ident($($argument:expr),*)) => {
            sweep!(names, $function(work, Sized(cg.0), u, 2_i64, w, 2_i64, $($argument,)* Sized(report.0)))
        };
    }
    evaluate!(blo_hypergradient_f64(out, out));
    evaluate!(blo_response_vjp_f64(w, out));
    evaluate!(blo_response_jvp_f64(u, out));
    let mut two = [[2_i64]; 4];
    let mut tensors: [_; 4] = two.each_mut().map(|shape| versioned(tensor_of(place, shape), &counter));
    tensors.iter_mut().for_each(|tensor| tensor.flags = 0);
    // SAFETY: room for all of them, each with numbers of its own.
    unsafe {
        out.copy_from(u, 2);
        out.add(2).copy_from(w, 2);
    }
    (1..4).for_each(|k| tensors[k].dl_tensor.byte_offset = 16 * k as u64);
    let [tu, tw, tg, tq] = tensors.each_mut().map(|tensor| std::ptr::from_mut(tensor).cast::<c_void>());
    let (tu, tw) = (tu.cast_const(), tw.cast_const());
    sweep!(names, blo_hypergradient_dlpack_f64(work, Sized(cg.0), tu, tw, tg, tq, 1_i32, Sized(report.0)));
    sweep!(names, blo_workspace_tensor_f64(work, 2_i32, shown), { delete(shown) });
    sweep!(names, blo_workspace_reserve_f64(work, Sized(cg.0), number));
    sweep!(names, blo_inner_f64(work, u, 2_i64, w, 2_i64, out, out));
    sweep!(names, blo_outer_f64(work, u, 2_i64, w, 2_i64, out, out, out));
    // SAFETY: two elements.
    unsafe { out.copy_from(w, 2) };
    sweep!(names, blo_fixpoint_f64(work, u, 2_i64, out, 2_i64));
    // SAFETY: sound arguments, but nothing is linearized.
    let status = unsafe { blo_hvp_f64(work, w, 2, out) };
    refused(status, BLO_ERR_INVALID, "workspace", &["no linearization"]);
    sweep!(names, blo_linearize_f64(work, u, 2_i64, w, 2_i64));
    sweep!(names, blo_hvp_f64(work, w, 2_i64, out));
    sweep!(names, blo_mixed_vjp_f64(work, w, 2_i64, out));
    sweep!(names, blo_mixed_jvp_f64(work, u, 2_i64, out));
    let mut scored = Handle(null_mut());
    // SAFETY: sound arguments.
    unsafe {
        let options = RegressionOptions { outer: BLO_OUTER_EXAMPLE_WEIGHTS, l2: 0.1, ..options.0 };
        assert_eq!(blo_problem_create_regression_f64(&inner.0, &outer.0, &options, &mut scored.0), BLO_OK);
        blo_workspace_destroy_f64(at);
        assert_eq!(blo_workspace_create_f64(scored.0, at), BLO_OK);
    }
    let weights = Box::leak(Box::new([0.0; 3])).as_ptr();
    let batch = Box::leak(Box::new([2_i64, 0, 2])).as_ptr();
    sweep!(names, blo_inner_batch_f64(work, batch, Size(3), weights, 3_i64, w, 2_i64, out, out));
    for bad in [[0, 3], [-1, 0], [0, i64::MIN], [i64::MAX, 0]] {
        // SAFETY: sound arguments but for an index.
        let status = unsafe { blo_inner_batch_f64(work, bad.as_ptr(), 2, weights, 3, w, 2, out, out) };
        refused(status, BLO_ERR_INVALID, "batch", &["example", "below 3"]);
    }
    sweep!(names, blo_influence_f64(work, Sized(cg.0), weights, 3_i64, w, 2_i64, out, 3_i64, Sized(report.0)));
    // SAFETY: the place of a handle.
    unsafe { blo_workspace_destroy_f64(at) };

    // Operators.
    let mut solver: *mut Solver<f64> = null_mut();
    let at = &raw mut solver;
    sweep!(names, blo_solver_create_f64(Size(2), Sized(cg.0), at), {
        // SAFETY: the place of a handle.
        unsafe { blo_solver_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_solver_create_f64(2, &cg.0, at) };
    let product: OperatorFn<f64> = Some(twice);
    sweep!(names, blo_solver_solve_f64(solver, product, Vouched(user), w, 2_i64, out, Sized(report.0)));
    let one = || (Size(1), w, 2_i64, out, Sized(report.0));
    let (family, epsilon) = (Sized(estimator(BLO_ESTIMATOR_MIN_NORM)), A.as_ptr());
    {
        let (count, b, n, q, told) = one();
        sweep!(names, blo_solver_solve_many_f64(solver, product, Vouched(user), Size(count.0), b, n, q, Sized(told.0)));
        sweep!(
            names,
            blo_solver_solve_family_f64(
                solver,
                product,
                Vouched(user),
                Size(count.0),
                Sized(family.0),
                b,
                n,
                q,
                Sized(told.0)
            )
        );
        sweep!(
            names,
            blo_solver_shifted_cg_f64(
                solver,
                product,
                Vouched(user),
                Size(count.0),
                epsilon,
                0.0_f64,
                Count(20),
                b,
                n,
                q,
                Sized(told.0)
            )
        );
    }
    // SAFETY: the place of a handle.
    unsafe { blo_solver_destroy_f64(at) };
    let mut session: *mut Session<f64> = null_mut();
    let at = &raw mut session;
    sweep!(names, blo_session_create_f64(Size(2), Sized(cg.0), at), {
        // SAFETY: the place of a handle.
        unsafe { blo_session_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_session_create_f64(2, &cg.0, at) };
    sweep!(names, blo_session_start_f64(session, w, 2_i64));
    sweep!(names, blo_session_step_f64(session, Vouched(null::<f64>()), 2_i64, flag, out, Sized(report.0)));
    // SAFETY: the place of a handle.
    unsafe { blo_session_destroy_f64(at) };

    // Optimizers and runs.
    let mut optimizer: *mut Optimizer<f64> = null_mut();
    let at = &raw mut optimizer;
    // SAFETY: the sweep of blo_rule_init has filled it.
    let rule: *const RuleOptions = bytes.cast();
    // SAFETY: a place for a rule.
    unsafe { blo_rule_init(bytes.cast()) };
    sweep!(names, blo_optimizer_create_f64(rule, Size(2), at), {
        // SAFETY: the place of a handle.
        unsafe { blo_optimizer_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_optimizer_create_f64(rule, 2, at) };
    sweep!(names, blo_optimizer_step_f64(optimizer, w, out, 2_i64));
    sweep!(names, blo_optimizer_restart_f64(optimizer));
    // SAFETY: the place of a handle.
    unsafe { blo_optimizer_destroy_f64(at) };
    let mut lbfgsb: *mut Lbfgsb<f64> = null_mut();
    let at = &raw mut lbfgsb;
    let (low, high) = ([-9.0; 2], [9.0; 2]);
    let (low, high) = (low.as_ptr(), high.as_ptr());
    sweep!(names, blo_lbfgsb_create_f64(w, Size(2), low, high, Size(10), 0.5_f64, at), {
        // SAFETY: the place of a handle.
        unsafe { blo_lbfgsb_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_lbfgsb_create_f64(w, 2, low, high, 10, 0.5, at) };
    sweep!(names, blo_lbfgsb_trial_f64(lbfgsb, out, 2_i64));
    sweep!(names, blo_lbfgsb_tell_f64(lbfgsb, Vouched(1.0), w, 2_i64, flag));
    sweep!(names, blo_lbfgsb_state_f64(lbfgsb, out, 2_i64, out));
    // SAFETY: the place of a handle.
    unsafe { blo_lbfgsb_destroy_f64(at) };
    let run = Sized(RunOptions { keep_best: 1, ..run_options() });
    let mut runner: *mut Runner<f64> = null_mut();
    let at = &raw mut runner;
    sweep!(names, blo_runner_create_f64(problem, Sized(run.0), Sized(cg.0), u, 2_i64, w, 2_i64, at), {
        // SAFETY: the place of a handle.
        unsafe { blo_runner_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_runner_create_f64(problem, &run.0, &cg.0, u, 2, w, 2, at) };
    sweep!(names, blo_runner_reserve_f64(runner, number));
    sweep!(names, blo_runner_step_f64(runner, out, Sized(report.0), flag));
    sweep!(names, blo_runner_tensor_f64(runner, 0_i32, shown), { delete(shown) });
    sweep!(names, blo_runner_set_f64(runner, u, 2_i64, w, 2_i64));
    // SAFETY: a living handle and an array of its size.
    let status = unsafe { blo_runner_end_step_f64(runner, u, 2, flag) };
    refused(status, BLO_ERR_INVALID, "runner", &["no step"]);
    sweep!(names, blo_runner_begin_step_f64(runner, out, Sized(report.0), flag));
    sweep!(names, blo_runner_end_step_f64(runner, u, 2_i64, flag), {
        // SAFETY: a living handle; each end has its beginning.
        unsafe { blo_runner_begin_step_f64(runner, null_mut(), null_mut(), flag) };
    });
    sweep!(names, blo_runner_state_f64(runner, out, 2_i64, out, 2_i64, number));
    sweep!(names, blo_runner_best_f64(runner, out, 2_i64, out, 2_i64, out, number));
    let trace = Box::leak(Box::new([TraceRow::default(); 4])).as_mut_ptr();
    let monitor: MonitorFn<f64> = None;
    sweep!(names, blo_runner_run_f64(runner, Vouched(monitor), user, Count(1), trace, Vouched(4), Sized(outcome())));
    let file = std::env::temp_dir().join(format!("blo-sweep-{}", std::process::id()));
    let text = CString::new(file.to_str().unwrap()).unwrap();
    let path: *const c_char = text.as_ptr();
    sweep!(names, blo_runner_save_f64(runner, path));
    // SAFETY: the place of a handle.
    unsafe { blo_runner_destroy_f64(at) };
    sweep!(names, blo_runner_resume_f64(problem, path, at), {
        // SAFETY: the place of a handle.
        unsafe { blo_runner_destroy_f64(at) }
    });
    for (bad, status) in [(c"\xff", BLO_ERR_INVALID), (c"/no/such/file", BLO_ERR_FILE), (c"", BLO_ERR_FILE)] {
        // SAFETY: texts that end with a NUL.
        assert_eq!(unsafe { blo_runner_resume_f64(problem, bad.as_ptr(), at) }, status, "{}", message());
    }
    fs::remove_file(file).unwrap();

    // Analysis.
    let text = Box::leak(Box::new([0_u8; 4096])).as_mut_ptr().cast::<c_char>();
    let needed = place.cast::<usize>();
    let capacity = Vouched(4096_usize);
    sweep!(
        names,
        blo_check_derivatives_f64(
            problem,
            u,
            2_i64,
            w,
            2_i64,
            -1.0_f64,
            3_u64,
            flag,
            text,
            Vouched(capacity.0),
            needed
        )
    );
    let exact = Sized(estimator(BLO_ESTIMATOR_MIN_NORM));
    sweep!(
        names,
        blo_equilibrium_residuals_f64(problem, Sized(run.0), Sized(exact.0), w, u, 2_i64, w, 2_i64, out, out)
    );
    sweep!(names, blo_retraining_gap_f64(problem, Sized(run.0), w, u, 2_i64, w, 2_i64, out, out, out));
    sweep!(names, blo_spectrum_f64(problem, Sized(exact.0), u, 2_i64, w, 2_i64, out, out, out));
    sweep!(names, blo_optimistic_f64(problem, u, 2_i64, w, 2_i64, out, out, flag));
    sweep!(names, blo_pessimistic_f64(problem, u, 2_i64, w, 2_i64, out, out, flag));
    let mut cycle: *mut Cycle<f64> = null_mut();
    let at = &raw mut cycle;
    let (x, y) = (DESIGN.as_ptr(), LABELS.as_ptr());
    let warm = BLO_PROJECTION_PARTIAL_WARM;
    sweep!(names, blo_cycle_create_f64(Size(3), Size(2), x, Stride(2), y, w, warm, 0.25_f64, Count(3), at), {
        // SAFETY: the place of a handle.
        unsafe { blo_cycle_destroy_f64(at) }
    });
    // SAFETY: sound arguments.
    unsafe { blo_cycle_create_f64(3, 2, x, 2, y, w, warm, 0.25, 3, at) };
    sweep!(names, blo_cycle_step_f64(cycle, Few(2), out, 2_i64, number));
    // SAFETY: the place of a handle.
    unsafe { blo_cycle_destroy_f64(at) };
    sweep!(names, blo_project_f64(Size(2), u, 0.5_f64, out));

    assert_eq!(names, exported(), "not every function was swept");
}

/// The functions that return a status, those in single precision left out: they are made from the others.
fn exported() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for part in text.split("#[unsafe(no_mangle)]").skip(1) {
            let head = part.split('{').next().unwrap();
            let name = head.split("extern \"C\" fn ").nth(1).unwrap().split('(').next().unwrap();
            if head.contains("-> Status") && !name.ends_with("_f32") && name != "blo_last_error" {
                names.insert(name.to_owned());
            }
        }
    }
    names
}

/// At the beginning of an array.
fn tensor_of(place: *mut [f64; 8], shape: &mut [i64]) -> DLTensor {
    DLTensor { data: place.cast(), ..tensor::<f64>(&[], shape) }
}

/// Ends a tensor that the library showed.
fn delete(place: *mut *mut c_void) {
    // SAFETY: the place of a tensor, or of NULL.
    unsafe {
        let managed = place.replace(null_mut()).cast::<DLManagedTensorVersioned>();
        if !managed.is_null() {
            ((*managed).deleter.unwrap())(managed);
        }
    }
}

fn report() -> ReportInfo {
    // SAFETY: integers and doubles.
    let zero: ReportInfo = unsafe { std::mem::zeroed() };
    ReportInfo { struct_size: size_of::<ReportInfo>() as u32, ..zero }
}
