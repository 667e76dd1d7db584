//! Seeded random numbers, the same on every machine.
//!
//! xoshiro256++ (Blackman and Vigna, 2021), whose state is filled from the seed by SplitMix64 (Steele, Lea and Flood, 2014), as its
//! authors ask. The four words of state are all there is: what comes next depends on nothing else, so a run that saves them
//! goes on with the same numbers. Not for secrets.

use std::f64::consts::TAU;

/// A stream of random numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Random {
    state: [u64; 4],
}

// Who needs which draws differs from user to user of this file.
#[allow(dead_code)]
impl Random {
    /// The stream of this seed; any seed will do.
    pub fn new(seed: u64) -> Random {
        let mut counter = seed;
        let state = [(); 4].map(|()| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Random { state }
    }

    /// The state, for [`Random::from_state`].
    pub fn state(&self) -> [u64; 4] {
        self.state
    }

    /// The stream that goes on from this state; `None` for all zeros, which no stream reaches.
    pub fn from_state(state: [u64; 4]) -> Option<Random> {
        (state != [0; 4]).then_some(Random { state })
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform from 0 to below 1, a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * 2.0_f64.powi(-53)
    }

    /// Standard normal (Box and Muller, 1958). Always two draws, so that no second number has to be kept for later.
    pub fn normal(&mut self) -> f64 {
        // 1 − uniform is above 0.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    /// Uniform from 0 to below n, without bias (Lemire, 2019); 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        if n == 0 {
            return 0;
        }
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            // The low half is below 2⁶⁴ mod n for the draws that some results would get once too often.
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as usize;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_streams_are_the_published_ones() {
        let mut random = Random::from_state([1, 2, 3, 4]).unwrap();
        let expected = [
            41943041,
            58720359,
            3588806011781223,
            3591011842654386,
            9228616714210784205,
            9973669472204895162,
            14011001112246962877,
            12406186145184390807,
            15849039046786891736,
            10450023813501588000,
        ];
        assert_eq!(expected.map(|_| random.next_u64()), expected);
        let seeded = Random::new(1234567);
        let expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431];
        assert_eq!(seeded.state(), expected);
        assert_eq!(Random::from_state([0; 4]), None);
    }

    #[test]
    fn a_saved_state_goes_on() {
        let mut random = Random::new(7);
        (0..5).for_each(|_| _ = random.normal());
        let mut resumed = Random::from_state(random.state()).unwrap();
        assert!((0..100).all(|_| random.normal() == resumed.normal()));
    }

    #[test]
    fn moments_of_uniform_and_normal() {
        let mut random = Random::new(1);
        let n = 200_000;
        // Standard errors: 6.5e-4 and 6.7e-4 for mean and variance of the first, 2.2e-3 to 2.2e-2 for the second's moments.
        let draws: Vec<f64> = (0..n).map(|_| random.uniform()).collect();
        assert!(draws.iter().all(|x| (0.0..1.0).contains(x)));
        let mean = |power: i32, draws: &[f64]| draws.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
        assert!((mean(1, &draws) - 0.5).abs() < 3e-3 && (mean(2, &draws) - 1.0 / 3.0).abs() < 3e-3);
        let draws: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        assert!(mean(1, &draws).abs() < 1e-2 && (mean(2, &draws) - 1.0).abs() < 1.3e-2);
        assert!(mean(3, &draws).abs() < 4e-2 && (mean(4, &draws) - 3.0).abs() < 0.1);
    }

    #[test]
    fn below_is_in_range_and_even() {
        let mut random = Random::new(2);
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        let mut counts = [0.0_f64; 7];
        (0..70_000).for_each(|_| counts[random.below(7)] += 1.0);
        // χ² with 6 degrees of freedom: above 22.5 once in a thousand.
        assert!(counts.iter().map(|count| (count - 1e4).powi(2) / 1e4).sum::<f64>() < 22.5, "{counts:?}");
        // With n = 3·2⁶², a multiply without rejection gives a third of the results twice the weight of the others.
        let n = 3_usize << 62;
        let thirds = (0..30_000).filter(|_| random.below(n).is_multiple_of(3)).count() as f64;
        assert!((thirds - 1e4).abs() < 400.0, "{thirds}");
    }
}
