//! Tensors of DLPack in host memory: examples in, vectors out, without copies.
//!
//! # How they cross
//!
//! As `void *`, by the published layout. Two others were weighed:
//!
//! - *structs of its own in blo.h*: every C file that has both headers would cast between two names of one layout, and every
//!   reader of blo.h for another language would need their fields;
//! - *to include dlpack.h*: blo.h would no longer be all that a build needs, and would be tied to one version of it.
//!
//! A tensor comes from a framework and goes to one: callers have it as a pointer in a capsule, or with their own dlpack.h.

use super::args::{count, dimension, flag, not_null, read_struct, write_optional, write_struct};
use super::evaluate::Workspace;
use super::guard::{Done, contain, guard};
use super::handle::{Entered, Kept, Opaque, enter};
use super::problem::ExampleRows;
use super::runner::Runner;
use super::status::Status;
use crate::error::invalid;
use crate::{Error, Result, Scalar};
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

/// vector: u, where the runner is. Not of a workspace, to which u is given.
pub const BLO_VECTOR_U: i32 = 0;
/// vector: w, where the runner is. Not of a workspace, to which w is given.
pub const BLO_VECTOR_W: i32 = 1;
/// vector: the hypergradient of the last call that made one.
pub const BLO_VECTOR_HYPERGRADIENT: i32 = 2;

// The layout that dlpack.h publishes, in version 1.

/// `kDLCPU`.
pub(super) const CPU: i32 = 1;
/// `kDLCUDA`.
pub(super) const CUDA: i32 = 2;
/// `kDLFloat`.
const FLOAT: u8 = 2;
/// The most dimensions that are believed, NumPy's limit: above it a shape was not initialised.
const DIMENSIONS: i32 = 64;
/// `DLPACK_MAJOR_VERSION`.
const MAJOR: u32 = 1;
/// `DLPACK_FLAG_BITMASK_READ_ONLY`.
const READ_ONLY: u64 = 1;

