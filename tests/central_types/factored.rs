//! A two-layer tanh network with two examples and squared error: its Hessian acts on vectors
//! p = s·b + Σ_l (A_lᵀ a_{l−1} + δ_lᵀ C_{l−1}), carried as coefficients (s, A, C) and images (Y, Z). Such vectors are closed
//! under H, axpy and scalar L2, so Neumann, conjugate gradients and Lanczos run on them unchanged.

use crate::common::{Rng, distance, norm};
use blo::hypergradient;
use blo::problem::Problem;
use blo::solve::{Flat, Solve, Space, Spectral};
use blo::{Error, Inverse, Result};

const N: usize = 2;
const D: usize = 3;
const H: usize = 7;
const C: usize = 2;
const LEN: usize = H * D + H + C * H + C;
const L2: f64 = 0.05;

type Rows = Vec<f64>;

/// X Yᵀ for X (rows × k), Y (cols × k).
fn times_t(x: &[f64], y: &[f64], k: usize) -> Rows {
    let (rows, cols) = (x.len() / k, y.len() / k);
    (0..rows * cols).map(|i| (0..k).map(|j| x[i / cols * k + j] * y[i % cols * k + j]).sum()).collect()
}

/// X Y for X (rows × k), Y (k × cols).
fn times(x: &[f64], y: &[f64], k: usize, cols: usize) -> Rows {
    let rows = x.len() / k;
    (0..rows * cols).map(|i| (0..k).map(|j| x[i / cols * k + j] * y[j * cols + i % cols]).sum()).collect()
}

/// Xᵀ Y for X (n × rows), Y (n × cols).
fn t_times(x: &[f64], y: &[f64], n: usize) -> Rows {
    let (rows, cols) = (x.len() / n, y.len() / n);
    (0..rows * cols).map(|i| (0..n).map(|k| x[k * rows + i / cols] * y[k * cols + i % cols]).sum()).collect()
}

fn add(x: &mut [f64], factor: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += factor * y);
}

