//! The header of every entry against its body.

use crate::harness::{FAMILIES, NARROW, text};
use ptxsim::{Module, Ty};
use std::collections::BTreeMap;
use std::path::Path;

const FIELDS: [&str; 11] =
    ["entry", "computes", "oracle", "params", "launch", "shared", "budget", "numerics", "specials", "alias", "isa"];

/// The fields of each header and the text behind it, up to the next one.
fn entries(text: &str) -> Vec<(BTreeMap<String, String>, String)> {
    let mut found: Vec<(BTreeMap<String, String>, String)> = Vec::new();
    let mut field = String::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("//@ ") else {
            if let Some((_, body)) = found.last_mut() {
                body.push_str(line);
                body.push('\n');
            }
            continue;
        };
        match rest.split_once(':').filter(|(name, _)| FIELDS.contains(name)) {
            Some((name, value)) => {
                field = name.to_owned();
                if name == "entry" {
                    found.push(Default::default());
                }
                let old = found.last_mut().unwrap().0.insert(field.clone(), value.trim().to_owned());
                assert!(old.is_none(), "{line}: twice");
            }
            None => {
                let value = found.last_mut().unwrap().0.get_mut(&field).unwrap();
                value.push(' ');
                value.push_str(rest.trim());
            }
        }
    }
    found
}

fn without_comments(body: &str) -> String {
    body.lines().map(|line| line.split("//").next().unwrap().trim()).collect::<Vec<_>>().join("\n")
}

/// What is wrong with an entry, in words.
fn complaint(module: &Module, scalar: &str, header: &BTreeMap<String, String>, body: &str) -> Option<String> {
    for field in FIELDS {
        if header.get(field).is_none_or(|value| value.is_empty()) {
            return Some(format!("no {field}"));
        }
    }
    let name = &header["entry"];
    if !body.contains(&format!(".visible .entry {name}(")) || !name.starts_with("blo_") || !name.ends_with(scalar) {
        return Some("entry is not the name".into());
    }
    let declared: Vec<(&str, &str)> = header["params"]
        .split("; ")
        .map(|param| {
            let mut words = param.split(' ');
            (words.next().unwrap(), words.next().unwrap_or(""))
        })
        .collect();
    let listed = body.split(")\n.reqntid").next().unwrap().split_once("(\n").unwrap().1;
    let actual: Vec<(&str, &str)> = listed
        .lines()
        .filter_map(|line| line.trim().trim_end_matches(',').strip_prefix(".param ."))
        .map(|param| param.split_once(' ').map(|(ty, name)| (name, ty)).unwrap())
        .collect();
    if declared != actual {
        return Some(format!("params {declared:?}, found {actual:?}"));
    }
    let sizes = |ty: &str| match ty {
        "u32" => (Ty::U32, 4),
        "u64" => (Ty::U64, 8),
        "f32" => (Ty::F32, 4),
        "f64" => (Ty::F64, 8),
        other => panic!("{other}"),
    };
    if module.parameters(name)? != actual.iter().map(|(_, ty)| sizes(ty)).collect::<Vec<_>>() {
        return Some("params as the simulator sees them".into());
    }
    for param in header["params"].split("; ") {
        let words: Vec<&str> = param.split(' ').collect();
        let pointer = param.contains('[');
        if pointer && (words[1] != "u64" || !param.contains(" align ")) {
            return Some(format!("{param}: a pointer with its alignment"));
        }
        // What is const is only read.
        let stores = without_comments(body)
            .lines()
            .filter(|line| line.contains("st.global"))
            .any(|line| line.split_once('[').unwrap().1.split([']', '+']).next().unwrap() == format!("%{}", words[0]));
        if pointer && words[2] == "const" && stores {
            return Some(format!("{} is written", words[0]));
        }
    }
    if !header["launch"].starts_with("block 256 1 1 exact; grid ") || !body.contains("\n.reqntid 256, 1, 1\n") {
        return Some("launch".into());
    }
    if header["shared"] != format!("static {}; dynamic 0", module.static_shared(name)?) {
        return Some(format!("shared, found {:?}", module.static_shared(name)));
    }
    let regs = header["budget"].strip_prefix("regs <= ").and_then(|rest| rest.strip_suffix("; local 0"));
    if regs.and_then(|regs| regs.parse::<u32>().ok()).is_none_or(|regs| regs > 128) {
        return Some("budget".into());
    }
    let ((major, minor), target) = (module.version(), module.target());
    let isa = format!(".version {major}.{minor}; .target sm_{target}; no architecture-suffixed features");
    if header["isa"] != isa {
        return Some(format!("isa, found {isa}"));
    }
    let parity = header["oracle"].split("parity: ").nth(1)?;
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(parity).exists() {
        return Some(format!("{parity} is not there"));
    }
    for line in without_comments(body).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let instruction = words.iter().find(|word| !word.starts_with('@')).copied().unwrap_or("");
        let banned = [".approx", ".ftz", ".full"].iter().any(|word| instruction.contains(word));
        if banned || instruction.starts_with("atom") || instruction.starts_with("red.") {
            return Some(format!("{line}: not in these kernels"));
        }
        let rounds = ["add", "sub", "mul", "fma", "div", "sqrt", "rcp"].iter().any(|op| instruction.starts_with(op));
        if rounds && (instruction.ends_with(".f32") || instruction.ends_with(".f64")) && !instruction.contains(".rn.") {
            return Some(format!("{line}: no rounding"));
        }
    }
    let long = body.lines().find(|line| line.len() > 120);
    long.map(|line| format!("{line}: too long"))
}

