//! The parts of a step of conjugate gradients: each against its formula, with the record that it reads and leaves.

use crate::common::{Rng, cast, norm, widen};
use crate::harness::{Array, Kernels, Real, close, text};
use blo::reference;
use ptxsim::Arg;
use std::panic::{AssertUnwindSafe, catch_unwind};

const LENGTHS: [usize; 10] = [1, 2, 3, 31, 33, 255, 257, 1024, 1025, 2051];

/// Numbers of partial sums.
const BLOCKS: [usize; 7] = [1, 2, 3, 31, 33, 255, 256];

const ENDING: usize = 0;
const SQUARE: usize = 1;
const SMALLEST: usize = 2;
const IN_Q: usize = 3;
const LOW: usize = 4;
const HIGH: usize = 5;
const PRODUCTS: usize = 6;
const LENGTH: usize = 7;
const FACTOR: usize = 8;
const MOVES: usize = 9;
const COPIES: usize = 10;
const TARGET: usize = 11;
const FLAT: usize = 12;
const RUNAWAY: usize = 13;

/// A run at its beginning; what a step leaves is not read before it is written.
fn start() -> [f64; 14] {
    let unknown = f64::NAN;
    let mut record = [unknown; 14];
    record[..7].copy_from_slice(&[0.0, 4.0, 4.0, 1.0, unknown, unknown, 0.0]);
    record[TARGET..].copy_from_slice(&[1e-6, 1e-3, 100.0]);
    record
}

fn kernels<T: Real>() -> Kernels {
    Kernels::of::<T>(&["cg", "vector"])
}

fn n(len: usize) -> Arg {
    Arg::U64(len as u64)
}

/// Equal, with NaN equal to NaN.
fn same<T: Real>(found: &[T], expected: &[T], what: &str) {
    let equal =
        |(f, e): (&T, &T)| f.to_f64().to_bits() == e.to_f64().to_bits() || f.to_f64().is_nan() && e.to_f64().is_nan();
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(equal),
        "{what}: {found:?}, not {expected:?}"
    );
}

fn blocks(len: usize) -> usize {
    len.div_ceil(1024).min(256)
}

fn dots<T: Real + From<f32>>(k: &mut Kernels) {
    let mut rng = Rng(41);
    for len in LENGTHS.into_iter().chain([270_000]) {
        let (p, hp, blocks) = (cast::<T>(&rng.normals(len)), cast::<T>(&rng.normals(len)), blocks(len));
        let (dp, dhp) = (k.upload(&p), k.upload(&hp));
        let record = k.array::<f64>(&start());
        let partial = k.nans::<f64>(2 * blocks);
        let args = [record.arg(), dp.arg(), dhp.arg(), partial.arg(), n(len)];
        k.launch("cg_dots", [blocks as u32, 1, 1], &args);
        let found = k.get::<f64>(partial);
        // The bits of the plain dot.
        for (half, other) in [(&found[..blocks], dhp), (&found[blocks..], dp)] {
            let plain = k.nans::<f64>(blocks);
            k.launch("dot", [blocks as u32, 1, 1], &[dp.arg(), other.arg(), plain.arg(), n(len)]);
            same(half, &k.get::<f64>(plain), &format!("dots of {len}"));
        }
        for (half, other) in [(&found[..blocks], &hp), (&found[blocks..], &p)] {
            let tolerance = 8.0 * f64::EPSILON * (len as f64).sqrt();
            close(&[half.iter().sum::<f64>()], &[reference::dot(&p, other)], tolerance, norm(&p) * norm(other), "dots");
        }
        same(&k.get::<T>(dp), &p, "p is only read");
        // A run that has ended.
        let (mut ended, untouched) = (start(), k.nans::<f64>(2 * blocks));
        ended[ENDING] = 5.0;
        let ended = k.array::<f64>(&ended);
        let args = [ended.arg(), dp.arg(), dhp.arg(), untouched.arg(), n(len)];
        k.launch("cg_dots", [blocks as u32, 1, 1], &args);
        same(&k.get::<f64>(untouched), &vec![f64::NAN; 2 * blocks], "dots of a run that has ended");
        same(&k.get::<f64>(record), &start(), "the record of dots");
    }
}

