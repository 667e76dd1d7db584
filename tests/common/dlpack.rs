//! The structs of dlpack.h (version 1), written down again: what a framework would hand over.
#![allow(dead_code)]

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DLDevice {
    pub device_type: i32,
    pub device_id: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DLDataType {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct DLTensor {
    pub data: *mut c_void,
    pub device: DLDevice,
    pub ndim: i32,
    pub dtype: DLDataType,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

#[repr(C)]
pub struct DLManagedTensor {
    pub dl_tensor: DLTensor,
    pub manager_ctx: *mut c_void,
    pub deleter: Option<unsafe extern "C" fn(*mut DLManagedTensor)>,
}

#[repr(C)]
pub struct DLManagedTensorVersioned {
    pub major: u32,
    pub minor: u32,
    pub manager_ctx: *mut c_void,
    pub deleter: Option<unsafe extern "C" fn(*mut DLManagedTensorVersioned)>,
    pub flags: u64,
    pub dl_tensor: DLTensor,
}

unsafe extern "C" fn count_unversioned(managed: *mut DLManagedTensor) {
    // SAFETY: the context is a counter that outlives the tensor.
    unsafe { (*(*managed).manager_ctx.cast::<AtomicUsize>()).fetch_add(1, Ordering::SeqCst) };
}

unsafe extern "C" fn count_versioned(managed: *mut DLManagedTensorVersioned) {
    // SAFETY: as above.
    unsafe { (*(*managed).manager_ctx.cast::<AtomicUsize>()).fetch_add(1, Ordering::SeqCst) };
}

/// A tensor in host memory without strides, whose data and shape outlive it.
pub fn tensor<T>(data: &[T], shape: &mut [i64]) -> DLTensor {
    DLTensor {
        data: data.as_ptr().cast_mut().cast(),
        device: DLDevice { device_type: 1, device_id: 0 },
        ndim: shape.len() as i32,
        dtype: DLDataType { code: 2, bits: 8 * size_of::<T>() as u8, lanes: 1 },
        shape: shape.as_mut_ptr(),
        strides: null_mut(),
        byte_offset: 0,
    }
}

/// Managed, with a deleter that counts.
pub fn versioned(dl_tensor: DLTensor, deleted: &AtomicUsize) -> DLManagedTensorVersioned {
    let manager_ctx = std::ptr::from_ref(deleted).cast_mut().cast();
    let deleter = Some(count_versioned as unsafe extern "C" fn(*mut DLManagedTensorVersioned));
    DLManagedTensorVersioned { major: 1, minor: 1, manager_ctx, deleter, flags: 1, dl_tensor }
}

pub fn unversioned(dl_tensor: DLTensor, deleted: &AtomicUsize) -> DLManagedTensor {
    let manager_ctx = std::ptr::from_ref(deleted).cast_mut().cast();
    DLManagedTensor { dl_tensor, manager_ctx, deleter: Some(count_unversioned) }
}
