//! Solves that ask for their products: the same bits as with an operator, given up at any moment, and nothing lost by a wrong
//! answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::solve::{FnOperator, OnGrowth, Report, Request, Session, Solve, Spectral, Step, Workspace, solve};
use blo::{Error, Inverse, Result, Scalar};
use common::{Rng, cast};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// Threads are counted by name, so that only one test at a time may have any.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails instead of hanging.
fn in_time(body: impl FnOnce() + Send + 'static) {
    let _alone = alone();
    let (done, wait) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        body();
        done.send(()).unwrap();
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = wait.recv_timeout(Duration::from_secs(120)) {
        panic!("it hangs");
    }
    thread.join().unwrap();
}

/// Whether threads of sessions are left. One that was joined may take the system a moment to clear away.
fn threads_left() -> bool {
    let there = || {
        let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return false };
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.into_iter().any(|name| name.trim() == "blo solve")
    };
    (0..100).all(|_| {
        let left = there();
        if left {
            std::thread::sleep(Duration::from_millis(20));
        }
        left
    })
}

const LANCZOS: Spectral = Spectral::LANCZOS;

fn inverses() -> Vec<Inverse> {
    let few = Spectral::Lanczos { tolerance: Some(1e-3), max_products: Some(2) };
    vec![
        Inverse::MinNorm { cutoff: None, by: Spectral::Dense },
        Inverse::MinNorm { cutoff: Some(1e-3), by: LANCZOS },
        Inverse::MinNorm { cutoff: None, by: few },
        Inverse::Damped { epsilon: 0.1, by: Spectral::Dense },
        Inverse::Damped { epsilon: 0.1, by: LANCZOS },
        Inverse::neumann(7, 0.4),
        Inverse::Neumann { terms: 9, step: Step::Auto, on_growth: OnGrowth::Stop },
        Inverse::Neumann { terms: 9, step: Step::Fixed(3.0), on_growth: OnGrowth::Continue },
        Inverse::NeumannFilter { terms: 1000, alpha: 0.3, by: Spectral::Dense },
        Inverse::NeumannFilter { terms: 1000, alpha: 0.3, by: LANCZOS },
        Inverse::Cg { iterations: 30, tolerance: 1e-9 },
        Inverse::CgTwice { tolerance: 1e-9, max_products: 60 },
        Inverse::Minres { tolerance: 0.0, max_products: 60 },
        Inverse::Nystrom { rank: 5, epsilon: 0.1, seed: 3 },
        Inverse::Gmres { restart: 4, tolerance: 1e-9, max_products: 60 },
        Inverse::Identity { alpha: 0.2 },
        Inverse::Zero,
    ]
}

/// A matrix of the size, singular where it can be; of no symmetry for GMRES.
fn matrix<T: Scalar>(n: usize, symmetric: bool) -> Vec<T> {
    let mut rng = Rng(n as u64 + 5);
    let a: Vec<f64> = rng.normals(n * n);
    let element = |i: usize, j: usize| match symmetric {
        true => (0..n.max(2) - 1).map(|k| a[i * n + k] * a[j * n + k]).sum::<f64>() / n as f64,
        false => 0.1 * a[i * n + j] + f64::from(i == j),
    };
    cast(&(0..n * n).map(|k| element(k / n, k % n)).collect::<Vec<f64>>())
}

fn product<T: Scalar>(h: &[T], v: &[T]) -> Vec<T> {
    let mut out = vec![T::ZERO; v.len()];
    blo::reference::matvec(v.len(), v.len(), h, v, &mut out);
    out
}

/// What a solve gives, to the last bit, with the products it took.
type Ended = Result<(Vec<u64>, String, usize)>;

fn ended<T: Scalar>(q: &[T], report: &Report, products: usize) -> (Vec<u64>, String, usize) {
    (q.iter().map(|q| q.to_f64().to_bits()).collect(), format!("{report:?}"), products)
}

