//! Differentiation of T inner optimizer steps, all of them or the last K.
//!
//! With (w, b)ₜ₊₁ = step((w, b)ₜ, g_t), b the optimizer's buffers and g_t = ∇_w f(u, w_t), reverse mode carries the adjoint
//! of (w, b) backward:
//!
//! ```text
//! λ_T = (∂F/∂w (u, w_T), 0);    (λ, γ) ← step's adjoint at λ;    dF/du += M_tᵀ γ;    λ_w += H_t γ
//! ```
//!
//! with t from T−1 down to T−K and γ the adjoint of g_t; for gradient descent γ = −alpha λ. On a quadratic, and from any
//! stationary point, gradient descent gives the Neumann series with one term for each step: K_Neumann = T − 1 (paper,
//! section 4.2 and appendix E). Forward mode carries the derivative of (w, b) by each element of u instead.

use super::{Evaluation, Workspace};
use crate::error::invalid;
use crate::optimize::{Rule, State};
use crate::problem::{PointOf, Problem};
use crate::solve::{Ending, Points, Report, Space, check_room, heap};
use crate::{Result, Scalar};

/// How an unrolled run is differentiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Backward, keeping each state: K states of memory.
    #[default]
    Reverse,
    /// Backward, keeping every √K-th state and repeating the steps between: about 2√K states, one more gradient a step.
    ReverseCheckpointed,
    /// Forward, one tangent for each element of u: as many states as u has elements, whatever T. q is not formed: zero.
    Forward,
}

/// An unrolled estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unrolled {
    /// The optimizer whose steps are differentiated.
    pub rule: Rule,
    /// T, at least 1.
    pub steps: usize,
    /// Differentiate only the last this many steps; `None`: all.
    pub last: Option<usize>,
    /// How.
    pub mode: Mode,
}

impl Unrolled {
    /// All of `steps` steps of gradient descent, in reverse.
    pub fn descent(steps: usize, alpha: f64) -> Unrolled {
        Unrolled::new(Rule::descent(alpha), steps)
    }

    /// All of `steps` steps of a rule, in reverse.
    pub fn new(rule: Rule, steps: usize) -> Unrolled {
        Unrolled { rule, steps, last: None, mode: Mode::Reverse }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.rule.validate()?;
        if self.steps == 0 {
            return Err(invalid("steps", 0, "at least 1"));
        }
        match self.last {
            Some(last) if last == 0 || last > self.steps => {
                Err(invalid("last", last, format!("from 1 to the number of steps, {}", self.steps)))
            }
            _ => Ok(()),
        }
    }

    /// K.
    fn differentiated(&self) -> usize {
        self.last.unwrap_or(self.steps)
    }

    /// The states that are kept: one for each segment, those of a segment, and tangents.
    fn states(&self, outer_len: usize) -> (usize, usize, usize) {
        let last = self.differentiated();
        match self.mode {
            Mode::Reverse => (0, last, 0),
            Mode::ReverseCheckpointed => (last.div_ceil(self.segment()), self.segment(), 0),
            Mode::Forward => (0, 0, outer_len),
        }
    }

    /// Steps between kept states.
    fn segment(&self) -> usize {
        match self.mode {
            Mode::ReverseCheckpointed => (self.differentiated() as f64).sqrt().ceil() as usize,
            _ => self.differentiated(),
        }
    }
}

/// What the error calls an inner run that overflowed.
pub(crate) const DIVERGED: &str = "w after the inner steps";

/// The states of an unrolled run.
pub(super) struct Run<V> {
    /// Where the run is.
    current: State<V>,
    /// The state after a step that is being differentiated.
    after: State<V>,
    /// The adjoint of the state.
    adjoint: State<V>,
    /// The adjoint of the gradient, or its tangent.
    differential: V,
    /// The first state of each segment.
    kept: Vec<State<V>>,
    /// The states of one segment.
    segment: Vec<State<V>>,
    /// Forward mode: the derivative of the state by each element of u.
    tangents: Vec<State<V>>,
    rule: Rule,
}

impl<V> Run<V> {
    fn new<T: Scalar, S: Space<T, Vector = V>>(rule: Rule, space: &S) -> Run<V> {
        Run {
            current: State::new(&rule, space),
            after: State::new(&rule, space),
            adjoint: State::new(&rule, space),
            differential: space.zeros(),
            kept: Vec::new(),
            segment: Vec::new(),
            tangents: Vec::new(),
            rule,
        }
    }

