//! Networks on the device against the float64 values of `tests/data/reference`, tensor by tensor.

use crate::case::{Case, Parts, Seen, small};
use crate::common::cast;
use crate::tensor::with_tensor_cores;
use crate::{Driver, device, inside};
use blo::cuda::{Buffer, Device, DeviceSpace, Mlp, Network};
use blo::hypergradient::{Estimator, Unrolled, Workspace, evaluate};
use blo::problem::Problem;
use blo::solve::{OnGrowth, Space, Step};
use blo::{Inverse, Scalar};

impl Seen<'_> {
    fn buffer<T: Scalar>(&mut self, name: &str, found: &Buffer<T>, space: &DeviceSpace, tolerance: f64) {
        let mut host = vec![T::from_f64(f64::NAN); found.len()];
        space.store(found, &mut host).unwrap();
        self.check(name, &host, tolerance);
    }
}

fn problem<T: Scalar>(case: &Case, device: &Device) -> Mlp<T> {
    let Parts { widths, activation, loss, kind, inner, outer, reduction, l2 } = case.parts();
    let network = Network { widths: &widths, activation, loss };
    Mlp::new(device, network, kind, inner, outer, reduction, l2).unwrap()
}

fn upload<T: Scalar>(space: &DeviceSpace, values: &[f64]) -> Buffer<T> {
    let mut buffer = space.zeros();
    space.load(&cast::<T>(values), &mut buffer).unwrap();
    buffer
}

fn products<T: Scalar>(problem: &Mlp<T>, seen: &mut Seen<'_>, tolerance: f64) {
    let (case, outer, inner) = (seen.case, problem.outer_space(), problem.inner_space());
    let [u, du] = ["u", "du"].map(|name| upload::<T>(outer, case.tensor(name)));
    let [w, v] = ["w", "v"].map(|name| upload::<T>(inner, case.tensor(name)));
    let mut ws = problem.workspace();
    let (mut of_w, mut of_u) = (inner.zeros(), outer.zeros());
    let f = problem.inner(&mut ws, &u, &w, &mut of_w).unwrap();
    seen.check("f", &[f], tolerance);
    seen.buffer("grad_w_f", &of_w, inner, tolerance);
    problem.inner_gradient_u(&mut ws, &u, &w, &mut of_u).unwrap();
    seen.buffer("grad_u_f", &of_u, outer, tolerance);
    let value = problem.outer(&mut ws, &u, &w, &mut of_u, &mut of_w).unwrap();
    seen.check("F", &[value], tolerance);
    seen.buffer("grad_w_F", &of_w, inner, tolerance);
    problem.linearize(&mut ws, &u, &w).unwrap();
    problem.hvp(&mut ws, &v, &mut of_w).unwrap();
    seen.buffer("hvp_v", &of_w, inner, tolerance);
    if case.tensors.contains_key("ggn_v") {
        problem.gauss_newton(&mut ws, &v, &mut of_w).unwrap();
        seen.buffer("ggn_v", &of_w, inner, tolerance);
    }
    problem.mixed_vjp(&mut ws, &v, &mut of_u).unwrap();
    seen.buffer("mixed_vjp_v", &of_u, outer, tolerance);
    problem.mixed_jvp(&mut ws, &du, &mut of_w).unwrap();
    seen.buffer("mixed_jvp_du", &of_w, inner, tolerance);
}