/// `count` dyadic numbers with this sum, which no order of additions rounds.
fn parts(count: usize, total: f64) -> Vec<f64> {
    let mut parts: Vec<f64> = (0..count).map(|i| (i % 7) as f64 - 3.0).collect();
    if total.is_finite() && count > 1 {
        parts[count / 2] += total - parts.iter().sum::<f64>();
    } else {
        parts[count / 2] = total;
    }
    parts
}

fn length_of(record: &[f64; 14], product: f64, pp: f64) -> [f64; 14] {
    let mut record = *record;
    (record[MOVES], record[COPIES]) = (0.0, 0.0);
    if record[ENDING] != 0.0 {
        return record;
    }
    let curvature = product / pp;
    record[LOW] = record[LOW].min(curvature);
    record[HIGH] = record[HIGH].max(curvature);
    record[PRODUCTS] += 1.0;
    let flat = record[FLAT] * record[LOW].abs().max(record[HIGH].abs());
    record[ENDING] = match curvature {
        c if !c.is_finite() => 5.0,
        c if c < -flat => 4.0,
        c if c <= flat => 5.0,
        _ => 0.0,
    };
    record[LENGTH] = record[SQUARE] / product;
    record
}

fn lengths<T: Real + From<f32>>(k: &mut Kernels) {
    let (infinity, nan) = (f64::INFINITY, f64::NAN);
    let mut endings = Vec::new();
    for blocks in BLOCKS {
        for (product, pp) in [
            (6.0, 2.0),
            (0.5, 4.0),
            (-6.0, 2.0),
            (0.0, 2.0),
            // Just above flat, at it, and just below on the other side, for what is seen by then.
            (0.0625, 4.0),
            (0.03125, 16.0),
            (-0.015625, 16.0),
            (nan, 2.0),
            (infinity, 2.0),
            (-infinity, 2.0),
            (2.0, 0.0),
            (0.0, 0.0),
            (3.0, infinity),
        ] {
            for (ending, range) in
                [(0.0, None), (0.0, Some((1.0, 2.0))), (0.0, Some((-3.0, 0.5))), (1.0, Some((1.0, 2.0))), (5.0, None)]
            {
                let mut before = start();
                (before[ENDING], before[FLAT]) = (ending, 1.0 / 1024.0);
                if let Some((low, high)) = range {
                    (before[LOW], before[HIGH], before[PRODUCTS]) = (low, high, 7.0);
                }
                let (record, values) = (k.array::<f64>(&before), [parts(blocks, product), parts(blocks, pp)].concat());
                let partial = k.array::<f64>(&values);
                k.launch("cg_length", [1, 1, 1], &[record.arg(), partial.arg(), n(blocks)]);
                let expected = length_of(&before, product, pp);
                same(&k.get::<f64>(record), &expected, &format!("length of {blocks}: {product} / {pp}, {range:?}"));
                same(&k.get::<f64>(partial), &values, "partial sums are only read");
                endings.push(expected[ENDING]);
            }
        }
    }
    assert!([0.0, 1.0, 4.0, 5.0].iter().all(|ending| endings.contains(ending)));
}

