//! Whole kernels against plain Rust: control flow, barriers, shuffles, atomics, matrix products.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{HEAD, HEAD75, module};
use ptxsim::{Arg, Device, Element, LaunchConfig, Ptr};

/// Run kernel `k` of `text` on one output buffer of `n` elements (zeroed) behind the inputs.
fn run<T: Element + Default>(text: &str, c: &LaunchConfig, inputs: &[Vec<u32>], n: usize) -> Vec<T> {
    let m = module(text);
    let mut dev = Device::new();
    let mut args: Vec<Arg> = inputs.iter().map(|v| Arg::Ptr(dev.upload(v).unwrap())).collect();
    let out = dev.upload(&vec![T::default(); n]).unwrap();
    args.push(Arg::Ptr(out));
    dev.launch(&m, "k", c, &args).unwrap_or_else(|f| panic!("{f}"));
    dev.download(out, n).unwrap()
}

fn block(n: u32) -> LaunchConfig {
    LaunchConfig::new([1; 3], [n, 1, 1])
}

/// A kernel of one u64 parameter `out` whose body leaves a u32 in %r for each thread of block 0.
fn per_thread(body: &str) -> String {
    format!(
        "{HEAD75}.visible .entry k(.param .u64 out)\n{{\n.reg .u64 %o;\n.reg .u32 %t, %r, %a, %b, %c, %l;\n.reg .f32 %f<4>;\n\
         .reg .pred %p, %q, %s;\nld.param.u64 %o, [out];\nmov.u32 %t, %tid.x;\nmov.u32 %l, %laneid;\n\
         mad.wide.u32 %o, %t, 4, %o;\n{body}\nst.global.u32 [%o], %r;\nret;\n}}\n"
    )
}

#[test]
fn loops_with_per_lane_trip_counts() {
    // r = sum of 0..tid, with a break at 100.
    let text = per_thread(
        "mov.u32 %r, 0;\nmov.u32 %a, 0;\nHEAD:\nsetp.ge.u32 %p, %a, %t;\n@%p bra DONE;\nadd.u32 %r, %r, %a;\n\
         setp.gt.u32 %q, %r, 100;\n@%q bra DONE;\nadd.u32 %a, %a, 1;\nbra HEAD;\nDONE:",
    );
    let want: Vec<u32> = (0..70u32)
        .map(|t| {
            let mut r = 0;
            for a in 0..t {
                r += a;
                if r > 100 {
                    break;
                }
            }
            r
        })
        .collect();
    assert_eq!(run::<u32>(&text, &block(70), &[], 70), want);
}

#[test]
fn nested_divergence_meets_again() {
    // Three-way nest; behind it a shfl of the whole warp proves that all lanes are together.
    let text = per_thread(
        "and.b32 %a, %t, 1;\nsetp.eq.u32 %p, %a, 0;\n@%p bra EVEN;\nmov.u32 %r, 10;\nsetp.lt.u32 %q, %t, 8;\n@%q bra LOW;\n\
         add.u32 %r, %r, 1;\nbra JOIN;\nLOW:\nadd.u32 %r, %r, 2;\nJOIN:\nmul.lo.u32 %r, %r, 3;\nbra END;\n\
         EVEN:\nmov.u32 %r, 7;\nsetp.gt.u32 %q, %t, 20;\n@!%q bra END;\nmov.u32 %r, 9;\nEND:\n\
         activemask.b32 %b;\nsetp.eq.u32 %s, %b, -1;\n@!%s trap;\nshfl.sync.bfly.b32 %c, %r, 1, 31, -1;\nadd.u32 %r, %r, %c;",
    );
    let one = |t: u32| match (t & 1, t < 8, t > 20) {
        (1, true, _) => 36,
        (1, false, _) => 33,
        (_, _, true) => 9,
        _ => 7,
    };
    let want: Vec<u32> = (0..32).map(|t| one(t) + one(t ^ 1)).collect();
    assert_eq!(run::<u32>(&text, &block(32), &[], 32), want);
}

