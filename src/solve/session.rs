//! A solve that asks for its products instead of calling for them: for languages into which a callback is slow or impossible.
//!
//! The solver runs in a thread of its own, which stands still inside of `apply` while the caller makes a product, so that one
//! implementation of each recurrence serves both ways and the bits are the same. The price is a thread for each solve and two
//! switches between threads for each product (some 20 µs on the machine it was made on; `benches/session.rs`). Two others were weighed: *every solver
//! as a state machine* needs no thread, but is each recurrence written twice, and kept equal to the last bit; *running anew from
//! the products so far* needs neither, but memory for all of them and quadratic time.
//!
//! A thread lives from [`Session::start`] to the end of that solve. To end it early, its channels are closed: the product that
//! it waits for becomes an error, which comes out of the solver as any other would, and the thread is joined. None is left
//! behind, and a process may fork between two solves.

use super::operator::FnOperator;
use super::{Report, Solve, Workspace, solve};
use crate::error::{check_len, invalid};
use crate::{Error, Result, Scalar};
use std::any::Any;
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// What a [`Session`] wants next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Request<'a, T> {
    /// H v, for this v: give it to the next [`Session::step`].
    Product(&'a [T]),
    /// Nothing more.
    Done {
        /// q.
        q: &'a [T],
        /// The report of the solve.
        report: Report,
    },
}

/// A [`solve()`] from outside: it asks for products with H, and is given them.
///
/// ```
/// use blo::Inverse;
/// use blo::solve::{Request, Session};
///
/// let cg = Inverse::Cg { iterations: 10, tolerance: 1e-12 };
/// let mut session = Session::new(2, cg.into())?;
/// session.start(&[3.0, 3.0])?;
/// let mut product: Option<[f64; 2]> = None;
/// loop {
///     match session.step(product.as_ref().map(|product| product.as_slice()))? {
///         Request::Product(v) => product = Some([2.0 * v[0] + v[1], v[0] + 2.0 * v[1]]),
///         Request::Done { q, .. } => break assert!((q[0] - 1.0).abs() < 1e-14),
///     }
/// }
/// # Ok::<(), blo::Error>(())
/// ```
#[derive(Debug)]
pub struct Session<T: Scalar> {
    n: usize,
    solve: Solve,
    stage: Stage<T>,
    /// Where the thread of a solve leaves them.
    own: Vectors<T>,
}

#[derive(Debug)]
enum Stage<T: Scalar> {
    Idle,
    /// Nothing has been heard from the thread since its last product.
    Running(Running<T>),
    /// It waits for the product with this vector.
    Asked(Running<T>, Vec<T>),
    Done(Report),
}

/// What goes into a solve and comes back from it.
#[derive(Debug)]
struct Vectors<T: Scalar> {
    b: Vec<T>,
    q: Vec<T>,
    /// Goes to and fro: v to the caller, H v to the solver.
    exchange: Vec<T>,
    workspace: Workspace<T, Vec<T>>,
}

impl<T: Scalar> Vectors<T> {
    fn empty() -> Vectors<T> {
        Vectors { b: Vec::new(), q: Vec::new(), exchange: Vec::new(), workspace: Workspace::new() }
    }
}

#[derive(Debug)]
struct Running<T: Scalar> {
    requests: Receiver<Vec<T>>,
    answers: SyncSender<Vec<T>>,
    thread: JoinHandle<(Result<Report>, Vectors<T>)>,
}

impl<T: Scalar> Running<T> {
    fn spawn(n: usize, how: Solve, mut own: Vectors<T>) -> Result<Running<T>> {
        let (asks, requests) = sync_channel::<Vec<T>>(1);
        let (answers, answered) = sync_channel::<Vec<T>>(1);
        let body = move || {
            let Vectors { b, q, exchange, workspace } = &mut own;
            let mut op = FnOperator::new(n, |v: &[T], out: &mut [T]| {
                // A closed channel: the session has ended this solve, and nobody sees the error.
                let ended = || Error::Callback { name: "operator product", code: -1 };
                exchange.copy_from_slice(v);
                asks.send(mem::take(exchange)).map_err(|_| ended())?;
                *exchange = answered.recv().map_err(|_| ended())?;
                out.copy_from_slice(exchange);
                Ok(())
            });
            let result = solve(&mut op, &how, b, q, workspace);
            (result, own)
        };
        let thread = Builder::new().name("blo solve".to_owned()).spawn(body).map_err(|_| Error::Unsupported {
            operation: "session",
            reason: "the system gave it no thread; solve with an operator",
        })?;
        Ok(Running { requests, answers, thread })
    }