fn inner(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// w = [W₁, b₁, W₂, b₂].
fn split(w: &[f64]) -> [&[f64]; 4] {
    let (w1, rest) = w.split_at(H * D);
    let (b1, rest) = rest.split_at(H);
    let (w2, b2) = rest.split_at(C * H);
    [w1, b1, w2, b2]
}

fn affine(a: &[f64], w: &[f64], b: &[f64], k: usize) -> Rows {
    let mut z = times_t(a, w, k);
    for row in z.chunks_exact_mut(b.len()) {
        add(row, 1.0, b);
    }
    z
}

fn column_sums(x: &[f64], cols: usize) -> Rows {
    x.chunks_exact(cols).fold(vec![0.0; cols], |mut sums, row| {
        add(&mut sums, 1.0, row);
        sums
    })
}

/// What one forward and one backward pass at (u, w) leave behind.
#[derive(Debug, Clone)]
struct Passes {
    w: Rows,
    a1: Rows,
    slope: Rows,
    bend: Rows,
    d2: Rows,
    e1: Rows,
    d1: Rows,
    loss: f64,
}

/// The pieces of a product that do not depend on how vectors are stored: images in, (Rδ, Ra) out.
struct Sweep {
    rd1: Rows,
    rd2: Rows,
    ra1: Rows,
    rz2: Rows,
}

impl Passes {
    fn new(x: &[f64], targets: &[f64], w: &[f64]) -> Passes {
        let n = x.len() / D;
        let [w1, b1, w2, b2] = split(w);
        let a1: Rows = affine(x, w1, b1, D).iter().map(|z| z.tanh()).collect();
        let z2 = affine(&a1, w2, b2, H);
        let d2: Rows = z2.iter().zip(targets).map(|(z, t)| (z - t) / n as f64).collect();
        let slope: Rows = a1.iter().map(|a| 1.0 - a * a).collect();
        let bend: Rows = a1.iter().zip(&slope).map(|(a, s)| -2.0 * a * s).collect();
        let e1 = times(&d2, w2, C, H);
        let d1 = e1.iter().zip(&slope).map(|(e, s)| e * s).collect();
        let loss = 0.5 * n as f64 * inner(&d2, &d2);
        Passes { w: w.to_vec(), a1, slope, bend, d2, e1, d1, loss }
    }

    fn gradient(&self, x: &[f64], n: usize) -> Rows {
        let mut g = t_times(&self.d1, x, n);
        g.extend(column_sums(&self.d1, H));
        g.extend(t_times(&self.d2, &self.a1, n));
        g.extend(column_sums(&self.d2, C));
        g
    }

    fn sweep(&self, y1: &[f64], y2: &[f64], z2: &[f64]) -> Sweep {
        let [_, _, w2, _] = split(&self.w);
        let ra1: Rows = self.slope.iter().zip(y1).map(|(s, y)| s * y).collect();
        let mut rz2 = times_t(&ra1, w2, H);
        add(&mut rz2, 1.0, y2);
        let rd2: Rows = rz2.iter().map(|r| r / N as f64).collect();
        let mut back = times(&rd2, w2, C, H);
        add(&mut back, 1.0, z2);
        let rd1 = (0..N * H).map(|i| back[i] * self.slope[i] + self.e1[i] * self.bend[i] * y1[i]).collect();
        Sweep { rd1, rd2, ra1, rz2 }
    }

    /// Y₁, Y₂, Z₂ of a plain direction.
    fn images(&self, x: &[f64], v: &[f64]) -> [Rows; 3] {
        let [v1, c1, v2, c2] = split(v);
        [affine(x, v1, c1, D), affine(&self.a1, v2, c2, H), times(&self.d2, v2, C, H)]
    }
}

/// A factored vector. The base b belongs to the space.
#[derive(Debug, Clone)]
struct Factored {
    s: f64,
    /// A₁, A₂, C₁ (C₀ is zero).
    coefficients: [Rows; 3],
    /// Y₁, Y₂, Z₂.
    images: [Rows; 3],
}

/// Factored vectors over one base.
#[derive(Debug, Default)]
struct FactoredSpace {
    base: Rows,
    base_images: [Rows; 3],
    base_square: f64,
}

const SHAPES: [usize; 3] = [N * H, N * C, N * H];

impl Space<f64> for FactoredSpace {
    type Vector = Factored;

    fn len(&self) -> usize {
        LEN
    }

    fn zeros(&self) -> Factored {
        Factored { s: 0.0, coefficients: SHAPES.map(|len| vec![0.0; len]), images: SHAPES.map(|len| vec![0.0; len]) }
    }

    fn load(&self, _: &[f64], _: &mut Factored) -> Result<()> {
        Err(Error::Unsupported { operation: "load", reason: "a factored vector is a combination of its base" })
    }

    fn store(&self, _: &Factored, _: &mut [f64]) -> Result<()> {
        Err(Error::Unsupported { operation: "store", reason: "lower it through its problem" })
    }

    fn copy(&self, from: &Factored, to: &mut Factored) {
        to.clone_from(from);
    }

    fn scale(&self, a: f64, x: &mut Factored) {
        x.s *= a;
        for rows in x.coefficients.iter_mut().chain(&mut x.images) {
            rows.iter_mut().for_each(|value| *value = if a == 0.0 { 0.0 } else { *value * a });
        }
    }

    fn axpy(&self, a: f64, x: &Factored, y: &mut Factored) {
        y.s += a * x.s;
        let from = x.coefficients.iter().chain(&x.images);
        for (y, x) in y.coefficients.iter_mut().chain(&mut y.images).zip(from) {
            add(y, a, x);
        }
    }

    /// ⟨x, y⟩ = s_x ⟨b, y⟩ + Σ A_x · Y_y + Σ C_x · Z_y, without forming anything.
    fn dot(&self, x: &Factored, y: &Factored) -> f64 {
        let with = |c: &[Rows; 3], images: &[Rows; 3]| (0..3).map(|i| inner(&c[i], &images[i])).sum::<f64>();
        let b_y = y.s * self.base_square + with(&y.coefficients, &self.base_images);
        x.s * b_y + with(&x.coefficients, &y.images)
    }
}

/// The network; u is the inner inputs (N × D). `Space` is Flat or FactoredSpace.
struct Network {
    points: [Flat; 2],
    targets: Rows,
    outer_x: Rows,
    outer_t: Rows,
}

impl Network {
    fn new(seed: u64) -> Network {
        let mut rng = Rng(seed);
        Network {
            points: [Flat::new(N * D), Flat::new(LEN)],
            targets: rng.normals(N * C),
            outer_x: rng.normals(5 * D),
            outer_t: rng.normals(5 * C),
        }
    }

    fn inner(&self, u: &[f64], w: &[f64], gradient: &mut Vec<f64>) -> f64 {
        let passes = Passes::new(u, &self.targets, w);
        *gradient = passes.gradient(u, N);
        add(gradient, L2, w);
        passes.loss + 0.5 * L2 * inner(w, w)
    }

    fn outer(&self, w: &[f64], gradient: &mut Vec<f64>) -> f64 {
        let passes = Passes::new(&self.outer_x, &self.outer_t, w);
        *gradient = passes.gradient(&self.outer_x, 5);
        passes.loss
    }
}

struct At<S> {
    x: Rows,
    passes: Option<Passes>,
    space: S,
}

/// The parts of the trait that do not depend on the vectors.
macro_rules! points {
    () => {
        type Points = Flat;

        fn outer_space(&self) -> &Flat {
            &self.0.points[0]
        }

        fn inner_space(&self) -> &Flat {
            &self.0.points[1]
        }

        fn inner(&self, _: &mut Self::Workspace, u: &Rows, w: &Rows, gradient: &mut Rows) -> Result<f64> {
            Ok(self.0.inner(u, w, gradient))
        }

        fn outer(&self, _: &mut Self::Workspace, _: &Rows, w: &Rows, gu: &mut Rows, gw: &mut Rows) -> Result<f64> {
            gu.fill(0.0);
            Ok(self.0.outer(w, gw))
        }

        fn linearize(&self, at: &mut Self::Workspace, u: &Rows, w: &Rows) -> Result<()> {
            at.x = u.clone();
            at.passes = Some(Passes::new(u, &self.0.targets, w));
            Ok(())
        }
    };
}

struct Plain<'a>(&'a Network);
struct Structured<'a>(&'a Network);

