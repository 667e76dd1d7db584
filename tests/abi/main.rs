//! The ledger of the binary interface: exported symbols, layouts of structs and values of constants are those that are
//! written down here, from Rust and from C; programs of earlier versions still run. `BLO_UPDATE_ABI=1` writes the ledger.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(target_os = "linux")]

use blo::bilevel::TraceRow;
use blo::ffi::*;
use std::env;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// The library that was built beside this test.
fn library(name: &str) -> PathBuf {
    let here = env::current_exe().unwrap();
    here.ancestors().skip(1).take(2).map(|at| at.join(name)).find(|path| path.is_file()).expect(name)
}

/// Compares with a page of the ledger.
fn ledger(name: &str, found: &str) {
    let path = root().join("tests/abi").join(name);
    if env::var_os("BLO_UPDATE_ABI").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let missing: Vec<&str> = expected.lines().filter(|line| !found.lines().any(|other| other == *line)).collect();
    let new: Vec<&str> = found.lines().filter(|line| !expected.lines().any(|other| other == *line)).collect();
    assert!(missing.is_empty(), "gone from the interface (see tests/abi/{name}):\n{}", missing.join("\n"));
    assert!(new.is_empty(), "not in the ledger; if meant, run with BLO_UPDATE_ABI=1:\n{}", new.join("\n"));
    assert_eq!(found, expected, "in another order");
}

#[test]
fn symbols() {
    let table = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library("libblo.so")));
    let mut names: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().last()).collect();
    names.sort_unstable();
    let strangers: Vec<&&str> = names.iter().filter(|name| !name.starts_with("blo_")).collect();
    assert!(strangers.is_empty(), "exported without the prefix: {strangers:?}");
    ledger("symbols.txt", &(names.join("\n") + "\n"));
    let header = fs::read_to_string(root().join("include/blo.h")).unwrap();
    for name in names {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
    }
}

/// The structs with their fields, offsets and sizes in bytes.
fn layouts() -> String {
    let mut out = String::new();
    macro_rules! layout {
        ($($type:ty as $name:expr => { $($field:ident),* $(,)? })*) => {$(
            out += &format!("{} size {} align {}\n", $name, size_of::<$type>(), align_of::<$type>());
            let offsets = [$(offset_of!($type, $field)),*];
            let ends = offsets[1..].iter().chain([&size_of::<$type>()]);
            // Without gaps: no field is left out, and none is padded.
            let sizes: Vec<usize> = offsets.iter().zip(ends).map(|(start, end)| end - start).collect();
            for ((name, offset), size) in [$(stringify!($field)),*].iter().zip(offsets).zip(sizes) {
                out += &format!("{}.{name} offset {offset} size {size}\n", $name);
            }
        )*};
    }
    layout! {
        RuleOptions as "blo_rule" => { kind, reserved, step, momentum, beta1, beta2, epsilon }
        EstimatorOptions as "blo_estimator_options" => {
            struct_size, reserved, kind, by, step, on_growth, verify, start_from_last, mode, reserved1, terms, iterations,
            max_products, steps, last, refine, rank, restart, seed, alpha, epsilon, cutoff, tolerance, rule,
        }
        ReportInfo as "blo_report" => {
            struct_size, reserved, ending, reserved1, products, residual, null_share, curvature_min, curvature_max, alpha,
            growth, rhs_norm, outer_loss,
        }
        RunOptions as "blo_run_options" => {
            struct_size, reserved, start, inner, method, keep_look_ahead, keep_best, distances, inner_steps, outer_steps,
            memory, batch_size, batch_seed, inner_tolerance, outer_tolerance, lower, upper, schedule_first,
            schedule_factor, schedule_last, inner_rule, outer_rule,
        }
        OutcomeInfo as "blo_outcome" => {
            struct_size, reserved, ending, reserved1, steps, inner_steps, products, doubtful_solves, trace_rows,
            outer_loss, norm_hypergradient,
        }
        TraceRow as "blo_trace_row" => {
            step, outer_loss, inner_loss, norm_u, norm_w, norm_hypergradient, distance_from_start,
            distance_from_min_norm, null_component,
        }
        RegressionOptions as "blo_regression_options" => {
            struct_size, reserved, loss, classes, outer, group, reduction, reserved1, l2,
        }
        NetworkOptions as "blo_network_options" => {
            struct_size, reserved, activation, loss, outer, group, reduction, reserved1, l2, proximal_weight,
        }
    }
    macro_rules! both {
        ($scalar:ty, $suffix:literal) => {
            layout! {
                Callbacks<$scalar> as concat!("blo_callbacks_", $suffix) => {
                    struct_size, reserved, inner, outer, hvp, mixed_vjp, mixed_jvp, release,
                }
                Quadratics<$scalar> as concat!("blo_quadratics_", $suffix) => {
                    struct_size, reserved, n_outer, n_inner, a, a_stride, b, b_stride, c, c_stride, d, e, p, p_stride, f,
                    constant, outer_constant,
                }
                ExampleRows<$scalar> as concat!("blo_examples_", $suffix) => {
                    struct_size, reserved, rows, features, design, design_stride, targets, targets_stride, release,
                    release_data,
                }
                ProgressInfo<$scalar> as concat!("blo_progress_", $suffix) => {
                    struct_size, reserved, step, n_outer, n_inner, outer_loss, norm_hypergradient, u, w, hypergradient,
                }
            }
        };
    }
    both!(f64, "f64");
    both!(f32, "f32");
    out
}

