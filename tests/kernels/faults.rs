//! Mistakes planted in the kernels' texts: each is caught, by the simulator or by a comparison.

use crate::common::{Rng, distance, norm};
use crate::harness::{Kernels, text};
use blo::reference;
use ptxsim::{Arg, FaultKind, Ptr};

/// What a run with the mistake came to.
#[derive(Debug, PartialEq)]
enum Caught {
    By(FaultKind),
    Mismatch,
    Not,
}

struct Run {
    kernels: Kernels,
    outputs: Vec<(Ptr, Vec<f64>)>,
}

impl Run {
    fn new(family: &str, entry: &str, edits: &[(&str, &str)]) -> Run {
        let whole = text(family, "f64");
        let start = whole.find(&format!(".visible .entry blo_{entry}_f64(")).unwrap();
        let end = whole[start..].find("\n}").unwrap() + start;
        let mut body = whole[start..end].to_owned();
        for (from, to) in edits {
            // Columns are not part of the plan.
            let pattern: Vec<&str> = from.split_whitespace().collect();
            let line = body
                .lines()
                .find(|line| line.split("//").next().unwrap().split_whitespace().collect::<Vec<_>>() == pattern);
            let line = line.unwrap_or_else(|| panic!("{entry} has no line {from}")).to_owned();
            // The last such line: the one in the loop where a barrier comes twice.
            let at = body.rfind(&line).unwrap();
            body.replace_range(at..at + line.len(), to);
        }
        let texts = [format!("{}{body}{}", &whole[..start], &whole[end..]), text("vector", "f64")];
        let used = if family == "vector" { 1 } else { 2 };
        Run { kernels: Kernels::with::<f64>(&texts[..used]), outputs: Vec::new() }
    }

    fn input(&mut self, values: &[f64]) -> Arg {
        Arg::Ptr(self.kernels.device.upload(values).unwrap())
    }

    /// An output that starts as NaN (or as given) and is to become `expected`.
    fn output(&mut self, start: Option<&[f64]>, expected: Vec<f64>) -> Arg {
        let nans = vec![f64::NAN; expected.len()];
        let at = self.kernels.device.upload(start.unwrap_or(&nans)).unwrap();
        self.outputs.push((at, expected));
        Arg::Ptr(at)
    }

    fn caught(mut self, entry: &str, grid: [u32; 3], args: &[Arg]) -> Caught {
        if let Err(fault) = self.kernels.try_launch(entry, grid, args) {
            return Caught::By(fault.kind);
        }
        for (at, expected) in &self.outputs {
            let found: Vec<f64> = self.kernels.device.download(*at, expected.len()).unwrap();
            let error = distance(&found, expected);
            if error.is_nan() || error > 1e-12 * (1.0 + norm(expected)) {
                return Caught::Mismatch;
            }
        }
        Caught::Not
    }
}

fn axpy(edits: &[(&str, &str)]) -> Caught {
    let mut rng = Rng(1);
    let (x, y) = (rng.normals(100), rng.normals(100));
    let mut run = Run::new("vector", "axpy", edits);
    let mut expected = y.clone();
    reference::axpy(0.5, &x, &mut expected);
    let args = [Arg::F64(0.5), run.input(&x), run.output(Some(&y), expected), Arg::U64(100)];
    run.caught("axpy", [1, 1, 1], &args)
}

fn dot(edits: &[(&str, &str)]) -> Caught {
    let mut rng = Rng(2);
    let (x, y) = (rng.normals(600), rng.normals(600));
    let mut run = Run::new("vector", "dot", edits);
    let args = [run.input(&x), run.input(&y), run.output(None, vec![reference::dot(&x, &y)]), Arg::U64(600)];
    run.caught("dot", [1, 1, 1], &args)
}