impl Problem<f64> for Plain<'_> {
    type Vectors = Flat;
    type Workspace = At<Flat>;
    points!();

    fn workspace(&self) -> At<Flat> {
        At { x: Vec::new(), passes: None, space: Flat::new(LEN) }
    }

    fn vectors<'a>(&'a self, at: &'a At<Flat>) -> &'a Flat {
        &at.space
    }

    fn lift(&self, _: &mut At<Flat>, gradient: &Rows, out: &mut Rows) -> Result<()> {
        out.clone_from(gradient);
        Ok(())
    }

    fn lower(&self, _: &mut At<Flat>, vector: &Rows, out: &mut Rows) -> Result<()> {
        out.clone_from(vector);
        Ok(())
    }

    fn hvp(&self, at: &mut At<Flat>, v: &Rows, out: &mut Rows) -> Result<()> {
        let passes = at.passes.as_ref().unwrap();
        let [y1, y2, z2] = passes.images(&at.x, v);
        let s = passes.sweep(&y1, &y2, &z2);
        let mut second = t_times(&s.rd2, &passes.a1, N);
        add(&mut second, 1.0, &t_times(&passes.d2, &s.ra1, N));
        *out = [t_times(&s.rd1, &at.x, N), column_sums(&s.rd1, H), second, column_sums(&s.rd2, C)].concat();
        add(out, L2, v);
        Ok(())
    }

    fn mixed_vjp(&self, at: &mut At<Flat>, v: &Rows, out: &mut Rows) -> Result<()> {
        let passes = at.passes.as_ref().unwrap();
        let [y1, y2, z2] = passes.images(&at.x, v);
        let s = passes.sweep(&y1, &y2, &z2);
        let [w1, ..] = split(&passes.w);
        *out = times(&s.rd1, w1, H, D);
        add(out, 1.0, &times(&passes.d1, split(v)[0], H, D));
        assert_eq!(s.rz2.len(), N * C);
        Ok(())
    }

    fn mixed_jvp(&self, _: &mut At<Flat>, _: &Rows, _: &mut Rows) -> Result<()> {
        Err(Error::Unsupported { operation: "mixed_jvp", reason: "not needed here" })
    }
}

