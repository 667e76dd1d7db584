//! What stands between a C caller and a Rust body: panics are contained, errors become a status and a message.

use super::status::{BLO_ERR_BUSY, BLO_ERR_PANIC, BLO_ERR_POISONED, BLO_OK, Status};
use crate::Error;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(panic = "abort")]
compile_error!("the C interface contains panics, which needs panic = \"unwind\"");

thread_local! {
    static LAST_MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Why a call failed: what the library says, or what only handles can say.
#[derive(Debug)]
pub(super) enum Fail {
    Library(Error),
    /// Another call is using the handle.
    Busy(&'static str),
    /// A panic left the handle half-done.
    Poisoned(&'static str),
}

/// The result of a body.
pub(super) type Done<V = ()> = std::result::Result<V, Fail>;

impl From<Error> for Fail {
    fn from(error: Error) -> Fail {
        Fail::Library(error)
    }
}

impl Fail {
    fn status(&self) -> Status {
        match self {
            Fail::Library(error) => error.status(),
            Fail::Busy(_) => BLO_ERR_BUSY,
            Fail::Poisoned(_) => BLO_ERR_POISONED,
        }
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fail::Library(error) => error.fmt(f),
            Fail::Busy(argument) => {
                write!(f, "{argument}: found a handle that another call is using, expected a free one")
            }
            Fail::Poisoned(argument) => {
                write!(f, "{argument}: found a handle that an internal error left half-done, expected a sound one")
            }
        }
    }
}

/// Runs a body and returns its status; its message, or an empty one, becomes the thread's last.
pub(super) fn guard(body: impl FnOnce() -> Done) -> Status {
    let result = contain(body).and_then(|result| result);
    let status = match &result {
        Ok(()) => BLO_OK,
        Err(fail) => fail.status(),
    };
    contain(|| remember(result)).map_or(BLO_ERR_PANIC, |()| status)
}

/// Runs a body; a panic is an error. Leaves the last message alone.
pub(super) fn contain<V>(body: impl FnOnce() -> V) -> Done<V> {
    // What a panic leaves half-done is not seen again: handles that were being used are poisoned (`Entered`), and all else
    // is local to the body.
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| Error::Panic { message: text(&*payload) }.into())
}

/// Copies the last message of this thread.
pub(super) fn last_message() -> String {
    // Not there while the thread ends; there is then nobody to read it either.
    LAST_MESSAGE.try_with(|last| last.borrow().clone()).unwrap_or_default()
}

fn remember(result: Done) {
    let message = result.err().map(|fail| fail.to_string()).unwrap_or_default();
    let _ = LAST_MESSAGE.try_with(|last| *last.borrow_mut() = message);
}

fn text(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().map(|text| text.to_string());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_is_a_status_with_its_text() {
        assert_eq!(guard(|| panic!("planted {}", 7)), BLO_ERR_PANIC);
        assert!(last_message().contains("planted 7"), "{}", last_message());
        assert_eq!(guard(|| Ok(())), BLO_OK);
        assert_eq!(last_message(), "");
    }
}
