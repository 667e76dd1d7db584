//! Conjugate gradients whose scalars stay on the device: step by step those of the host, and to the last bit those of the same
//! recurrence with its scalars on the host.

use crate::common::{Oracle, Rng, distance, norm};
use crate::{Driver, device, inside};
use blo::cuda::{Buffer, Device, DeviceSpace, Mlp, Quadratic};
use blo::problem::mlp::{Activation, Groups, Loss, Model, OuterParameters};
use blo::problem::{Examples, Hessian, InnerTerms, OuterTerms, Problem, Reduction, one_hot};
use blo::solve::{Ending, Flat, Operator, Report, Solve, Space, Workspace, solve};
use blo::{Inverse, Scalar};

/// An operator without steps of its own: what it has of conjugate gradients is the default, with a look at each scalar.
struct Plain<O>(O);

impl<T: Scalar, O: Operator<T>> Operator<T> for Plain<O> {
    type Space = O::Space;

    fn space(&self) -> &O::Space {
        self.0.space()
    }

    fn apply(
        &mut self,
        v: &<O::Space as Space<T>>::Vector,
        out: &mut <O::Space as Space<T>>::Vector,
    ) -> blo::Result<()> {
        self.0.apply(v, out)
    }
}

fn quadratic<T: Scalar>(n: usize, a: &[f64]) -> blo::problem::Quadratic<T> {
    let zeros = |len| vec![T::ZERO; len];
    let inner =
        InnerTerms { a: crate::common::cast(a), b: zeros(n), c: zeros(1), d: zeros(n), e: zeros(1), constant: T::ZERO };
    blo::problem::Quadratic::new(n, 1, inner, OuterTerms { p: zeros(n * n), f: zeros(n), h: T::ZERO }).unwrap()
}

fn upload<T: Scalar>(space: &DeviceSpace, values: &[T]) -> Buffer<T> {
    let mut buffer = space.zeros();
    space.load(values, &mut buffer).unwrap();
    buffer
}

fn download<T: Scalar>(space: &DeviceSpace, buffer: &Buffer<T>) -> Vec<T> {
    let mut values = vec![T::from_f64(f64::NAN); buffer.len()];
    space.store(buffer, &mut values).unwrap();
    values
}

/// A problem linearized on the host and on the device, with what solves there need.
struct Pair<'a, T: Scalar, P: Problem<T>, H: Problem<T>> {
    there: &'a P,
    here: &'a H,
    at: P::Workspace,
    host: H::Workspace,
    scratch: Workspace<T, Buffer<T>>,
    host_scratch: Workspace<T, Vec<T>>,
}

impl<'a, T: Scalar, P, H> Pair<'a, T, P, H>
where
    P: Problem<T, Points = DeviceSpace, Vectors = DeviceSpace>,
    H: Problem<T, Points = Flat, Vectors = Flat>,
{
    fn new(there: &'a P, here: &'a H, u: &[T], w: &[T]) -> Self {
        let (mut at, mut host) = (there.workspace(), here.workspace());
        there.linearize(&mut at, &upload(there.outer_space(), u), &upload(there.inner_space(), w)).unwrap();
        here.linearize(&mut host, &u.to_vec(), &w.to_vec()).unwrap();
        Pair { there, here, at, host, scratch: Workspace::new(), host_scratch: Workspace::new() }
    }

    /// q and the report: on the device, there with the scalars on the host, on the host.
    fn solves(&mut self, how: &Solve, b: &[T], start: &[T]) -> [(Vec<T>, Report); 3] {
        let space = self.there.inner_space().clone();
        let on_b = upload(&space, b);
        let (mut q, mut plain_q, mut host_q) = (upload(&space, start), upload(&space, start), start.to_vec());
        let report = self.there.solve(&mut self.at, how, &on_b, &mut q, &mut self.scratch).unwrap();
        let mut plain = Plain(Hessian::new(self.there, &mut self.at));
        let plain_report = solve(&mut plain, how, &on_b, &mut plain_q, &mut self.scratch).unwrap();
        let host = &mut Hessian::new(self.here, &mut self.host);
        let host_report = solve(host, how, &b.to_vec(), &mut host_q, &mut self.host_scratch).unwrap();
        [(download(&space, &q), report), (download(&space, &plain_q), plain_report), (host_q, host_report)]
    }
}

/// Equal in every field, NaN included.
fn equal(found: &Report, expected: &Report, what: &str) {
    assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{what}");
}

