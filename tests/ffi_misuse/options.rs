//! Options out of range, one field at a time.

use crate::support::*;
use blo::ffi::*;
use std::ptr::null_mut;

/// Spoils one field, and says which message is due.
type Spoil<O> = (&'static str, &'static str, fn(&mut O));

#[test]
fn option_structs_of_all_sizes() {
    let (own, problem) = (size_of::<EstimatorOptions>(), Handle::quadratic());
    let mut options = estimator(BLO_ESTIMATOR_MIN_NORM);
    // SAFETY: sizes that do not fit are refused before anything is written.
    unsafe {
        for size in [0, 8, own - 1] {
            let parts = [&*size.to_string()];
            refused(blo_estimator_options_init(&mut options, size), BLO_ERR_STRUCT_SIZE, "options", &parts);
            refused(blo_run_options_init(&mut run_options(), size), BLO_ERR_STRUCT_SIZE, "options", &parts);
        }
        refused(blo_estimator_options_init(&mut options, usize::MAX), BLO_ERR_INVALID, "options", &["4096"]);
        refused(blo_run_options_init(&mut run_options(), 4097), BLO_ERR_INVALID, "options", &["4096"]);
        refused(blo_estimator_options_init(null_mut(), own), BLO_ERR_NULL, "options", &["null"]);
        refused(blo_run_options_init(null_mut(), own), BLO_ERR_NULL, "options", &["null"]);
    }
    for size in [0, 8, own as u32 - 1] {
        options.struct_size = size;
        refused(hypergradient(&problem, &options), BLO_ERR_STRUCT_SIZE, "estimator", &[&size.to_string()]);
        let options = RunOptions { struct_size: size, ..run_options() };
        let status = run(&problem, &options, &estimator(BLO_ESTIMATOR_MIN_NORM)).0;
        refused(status, BLO_ERR_STRUCT_SIZE, "options", &[&size.to_string()]);
    }
    options.struct_size = 5000;
    refused(hypergradient(&problem, &options), BLO_ERR_INVALID, "estimator", &["5000"]);
}

