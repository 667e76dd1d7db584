//! Planted faults: each is caught, with its kind and its line.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{HEAD, HEAD75, line_of, module, outside, refused};
use ptxsim::{Arg, Device, Fault, FaultKind, LaunchConfig, Module, ParseKind};

const MATMUL: &str = include_str!("ptx/matmul.ptx");
const BARRIER: &str = include_str!("ptx/grid_barrier.ptx");
const ASYNC: &str = include_str!("ptx/async_copy.ptx");
const LAST: &str = include_str!("ptx/last_block.ptx");

/// `text` with one place changed.
fn plant(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

fn config(blocks: u32, threads: u32) -> LaunchConfig {
    LaunchConfig::new([blocks, 1, 1], [threads, 1, 1])
}

fn matmul(text: &str) -> Fault {
    let m = module(text);
    let mut dev = Device::new();
    let n = 32usize;
    let a = dev.upload(&vec![1f32; n * n]).unwrap();
    let b = dev.upload(&vec![2f32; n * n]).unwrap();
    let c = dev.alloc(4 * n * n).unwrap();
    let mut l = LaunchConfig::new([2, 2, 1], [16, 16, 1]);
    l.shared_bytes = 2048;
    dev.launch(&m, "matmul", &l, &[Arg::Ptr(a), Arg::Ptr(b), Arg::Ptr(c), Arg::U32(n as u32)]).unwrap_err()
}

/// A kernel on x (64 initialised u32), y (64 uninitialised u32) with `body` between the prologue and `ret`.
fn small(body: &str) -> String {
    format!(
        "{HEAD75}.visible .entry k(.param .u64 x, .param .u64 y)\n{{\n.reg .u64 %x, %y, %a;\n.reg .u32 %t, %r<8>, %s;\n\
         .reg .f32 %f<4>;\n.reg .pred %p, %q;\n.shared .align 16 .u32 buf[64];\nld.param.u64 %x, [x];\nld.param.u64 %y, [y];\n\
         mov.u32 %t, %tid.x;\nmov.u32 %s, buf;\nmad.lo.u32 %s, %t, 4, %s;\nmad.wide.u32 %a, %t, 4, %x;\n{body}\nret;\n}}\n"
    )
}

fn launch(text: &str, c: &LaunchConfig) -> Result<ptxsim::Stats, Fault> {
    let m = module(text);
    let mut dev = Device::new();
    let x = dev.upload(&(0..64).collect::<Vec<u32>>()).unwrap();
    let y = dev.alloc(256).unwrap();
    dev.launch(&m, "k", c, &[Arg::Ptr(x), Arg::Ptr(y)])
}

/// Run `body` on one block of 64 threads; the fault must be of this kind, at the line marked `//!`.
fn caught(kind: FaultKind, body: &str) -> Fault {
    let text = small(body);
    let f = launch(&text, &config(1, 64)).unwrap_err();
    assert_eq!((f.kind, f.line), (kind, line_of(&text, "//!")), "{f}");
    f
}

#[test]
fn off_by_one_store() {
    let text = plant(MATMUL, "mad.wide.u32 %c, %i, 4, %c;", "add.u32 %i, %i, 1; mad.wide.u32 %c, %i, 4, %c;");
    let f = matmul(&text);
    assert_eq!((f.kind, f.line), (FaultKind::OutOfBounds, line_of(&text, "st.global.f32 [%c]")), "{f}");
    assert_eq!((f.block, f.thread), ([1, 1, 0], [15, 15, 0]), "{f}");
}

#[test]
fn off_by_one_load() {
    // One iteration too many over the tiles.
    let text = plant(MATMUL, "setp.lt.u32 %p, %k, %n;", "setp.le.u32 %p, %k, %n;");
    let f = matmul(&text);
    let lines = [line_of(&text, "ld.global.f32 %x, [%a]"), line_of(&text, "ld.global.nc.f32 %y, [%b]")];
    assert!(f.kind == FaultKind::OutOfBounds && lines.contains(&f.line), "{f}");
}

#[test]
fn negative_offset_and_null() {
    let f = caught(FaultKind::OutOfBounds, "ld.global.u32 %r0, [%x+-4]; //!");
    assert!(f.detail.contains("offset -4"), "{f}");
    caught(FaultKind::OutOfBounds, "mov.u64 %a, 0;\nld.global.u32 %r0, [%a]; //!");
    caught(FaultKind::OutOfBounds, "mov.u32 %s, 0;\nld.shared.u32 %r0, [%s]; //!");
}

#[test]
fn shared_variables_are_not_neighbours() {
    let f = caught(FaultKind::OutOfBounds, "st.shared.u32 [%s+4], %t; //!");
    assert_eq!(f.thread, [63, 0, 0]);
    let text = small("st.shared.u32 [more], %t; //!\n").replace("buf[64];", "buf[64], more[4];");
    let text = text.replace("st.shared.u32 [more]", "st.shared.u32 [%s+4]");
    assert_eq!(launch(&text, &config(1, 64)).unwrap_err().kind, FaultKind::OutOfBounds);
}

/// Whoever writes a word that the others read without a barrier in between is caught, also the last of the readers.
#[test]
fn write_after_read_in_shared_memory() {
    for writer in 0..64 {
        let body = format!(
            "setp.eq.u32 %p, %t, 0;\n@%p st.shared.u32 [buf], 1;\nbar.sync 0;\nld.shared.u32 %r0, [buf];\n\
             setp.eq.u32 %p, %t, {writer};\n@%p st.shared.u32 [buf], 2;"
        );
        let f = launch(&small(&body), &config(1, 64)).unwrap_err();
        assert_eq!(f.kind, FaultKind::SharedRace, "{writer}: {f}");
        let good = body.replace("%r0, [buf];", "%r0, [buf];\nbar.sync 0;");
        launch(&small(&good), &config(1, 64)).unwrap_or_else(|f| panic!("{writer}: {f}"));
    }
}

#[test]
fn missing_barrier() {
    let text = plant(MATMUL, "    bar.sync 0;                         // tiles written\n", "");
    let f = matmul(&text);
    // The first to notice is a lane of the first warp: it reads what nobody has written yet.
    assert!(matches!(f.kind, FaultKind::UninitMemory | FaultKind::SharedRace), "{f}");
    let text = plant(MATMUL, "    bar.sync 0;                         // tiles read\n", "");
    let f = matmul(&text);
    let lines = [
        line_of(&text, "st.shared.f32 [%sa]"),
        line_of(&text, "st.shared.f32 [%sb]"),
        line_of(&text, "ld.shared.f32 %x"),
        line_of(&text, "ld.shared.f32 %y"),
    ];
    assert!(f.kind == FaultKind::SharedRace && lines.contains(&f.line), "{f}");
}

#[test]
fn write_after_write_in_shared_memory() {
    caught(FaultKind::SharedRace, "st.shared.u32 [buf], 1; //!");
    for body in ["st.shared.u32 [buf], 1;", "st.global.u32 [%y], 1;"] {
        // Within one warp.
        let f = launch(&small(body), &config(1, 32)).unwrap_err();
        assert!(matches!(f.kind, FaultKind::SharedRace | FaultKind::GlobalRace), "{f}");
        assert_eq!(f.thread, [1, 0, 0]);
    }
    // By the two warps, and only there.
    caught(
        FaultKind::SharedRace,
        "and.b32 %r0, %t, 31;\nmov.u32 %s, buf;\nmad.lo.u32 %s, %r0, 4, %s;\nst.shared.u32 [%s], 1; //!",
    );
}

#[test]
fn missing_warp_barrier() {
    let body = "st.shared.u32 [%s], %t;\nBAR\nxor.b32 %r0, %t, 1;\nmov.u32 %s, buf;\nmad.lo.u32 %s, %r0, 4, %s;\nld.shared.u32 %r1, [%s]; //!";
    caught(FaultKind::SharedRace, &body.replace("BAR", ""));
    launch(&small(&body.replace("BAR", "bar.warp.sync -1;")), &config(1, 64)).unwrap();
    // A warp barrier does not order two warps.
    let across = body.replace("BAR", "bar.warp.sync -1;").replace("%t, 1;", "%t, 32;");
    let f = launch(&small(&across), &config(1, 64)).unwrap_err();
    assert!(matches!(f.kind, FaultKind::SharedRace | FaultKind::UninitMemory), "{f}");
    launch(&small(&across.replace("bar.warp.sync -1", "bar.sync 0")), &config(1, 64)).unwrap();
}

#[test]
fn swapped_parameters() {
    // c read as a: uninitialised. And n where a pointer belongs: refused by kind or size.
    let text = plant(MATMUL, "ld.param.u64 %a, [a];", "ld.param.u64 %a, [c];");
    let f = matmul(&text);
    assert_eq!((f.kind, f.line), (FaultKind::UninitMemory, line_of(&text, "ld.global.f32 %x, [%a]")), "{f}");
    let m = Module::parse(MATMUL).unwrap();
    let mut dev = Device::new();
    let p = dev.upload(&[0f32; 256]).unwrap();
    let mut c = LaunchConfig::new([1; 3], [16, 16, 1]);
    c.shared_bytes = 2048;
    for args in [
        vec![Arg::Ptr(p), Arg::Ptr(p), Arg::U32(16), Arg::Ptr(p)],
        vec![Arg::Ptr(p), Arg::Ptr(p), Arg::Ptr(p), Arg::F32(16.0)],
        vec![Arg::Ptr(p), Arg::Ptr(p), Arg::Ptr(p)],
    ] {
        assert_eq!(dev.launch(&m, "matmul", &c, &args).unwrap_err().kind, FaultKind::Launch);
    }
}

#[test]
fn uninitialised_reads() {
    caught(FaultKind::UninitMemory, "ld.shared.u32 %r0, [%s]; //!");
    caught(FaultKind::UninitMemory, "ld.global.u32 %r0, [%y]; //!");
    caught(FaultKind::UninitMemory, "red.global.add.u32 [%y], 1; //!");
    caught(FaultKind::UninitRegister, "add.u32 %r0, %r1, 1; //!");
    caught(FaultKind::UninitRegister, "@%p mov.u32 %r0, 1; //!");
    let f = caught(
        FaultKind::UninitRegister,
        "setp.lt.u32 %p, %t, 5;\n@%p setp.lt.u32 %q, %t, 3;\n@%q mov.u32 %r0, 1; //!",
    );
    assert_eq!(f.thread, [5, 0, 0]);
    caught(
        FaultKind::UninitRegister,
        "setp.lt.u32 %p, %t, 5;\n@%p mul.wide.u32 %a, %t, 4;\n@%p mov.b64 %y, {%t, %t};\nmov.b64 {%r0, %r1}, %y;\n\
        @%p mov.b64 {%r2, %r3}, %y;\nadd.u32 %r4, %r3, 1; //!",
    );
    // Written on one side of a branch only.
    let f =
        caught(FaultKind::UninitRegister, "setp.lt.u32 %p, %t, 5;\n@%p mov.u32 %r0, 1;\nst.global.u32 [%a], %r0; //!");
    assert_eq!(f.thread, [5, 0, 0]);
    // Part of a wider read.
    caught(
        FaultKind::UninitMemory,
        "setp.eq.u32 %p, %t, 0;\n@!%p bra END;\nst.shared.u32 [buf], 1;\nst.shared.u32 [buf+8], 1;\n\
        st.shared.u32 [buf+12], 1;\nld.shared.v4.u32 {%r0, %r1, %r2, %r3}, [buf]; //!\nEND:",
    );
}

#[test]
fn misaligned() {
    caught(FaultKind::Misaligned, "ld.global.v4.u32 {%r0, %r1, %r2, %r3}, [%x+4]; //!");
    caught(FaultKind::Misaligned, "ld.global.u32 %r0, [%x+2]; //!");
    caught(FaultKind::Misaligned, "st.shared.v2.u32 [%s], {%t, %t}; //!");
}

#[test]
fn divergent_barriers() {
    caught(FaultKind::DivergentBarrier, "setp.lt.u32 %p, %t, 5;\n@%p bar.sync 0; //!");
    caught(FaultKind::DivergentBarrier, "setp.lt.u32 %p, %t, 5;\n@!%p bra OVER;\nbar.sync 0; //!\nOVER:");
    // A whole warp that left.
    caught(FaultKind::DivergentBarrier, "setp.lt.u32 %p, %t, 32;\n@!%p bra OVER;\nbar.sync 0; //!\nOVER:");
    // Lanes that left.
    caught(FaultKind::DivergentBarrier, "setp.gt.u32 %p, %t, 60;\n@%p ret;\nbar.sync 0; //!");
    // Two warps at two barriers, which the hardware would take for one.
    let text = small("setp.lt.u32 %p, %t, 32;\n@%p bra LOW;\nbar.sync 0;\nbra OVER;\nLOW:\nbar.sync 0; //!\nOVER:");
    assert_eq!(launch(&text, &config(1, 64)).unwrap_err().kind, FaultKind::DivergentBarrier);
}

#[test]
fn deadlock_at_two_barriers() {
    let f = launch(&small("shr.u32 %r0, %t, 5;\nbar.sync %r0;"), &config(1, 64)).unwrap_err();
    assert_eq!(f.kind, FaultKind::Deadlock, "{f}");
}

#[test]
fn two_blocks_store_to_one_address() {
    let text = small("mov.u32 %r0, 1;\nst.global.u32 [%a], %r0; //!");
    for seed in [0, 5] {
        let mut c = config(2, 64);
        c.seed = seed;
        let f = launch(&text, &c).unwrap_err();
        assert_eq!((f.kind, f.line), (FaultKind::GlobalRace, line_of(&text, "//!")), "{f}");
        assert_eq!(f.block[0], (seed == 0) as u32);
    }
    // Two threads, the same value.
    caught(FaultKind::GlobalRace, "st.global.u32 [%x], 1; //!");
    // Reading what another block writes.
    let text = small(
        "mov.u32 %r0, %ctaid.x;\nsetp.eq.u32 %p, %r0, 0;\n@%p ld.global.u32 %r1, [%a];\n@!%p st.global.u32 [%a], %r0;",
    );
    for seed in [0, 1, 2, 3] {
        let mut c = config(2, 64);
        c.seed = seed;
        assert_eq!(launch(&text, &c).unwrap_err().kind, FaultKind::GlobalRace);
    }
    // Written once, read through the read-only path.
    caught(FaultKind::GlobalRace, "st.global.u32 [%a], %t;\nld.global.nc.u32 %r0, [%a]; //!");
    // A plain store beside an atomic.
    caught(
        FaultKind::GlobalRace,
        "red.global.add.u32 [%x], 1;\nsetp.eq.u32 %p, %t, 40;\n@%p st.global.u32 [%x], 0; //!",
    );
}

#[test]
fn fences_of_a_grid_barrier() {
    let run = |text: &str| {
        let m = module(text);
        let mut dev = Device::new();
        let slots = dev.upload(&[0u32; 8]).unwrap();
        let counter = dev.upload(&[0u32]).unwrap();
        let out = dev.alloc(16).unwrap();
        let mut c = config(4, 64);
        c.cooperative = true;
        dev.launch(&m, "rounds", &c, &[Arg::Ptr(slots), Arg::Ptr(counter), Arg::Ptr(out), Arg::U32(3)])
    };
    run(BARRIER).unwrap();
    for fence in [
        "    membar.gl;                          // publish\n",
        "    membar.gl;                          // take over\n",
    ] {
        let f = run(&plant(BARRIER, fence, "")).unwrap_err();
        assert_eq!(f.kind, FaultKind::GlobalRace, "{f}");
    }
    // The same order by release and acquire; without them it is missing.
    let strong = |release: &str, acquire: &str| {
        let mut t = BARRIER.to_string();
        for (from, to) in [
            ("membar.gl;                          // publish", ""),
            ("membar.gl;                          // take over", ""),
            ("red.global.add", &format!("red.{release}.gpu.global.add")),
            ("ld.volatile.global", &format!("ld.{acquire}.gpu.global")),
        ] {
            t = plant(&t, from, to);
        }
        run(&t)
    };
    strong("release", "acquire").unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(strong("relaxed", "acquire").unwrap_err().kind, FaultKind::GlobalRace);
    assert_eq!(strong("release", "relaxed").unwrap_err().kind, FaultKind::GlobalRace);
    // One buffer of slots instead of two: a fast block overwrites what a slow one still reads.
    let f = run(&plant(BARRIER, "and.b32 %x, %round, 1;", "and.b32 %x, %round, 0;")).unwrap_err();
    assert_eq!(f.kind, FaultKind::GlobalRace, "{f}");
}

#[test]
fn last_block_without_a_fence() {
    let text = plant(LAST, "    membar.gl;\n    atom", "    atom");
    let m = module(&text);
    let mut dev = Device::new();
    let part = dev.alloc(24).unwrap();
    let ticket = dev.upload(&[0u32]).unwrap();
    let out = dev.alloc(4).unwrap();
    let args = [Arg::Ptr(part), Arg::Ptr(ticket), Arg::Ptr(out)];
    let f = dev.launch(&m, "last", &config(6, 32), &args).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::GlobalRace, line_of(&text, "ld.global.u32 %v")), "{f}");
}

