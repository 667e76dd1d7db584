//! The influence of each inner example on the outer objective.

use super::{Evaluation, Workspace, implicit};
use crate::error::{check_finite, check_len};
use crate::problem::{PointOf, Problem};
use crate::solve::{Points, Solve};
use crate::{Result, Scalar};

/// outᵢ ← −⟨∇_w fᵢ, q⟩ with q = r(H) ∂F/∂w: the derivative of F(w*) by εᵢ in f + Σᵢ εᵢ fᵢ, for all inner examples i from one
/// solve (Koh and Liang, 2017, equation 2).
///
/// fᵢ is the term of example i as it stands in f, with its weight and the 1/n of a mean
/// ([`Problem::example_scores`]). An example above 0 raises the outer loss. To remove it is εᵢ = −1: F changes by about −outᵢ,
/// to first order, while the others keep their 1/n; a new mean over n − 1 also makes the penalty weigh (n − 1)/n of what it did
/// relative to the data. The paper adds ε ℓᵢ to a mean: for that multiply outᵢ by n (and divide by a weight of its own).
///
/// All else is as after [`evaluate`](super::evaluate) with the same solve: the hypergradient and q are in the workspace. w should
/// solve the inner problem at u.
///
/// # Errors
///
/// As [`evaluate`](super::evaluate); [`Error::Unsupported`](crate::Error::Unsupported) where the problem has no
/// `example_scores`, and [`Error::Shape`](crate::Error::Shape) where `out` is not one number for each of its examples.
///
/// ```
/// use blo::problem::{Examples, L2, LeastSquares, Reduction};
/// use blo::{Inverse, hypergradient};
///
/// // Three measurements of one number, a wrong one among them; the outer one is right.
/// let inner = Examples { design: vec![1.0; 3], features: 1, targets: vec![1.0, 1.0, 4.0] };
/// let outer = Examples { design: vec![1.0], features: 1, targets: vec![1.0] };
/// let problem = LeastSquares::raw_l2(L2::Scalar, inner, outer, Reduction::Mean)?;
/// let mut workspace = hypergradient::Workspace::new(&problem);
/// let (u, w, cg) = (vec![0.0], vec![2.0], Inverse::Cg { iterations: 1, tolerance: 0.0 });
/// let mut scores = [0.0; 3];
/// hypergradient::influence(&problem, &cg.into(), &u, &w, &mut workspace, &mut scores)?;
/// assert!((scores[2] - 2.0 / 3.0).abs() < 1e-15 && (scores[0] + 1.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), blo::Error>(())
/// ```
pub fn influence<T: Scalar, P: Problem<T>>(
    problem: &P,
    solve: &Solve,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
    out: &mut [f64],
) -> Result<Evaluation> {
    problem.outer_space().check("u", u)?;
    problem.inner_space().check("w", w)?;
    if problem.examples() > 0 {
        check_len("out", out.len(), problem.examples())?;
    }
    let evaluation = implicit::run(problem, solve, u, w, workspace)?;
    problem.example_scores(&mut workspace.problem, &workspace.q, out)?;
    out.iter_mut().for_each(|score| *score = -*score);
    check_finite("influence", out)?;
    Ok(evaluation)
}
