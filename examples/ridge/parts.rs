//! Training, validation and test parts of a table.

use crate::table::Table;
use blo::problem::Examples;

/// The three parts, in the scale in which they are learned from.
#[derive(Debug)]
pub struct Parts {
    /// Half of the rows.
    pub train: Examples<f64>,
    /// A quarter.
    pub validation: Examples<f64>,
    /// The rest.
    pub test: Examples<f64>,
    /// Whether a feature is the same in all training rows; it is then 0 everywhere.
    pub constant: Vec<bool>,
    /// The standard deviation of the training targets: what 1 stands for in the targets here.
    pub target_scale: f64,
}

/// The mean and the standard deviation of one column of the training part.
struct Moments {
    mean: f64,
    deviation: f64,
}

impl Moments {
    /// The column in units of its deviation, or zero if it has none.
    fn standardise(&self, value: f64) -> f64 {
        if self.deviation > 0.0 { (value - self.mean) / self.deviation } else { 0.0 }
    }
}

/// The largest number of deviations from the mean; the squares of larger ones might overflow.
const LARGEST: f64 = 1e100;

/// Splits a table after a shuffle (half, a quarter, the rest), and standardises features and target by the mean and the
/// standard deviation of the training part. The error says which numbers are too large for that.
pub fn split(table: &Table, seed: u64) -> Result<Parts, String> {
    let n = table.targets.len();
    let order = shuffled(n, seed);
    let (train, rest) = order.split_at(n / 2);
    let (validation, test) = rest.split_at(n / 4);
    let width = table.features.len();
    let columns: Vec<Moments> = (0..width)
        .map(|j| moments(&table.features[j], train.iter().map(|&i| table.rows[i * width + j])))
        .collect::<Result<_, _>>()?;
    let target = moments(&table.target, train.iter().map(|&i| table.targets[i]))?;
    let target = Moments { deviation: if target.deviation > 0.0 { target.deviation } else { 1.0 }, ..target };
    check_sizes(table, &columns, &target)?;
    let part = |rows: &[usize]| Examples {
        design: rows
            .iter()
            .flat_map(|&i| table.rows[i * width..(i + 1) * width].iter().zip(&columns))
            .map(|(value, column)| column.standardise(*value))
            .collect(),
        features: width,
        targets: rows.iter().map(|&i| target.standardise(table.targets[i])).collect(),
    };
    Ok(Parts {
        train: part(train),
        validation: part(validation),
        test: part(test),
        constant: columns.iter().map(|column| column.deviation == 0.0).collect(),
        target_scale: target.deviation,
    })
}

/// Checks that all values can be worked with in units of their columns' deviations.
fn check_sizes(table: &Table, columns: &[Moments], target: &Moments) -> Result<(), String> {
    let check = |row: usize, name: &str, value: f64, column: &Moments| {
        if column.standardise(value).abs() <= LARGEST {
            return Ok(());
        }
        Err(format!("data row {}: {value:e} in {name:?} is too large beside the training rows", row + 1))
    };
    for (i, (row, y)) in table.rows.chunks_exact(columns.len()).zip(&table.targets).enumerate() {
        for ((value, column), name) in row.iter().zip(columns).zip(&table.features) {
            check(i, name, *value, column)?;
        }
        check(i, &table.target, *y, target)?;
    }
    Ok(())
}

/// Of the training rows of one column; the deviation is 0 if they are all the same.
fn moments(name: &str, values: impl Iterator<Item = f64> + Clone) -> Result<Moments, String> {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    let variance = values.clone().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    if !variance.is_finite() {
        return Err(format!("the numbers in {name:?} are too large: their variance overflows"));
    }
    let first = values.clone().next();
    let constant = values.into_iter().all(|value| Some(value) == first);
    Ok(Moments { mean, deviation: if constant { 0.0 } else { variance.sqrt() } })
}

/// 0..n in an order that the seed determines: Fisher and Yates's shuffle on splitmix64.
fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, (splitmix64(&mut state) % (i as u64 + 1)) as usize);
    }
    order
}

fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