fn by_operator<T: Scalar>(how: Solve, b: &[T], mut h: impl FnMut(&[T]) -> Vec<T>) -> Ended {
    let (mut products, mut q) = (0, vec![T::from_f64(f64::NAN); b.len()]);
    let mut op = FnOperator::new(b.len(), |v: &[T], out: &mut [T]| {
        products += 1;
        out.copy_from_slice(&h(v));
        Ok(())
    });
    let report = solve(&mut op, &how, &b.to_vec(), &mut q, &mut Workspace::new())?;
    Ok(ended(&q, &report, products))
}

fn by_session<T: Scalar>(session: &mut Session<T>, b: &[T], mut h: impl FnMut(&[T]) -> Vec<T>) -> Ended {
    session.start(b)?;
    let (mut products, mut answer) = (0, None);
    loop {
        match session.step(answer.as_deref())? {
            Request::Product(v) => {
                products += 1;
                answer = Some(h(v));
            }
            Request::Done { q, report } => return Ok(ended(q, &report, products)),
        }
    }
}

fn same_bits<T: Scalar>() {
    for n in [0, 1, 2, 3, 17] {
        for inverse in inverses() {
            let h = matrix::<T>(n, !matches!(inverse, Inverse::Gmres { .. }));
            for verify in [true, false] {
                let how = Solve { verify, ..inverse.into() };
                let mut session = Session::new(n, how).unwrap();
                for seed in 0..2 {
                    let b: Vec<T> = cast(&Rng(seed).normals(n));
                    let expected = by_operator(how, &b, |v| product(&h, v));
                    assert_eq!(by_session(&mut session, &b, |v| product(&h, v)), expected, "{n}, {how:?}");
                    assert!(expected.is_ok());
                }
            }
        }
    }
}

#[test]
fn the_bits_are_those_of_solve() {
    in_time(|| {
        same_bits::<f64>();
        same_bits::<f32>();
        assert!(!threads_left());
    });
}

#[test]
fn given_up_after_any_number_of_products() {
    in_time(|| {
        let b: Vec<f64> = Rng(3).normals(3);
        for inverse in inverses() {
            let h = matrix::<f64>(3, !matches!(inverse, Inverse::Gmres { .. }));
            let whole = by_operator(inverse.into(), &b, |v| product(&h, v)).unwrap();
            for made in 0..=whole.2 {
                let mut session = Session::new(3, inverse.into()).unwrap();
                // Dropped; then given up by a new start, which has the same bits as ever.
                for again in [false, true] {
                    session.start(&b).unwrap();
                    let mut answer: Option<Vec<f64>> = None;
                    for _ in 0..made {
                        let Request::Product(v) = session.step(answer.as_deref()).unwrap() else { panic!("{made}") };
                        answer = Some(product(&h, v));
                    }
                    if again {
                        assert_eq!(by_session(&mut session, &b, |v| product(&h, v)).unwrap(), whole);
                    } else {
                        session = Session::new(3, inverse.into()).unwrap();
                    }
                }
            }
        }
        let mut session = Session::new(3, Solve::from(Inverse::neumann(3, 0.1))).unwrap();
        session.start(&b).unwrap();
        session.step(None).unwrap();
        session.cancel();
        assert!(matches!(session.step(None), Err(Error::Invalid { argument: "session", .. })));
        assert!(!threads_left());
    });
}