/// Whether a report of the device is that of the host up to rounding.
fn alike(found: &Report, expected: &Report, tolerance: f64, what: &str) {
    assert_eq!((found.ending, found.products), (expected.ending, expected.products), "{what}");
    let close = |found: f64, expected: f64, size: f64| (found - expected).abs() <= tolerance * size;
    match (found.curvature, expected.curvature) {
        (Some((low, high)), Some((lower, higher))) => {
            let size = lower.abs().max(higher.abs());
            assert!(close(low, lower, size) && close(high, higher, size), "{what}: {low}, {high}; {lower}, {higher}");
        }
        (found, expected) => assert_eq!(found, expected, "{what}"),
    }
    let (residual, other) = (found.residual.unwrap(), expected.residual.unwrap());
    assert!(close(residual, other, 1.0 + other), "{what}: residual {residual:e} instead of {other:e}");
}

fn cg(iterations: usize, tolerance: f64) -> Solve {
    Inverse::Cg { iterations, tolerance }.into()
}

/// n, the positive eigenvalues, the condition number.
const SPECTRA: [(usize, usize, f64); 7] = [
    (1, 1, 1.0),
    (2, 2, 5.0),
    (3, 3, 10.0),
    (19, 19, 30.0),
    (33, 33, 3.0),
    // Singular, with b in the range or not; the residual goes up and down.
    (19, 12, 10.0),
    (24, 24, 1e5),
];

fn steps_of_quadratics<T: Scalar>(device: &Device, tolerance: f64) -> Vec<Ending> {
    let mut rng = Rng(51);
    let (mut endings, mut compared) = (Vec::new(), 0);
    for spectrum in SPECTRA {
        let (n, rank, cond) = spectrum;
        let oracle = Oracle::semidefinite(&mut rng, n, rank, cond, 1.5);
        let here = quadratic::<T>(n, &oracle.matrix());
        let there = Quadratic::copy_of(device, here.clone()).unwrap();
        let mut pair = Pair::new(&there, &here, &[T::ZERO], &vec![T::ZERO; n]);
        let any = rng.normals(n);
        let within = oracle.filter(|value| f64::from(value != 0.0), &any);
        for b in [any, within] {
            let b: Vec<T> = crate::common::cast(&b);
            for limit in [0.0, 1e-3] {
                for iterations in (0..12).chain([15, 16, 17, 24, 33, 70]) {
                    let what = format!("{spectrum:?}, {iterations} steps, tolerance {limit}");
                    let start = vec![T::from_f64(f64::NAN); n];
                    let [(q, report), (plain_q, plain), (host_q, host)] =
                        pair.solves(&cg(iterations, limit), &b, &start);
                    assert_eq!(q, plain_q, "{what}");
                    equal(&report, &plain, &what);
                    endings.push(report.ending);
                    // As many steps as eigenvalues end in exact arithmetic: what follows is rounding, and not alike.
                    let exact = if cond > 100.0 { 8 } else { rank };
                    if T::EPSILON < 1e-10 && (iterations < exact || limit > 0.0 && rank == n && cond < 100.0) {
                        compared += 1;
                        alike(&report, &host, tolerance, &what);
                        let error = distance(&q, &host_q) / (1e-300 + norm(&host_q));
                        assert!(error <= tolerance || norm(&host_q) == 0.0 && norm(&q) == 0.0, "{what}: {error:e}");
                    }
                }
            }
        }
    }
    assert!(T::EPSILON > 1e-10 || compared >= 200, "{compared} of {}", endings.len());
    endings
}

#[test]
fn steps_on_quadratics() {
    if !inside(Driver::Simulated, "cg::steps_on_quadratics", &[]) {
        return;
    }
    let device = device();
    for endings in [steps_of_quadratics::<f64>(&device, 1e-8), steps_of_quadratics::<f32>(&device, f64::NAN)] {
        for ending in [Ending::Completed, Ending::Converged, Ending::Singular] {
            assert!(endings.contains(&ending), "{ending:?}");
        }
    }
}

