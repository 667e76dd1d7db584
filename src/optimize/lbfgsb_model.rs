//! The quadratic model of L-BFGS-B: B = θI − W M Wᵀ with W = [Y θS], M⁻¹ = [−D Lᵀ; L θSᵀS], D and L the diagonal and the
//! strictly lower part of SᵀY; and its minimum in the box, in two parts. Sections and equations are those of Byrd, Lu, Nocedal
//! and Zhu (SIAM J. Sci. Comput. 16, 1995).

use crate::cpu::{Simd, dot};
use crate::solve::heap;

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
    /// The memory in use.
    pub fn bytes(&self) -> usize {
        let Model { n: _, capacity: _, simd: _, count: _, theta: _, s, y, middle, factors, reduced, .. } = self;
        let Model { cauchy, direction, breaks, free, p, c, row, image, .. } = self;
        let lists = [s, y, middle, &factors.a, &reduced.a, cauchy, direction, p, c, row, image];
        lists.iter().map(|list| heap(list)).sum::<usize>()
            + heap(&factors.pivots)
            + heap(&reduced.pivots)
            + heap(breaks)
            + heap(free)
    }

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
        for (i, x) in x.iter().enumerate() {
            if self.direction[i] != 0.0 {
                self.cauchy[i] = (x + t * self.direction[i]).clamp(bounds.lower[i], bounds.upper[i]);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// xorshift: uniform in −1 to 1.
    fn uniform(state: &mut u64) -> f64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    fn product(b: &[f64], x: &[f64]) -> Vec<f64> {
        b.chunks(x.len()).map(|row| row.iter().zip(x).map(|(b, x)| b * x).sum()).collect()
    }

    fn inner(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }

    /// B by the recursion of BFGS from θI.
    fn dense(n: usize, pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
        let theta = pairs.last().map_or(1.0, |(s, y)| inner(y, y) / inner(s, y));
        let mut b: Vec<f64> = (0..n * n).map(|k| if k % (n + 1) == 0 { theta } else { 0.0 }).collect();
        for (s, y) in pairs {
            let bs = product(&b, s);
            let (curved, change) = (inner(s, &bs), inner(s, y));
            for (k, b) in b.iter_mut().enumerate() {
                *b += y[k / n] * y[k % n] / change - bs[k / n] * bs[k % n] / curved;
            }
        }
        b
    }

    /// The first minimum along the projected path, segment by segment, with the whole of B.
    fn cauchy_point(b: &[f64], x: &[f64], g: &[f64], bounds: &Bounds) -> Vec<f64> {
        let n = x.len();
        let at = |t: f64| -> Vec<f64> {
            (0..n).map(|i| (x[i] - t * g[i]).clamp(bounds.lower[i], bounds.upper[i])).collect()
        };
        let limit = |i: usize| if g[i] < 0.0 { bounds.upper[i] } else { bounds.lower[i] };
        let own = |i: usize| (x[i] - limit(i)) / g[i];
        let mut ends: Vec<f64> = (0..n).map(own).collect();
        ends.sort_by(f64::total_cmp);
        ends.push(f64::INFINITY);
        let mut reached = 0.0;
        for end in ends {
            let from = at(reached);
            let d: Vec<f64> = (0..n).map(|i| if own(i) <= reached { 0.0 } else { -g[i] }).collect();
            let moved: Vec<f64> = from.iter().zip(x).map(|(from, x)| from - x).collect();
            let slope = inner(g, &d) + inner(&product(b, &moved), &d);
            let curvature = inner(&product(b, &d), &d);
            if slope >= 0.0 {
                return from;
            }
            if reached - slope / curvature < end {
                return at(reached - slope / curvature);
            }
            reached = end;
        }
        at(reached)
    }

    /// The minimum over the elements in `free`, by elimination without pivots: B is positive definite.
    fn subspace(b: &[f64], x: &[f64], g: &[f64], from: &[f64], free: &[usize]) -> Vec<f64> {
        let (n, k) = (x.len(), free.len());
        let moved: Vec<f64> = from.iter().zip(x).map(|(from, x)| from - x).collect();
        let bd = product(b, &moved);
        let mut rows: Vec<Vec<f64>> =
            free.iter().map(|&i| free.iter().map(|&j| b[i * n + j]).chain([-g[i] - bd[i]]).collect()).collect();
        for p in 0..k {
            let pivot = rows[p].clone();
            for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != p) {
                let factor = row[p] / pivot[p];
                row.iter_mut().zip(&pivot).for_each(|(a, b)| *a -= factor * b);
            }
        }
        (0..k).map(|p| rows[p][k] / rows[p][p]).collect()
    }

    type Pairs = Vec<(Vec<f64>, Vec<f64>)>;

    /// Compares; returns how many elements the box stops after the Cauchy point, whether the step is shortened for that, and
    /// whether several elements move.
    fn compare(pairs: &mut Pairs, capacity: usize, x: &[f64], g: &[f64], bounds: &Bounds) -> [usize; 3] {
        let n = x.len();
        let mut model = Model::new(n, capacity);
        pairs.iter().for_each(|(s, y)| model.push(s, y, 0.0));
        pairs.drain(..pairs.len().saturating_sub(capacity));
        model.refresh();
        assert_eq!(model.count, pairs.len());
        let b = dense(n, pairs);
        let mut z = vec![f64::NAN; n];
        model.minimize(x, g, bounds, &mut z);
        let cauchy = cauchy_point(&b, x, g, bounds);
        for i in 0..n {
            assert!((model.cauchy[i] - cauchy[i]).abs() < 1e-9, "{:?} {cauchy:?}", model.cauchy);
        }
        let cauchy = &model.cauchy;
        let (mut stopped, mut shortened, mut expected) = (0, 0, cauchy.clone());
        let free: Vec<usize> = (0..n).filter(|&i| bounds.lower[i] < cauchy[i] && cauchy[i] < bounds.upper[i]).collect();
        if !pairs.is_empty() && !free.is_empty() {
            let d = subspace(&b, x, g, cauchy, &free);
            for (&i, d) in free.iter().zip(&d) {
                expected[i] = (cauchy[i] + d).clamp(bounds.lower[i], bounds.upper[i]);
                stopped += usize::from(expected[i] != cauchy[i] + d);
            }
            let slope: f64 = (0..n).map(|i| g[i] * (expected[i] - x[i])).sum();
            if slope >= 0.0 {
                shortened = 1;
                let room = |(&i, d): (&usize, &f64)| {
                    ((if *d < 0.0 { bounds.lower[i] } else { bounds.upper[i] }) - cauchy[i]) / d
                };
                let longest = free.iter().zip(&d).map(room).fold(1.0, f64::min);
                free.iter().zip(&d).for_each(|(&i, d)| expected[i] = cauchy[i] + longest * d);
            }
        }
        for i in 0..n {
            assert!((z[i] - expected[i]).abs() < 1e-8, "{z:?} {expected:?}");
            assert!(bounds.lower[i] <= z[i] && z[i] <= bounds.upper[i]);
        }
        let moved = (0..n).filter(|&i| cauchy[i] != x[i]).count();
        [stopped, shortened, usize::from(moved > 1)]
    }

    #[test]
    fn both_parts_are_those_of_the_dense_model() {
        let mut seen = [0; 3];
        for seed in 1..=2000_usize {
            let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut random = |n: usize| -> Vec<f64> { (0..n).map(|_| uniform(&mut state)).collect() };
            let n = 1 + seed % 7;
            let a = random(n * n);
            let pair = |s: Vec<f64>| {
                // (AᵀA + I/10) s, and something that is not linear.
                let image = product(&a, &s);
                let curved = |j: usize| (0..n).map(|i| a[i * n + j] * image[i]).sum::<f64>();
                let y = (0..n).map(|j| 0.1 * s[j] + curved(j) + 0.03 * s[j].powi(3)).collect();
                (s, y)
            };
            let mut pairs: Pairs = (0..seed % 6).map(|_| pair(random(n))).collect();
            let (ends, g, size) = (random(3 * n), random(n), random(1)[0].abs() * 3.0);
            let mut bounds = Bounds { lower: vec![f64::NEG_INFINITY; n], upper: vec![f64::INFINITY; n] };
            let mut x = ends[2 * n..].to_vec();
            for i in (0..n).filter(|i| (seed + i) % 4 > 0) {
                bounds.lower[i] = ends[i].min(ends[n + i]) * size;
                bounds.upper[i] = ends[i].max(ends[n + i]) * size;
                x[i] = x[i].clamp(bounds.lower[i], bounds.upper[i]);
            }
            let found = compare(&mut pairs, 1 + seed % 4, &x, &g, &bounds);
            seen.iter_mut().zip(found).for_each(|(seen, found)| *seen += found);
        }
        assert!(seen[0] > 100 && seen[2] > 500, "{seen:?}");
    }

    /// B = [1 0.99; 0.99 1], from conjugate steps: the free minimum is far off, and its projection is uphill.
    #[test]
    fn a_projection_that_is_uphill_is_replaced_by_a_shorter_step() {
        let mut pairs = vec![(vec![1.0, 0.0], vec![1.0, 0.99]), (vec![-0.99, 1.0], vec![0.0, 0.0199])];
        let bounds = Bounds { lower: vec![-100.0; 2], upper: vec![0.84, 100.0] };
        assert_eq!(compare(&mut pairs, 2, &[0.0; 2], &[-1.0, -0.1], &bounds), [1, 1, 1]);
    }
}
