//! Random matrices with a known spectrum, an oracle for spectral filters, and tolerances. Independent of the library's own
//! decompositions: eigenvectors are chosen first, matrices made from them.
#![allow(dead_code)]

use blo::problem::{InnerTerms, OuterTerms, Quadratic};
use blo::solve::{Flat, Operator, Report, Solve, Workspace};
use blo::{Inverse, Scalar};
use proptest::test_runner::{Config, RngSeed};

/// This many cases from one fixed seed; PROPTEST_CASES and PROPTEST_RNG_SEED ask for others.
pub fn config(cases: u32) -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    Config {
        cases: number("PROPTEST_CASES").map_or(cases, |cases| cases as u32),
        rng_seed: RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(2022)),
        failure_persistence: None,
        ..Config::default()
    }
}

/// All other tests of this program once more, with each narrower set of vector instructions.
pub fn with_each_set_of_instructions(own_name: &str) {
    use blo::cpu::Simd;
    // In such a run itself.
    if let Ok(wanted) = std::env::var("BLO_SIMD") {
        return assert_eq!(Simd::best().name(), wanted);
    }
    for simd in Simd::available().into_iter().filter(|simd| *simd != Simd::best()) {
        let program = std::env::current_exe().unwrap();
        let run = std::process::Command::new(program).env("BLO_SIMD", simd.name()).output().unwrap();
        let told = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && told.contains(&format!("test {own_name} ... ok")), "{}:\n{told}", simd.name());
    }
}

/// A dense matrix as an operator: products only, by the plain reference.
pub struct Dense<T> {
    space: Flat,
    matrix: Vec<T>,
}

impl<T: Scalar> Dense<T> {
    pub fn new(n: usize, matrix: &[f64]) -> Dense<T> {
        assert_eq!(matrix.len(), n * n);
        Dense { space: Flat::new(n), matrix: cast(matrix) }
    }
}

impl<T: Scalar> Operator<T> for Dense<T> {
    type Space = Flat;

    fn space(&self) -> &Flat {
        &self.space
    }

    fn apply(&mut self, v: &Vec<T>, out: &mut Vec<T>) -> blo::Result<()> {
        blo::reference::matvec(v.len(), v.len(), &self.matrix, v, out);
        Ok(())
    }
}

/// Solves with a dense operator; q starts as NaN, so that nothing of it may survive.
pub fn solve<T: Scalar>(n: usize, matrix: &[f64], inverse: Inverse, b: &[T]) -> (Vec<T>, Report) {
    let mut q = vec![T::from_f64(f64::NAN); n];
    let mut workspace = Workspace::new();
    let mut op = Dense::new(n, matrix);
    let report = blo::solve::solve(&mut op, &Solve::from(inverse), &b.to_vec(), &mut q, &mut workspace).unwrap();
    (q, report)
}

/// splitmix64: small, seeded, the same everywhere.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn normals(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.normal()).collect()
    }
}

pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

pub fn norm<T: Scalar>(x: &[T]) -> f64 {
    x.iter().map(|x| x.to_f64().powi(2)).sum::<f64>().sqrt()
}

pub fn distance<T: Scalar, U: Scalar>(x: &[T], y: &[U]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x.to_f64() - y.to_f64()).powi(2)).sum::<f64>().sqrt()
}

pub fn cast<T: Scalar>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

pub fn widen<T: Scalar>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// y = A x, A (rows × cols) row-major.
pub fn matvec(rows: usize, cols: usize, a: &[f64], x: &[f64]) -> Vec<f64> {
    (0..rows).map(|i| dot(&a[i * cols..(i + 1) * cols], x)).collect()
}

/// y = Aᵀ x.
pub fn matvec_t(rows: usize, cols: usize, a: &[f64], x: &[f64]) -> Vec<f64> {
    (0..cols).map(|j| (0..rows).map(|i| a[i * cols + j] * x[i]).sum()).collect()
}

/// n orthonormal vectors: Gram-Schmidt, twice, on random ones.
pub fn orthonormal(rng: &mut Rng, n: usize) -> Vec<Vec<f64>> {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    while basis.len() < n {
        let mut v = rng.normals(n);
        for _ in 0..2 {
            for u in &basis {
                let overlap = dot(u, &v);
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= overlap * u);
            }
        }
        let size = norm(&v);
        if size > 1e-6 {
            basis.push(v.iter().map(|v| v / size).collect());
        }
    }
    basis
}

/// A symmetric matrix whose eigenpairs are known exactly by construction.
#[derive(Debug, Clone)]
pub struct Oracle {
    pub values: Vec<f64>,
    pub vectors: Vec<Vec<f64>>,
}

impl Oracle {
    /// Positive eigenvalues log-spaced in [1/cond, 1] · scale, then zeros.
    pub fn semidefinite(rng: &mut Rng, n: usize, rank: usize, cond: f64, scale: f64) -> Oracle {
        let values = (0..n)
            .map(|i| if i < rank { scale * cond.powf(-(i as f64) / (rank.max(2) - 1) as f64) } else { 0.0 })
            .collect();
        Oracle { values, vectors: orthonormal(rng, n) }
    }

    pub fn n(&self) -> usize {
        self.values.len()
    }

