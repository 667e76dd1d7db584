//! Solves with several answers or short recurrences allocate nothing once their workspace is warm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use blo::Inverse;
use blo::solve::{FnOperator, Solve, Spectral, Workspace, shifted_cg, solve, solve_family, solve_many};
use common::{Oracle, Rng};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn warm_solves_allocate_nothing() {
    let mut rng = Rng(1);
    let h = Oracle::semidefinite(&mut rng, 20, 15, 10.0, 1.0).matrix();
    let mut op = FnOperator::new(20, |v: &[f64], out: &mut [f64]| {
        blo::reference::matvec(20, 20, &h, v, out);
        Ok(())
    });
    let bs = [rng.normals(20), rng.normals(20)];
    let mut qs = [vec![0.0; 20], vec![0.0; 20]];
    let (mut workspace, mut reports) = (Workspace::new(), Vec::new());
    let by = Spectral::LANCZOS;
    let family = [0.1, 0.5].map(|epsilon| Solve::from(Inverse::Damped { epsilon, by }));
    let short = [
        Inverse::CgTwice { tolerance: 0.0, max_products: 99 },
        Inverse::Gmres { restart: 4, tolerance: 0.0, max_products: 30 },
        Inverse::MinNorm { cutoff: None, by },
    ];
    let mut all = || {
        solve_family(&mut op, &family, &bs[0], &mut qs, &mut reports, &mut workspace).unwrap();
        shifted_cg(&mut op, &[0.1, 1.0], 0.0, 99, &bs[0], &mut qs, &mut reports, &mut workspace).unwrap();
        for inverse in short {
            solve(&mut op, &inverse.into(), &bs[0], &mut qs[0], &mut workspace).unwrap();
            solve_many(&mut op, &inverse.into(), &bs, &mut qs, &mut reports, &mut workspace).unwrap();
        }
    };
    all();
    let before = COUNT.get();
    all();
    assert_eq!(COUNT.get() - before, 0);
}