#[test]
fn endless_spins() {
    let text = small("SPIN:\nld.volatile.global.u32 %r0, [%x]; //!\nsetp.eq.u32 %p, %r0, 0;\n@%p bra SPIN;");
    for cooperative in [false, true] {
        let mut c = config(2, 64);
        (c.step_budget, c.cooperative) = (100_000, cooperative);
        let f = launch(&text, &c).unwrap_err();
        let at = line_of(&text, "//!");
        assert!(f.kind == FaultKind::StepBudget && (at..at + 3).contains(&f.line), "{f}");
    }
    // The grid barrier in a launch that is not cooperative.
    let m = module(BARRIER);
    let mut dev = Device::new();
    let slots = dev.upload(&[0u32; 8]).unwrap();
    let counter = dev.upload(&[0u32]).unwrap();
    let out = dev.alloc(16).unwrap();
    let mut c = config(4, 64);
    c.step_budget = 100_000;
    let f =
        dev.launch(&m, "rounds", &c, &[Arg::Ptr(slots), Arg::Ptr(counter), Arg::Ptr(out), Arg::U32(3)]).unwrap_err();
    assert_eq!(f.kind, FaultKind::StepBudget);
}

#[test]
fn async_copy_without_a_wait() {
    let run = |text: &str| {
        let m = module(text);
        let mut dev = Device::new();
        let x = dev.upload(&[1f32; 256]).unwrap();
        let out = dev.alloc(256).unwrap();
        dev.launch(&m, "pipeline", &config(1, 64), &[Arg::Ptr(x), Arg::Ptr(out)])
    };
    run(ASYNC).unwrap();
    let read = line_of(ASYNC, "ld.shared.f32 %v");
    // One group too many left open.
    let f = run(&plant(ASYNC, "wait_group 1", "wait_group 2")).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::AsyncRead, read), "{f}");
    let f = run(&plant(ASYNC, "cp.async.wait_group 1;", "")).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::AsyncRead, read), "{f}");
    // Waited for, but only by the thread that copied.
    let f =
        run(&plant(ASYNC, "    bar.sync 0;\n    and.b32 %i, %stage, 1;", "    and.b32 %i, %stage, 1;")).unwrap_err();
    // Warp 0 reads words whose copy warp 1 has not begun, has in flight, or has just finished.
    let kinds = [FaultKind::UninitMemory, FaultKind::AsyncRead, FaultKind::SharedRace];
    assert!(kinds.contains(&f.kind) && f.line == read - 1, "{f}");
}

