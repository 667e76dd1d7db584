//! One launch: argument checks, the order of blocks and warps, and the end of everything.

use std::collections::HashMap;

use crate::device::Arg;
use crate::exec::{Block, Exec, Grid, Yield};
use crate::fault::{Fault, FaultKind, Stop};
use crate::memory::Memory;
use crate::op::Kernel;
use crate::shadow::Clock;
use crate::types::Ty;
use crate::warp::{Shape, Warp};

/// Largest shared memory of a block, static and dynamic together (sm_90).
const MAX_SHARED: u32 = 227 * 1024;
/// Most blocks of a cooperative launch, which are all resident at once.
const MAX_RESIDENT: u64 = 2048;

/// Shape and manner of a launch.
#[derive(Clone, Copy, Debug)]
pub struct LaunchConfig {
    /// Blocks along x, y, z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y, z.
    pub block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub shared_bytes: u32,
    /// All blocks are resident and take turns, so that they can wait for each other.
    pub cooperative: bool,
    /// 0 runs blocks and warps in order; another seed shuffles the blocks and the turns.
    pub seed: u64,
    /// Most warp instructions; beyond it the launch stops with [`FaultKind::StepBudget`].
    pub step_budget: u64,
    /// Look for races (about half of the time of a memory-bound kernel).
    pub races: bool,
}

impl LaunchConfig {
    /// A plain launch in order, with race checks and a budget of 2^30 warp instructions.
    pub fn new(grid: [u32; 3], block: [u32; 3]) -> LaunchConfig {
        LaunchConfig { grid, block, shared_bytes: 0, cooperative: false, seed: 0, step_budget: 1 << 30, races: true }
    }
}

/// What a launch did.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stats {
    /// Instructions of warps.
    pub instructions: u64,
    /// Instructions of lanes whose guard held.
    pub thread_instructions: u64,
    /// Bytes read from global memory, each lane counted.
    pub global_read: u64,
    /// Bytes written to global memory, each lane counted.
    pub global_written: u64,
    /// Barriers completed, over all blocks.
    pub barriers: u64,
    /// What does not stop the hardware either but is seldom meant, one entry a line, at most 16.
    pub warnings: Vec<Fault>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

fn refuse<T>(kernel: &str, detail: String) -> Result<T, Fault> {
    let kernel = kernel.to_string();
    Err(Fault { kind: FaultKind::Launch, kernel, line: 0, block: [0; 3], thread: [0; 3], address: 0, detail })
}

/// Parameter bytes, after checking number, size and type of the arguments.
fn parameters(k: &Kernel, args: &[Arg]) -> Result<Vec<u8>, Fault> {
    if args.len() != k.params.len() {
        return refuse(&k.name, format!("takes {} arguments, found {}", k.params.len(), args.len()));
    }
    let mut out = vec![0; k.param_bytes as usize];
    for (p, a) in k.params.iter().zip(args) {
        let bytes = a.bytes();
        let fits = match (a.ty(), p.array) {
            (None, _) => true,
            (Some(_), true) => false,
            (Some(t), false) => p.ty.is_bits() || t.is_float() == p.ty.is_float(),
        };
        if !fits || bytes.len() != p.size as usize {
            let what = format!("argument {}: found {a:?}, expected {:?} of {} bytes", p.name, p.ty, p.size);
            return refuse(&k.name, what);
        }
        out[p.off as usize..p.off as usize + bytes.len()].copy_from_slice(&bytes);
    }
    Ok(out)
}

fn check_shape(k: &Kernel, c: &LaunchConfig) -> Result<(), Fault> {
    let threads = c.block.iter().map(|&n| n as u64).product::<u64>();
    let blocks = c.grid.iter().map(|&n| n as u64).fold(1u64, |a, n| a.saturating_mul(n));
    if threads == 0 || threads > 1024 || c.block[2] > 64 {
        return refuse(&k.name, format!("block {:?}: 1 to 1024 threads, at most 64 along z", c.block));
    }
    if blocks == 0 || blocks > u32::MAX as u64 / 2 || c.grid[1] > 65535 || c.grid[2] > 65535 {
        return refuse(&k.name, format!("grid {:?} is empty or too large", c.grid));
    }
    if k.reqntid.is_some_and(|r| r != c.block) {
        return refuse(&k.name, format!("block {:?}, the kernel requires {:?}", c.block, k.reqntid));
    }
    if k.maxntid.is_some_and(|m| threads > m.iter().map(|&n| n as u64).product()) {
        return refuse(&k.name, format!("block {:?}, the kernel allows at most {:?}", c.block, k.maxntid));
    }
    if u64::from(k.shared_static_bytes) + u64::from(c.shared_bytes) > MAX_SHARED.into() {
        let (a, b) = (k.shared_static_bytes, c.shared_bytes);
        return refuse(&k.name, format!("{a} static and {b} dynamic bytes of shared memory exceed {MAX_SHARED}"));
    }
    if c.cooperative && blocks > MAX_RESIDENT {
        return refuse(&k.name, format!("{blocks} cooperative blocks, at most {MAX_RESIDENT} are resident"));
    }
    Ok(())
}

