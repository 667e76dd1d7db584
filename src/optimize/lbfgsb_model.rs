//! The quadratic model of L-BFGS-B: B = θI − W M Wᵀ with W = [Y θS], M⁻¹ = [−D Lᵀ; L θSᵀS], D and L the diagonal and the
//! strictly lower part of SᵀY; and its minimum in the box, in two parts. Sections and equations are those of Byrd, Lu, Nocedal
//! and Zhu (SIAM J. Sci. Comput. 16, 1995).

use crate::cpu::{Simd, dot};

/// LU factors with partial pivoting of a small matrix.
#[derive(Debug, Default)]
struct Lu {
    size: usize,
    a: Vec<f64>,
    pivots: Vec<usize>,
}

impl Lu {
    /// Factors `a` in place; false if it is singular to working precision.
    fn factor(&mut self) -> bool {
        let (n, a) = (self.size, &mut self.a);
        let largest = a.iter().fold(0.0_f64, |largest, a| largest.max(a.abs()));
        self.pivots.clear();
        for k in 0..n {
            let mut pivot = k;
            for i in k + 1..n {
                if a[i * n + k].abs() > a[pivot * n + k].abs() {
                    pivot = i;
                }
            }
            let size = a[pivot * n + k].abs();
            if !size.is_finite() || size <= f64::EPSILON * largest {
                return false;
            }
            self.pivots.push(pivot);
            for j in 0..n {
                a.swap(k * n + j, pivot * n + j);
            }
            for i in k + 1..n {
                let factor = a[i * n + k] / a[k * n + k];
                a[i * n + k] = factor;
                for j in k + 1..n {
                    a[i * n + j] -= factor * a[k * n + j];
                }
            }
        }
        true
    }

    fn solve(&self, b: &mut [f64]) {
        let (n, a) = (self.size, &self.a);
        for (k, &pivot) in self.pivots.iter().enumerate() {
            b.swap(k, pivot);
        }
        for i in 0..n {
            for j in 0..i {
                b[i] -= a[i * n + j] * b[j];
            }
        }
        for i in (0..n).rev() {
            for j in i + 1..n {
                b[i] -= a[i * n + j] * b[j];
            }
            b[i] /= a[i * n + i];
        }
    }
}

/// The box, elementwise.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

/// The pairs of the last steps and the model that they make.
#[derive(Debug)]
pub(crate) struct Model {
    n: usize,
    capacity: usize,
    simd: Simd,
    /// How many pairs there are.
    pub count: usize,
    /// Steps and changes of the gradient, oldest first, n elements each, both divided by the step's length, which B does not
    /// see: so SᵀS has a unit diagonal however short the last steps are.
    s: Vec<f64>,
    y: Vec<f64>,
    theta: f64,
    /// M⁻¹, and its factors.
    middle: Vec<f64>,
    factors: Lu,
    reduced: Lu,
    /// The generalized Cauchy point.
    cauchy: Vec<f64>,
    direction: Vec<f64>,
    /// Where each element meets its bound, as a multiple of −g.
    breaks: Vec<(f64, usize)>,
    free: Vec<usize>,
    /// Wᵀ times the direction; Wᵀ(x_c − x); a row of W; M times that row or c.
    p: Vec<f64>,
    c: Vec<f64>,
    row: Vec<f64>,
    image: Vec<f64>,
}

impl Model {
    /// B = I.
    pub fn new(n: usize, capacity: usize) -> Model {
        let zeros = |len| vec![0.0; len];
        let square = 4 * capacity * capacity;
        let lu = || Lu { size: 0, a: Vec::with_capacity(square), pivots: Vec::with_capacity(2 * capacity) };
        Model {
            n,
            capacity,
            simd: Simd::best(),
            count: 0,
            s: zeros(n * capacity),
            y: zeros(n * capacity),
            theta: 1.0,
            middle: Vec::with_capacity(square),
            factors: lu(),
            reduced: lu(),
            cauchy: zeros(n),
            direction: zeros(n),
            breaks: Vec::with_capacity(n),
            free: Vec::with_capacity(n),
            p: zeros(2 * capacity),
            c: zeros(2 * capacity),
            row: zeros(2 * capacity),
            image: zeros(2 * capacity),
        }
    }

    /// Forgets all pairs.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The steps and the changes that there are.
    pub fn rows(&self) -> (&[f64], &[f64]) {
        let used = self.count * self.n;
        (&self.s[..used], &self.y[..used])
    }

    pub fn rows_mut(&mut self) -> (&mut [f64], &mut [f64]) {
        let used = self.count * self.n;
        (&mut self.s[..used], &mut self.y[..used])
    }