/// Also where older data lies that could be read.
#[test]
fn async_copy_over_old_data() {
    let text = |wait: &str| {
        let body = format!(
            "st.shared.u32 [%s], %t;\ncp.async.ca.shared.global [%s], [%a], 4;\ncp.async.commit_group;\n{wait}\n\
             ld.shared.u32 %r0, [%s]; //!"
        );
        small(&body).replace(HEAD75, HEAD)
    };
    launch(&text("cp.async.wait_group 0;"), &config(1, 64)).unwrap_or_else(|f| panic!("{f}"));
    launch(&text("cp.async.wait_all;"), &config(1, 64)).unwrap_or_else(|f| panic!("{f}"));
    // wait_all commits what is open, wait_group does not.
    let open = |wait: &str| plant(&text(wait), "cp.async.commit_group;\n", "");
    launch(&open("cp.async.wait_all;"), &config(1, 64)).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(launch(&open("cp.async.wait_group 0;"), &config(1, 64)).unwrap_err().kind, FaultKind::AsyncRead);
    for wait in ["", "cp.async.wait_group 1;"] {
        let f = launch(&text(wait), &config(1, 64)).unwrap_err();
        assert_eq!((f.kind, f.line), (FaultKind::AsyncRead, line_of(&text(wait), "//!")), "{f}");
    }
}

