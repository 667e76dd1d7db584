//! A module as parsed, before its instructions are decoded.

use crate::types::Ty;

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Operand {
    /// A register, special register (`%tid.x`), symbol or label.
    Name(String),
    /// `!p`.
    Not(String),
    Int(i128),
    Float(f64),
    F32(u32),
    F64(u64),
    /// `[name + off]`.
    Addr(String, i64),
    /// `[number]`.
    AbsAddr(i64),
    /// `name + off`.
    Offset(String, i64),
    Vec(Vec<Operand>),
    /// `d|p`.
    Pair(String, String),
}

/// `@p` or `@!p` (true when negated).
pub(crate) type Guard = Option<(String, bool)>;

#[derive(Clone, Debug)]
pub(crate) struct RawInst {
    pub line: u32,
    pub guard: Guard,
    pub name: String,
    pub mods: Vec<String>,
    pub operands: Vec<Operand>,
}

#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub line: u32,
    pub name: String,
    pub ty: Ty,
    pub align: u64,
    /// `None` for `name[]`, the dynamic shared array.
    pub bytes: Option<u64>,
    pub init: Vec<u8>,
    /// Declared with dimensions.
    pub array: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RawKernel {
    pub line: u32,
    pub name: String,
    pub params: Vec<Variable>,
    pub reqntid: Option<[u32; 3]>,
    pub maxntid: Option<[u32; 3]>,
    pub regs: Vec<(u32, String, Ty)>,
    pub shared: Vec<Variable>,
    pub labels: Vec<(u32, String, usize)>,
    pub insts: Vec<RawInst>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RawModule {
    pub version: (u32, u32),
    pub target: u32,
    pub shared: Vec<Variable>,
    pub constants: Vec<Variable>,
    pub kernels: Vec<RawKernel>,
}
