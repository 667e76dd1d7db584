//! A problem on a device for callers whose vectors are in host memory.

use super::buffer::Buffer;
use super::space::DeviceSpace;
use crate::problem::{Problem, SolveWorkspace};
use crate::solve::{Flat, Report, Solve, Space, Spectrum};
use crate::{Result, Scalar};

/// A problem on a device whose points and vectors are `Vec`s in host memory: for the C interface, saved runs, and monitors that
/// look at u and w.
///
/// A call copies what it is given to the device and what it finds back; a [`Problem::solve`] is one such call, whatever its
/// number of products. Loops that should leave u and w on the device use the problem itself.
#[derive(Debug)]
pub struct FromHost<P> {
    problem: P,
    outer_space: Flat,
    inner_space: Flat,
}

/// Scratch of a [`FromHost`]: the problem's own, and vectors on the device.
#[derive(Debug)]
pub struct Workspace<T: Scalar, P: Problem<T, Points = DeviceSpace, Vectors = DeviceSpace>> {
    at: P::Workspace,
    outer: [Buffer<T>; 2],
    inner: [Buffer<T>; 2],
    solve: SolveWorkspace<T, P>,
}

impl<P> FromHost<P> {
    /// Around the problem given.
    pub fn new<T: Scalar>(problem: P) -> FromHost<P>
    where
        P: Problem<T, Points = DeviceSpace, Vectors = DeviceSpace>,
    {
        let (outer, inner) = (Space::<T>::len(problem.outer_space()), Space::<T>::len(problem.inner_space()));
        FromHost { problem, outer_space: Flat::new(outer), inner_space: Flat::new(inner) }
    }

    /// The problem on the device.
    pub fn problem(&self) -> &P {
        &self.problem
    }
}

impl<T: Scalar, P: Problem<T, Points = DeviceSpace, Vectors = DeviceSpace>> Problem<T> for FromHost<P> {
    type Points = Flat;
    type Vectors = Flat;
    type Workspace = Workspace<T, P>;

    fn outer_space(&self) -> &Flat {
        &self.outer_space
    }

    fn inner_space(&self) -> &Flat {
        &self.inner_space
    }

    fn workspace(&self) -> Workspace<T, P> {
        let (outer, inner) = (self.problem.outer_space(), self.problem.inner_space());
        Workspace {
            at: self.problem.workspace(),
            outer: [(); 2].map(|()| outer.zeros()),
            inner: [(); 2].map(|()| inner.zeros()),
            solve: SolveWorkspace::<T, P>::new(),
        }
    }

    /// Device memory, for the most part, with what solves there have taken so far.
    fn workspace_bytes(&self, ws: &Workspace<T, P>) -> usize {
        let Workspace { at, outer, inner, solve } = ws;
        let vectors = outer.iter().chain(inner).map(Buffer::bytes).sum::<usize>();
        self.problem.workspace_bytes(at) + vectors + solve.bytes(self.problem.inner_space())
    }

    fn inner(&self, ws: &mut Workspace<T, P>, u: &Vec<T>, w: &Vec<T>, gradient: &mut Vec<T>) -> Result<f64> {
        let Workspace { at, outer: [u_there, _], inner: [w_there, out], .. } = ws;
        u_there.load(u)?;
        w_there.load(w)?;
        let value = self.problem.inner(at, u_there, w_there, out)?;
        out.store(gradient)?;
        Ok(value)
    }

    fn outer(
        &self,
        ws: &mut Workspace<T, P>,
        u: &Vec<T>,
        w: &Vec<T>,
        gradient_u: &mut Vec<T>,
        gradient_w: &mut Vec<T>,
    ) -> Result<f64> {
        let Workspace { at, outer: [u_there, out_u], inner: [w_there, out_w], .. } = ws;
        u_there.load(u)?;
        w_there.load(w)?;
        let value = self.problem.outer(at, u_there, w_there, out_u, out_w)?;
        out_u.store(gradient_u)?;
        out_w.store(gradient_w)?;
        Ok(value)
    }

