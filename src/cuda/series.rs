//! Steps of a Neumann series made together: launched one after the other at first, as one recorded graph after that. The
//! host looks at the norms once for all of them.

use super::buffer::{Buffer, View};
use super::device::{Device, Graph};
use crate::{Result, Scalar};

/// How many. Even, so that what a step swaps is in its place again at the end.
pub(super) const TOGETHER: usize = 8;

/// What the launches depend on beside the problem and its workspace.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    alpha: f64,
    vectors: [u64; 3],
    /// Numbers that are arguments of launches: penalties, which may depend on u.
    scalars: Vec<f64>,
}

/// The steps of one workspace.
#[derive(Debug)]
pub(super) struct Steps {
    norms: Buffer<f64>,
    /// Those of the last call.
    key: Option<Key>,
    /// Of the steps with that key.
    graph: Option<Graph>,
}

impl Steps {
    pub fn new(device: &Device) -> Steps {
        Steps { norms: Buffer::zeros(device, TOGETHER), key: None, graph: None }
    }

    pub fn bytes(&self) -> usize {
        self.norms.bytes()
    }

    /// [`TOGETHER`] calls of `step` with the place of its norm's square; `norms` ← these.
    ///
    /// The first call with an alpha, vectors and scalars launches, which loads the kernels; the second records.
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
        let steps = || (0..TOGETHER).try_for_each(|k| step(k, all.part(k..k + 1)));
        let addresses = vectors.map(|vector| vector.address);
        let same = |key: &Key| key.alpha == alpha.to_f64() && key.vectors == addresses && key.scalars == scalars;
        let alone = device.reducing();
        if self.key.as_ref().is_some_and(same) {
            if self.graph.is_none() {
                self.graph = Some(device.record(steps)?);
            }
            if let Some(graph) = &self.graph {
                device.replay(graph)?;
            }
        } else {
            self.graph = None;
            self.key = Some(Key { alpha: alpha.to_f64(), vectors: addresses, scalars: scalars.to_vec() });
            steps()?;
        }
        drop(alone);
        self.norms.store(norms)
    }
}
