//! blo on a GPU: limits of the device, and the workloads of `peers/gpu_compare.py`, for which this is blo's side.
//!
//! Reads a request a line from standard input, as `peers/blo_worker.rs` does: `{"operation", "dtype", "folder", "repeat", "result",
//! ...}`, with arrays as little-endian files in the folder; answers with `{"seconds": [...]}`, one for each repetition, up to the
//! end of the device's work. With `"tensor_cores": true` f32 products are taken there. `{"operation": "limits"}` answers with the device's name and rates. `cargo bench --bench gpu -- --test`
//! runs each operation once at a small size, where there is a device.
#![allow(missing_docs)]

use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::cuda::{Buffer, Capability, Device, DeviceSpace, Mlp, Network, probe};
use blo::hypergradient::{Estimator, Unrolled};
use blo::problem::mlp::{Activation, Loss, OuterParameters};
use blo::problem::{Examples, Problem, Reduction, SolveWorkspace};
use blo::solve::{Ending, OnGrowth, Solve, Space, Step};
use blo::{Inverse, Rule, Scalar};
use cudarc::driver::sys;
use serde_json::{Value, json};
use std::ffi::c_void;
use std::io::{BufRead, Write};
use std::path::Path;
use std::ptr;
use std::time::Instant;

type Answer<T> = Result<T, Box<dyn std::error::Error>>;

struct Request<'a> {
    fields: Value,
    device: &'a Device,
}

impl Request<'_> {
    fn text(&self, key: &str) -> Answer<&str> {
        self.fields[key].as_str().ok_or_else(|| format!("{key}: no string").into())
    }

    fn count(&self, key: &str) -> Answer<usize> {
        self.fields[key].as_u64().map(|count| count as usize).ok_or_else(|| format!("{key}: no count").into())
    }

    fn number(&self, key: &str) -> Answer<f64> {
        self.fields[key].as_f64().ok_or_else(|| format!("{key}: no number").into())
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

    fn upload<T: Scalar>(&self, space: &DeviceSpace, name: &str) -> Answer<Buffer<T>> {
        let mut buffer = space.zeros();
        space.load(&self.array(name)?, &mut buffer)?;
        Ok(buffer)
    }

    /// The seconds of each repetition, after one that is not counted.
    fn time(&self, mut operation: impl FnMut() -> blo::Result<()>) -> Answer<Vec<f64>> {
        let mut timed = || -> blo::Result<f64> {
            let start = Instant::now();
            operation()?;
            self.device.synchronize()?;
            Ok(start.elapsed().as_secs_f64())
        };
        timed()?;
        Ok((0..self.count("repeat")?).map(|_| timed()).collect::<blo::Result<_>>()?)
    }

    fn network<T: Scalar>(&self) -> Answer<Mlp<T>> {
        let widths = self.fields["widths"].as_array().ok_or("widths: no list")?;
        let widths: Vec<usize> = widths.iter().filter_map(|width| width.as_u64()).map(|width| width as usize).collect();
        let features = *widths.first().ok_or("widths: empty")?;
        let (kind, design) = match self.text("outer_parameters")? {
            "inputs" => (OuterParameters::Inputs, Vec::new()),
            "weights" => (OuterParameters::ExampleWeightLogits, self.array("x")?),
            other => return Err(format!("outer_parameters: {other}").into()),
        };
        let inner = Examples { design, features, targets: self.array("targets")? };
        let outer = Examples { design: self.array("outer_x")?, features, targets: self.array("outer_targets")? };
        let network = Network { widths: &widths, activation: Activation::Relu, loss: Loss::CrossEntropy };
        Ok(Mlp::new(self.device, network, kind, inner, outer, Reduction::Mean, 0.0)?)
    }
}

fn download<T: Scalar>(space: &DeviceSpace, from: &Buffer<T>) -> Answer<Vec<T>> {
    let mut values = vec![T::ZERO; from.len()];
    space.store(from, &mut values)?;
    Ok(values)
}

