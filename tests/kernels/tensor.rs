//! Products of f32 matrices in the tensor cores: accuracy, edges, NaN and infinities, and planted mistakes.

use crate::common::{Rng, cast, widen};
use crate::harness::{Array, Kernels, text};
use blo::reference;
use ptxsim::{Arg, FaultKind};

const FORMS: [&str; 3] = ["ab", "abt", "atb"];
/// The error that the headers state, as a multiple of a sum of |a||b| of so many terms.
fn stated(terms: usize) -> f64 {
    4e-7 + 3e-8 * (terms as f64).sqrt()
}

const SHAPES: [[usize; 3]; 18] = [
    [1, 1, 1],
    [1, 2, 0],
    [2, 3, 1],
    [3, 1, 2],
    [2, 2, 3],
    [3, 5, 7],
    [9, 17, 15],
    [16, 8, 8],
    [31, 33, 9],
    [33, 31, 17],
    [64, 64, 16],
    [127, 63, 31],
    [128, 64, 32],
    [129, 65, 33],
    [130, 3, 49],
    [5, 130, 100],
    [257, 1, 48],
    [131, 129, 47],
];

fn u(value: usize) -> Arg {
    Arg::U32(value as u32)
}

/// One product: sizes, A and B as they lie in memory.
#[derive(Clone)]
struct Product {
    form: &'static str,
    shape: [usize; 3],
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Product {
    fn new(form: &'static str, shape: [usize; 3], mut number: impl FnMut() -> f64) -> Product {
        let [m, n, k] = shape;
        let [a, b] = [m * k, n * k].map(|len| cast(&(0..len).map(|_| number()).collect::<Vec<f64>>()));
        Product { form, shape, a, b }
    }

    /// C, C + A B or so, by `operation` ("tensor" or "gemm") with NaN in C where there is no `add`.
    fn launch(&self, kernels: &mut Kernels, operation: &str, add: Option<&[f32]>) -> Vec<f32> {
        let (c, args, grid) = self.plan(kernels, operation, add);
        kernels.launch(&format!("{operation}_{}", self.form), grid, &args);
        kernels.get(c)
    }

    fn plan(&self, kernels: &mut Kernels, operation: &str, add: Option<&[f32]>) -> (Array, Vec<Arg>, [u32; 3]) {
        let [m, n, k] = self.shape;
        let [a, b] = [&self.a, &self.b].map(|x| kernels.upload(x).arg());
        let c = match add {
            Some(c) => kernels.upload(c),
            None => kernels.nans::<f32>(m * n),
        };
        let mut args = vec![u(m), u(n), u(k), a, b, c.arg(), u(add.is_some() as usize)];
        if self.form == "abt" {
            args.extend([Arg::U64(0), u(0), Arg::U64(0), Arg::U64(0)]);
        }
        let rows = if operation == "gemm" { 64 } else { 128 };
        (c, args, [n.div_ceil(64) as u32, m.div_ceil(rows) as u32, 1])
    }

    /// The exact product (of the f32 values), and the one of the absolute values.
    fn exact(&self) -> [Vec<f64>; 2] {
        let [m, n, _] = self.shape;
        [false, true].map(|absolute| {
            let of = |x: &[f32]| widen(x).iter().map(|x| if absolute { x.abs() } else { *x }).collect::<Vec<f64>>();
            let mut c = vec![0.0; m * n];
            let transposed = [self.form == "atb", self.form == "abt"];
            reference::gemm(transposed, self.shape, &of(&self.a), &of(&self.b), false, &mut c);
            c
        })
    }

    /// The largest error of an element, as a multiple of its sum of |a||b|; NaN where one is NaN.
    fn error(&self, found: &[f32]) -> f64 {
        let [exact, size] = self.exact();
        let errors = found.iter().zip(exact.iter().zip(&size)).map(|(found, (exact, size))| {
            let error = (f64::from(*found) - exact).abs();
            if error == 0.0 { 0.0 } else { error / size }
        });
        errors.fold(0.0, |worst, error| if error.is_nan() || error > worst { error } else { worst })
    }
}

#[test]
fn products_equal_their_reference() {
    let (mut kernels, mut rng) = (Kernels::tensor(&["tensor"]), Rng(4));
    for form in FORMS {
        for shape in SHAPES {
            let product = Product::new(form, shape, || rng.normal());
            let error = product.error(&product.launch(&mut kernels, "tensor", None));
            assert!(error <= stated(shape[2]), "{form} {shape:?}: {error:e}");
            // C + the product: one more rounding, of the sum.
            let c = cast::<f32>(&rng.normals(shape[0] * shape[1]));
            let found = product.launch(&mut kernels, "tensor", Some(&c));
            let [exact, size] = product.exact();
            for (i, found) in found.iter().enumerate() {
                let expected = f64::from(c[i]) + exact[i];
                let bound = stated(shape[2]) * size[i] + f64::from(f32::EPSILON) * expected.abs();
                assert!((f64::from(*found) - expected).abs() <= bound, "{form} {shape:?}, added: element {i}");
            }
        }
    }
}

/// Of many terms, also of one sign, where what is cut adds up, and beside the plain kernel.
#[test]
fn many_terms_keep_the_error_that_the_headers_state() {
    let (mut kernels, mut rng) = (Kernels::tensor(&["tensor", "gemm"]), Rng(5));
    for (what, bias) in [("both signs", 0.0), ("one sign", 1.0)] {
        for terms in [100, 1000, 4000] {
            let product =
                Product::new("ab", [17, 9, terms], || bias + (1.0 - bias) * rng.normal() + bias * rng.uniform());
            let [plain, tensor] =
                ["gemm", "tensor"].map(|operation| product.error(&product.launch(&mut kernels, operation, None)));
            println!("{what}, {terms} terms: plain {plain:.1e}, tensor cores {tensor:.1e}");
            assert!(tensor <= stated(terms), "{what}, {terms} terms: {tensor:e}");
        }
    }
}

/// Bias and each activation. Numbers of 11 bits are numbers of tf32, and products with 1 are exact: all bits are those of the
/// plain kernel.
#[test]
fn layers_have_the_bits_of_the_plain_kernel() {
    let (mut kernels, mut rng) = (Kernels::tensor(&["tensor", "gemm"]), Rng(6));
    let (m, n) = (130, 67);
    let short = |x: f64| f32::from_bits((x as f32).to_bits() & !0x1fff);
    let a: Vec<f32> = (0..m).map(|_| short(3.0 * rng.normal())).collect();
    let [b, bias, c] = [n, n, m * n].map(|len| cast::<f32>(&rng.normals(len)));
    let b: Vec<f32> = b.iter().map(|b| if *b < 0.0 { -1.0 } else { 2.0 }).collect();
    for code in 0..=6 {
        for (biased, add, bends) in [(true, false, true), (false, true, false), (true, true, true)] {
            let mut found = Vec::new();
            for (operation, rows) in [("gemm_abt", 64), ("tensor_abt", 128)] {
                let [da, db, dbias] = [&a, &b, &bias].map(|x| kernels.upload(x).arg());
                let dc = if add { kernels.upload(&c) } else { kernels.nans::<f32>(m * n) };
                let [slope, curve] = [(); 2].map(|()| kernels.nans::<f32>(m * n));
                let none = || Arg::U64(0);
                let args = [u(m), u(n), u(1), da, db, dc.arg(), u(add as usize)].into_iter().chain([
                    if biased { dbias } else { none() },
                    u(code),
                    slope.arg(),
                    if bends { curve.arg() } else { none() },
                ]);
                let grid = [n.div_ceil(64), m.div_ceil(rows), 1].map(|n| n as u32);
                kernels.launch(operation, grid, &args.collect::<Vec<Arg>>());
                let bits = |x: Vec<f32>| x.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
                found.push([dc, slope, curve].map(|array| bits(kernels.get(array))));
            }
            assert!(found[0] == found[1], "activation {code}, bias {biased}, add {add}");
        }
    }
}

/// A product with numbers that f32 or tf32 has no room for.
fn specials(form: &'static str) -> Product {
    let mut rng = Rng(7);
    let mut product = Product::new(form, [130, 70, 35], || rng.normal());
    let [m, n, k] = product.shape;
    let mut a =
        |row: usize, term: usize, x: f32| product.a[if form == "atb" { term * m + row } else { row * k + term }] = x;
    a(3, 2, f32::INFINITY);
    a(4, 2, f32::NEG_INFINITY);
    a(5, 34, f32::NAN);
    a(129, 9, f32::INFINITY);
    a(129, 10, f32::NEG_INFINITY);
    // The last is infinite in tf32, and its products with less than 1 are not.
    a(20, 17, 3e38);
    a(21, 17, f32::MAX);
    let mut b = |term: usize, column: usize, x: f32| {
        product.b[if form == "abt" { column * k + term } else { term * n + column }] = x;
    };
    for (column, x) in [0.0, 1.0, -1.0, 0.3, -0.7].into_iter().enumerate() {
        b(2, column, x);
        b(17, column, x);
    }
    b(0, 69, f32::NAN);
    b(33, 68, f32::INFINITY);
    product
}

#[test]
fn nan_and_infinity_are_those_of_the_plain_kernel() {
    let mut kernels = Kernels::tensor(&["tensor", "gemm"]);
    for form in FORMS {
        let product = specials(form);
        let [plain, tensor] = ["gemm", "tensor"].map(|operation| product.launch(&mut kernels, operation, None));
        let [exact, size] = product.exact();
        let mut kinds = [0; 3];
        for (i, (plain, tensor)) in plain.iter().zip(&tensor).enumerate() {
            let kind = if plain.is_nan() { 0 } else { 1 + plain.is_finite() as usize };
            kinds[kind] += 1;
            let same = match kind {
                0 => tensor.is_nan(),
                1 => plain == tensor,
                _ => (f64::from(*tensor) - exact[i]).abs() <= stated(35) * size[i],
            };
            assert!(same, "{form}, element {i}: plain {plain:e}, tensor cores {tensor:e}");
        }
        assert!(kinds.iter().all(|count| *count > 50), "{form}: {kinds:?}");
    }
}

/// Below 2⁻¹¹⁵ tf32 has fewer bits for what is left, and nothing below 2⁻¹³⁶.
#[test]
fn small_numbers_keep_the_error_that_the_headers_state() {
    let mut kernels = Kernels::tensor(&["tensor"]);
    for exponent in [-100, -114, -120, -130, -140] {
        let (mut rng, small) = (Rng(8), 2_f64.powi(exponent));
        let mut product = Product::new("ab", [5, 6, 1], || small * (1.0 + rng.uniform()));
        product.b = product.b.iter().map(|b| b / small as f32).collect();
        let found = product.launch(&mut kernels, "tensor", None);
        let [exact, size] = product.exact();
        for (i, found) in found.iter().enumerate() {
            // |a| + |b| < 2 + 1.
            let bound = stated(1) * size[i] + 3.0 * 2_f64.powi(-136);
            assert!((f64::from(*found) - exact[i]).abs() <= bound, "2^{exponent}, element {i}: {found:e}");
        }
    }
}

/// What a run with the mistake came to.
#[derive(Debug, PartialEq)]
enum Caught {
    By(FaultKind),
    Inaccurate,
    Not,
}

/// The product by an entry whose text was changed; `edit` gets that of the entry alone.
fn caught(product: &Product, edit: impl Fn(String) -> String) -> Caught {
    let whole = text("tensor", "f32");
    let start = whole.find(&format!(".visible .entry blo_tensor_{}_f32(", product.form)).unwrap();
    let end = whole[start..].find("\n}").unwrap() + start;
    let old: Vec<&str> = whole[start..end].lines().map(|line| line.split("//").next().unwrap()).collect();
    // Columns are not part of the plan.
    let old: String = old.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
    let body = edit(old.clone());
    let mut kernels = Kernels::with::<f32>(&[format!("{}{body}{}", &whole[..start], &whole[end..])]);
    let (c, args, grid) = product.plan(&mut kernels, "tensor", None);
    if let Err(fault) = kernels.try_launch(&format!("tensor_{}", product.form), grid, &args) {
        return Caught::By(fault.kind);
    }
    let error = product.error(&kernels.get(c));
    if error <= stated(product.shape[2]) { Caught::Not } else { Caught::Inaccurate }
}

/// `from` replaced by `to`, in its `which`-th place.
fn at(which: usize, from: &'static str, to: &'static str) -> impl Fn(String) -> String {
    move |body| {
        let (place, _) = body.match_indices(from).nth(which).unwrap_or_else(|| panic!("no line {from}"));
        format!("{}{to}{}", &body[..place], &body[place + from.len()..])
    }
}

#[test]
fn planted_mistakes_are_caught() {
    use Caught::{By, Inaccurate, Not};
    let mut rng = Rng(9);
    let plain = FORMS.map(|form| Product::new(form, [131, 67, 50], || rng.normal()));
    // Long, and of one sign.
    let long = Product::new("ab", [5, 6, 2000], || 1.0 + rng.uniform());
    // One number is infinite in tf32, and no product.
    let mut huge = plain[0].clone();
    huge.a[20 * 50 + 17] = f32::MAX;
    huge.b[17 * 67..18 * 67].iter_mut().for_each(|b| *b = 0.25);
    for product in plain.iter().chain([&long, &huge]) {
        assert_eq!(caught(product, |body| body), Not);
    }
    let [ab, abt, atb] = &plain;
    let barrier = "bar.sync 0;\n";
    let all = |from: &'static str, to: &'static str| {
        move |body: String| {
            assert!(body.contains(from), "{from}");
            body.replace(from, to)
        }
    };
    let plants = [
        ("no barrier behind a tile's copies", caught(ab, at(0, barrier, "")), By(FaultKind::SharedRace)),
        ("no barrier before C lies over the tiles", caught(ab, at(1, barrier, "")), By(FaultKind::SharedRace)),
        ("no barrier behind C", caught(atb, at(2, barrier, "")), By(FaultKind::SharedRace)),
        ("copies not waited for", caught(abt, at(0, "cp.async.wait_all;\n", "")), By(FaultKind::AsyncRead)),
        ("one buffer", caught(ab, at(0, "add.u32 %a_to, %a_to, %turn;\n", "")), By(FaultKind::AsyncRead)),
        ("another row of a fragment", caught(ab, at(0, "[%a_from+640]", "[%a_from+320]")), Inaccurate),
        ("another column of a fragment", caught(atb, at(0, "[%b_from+32]", "[%b_from+64]")), Inaccurate),
        ("fragments of A in another order", caught(abt, all("%a00h, %a01h, %a02h", "%a00h, %a02h, %a01h")), Inaccurate),
        ("C's places exchanged", caught(ab, at(0, "{%c000, %c001}", "{%c001, %c000}")), Inaccurate),
        ("no small big'", caught(ab, all("cvt.rna.tf32.f32 %a00l, %x;", "mov.b32 %a00l, 0;")), Inaccurate),
        ("no big small'", caught(abt, all("cvt.rna.tf32.f32 %b1l, %x;", "mov.b32 %b1l, 0;")), Inaccurate),
        (
            "one small part of 32 left out",
            caught(atb, at(1, "cvt.rna.tf32.f32 %a13l, %x;", "mov.b32 %a13l, 0;")),
            Inaccurate,
        ),
        ("sums in the tensor cores", caught(&long, chains), Inaccurate),
        (
            "a row too many",
            caught(ab, all("setp.gt.and.s32 %take, %a_left, 0,", "setp.ge.and.s32 %take, %a_left, 0,")),
            By(FaultKind::OutOfBounds),
        ),
        (
            "a term too many",
            caught(abt, at(1, "setp.gt.s32 %inside, %b_more, 0;", "setp.ge.s32 %inside, %b_more, 0;")),
            By(FaultKind::OutOfBounds),
        ),
        (
            "a column too many",
            caught(ab, at(0, "setp.lt.u32 %column, %n0, %n;", "setp.le.u32 %column, %n0, %n;")),
            By(FaultKind::GlobalRace),
        ),
        (
            "rows of the next tile",
            caught(ab, at(0, "min.u32 %rows, %rows, 128;", "min.u32 %rows, %rows, 132;")),
            By(FaultKind::OutOfBounds),
        ),
        ("not summed again", caught(&huge, at(0, "@%finite bra L_summed;", "bra L_summed;")), Inaccurate),
    ];
    for (mistake, found, expected) in plants {
        assert_eq!(found, expected, "{mistake}");
    }
}

/// The sums of all terms in the tensor cores, as if these rounded.
fn chains(body: String) -> String {
    let mut body = body;
    for tile in 0..16 {
        let (i, j) = (tile % 2, tile / 2 % 4);
        let c = |p: usize| format!("%c{i}{j}{p}");
        let start = format!("{{{}, {}, {}, {}}}", c(0), c(1), c(2), c(3));
        body = body.replacen("{%zero, %zero, %zero, %zero}", &start, 1);
    }
    assert!(!body.contains("{%zero"));
    for i in 0..2 {
        for j in 0..4 {
            for p in 0..4 {
                let add = format!("add.rn.f32 %c{i}{j}{p}, %c{i}{j}{p}, %s{i}{p};");
                assert_eq!(body.matches(&add).count(), 2, "{add}");
                body = body.replace(&add, &format!("mov.f32 %c{i}{j}{p}, %s{i}{p};"));
            }
        }
    }
    body
}
