//! Values as bytes: little-endian, in a fixed order, each read back from exactly what was written.

use crate::Scalar;

/// Bytes that are being read.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether the next byte is this one, which is then read.
    pub fn skip(&mut self, byte: u8) -> bool {
        let rest = self.bytes.strip_prefix(&[byte]);
        self.bytes = rest.unwrap_or(self.bytes);
        rest.is_some()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*head)
    }
}

/// A value with a fixed form in bytes. Reading returns `None` for anything that writing does not make.
pub(super) trait Encode: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn get(from: &mut Reader<'_>) -> Option<Self>;
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Encode for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(from: &mut Reader<'_>) -> Option<Self> {
                from.take().map(<$type>::from_le_bytes)
            }
        }
    )*};
}
number!(u8, u32, u64, f64);

impl Encode for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        u64::get(from)?.try_into().ok()
    }
}

impl Encode for bool {
    fn put(&self, out: &mut Vec<u8>) {
        u8::from(*self).put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match u8::get(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<V: Encode> Encode for Option<V> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        if bool::get(from)? { V::get(from).map(Some) } else { Some(None) }
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        Some((A::get(from)?, B::get(from)?))
    }
}

/// Writes the bits of a host vector.
pub(super) fn put_vector<T: Scalar>(values: &[T], out: &mut Vec<u8>) {
    for value in values {
        // The widening is exact, so that the bits come back.
        value.to_f64().put(out);
    }
}

/// Reads as many elements as `values` has.
pub(super) fn get_vector<T: Scalar>(from: &mut Reader<'_>, values: &mut [T]) -> Option<()> {
    for value in values {
        *value = T::from_f64(f64::get(from)?);
    }
    Some(())
}

/// FNV-1a, 64 bits. Each step is a bijection of the hash for a given byte, so a change of one byte always shows.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// `enum` variants by number, then their fields in order.
macro_rules! encode_enum {
    ($type:path { $($number:literal => $variant:ident $({ $($field:ident),* })?),* $(,)? }) => {
        impl Encode for $type {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        let number: u8 = $number;
                        number.put(out);
                        $($($field.put(out);)*)?
                    })*
                }
            }
            fn get(from: &mut Reader<'_>) -> Option<Self> {
                Some(match u8::get(from)? {
                    $($number => Self::$variant $({ $($field: Encode::get(from)?),* })?,)*
                    _ => return None,
                })
            }
        }
    };
}

/// Structs, their fields in order.
macro_rules! encode_struct {
    ($type:path { $($field:ident),* $(,)? }) => {
        impl Encode for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }
            fn get(from: &mut Reader<'_>) -> Option<Self> {
                Some(Self { $($field: Encode::get(from)?),* })
            }
        }
    };
}

mod settings {
    use super::{Encode, Reader};
    use crate::bilevel::{Batch, InnerSolve, Outcome, Outer, RunEnding, Settings, Start, ToleranceSchedule};
    use crate::hypergradient::{Estimator, Mode, Unrolled};
    use crate::optimize::{LineSearch, Progress, Rule, SearchEnd, Stage};
    use crate::solve::{Inverse, OnGrowth, Solve, Spectral, Step};

    // A number once given to a variant stays with it.
    encode_enum!(Start { 0 => Cold, 1 => Warm });
    encode_enum!(Rule { 0 => Descent { step }, 1 => Momentum { step, momentum },
        2 => Adam { step, beta1, beta2, epsilon } });
    encode_enum!(InnerSolve { 0 => Fixpoint, 1 => Optimizer { rule, steps, tolerance } });
    encode_enum!(OnGrowth { 0 => Stop, 1 => Continue });
    encode_enum!(Spectral { 0 => Dense, 1 => Lanczos { tolerance, max_products } });
    encode_enum!(Mode { 0 => Reverse, 1 => ReverseCheckpointed, 2 => Forward });
    encode_enum!(Inverse { 0 => MinNorm { cutoff, by }, 1 => Damped { epsilon, by },
        2 => Neumann { terms, step, on_growth }, 3 => NeumannFilter { terms, alpha, by },
        4 => Cg { iterations, tolerance }, 5 => Identity { alpha }, 6 => Zero,
        7 => CgTwice { tolerance, max_products }, 8 => Gmres { restart, tolerance, max_products },
        9 => Minres { tolerance, max_products }, 10 => Nystrom { rank, epsilon, seed } });
    encode_enum!(RunEnding { 0 => Converged, 1 => StepLimit, 2 => Stopped, 3 => InnerDiverged, 4 => OuterDiverged,
        5 => Stalled });
    encode_enum!(Stage { 0 => First, 1 => Searching, 2 => Converged, 3 => Stalled });
    encode_struct!(SearchEnd { t, f, slope });
    encode_struct!(LineSearch {
        t,
        start,
        best,
        other,
        bracketed,
        first_stage,
        interval,
        widths,
        longest,
        evaluations
    });
    encode_struct!(Progress { stage, tolerance, f, lowest, flattest, idle, search });
    encode_struct!(ToleranceSchedule { first, factor, last });
    encode_struct!(Batch { size, seed });
    encode_struct!(Solve { inverse, verify, refine, start_from_last });
    encode_struct!(Unrolled { rule, steps, last, mode });
    encode_struct!(Settings {
        start,
        inner,
        estimator,
        outer,
        outer_steps,
        outer_tolerance,
        keep_look_ahead,
        schedule,
        keep_best,
        bounds,
        batch,
        distances
    });
    encode_struct!(Outcome {
        ending,
        steps,
        outer_loss,
        norm_hypergradient,
        inner_steps,
        products,
        doubtful_solves,
        trace_rows
    });

    impl Encode for Step {
        fn put(&self, out: &mut Vec<u8>) {
            match self {
                Step::Fixed(alpha) => Some(*alpha).put(out),
                Step::Auto => None::<f64>.put(out),
            }
        }

        fn get(from: &mut Reader<'_>) -> Option<Self> {
            Option::<f64>::get(from).map(|alpha| alpha.map_or(Step::Auto, Step::Fixed))
        }
    }

    /// The number that no rule has.
    const LBFGSB: u8 = 255;

    impl Encode for Outer {
        fn put(&self, out: &mut Vec<u8>) {
            match self {
                Outer::Rule(rule) => rule.put(out),
                Outer::Lbfgsb { memory } => {
                    LBFGSB.put(out);
                    memory.put(out);
                }
            }
        }

        fn get(from: &mut Reader<'_>) -> Option<Self> {
            if from.skip(LBFGSB) {
                return Some(Outer::Lbfgsb { memory: Encode::get(from)? });
            }
            Rule::get(from).map(Outer::Rule)
        }
    }

    impl Encode for Estimator {
        fn put(&self, out: &mut Vec<u8>) {
            match self {
                Estimator::Implicit(solve) => {
                    false.put(out);
                    solve.put(out);
                }
                Estimator::Unrolled(unrolled) => {
                    true.put(out);
                    unrolled.put(out);
                }
            }
        }

        fn get(from: &mut Reader<'_>) -> Option<Self> {
            Some(if bool::get(from)? {
                Estimator::Unrolled(Encode::get(from)?)
            } else {
                Estimator::Implicit(Encode::get(from)?)
            })
        }
    }
}
