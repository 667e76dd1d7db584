//! The public face: modules, device memory, launches.

use crate::decode;
use crate::fault::{Fault, FaultKind, ParseError};
use crate::launch::{self, LaunchConfig, Stats};
use crate::memory::Memory;
use crate::op::Kernel;
use crate::parse;
use crate::types::Ty;

/// A parsed text, ready to run.
#[derive(Clone, Debug)]
pub struct Module {
    kernels: Vec<Kernel>,
    constants: Vec<u8>,
    version: (u32, u32),
    target: u32,
}

impl Module {
    /// Parse and decode a PTX text. Whatever lies outside the subset is an error that names the line.
    pub fn parse(text: &str) -> Result<Module, ParseError> {
        let raw = parse::parse(text)?;
        let (kernels, constants) = decode::decode(&raw)?;
        Ok(Module { kernels, constants, version: raw.version, target: raw.target })
    }

    /// `.version`.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The number of `.target sm_NN`.
    pub fn target(&self) -> u32 {
        self.target
    }

    /// Names of the kernels, in the order of the text.
    pub fn kernels(&self) -> impl Iterator<Item = &str> {
        self.kernels.iter().map(|k| k.name.as_str())
    }

    fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.iter().find(|k| k.name == name)
    }

    /// Type and size in bytes of each parameter of a kernel.
    pub fn parameters(&self, kernel: &str) -> Option<Vec<(Ty, usize)>> {
        Some(self.kernel(kernel)?.params.iter().map(|p| (p.ty, p.size as usize)).collect())
    }

    /// Bytes of static shared memory of a kernel.
    pub fn static_shared(&self, kernel: &str) -> Option<u32> {
        Some(self.kernel(kernel)?.shared_static_bytes)
    }

    /// Most threads of a block, from `.reqntid` or `.maxntid`, else 1024.
    pub fn max_threads(&self, kernel: &str) -> Option<u32> {
        let k = self.kernel(kernel)?;
        Some(k.reqntid.or(k.maxntid).map_or(1024, |b| b.iter().product()))
    }
}

/// A device address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ptr(
    /// The address as the kernel sees it.
    pub u64,
);

impl Ptr {
    /// The address `bytes` further on.
    pub fn offset(self, bytes: u64) -> Ptr {
        Ptr(self.0.wrapping_add(bytes))
    }
}

/// One kernel argument; kind and size must suit the parameter.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Arg {
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Ptr(Ptr),
    /// Raw bytes of the parameter's size, unchecked.
    Bytes(Vec<u8>),
}

impl Arg {
    pub(crate) fn ty(&self) -> Option<Ty> {
        launch::typed(self)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Arg::U32(v) => v.to_le_bytes().into(),
            Arg::I32(v) => v.to_le_bytes().into(),
            Arg::U64(v) | Arg::Ptr(Ptr(v)) => v.to_le_bytes().into(),
            Arg::I64(v) => v.to_le_bytes().into(),
            Arg::F32(v) => v.to_le_bytes().into(),
            Arg::F64(v) => v.to_le_bytes().into(),
            Arg::Bytes(v) => v.clone(),
        }
    }
}

/// A number that can be copied to and from the device.
pub trait Element: Copy {
    /// Bytes of one.
    const SIZE: usize;
    /// Append the little-endian bytes.
    fn put(self, out: &mut Vec<u8>);
    /// Read from `SIZE` bytes.
    fn get(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($t:ty),*) => {$(
        impl Element for $t {
            const SIZE: usize = size_of::<$t>();
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Self {
                let mut le = [0; size_of::<$t>()];
                le.copy_from_slice(bytes);
                <$t>::from_le_bytes(le)
            }
        }
    )*};
}

element!(u8, u32, i32, u64, i64, f32, f64);

/// Device memory, and the place where kernels run.
#[derive(Default, Debug)]
pub struct Device {
    memory: Memory,
    epoch: u32,
}

fn host<T>(address: u64, detail: String) -> Result<T, Fault> {
    let kernel = String::new();
    Err(Fault { kind: FaultKind::Host, kernel, line: 0, block: [0; 3], thread: [0; 3], address, detail })
}