/// Matrix instructions are for whole warps.
#[test]
fn mma_of_a_part_of_the_warp() {
    let text = include_str!("ptx/mma.ptx");
    let run = |text: &str, threads: u32| {
        let m = module(text);
        let mut dev = Device::new();
        let args: Vec<Arg> = (0..4).map(|_| Arg::Ptr(dev.upload(&[1f32; 128]).unwrap())).collect();
        dev.launch(&m, "tf32", &config(1, threads), &args)
    };
    run(text, 32).unwrap_or_else(|f| panic!("{f}"));
    let line = line_of(text, "mma.sync.aligned.m16n8k8");
    let half = text.replace(
        ".reg .u32 %l, %g, %t, %i;\n    .reg .b32 %ra<4>",
        ".reg .pred %p;\n    .reg .u32 %l, %g, %t, %i;\n    .reg .b32 %ra<4>",
    );
    let half =
        half.replace("    mma.sync.aligned.m16n8k8", "    setp.lt.u32 %p, %l, 16;\n    @%p mma.sync.aligned.m16n8k8");
    let f = run(&half, 32).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::DivergentWarp, line + 2), "{f}");
    let f = run(&text.replace(".reqntid 32, 1, 1", ""), 16).unwrap_err();
    assert_eq!(f.kind, FaultKind::DivergentWarp, "{f}");
    // A fragment that was never loaded.
    let f = run(&plant(text, "    ld.global.b32 %ra3, [%x+272];\n", ""), 32).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::UninitRegister, line - 1), "{f}");
}