/// `DLTensor`, with `DLDevice` and `DLDataType`.
#[repr(C)]
pub(super) struct Tensor {
    data: *mut c_void,
    device_type: i32,
    device_id: i32,
    ndim: i32,
    code: u8,
    bits: u8,
    lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`.
#[repr(C)]
pub(super) struct Unversioned {
    tensor: Tensor,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Unversioned)>,
}

/// `DLManagedTensorVersioned`.
#[repr(C)]
pub(super) struct Versioned {
    major: u32,
    minor: u32,
    manager_ctx: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Versioned)>,
    flags: u64,
    tensor: Tensor,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(Tensor, ndim) == 16 && offset_of!(Tensor, code) == 20 && offset_of!(Tensor, lanes) == 22);
    assert!(offset_of!(Tensor, shape) == 24 && offset_of!(Tensor, byte_offset) == 40 && size_of::<Tensor>() == 48);
    assert!(offset_of!(Unversioned, manager_ctx) == 48 && size_of::<Unversioned>() == 64);
    assert!(offset_of!(Versioned, deleter) == 16 && offset_of!(Versioned, flags) == 24);
    assert!(offset_of!(Versioned, tensor) == 32 && size_of::<Versioned>() == 80);
};

/// What errors call the parts of a tensor.
pub(super) struct Names {
    pub tensor: &'static str,
    pub version: &'static str,
    pub flags: &'static str,
    pub data: &'static str,
    pub device: &'static str,
    pub ndim: &'static str,
    pub dtype: &'static str,
    pub shape: &'static str,
    pub strides: &'static str,
}

macro_rules! names {
    ($tensor:literal) => {
        Names {
            tensor: $tensor,
            version: concat!($tensor, " version"),
            flags: concat!($tensor, " flags"),
            data: concat!($tensor, " data"),
            device: concat!($tensor, " device"),
            ndim: concat!($tensor, " ndim"),
            dtype: concat!($tensor, " dtype"),
            shape: concat!($tensor, " shape"),
            strides: concat!($tensor, " strides"),
        }
    };
}

pub(super) use names;

const DESIGN: Names = names!("design");
const TARGETS: Names = names!("targets");

/// A matrix, or a vector as its one column, without gaps.
struct View<T> {
    first: *const T,
    rows: i64,
    columns: i64,
}

impl Tensor {
    /// # Safety
    ///
    /// shape and strides are null or have as many elements as `ndim` says.
    unsafe fn view<T: Scalar>(&self, names: &Names, fewest: i32) -> Result<View<T>> {
        if self.device() != (CPU, 0) {
            return Err(invalid(names.device, told(self.device()), "type 1 number 0, the CPU"));
        }
        self.check_dtype::<T>(names)?;
        if self.ndim < fewest || self.ndim > 2 {
            let expected = if fewest == 2 { "2, a matrix" } else { "1 or 2, a vector or a matrix" };
            return Err(invalid(names.ndim, self.ndim, expected));
        }
        not_null(names.shape, self.shape)?;
        let read = |from: *mut i64, i: i32| {
            // SAFETY: there are two at least, or one where ndim is 1.
            if i < self.ndim { unsafe { from.add(i as usize).read_unaligned() } } else { 1 }
        };
        let (rows, columns) = (read(self.shape, 0), read(self.shape, 1));
        dimension(names.shape, rows)?;
        dimension(names.shape, columns)?;
        if !self.strides.is_null() {
            let strides = (read(self.strides, 0), read(self.strides, 1));
            // Where there is one element the stride has no meaning.
            if rows > 1 && strides.0 != columns || columns > 1 && strides.1 != 1 {
                let (found, expected) = match self.ndim {
                    1 => (format!("{}", strides.0), "1".to_owned()),
                    _ => (format!("{} and {}", strides.0, strides.1), format!("{columns} and 1")),
                };
                return Err(invalid(names.strides, found, format!("{expected}: rows without gaps")));
            }
        }
        Ok(View { first: self.first(names)?, rows, columns })
    }

    /// Its elements without gaps, of which there have to be `len`, in any shape.
    ///
    /// # Safety
    ///
    /// shape and strides are null or have as many elements as `ndim` says.
    unsafe fn vector<T: Scalar>(&self, names: &Names, len: usize) -> Result<*mut T> {
        self.check_dtype::<T>(names)?;
        if !(0..=DIMENSIONS).contains(&self.ndim) {
            return Err(invalid(names.ndim, self.ndim, format!("0 to {DIMENSIONS}")));
        }
        if self.ndim > 0 {
            not_null(names.shape, self.shape)?;
        }
        let ndim = self.ndim as usize;
        // SAFETY: below ndim, and not null.
        let read = |from: *mut i64, i: usize| unsafe { from.add(i).read_unaligned() };
        let mut found = 1_usize;
        for i in 0..ndim {
            let size = count(names.shape, read(self.shape, i))?;
            found = found.saturating_mul(size);
        }
        if found != len {
            return Err(Error::Shape { argument: names.tensor, found, expected: len });
        }
        if !self.strides.is_null() {
            let mut expected = 1;
            for i in (0..ndim).rev() {
                let (size, stride) = (read(self.shape, i), read(self.strides, i));
                // Where there is one element the stride has no meaning.
                if size > 1 && stride != expected {
                    let found = format!("{stride} in dimension {i}");
                    return Err(invalid(names.strides, found, format!("{expected}: row-major without gaps")));
                }
                expected *= size;
            }
        }
        self.first(names)
    }

    pub fn device(&self) -> (i32, i32) {
        (self.device_type, self.device_id)
    }

    fn check_dtype<T: Scalar>(&self, names: &Names) -> Result<()> {
        let bits = 8 * size_of::<T>() as u8;
        if (self.code, self.bits, self.lanes) != (FLOAT, bits, 1) {
            let found = format!("code {} with {} bits and {} lanes", self.code, self.bits, self.lanes);
            return Err(invalid(names.dtype, found, format!("code {FLOAT} with {bits} bits and 1 lane, floats")));
        }
        Ok(())
    }

    /// The address of the first element.
    fn first<T: Scalar>(&self, names: &Names) -> Result<*mut T> {
        not_null(names.data, self.data)?;
        let offset = usize::try_from(self.byte_offset).unwrap_or(usize::MAX);
        let first = self.data.cast::<u8>().wrapping_add(offset).cast::<T>();
        if !first.is_aligned() {
            let found = format!("{:p} + {}", self.data, self.byte_offset);
            return Err(invalid(names.data, found, format!("a multiple of {}", align_of::<T>())));
        }
        Ok(first)
    }
}

/// A device in a message.
pub(super) fn told((device_type, number): (i32, i32)) -> String {
    format!("type {device_type} number {number}")
}

/// A tensor of the caller's.
#[derive(Clone, Copy)]
pub(super) enum Managed {
    Unversioned(NonNull<Unversioned>),
    Versioned(NonNull<Versioned>),
}

impl Managed {
    /// # Safety
    ///
    /// `pointer` is null or points to a managed tensor, of the kind that `versioned` says.
    pub unsafe fn new(names: &Names, pointer: *mut c_void, versioned: bool) -> Result<Option<Managed>> {
        let Some(pointer) = NonNull::new(pointer) else { return Ok(None) };
        if pointer.align_offset(align_of::<Versioned>()) != 0 {
            return Err(invalid(names.tensor, format!("{pointer:p}"), "the address of a managed tensor"));
        }
        if !versioned {
            return Ok(Some(Managed::Unversioned(pointer.cast())));
        }
        let pointer = pointer.cast::<Versioned>();
        // SAFETY: as the caller vouches; these two come first in every version.
        let (major, minor) = unsafe { ((*pointer.as_ptr()).major, (*pointer.as_ptr()).minor) };
        if major != MAJOR {
            return Err(invalid(names.version, format!("{major}.{minor}"), format!("{MAJOR} with any minor number")));
        }
        Ok(Some(Managed::Versioned(pointer)))
    }

    /// # Safety
    ///
    /// The tensor has not been deleted.
    unsafe fn view<T: Scalar>(self, names: &Names, fewest: i32) -> Result<View<T>> {
        // SAFETY: as the caller vouches.
        unsafe { self.tensor().view(names, fewest) }
    }

    /// # Safety
    ///
    /// As `view`.
    pub unsafe fn vector<T: Scalar>(self, names: &Names, len: usize) -> Result<*mut T> {
        // SAFETY: as the caller vouches.
        unsafe { self.tensor().vector(names, len) }
    }

    /// # Safety
    ///
    /// As `view`.
    pub unsafe fn device(self) -> (i32, i32) {
        // SAFETY: as the caller vouches.
        unsafe { self.tensor().device() }
    }

    /// An error for a tensor that says that it is not to be written to.
    ///
    /// # Safety
    ///
    /// As `view`.
    pub unsafe fn check_writable(self, names: &Names) -> Result<()> {
        let Managed::Versioned(managed) = self else { return Ok(()) };
        // SAFETY: as the caller vouches.
        let flags = unsafe { managed.as_ref() }.flags;
        if flags & READ_ONLY == 0 {
            return Ok(());
        }
        Err(invalid(names.flags, format!("{flags}, a read-only tensor"), "one that may be written to"))
    }

    /// # Safety
    ///
    /// The tensor stays until the reference is gone.
    unsafe fn tensor<'a>(self) -> &'a Tensor {
        // SAFETY: as the caller vouches.
        unsafe {
            match self {
                Managed::Unversioned(managed) => &managed.as_ref().tensor,
                Managed::Versioned(managed) => &managed.as_ref().tensor,
            }
        }
    }

    /// # Safety
    ///
    /// The tensor has not been deleted, and is not looked at any more.
    unsafe fn delete(self) {
        // SAFETY: as the caller vouches. A tensor without a deleter needs none.
        unsafe {
            match self {
                Managed::Unversioned(managed) => {
                    if let Some(deleter) = managed.as_ref().deleter {
                        deleter(managed.as_ptr());
                    }
                }
                Managed::Versioned(managed) => {
                    if let Some(deleter) = managed.as_ref().deleter {
                        deleter(managed.as_ptr());
                    }
                }
            }
        }
    }
}

/// The tensors of one struct of examples.
type Pair = [Option<Managed>; 2];

/// The release of examples that are tensors.
unsafe extern "C" fn release_tensors(pair: *mut c_void) {
    let _ = contain(|| {
        // SAFETY: made below, and called once.
        let pair = unsafe { Box::from_raw(pair.cast::<Pair>()) };
        for managed in pair.into_iter().flatten() {
            // SAFETY: they were given to the examples.
            unsafe { managed.delete() };
        }
    });
}

/// Fills examples with DLPack tensors in host memory, to be lent to a problem without a copy: floats of this precision, without
/// gaps, read-only ones too.
///
/// - design [in]: (rows x features), or NULL where it is made from u: features is then to be set before
/// - targets [in]: (rows) or (rows x outputs), or NULL where they are made from u
/// - versioned [in]: 1 for a DLManagedTensorVersioned of version 1 (the capsule dltensor_versioned), 0 for a DLManagedTensor
/// - examples [in, out]: struct_size to be set; all else is set, release among it, but features without a design
///
/// After BLO_OK the tensors belong to the examples: release, called by the problem that they are lent to, calls their
/// deleters. Where no problem is created from them the caller calls examples.release(examples.release_data). One struct is for
/// one problem. After an error the tensors are still the caller's.
///
/// Errors: BLO_ERR_NULL, also if both tensors are NULL; BLO_ERR_INVALID with the part: version, device, dtype, ndim, shape,
/// strides, data (which is not aligned); BLO_ERR_SHAPE for another number of targets; BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_examples_from_dlpack_f64(
    design: *mut c_void,
    targets: *mut c_void,
    versioned: i32,
    examples: *mut ExampleRows<f64>,
) -> Status {
    // SAFETY: the caller vouches for tensors of the kind stated, and for a struct of the size in its first field.
    guard(|| unsafe { examples_from_dlpack(design, targets, versioned, examples) })
}

pub(super) unsafe fn examples_from_dlpack<T: Scalar>(
    design: *mut c_void,
    targets: *mut c_void,
    versioned: i32,
    examples: *mut ExampleRows<T>,
) -> Done {
    let versioned = flag("versioned", versioned)?;
    // SAFETY: zero bytes are a struct of null pointers and numbers.
    let none: ExampleRows<T> = unsafe { std::mem::zeroed() };
    // SAFETY: as the caller vouches.
    let (found, pair) = unsafe {
        let found = read_struct("examples", examples, none)?;
        (found, [Managed::new(&DESIGN, design, versioned)?, Managed::new(&TARGETS, targets, versioned)?])
    };
    let mut made = ExampleRows { struct_size: 0, features: found.features, ..none };
    // SAFETY: as the caller vouches.
    unsafe {
        if let Some(design) = pair[0] {
            let view = design.view::<T>(&DESIGN, 2)?;
            (made.rows, made.features, made.design) = (view.rows, view.columns, view.first);
        }
        if let Some(targets) = pair[1] {
            let view = targets.view::<T>(&TARGETS, 1)?;
            if pair[0].is_some() && view.rows != made.rows {
                let (found, expected) = (view.rows as usize, made.rows as usize);
                return Err(Error::Shape { argument: TARGETS.tensor, found, expected }.into());
            }
            (made.rows, made.targets) = (view.rows, view.first);
        }
    }
    if pair.iter().all(Option::is_none) {
        return Err(Error::Null { argument: "design and targets" }.into());
    }
    made.release = Some(release_tensors);
    made.release_data = Box::into_raw(Box::new(pair)).cast();
    // SAFETY: as the caller vouches.
    unsafe { write_struct(examples, found.struct_size as usize, &made) };
    Ok(())
}

/// A vector of a handle's, on loan, and what keeps it in memory.
struct Shown<V> {
    managed: Versioned,
    shape: i64,
    stride: i64,
    _kept: Kept<V>,
}

/// The deleter of what `show` makes.
unsafe extern "C" fn end<V>(managed: *mut Versioned) {
    let _ = contain(|| {
        let Some(managed) = NonNull::new(managed) else { return };
        // SAFETY: made by `show`, for this V, and deleted once.
        drop(unsafe { Box::from_raw(managed.as_ref().manager_ctx.cast::<Shown<V>>()) });
    });
}

/// A vector of a handle's as a tensor, which is read-only and keeps the handle's memory until it is deleted.
fn show<V, T: Scalar>(own: &Entered<V>, vector: &[T]) -> *mut c_void {
    let tensor = Tensor {
        data: vector.as_ptr().cast_mut().cast(),
        device_type: CPU,
        device_id: 0,
        ndim: 1,
        code: FLOAT,
        bits: 8 * size_of::<T>() as u8,
        lanes: 1,
        shape: null_mut(),
        strides: null_mut(),
        byte_offset: 0,
    };
    let (shape, stride, manager_ctx) = (vector.len() as i64, 1, null_mut());
    let managed = Versioned { major: MAJOR, minor: 0, manager_ctx, deleter: Some(end::<V>), flags: READ_ONLY, tensor };
    let shown = Box::into_raw(Box::new(Shown { managed, shape, stride, _kept: own.keep() }));
    // SAFETY: just made.
    unsafe {
        (*shown).managed.manager_ctx = shown.cast();
        (*shown).managed.tensor.shape = &raw mut (*shown).shape;
        (*shown).managed.tensor.strides = &raw mut (*shown).stride;
        (&raw mut (*shown).managed).cast()
    }
}

/// Enters a handle and shows one of its vectors.
///
/// # Safety
///
/// `handle` is null or living, and `place` null or writable.
unsafe fn show_one<H: Opaque, T: Scalar>(
    argument: &'static str,
    handle: *mut H,
    place: *mut *mut c_void,
    vector: impl FnOnce(&H::Value) -> Result<&[T]>,
) -> Done {
    not_null("tensor", place)?;
    // SAFETY: as the caller vouches.
    unsafe {
        write_optional(place, &[null_mut()]);
        let own = enter(argument, handle)?;
        let tensor = show(&own, vector(&own)?);
        write_optional(place, &[tensor]);
    }
    Ok(())
}

/// Shows a vector of a runner as a DLPack tensor, without a copy: a DLManagedTensorVersioned of version 1, read-only, of one
/// dimension.
///
/// - runner [in]: the runner
/// - vector [in]: one of BLO_VECTOR_
/// - tensor [out]: the tensor, NULL after an error; to be ended by its own deleter, on any thread
///
/// The numbers are the runner's, and change with its calls: read them between calls. They stay in memory, and with them all
/// that the runner holds, until the last such tensor has ended and the runner is destroyed, in any order. Allocates.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for vector; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_runner_tensor_f64(
    runner: *mut Runner<f64>,
    vector: i32,
    tensor: *mut *mut c_void,
) -> Status {
    // SAFETY: the caller vouches for a living handle and the place of a pointer.
    guard(|| unsafe { runner_tensor(runner, vector, tensor) })
}

pub(super) unsafe fn runner_tensor<T: Scalar>(runner: *mut Runner<T>, vector: i32, tensor: *mut *mut c_void) -> Done {
    let names = ["BLO_VECTOR_U", "BLO_VECTOR_W", "BLO_VECTOR_HYPERGRADIENT"];
    // SAFETY: as the caller vouches.
    unsafe {
        show_one("runner", runner, tensor, |own| {
            Ok(match super::args::choice("vector", vector, &names)? as i32 {
                BLO_VECTOR_U => own.run.u(),
                BLO_VECTOR_W => own.run.w(),
                _ => own.run.hypergradient(),
            })
        })
    }
}

/// As blo_runner_tensor_f64, of a workspace: its hypergradient, without the copy that blo_hypergradient_f64 makes.
///
/// - workspace [in]: the workspace
/// - vector [in]: BLO_VECTOR_HYPERGRADIENT
/// - tensor [out]: the tensor, NULL after an error; to be ended by its own deleter, on any thread
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for vector; BLO_ERR_BUSY. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_workspace_tensor_f64(
    workspace: *mut Workspace<f64>,
    vector: i32,
    tensor: *mut *mut c_void,
) -> Status {
    // SAFETY: the caller vouches for a living handle and the place of a pointer.
    guard(|| unsafe { workspace_tensor(workspace, vector, tensor) })
}

pub(super) unsafe fn workspace_tensor<T: Scalar>(
    workspace: *mut Workspace<T>,
    vector: i32,
    tensor: *mut *mut c_void,
) -> Done {
    // SAFETY: as the caller vouches.
    unsafe {
        show_one("workspace", workspace, tensor, |own| match vector {
            BLO_VECTOR_HYPERGRADIENT => Ok(&own.scratch.gradient()[..]),
            _ => {
                let expected =
                    format!("BLO_VECTOR_HYPERGRADIENT ({BLO_VECTOR_HYPERGRADIENT}), all that a workspace has");
                Err(invalid("vector", vector, expected))
            }
        })
    }
}
