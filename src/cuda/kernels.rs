//! The kernels' texts, and which has which operation.

/// Name, f32 text, f64 text if there is one, operations.
type Family = (&'static str, &'static str, Option<&'static str>, &'static [&'static str]);

macro_rules! family {
    ($name:literal, $operations:expr) => {
        (
            $name,
            include_str!(concat!("../../kernels/", $name, "_f32.ptx")),
            Some(include_str!(concat!("../../kernels/", $name, "_f64.ptx"))),
            &$operations,
        )
    };
    (f32 $name:literal, $operations:expr) => {
        ($name, include_str!(concat!("../../kernels/", $name, "_f32.ptx")), None, &$operations)
    };
}

pub(super) const FAMILIES: [Family; 9] = [
    family!(
        "vector",
        [
            "fill",
            "scale",
            "axpy",
            "clamp",
            "dot",
            "sum",
            "neumann_update",
            "nonfinite",
            "momentum",
            "adam",
            "adam_vjp",
            "adam_jvp"
        ]
    ),
    family!("cg", ["cg_dots", "cg_length", "cg_residual", "cg_judge", "cg_update"]),
    family!("gemm", ["gemm_ab", "gemm_abt", "gemm_atb", "few_ab", "few_abt", "few_atb"]),
    family!("pass", ["product", "add_product", "curve_term", "column_sums", "row_dots", "row_axpy"]),
    family!("loss", ["loss", "curvature", "target_vjp", "target_jvp", "target_gradient"]),
    family!("examples", ["gather_rows", "narrow", "count_within"]),
    family!("outer", ["softmax_rows", "softmax_derivative", "exp", "times_exp", "sigmoid", "sigmoid_slope"]),
    family!("dense", ["matvec", "symmetric_neumann"]),
    family!(f32 "tensor", ["tensor_ab", "tensor_abt", "tensor_atb"]),
];
