//! Shared by the tests: parse a text (and, where `PTXSIM_PTXAS` names an assembler, assemble it too), and run one
//! instruction on a table of values.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use ptxsim::{Arg, Device, LaunchConfig, Module, ParseError};

pub const HEAD: &str = ".version 7.0\n.target sm_80\n.address_size 64\n";
pub const HEAD75: &str = ".version 6.3\n.target sm_75\n.address_size 64\n";

/// Run ptxas for sm_75 (where the text allows it) and sm_90; `None` without `PTXSIM_PTXAS`.
pub fn ptxas(text: &str) -> Option<Result<(), String>> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let tool = std::env::var("PTXSIM_PTXAS").ok()?;
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let base = std::env::temp_dir().join(format!("ptxsim-{}-{n}", std::process::id()));
    let (source, cubin) = (base.with_extension("ptx"), base.with_extension("cubin"));
    std::fs::write(&source, text).unwrap();
    let mut result = Ok(());
    for arch in ["sm_75", "sm_90"] {
        if arch == "sm_75" && text.contains("sm_80") {
            continue;
        }
        let run = Command::new(&tool).arg(format!("-arch={arch}")).arg(&source).arg("-o").arg(&cubin).output().unwrap();
        if !run.status.success() {
            result = Err(format!(
                "{arch}: {}{}",
                String::from_utf8_lossy(&run.stderr),
                String::from_utf8_lossy(&run.stdout)
            ));
            break;
        }
    }
    let _ = std::fs::remove_file(source);
    let _ = std::fs::remove_file(cubin);
    Some(result)
}

/// A text that both we and ptxas accept.
pub fn module(text: &str) -> Module {
    if let Some(Err(e)) = ptxas(text) {
        panic!("ptxas refuses what the simulator is to run:\n{e}\n{text}");
    }
    Module::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// A text that both we and ptxas refuse.
pub fn refused(text: &str) -> ParseError {
    if let Some(Ok(())) = ptxas(text) {
        panic!("ptxas accepts:\n{text}");
    }
    Module::parse(text).unwrap_err()
}

/// A text that ptxas accepts but that lies outside our subset.
pub fn outside(text: &str) -> ParseError {
    if let Some(Err(e)) = ptxas(text) {
        panic!("{e}\n{text}");
    }
    Module::parse(text).unwrap_err()
}

/// Number of the line that holds `marker`, from 1.
pub fn line_of(text: &str, marker: &str) -> u32 {
    let found: Vec<usize> = text.lines().enumerate().filter(|(_, l)| l.contains(marker)).map(|(i, _)| i + 1).collect();
    assert_eq!(found.len(), 1, "{marker} must occur on one line: {found:?}");
    found[0] as u32
}

fn width(ty: &str) -> usize {
    ty[1..].parse::<usize>().unwrap() / 8
}

/// The text of a kernel that applies `body` (registers `%a`, `%b`, `%c`, `%e` of the types in `ins`; `%d` of type
/// `out`, or predicate `%d` for `pred`) to one row of bits per thread.
pub fn eval_text(body: &str, ins: &[&str], out: &str) -> String {
    let mut s = String::from(HEAD);
    s += ".visible .entry k(.param .u64 in, .param .u64 out, .param .u32 n)\n{\n";
    s += ".reg .u64 %base, %o, %row;\n.reg .u32 %i, %n, %sel;\n.reg .pred %off, %q;\n";
    for (ty, name) in ins.iter().zip(["%a", "%b", "%c", "%e"]) {
        s += &format!(".reg .{ty} {name};\n");
    }
    s += &format!(".reg .{out} %d;\n");
    s += "ld.param.u64 %base, [in];\nld.param.u64 %o, [out];\nld.param.u32 %n, [n];\n";
    s += "mov.u32 %i, %tid.x;\nsetp.ge.u32 %off, %i, %n;\n@%off ret;\n";
    s += "mad.wide.u32 %row, %i, 32, %base;\nmad.wide.u32 %o, %i, 8, %o;\n";
    for (j, (ty, name)) in ins.iter().zip(["%a", "%b", "%c", "%e"]).enumerate() {
        if *ty == "pred" {
            s += &format!("ld.global.u32 %sel, [%row+{}];\nsetp.ne.u32 {name}, %sel, 0;\n", 8 * j);
        } else {
            s += &format!("ld.global.b{} {name}, [%row+{}];\n", 8 * width(ty), 8 * j);
        }
    }
    s += body;
    if out == "pred" {
        s += "\nselp.u32 %sel, 1, 0, %d;\nst.global.u32 [%o], %sel;\n";
    } else {
        s += &format!("\nst.global.b{} [%o], %d;\n", 8 * width(out));
    }
    s + "ret;\n}\n"
}

/// Apply `body` to rows of bits.
pub fn eval(body: &str, ins: &[&str], out: &str, rows: &[Vec<u64>]) -> Vec<u64> {
    let m = module(&eval_text(body, ins, out));
    let mut dev = Device::new();
    let mut table = Vec::new();
    for row in rows {
        assert_eq!(row.len(), ins.len());
        table.extend((0..4).map(|j| row.get(j).copied().unwrap_or(0)));
    }
    let (i, o) = (dev.upload(&table).unwrap(), dev.upload(&vec![0u64; rows.len()]).unwrap());
    let c = LaunchConfig::new([1; 3], [rows.len() as u32, 1, 1]);
    dev.launch(&m, "k", &c, &[Arg::Ptr(i), Arg::Ptr(o), Arg::U32(rows.len() as u32)]).unwrap();
    dev.download(o, rows.len()).unwrap()
}

/// A value as bits.
pub trait Bits: Copy {
    fn bits(self) -> u64;
}

macro_rules! bits {
    ($($t:ty => $e:expr),*) => {$(impl Bits for $t { fn bits(self) -> u64 { ($e)(self) } })*};
}

bits!(u32 => |x| x as u64, i32 => |x| x as u32 as u64, u64 => |x| x, i64 => |x| x as u64, f32 => |x: f32| x.to_bits() as u64,
      f64 => f64::to_bits, bool => |x| x as u64, u16 => |x| x as u64, i16 => |x| x as u16 as u64);
