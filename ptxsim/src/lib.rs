#![doc = include_str!("../README.md")]

mod decode;
mod decode_arith;
mod decode_mem;
mod device;
mod exec;
mod exec_alu;
mod exec_fast;
mod exec_mem;
mod exec_sync;
mod fault;
mod float;
mod flow;
mod launch;
mod lex;
mod memory;
mod op;
mod parse;
mod shadow;
mod syntax;
mod types;
mod warp;

pub use device::{Arg, Device, Element, Module, Ptr};
pub use fault::{Fault, FaultKind, ParseError, ParseKind};
pub use launch::{LaunchConfig, Stats};
pub use types::Ty;
