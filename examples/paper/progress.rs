//! One line on standard error that says how far the work is, once it has taken a while, and only for a terminal.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Work that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// The time between two changes of the line.
const INTERVAL: Duration = Duration::from_millis(200);

/// The progress of one experiment.
pub struct Progress {
    name: &'static str,
    start: Instant,
    shown: Cell<Option<Instant>>,
    terminal: bool,
}

impl Progress {
    /// The clock starts now.
    pub fn new(name: &'static str) -> Progress {
        Progress { name, start: Instant::now(), shown: Cell::new(None), terminal: io::stderr().is_terminal() }
    }

    /// Shows the message if it is time to. The message is only made then.
    pub fn tick(&self, message: impl FnOnce() -> String) {
        if !self.terminal || self.start.elapsed() < PATIENCE {
            return;
        }
        if self.shown.get().is_some_and(|shown| shown.elapsed() < INTERVAL) {
            return;
        }
        self.shown.set(Some(Instant::now()));
        let seconds = self.start.elapsed().as_secs();
        // A line that cannot be shown is no reason to stop.
        let _ = write!(io::stderr(), "\r\x1b[2K{}: {} ({seconds} s)", self.name, message());
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.shown.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
