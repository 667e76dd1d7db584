//! The C interface under arbitrary sequences of calls, made from bytes: no crash, no panic, no leak; and saved runs with
//! arbitrary changes. `BLO_FUZZ=1000000 cargo test --release --test ffi_fuzz` makes so many executions; the default is a short
//! run. Seeds are fixed: a failure comes again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/dlpack.rs"]
mod dlpack;

use blo::bilevel::TraceRow;
use blo::ffi::*;
use dlpack::DLManagedTensorVersioned;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CString, c_void};
use std::fs;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Bytes that are allocated and not freed.
struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: the system's allocator, with a count beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn executions() -> u64 {
    std::env::var("BLO_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// xorshift64*.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 24
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn rarely(&mut self) -> bool {
        self.below(16) == 0
    }

    fn number(&mut self) -> f64 {
        const ODD: [f64; 12] =
            [0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, -1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-12, 5e-324];
        if self.rarely() { ODD[self.below(12) as usize] } else { self.below(2001) as f64 / 500.0 - 2.0 }
    }

    fn positive(&mut self) -> f64 {
        if self.rarely() { self.number() } else { (1 + self.below(100)) as f64 / 100.0 }
    }

    /// Mostly one of few choices.
    fn choice(&mut self, n: u64) -> i32 {
        if self.below(64) == 0 { self.next() as i32 } else { self.below(n) as i32 }
    }

    fn count(&mut self, most: u64) -> i64 {
        if self.below(64) == 0 { -(self.below(3) as i64) } else { self.below(most) as i64 }
    }

    /// Mostly the right size.
    fn size(&mut self, right: i64) -> i64 {
        match self.below(32) {
            0 => self.next() as i64 - (1 << 30),
            1 => self.below(9) as i64,
            _ => right,
        }
    }

    fn array<const N: usize>(&mut self) -> [f64; N] {
        std::array::from_fn(|_| self.number())
    }

    /// Mostly a pointer to it.
    fn maybe<V>(&mut self, pointer: *mut V) -> *mut V {
        if self.below(24) == 0 { null_mut() } else { pointer }
    }

    fn rule(&mut self) -> RuleOptions {
        RuleOptions {
            kind: self.choice(3),
            reserved: i32::from(self.below(200) == 0),
            step: self.positive(),
            momentum: self.positive(),
            beta1: 0.9,
            beta2: self.positive(),
            epsilon: 1e-8,
        }
    }

    fn estimator(&mut self) -> EstimatorOptions {
        // SAFETY: zeros are valid, and the init function fills them.
        let mut options: EstimatorOptions = unsafe { std::mem::zeroed() };
        // SAFETY: a struct of that size.
        unsafe { blo_estimator_options_init(&mut options, size_of::<EstimatorOptions>()) };
        if self.below(100) == 0 {
            options.struct_size = self.below(1 + size_of::<EstimatorOptions>() as u64) as u32;
        }
        (options.kind, options.by, options.step) = (self.choice(12), self.choice(2), self.choice(2));
        (options.on_growth, options.verify, options.mode) = (self.choice(2), self.choice(2), self.choice(3));
        options.start_from_last = self.choice(8) / 7;
        (options.terms, options.iterations, options.steps) = (self.count(40), self.count(20), self.count(8));
        options.max_products = if self.rarely() { -1 } else { self.count(40) };
        (options.last, options.rank, options.restart) =
            (if self.rarely() { 2 } else { -1 }, self.count(9), self.count(9));
        options.refine = self.count(8) / 6;
        options.alpha = if options.step == BLO_STEP_AUTO { 0.0 } else { self.positive() };
        (options.epsilon, options.rule) = (self.positive(), self.rule());
        if self.rarely() {
            (options.cutoff, options.tolerance) = (self.positive(), self.number());
        }
        options
    }

    fn run_options(&mut self) -> RunOptions {
        // SAFETY: as above.
        let mut options: RunOptions = unsafe { std::mem::zeroed() };
        // SAFETY: a struct of that size.
        unsafe { blo_run_options_init(&mut options, size_of::<RunOptions>()) };
        (options.start, options.inner, options.method) = (self.choice(2), self.choice(2), self.choice(5) / 4);
        (options.keep_look_ahead, options.keep_best) = (self.choice(5) / 4, self.choice(2));
        options.distances = self.choice(5) / 4;
        (options.inner_steps, options.outer_steps) = (self.count(9), self.count(7));
        (options.memory, options.batch_size) = (self.count(12), self.count(8) / 6);
        options.inner_rule = self.rule();
        options.outer_rule = self.rule();
        if self.rarely() {
            (options.lower, options.upper) = (self.number(), self.number());
        }
        if self.rarely() {
            (options.schedule_first, options.schedule_factor) = (self.positive(), self.positive());
        }
        options
    }
}