#[test]
fn early_exit_of_lanes() {
    // Lanes below 5 leave from within a branch; the others meet behind it and are together.
    let text = per_thread(
        "mov.u32 %r, 1;\nst.global.u32 [%o], %r;\nsetp.lt.u32 %q, %t, 0;\nsetp.ge.u32 %p, %t, 16;\n@%p bra REST;\nsetp.lt.u32 %q, %t, 5;\n@!%q bra STAY;\n\
         ret;\nSTAY:\nmov.u32 %r, 2;\nREST:\nactivemask.b32 %b;\nvote.sync.ballot.b32 %a, !%q, %b;\nmov.u32 %r, %b;",
    );
    let got = run::<u32>(&text, &block(32), &[], 32);
    for (t, &v) in got.iter().enumerate() {
        assert_eq!(v, if t < 5 { 1 } else { 0xffff_ffe0 }, "lane {t}");
    }
}

#[test]
fn branch_to_self_and_back_edges() {
    // do { } while with a nested inner loop whose count depends on the lane.
    let text = per_thread(
        "mov.u32 %r, 0;\nmov.u32 %a, 0;\nOUT:\nmov.u32 %b, 0;\nIN:\nadd.u32 %r, %r, 1;\nadd.u32 %b, %b, 1;\n\
         setp.lt.u32 %p, %b, %t;\n@%p bra IN;\nadd.u32 %a, %a, 1;\nsetp.lt.u32 %q, %a, 3;\n@%q bra OUT;",
    );
    let want: Vec<u32> = (0..33u32).map(|t| 3 * t.max(1)).collect();
    assert_eq!(run::<u32>(&text, &block(33), &[], 33), want);
}

#[test]
fn shuffles() {
    let lanes: Vec<u32> = (0..32).collect();
    let shfl = |ins: &str| run::<u32>(&per_thread(ins), &block(32), &[], 32);
    let up = shfl("shfl.sync.up.b32 %r|%p, %t, 3, 0, -1;\n@!%p add.u32 %r, %r, 100;");
    assert_eq!(up, lanes.iter().map(|&l| if l < 3 { l + 100 } else { l - 3 }).collect::<Vec<_>>());
    let down = shfl("shfl.sync.down.b32 %r|%p, %t, 4, 31, -1;\n@!%p add.u32 %r, %r, 100;");
    assert_eq!(down, lanes.iter().map(|&l| if l > 27 { l + 100 } else { l + 4 }).collect::<Vec<_>>());
    let bfly = shfl("shfl.sync.bfly.b32 %r, %t, 16, 31, -1;");
    assert_eq!(bfly, lanes.iter().map(|l| l ^ 16).collect::<Vec<_>>());
    let idx = shfl("shfl.sync.idx.b32 %r, %t, 5, 31, -1;");
    assert_eq!(idx, vec![5; 32]);
    // Segments of 8 lanes: c = (32 - 8) << 8 | 7 for idx and down, | 0 for up.
    let idx8 = shfl("shfl.sync.idx.b32 %r, %t, 5, 0x1807, -1;");
    assert_eq!(idx8, lanes.iter().map(|l| (l & 24) + 5).collect::<Vec<_>>());
    let down8 = shfl("shfl.sync.down.b32 %r|%p, %t, 1, 0x1807, -1;\n@!%p add.u32 %r, %r, 100;");
    assert_eq!(down8, lanes.iter().map(|&l| if l % 8 == 7 { l + 100 } else { l + 1 }).collect::<Vec<_>>());
    let up8 = shfl("shfl.sync.up.b32 %r|%p, %t, 1, 0x1800, -1;\n@!%p add.u32 %r, %r, 100;");
    assert_eq!(up8, lanes.iter().map(|&l| if l % 8 == 0 { l + 100 } else { l - 1 }).collect::<Vec<_>>());
}

