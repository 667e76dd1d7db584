//! Instructions and traffic of each kernel at a size of its own, counted by the simulator:
//! `cargo test --release --test kernels counts -- --ignored --nocapture`.

use crate::harness::{Kernels, Real};
use ptxsim::Arg;

struct Row<'a> {
    k: &'a mut Kernels,
    scalar: &'a str,
}

impl Row<'_> {
    /// `work`: elements, or multiplications, that an instruction of a thread is to be compared with.
    fn count(&mut self, operation: &str, what: &str, work: usize, grid: [usize; 2], args: &[Arg]) {
        self.k.launch(operation, [grid[0] as u32, grid[1] as u32, 1], args);
        let stats = &self.k.stats;
        let per = stats.thread_instructions as f64 / work as f64;
        let (read, written) = (stats.global_read, stats.global_written);
        let warps = stats.instructions;
        println!("| {operation} {} | {what} | {warps} | {per:.2} | {read} | {written} |", self.scalar);
    }
}

fn table<T: Real + From<f32>>() {
    let narrow = T::NAME == "f32";
    let families = ["vector", "cg", "examples", "gemm", "pass", "loss", "outer", "dense", "tensor"];
    let mut kernels = Kernels::of::<T>(&families[..8 + narrow as usize]);
    let n = 4096;
    let [x, y, z, s, e] =
        [0.5, 0.25, 1.0, 0.75, -0.5].map(|v| kernels.array::<T>(&vec![v; 256 * 256])).map(|a| a.arg());
    let partial = kernels.nans::<f64>(256).arg();
    let out = kernels.nans::<T>(256 * 256).arg();
    let numbers = [(); 2].map(|()| kernels.nans::<f64>(256).arg());
    let (len, one) = (Arg::U64(n as u64), T::from_f64(0.5).arg());
    let mut row = Row { k: &mut kernels, scalar: T::NAME };
    let each = [n / 256, 1];
    let a = |list: &[&Arg]| -> Vec<Arg> { list.iter().map(|arg| (*arg).clone()).collect() };
    println!("| kernel | size | warp instructions | thread instructions per unit | bytes read | written |");
    println!("| --- | --- | --- | --- | --- | --- |");
    row.count("axpy", "n 4096", n, each, &a(&[&one, &x, &y, &len]));
    row.count("dot", "n 4096", n, [4, 1], &a(&[&x, &y, &partial, &len]));
    row.count("neumann_update", "n 4096", n, [4, 1], &a(&[&one, &x, &y, &z, &partial, &len]));
    // A run in the middle of it.
    let run = [0.0, 4.0, 4.0, 1.0, 1.0, 2.0, 5.0, 0.3, 0.7, 1.0, 0.0, 1e-9, 1e-12, 1e9];
    let record = row.k.array::<f64>(&run).arg();
    let sums = row.k.array::<f64>(&[1.0; 8]).arg();
    let four = Arg::U64(4);
    row.count("cg_dots", "n 4096", n, [4, 1], &a(&[&record, &x, &y, &sums, &len]));
    row.count("cg_length", "4 blocks", 4, [1, 1], &a(&[&record, &sums, &four]));
    row.count("cg_residual", "n 4096", n, [4, 1], &a(&[&record, &x, &y, &sums, &len]));
    row.count("cg_judge", "4 blocks", 4, [1, 1], &a(&[&record, &sums, &four]));
    row.count("cg_update", "n 4096", n, each, &a(&[&record, &x, &y, &z, &s, &len]));
    let constants = [0.1, 0.9, 0.99, 1e-8, 0.1, 0.01].map(Arg::F64);
    row.count("adam", "n 4096", n, each, &[&constants[..], &a(&[&x, &y, &s, &z, &len])].concat());
    row.count("product", "n 4096", n, each, &a(&[&x, &y, &z, &len]));
    row.count("curve_term", "n 4096", n, each, &a(&[&x, &y, &s, &e, &x, &z, &len]));
    let u = |size: usize| Arg::U32(size as u32);
    let none = || Arg::U64(0);
    let [m, zero] = [u(128), u(0)];
    for form in ["ab", "abt", "atb"] {
        let mut args = a(&[&m, &m, &m, &x, &y, &out, &zero]);
        if form == "abt" {
            args.extend([none(), u(0), none(), none()]);
        }
        row.count(&format!("gemm_{form}"), "128 x 128 of 128", 128 * 128 * 128, [2, 2], &args);
        if narrow {
            row.count(&format!("tensor_{form}"), "128 x 128 of 128", 128 * 128 * 128, [2, 1], &args);
        }
    }
    for (code, name) in ["identity", "relu", "tanh", "softplus", "gelu", "silu"].iter().enumerate() {
        let mut args = a(&[&m, &m, &zero, &x, &y, &out, &zero, &x]);
        args.extend([u(code + 1), z.clone(), s.clone()]);
        row.count("gemm_abt", &format!("{name} alone, 128 x 128"), 128 * 128, [2, 2], &args);
    }
    let shape = [u(2), u(256), u(256)];
    let args = [&shape[..], &a(&[&x, &y, &out, &zero]), &[none(), u(0), none(), none()]].concat();
    row.count("few_abt", "2 x 256 of 256", 2 * 256 * 256, [32, 1], &args);
    row.count("few_ab", "2 x 256 of 256", 2 * 256 * 256, [8, 1], &args[..7]);
    let shape = [u(256), u(256), u(2)];
    row.count("few_atb", "256 x 256 of 2", 2 * 256 * 256, [256, 1], &[&shape[..], &args[3..7]].concat());
    let [rows, c] = [u(256), u(10)];
    let [v, w] = &numbers;
    row.count("loss", "256 x 10", 2560, [32, 1], &a(&[&zero, &x, &y, &e, &out, &z, v, w, &rows, &c]));
    row.count("curvature", "256 x 10", 2560, [32, 1], &a(&[&zero, &y, &s, &x, &x, &out, &rows, &c]));
    row.count("column_sums", "256 x 256", 256 * 256, [8, 1], &a(&[&x, &out, &rows, &rows, &zero]));
    row.count("matvec", "256 x 256", 256 * 256, [32, 1], &a(&[&rows, &rows, &x, &y, &out]));
    let args = a(&[&one, &rows, &x, &y, &s, &out, &partial]);
    row.count("symmetric_neumann", "256 x 256", 256 * 256, [32, 1], &args);
    row.count("exp", "n 4096", n, each, &a(&[&Arg::F64(0.0), &x, &out, &len]));
}

#[test]
#[ignore = "a table to look at"]
fn table_of_counts() {
    table::<f32>();
    table::<f64>();
}