fn update(edits: &[(&str, &str)]) -> Caught {
    let mut rng = Rng(3);
    let [hp, p, q] = [(); 3].map(|()| rng.normals(300));
    let (mut p0, mut q0) = (p.clone(), q.clone());
    let square = reference::neumann_update(0.3, &hp, &mut p0, &mut q0);
    let mut run = Run::new("vector", "neumann_update", edits);
    let args = [
        Arg::F64(0.3),
        run.input(&hp),
        run.output(Some(&p), p0),
        run.output(Some(&q), q0),
        run.output(None, vec![square]),
        Arg::U64(300),
    ];
    run.caught("neumann_update", [1, 1, 1], &args)
}

fn gemm(entry: &str, edits: &[(&str, &str)]) -> Caught {
    let mut rng = Rng(4);
    let [m, n, k] = if entry.starts_with("few") { [5, 40, 30] } else { [66, 70, 50] };
    let (a, b) = (rng.normals(m * k), rng.normals(k * n));
    let mut run = Run::new("gemm", entry, edits);
    let mut expected = vec![0.0; m * n];
    let transposed = [entry == "gemm_atb", entry.ends_with("abt")];
    reference::gemm(transposed, [m, n, k], &a, &b, false, &mut expected);
    let [um, un, uk] = [m, n, k].map(|size| Arg::U32(size as u32));
    let mut args = vec![um, un, uk, run.input(&a), run.input(&b), run.output(None, expected.clone()), Arg::U32(0)];
    if entry.ends_with("abt") {
        // ReLU behind it, with its slope.
        for x in &mut expected {
            *x = x.max(0.0);
        }
        let slope = expected.iter().map(|x| if *x > 0.0 { 1.0 } else { 0.0 }).collect();
        run.outputs[0].1.clone_from(&expected);
        args.extend([Arg::U64(0), Arg::U32(2), run.output(None, slope), Arg::U64(0)]);
    }
    let grid = match entry {
        "few_abt" => [n.div_ceil(8), 1, 1],
        "few_ab" => [n.div_ceil(32), 1, 1],
        _ => [n.div_ceil(64), m.div_ceil(64), 1],
    };
    run.caught(entry, grid.map(|n| n as u32), &args)
}

fn column_sums(edits: &[(&str, &str)]) -> Caught {
    let x = Rng(5).normals(20 * 33);
    let mut run = Run::new("pass", "column_sums", edits);
    let expected = (0..33).map(|j| x.iter().skip(j).step_by(33).sum()).collect();
    let args = [run.input(&x), run.output(None, expected), Arg::U32(20), Arg::U32(33), Arg::U32(0)];
    run.caught("column_sums", [2, 1, 1], &args)
}

fn row_dots(edits: &[(&str, &str)]) -> Caught {
    let mut rng = Rng(6);
    let (x, y) = (rng.normals(3 * 50), rng.normals(3 * 50));
    let mut run = Run::new("pass", "row_dots", edits);
    let expected = x.chunks(50).zip(y.chunks(50)).map(|(x, y)| reference::dot(x, y)).collect();
    let args = [run.input(&x), run.input(&y), run.output(None, expected), Arg::U32(3), Arg::U32(50)];
    run.caught("row_dots", [1, 1, 1], &args)
}

fn neumann(edits: &[(&str, &str)]) -> Caught {
    let mut rng = Rng(7);
    let n = 21;
    let half = rng.normals(n * n);
    let a: Vec<f64> = (0..n * n).map(|i| half[i] + half[i % n * n + i / n]).collect();
    let (p, q) = (rng.normals(n), rng.normals(n));
    let (mut hp, mut p0, mut q0) = (vec![0.0; n], p.clone(), q.clone());
    reference::matvec(n, n, &a, &p, &mut hp);
    reference::neumann_update(0.1, &hp, &mut p0, &mut q0);
    let mut run = Run::new("dense", "symmetric_neumann", edits);
    let partial = run.kernels.device.upload(&[0.0; 3]).unwrap();
    let args = [
        Arg::F64(0.1),
        Arg::U32(n as u32),
        run.input(&a),
        run.output(Some(&p), p.clone()),
        run.output(Some(&q), q0),
        run.output(None, p0),
        Arg::Ptr(partial),
    ];
    run.caught("symmetric_neumann", [3, 1, 1], &args)
}

