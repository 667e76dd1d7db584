//! Fast operations on the CPU. faer and vector instructions are used here and nowhere else.

mod activation;
mod adam;
mod coefficients;
mod compress;
mod dense;
mod few_rows;
mod gemm;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes_x86;
mod matrix;
mod panels;
mod parallel;
mod simd;
mod vector;

pub use activation::{Activation, sigmoids};
pub use adam::Adam;
pub use coefficients::{FEW_COEFFICIENTS, Factor, advance, inner_products};
pub use compress::{WORD, compress, expand};
pub use dense::{is_positive_definite, solve_positive_definite, symmetric_eigen};
pub use gemm::{Form, gemm, images, outer_products};
pub use matrix::{gram, matvec, matvec_transposed};
pub use parallel::{map_in_parallel, on_threads};
pub use simd::Simd;
pub use vector::{
    axpy, descend, dot, dot_sum, is_finite, multiply, narrow, neumann_update, norm, product, scale, widen_axpy,
};
