//! The memory of a solve: all of it at once, and how much it is.

use super::{AUTO_PRODUCTS, Inverse, Solve, Space, Spectral, Spectrum, Step, Workspace};
use crate::error::invalid;
use crate::{Result, Scalar};

/// What a solve takes of a workspace.
#[derive(Default)]
struct Need {
    vectors: usize,
    /// Steps of a Lanczos process.
    lanczos: usize,
    /// Products in a cycle of GMRES.
    cycle: usize,
    /// Vectors of a sketch.
    sketch: usize,
    /// A residual, a correction, and the q before it.
    corrects: bool,
    dense: bool,
}

impl Need {
    /// On vectors of n elements. No inverse is left to a default: a new one has to say here what it takes.
    fn of(solve: &Solve, n: usize) -> Need {
        let corrects = solve.refine > 0 || solve.start_from_last;
        let vectors = |vectors: usize| Need { vectors, corrects, ..Need::default() };
        match solve.inverse {
            Inverse::Zero => vectors(0),
            Inverse::Identity { .. } => vectors(usize::from(solve.verify)),
            Inverse::Neumann { step: Step::Auto, .. } => Need { lanczos: AUTO_PRODUCTS, ..vectors(AUTO_PRODUCTS + 2) },
            Inverse::Neumann { step: Step::Fixed(_), .. } | Inverse::Cg { .. } => vectors(4),
            Inverse::CgTwice { .. } => vectors(6),
            Inverse::Minres { .. } => vectors(9),
            Inverse::Nystrom { rank, .. } => {
                let sketch = rank.min(n);
                Need { sketch, ..vectors((2 * sketch + 1).max(4)) }
            }
            Inverse::Gmres { restart, .. } => {
                let cycle = restart.min(n);
                Need { cycle, ..vectors((cycle + 2).max(4)) }
            }
            Inverse::MinNorm { by, .. } | Inverse::Damped { by, .. } | Inverse::NeumannFilter { by, .. } => match by {
                Spectral::Dense => Need { dense: true, ..vectors(4) },
                Spectral::Lanczos { max_products, .. } => {
                    // The process closes at n.
                    let lanczos = max_products.map_or(n + 4, |most| most.min(n + 4));
                    Need { lanczos, ..vectors((lanczos + 1).max(4)) }
                }
            },
        }
    }
}

/// An error where so many bytes cannot be had, in place of the end of the program that an allocation that fails is.
pub(crate) fn check_room(bytes: usize) -> Result<()> {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes).map_err(|_| {
        let expected = "what can be allocated here; max_products, restart and the number of steps bound it";
        invalid("memory of the estimator", format!("a need of {bytes} bytes"), expected)
    })
}

impl<T: Scalar, V> Workspace<T, V> {
    /// Allocates all that [`solve`](super::solve) may need; `spectrum` does so for a dense decomposition, if there is one.
    pub(crate) fn reserve_for<S: Space<T, Vector = V>>(
        &mut self,
        space: &S,
        solve: &Solve,
        spectrum: impl FnOnce(&mut Spectrum) -> Result<()>,
    ) -> Result<()> {
        solve.validate()?;
        let n = space.len();
        let Need { vectors, lanczos, cycle, sketch, corrects, dense } = Need::of(solve, n);
        let steps = lanczos.max(cycle).max(sketch);
        let scalars = (2 * steps + 2).saturating_mul(2 * steps + 2).saturating_mul(size_of::<f64>());
        let held = vectors + if corrects { 3 } else { 0 };
        check_room(held.saturating_mul(space.bytes()).saturating_add(scalars))?;
        self.vectors.reserve_exact(vectors.saturating_sub(self.vectors.len()));
        self.reserve(space, vectors);
        if lanczos > 0 {
            self.lanczos.reserve(lanczos);
        }
        if cycle > 0 {
            self.gmres.reserve(cycle);
        }
        if sketch > 0 {
            self.host.reserve_exact(n.saturating_sub(self.host.len()));
            self.nystrom.reserve(sketch);
        }
        if corrects {
            self.correction.get_or_insert_with(|| [(); 3].map(|()| space.zeros()));
        }
        if dense {
            self.reserve_host(n);
            spectrum(&mut self.spectrum)?;
        }
        Ok(())
    }

    /// Room for what a dense solve does in host memory.
    pub(super) fn reserve_host(&mut self, n: usize) {
        self.host.reserve_exact(n.saturating_sub(self.host.len()));
        self.host_out.reserve_exact(n.saturating_sub(self.host_out.len()));
        self.scratch.reserve_exact((2 * n).saturating_sub(self.scratch.len()));
    }

    /// The memory in use.
    pub(crate) fn bytes<S: Space<T, Vector = V>>(&self, space: &S) -> usize {
        // A new field has to say here what it holds.
        let Workspace { vectors, lanczos, spectrum, host, host_out, scratch, kept: _, targets, shifts, .. } = self;
        let Workspace { gmres, nystrom, correction, .. } = self;
        heap(vectors)
            + vectors.len() * space.bytes()
            + lanczos.bytes()
            + spectrum.bytes()
            + heap(host)
            + heap(host_out)
            + heap(scratch)
            + heap(targets)
            + heap(shifts)
            + gmres.bytes()
            + nystrom.bytes()
            + correction.as_ref().map_or(0, |own| own.len() * space.bytes())
    }
}

/// What a list has allocated.
pub(crate) fn heap<E>(list: &Vec<E>) -> usize {
    list.capacity() * size_of::<E>()
}