#[test]
fn constant_memory_is_read_only() {
    let body = "cvta.const.u64 %a, seven;\nld.u32 %r0, [%a];\nst.u32 [%a], %r0; //!";
    let text = small(body).replace(".visible", ".const .u32 seven = 7;\n.visible");
    let f = launch(&text, &config(1, 1)).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::OutOfBounds, line_of(&text, "//!")), "{f}");
}

#[test]
fn warp_instructions_of_part_of_a_warp() {
    caught(FaultKind::DivergentWarp, "setp.lt.u32 %p, %t, 7;\n@%p shfl.sync.bfly.b32 %r0, %t, 1, 31, -1; //!");
    caught(FaultKind::DivergentWarp, "shfl.sync.bfly.b32 %r0, %t, 1, 31, 0xffff; //!");
    caught(FaultKind::DivergentWarp, "setp.lt.u32 %p, %t, 7;\n@%p bar.warp.sync -1; //!");
    caught(FaultKind::DivergentWarp, "setp.lt.u32 %p, %t, 7;\n@%p bra.uni END; //!\nEND:");
    let text = small("shfl.sync.bfly.b32 %r0, %t, 16, 31, 0xfffff; //!");
    assert_eq!(launch(&text, &config(1, 20)).unwrap_err().kind, FaultKind::InactiveLane);
}

