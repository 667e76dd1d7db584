//! What a check of derivatives found, as data and as text.

use crate::Error;
use std::fmt;

/// A derivative that a problem gives, or an identity between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivative {
    /// ∇_w f of `inner`, against differences of f.
    InnerGradient,
    /// ∂F/∂u of `outer`, against differences of F.
    OuterGradientU,
    /// ∂F/∂w of `outer`, against differences of F.
    OuterGradientW,
    /// H v of `hvp`, against differences of ∇_w f in w.
    Hvp,
    /// ⟨v, H v'⟩ = ⟨H v, v'⟩.
    Symmetry,
    /// Mᵀ v of `mixed_vjp`, against differences of ⟨∇_w f, v⟩ in u.
    MixedVjp,
    /// M du of `mixed_jvp`, against differences of ∇_w f in u.
    MixedJvp,
    /// ⟨v, M du⟩ = ⟨Mᵀ v, du⟩.
    Adjoint,
}

impl Derivative {
    /// The callback, and the output of it, that a fault lies in.
    pub fn name(self) -> &'static str {
        match self {
            Derivative::InnerGradient => "gradient of inner",
            Derivative::OuterGradientU => "gradient_u of outer",
            Derivative::OuterGradientW => "gradient_w of outer",
            Derivative::Hvp => "hvp",
            Derivative::Symmetry => "symmetry of hvp",
            Derivative::MixedVjp => "mixed_vjp",
            Derivative::MixedJvp => "mixed_jvp",
            Derivative::Adjoint => "mixed_jvp and mixed_vjp as adjoints",
        }
    }
}

/// What is to be thought of a derivative.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// It agrees.
    Right,
    /// It does not.
    Wrong,
    /// It does not agree with the gradient of `inner`, which is wrong itself: to be looked at again once that is right.
    NotJudged,
    /// Differences do not settle at this point: a kink (ReLU at 0), a jump, or rounding that drowns them.
    Undecided,
    /// The callback failed at this point, or gave what is not finite.
    Failed(Error),
    /// The problem does not have it.
    Absent,
}

/// Where found and expected values differ most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coordinate {
    /// The element.
    pub index: usize,
    /// What the callback gives.
    pub found: f64,
    /// What differences give.
    pub expected: f64,
}

/// The check of one derivative: the worst of its random directions.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Which.
    pub derivative: Derivative,
    /// The verdict.
    pub verdict: Verdict,
    /// The disagreement, relative to the size of the derivative; NaN where nothing could be compared.
    pub error: f64,
    /// The relative accuracy that differences reach here; 0 for an identity, which needs none.
    pub reachable: f64,
    /// The step of the best difference; 0 for an identity.
    pub step: f64,
    /// Where a wrong derivative is most so. `None` for identities.
    pub worst: Option<Coordinate>,
    /// c, where a wrong derivative is c times the right one in all coordinates looked at.
    pub factor: Option<f64>,
}

/// The result of [`check_derivatives`](super::check_derivatives). Its `Display` is a table for people.
#[derive(Debug, Clone, PartialEq)]
pub struct DerivativeReport {
    /// One for each [`Derivative`], in its order.
    pub checks: Vec<Check>,
    /// The relative disagreement that counts as none.
    pub tolerance: f64,
}

impl DerivativeReport {
    /// Whether all that the problem has was found right.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| matches!(check.verdict, Verdict::Right | Verdict::Absent))
    }

    /// The derivatives found wrong. An identity is among them only if neither of its sides is found wrong by itself.
    pub fn wrong(&self) -> Vec<Derivative> {
        let wrong = |derivative| self.verdict(derivative) == Some(&Verdict::Wrong);
        let explained = |derivative| match derivative {
            Derivative::Symmetry => wrong(Derivative::Hvp),
            Derivative::Adjoint => wrong(Derivative::MixedVjp) || wrong(Derivative::MixedJvp),
            _ => false,
        };
        self.checks.iter().map(|check| check.derivative).filter(|&it| wrong(it) && !explained(it)).collect()
    }

    /// The verdict on a derivative.
    pub fn verdict(&self, derivative: Derivative) -> Option<&Verdict> {
        self.checks.iter().find(|check| check.derivative == derivative).map(|check| &check.verdict)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Right => "ok",
            Verdict::Wrong => "WRONG",
            Verdict::NotJudged => "not judged",
            Verdict::Undecided => "UNDECIDED",
            Verdict::Failed(_) => "FAILED",
            Verdict::Absent => "absent",
        };
        let gap = if matches!(self.verdict, Verdict::Absent) { "" } else { "  " };
        write!(f, "{word:<10}  {:<36}{gap}", self.derivative.name())?;
        let identity = self.step == 0.0;
        match &self.verdict {
            Verdict::Failed(error) => return write!(f, "{error}"),
            Verdict::Absent => return Ok(()),
            _ if identity => write!(f, "relative error {:.1e}", self.error)?,
            _ => write!(
                f,
                "relative error {:.1e} (differences reach {:.0e}, at step {:.0e})",
                self.error, self.reachable, self.step
            )?,
        }
        match self.verdict {
            Verdict::NotJudged => write!(f, "; compared with the gradient of inner, which is wrong")?,
            Verdict::Undecided => write!(f, "; differences do not settle: a kink, a jump or rounding; move the point")?,
            _ => {}
        }
        if let (Verdict::Wrong, Some(at)) = (&self.verdict, self.worst) {
            write!(f, "; worst at index {}: found {:.6e}, expected {:.6e}", at.index, at.found, at.expected)?;
        }
        match self.factor {
            Some(factor) => write!(f, "; everywhere about {factor:.4} times what it should be"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for DerivativeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{}", check.to_string().trim_end())?;
        }
        let names: Vec<&str> = self.wrong().into_iter().map(Derivative::name).collect();
        match (names.is_empty(), self.passed()) {
            (false, _) => write!(f, "verdict: wrong: {}", names.join(", ")),
            (true, true) => write!(f, "verdict: all right, to a relative {:.0e}", self.tolerance),
            (true, false) => write!(f, "verdict: nothing found wrong, but not all could be judged"),
        }
    }
}