#[test]
fn headers_say_what_the_bodies_are() {
    let mut count = 0;
    let both = FAMILIES.map(|family| (family, &["f32", "f64"][..]));
    for (family, scalars) in both.into_iter().chain(NARROW.map(|family| (family, &["f32"][..]))) {
        let mut names = Vec::new();
        for scalar in scalars {
            let text = text(family, scalar);
            let module = Module::parse(&text).unwrap();
            let entries = entries(&text);
            let found: Vec<&str> = module.kernels().collect();
            assert_eq!(found, entries.iter().map(|(header, _)| header["entry"].as_str()).collect::<Vec<_>>());
            for (header, body) in &entries {
                if let Some(complaint) = complaint(&module, scalar, header, body) {
                    panic!("{}: {complaint}", header["entry"]);
                }
                count += 1;
            }
            names.push(found.iter().map(|name| name.trim_end_matches(scalar).to_owned()).collect::<Vec<_>>());
        }
        assert!(names.iter().all(|of| *of == names[0]), "{family}: both types have the same operations");
    }
    assert!(count >= 73, "{count}");
}

#[test]
fn a_header_that_lies_is_noticed() {
    let text = text("vector", "f64");
    let lies = [
        ("//@ alias:     x may equal y\n", ""),
        ("//@ params:    a f64; x u64 const", "//@ params:    x u64 const f64[n] align 8; a f64; z u64 const"),
        ("const f64[n] align 8; y u64 f64[n]", "f64[n] align 8; y u64 const f64[n]"),
        ("//@ shared:    static 2048", "//@ shared:    static 1024"),
        ("block 256 1 1 exact", "block 128 1 1 exact"),
        ("sm_70; no", "sm_75; no"),
        ("local 0", "local 8"),
        ("fma.rn.f64             %r", "add.f64                %r"),
        ("tests/kernels/vector.rs", "tests/kernels/vectors.rs"),
    ];
    for (from, to) in lies {
        assert!(text.contains(from), "{from}");
        let changed = text.replace(from, to);
        let module = Module::parse(&text).unwrap();
        let entries = entries(&changed);
        let caught = entries.iter().any(|(header, body)| complaint(&module, "f64", header, body).is_some());
        assert!(caught, "{from} -> {to}");
    }
    // A file of its own target says so, and not less.
    let text = crate::harness::text("tensor", "f32");
    let module = Module::parse(&text).unwrap();
    for (from, to) in
        [(".version 7.0; .target sm_80;", ".version 6.0; .target sm_70;"), ("static 36864", "static 32768")]
    {
        let changed = text.replace(from, to);
        let caught = entries(&changed).iter().all(|(header, body)| complaint(&module, "f32", header, body).is_some());
        assert!(changed != text && caught, "{from} -> {to}");
    }
}

#[test]
fn the_library_knows_every_operation() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/kernels.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let listed: Vec<&str> = source.split('"').skip(1).step_by(2).collect();
    for family in FAMILIES.into_iter().chain(NARROW) {
        assert!(listed.contains(&family));
        for (header, _) in entries(&text(family, "f32")) {
            let operation = header["entry"].trim_start_matches("blo_").trim_end_matches("_f32");
            assert!(listed.contains(&operation), "{operation}");
        }
    }
}
