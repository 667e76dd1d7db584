//! Networks.

use super::args::{Growing, choice, dimension, elements, init_struct, not_null, read_array, read_matrix, read_struct};
use super::args::{room, row_stride, same_dimension, write_array};
use super::family::Family;
use super::guard::{Done, guard};
use super::handle::{create, share};
use super::lend::Lender;
use super::problem::{BLO_REDUCTION_MEAN, ExampleRows, Problem, read_examples, read_reduction};
use super::status::Status;
use crate::error::invalid;
use crate::problem::mlp::{Activation, Groups, Init, Loss, Mlp, Model, OuterParameters};
use crate::{Error, Result, Scalar};
use std::sync::Arc;

/// activation: z.
pub const BLO_ACTIVATION_IDENTITY: i32 = 0;
/// activation: max(z, 0); its derivative at 0 is 0.
pub const BLO_ACTIVATION_RELU: i32 = 1;
/// activation: tanh z.
pub const BLO_ACTIVATION_TANH: i32 = 2;
/// activation: log(1 + exp(z)).
pub const BLO_ACTIVATION_SOFTPLUS: i32 = 3;
/// activation: z times the normal distribution function at z (the exact GELU).
pub const BLO_ACTIVATION_GELU: i32 = 4;
/// activation: z / (1 + exp(-z)).
pub const BLO_ACTIVATION_SILU: i32 = 5;

/// loss: softmax cross-entropy; targets are rows of probabilities.
pub const BLO_NETWORK_LOSS_CROSS_ENTROPY: i32 = 0;
/// loss: |z - t|^2 / 2.
pub const BLO_NETWORK_LOSS_SQUARED: i32 = 1;

/// outer: u is the inner design x (n x d): distilled inputs.
pub const BLO_NETWORK_OUTER_INPUTS: i32 = 0;
/// outer: u is the inner targets (n x c).
pub const BLO_NETWORK_OUTER_TARGETS: i32 = 1;
/// outer: u is the inner design, then the logits of the inner targets: distilled inputs with soft labels.
pub const BLO_NETWORK_OUTER_INPUTS_AND_LABEL_LOGITS: i32 = 2;
/// outer: u is the logarithms of L2 penalties, in groups of parameters as group says.
pub const BLO_NETWORK_OUTER_LOG_L2: i32 = 3;
/// outer: u is the logits of the inner examples' weights.
pub const BLO_NETWORK_OUTER_EXAMPLE_WEIGHTS: i32 = 4;
/// outer: u = [U, b]; the network sees U x + b, U (d x features of the inner design) row-major.
pub const BLO_NETWORK_OUTER_LINEAR_AUGMENTATION: i32 = 5;
/// outer: proximal_weight |w - u|^2 / 2 is added to f: implicit MAML.
pub const BLO_NETWORK_OUTER_PROXIMAL_CENTRE: i32 = 6;

/// group: one penalty for all parameters.
pub const BLO_NETWORK_GROUP_ALL: i32 = 0;
/// group: one for the weights and biases of each layer.
pub const BLO_NETWORK_GROUP_LAYER: i32 = 1;
/// group: one for each parameter.
pub const BLO_NETWORK_GROUP_PARAMETER: i32 = 2;

/// init: weights of standard deviation sqrt(2 / (fan_in + fan_out)), biases 0.
pub const BLO_INIT_GLOROT: i32 = 0;
/// init: weights of standard deviation sqrt(2 / fan_in), biases 0.
pub const BLO_INIT_HE: i32 = 1;
/// init: weights of standard deviation sqrt(1 / fan_in), biases 0.
pub const BLO_INIT_LECUN: i32 = 2;
/// init: 0.
pub const BLO_INIT_ZERO: i32 = 3;

/// What a network problem is. Initialise it with blo_network_options_init, then set what differs.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetworkOptions {
    /// Set by blo_network_options_init.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// One of BLO_ACTIVATION_, after every layer but the last. Default BLO_ACTIVATION_RELU.
    pub activation: i32,
    /// One of BLO_NETWORK_LOSS_. Default BLO_NETWORK_LOSS_CROSS_ENTROPY.
    pub loss: i32,
    /// One of BLO_NETWORK_OUTER_: what u is. Default BLO_NETWORK_OUTER_INPUTS.
    pub outer: i32,
    /// One of BLO_NETWORK_GROUP_, for penalties. Default BLO_NETWORK_GROUP_ALL.
    pub group: i32,
    /// One of BLO_REDUCTION_. Default BLO_REDUCTION_MEAN.
    pub reduction: i32,
    /// 0.
    pub reserved1: i32,
    /// The fixed penalty of weights and biases, 0 or above. Default 0.
    pub l2: f64,
    /// Above 0 with BLO_NETWORK_OUTER_PROXIMAL_CENTRE; else not used. Default 1.
    pub proximal_weight: f64,
}

