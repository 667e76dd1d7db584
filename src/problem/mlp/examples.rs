//! Inner examples one by one, and batches of them.

use super::loss::{Batch, Loss};
use super::passes::{At, Pass};
use super::problem::{CHUNK, Mlp, Workspace};
use crate::error::{check_finite, check_len, invalid};
use crate::problem::examples::check_batch;
use crate::problem::{ExampleData, heap_of};
use crate::{Result, Scalar};

/// The rows of a batch, gathered.
#[derive(Debug)]
pub(super) struct Gathered<T> {
    x: Vec<T>,
    targets: Vec<T>,
    weights: Vec<T>,
}

impl<T: Scalar> Gathered<T> {
    /// For up to `rows` examples.
    pub fn new(rows: usize, inputs: usize, outputs: usize) -> Gathered<T> {
        let zeros = |len| vec![T::ZERO; len];
        Gathered { x: zeros(rows * inputs), targets: zeros(rows * outputs), weights: zeros(rows) }
    }

    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Gathered { x, targets, weights } = self;
        heap_of(&[x, targets, weights])
    }
}

/// Checks shapes and values; a design that is not `given` is not looked at.
pub(super) fn check_examples<T: Scalar>(
    examples: &ExampleData<T>,
    [design, targets]: [&'static str; 2],
    outputs: usize,
    given: bool,
    loss: Loss,
) -> Result<()> {
    let found = examples.targets.len();
    if !found.is_multiple_of(outputs) {
        return Err(invalid(targets, format!("length {found}"), format!("{outputs} for each example")));
    }
    if given {
        check_len(design, examples.design.len(), found / outputs * examples.features)?;
        check_finite(design, &examples.design)?;
    }
    check_finite(targets, &examples.targets)?;
    match examples.targets.iter().position(|t| *t < T::ZERO) {
        Some(i) if loss == Loss::CrossEntropy => {
            Err(invalid(targets, format!("{} at index {i}", examples.targets[i]), "0 or above, for a cross-entropy"))
        }
        _ => Ok(()),
    }
}

/// ⟨δ_L, Rz_L⟩ for each example: the derivative of its own term of f along the direction.
pub(super) fn scores<T: Scalar>(pass: &Pass<T>, rz: &[T], outputs: usize, mut out: impl FnMut(usize, f64)) {
    let Some(delta) = pass.deltas.last() else { return };
    for (i, (delta, rz)) in delta.chunks_exact(outputs).zip(rz.chunks_exact(outputs)).enumerate() {
        out(i, delta.iter().zip(rz).map(|(delta, rz)| delta.to_f64() * rz.to_f64()).sum());
    }
}

impl<T: Scalar> Mlp<T> {
    /// scoresᵢ ← ⟨∇_w fᵢ, v⟩, by the way forward of one product.
    pub(super) fn scores_along(&self, workspace: &mut Workspace<T>, v: &[T], out: &mut [f64]) -> Result<()> {
        check_len("scores", out.len(), self.rows())?;
        let Workspace { frozen, w, sweep, .. } = workspace;
        let at = self.at(w, frozen);
        sweep.images(&at, v, false);
        sweep.forward(&at);
        if let Some(rz) = sweep.rz.last() {
            scores(at.pass, rz, self.model().outputs(), |i, score| out[i] = score);
        }
        Ok(())
    }

    /// f_B and its gradient, up to [`CHUNK`] examples at a time.
    pub(super) fn batch_gradient(
        &self,
        workspace: &mut Workspace<T>,
        batch: &[usize],
        u: &[T],
        w: &[T],
        gradient: &mut [T],
    ) -> Result<f64> {
        let share = T::from_f64(check_batch(batch, self.rows())?);
        let (d, c) = (self.model().inputs(), self.model().outputs());
        let Workspace { scratch, gathered, .. } = workspace;
        self.set_data(u, &mut scratch.data)?;
        let Gathered { x, targets, weights } = gathered;
        gradient.fill(T::ZERO);
        let mut value = 0.0;
        for piece in batch.chunks(CHUNK.min(self.rows())) {
            let (all, whole) = (self.inputs(&scratch.data), self.batch(&scratch.data));
            for (k, &i) in piece.iter().enumerate() {
                x[k * d..(k + 1) * d].copy_from_slice(&all[i * d..(i + 1) * d]);
                targets[k * c..(k + 1) * c].copy_from_slice(&whole.targets[i * c..(i + 1) * c]);
                weights[k] = share * whole.weights[i];
            }
            let rows = piece.len();
            let (x, targets, weights) = (&x[..rows * d], &targets[..rows * c], &weights[..rows]);
            let simd = self.simd();
            let batch = Batch { outputs: c, targets, weights };
            value += scratch.pass.run(self.model(), simd, w, x, batch);
            At { model: self.model(), simd, rows, w, x, pass: &scratch.pass }.gradient(true, gradient);
        }
        Ok(value + self.add_penalties(u, w, &scratch.data, gradient))
    }
}
