//! blo's side of `compare.py`: reads a request a line from standard input, runs its workload, and answers with a line of times.
//!
//! A request names the operation, its sizes and a folder of arrays (little-endian, no header); the answer is `{"seconds": [...]}`,
//! one number for each repetition, or `{"error": "..."}`. What was computed goes to the request's result file. One repetition
//! that is not counted comes first, and so do reading, building, and what the operation says is not timed.
#![allow(missing_docs)]

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::cpu::{self, Form, Simd};
use blo::hypergradient::{self, Unrolled};
use blo::optimize::Rule;
use blo::problem::mlp::{Activation, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, InnerTerms, OuterTerms, Problem, Quadratic, Reduction, SolveWorkspace};
use blo::solve::{Ending, OnGrowth, Solve, Step};
use blo::{Inverse, Scalar};
use serde_json::{Value, json};
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

type Answer<T> = Result<T, Box<dyn std::error::Error>>;

struct Request(Value);

impl Request {
    fn text(&self, key: &str) -> Answer<&str> {
        self.0[key].as_str().ok_or_else(|| format!("{key}: no string").into())
    }

    fn count(&self, key: &str) -> Answer<usize> {
        self.0[key].as_u64().map(|count| count as usize).ok_or_else(|| format!("{key}: no count").into())
    }

    fn number(&self, key: &str) -> Answer<f64> {
        self.0[key].as_f64().ok_or_else(|| format!("{key}: no number").into())
    }

    fn array<T: Scalar>(&self, name: &str) -> Answer<Vec<T>> {
        let path = Path::new(self.text("folder")?).join(format!("{name}.bin"));
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut values = vec![T::ZERO; bytes.len() / size_of::<T>()];
        if values.len() * size_of::<T>() != bytes.len() {
            return Err(format!("{}: {} bytes", path.display(), bytes.len()).into());
        }
        bytemuck::cast_slice_mut::<T, u8>(&mut values).copy_from_slice(&bytes);
        Ok(values)
    }