fn residuals<T: Real + From<f32>>(k: &mut Kernels) {
    let mut rng = Rng(43);
    for len in LENGTHS.into_iter().chain([270_000]) {
        let (hp, r, blocks) = (cast::<T>(&rng.normals(len)), cast::<T>(&rng.normals(len)), blocks(len));
        let (dhp, dr, partial) = (k.upload(&hp), k.upload(&r), k.nans::<f64>(blocks));
        let mut record = start();
        record[LENGTH] = 0.3;
        let record = k.array::<f64>(&record);
        let args = |record: Array, partial: Array| [record.arg(), dhp.arg(), dr.arg(), partial.arg(), n(len)];
        k.launch("cg_residual", [blocks as u32, 1, 1], &args(record, partial));
        let expected: Vec<T> = r.iter().zip(&hp).map(|(r, hp)| T::from_f64(-0.3).mul_add(*hp, *r)).collect();
        same(&k.get::<T>(dr), &expected, &format!("residual of {len}"));
        let mut plain = r.clone();
        reference::axpy(T::from_f64(-0.3), &hp, &mut plain);
        close(&expected, &widen(&plain), 2.0 * T::EPSILON, 1.0, "residual");
        let found = k.get::<f64>(partial);
        let sums = k.nans::<f64>(blocks);
        k.launch("dot", [blocks as u32, 1, 1], &[dr.arg(), dr.arg(), sums.arg(), n(len)]);
        same(&found, &k.get::<f64>(sums), &format!("‖r‖² of {len}"));
        close(&[found.iter().sum::<f64>()], &[norm(&expected).powi(2)], 1e-12, 0.0, "‖r‖²");

        let (mut ended, untouched) = (start(), k.nans::<f64>(blocks));
        (ended[ENDING], ended[LENGTH]) = (4.0, 0.3);
        let ended = k.array::<f64>(&ended);
        k.launch("cg_residual", [blocks as u32, 1, 1], &args(ended, untouched));
        same(&k.get::<T>(dr), &expected, "residual of a run that has ended");
        same(&k.get::<f64>(untouched), &vec![f64::NAN; blocks], "sums of a run that has ended");
    }
}

fn judged(record: &[f64; 14], next: f64) -> [f64; 14] {
    let mut record = *record;
    if record[ENDING] != 0.0 {
        return record;
    }
    if !next.is_finite() || next.sqrt() > record[RUNAWAY] * record[SMALLEST].sqrt() {
        record[ENDING] = 5.0;
        return record;
    }
    record[MOVES] = 1.0;
    record[COPIES] = f64::from(u8::from(record[IN_Q] == 1.0 && next > record[SMALLEST]));
    record[IN_Q] = f64::from(u8::from(next <= record[SMALLEST]));
    record[SMALLEST] = record[SMALLEST].min(next);
    record[FACTOR] = next / record[SQUARE];
    record[SQUARE] = next;
    record[ENDING] = f64::from(u8::from(next.sqrt() <= record[TARGET]));
    record
}

fn judgements<T: Real + From<f32>>(k: &mut Kernels) {
    let mut seen = Vec::new();
    for blocks in BLOCKS {
        // Smaller, equal, larger; at the limits of convergence (2⁻⁸ squared) and of what is away (64 · 2 squared), and past them.
        for next in
            [1.0, 4.0, 9.0, 2.0_f64.powi(-16), 2.0_f64.powi(-15), 0.0, 16384.0, 16385.0, f64::NAN, f64::INFINITY]
        {
            for (ending, in_q, smallest) in
                [(0.0, 1.0, 4.0), (0.0, 0.0, 4.0), (0.0, 0.0, 0.25), (1.0, 1.0, 4.0), (4.0, 0.0, 4.0)]
            {
                let mut before = start();
                (before[ENDING], before[IN_Q], before[SMALLEST], before[SQUARE]) = (ending, in_q, smallest, 8.0);
                (before[TARGET], before[RUNAWAY], before[MOVES], before[COPIES]) = (2.0_f64.powi(-8), 64.0, 0.0, 0.0);
                let (record, values) = (k.array::<f64>(&before), parts(blocks, next));
                let partial = k.array::<f64>(&values);
                k.launch("cg_judge", [1, 1, 1], &[record.arg(), partial.arg(), n(blocks)]);
                let expected = judged(&before, next);
                same(&k.get::<f64>(record), &expected, &format!("judge of {blocks}: {next}, {before:?}"));
                seen.push((expected[ENDING], expected[MOVES], expected[COPIES], expected[IN_Q]));
            }
        }
    }
    for case in
        [(0.0, 1.0, 0.0, 1.0), (0.0, 1.0, 1.0, 0.0), (0.0, 1.0, 0.0, 0.0), (1.0, 1.0, 0.0, 1.0), (5.0, 0.0, 0.0, 1.0)]
    {
        assert!(seen.contains(&case), "{case:?}");
    }
}

