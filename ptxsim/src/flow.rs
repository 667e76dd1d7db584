//! Where divergent lanes meet again: immediate post-dominators of the control-flow graph.
//!
//! Exits other than the last one of the text are not counted as paths: in `if (p) { ...; return; } rest` the lanes
//! that return leave the warp, and those that stay must meet at `rest`, not at the end of the kernel.

use crate::op::{Inst, Op};

/// Successors of an instruction; `n` stands for the end of the kernel.
fn successors(code: &[Inst], i: usize) -> ([usize; 2], usize) {
    let next = i + 1;
    match (&code[i].op, code[i].guard.is_some()) {
        (Op::Bra { target, .. }, false) => ([*target as usize, 0], 1),
        (Op::Bra { target, .. }, true) => ([*target as usize, next], 2),
        (Op::Exit | Op::Trap, false) => ([code.len(), 0], 1),
        _ => ([next, 0], 1),
    }
}

struct Graph {
    /// First instruction of each block, ascending; the last entry is `code.len()`, the exit.
    start: Vec<usize>,
    next: Vec<Vec<usize>>,
}

fn graph(code: &[Inst]) -> Graph {
    let n = code.len();
    let mut leader = vec![false; n + 1];
    leader[0] = true;
    leader[n] = true;
    for (i, inst) in code.iter().enumerate() {
        if let Op::Bra { target, .. } = inst.op {
            leader[target as usize] = true;
            leader[i + 1] = true;
        }
        if matches!(inst.op, Op::Exit | Op::Trap) {
            leader[i + 1] = true;
        }
    }
    let start: Vec<usize> = (0..=n).filter(|&i| leader[i]).collect();
    let mut block_of = vec![0; n + 1];
    for (b, &s) in start.iter().enumerate() {
        let end = start.get(b + 1).copied().unwrap_or(n + 1);
        block_of[s..end].fill(b);
    }
    let mut next = Vec::with_capacity(start.len());
    for b in 0..start.len() - 1 {
        let (list, count) = successors(code, start[b + 1] - 1);
        next.push(list[..count].iter().map(|&i| block_of[i]).collect());
    }
    next.push(Vec::new());
    Graph { start, next }
}

/// Immediate post-dominator of each block, where the blocks in `ends` reach the exit and other exits lead nowhere.
/// `None`: no path to the exit, or the exit itself.
fn post_dominators(g: &Graph, ends: &[bool]) -> Vec<Option<usize>> {
    let n = g.next.len();
    let exit = n - 1;
    let words = n.div_ceil(64);
    // `None` is the set of all blocks: nothing known yet, or no path to the exit.
    let mut sets: Vec<Option<Vec<u64>>> = vec![None; n];
    let single = |b: usize| {
        let mut s = vec![0u64; words];
        s[b / 64] |= 1 << (b % 64);
        s
    };
    sets[exit] = Some(single(exit));
    let mut changed = true;
    while changed {
        changed = false;
        for b in (0..exit).rev() {
            let mut meet: Option<Vec<u64>> = None;
            for &s in &g.next[b] {
                if s == exit && !ends[b] {
                    continue;
                }
                if let Some(set) = &sets[s] {
                    match &mut meet {
                        None => meet = Some(set.clone()),
                        Some(m) => m.iter_mut().zip(set).for_each(|(x, y)| *x &= y),
                    }
                }
            }
            if let Some(mut m) = meet {
                m[b / 64] |= 1 << (b % 64);
                if sets[b].as_ref() != Some(&m) {
                    sets[b] = Some(m);
                    changed = true;
                }
            }
        }
    }
    let count = |s: &Vec<u64>| s.iter().map(|w| w.count_ones()).sum::<u32>();
    (0..n)
        .map(|b| {
            let set = sets[b].as_ref()?;
            let size = count(set);
            (0..n).find(|&d| {
                d != b && set[d / 64] >> (d % 64) & 1 == 1 && sets[d].as_ref().is_some_and(|s| count(s) + 1 == size)
            })
        })
        .collect()
}

/// Fill in `reconverge` of every guarded branch.
pub(crate) fn link(code: &mut [Inst]) {
    if code.is_empty() {
        return;
    }
    let g = graph(code);
    let blocks = g.next.len();
    let exit = blocks - 1;
    let reaches: Vec<bool> = (0..blocks).map(|b| g.next[b].contains(&exit)).collect();
    let mut last_only = vec![false; blocks];
    if let Some(last) = (0..exit).rev().find(|&b| reaches[b]) {
        last_only[last] = true;
    }
    let main = post_dominators(&g, &last_only);
    let all = post_dominators(&g, &reaches);
    for b in 0..exit {
        let i = g.start[b + 1] - 1;
        let d = main[b].or(all[b]).unwrap_or(exit);
        code[i].reconverge = g.start[d] as u32;
    }
}
