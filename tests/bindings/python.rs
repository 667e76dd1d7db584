//! The low-level layer of the Python package: constants, structs, callback types and signatures for ctypes.

use crate::header::{Header, Item, Kind, Signature, Type};

const START: &str = "# Made from include/blo.h by tests/bindings (BLO_UPDATE_BINDINGS=1). Not to be edited.
# fmt: off
# ruff: noqa
\"\"\"The C interface for ctypes: constants, structs, callback types, and FUNCTIONS with result, parameters and manual.

Pointers to structs take ctypes.byref(struct); all other pointers are c_void_p: addresses.
\"\"\"
from __future__ import annotations

import ctypes
from ctypes import (CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int8, c_int16, c_int32,
                    c_int64, c_size_t, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p)
from typing import Any
";

const END: &str = "
def declare(library: ctypes.CDLL) -> None:
    \"\"\"Gives every function of a loaded library its types; AttributeError for one that it lacks.\"\"\"
    for name, (result, parameters, manual) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = [kind for _, kind in parameters]
        function.__doc__ = manual
";

pub fn emit(header: &Header) -> String {
    let mut out = START.to_owned();
    out += &format!("\nMANUAL = {}\n", quoted(&header.manual));
    let mut functions = String::new();
    for item in &header.items {
        match &item.kind {
            Kind::Constant(value) => out += &format!("\n{}{} = {value}\n", comment(&item.doc, ""), item.name),
            Kind::Handle => out += &format!("\n{}{} = c_void_p\n", comment(&item.doc, ""), item.name),
            Kind::Alias(ty) => out += &format!("\n{}{} = {}\n", comment(&item.doc, ""), item.name, python(header, ty)),
            Kind::Struct(fields) => {
                out += &format!("\nclass {}(Structure):\n    {}\n\n", item.name, quoted(&item.doc));
                out += "    _fields_ = [\n";
                for field in fields {
                    out += &comment(&field.doc, "        ");
                    out += &format!("        (\"{}\", {}),\n", field.name, python(header, &field.ty));
                }
                out += "    ]\n";
            }
            Kind::Callback(signature) => {
                let types = signature.parameters.iter().map(|parameter| python(header, &parameter.ty));
                let all: Vec<String> = std::iter::once(python(header, &signature.result)).chain(types).collect();
                let names: Vec<&str> = signature.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let doc = format!("({})\n\n{}", names.join(", "), item.doc);
                out += &format!("\n{}{} = CFUNCTYPE({})\n", comment(&doc, ""), item.name, all.join(", "));
            }
            Kind::Function(signature) => functions += &function(header, item, signature),
        }
    }
    out += "\nFUNCTIONS: dict[str, tuple[Any, list[tuple[str, Any]], str]] = {\n";
    out += &functions;
    out += "}\n\n";
    out + END
}

fn function(header: &Header, item: &Item, signature: &Signature) -> String {
    let mut out = format!("    \"{}\": ({}, [\n", item.name, python(header, &signature.result));
    for parameter in &signature.parameters {
        out += &format!("        (\"{}\", {}),\n", parameter.name, python(header, &parameter.ty));
    }
    out + &format!("    ], {}),\n", quoted(&item.doc))
}

fn python(header: &Header, ty: &Type) -> String {
    let named = header.items.iter().find(|item| item.name == ty.name && !matches!(item.kind, Kind::Function(_)));
    let is_struct = named.is_some_and(|item| matches!(item.kind, Kind::Struct(_)));
    let one = match (ty.pointers, ty.name.as_str()) {
        (0, "void") => "None".to_owned(),
        (0, name) if named.is_none() && matches!(name, "float" | "double" | "bool" | "char") => format!("c_{name}"),
        (0, name) if named.is_none() => format!("c_{}", name.trim_end_matches("_t").replace("size", "size_t")),
        (0, name) => name.to_owned(),
        (1, "char") if ty.constant => "c_char_p".to_owned(),
        (1, name) if is_struct => format!("POINTER({name})"),
        _ => "c_void_p".to_owned(),
    };
    ty.length.map_or(one.clone(), |length| format!("{one} * {length}"))
}

fn quoted(text: &str) -> String {
    assert!(!text.contains("\"\"\"") && !text.contains('\\') && !text.ends_with('"'), "cannot be quoted: {text}");
    format!("\"\"\"{text}\"\"\"")
}

fn comment(text: &str, indent: &str) -> String {
    text.lines().map(|line| format!("{indent}#: {line}").trim_end().to_owned() + "\n").collect()
}