    /// The seconds of each repetition.
    fn time(&self, mut operation: impl FnMut() -> blo::Result<()>) -> Answer<Vec<f64>> {
        operation()?;
        let mut seconds = Vec::with_capacity(self.count("repeat")?);
        for _ in 0..seconds.capacity() {
            let start = Instant::now();
            operation()?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    }

    fn network<T: Scalar>(&self) -> Answer<Mlp<T>> {
        let widths = self.0["widths"].as_array().ok_or("widths: no list")?;
        let widths: Vec<usize> = widths.iter().filter_map(|width| width.as_u64()).map(|width| width as usize).collect();
        let features = *widths.first().ok_or("widths: empty")?;
        let (kind, design) = match self.text("outer_parameters")? {
            "inputs" => (OuterParameters::Inputs, Vec::new()),
            "weights" => (OuterParameters::ExampleWeightLogits, self.array("x")?),
            other => return Err(format!("outer_parameters: {other}").into()),
        };
        let inner = Examples { design, features, targets: self.array("targets")? };
        let outer = Examples { design: self.array("outer_x")?, features, targets: self.array("outer_targets")? };
        let model = Model::new(&widths, Activation::Relu, Loss::CrossEntropy)?;
        Ok(Mlp::new(model, kind, inner, outer, Reduction::Mean, 0.0)?)
    }

    fn series(&self) -> Answer<Solve> {
        let (terms, step) = (self.count("terms")?, Step::Fixed(self.number("alpha")?));
        let inverse = Inverse::Neumann { terms, step, on_growth: OnGrowth::Continue };
        Ok(Solve { verify: false, ..inverse.into() })
    }
}

/// The seconds of each repetition, and the result of the last.
fn run<T: Scalar>(request: &Request) -> Answer<(Vec<f64>, Vec<T>)> {
    match request.text("operation")? {
        "hvp" => hvp(request, false),
        "linearize and hvp" => hvp(request, true),
        "gradient" => gradient(request),
        "neumann" => neumann(request),
        "warm step" => warm_step(request),
        "quadratic" => quadratic(request),
        "product" => product(request),
        other => Err(format!("operation: {other}").into()),
    }
}

fn hvp<T: Scalar>(request: &Request, linearize: bool) -> Answer<(Vec<f64>, Vec<T>)> {
    let (problem, u, w) = (request.network::<T>()?, request.array("u")?, request.array("w")?);
    let v = request.array("v")?;
    let (mut workspace, mut out) = (problem.workspace(), vec![T::ZERO; w.len()]);
    problem.linearize(&mut workspace, &u, &w)?;
    let seconds = request.time(|| {
        if linearize {
            problem.linearize(&mut workspace, black_box(&u), black_box(&w))?;
        }
        problem.hvp(&mut workspace, black_box(&v), &mut out)
    })?;
    Ok((seconds, out))
}

/// f and its gradient in w.
fn gradient<T: Scalar>(request: &Request) -> Answer<(Vec<f64>, Vec<T>)> {
    let (problem, u, w) = (request.network::<T>()?, request.array("u")?, request.array("w")?);
    let (mut workspace, mut out, mut value) = (problem.workspace(), vec![T::ZERO; w.len()], 0.0);
    let seconds = request.time(|| {
        value = problem.inner(&mut workspace, black_box(&u), black_box(&w), &mut out)?;
        Ok(())
    })?;
    out.insert(0, T::from_f64(value));
    Ok((seconds, out))
}

/// q from b, at a linearization.
fn neumann<T: Scalar>(request: &Request) -> Answer<(Vec<f64>, Vec<T>)> {
    let (problem, u, w) = (request.network::<T>()?, request.array("u")?, request.array("w")?);
    let (b, solve) = (request.array("v")?, request.series()?);
    let (mut workspace, mut q) = (problem.workspace(), vec![T::ZERO; w.len()]);
    let mut scratch = SolveWorkspace::<T, Mlp<T>>::new();
    problem.linearize(&mut workspace, &u, &w)?;
    let mut ending = Ending::Completed;
    let seconds = request.time(|| {
        ending = problem.solve(&mut workspace, &solve, black_box(&b), &mut q, &mut scratch)?.ending;
        Ok(())
    })?;
    if ending != Ending::Completed {
        return Err(format!("the series ended {ending:?}").into());
    }
    Ok((seconds, q))
}

/// Algorithm 2 with K = T = 1: the hypergradient at the look-ahead, Adam on u, a step of gradient descent on w. From (u, w), one
/// step for each repetition; the result is u and w after the last.
fn warm_step<T: Scalar>(request: &Request) -> Answer<(Vec<f64>, Vec<T>)> {
    let (problem, u, w) = (request.network::<T>()?, request.array("u")?, request.array("w")?);
    let (alpha, beta) = (request.number("alpha")?, request.number("beta")?);
    let estimator = Unrolled::descent(1, alpha);
    let inner = InnerSolve::descent(alpha, 1);
    let mut settings =
        Settings::new(Start::Warm, inner, hypergradient::Estimator::Unrolled(estimator), Rule::adam(beta));
    settings.outer_steps = request.count("repeat")? + 1;
    let mut runner = Runner::new(&problem, settings, &u, &w)?;
    let mut steps = 0;
    let seconds = request.time(|| {
        steps += usize::from(runner.outer_step()?.is_some());
        Ok(())
    })?;
    if steps != seconds.len() + 1 {
        return Err(format!("the run ended after {steps} steps").into());
    }
    Ok((seconds, [&runner.u()[..], &runner.w()[..]].concat()))
}

/// The hypergradient: ∂F/∂w, the series, and the mixed product.
fn quadratic<T: Scalar>(request: &Request) -> Answer<(Vec<f64>, Vec<T>)> {
    let (u, w): (Vec<T>, Vec<T>) = (request.array("u")?, request.array("w")?);
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| request.array(name));
    let inner = InnerTerms { a: a?, b: b?, c: c?, d: d?, e: e?, constant: T::ZERO };
    let outer = OuterTerms { p: request.array("p")?, f: request.array("f")?, h: T::ZERO };
    let problem = Quadratic::new(w.len(), u.len(), inner, outer)?;
    let estimator = request.series()?.into();
    let mut workspace = hypergradient::Workspace::new(&problem);
    let seconds = request.time(|| {
        hypergradient::evaluate(&problem, &estimator, black_box(&u), black_box(&w), &mut workspace)?;
        Ok(())
    })?;
    Ok((seconds, workspace.gradient().clone()))
}

/// A square product: what the machine gives to large ones.
fn product<T: Scalar>(request: &Request) -> Answer<(Vec<f64>, Vec<T>)> {
    let (a, b): (Vec<T>, Vec<T>) = (request.array("a")?, request.array("b")?);
    let (n, mut out) = (request.count("size")?, vec![T::ZERO; a.len()]);
    let seconds = request.time(|| {
        cpu::gemm(Simd::best(), Form::Ab, [n; 3], black_box(&a), black_box(&b), false, &mut out);
        Ok(())
    })?;
    Ok((seconds, out))
}

fn answer(line: &str) -> Answer<Value> {
    fn save<T: Scalar>(request: &Request) -> Answer<Value> {
        let (seconds, result) = run::<T>(request)?;
        std::fs::write(request.text("result")?, bytemuck::cast_slice::<T, u8>(&result))?;
        Ok(json!({ "seconds": seconds }))
    }
    let request = Request(serde_json::from_str(line)?);
    match request.text("dtype")? {
        "f32" => save::<f32>(&request),
        "f64" => save::<f64>(&request),
        other => Err(format!("dtype: {other}").into()),
    }
}

fn main() -> std::io::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