fn series_and_unrolls<T: Scalar>(problem: &Mlp<T>, seen: &mut Seen<'_>, tolerance: f64) {
    let (case, outer, inner) = (seen.case, problem.outer_space(), problem.inner_space());
    let (u, w) = (upload::<T>(outer, case.tensor("u")), upload::<T>(inner, case.tensor("w")));
    let alpha = case.number("alpha");
    let mut ws = Workspace::new(problem);
    let mut q = inner.zeros();
    for terms in case.list("neumann_terms") {
        let inverse =
            Inverse::Neumann { terms: terms as usize, step: Step::Fixed(alpha), on_growth: OnGrowth::Continue };
        evaluate(problem, &inverse.into(), &u, &w, &mut ws).unwrap();
        ws.lower_q(problem, &mut q).unwrap();
        seen.buffer(&format!("ihvp_neumann_{terms}"), &q, inner, tolerance);
        seen.buffer(
            &format!("hypergrad_neumann_{terms}"),
            ws.gradient(),
            outer,
            tolerance * case.growth(terms).min(10.0),
        );
    }
    for steps in case.list("unroll_steps") {
        let unrolled = Unrolled::descent(steps as usize, alpha);
        evaluate(problem, &Estimator::Unrolled(unrolled), &u, &w, &mut ws).unwrap();
        seen.buffer(&format!("hypergrad_unrolled_{steps}"), ws.gradient(), outer, tolerance);
        let (mut at, mut x) = (problem.workspace(), upload::<T>(inner, case.tensor("w")));
        for _ in 0..steps as usize {
            problem.inner(&mut at, &u, &x, &mut q).unwrap();
            inner.axpy(T::from_f64(-alpha), &q, &mut x);
        }
        seen.buffer(&format!("w_after_{steps}"), &x, inner, tolerance);
    }
    for pair in case.meta["truncated"].as_array().unwrap() {
        let [steps, last] = [0, 1].map(|i| pair[i].as_u64().unwrap() as usize);
        let unrolled = Unrolled { last: Some(last), ..Unrolled::descent(steps, alpha) };
        evaluate(problem, &Estimator::Unrolled(unrolled), &u, &w, &mut ws).unwrap();
        seen.buffer(&format!("hypergrad_truncated_{steps}_{last}"), ws.gradient(), outer, tolerance);
    }
}

fn every_case<T: Scalar>(device: &Device, products_to: f64, series_to: f64) {
    for case in small() {
        let problem = problem::<T>(&case, device);
        let mut seen = Seen::new(&case);
        products(&problem, &mut seen, products_to);
        series_and_unrolls(&problem, &mut seen, series_to);
        // What decomposes H is the host's.
        const LEFT_OUT: [&str; 3] = ["damped", "pinv", "eigenvalues"];
        seen.complete(|name| LEFT_OUT.iter().any(|part| name.contains(part)));
    }
}

#[test]
fn every_case_in_f64() {
    if inside(Driver::Simulated, "reference::every_case_in_f64", &[]) {
        every_case::<f64>(&device(), 1e-12, 1e-10);
    }
}

#[test]
fn every_case_in_f32() {
    if inside(Driver::Simulated, "reference::every_case_in_f32", &[]) {
        every_case::<f32>(&device(), 2e-5, 2e-4);
    }
}

/// ∂²f/∂w² v of a case in f32.
fn hvp(case: &Case, device: &Device) -> Vec<f32> {
    let problem = problem::<f32>(case, device);
    let (outer, inner) = (problem.outer_space(), problem.inner_space());
    let u = upload::<f32>(outer, case.tensor("u"));
    let [w, v] = ["w", "v"].map(|name| upload::<f32>(inner, case.tensor(name)));
    let (mut ws, mut out) = (problem.workspace(), inner.zeros());
    problem.linearize(&mut ws, &u, &w).unwrap();
    problem.hvp(&mut ws, &v, &mut out).unwrap();
    let mut host = vec![0.0; out.len()];
    inner.store(&out, &mut host).unwrap();
    host
}

#[test]
fn every_case_in_f32_in_the_tensor_cores() {
    if inside(Driver::Simulated, "reference::every_case_in_f32_in_the_tensor_cores", &[])
        && let Some(device) = with_tensor_cores()
    {
        every_case::<f32>(&device, 2e-5, 2e-4);
        // Other bits come from other kernels; cases of a few rows have no products that go there.
        let mut many = 0;
        for case in small() {
            let [there, plain] = [true, false].map(|on| {
                device.set_tensor_cores(on).unwrap();
                hvp(&case, &device)
            });
            let rows = case.number("n_inner");
            assert_eq!(there != plain, rows > 8.0, "{rows} rows");
            many += usize::from(rows > 8.0);
        }
        assert!(many >= 5, "{many}");
    }
}