#[test]
fn votes() {
    let vote = |ins: &str| {
        run::<u32>(&per_thread(&format!("setp.lt.u32 %p, %t, 10;\n{ins}\nselp.u32 %r, 1, 0, %q;")), &block(32), &[], 32)
            [0]
    };
    assert_eq!(vote("vote.sync.all.pred %q, %p, -1;"), 0);
    assert_eq!(vote("vote.sync.any.pred %q, %p, -1;"), 1);
    assert_eq!(vote("vote.sync.uni.pred %q, %p, -1;"), 0);
    assert_eq!(vote("setp.lt.u32 %p, %t, 99;\nvote.sync.uni.pred %q, !%p, -1;"), 1);
    assert_eq!(vote("setp.lt.u32 %p, %t, 99;\nvote.sync.all.pred %q, %p, -1;"), 1);
    let ballot =
        run::<u32>(&per_thread("setp.lt.u32 %p, %t, 10;\nvote.sync.ballot.b32 %r, !%p, -1;"), &block(32), &[], 32);
    assert_eq!(ballot, vec![!0x3ffu32; 32]);
}

/// Sum of f32 by a warp shuffle, then over warps in shared memory.
pub const REDUCE: &str = r#"
.version 6.3
.target sm_75
.address_size 64
.visible .entry k(.param .u64 x, .param .u64 out)
.reqntid 128, 1, 1
{
    .reg .u64 %x, %o, %a;
    .reg .u32 %t, %lane, %warp, %s;
    .reg .f32 %v, %w;
    .reg .pred %p;
    .shared .align 4 .f32 part[4];
    ld.param.u64 %x, [x];
    ld.param.u64 %o, [out];
    mov.u32 %t, %tid.x;
    mad.wide.u32 %a, %t, 4, %x;
    ld.global.f32 %v, [%a];
    shfl.sync.bfly.b32 %w, %v, 16, 31, -1;
    add.rn.f32 %v, %v, %w;
    shfl.sync.bfly.b32 %w, %v, 8, 31, -1;
    add.rn.f32 %v, %v, %w;
    shfl.sync.bfly.b32 %w, %v, 4, 31, -1;
    add.rn.f32 %v, %v, %w;
    shfl.sync.bfly.b32 %w, %v, 2, 31, -1;
    add.rn.f32 %v, %v, %w;
    shfl.sync.bfly.b32 %w, %v, 1, 31, -1;
    add.rn.f32 %v, %v, %w;
    mov.u32 %lane, %laneid;
    shr.u32 %warp, %t, 5;
    setp.eq.u32 %p, %lane, 0;
    mov.u32 %s, part;
    mad.lo.u32 %s, %warp, 4, %s;
    @%p st.shared.f32 [%s], %v;
    bar.sync 0;
    setp.ne.u32 %p, %t, 0;
    @%p bra END;
    ld.shared.f32 %v, [part];
    ld.shared.f32 %w, [part+4];
    add.rn.f32 %v, %v, %w;
    ld.shared.f32 %w, [part+8];
    add.rn.f32 %v, %v, %w;
    ld.shared.f32 %w, [part+12];
    add.rn.f32 %v, %v, %w;
    st.global.f32 [%o], %v;
END:
    ret;
}
"#;

#[test]
fn block_reduction_in_the_same_order() {
    let x: Vec<f32> = (0..128).map(|i| 1.0 / (i as f32 + 0.3)).collect();
    let mut total = 0.0;
    for (k, w) in x.chunks(32).enumerate() {
        let mut v: Vec<f32> = w.to_vec();
        for s in [16, 8, 4, 2, 1] {
            v = (0..32).map(|i| v[i] + v[i ^ s]).collect();
        }
        total = if k == 0 { v[0] } else { total + v[0] };
    }
    let bits = vec![x.iter().map(|v| v.to_bits()).collect()];
    let got = run::<f32>(REDUCE, &block(128), &bits, 1);
    assert_eq!(got[0].to_bits(), total.to_bits());
}