    /// The run of an earlier evaluation, if it fits, with all the states that this one needs.
    fn prepared<T: Scalar, S: Space<T, Vector = V>>(
        earlier: Option<Run<V>>,
        unrolled: &Unrolled,
        outer_len: usize,
        space: &S,
    ) -> Run<V> {
        let mut run = match earlier {
            Some(run) if std::mem::discriminant(&run.rule) == std::mem::discriminant(&unrolled.rule) => run,
            _ => Run::new(unrolled.rule, space),
        };
        let (kept, segment, tangents) = unrolled.states(outer_len);
        for (states, count) in [(&mut run.kept, kept), (&mut run.segment, segment), (&mut run.tangents, tangents)] {
            states.reserve_exact(count.saturating_sub(states.len()));
            while states.len() < count {
                states.push(State::new(&unrolled.rule, space));
            }
        }
        run
    }

    /// The memory in use.
    pub fn bytes<T: Scalar, S: Space<T, Vector = V>>(&self, space: &S) -> usize {
        // No `..` here: a new field has to say what it holds.
        let Run { current, after, adjoint, differential: _, kept, segment, tangents, rule: _ } = self;
        let lists = [kept, segment, tangents];
        let states = [current, after, adjoint].into_iter().chain(lists.into_iter().flatten());
        let vectors = 1 + states.map(|state| 1 + state.buffers().count()).sum::<usize>();
        lists.into_iter().map(heap).sum::<usize>() + vectors * space.bytes()
    }
}

/// Allocates all that a run will need.
pub(super) fn reserve<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    workspace: &mut Workspace<T, P>,
) -> Result<()> {
    unrolled.validate()?;
    let (points, outer_len) = (problem.inner_space(), problem.outer_space().len());
    let (kept, segment, tangents) = unrolled.states(outer_len);
    let vectors = kept.saturating_add(segment).saturating_add(tangents).saturating_mul(3);
    check_room(vectors.saturating_mul(points.bytes()))?;
    workspace.run = Some(Run::prepared(workspace.run.take(), unrolled, outer_len, points));
    if unrolled.mode == Mode::Forward {
        workspace.host.reserve_exact(outer_len.saturating_sub(workspace.host.len()));
    }
    Ok(())
}

/// From w, without the optimizer's buffers.
pub(super) fn run<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    w: &PointOf<T, P>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    let mut states = prepare(problem, unrolled, workspace)?;
    states.current.restart(problem.inner_space(), w);
    let evaluation = differentiate(problem, unrolled, u, &mut states, workspace);
    workspace.run = Some(states);
    evaluation
}

/// From a state of the same rule, which is its end afterwards.
pub(super) fn run_on<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    state: &mut State<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    let mut states = prepare(problem, unrolled, workspace)?;
    std::mem::swap(&mut states.current, state);
    let evaluation = differentiate(problem, unrolled, u, &mut states, workspace);
    std::mem::swap(&mut states.current, state);
    workspace.run = Some(states);
    evaluation
}

fn prepare<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    workspace: &mut Workspace<T, P>,
) -> Result<Run<PointOf<T, P>>> {
    unrolled.validate()?;
    Ok(Run::prepared(workspace.run.take(), unrolled, problem.outer_space().len(), problem.inner_space()))
}

fn differentiate<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    states: &mut Run<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    match unrolled.mode {
        Mode::Forward => forward(problem, unrolled, u, states, workspace),
        _ => reverse(problem, unrolled, u, states, workspace),
    }
}