fn updates<T: Real + From<f32>>(k: &mut Kernels) {
    let mut rng = Rng(44);
    for len in LENGTHS {
        for (moves, copies) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)] {
            let [r, p, q] = [(); 3].map(|()| cast::<T>(&rng.normals(len)));
            let [dr, dp, dq] = [&r, &p, &q].map(|x| k.upload(x));
            let best = k.nans::<T>(len);
            // One that converges moves as well.
            let mut record = start();
            (record[ENDING], record[LENGTH], record[FACTOR]) = (moves, 0.3, 0.7);
            (record[MOVES], record[COPIES]) = (moves, copies);
            let record = k.array::<f64>(&record);
            k.each("cg_update", len, &[record.arg(), dr.arg(), dp.arg(), dq.arg(), best.arg(), n(len)]);
            let (mut p0, mut q0, mut best0) = (p.clone(), q.clone(), vec![T::from_f64(f64::NAN); len]);
            if moves == 1.0 {
                if copies == 1.0 {
                    best0.clone_from(&q);
                }
                for i in 0..len {
                    q0[i] = T::from_f64(0.3).mul_add(p[i], q[i]);
                    p0[i] = T::from_f64(0.7) * p[i] + r[i];
                }
                let (mut plain, a) = (q.clone(), T::from_f64(0.3));
                reference::axpy(a, &p, &mut plain);
                close(&q0, &widen(&plain), 2.0 * T::EPSILON, 1.0, "q");
            }
            let what = format!("update of {len}, {moves}, {copies}");
            same(&k.get::<T>(dq), &q0, &what);
            same(&k.get::<T>(dp), &p0, &what);
            same(&k.get::<T>(best), &best0, &what);
            same(&k.get::<T>(dr), &r, &what);
        }
    }
}

#[test]
fn dots_are_those_of_the_reference() {
    dots::<f32>(&mut kernels::<f32>());
    dots::<f64>(&mut kernels::<f64>());
}

#[test]
fn lengths_follow_their_formula() {
    lengths::<f32>(&mut kernels::<f32>());
    lengths::<f64>(&mut kernels::<f64>());
}

#[test]
fn residuals_are_those_of_the_reference() {
    residuals::<f32>(&mut kernels::<f32>());
    residuals::<f64>(&mut kernels::<f64>());
}

#[test]
fn judgements_follow_their_formula() {
    judgements::<f32>(&mut kernels::<f32>());
    judgements::<f64>(&mut kernels::<f64>());
}

#[test]
fn updates_are_those_of_the_reference() {
    updates::<f32>(&mut kernels::<f32>());
    updates::<f64>(&mut kernels::<f64>());
}

/// The f64 kernels with the last line of these words in an entry replaced.
fn with(entry: &str, from: &str, to: &str) -> Kernels {
    let mut whole = text("cg", "f64");
    let start = whole.find(&format!(".visible .entry blo_{entry}_f64(")).unwrap();
    let end = whole[start..].find("\n}").unwrap() + start;
    let words = |line: &str| line.split("//").next().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let line = whole[start..end].lines().rfind(|line| words(line) == words(from));
    let line = line.unwrap_or_else(|| panic!("{entry} has no line {from}")).to_owned();
    let at = whole[..end].rfind(&line).unwrap();
    whole.replace_range(at..at + line.len(), to);
    Kernels::with::<f64>(&[whole, text("vector", "f64")])
}