#[test]
fn barrier_reductions_and_named_barriers() {
    let red = |ins: &str| run::<u32>(&per_thread(&format!("setp.lt.u32 %p, %t, 40;\n{ins}")), &block(96), &[], 96);
    assert_eq!(red("bar.red.popc.u32 %r, 0, %p;"), vec![40; 96]);
    assert_eq!(red("bar.red.and.pred %q, 0, %p;\nselp.u32 %r, 1, 0, %q;"), vec![0; 96]);
    assert_eq!(red("barrier.red.or.pred %q, 1, %p;\nselp.u32 %r, 1, 0, %q;"), vec![1; 96]);
    // Two of three warps meet at barrier 1 and pass data on; the third does not take part.
    let text = per_thread(
        "mov.u32 %r, 0;\nsetp.ge.u32 %p, %t, 64;\n@%p bra SKIP;\nmov.u32 %a, buf;\nmad.lo.u32 %b, %t, 4, %a;\n\
         st.shared.u32 [%b], %t;\nbar.sync 1, 64;\nxor.b32 %c, %t, 32;\nmad.lo.u32 %b, %c, 4, %a;\nld.shared.u32 %r, [%b];\nSKIP:",
    )
    .replace(".reg .f32", ".shared .u32 buf[64];\n.reg .f32");
    let want: Vec<u32> = (0..96u32).map(|t| if t < 64 { t ^ 32 } else { 0 }).collect();
    assert_eq!(run::<u32>(&text, &block(96), &[], 96), want);
}

/// C = A B, 16x16 tiles through shared memory, one thread an element; n a multiple of 16.
pub const MATMUL: &str = include_str!("ptx/matmul.ptx");

#[test]
fn tiled_product_is_bit_exact() {
    let n = 48usize;
    let a: Vec<f32> = (0..n * n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0).collect();
    let b: Vec<f32> = (0..n * n).map(|i| ((i * 53 % 97) as f32 - 48.0) / 13.0).collect();
    let mut want = vec![0f32; n * n];
    for i in 0..n {
        for j in 0..n {
            want[i * n + j] = (0..n).fold(0.0, |s, k| a[i * n + k].mul_add(b[k * n + j], s));
        }
    }
    let m = module(MATMUL);
    for seed in [0, 1, 99] {
        let mut dev = Device::new();
        let (pa, pb) = (dev.upload(&a).unwrap(), dev.upload(&b).unwrap());
        let pc = dev.alloc(4 * n * n).unwrap();
        let mut c = LaunchConfig::new([n as u32 / 16, n as u32 / 16, 1], [16, 16, 1]);
        c.seed = seed;
        c.shared_bytes = 2048;
        let args = [Arg::Ptr(pa), Arg::Ptr(pb), Arg::Ptr(pc), Arg::U32(n as u32)];
        let stats = dev.launch(&m, "matmul", &c, &args).unwrap_or_else(|f| panic!("{f}"));
        let got: Vec<f32> = dev.download(pc, n * n).unwrap();
        assert_eq!(got, want);
        assert_eq!(stats.global_written, 4 * (n * n) as u64);
        assert_eq!(stats.global_read, 2 * 4 * (n * n * n / 16) as u64);
        assert_eq!(stats.barriers, 9 * 2 * 3);
    }
}

#[test]
fn cooperative_grid_barrier() {
    // Each round every block writes its slot, waits for all, and sums all slots into its next value.
    let m = module(include_str!("ptx/grid_barrier.ptx"));
    let (blocks, rounds) = (5usize, 4);
    for seed in [0, 7, 8] {
        let mut dev = Device::new();
        let slots = dev.upload(&vec![0u32; 2 * blocks]).unwrap();
        let counter = dev.upload(&[0u32]).unwrap();
        let out = dev.alloc(4 * blocks).unwrap();
        let mut c = LaunchConfig::new([blocks as u32, 1, 1], [64, 1, 1]);
        (c.cooperative, c.seed) = (true, seed);
        let args = [Arg::Ptr(slots), Arg::Ptr(counter), Arg::Ptr(out), Arg::U32(rounds)];
        dev.launch(&m, "rounds", &c, &args).unwrap_or_else(|f| panic!("seed {seed}: {f}"));
        let mut v: Vec<u32> = (1..=blocks as u32).collect();
        for _ in 0..rounds {
            let s: u32 = v.iter().sum();
            v.iter_mut().for_each(|x| *x += s);
        }
        assert_eq!(dev.download::<u32>(out, blocks).unwrap(), v);
    }
}

