//! Device memory: allocations in a sparse 64-bit space, with a bit per byte that tells whether it was ever written.

use crate::shadow::Shadow;

/// Number of the first allocation's 4 GiB slot; an address is `slot << 32 | offset`, so neighbours are far apart and
/// an address tells its allocation.
const FIRST_SLOT: u64 = 0x100;
/// Where in its slot an allocation begins, so that a small negative offset stays in the slot.
const START: u64 = 0x0100_0000;
/// Slot of the shared window in generic addresses.
pub(crate) const SHARED_SLOT: u64 = 0x10;
/// Slot of the constant window.
pub(crate) const CONST_SLOT: u64 = 0x11;
/// Largest allocation.
const MAX: u64 = 1 << 31;

/// Bytes with their initialised bits and shadow.
#[derive(Default, Debug)]
pub(crate) struct Bank {
    pub data: Vec<u8>,
    init: Vec<u8>,
    pub shadow: Shadow,
}

impl Bank {
    pub fn new(size: usize) -> Bank {
        Bank { data: vec![0xa5; size], init: vec![0; size.div_ceil(8)], shadow: Shadow::default() }
    }

    /// Back to uninitialised, with another size.
    pub fn reset(&mut self, size: usize) {
        self.data.clear();
        self.data.resize(size, 0xa5);
        self.init.clear();
        self.init.resize(size.div_ceil(8), 0);
    }

    /// First byte of the range that was never written.
    #[inline]
    pub fn uninit(&self, off: usize, size: usize) -> Option<usize> {
        // A naturally aligned access of up to 8 bytes lies within one byte of the bitmap.
        if size == 0 {
            return None;
        }
        if size <= 8 && off % 8 + size <= 8 {
            let want = ((1u32 << size) - 1) as u8;
            if (self.init[off / 8] >> (off % 8)) & want == want {
                return None;
            }
        }
        (off..off + size).find(|&i| self.init[i / 8] >> (i % 8) & 1 == 0)
    }

    #[inline]
    pub fn mark(&mut self, off: usize, size: usize, init: bool) {
        if init && (1..=8).contains(&size) && off % 8 + size <= 8 {
            self.init[off / 8] |= (((1u32 << size) - 1) as u8) << (off % 8);
            return;
        }
        for i in off..off + size {
            if i % 8 == 0 && i + 8 <= off + size {
                self.init[i / 8] = if init { 0xff } else { 0 };
            }
            let bit = 1 << (i % 8);
            if init {
                self.init[i / 8] |= bit;
            } else {
                self.init[i / 8] &= !bit;
            }
        }
    }

    pub fn write(&mut self, off: usize, bytes: &[u8]) {
        self.data[off..off + bytes.len()].copy_from_slice(bytes);
        self.mark(off, bytes.len(), true);
    }
}

/// Everything that was allocated.
#[derive(Default, Debug)]
pub(crate) struct Memory {
    slots: Vec<Option<Bank>>,
}

impl Memory {
    /// Address of a fresh allocation; `None` if the size is beyond 2 GiB.
    pub fn alloc(&mut self, size: u64) -> Option<u64> {
        if size > MAX {
            return None;
        }
        self.slots.push(Some(Bank::new(size as usize)));
        Some(((FIRST_SLOT + self.slots.len() as u64 - 1) << 32) + START)
    }

    pub fn free(&mut self, address: u64) -> Result<(), String> {
        let (slot, off) = self.locate(address, 0)?;
        if off != 0 {
            return Err(format!("{off} bytes into an allocation"));
        }
        self.slots[slot] = None;
        Ok(())
    }

    /// Slot and offset of a range that lies within one live allocation.
    #[inline]
    pub fn locate(&self, address: u64, size: usize) -> Result<(usize, usize), String> {
        let slot = (address >> 32).wrapping_sub(FIRST_SLOT) as usize;
        let off = (address & 0xffff_ffff).wrapping_sub(START);
        match self.slots.get(slot) {
            Some(Some(bank)) if off.saturating_add(size as u64) <= bank.data.len() as u64 => Ok((slot, off as usize)),
            other => Err(explain(other, off, size)),
        }
    }

    #[inline]
    pub fn bank(&mut self, slot: usize) -> Option<&mut Bank> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Live allocations.
    pub fn live(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}

#[cold]
fn explain(slot: Option<&Option<Bank>>, off: u64, size: usize) -> String {
    match slot {
        None => "not an address of any allocation".into(),
        Some(None) => "the allocation was freed".into(),
        Some(Some(bank)) => {
            let (off, n) = (off as i64, bank.data.len());
            format!("{size} bytes at offset {off} of an allocation of {n} bytes")
        }
    }
}