#[test]
fn estimator_fields() {
    let problem = Handle::quadratic();
    let everywhere: &[Spoil<EstimatorOptions>] = &[
        ("estimator", "reserved 1", |o| o.reserved = 1),
        ("reserved1", "2", |o| o.reserved1 = 2),
        ("kind", "BLO_ESTIMATOR_GMRES (11)", |o| o.kind = 12),
        ("kind", "found -1", |o| o.kind = -1),
        ("by", "BLO_BY_DENSE (1)", |o| o.by = 2),
        ("by", "found -1", |o| o.by = -1),
        ("step", "BLO_STEP_AUTO (1)", |o| o.step = 2),
        ("on_growth", "BLO_GROWTH_CONTINUE (1)", |o| o.on_growth = i32::MIN),
        ("verify", "0 or 1", |o| o.verify = 2),
        ("alpha", "found NaN", |o| o.alpha = f64::NAN),
        ("alpha", "found inf", |o| o.alpha = f64::INFINITY),
        ("epsilon", "found NaN", |o| o.epsilon = f64::NAN),
        ("epsilon", "found -inf", |o| o.epsilon = f64::NEG_INFINITY),
        ("cutoff", "found NaN", |o| o.cutoff = f64::NAN),
        ("cutoff", "found inf", |o| o.cutoff = f64::INFINITY),
        ("tolerance", "found NaN", |o| o.tolerance = f64::NAN),
        ("tolerance", "found inf", |o| o.tolerance = f64::INFINITY),
        ("start_from_last", "0 or 1", |o| o.start_from_last = 2),
        ("mode", "BLO_MODE_FORWARD (2)", |o| o.mode = 3),
        ("refine", "found -1", |o| o.refine = -1),
    ];
    let of_a_kind: &[(i32, Spoil<EstimatorOptions>)] = &[
        (BLO_ESTIMATOR_MIN_NORM, ("cutoff", "found -2", |o| o.cutoff = -2.0)),
        (BLO_ESTIMATOR_MIN_NORM, ("cutoff", "below 1", |o| o.cutoff = 1.0)),
        (BLO_ESTIMATOR_MIN_NORM, ("tolerance", "found -0.5", |o| o.tolerance = -0.5)),
        (BLO_ESTIMATOR_MIN_NORM, ("max_products", "found 0", |o| o.max_products = 0)),
        (BLO_ESTIMATOR_MIN_NORM, ("max_products", "found -2", |o| o.max_products = -2)),
        (BLO_ESTIMATOR_MIN_NORM, ("step", "BLO_STEP_AUTO", |o| o.step = BLO_STEP_AUTO)),
        (BLO_ESTIMATOR_DAMPED, ("epsilon", "found 0", |o| o.epsilon = 0.0)),
        (BLO_ESTIMATOR_DAMPED, ("epsilon", "found -1", |o| o.epsilon = -1.0)),
        (BLO_ESTIMATOR_NEUMANN, ("terms", "found -1", |o| o.terms = -1)),
        (BLO_ESTIMATOR_NEUMANN, ("alpha", "found 0", |o| o.alpha = 0.0)),
        (BLO_ESTIMATOR_NEUMANN, ("alpha", "found -0.1", |o| o.alpha = -0.1)),
        (BLO_ESTIMATOR_NEUMANN, ("alpha", "BLO_STEP_AUTO", |o| o.step = BLO_STEP_AUTO)),
        (BLO_ESTIMATOR_NEUMANN_FILTER, ("terms", "found -9", |o| o.terms = -9)),
        (BLO_ESTIMATOR_NEUMANN_FILTER, ("alpha", "found 0", |o| o.alpha = 0.0)),
        (BLO_ESTIMATOR_NEUMANN_FILTER, ("step", "BLO_STEP_FIXED", |o| o.step = BLO_STEP_AUTO)),
        (BLO_ESTIMATOR_CG, ("iterations", "found 0", |o| o.iterations = 0)),
        (BLO_ESTIMATOR_CG, ("iterations", "found -4", |o| o.iterations = -4)),
        (BLO_ESTIMATOR_CG, ("tolerance", "found -2", |o| o.tolerance = -2.0)),
        (BLO_ESTIMATOR_IDENTITY, ("alpha", "found -1", |o| o.alpha = -1.0)),
        (BLO_ESTIMATOR_UNROLLED, ("steps", "found 0", |o| o.steps = 0)),
        (BLO_ESTIMATOR_UNROLLED, ("steps", "found -1", |o| o.steps = -1)),
        (BLO_ESTIMATOR_UNROLLED, ("rule.step", "found 0", |o| o.rule.step = 0.0)),
        (BLO_ESTIMATOR_UNROLLED, ("rule.step", "found NaN", |o| o.rule.step = f64::NAN)),
        (BLO_ESTIMATOR_UNROLLED, ("rule.kind", "BLO_RULE_ADAM (2)", |o| o.rule.kind = 3)),
        (BLO_ESTIMATOR_UNROLLED, ("rule.kind", "reserved 1", |o| o.rule.reserved = 1)),
        (BLO_ESTIMATOR_CG_TWICE, ("max_products", "found -1", |o| o.max_products = BLO_DEFAULT.into())),
        (BLO_ESTIMATOR_MINRES, ("max_products", "found 0", |o| o.max_products = 0)),
        (BLO_ESTIMATOR_MINRES, ("tolerance", "found -2", |o| o.tolerance = -2.0)),
        (BLO_ESTIMATOR_NYSTROM, ("rank", "found 0", |o| o.rank = 0)),
        (BLO_ESTIMATOR_NYSTROM, ("epsilon", "found 0", |o| o.epsilon = 0.0)),
        (BLO_ESTIMATOR_GMRES, ("restart", "found -1", |o| o.restart = -1)),
        (BLO_ESTIMATOR_UNROLLED, ("last", "found 0", |o| o.last = 0)),
        (BLO_ESTIMATOR_UNROLLED, ("last", "found 4", |o| o.last = 4)),
        (BLO_ESTIMATOR_UNROLLED, ("last", "found -2", |o| o.last = -2)),
    ];
    let check = |kind: i32, (argument, part, spoil): &Spoil<EstimatorOptions>| {
        let mut options = usable(kind);
        assert_eq!(hypergradient(&problem, &options), BLO_OK, "kind {kind}: {}", message());
        spoil(&mut options);
        refused(hypergradient(&problem, &options), BLO_ERR_INVALID, argument, &[part]);
        refused(run(&problem, &run_options(), &options).0, BLO_ERR_INVALID, argument, &[part]);
    };
    for kind in BLO_ESTIMATOR_MIN_NORM..=BLO_ESTIMATOR_GMRES {
        everywhere.iter().for_each(|spoil| check(kind, spoil));
    }
    of_a_kind.iter().for_each(|(kind, spoil)| check(*kind, spoil));
}

