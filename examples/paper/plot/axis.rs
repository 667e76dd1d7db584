//! Axes: from values to places, and where the ticks are.

/// The room beyond the outermost values, as a share of the axis.
const PADDING: f64 = 0.07;
/// The fewest ticks of a logarithmic axis.
const FEWEST_TICKS: usize = 4;
/// The most ticks of a linear axis, about.
const MOST_TICKS: f64 = 6.0;
/// The mantissas of a logarithmic axis: the first line that gives enough ticks is used.
const MANTISSAS: [&[f64]; 4] = [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]];

/// How values are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
    /// By their logarithm, the largest first.
    FallingLog,
    /// By their logarithm from 1 on, with 0 as far below 1 as 10 is above it.
    Count,
}

impl Scale {
    fn forward(self, value: f64) -> f64 {
        match self {
            Scale::Linear => value,
            Scale::Log => value.log10(),
            Scale::FallingLog => -value.log10(),
            Scale::Count if value < 1.0 => value - 1.0,
            Scale::Count => value.log10(),
        }
    }
}

/// An axis.
pub struct Axis {
    /// Its name.
    pub label: String,
    /// Values and what is written there.
    pub ticks: Vec<(f64, String)>,
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis that holds these values, with some room around them.
    pub fn fit(label: &str, scale: Scale, values: &[f64]) -> Axis {
        let places = values.iter().map(|&value| scale.forward(value)).filter(|place| place.is_finite());
        let (low, high) =
            places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (low.min(place), high.max(place)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let room = PADDING * if high > low { high - low } else { 1.0 };
        Axis::between(label, scale, low - room, high + room)
    }

    /// A linear axis from `low` to `high`.
    pub fn within(label: &str, low: f64, high: f64) -> Axis {
        Axis::between(label, Scale::Linear, low, high)
    }

    /// A logarithmic axis from one power of ten to another, with a tick at each.
    pub fn decades(label: &str, low: i32, high: i32) -> Axis {
        let (low, high) = (f64::from(low), f64::from(high));
        Axis { label: label.into(), ticks: decades(low, high), scale: Scale::Log, low, high }
    }

    fn between(label: &str, scale: Scale, low: f64, high: f64) -> Axis {
        let ticks = match scale {
            Scale::Linear => linear_ticks(low, high),
            Scale::Log => log_ticks(low, high),
            Scale::FallingLog => decades(-high, -low),
            Scale::Count => count_ticks(low, high),
        };
        Axis { label: label.into(), ticks, scale, low, high }
    }

    /// Where a value is: 0 at the beginning of the axis, 1 at its end.
    pub fn place(&self, value: f64) -> f64 {
        (self.scale.forward(value) - self.low) / (self.high - self.low)
    }
}

/// A number as `10ⁿ` where that is shorter and exact.
pub fn power_of_ten(value: f64) -> String {
    let exponent = value.log10().round();
    if exponent.abs() < 3.0 || !exponent.is_finite() || (value / 10.0_f64.powf(exponent) - 1.0).abs() > 1e-12 {
        return format!("{value}").replace('-', "−");
    }
    let digits = exponent.to_string();
    let raised = digits.chars().map(|digit| match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        _ => '⁰',
    });
    format!("10{}", raised.collect::<String>())
}

fn fixed(value: f64, decimals: usize) -> String {
    format!("{value:.decimals$}").replace('-', "−")
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let least = (high - low) / MOST_TICKS;
    let power = 10.0_f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|m| m * power).find(|&step| step >= least).unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|i| i as f64 * step).map(|value| (value, fixed(value, decimals))).collect()
}

/// `low` and `high` are logarithms. A range too short for round numbers has those of a linear axis.
fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let of = |mantissas: &[f64]| -> Vec<(f64, String)> {
        let powers = low.floor() as i32..=high.ceil() as i32;
        powers
            .flat_map(|power| mantissas.iter().map(move |&mantissa| (mantissa, power)))
            .map(|(mantissa, power)| {
                let decimals = (i32::from(mantissa.fract() != 0.0) - power).max(0) as usize;
                let value = mantissa * 10.0_f64.powi(power);
                (value, fixed(value, decimals))
            })
            .filter(|(value, _)| (low..=high).contains(&value.log10()))
            .collect()
    };
    MANTISSAS
        .into_iter()
        .map(of)
        .find(|ticks| ticks.len() >= FEWEST_TICKS)
        .unwrap_or_else(|| linear_ticks(10.0_f64.powf(low), 10.0_f64.powf(high)))
}

fn decades(low: f64, high: f64) -> Vec<(f64, String)> {
    let powers = low.ceil() as i32..=high.floor() as i32;
    powers.map(|power| 10.0_f64.powi(power)).map(|value| (value, power_of_ten(value))).collect()
}

/// `low` and `high` are places: 0 has the place −1.
fn count_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let mut ticks = decades(low.max(0.0), high);
    if low <= -1.0 {
        ticks.insert(0, (0.0, "0".into()));
    }
    ticks
}