/// The seconds of each repetition, and the result of the last.
fn run<T: Scalar>(request: &Request<'_>) -> Answer<(Vec<f64>, Vec<T>)> {
    let problem = request.network::<T>()?;
    let (outer, inner) = (problem.outer_space(), problem.inner_space());
    let (u, w) = (request.upload::<T>(outer, "u")?, request.upload::<T>(inner, "w")?);
    let mut workspace = problem.workspace();
    let mut out = inner.zeros();
    match request.text("operation")? {
        operation @ ("hvp" | "linearize and hvp") => {
            let v = request.upload(inner, "v")?;
            problem.linearize(&mut workspace, &u, &w)?;
            let seconds = request.time(|| {
                if operation != "hvp" {
                    problem.linearize(&mut workspace, &u, &w)?;
                }
                problem.hvp(&mut workspace, &v, &mut out)
            })?;
            Ok((seconds, download(inner, &out)?))
        }
        "gradient" => {
            let mut value = 0.0;
            let seconds = request.time(|| {
                value = problem.inner(&mut workspace, &u, &w, &mut out)?;
                Ok(())
            })?;
            let mut result = download(inner, &out)?;
            result.insert(0, T::from_f64(value));
            Ok((seconds, result))
        }
        "neumann" => {
            let (b, step) = (request.upload(inner, "v")?, Step::Fixed(request.number("alpha")?));
            let inverse = Inverse::Neumann { terms: request.count("terms")?, step, on_growth: OnGrowth::Continue };
            let solve = Solve { verify: false, ..inverse.into() };
            let mut scratch = SolveWorkspace::<T, Mlp<T>>::new();
            problem.linearize(&mut workspace, &u, &w)?;
            let mut ending = Ending::Completed;
            let seconds = request.time(|| {
                ending = problem.solve(&mut workspace, &solve, &b, &mut out, &mut scratch)?.ending;
                Ok(())
            })?;
            if ending != Ending::Completed {
                return Err(format!("the series ended {ending:?}").into());
            }
            Ok((seconds, download(inner, &out)?))
        }
        "warm step" => {
            let (alpha, beta) = (request.number("alpha")?, request.number("beta")?);
            let estimator = Estimator::Unrolled(Unrolled::descent(1, alpha));
            let mut settings = Settings::new(Start::Warm, InnerSolve::descent(alpha, 1), estimator, Rule::adam(beta));
            settings.outer_steps = request.count("repeat")? + 1;
            let mut runner = Runner::new(&problem, settings, &request.array("u")?, &request.array("w")?)?;
            let mut steps = 0;
            let seconds = request.time(|| {
                steps += usize::from(runner.outer_step()?.is_some());
                Ok(())
            })?;
            if steps != seconds.len() + 1 {
                return Err(format!("the run ended after {steps} steps").into());
            }
            Ok((seconds, [download(outer, runner.u())?, download(inner, runner.w())?].concat()))
        }
        other => Err(format!("operation: {other}").into()),
    }
}

const CHAINS: usize = 32;
const UNROLLED: usize = 8;

/// Independent chains of multiply-adds in each thread: the rate of f32 in registers.
fn fma_text() -> String {
    let mut body = String::new();
    for chain in 0..CHAINS {
        body += &format!(
            "cvt.rn.f32.u32 %x{chain}, %t;\nadd.rn.f32 %x{chain}, %x{chain}, 0f{:08x};\n",
            (chain as f32).to_bits()
        );
    }
    body += "ROUND:\n";
    for _ in 0..UNROLLED {
        for chain in 0..CHAINS {
            body += &format!("fma.rn.f32 %x{chain}, %x{chain}, 0f3F7FFF58, 0f3F800000;\n");
        }
    }
    let mut sum = String::new();
    for chain in 1..CHAINS {
        sum += &format!("add.rn.f32 %x0, %x0, %x{chain};\n");
    }
    format!(
        ".version 6.3\n.target sm_70\n.address_size 64\n.visible .entry fma(.param .u64 out, .param .u32 rounds) {{
.reg .f32 %x<{CHAINS}>;\n.reg .u32 %t, %i, %b, %n;\n.reg .u64 %a, %o;\n.reg .pred %p;
ld.param.u64 %o, [out];\nld.param.u32 %i, [rounds];\ncvta.to.global.u64 %o, %o;
mov.u32 %t, %tid.x;\nmov.u32 %b, %ctaid.x;\nmov.u32 %n, %ntid.x;\nmad.lo.u32 %t, %b, %n, %t;
{body}sub.u32 %i, %i, 1;\nsetp.ne.u32 %p, %i, 0;\n@%p bra ROUND;
{sum}mul.wide.u32 %a, %t, 4;\nadd.u64 %o, %o, %a;\nst.global.f32 [%o], %x0;\nret;\n}}\n"
    )
}