// SAFETY: two u32, then integers and doubles without padding, as the assertion below shows.
unsafe impl Growing for NetworkOptions {
    const FIRST_SIZE: usize = 48;
}

const _: () = assert!(size_of::<NetworkOptions>() == NetworkOptions::FIRST_SIZE);

const DEFAULTS: NetworkOptions = NetworkOptions {
    struct_size: NetworkOptions::FIRST_SIZE as u32,
    reserved: 0,
    activation: BLO_ACTIVATION_RELU,
    loss: BLO_NETWORK_LOSS_CROSS_ENTROPY,
    outer: BLO_NETWORK_OUTER_INPUTS,
    group: BLO_NETWORK_GROUP_ALL,
    reduction: BLO_REDUCTION_MEAN,
    reserved1: 0,
    l2: 0.0,
    proximal_weight: 1.0,
};

/// Fills the options of a network problem with their defaults.
///
/// - options [out]: the options
/// - size [in]: sizeof *options
///
/// Errors: BLO_ERR_NULL; BLO_ERR_STRUCT_SIZE for a size below the first released one; BLO_ERR_INVALID for one above
/// 4096. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_network_options_init(options: *mut NetworkOptions, size: usize) -> Status {
    // SAFETY: the caller vouches for `size` bytes.
    guard(|| unsafe { Ok(init_struct("options", options, size, &DEFAULTS)?) })
}

/// Makes a multilayer perceptron, layers W x + b with an activation after each but the last:
/// f(u, w) = sum_i omega_i l(net(x_i; w), t_i) + l2 |w|^2 / 2 (+ what u adds), omega_i = 1/n or 1, and
/// F(w) = 1/N sum_i l(net(x_i; w), t_i) over the N outer examples.
///
/// - n_widths [in], widths [in, n_widths]: the widths d, ..., c from inputs to outputs, at least two; two make a linear
///   model
/// - inner, outer [in]: the examples; copied or lent. inner.design and inner.targets may be NULL where u sets them (inner.rows
///   counts all the same)
/// - options [in]: what the problem is; NULL for the defaults
/// - problem [out]: the problem, NULL after an error; end it with blo_problem_destroy_f64
///
/// w = [W1, b1, W2, b2, ...], each W (fan_out x fan_in) row-major.
///
/// Errors: BLO_ERR_NULL; BLO_ERR_INVALID for widths, sizes, strides and options; BLO_ERR_NON_FINITE;
/// BLO_ERR_STRUCT_SIZE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_problem_create_network_f64(
    n_widths: i64,
    widths: *const i64,
    inner: *const ExampleRows<f64>,
    outer: *const ExampleRows<f64>,
    options: *const NetworkOptions,
    problem: *mut *mut Problem<f64>,
) -> Status {
    // SAFETY: the caller vouches for the widths, for structs of the sizes in their first fields with their arrays, and for
    // the handle's place.
    guard(|| unsafe { create_network(n_widths, widths, inner, outer, options, problem) })
}

/// More layers than anybody means.
const MOST_WIDTHS: usize = 1 << 16;

