//! Central differences over a sweep of steps, with an estimate of what they are worth.

use super::host::{combine, norm};

/// The largest step, and the factor from each to the next.
const FIRST_STEP: f64 = 0.25;
const FACTOR: f64 = 0.25;
/// The step whose secant says how large a derivative would count as zero: 1/16 of the largest.
const SECANT: usize = 2;

/// What a sweep found.
pub(super) struct Estimate {
    /// The derivative, by the step that its neighbours agree with best.
    pub derivative: Vec<f64>,
    /// How far that may be off: the distance to the neighbours, and the rounding of the function.
    pub uncertainty: f64,
    /// The step.
    pub step: f64,
    /// The distance between the derivatives from the left and from the right, where it does not shrink with the step; else 0.
    pub jump: f64,
    /// The slope of a secant over a moderate step.
    pub secant: f64,
}

/// One step of the sweep.
struct Sample {
    step: f64,
    central: Vec<f64>,
    gap: f64,
    secant: f64,
}

/// The derivative at 0 of a function of the step. `at` returns `None` where the function has no finite value. `unit` scales
/// the steps, `rounding` is the relative rounding of the function's values, of size `size` at least.
pub(super) fn sweep(
    unit: f64,
    rounding: f64,
    size: f64,
    mut at: impl FnMut(f64) -> Option<Vec<f64>>,
) -> Option<Estimate> {
    let middle = at(0.0)?;
    let noise = 4.0 * rounding * norm(&middle).max(size);
    let smallest = 0.01 * rounding.sqrt();
    let mut samples = Vec::new();
    let mut step = FIRST_STEP;
    while step > smallest {
        let h = step * unit;
        if let (Some(plus), Some(minus)) = (at(h), at(-h)) {
            let forward = combine(1.0 / h, &plus, -1.0 / h, &middle);
            let backward = combine(1.0 / h, &middle, -1.0 / h, &minus);
            samples.push(Sample {
                step: h,
                central: combine(0.5, &forward, 0.5, &backward),
                gap: norm(&combine(1.0, &forward, -1.0, &backward)),
                secant: norm(&forward).max(norm(&backward)),
            });
        }
        step *= FACTOR;
    }
    let doubt = |i: usize| {
        let to = |j: usize| {
            let (here, there) = (samples.get(i)?, samples.get(j)?);
            Some(norm(&combine(1.0, &here.central, -1.0, &there.central)))
        };
        let neighbours = [i.checked_sub(1).and_then(to), to(i + 1)];
        let farthest =
            neighbours.into_iter().flatten().fold(None, |far: Option<f64>, d| Some(far.unwrap_or(0.0).max(d)));
        farthest.map_or(f64::INFINITY, |far| far + noise / samples[i].step)
    };
    let doubts: Vec<f64> = (0..samples.len()).map(doubt).collect();
    let best = (0..samples.len()).min_by(|&i, &j| doubts[i].total_cmp(&doubts[j]))?;
    let chosen = samples.get(best)?;
    // The two one-sided derivatives of a smooth function approach each other as the step does 0.
    let gap = |i: usize| samples.get(i).map(|sample| sample.gap);
    let (wider, closer) = match (gap(best + 1), best.checked_sub(1).and_then(gap)) {
        (Some(closer), _) => (chosen.gap, closer),
        (None, wider) => (wider.unwrap_or(f64::INFINITY), chosen.gap),
    };
    let secant = samples.get(SECANT).or(samples.first()).map_or(0.0, |sample| sample.secant);
    Some(Estimate {
        derivative: chosen.central.clone(),
        uncertainty: doubts[best],
        step: chosen.step,
        jump: if closer >= 0.5 * wider { chosen.gap } else { 0.0 },
        secant,
    })
}

/// Standard normals from a seed: splitmix64 and Box-Muller.
pub(super) struct Random(pub u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn normals(&mut self, count: usize) -> Vec<f64> {
        let mut normal =
            || (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos();
        (0..count).map(|_| normal()).collect()
    }
}