/// What stands around the steps: warm starts, refinement, two runs one after the other, several blocks.
fn options<T: Scalar>(device: &Device, tolerance: f64) {
    let mut rng = Rng(52);
    for (n, rank) in [(19, 19), (19, 12), (1100, 1100)] {
        let a = if n < 100 {
            Oracle::semidefinite(&mut rng, n, rank, 20.0, 1.5).matrix()
        } else {
            let half = rng.normals(n);
            let entry = |i: usize, j: usize| {
                half[i] * half[j] / n as f64 + if i == j { 1.0 + i as f64 / n as f64 } else { 0.0 }
            };
            (0..n * n).map(|k| entry(k / n, k % n)).collect()
        };
        let here = quadratic::<T>(n, &a);
        let there = Quadratic::copy_of(device, here.clone()).unwrap();
        let mut pair = Pair::new(&there, &here, &[T::ZERO], &vec![T::ZERO; n]);
        let [b, start] = [(); 2].map(|()| crate::common::cast::<T>(&rng.normals(n)));
        let few = if n < 100 { 30 } else { 12 };
        let mut cases = vec![
            (Solve { start_from_last: true, ..cg(11, 1e-5) }, true),
            (Solve { start_from_last: true, ..cg(few, 1e-3) }, true),
            (Solve { verify: false, ..cg(10, 0.0) }, true),
        ];
        if n < 100 {
            cases.push((Solve { refine: 2, ..cg(40, 1e-4) }, rank == n));
            cases.push((Inverse::CgTwice { tolerance: 1e-6, max_products: 60 }.into(), rank == n));
        }
        for (how, settled) in cases {
            let what = format!("n {n}, rank {rank}: {how:?}");
            let [(q, report), (plain_q, plain), (host_q, host)] = pair.solves(&how, &b, &start);
            assert_eq!(q, plain_q, "{what}");
            equal(&report, &plain, &what);
            if settled && T::EPSILON < 1e-10 {
                assert_eq!((report.ending, report.products), (host.ending, host.products), "{what}");
                let error = distance(&q, &host_q) / norm(&host_q);
                assert!(error <= tolerance, "{what}: {error:e}");
            }
        }
    }
}

#[test]
fn options_of_a_solve() {
    if inside(Driver::Simulated, "cg::options_of_a_solve", &[]) {
        let device = device();
        options::<f64>(&device, 1e-8);
        options::<f32>(&device, f64::NAN);
    }
}

#[test]
fn steps_on_networks() {
    if !inside(Driver::Simulated, "cg::steps_on_networks", &[]) {
        return;
    }
    let (device, mut rng) = (device(), Rng(53));
    let model = Model::new(&[3, 6, 5, 2], Activation::Tanh, Loss::CrossEntropy).unwrap();
    let examples = |rng: &mut Rng, n: usize| {
        let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
        Examples { design: rng.normals(3 * n), features: 3, targets: one_hot(&labels, 2).unwrap() }
    };
    let w = rng.normals(model.parameters());
    let b = rng.normals(w.len());
    let mut endings = Vec::new();
    // Definite with a penalty of e, indefinite with one of e⁻⁵.
    for (kind, level) in [
        (OuterParameters::LogL2(Groups::PerLayer), 1.0),
        (OuterParameters::LogL2(Groups::PerLayer), -5.0),
        (OuterParameters::LogL2(Groups::PerParameter), 1.0),
        (OuterParameters::ProximalCentre { weight: 3.0 }, 0.0),
    ] {
        let (inner, outer) = (examples(&mut rng, 7), examples(&mut rng, 5));
        let here = blo::problem::mlp::Mlp::new(model.clone(), kind, inner, outer, Reduction::Mean, 0.1).unwrap();
        let there = Mlp::copy_of(&device, &here).unwrap();
        // Twice, with another u: what depends on it is not taken from the record.
        for shift in [0.0, 0.5] {
            let u: Vec<f64> =
                rng.normals(Space::<f64>::len(here.outer_space())).iter().map(|u| 0.2 * u + level + shift).collect();
            let mut pair = Pair::new(&there, &here, &u, &w);
            for round in 0..2 {
                for iterations in [1, 7, 8, 9, 17, 25] {
                    let what = format!("{kind:?}, {iterations} steps, round {round}");
                    let [(q, report), (plain_q, plain), (host_q, host)] =
                        pair.solves(&cg(iterations, 1e-6), &b, &vec![f64::NAN; w.len()]);
                    assert_eq!(q, plain_q, "{what}");
                    equal(&report, &plain, &what);
                    alike(&report, &host, 1e-9, &what);
                    assert!(distance(&q, &host_q) <= 1e-9 * norm(&host_q), "{what}");
                    endings.push(report.ending);
                }
            }
        }
    }
    for ending in [Ending::Completed, Ending::Converged, Ending::NegativeCurvature] {
        assert!(endings.contains(&ending), "{endings:?}");
    }
}