#[test]
fn planted_mistakes_are_caught() {
    type Check = fn(&mut Kernels);
    let [dots, lengths, residuals, judgements, updates]: [Check; 5] =
        [dots::<f64>, lengths::<f64>, residuals::<f64>, judgements::<f64>, updates::<f64>];
    let stop = "@%ended ret;";
    let plants = [
        (dots, "cg_dots", stop, "", "goes on after the end"),
        (dots, "cg_dots", "bar.sync 0;", "", "no barrier"),
        (
            dots,
            "cg_dots",
            "fma.rn.f64 %square, %vp, %vp, %square;",
            "fma.rn.f64 %square, %vh, %vh, %square;",
            "the other square",
        ),
        (dots, "cg_dots", "st.global.f64 [%second], %square;", "st.global.f64 [%second], %product;", "one sum twice"),
        (lengths, "cg_length", "@%ended bra.uni L_ended;", "", "counts on after the end"),
        (
            lengths,
            "cg_length",
            "min.f64 %low, %low, %curvature;",
            "max.f64 %low, %low, %curvature;",
            "the range upside down",
        ),
        (
            lengths,
            "cg_length",
            "setp.le.f64 %flat_or_less, %curvature, %bound;",
            "setp.lt.f64 %flat_or_less, %curvature, %bound;",
            "flat is not flat",
        ),
        (lengths, "cg_length", "neg.f64 %bound, %bound;", "", "flat is negative"),
        (
            lengths,
            "cg_length",
            "div.rn.f64 %length, %rr, %product;",
            "div.rn.f64 %length, %product, %rr;",
            "a upside down",
        ),
        (lengths, "cg_length", "st.global.f64 [%record+80], %zero;", "", "the last step's copy again"),
        (residuals, "cg_residual", "neg.f64 %minus, %minus;", "", "the wrong sign"),
        (residuals, "cg_residual", stop, "", "goes on after the end"),
        (residuals, "cg_residual", "mov.f64 %w, %vr;", "mov.f64 %w, %vh;", "the square of H p"),
        (
            judgements,
            "cg_judge",
            "setp.gt.f64 %away, %root, %limit;",
            "setp.ge.f64 %away, %root, %limit;",
            "away at the limit",
        ),
        (
            judgements,
            "cg_judge",
            "setp.le.f64 %there, %root, %other;",
            "setp.lt.f64 %there, %root, %other;",
            "there only past it",
        ),
        (
            judgements,
            "cg_judge",
            "selp.f64 %other, %kept, %zero, %grows;",
            "selp.f64 %other, %one, %zero, %grows;",
            "the best overwritten",
        ),
        (
            judgements,
            "cg_judge",
            "setp.gt.f64 %grows, %sum, %smallest;",
            "setp.ge.f64 %grows, %sum, %smallest;",
            "an equal one is no better",
        ),
        (judgements, "cg_judge", stop, "", "goes on after the end"),
        (judgements, "cg_judge", "@!%finite bra L_away;", "", "what is not finite goes on"),
        (updates, "cg_update", "@!%moves ret;", "", "moves after the end"),
        (updates, "cg_update", "fma.rn.f64 %vq, %a, %vp, %vq;", "fma.rn.f64 %vq, %b, %vp, %vq;", "b for a"),
        (
            updates,
            "cg_update",
            "mul.rn.f64 %vp, %b, %vp;",
            "fma.rn.f64 %vp, %b, %vp, %vr; sub.rn.f64 %vp, %vp, %vr;",
            "another rounding",
        ),
    ];
    for (check, entry, from, to, mistake) in plants {
        let mut kernels = with(entry, from, to);
        let caught = catch_unwind(AssertUnwindSafe(|| check(&mut kernels)));
        assert!(caught.is_err(), "{entry}: {mistake}");
    }
    // And without one nothing is.
    let mut kernels = with("cg_dots", stop, stop);
    [dots, lengths, residuals, judgements, updates].iter().for_each(|check| check(&mut kernels));
}
