//! A GPU beside the simulator: the same arrays and launches, and the same bits.

use ptxsim::{Arg, Ptr};
use std::collections::BTreeMap;

#[cfg(feature = "cuda")]
use cudarc::driver::sys;

/// Whether launches go to a GPU as well.
pub fn wanted() -> bool {
    std::env::var_os("BLO_REQUIRE_GPU").is_some()
}

/// The compute capability of the GPU.
#[cfg(feature = "cuda")]
pub fn capability() -> (i32, i32) {
    blo::cuda::Device::open(0).unwrap().compute_capability()
}

#[cfg(not(feature = "cuda"))]
pub fn capability() -> (i32, i32) {
    panic!("BLO_REQUIRE_GPU without the feature cuda")
}

/// An open device with the kernels of one type, and its copies of the simulator's arrays by their addresses there.
#[derive(Default)]
pub struct Hardware {
    #[cfg(feature = "cuda")]
    modules: Vec<sys::CUmodule>,
    arrays: BTreeMap<u64, (u64, usize)>,
    #[cfg(feature = "cuda")]
    device: Option<blo::cuda::Device>,
}

#[cfg(feature = "cuda")]
#[track_caller]
fn ok(code: sys::CUresult) {
    assert_eq!(code, sys::CUresult::CUDA_SUCCESS);
}

#[cfg(feature = "cuda")]
impl Hardware {
    pub fn open(texts: &[String]) -> Hardware {
        // Makes the context current on this thread, where it stays.
        let device = blo::cuda::Device::open(0).unwrap();
        device.synchronize().unwrap();
        let load = |text: &String| {
            let text = std::ffi::CString::new(text.as_str()).unwrap();
            let mut module = std::ptr::null_mut();
            // SAFETY: a text that ends with a NUL, on an open device.
            let code = unsafe {
                let none = std::ptr::null_mut();
                sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 0, none, std::ptr::null_mut())
            };
            ok(code);
            module
        };
        Hardware { modules: texts.iter().map(load).collect(), arrays: BTreeMap::new(), device: Some(device) }
    }

    /// The device's copy of a new array of the simulator.
    pub fn upload(&mut self, at: Ptr, bytes: &[u8]) {
        let mut address = 0;
        // SAFETY: room for as many bytes as are copied.
        unsafe {
            ok(sys::cuMemAlloc_v2(&mut address, bytes.len()));
            ok(sys::cuMemcpyHtoDAsync_v2(address, bytes.as_ptr().cast(), bytes.len(), std::ptr::null_mut()));
            ok(sys::cuStreamSynchronize(std::ptr::null_mut()));
        }
        self.arrays.insert(at.0, (address, bytes.len()));
    }

    pub fn download(&self, at: Ptr, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // SAFETY: the array is as long.
        unsafe {
            let from = self.address(at);
            ok(sys::cuMemcpyDtoHAsync_v2(bytes.as_mut_ptr().cast(), from, len, std::ptr::null_mut()));
            ok(sys::cuStreamSynchronize(std::ptr::null_mut()));
        }
        bytes
    }

    /// Where an address of the simulator is on the device.
    fn address(&self, at: Ptr) -> u64 {
        let (base, (address, len)) = self.arrays.range(..=at.0).next_back().expect("an address of no array");
        assert!(at.0 - base <= *len as u64, "an address behind its array");
        address + (at.0 - base)
    }

    pub fn launch(&self, name: &str, grid: [u32; 3], args: &[Arg]) {
        let named = std::ffi::CString::new(name).unwrap();
        let mut function = std::ptr::null_mut();
        // SAFETY: the modules are loaded.
        let found = self.modules.iter().any(|module| unsafe {
            sys::cuModuleGetFunction(&mut function, *module, named.as_ptr()) == sys::CUresult::CUDA_SUCCESS
        });
        assert!(found, "no kernel {name}");
        let bits = |arg: &Arg| match arg {
            Arg::U32(value) => u64::from(*value),
            Arg::I32(value) => u64::from(*value as u32),
            Arg::U64(value) => *value,
            Arg::I64(value) => *value as u64,
            Arg::F32(value) => u64::from(value.to_bits()),
            Arg::F64(value) => value.to_bits(),
            Arg::Ptr(at) if at.0 == 0 => 0,
            Arg::Ptr(at) => self.address(*at),
            other => panic!("an argument {other:?}"),
        };
        let mut values: Vec<u64> = args.iter().map(bits).collect();
        let mut places: Vec<_> = values.iter_mut().map(|value| std::ptr::from_mut(value).cast()).collect();
        // SAFETY: the simulator has checked the arguments' types and what the kernel does with them.
        unsafe {
            let [x, y, z] = grid;
            let (stream, none) = (std::ptr::null_mut(), std::ptr::null_mut());
            ok(sys::cuLaunchKernel(function, x, y, z, 256, 1, 1, 0, stream, places.as_mut_ptr(), none));
            ok(sys::cuStreamSynchronize(stream));
        }
    }
}

#[cfg(feature = "cuda")]
impl Drop for Hardware {
    fn drop(&mut self) {
        // SAFETY: nothing runs any more; codes have no one to go to.
        unsafe {
            for (address, _) in self.arrays.values() {
                sys::cuMemFree_v2(*address);
            }
            for module in &self.modules {
                sys::cuModuleUnload(*module);
            }
        }
        self.device = None;
    }
}

#[cfg(not(feature = "cuda"))]
impl Hardware {
    pub fn open(_: &[String]) -> Hardware {
        panic!("BLO_REQUIRE_GPU without the feature cuda")
    }

    pub fn upload(&mut self, at: Ptr, bytes: &[u8]) {
        self.arrays.insert(at.0, (0, bytes.len()));
    }

    pub fn download(&self, _: Ptr, _: usize) -> Vec<u8> {
        Vec::new()
    }

    pub fn launch(&self, _: &str, _: [u32; 3], _: &[Arg]) {}
}
