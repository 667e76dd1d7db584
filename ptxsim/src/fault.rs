//! What goes wrong, as values: [`ParseError`] when a text is read, [`Fault`] when a kernel runs.

use std::fmt;

/// The kind of a [`ParseError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseKind {
    /// The text is not PTX.
    Syntax,
    /// Valid or not, it lies outside the subset: instruction, modifier, directive or operand form.
    Unsupported,
    /// An operand's type or count does not suit the instruction.
    Type,
    /// A name is unknown or defined twice.
    Name,
}

/// A text that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    /// What kind of mistake.
    pub kind: ParseKind,
    /// Line of the text, from 1.
    pub line: u32,
    /// What was found and what was expected.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?}: {}", self.line, self.kind, self.message)
    }
}

impl std::error::Error for ParseError {}

/// The kind of a [`Fault`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultKind {
    /// The launch itself is wrong: unknown kernel, arguments, block shape, shared memory.
    Launch,
    /// An address outside every allocation or shared variable, or in a freed one, or a write to constant memory.
    OutOfBounds,
    /// An address that is not a multiple of the access size.
    Misaligned,
    /// A register is read before it is written.
    UninitRegister,
    /// Memory is read before it is written.
    UninitMemory,
    /// Two threads of a block touch one shared word, at least one writing, with no barrier in between.
    SharedRace,
    /// The same in global memory, within a block or between blocks.
    GlobalRace,
    /// A barrier that not every thread reaches, or reached by part of a warp, or at different instructions.
    DivergentBarrier,
    /// A warp-level instruction whose member mask does not match the lanes that execute it.
    DivergentWarp,
    /// A lane reads another lane that takes no part in a `shfl`.
    InactiveLane,
    /// Every warp that is left waits.
    Deadlock,
    /// More warp instructions than the launch allows: an endless loop or a spin that cannot end.
    StepBudget,
    /// The target of a `cp.async` is touched before it was waited for.
    AsyncRead,
    /// Integer division by zero (a warning: execution goes on with all ones).
    DivideByZero,
    /// The kernel executed `trap`.
    Trap,
    /// A host call with a pointer or a size that names no live allocation.
    Host,
}

/// What a launch was stopped by (or, among the warnings of [`crate::Stats`], what it met).
#[derive(Clone, PartialEq, Debug)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// The kernel's name.
    pub kernel: String,
    /// Line of the instruction in the text; 0 outside any instruction.
    pub line: u32,
    /// `%ctaid`.
    pub block: [u32; 3],
    /// `%tid` of (one of) the offending thread(s).
    pub thread: [u32; 3],
    /// The address concerned, in its own state space; 0 where there is none.
    pub address: u64,
    /// The rest in words.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (b, t) = (self.block, self.thread);
        write!(f, "{:?} in {} at line {}, ", self.kind, self.kernel, self.line)?;
        write!(f, "block ({}, {}, {}) thread ({}, {}, {})", b[0], b[1], b[2], t[0], t[1], t[2])?;
        if self.address != 0 {
            write!(f, ", address {:#x}", self.address)?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl std::error::Error for Fault {}

/// A fault as the executor meets it: the lane, but not yet the kernel, block and line.
#[derive(Debug)]
pub(crate) struct Stop {
    pub kind: FaultKind,
    pub lane: u32,
    pub address: u64,
    pub detail: String,
}

pub(crate) type Res<T = ()> = Result<T, Box<Stop>>;

#[cold]
#[inline(never)]
pub(crate) fn stop<T>(kind: FaultKind, lane: u32, address: u64, detail: impl Into<String>) -> Res<T> {
    Err(Box::new(Stop { kind, lane, address, detail: detail.into() }))
}