    /// Closes the channels, so that a thread that waits ends, and joins it.
    fn join(self) -> Result<(Result<Report>, Vectors<T>)> {
        let Running { requests, answers, thread } = self;
        drop((requests, answers));
        thread.join().map_err(|payload| Error::Panic { message: text(&*payload) })
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    let literal = payload.downcast_ref::<&str>().map(|text| text.to_string());
    literal.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a text".to_owned())
}

impl<T: Scalar> Session<T> {
    /// For an H of n rows.
    ///
    /// # Errors
    ///
    /// What [`Solve::validate`] finds.
    pub fn new(n: usize, solve: Solve) -> Result<Session<T>> {
        solve.validate()?;
        Ok(Session { n, solve, stage: Stage::Idle, own: Vectors::empty() })
    }

    /// Begins a solve with this right-hand side; one that is under way is given up.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for a b of another length, which changes nothing; [`Error::Unsupported`] if there is no thread to be had.
    pub fn start(&mut self, b: &[T]) -> Result<()> {
        check_len(super::RIGHT_HAND_SIDE, b.len(), self.n)?;
        self.cancel();
        let mut own = mem::replace(&mut self.own, Vectors::empty());
        own.b.clear();
        own.b.extend_from_slice(b);
        for vector in [&mut own.q, &mut own.exchange] {
            vector.resize(self.n, T::ZERO);
        }
        self.stage = Stage::Running(Running::spawn(self.n, self.solve, own)?);
        Ok(())
    }

    /// Gives the product last asked for, and says what is wanted next. With `None` it says again what is wanted now: the first
    /// product after [`Session::start`], or what the last call said.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for an answer of another length and [`Error::Invalid`] for one that was not asked for; the solve still
    /// waits. [`Error::Invalid`] where no solve is under way. Whatever [`solve()`] with an [`FnOperator`] returns, such as
    /// [`Error::NonFinite`] for an answer that is not finite; that solve is then over.
    pub fn step(&mut self, answer: Option<&[T]>) -> Result<Request<'_, T>> {
        match (&mut self.stage, answer) {
            (Stage::Asked(_, asked), Some(answer)) => {
                check_len("answer", answer.len(), self.n)?;
                asked.copy_from_slice(answer);
                self.answer();
            }
            (_, Some(_)) => return Err(invalid("answer", "a product", "None: no product is asked for")),
            (Stage::Idle, None) => return Err(invalid("session", "no solve under way", "one that was started")),
            _ => {}
        }
        if matches!(self.stage, Stage::Running(_)) {
            self.receive()?;
        }
        match &self.stage {
            Stage::Asked(_, asked) => Ok(Request::Product(asked)),
            Stage::Done(report) => Ok(Request::Done { q: &self.own.q, report: *report }),
            Stage::Idle | Stage::Running(_) => Err(invalid("session", "no solve under way", "one that was started")),
        }
    }

    /// Gives up the solve under way, if there is one. Its thread ends before this returns.
    pub fn cancel(&mut self) {
        if let Stage::Running(running) | Stage::Asked(running, _) = mem::replace(&mut self.stage, Stage::Idle)
            && let Ok((_, own)) = running.join()
        {
            self.own = own;
        }
    }

    /// Sends what is in the vector that was asked for.
    fn answer(&mut self) {
        if let Stage::Asked(running, answer) = mem::replace(&mut self.stage, Stage::Idle) {
            // The thread waits for it; had it ended instead, `receive` would find out why.
            let _ = running.answers.send(answer);
            self.stage = Stage::Running(running);
        }
    }

    /// Waits for the thread's next word, or its end.
    fn receive(&mut self) -> Result<()> {
        if let Stage::Running(running) = mem::replace(&mut self.stage, Stage::Idle) {
            if let Ok(asked) = running.requests.recv() {
                self.stage = Stage::Asked(running, asked);
            } else {
                let (result, own) = running.join()?;
                self.own = own;
                self.stage = Stage::Done(result?);
            }
        }
        Ok(())
    }
}

impl<T: Scalar> Drop for Session<T> {
    fn drop(&mut self) {
        self.cancel();
    }
}
