//! Inner examples one by one, and batches of them.

use super::buffer::{Buffer, View};
use super::device::Device;
use super::mlp::{CHUNK, Mlp, Workspace};
use super::passes::{At, Batch};
use crate::error::check_len;
use crate::problem::check_batch;
use crate::{Result, Scalar};

/// The rows of a batch, gathered by a copy for each.
#[derive(Debug)]
pub(super) struct Gathered<T: Scalar> {
    x: Buffer<T>,
    targets: Buffer<T>,
    weights: Buffer<T>,
}

impl<T: Scalar> Gathered<T> {
    /// For up to `rows` examples.
    pub fn new(device: &Device, rows: usize, inputs: usize, outputs: usize) -> Gathered<T> {
        let [x, targets, weights] = [inputs, outputs, 1].map(|columns| Buffer::zeros(device, rows * columns));
        Gathered { x, targets, weights }
    }

    pub fn bytes(&self) -> usize {
        let Gathered { x, targets, weights } = self;
        x.bytes() + targets.bytes() + weights.bytes()
    }

    /// The rows of `whole` with these indices, their weights times `share`.
    fn gather(&self, device: &Device, whole: Batch<T>, indices: &[usize], share: T) -> Batch<T> {
        let rows = indices.len();
        let pick = |from: View<T>, to: &Buffer<T>| {
            let columns = to.len() / self.weights.len();
            for (k, i) in indices.iter().enumerate() {
                device.assign(from.part(i * columns..(i + 1) * columns), to.part(k * columns..(k + 1) * columns));
            }
            to.part(0..rows * columns)
        };
        let weights = pick(whole.weights, &self.weights);
        device.scale(share, weights);
        Batch { x: pick(whole.x, &self.x), targets: pick(whole.targets, &self.targets), weights }
    }
}

impl<T: Scalar> Mlp<T> {
    /// scoresᵢ ← ⟨∇_w fᵢ, v⟩, by the way forward of one product.
    pub(super) fn scores_along(&self, workspace: &mut Workspace<T>, v: &Buffer<T>, out: &mut [f64]) -> Result<()> {
        check_len("scores", out.len(), self.rows())?;
        let Workspace { frozen, w, sweep, scores, .. } = workspace;
        let (at, last) = (self.at(w, frozen), self.net().layers.len() - 1);
        sweep.images(&at, v.all(), false);
        sweep.forward(&at);
        let arrays = [at.deltas(last), sweep.rz[last].all(), scores.all()].map(View::arg);
        self.net().device.by_rows::<T>("row_dots", &[], &arrays, [self.rows(), self.net().outputs()]);
        let mut values = vec![T::ZERO; out.len()];
        scores.store(&mut values)?;
        out.iter_mut().zip(values).for_each(|(out, score)| *out = score.to_f64());
        Ok(())
    }

    /// f_B and its gradient, up to [`CHUNK`] examples at a time.
    pub(super) fn batch_gradient(
        &self,
        workspace: &mut Workspace<T>,
        batch: &[usize],
        [u, w, gradient]: [&Buffer<T>; 3],
    ) -> Result<f64> {
        let share = T::from_f64(check_batch(batch, self.rows())?);
        let Workspace { scratch, step, gathered, .. } = workspace;
        self.set_data(u, scratch)?;
        let mut value = 0.0;
        for (k, piece) in batch.chunks(CHUNK.min(self.rows())).enumerate() {
            let batch = gathered.gather(&self.net().device, self.batch(&scratch.data), piece, share);
            let rows = piece.len();
            scratch.pass.run(self.net(), w.all(), batch);
            At { net: self.net(), rows, w: w.all(), batch, pass: &scratch.pass }.gradient(k > 0, gradient.all());
            value += scratch.pass.value(self.net(), rows)?;
        }
        Ok(value + self.add_rest(&scratch.data, [u, w, step, gradient])?)
    }
}
