//! A pretend device: its memory is not the host's, and every crossing is counted. A warm-start loop must leave u, w and
//! gradients where they are, and a backend with a whole solve of its own must be able to put it in.

use crate::common::{RandomQuadratic, Rng, cast, distance};
use blo::bilevel::{InnerSolve, Runner, Settings, Start};
use blo::cpu::Adam;
use blo::problem::{Problem, Quadratic, SolveWorkspace};
use blo::solve::{Ending, Flat, Inverse, Points, Report, Solve, Space, Step};
use blo::{Result, Rule};
use std::cell::Cell;
use std::rc::Rc;

/// Vectors copied to or from the device, and scalars read back.
#[derive(Debug, Default)]
struct Traffic {
    vectors: Cell<usize>,
    scalars: Cell<usize>,
}

#[derive(Debug)]
struct Buffer(Vec<f64>);

/// Buffers in device memory.
#[derive(Debug, Clone)]
struct Device {
    host: Flat,
    traffic: Rc<Traffic>,
}

impl Device {
    fn new(len: usize, traffic: &Rc<Traffic>) -> Device {
        Device { host: Flat::new(len), traffic: Rc::clone(traffic) }
    }

    fn scalar(&self, value: f64) -> f64 {
        self.traffic.scalars.set(self.traffic.scalars.get() + 1);
        value
    }

    fn crossing(&self) {
        self.traffic.vectors.set(self.traffic.vectors.get() + 1);
    }
}

impl Space<f64> for Device {
    type Vector = Buffer;

    fn len(&self) -> usize {
        Space::<f64>::len(&self.host)
    }

    fn zeros(&self) -> Buffer {
        Buffer(self.host.zeros())
    }

    fn load(&self, from: &[f64], to: &mut Buffer) -> Result<()> {
        self.crossing();
        self.host.load(from, &mut to.0)
    }

    fn store(&self, from: &Buffer, to: &mut [f64]) -> Result<()> {
        self.crossing();
        self.host.store(&from.0, to)
    }

    fn copy(&self, from: &Buffer, to: &mut Buffer) {
        self.host.copy(&from.0, &mut to.0);
    }

    fn scale(&self, a: f64, x: &mut Buffer) {
        self.host.scale(a, &mut x.0);
    }

    fn axpy(&self, a: f64, x: &Buffer, y: &mut Buffer) {
        self.host.axpy(a, &x.0, &mut y.0);
    }

    fn dot(&self, x: &Buffer, y: &Buffer) -> f64 {
        self.scalar(self.host.dot(&x.0, &y.0))
    }
}

impl Points<f64> for Device {
    fn check(&self, argument: &'static str, x: &Buffer) -> Result<()> {
        self.scalar(0.0);
        self.host.check(argument, &x.0)
    }

    fn adam(&self, rule: &Adam, t: u64, g: &Buffer, m: &mut Buffer, v: &mut Buffer, x: &mut Buffer) {
        rule.update(t, &g.0, &mut m.0, &mut v.0, &mut x.0);
    }

    fn adam_vjp(&self, rule: &Adam, t: u64, after: [&Buffer; 3], adjoint_x: &Buffer, adjoints: [&mut Buffer; 3]) {
        rule.vjp(t, after.map(|b| b.0.as_slice()), &adjoint_x.0, adjoints.map(|b| b.0.as_mut_slice()));
    }

    fn adam_jvp(&self, rule: &Adam, t: u64, after: [&Buffer; 3], g: &Buffer, tangents: [&mut Buffer; 3]) {
        rule.jvp(t, after.map(|b| b.0.as_slice()), &g.0, tangents.map(|b| b.0.as_mut_slice()));
    }

    fn clamp(&self, lower: f64, upper: f64, x: &mut Buffer) {
        Points::<f64>::clamp(&self.host, lower, upper, &mut x.0);
    }
}

/// A quadratic on the device: each operation is the host's, on memory that only the device sees.
struct DeviceQuadratic {
    host: Quadratic<f64>,
    outer: Device,
    inner: Device,
    /// Whether a Neumann series is one launch.
    one_launch: bool,
}

impl Problem<f64> for DeviceQuadratic {
    type Points = Device;
    type Vectors = Device;
    type Workspace = <Quadratic<f64> as Problem<f64>>::Workspace;

    fn outer_space(&self) -> &Device {
        &self.outer
    }

    fn inner_space(&self) -> &Device {
        &self.inner
    }

    fn workspace(&self) -> Self::Workspace {
        self.host.workspace()
    }

    fn inner(&self, at: &mut Self::Workspace, u: &Buffer, w: &Buffer, gradient: &mut Buffer) -> Result<f64> {
        self.host.inner(at, &u.0, &w.0, &mut gradient.0)
    }

    fn outer(&self, at: &mut Self::Workspace, u: &Buffer, w: &Buffer, gu: &mut Buffer, gw: &mut Buffer) -> Result<f64> {
        Ok(self.outer.scalar(self.host.outer(at, &u.0, &w.0, &mut gu.0, &mut gw.0)?))
    }