/// A workspace's record stands for the u at hand: linearized anew, the same workspace solves with the new penalties.
#[test]
fn a_record_is_of_its_penalties() {
    if !inside(Driver::Simulated, "cg::a_record_is_of_its_penalties", &[]) {
        return;
    }
    let (device, mut rng) = (device(), Rng(54));
    let model = Model::new(&[3, 4, 2], Activation::Tanh, Loss::SquaredError).unwrap();
    let data =
        |rng: &mut Rng, n: usize| Examples { design: rng.normals(3 * n), features: 3, targets: rng.normals(2 * n) };
    let (inner, outer) = (data(&mut rng, 5), data(&mut rng, 4));
    let kind = OuterParameters::LogL2(Groups::PerLayer);
    let here = blo::problem::mlp::Mlp::new(model.clone(), kind, inner, outer, Reduction::Mean, 0.0).unwrap();
    let there = Mlp::copy_of(&device, &here).unwrap();
    let (w, b) = (rng.normals(model.parameters()), rng.normals(model.parameters()));
    let mut pair = Pair::new(&there, &here, &[2.0, 2.0], &w);
    // The same vectors each time, so that all else that a record depends on is as it was.
    let (space, how) = (there.inner_space(), cg(17, 1e-9));
    let (on_b, mut q, mut host_q) = (upload(space, &b), Space::<f64>::zeros(space), b.clone());
    for u in [[2.0, 2.0], [2.5, 1.5], [2.0, 2.0]] {
        there.linearize(&mut pair.at, &upload(there.outer_space(), &u), &upload(space, &w)).unwrap();
        here.linearize(&mut pair.host, &u.to_vec(), &w).unwrap();
        for _ in 0..3 {
            let report = there.solve(&mut pair.at, &how, &on_b, &mut q, &mut pair.scratch).unwrap();
            let host = &mut Hessian::new(&here, &mut pair.host);
            let expected = solve(host, &how, &b, &mut host_q, &mut pair.host_scratch).unwrap();
            alike(&report, &expected, 1e-9, &format!("{u:?}"));
            assert!(distance(&download(space, &q), &host_q) <= 1e-9 * norm(&host_q), "{u:?}");
        }
    }
}

/// Calls of the simulated driver that waited for the device.
fn waits() -> u64 {
    let mut count = 0;
    // SAFETY: the library is loaded, its function has this signature, and the place is a number's.
    unsafe {
        let library = cudarc::driver::sys::culib();
        let waits = library.get::<unsafe extern "C" fn(*mut u64) -> u32>(b"ptxsim_waits").unwrap();
        assert_eq!(waits(&mut count), 0);
    }
    count
}

#[test]
fn the_host_waits_once_for_eight_steps() {
    // A setting, so that it is always the simulated driver's count.
    if !inside(Driver::Simulated, "cg::the_host_waits_once_for_eight_steps", &[("PTXSIM_SMS", "4")]) {
        return;
    }
    let (device, mut rng) = (device(), Rng(55));
    let n = 70;
    let here = quadratic::<f64>(n, &Oracle::semidefinite(&mut rng, n, n, 1e6, 1.0).matrix());
    let there = Quadratic::copy_of(&device, here).unwrap();
    let (mut at, mut scratch) = (there.workspace(), Workspace::new());
    let (b, mut q) = (upload(there.inner_space(), &rng.normals(n)), there.inner_space().zeros());
    let mut of = |iterations: usize, plain: bool| {
        let (how, before) = (Solve { verify: false, ..cg(iterations, 0.0) }, waits());
        let report = if plain {
            solve(&mut Plain(Hessian::new(&there, &mut at)), &how, &b, &mut q, &mut scratch).unwrap()
        } else {
            there.solve(&mut at, &how, &b, &mut q, &mut scratch).unwrap()
        };
        assert_eq!(report.products, iterations, "{report:?}");
        (waits() - before) as usize
    };
    // Vectors of the workspace are made by the first.
    of(1, false);
    for iterations in [0, 1, 7, 8, 9, 16, 17, 40, 64] {
        // ‖b‖, ‖r‖ and what a run begins with.
        assert_eq!(of(iterations, false), 3 + iterations.div_ceil(8), "{iterations} steps");
        assert_eq!(of(iterations, true), 2 + 3 * iterations, "{iterations} steps with their scalars on the host");
    }
}

#[test]
fn two_devices_record_and_allocate_at_once() {
    if !inside(Driver::Simulated, "cg::two_devices_record_and_allocate_at_once", &[]) {
        return;
    }
    let n = 12;
    let here = quadratic::<f64>(n, &Oracle::semidefinite(&mut Rng(56), n, n, 100.0, 1.0).matrix());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            // Each has a stream, and records and allocates on it when it likes.
            scope.spawn(|| {
                let device = device();
                let there = Quadratic::copy_of(&device, here.clone()).unwrap();
                let mut first = None;
                for _ in 0..25 {
                    let (mut at, mut scratch) = (there.workspace(), Workspace::new());
                    let (b, mut q) = (upload(there.inner_space(), &[1.0; 12]), there.inner_space().zeros());
                    there.solve(&mut at, &cg(20, 0.0), &b, &mut q, &mut scratch).unwrap();
                    let q = download(there.inner_space(), &q);
                    assert_eq!(first.get_or_insert_with(|| q.clone()), &q);
                }
            });
        }
    });
}
