//! Conjugate gradients with their scalars on the device. The host looks at them once for [`TOGETHER`] steps; of these, what
//! follows the end of the run does nothing but its products.

use super::buffer::{Buffer, View};
use super::device::{Device, PARTIALS};
use super::operations::{count, each, stages};
use super::recorded::Recorded;
use super::series::TOGETHER;
use crate::solve::{CgRun, Ending};
use crate::{Result, Scalar};

/// The numbers of a record, as `kernels/cg_f64.ptx` has them.
const RECORD: usize = 14;

/// What the steps of one workspace need beside their vectors.
#[derive(Debug)]
pub(super) struct CgSteps {
    record: Buffer<f64>,
    /// Of two sums at a time.
    partial: Buffer<f64>,
    recorded: Recorded,
}

fn to_record<T: Scalar>(run: &CgRun) -> [f64; RECORD] {
    let (low, high) = run.range.unwrap_or((f64::NAN, f64::NAN));
    let best_is_q = f64::from(u8::from(run.best_is_q));
    let start = [0.0, run.square, run.smallest, best_is_q, low, high, 0.0];
    let limits = [run.target, CgRun::flat::<T>(), CgRun::runaway::<T>()];
    // The rest is of a step.
    let mut record = [0.0; RECORD];
    record[..start.len()].copy_from_slice(&start);
    record[RECORD - limits.len()..].copy_from_slice(&limits);
    record
}

/// What has become of the run, except its limits.
fn from_record(record: &[f64; RECORD], products: usize, run: &mut CgRun) {
    let [ending, square, smallest, best_is_q, low, high, spent, ..] = *record;
    let of = |known: &Ending| f64::from(known.number()) == ending;
    run.ending = [Ending::Converged, Ending::NegativeCurvature, Ending::Singular].into_iter().find(of);
    (run.square, run.smallest, run.best_is_q) = (square, smallest, best_is_q != 0.0);
    run.products = products + spent as usize;
    run.range = if spent > 0.0 { Some((low, high)) } else { run.range };
}

impl CgSteps {
    pub fn new(device: &Device) -> CgSteps {
        let [record, partial] = [RECORD, 2 * PARTIALS].map(|len| Buffer::zeros(device, len));
        CgSteps { record, partial, recorded: Recorded::default() }
    }

    pub fn bytes(&self) -> usize {
        self.record.bytes() + self.partial.bytes()
    }

    /// As [`Operator::cg_steps`](crate::solve::Operator::cg_steps) for vectors that are not empty. `product` is hp ← H p, with
    /// arguments that depend on the problem, the workspace and `scalars`.
    pub fn run<T: Scalar>(
        &mut self,
        device: &Device,
        steps: usize,
        run: &mut CgRun,
        vectors: [View<T>; 5],
        scalars: &[f64],
        product: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let CgSteps { record, partial, recorded } = self;
        let (before, mut numbers) = (run.products, to_record::<T>(run));
        record.load(&numbers)?;
        let step = || {
            product()?;
            device.cg_step(record.all(), partial.all(), vectors);
            device.status()
        };
        let mut left = steps;
        while left > 0 && run.ending.is_none() {
            if left >= TOGETHER {
                let together = || (0..TOGETHER).try_for_each(|_| step());
                recorded.run(device, &vectors.map(|vector| vector.address), scalars.iter().copied(), together)?;
            } else {
                (0..left).try_for_each(|_| step())?;
            }
            left -= left.min(TOGETHER);
            record.store(&mut numbers)?;
            from_record(&numbers, before, run);
        }
        Ok(())
    }
}

impl Device {
    /// What follows the product in a step, on the vectors q, r, p, hp and the best iterate.
    fn cg_step<T: Scalar>(&self, record: View<f64>, partial: View<f64>, [q, r, p, hp, best]: [View<T>; 5]) {
        debug_assert!([q, r, hp, best].iter().all(|vector| vector.len == p.len) && p.len > 0);
        let (blocks, grid, n) = (stages(p.len), each(p.len), count(p.len));
        let [record, partial, q, r, p, hp, best] =
            [record.arg(), partial.arg(), q.arg(), r.arg(), p.arg(), hp.arg(), best.arg()];
        self.launch::<T>("cg_dots", [blocks, 1], &[record, p, hp, partial, n]);
        self.launch::<T>("cg_length", [1, 1], &[record, partial, count(blocks)]);
        self.launch::<T>("cg_residual", [blocks, 1], &[record, hp, r, partial, n]);
        self.launch::<T>("cg_judge", [1, 1], &[record, partial, count(blocks)]);
        self.launch::<T>("cg_update", grid, &[record, r, p, q, best, n]);
    }
}
