//! The hypergradients that are compared, and how a row and a picture call them.

use crate::experiment::Record;
use crate::plot::power_of_ten;
use blo::hypergradient::Unrolled;
use blo::solve::{Solve, Spectral};
use blo::{Estimator, Inverse};

/// The largest K for which every term of the series is computed; above it the sum comes from the spectrum.
const LAST_RECURRENCE: u64 = 1000;

/// A hypergradient at the inner solution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// The Neumann series to K inclusive.
    Neumann(u64),
    /// K + 1 unrolled steps from the inner solution, which are the series to K.
    Unrolled(usize),
    /// (H + ε I)⁻¹.
    Damped(f64),
    /// So many iterations of conjugate gradients.
    Cg(usize),
    /// H⁺.
    Exact,
}

impl Method {
    /// The estimator; alpha is the step size of those that have one.
    pub fn estimator(self, alpha: f64) -> Estimator {
        let by = Spectral::Dense;
        let inverse = match self {
            Method::Unrolled(k) => return Estimator::Unrolled(Unrolled::descent(k + 1, alpha)),
            Method::Neumann(k) if k <= LAST_RECURRENCE => Inverse::neumann(k as usize, alpha),
            Method::Neumann(k) => Inverse::NeumannFilter { terms: k, alpha, by },
            Method::Damped(epsilon) => Inverse::Damped { epsilon, by },
            Method::Cg(iterations) => Inverse::Cg { iterations, tolerance: 0.0 },
            Method::Exact => Inverse::MinNorm { cutoff: None, by },
        };
        Estimator::Implicit(Solve { verify: false, ..inverse.into() })
    }

    /// Term by term and iteration by iteration, or as a function of the eigenvalues.
    pub fn computed_by(self) -> &'static str {
        match self {
            Method::Neumann(k) if k > LAST_RECURRENCE => "filter",
            Method::Neumann(_) | Method::Unrolled(_) | Method::Cg(_) => "recurrence",
            Method::Damped(_) | Method::Exact => "filter",
        }
    }

    /// The beginning of a row: the method and its parameter.
    pub fn record(self) -> Record {
        let mut record = Record::new();
        let (name, parameter) = match self {
            Method::Neumann(k) => ("neumann", Some(("K", k.into()))),
            Method::Unrolled(k) => ("unrolled", Some(("K", k.into()))),
            Method::Damped(epsilon) => ("damped", Some(("epsilon", epsilon.into()))),
            Method::Cg(iterations) => ("cg", Some(("iterations", iterations.into()))),
            Method::Exact => ("exact", None),
        };
        record.insert("method".into(), name.into());
        if let Some((name, value)) = parameter {
            record.insert(name.into(), value);
        }
        record
    }

    /// What a picture calls it.
    pub fn label(self) -> String {
        match self {
            Method::Neumann(k) => format!("K = {}", power_of_ten(k as f64)),
            Method::Unrolled(0) => "unrolled, 1 step".into(),
            Method::Unrolled(k) => format!("unrolled, {} steps", k + 1),
            Method::Damped(epsilon) => format!("ε = {}", power_of_ten(epsilon)),
            Method::Cg(iterations) => format!("k = {iterations}"),
            Method::Exact => "exact".into(),
        }
    }

    /// Where it is on the axis of its kind; `None` for the exact one.
    pub fn parameter(self) -> Option<f64> {
        match self {
            Method::Neumann(k) => Some(k as f64),
            Method::Unrolled(k) => Some(k as f64),
            Method::Damped(epsilon) => Some(epsilon),
            Method::Cg(iterations) => Some(iterations as f64),
            Method::Exact => None,
        }
    }
}
