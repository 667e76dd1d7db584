//! The same bits with every number of threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::cpu::{self, Form, Simd};
use blo::hypergradient::{Estimator, Unrolled};
use blo::optimize::Rule;
use blo::problem::mlp::{Activation, Init, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, SolveWorkspace, one_hot};
use blo::solve::{OnGrowth, Step};
use blo::{Inverse, Scalar};
use common::{Rng, cast};
use std::fmt::Debug;

/// What `f` returns on 1, 2, 3 and 4 threads, and on rayon's own.
fn same_bits<R: PartialEq + Debug + Send>(f: impl Fn() -> R + Sync) -> R {
    let expected = f();
    for threads in 1..=4 {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(&f) == expected, "{threads} threads");
    }
    expected
}

fn kernels<T: Scalar>() {
    let mut rng = Rng(11);
    for simd in Simd::available() {
        for [m, n, k] in [[300, 200, 150], [70, 500, 260], [2000, 10, 64], [130, 131, 600]] {
            let (a, b) = (cast::<T>(&rng.normals(m * k)), cast::<T>(&rng.normals(k * n)));
            for form in [Form::Ab, Form::Abt, Form::Atb] {
                same_bits(|| {
                    let mut c = vec![T::ZERO; m * n];
                    cpu::gemm(simd, form, [m, n, k], &a, &b, false, &mut c);
                    c
                });
            }
        }
        let len = 300_001;
        let [x, y, z] = [(); 3].map(|()| cast::<T>(&rng.normals(len)));
        same_bits(|| {
            let (mut p, mut q) = (y.clone(), z.clone());
            let square = cpu::neumann_update(simd, T::from_f64(0.3), &x, &mut p, &mut q);
            cpu::axpy(simd, T::from_f64(0.7), &x, &mut q);
            cpu::multiply(simd, &mut p, &q);
            let mut out = vec![T::ZERO; len];
            cpu::product(simd, &p, &x, &mut out);
            (square, cpu::dot(simd, &p, &q), out)
        });
    }
}

#[test]
fn kernels_give_the_same_bits() {
    kernels::<f32>();
    kernels::<f64>();
}

fn network<T: Scalar>(kind: OuterParameters, rows: usize, outer_rows: usize) -> (Mlp<T>, Vec<T>, Vec<T>) {
    let mut rng = Rng(5);
    let (d, c) = (60, 7);
    let model = Model::new(&[d, 130, 90, c], Activation::Relu, Loss::CrossEntropy).unwrap();
    let mut examples = |rows: usize| Examples {
        design: cast::<T>(&rng.normals(rows * d)),
        features: d,
        targets: one_hot(&(0..rows).map(|i| i % c).collect::<Vec<_>>(), c).unwrap(),
    };
    let (inner, outer) = (examples(rows), examples(outer_rows));
    let w = model.initial(Init::He, 1);
    let problem = Mlp::new(model, kind, inner, outer, Reduction::Mean, 0.01).unwrap();
    let u = cast(&rng.normals(blo::solve::Space::<T>::len(problem.outer_space())));
    (problem, u, w)
}

fn networks<T: Scalar>(rows: usize, outer_rows: usize, kind: OuterParameters) {
    let (problem, u, w) = network::<T>(kind, rows, outer_rows);
    let v: Vec<T> = cast(&Rng(9).normals(w.len()));
    let series = Inverse::Neumann { terms: 4, step: Step::Fixed(0.05), on_growth: OnGrowth::Continue };
    let zeros = |len: usize| vec![T::ZERO; len];
    same_bits(|| {
        let mut ws = problem.workspace();
        let [mut gradient, mut hv, mut of_w, mut q] = [(); 4].map(|()| zeros(w.len()));
        let (mut of_u, mut mixed) = (zeros(u.len()), zeros(u.len()));
        let f = problem.inner(&mut ws, &u, &w, &mut gradient).unwrap();
        let outer = problem.outer(&mut ws, &u, &w, &mut of_u, &mut of_w).unwrap();
        problem.linearize(&mut ws, &u, &w).unwrap();
        problem.hvp(&mut ws, &v, &mut hv).unwrap();
        problem.mixed_vjp(&mut ws, &v, &mut mixed).unwrap();
        let mut scratch = SolveWorkspace::<T, Mlp<T>>::new();
        problem.solve(&mut ws, &series.into(), &v, &mut q, &mut scratch).unwrap();
        ([f, outer], [gradient, hv, of_w, q, mixed])
    });
    // One step may take the short way.
    let steps = if rows < 10 { 1 } else { 2 };
    same_bits(|| {
        let estimator = Estimator::Unrolled(Unrolled::descent(steps, 0.05));
        let mut settings = Settings::new(Start::Warm, InnerSolve::descent(0.05, steps), estimator, Rule::adam(0.01));
        settings.outer_steps = 3;
        let mut runner = Runner::new(&problem, settings, &u, &w).unwrap();
        for _ in 0..3 {
            runner.outer_step().unwrap();
        }
        (runner.u().clone(), runner.w().clone())
    });
}

#[test]
fn networks_give_the_same_bits() {
    networks::<f32>(300, 600, OuterParameters::Inputs);
    networks::<f64>(300, 600, OuterParameters::ExampleWeightLogits);
    networks::<f32>(3, 2000, OuterParameters::Inputs);
}

#[test]
fn on_each_set_of_instructions() {
    common::with_each_set_of_instructions("on_each_set_of_instructions");
}
