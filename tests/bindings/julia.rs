//! The low-level layer of the Julia package: what the header has, under its names. The two precisions of a declaration become one,
//! with the type of an element as parameter, and fail here where they are not the same but for that.

use super::header::{Header, Item, Kind, Signature, Type, Variable};
use std::fmt::Write;

const TOP: &str = "# Made from include/blo.h by tests/bindings (BLO_UPDATE_BINDINGS=1). Not to be edited.

# What blo.h declares, under its names; `_f64` and `_f32` are the type parameter, or the first argument, T.
module ABI
";

/// The precisions: how names end, the element in C, and in Julia.
const PRECISIONS: [(&str, &str, &str); 2] = [("_f64", "double", "Float64"), ("_f32", "float", "Float32")];

/// The module, from a header with both precisions of everything that has one.
pub fn emit(header: &Header) -> String {
    let mut out = TOP.to_owned();
    let functions: Vec<&Item> = header.functions().map(|(item, _)| item).collect();
    out += "\n# The functions, and where the library has them; __init__ looks them up.\nconst SYMBOLS = [\n";
    for item in &functions {
        writeln!(out, "    :{},", item.name).unwrap();
    }
    out += "]\nconst addresses = fill(C_NULL, length(SYMBOLS))\n";
    let (mut constants, mut choices) = (String::new(), String::new());
    for item in &header.items {
        if item.name.ends_with("_f32") {
            let double = item.name.replace("_f32", "_f64");
            assert!(header.items.iter().any(|other| other.name == double), "{} without {double}", item.name);
            continue;
        }
        let single = item.name.ends_with("_f64").then(|| {
            let single = item.name.replace("_f64", "_f32");
            let found = header.items.iter().find(|other| other.name == single);
            found.unwrap_or_else(|| panic!("{} without {single}", item.name))
        });
        declare(&mut out, item, single, &functions);
        match &item.kind {
            Kind::Constant(value) => writeln!(constants, "    (\"{}\", {value}),", item.name).unwrap(),
            Kind::Struct(fields) => {
                for field in fields {
                    if let Some(prefix) = choice(&field.doc) {
                        writeln!(choices, "    (:{}, :{}) => \"{prefix}\",", bare(&item.name), field.name).unwrap();
                    }
                }
            }
            _ => {}
        }
    }
    let constants =
        format!("\n# The constants by their names.\nconst CONSTANTS = Tuple{{String,Int}}[\n{constants}]\n");
    let choices = format!(
        "\n# The fields that are one of several constants, and how the names of those begin.
const CHOICES = Dict{{Tuple{{Symbol,Symbol}},String}}(\n{choices})\n"
    );
    out + &constants + &choices + "\nend\n"
}

/// The name without a precision.
fn bare(name: &str) -> &str {
    name.strip_suffix("_f64").unwrap_or(name)
}

/// `One of BLO_LOSS_. Default ...` has the prefix BLO_LOSS_.
fn choice(doc: &str) -> Option<&str> {
    let rest = &doc[doc.find("One of BLO_")? + "One of ".len()..];
    let prefix = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()?;
    prefix.ends_with('_').then_some(prefix)
}

/// One declaration; `single` is that of single precision, if there is one.
fn declare(out: &mut String, item: &Item, single: Option<&Item>, functions: &[&Item]) {
    let name = bare(&item.name);
    out.push('\n');
    doc(out, &item.doc, "");
    match (&item.kind, single.map(|single| &single.kind)) {
        (Kind::Constant(value), None) => writeln!(out, "const {name} = {value}").unwrap(),
        (Kind::Alias(of), None) => writeln!(out, "const {name} = {}", julia(of, of)).unwrap(),
        (Kind::Handle, None) => writeln!(out, "struct {name} end").unwrap(),
        (Kind::Handle, Some(Kind::Handle)) => writeln!(out, "struct {name}{{T}} end").unwrap(),
        (Kind::Struct(fields), None) => record(out, name, fields, fields),
        (Kind::Struct(fields), Some(Kind::Struct(single))) => record(out, &format!("{name}{{T}}"), fields, single),
        (Kind::Callback(signature), None) => callback(out, name, signature, signature, ""),
        (Kind::Callback(signature), Some(Kind::Callback(single))) => callback(out, name, signature, single, "T, "),
        (Kind::Function(signature), None) => function(out, &item.name, signature, "", functions),
        (Kind::Function(signature), Some(Kind::Function(single))) => {
            // Each is written with its own types; that they correspond is only checked.
            pairs(name, &signature.parameters, &single.parameters).for_each(|(a, b)| drop(julia(&a.ty, &b.ty)));
            julia(&signature.result, &single.result);
            for (suffix, _, element) in PRECISIONS {
                let signature = if suffix == "_f64" { signature } else { single };
                function(out, &format!("{name}{suffix}"), signature, element, functions);
            }
        }
        (kind, single) => panic!("{}: {kind:?} with {single:?} has no form in Julia", item.name),
    }
}