#[test]
fn trap_and_division() {
    caught(FaultKind::Trap, "setp.eq.u32 %p, %t, 9;\n@%p trap; //!");
    let text = small("div.u32 %r0, %t, %t; //!");
    let stats = launch(&text, &config(1, 64)).unwrap();
    assert_eq!(stats.warnings.len(), 1);
    let w = &stats.warnings[0];
    assert_eq!((w.kind, w.line, w.thread), (FaultKind::DivideByZero, line_of(&text, "//!"), [0; 3]));
}

#[test]
fn launches_that_cannot_be() {
    let m = module(MATMUL);
    let mut dev = Device::new();
    let p = Arg::Ptr(dev.upload(&[0f32; 256]).unwrap());
    let args = [p.clone(), p.clone(), p, Arg::U32(16)];
    let good = LaunchConfig { shared_bytes: 2048, ..LaunchConfig::new([1; 3], [16, 16, 1]) };
    let bad = [
        LaunchConfig { block: [256, 1, 1], ..good },
        LaunchConfig { block: [0, 16, 1], ..good },
        LaunchConfig { grid: [0, 1, 1], ..good },
        LaunchConfig { grid: [1, 70000, 1], ..good },
        LaunchConfig { shared_bytes: 1 << 20, ..good },
        LaunchConfig { grid: [5000, 1, 1], cooperative: true, ..good },
    ];
    for c in bad {
        assert_eq!(dev.launch(&m, "matmul", &c, &args).unwrap_err().kind, FaultKind::Launch, "{c:?}");
    }
    let most = Module::parse(include_str!("ptx/spaces.ptx")).unwrap();
    let wide = LaunchConfig::new([1; 3], [33, 1, 1]);
    let four = [args[0].clone(), args[0].clone(), Arg::I32(0), Arg::F64(0.0)];
    assert_eq!(dev.launch(&most, "spaces", &wide, &four).unwrap_err().kind, FaultKind::Launch);
    assert_eq!(dev.launch(&m, "nothing", &good, &args).unwrap_err().kind, FaultKind::Launch);
    // Too little shared memory shows where it is used.
    let small = LaunchConfig { shared_bytes: 2044, ..good };
    let f = dev.launch(&m, "matmul", &small, &args).unwrap_err();
    assert_eq!((f.kind, f.line), (FaultKind::OutOfBounds, line_of(MATMUL, "st.shared.f32 [%sb]")));
}

