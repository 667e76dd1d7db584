//! Handles: tagged boxes with a state, so that misuse is a status.

use super::args::not_null;
use super::guard::{Done, Fail, contain};
use crate::error::invalid;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering, fence};
use std::thread::panicking;

const IDLE: u8 = 0;
const BUSY: u8 = 1;
const POISONED: u8 = 2;
/// Destroyed, but there is a call that uses it, or a tensor that shows a part of it; the last one frees it.
const DOOMED: u8 = 3;

/// What is behind a pointer of type `Self`, which exists for the header only.
pub(super) trait Opaque {
    /// What the handle owns.
    type Value;
    /// Tells handles of different types apart.
    const TAG: u64;
}

/// A handle in memory. In C's order: the tag is read before it is known what V is.
#[repr(C)]
struct Handle<V> {
    tag: u64,
    state: AtomicU8,
    /// Who keeps it in memory: the caller until it is destroyed, a call, each tensor.
    users: AtomicUsize,
    value: UnsafeCell<V>,
}

/// Puts a new handle into its place; NULL after an error.
///
/// # Safety
///
/// `place` is null or writable.
pub(super) unsafe fn create<H: Opaque>(
    argument: &'static str,
    place: *mut *mut H,
    body: impl FnOnce() -> Done<H::Value>,
) -> Done {
    not_null(argument, place)?;
    // SAFETY: not null.
    unsafe { place.write(ptr::null_mut()) };
    let value = UnsafeCell::new(body()?);
    let handle = Handle { tag: H::TAG, state: AtomicU8::new(IDLE), users: AtomicUsize::new(1), value };
    // SAFETY: not null.
    unsafe { place.write(Box::into_raw(Box::new(handle)).cast()) };
    Ok(())
}

/// Ends a handle and sets its place to NULL. A call that is using it goes on; what it shows in tensors stays with them.
///
/// # Safety
///
/// `place` is null or the place of a handle, which is null or living.
pub(super) unsafe fn destroy<H: Opaque>(place: *mut *mut H) {
    // A panic in a destructor has nobody to be told to.
    let _ = contain(|| {
        if place.is_null() {
            return;
        }
        // SAFETY: not null, so the place of a handle.
        let pointer = unsafe { place.replace(ptr::null_mut()) }.cast::<Handle<H::Value>>();
        if pointer.is_null() {
            return;
        }
        // SAFETY: not null, so living. A handle of another type is left alone.
        let ended = unsafe { (*pointer).tag == H::TAG && (*pointer).state.swap(DOOMED, Ordering::AcqRel) != DOOMED };
        if ended {
            // SAFETY: made by `create`; the caller's use of it ends here.
            unsafe { leave(pointer) };
        }
    });
}

/// One user less; the last one frees it.
///
/// # Safety
///
/// The handle was made by `create`, and the caller is one of its users.
unsafe fn leave<V>(pointer: *mut Handle<V>) {
    // SAFETY: as the caller vouches. The tag goes first, so that a pointer kept too long may be noticed.
    unsafe {
        if (*pointer).users.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            (*pointer).tag = 0;
            drop(Box::from_raw(pointer));
        }
    }
}

/// Keeps a handle's value in memory, also after the handle was destroyed.
pub(super) struct Kept<V>(NonNull<Handle<V>>);

impl<V> Drop for Kept<V> {
    fn drop(&mut self) {
        // SAFETY: a user of it until now.
        unsafe { leave(self.0.as_ptr()) };
    }
}

/// # Safety
///
/// `pointer` is null, or points to a living handle of any type.
unsafe fn checked<H: Opaque>(argument: &'static str, pointer: *const H) -> Done<NonNull<Handle<H::Value>>> {
    let Some(handle) = NonNull::new(pointer.cast_mut().cast::<Handle<H::Value>>()) else {
        return Err(crate::Error::Null { argument }.into());
    };
    if !handle.is_aligned() {
        return Err(invalid(argument, "an address that is no handle's", "a handle").into());
    }
    // SAFETY: the tag comes first in handles of all types.
    if unsafe { (*handle.as_ptr()).tag } != H::TAG {
        return Err(invalid(argument, "a handle of another type", "one of this type").into());
    }
    Ok(handle)
}

/// The value of a handle that is never changed, for any number of threads.
///
/// # Safety
///
/// `pointer` is null, or points to a living handle of any type, whose value is never borrowed mutably if it is of this one.
pub(super) unsafe fn share<H: Opaque<Value: Clone>>(argument: &'static str, pointer: *const H) -> Done<H::Value> {
    // SAFETY: as the caller vouches.
    unsafe { Ok((*checked(argument, pointer)?.as_ref().value.get()).clone()) }
}