impl Device {
    /// A device with nothing allocated.
    pub fn new() -> Device {
        Device::default()
    }

    /// Fresh, uninitialised memory, aligned to 256 bytes and far from every other allocation. Addresses are never
    /// used again. At most 2 GiB.
    pub fn alloc(&mut self, bytes: usize) -> Result<Ptr, Fault> {
        match self.memory.alloc(bytes as u64) {
            Some(p) => Ok(Ptr(p)),
            None => host(0, format!("{bytes} bytes in one allocation")),
        }
    }

    /// Give an allocation back; every later use of it is a fault.
    pub fn free(&mut self, p: Ptr) -> Result<(), Fault> {
        self.memory.free(p.0).or_else(|why| host(p.0, why))
    }

    /// Number of live allocations.
    pub fn allocations(&self) -> usize {
        self.memory.live()
    }

    /// Copy from the host.
    pub fn write(&mut self, p: Ptr, bytes: &[u8]) -> Result<(), Fault> {
        let (slot, off) = self.memory.locate(p.0, bytes.len()).or_else(|why| host(p.0, why))?;
        if let Some(bank) = self.memory.bank(slot) {
            bank.write(off, bytes);
        }
        Ok(())
    }

    /// Copy to the host; bytes that were never written are a fault.
    pub fn read(&mut self, p: Ptr, out: &mut [u8]) -> Result<(), Fault> {
        let (slot, off) = self.memory.locate(p.0, out.len()).or_else(|why| host(p.0, why))?;
        let Some(bank) = self.memory.bank(slot) else {
            return host(p.0, "no allocation".into());
        };
        if let Some(at) = bank.uninit(off, out.len()) {
            let mut f = host::<()>(p.0 + (at - off) as u64, format!("byte {} was never written", at - off));
            if let Err(f) = &mut f {
                f.kind = FaultKind::UninitMemory;
            }
            return f;
        }
        out.copy_from_slice(&bank.data[off..off + out.len()]);
        Ok(())
    }

    /// Copy within the device, uninitialised bytes and all.
    pub fn copy(&mut self, to: Ptr, from: Ptr, bytes: usize) -> Result<(), Fault> {
        let (a, x) = self.memory.locate(from.0, bytes).or_else(|why| host(from.0, why))?;
        let (b, y) = self.memory.locate(to.0, bytes).or_else(|why| host(to.0, why))?;
        let Some(source) = self.memory.bank(a) else {
            return host(from.0, "no allocation".into());
        };
        let data = source.data[x..x + bytes].to_vec();
        let known: Vec<bool> = (x..x + bytes).map(|i| source.uninit(i, 1).is_none()).collect();
        if let Some(target) = self.memory.bank(b) {
            target.write(y, &data);
            for (i, _) in known.iter().enumerate().filter(|(_, k)| !**k) {
                target.mark(y + i, 1, false);
            }
        }
        Ok(())
    }

    /// Allocate and fill.
    pub fn upload<T: Element>(&mut self, values: &[T]) -> Result<Ptr, Fault> {
        let mut bytes = Vec::with_capacity(values.len() * T::SIZE);
        values.iter().for_each(|v| v.put(&mut bytes));
        let p = self.alloc(bytes.len())?;
        self.write(p, &bytes)?;
        Ok(p)
    }

    /// Read `n` values.
    pub fn download<T: Element>(&mut self, p: Ptr, n: usize) -> Result<Vec<T>, Fault> {
        let mut bytes = vec![0; n * T::SIZE];
        self.read(p, &mut bytes)?;
        Ok(bytes.chunks_exact(T::SIZE).map(T::get).collect())
    }

    /// Run a kernel to its end. The first fault stops it; memory then holds what was written until there.
    pub fn launch(&mut self, m: &Module, kernel: &str, c: &LaunchConfig, args: &[Arg]) -> Result<Stats, Fault> {
        let Some(k) = m.kernel(kernel) else {
            let mut f = host(0, "the module has no such kernel".into());
            if let Err(f) = &mut f {
                (f.kind, f.kernel) = (FaultKind::Launch, kernel.into());
            }
            return f;
        };
        self.epoch += 1;
        launch::launch(k, &m.constants, &mut self.memory, self.epoch, c, args)
    }
}