pub(super) unsafe fn create_network<T: Scalar>(
    n_widths: i64,
    widths: *const i64,
    inner: *const ExampleRows<T>,
    outer: *const ExampleRows<T>,
    options: *const NetworkOptions,
    problem: *mut *mut Problem<T>,
) -> Done {
    let body = || {
        // SAFETY: as the caller vouches.
        let options = if options.is_null() { DEFAULTS } else { unsafe { read_struct("options", options, DEFAULTS) }? };
        let n_widths = dimension("n_widths", n_widths)?;
        if n_widths > MOST_WIDTHS {
            return Err(invalid("n_widths", n_widths, format!("at most {MOST_WIDTHS}")).into());
        }
        not_null("widths", widths)?;
        let widths = (0..n_widths)
            // SAFETY: as the caller vouches.
            .map(|i| dimension("widths", unsafe { widths.add(i).read_unaligned() }))
            .collect::<Result<Vec<usize>>>()?;
        let kind = options.outer_parameters()?;
        let model = Model::new(&widths, options.read_activation()?, options.read_loss()?)?;
        room::<T>("widths", model.parameters())?;
        let makes_design = matches!(kind, OuterParameters::Inputs | OuterParameters::InputsAndLabelLogits);
        let makes_targets = matches!(kind, OuterParameters::Targets | OuterParameters::InputsAndLabelLogits);
        let outputs = model.outputs();
        // SAFETY: as the caller vouches.
        let ((inner, lender), (outer, other)) = unsafe {
            let names = ["inner", "inner design", "inner targets"];
            (
                read_examples(names, inner, outputs, !makes_design, !makes_targets)?,
                read_examples(["outer", "outer design", "outer targets"], outer, outputs, true, true)?,
            )
        };
        let reduction = read_reduction(options.reduction)?;
        let family = Arc::new(Family::Network(Mlp::new(model, kind, inner, outer, reduction, options.l2)?));
        [lender, other].iter().for_each(Lender::keep);
        Ok(family)
    };
    // SAFETY: as the caller vouches.
    unsafe { create("problem", problem, body) }
}

impl NetworkOptions {
    fn read_activation(&self) -> Result<Activation> {
        let names = [
            "BLO_ACTIVATION_IDENTITY",
            "BLO_ACTIVATION_RELU",
            "BLO_ACTIVATION_TANH",
            "BLO_ACTIVATION_SOFTPLUS",
            "BLO_ACTIVATION_GELU",
            "BLO_ACTIVATION_SILU",
        ];
        Ok(match choice("activation", self.activation, &names)? as i32 {
            BLO_ACTIVATION_IDENTITY => Activation::Identity,
            BLO_ACTIVATION_RELU => Activation::Relu,
            BLO_ACTIVATION_TANH => Activation::Tanh,
            BLO_ACTIVATION_SOFTPLUS => Activation::Softplus,
            BLO_ACTIVATION_GELU => Activation::Gelu,
            _ => Activation::Silu,
        })
    }

    fn read_loss(&self) -> Result<Loss> {
        let names = ["BLO_NETWORK_LOSS_CROSS_ENTROPY", "BLO_NETWORK_LOSS_SQUARED"];
        Ok(match choice("loss", self.loss, &names)? as i32 {
            BLO_NETWORK_LOSS_CROSS_ENTROPY => Loss::CrossEntropy,
            _ => Loss::SquaredError,
        })
    }

    fn outer_parameters(&self) -> Result<OuterParameters> {
        if self.reserved1 != 0 {
            return Err(invalid("reserved1", self.reserved1, 0));
        }
        let names = ["BLO_NETWORK_GROUP_ALL", "BLO_NETWORK_GROUP_LAYER", "BLO_NETWORK_GROUP_PARAMETER"];
        let groups = match choice("group", self.group, &names)? as i32 {
            BLO_NETWORK_GROUP_LAYER => Groups::PerLayer,
            BLO_NETWORK_GROUP_PARAMETER => Groups::PerParameter,
            _ => Groups::Scalar,
        };
        let names = [
            "BLO_NETWORK_OUTER_INPUTS",
            "BLO_NETWORK_OUTER_TARGETS",
            "BLO_NETWORK_OUTER_INPUTS_AND_LABEL_LOGITS",
            "BLO_NETWORK_OUTER_LOG_L2",
            "BLO_NETWORK_OUTER_EXAMPLE_WEIGHTS",
            "BLO_NETWORK_OUTER_LINEAR_AUGMENTATION",
            "BLO_NETWORK_OUTER_PROXIMAL_CENTRE",
        ];
        Ok(match choice("outer", self.outer, &names)? as i32 {
            BLO_NETWORK_OUTER_INPUTS => OuterParameters::Inputs,
            BLO_NETWORK_OUTER_TARGETS => OuterParameters::Targets,
            BLO_NETWORK_OUTER_INPUTS_AND_LABEL_LOGITS => OuterParameters::InputsAndLabelLogits,
            BLO_NETWORK_OUTER_LOG_L2 => OuterParameters::LogL2(groups),
            BLO_NETWORK_OUTER_EXAMPLE_WEIGHTS => OuterParameters::ExampleWeightLogits,
            BLO_NETWORK_OUTER_LINEAR_AUGMENTATION => OuterParameters::LinearAugmentation,
            _ => OuterParameters::ProximalCentre { weight: self.proximal_weight },
        })
    }
}

