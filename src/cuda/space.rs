//! Vectors in device memory.

use super::buffer::Buffer;
use super::device::Device;
use crate::error::check_len;
use crate::solve::{Points, Space};
use crate::{Error, Result, Scalar, cpu};

/// Vectors of `len` elements in the memory of a device.
///
/// Operations that cannot return an error leave it to the next one that can; an inner product is NaN after an error. Norms are
/// roots of inner products: those of f64 vectors overflow above 1e154, and lose digits below 1e-154.
#[derive(Debug, Clone)]
pub struct DeviceSpace {
    device: Device,
    len: usize,
}

impl DeviceSpace {
    /// On the device given.
    pub fn new(device: &Device, len: usize) -> DeviceSpace {
        DeviceSpace { device: device.clone(), len }
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl<T: Scalar> Space<T> for DeviceSpace {
    type Vector = Buffer<T>;

    fn len(&self) -> usize {
        self.len
    }

    fn zeros(&self) -> Buffer<T> {
        Buffer::zeros(&self.device, self.len)
    }

    fn load(&self, from: &[T], to: &mut Buffer<T>) -> Result<()> {
        to.load(from)
    }

    fn store(&self, from: &Buffer<T>, to: &mut [T]) -> Result<()> {
        from.store(to)
    }

    fn copy(&self, from: &Buffer<T>, to: &mut Buffer<T>) {
        self.device.assign(from.all(), to.all());
    }

    fn scale(&self, a: T, x: &mut Buffer<T>) {
        self.device.scale(a, x.all());
    }

    fn axpy(&self, a: T, x: &Buffer<T>, y: &mut Buffer<T>) {
        self.device.axpy(a, x.all(), y.all());
    }

    fn dot(&self, x: &Buffer<T>, y: &Buffer<T>) -> f64 {
        self.device.dot(x.all(), y.all()).unwrap_or(f64::NAN)
    }

    fn neumann_update(&self, alpha: T, hp: &Buffer<T>, p: &mut Buffer<T>, q: &mut Buffer<T>) -> f64 {
        self.device.neumann_update(alpha, hp.all(), p.all(), q.all()).unwrap_or(f64::NAN)
    }
}

impl<T: Scalar> Points<T> for DeviceSpace {
    fn check(&self, argument: &'static str, x: &Buffer<T>) -> Result<()> {
        check_len(argument, x.len(), self.len)?;
        match self.device.nonfinite(x.all())? {
            None => Ok(()),
            Some((index, found)) => Err(Error::NonFinite { argument, index, found }),
        }
    }

    fn adam(
        &self,
        rule: &cpu::Adam,
        t: u64,
        g: &Buffer<T>,
        first: &mut Buffer<T>,
        second: &mut Buffer<T>,
        x: &mut Buffer<T>,
    ) {
        self.device.adam("adam", rule, t, &[g.all(), first.all(), second.all(), x.all()]);
    }

    fn adam_vjp(
        &self,
        rule: &cpu::Adam,
        t: u64,
        after: [&Buffer<T>; 3],
        adjoint_x: &Buffer<T>,
        adjoints: [&mut Buffer<T>; 3],
    ) {
        let ([g, m, s], [dm, ds, dg]) = (after.map(Buffer::all), adjoints.map(|buffer| buffer.all()));
        self.device.adam("adam_vjp", rule, t, &[g, m, s, adjoint_x.all(), dm, ds, dg]);
    }

    fn adam_jvp(
        &self,
        rule: &cpu::Adam,
        t: u64,
        after: [&Buffer<T>; 3],
        tangent_gradient: &Buffer<T>,
        tangents: [&mut Buffer<T>; 3],
    ) {
        let ([g, m, s], [tm, ts, tx]) = (after.map(Buffer::all), tangents.map(|buffer| buffer.all()));
        self.device.adam("adam_jvp", rule, t, &[g, m, s, tangent_gradient.all(), tm, ts, tx]);
    }

    fn clamp(&self, lower: f64, upper: f64, x: &mut Buffer<T>) {
        self.device.clamp(T::from_f64(lower), T::from_f64(upper), x.all());
    }
}