fn doc(out: &mut String, text: &str, indent: &str) {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    if text.contains('\n') {
        // Fenced, since * and _ are not meant as signs of emphasis.
        let text = text.replace('\n', &format!("\n{indent}")).replace(&format!("\n{indent}\n"), "\n\n");
        writeln!(out, "{indent}\"\"\"\n{indent}```text\n{indent}{text}\n{indent}```\n{indent}\"\"\"").unwrap();
    } else {
        writeln!(out, "{indent}\"{text}\"").unwrap();
    }
}

/// The variables of both precisions side by side, which have the same names.
fn pairs<'a>(
    name: &str,
    double: &'a [Variable],
    single: &'a [Variable],
) -> impl Iterator<Item = (&'a Variable, &'a Variable)> {
    let same = double.len() == single.len() && double.iter().zip(single).all(|(a, b)| a.name == b.name);
    assert!(same, "{name} differs between the precisions");
    double.iter().zip(single)
}

fn record(out: &mut String, name: &str, fields: &[Variable], single: &[Variable]) {
    writeln!(out, "struct {name}").unwrap();
    for (field, single) in pairs(name, fields, single) {
        doc(out, &field.doc, "    ");
        writeln!(out, "    {}::{}", field.name, julia(&field.ty, &single.ty)).unwrap();
    }
    out.push_str("end\n");
}

/// A macro that makes a pointer to the function f; data is the type that takes the place of `void *user_data`.
fn callback(out: &mut String, name: &str, signature: &Signature, single: &Signature, precision: &str) {
    let types = pairs(name, &signature.parameters, &single.parameters).map(|(a, b)| match a.name.as_str() {
        "user_data" => "$data, ".to_owned(),
        // The types of this module are meant wherever the macro is used.
        _ if a.ty != b.ty && a.ty.pointers == 0 => "$T, ".to_owned(),
        _ => julia(&a.ty, &b.ty).replace("{T}", "{$T}").replace("blo_", "$ABI.blo_") + ", ",
    });
    let types: String = types.collect();
    let result = julia(&signature.result, &single.result);
    let types = types.trim_end();
    writeln!(out, "macro {name}({precision}data, f)\n    esc(:(@cfunction($f, {result}, ({types}))))\nend").unwrap();
}

/// A method, of the first argument `element` if it is not empty.
fn function(out: &mut String, symbol: &str, signature: &Signature, element: &str, functions: &[&Item]) {
    let index = functions.iter().position(|item| item.name == symbol).unwrap() + 1;
    let name = symbol.strip_suffix("_f64").or_else(|| symbol.strip_suffix("_f32")).unwrap_or(symbol);
    let names: Vec<&str> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    let mut types: Vec<String> =
        signature.parameters.iter().map(|parameter| julia(&parameter.ty, &parameter.ty)).collect();
    if types.len() == 1 {
        types[0].push(',');
    }
    let mut arguments = names.clone();
    let first = format!("::Type{{{element}}}");
    if !element.is_empty() {
        arguments.insert(0, &first);
    }
    let passed: String = names.iter().map(|name| format!(", {name}")).collect();
    let result = julia(&signature.result, &signature.result);
    writeln!(out, "{name}({}) =", arguments.join(", ")).unwrap();
    writeln!(out, "    ccall(addresses[{index}], {result}, ({}){passed})", types.join(", ")).unwrap();
}

/// The type of one and the same thing in both precisions.
fn julia(double: &Type, single: &Type) -> String {
    let (own, precision) = element(&double.name);
    let name = if double == single {
        // In a function the precision is known, elsewhere it is the same in both.
        match precision {
            Some(precision) => format!("{own}{{{precision}}}"),
            None => own,
        }
    } else {
        let other = element(&single.name);
        let alike = double.pointers == single.pointers && double.length == single.length;
        match (own.as_str(), other.0.as_str()) {
            _ if !alike => panic!("{double:?} is {single:?} in single precision"),
            ("Float64", "Float32") => "T".to_owned(),
            (a, b) if a == b && precision == Some("Float64") && other.1 == Some("Float32") => format!("{a}{{T}}"),
            _ => panic!("{double:?} is {single:?} in single precision"),
        }
    };
    // Pointers to functions.
    let name =
        if double.name.contains("_fn") && double.name.starts_with("blo_") { "Ptr{Cvoid}".to_owned() } else { name };
    let name = match (name.as_str(), double.pointers, double.constant) {
        ("UInt8", 1, true) => return "Cstring".to_owned(),
        _ => (0..double.pointers).fold(name, |name, _| format!("Ptr{{{name}}}")),
    };
    match double.length {
        Some(length) => format!("NTuple{{{length},{name}}}"),
        None => name,
    }
}

