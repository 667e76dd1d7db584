//! Instructions in which lanes of a warp exchange values.

use crate::exec::Exec;
use crate::fault::{FaultKind, Res, stop};
use crate::op::{MmaF64, MmaTf32, R, Shfl, ShflMode, VoteMode};
use crate::warp::{Warp, lanes};

/// The member mask, which must be the same in every executing lane, hold them, and hold no live lane that is elsewhere.
fn members(w: &Warp, mask: R, m: u32) -> Res<u32> {
    let v = w.get32(mask, m)?;
    let first = m.trailing_zeros() as usize;
    let set = v[first];
    if let Some(i) = lanes(m).find(|&i| v[i] != set) {
        let detail = format!("member mask {:#010x} here, {set:#010x} in lane {first}", v[i]);
        return stop(FaultKind::DivergentWarp, i as u32, 0, detail);
    }
    let (outside, absent) = (m & !set, set & w.live & !m);
    if outside != 0 {
        let detail = format!("member mask {set:#010x} lacks the executing lanes {outside:#010x}");
        return stop(FaultKind::DivergentWarp, outside.trailing_zeros(), 0, detail);
    }
    if absent != 0 {
        let detail = format!("member mask {set:#010x} names lanes {absent:#010x}, which are not here");
        return stop(FaultKind::DivergentWarp, absent.trailing_zeros(), 0, detail);
    }
    Ok(set)
}

fn whole_warp(w: &Warp, m: u32) -> Res {
    if m == u32::MAX {
        return Ok(());
    }
    let detail = format!("needs all 32 lanes, executed by {m:#010x} (live: {:#010x})", w.live);
    stop(FaultKind::DivergentWarp, (!m).trailing_zeros(), 0, detail)
}

impl Exec<'_, '_> {
    pub fn bar_warp(&mut self, w: &mut Warp, mask: R, m: u32) -> Res {
        members(w, mask, m)?;
        w.clocks[w.index as usize] += 1;
        Ok(())
    }

    pub fn shfl(&mut self, w: &mut Warp, s: &Shfl, m: u32) -> Res {
        members(w, s.mask, m)?;
        let (a, b, c) = (*w.get32(s.a, m)?, *w.get32(s.b, m)?, *w.get32(s.c, m)?);
        let (mut out, mut p) = ([0; 32], 0u32);
        for i in lanes(m) {
            let lane = i as i32;
            let n = (b[i] & 31) as i32;
            let (clamp, segment) = ((c[i] & 31) as i32, (c[i] >> 8 & 31) as i32);
            let max = (lane & segment) | (clamp & !segment);
            let min = lane & segment;
            let (j, valid) = match s.mode {
                ShflMode::Up => (lane - n, lane - n >= max),
                ShflMode::Down => (lane + n, lane + n <= max),
                ShflMode::Bfly => (lane ^ n, lane ^ n <= max),
                ShflMode::Idx => (min | (n & !segment), min | (n & !segment) <= max),
            };
            let from = if valid { j as usize & 31 } else { i };
            if m >> from & 1 == 0 {
                let detail = format!("reads lane {from}, which does not take part");
                return stop(FaultKind::InactiveLane, i as u32, 0, detail);
            }
            out[i] = a[from];
            p |= (valid as u32) << i;
        }
        w.set32(s.d, m, |i| out[i]);
        if let Some(r) = s.p {
            w.setp(r, m, p);
        }
        Ok(())
    }

    pub fn vote(&mut self, w: &mut Warp, mode: VoteMode, (d, a): (R, R), negated: bool, mask: R, m: u32) -> Res {
        members(w, mask, m)?;
        let p = w.getp(a, m)?;
        let p = (if negated { !p } else { p }) & m;
        let yes = match mode {
            VoteMode::Ballot => {
                w.set32(d, m, |_| p);
                return Ok(());
            }
            VoteMode::All => p == m,
            VoteMode::Any => p != 0,
            VoteMode::Uni => p == 0 || p == m,
        };
        w.setp(d, m, if yes { u32::MAX } else { 0 });
        Ok(())
    }

    /// D = A B + C with A 16x8, B 8x8: lane 4 g + t holds A\[g, t\], A\[g+8, t\], A\[g, t+4\], A\[g+8, t+4\]; B\[t, g\],
    /// B\[t+4, g\]; C\[g, 2t\], C\[g, 2t+1\], C\[g+8, 2t\], C\[g+8, 2t+1\]. The low 13 bits of A and B are ignored.
    /// The sum is taken in f64 and rounded once; the hardware's own order and truncation are not modelled.
    pub fn mma_tf32(&mut self, w: &mut Warp, x: &MmaTf32, m: u32) -> Res {
        whole_warp(w, m)?;
        let tf32 = |bits: u32| f32::from_bits(bits & !0x1fff) as f64;
        let (mut a, mut b, mut c) = ([[0.0; 8]; 16], [[0.0; 8]; 8], [[0.0; 8]; 16]);
        for (j, &r) in x.a.iter().enumerate() {
            let v = w.get32(r, m)?;
            (0..32).for_each(|i| a[i / 4 + 8 * (j & 1)][i % 4 + 4 * (j >> 1)] = tf32(v[i]));
        }
        for (j, &r) in x.b.iter().enumerate() {
            let v = w.get32(r, m)?;
            (0..32).for_each(|i| b[i % 4 + 4 * j][i / 4] = tf32(v[i]));
        }
        for (j, &r) in x.c.iter().enumerate() {
            let v = w.get32(r, m)?;
            (0..32).for_each(|i| c[i / 4 + 8 * (j >> 1)][2 * (i % 4) + (j & 1)] = f32::from_bits(v[i]) as f64);
        }
        for row in 0..16 {
            for col in 0..8 {
                c[row][col] += (0..8).map(|k| a[row][k] * b[k][col]).sum::<f64>();
            }
        }
        for (j, &r) in x.d.iter().enumerate() {
            w.set32(r, m, |i| crate::float::canon(c[i / 4 + 8 * (j >> 1)][2 * (i % 4) + (j & 1)] as f32).to_bits());
        }
        Ok(())
    }

    /// D = A B + C with A 8x4, B 4x8: lane 4 g + t holds A\[g, t\], B\[t, g\], C\[g, 2t\], C\[g, 2t+1\]. A chain of fused
    /// multiply-adds in the order of k.
    pub fn mma_f64(&mut self, w: &mut Warp, x: &MmaF64, m: u32) -> Res {
        whole_warp(w, m)?;
        let get = |r: R| -> Res<[f64; 32]> { Ok(w.get64(r, m)?.map(f64::from_bits)) };
        let (a, b, c) = (get(x.a)?, get(x.b)?, [get(x.c[0])?, get(x.c[1])?]);
        for (j, &r) in x.d.iter().enumerate() {
            w.set64(r, m, |i| {
                let (row, col) = (i / 4, 2 * (i % 4) + j);
                (0..4).fold(c[j][i], |s, k| a[4 * row + k].mul_add(b[4 * col + k], s)).to_bits()
            });
        }
        Ok(())
    }
}