#[test]
fn last_block_done() {
    // Fence, ticket, and the block with the last ticket adds up what all others left.
    let m = module(include_str!("ptx/last_block.ptx"));
    for seed in [0, 3] {
        let mut dev = Device::new();
        let part = dev.alloc(4 * 6).unwrap();
        let ticket = dev.upload(&[0u32]).unwrap();
        let out = dev.alloc(4).unwrap();
        let mut c = LaunchConfig::new([6, 1, 1], [32, 1, 1]);
        c.seed = seed;
        let args = [Arg::Ptr(part), Arg::Ptr(ticket), Arg::Ptr(out)];
        dev.launch(&m, "last", &c, &args).unwrap_or_else(|f| panic!("seed {seed}: {f}"));
        assert_eq!(dev.download::<u32>(out, 1).unwrap(), [1 + 4 + 9 + 16 + 25 + 36]);
    }
}

#[test]
fn atomics() {
    let atom = |ins: &str, init: u32| {
        let text = format!(
            "{HEAD75}.visible .entry k(.param .u64 x, .param .u64 out)\n{{\n.reg .u64 %x, %o;\n.reg .u32 %t, %r;\n.reg .f32 %f;\n\
             ld.param.u64 %x, [x];\nld.param.u64 %o, [out];\nmov.u32 %t, %tid.x;\nmad.wide.u32 %o, %t, 4, %o;\n{ins}\n\
             st.global.u32 [%o], %r;\nret;\n}}\n"
        );
        let m = module(&text);
        let mut dev = Device::new();
        let (x, out) = (dev.upload(&[init, 0]).unwrap(), dev.alloc(4 * 40).unwrap());
        dev.launch(&m, "k", &block(40), &[Arg::Ptr(x), Arg::Ptr(out)]).unwrap_or_else(|f| panic!("{f}"));
        let mut old = dev.download::<u32>(out, 40).unwrap();
        old.sort();
        (dev.download::<u32>(x, 1).unwrap()[0], old)
    };
    let (x, old) = atom("atom.global.add.u32 %r, [%x], 2;", 5);
    assert_eq!((x, old), (85, (0..40).map(|i| 5 + 2 * i).collect()));
    assert_eq!(atom("atom.global.max.s32 %r, [%x], %t;", u32::MAX).0, 39);
    assert_eq!(atom("atom.global.max.u32 %r, [%x], %t;", u32::MAX).0, u32::MAX);
    assert_eq!(atom("atom.global.min.s32 %r, [%x], %t;", 7).0, 0);
    assert_eq!(atom("atom.global.and.b32 %r, [%x], -2;", 7).0, 6);
    assert_eq!(atom("atom.global.or.b32 %r, [%x], %t;", 64).0, 127);
    let (x, old) = atom("atom.global.cas.b32 %r, [%x], 3, 99;", 3);
    assert_eq!((x, old[0], old[1]), (99, 3, 99));
    assert_eq!(atom("atom.global.inc.u32 %r, [%x], 9;", 0).0, 0);
    assert_eq!(atom("atom.global.dec.u32 %r, [%x], 9;", 0).0, 0);
    let (_, old) = atom("atom.global.exch.b32 %r, [%x], %t;", 1000);
    assert_eq!(old, (0..39).chain([1000]).collect::<Vec<_>>());
    assert_eq!(atom("mov.f32 %f, 0.5;\nred.global.add.f32 [%x], %f;\nmov.u32 %r, 0;", 0).0, 20f32.to_bits());
    // The sum in global memory flushes subnormals, of its inputs and its own.
    assert_eq!(atom("mov.f32 %f, 0f00000000;\nred.global.add.f32 [%x], %f;\nmov.u32 %r, 0;", 1).0, 0);
    let small = "mov.f32 %f, 0f80D0BEE2;\nsetp.eq.u32 %p, %t, 0;\n@%p red.global.add.f32 [%x], %f;\nmov.u32 %r, 0;";
    assert_eq!(atom(&format!(".reg .pred %p;\n{small}"), 0x0100_0000).0, 0);
    let wide =
        "atom.global.add.u64 %o, [%x], 1;\ncvt.u32.u64 %r, %o;\nld.param.u64 %o, [out];\nmad.wide.u32 %o, %t, 4, %o;";
    assert_eq!(atom(wide, 5).0, 45);
}

