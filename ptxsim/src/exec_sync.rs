//! Instructions in which lanes of a warp exchange values.

use crate::exec::Exec;
use crate::fault::{FaultKind, Res, stop};
use crate::float::{canon, narrow};
use crate::op::{MmaF64, MmaTf32, R, Rnd, Shfl, ShflMode, VoteMode};
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

/// The sum of f32 values and exact products of tf32 values as tensor cores take it, which the manual leaves open: each term is cut
/// to the last place of the largest, 2^(e - 23), the sum of what is left is exact, and it is cut to f32. (Measured on V100, T4 and
/// A100 by Fasi, Higham, Mikaitis and Pranesh, 2021; some cards keep more places. Where f32 is exceeded: infinity.)
fn add_cut(terms: [f64; 5]) -> f64 {
    let plain: f64 = terms.iter().sum();
    let largest = terms.iter().fold(0.0, |largest: f64, term| largest.max(term.abs()));
    // Nothing here is subnormal in f64: products are multiples of 2^-272.
    if largest == 0.0 || !plain.is_finite() {
        return plain;
    }
    let place = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits()) / (1u32 << 23) as f64;
    let sum: f64 = terms.iter().map(|term| (term / place).trunc()).sum::<f64>() * place;
    if sum.abs() > f32::MAX as f64 { sum * f64::INFINITY } else { narrow(sum, Rnd::Zero) as f64 }
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
    /// Terms 0 to 3 are added to C, then terms 4 to 7, each time as [`add_cut`] does.
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
                for k in [0, 4] {
                    let product = |i: usize| a[row][k + i] * b[k + i][col];
                    c[row][col] = add_cut([c[row][col], product(0), product(1), product(2), product(3)]);
                }
            }
        }
        for (j, &r) in x.d.iter().enumerate() {
            w.set32(r, m, |i| canon(c[i / 4 + 8 * (j >> 1)][2 * (i % 4) + (j & 1)] as f32).to_bits());
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