    pub fn matrix(&self) -> Vec<f64> {
        let n = self.n();
        let mut h = vec![0.0; n * n];
        for (value, vector) in self.values.iter().zip(&self.vectors) {
            for i in 0..n {
                for j in 0..=i {
                    h[i * n + j] += value * vector[i] * vector[j];
                }
            }
        }
        for i in 0..n {
            for j in 0..i {
                h[j * n + i] = h[i * n + j];
            }
        }
        h
    }

    /// r(H) b.
    pub fn filter(&self, r: impl Fn(f64) -> f64, b: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.n()];
        for (value, vector) in self.values.iter().zip(&self.vectors) {
            let weight = r(*value) * dot(vector, b);
            out.iter_mut().zip(vector).for_each(|(out, u)| *out += weight * u);
        }
        out
    }

    pub fn pinv(&self, b: &[f64]) -> Vec<f64> {
        self.filter(|value| if value == 0.0 { 0.0 } else { 1.0 / value }, b)
    }

    /// The part of b in the null space.
    pub fn null_part(&self, b: &[f64]) -> Vec<f64> {
        self.filter(|value| if value == 0.0 { 1.0 } else { 0.0 }, b)
    }

    pub fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |m, v| f64::max(m, v.abs()))
    }
}

/// A random quadratic bilevel problem whose A has a known spectrum, and its terms in f64.
#[derive(Debug, Clone)]
pub struct RandomQuadratic {
    pub n: usize,
    pub m: usize,
    pub h: Oracle,
    pub inner: InnerTerms<f64>,
    pub outer: OuterTerms<f64>,
}

impl RandomQuadratic {
    /// B and d lie in the range of A, so that the inner problem has solutions; F ≥ 0 is attained.
    pub fn new(seed: u64, n: usize, m: usize, rank: usize, cond: f64) -> RandomQuadratic {
        let mut rng = Rng(seed);
        let scale = 1.0 + rng.uniform();
        let h = Oracle::semidefinite(&mut rng, n, rank, cond, scale);
        let project = |x: &[f64]| h.filter(|value| f64::from(value != 0.0), x);
        let mut b = vec![0.0; n * m];
        for j in 0..m {
            for (i, value) in project(&rng.normals(n)).into_iter().enumerate() {
                b[i * m + j] = value;
            }
        }
        let d = project(&rng.normals(n));
        let e = rng.normals(m);
        let c_half = rng.normals(m * m);
        let c = gram(m, m, &c_half);
        let p_half = rng.normals(n * n);
        let p = gram(n, n, &p_half).iter().map(|v| v / n as f64).collect::<Vec<_>>();
        let target = rng.normals(n);
        let f = matvec(n, n, &p, &target).iter().map(|v| -v).collect();
        RandomQuadratic {
            n,
            m,
            inner: InnerTerms { a: h.matrix(), b, c, d, e, constant: rng.normal() },
            outer: OuterTerms { p, f, h: rng.normal() },
            h,
        }
    }

    pub fn problem<T: Scalar>(&self) -> Quadratic<T> {
        let inner = InnerTerms {
            a: cast(&self.inner.a),
            b: cast(&self.inner.b),
            c: cast(&self.inner.c),
            d: cast(&self.inner.d),
            e: cast(&self.inner.e),
            constant: T::from_f64(self.inner.constant),
        };
        let outer = OuterTerms { p: cast(&self.outer.p), f: cast(&self.outer.f), h: T::from_f64(self.outer.h) };
        Quadratic::new(self.n, self.m, inner, outer).unwrap()
    }

    /// ∇_w f = A w + B u + d.
    pub fn gradient(&self, u: &[f64], w: &[f64]) -> Vec<f64> {
        let aw = matvec(self.n, self.n, &self.inner.a, w);
        let bu = matvec(self.n, self.m, &self.inner.b, u);
        (0..self.n).map(|i| aw[i] + bu[i] + self.inner.d[i]).collect()
    }

    /// ∇_w F = P w + f.
    pub fn outer_gradient(&self, w: &[f64]) -> Vec<f64> {
        let pw = matvec(self.n, self.n, &self.outer.p, w);
        (0..self.n).map(|i| pw[i] + self.outer.f[i]).collect()
    }

    /// The inner solution nearest to w: w − A⁺ ∇f.
    pub fn nearest(&self, u: &[f64], w: &[f64]) -> Vec<f64> {
        let step = self.h.pinv(&self.gradient(u, w));
        w.iter().zip(step).map(|(w, s)| w - s).collect()
    }

    /// −Bᵀ r(A) ∇F(w), the hypergradient of a filter (∂F/∂u = 0).
    pub fn hypergradient(&self, r: impl Fn(f64) -> f64, w: &[f64]) -> Vec<f64> {
        let q = self.h.filter(r, &self.outer_gradient(w));
        matvec_t(self.n, self.m, &self.inner.b, &q).iter().map(|v| -v).collect()
    }
}

/// AᵀA for A (rows × cols).
pub fn gram(rows: usize, cols: usize, a: &[f64]) -> Vec<f64> {
    let mut g = vec![0.0; cols * cols];
    for i in 0..cols {
        for j in 0..cols {
            g[i * cols + j] = (0..rows).map(|k| a[k * cols + i] * a[k * cols + j]).sum();
        }
    }
    g
}