/// A type's name in Julia, and the precision at its end.
fn element(name: &str) -> (String, Option<&'static str>) {
    let base = match name {
        "void" => "Cvoid",
        "char" => "UInt8",
        "float" => "Float32",
        "double" => "Float64",
        "int8_t" => "Int8",
        "int16_t" => "Int16",
        "int32_t" => "Int32",
        "int64_t" => "Int64",
        "uint8_t" => "UInt8",
        "uint16_t" => "UInt16",
        "uint32_t" => "UInt32",
        "uint64_t" => "UInt64",
        "size_t" => "Csize_t",
        "bool" => "Bool",
        _ if name.starts_with("blo_") => {
            for (suffix, _, precision) in PRECISIONS {
                if let Some(bare) = name.strip_suffix(suffix) {
                    return (bare.to_owned(), Some(precision));
                }
            }
            name
        }
        _ => panic!("the type {name} has no name in Julia"),
    };
    (base.to_owned(), None)
}

fn emitted(text: &str) -> String {
    emit(&super::header::parse(text).unwrap())
}

#[test]
fn both_precisions_are_one_declaration() {
    let text = "/** P. */\ntypedef struct p_f64 p_f64;\n/** P. */\ntypedef struct p_f32 p_f32;\n\
        /** \"$x\". */\nint32_t blo_a_f64(struct p_f64 *p, const double *x, double *value);\n\
        /** A. */\nint32_t blo_a_f32(struct p_f32 *p, const float *x, double *value);\n"
        .replace("p_f", "blo_p_f");
    let out = emitted(&text);
    assert!(out.contains("struct blo_p{T} end"), "{out}");
    let double = "blo_a(::Type{Float64}, p, x, value) =\n    ccall(addresses[1], Int32, (Ptr{blo_p{Float64}}, Ptr{Float64}, Ptr{Float64}), p, x, value)";
    let single = "blo_a(::Type{Float32}, p, x, value) =\n    ccall(addresses[2], Int32, (Ptr{blo_p{Float32}}, Ptr{Float32}, Ptr{Float64}), p, x, value)";
    assert!(out.contains(&format!("\"\\\"\\$x\\\".\"\n{double}\n{single}\n")), "{out}");
}

#[test]
fn callbacks_are_macros() {
    let text = "/** R. */ typedef void (*blo_r_fn)(void *user_data);\n\
        /** S. */ typedef int32_t (*blo_s_fn_f64)(const double *v, double x, void *user_data);\n\
        /** S. */ typedef int32_t (*blo_s_fn_f32)(const float *v, float x, void *user_data);\n\
        /** T. */ typedef struct blo_t { /** F. */ blo_r_fn f; /** D. */ void *d; } blo_t;\n";
    let out = emitted(text);
    assert!(out.contains("macro blo_r_fn(data, f)\n    esc(:(@cfunction($f, Cvoid, ($data,))))\nend"), "{out}");
    assert!(
        out.contains("macro blo_s_fn(T, data, f)\n    esc(:(@cfunction($f, Int32, (Ptr{$T}, $T, $data,))))\nend"),
        "{out}"
    );
    assert!(out.contains("    f::Ptr{Cvoid}\n    \"D.\"\n    d::Ptr{Cvoid}\n"), "{out}");
}

#[test]
fn what_has_no_form_in_julia_is_refused() {
    for text in [
        "int32_t blo_a_f64(double x);",
        "int32_t blo_a_f32(float x);",
        "int32_t blo_a_f64(double x); int32_t blo_a_f32(int64_t x);",
        "int32_t blo_a_f64(double x); int32_t blo_a_f32(float y);",
        "int32_t blo_a_f64(double x); int32_t blo_a_f32(float x, float y);",
        "typedef struct blo_s_f64 { double *x; } blo_s_f64; typedef struct blo_s_f32 { float x; } blo_s_f32;",
        "typedef struct other { double x; } other; void blo_a(struct other *x);",
    ] {
        let refused = std::panic::catch_unwind(|| emitted(text));
        assert!(refused.is_err(), "accepted: {text}");
    }
}