fn reverse<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    run: &mut Run<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    let points = problem.inner_space();
    let rule = &unrolled.rule;
    let (last, segment) = (unrolled.differentiated(), unrolled.segment());
    let skipped = unrolled.steps - last;
    for step in 0..unrolled.steps {
        if let Some(index) = step.checked_sub(skipped) {
            if unrolled.mode == Mode::Reverse {
                run.segment[index].copy_from(points, &run.current);
            } else if index % segment == 0 {
                run.kept[index / segment].copy_from(points, &run.current);
            }
        }
        problem.inner(&mut workspace.problem, u, &run.current.x, &mut workspace.gradient_w)?;
        run.current.step(rule, points, &workspace.gradient_w);
    }
    let descent = matches!(rule, Rule::Descent { .. });
    if descent
        && last == 1
        && let Some(evaluation) = one_step(problem, unrolled, u, run, workspace)?
    {
        return Ok(evaluation);
    }
    let (outer_loss, mut report) = at_the_end(problem, unrolled, u, run, workspace)?;

    let at = &mut workspace.problem;
    problem.vectors(at).scale(T::ZERO, &mut workspace.q);
    if descent {
        // The adjoint is carried as p = alpha λ, so that a step backward is a step of the Neumann series, on the solve's own
        // kind of vectors.
        problem.lift(at, &workspace.gradient_w, &mut workspace.b)?;
        problem.vectors(at).scale(T::from_f64(rule.step()), &mut workspace.b);
    } else {
        run.adjoint.restart(points, &workspace.gradient_w);
    }
    for begin in (0..last).step_by(segment).rev() {
        let len = segment.min(last - begin);
        if unrolled.mode == Mode::ReverseCheckpointed {
            run.segment[0].copy_from(points, &run.kept[begin / segment]);
            for i in 1..len {
                let (done, next) = run.segment.split_at_mut(i);
                next[0].copy_from(points, &done[i - 1]);
                problem.inner(&mut workspace.problem, u, &next[0].x, &mut workspace.gradient_w)?;
                next[0].step(rule, points, &workspace.gradient_w);
            }
        }
        for i in (0..len).rev() {
            let first = begin + i == 0;
            if descent {
                problem.linearize(&mut workspace.problem, u, &run.segment[i].x)?;
                back_descent(problem, rule, first, workspace)?;
            } else {
                back(problem, rule, u, i, first, run, workspace)?;
            }
            report.products += usize::from(!first);
        }
    }
    Ok(Evaluation { outer_loss, report })
}

/// The last step alone, by the problem's own way from ∂F/∂w to dF/du, if it has one: dF/du = ∂F/∂u − alpha Mᵀ ∂F/∂w.
fn one_step<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    run: &Run<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<Option<Evaluation>> {
    let Some(before) = run.segment.first().or(run.kept.first()) else { return Ok(None) };
    let end = &run.current.x;
    problem.inner_space().check(DIVERGED, end)?;
    let Workspace { problem: at, gradient, mixed, q, keeps_q, .. } = workspace;
    problem.linearize(at, u, &before.x)?;
    let Some(outer_loss) = problem.outer_mixed_vjp(at, u, end, gradient, mixed)? else { return Ok(None) };
    let alpha = unrolled.rule.step();
    problem.outer_space().axpy(T::from_f64(-alpha), mixed, gradient);
    if *keeps_q {
        problem.vectors(at).scale(T::ZERO, q);
    }
    let mut report = Report::new(Ending::Completed, f64::NAN);
    report.alpha = Some(alpha);
    Ok(Some(Evaluation { outer_loss, report }))
}

/// F, ∂F/∂u and ∂F/∂w at the end of the run, and the report's first half.
fn at_the_end<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    run: &Run<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<(f64, Report)> {
    let points = problem.inner_space();
    let end = &run.current.x;
    points.check(DIVERGED, end)?;
    let at = &mut workspace.problem;
    let outer_loss = problem.outer(at, u, end, &mut workspace.gradient, &mut workspace.gradient_w)?;
    let mut report = Report::new(Ending::Completed, points.norm(&workspace.gradient_w));
    report.alpha = Some(unrolled.rule.step());
    Ok((outer_loss, report))
}

/// One step of gradient descent backward: dF/du −= Mᵀp, q += p, p −= alpha H p.
fn back_descent<T: Scalar, P: Problem<T>>(
    problem: &P,
    rule: &Rule,
    first: bool,
    workspace: &mut Workspace<T, P>,
) -> Result<()> {
    let at = &mut workspace.problem;
    problem.mixed_vjp(at, &workspace.b, &mut workspace.mixed)?;
    problem.outer_space().axpy(-T::ONE, &workspace.mixed, &mut workspace.gradient);
    if first {
        problem.vectors(at).axpy(T::ONE, &workspace.b, &mut workspace.q);
    } else {
        let alpha = T::from_f64(rule.step());
        problem.neumann_step(at, alpha, &mut workspace.scratch, &mut workspace.b, &mut workspace.q)?;
    }
    Ok(())
}