#[test]
fn host_side() {
    let mut dev = Device::new();
    let p = dev.upload(&[1u32, 2]).unwrap();
    assert_eq!(dev.download::<u32>(p.offset(4), 2).unwrap_err().kind, FaultKind::Host);
    assert_eq!(dev.write(p.offset(u64::MAX), &[1]).unwrap_err().kind, FaultKind::Host);
    let q = dev.alloc(8).unwrap();
    assert_eq!(dev.download::<u32>(q, 2).unwrap_err().kind, FaultKind::UninitMemory);
    dev.write(q.offset(4), &[1, 0, 0, 0]).unwrap();
    dev.copy(p, q, 8).unwrap();
    assert_eq!(dev.download::<u32>(p, 1).unwrap_err().address, p.0);
    assert_eq!(dev.download::<u32>(p.offset(4), 1).unwrap(), [1]);
    assert_eq!(dev.free(p.offset(4)).unwrap_err().kind, FaultKind::Host);
    dev.free(p).unwrap();
    assert_eq!(dev.free(p).unwrap_err().kind, FaultKind::Host);
    assert_eq!(dev.allocations(), 1);
    assert!(dev.alloc(usize::MAX).is_err());
    let empty = dev.alloc(0).unwrap();
    assert_eq!(dev.download::<u32>(empty, 0).unwrap(), []);
}

#[test]
fn used_after_free() {
    let m = module(&small("ld.global.u32 %r0, [%a];"));
    let mut dev = Device::new();
    let x = dev.upload(&[0u32; 64]).unwrap();
    dev.free(x).unwrap();
    let f = dev.launch(&m, "k", &config(1, 64), &[Arg::Ptr(x), Arg::Ptr(x)]).unwrap_err();
    assert!(f.kind == FaultKind::OutOfBounds && f.detail.contains("freed"), "{f}");
}

