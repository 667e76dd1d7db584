//! Arrays in device memory.

use super::device::{Arg, Device};
use crate::error::check_len;
use crate::{Result, Scalar};
use std::marker::PhantomData;
use std::ops::Range;

/// An array in the memory of a [`Device`].
#[derive(Debug)]
pub struct Buffer<T: Scalar> {
    device: Device,
    address: u64,
    len: usize,
    /// Whether the memory is another's.
    lent: bool,
    scalar: PhantomData<T>,
}

/// A part of a buffer, as kernels take it. Kernels may write to it whoever else holds it: the order of launches is the order of
/// effects, as all are on one stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<T> {
    pub address: u64,
    pub len: usize,
    scalar: PhantomData<T>,
}

impl<T: Scalar> Buffer<T> {
    /// Zeros. Where memory does not suffice the device keeps the error, and every later call returns it.
    pub(super) fn zeros(device: &Device, len: usize) -> Buffer<T> {
        let address = device.allocate(len.saturating_mul(size_of::<T>()));
        Buffer { device: device.clone(), address, len, lent: false, scalar: PhantomData }
    }

    /// Memory of the caller's, which is not freed; when the buffer is gone all work on it is done.
    ///
    /// # Safety
    ///
    /// `address` is a multiple of `T`'s size, with `len` elements in this device's memory that stay there as long as the
    /// buffer. Others work on them only in ways that may come before or after all that is launched with the buffer.
    pub(crate) unsafe fn lent(device: &Device, address: u64, len: usize) -> Buffer<T> {
        Buffer { device: device.clone(), address, len, lent: true, scalar: PhantomData }
    }

    pub(super) fn from_slice(device: &Device, values: &[T]) -> Result<Buffer<T>> {
        let buffer = Buffer::zeros(device, values.len());
        buffer.load(values)?;
        Ok(buffer)
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The address in the device's memory, for kernels of the caller's own.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The bytes of device memory.
    pub(super) fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn load(&self, from: &[T]) -> Result<()> {
        check_len("vector", from.len(), self.len)?;
        self.device.upload(from, self.address)
    }

    pub(super) fn store(&self, to: &mut [T]) -> Result<()> {
        check_len("vector", to.len(), self.len)?;
        self.device.download(self.address, to)
    }

    pub(super) fn all(&self) -> View<T> {
        View { address: self.address, len: self.len, scalar: PhantomData }
    }

    /// The elements of a range.
    pub(super) fn part(&self, range: Range<usize>) -> View<T> {
        self.all().part(range)
    }
}

impl<T: Scalar> View<T> {
    /// No array: what optional parameters of kernels are given.
    pub fn none() -> View<T> {
        View { address: 0, len: 0, scalar: PhantomData }
    }

    pub fn part(self, range: Range<usize>) -> View<T> {
        debug_assert!(range.start <= range.end && range.end <= self.len);
        let address = self.address + (range.start * size_of::<T>()) as u64;
        View { address, len: range.end - range.start, scalar: PhantomData }
    }

    /// The first elements.
    pub fn first(self, len: usize) -> View<T> {
        self.part(0..len)
    }

    pub fn arg(self) -> Arg {
        Arg::U64(self.address)
    }
}

impl<T: Scalar> Drop for Buffer<T> {
    fn drop(&mut self) {
        if self.lent {
            self.device.settle();
        } else {
            self.device.free(self.address);
        }
    }
}
