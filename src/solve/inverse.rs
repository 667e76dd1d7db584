//! Which approximation of the inverse Hessian to apply.

use crate::error::{check_nonnegative, check_positive, invalid};
use crate::{Error, Result};

/// The step size of a Neumann series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// This one. The series contracts for 0 < alpha < 2/λmax.
    Fixed(f64),
    /// 1/θ with θ the largest curvature that a few Lanczos steps from b see; costs up to [`AUTO_PRODUCTS`] products.
    Auto,
}

/// The most products that [`Step::Auto`] spends.
pub const AUTO_PRODUCTS: usize = 10;

/// What a Neumann series does when its terms grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnGrowth {
    /// Stop, and return the sum up to the smallest term.
    #[default]
    Stop,
    /// Go on to K all the same, and report the growth. Still stops at an overflow.
    Continue,
}

/// How a spectral filter is applied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spectral {
    /// By a dense eigendecomposition: n products unless the matrix is known, O(n³) time, O(n²) memory. H must be symmetric.
    Dense,
    /// Matrix-free, by a Lanczos process with full reorthogonalisation from b; H must be symmetric, and may be singular or
    /// indefinite. Memory: one vector for each product.
    Lanczos {
        /// Stop once the relative error of q is estimated to be below this; `None`: 1e-12 in f64, 1e-6 in f32.
        tolerance: Option<f64>,
        /// The most products; `None`: the dimension, plus a few.
        max_products: Option<usize>,
    },
}

impl Spectral {
    /// Lanczos with the defaults.
    pub const LANCZOS: Spectral = Spectral::Lanczos { tolerance: None, max_products: None };
}

/// An approximation q of H⁻¹ b. K counts products: the Neumann series has K + 1 terms.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Inverse {
    /// q = H⁺ b: exact and of minimum norm, r(λ) = 1/λ where |λ| > cutoff · max|λ|, else 0.
    MinNorm {
        /// Relative cutoff below which an eigenvalue counts as zero; `None`: 1e-10 in f64, 1e-6 in f32.
        cutoff: Option<f64>,
        /// How.
        by: Spectral,
    },
    /// q = (H + epsilon I)⁻¹ b; 0 with [`Ending::Singular`](super::Ending::Singular) where −epsilon is an eigenvalue.
    Damped {
        /// The damping, above 0.
        epsilon: f64,
        /// How.
        by: Spectral,
    },
    /// q = alpha Σ_{j=0..K} (I − alpha H)ʲ b, term by term: K products. Paper, Eq. 5 and Algorithm 6.
    Neumann {
        /// K.
        terms: usize,
        /// alpha.
        step: Step,
        /// What to do when the terms grow.
        on_growth: OnGrowth,
    },
    /// The same sum from the spectrum: any K for the price of a decomposition; 0 with
    /// [`Ending::NonContractive`](super::Ending::NonContractive) where the sum is too large to be represented.
    NeumannFilter {
        /// K.
        terms: u64,
        /// alpha.
        alpha: f64,
        /// How.
        by: Spectral,
    },
    /// k iterations of conjugate gradients from q = 0, fewer once converged. For positive semidefinite H.
    Cg {
        /// The most iterations, each one product.
        iterations: usize,
        /// Stop once ‖b − H q‖ of the recurrence is this small relative to ‖b‖; 0: at the rounding floor.
        tolerance: f64,
    },
    /// q = H⁺ b for positive semidefinite H by conjugate gradients twice, with six vectors.
    CgTwice {
        /// Stop each of the two once its residual is this small relatively; 0: at the rounding floor.
        tolerance: f64,
        /// The most products, for both together.
        max_products: usize,
    },
    /// q = H⁺ b for symmetric H, singular and indefinite or not, by MINRES with ten vectors; on inconsistent systems either lifted
    /// or by two more passes. [`Ending::Stalled`](super::Ending::Stalled) where a recomputed residual says that digits are lost.
    Minres {
        /// Stop once ‖b − H q‖ is this small relative to ‖b‖, or, where b has a null part, ‖H (b − H q)‖ relative to
        /// ‖H‖ ‖b − H q‖; 0: at the rounding floor.
        tolerance: f64,
        /// The most products, for all passes together and their checks.
        max_products: usize,
    },
    /// q = (H_k + epsilon I)⁻¹ b for positive semidefinite H, with H_k the Nyström approximation of H from a Gaussian sketch: k
    /// products and 2k vectors. H_k ≤ H, and equal to it where k is its rank or more; then q is that of `Damped`. Directions that
    /// the sketch misses are scaled by 1/epsilon.
    Nystrom {
        /// k, at least 1; above the dimension it counts as that.
        rank: usize,
        /// The damping, above 0.
        epsilon: f64,
        /// Of the sketch: the same seed, the same sketch.
        seed: u64,
    },
    /// q = H⁻¹ b for H that need not be symmetric, by restarted GMRES. On a singular H a least-squares solution, if any.
    Gmres {
        /// Products in a cycle, and vectors kept.
        restart: usize,
        /// Stop once ‖b − H q‖ is this small relative to ‖b‖; 0: at the rounding floor.
        tolerance: f64,
        /// The most products, one for the residual at each restart among them.
        max_products: usize,
    },
    /// q = alpha b ("T1–T2"): the Neumann series with K = 0.
    Identity {
        /// alpha.
        alpha: f64,
    },
    /// q = 0: the direct gradient alone.
    Zero,
}

