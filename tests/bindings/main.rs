//! The low-level layers of the bindings say what `include/blo.h` says: they are made again and compared.
//! `BLO_UPDATE_BINDINGS=1` writes them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod header;
mod julia;
mod python;

use header::{Header, Kind, Type, parse};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn header() -> Header {
    parse(&read(root().join("include/blo.h"))).unwrap()
}

/// Compares a file of the tree with what it has to be.
fn fresh(path: &str, expected: &str) {
    if std::env::var_os("BLO_UPDATE_BINDINGS").is_some() {
        fs::create_dir_all(root().join(path).parent().unwrap()).unwrap();
        fs::write(root().join(path), expected).unwrap();
    }
    let found = read(root().join(path));
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        let hint = "run with BLO_UPDATE_BINDINGS=1";
        assert!(found == expected, "{path} is stale at line {}:\n  {found}\n  {expected}\n{hint}", line + 1);
    }
    assert_eq!(found.len(), expected.len(), "{path} is stale; run with BLO_UPDATE_BINDINGS=1");
}

#[test]
fn julia_is_fresh() {
    fresh("bindings/julia/src/abi.jl", &julia::emit(&header()));
}

#[test]
fn python_is_fresh() {
    fresh("bindings/python/src/pyblo/_abi.py", &python::emit(&header()));
}

/// The ledger of the binary interface was not made by this parser.
#[test]
fn the_header_is_read_as_the_ledger_has_it() {
    let header = header();
    let ledger = |name: &str| read(root().join("tests/abi").join(name));
    let mut functions: Vec<&str> = header.functions().map(|(item, _)| item.name.as_str()).collect();
    functions.sort_unstable();
    assert_eq!(functions, ledger("symbols.txt").lines().collect::<Vec<_>>());
    let mut constants = String::new();
    let mut fields = Vec::new();
    for item in &header.items {
        match &item.kind {
            Kind::Constant(value) => constants += &format!("{} {value}\n", item.name),
            Kind::Struct(of) => fields.extend(of.iter().map(|field| format!("{}.{}", item.name, field.name))),
            _ => {}
        }
        assert!(!item.doc.is_empty(), "{} has no comment", item.name);
    }
    assert_eq!(constants, ledger("constants.txt"));
    let layout = ledger("layout.txt");
    let mut expected: Vec<&str> = layout.lines().filter_map(|line| line.split_once(" offset ")).map(|l| l.0).collect();
    fields.sort_unstable();
    expected.sort_unstable();
    assert_eq!(fields, expected);
}

#[test]
fn types_and_comments_are_read() {
    let header = header();
    let (item, signature) = header.functions().find(|(item, _)| item.name == "blo_hvp_f64").unwrap();
    let types: Vec<(&str, usize, bool)> =
        signature.parameters.iter().map(|p| (p.ty.name.as_str(), p.ty.pointers, p.ty.constant)).collect();
    assert_eq!(
        types,
        [("blo_workspace_f64", 1, false), ("double", 1, true), ("int64_t", 0, false), ("double", 1, false)]
    );
    assert_eq!(signature.result, Type { name: "blo_status".into(), pointers: 0, constant: false, length: None });
    assert!(item.doc.starts_with("out = H v at the last blo_linearize_f64.\n\n- workspace [in]: a"), "{}", item.doc);
    assert!(header.manual.starts_with("blo: numerical kernels"), "{}", header.manual);
    let options = header.items.iter().find(|item| item.name == "blo_rule").unwrap();
    let Kind::Struct(fields) = &options.kind else { panic!("blo_rule is {:?}", options.kind) };
    assert_eq!((fields[2].name.as_str(), fields[2].doc.as_str()), ("step", "The step size, above 0. Default 1e-3."));
}

#[test]
fn what_is_not_known_is_refused() {
    let cases = [
        ("enum a { B };", "line 1: found Word(\"enum\")"),
        ("\nint x(void);", "line 2: found Word(\"int\")"),
        ("typedef union a { double x; } a;", "found Word(\"union\")"),
        ("typedef struct a { int32_t (*f)(void); } a;", "expected a word"),
        ("typedef struct a a;\ntypedef struct b { struct a x; } b;", "a field of known size"),
        ("typedef struct a a;\ntypedef struct a a;", "a is declared twice"),
        ("void f(int32_t x, ...);", "'.' is not known"),
        ("void f(int32_t);", "expected a word"),
        ("#define X 1.5", "X is not an integer"),
        ("#if 1", "not known: #if 1"),
        ("/* ", "does not end"),
        ("void f(void)", "the header ends, expected ';'"),
        ("typedef struct a { int32_t x; } b;", "expected a"),
        ("int32_t x;", "expected '('"),
    ];
    for (text, expected) in cases {
        let error = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.contains(expected), "{text}: {error}");
    }
}