fn network<T: Scalar>(problem: &Family<T>) -> Result<&Model> {
    match problem {
        Family::Network(network) => Ok(network.model()),
        #[cfg(feature = "cuda")]
        Family::DeviceNetwork(network) => Ok(network.problem().model()),
        _ => Err(Error::Unsupported { operation: "network", reason: "the problem is none; make one as a network" }),
    }
}

/// w = initial parameters of a network: normal numbers from a seed.
///
/// - problem [in]: a network
/// - init [in]: one of BLO_INIT_
/// - seed [in]: the same seed gives the same numbers, on every machine up to the rounding of logarithms and cosines
/// - w [out, n_inner], n_inner [in]: the parameters, and their number, the problem's
///
/// Errors: BLO_ERR_NULL; BLO_ERR_UNSUPPORTED for another problem; BLO_ERR_INVALID; BLO_ERR_SHAPE. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_network_initial_f64(
    problem: *const Problem<f64>,
    init: i32,
    seed: u64,
    w: *mut f64,
    n_inner: i64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and an array of this size.
    guard(|| unsafe { network_initial(problem, init, seed, w, n_inner) })
}

pub(super) unsafe fn network_initial<T: Scalar>(
    problem: *const Problem<T>,
    init: i32,
    seed: u64,
    w: *mut T,
    n_inner: i64,
) -> Done {
    // SAFETY: as the caller vouches.
    let problem = unsafe { share("problem", problem) }?;
    let model = network(&problem)?;
    let names = ["BLO_INIT_GLOROT", "BLO_INIT_HE", "BLO_INIT_LECUN", "BLO_INIT_ZERO"];
    let init = match choice("init", init, &names)? as i32 {
        BLO_INIT_GLOROT => Init::Glorot,
        BLO_INIT_HE => Init::He,
        BLO_INIT_LECUN => Init::LeCun,
        _ => Init::Zero,
    };
    same_dimension("n_inner", n_inner, model.parameters())?;
    not_null("w", w)?;
    let values = model.initial::<T>(init, seed);
    // SAFETY: as the caller vouches; the size is the problem's.
    unsafe { write_array(w, &values) };
    Ok(())
}

/// out = the outputs of a network, before any softmax.
///
/// - problem [in]: a network with d inputs and c outputs
/// - w [in, n_inner], n_inner [in]: the parameters, and their number, the problem's
/// - x [in, rows x d], rows [in], x_stride [in]: the examples, and the elements from row to row; 0: no gaps
/// - out [out, rows x c]: without gaps
///
/// Errors: BLO_ERR_NULL; BLO_ERR_UNSUPPORTED for another problem; BLO_ERR_INVALID for rows and x_stride; BLO_ERR_SHAPE.
/// Allocates. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blo_network_predict_f64(
    problem: *const Problem<f64>,
    w: *const f64,
    n_inner: i64,
    x: *const f64,
    rows: i64,
    x_stride: i64,
    out: *mut f64,
) -> Status {
    // SAFETY: the caller vouches for a living handle and arrays of these sizes.
    guard(|| unsafe { network_predict(problem, w, n_inner, x, rows, x_stride, out) })
}

pub(super) unsafe fn network_predict<T: Scalar>(
    problem: *const Problem<T>,
    w: *const T,
    n_inner: i64,
    x: *const T,
    rows: i64,
    x_stride: i64,
    out: *mut T,
) -> Done {
    // SAFETY: as the caller vouches.
    let problem = unsafe { share("problem", problem) }?;
    let model = network(&problem)?;
    same_dimension("n_inner", n_inner, model.parameters())?;
    let rows = dimension("rows", rows)?;
    row_stride("x", rows, model.inputs(), x_stride)?;
    let size = elements("rows", rows, model.outputs())?;
    not_null("out", out)?;
    // SAFETY: as the caller vouches.
    let (w, x) =
        unsafe { (read_array("w", w, model.parameters())?, read_matrix("x", x, rows, model.inputs(), x_stride)?) };
    let mut outputs = vec![T::ZERO; size];
    model.predict(&w, &x, &mut outputs)?;
    // SAFETY: as the caller vouches.
    unsafe { write_array(out, &outputs) };
    Ok(())
}