#[test]
fn atomic_f64_sum() {
    let text = format!(
        "{HEAD75}.visible .entry k(.param .u64 x)\n{{\n.reg .u64 %x;\n.reg .u32 %t;\n.reg .f64 %v;\nld.param.u64 %x, [x];\n\
         mov.u32 %t, %tid.x;\ncvt.rn.f64.u32 %v, %t;\nmul.rn.f64 %v, %v, 0.1;\nred.global.add.f64 [%x], %v;\nret;\n}}\n"
    );
    let m = module(&text);
    let mut dev = Device::new();
    let x = dev.upload(&[1f64]).unwrap();
    dev.launch(&m, "k", &block(40), &[Arg::Ptr(x)]).unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(dev.download::<f64>(x, 1).unwrap()[0], (0..40).fold(1.0, |s, t| s + t as f64 * 0.1));
}

#[test]
fn async_copies_through_two_buffers() {
    let m = module(include_str!("ptx/async_copy.ptx"));
    let x: Vec<f32> = (0..256).map(|i| i as f32).collect();
    let mut dev = Device::new();
    let (px, out) = (dev.upload(&x).unwrap(), dev.alloc(4 * 64).unwrap());
    dev.launch(&m, "pipeline", &block(64), &[Arg::Ptr(px), Arg::Ptr(out)]).unwrap_or_else(|f| panic!("{f}"));
    // Thread t adds up what its mirror copied.
    let want: Vec<f32> = (0..64).map(|t| (0..4).map(|s| x[64 * s + 63 - t]).sum()).collect();
    assert_eq!(dev.download::<f32>(out, 64).unwrap(), want);
}

/// D = A B + C by one `mma`, in a kernel of this text.
fn mma_tf32(text: &str, [a, b, c]: [&[f32]; 3]) -> Vec<f32> {
    let m = module(text);
    let mut dev = Device::new();
    let mut args = [a, b, c].map(|v| Arg::Ptr(dev.upload(v).unwrap())).to_vec();
    let out = dev.alloc(512).unwrap();
    args.push(Arg::Ptr(out));
    dev.launch(&m, "tf32", &block(32), &args).unwrap_or_else(|f| panic!("{f}"));
    dev.download(out, 128).unwrap()
}

