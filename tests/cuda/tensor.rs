//! Products in the tensor cores, where the device is asked for them and has them.

use crate::common::{Rng, cast, distance, norm, widen};
use crate::{Driver, device, inside};
use blo::cuda::{Buffer, Device, DeviceSpace, Mlp, Network};
use blo::problem::mlp::{Activation, Loss, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, SolveWorkspace};
use blo::solve::{OnGrowth, Solve, Space, Step};
use blo::{Inverse, Scalar};

/// A device with the setting on; none on a GPU before 8.0.
pub fn with_tensor_cores() -> Option<Device> {
    let device = device();
    if std::env::var_os("BLO_REQUIRE_GPU").is_some() && device.compute_capability() < (8, 0) {
        println!("skipped: compute capability {:?}", device.compute_capability());
        return None;
    }
    device.set_tensor_cores(true).unwrap();
    Some(device)
}

const ROWS: usize = 40;

/// A network whose products are all of more than a few rows and terms.
fn problem<T: Scalar>(device: &Device) -> Mlp<T> {
    let (widths, classes) = ([19, 70, 33, 10], 10);
    let design = cast::<T>(&Rng(11).normals(ROWS * widths[0]));
    let labels = (0..ROWS * classes).map(|i| if i % classes == i / classes % classes { 1.0 } else { 0.0 });
    let targets = cast::<T>(&labels.collect::<Vec<f64>>());
    let examples = || Examples { design: design.clone(), features: widths[0], targets: targets.clone() };
    let network = Network { widths: &widths, activation: Activation::Tanh, loss: Loss::CrossEntropy };
    let kind = OuterParameters::ExampleWeightLogits;
    Mlp::new(device, network, kind, examples(), examples(), Reduction::Mean, 0.0).unwrap()
}

/// u and w.
fn starts<T: Scalar>(problem: &Mlp<T>) -> [Buffer<T>; 2] {
    let mut rng = Rng(12);
    let mut upload = |space: &DeviceSpace, scale: f64| {
        let mut buffer = space.zeros();
        let values: Vec<f64> = rng.normals(Space::<T>::len(space)).iter().map(|x| scale * x).collect();
        space.load(&cast::<T>(&values), &mut buffer).unwrap();
        buffer
    };
    [upload(problem.outer_space(), 1.0), upload(problem.inner_space(), 0.2)]
}

/// Gradient and Hessian-vector product.
fn products<T: Scalar>(device: &Device) -> Vec<f64> {
    let problem = problem::<T>(device);
    let ([u, w], inner) = (starts(&problem), problem.inner_space());
    let parameters = Space::<T>::len(inner);
    let mut v = inner.zeros();
    inner.load(&cast::<T>(&Rng(13).normals(parameters)), &mut v).unwrap();
    let mut workspace = problem.workspace();
    let mut out = inner.zeros();
    let mut found = Vec::new();
    let mut host = vec![T::ZERO; parameters];
    problem.inner(&mut workspace, &u, &w, &mut out).unwrap();
    inner.store(&out, &mut host).unwrap();
    found.extend(widen(&host));
    problem.linearize(&mut workspace, &u, &w).unwrap();
    problem.hvp(&mut workspace, &v, &mut out).unwrap();
    inner.store(&out, &mut host).unwrap();
    found.extend(widen(&host));
    found
}

#[test]
fn a_network_has_its_f32_products_there() {
    if !inside(Driver::Simulated, "tensor::a_network_has_its_f32_products_there", &[]) {
        return;
    }
    let Some(device) = with_tensor_cores() else { return };
    let there = products::<f32>(&device);
    let wide = products::<f64>(&device);
    device.set_tensor_cores(false).unwrap();
    let plain = products::<f32>(&device);
    let exact = products::<f64>(&device);
    assert!(wide == exact, "f64 has nothing to do with it");
    // Other sums have other last bits: that these differ shows that the setting is heard, in most of what is computed.
    let other = there.iter().zip(&plain).filter(|(there, plain)| there != plain).count();
    assert!(other > plain.len() / 2, "{other} of {} differ", plain.len());
    for (what, found) in [("tensor cores", &there), ("plain", &plain)] {
        let error = distance(found, &exact) / norm(&exact);
        assert!(error <= 1e-6, "{what}: {error:e}");
    }
    // A copy of the device is the same device.
    device.clone().set_tensor_cores(true).unwrap();
    assert!(products::<f32>(&device) == there);
}

/// A series that was launched without, and is recorded with.
#[test]
fn a_series_that_began_without_is_recorded() {
    if !inside(Driver::Simulated, "tensor::a_series_that_began_without_is_recorded", &[]) {
        return;
    }
    let device = device();
    if device.compute_capability() < (8, 0) {
        println!("skipped: compute capability {:?}", device.compute_capability());
        return;
    }
    let problem = problem::<f32>(&device);
    let [u, w] = starts(&problem);
    let inverse = Inverse::Neumann { terms: 8, step: Step::Fixed(0.05), on_growth: OnGrowth::Continue };
    let solve = Solve { verify: false, ..inverse.into() };
    let (mut workspace, mut scratch) = (problem.workspace(), SolveWorkspace::<f32, Mlp<f32>>::new());
    problem.linearize(&mut workspace, &u, &w).unwrap();
    let mut q = problem.inner_space().zeros();
    let mut found = Vec::new();
    for on in [false, true, true] {
        // Nothing but the series has need of its kernels.
        device.set_tensor_cores(on).unwrap();
        problem.solve(&mut workspace, &solve, &w, &mut q, &mut scratch).unwrap();
        let mut host = vec![0.0_f32; q.len()];
        problem.inner_space().store(&q, &mut host).unwrap();
        found.push(host);
    }
    assert!(found[0] != found[1] && found[1] == found[2]);
    assert!(distance(&found[0], &found[1]) <= 1e-5 * norm(&found[0]));
}

#[test]
fn a_card_before_8_0_says_no_and_works_without() {
    let (test, card) = ("tensor::a_card_before_8_0_says_no_and_works_without", [("PTXSIM_CC", "75")]);
    if !inside(Driver::Simulated, test, &card) {
        return;
    }
    let device = device();
    assert_eq!(device.compute_capability(), (7, 5));
    let error = device.set_tensor_cores(true).unwrap_err();
    assert_eq!(error.status(), -2);
    let text = "tensor cores: found a device of compute capability 7.5, expected one of 8.0 or later";
    assert_eq!(error.to_string(), text);
    device.set_tensor_cores(false).unwrap();
    let (found, exact) = (products::<f32>(&device), products::<f64>(&device));
    assert!(distance(&found, &exact) <= 1e-6 * norm(&exact));
}
