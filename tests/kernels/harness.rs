//! Device memory with guard bands, launches by an operation's name, and comparisons. With BLO_REQUIRE_GPU=1 on a GPU as well, which
//! has to find the bits of the simulator: no kernel has an approximate instruction, and those of tensor cores are compared with the
//! reference alone.

use crate::common::cast;
use crate::hardware::{self, Hardware};
use blo::Scalar;
use ptxsim::{Arg, Device, Element, Fault, LaunchConfig, Module, Ptr, Stats};
use std::fs;
use std::path::PathBuf;

/// f32 or f64, with the names that kernels have for them.
pub trait Real: Scalar + Element {
    const NAME: &'static str;
    fn arg(self) -> Arg;
}

impl Real for f32 {
    const NAME: &'static str = "f32";
    fn arg(self) -> Arg {
        Arg::F32(self)
    }
}

impl Real for f64 {
    const NAME: &'static str = "f64";
    fn arg(self) -> Arg {
        Arg::F64(self)
    }
}

pub const FAMILIES: [&str; 8] = ["vector", "cg", "examples", "gemm", "pass", "loss", "outer", "dense"];
/// Those of f32 alone.
pub const NARROW: [&str; 1] = ["tensor"];

pub fn path(family: &str, scalar: &str) -> PathBuf {
    let root = std::env::var_os("BLO_ROOT").map_or(PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    root.join(format!("kernels/{family}_{scalar}.ptx"))
}

pub fn text(family: &str, scalar: &str) -> String {
    fs::read_to_string(path(family, scalar)).unwrap()
}

/// An array in device memory that starts an odd number of elements behind an aligned address, after a guard. It ends where the
/// allocation ends, so that the simulator reports what is read behind it, too.
#[derive(Clone, Copy)]
pub struct Array {
    base: Ptr,
    offset: usize,
    pub len: usize,
    size: usize,
}

impl Array {
    pub fn arg(self) -> Arg {
        Arg::Ptr(self.base.offset((self.offset * self.size) as u64))
    }
}

const GUARD: usize = 5;

/// A device with the kernels of one type.
pub struct Kernels {
    pub device: Device,
    hardware: Option<Hardware>,
    /// Whether a GPU has to find the simulator's bits.
    exact: bool,
    modules: Vec<Module>,
    scalar: &'static str,
    pub seed: u64,
    pub stats: Stats,
}

impl Kernels {
    pub fn of<T: Real>(families: &[&str]) -> Kernels {
        let texts: Vec<String> = families.iter().map(|family| text(family, T::NAME)).collect();
        let hardware = hardware::wanted().then(|| Hardware::open(&texts));
        Kernels { hardware, ..Kernels::with::<T>(&texts) }
    }

    /// With kernels of tensor cores among them: bits are the card's own, and cards before 8.0 have none of these.
    pub fn tensor(families: &[&str]) -> Kernels {
        let texts: Vec<String> = families.iter().map(|family| text(family, "f32")).collect();
        let hardware = (hardware::wanted() && hardware::capability() >= (8, 0)).then(|| Hardware::open(&texts));
        Kernels { hardware, exact: false, ..Kernels::with::<f32>(&texts) }
    }

    /// Of these texts, on the simulator alone.
    pub fn with<T: Real>(texts: &[String]) -> Kernels {
        let modules = texts.iter().map(|text| Module::parse(text).unwrap_or_else(|e| panic!("{e}"))).collect();
        let (device, scalar, stats) = (Device::new(), T::NAME, Stats::default());
        Kernels { device, hardware: None, exact: true, modules, scalar, seed: 0, stats }
    }

    pub fn upload<E: Element + From<f32>>(&mut self, values: &[E]) -> Array {
        let mut all = vec![E::from(777.0); values.len() + GUARD];
        all[GUARD..].copy_from_slice(values);
        let base = self.device.upload(&all).unwrap();
        if let Some(hardware) = &mut self.hardware {
            let mut bytes = Vec::new();
            all.iter().for_each(|value| value.put(&mut bytes));
            hardware.upload(base, &bytes);
        }
        Array { base, offset: GUARD, len: values.len(), size: E::SIZE }
    }

    pub fn array<T: Real + From<f32>>(&mut self, values: &[f64]) -> Array {
        self.upload(&cast::<T>(values))
    }

    pub fn nans<T: Real + From<f32>>(&mut self, len: usize) -> Array {
        self.array::<T>(&vec![f64::NAN; len])
    }

    /// The elements, after a look at the guard.
    pub fn get<E: Element + From<f32> + PartialEq + std::fmt::Debug>(&mut self, array: Array) -> Vec<E> {
        let mut all: Vec<E> = self.device.download(array.base, array.len + GUARD).unwrap();
        if let Some(hardware) = &self.hardware {
            let bytes = hardware.download(array.base, all.len() * E::SIZE);
            let found: Vec<E> = bytes.chunks_exact(E::SIZE).map(E::get).collect();
            for (i, (found, simulated)) in found.iter().zip(&all).enumerate() {
                let bits = |value: &E| {
                    let mut bits = Vec::new();
                    value.put(&mut bits);
                    bits
                };
                // NaN is not equal to itself, and has many bits.
                #[allow(clippy::eq_op)]
                let both_nan = found != found && simulated != simulated;
                let same = !self.exact || both_nan || bits(found) == bits(simulated);
                assert!(same, "element {i} on the device is {found:?}, on the simulator {simulated:?}");
            }
            all = found;
        }
        let (before, values) = all.split_at(GUARD);
        assert!(before.iter().all(|e| *e == E::from(777.0)), "written before the array");
        values.to_vec()
    }

    pub fn try_launch(&mut self, operation: &str, grid: [u32; 3], args: &[Arg]) -> Result<(), Box<Fault>> {
        let name = format!("blo_{operation}_{}", self.scalar);
        let module = self.modules.iter().find(|module| module.kernels().any(|kernel| kernel == name));
        let mut config = LaunchConfig::new(grid, [256, 1, 1]);
        config.seed = self.seed;
        config.step_budget = 1 << 24;
        self.stats = self.device.launch(module.expect(&name), &name, &config, args).map_err(Box::new)?;
        assert!(self.stats.warnings.is_empty(), "{name}: {:?}", self.stats.warnings);
        if let Some(hardware) = &self.hardware {
            hardware.launch(&name, grid, args);
        }
        Ok(())
    }

    pub fn launch(&mut self, operation: &str, grid: [u32; 3], args: &[Arg]) {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.try_launch(operation, grid, args).unwrap_or_else(|fault| panic!("{operation}: {fault}"));
    }

    /// One thread for each element.
    pub fn each(&mut self, operation: &str, n: usize, args: &[Arg]) {
        self.launch(operation, [n.div_ceil(256) as u32, 1, 1], args);
    }

    /// A warp for each row.
    pub fn by_rows(&mut self, operation: &str, rows: usize, args: &[Arg]) {
        self.launch(operation, [rows.div_ceil(8) as u32, 1, 1], args);
    }

    /// A reduction: both stages. Returns the total.
    pub fn reduce(&mut self, operation: &str, n: usize, before: &[Arg]) -> f64 {
        let blocks = n.div_ceil(1024).clamp(1, 256);
        let (partial, total) = (self.nans::<f64>(blocks), self.nans::<f64>(1));
        let args = [before, &[partial.arg(), Arg::U64(n as u64)]].concat();
        self.launch(operation, [blocks as u32, 1, 1], &args);
        self.launch("sum", [1, 1, 1], &[partial.arg(), total.arg(), Arg::U64(blocks as u64)]);
        self.get::<f64>(partial);
        self.get::<f64>(total)[0]
    }
}

/// |found − expected| ≤ tolerance · (|expected| + floor), elementwise; both NaN is equal.
pub fn close<T: Scalar>(found: &[T], expected: &[f64], tolerance: f64, floor: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (f, e) = (found.to_f64(), *expected);
        let good = f == e || (f.is_nan() && e.is_nan()) || (f - e).abs() <= tolerance * (e.abs() + floor);
        assert!(good, "{what}: element {i}: found {f:e}, expected {e:e}");
    }
}
