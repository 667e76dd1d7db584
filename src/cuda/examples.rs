//! Inner examples one by one, and batches of them.

use super::buffer::{Buffer, View};
use super::device::{Arg, Device};
use super::mlp::{CHUNK, Mlp, Workspace};
use super::operations::{count, stages};
use super::passes::{At, Batch};
use crate::error::check_len;
use crate::problem::check_batch;
use crate::solve::heap;
use crate::{Result, Scalar};

/// The rows of a batch, gathered by a kernel for each array.
#[derive(Debug)]
pub(super) struct Gathered<T: Scalar> {
    x: Buffer<T>,
    targets: Buffer<T>,
    weights: Buffer<T>,
    /// The indices' bits, of 64 each, on the host and on the device.
    host: Vec<f64>,
    index: Buffer<f64>,
}

impl<T: Scalar> Gathered<T> {
    /// For up to `rows` examples.
    pub fn new(device: &Device, rows: usize, inputs: usize, outputs: usize) -> Gathered<T> {
        let [x, targets, weights] = [inputs, outputs, 1].map(|columns| Buffer::zeros(device, rows * columns));
        Gathered { x, targets, weights, host: Vec::with_capacity(rows), index: Buffer::zeros(device, rows) }
    }

    pub fn bytes(&self) -> usize {
        let Gathered { x, targets, weights, host, index } = self;
        x.bytes() + targets.bytes() + weights.bytes() + heap(host) + index.bytes()
    }

    /// The rows of `whole` with these indices, which are below its number, their weights times `share`.
    fn gather(&mut self, device: &Device, whole: Batch<T>, indices: &[usize], share: T) -> Result<Batch<T>> {
        let Gathered { x, targets, weights, host, index } = self;
        let rows = indices.len();
        host.clear();
        host.extend(indices.iter().map(|i| f64::from_bits(*i as u64)));
        device.upload(host, index.address())?;
        let (most, index) = (weights.len(), index.all().first(rows));
        let pick = |scale: T, from: View<T>, to: &Buffer<T>| {
            let columns = to.len() / most;
            let to = to.all().first(rows * columns);
            let arrays = [from.arg(), index.arg(), to.arg()];
            device.by_rows::<T>("gather_rows", &[Arg::scalar(scale)], &arrays, [rows, columns]);
            to
        };
        Ok(Batch {
            x: pick(T::ONE, whole.x, x),
            targets: pick(T::ONE, whole.targets, targets),
            weights: pick(share, whole.weights, weights),
        })
    }
}

impl Device {
    /// How many elements have an absolute value up to `bound`.
    fn count_within<T: Scalar>(&self, bound: f64, x: View<T>) -> Result<f64> {
        if x.len == 0 {
            return self.status().map(|()| 0.0);
        }
        let blocks = stages(x.len);
        let args = [Arg::F64(bound), x.arg(), self.partials(), count(x.len)];
        self.sum(self.partials(), blocks, || self.launch::<T>("count_within", [blocks, 1], &args))
    }
}

impl<T: Scalar> Mlp<T> {
    /// The number of hidden pre-activations of the inner examples at (u, w) with |z| ≤ distance: see
    /// [`mlp::Mlp::near_kink`](crate::problem::mlp::Mlp::near_kink).
    ///
    /// # Errors
    ///
    /// As [`Problem::inner`](crate::problem::Problem::inner).
    pub fn near_kink(
        &self,
        workspace: &mut Workspace<T>,
        u: &Buffer<T>,
        w: &Buffer<T>,
        distance: f64,
    ) -> Result<usize> {
        let Workspace { scratch, sweep, .. } = workspace;
        self.pass(u, w, scratch)?;
        let (net, at) = (self.net(), self.at(w, scratch));
        let mut near = 0.0;
        for (l, layer) in net.layers.iter().enumerate().take(net.layers.len() - 1) {
            let z = sweep.rz[l].all();
            layer.forward(&net.device, [at.w, at.inputs(l), z], None);
            near += net.device.count_within(distance, z)?;
        }
        Ok(near as usize)
    }

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
            let batch = gathered.gather(&self.net().device, self.batch(&scratch.data), piece, share)?;
            let rows = piece.len();
            scratch.pass.run(self.net(), w.all(), batch);
            At { net: self.net(), rows, w: w.all(), batch, pass: &scratch.pass }.gradient(k > 0, gradient.all());
            value += scratch.pass.value(self.net(), rows)?;
        }
        Ok(value + self.add_rest(&scratch.data, [u, w, step, gradient])?)
    }
}
