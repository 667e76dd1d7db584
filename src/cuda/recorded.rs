//! Launches that come again and again, as one recorded graph.

use super::device::{Device, Graph};
use crate::Result;

/// What launches depend on beside the problem and its workspace.
#[derive(Debug)]
struct Key {
    /// Of vectors.
    addresses: Vec<u64>,
    /// Arguments.
    numbers: Vec<f64>,
}

/// The launches of the last call, and their graph.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    key: Option<Key>,
    graph: Option<Graph>,
}

impl Recorded {
    /// What `body` launches for these addresses and numbers.
    ///
    /// The first call with them launches, which loads the kernels; the second records.
    pub fn run(
        &mut self,
        device: &Device,
        addresses: &[u64],
        numbers: impl Iterator<Item = f64> + Clone,
        body: impl Fn() -> Result<()>,
    ) -> Result<()> {
        let same = |key: &Key| key.addresses == addresses && key.numbers.iter().copied().eq(numbers.clone());
        if !self.key.as_ref().is_some_and(same) {
            self.graph = None;
            self.key = Some(Key { addresses: addresses.to_vec(), numbers: numbers.collect() });
            return body();
        }
        if self.graph.is_none() {
            self.graph = Some(device.record(body)?);
        }
        self.graph.as_ref().map_or(Ok(()), |graph| device.replay(graph))
    }
}