/// Of whole numbers, which no order and no rounding changes; with bits in the places that tf32 does not have.
#[test]
fn mma_tf32_against_the_plain_product() {
    let text = include_str!("ptx/mma.ptx");
    let f = |i: usize, k: usize| ((i * 29 + k * 17) % 23) as f32 - 9.0;
    let dirty = |x: f32| f32::from_bits(x.to_bits() | 0x1555);
    let a: Vec<f32> = (0..128).map(|i| f(i, 1)).collect();
    let b: Vec<f32> = (0..64).map(|i| f(i, 2)).collect();
    let c: Vec<f32> = (0..128).map(|i| f(i, 3)).collect();
    let sum = |i: usize, j: usize| c[8 * i + j] + (0..8).map(|k| a[8 * i + k] * b[8 * k + j]).sum::<f32>();
    let want: Vec<f32> = (0..128).map(|at| sum(at / 8, at % 8)).collect();
    let [da, db] =
        [&a, &b].map(|list| list.iter().map(|x| if *x == 0.0 { 0.0 } else { dirty(*x) }).collect::<Vec<_>>());
    assert_eq!(mma_tf32(text, [&da, &db, &c]), want);
    // Fragments in another order are another product.
    for (from, to) in [
        ("%ra1, [%x+256]", "%ra1, [%x+16]"),
        ("{%ra0, %ra1, %ra2, %ra3}", "{%ra0, %ra2, %ra1, %ra3}"),
        ("{%rb0, %rb1}", "{%rb1, %rb0}"),
        ("{%rd0, %rd1, %rd2, %rd3}", "{%rd1, %rd0, %rd2, %rd3}"),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        assert_ne!(mma_tf32(&text.replace(from, to), [&a, &b, &c]), want, "{from} -> {to}");
    }
}

/// Terms 0 to 3, then 4 to 7; all cut to the last place of the largest; and the sum cut.
#[test]
fn mma_tf32_cuts_what_it_adds() {
    let last = 2f32.powi(-23);
    let of = |terms: &[f32], c: f32| {
        let (mut a, mut b) = (vec![0.0; 128], vec![0.0; 64]);
        (0..terms.len()).for_each(|k| (a[k], b[8 * k]) = (terms[k], 1.0));
        mma_tf32(include_str!("ptx/mma.ptx"), [&a, &b, &[&[c][..], &[0.0; 127]].concat()])[0]
    };
    let cases: [(&[f32], f32, f32); 12] = [
        (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 0.5, 36.5),
        // Eight halves of the last place are four of it, but each is cut by itself.
        (&[last / 2.0; 8], 1.0, 1.0),
        (&[-last / 2.0; 8], -1.0, -1.0),
        (&[1.5 * last], 1.0, 1.0 + last),
        (&[-1.5 * last], -1.0, -1.0 - last),
        // The last place of 1, and then none of 2: 2 + 2^-23 is cut.
        (&[1.0, last], 1.0, 2.0),
        // Four of one group are added before the sum is cut, a fifth comes too late.
        (&[last, last], 2.0 - last, 2.0),
        (&[last, 0.0, 0.0, 0.0, last], 2.0 - last, 2.0),
        (&[1.0, 0.0, 0.0, 0.0, -1.0], last / 2.0, 0.0),
        (&[0.0, 0.0, 0.0, 0.0, -1.0], last / 2.0, -1.0),
        (&[1e38, 1e38, 1e38, 1e38], 0.0, f32::INFINITY),
        (&[-3e38, -3e38], 1.0, f32::NEG_INFINITY),
    ];
    for (terms, c, want) in cases {
        assert_eq!(of(terms, c), want, "{terms:?} + {c:e}");
    }
    assert_eq!(of(&[], -0.0), 0.0);
    assert_eq!(of(&[f32::INFINITY, 1.0], 0.0), f32::INFINITY);
    assert!(of(&[f32::INFINITY, f32::NEG_INFINITY], 0.0).is_nan());
    assert!(of(&[1.0, f32::NAN], 0.0).is_nan());
    // Below the normal numbers: 2^-136 is the least of tf32, 2^-149 that of the sum.
    assert_eq!(of(&[2f32.powi(-136)], 2f32.powi(-149)), 2f32.powi(-136) + 2f32.powi(-149));
}

