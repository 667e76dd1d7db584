//! Batches of examples, drawn without replacement.

use crate::error::invalid;
use crate::random::Random;
use crate::{Error, Result};

/// Batches of the inner examples for the steps of an inner optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// The examples in a batch, from 1 to the number of inner examples.
    pub size: usize,
    /// Of the order of the examples.
    pub seed: u64,
}

/// Draws batches so that every example comes exactly once in an epoch.
///
/// An epoch is a fresh uniform permutation (Fisher and Yates; Durstenfeld, 1964) of the n examples, cut into ⌈n/size⌉ batches.
/// The last one is the short remainder where size does not divide n. Each batch alone is a uniform draw without
/// replacement, so that [`inner_batch`](crate::problem::Problem::inner_batch) over it is an unbiased estimate; over an epoch of
/// equal batches the estimates average to the full gradient exactly.
///
/// ```
/// use blo::bilevel::{Batch, Sampler};
///
/// let mut sampler = Sampler::new(5, Batch { size: 2, seed: 1 })?;
/// let mut epoch: Vec<usize> = (0..3).flat_map(|_| sampler.next_batch().to_vec()).collect();
/// epoch.sort();
/// assert_eq!(epoch, [0, 1, 2, 3, 4]);
/// # Ok::<(), blo::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sampler {
    pub(super) random: Random,
    /// The present epoch's permutation.
    pub(super) order: Vec<usize>,
    /// The examples of this epoch that are drawn.
    pub(super) position: usize,
    size: usize,
}

impl Sampler {
    /// For this many examples.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for no examples, and [`Error::Invalid`] for a size that is not from 1 to their number.
    pub fn new(examples: usize, batch: Batch) -> Result<Sampler> {
        if examples == 0 {
            return Err(Error::Unsupported {
                operation: "batch",
                reason: "this problem has no inner examples, or its inner objective is not known as a sum over them",
            });
        }
        if !(1..=examples).contains(&batch.size) {
            let expected = format!("from 1 to the number of inner examples, {examples}");
            return Err(invalid("batch.size", batch.size, expected));
        }
        let order = (0..examples).collect();
        Ok(Sampler { random: Random::new(batch.seed), order, position: examples, size: batch.size })
    }

    /// The indices of the next batch.
    pub fn next_batch(&mut self) -> &[usize] {
        let examples = self.order.len();
        if self.position >= examples {
            for i in (1..examples).rev() {
                self.order.swap(i, self.random.below(i + 1));
            }
            self.position = 0;
        }
        let begin = self.position;
        self.position = examples.min(begin + self.size);
        &self.order[begin..self.position]
    }
}
