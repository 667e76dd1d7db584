//! The C interface's devices: the handles of the host with a problem on a device.

use crate::common::{Rng, distance, norm};
use crate::{Driver, inside};
use blo::ffi::*;
use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

const WIDTHS: [i64; 4] = [3, 7, 5, 2];
const INNER: usize = 6;
const OUTER: usize = 9;
/// Of the network.
const N: usize = 3 * 7 + 7 + 7 * 5 + 5 + 5 * 2 + 2;
const M: usize = INNER * 3;

pub fn message() -> String {
    let mut buffer = [0 as c_char; 512];
    // SAFETY: the buffer is as long as said.
    unsafe { assert_eq!(blo_last_error(buffer.as_mut_ptr(), buffer.len(), null_mut()), BLO_OK) };
    // SAFETY: closed by a NUL.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_str().unwrap().to_owned()
}

#[track_caller]
pub fn ok(status: Status) {
    assert_eq!(status, BLO_OK, "{}", message());
}

/// A handle that may be used by several threads.
struct Shared<H>(*mut H);

// SAFETY: problems may be shared.
unsafe impl<H> Send for Shared<H> {}
// SAFETY: as above.
unsafe impl<H> Sync for Shared<H> {}

pub fn open() -> *mut Device {
    let mut device = null_mut();
    // SAFETY: the place of a handle.
    unsafe { ok(blo_device_open(0, &mut device)) };
    device
}

struct Data {
    x: Vec<f64>,
    inner_targets: Vec<f64>,
    outer_targets: Vec<f64>,
    u: Vec<f64>,
    w: Vec<f64>,
}

impl Data {
    fn new() -> Data {
        let mut rng = Rng(3);
        let one_hot = |n: usize| (0..2 * n).map(|i| if (i / 2 + i) % 2 == 0 { 1.0 } else { 0.0 }).collect();
        let half = |values: Vec<f64>| values.into_iter().map(|x| 0.5 * x).collect();
        Data {
            x: rng.normals(3 * OUTER),
            inner_targets: one_hot(INNER),
            outer_targets: one_hot(OUTER),
            u: rng.normals(M),
            w: half(rng.normals(N)),
        }
    }

    /// A network whose u is its inputs.
    fn network(&self) -> *mut Problem<f64> {
        let rows = |rows: usize, design: *const f64, targets: &[f64]| ExampleRows {
            struct_size: size_of::<ExampleRows<f64>>() as u32,
            reserved: 0,
            rows: rows as i64,
            features: 3,
            design,
            design_stride: 0,
            targets: targets.as_ptr(),
            targets_stride: 0,
            release: None,
            release_data: null_mut(),
        };
        let (inner, outer) =
            (rows(INNER, null(), &self.inner_targets), rows(OUTER, self.x.as_ptr(), &self.outer_targets));
        let mut problem = null_mut();
        // SAFETY: zeros are options, which the init function fills; arrays are as long as said.
        unsafe {
            let mut options: NetworkOptions = std::mem::zeroed();
            ok(blo_network_options_init(&mut options, size_of::<NetworkOptions>()));
            options.activation = BLO_ACTIVATION_TANH;
            options.l2 = 0.1;
            ok(blo_problem_create_network_f64(4, WIDTHS.as_ptr(), &inner, &outer, &options, &mut problem));
        }
        problem
    }
}

fn quadratic() -> *mut Problem<f64> {
    // A = [[2, 1], [1, 2]], B = I, P = I.
    let (a, b) = ([2.0, 1.0, 1.0, 2.0], [1.0, 0.0, 0.0, 1.0]);
    let mut problem = null_mut();
    // SAFETY: zeros are terms without arrays; the others are as long as said.
    unsafe {
        let mut terms: Quadratics<f64> = std::mem::zeroed();
        terms.struct_size = size_of::<Quadratics<f64>>() as u32;
        (terms.n_outer, terms.n_inner) = (2, 2);
        (terms.a, terms.b, terms.p) = (a.as_ptr(), b.as_ptr(), b.as_ptr());
        ok(blo_problem_create_quadratic_f64(&terms, &mut problem));
    }
    problem
}

