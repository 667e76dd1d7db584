//! The regression problem: a basis, the synthetic points, and the original one.

use blo::problem::fourier::{self, Amplitude};
use blo::problem::mlp::{Activation, Loss, Mlp, Model, OuterParameters};
use blo::problem::{Examples, LeastSquares, Reduction};

/// The network of [`Basis::Network`]: two hidden layers of 10.
const WIDTHS: [usize; 4] = [1, 10, 10, 1];

/// The features of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Basis {
    /// [1, a₁ cos x, …, a_L cos Lx, a₁ sin x, …, a_L sin Lx].
    Fourier {
        /// L.
        order: usize,
        /// a₁, …, a_L.
        amplitude: Amplitude,
    },
    /// [1, x].
    Line,
    /// x itself: a network of ReLU units makes its own.
    Network,
}

impl Basis {
    /// How many features there are.
    pub fn features(self) -> usize {
        match self {
            Basis::Fourier { order, .. } => 2 * order + 1,
            Basis::Line => 2,
            Basis::Network => 1,
        }
    }

    /// One row for each x.
    pub fn design(self, x: &[f64]) -> blo::Result<Vec<f64>> {
        match self {
            Basis::Fourier { order, amplitude } => fourier::design(x, order, amplitude),
            Basis::Line => Ok(x.iter().flat_map(|&x| [1.0, x]).collect()),
            Basis::Network => Ok(x.to_vec()),
        }
    }

    /// φ(x)·w, or what a network gives, for each x.
    pub fn predict(self, x: &[f64], w: &[f64]) -> blo::Result<Vec<f64>> {
        let design = self.design(x)?;
        if self == Basis::Network {
            let mut out = vec![0.0; x.len()];
            return network()?.predict(w, &design, &mut out).map(|()| out);
        }
        Ok(design.chunks(self.features()).map(|row| row.iter().zip(w).map(|(phi, w)| phi * w).sum()).collect())
    }
}

fn network() -> blo::Result<Model> {
    Model::new(&WIDTHS, Activation::Relu, Loss::SquaredError)
}

/// f = ½‖Φ w − u‖² over the synthetic points, F = ½ (φ(x)·w − y)² at the original one.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// φ.
    pub basis: Basis,
    /// x of the synthetic points; their y are u.
    pub points: Vec<f64>,
    /// (x, y) of the original point.
    pub original: (f64, f64),
    /// The step size of the Neumann series and of unrolling.
    pub alpha: f64,
}

impl Setting {
    /// 13 points from −2 to 2, and (0, 2) to fit.
    pub fn fourier(order: usize, amplitude: Amplitude, alpha: f64) -> Setting {
        let points = (0..13).map(|i| f64::from(i - 6) / 3.0).collect();
        Setting { basis: Basis::Fourier { order, amplitude }, points, original: (0.0, 2.0), alpha }
    }

    /// The points of [`Setting::fourier`] with a network.
    pub fn network(alpha: f64) -> Setting {
        Setting { basis: Basis::Network, ..Setting::fourier(1, Amplitude::Harmonic, alpha) }
    }

    /// The bilevel problem of a network: f = ½ Σ (net(xᵢ; w) − uᵢ)².
    pub fn network_problem(&self) -> blo::Result<Mlp<f64>> {
        let examples = |x: &[f64], targets| Examples { design: x.to_vec(), features: 1, targets };
        let (x, y) = self.original;
        let inner = examples(&self.points, vec![0.0; self.points.len()]);
        Mlp::new(network()?, OuterParameters::Targets, inner, examples(&[x], vec![y]), Reduction::Sum, 0.0)
    }

    /// The bilevel problem of a linear basis.
    pub fn problem(&self) -> blo::Result<LeastSquares<f64>> {
        let (x, y) = self.original;
        let examples = |x: &[f64], targets| {
            Ok::<_, blo::Error>(Examples { design: self.basis.design(x)?, features: self.basis.features(), targets })
        };
        let inner = examples(&self.points, vec![0.0; self.points.len()])?;
        LeastSquares::targets(inner, examples(&[x], vec![y])?, Reduction::Sum)
    }
}

#[cfg(feature = "cuda")]
impl Setting {
    /// The bilevel problem of a linear basis on a GPU, as the quadratic that it is: f = ½ wᵀΦᵀΦ w − wᵀΦᵀu + ½ uᵀu.
    pub fn problem_on(
        &self,
        device: &blo::cuda::Device,
    ) -> blo::Result<blo::cuda::FromHost<blo::cuda::Quadratic<f64>>> {
        use blo::problem::{InnerTerms, OuterTerms};
        let (x, y) = self.original;
        let (phi, at_x) = (self.basis.design(&self.points)?, self.basis.design(&[x])?);
        let (m, n) = (self.points.len(), self.basis.features());
        let gram = |rows: &[f64]| -> Vec<f64> {
            let entry = |i, j| rows.chunks(n).map(|row: &[f64]| row[i] * row[j]).sum();
            (0..n * n).map(|at| entry(at / n, at % n)).collect()
        };
        let inner = InnerTerms {
            a: gram(&phi),
            b: (0..n * m).map(|at| -phi[at % m * n + at / m]).collect(),
            c: (0..m * m).map(|at| if at / m == at % m { 1.0 } else { 0.0 }).collect(),
            d: vec![0.0; n],
            e: vec![0.0; m],
            constant: 0.0,
        };
        let outer = OuterTerms { p: gram(&at_x), f: at_x.iter().map(|phi| -y * phi).collect(), h: 0.5 * y * y };
        Ok(blo::cuda::FromHost::new(blo::cuda::Quadratic::new(device, n, m, inner, outer)?))
    }
}