pub(crate) fn launch(
    kernel: &Kernel,
    constants: &[u8],
    memory: &mut Memory,
    epoch: u32,
    config: &LaunchConfig,
    args: &[Arg],
) -> Result<Stats, Fault> {
    check_shape(kernel, config)?;
    let params = parameters(kernel, args)?;
    let mut shared = kernel.shared.clone();
    shared.push((kernel.shared_dynamic, kernel.shared_dynamic + config.shared_bytes));
    let mut grid = Grid {
        kernel,
        constants,
        params: &params,
        memory,
        shape: Shape { grid: config.grid, block: config.block },
        shared,
        epoch,
        races: config.races,
        budget: config.step_budget,
        stats: Stats::default(),
        published: HashMap::new(),
    };
    let mut random = Random(config.seed);
    let count: u32 = config.grid.iter().product();
    if config.cooperative {
        let mut blocks: Vec<Block> = (0..count).map(|_| Block::default()).collect();
        for (i, b) in blocks.iter_mut().enumerate() {
            start(&grid, b, i as u32);
        }
        run(&mut grid, &mut blocks, config.seed, &mut random)?;
        return Ok(grid.stats);
    }
    let mut order: Vec<u32> = (0..count).collect();
    if config.seed != 0 {
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i as u64 + 1) as usize);
        }
    }
    let mut block = [Block::default()];
    for id in order {
        start(&grid, &mut block[0], id);
        run(&mut grid, &mut block, config.seed, &mut random)?;
    }
    Ok(grid.stats)
}

fn start(grid: &Grid, b: &mut Block, id: u32) {
    let [x, y, _] = grid.shape.grid;
    b.id = id;
    b.ctaid = [id % x, id / x % y, id / x / y];
    b.warps.resize_with(grid.shape.threads().div_ceil(32) as usize, Warp::default);
    for (i, w) in b.warps.iter_mut().enumerate() {
        w.start(grid.kernel, i as u32, &grid.shape, b.ctaid);
    }
    b.shared.reset(grid.shared.iter().map(|r| r.1).max().unwrap_or(0) as usize);
    b.pending.clear();
    b.pending_words = 0;
    b.clock = 1;
    b.seen = Clock::new();
    b.release = None;
    b.acquire.clear();
}

/// Run resident blocks to their end: warps take turns of a few instructions, the blocks in a shuffled order.
fn run(grid: &mut Grid, blocks: &mut [Block], seed: u64, random: &mut Random) -> Result<(), Fault> {
    let mut left: Vec<usize> = (0..blocks.len()).collect();
    while !left.is_empty() {
        let mut moved = false;
        if seed != 0 && left.len() > 1 {
            let i = random.below(left.len() as u64) as usize;
            left.rotate_left(i);
        }
        for &i in &left {
            let mut exec = Exec { grid, block: &mut blocks[i] };
            for k in 0..exec.block.warps.len() {
                if exec.block.warps[k].waiting.is_some() || exec.block.warps[k].stack.is_empty() {
                    continue;
                }
                let quantum = if seed == 0 { 256 } else { 16 + random.below(241) as u32 };
                let mut w = std::mem::take(&mut exec.block.warps[k]);
                let result = exec.run(&mut w, quantum);
                exec.block.warps[k] = w;
                moved |= true;
                if result? == Yield::Quantum {
                    continue;
                }
                exec.release_barriers()?;
            }
        }
        left.retain(|&i| blocks[i].warps.iter().any(|w| w.live != 0));
        if !moved {
            return deadlock(grid, blocks, &left);
        }
    }
    Ok(())
}

fn deadlock(grid: &Grid, blocks: &[Block], left: &[usize]) -> Result<(), Fault> {
    for &i in left {
        let waiting = blocks[i].warps.iter().enumerate().find_map(|(k, w)| w.waiting.map(|x| (k, x)));
        if let Some((k, x)) = waiting {
            let detail = format!("waits at barrier {} for warps that wait elsewhere or are gone", x.id);
            let s = Stop { kind: FaultKind::Deadlock, lane: 0, address: 0, detail };
            let line = grid.kernel.code[x.pc as usize].line;
            return Err(grid.fault(s, line, &blocks[i], k as u32));
        }
    }
    refuse(&grid.kernel.name, "nothing left to run".into())
}

/// The type an argument carries, if it carries one.
pub(crate) fn typed(a: &Arg) -> Option<Ty> {
    Some(match a {
        Arg::U32(_) => Ty::U32,
        Arg::I32(_) => Ty::S32,
        Arg::U64(_) | Arg::Ptr(_) => Ty::U64,
        Arg::I64(_) => Ty::S64,
        Arg::F32(_) => Ty::F32,
        Arg::F64(_) => Ty::F64,
        Arg::Bytes(_) => return None,
    })
}