fn on_device(problem: *mut Problem<f64>, device: *mut Device) -> *mut Problem<f64> {
    let mut there = null_mut();
    // SAFETY: living handles.
    unsafe { ok(blo_problem_on_device_f64(problem, device, &mut there)) };
    there
}

pub fn estimator(kind: i32) -> EstimatorOptions {
    // SAFETY: zeros are options, which the init function fills.
    unsafe {
        let mut options: EstimatorOptions = std::mem::zeroed();
        ok(blo_estimator_options_init(&mut options, size_of::<EstimatorOptions>()));
        (options.kind, options.alpha, options.terms, options.epsilon) = (kind, 0.2, 20, 0.5);
        options.rule.step = 0.1;
        (options.iterations, options.steps, options.max_products) = (15, 3, 12);
        options
    }
}

/// F, its hypergradient and the products spent.
fn hypergradient(problem: *mut Problem<f64>, options: &EstimatorOptions, u: &[f64], w: &[f64]) -> (f64, Vec<f64>, i64) {
    let mut out = vec![f64::NAN; u.len()];
    let mut workspace = null_mut();
    // SAFETY: living handles and arrays of the problem's sizes.
    unsafe {
        let mut report: ReportInfo = std::mem::zeroed();
        report.struct_size = size_of::<ReportInfo>() as u32;
        ok(blo_workspace_create_f64(problem, &mut workspace));
        let (m, n) = (u.len() as i64, w.len() as i64);
        let (u, w) = (u.as_ptr(), w.as_ptr());
        ok(blo_hypergradient_f64(workspace, options, u, m, w, n, out.as_mut_ptr(), null_mut(), &mut report));
        blo_workspace_destroy_f64(&mut workspace);
        (report.outer_loss, out, report.products)
    }
}

fn close(found: &[f64], expected: &[f64], what: &str) {
    assert!(norm(expected) > 1e-3, "{what}: nothing to compare with");
    assert!(distance(found, expected) <= 1e-11 * norm(expected), "{what}: {found:?} instead of {expected:?}");
}

#[test]
fn no_driver_in_c() {
    if !inside(Driver::None, "c_interface::no_driver_in_c", &[]) {
        return;
    }
    if let blo::cuda::Capability::Present { .. } = blo::cuda::probe() {
        println!("skipped: this machine has a driver");
        return;
    }
    let (mut count, mut device) = (-1, null_mut());
    // SAFETY: places of numbers and handles.
    unsafe {
        ok(blo_device_count(&mut count));
        assert_eq!(blo_device_open(0, &mut device), BLO_ERR_NO_DEVICE);
    }
    assert_eq!(message(), "device: found no CUDA driver (libcuda), expected one");
    assert!(count == 0 && device.is_null());
    assert_eq!(blo_capabilities() & BLO_CAPABILITY_CUDA, 0);
}

#[test]
fn a_device_says_what_it_is() {
    if !inside(Driver::Simulated, "c_interface::a_device_says_what_it_is", &[]) {
        return;
    }
    let (mut count, mut device, mut needed) = (-1, open(), 0);
    let (mut name, mut major, mut minor) = ([1 as c_char; 4], 0, -1);
    // SAFETY: living handles and places of numbers.
    unsafe {
        ok(blo_device_count(&mut count));
        ok(blo_device_name(device, name.as_mut_ptr(), name.len(), &mut needed));
        assert!(count >= 1 && needed > 1 && name[3] == 0);
        let mut whole = vec![1 as c_char; needed];
        ok(blo_device_name(device, whole.as_mut_ptr(), needed, null_mut()));
        assert_eq!(CStr::from_ptr(whole.as_ptr()).to_bytes().len(), needed - 1);
        assert_eq!(blo_device_name(device, null_mut(), 1, null_mut()), BLO_ERR_NULL);
        ok(blo_device_compute_capability(device, &mut major, &mut minor));
        assert!(major >= 7 && minor >= 0, "{major}.{minor}");
        assert_eq!(blo_device_compute_capability(device, null_mut(), &mut minor), BLO_ERR_NULL);
        blo_device_destroy(&mut device);
        assert!(device.is_null());
        assert_eq!(blo_device_open(count, &mut device), BLO_ERR_INVALID);
    }
    assert_ne!(blo_capabilities() & BLO_CAPABILITY_CUDA, 0);
}

