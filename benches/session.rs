//! What a product costs more through a session than through an operator: two switches between threads; and a solve: a thread.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use blo::Inverse;
use blo::solve::{FnOperator, Request, Session, Solve, Workspace, solve};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// H = I/2, so that a product costs next to nothing.
fn half(v: &[f64], out: &mut [f64]) {
    out.iter_mut().zip(v).for_each(|(out, v)| *out = 0.5 * v);
}

fn bench(c: &mut Criterion) {
    for n in [20, 2000, 200_000] {
        for products in [1, 1000] {
            let how = Solve { verify: false, ..Inverse::neumann(products, 0.001).into() };
            let b = vec![1.0; n];
            let mut group = c.benchmark_group(format!("session/{n}/{products}"));
            group.sample_size(10).throughput(Throughput::Elements(products as u64));
            let (mut q, mut workspace) = (b.clone(), Workspace::new());
            let mut op = FnOperator::new(n, |v: &[f64], out: &mut [f64]| {
                half(v, out);
                Ok(())
            });
            group.bench_function("operator", |bench| {
                bench.iter(|| solve(&mut op, &how, &b, &mut q, &mut workspace).unwrap())
            });
            let (mut session, mut answer) = (Session::new(n, how).unwrap(), b.clone());
            group.bench_function("session", |bench| {
                bench.iter(|| {
                    session.start(&b).unwrap();
                    let mut first = true;
                    loop {
                        match session.step((!std::mem::take(&mut first)).then_some(answer.as_slice())).unwrap() {
                            Request::Product(v) => half(v, &mut answer),
                            Request::Done { report, .. } => break report,
                        }
                    }
                })
            });
            group.finish();
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
