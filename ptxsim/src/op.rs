//! Decoded instructions. Every operand is the index of a register: immediates and special registers have registers
//! of their own that are filled when a warp starts, so the executor reads all operands alike.
//! There are three files, 32-bit (16-bit values live there, zero-extended), 64-bit and predicates.

use crate::types::{Space, Ty};

/// Index into a register file; which file follows from the instruction.
pub(crate) type R = u32;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum I2 {
    Add,
    Sub,
    MulLo,
    MulHiS,
    MulHiU,
    DivS,
    DivU,
    RemS,
    RemU,
    MinS,
    MinU,
    MaxS,
    MaxU,
    And,
    Or,
    Xor,
    AddSat,
    SubSat,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum I1 {
    Neg,
    Abs,
    Not,
    Not16,
    Brev,
    Popc,
    Clz,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shift {
    Left,
    RightU,
    RightS,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum F2 {
    Add,
    Sub,
    Mul,
    Div,
    DivApprox,
    Min,
    Max,
    MinNan,
    MaxNan,
    Copysign,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum F1 {
    Neg,
    Abs,
    Sqrt,
    Rcp,
    SqrtApprox,
    RcpApprox,
    RsqrtApprox,
    Ex2,
    Lg2,
    Tanh,
    Sin,
    Cos,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rnd {
    Near,
    Zero,
    Down,
    Up,
}

/// Rounding, flush to zero, clamp to \[0, 1\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fm {
    pub rnd: Rnd,
    pub ftz: bool,
    pub sat: bool,
}

impl Fm {
    pub const RN: Fm = Fm { rnd: Rnd::Near, ftz: false, sat: false };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Equ,
    Neu,
    Ltu,
    Leu,
    Gtu,
    Geu,
    Num,
    Nan,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BoolOp {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Setp {
    pub cmp: Cmp,
    /// `U32`, `S32`, `U64`, `S64`, `F32` or `F64`.
    pub ty: Ty,
    pub ftz: bool,
    pub d: Option<R>,
    pub q: Option<R>,
    pub a: R,
    pub b: R,
    pub combine: Option<(BoolOp, R, bool)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cvt {
    pub from: Ty,
    pub to: Ty,
    pub rnd: Rnd,
    /// Round to an integral value (`.rni` and its kin).
    pub integral: bool,
    pub ftz: bool,
    pub sat: bool,
    /// Destination register is 64 bits wide.
    pub wide: bool,
    pub d: R,
    pub a: R,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Base {
    None,
    R32(R),
    R64(R),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Addr {
    pub base: Base,
    pub off: i64,
}

/// How an access orders memory; `strong` ones (volatile, relaxed, atomics) do not race with each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sem {
    pub strong: bool,
    pub acquire: bool,
    pub release: bool,
    /// The scope reaches beyond the block.
    pub grid: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Access {
    pub space: Space,
    pub ty: Ty,
    /// 1, 2 or 4.
    pub count: u8,
    /// The registers are 64 bits wide.
    pub wide: bool,
    pub sem: Sem,
    /// Read through the read-only path: the data must not be written during the launch.
    pub nc: bool,
    pub addr: Addr,
    pub regs: [R; 4],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AtomOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exch,
    Cas,
    Inc,
    Dec,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Atom {
    pub op: AtomOp,
    pub space: Space,
    pub ty: Ty,
    pub sem: Sem,
    pub d: Option<R>,
    pub addr: Addr,
    pub b: R,
    pub c: R,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShflMode {
    Up,
    Down,
    Bfly,
    Idx,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shfl {
    pub mode: ShflMode,
    pub d: R,
    pub p: Option<R>,
    pub a: R,
    pub b: R,
    pub c: R,
    pub mask: R,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VoteMode {
    All,
    Any,
    Uni,
    Ballot,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BarRed {
    Popc(R),
    And(R),
    Or(R),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bar {
    pub id: R,
    pub count: Option<R>,
    /// Destination, source predicate, and whether that is negated.
    pub red: Option<(BarRed, R, bool)>,
    /// Other warps may wait at another instruction: an id or a count was written.
    pub named: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CpAsync {
    pub dst: Addr,
    pub src: Addr,
    pub size: u8,
    /// Bytes really read; the rest is zero.
    pub src_size: Option<R>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MmaTf32 {
    pub d: [R; 4],
    pub a: [R; 4],
    pub b: [R; 2],
    pub c: [R; 4],
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct MmaF64 {
    pub d: [R; 2],
    pub a: R,
    pub b: R,
    pub c: [R; 2],
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    Mov32(R, R),
    Mov64(R, R),
    MovPred(R, R),
    Pack(R, [R; 2]),
    Unpack([Option<R>; 2], R),
    LdParam {
        ty: Ty,
        wide: bool,
        off: u32,
        regs: [R; 4],
        count: u8,
    },
    I1x32(I1, R, R),
    /// Unary on 64 bits; the result of `popc` and `clz` is 32 bits wide.
    I1x64(I1, R, R),
    I2x32(I2, R, R, R),
    I2x64(I2, R, R, R),
    MulWide {
        signed: bool,
        d: R,
        a: R,
        b: R,
    },
    MadWide {
        signed: bool,
        d: R,
        a: R,
        b: R,
        c: R,
    },
    /// Low (`None`), or high signed/unsigned half of the product, plus c.
    Mad32(Option<bool>, R, [R; 3]),
    Mad64(Option<bool>, R, [R; 3]),
    Sh32(Shift, R, R, R),
    Sh64(Shift, R, R, R),
    Shf {
        right: bool,
        wrap: bool,
        d: R,
        a: R,
        b: R,
        c: R,
    },
    Bfe32(bool, R, [R; 3]),
    Bfe64(bool, R, [R; 3]),
    Bfi32(R, [R; 4]),
    Bfi64(R, [R; 4]),
    Prmt(R, [R; 3]),
    Lop3(u8, R, [R; 3]),
    F1x32(F1, Fm, R, R),
    F1x64(F1, R, R),
    F2x32(F2, Fm, R, R, R),
    F2x64(F2, R, R, R),
    Fma32(Fm, R, [R; 3]),
    Fma64(R, [R; 3]),
    Cvt(Cvt),
    /// `cvt.rna.tf32.f32`.
    CvtTf32(R, R),
    Setp(Setp),
    Sel32(R, R, R, R),
    Sel64(R, R, R, R),
    Slct {
        wide: bool,
        float: bool,
        ftz: bool,
        d: R,
        a: R,
        b: R,
        c: R,
    },
    Pred2(BoolOp, R, R, R),
    PredNot(R, R),
    Cvta {
        space: Space,
        to: bool,
        d: R,
        a: R,
    },
    Ld(Access),
    St(Access),
    Atom(Box<Atom>),
    CpAsync(CpAsync),
    CpCommit,
    /// Groups that may stay open; `None`: none, and the current one is committed first.
    CpWait(Option<u32>),
    /// True when the scope reaches beyond the block.
    Fence(bool),
    Shfl(Shfl),
    Vote {
        mode: VoteMode,
        d: R,
        a: R,
        negated: bool,
        mask: R,
    },
    ActiveMask(R),
    MmaTf32(Box<MmaTf32>),
    MmaF64(MmaF64),
    Bra {
        target: u32,
        uniform: bool,
    },
    Bar(Bar),
    BarWarp(R),
    Exit,
    Trap,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Special {
    Tid(usize),
    Ntid(usize),
    Ctaid(usize),
    Nctaid(usize),
    Lane,
    Warp,
    Warps,
    MaskEq,
    MaskLt,
    MaskLe,
    MaskGt,
    MaskGe,
}

#[derive(Clone, Debug)]
pub(crate) struct Inst {
    pub op: Op,
    pub line: u32,
    /// Predicate and whether it is negated.
    pub guard: Option<(R, bool)>,
    /// Where the lanes of a divergent branch meet again.
    pub reconverge: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub name: String,
    pub ty: Ty,
    pub off: u32,
    pub size: u32,
    pub array: bool,
}

/// A kernel ready to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kernel {
    pub name: String,
    pub code: Vec<Inst>,
    pub params: Vec<Param>,
    pub param_bytes: u32,
    /// Registers per file: 32-bit, 64-bit, predicates.
    pub regs: [u32; 3],
    pub consts32: Vec<(R, u32)>,
    pub consts64: Vec<(R, u64)>,
    pub specials: Vec<(R, Special)>,
    /// Static shared variables as (start, end) in the shared window, ascending, and where the dynamic part begins.
    pub shared: Vec<(u32, u32)>,
    pub shared_dynamic: u32,
    pub shared_static_bytes: u32,
    pub reqntid: Option<[u32; 3]>,
    pub maxntid: Option<[u32; 3]>,
}
