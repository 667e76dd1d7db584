//! What stands between a C caller and a Rust body: panics are contained, errors become a status and a message.

use super::status::{BLO_ERR_PANIC, BLO_OK, Status};
use crate::{Error, Result};
use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(panic = "abort")]
compile_error!("the C interface contains panics, which needs panic = \"unwind\"");

thread_local! {
    static LAST_MESSAGE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a body and returns its status; its message, or an empty one, becomes the thread's last.
pub(super) fn guard(body: impl FnOnce() -> Result<()>) -> Status {
    let result = contain(body).and_then(|result| result);
    let status = match &result {
        Ok(()) => BLO_OK,
        Err(error) => error.status(),
    };
    contain(|| remember(result)).map_or(BLO_ERR_PANIC, |()| status)
}

/// Runs a body; a panic is an error. Leaves the last message alone.
pub(super) fn contain<V>(body: impl FnOnce() -> V) -> Result<V> {
    // Nothing that a panic leaves half-done is seen again: handles are immutable, and all else is local to the body.
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| Error::Panic { message: text(&*payload) })
}

/// Copies the last message of this thread.
pub(super) fn last_message() -> String {
    // Not there while the thread ends; there is then nobody to read it either.
    LAST_MESSAGE.try_with(|last| last.borrow().clone()).unwrap_or_default()
}

fn remember(result: Result<()>) {
    let message = result.err().map(|error| error.to_string()).unwrap_or_default();
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
