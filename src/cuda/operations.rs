//! One function for each vector operation: lengths, grid, arguments in the order of the kernel's header.

use super::buffer::View;
use super::device::{Arg, Device, PARTIALS};
use crate::cpu;
use crate::{Result, Scalar};

/// The grid of kernels with a thread for each element.
pub(super) fn each(n: usize) -> [usize; 2] {
    [n.div_ceil(256), 1]
}

/// The blocks of the first stage of a reduction.
pub(super) fn stages(n: usize) -> usize {
    n.div_ceil(1024).min(PARTIALS)
}

pub(super) fn count(n: usize) -> Arg {
    Arg::U64(n as u64)
}

impl Device {
    /// x ← a.
    pub(super) fn fill<T: Scalar>(&self, a: T, x: View<T>) {
        if a == T::ZERO {
            self.clear(x.address, x.len * size_of::<T>());
        } else if x.len > 0 {
            self.launch::<T>("fill", each(x.len), &[Arg::scalar(a), x.arg(), count(x.len)]);
        }
    }

    /// to ← from.
    pub(super) fn assign<T: Scalar>(&self, from: View<T>, to: View<T>) {
        debug_assert_eq!(from.len, to.len);
        self.copy(from.address, to.address, from.len * size_of::<T>());
    }

    /// x ← a x.
    pub(super) fn scale<T: Scalar>(&self, a: T, x: View<T>) {
        if a == T::ZERO {
            self.fill(a, x);
        } else if x.len > 0 {
            self.launch::<T>("scale", each(x.len), &[Arg::scalar(a), x.arg(), count(x.len)]);
        }
    }

    /// y ← a x + y.
    pub(super) fn axpy<T: Scalar>(&self, a: T, x: View<T>, y: View<T>) {
        debug_assert_eq!(x.len, y.len);
        if x.len > 0 {
            self.launch::<T>("axpy", each(x.len), &[Arg::scalar(a), x.arg(), y.arg(), count(x.len)]);
        }
    }

    /// x ← min(max(x, lower), upper).
    pub(super) fn clamp<T: Scalar>(&self, lower: T, upper: T, x: View<T>) {
        if x.len > 0 {
            let args = [Arg::scalar(lower), Arg::scalar(upper), x.arg(), count(x.len)];
            self.launch::<T>("clamp", each(x.len), &args);
        }
    }

    /// ⟨x, y⟩.
    pub(super) fn dot<T: Scalar>(&self, x: View<T>, y: View<T>) -> Result<f64> {
        debug_assert_eq!(x.len, y.len);
        if x.len == 0 {
            return self.status().map(|()| 0.0);
        }
        let blocks = stages(x.len);
        let args = [x.arg(), y.arg(), self.partials(), count(x.len)];
        self.sum(self.partials(), blocks, || self.launch::<T>("dot", [blocks, 1], &args))
    }

    /// q ← q + p, p ← p − alpha hp; returns ‖p‖² of the new p.
    pub(super) fn neumann_update<T: Scalar>(&self, alpha: T, hp: View<T>, p: View<T>, q: View<T>) -> Result<f64> {
        debug_assert!(hp.len == p.len && p.len == q.len);
        if p.len == 0 {
            return self.status().map(|()| 0.0);
        }
        let blocks = stages(p.len);
        let args = [Arg::scalar(alpha), hp.arg(), p.arg(), q.arg(), self.partials(), count(p.len)];
        self.sum(self.partials(), blocks, || self.launch::<T>("neumann_update", [blocks, 1], &args))
    }

    /// The same, with ‖p‖² left at `norm`; the caller is alone with the partial sums.
    pub(super) fn neumann_update_to<T: Scalar>(&self, alpha: T, [hp, p, q]: [View<T>; 3], norm: View<f64>) {
        debug_assert!(hp.len == p.len && p.len == q.len && norm.len == 1);
        if p.len > 0 {
            let blocks = stages(p.len);
            let args = [Arg::scalar(alpha), hp.arg(), p.arg(), q.arg(), self.partials(), count(p.len)];
            self.launch::<T>("neumann_update", [blocks, 1], &args);
            self.sum_to(self.partials(), blocks, norm.address);
        }
    }

    /// The first element that is NaN or infinite, with its place.
    pub(super) fn nonfinite<T: Scalar>(&self, x: View<T>) -> Result<Option<(usize, f64)>> {
        if x.len == 0 {
            return self.status().map(|()| None);
        }
        let (blocks, _alone) = (stages(x.len), self.reducing());
        self.launch::<T>("nonfinite", [blocks, 1], &[x.arg(), self.partials(), count(x.len)]);
        let Arg::U64(from) = self.partials() else { return Ok(None) };
        let mut first = [u64::MAX; PARTIALS];
        self.download(from, &mut first[..blocks])?;
        let Some(index) = first.into_iter().min().filter(|index| *index < x.len as u64) else { return Ok(None) };
        let mut value = [T::ZERO];
        self.download(x.part(index as usize..index as usize + 1).address, &mut value)?;
        Ok(Some((index as usize, value[0].to_f64())))
    }

    /// Adam or one of its derivatives; the arrays are those of the kernel's header.
    pub(super) fn adam<T: Scalar>(&self, operation: &'static str, rule: &cpu::Adam, t: u64, arrays: &[View<T>]) {
        let Some(len) = arrays.first().map(|array| array.len).filter(|len| *len > 0) else { return };
        let (c1, c2) = (1.0 - rule.beta1.powf(t as f64), 1.0 - rule.beta2.powf(t as f64));
        let mut args = [Arg::U64(0); 14];
        for (arg, value) in args.iter_mut().zip([rule.step, rule.beta1, rule.beta2, rule.epsilon, c1, c2]) {
            *arg = Arg::F64(value);
        }
        for (arg, array) in args[6..].iter_mut().zip(arrays) {
            debug_assert_eq!(array.len, len);
            *arg = array.arg();
        }
        args[6 + arrays.len()] = count(len);
        self.launch::<T>(operation, each(len), &args[..7 + arrays.len()]);
    }

    /// An elementwise kernel: `first` arguments, then the arrays, then n.
    pub(super) fn elementwise<T: Scalar>(&self, operation: &'static str, first: &[Arg], arrays: &[View<T>]) {
        let Some(len) = arrays.first().map(|array| array.len).filter(|len| *len > 0) else { return };
        debug_assert!(arrays.iter().all(|array| array.len == len) && first.len() + arrays.len() < 12);
        let mut args = [Arg::U64(0); 12];
        args[..first.len()].copy_from_slice(first);
        for (arg, array) in args[first.len()..].iter_mut().zip(arrays) {
            *arg = array.arg();
        }
        let used = first.len() + arrays.len();
        args[used] = count(len);
        self.launch::<T>(operation, each(len), &args[..=used]);
    }

    /// y ← y + a xᵀ by rows: row i of y gets aᵢ times row i of x.
    pub(super) fn row_axpy<T: Scalar>(&self, a: View<T>, x: View<T>, y: View<T>) {
        debug_assert_eq!(x.len, y.len);
        if x.len > 0 && a.len > 0 {
            let args = [a.arg(), x.arg(), y.arg(), count(x.len / a.len), count(x.len)];
            self.launch::<T>("row_axpy", each(x.len), &args);
        }
    }
}