/// The only user of a handle, until it is dropped.
pub(super) struct Entered<V> {
    handle: NonNull<Handle<V>>,
    /// Whether the thread was already unwinding.
    unwinding: bool,
}

/// Takes a handle for a call.
///
/// # Safety
///
/// `pointer` is null, or points to a living handle of any type.
pub(super) unsafe fn enter<H: Opaque>(argument: &'static str, pointer: *const H) -> Done<Entered<H::Value>> {
    // SAFETY: as the caller vouches.
    let handle = unsafe { checked(argument, pointer) }?;
    // SAFETY: living.
    let Handle { state, users, .. } = unsafe { handle.as_ref() };
    // Before the state is asked, so that a destruction at this moment leaves it to us.
    users.fetch_add(1, Ordering::Relaxed);
    let refusal = match state.compare_exchange(IDLE, BUSY, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => return Ok(Entered { handle, unwinding: panicking() }),
        Err(POISONED) => Fail::Poisoned(argument),
        Err(_) => Fail::Busy(argument),
    };
    drop(Kept(handle));
    Err(refusal)
}

impl<V> Entered<V> {
    /// Keeps the value in memory after the call, too.
    pub fn keep(&self) -> Kept<V> {
        // SAFETY: living.
        unsafe { self.handle.as_ref() }.users.fetch_add(1, Ordering::Relaxed);
        Kept(self.handle)
    }
}

impl<V> Deref for Entered<V> {
    type Target = V;

    fn deref(&self) -> &V {
        // SAFETY: the state says that there is no other user.
        unsafe { &*self.handle.as_ref().value.get() }
    }
}

impl<V> DerefMut for Entered<V> {
    fn deref_mut(&mut self) -> &mut V {
        // SAFETY: the state says that there is no other user.
        unsafe { &mut *self.handle.as_ref().value.get() }
    }
}

impl<V> Drop for Entered<V> {
    fn drop(&mut self) {
        let after = if panicking() && !self.unwinding { POISONED } else { IDLE };
        // SAFETY: living, as we use it until now.
        unsafe {
            // Not if it was destroyed meanwhile: nobody may enter it again.
            let _ = self.handle.as_ref().state.compare_exchange(BUSY, after, Ordering::AcqRel, Ordering::Acquire);
            leave(self.handle.as_ptr());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::ffi::guard::guard;
    use crate::ffi::status::*;

    struct Counter;

    impl Opaque for Counter {
        type Value = std::rc::Rc<()>;
        const TAG: u64 = 7;
    }

    #[test]
    fn the_tag_comes_first_whatever_follows() {
        use std::mem::offset_of;
        assert_eq!(
            [offset_of!(Handle<u8>, tag), offset_of!(Handle<[u64; 9]>, tag), offset_of!(Handle<u128>, tag)],
            [0; 3]
        );
    }

    #[test]
    fn busy_poisoned_and_doomed() {
        let (kept, mut place) = (std::rc::Rc::new(()), ptr::null_mut::<Counter>());
        // SAFETY: a living handle, and its place.
        unsafe {
            create("x", &mut place, || Ok(kept.clone())).unwrap();
            let first = enter("x", place).unwrap();
            assert_eq!(guard(|| enter("x", place).map(|_| ())), BLO_ERR_BUSY);
            drop(first);
            let status = guard(|| {
                let _used = enter("x", place)?;
                panic!("planted")
            });
            assert_eq!((status, guard(|| enter("x", place).map(|_| ()))), (BLO_ERR_PANIC, BLO_ERR_POISONED));
            destroy(&mut place);
            assert_eq!(std::rc::Rc::strong_count(&kept), 1);
            create("x", &mut place, || Ok(kept.clone())).unwrap();
            let used = enter("x", place).unwrap();
            destroy(&mut place);
            assert!(place.is_null() && std::rc::Rc::strong_count(&kept) == 2);
            drop(used);
            assert_eq!(std::rc::Rc::strong_count(&kept), 1);
            create("x", &mut place, || Ok(kept.clone())).unwrap();
            let [first, second] = [(); 2].map(|()| enter("x", place).unwrap().keep());
            assert_eq!(guard(|| enter("x", place).map(|_| ())), BLO_OK);
            destroy(&mut place);
            drop(first);
            assert_eq!(std::rc::Rc::strong_count(&kept), 2);
            drop(second);
            assert_eq!(std::rc::Rc::strong_count(&kept), 1);
        }
    }
}
