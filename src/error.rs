//! Errors: what was given, what was found, what was expected.
//!
//! An error means that the result has no meaning. Outcomes of an algorithm (not converged, negative curvature, a series
//! that grows) are not errors; they are in the [`Report`](crate::solve::Report) or in the
//! [`Outcome`](crate::bilevel::Outcome).

use std::fmt;

/// Short for a result whose error is [`Error`].
pub type Result<V> = std::result::Result<V, Error>;

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A pointer that must not be null was null (C interface).
    Null {
        /// The argument's name.
        argument: &'static str,
    },
    /// A value outside of its range.
    Invalid {
        /// The argument's name.
        argument: &'static str,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// An array of the wrong length.
    Shape {
        /// The argument's name.
        argument: &'static str,
        /// The length found.
        found: usize,
        /// The length expected.
        expected: usize,
    },
    /// NaN or an infinity.
    NonFinite {
        /// The array's name, or the callback's whose output it is.
        argument: &'static str,
        /// The position of the first such element.
        index: usize,
        /// The element.
        found: f64,
    },
    /// A matrix that has to be symmetric is not.
    Asymmetric {
        /// The matrix's name.
        argument: &'static str,
        /// The row of the largest difference.
        row: usize,
        /// The column of the largest difference.
        column: usize,
        /// The largest absolute difference between an element and its mirror image.
        difference: f64,
    },
    /// A matrix that has to be positive semidefinite is not.
    Indefinite {
        /// The matrix's name.
        argument: &'static str,
        /// Its smallest eigenvalue.
        eigenvalue: f64,
        /// The smallest eigenvalue that rounding would excuse.
        floor: f64,
    },
    /// A struct from C whose size field does not fit.
    StructSize {
        /// The struct's name.
        argument: &'static str,
        /// The size found.
        found: usize,
        /// The smallest size expected.
        expected: usize,
    },
    /// The problem or the operator cannot do what was asked.
    Unsupported {
        /// What was asked.
        operation: &'static str,
        /// Why it cannot be done, and what can.
        reason: &'static str,
    },
    /// A file that cannot be written, read or used.
    File {
        /// Its path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A callback of the caller's failed.
    Callback {
        /// The callback's name.
        name: &'static str,
        /// What it returned.
        code: i32,
    },
    /// No GPU to work on: no driver, a driver that is too old, or no such device.
    NoDevice {
        /// What is missing, and what was found.
        reason: String,
    },
    /// The GPU's memory does not suffice.
    DeviceMemory {
        /// The bytes that were asked for.
        bytes: usize,
    },
    /// A call of the GPU's driver failed, maybe for an earlier launch. The device's handle is of no use after it.
    Device {
        /// The driver's function, or the operation.
        operation: &'static str,
        /// The driver's words.
        reason: String,
    },
    /// A decomposition did not converge.
    Decomposition {
        /// The matrix's name.
        argument: &'static str,
    },
    /// A bug of this library: a panic was contained.
    Panic {
        /// The panic's text.
        message: String,
    },
}

impl Error {
    /// The number of this error in the C interface (`BLO_ERR_*` in `blo.h`).
    pub fn status(&self) -> i32 {
        match self {
            Error::Null { .. } => -1,
            Error::Invalid { .. } => -2,
            Error::Shape { .. } => -3,
            Error::NonFinite { .. } => -4,
            Error::StructSize { .. } => -5,
            Error::Asymmetric { .. } => -20,
            Error::Indefinite { .. } => -21,
            Error::Decomposition { .. } => -22,
            Error::Unsupported { .. } => -40,
            Error::File { .. } => -41,
            Error::Callback { .. } => -60,
            Error::NoDevice { .. } => -80,
            Error::DeviceMemory { .. } => -81,
            Error::Device { .. } => -82,
            Error::Panic { .. } => -100,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Null { argument } => write!(f, "{argument}: found a null pointer, expected a valid one"),
            Error::Invalid { argument, found, expected } => {
                write!(f, "{argument}: found {found}, expected {expected}")
            }
            Error::Shape { argument, found, expected } => {
                write!(f, "{argument}: found length {found}, expected length {expected}")
            }
            Error::NonFinite { argument, index, found } => {
                write!(f, "{argument}: found {found} at index {index}, expected finite values")
            }
            Error::Asymmetric { argument, row, column, difference } => write!(
                f,
                "{argument}: found elements ({row}, {column}) and ({column}, {row}) that differ by {difference:e}, \
                 expected a symmetric matrix"
            ),
            Error::Indefinite { argument, eigenvalue, floor } => write!(
                f,
                "{argument}: found eigenvalue {eigenvalue:e}, expected a positive semidefinite matrix \
                 (nothing below {floor:e})"
            ),
            Error::StructSize { argument, found, expected } => write!(
                f,
                "{argument}: found struct_size {found}, expected at least {expected} (set by the struct's init function)"
            ),
            Error::Unsupported { operation, reason } => write!(f, "{operation}: not possible: {reason}"),
            Error::File { path, reason } => write!(f, "{path}: {reason}"),
            Error::Callback { name, code } => write!(f, "callback {name}: found return value {code}, expected 0"),
            Error::Decomposition { argument } => {
                write!(f, "{argument}: found no convergence of its decomposition, expected a well-scaled matrix")
            }
            Error::NoDevice { reason } => write!(f, "device: found {reason}"),
            Error::DeviceMemory { bytes } => {
                write!(f, "device memory: found too little for {bytes} bytes, expected room for them")
            }
            Error::Device { operation, reason } => write!(f, "{operation}: {reason}"),
            Error::Panic { message } => write!(f, "internal error (please report it): {message}"),
        }
    }
}

impl std::error::Error for Error {}

/// Short for [`Error::Invalid`].
pub(crate) fn invalid(argument: &'static str, found: impl fmt::Display, expected: impl fmt::Display) -> Error {
    Error::Invalid { argument, found: found.to_string(), expected: expected.to_string() }
}

/// Checks a length.
pub(crate) fn check_len(argument: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Shape { argument, found, expected }) }
}

/// Checks that every element is finite.
pub(crate) fn check_finite<T: crate::Scalar>(argument: &'static str, values: &[T]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NonFinite { argument, index, found: values[index].to_f64() }),
    }
}

/// Checks that a number is finite and positive.
pub(crate) fn check_positive(argument: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() { Ok(()) } else { Err(invalid(argument, value, "a finite number above 0")) }
}

/// Checks that a number is finite and not negative.
pub(crate) fn check_nonnegative(argument: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        Ok(())
    } else {
        Err(invalid(argument, value, "a finite number, 0 or above"))
    }
}