#[test]
fn without_a_mistake_nothing_is_caught() {
    for caught in [axpy(&[]), dot(&[]), update(&[]), column_sums(&[]), row_dots(&[]), neumann(&[])] {
        assert_eq!(caught, Caught::Not);
    }
    for entry in ["gemm_ab", "gemm_abt", "gemm_atb", "few_ab", "few_abt"] {
        assert_eq!(gemm(entry, &[]), Caught::Not, "{entry}");
    }
}

#[test]
fn planted_mistakes_are_caught() {
    use Caught::{By, Mismatch};
    let barrier = ("bar.sync 0;", "");
    let plants: [(&str, Caught, Caught); 16] = [
        (
            "one element too many",
            axpy(&[("setp.ge.u64 %past, %i, %n;", "setp.gt.u64 %past, %i, %n;")]),
            By(FaultKind::OutOfBounds),
        ),
        ("f32 offsets in f64", axpy(&[("shl.b64 %at, %i, 3;", "shl.b64 %at, %i, 2;")]), By(FaultKind::Misaligned)),
        ("sum not set to 0", dot(&[("mov.f64 %sum, 0d0000000000000000;", "")]), By(FaultKind::UninitRegister)),
        ("no barrier in a sum", dot(&[barrier]), By(FaultKind::UninitMemory)),
        (
            "sum from beyond the block",
            dot(&[("mov.u32 %stride, 1024;", "mov.u32 %stride, 2048;")]),
            By(FaultKind::OutOfBounds),
        ),
        ("half of the block left out", dot(&[("mov.u32 %stride, 1024;", "mov.u32 %stride, 512;")]), Mismatch),
        ("wrong sign", update(&[("neg.f64 %minus, %alpha;", "mov.f64 %minus, %alpha;")]), Mismatch),
        (
            "p and q swapped",
            update(&[
                ("ld.param.u64 %p, [p];", "ld.param.u64 %p, [q];"),
                ("ld.param.u64 %q, [q];", "ld.param.u64 %q, [p];"),
            ]),
            Mismatch,
        ),
        ("no barrier behind a tile", gemm("gemm_ab", &[barrier]), By(FaultKind::SharedRace)),
        (
            "A and B swapped",
            gemm(
                "gemm_atb",
                &[
                    ("ld.param.u64 %a, [a];", "ld.param.u64 %a, [b];"),
                    ("ld.param.u64 %b, [b];", "ld.param.u64 %b, [a];"),
                ],
            ),
            By(FaultKind::OutOfBounds),
        ),
        (
            "C read though not added to",
            gemm("gemm_ab", &[("setp.ne.u32 %adds, %add, 0;", "setp.ge.u32 %adds, %add, 0;")]),
            Mismatch,
        ),
        (
            "slopes over values",
            gemm("gemm_abt", &[("add.u64 %to, %slope_to, %here;", "add.u64 %to, %c, %here;")]),
            Mismatch,
        ),
        ("no barrier before the slices meet", gemm("few_ab", &[barrier]), By(FaultKind::UninitMemory)),
        ("columns that are not there", column_sums(&[("@!%inside ret;", "")]), By(FaultKind::OutOfBounds)),
        ("half of the warp left out", row_dots(&[("mov.u32 %fold, 16;", "mov.u32 %fold, 8;")]), Mismatch),
        (
            "the new p over the old",
            neumann(&[("ld.param.u64 %next, [next];", "ld.param.u64 %next, [p];")]),
            By(FaultKind::GlobalRace),
        ),
    ];
    for (mistake, found, expected) in plants {
        assert_eq!(found, expected, "{mistake}");
    }
    let early = neumann(&[("@%past bra L_rows_done;", "@%past ret;")]);
    assert!(matches!(early, By(_)), "threads that leave before a barrier: {early:?}");
}
