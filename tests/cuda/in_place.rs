//! Hypergradients of the C interface from and into tensors on the device, against the same with arrays in host memory.

use crate::c_interface::{estimator, message, ok, open};
use crate::common::{Rng, cast, norm, widen};
use crate::dlpack::{DLDevice, DLTensor, tensor, unversioned, versioned};
use crate::{Driver, device, inside};
use blo::Scalar;
use blo::cuda::{Buffer, DeviceSpace};
use blo::ffi::*;
use blo::solve::Space;
use std::ffi::c_void;
use std::ptr::{from_mut, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elements between the vectors in an arena: no vector is aligned to more than an element.
const GAP: usize = 3;

/// Sizes of the quadratic.
const N: usize = 19;
const M: usize = 6;

type Report<'a> = &'a mut ReportInfo;

/// What both precisions have.
trait Calls: Scalar {
    unsafe fn quadratic(terms: &Quadratics<Self>, place: *mut *mut Problem<Self>) -> Status;
    unsafe fn network(
        widths: &[i64],
        examples: [&ExampleRows<Self>; 2],
        options: &NetworkOptions,
        place: *mut *mut Problem<Self>,
    ) -> Status;
    unsafe fn on_device(problem: *mut Problem<Self>, device: *mut Device, place: *mut *mut Problem<Self>) -> Status;
    unsafe fn end_problem(place: *mut *mut Problem<Self>);
    unsafe fn sizes(problem: *mut Problem<Self>, sizes: &mut [i64; 3]) -> Status;
    unsafe fn workspace(problem: *mut Problem<Self>, place: *mut *mut Workspace<Self>) -> Status;
    unsafe fn bytes(workspace: *mut Workspace<Self>, how: &EstimatorOptions, bytes: &mut i64) -> Status;
    unsafe fn end_workspace(place: *mut *mut Workspace<Self>);
    unsafe fn host(
        workspace: *mut Workspace<Self>,
        how: &EstimatorOptions,
        point: [&[Self]; 2],
        out: [*mut Self; 2],
        report: Report<'_>,
    ) -> Status;
    unsafe fn in_place(
        workspace: *mut Workspace<Self>,
        how: &EstimatorOptions,
        tensors: [*mut c_void; 4],
        versioned: i32,
        report: Report<'_>,
    ) -> Status;
}

macro_rules! calls {
    ($t:ty, $quadratic:ident, $network:ident, $on_device:ident, $end_problem:ident, $sizes:ident, $workspace:ident,
     $reserve:ident, $end_workspace:ident, $host:ident, $in_place:ident) => {
        // SAFETY: in each function, as its caller vouches.
        #[allow(clippy::undocumented_unsafe_blocks)]
        impl Calls for $t {
            unsafe fn quadratic(terms: &Quadratics<$t>, place: *mut *mut Problem<$t>) -> Status {
                unsafe { $quadratic(terms, place) }
            }
            unsafe fn network(
                widths: &[i64],
                [inner, outer]: [&ExampleRows<$t>; 2],
                options: &NetworkOptions,
                place: *mut *mut Problem<$t>,
            ) -> Status {
                unsafe { $network(widths.len() as i64, widths.as_ptr(), inner, outer, options, place) }
            }
            unsafe fn on_device(problem: *mut Problem<$t>, on: *mut Device, place: *mut *mut Problem<$t>) -> Status {
                unsafe { $on_device(problem, on, place) }
            }
            unsafe fn end_problem(place: *mut *mut Problem<$t>) {
                unsafe { $end_problem(place) }
            }
            unsafe fn sizes(problem: *mut Problem<$t>, [m, n, examples]: &mut [i64; 3]) -> Status {
                unsafe { $sizes(problem, m, n, examples) }
            }
            unsafe fn workspace(problem: *mut Problem<$t>, place: *mut *mut Workspace<$t>) -> Status {
                unsafe { $workspace(problem, place) }
            }
            unsafe fn bytes(workspace: *mut Workspace<$t>, how: &EstimatorOptions, bytes: &mut i64) -> Status {
                unsafe { $reserve(workspace, how, bytes) }
            }
            unsafe fn end_workspace(place: *mut *mut Workspace<$t>) {
                unsafe { $end_workspace(place) }
            }
            unsafe fn host(
                workspace: *mut Workspace<$t>,
                how: &EstimatorOptions,
                [u, w]: [&[$t]; 2],
                [out, q]: [*mut $t; 2],
                report: Report<'_>,
            ) -> Status {
                let (m, n) = (u.len() as i64, w.len() as i64);
                unsafe { $host(workspace, how, u.as_ptr(), m, w.as_ptr(), n, out, q, report) }
            }
            unsafe fn in_place(
                workspace: *mut Workspace<$t>,
                how: &EstimatorOptions,
                [u, w, out, q]: [*mut c_void; 4],
                versioned: i32,
                report: Report<'_>,
            ) -> Status {
                unsafe { $in_place(workspace, how, u, w, out, q, versioned, report) }
            }
        }
    };
}

calls!(
    f64,
    blo_problem_create_quadratic_f64,
    blo_problem_create_network_f64,
    blo_problem_on_device_f64,
    blo_problem_destroy_f64,
    blo_problem_sizes_f64,
    blo_workspace_create_f64,
    blo_workspace_reserve_f64,
    blo_workspace_destroy_f64,
    blo_hypergradient_f64,
    blo_hypergradient_dlpack_f64
);
calls!(
    f32,
    blo_problem_create_quadratic_f32,
    blo_problem_create_network_f32,
    blo_problem_on_device_f32,
    blo_problem_destroy_f32,
    blo_problem_sizes_f32,
    blo_workspace_create_f32,
    blo_workspace_reserve_f32,
    blo_workspace_destroy_f32,
    blo_hypergradient_f32,
    blo_hypergradient_dlpack_f32
);

fn report() -> ReportInfo {
    // SAFETY: integers and doubles.
    let zero: ReportInfo = unsafe { std::mem::zeroed() };
    ReportInfo { struct_size: size_of::<ReportInfo>() as u32, ..zero }
}

/// Well-conditioned, n x n and n x m.
fn quadratic<T: Calls>(n: usize, m: usize) -> *mut Problem<T> {
    let mut rng = Rng(21);
    let half = rng.normals(n * n);
    let gram = |i: usize, j: usize| (0..n).map(|k| half[i * n + k] * half[j * n + k]).sum::<f64>() / n as f64;
    let a: Vec<f64> = (0..n * n).map(|at| gram(at / n, at % n) + if at % (n + 1) == 0 { 0.5 } else { 0.0 }).collect();
    let p: Vec<f64> = (0..n * n).map(|at| if at % (n + 1) == 0 { 1.5 } else { 0.0 }).collect();
    let [a, p, b, f] = [a, p, rng.normals(n * m), rng.normals(n)].map(|x| cast::<T>(&x));
    let mut problem = null_mut();
    // SAFETY: zeros are terms without arrays; the others are as long as said.
    unsafe {
        let mut terms: Quadratics<T> = std::mem::zeroed();
        terms.struct_size = size_of::<Quadratics<T>>() as u32;
        (terms.n_outer, terms.n_inner) = (m as i64, n as i64);
        (terms.a, terms.b, terms.p, terms.f) = (a.as_ptr(), b.as_ptr(), p.as_ptr(), f.as_ptr());
        ok(T::quadratic(&terms, &mut problem));
    }
    problem
}

fn network<T: Calls>(outer_parameters: i32, group: i32) -> *mut Problem<T> {
    let mut rng = Rng(22);
    let hot = |n: usize| (0..2 * n).map(|i| T::from_f64(f64::from(u8::from((i / 2 + i) % 2 == 0)))).collect();
    let (x, targets): (Vec<T>, Vec<T>) = (cast(&rng.normals(7 * 3)), hot(7));
    // SAFETY: zeros are no arrays, and options that the init function fills; arrays are as long as said.
    unsafe {
        let mut rows: ExampleRows<T> = std::mem::zeroed();
        rows.struct_size = size_of::<ExampleRows<T>>() as u32;
        (rows.rows, rows.features, rows.design, rows.targets) = (7, 3, x.as_ptr(), targets.as_ptr());
        let inputs = outer_parameters == BLO_NETWORK_OUTER_INPUTS;
        let inner = ExampleRows { design: if inputs { std::ptr::null() } else { rows.design }, ..rows };
        let mut options: NetworkOptions = std::mem::zeroed();
        ok(blo_network_options_init(&mut options, size_of::<NetworkOptions>()));
        (options.activation, options.l2) = (BLO_ACTIVATION_TANH, 0.1);
        (options.outer, options.group) = (outer_parameters, group);
        let mut problem = null_mut();
        ok(T::network(&[3, 5, 2], [&inner, &rows], &options, &mut problem));
        problem
    }
}

/// u, w, the hypergradient and q in one buffer, with guard words around each.
struct Arena<T: Scalar> {
    space: DeviceSpace,
    buffer: Buffer<T>,
    before: Vec<T>,
    starts: [usize; 4],
    sizes: [usize; 4],
}

impl<T: Scalar> Arena<T> {
    fn new(u: &[T], w: &[T]) -> Arena<T> {
        let sizes = [u.len(), w.len(), u.len(), w.len()];
        let starts = std::array::from_fn(|i| sizes[..i].iter().sum::<usize>() + GAP * (i + 1));
        let len = sizes.iter().sum::<usize>() + 5 * GAP;
        let mut before: Vec<T> = (0..len).map(|i| T::from_f64(1000.0 + i as f64)).collect();
        before[starts[0]..][..sizes[0]].copy_from_slice(u);
        before[starts[1]..][..sizes[1]].copy_from_slice(w);
        let space = DeviceSpace::new(&device(), len);
        let mut buffer = space.zeros();
        space.load(&before, &mut buffer).unwrap();
        Arena { space, buffer, before, starts, sizes }
    }

    /// The whole, read back; nothing outside of the vectors has changed, nor have those that are not `written`.
    #[track_caller]
    fn read(&self, written: &[usize]) -> [Vec<T>; 4] {
        let mut after = vec![T::ZERO; self.before.len()];
        self.space.store(&self.buffer, &mut after).unwrap();
        for (i, (after, before)) in after.iter().zip(&self.before).enumerate() {
            let inside = |k: &usize| (self.starts[*k]..self.starts[*k] + self.sizes[*k]).contains(&i);
            assert!(written.iter().any(inside) || after == before, "element {i} was written to");
        }
        std::array::from_fn(|k| after[self.starts[k]..][..self.sizes[k]].to_vec())
    }

    /// The tensor of a vector: its whole address in `data`, or a part of it in the offset.
    fn tensor(&self, which: usize, shape: &mut [i64], offset: bool) -> DLTensor {
        let (base, bytes) = (self.buffer.address() as usize, self.starts[which] * size_of::<T>());
        let (data, byte_offset) = if offset { (base, bytes) } else { (base + bytes, 0) };
        DLTensor {
            data: std::ptr::without_provenance_mut(data),
            device: DLDevice { device_type: 2, device_id: 0 },
            byte_offset: byte_offset as u64,
            ..tensor::<T>(&[], shape)
        }
    }
}

/// The call with tensors `which` of the arena as u, w, hypergradient and q (4: none), spoilt by `spoil`; nothing is deleted.
fn call<T: Calls>(
    work: *mut Workspace<T>,
    how: &EstimatorOptions,
    arena: &Arena<T>,
    which: [usize; 4],
    kind: i32,
    report: Report<'_>,
    spoil: &mut dyn FnMut(&mut [DLTensor; 4]),
) -> Status {
    let deleted = AtomicUsize::new(0);
    let mut shapes = which.map(|k| [1, arena.sizes[k % 4] as i64]);
    let mut strides = [77, 1];
    let mut tensors: [DLTensor; 4] = {
        let mut shapes = shapes.iter_mut();
        which.map(|k| arena.tensor(k % 4, shapes.next().unwrap(), kind == 1))
    };
    tensors[0].strides = strides.as_mut_ptr();
    tensors[1] = DLTensor { ndim: 1, shape: tensors[1].shape.wrapping_add(1), ..tensors[1] };
    spoil(&mut tensors);
    let mut new = tensors.map(|tensor| versioned(tensor, &deleted));
    new.iter_mut().skip(2).for_each(|output| output.flags = 0);
    let mut old = tensors.map(|tensor| unversioned(tensor, &deleted));
    let mut pointers = match kind {
        1 => new.each_mut().map(|managed| from_mut(managed).cast::<c_void>()),
        _ => old.each_mut().map(|managed| from_mut(managed).cast::<c_void>()),
    };
    if which[3] == 4 {
        pointers[3] = null_mut();
    }
    // SAFETY: a living handle and sound tensors, unless they are spoilt.
    let status = unsafe { T::in_place(work, how, pointers, kind, report) };
    assert_eq!(deleted.load(Ordering::SeqCst), 0);
    status
}

struct Case<T: Calls> {
    there: *mut Problem<T>,
    work: *mut Workspace<T>,
    u: Vec<T>,
    w: Vec<T>,
}

impl<T: Calls> Case<T> {
    /// Puts the problem on a device.
    fn new(mut problem: *mut Problem<T>, seed: u64) -> Case<T> {
        let (mut on, mut there, mut work, mut sizes, mut rng) = (open(), null_mut(), null_mut(), [0; 3], Rng(seed));
        // SAFETY: living handles and places of others.
        unsafe {
            ok(T::on_device(problem, on, &mut there));
            ok(T::workspace(there, &mut work));
            ok(T::sizes(there, &mut sizes));
            T::end_problem(&mut problem);
            blo_device_destroy(&mut on);
        }
        let mut halves = |n: i64| cast(&rng.normals(n as usize).iter().map(|x| 0.5 * x).collect::<Vec<_>>());
        Case { there, work, u: halves(sizes[0]), w: halves(sizes[1]) }
    }

    /// With arrays in host memory: the hypergradient, q and the report.
    fn host(&self, how: &EstimatorOptions, q: bool) -> (Vec<T>, Vec<T>, ReportInfo) {
        let (mut out, mut of_w) = (vec![T::ZERO; self.u.len()], vec![T::ZERO; self.w.len()]);
        let mut told = report();
        let q = if q { of_w.as_mut_ptr() } else { null_mut() };
        // SAFETY: a living handle and arrays of its sizes.
        unsafe { ok(T::host(self.work, how, [&self.u, &self.w], [out.as_mut_ptr(), q], &mut told)) };
        (out, of_w, told)
    }
}

impl<T: Calls> Drop for Case<T> {
    fn drop(&mut self) {
        // SAFETY: places of handles.
        unsafe {
            T::end_workspace(&mut self.work);
            T::end_problem(&mut self.there);
        }
    }
}

fn alike(found: &ReportInfo, expected: &ReportInfo) {
    let parts = |r: &ReportInfo| (r.ending, r.products, r.outer_loss.to_bits(), r.rhs_norm.to_bits());
    assert_eq!(parts(found), parts(expected), "{found:?} instead of {expected:?}");
}

fn estimators() -> Vec<EstimatorOptions> {
    let kinds = [
        BLO_ESTIMATOR_NEUMANN,
        BLO_ESTIMATOR_CG,
        BLO_ESTIMATOR_MINRES,
        BLO_ESTIMATOR_DAMPED,
        BLO_ESTIMATOR_IDENTITY,
        BLO_ESTIMATOR_UNROLLED,
    ];
    let mut all: Vec<EstimatorOptions> = kinds.into_iter().map(estimator).collect();
    all.push(EstimatorOptions { mode: BLO_MODE_FORWARD, ..estimator(BLO_ESTIMATOR_UNROLLED) });
    all.push(EstimatorOptions { verify: 0, ..estimator(BLO_ESTIMATOR_NEUMANN) });
    all
}

fn bits<T: Calls>() {
    let problems = [
        quadratic::<T>(N, M),
        quadratic(1, 1),
        quadratic(2, 3),
        network(BLO_NETWORK_OUTER_INPUTS, BLO_NETWORK_GROUP_ALL),
        network(BLO_NETWORK_OUTER_LOG_L2, BLO_NETWORK_GROUP_PARAMETER),
        network(BLO_NETWORK_OUTER_LOG_L2, BLO_NETWORK_GROUP_LAYER),
        network(BLO_NETWORK_OUTER_EXAMPLE_WEIGHTS, BLO_NETWORK_GROUP_ALL),
    ];
    for (i, problem) in problems.into_iter().enumerate() {
        let case = Case::new(problem, 31 + i as u64);
        for how in estimators() {
            let what = format!("problem {i}, estimator {} mode {}", how.kind, how.mode);
            for (kind, wants_q) in [(1, true), (0, true), (0, false)] {
                let (expected, q, expected_report) = case.host(&how, wants_q);
                assert!(norm(&expected) > 1e-6, "{what}: nothing to compare with");
                let (arena, mut told) = (Arena::new(&case.u, &case.w), report());
                let which = [0, 1, 2, if wants_q { 3 } else { 4 }];
                ok(call(case.work, &how, &arena, which, kind, &mut told, &mut |_| ()));
                let found = arena.read(if wants_q { &[2, 3] } else { &[2] });
                assert_eq!(found[2], expected, "{what}");
                assert!(!wants_q || found[3] == q, "{what}: q");
                alike(&told, &expected_report);
            }
        }
    }
}

#[test]
fn bits_are_those_of_host_arrays_f64() {
    if inside(Driver::Simulated, "in_place::bits_are_those_of_host_arrays_f64", &[]) {
        bits::<f64>();
    }
}

#[test]
fn bits_are_those_of_host_arrays_f32() {
    if inside(Driver::Simulated, "in_place::bits_are_those_of_host_arrays_f32", &[]) {
        bits::<f32>();
    }
}

#[test]
fn outputs_may_be_inputs() {
    if !inside(Driver::Simulated, "in_place::outputs_may_be_inputs", &[]) {
        return;
    }
    for problem in [quadratic::<f64>(N, M), network(BLO_NETWORK_OUTER_INPUTS, BLO_NETWORK_GROUP_ALL)] {
        let case = Case::new(problem, 5);
        for how in estimators() {
            let (expected, q, expected_report) = case.host(&how, true);
            let (arena, mut told) = (Arena::new(&case.u, &case.w), report());
            ok(call(case.work, &how, &arena, [0, 1, 0, 1], 1, &mut told, &mut |_| ()));
            let found = arena.read(&[0, 1]);
            assert!(found[0] == expected && found[1] == q, "estimator {}", how.kind);
            alike(&told, &expected_report);
        }
    }
}

#[test]
fn each_mistake_is_told_and_nothing_written() {
    if !inside(Driver::Simulated, "in_place::each_mistake_is_told_and_nothing_written", &[]) {
        return;
    }
    let (case, how) = (Case::new(quadratic::<f64>(N, M), 6), estimator(BLO_ESTIMATOR_CG));
    let arena = Arena::new(&case.u, &case.w);
    let names = ["u", "w", "hypergradient", "q"];
    let refuse = |at: usize, part: &str, parts: &str, status: Status, change: &dyn Fn(&mut DLTensor)| {
        let mut told = report();
        let found = call(case.work, &how, &arena, [0, 1, 2, 3], 1, &mut told, &mut |all| change(&mut all[at]));
        assert_eq!(found, status, "{}", message());
        let start = format!("{}{part}", names[at]);
        assert!(message().starts_with(&start) && message().contains(parts), "{start}, {parts}: {}", message());
        assert_eq!(told, report());
        arena.read(&[]);
    };
    for at in 0..4 {
        // On the CPU, elsewhere on a GPU, page-locked, managed; the number of no device.
        for (device_type, device_id) in [(1, 0), (2, 1), (3, 0), (13, 0), (2, -1), (1, 1)] {
            if (at, device_type, device_id) == (0, 1, 0) {
                continue;
            }
            let expected = if at == 0 {
                format!(
                    "found type {device_type} number {device_id}, expected type 2 number 0, where the problem is, or type 1"
                )
            } else {
                format!("found type {device_type} number {device_id}, expected type 2 number 0, that of u")
            };
            refuse(at, " device: ", &expected, BLO_ERR_INVALID, &|t| {
                t.device = DLDevice { device_type, device_id };
            });
        }
        refuse(at, " dtype: ", "found code 2 with 32 bits", BLO_ERR_INVALID, &|t| t.dtype.bits = 32);
        refuse(at, " data: ", "null", BLO_ERR_NULL, &|t| t.data = null_mut());
        refuse(at, " data: ", "a multiple of 8", BLO_ERR_INVALID, &|t| t.byte_offset += 4);
        refuse(at, " shape: ", "null", BLO_ERR_NULL, &|t| t.shape = null_mut());
        for ndim in [-1, 65, i32::MAX] {
            refuse(at, " ndim: ", &format!("found {ndim}, expected 0 to 64"), BLO_ERR_INVALID, &|t| t.ndim = ndim);
        }
        let len = [M, N][at % 2];
        refuse(at, ": ", &format!("found length 1, expected length {len}"), BLO_ERR_SHAPE, &|t| t.ndim = 0);
        let mut more = [len as i64 + 1];
        let more = more.as_mut_ptr();
        refuse(at, ": ", &format!("found length {}, expected length {len}", len + 1), BLO_ERR_SHAPE, &|t| {
            (t.ndim, t.shape) = (1, more);
        });
        let mut huge = [i64::MAX, i64::MAX, 4];
        let huge = huge.as_mut_ptr();
        refuse(at, ": ", "expected length", BLO_ERR_SHAPE, &|t| (t.ndim, t.shape) = (3, huge));
        let mut negative = [-1, -(len as i64)];
        let negative = negative.as_mut_ptr();
        refuse(at, " shape: ", "found -1", BLO_ERR_INVALID, &|t| (t.ndim, t.shape) = (2, negative));
        let (mut shape, mut gaps) = ([1, len as i64, 1], [5, 2, 1]);
        let (shape, gaps) = (shape.as_mut_ptr(), gaps.as_mut_ptr());
        refuse(at, " strides: ", "found 2 in dimension 1, expected 1", BLO_ERR_INVALID, &|t| {
            (t.ndim, t.shape, t.strides) = (3, shape, gaps);
        });
    }
    // u on the CPU, and the rest on the GPU.
    let refused = call(case.work, &how, &arena, [0, 1, 2, 3], 0, &mut report(), &mut |all| {
        all[0].device = DLDevice { device_type: 1, device_id: 0 };
    });
    assert_eq!(refused, BLO_ERR_INVALID);
    assert!(
        message().starts_with("w device: found type 2 number 0, expected type 1 number 0, that of u"),
        "{}",
        message()
    );
    // What is not finite, an estimator out of range, a report of no size.
    let mut spoilt = case.w.clone();
    spoilt[N - 1] = f64::NAN;
    let nan = Arena::new(&case.u, &spoilt);
    assert_eq!(call(case.work, &how, &nan, [0, 1, 2, 3], 1, &mut report(), &mut |_| ()), BLO_ERR_NON_FINITE);
    assert!(message().starts_with("w: found NaN at index 18") || message().contains("18"), "{}", message());
    let mut after = vec![0.0; nan.before.len()];
    nan.space.store(&nan.buffer, &mut after).unwrap();
    assert!(after.iter().zip(&nan.before).all(|(after, before)| after.to_bits() == before.to_bits()));
    let bad = EstimatorOptions { kind: 99, ..how };
    assert_eq!(call(case.work, &bad, &arena, [0, 1, 2, 3], 1, &mut report(), &mut |_| ()), BLO_ERR_INVALID);
    let mut none = ReportInfo { struct_size: 3, ..report() };
    assert_eq!(call(case.work, &how, &arena, [0, 1, 2, 3], 1, &mut none, &mut |_| ()), BLO_ERR_STRUCT_SIZE);
    arena.read(&[]);
    // All that was refused has spoilt nothing.
    ok(call(case.work, &how, &arena, [0, 1, 2, 3], 1, &mut report(), &mut |_| ()));
    assert_eq!(arena.read(&[2, 3])[2], case.host(&how, true).0);
}

#[test]
fn tensors_in_host_memory_take_the_ordinary_way() {
    if !inside(Driver::Simulated, "in_place::tensors_in_host_memory_take_the_ordinary_way", &[]) {
        return;
    }
    let (case, how, deleted) =
        (Case::new(quadratic::<f32>(N, M), 7), estimator(BLO_ESTIMATOR_NEUMANN), AtomicUsize::new(0));
    let (expected, q, expected_report) = case.host(&how, true);
    let (mut out, mut of_w) = ([-7.0_f32; M + 2], [-7.0_f32; N + 2]);
    let mut shapes = [[M as i64], [N as i64], [M as i64], [N as i64]];
    let [u, w, g, h] = shapes.each_mut();
    let mut views = [tensor(&case.u, u), tensor(&case.w, w), tensor(&out[1..=M], g), tensor(&of_w[1..=N], h)];
    (views[2].data, views[3].data) = (out[1..].as_mut_ptr().cast(), of_w[1..].as_mut_ptr().cast());
    let mut managed = views.map(|view| unversioned(view, &deleted));
    let (pointers, mut told) = (managed.each_mut().map(|managed| from_mut(managed).cast::<c_void>()), report());
    // SAFETY: a living handle, and tensors of its sizes.
    unsafe { ok(f32::in_place(case.work, &how, pointers, 0, &mut told)) };
    assert!(out[1..=M] == expected && of_w[1..=N] == q, "{out:?}");
    assert_eq!([out[0], out[M + 1], of_w[0], of_w[N + 1]], [-7.0; 4]);
    alike(&told, &expected_report);
    assert_eq!(deleted.load(Ordering::SeqCst), 0);
}

#[test]
fn memory_stays_the_callers() {
    if !inside(Driver::Simulated, "in_place::memory_stays_the_callers", &[]) {
        return;
    }
    // Tensors at the start of their allocations, where a free would be taken.
    let (case, how, deleted) = (Case::new(quadratic::<f64>(N, M), 9), estimator(BLO_ESTIMATOR_CG), AtomicUsize::new(0));
    let (expected, q, _) = case.host(&how, true);
    let vectors: [Vec<f64>; 4] = [case.u.clone(), case.w.clone(), vec![-7.0; M], vec![-7.0; N]];
    let spaces = vectors.each_ref().map(|vector| DeviceSpace::new(&device(), vector.len()));
    let mut buffers: Vec<Buffer<f64>> = spaces.iter().map(|space| space.zeros()).collect();
    for ((space, vector), buffer) in spaces.iter().zip(&vectors).zip(&mut buffers) {
        space.load(vector, buffer).unwrap();
    }
    let mut shapes = vectors.each_ref().map(|vector| [vector.len() as i64]);
    let mut managed: Vec<_> = (buffers.iter().zip(&mut shapes))
        .map(|(buffer, shape)| DLTensor {
            data: std::ptr::without_provenance_mut(buffer.address() as usize),
            device: DLDevice { device_type: 2, device_id: 0 },
            ..tensor::<f64>(&[], shape)
        })
        .map(|view| unversioned(view, &deleted))
        .collect();
    for _ in 0..2 {
        let pointers = std::array::from_fn(|k| from_mut(&mut managed[k]).cast::<c_void>());
        // SAFETY: a living handle, and tensors of its sizes.
        unsafe { ok(f64::in_place(case.work, &how, pointers, 0, &mut report())) };
    }
    let found: Vec<Vec<f64>> = (spaces.iter().zip(&buffers))
        .map(|(space, buffer)| {
            let mut host = vec![0.0; buffer.len()];
            space.store(buffer, &mut host).unwrap();
            host
        })
        .collect();
    assert_eq!(found, [case.u.clone(), case.w.clone(), expected, q]);
    assert_eq!(deleted.load(Ordering::SeqCst), 0);
}

/// Bytes that the simulated driver copied between host and device.
fn crossed() -> u64 {
    let mut count = 0;
    // SAFETY: the library is loaded, its function has this signature, and the place is a number's.
    unsafe {
        let library = cudarc::driver::sys::culib();
        let crossed = library.get::<unsafe extern "C" fn(*mut u64) -> u32>(b"ptxsim_crossed").unwrap();
        assert_eq!(crossed(&mut count), 0);
    }
    count
}

#[test]
fn no_vector_crosses() {
    // A setting, so that it is always the simulated driver's count.
    if !inside(Driver::Simulated, "in_place::no_vector_crosses", &[("PTXSIM_SMS", "4")]) {
        return;
    }
    const BIG: usize = 300;
    let vector = (BIG * 8) as u64;
    for kind in [BLO_ESTIMATOR_NEUMANN, BLO_ESTIMATOR_CG, BLO_ESTIMATOR_IDENTITY, BLO_ESTIMATOR_UNROLLED] {
        let case = Case::new(quadratic::<f64>(BIG, BIG), 8);
        let (how, arena, mut bytes) = (estimator(kind), Arena::new(&case.u, &case.w), [0; 2]);
        // SAFETY: a living handle.
        unsafe { ok(f64::bytes(case.work, &how, &mut bytes[0])) };
        let start = crossed();
        ok(call(case.work, &how, &arena, [0, 1, 2, 3], 1, &mut report(), &mut |_| ()));
        let there = crossed() - start;
        let (expected, q, _) = case.host(&how, true);
        let host = crossed() - start - there;
        assert!(there < vector / 2 && host > 4 * vector, "estimator {kind}: {there} bytes, {host} with host arrays");
        let found = arena.read(&[2, 3]);
        assert!(found[2] == expected && found[3] == q && norm(&widen(&expected)) > 0.0, "estimator {kind}");
        // The scratch on the device counts.
        // SAFETY: a living handle.
        unsafe { ok(f64::bytes(case.work, &how, &mut bytes[1])) };
        assert!(bytes[1] > bytes[0] + 4 * vector as i64, "{bytes:?}");
    }
}