/// What callbacks do wrong, from bytes of their own; and a handle that they misuse.
struct Data {
    bytes: Bytes,
    n: (i64, i64),
    workspace: *mut Workspace<f64>,
    ended: u32,
}

unsafe fn fill(data: *mut c_void, out: *mut f64, n: i64, from: *const f64) -> i32 {
    // SAFETY: the data of `drive`, and arrays of the sizes that the library states.
    unsafe {
        let data = &mut *data.cast::<Data>();
        for i in 0..n as usize {
            out.add(i).write(2.0 * if from.is_null() { 0.5 } else { *from.add(i) });
        }
        if data.bytes.below(200) == 0 {
            out.write(data.bytes.number());
        }
        if data.bytes.below(300) == 0 && !data.workspace.is_null() {
            blo_linearize_f64(data.workspace, out, data.n.0, out, data.n.1);
        }
        i32::from(data.bytes.below(300) == 0)
    }
}

unsafe extern "C" fn inner(
    _: i64,
    n: i64,
    _: *const f64,
    w: *const f64,
    value: *mut f64,
    gradient: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: as the library states.
    unsafe {
        value.write(*w * *w);
        fill(data, gradient, n, w)
    }
}

unsafe extern "C" fn outer(
    m: i64,
    n: i64,
    _: *const f64,
    w: *const f64,
    value: *mut f64,
    gradient_u: *mut f64,
    gradient_w: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: as the library states.
    unsafe {
        value.write(*w);
        fill(data, gradient_u, m, null());
        fill(data, gradient_w, n, w)
    }
}

unsafe extern "C" fn product(
    m: i64,
    n: i64,
    _: *const f64,
    _: *const f64,
    v: *const f64,
    out: *mut f64,
    data: *mut c_void,
) -> i32 {
    // SAFETY: as the library states; m = n here, so that one function serves all products.
    unsafe { fill(data, out, m.min(n), v) }
}

unsafe extern "C" fn operator(n: i64, v: *const f64, out: *mut f64, data: *mut c_void) -> i32 {
    // SAFETY: as the library states.
    unsafe { fill(data, out, n, v) }
}

unsafe extern "C" fn monitor(_: *const ProgressInfo<f64>, data: *mut c_void) -> i32 {
    // SAFETY: the data of `drive`.
    i32::from(unsafe { (*data.cast::<Data>()).bytes.below(20) } == 0)
}

const N: usize = 64;

type Store = ([f64; N], [f64; N]);

/// Takes back a share of what was lent.
unsafe extern "C" fn released(store: *mut c_void) {
    // SAFETY: made from a share in `problem`.
    drop(unsafe { Arc::from_raw(store.cast_const().cast::<Store>()) });
}

unsafe extern "C" fn ended(data: *mut c_void) {
    // SAFETY: the data of `drive`.
    unsafe { (*data.cast::<Data>()).ended += 1 };
}