#[test]
fn run_fields() {
    let problem = Handle::quadratic();
    let exact = estimator(BLO_ESTIMATOR_MIN_NORM);
    let spoils: &[Spoil<RunOptions>] = &[
        ("options", "reserved 1", |o| o.reserved = 1),
        ("start", "BLO_START_WARM (1)", |o| o.start = 2),
        ("inner", "BLO_INNER_OPTIMIZER (1)", |o| o.inner = -1),
        ("method", "BLO_METHOD_LBFGSB (1)", |o| o.method = 2),
        ("outer_rule.kind", "BLO_RULE_ADAM (2)", |o| o.outer_rule.kind = 3),
        ("inner_rule.kind", "BLO_RULE_ADAM (2)", |o| o.inner_rule.kind = -1),
        ("keep_best", "0 or 1", |o| o.keep_best = 2),
        ("keep_look_ahead", "0 or 1", |o| o.keep_look_ahead = 2),
        ("distances", "0 or 1", |o| o.distances = -1),
        ("inner_steps", "found 0", |o| o.inner_steps = 0),
        ("inner_steps", "found -5", |o| o.inner_steps = -5),
        ("outer_steps", "found -1", |o| o.outer_steps = -1),
        ("batch_size", "found -1", |o| o.batch_size = -1),
        ("bounds", "2 to 1", |o| (o.lower, o.upper) = (2.0, 1.0)),
        ("bounds", "NaN", |o| o.upper = f64::NAN),
        ("u", "-1 at index 1", |o| o.lower = 0.0),
        ("memory", "found 0", |o| (o.method, o.memory) = (1, 0)),
        ("schedule_first", "found 0", |o| o.schedule_factor = 0.5),
        ("schedule_factor", "found 1", |o| (o.schedule_first, o.schedule_factor) = (0.5, 1.0)),
        ("inner_rule.step", "found 0", |o| o.inner_rule.step = 0.0),
        ("inner_rule.step", "found NaN", |o| o.inner_rule.step = f64::NAN),
        ("inner_tolerance", "found -1", |o| o.inner_tolerance = -1.0),
        ("inner_tolerance", "found inf", |o| o.inner_tolerance = f64::INFINITY),
        ("outer_rule.step", "found 0", |o| o.outer_rule.step = 0.0),
        ("outer_rule.step", "found -2", |o| o.outer_rule.step = -2.0),
        ("outer_rule.step", "found NaN", |o| o.outer_rule.step = f64::NAN),
        ("outer_tolerance", "found -1", |o| o.outer_tolerance = -1.0),
        ("outer_tolerance", "found NaN", |o| o.outer_tolerance = f64::NAN),
        ("outer_rule.beta1", "found 1", |o| o.outer_rule.beta1 = 1.0),
        ("outer_rule.beta1", "found NaN", |o| o.outer_rule.beta1 = f64::NAN),
        ("outer_rule.beta2", "found -0.1", |o| o.outer_rule.beta2 = -0.1),
        ("outer_rule.beta2", "found inf", |o| o.outer_rule.beta2 = f64::INFINITY),
        ("outer_rule.epsilon", "found 0", |o| o.outer_rule.epsilon = 0.0),
        ("outer_rule.epsilon", "found NaN", |o| o.outer_rule.epsilon = f64::NAN),
    ];
    assert_eq!(run(&problem, &run_options(), &exact).0, BLO_OK, "{}", message());
    for (argument, part, spoil) in spoils {
        let mut options = run_options();
        spoil(&mut options);
        let (status, written) = run(&problem, &options, &exact);
        refused(status, BLO_ERR_INVALID, argument, &[part]);
        assert_eq!(written, outcome(), "written after an error");
    }
    // What runs is what is differentiated.
    let unrolled = EstimatorOptions { steps: 5, ..usable(BLO_ESTIMATOR_UNROLLED) };
    assert_eq!(run(&problem, &run_options(), &unrolled).0, BLO_OK, "{}", message());
    let other = EstimatorOptions { steps: 4, ..unrolled };
    refused(run(&problem, &run_options(), &other).0, BLO_ERR_INVALID, "steps", &["found 4", "5"]);
    let other = EstimatorOptions { rule: RuleOptions { step: 0.2, ..unrolled.rule }, ..unrolled };
    refused(run(&problem, &run_options(), &other).0, BLO_ERR_INVALID, "rule", &["0.2", "0.1"]);
    let status = run(&problem, &RunOptions { inner_tolerance: 0.5, ..run_options() }, &unrolled).0;
    refused(status, BLO_ERR_INVALID, "inner_tolerance", &["found 0.5"]);
    let status = run(&problem, &RunOptions { keep_look_ahead: 1, ..run_options() }, &exact).0;
    assert_eq!(status, BLO_ERR_UNSUPPORTED);
    assert!(message().contains("keep_look_ahead") && message().contains("warm"), "{}", message());
}