impl Problem<f64> for Structured<'_> {
    type Vectors = FactoredSpace;
    type Workspace = At<FactoredSpace>;
    points!();

    fn workspace(&self) -> At<FactoredSpace> {
        At { x: Vec::new(), passes: None, space: FactoredSpace::default() }
    }

    fn vectors<'a>(&'a self, at: &'a At<FactoredSpace>) -> &'a FactoredSpace {
        &at.space
    }

    fn lift(&self, at: &mut At<FactoredSpace>, gradient: &Rows, out: &mut Factored) -> Result<()> {
        let passes = at.passes.as_ref().unwrap();
        at.space.base.clone_from(gradient);
        at.space.base_images = passes.images(&at.x, gradient);
        at.space.base_square = inner(gradient, gradient);
        *out = at.space.zeros();
        (out.s, out.images) = (1.0, at.space.base_images.clone());
        Ok(())
    }

    fn lower(&self, at: &mut At<FactoredSpace>, v: &Factored, out: &mut Rows) -> Result<()> {
        let passes = at.passes.as_ref().unwrap();
        let [a1, a2, c1] = &v.coefficients;
        let mut second = t_times(a2, &passes.a1, N);
        add(&mut second, 1.0, &t_times(&passes.d2, c1, N));
        *out = [t_times(a1, &at.x, N), column_sums(a1, H), second, column_sums(a2, C)].concat();
        add(out, v.s, &at.space.base);
        Ok(())
    }

    fn hvp(&self, at: &mut At<FactoredSpace>, v: &Factored, out: &mut Factored) -> Result<()> {
        let passes = at.passes.as_ref().unwrap();
        let [y1, y2, z2] = &v.images;
        let s = passes.sweep(y1, y2, z2);
        let gram =
            |a: &[f64], b: &[f64], k: usize, bias: f64| times_t(a, b, k).iter().map(|g| g + bias).collect::<Rows>();
        let mut y2 = times(&gram(&passes.a1, &passes.a1, H, 1.0), &s.rd2, N, C);
        add(&mut y2, 1.0, &times(&gram(&passes.a1, &s.ra1, H, 0.0), &passes.d2, N, C));
        let mut z2 = times(&gram(&passes.d2, &s.rd2, C, 0.0), &passes.a1, N, H);
        add(&mut z2, 1.0, &times(&gram(&passes.d2, &passes.d2, C, 0.0), &s.ra1, N, H));
        let y1 = times(&gram(&at.x, &at.x, D, 1.0), &s.rd1, N, H);
        *out = Factored { s: 0.0, coefficients: [s.rd1, s.rd2, s.ra1], images: [y1, y2, z2] };
        at.space.axpy(L2, v, out);
        Ok(())
    }

    fn mixed_vjp(&self, at: &mut At<FactoredSpace>, v: &Factored, out: &mut Rows) -> Result<()> {
        // δ₁ (the first layer's weights of v) from coefficients alone: s δ₁B₁ + (δ₁A₁ᵀ) x.
        let passes = at.passes.as_ref().unwrap();
        let [y1, y2, z2] = &v.images;
        let s = passes.sweep(y1, y2, z2);
        *out = times(&s.rd1, split(&passes.w)[0], H, D);
        add(out, v.s, &times(&passes.d1, split(&at.space.base)[0], H, D));
        add(out, 1.0, &times(&times_t(&passes.d1, &v.coefficients[0], H), &at.x, N, D));
        Ok(())
    }

    fn mixed_jvp(&self, _: &mut At<FactoredSpace>, _: &Rows, _: &mut Factored) -> Result<()> {
        Err(Error::Unsupported { operation: "mixed_jvp", reason: "not needed here" })
    }
}

