//! How fast the interpreter is: `cargo test --release -p ptxsim --test speed -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{HEAD75, module};
use ptxsim::{Arg, Device, LaunchConfig};

/// Seconds this thread was on a processor, so that other jobs on the machine do not count (Linux).
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    let m = module(include_str!("ptx/matmul.ptx"));
    for n in [128usize, 256] {
        for races in [true, false] {
            let mut dev = Device::new();
            let x = vec![1f32; n * n];
            let (a, b) = (dev.upload(&x).unwrap(), dev.upload(&x).unwrap());
            let c = dev.alloc(4 * n * n).unwrap();
            let mut l = LaunchConfig::new([n as u32 / 16, n as u32 / 16, 1], [16, 16, 1]);
            (l.shared_bytes, l.races) = (2048, races);
            let start = cpu();
            let args = [Arg::Ptr(a), Arg::Ptr(b), Arg::Ptr(c), Arg::U32(n as u32)];
            let s = dev.launch(&m, "matmul", &l, &args).unwrap_or_else(|f| panic!("{f}"));
            let t = cpu() - start;
            let rate = s.instructions as f64 / t / 1e6;
            println!("matmul {n}^3 f32, races {races}: {t:.3} s, {rate:.1} M warp instructions/s");
        }
    }
    let op = |name: &str, ins: &str, reps: usize| {
        let text = format!(
            "{HEAD75}.visible .entry k()\n{{\n.reg .f32 %a, %b;\n.reg .u32 %i, %x, %y;\n.reg .f64 %d;\n.reg .u64 %w;\n.reg .pred %p;\n\
             mov.u32 %i, 0;\nmov.u32 %x, %laneid;\ncvt.rn.f32.u32 %a, %x;\nmov.f32 %b, 0.5;\nmov.f64 %d, 0.5;\nmov.u64 %w, 3;\n\
             L:\n{}\nadd.u32 %i, %i, 1;\nsetp.lt.u32 %p, %i, 200000;\n@%p bra L;\nret;\n}}\n",
            ins.repeat(reps)
        );
        let m = module(&text);
        let mut dev = Device::new();
        let start = cpu();
        let s = dev.launch(&m, "k", &LaunchConfig::new([1; 3], [32, 1, 1]), &[]).unwrap_or_else(|f| panic!("{f}"));
        println!("{name}: {:.1} M warp instructions/s", s.instructions as f64 / (cpu() - start) / 1e6);
    };
    op("fma.rn.f32", "fma.rn.f32 %a, %a, %b, %b;\n", 20);
    op("add.rn.f32", "add.rn.f32 %a, %a, %b;\n", 20);
    op("fma.rn.f64", "fma.rn.f64 %d, %d, %d, %d;\n", 20);
    op("mad.lo.u32", "mad.lo.u32 %x, %x, %i, %x;\n", 20);
    op("mad.wide.u32", "mad.wide.u32 %w, %x, %i, %w;\n", 20);
    op("setp.lt.u32", "setp.lt.u32 %p, %x, %i;\n", 20);
}
