//! Products with matrices. Shapes choose the kernel, and whether the tensor cores are to be used.

use super::buffer::View;
use super::device::{Arg, Device};
use crate::Scalar;
use crate::cpu::{Activation, Form};
use crate::error::invalid;

/// Up to so many rows (terms of Aᵀ B) have kernels of their own.
const FEW: usize = 8;

/// What follows a product A Bᵀ.
#[derive(Clone, Copy)]
pub(super) struct Epilogue<T> {
    /// Added to each row, unless none.
    pub bias: View<T>,
    /// φ, with where φ′ and φ″ go; φ″ may be none.
    pub activation: Option<(Activation, View<T>, View<T>)>,
}

impl Device {
    /// Rows and columns as kernels take them, below 2³¹; for others the device keeps an error.
    fn sizes<const N: usize>(&self, sizes: [usize; N]) -> Option<[Arg; N]> {
        let checked = self.guarded(|| match sizes.iter().find(|size| **size > i32::MAX as usize) {
            None => Ok(sizes.map(|size| Arg::U32(size as u32))),
            Some(size) => Err(invalid("matrix size", size, "below 2^31")),
        });
        checked.ok()
    }

    /// C ← the product, or C ← C + the product if `add`; the shape is [m, n, k].
    pub(super) fn gemm<T: Scalar>(
        &self,
        form: Form,
        [m, n, k]: [usize; 3],
        [a, b]: [View<T>; 2],
        add: bool,
        c: View<T>,
        after: Option<Epilogue<T>>,
    ) {
        debug_assert!(a.len == m * k && b.len == k * n && c.len == m * n && (after.is_none() || form == Form::Abt));
        if m == 0 || n == 0 {
            return;
        }
        let Some(sizes) = self.sizes([m, n, k]) else { return };
        let (tensor, tiles) = (self.tensor_cores::<T>(), [n.div_ceil(64), m.div_ceil(64)]);
        let tall = [tiles[0], m.div_ceil(128)];
        let (operation, grid) = match form {
            Form::Ab if m <= FEW => ("few_ab", [n.div_ceil(32), 1]),
            Form::Abt if m <= FEW => ("few_abt", [n.div_ceil(8), 1]),
            Form::Atb if k <= FEW && m * n < u32::MAX as usize => ("few_atb", [(m * n).div_ceil(256), 1]),
            Form::Ab if tensor => ("tensor_ab", tall),
            Form::Abt if tensor => ("tensor_abt", tall),
            Form::Atb if tensor => ("tensor_atb", tall),
            Form::Ab => ("gemm_ab", tiles),
            Form::Abt => ("gemm_abt", tiles),
            Form::Atb => ("gemm_atb", tiles),
        };
        let mut args = [Arg::U64(0); 11];
        args[..3].copy_from_slice(&sizes);
        args[3..7].copy_from_slice(&[a.arg(), b.arg(), c.arg(), Arg::U32(add as u32)]);
        if form != Form::Abt {
            return self.launch::<T>(operation, grid, &args[..7]);
        }
        let none = View::none();
        let after = after.unwrap_or(Epilogue { bias: none, activation: None });
        let (code, slope, curve) = match after.activation {
            None => (0, none, none),
            Some((Activation::Identity, slope, curve)) => (1, slope, curve),
            Some((Activation::Relu, slope, curve)) => (2, slope, curve),
            Some((Activation::Tanh, slope, curve)) => (3, slope, curve),
            Some((Activation::Softplus, slope, curve)) => (4, slope, curve),
            Some((Activation::Gelu, slope, curve)) => (5, slope, curve),
            Some((Activation::Silu, slope, curve)) => (6, slope, curve),
        };
        args[7..].copy_from_slice(&[after.bias.arg(), Arg::U32(code), slope.arg(), curve.arg()]);
        self.launch::<T>(operation, grid, &args);
    }

    /// y ← A x, A row-major with a row for each of y.
    pub(super) fn matvec<T: Scalar>(&self, a: View<T>, x: View<T>, y: View<T>) {
        debug_assert_eq!(a.len, x.len * y.len);
        if let (true, Some([rows, columns])) = (y.len > 0, self.sizes([y.len, x.len])) {
            let args = [rows, columns, a.arg(), x.arg(), y.arg()];
            self.launch::<T>("matvec", [y.len.div_ceil(8), 1], &args);
        }
    }

    /// y ← Aᵀ x, A row-major with a row for each of x.
    pub(super) fn matvec_transposed<T: Scalar>(&self, a: View<T>, x: View<T>, y: View<T>) {
        self.gemm(Form::Ab, [1, y.len, x.len], [x, a], false, y, None);
    }

    /// next ← p − alpha A p, q ← q + p; `partial` gets the parts of ‖next‖².
    pub(super) fn symmetric_neumann<T: Scalar>(
        &self,
        alpha: T,
        a: View<T>,
        [p, q, next]: [View<T>; 3],
        partial: View<f64>,
    ) {
        debug_assert!(a.len == p.len * p.len && partial.len == p.len.div_ceil(8));
        if let (true, Some([n])) = (p.len > 0, self.sizes([p.len])) {
            let args = [Arg::scalar(alpha), n, a.arg(), p.arg(), q.arg(), next.arg(), partial.arg()];
            self.launch::<T>("symmetric_neumann", [p.len.div_ceil(8), 1], &args);
        }
    }

    /// out ← (out +) the sums of x's columns.
    pub(super) fn column_sums<T: Scalar>(&self, x: View<T>, add: bool, out: View<T>) {
        if out.len == 0 {
            return;
        }
        if let Some([rows, columns]) = self.sizes([x.len / out.len, out.len]) {
            let args = [x.arg(), out.arg(), rows, columns, Arg::U32(add as u32)];
            self.launch::<T>("column_sums", [out.len.div_ceil(32), 1], &args);
        }
    }

    /// A kernel with a warp for each row: `first` arguments, then the arrays, then rows and columns.
    pub(super) fn by_rows<T: Scalar>(
        &self,
        operation: &'static str,
        first: &[Arg],
        arrays: &[Arg],
        [rows, columns]: [usize; 2],
    ) {
        let Some(sizes) = self.sizes([rows, columns]).filter(|_| rows > 0) else { return };
        debug_assert!(first.len() + arrays.len() <= 10);
        let mut args = [Arg::U64(0); 12];
        let used = first.len() + arrays.len();
        args[..first.len()].copy_from_slice(first);
        args[first.len()..used].copy_from_slice(arrays);
        args[used..used + 2].copy_from_slice(&sizes);
        self.launch::<T>(operation, [rows.div_ceil(8), 1], &args[..used + 2]);
    }
}