#[test]
fn solvers_run_on_factored_vectors_unchanged() {
    for seed in 0..5 {
        let network = Network::new(seed);
        let mut rng = Rng(50 + seed);
        let u = rng.normals(N * D);
        let w: Rows = rng.normals(LEN).iter().map(|w| 0.4 * w).collect();
        let (plain, structured) = (Plain(&network), Structured(&network));
        let mut flat = hypergradient::Workspace::new(&plain);
        let mut factored = hypergradient::Workspace::new(&structured);
        let lanczos = Spectral::LANCZOS;
        for (inverse, tolerance) in [
            (Inverse::neumann(0, 0.1), 1e-13),
            (Inverse::neumann(1, 0.1), 1e-13),
            (Inverse::neumann(50, 0.1), 1e-12),
            (Inverse::Cg { iterations: 2, tolerance: 0.0 }, 1e-11),
            (Inverse::Minres { tolerance: 0.0, max_products: 4 }, 1e-9),
            (Inverse::Damped { epsilon: 2.0, by: lanczos }, 1e-9),
            (Inverse::NeumannFilter { terms: 200, alpha: 0.1, by: lanczos }, 1e-8),
        ] {
            let expected = hypergradient::evaluate(&plain, &inverse.into(), &u, &w, &mut flat).unwrap();
            let found = hypergradient::evaluate(&structured, &inverse.into(), &u, &w, &mut factored).unwrap();
            let scale = norm(flat.gradient());
            assert!(
                distance(flat.gradient(), factored.gradient()) <= tolerance * scale,
                "{inverse:?} {found:?} {expected:?}"
            );
            let mut q = vec![0.0; LEN];
            factored.lower_q(&structured, &mut q).unwrap();
            assert!(distance(&q, flat.q()) <= tolerance * norm(flat.q()), "{inverse:?}");
            // The norm of a difference of factored vectors has an absolute error of about √eps times their size.
            let [residual, reference] = [found, expected].map(|evaluation| evaluation.report.residual.unwrap());
            assert!((residual - reference).abs() < 1e-6 * (1.0 + reference), "{inverse:?}: {residual} {reference}");
        }
    }
}

/// The plain network's own products, so that the comparison above means something.
/// Factored vectors are known relative to b: the q of another step is none of them, and that is said.
#[test]
fn a_foreign_q_is_refused_rather_than_taken_for_another() {
    let network = Network::new(2);
    let mut rng = Rng(7);
    let (u, w) = (rng.normals(N * D), rng.normals(LEN));
    let estimator: blo::Estimator = Solve { start_from_last: true, ..Inverse::neumann(2, 0.1).into() }.into();
    let (plain, structured) = (Plain(&network), Structured(&network));
    let mut flat = hypergradient::Workspace::new(&plain);
    let mut factored = hypergradient::Workspace::new(&structured);
    for _ in 0..2 {
        hypergradient::evaluate(&plain, &estimator, &u, &w, &mut flat).unwrap();
    }
    hypergradient::evaluate(&structured, &estimator, &u, &w, &mut factored).unwrap();
    let error = hypergradient::evaluate(&structured, &estimator, &u, &w, &mut factored).unwrap_err();
    assert!(matches!(error, blo::Error::Unsupported { operation: "start_from_last", .. }), "{error}");
}

#[test]
fn the_plain_network_is_right() {
    let network = Network::new(3);
    let mut rng = Rng(4);
    let (u, w) = (rng.normals(N * D), rng.normals(LEN));
    let (v, du) = (rng.normals(LEN), rng.normals(N * D));
    let plain = Plain(&network);
    let mut at = plain.workspace();
    plain.linearize(&mut at, &u, &w).unwrap();
    let (mut hv, mut mtv, mut plus, mut minus) = (vec![], vec![], vec![], vec![]);
    plain.hvp(&mut at, &v, &mut hv).unwrap();
    plain.mixed_vjp(&mut at, &v, &mut mtv).unwrap();
    let h = 1e-5;
    let moved = |x: &[f64], d: &[f64], h: f64| x.iter().zip(d).map(|(x, d)| x + h * d).collect::<Rows>();
    network.inner(&u, &moved(&w, &v, h), &mut plus);
    network.inner(&u, &moved(&w, &v, -h), &mut minus);
    let difference: Rows = plus.iter().zip(&minus).map(|(p, m)| (p - m) / (2.0 * h)).collect();
    assert!(distance(&difference, &hv) < 1e-8 * norm(&hv));
    network.inner(&moved(&u, &du, h), &w, &mut plus);
    network.inner(&moved(&u, &du, -h), &w, &mut minus);
    let mdu: Rows = plus.iter().zip(&minus).map(|(p, m)| (p - m) / (2.0 * h)).collect();
    assert!((inner(&mdu, &v) - inner(&mtv, &du)).abs() < 1e-8 * norm(&mdu) * norm(&v));
}