/// A problem with its sizes.
unsafe fn problem(bytes: &mut Bytes, data: *mut Data) -> (*mut Problem<f64>, i64, i64) {
    let mut made = null_mut();
    let n = 1 + bytes.below(4) as i64;
    let m = if bytes.below(2) == 0 { n } else { 1 + bytes.below(4) as i64 };
    let (mut design, targets) = (bytes.array::<N>(), bytes.array::<N>().map(|t| if t > 0.0 { 1.0 } else { 0.0 }));
    let lent = bytes.below(2) == 0;
    let store = Arc::new((design, targets));
    let mut shares: Vec<*const Store> = Vec::new();
    let mut share = || {
        let mut pointer = std::ptr::null();
        if lent {
            pointer = Arc::into_raw(store.clone());
            shares.push(pointer);
        }
        pointer.cast_mut().cast::<c_void>()
    };
    let design_at = if lent { store.0.as_ptr() } else { design.as_ptr() };
    let targets_at = if lent { store.1.as_ptr() } else { targets.as_ptr() };
    let mut examples = |rows, features, design: *const f64| ExampleRows {
        struct_size: size_of::<ExampleRows<f64>>() as u32,
        reserved: 0,
        rows,
        features,
        design,
        design_stride: 0,
        targets: targets_at,
        targets_stride: 0,
        release: lent.then_some(released as unsafe extern "C" fn(*mut c_void)),
        release_data: share(),
    };
    // SAFETY: the arrays are longer than any size here.
    unsafe {
        match bytes.below(4) {
            0 => {
                let mut a = [0.0; 16];
                (0..n).for_each(|i| a[(i * n + i) as usize] = bytes.below(5) as f64);
                let b = bytes.array::<16>();
                let mut terms: Quadratics<f64> = std::mem::zeroed();
                terms.struct_size = size_of::<Quadratics<f64>>() as u32;
                (terms.n_outer, terms.n_inner) = (bytes.size(m).min(4), bytes.size(n).min(4));
                (terms.a, terms.b, terms.p) = (a.as_ptr(), b.as_ptr(), a.as_ptr());
                terms.f = bytes.maybe(design.as_mut_ptr());
                blo_problem_create_quadratic_f64(&terms, &mut made);
            }
            1 => {
                let callbacks = Callbacks {
                    struct_size: size_of::<Callbacks<f64>>() as u32,
                    reserved: 0,
                    inner: Some(inner),
                    outer: Some(outer),
                    hvp: Some(product),
                    mixed_vjp: Some(product),
                    mixed_jvp: (bytes.below(2) == 0).then_some(product),
                    release: lent.then_some(ended as unsafe extern "C" fn(*mut c_void)),
                };
                (*data).n = (n, n);
                blo_problem_create_callbacks_f64(n, n, &callbacks, data.cast(), &mut made);
            }
            2 => {
                let mut options: RegressionOptions = std::mem::zeroed();
                blo_regression_options_init(&mut options, size_of::<RegressionOptions>());
                (options.loss, options.outer) = (bytes.choice(3), bytes.choice(4));
                options.classes = if options.loss == BLO_LOSS_SOFTMAX { 2 } else { 0 };
                (options.group, options.reduction) = (bytes.choice(3), bytes.choice(2));
                let count = 1 + bytes.below(5) as i64;
                let (rows, others) = (examples(count, n, design_at), examples(count, n, design_at));
                blo_problem_create_regression_f64(&rows, &others, &options, &mut made);
            }
            _ => {
                let mut options: NetworkOptions = std::mem::zeroed();
                blo_network_options_init(&mut options, size_of::<NetworkOptions>());
                (options.activation, options.loss) = (bytes.choice(6), bytes.choice(2));
                (options.outer, options.group, options.l2) = (bytes.choice(7), bytes.choice(3), bytes.positive());
                let rows = examples(1 + bytes.below(3) as i64, 2, bytes.maybe(design_at.cast_mut()));
                let widths = [2, 1 + bytes.below(3) as i64, 1 + bytes.below(2) as i64];
                let data = examples(2, 2, design_at);
                blo_problem_create_network_f64(3, widths.as_ptr(), &rows, &data, &options, &mut made);
            }
        }
        if made.is_null() {
            // What a failed creation was to be lent is still ours.
            shares.into_iter().for_each(|share| released(share.cast_mut().cast()));
        }
        let (mut m, mut n) = (1, 1);
        blo_problem_sizes_f64(made, &mut m, &mut n, null_mut());
        assert!(m < N as i64 && n < N as i64);
        (made, m, n)
    }
}

/// The sum of a tensor's numbers.
unsafe fn shown(tensor: *mut DLManagedTensorVersioned) -> f64 {
    // SAFETY: made by the library, and not deleted.
    unsafe {
        let view = &(*tensor).dl_tensor;
        std::slice::from_raw_parts(view.data.cast::<f64>(), *view.shape as usize).iter().sum()
    }
}

unsafe fn delete(tensor: *mut DLManagedTensorVersioned) {
    // SAFETY: as above; deleted once.
    unsafe { ((*tensor).deleter.unwrap())(tensor) }
}

