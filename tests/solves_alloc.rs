//! Solves with several answers or short recurrences allocate nothing once their workspace is warm.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "common/counting.rs"]
mod counting;

use blo::Inverse;
use blo::solve::{FnOperator, Solve, Spectral, Workspace, shifted_cg, solve, solve_family, solve_many};
use common::{Oracle, Rng};
use counting::counted;

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
        Inverse::Minres { tolerance: 0.0, max_products: 200 },
        Inverse::Nystrom { rank: 5, epsilon: 0.1, seed: 2 },
    ];
    let from_last = Solve { refine: 2, start_from_last: true, ..Inverse::Damped { epsilon: 0.1, by }.into() };
    let mut all = || {
        solve_family(&mut op, &family, &bs[0], &mut qs, &mut reports, &mut workspace).unwrap();
        shifted_cg(&mut op, &[0.1, 1.0], 0.0, 99, &bs[0], &mut qs, &mut reports, &mut workspace).unwrap();
        solve(&mut op, &from_last, &bs[0], &mut qs[0], &mut workspace).unwrap();
        for inverse in short {
            solve(&mut op, &inverse.into(), &bs[0], &mut qs[0], &mut workspace).unwrap();
            solve_many(&mut op, &inverse.into(), &bs, &mut qs, &mut reports, &mut workspace).unwrap();
        }
    };
    all();
    assert_eq!(counted(all), 0);
}