    fn linearize(&self, ws: &mut Workspace<T, P>, u: &Vec<T>, w: &Vec<T>) -> Result<()> {
        let Workspace { at, outer: [u_there, _], inner: [w_there, _], .. } = ws;
        u_there.load(u)?;
        w_there.load(w)?;
        self.problem.linearize(at, u_there, w_there)
    }

    fn vectors<'a>(&'a self, _: &'a Workspace<T, P>) -> &'a Flat {
        &self.inner_space
    }

    fn lift(&self, _: &mut Workspace<T, P>, gradient: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.copy_from_slice(gradient);
        Ok(())
    }

    fn lower(&self, _: &mut Workspace<T, P>, vector: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        out.copy_from_slice(vector);
        Ok(())
    }

    fn hvp(&self, ws: &mut Workspace<T, P>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let Workspace { at, inner: [v_there, out_there], .. } = ws;
        v_there.load(v)?;
        self.problem.hvp(at, v_there, out_there)?;
        out_there.store(out)
    }

    fn mixed_vjp(&self, ws: &mut Workspace<T, P>, v: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let Workspace { at, outer: [out_there, _], inner: [v_there, _], .. } = ws;
        v_there.load(v)?;
        self.problem.mixed_vjp(at, v_there, out_there)?;
        out_there.store(out)
    }

    fn mixed_jvp(&self, ws: &mut Workspace<T, P>, du: &Vec<T>, out: &mut Vec<T>) -> Result<()> {
        let Workspace { at, outer: [du_there, _], inner: [out_there, _], .. } = ws;
        du_there.load(du)?;
        self.problem.mixed_jvp(at, du_there, out_there)?;
        out_there.store(out)
    }

    fn examples(&self) -> usize {
        self.problem.examples()
    }

    fn example_scores(&self, ws: &mut Workspace<T, P>, v: &Vec<T>, scores: &mut [f64]) -> Result<()> {
        let Workspace { at, inner: [v_there, _], .. } = ws;
        v_there.load(v)?;
        self.problem.example_scores(at, v_there, scores)
    }

    fn inner_batch(
        &self,
        ws: &mut Workspace<T, P>,
        batch: &[usize],
        u: &Vec<T>,
        w: &Vec<T>,
        gradient: &mut Vec<T>,
    ) -> Result<f64> {
        let Workspace { at, outer: [u_there, _], inner: [w_there, out], .. } = ws;
        u_there.load(u)?;
        w_there.load(w)?;
        let value = self.problem.inner_batch(at, batch, u_there, w_there, out)?;
        out.store(gradient)?;
        Ok(value)
    }

    fn fixpoint(&self, ws: &mut Workspace<T, P>, u: &Vec<T>, w: &mut Vec<T>) -> Result<()> {
        let Workspace { at, outer: [u_there, _], inner: [w_there, _], .. } = ws;
        u_there.load(u)?;
        w_there.load(w)?;
        self.problem.fixpoint(at, u_there, w_there)?;
        w_there.store(w)
    }

    /// On the device from b to q; of `scratch` nothing is used.
    fn solve(
        &self,
        ws: &mut Workspace<T, P>,
        solve: &Solve,
        b: &Vec<T>,
        q: &mut Vec<T>,
        _scratch: &mut SolveWorkspace<T, Self>,
    ) -> Result<Report> {
        let Workspace { at, inner: [b_there, q_there], solve: own, .. } = ws;
        b_there.load(b)?;
        if solve.start_from_last {
            q_there.load(q)?;
        }
        let report = self.problem.solve(at, solve, b_there, q_there, own)?;
        q_there.store(q)?;
        Ok(report)
    }

    fn spectrum<'a>(&'a self, ws: &'a mut Workspace<T, P>, own: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        self.problem.spectrum(&mut ws.at, own)
    }

    fn prepare_spectrum(&self, ws: &Workspace<T, P>, own: &mut Spectrum) -> Result<()> {
        self.problem.prepare_spectrum(&ws.at, own)
    }
}
