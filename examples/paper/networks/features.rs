//! A linear classifier of random Fourier features (Rahimi and Recht, 2007) of learned points.
//!
//! As a problem it is the library's linear model on the inputs z(u), with mixed products taken through ∂z/∂u as well. Two
//! other ways were weighed: a network whose first layer is frozen and has cosines as its activation, which the library would
//! have to learn for this picture alone; and a `UserProblem` of closures, which would repeat the softmax and its derivatives.

use crate::random::Random;
use blo::Result;
use blo::problem::Problem;
use blo::problem::mlp::{Mlp, Workspace as MlpWorkspace};
use blo::solve::Flat;
use std::f64::consts::TAU;

/// z(x) = √(2/D) cos(Ω x + phase), for x in the plane.
pub struct Features {
    frequencies: Vec<[f64; 2]>,
    phases: Vec<f64>,
}

impl Features {
    /// Ω standard normal, phases uniform.
    pub fn new(count: usize, random: &mut Random) -> Features {
        Features {
            frequencies: (0..count).map(|_| [random.normal(), random.normal()]).collect(),
            phases: (0..count).map(|_| TAU * random.uniform()).collect(),
        }
    }

    /// D.
    pub fn count(&self) -> usize {
        self.phases.len()
    }

    fn scale(&self) -> f64 {
        (2.0 / self.count() as f64).sqrt()
    }

    /// (Ω, argument of the cosine) of each feature of a point.
    fn arguments<'a>(&'a self, x: &'a [f64]) -> impl Iterator<Item = ([f64; 2], f64)> + 'a {
        let waves = self.frequencies.iter().zip(&self.phases);
        waves.map(|(&[a, b], phase)| ([a, b], a * x[0] + b * x[1] + phase))
    }

    /// z ← z(x), points as rows.
    pub fn map(&self, x: &[f64], z: &mut [f64]) {
        for (x, z) in x.chunks_exact(2).zip(z.chunks_exact_mut(self.count())) {
            z.iter_mut().zip(self.arguments(x)).for_each(|(z, (_, argument))| *z = self.scale() * argument.cos());
        }
    }

    /// out ← (∂z/∂x)ᵀ v at x.
    fn pull_back(&self, x: &[f64], v: &[f64], out: &mut [f64]) {
        for ((x, v), out) in x.chunks_exact(2).zip(v.chunks_exact(self.count())).zip(out.chunks_exact_mut(2)) {
            out.fill(0.0);
            for (v, (wave, argument)) in v.iter().zip(self.arguments(x)) {
                let slope = -self.scale() * argument.sin() * v;
                out.iter_mut().zip(wave).for_each(|(out, wave)| *out += slope * wave);
            }
        }
    }

    /// out ← (∂z/∂x) dx at x.
    fn push_forward(&self, x: &[f64], dx: &[f64], out: &mut [f64]) {
        for ((x, dx), out) in x.chunks_exact(2).zip(dx.chunks_exact(2)).zip(out.chunks_exact_mut(self.count())) {
            for (out, (wave, argument)) in out.iter_mut().zip(self.arguments(x)) {
                *out = -self.scale() * argument.sin() * (wave[0] * dx[0] + wave[1] * dx[1]);
            }
        }
    }
}

/// The problem: u are points of the plane, w the weights on their features.
pub struct Featured<'a> {
    features: &'a Features,
    /// On z(u).
    linear: Mlp<f64>,
    outer_space: Flat,
}

/// The linear model's, with u and z(u).
pub struct Workspace {
    linear: MlpWorkspace<f64>,
    u: Vec<f64>,
    z: Vec<f64>,
    change: Vec<f64>,
}

impl<'a> Featured<'a> {
    /// `linear` has the outer parameters `Inputs`, one row of features for each learned point.
    pub fn new(features: &'a Features, linear: Mlp<f64>) -> Featured<'a> {
        let points = Problem::outer_space(&linear).len() / features.count();
        Featured { features, linear, outer_space: Flat::new(2 * points) }
    }

    /// The outputs for points of the plane.
    pub fn predict(&self, w: &[f64], x: &[f64]) -> Result<Vec<f64>> {
        let (model, rows) = (self.linear.model(), x.len() / 2);
        let mut z = vec![0.0; rows * self.features.count()];
        let mut out = vec![0.0; rows * model.outputs()];
        self.features.map(x, &mut z);
        model.predict(w, &z, &mut out)?;
        Ok(out)
    }
}

impl Problem<f64> for Featured<'_> {
    type Points = Flat;
    type Vectors = Flat;
    type Workspace = Workspace;

    fn outer_space(&self) -> &Flat {
        &self.outer_space
    }

    fn inner_space(&self) -> &Flat {
        self.linear.inner_space()
    }

    fn workspace(&self) -> Workspace {
        let len = Problem::outer_space(&self.linear).len();
        let linear = self.linear.workspace();
        Workspace { linear, u: vec![0.0; self.outer_space.len()], z: vec![0.0; len], change: vec![0.0; len] }
    }

    fn inner(&self, at: &mut Workspace, u: &Vec<f64>, w: &Vec<f64>, gradient: &mut Vec<f64>) -> Result<f64> {
        self.features.map(u, &mut at.z);
        self.linear.inner(&mut at.linear, &at.z, w, gradient)
    }

    fn outer(
        &self,
        at: &mut Workspace,
        _u: &Vec<f64>,
        w: &Vec<f64>,
        gradient_u: &mut Vec<f64>,
        gradient_w: &mut Vec<f64>,
    ) -> Result<f64> {
        // F does not depend on u but through w.
        gradient_u.fill(0.0);
        self.linear.outer(&mut at.linear, &at.z, w, &mut at.change, gradient_w)
    }

    fn linearize(&self, at: &mut Workspace, u: &Vec<f64>, w: &Vec<f64>) -> Result<()> {
        at.u.copy_from_slice(u);
        self.features.map(u, &mut at.z);
        self.linear.linearize(&mut at.linear, &at.z, w)
    }

    fn vectors<'a>(&'a self, at: &'a Workspace) -> &'a Flat {
        self.linear.vectors(&at.linear)
    }

    fn lift(&self, at: &mut Workspace, gradient: &Vec<f64>, out: &mut Vec<f64>) -> Result<()> {
        self.linear.lift(&mut at.linear, gradient, out)
    }

    fn lower(&self, at: &mut Workspace, vector: &Vec<f64>, out: &mut Vec<f64>) -> Result<()> {
        self.linear.lower(&mut at.linear, vector, out)
    }

    fn hvp(&self, at: &mut Workspace, v: &Vec<f64>, out: &mut Vec<f64>) -> Result<()> {
        self.linear.hvp(&mut at.linear, v, out)
    }

    fn mixed_vjp(&self, at: &mut Workspace, v: &Vec<f64>, out: &mut Vec<f64>) -> Result<()> {
        self.linear.mixed_vjp(&mut at.linear, v, &mut at.change)?;
        self.features.pull_back(&at.u, &at.change, out);
        Ok(())
    }

    fn mixed_jvp(&self, at: &mut Workspace, du: &Vec<f64>, out: &mut Vec<f64>) -> Result<()> {
        self.features.push_forward(&at.u, du, &mut at.change);
        self.linear.mixed_jvp(&mut at.linear, &at.change, out)
    }
}