    /// Adds a pair, for the oldest if there is no more room. It is left out where sᵀy is too small, or not finite, for B to stay
    /// positive definite. `decrease` is −gᵀs with the gradient before the step.
    pub fn push(&mut self, s: &[f64], y: &[f64], decrease: f64) {
        let (length, change) = (dot(self.simd, s, s).sqrt(), dot(self.simd, y, y));
        let curvature = dot(self.simd, s, y);
        if !(change.is_finite() && length > 0.0 && curvature > f64::EPSILON * decrease && change / curvature < 1e300) {
            return;
        }
        let n = self.n;
        if self.count == self.capacity {
            self.s.copy_within(n.., 0);
            self.y.copy_within(n.., 0);
            self.count -= 1;
        }
        let last = self.count * n..(self.count + 1) * n;
        for (to, from) in [(&mut self.s, s), (&mut self.y, y)] {
            to[last.clone()].iter_mut().zip(from).for_each(|(to, from)| *to = from / length);
        }
        self.count += 1;
    }

    /// θ, M⁻¹ and its factors from the pairs; all pairs are dropped where they depend on each other too much.
    pub fn refresh(&mut self) {
        let (n, k) = (self.n, self.count);
        if k == 0 {
            return self.reset();
        }
        let [s, y] = [&self.s, &self.y].map(|rows| move |i: usize| &rows[i * n..(i + 1) * n]);
        let sy = |i, j| dot(self.simd, s(i), y(j));
        let theta = dot(self.simd, y(k - 1), y(k - 1)) / sy(k - 1, k - 1);
        self.middle.clear();
        self.middle.resize(4 * k * k, 0.0);
        for i in 0..k {
            self.middle[i * 2 * k + i] = -sy(i, i);
            for j in 0..=i {
                let inner = theta * dot(self.simd, s(i), s(j));
                self.middle[(k + i) * 2 * k + k + j] = inner;
                self.middle[(k + j) * 2 * k + k + i] = inner;
                if j < i {
                    let lower = sy(i, j);
                    self.middle[(k + i) * 2 * k + j] = lower;
                    self.middle[j * 2 * k + k + i] = lower;
                }
            }
        }
        self.theta = theta;
        self.factors.size = 2 * k;
        self.factors.a.clone_from(&self.middle);
        if !self.factors.factor() {
            self.reset();
        }
    }

    /// B = I.
    fn reset(&mut self) {
        (self.count, self.theta, self.factors.size) = (0, 1.0, 0);
        self.factors.pivots.clear();
    }

    /// row ← the row of W that belongs to element i.
    fn load_row(&mut self, i: usize) {
        let (n, k) = (self.n, self.count);
        for j in 0..k {
            self.row[j] = self.y[j * n + i];
            self.row[k + j] = self.theta * self.s[j * n + i];
        }
    }

    /// z ← about the minimum of the model in the box, from x with gradient g: the generalized Cauchy point, then a step in the
    /// space of the elements that it leaves free. Every zᵢ that is stopped by a bound equals it.
    pub fn minimize(&mut self, x: &[f64], g: &[f64], bounds: &Bounds, z: &mut [f64]) {
        self.find_cauchy_point(x, g, bounds);
        z.copy_from_slice(&self.cauchy);
        if self.count > 0 {
            self.subspace_step(x, g, bounds, z);
        }
    }

    /// Algorithm CP: the first minimum of the model along the projected path x − t g.
    fn find_cauchy_point(&mut self, x: &[f64], g: &[f64], bounds: &Bounds) {
        let k2 = 2 * self.count;
        self.breaks.clear();
        self.p[..k2].fill(0.0);
        self.c[..k2].fill(0.0);
        let mut first = 0.0;
        for i in 0..self.n {
            let limit = if g[i] < 0.0 { bounds.upper[i] } else { bounds.lower[i] };
            let t = if g[i] == 0.0 { f64::INFINITY } else { (x[i] - limit) / g[i] };
            self.cauchy[i] = x[i];
            self.direction[i] = if t > 0.0 { -g[i] } else { 0.0 };
            if self.direction[i] == 0.0 {
                continue;
            }
            if t.is_finite() {
                self.breaks.push((t, i));
            }
            first -= g[i] * g[i];
            self.load_row(i);
            for (p, w) in self.p[..k2].iter_mut().zip(&self.row) {
                *p -= g[i] * w;
            }
        }
        self.breaks.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        self.image[..k2].copy_from_slice(&self.p[..k2]);
        self.factors.solve(&mut self.image[..k2]);
        let product = |a: &[f64], b: &[f64]| -> f64 { a[..k2].iter().zip(b).map(|(a, b)| a * b).sum() };
        let mut second = -self.theta * first - product(&self.p, &self.image);
        let floor = f64::EPSILON * -self.theta * first;
        second = second.max(floor);
        let (mut reached, mut next) = (0.0, 0);
        while first < 0.0 && next < self.breaks.len() {
            let (t, i) = self.breaks[next];
            let span = t - reached;
            if -first / second < span {
                break;
            }
            next += 1;
            reached = t;
            self.cauchy[i] = if g[i] < 0.0 { bounds.upper[i] } else { bounds.lower[i] };
            let moved = self.cauchy[i] - x[i];
            for (c, p) in self.c[..k2].iter_mut().zip(&self.p) {
                *c += span * p;
            }
            self.load_row(i);
            self.image[..k2].copy_from_slice(&self.row[..k2]);
            self.factors.solve(&mut self.image[..k2]);
            let (wmc, wmp) = (product(&self.c, &self.image), product(&self.p, &self.image));
            let wmw = product(&self.row, &self.image);
            let gi = g[i];
            first += span * second + gi * gi + self.theta * gi * moved - gi * wmc;
            second -= self.theta * gi * gi + 2.0 * gi * wmp + gi * gi * wmw;
            second = second.max(floor);
            for (p, w) in self.p[..k2].iter_mut().zip(&self.row) {
                *p += gi * w;
            }
            self.direction[i] = 0.0;
        }
        // The last stretch ends at the minimum, or has no direction left.
        let rest = if first < 0.0 && second > 0.0 { -first / second } else { 0.0 };
        let t = reached + rest;
        for i in 0..self.n {
            if self.direction[i] != 0.0 {
                self.cauchy[i] = (x[i] + t * self.direction[i]).clamp(bounds.lower[i], bounds.upper[i]);
            }
        }
        for (c, p) in self.c[..k2].iter_mut().zip(&self.p) {
            *c += rest * p;
        }
    }