#[test]
fn a_wrong_answer_loses_nothing() {
    in_time(|| {
        let (b, h) = (Rng(3).normals(3), matrix::<f64>(3, true));
        let how = Solve::from(Inverse::CgTwice { tolerance: 0.0, max_products: 40 });
        let mut session = Session::new(3, how).unwrap();
        let invalid = |result: Result<Request<'_, f64>>, name: &str| match result {
            Err(Error::Invalid { argument, .. }) => assert_eq!(argument, name),
            other => panic!("{other:?}"),
        };
        invalid(session.step(None), "session");
        invalid(session.step(Some(&b)), "answer");
        assert_eq!(session.start(&b[..2]), Err(Error::Shape { argument: "right-hand side", found: 2, expected: 3 }));
        session.start(&b).unwrap();
        invalid(session.step(Some(&b)), "answer");
        let (mut products, mut answer) = (0, None);
        let found = loop {
            match session.step(answer.as_deref()).unwrap() {
                Request::Product(v) => {
                    products += 1;
                    let v = v.to_vec();
                    for length in [0, 2, 4] {
                        let shape = Error::Shape { argument: "answer", found: length, expected: 3 };
                        assert_eq!(session.step(Some(&vec![0.0; length])), Err(shape));
                        assert!(session.start(&b[..1]).is_err());
                        assert_eq!(session.step(None), Ok(Request::Product(&v)));
                    }
                    answer = Some(product(&h, &v));
                }
                Request::Done { q, report } => break ended(q, &report, products),
            }
        };
        assert_eq!(found, by_operator(how, &b, |v| product(&h, v)).unwrap());
        // The end can be read again.
        invalid(session.step(Some(&b)), "answer");
        let Ok(Request::Done { q, report }) = session.step(None) else { panic!() };
        assert_eq!(ended(q, &report, products), found);
    });
}

#[test]
fn errors_are_those_of_solve_and_the_session_goes_on() {
    in_time(|| {
        let (b, h) = (Rng(3).normals(3), matrix::<f64>(3, true));
        for inverse in inverses() {
            let mut session = Session::new(3, inverse.into()).unwrap();
            let whole = by_operator(inverse.into(), &b, |v| product(&h, v)).unwrap();
            for bad in [f64::NAN, f64::INFINITY] {
                for at in 0..whole.2 {
                    let spoilt = || {
                        let mut made = 0;
                        let h = h.clone();
                        move |v: &[f64]| {
                            let mut out = product(&h, v);
                            if made == at {
                                out[1] = bad;
                            }
                            made += 1;
                            out
                        }
                    };
                    let expected = by_operator(inverse.into(), &b, spoilt());
                    // Errors by their text: NaN is not equal to itself.
                    let found = by_session(&mut session, &b, spoilt());
                    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
                    assert!(found.is_err());
                    assert!(matches!(session.step(None), Err(Error::Invalid { argument: "session", .. })));
                }
                let mut b = b.clone();
                b[2] = bad;
                let [found, expected] = [
                    by_session(&mut session, &b, |v| product(&h, v)),
                    by_operator(inverse.into(), &b, |v| product(&h, v)),
                ];
                assert_eq!(format!("{found:?}"), format!("{expected:?}"));
            }
            assert_eq!(by_session(&mut session, &b, |v| product(&h, v)).unwrap(), whole);
        }
        let unsymmetric = matrix::<f64>(3, false);
        let how = Solve::from(Inverse::MinNorm { cutoff: None, by: Spectral::Dense });
        let found = by_session(&mut Session::new(3, how).unwrap(), &b, |v| product(&unsymmetric, v));
        assert_eq!(found, by_operator(how, &b, |v| product(&unsymmetric, v)));
        assert!(matches!(found, Err(Error::Asymmetric { .. })));
        assert!(Session::<f64>::new(3, Inverse::neumann(3, -1.0).into()).is_err());
        assert!(!threads_left());
    });
}

#[test]
fn a_session_may_move_to_another_thread() {
    in_time(|| {
        let (b, h) = (Rng(3).normals(3), matrix::<f64>(3, true));
        let how = Solve::from(Inverse::neumann(5, 0.3));
        let mut session = Session::new(3, how).unwrap();
        session.start(&b).unwrap();
        let Request::Product(v) = session.step(None).unwrap() else { panic!() };
        let answer = product(&h, v);
        std::thread::spawn(move || assert!(matches!(session.step(Some(&answer)).unwrap(), Request::Product(_))))
            .join()
            .unwrap();
        assert!(!threads_left());
    });
}