#[test]
fn every_estimator_is_that_of_the_host() {
    if !inside(Driver::Simulated, "c_interface::every_estimator_is_that_of_the_host", &[]) {
        return;
    }
    let (data, mut device) = (Data::new(), open());
    let (mut net, mut quad) = (data.network(), quadratic());
    let (mut net_there, mut quad_there) = (on_device(net, device), on_device(quad, device));
    // SAFETY: the place of a handle. What is on the device keeps it open.
    unsafe { blo_device_destroy(&mut device) };
    for kind in [
        BLO_ESTIMATOR_NEUMANN,
        BLO_ESTIMATOR_DAMPED,
        BLO_ESTIMATOR_CG,
        BLO_ESTIMATOR_MINRES,
        BLO_ESTIMATOR_IDENTITY,
        BLO_ESTIMATOR_UNROLLED,
    ] {
        let options = estimator(kind);
        for (here, there, u, w) in
            [(net, net_there, &data.u[..], &data.w[..]), (quad, quad_there, &[0.5, -2.0][..], &[1.0, 3.0][..])]
        {
            // The Hessian of the network is indefinite, where conjugate gradients end early.
            let (value, expected, products) = hypergradient(here, &options, u, w);
            let (found_value, found, found_products) = hypergradient(there, &options, u, w);
            close(&[found_value], &[value], "F");
            close(&found, &expected, &format!("estimator {kind}"));
            assert_eq!(found_products, products, "estimator {kind}");
        }
    }
    // SAFETY: places of handles.
    unsafe {
        for place in [&mut net, &mut quad, &mut net_there, &mut quad_there] {
            blo_problem_destroy_f64(place);
        }
    }
}

#[test]
fn loops_and_networks_are_those_of_the_host() {
    if !inside(Driver::Simulated, "c_interface::loops_and_networks_are_those_of_the_host", &[]) {
        return;
    }
    let (data, device) = (Data::new(), open());
    let here = data.network();
    let there = on_device(here, device);
    let run = |mut problem: *mut Problem<f64>, estimator: &EstimatorOptions| {
        let (mut u, mut w) = (vec![0.0; M], vec![0.0; N]);
        let mut runner = null_mut();
        // SAFETY: living handles, zeros for structs whose init function or size is set, arrays of the problem's sizes.
        unsafe {
            let mut options: RunOptions = std::mem::zeroed();
            ok(blo_run_options_init(&mut options, size_of::<RunOptions>()));
            (options.inner, options.outer_steps, options.inner_steps) = (BLO_INNER_OPTIMIZER, 5, 3);
            options.inner_rule.step = 0.1;
            options.outer_rule.step = 0.1;
            let (m, n) = (M as i64, N as i64);
            ok(blo_runner_create_f64(
                problem,
                &options,
                estimator,
                data.u.as_ptr(),
                m,
                data.w.as_ptr(),
                n,
                &mut runner,
            ));
            blo_problem_destroy_f64(&mut problem);
            let mut outcome: OutcomeInfo = std::mem::zeroed();
            outcome.struct_size = size_of::<OutcomeInfo>() as u32;
            ok(blo_runner_run_f64(runner, None, null_mut(), 0, null_mut(), 0, &mut outcome));
            let mut steps = 0;
            ok(blo_runner_state_f64(runner, u.as_mut_ptr(), m, w.as_mut_ptr(), n, &mut steps));
            assert_eq!(steps, 5);
            blo_runner_destroy_f64(&mut runner);
            (u, w, outcome.inner_steps)
        }
    };
    // The run destroys its problem's handle.
    let again = |problem: *mut Problem<f64>| if problem == here { data.network() } else { on_device(here, device) };
    for kind in [BLO_ESTIMATOR_NEUMANN, BLO_ESTIMATOR_UNROLLED] {
        let options = estimator(kind);
        let (expected, found) = (run(again(here), &options), run(again(there), &options));
        close(&found.0, &expected.0, "u");
        close(&found.1, &expected.1, "w");
        assert_eq!(found.2, expected.2);
    }
    let mut sizes = [0_i64; 3];
    let [mut first, mut second] = [[0.0; N]; 2];
    let [mut out, mut expected] = [[0.0; 2 * OUTER]; 2];
    let (x, rows) = (data.x.as_ptr(), OUTER as i64);
    // SAFETY: living handles and arrays of the problem's sizes.
    unsafe {
        let [m, n, examples] = &mut sizes;
        ok(blo_problem_sizes_f64(there, m, n, examples));
        ok(blo_network_initial_f64(there, BLO_INIT_HE, 5, first.as_mut_ptr(), N as i64));
        ok(blo_network_initial_f64(here, BLO_INIT_HE, 5, second.as_mut_ptr(), N as i64));
        ok(blo_network_predict_f64(there, first.as_ptr(), N as i64, x, rows, 0, out.as_mut_ptr()));
        ok(blo_network_predict_f64(here, first.as_ptr(), N as i64, x, rows, 0, expected.as_mut_ptr()));
    }
    assert_eq!(sizes[..2], [M as i64, N as i64]);
    assert!(first == second && out == expected && norm(&out) > 0.0);
}