    fn linearize(&self, at: &mut Self::Workspace, u: &Buffer, w: &Buffer) -> Result<()> {
        self.host.linearize(at, &u.0, &w.0)
    }

    fn vectors<'a>(&'a self, _: &'a Self::Workspace) -> &'a Device {
        &self.inner
    }

    fn lift(&self, _: &mut Self::Workspace, gradient: &Buffer, out: &mut Buffer) -> Result<()> {
        self.inner.copy(gradient, out);
        Ok(())
    }

    fn lower(&self, _: &mut Self::Workspace, vector: &Buffer, out: &mut Buffer) -> Result<()> {
        self.inner.copy(vector, out);
        Ok(())
    }

    fn hvp(&self, at: &mut Self::Workspace, v: &Buffer, out: &mut Buffer) -> Result<()> {
        self.host.hvp(at, &v.0, &mut out.0)
    }

    fn mixed_vjp(&self, at: &mut Self::Workspace, v: &Buffer, out: &mut Buffer) -> Result<()> {
        self.host.mixed_vjp(at, &v.0, &mut out.0)
    }

    fn mixed_jvp(&self, at: &mut Self::Workspace, du: &Buffer, out: &mut Buffer) -> Result<()> {
        self.host.mixed_jvp(at, &du.0, &mut out.0)
    }

    fn solve(
        &self,
        at: &mut Self::Workspace,
        solve: &Solve,
        b: &Buffer,
        q: &mut Buffer,
        scratch: &mut SolveWorkspace<f64, Self>,
    ) -> Result<Report> {
        if let (true, Inverse::Neumann { terms, step: Step::Fixed(alpha), .. }) = (self.one_launch, solve.inverse) {
            let (mut p, mut hp) = (self.inner.zeros(), self.inner.zeros());
            self.inner.copy(b, &mut p);
            self.inner.scale(alpha, &mut p);
            self.inner.scale(0.0, q);
            for _ in 0..terms {
                self.host.hvp(at, &p.0, &mut hp.0)?;
                self.inner.host.neumann_update(alpha, &hp.0, &mut p.0, &mut q.0);
            }
            self.inner.axpy(1.0, &p, q);
            // One read at the end brings the norms of all terms.
            let rhs_norm = self.inner.norm(b);
            return Ok(Report {
                ending: Ending::Completed,
                products: terms,
                rhs_norm,
                residual: None,
                null_share: None,
                curvature: None,
                alpha: Some(alpha),
                growth: None,
            });
        }
        blo::solve::solve(&mut blo::problem::Hessian::new(self, at), solve, b, q, scratch)
    }
}

fn run(one_launch: bool) -> (Rc<Traffic>, [usize; 2], Vec<f64>, Vec<f64>) {
    let quadratic = RandomQuadratic::new(21, 9, 4, 6, 5.0);
    let traffic = Rc::new(Traffic::default());
    let problem = DeviceQuadratic {
        host: quadratic.problem(),
        outer: Device::new(4, &traffic),
        inner: Device::new(9, &traffic),
        one_launch,
    };
    let mut rng = Rng(1);
    let (u0, w0) = (rng.normals(4), rng.normals(9));
    let inner = InnerSolve::Optimizer { rule: Rule::descent(0.3), steps: 5, tolerance: 0.0 };
    let solve = Solve { verify: false, ..Inverse::neumann(20, 0.3).into() };
    let mut settings = Settings::new(Start::Warm, inner, solve, Rule::adam(1e-2));
    settings.outer_steps = 50;
    let mut runner = Runner::new(&problem, settings.clone(), &u0, &w0).unwrap();
    let before = [traffic.vectors.get(), traffic.scalars.get()];
    runner.run().unwrap();
    let during = [traffic.vectors.get() - before[0], traffic.scalars.get() - before[1]];
    let (u, w) = (runner.u().0.clone(), runner.w().0.clone());
    // The same run on the host has the same bits.
    let host = quadratic.problem::<f64>();
    let mut on_host = Runner::new(&host, settings, &cast::<f64>(&u0), &w0).unwrap();
    on_host.run().unwrap();
    let tolerance = if one_launch { 1e-14 } else { 0.0 };
    assert!(distance(&u, on_host.u()) <= tolerance && distance(&w, on_host.w()) <= tolerance);
    (traffic, during, u, w)
}

#[test]
fn a_loop_moves_no_vector() {
    let (traffic, during, ..) = run(false);
    assert_eq!(during[0], 0, "vectors moved inside the loop");
    // u and w, once.
    assert_eq!(traffic.vectors.get(), 2);
}

#[test]
fn a_backend_can_put_in_its_own_solve() {
    let (_, generic, ..) = run(false);
    let (_, own, ..) = run(true);
    // 51 evaluations of 20 terms each: the generic solve reads a norm a term, its own one reads none.
    assert!(own[1] + 51 * 20 <= generic[1], "{} scalars against {}", own[1], generic[1]);
    assert_eq!(own[0], 0);
}