/// The rate of f32 multiply-adds, two operations each.
fn fma_rate(device: &Device, small: bool) -> Answer<f64> {
    let (blocks, rounds) = if small { (2_u32, 2_u32) } else { (132 * 32, 256) };
    let threads = 256;
    let check = |code: sys::CUresult| -> Answer<()> {
        if code == sys::CUresult::CUDA_SUCCESS { Ok(()) } else { Err(format!("driver: error {}", code as u32).into()) }
    };
    let space = DeviceSpace::new(device, (blocks * threads) as usize);
    let mut out = Space::<f32>::zeros(&space);
    let text = std::ffi::CString::new(fma_text())?;
    let (mut module, mut function) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: an open device's context is current on this thread; the text ends with a NUL, and the kernel has this name.
    unsafe {
        check(sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 0, ptr::null_mut(), ptr::null_mut()))?;
        check(sys::cuModuleGetFunction(&mut function, module, c"fma".as_ptr()))?;
    }
    let (mut address, mut rounds_left) = (out.address(), rounds);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        device.synchronize()?;
        let start = Instant::now();
        let mut arguments: [*mut c_void; 2] = [(&raw mut address).cast(), (&raw mut rounds_left).cast()];
        // SAFETY: the kernel takes an address and a count, and writes a number for each thread, for which there is room.
        unsafe {
            let (stream, arguments) = (ptr::null_mut(), arguments.as_mut_ptr());
            check(sys::cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, arguments, ptr::null_mut()))?;
            check(sys::cuStreamSynchronize(stream))?;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    // The chains go to a fixed point, 1 / (1 - factor), from which few rounds are still far.
    let found = download(&space, &out)?;
    if found.iter().any(|x| !x.is_finite() || *x <= 0.0) {
        return Err("the multiply-adds came out wrong".into());
    }
    space.scale(0.0, &mut out);
    // SAFETY: nothing of the module runs any more.
    unsafe { check(sys::cuModuleUnload(module))? };
    let done = 2.0 * CHAINS as f64 * UNROLLED as f64 * f64::from(rounds) * f64::from(blocks) * f64::from(threads);
    Ok(done / best)
}

/// What the device can do: multiply-adds, bytes to and from its memory, launches.
fn limits(request: &Request<'_>) -> Answer<Value> {
    let (device, small) = (request.device, request.fields["small"].as_bool().unwrap_or(false));
    let repeat = |count: usize, operation: &mut dyn FnMut()| -> Answer<f64> {
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            device.synchronize()?;
            let start = Instant::now();
            (0..count).for_each(|_| operation());
            device.synchronize()?;
            best = best.min(start.elapsed().as_secs_f64() / count as f64);
        }
        Ok(best)
    };
    let (large, launches) = if small { (1 << 12, 3) } else { (1 << 28, 1000) };
    let space = DeviceSpace::new(device, large);
    let (x, mut y) = (Space::<f32>::zeros(&space), Space::<f32>::zeros(&space));
    let bandwidth = 3.0 * 4.0 * large as f64 / repeat(3, &mut || space.axpy(1.0, &x, &mut y))?;
    let one = DeviceSpace::new(device, 1);
    let (x, mut y) = (Space::<f32>::zeros(&one), Space::<f32>::zeros(&one));
    let launch = repeat(launches, &mut || one.axpy(1.0, &x, &mut y))?;
    let round_trip = repeat(1, &mut || one.axpy(1.0, &x, &mut y))?;
    let (major, minor) = device.compute_capability();
    let Capability::Present { driver, .. } = probe() else { return Err("no device".into()) };
    Ok(json!({
        "device": device.name(), "compute_capability": format!("{major}.{minor}"), "driver": driver,
        "f32_per_second": fma_rate(device, small)?, "bytes_per_second": bandwidth,
        "launch_seconds": launch, "launch_and_wait_seconds": round_trip,
    }))
}

fn answer(device: &Device, line: &str) -> Answer<Value> {
    fn save<T: Scalar>(request: &Request<'_>) -> Answer<Value> {
        let (seconds, result) = run::<T>(request)?;
        std::fs::write(request.text("result")?, bytemuck::cast_slice::<T, u8>(&result))?;
        Ok(json!({ "seconds": seconds, "version": env!("CARGO_PKG_VERSION") }))
    }
    let request = Request { fields: serde_json::from_str(line)?, device };
    if request.text("operation")? == "limits" {
        return limits(&request);
    }
    device.set_tensor_cores(request.fields["tensor_cores"].as_bool().unwrap_or(false))?;
    match request.text("dtype")? {
        "f32" => save::<f32>(&request),
        "f64" => save::<f64>(&request),
        other => Err(format!("dtype: {other}").into()),
    }
}

fn main() -> Answer<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let device = match Device::open(0) {
        Err(blo::Error::NoDevice { reason }) if test => {
            println!("gpu: skipped: found {reason}");
            return Ok(());
        }
        device => device?,
    };
    if test {
        println!("{}", limits(&Request { fields: json!({ "small": true }), device: &device })?);
        return Ok(());
    }
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&device, &line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
