//! The general convex quadratic on a device.

use super::buffer::Buffer;
use super::cg::CgSteps;
use super::device::Device;
use super::series::{Steps, TOGETHER};
use super::space::DeviceSpace;
use crate::problem::{self, InnerTerms, OuterTerms, Problem};
use crate::solve::{CgRun, Space, Spectrum, heap};
use crate::{Result, Scalar};

/// A [`problem::Quadratic`] whose matrices and vectors are in the memory of a device.
///
/// What needs a decomposition (exact and damped inverses, the inner fixpoint) has it made on the host.
#[derive(Debug)]
pub struct Quadratic<T: Scalar> {
    host: problem::Quadratic<T>,
    a: Buffer<T>,
    b: Buffer<T>,
    c: Buffer<T>,
    d: Buffer<T>,
    e: Buffer<T>,
    p: Buffer<T>,
    f: Buffer<T>,
    constant: f64,
    h: f64,
    inner_space: DeviceSpace,
    outer_space: DeviceSpace,
}

/// Scratch of a [`Quadratic`].
#[derive(Debug)]
pub struct Workspace<T: Scalar> {
    n: Buffer<T>,
    m: Buffer<T>,
    partial: Buffer<f64>,
    steps: Steps,
    cg: CgSteps,
    host: <problem::Quadratic<T> as Problem<T>>::Workspace,
    host_u: Vec<T>,
    host_w: Vec<T>,
}

impl<T: Scalar> Quadratic<T> {
    /// As [`problem::Quadratic::new`], on the device given.
    ///
    /// # Errors
    ///
    /// The same, and [`Error::Device`](crate::Error::Device) and [`Error::DeviceMemory`](crate::Error::DeviceMemory).
    pub fn new(
        device: &Device,
        inner_len: usize,
        outer_len: usize,
        inner: InnerTerms<T>,
        outer: OuterTerms<T>,
    ) -> Result<Quadratic<T>> {
        Quadratic::copy_of(device, problem::Quadratic::new(inner_len, outer_len, inner, outer)?)
    }

    /// A problem of the host's, on the device given.
    ///
    /// # Errors
    ///
    /// [`Error::Device`](crate::Error::Device) and [`Error::DeviceMemory`](crate::Error::DeviceMemory).
    pub fn copy_of(device: &Device, host: problem::Quadratic<T>) -> Result<Quadratic<T>> {
        let (inner, outer) = (host.inner_terms(), host.outer_terms());
        let upload = |values: &[T]| Buffer::from_slice(device, values);
        Ok(Quadratic {
            a: upload(&inner.a)?,
            b: upload(&inner.b)?,
            c: upload(&inner.c)?,
            d: upload(&inner.d)?,
            e: upload(&inner.e)?,
            p: upload(&outer.p)?,
            f: upload(&outer.f)?,
            constant: inner.constant.to_f64(),
            h: outer.h.to_f64(),
            inner_space: DeviceSpace::new(device, inner.d.len()),
            outer_space: DeviceSpace::new(device, inner.e.len()),
            host,
        })
    }

    fn device(&self) -> &Device {
        self.inner_space.device()
    }
}

impl<T: Scalar> Problem<T> for Quadratic<T> {
    type Points = DeviceSpace;
    type Vectors = DeviceSpace;
    type Workspace = Workspace<T>;

    fn outer_space(&self) -> &DeviceSpace {
        &self.outer_space
    }

    fn inner_space(&self) -> &DeviceSpace {
        &self.inner_space
    }

    fn workspace(&self) -> Workspace<T> {
        let n = Space::<T>::len(&self.inner_space);
        Workspace {
            n: self.inner_space.zeros(),
            m: self.outer_space.zeros(),
            partial: Buffer::zeros(self.device(), n.div_ceil(8)),
            steps: Steps::new(self.device()),
            cg: CgSteps::new(self.device()),
            host: self.host.workspace(),
            host_u: vec![T::ZERO; Space::<T>::len(&self.outer_space)],
            host_w: vec![T::ZERO; n],
        }
    }

    /// Device memory, for the most part.
    fn workspace_bytes(&self, workspace: &Workspace<T>) -> usize {
        let Workspace { n, m, partial, steps, cg, host, host_u, host_w } = workspace;
        let there = n.bytes() + m.bytes() + partial.bytes() + steps.bytes() + cg.bytes();
        there + self.host.workspace_bytes(host) + heap(host_u) + heap(host_w)
    }

    fn inner(
        &self,
        workspace: &mut Workspace<T>,
        u: &Buffer<T>,
        w: &Buffer<T>,
        gradient: &mut Buffer<T>,
    ) -> Result<f64> {
        let (device, n, m) = (self.device(), workspace.n.all(), workspace.m.all());
        let (u, w, gradient) = (u.all(), w.all(), gradient.all());
        device.matvec(self.a.all(), w, gradient);
        let mut value = 0.5 * device.dot(w, gradient)?;
        device.matvec(self.b.all(), u, n);
        device.axpy(T::ONE, self.d.all(), n);
        value += device.dot(w, n)?;
        device.axpy(T::ONE, n, gradient);
        device.matvec(self.c.all(), u, m);
        value += 0.5 * device.dot(u, m)? + device.dot(u, self.e.all())? + self.constant;
        Ok(value)
    }