    /// The direct primal method (Section 5.1), and its end in the box by projection, or by a shorter step where the projection
    /// does not descend (Morales and Nocedal, ACM TOMS 38, 2011).
    fn subspace_step(&mut self, x: &[f64], g: &[f64], bounds: &Bounds, z: &mut [f64]) {
        let (n, k, k2) = (self.n, self.count, 2 * self.count);
        self.free.clear();
        self.free.extend((0..n).filter(|&i| bounds.lower[i] < z[i] && z[i] < bounds.upper[i]));
        if self.free.is_empty() {
            return;
        }
        // r = g + B(x_c − x) on the free elements, into `direction`; Wᵀr into p.
        self.image[..k2].copy_from_slice(&self.c[..k2]);
        self.factors.solve(&mut self.image[..k2]);
        self.p[..k2].fill(0.0);
        for f in 0..self.free.len() {
            let i = self.free[f];
            self.load_row(i);
            let wmc: f64 = self.row[..k2].iter().zip(&self.image).map(|(w, c)| w * c).sum();
            let r = g[i] + self.theta * (z[i] - x[i]) - wmc;
            self.direction[i] = r;
            for (p, w) in self.p[..k2].iter_mut().zip(&self.row) {
                *p += r * w;
            }
        }
        // (5.11): d = −r/θ − Zᵀ W (M⁻¹ − Wᵀ Z Zᵀ W / θ)⁻¹ Wᵀ Z r / θ².
        let column = |a: usize, i: usize| if a < k { self.y[a * n + i] } else { self.theta * self.s[(a - k) * n + i] };
        self.reduced.size = k2;
        self.reduced.a.clone_from(&self.middle);
        for a in 0..k2 {
            for b in 0..=a {
                let inner: f64 = self.free.iter().map(|&i| column(a, i) * column(b, i)).sum::<f64>() / self.theta;
                self.reduced.a[a * k2 + b] -= inner;
                if a != b {
                    self.reduced.a[b * k2 + a] -= inner;
                }
            }
        }
        if !self.reduced.factor() {
            return;
        }
        self.reduced.solve(&mut self.p[..k2]);
        let mut longest: f64 = 1.0;
        let mut stopper = None;
        for f in 0..self.free.len() {
            let i = self.free[f];
            self.load_row(i);
            let correction: f64 = self.row[..k2].iter().zip(&self.p).map(|(w, v)| w * v).sum();
            let d = -(self.direction[i] + correction / self.theta) / self.theta;
            self.direction[i] = d;
            let limit = if d < 0.0 { bounds.lower[i] } else { bounds.upper[i] };
            let room = (limit - z[i]) / d;
            if d != 0.0 && room < longest {
                (longest, stopper) = (room, Some((i, limit)));
            }
            z[i] = (z[i] + d).clamp(bounds.lower[i], bounds.upper[i]);
        }
        let slope: f64 = (0..n).map(|i| g[i] * (z[i] - x[i])).sum();
        if slope < 0.0 || stopper.is_none() {
            return;
        }
        for &i in &self.free {
            z[i] = (self.cauchy[i] + longest * self.direction[i]).clamp(bounds.lower[i], bounds.upper[i]);
        }
        if let Some((i, limit)) = stopper {
            z[i] = limit;
        }
    }
}