/// One execution: handles, some twenty calls, and an end in any order. Returns how many calls succeeded.
fn drive(seed: u64) -> usize {
    let mut bytes = Bytes(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut data = Data { bytes: Bytes(seed ^ 0xABCD_EF01_2345), n: (1, 1), workspace: null_mut(), ended: 0 };
    let data: *mut Data = &mut data;
    let user: *mut c_void = data.cast();
    let (mut u, mut w, mut out) = (bytes.array::<N>(), bytes.array::<N>(), [0.0; 4 * N]);
    if bytes.below(2) == 0 {
        // An argument that is sound, so that more than checks is reached.
        u.iter_mut().chain(&mut w).for_each(|x| *x = if x.is_finite() { x.clamp(0.0, 2.0) } else { 0.5 });
    }
    let mut good = 0;
    // SAFETY: pointers are null, handles of any type, or to arrays longer than the sizes that the library believes.
    unsafe {
        let (mut p, m, n) = problem(&mut bytes, data);
        let estimator = bytes.estimator();
        let mut work = null_mut::<Workspace<f64>>();
        let mut runner = null_mut::<Runner<f64>>();
        let mut solver = null_mut::<Solver<f64>>();
        let mut session = null_mut::<Session<f64>>();
        let mut optimizer = null_mut::<Optimizer<f64>>();
        let mut lbfgsb = null_mut::<Lbfgsb<f64>>();
        let mut cycle = null_mut::<Cycle<f64>>();
        let mut tensors: Vec<*mut DLManagedTensorVersioned> = Vec::new();
        blo_workspace_create_f64(p, &mut work);
        (*data).workspace = work;
        let mut report: ReportInfo = std::mem::zeroed();
        report.struct_size = size_of::<ReportInfo>() as u32;
        for _ in 0..20 {
            let (nm, nn) = (bytes.size(m), bytes.size(n));
            let (u, w, o) = (bytes.maybe(u.as_mut_ptr()), bytes.maybe(w.as_mut_ptr()), bytes.maybe(out.as_mut_ptr()));
            // Sometimes a handle of another type.
            let at: *mut Workspace<f64> = if bytes.below(60) == 0 { p.cast() } else { work };
            let (how, told) = (&raw const estimator, bytes.maybe(&raw mut report));
            let status = match bytes.below(40) {
                0..4 => blo_hypergradient_f64(at, how, u, nm, w, nn, o, bytes.maybe(o), told),
                4 => blo_inner_f64(at, u, nm, w, nn, o, o),
                5 => blo_outer_f64(at, u, nm, w, nn, o, o, o),
                6 => blo_linearize_f64(at, u, nm, w, nn),
                7 => blo_hvp_f64(at, w, nn, o),
                8 => blo_mixed_vjp_f64(at, w, nn, o),
                9 => blo_mixed_jvp_f64(at, u, nm, o),
                10 => blo_response_jvp_f64(at, how, u, nm, w, nn, u, o, told),
                11 => blo_response_vjp_f64(at, how, u, nm, w, nn, w, o, told),
                12 => blo_influence_f64(at, how, u, nm, w, nn, o, bytes.size(3), told),
                13 if bytes.below(2) == 0 => {
                    let batch = [bytes.count(6), bytes.count(6), bytes.count(3)];
                    blo_inner_batch_f64(at, batch.as_ptr(), bytes.count(4).min(3), u, nm, w, nn, o, o)
                }
                13 => blo_fixpoint_f64(at, u, nm, o, nn),
                14 => {
                    blo_runner_destroy_f64(&mut runner);
                    let options = bytes.run_options();
                    blo_runner_create_f64(p, &options, how, u, nm, w, nn, &mut runner)
                }
                15 | 16 => {
                    let mut rows = [TraceRow::default(); 8];
                    let mut outcome: OutcomeInfo = std::mem::zeroed();
                    outcome.struct_size = size_of::<OutcomeInfo>() as u32;
                    let (every, capacity) = (bytes.count(3), bytes.count(9));
                    blo_runner_run_f64(runner, Some(monitor), user, every, rows.as_mut_ptr(), capacity, &mut outcome)
                }
                17 => blo_runner_step_f64(runner, o, told, &mut 0),
                18 => blo_runner_state_f64(runner, o, nm, o, nn, &mut 0),
                19 => blo_runner_best_f64(runner, o, nm, o, nn, o, &mut 0),
                20 => {
                    blo_solver_destroy_f64(&mut solver);
                    blo_solver_create_f64(bytes.size(n).min(N as i64), how, &mut solver)
                }
                21 => blo_solver_solve_f64(solver, Some(operator), user, w, nn, o, told),
                22 => {
                    blo_session_destroy_f64(&mut session);
                    blo_session_create_f64(bytes.size(n).min(N as i64), how, &mut session);
                    blo_session_start_f64(session, w, nn)
                }
                23 => {
                    let mut request = 0;
                    let answer = if bytes.below(4) == 0 { null_mut() } else { w };
                    blo_session_step_f64(session, answer, nn, &mut request, o, told)
                }
                24 => {
                    let rule = bytes.rule();
                    blo_optimizer_destroy_f64(&mut optimizer);
                    blo_optimizer_create_f64(&rule, bytes.size(n).min(N as i64), &mut optimizer)
                }
                25 => blo_optimizer_step_f64(optimizer, w, o, nn),
                26 if bytes.rarely() => {
                    let mut verdict = 0;
                    blo_check_derivatives_f64(p, u, nm, w, nn, -1.0, seed, &mut verdict, null_mut(), 0, null_mut())
                }
                26 => blo_spectrum_f64(p, how, u, nm, w, nn, o, o, o),
                27 => blo_runner_set_f64(runner, u, nm, w, nn),
                28 => blo_runner_begin_step_f64(runner, o, told, &mut 0),
                29 => blo_runner_end_step_f64(runner, if bytes.below(2) == 0 { null_mut() } else { u }, nm, &mut 0),
                30 | 31 => {
                    let mut tensor = null_mut();
                    let status = match bytes.below(2) {
                        0 => blo_runner_tensor_f64(runner, bytes.choice(3), &mut tensor),
                        _ => blo_workspace_tensor_f64(at, 2, &mut tensor),
                    };
                    if status == BLO_OK {
                        tensors.push(tensor.cast());
                    }
                    status
                }
                32 => {
                    // Whatever is there is read, and one goes.
                    let sum: f64 = tensors.iter().map(|tensor| shown(*tensor)).sum();
                    std::hint::black_box(sum);
                    if !tensors.is_empty() {
                        delete(tensors.swap_remove(bytes.below(tensors.len() as u64) as usize));
                    }
                    BLO_OK
                }
                33 => {
                    let mut reports = [report; 3];
                    if bytes.rarely() {
                        reports[1].struct_size = 0;
                    }
                    let (count, told, filters) = (bytes.count(4), bytes.maybe(reports.as_mut_ptr()), [estimator; 3]);
                    let (callback, size) = (Some(operator as unsafe extern "C" fn(_, _, _, _) -> _), nn.min(16));
                    let count = count.min(3);
                    match bytes.below(3) {
                        0 => blo_solver_solve_many_f64(solver, callback, user, count, w, size, o, told),
                        1 => blo_solver_solve_family_f64(
                            solver,
                            callback,
                            user,
                            count,
                            filters.as_ptr(),
                            w,
                            size,
                            o,
                            told,
                        ),
                        _ => blo_solver_shifted_cg_f64(solver, callback, user, count, u, 0.0, 9, w, size, o, told),
                    }
                }
                34 => {
                    blo_lbfgsb_destroy_f64(&mut lbfgsb);
                    let (low, high) = ([-9.0; N], [9.0; N]);
                    let (low, high) = (bytes.maybe(low.as_ptr().cast_mut()), bytes.maybe(high.as_ptr().cast_mut()));
                    blo_lbfgsb_create_f64(w, bytes.size(n).min(N as i64), low, high, bytes.count(12), 0.0, &mut lbfgsb)
                }
                35 => blo_lbfgsb_tell_f64(lbfgsb, bytes.number(), w, nn, &mut 0),
                36 => match bytes.below(2) {
                    0 => blo_lbfgsb_trial_f64(lbfgsb, o, nn),
                    _ => blo_lbfgsb_state_f64(lbfgsb, o, nn, o),
                },
                37 => {
                    blo_cycle_destroy_f64(&mut cycle);
                    let (rows, kind, steps) = (bytes.count(4), bytes.choice(3), bytes.count(4));
                    blo_cycle_create_f64(rows, bytes.count(9), w, 0, u, u, kind, 0.01, steps, &mut cycle)
                }
                38 => match bytes.below(2) {
                    0 => blo_cycle_step_f64(cycle, bytes.count(9), o, nn, &mut 0),
                    _ => blo_optimistic_f64(p, u, nm, w, nn, o, o, &mut 0),
                },
                _ if bytes.rarely() => {
                    blo_problem_destroy_f64(&mut p);
                    BLO_OK
                }
                _ => blo_network_initial_f64(p, bytes.choice(4), seed, o, nn),
            };
            assert!(status != BLO_ERR_PANIC && status != BLO_ERR_POISONED, "seed {seed}: {status}");
            good += usize::from(status == BLO_OK);
        }
        if bytes.below(2) == 0 {
            blo_problem_destroy_f64(&mut p);
        }
        blo_workspace_destroy_f64(&mut work);
        blo_runner_destroy_f64(&mut runner);
        blo_solver_destroy_f64(&mut solver);
        blo_session_destroy_f64(&mut session);
        blo_optimizer_destroy_f64(&mut optimizer);
        blo_lbfgsb_destroy_f64(&mut lbfgsb);
        blo_cycle_destroy_f64(&mut cycle);
        blo_problem_destroy_f64(&mut p);
        // They outlive what they show.
        std::hint::black_box(tensors.iter().map(|tensor| shown(*tensor)).sum::<f64>());
        tensors.into_iter().for_each(|tensor| delete(tensor));
        assert!((*data).ended <= 1);
    }
    good
}

/// FNV-1a, as at the end of a saved run.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn saved_runs(executions: u64) -> usize {
    let mut bytes = Bytes(77);
    let mut data = Data { bytes: Bytes(1 << 40), n: (0, 0), workspace: null_mut(), ended: 0 };
    let file = std::env::temp_dir().join(format!("blo-fuzz-{}", std::process::id()));
    let path = CString::new(file.to_str().unwrap()).unwrap();
    let mut resumed = 0;
    // SAFETY: as in `drive`.
    unsafe {
        let (mut p, m, n) = loop {
            let (mut p, m, n) = problem(&mut bytes, &mut data);
            // Of callbacks, which fail now and then: a change may ask for more inner steps than there is time for.
            if !p.is_null() && data.n != (0, 0) {
                break (p, m, n);
            }
            blo_problem_destroy_f64(&mut p);
        };
        let mut whole = Vec::new();
        while whole.is_empty() {
            let (options, estimator, start) = (bytes.run_options(), bytes.estimator(), [0.5; N]);
            let mut runner = null_mut();
            blo_runner_create_f64(p, &options, &estimator, start.as_ptr(), m, start.as_ptr(), n, &mut runner);
            if blo_runner_save_f64(runner, path.as_ptr()) == BLO_OK {
                whole = fs::read(&file).unwrap();
            }
            blo_runner_destroy_f64(&mut runner);
        }
        for _ in 0..executions {
            let mut changed = whole.clone();
            for _ in 0..1 + bytes.below(3) {
                let at = bytes.below(changed.len() as u64) as usize;
                changed[at] = bytes.next() as u8;
            }
            if bytes.below(4) == 0 {
                changed.truncate(bytes.below(changed.len() as u64) as usize);
            }
            // Mostly with a checksum that fits, so that more than it is reached.
            if changed.len() > 8 && bytes.below(8) != 0 {
                let body = changed.len() - 8;
                let sum = checksum(&changed[..body]).to_le_bytes();
                changed[body..].copy_from_slice(&sum);
            }
            fs::write(&file, changed).unwrap();
            let mut runner = null_mut();
            let status = blo_runner_resume_f64(p, path.as_ptr(), &mut runner);
            assert!(status != BLO_ERR_PANIC && (status == BLO_OK) != runner.is_null());
            if status == BLO_OK {
                resumed += 1;
                let status = blo_runner_step_f64(runner, null_mut(), null_mut(), &mut 0);
                assert!(status != BLO_ERR_PANIC);
            }
            blo_runner_destroy_f64(&mut runner);
        }
        blo_problem_destroy_f64(&mut p);
    }
    fs::remove_file(file).unwrap();
    resumed
}

// One test, because the allocations of others would be counted.
#[test]
fn arbitrary_calls_and_files() {
    let executions = executions();
    let good: usize = (0..executions / 2).map(drive).sum();
    assert!(good as u64 > executions, "only {good} calls succeeded: does it reach anything?");
    let before = LIVE.load(Ordering::Relaxed);
    (executions / 2..executions).for_each(|seed| {
        drive(seed);
    });
    let leaked = LIVE.load(Ordering::Relaxed) - before;
    // Messages of the thread, at most.
    assert!(leaked.abs() < 4096, "{leaked} bytes leaked in {} executions", executions / 2);
    let resumed = saved_runs(executions / 10);
    println!("{executions} executions, {good} calls that succeeded in the first half, {resumed} changed files resumed");
}