#[test]
fn mma_f64_against_the_plain_product() {
    let m = module(include_str!("ptx/mma.ptx"));
    let f = |i: usize, k: usize| ((i * 29 + k * 17) % 23) as f64 / 7.0 - 1.5;
    let a: Vec<f64> = (0..32).map(|i| f(i, 1)).collect();
    let b: Vec<f64> = (0..32).map(|i| f(i, 2)).collect();
    let c: Vec<f64> = (0..64).map(|i| f(i, 3)).collect();
    let mut dev = Device::new();
    let p: Vec<Ptr> = [&a, &b, &c].map(|v| dev.upload(v).unwrap()).to_vec();
    let out = dev.alloc(512).unwrap();
    let args = [Arg::Ptr(p[0]), Arg::Ptr(p[1]), Arg::Ptr(p[2]), Arg::Ptr(out)];
    dev.launch(&m, "f64", &block(32), &args).unwrap_or_else(|f| panic!("{f}"));
    let got: Vec<f64> = dev.download(out, 64).unwrap();
    for i in 0..8 {
        for j in 0..8 {
            let want = (0..4).fold(c[8 * i + j], |s, k| a[4 * i + k].mul_add(b[8 * k + j], s));
            assert_eq!(got[8 * i + j], want, "({i}, {j})");
        }
    }
}

#[test]
fn memory_spaces_widths_and_generic_addresses() {
    let m = module(include_str!("ptx/spaces.ptx"));
    let mut dev = Device::new();
    let bytes: Vec<u8> = (0..16).map(|i| 0x80 + i).collect();
    let x = dev.alloc(16).unwrap();
    dev.write(x, &bytes).unwrap();
    let out = dev.upload(&[0u32; 16]).unwrap();
    let args = [Arg::Ptr(x), Arg::Ptr(out), Arg::I32(-5), Arg::F64(2.5)];
    dev.launch(&m, "spaces", &block(1), &args).unwrap_or_else(|f| panic!("{f}"));
    let got: Vec<u32> = dev.download(out, 16).unwrap();
    let want = [
        0x80,             // u8
        0xffff_ff81,      // s8
        0x8382,           // u16
        0xffff_8382,      // s16
        7,                // constant
        (-5i32) as u32,   // parameter
        2.5f32.to_bits(), // f64 parameter, narrowed
        0x8786_8584,      // vector element
        0x8f8e_8d8c,      // its last
        42,               // shared through a generic address
        43,               // generic to shared
        2f32.to_bits(),   // constant array
        0x8382_8180,      // global through a generic address
    ];
    assert_eq!(got[..13], want);
}

#[test]
fn launch_shape_in_three_dimensions() {
    let text = format!(
        "{HEAD}.visible .entry k(.param .u64 out)\n{{\n.reg .u64 %o, %a;\n.reg .u32 %r<8>;\nld.param.u64 %o, [out];\n\
         mov.u32 %r0, %ctaid.z;\nmov.u32 %r1, %nctaid.y;\nmov.u32 %r2, %ctaid.y;\nmad.lo.u32 %r0, %r0, %r1, %r2;\n\
         mov.u32 %r1, %nctaid.x;\nmov.u32 %r2, %ctaid.x;\nmad.lo.u32 %r0, %r0, %r1, %r2;\n\
         mov.u32 %r1, %ntid.z;\nmov.u32 %r2, %tid.z;\nmad.lo.u32 %r0, %r0, %r1, %r2;\n\
         mov.u32 %r1, %ntid.y;\nmov.u32 %r2, %tid.y;\nmad.lo.u32 %r0, %r0, %r1, %r2;\n\
         mov.u32 %r1, %ntid.x;\nmov.u32 %r2, %tid.x;\nmad.lo.u32 %r0, %r0, %r1, %r2;\n\
         mad.wide.u32 %a, %r0, 4, %o;\nmov.u32 %r3, %warpid;\nmov.u32 %r4, %laneid;\nmad.lo.u32 %r3, %r3, 32, %r4;\n\
         st.global.u32 [%a], %r3;\nret;\n}}\n"
    );
    let c = LaunchConfig::new([2, 3, 2], [4, 3, 5]);
    let got = run::<u32>(&text, &c, &[], 12 * 60);
    assert_eq!(got, (0..720).map(|i| i % 60).collect::<Vec<u32>>());
}