    fn outer(
        &self,
        _: &mut Workspace<T>,
        _: &Buffer<T>,
        w: &Buffer<T>,
        gradient_u: &mut Buffer<T>,
        gradient_w: &mut Buffer<T>,
    ) -> Result<f64> {
        let device = self.device();
        device.fill(T::ZERO, gradient_u.all());
        device.matvec(self.p.all(), w.all(), gradient_w.all());
        let value = 0.5 * device.dot(w.all(), gradient_w.all())? + device.dot(w.all(), self.f.all())? + self.h;
        device.axpy(T::ONE, self.f.all(), gradient_w.all());
        device.status()?;
        Ok(value)
    }

    fn linearize(&self, _: &mut Workspace<T>, _: &Buffer<T>, _: &Buffer<T>) -> Result<()> {
        self.device().status()
    }

    fn vectors<'a>(&'a self, _: &'a Workspace<T>) -> &'a DeviceSpace {
        &self.inner_space
    }

    fn lift(&self, _: &mut Workspace<T>, gradient: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.inner_space.copy(gradient, out);
        self.device().status()
    }

    fn lower(&self, _: &mut Workspace<T>, vector: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.inner_space.copy(vector, out);
        self.device().status()
    }

    fn hvp(&self, _: &mut Workspace<T>, v: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.device().matvec(self.a.all(), v.all(), out.all());
        self.device().status()
    }

    fn mixed_vjp(&self, _: &mut Workspace<T>, v: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.device().matvec_transposed(self.b.all(), v.all(), out.all());
        self.device().status()
    }

    fn mixed_jvp(&self, _: &mut Workspace<T>, du: &Buffer<T>, out: &mut Buffer<T>) -> Result<()> {
        self.device().matvec(self.b.all(), du.all(), out.all());
        self.device().status()
    }

    /// On the host: see [`problem::Quadratic`].
    fn fixpoint(&self, workspace: &mut Workspace<T>, u: &Buffer<T>, w: &mut Buffer<T>) -> Result<()> {
        let Workspace { host, host_u, host_w, .. } = workspace;
        u.store(host_u)?;
        w.store(host_w)?;
        self.host.fixpoint(host, host_u, host_w)?;
        w.load(host_w)
    }

    /// One launch for the product and both updates.
    fn neumann_step(
        &self,
        workspace: &mut Workspace<T>,
        alpha: T,
        hp: &mut Buffer<T>,
        p: &mut Buffer<T>,
        q: &mut Buffer<T>,
    ) -> Result<f64> {
        let partial = workspace.partial.all();
        self.device().symmetric_neumann(alpha, self.a.all(), [p.all(), q.all(), hp.all()], partial);
        std::mem::swap(hp, p);
        self.device().sum(partial.arg(), partial.len, || ())
    }

    fn steps_together(&self) -> usize {
        if Space::<T>::is_empty(&self.inner_space) { 1 } else { TOGETHER }
    }

    fn neumann_steps(
        &self,
        workspace: &mut Workspace<T>,
        alpha: T,
        hp: &mut Buffer<T>,
        p: &mut Buffer<T>,
        q: &mut Buffer<T>,
        norms: &mut [f64],
    ) -> Result<()> {
        let (device, partial) = (self.device(), workspace.partial.all());
        let (p, q, hp) = (p.all(), q.all(), hp.all());
        workspace.steps.run(device, alpha, [p, q, hp], &[], norms, |k, norm| {
            let (from, to) = if k % 2 == 0 { (p, hp) } else { (hp, p) };
            device.symmetric_neumann(alpha, self.a.all(), [from, q, to], partial);
            device.sum_to(partial.arg(), partial.len, norm.address);
            device.status()
        })
    }

    fn cg_steps(
        &self,
        workspace: &mut Workspace<T>,
        steps: usize,
        run: &mut CgRun,
        vectors: [&mut Buffer<T>; 5],
    ) -> Result<()> {
        let vectors @ [_, _, p, hp, _] = vectors.map(|vector| vector.all());
        workspace.cg.run(self.device(), steps, run, vectors, &[], || {
            self.device().matvec(self.a.all(), p, hp);
            self.device().status()
        })
    }

    fn spectrum<'a>(&'a self, _: &'a mut Workspace<T>, _: &'a mut Spectrum) -> Result<(&'a Spectrum, usize)> {
        Ok((self.host.hessian_spectrum()?, 0))
    }

    fn prepare_spectrum(&self, _: &Workspace<T>, _: &mut Spectrum) -> Result<()> {
        self.host.hessian_spectrum().map(|_| ())
    }
}