/// One step of any rule backward, from the state before it.
fn back<T: Scalar, P: Problem<T>>(
    problem: &P,
    rule: &Rule,
    u: &PointOf<T, P>,
    index: usize,
    first: bool,
    run: &mut Run<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<()> {
    let points = problem.inner_space();
    let at = &mut workspace.problem;
    let before = &run.segment[index];
    if matches!(rule, Rule::Adam { .. }) {
        problem.inner(at, u, &before.x, &mut workspace.gradient_w)?;
        run.after.copy_from(points, before);
        run.after.step(rule, points, &workspace.gradient_w);
    }
    problem.linearize(at, u, &before.x)?;
    run.after.step_vjp(rule, points, &workspace.gradient_w, &mut run.adjoint, &mut run.differential);
    problem.lift(at, &run.differential, &mut workspace.b)?;
    problem.vectors(at).axpy(-T::ONE, &workspace.b, &mut workspace.q);
    problem.mixed_vjp(at, &workspace.b, &mut workspace.mixed)?;
    problem.outer_space().axpy(T::ONE, &workspace.mixed, &mut workspace.gradient);
    if !first {
        problem.hvp(at, &workspace.b, &mut workspace.scratch)?;
        problem.lower(at, &workspace.scratch, &mut run.differential)?;
        points.axpy(T::ONE, &run.differential, &mut run.adjoint.x);
    }
    Ok(())
}

fn forward<T: Scalar, P: Problem<T>>(
    problem: &P,
    unrolled: &Unrolled,
    u: &PointOf<T, P>,
    run: &mut Run<PointOf<T, P>>,
    workspace: &mut Workspace<T, P>,
) -> Result<Evaluation> {
    let points = problem.inner_space();
    let outer = problem.outer_space();
    let rule = &unrolled.rule;
    let skipped = unrolled.steps - unrolled.differentiated();
    let count = outer.len();
    workspace.host.reserve_exact(count.saturating_sub(workspace.host.len()));
    workspace.host.resize(count, T::ZERO);
    for tangent in &mut run.tangents {
        points.scale(T::ZERO, &mut run.differential);
        tangent.restart(points, &run.differential);
    }
    let mut products = 0;
    for step in 0..unrolled.steps {
        let at = &mut workspace.problem;
        problem.inner(at, u, &run.current.x, &mut workspace.gradient_w)?;
        run.after.copy_from(points, &run.current);
        run.after.step(rule, points, &workspace.gradient_w);
        if step >= skipped {
            problem.linearize(at, u, &run.current.x)?;
            for (j, tangent) in run.tangents.iter_mut().enumerate() {
                workspace.host.fill(T::ZERO);
                workspace.host[j] = T::ONE;
                outer.load(&workspace.host, &mut workspace.mixed)?;
                problem.mixed_jvp(at, &workspace.mixed, &mut workspace.q)?;
                if step > skipped {
                    problem.lift(at, &tangent.x, &mut workspace.b)?;
                    problem.hvp(at, &workspace.b, &mut workspace.scratch)?;
                    problem.vectors(at).axpy(T::ONE, &workspace.scratch, &mut workspace.q);
                    products += 1;
                }
                problem.lower(at, &workspace.q, &mut run.differential)?;
                run.after.step_jvp(rule, points, &workspace.gradient_w, tangent, &run.differential);
            }
        }
        run.current.copy_from(points, &run.after);
    }
    let (outer_loss, mut report) = at_the_end(problem, unrolled, u, run, workspace)?;
    outer.store(&workspace.gradient, &mut workspace.host)?;
    for (slope, tangent) in workspace.host.iter_mut().zip(&run.tangents) {
        *slope = T::from_f64(slope.to_f64() + points.dot(&workspace.gradient_w, &tangent.x));
    }
    outer.load(&workspace.host, &mut workspace.gradient)?;
    problem.vectors(&workspace.problem).scale(T::ZERO, &mut workspace.q);
    report.products = products;
    Ok(Evaluation { outer_loss, report })
}