#[test]
fn threads_share_a_problem_on_a_device() {
    if !inside(Driver::Simulated, "c_interface::threads_share_a_problem_on_a_device", &[]) {
        return;
    }
    let (data, device) = (Data::new(), open());
    let [net, quad] = [data.network(), quadratic()].map(|problem| Shared(on_device(problem, device)));
    let all = [BLO_ESTIMATOR_CG, BLO_ESTIMATOR_NEUMANN].map(estimator);
    let on_net = |net: &Shared<_>| all.each_ref().map(|options| hypergradient(net.0, options, &data.u, &data.w));
    // Small, so that launches of one thread come between those that another records.
    let on_quad =
        |quad: &Shared<_>| all.each_ref().map(|options| hypergradient(quad.0, options, &[0.5, -2.0], &[1.0, 3.0]));
    let expected = (on_net(&net), on_quad(&quad));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(on_net(&net), expected.0);
                    (0..50).for_each(|_| assert_eq!(on_quad(&quad), expected.1));
                }
            });
        }
    });
}

#[test]
fn what_cannot_go_to_a_device_says_so() {
    if !inside(Driver::Simulated, "c_interface::what_cannot_go_to_a_device_says_so", &[]) {
        return;
    }
    let (device, data) = (open(), Data::new());
    let there = on_device(data.network(), device);
    let mut place: *mut Problem<f64> = null_mut();
    // SAFETY: living handles, null, or handles of another type.
    unsafe {
        assert_eq!(blo_problem_on_device_f64(there, device, &mut place), BLO_ERR_UNSUPPORTED);
        assert!(place.is_null() && message().contains("quadratics and networks of the host"), "{}", message());
        assert_eq!(blo_problem_on_device_f64(null_mut(), device, &mut place), BLO_ERR_NULL);
        assert_eq!(blo_problem_on_device_f64(there, null_mut(), &mut place), BLO_ERR_NULL);
        assert_eq!(blo_problem_on_device_f64(there, there.cast(), &mut place), BLO_ERR_INVALID);
        assert_eq!(blo_problem_on_device_f64(device.cast(), device, &mut place), BLO_ERR_INVALID);
        assert_eq!(blo_problem_on_device_f64(there, device, null_mut()), BLO_ERR_NULL);
    }
}