#[test]
fn layouts_in_rust() {
    ledger("layout.txt", &layouts());
}

/// The constants of the header, by its text.
fn constants() -> String {
    let header = fs::read_to_string(root().join("include/blo.h")).unwrap();
    let defines = header.lines().filter_map(|line| line.strip_prefix("#define BLO_"));
    defines.filter(|rest| rest.contains(' ')).map(|rest| format!("BLO_{rest}\n")).collect()
}

#[test]
fn constants_in_the_header() {
    ledger("constants.txt", &constants());
}

/// Each line of the ledger as a question to a C compiler.
#[test]
fn the_ledger_in_c() {
    let mut code = String::from("#include \"blo.h\"\n#include <stdio.h>\n#include <stddef.h>\n");
    code += "#define AT(t, f) (int)offsetof(t, f), (int)sizeof(((t *)0)->f)\nint main(void) {\n";
    for line in layouts().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        code += &match words[0].split_once('.') {
            Some((name, field)) => {
                format!("printf(\"{name}.{field} offset %d size %d\\n\", AT({name}, {field}));\n")
            }
            None => {
                let name = words[0];
                let align = format!("(int)offsetof(struct {{ char c; {name} x; }}, x)");
                format!("printf(\"{name} size %d align %d\\n\", (int)sizeof({name}), {align});\n")
            }
        };
    }
    for line in constants().lines() {
        let name = line.split(' ').next().unwrap();
        code += &format!("printf(\"{name} %d\\n\", (int){name});\n");
    }
    code += "return 0;\n}\n";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, program) = (folder.join("ledger.c"), folder.join("ledger"));
    fs::write(&source, code).unwrap();
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    run(Command::new(compiler)
        .arg("-std=c99")
        .arg("-I")
        .arg(root().join("include"))
        .arg(source)
        .arg("-o")
        .arg(&program));
    let answers = run(&mut Command::new(program));
    let read = |name: &str| fs::read_to_string(root().join("tests/abi").join(name)).unwrap();
    assert_eq!(answers, read("layout.txt") + &read("constants.txt"));
}

/// Programs of earlier versions, compiled with the headers that they were written for, with today's library.
#[test]
fn old_clients() {
    let clients = root().join("tests/abi/clients");
    let mut count = 0;
    for entry in fs::read_dir(clients).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("client-{name}"));
        fs::create_dir_all(&work).unwrap();
        let link = work.join("libblo.so.0");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(library("libblo.so"), &link).unwrap();
        let program = work.join("client");
        run(Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()))
            .args(["-std=c99", "-I"])
            .arg(&folder)
            .arg(folder.join("client.c"))
            .arg(&link)
            .arg(format!("-Wl,-rpath,{}", work.display()))
            .arg("-o")
            .arg(&program));
        assert_eq!(run(&mut Command::new(program)), fs::read_to_string(folder.join("expected.txt")).unwrap(), "{name}");
        count += 1;
    }
    assert!(count > 0, "the archive is empty");
}
