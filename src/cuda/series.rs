//! Steps of a Neumann series made together: launched one after the other at first, as one recorded graph after that. The
//! host looks at the norms once for all of them.

use super::buffer::{Buffer, View};
use super::device::Device;
use super::recorded::Recorded;
use crate::{Result, Scalar};

/// How many. Even, so that what a step swaps is in its place again at the end.
pub(super) const TOGETHER: usize = 8;

/// The steps of one workspace.
#[derive(Debug)]
pub(super) struct Steps {
    norms: Buffer<f64>,
    recorded: Recorded,
}

impl Steps {
    pub fn new(device: &Device) -> Steps {
        Steps { norms: Buffer::zeros(device, TOGETHER), recorded: Recorded::default() }
    }

    pub fn bytes(&self) -> usize {
        self.norms.bytes()
    }

    /// [`TOGETHER`] calls of `step` with the place of its norm's square; `norms` ← these. `scalars` are arguments of launches,
    /// penalties, which may depend on u.
    pub fn run<T: Scalar>(
        &mut self,
        device: &Device,
        alpha: T,
        vectors: [View<T>; 3],
        scalars: &[f64],
        norms: &mut [f64],
        step: impl Fn(usize, View<f64>) -> Result<()>,
    ) -> Result<()> {
        let all = self.norms.all();
        let alone = device.reducing();
        let numbers = std::iter::once(alpha.to_f64()).chain(scalars.iter().copied());
        self.recorded.run(device, &vectors.map(|vector| vector.address), numbers, || {
            (0..TOGETHER).try_for_each(|k| step(k, all.part(k..k + 1)))
        })?;
        drop(alone);
        self.norms.store(norms)
    }
}
