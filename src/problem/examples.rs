//! Examples: a design matrix and its targets.

use crate::error::invalid;
use crate::{Result, Scalar};

/// Examples as rows: a design matrix (rows × features, row-major) and the targets of each row. A bias is a column of ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Examples<T> {
    /// Φ, rows × `features`.
    pub design: Vec<T>,
    /// The number of columns.
    pub features: usize,
    /// One for each row; for softmax regression a row of probabilities for each (see [`one_hot`]). Where the targets are the
    /// outer parameters only their number counts.
    pub targets: Vec<T>,
}

/// How the examples' losses are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Σ over examples.
    Sum,
    /// 1/n Σ over examples.
    Mean,
}

impl Reduction {
    /// The factor of Σ over this many examples.
    pub(super) fn scale(self, rows: usize) -> f64 {
        match self {
            Reduction::Sum => 1.0,
            Reduction::Mean => 1.0 / rows.max(1) as f64,
        }
    }
}

/// Checks the indices of a batch; returns n/|B|.
pub(crate) fn check_batch(batch: &[usize], rows: usize) -> Result<f64> {
    if batch.is_empty() {
        return Err(invalid("batch", "no examples", "at least 1"));
    }
    match batch.iter().position(|&i| i >= rows) {
        None => Ok(rows as f64 / batch.len() as f64),
        Some(at) => {
            Err(invalid("batch", format!("example {} at index {at}", batch[at]), format!("examples below {rows}")))
        }
    }
}

/// Classes as rows of probabilities, 1 at the class and 0 elsewhere: targets of softmax regression.
///
/// # Errors
///
/// [`Error::Invalid`](crate::Error::Invalid) for a class that is not below `classes`.
///
/// ```
/// assert_eq!(blo::problem::one_hot::<f64>(&[2, 0], 3)?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
/// # Ok::<(), blo::Error>(())
/// ```
pub fn one_hot<T: Scalar>(labels: &[usize], classes: usize) -> Result<Vec<T>> {
    let mut rows = vec![T::ZERO; labels.len() * classes];
    for (i, &label) in labels.iter().enumerate() {
        if label >= classes {
            return Err(invalid("labels", format!("{label} at index {i}"), format!("a class below {classes}")));
        }
        rows[i * classes + label] = T::ONE;
    }
    Ok(rows)
}