impl Inverse {
    /// The Neumann series with K = `terms` and step size `alpha`, stopping at growth.
    pub fn neumann(terms: usize, alpha: f64) -> Inverse {
        Inverse::Neumann { terms, step: Step::Fixed(alpha), on_growth: OnGrowth::Stop }
    }

    /// Checks the parameters.
    pub fn validate(&self) -> Result<()> {
        let check_spectral = |by: &Spectral| match *by {
            Spectral::Lanczos { max_products: Some(0), .. } => Err(invalid("max_products", 0, "at least 1")),
            Spectral::Lanczos { tolerance: Some(tolerance), .. } => check_nonnegative("tolerance", tolerance),
            _ => Ok(()),
        };
        match self {
            Inverse::MinNorm { cutoff, by } => {
                if let Some(cutoff) = *cutoff
                    && !(0.0..1.0).contains(&cutoff)
                {
                    return Err(invalid("cutoff", cutoff, "a number from 0 to below 1"));
                }
                check_spectral(by)
            }
            Inverse::Damped { epsilon, by } => check_positive("epsilon", *epsilon).and_then(|()| check_spectral(by)),
            Inverse::Neumann { step: Step::Fixed(alpha), .. } | Inverse::Identity { alpha } => {
                check_positive("alpha", *alpha)
            }
            Inverse::Neumann { step: Step::Auto, .. } | Inverse::Zero => Ok(()),
            Inverse::NeumannFilter { alpha, by, .. } => {
                check_positive("alpha", *alpha).and_then(|()| check_spectral(by))
            }
            Inverse::Cg { tolerance, .. } => check_nonnegative("tolerance", *tolerance),
            Inverse::Gmres { restart: 0, .. } => Err(invalid("restart", 0, "at least 1")),
            Inverse::Nystrom { rank: 0, .. } => Err(invalid("rank", 0, "at least 1")),
            Inverse::Nystrom { epsilon, .. } => check_positive("epsilon", *epsilon),
            Inverse::CgTwice { max_products: 0, .. }
            | Inverse::Minres { max_products: 0, .. }
            | Inverse::Gmres { max_products: 0, .. } => Err(invalid("max_products", 0, "at least 1")),
            Inverse::CgTwice { tolerance, .. }
            | Inverse::Minres { tolerance, .. }
            | Inverse::Gmres { tolerance, .. } => check_nonnegative("tolerance", *tolerance),
        }
    }
}

/// A solve: which inverse, and what is done before and after it.
///
/// `Solve { start_from_last: true, ..inverse.into() }` sets one option and leaves the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solve {
    /// The approximation.
    pub inverse: Inverse,
    /// Spend one more product on the residual of the report.
    pub verify: bool,
    /// The most passes of iterative refinement: r = b − (H + ε) q is recomputed, the same solve of it is added to q, and undone
    /// if r did not fall. For [`Inverse::Damped`], and for [`Inverse::Cg`] with ε = 0. Each pass takes one product and those of
    /// the solve (none for a dense one), and there is one product more. Digits that the solve lost come back; those that
    /// the product itself loses, about eps ‖H‖ ‖q‖, do not.
    pub refine: usize,
    /// Start from the q that is there instead of from 0: q ← q + r(H) (b − H q), for one product more. A
    /// [`hypergradient::Workspace`](crate::hypergradient::Workspace) keeps the q of its last evaluation for this.
    ///
    /// For the iterative inverses: `Cg`, `CgTwice`, `Minres`, `Gmres`, `Neumann`, `Identity`, and `Damped` by Lanczos. Their
    /// tolerances stay relative to b, so that a q that is nearly right costs little. On a nonsingular H a converged answer is the
    /// same. Else the bias is another: on a singular H what q has in the null space stays in it, so that `Minres` and `CgTwice`
    /// give the solution nearest to the last q in place of the smallest; and a truncated series or run of conjugate
    /// gradients goes on where the last one stopped, as single-loop methods do (SOBA, FSLA, AmIGO), so that over many outer
    /// steps it comes to the exact answer rather than to that of K. A q whose residual overflows is not used.
    pub start_from_last: bool,
}

impl From<Inverse> for Solve {
    fn from(inverse: Inverse) -> Solve {
        Solve { inverse, verify: true, refine: 0, start_from_last: false }
    }
}

impl Solve {
    /// Checks the parameters, and that they go together.
    pub fn validate(&self) -> Result<()> {
        self.inverse.validate()?;
        if self.refine > 0 && !matches!(self.inverse, Inverse::Damped { .. } | Inverse::Cg { .. }) {
            return Err(Error::Unsupported {
                operation: "refine",
                reason: "refinement is for Damped and Cg; Minres checks its residual itself, and the others are no solves",
            });
        }
        let iterative = matches!(
            self.inverse,
            Inverse::Cg { .. }
                | Inverse::CgTwice { .. }
                | Inverse::Minres { .. }
                | Inverse::Gmres { .. }
                | Inverse::Neumann { .. }
                | Inverse::Identity { .. }
                | Inverse::Damped { by: Spectral::Lanczos { .. }, .. }
        );
        if self.start_from_last && !iterative {
            return Err(Error::Unsupported {
                operation: "start_from_last",
                reason: "a direct solve, a filter or a minimum-norm inverse does not start anywhere; take Cg, CgTwice, Minres, \
                         Gmres, Neumann, Identity or Damped by Lanczos",
            });
        }
        Ok(())
    }
}
