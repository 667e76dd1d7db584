//! The parser and the executor return values on whatever they are given.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use ptxsim::{Arg, Device, LaunchConfig, Module};

const TEXTS: [&str; 6] = [
    include_str!("ptx/matmul.ptx"),
    include_str!("ptx/grid_barrier.ptx"),
    include_str!("ptx/last_block.ptx"),
    include_str!("ptx/async_copy.ptx"),
    include_str!("ptx/mma.ptx"),
    include_str!("ptx/spaces.ptx"),
];

/// Pieces that mean something to the parser.
const PIECES: [&str; 40] = [
    ";",
    ",",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    "@",
    "!",
    "|",
    "-",
    "+",
    ":",
    ".",
    "=",
    "\"",
    "/*",
    "//",
    "\n",
    " ",
    "0x",
    "0f3F800000",
    "0d",
    "-1",
    "4294967296",
    "99999999999999999999",
    "1e400",
    "%tid",
    "%tid.x",
    ".reg",
    ".shared",
    ".u32",
    ".f32",
    "%r<5>",
    "bra",
    "_",
    "é",
];

/// Run every kernel that still parses, in a small launch; it must come back, whatever it says.
fn run(text: &str) {
    let Ok(m) = Module::parse(text) else {
        return;
    };
    let mut dev = Device::new();
    let p = dev.upload(&[1u32; 64]).unwrap();
    for name in m.kernels().map(String::from).collect::<Vec<_>>() {
        let args: Vec<Arg> = m
            .parameters(&name)
            .unwrap()
            .iter()
            .map(|&(_, n)| if n == 8 { Arg::Ptr(p) } else { Arg::Bytes(vec![1; n]) })
            .collect();
        let block = if m.max_threads(&name) == Some(256) { [16, 16, 1] } else { [m.max_threads(&name).unwrap(), 1, 1] };
        let mut c = LaunchConfig::new([2, 1, 1], block);
        (c.step_budget, c.shared_bytes, c.cooperative) = (3000, 2048, true);
        let _ = dev.launch(&m, &name, &c, &args);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes(b in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Module::parse(&String::from_utf8_lossy(&b));
    }

    #[test]
    fn soup(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        let head = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 x) {\n.reg .u32 %r<5>;\n";
        run(&format!("{head}{}", pieces.join(" ")));
        let _ = Module::parse(&pieces.concat());
    }

    /// A valid text with bytes changed, pieces put in, or parts cut, doubled or exchanged.
    #[test]
    fn mutants(which in 0..TEXTS.len(), edits in prop::collection::vec((0..6u8, any::<u32>(), any::<u32>(), any::<u8>()), 1..6)) {
        let mut b = TEXTS[which].as_bytes().to_vec();
        for (how, x, y, v) in edits {
            if b.len() < 2 {
                break;
            }
            let (i, n) = (x as usize % b.len(), y as usize % 40);
            let j = (i + n).min(b.len());
            match how {
                0 => b[i] = v & 0x7f,
                1 => drop(b.splice(i..i, PIECES[v as usize % PIECES.len()].bytes())),
                2 => drop(b.drain(i..j)),
                3 => {
                    let part = b[i..j].to_vec();
                    b.splice(i..i, part);
                }
                4 => b.truncate(i),
                _ => {
                    // Exchange two lines: still valid more often than not.
                    let mut lines: Vec<Vec<u8>> = b.split(|&c| c == b'\n').map(<[u8]>::to_vec).collect();
                    let (p, q) = (x as usize % lines.len(), y as usize % lines.len());
                    lines.swap(p, q);
                    b = lines.join(&b'\n');
                }
            }
        }
        run(&String::from_utf8_lossy(&b));
    }

    /// Only lines exchanged, dropped or doubled: most mutants parse and run into something.
    #[test]
    fn shuffled_lines(which in 0..TEXTS.len(), edits in prop::collection::vec((0..3u8, any::<u32>(), any::<u32>()), 1..4)) {
        let mut lines: Vec<&str> = TEXTS[which].lines().collect();
        for (how, x, y) in edits {
            let (p, q) = (x as usize % lines.len(), y as usize % lines.len());
            match how {
                0 => lines.swap(p, q),
                1 => drop(lines.remove(p)),
                _ => lines.insert(p, lines[q]),
            }
        }
        run(&lines.join("\n"));
    }
}

#[test]
fn every_prefix_of_a_text() {
    for text in TEXTS {
        for i in (0..text.len()).step_by(7) {
            run(&text[..i]);
        }
    }
}