/// Texts that ptxas refuses too.
#[test]
fn wrong_texts() {
    let bad = |kind: ParseKind, body: &str| {
        let text = small(&format!("{body} //!"));
        let e = refused(&text);
        assert_eq!((e.kind, e.line), (kind, line_of(&text, "//!")), "{e}");
    };
    bad(ParseKind::Type, "add.u32 %r0, %f0, 1;");
    bad(ParseKind::Type, "add.rn.f32 %f0, %r0, %f1;");
    bad(ParseKind::Type, "add.u32 %x, %r0, 1;");
    bad(ParseKind::Type, "mov.u32 %f0, 1;");
    bad(ParseKind::Type, "ld.global.f32 %r0, [%x];");
    bad(ParseKind::Type, "ld.global.u64 %r0, [%x];");
    bad(ParseKind::Type, "fma.rn.f32 %f0, %f1, %f2;");
    bad(ParseKind::Type, "add.u32 %r0, %r1, %r2, %r3;");
    bad(ParseKind::Type, "mul.rn.f32 %f0, %f1, 2;");
    bad(ParseKind::Type, "cvt.s32.f32 %r0, %f0;");
    bad(ParseKind::Type, "cvt.f32.u32 %f0, %r0;");
    bad(ParseKind::Type, "@%r0 mov.u32 %r1, 1;");
    bad(ParseKind::Type, "shl.b32 %r0, %r1, %x;");
    bad(ParseKind::Type, "ld.global.u32 %r0, [%t];");
    bad(ParseKind::Name, "mov.u32 %r0, %r99;");
    bad(ParseKind::Name, "bra NOWHERE;");
    bad(ParseKind::Name, ".reg .u32 %t;");
    let twice = small("").replace(".param .u64 y", ".param .u64 x");
    assert_eq!(refused(&twice).kind, ParseKind::Name);
    bad(ParseKind::Unsupported, "add.rn.u32 %r0, %r1, %r2;");
    bad(ParseKind::Unsupported, "mov.u32.sat %r0, %t;");
    bad(ParseKind::Unsupported, "frobnicate.u32 %r0, %r1;");
    bad(ParseKind::Unsupported, "mul.u32 %r0, %r1, %r2;");
    bad(ParseKind::Unsupported, "fma.f32 %f0, %f1, %f2, %f3;");
    bad(ParseKind::Syntax, "add.u32 %r0 %r1, %r2;");
    // sm_80 instructions under sm_75.
    bad(ParseKind::Unsupported, "cp.async.commit_group;");
    bad(ParseKind::Unsupported, "max.NaN.f32 %f0, %f1, %f2;");
}

/// Immediates that ptxas would cut short in silence.
#[test]
fn immediates_out_of_range() {
    for (ins, good) in [
        ("add.u32 %r0, %t, 4294967295;", true),
        ("add.u32 %r0, %t, 4294967296;", false),
        ("add.s32 %r0, %t, -2147483648;", true),
        ("add.s32 %r0, %t, -2147483649;", false),
        ("add.u64 %x, %x, 18446744073709551615;", true),
        ("add.u64 %x, %x, 18446744073709551616;", false),
    ] {
        assert_eq!(Module::parse(&small(ins)).is_ok(), good, "{ins}");
    }
}

/// Texts that ptxas takes and we do not: never skipped, always with the line.
#[test]
fn outside_the_subset() {
    let out = |body: &str| {
        let text = small(&format!("{body} //!"));
        let e = outside(&text);
        assert_eq!((e.kind, e.line), (ParseKind::Unsupported, line_of(&text, "//!")), "{e}");
    };
    out("add.cc.u32 %r0, %t, %t;");
    out("add.f32 %f0, 0f00000000, 0f00000000;");
    out("mad.rn.f32 %f0, 0f00000000, 0f00000000, 0f00000000;");
    out("testp.finite.f32 %p, 0f00000000;");
    out("bfind.u32 %r0, %t;");
    out("prefetch.global.L2 [%x];");
    out("match.any.sync.b32 %r0, %t, -1;");
    out("mov.u32 %r0, %smid;");
    out("mov.u32 %r0, %clock;");
    out(".local .u32 spill;");
    out("{ .reg .u32 %z; }");
    let text = format!("{HEAD}.global .u32 counter;\n");
    assert_eq!(outside(&text).line, 4);
}

#[test]
fn headers() {
    for (text, kind) in [
        ("", ParseKind::Syntax),
        (".version 7.0\n", ParseKind::Syntax),
        (".version 5.0\n.target sm_70\n.address_size 64\n", ParseKind::Unsupported),
        (".version 7.0\n.target sm_90a\n.address_size 64\n", ParseKind::Unsupported),
        (".version 7.0\n.target sm_80\n.address_size 32\n", ParseKind::Unsupported),
    ] {
        assert_eq!(Module::parse(text).unwrap_err().kind, kind, "{text}");
    }
    assert_eq!(Module::parse(HEAD).unwrap().kernels().count(), 0);
}
