//! The request distributions of YCSB: uniform, scrambled zipfian, latest.
//!
//! Definitions after Cooper et al., "Benchmarking Cloud Serving Systems with YCSB" (SoCC 2010), and
//! Gray et al., "Quickly Generating Billion-Record Synthetic Databases" (SIGMOD 1994), §3, for the
//! zipfian sampler.

use rand::Rng;

/// The skew of all of YCSB's zipfian choices.
pub const ZIPFIAN_CONSTANT: f64 = 0.99;

/// The population that the scrambled zipfian draws from before it is folded onto the records; it
/// is that large so that the popularity of a record does not change as records are inserted.
const SCRAMBLED_POPULATION: u64 = 10_000_000_000;
/// ζ(10¹⁰, 0.99), which would take a minute to sum.
const SCRAMBLED_ZETA: f64 = 26.469_028_201_783_02;

/// A number in 0..1 with 53 random bits.
pub fn unit(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// A number in 0..`bound`, `bound` > 0 (multiply and shift: the bias is below 2⁻³² for the bounds
/// used here).
pub fn below(random: &mut impl Rng, bound: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// FNV-1a of a number's eight bytes: spreads record numbers over the key space, as in YCSB.
pub fn fnv_hash(number: u64) -> u64 {
    number
        .to_le_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Zipfian ranks 0..n, 0 the most popular, for an n that may grow.
#[derive(Clone, Debug)]
pub struct Zipfian {
    items: u64,
    zeta: f64,
    zeta_2: f64,
    alpha: f64,
    eta: f64,
}

impl Zipfian {
    /// Over `items` ranks; sums ζ, so its cost is linear in `items`.
    pub fn new(items: u64) -> Self {
        let mut zipfian = Self::with_zeta(items, 0.0);
        zipfian.zeta = Self::zeta_terms(0, items);
        zipfian.update_eta();
        zipfian
    }

    fn with_zeta(items: u64, zeta: f64) -> Self {
        let mut zipfian = Self {
            items,
            zeta,
            zeta_2: Self::zeta_terms(0, 2),
            alpha: 1.0 / (1.0 - ZIPFIAN_CONSTANT),
            eta: 0.0,
        };
        zipfian.update_eta();
        zipfian
    }

    fn zeta_terms(from: u64, to: u64) -> f64 {
        (from..to)
            .map(|rank| ((rank + 1) as f64).powf(-ZIPFIAN_CONSTANT))
            .sum()
    }

    fn update_eta(&mut self) {
        self.eta = (1.0 - (2.0 / self.items as f64).powf(1.0 - ZIPFIAN_CONSTANT))
            / (1.0 - self.zeta_2 / self.zeta);
    }

    /// Grows to `items` ranks at the cost of the new ones.
    pub fn grow(&mut self, items: u64) {
        if items > self.items {
            self.zeta += Self::zeta_terms(self.items, items);
            self.items = items;
            self.update_eta();
        }
    }

    /// Draws a rank.
    pub fn sample(&self, random: &mut impl Rng) -> u64 {
        let u = unit(random);
        let uz = u * self.zeta;
        if uz < 1.0 {
            return 0;
        }
        if uz < self.zeta_2 {
            return 1.min(self.items - 1);
        }
        let rank = (self.items as f64 * (self.eta * u - self.eta + 1.0).powf(self.alpha)) as u64;
        rank.min(self.items - 1)
    }
}

/// Which records a workload asks for.
#[derive(Clone, Debug)]
pub enum Requests {
    /// Popular records spread over the key space.
    ScrambledZipfian(Zipfian),
    /// The most recently inserted records most often.
    Latest(Zipfian),
}

impl Requests {
    /// Scrambled zipfian.
    pub fn scrambled_zipfian() -> Self {
        Self::ScrambledZipfian(Zipfian::with_zeta(SCRAMBLED_POPULATION, SCRAMBLED_ZETA))
    }

    /// Latest, over `records` records so far.
    pub fn latest(records: u64) -> Self {
        Self::Latest(Zipfian::new(records.max(1)))
    }

    /// Draws the number of a record below `records` (> 0), all of which are in the store.
    pub fn sample(&mut self, records: u64, random: &mut impl Rng) -> u64 {
        match self {
            Self::ScrambledZipfian(zipfian) => fnv_hash(zipfian.sample(random)) % records,
            Self::Latest(zipfian) => {
                zipfian.grow(records);
                records - 1 - zipfian.sample(random).min(records - 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64Mcg;

    use super::*;

    const SEED: u64 = 0x5eed;

    #[test]
    fn zipfian_ranks_have_their_probabilities() {
        let zipfian = Zipfian::new(1000);
        let mut random = Pcg64Mcg::seed_from_u64(SEED);
        let mut counts = vec![0u32; 1000];
        const DRAWS: u32 = 1_000_000;
        for _ in 0..DRAWS {
            counts[zipfian.sample(&mut random) as usize] += 1;
        }
        // P(rank) = rank⁻⁰·⁹⁹ / ζ. Ranks 0 and 1 are exact in Gray's method, the rest is a
        // continuous approximation: right within a few parts in ten for each rank, and much better
        // for sums.
        let zeta: f64 = (1..=1000).map(|n| f64::from(n).powf(-0.99)).sum();
        let share = |ranks: std::ops::Range<usize>| {
            f64::from(counts[ranks].iter().sum::<u32>()) / f64::from(DRAWS)
        };
        let expected = |ranks: std::ops::Range<usize>| -> f64 {
            ranks
                .map(|rank| ((rank + 1) as f64).powf(-0.99) / zeta)
                .sum()
        };
        for (ranks, tolerance) in [(0..1, 0.01), (1..2, 0.01), (2..10, 0.15), (10..1000, 0.08)] {
            let ratio = share(ranks.clone()) / expected(ranks.clone());
            assert!(
                (ratio - 1.0).abs() < tolerance,
                "seed {SEED}, ranks {ranks:?}: {ratio}"
            );
        }
    }

    #[test]
    fn growing_is_the_same_as_starting_larger() {
        let mut grown = Zipfian::new(10);
        grown.grow(5000);
        let fresh = Zipfian::new(5000);
        assert!((grown.zeta - fresh.zeta).abs() < 1e-9);
        assert!((grown.eta - fresh.eta).abs() < 1e-9);
    }

    #[test]
    fn scrambled_popularity_is_skewed_and_spread() {
        let mut random = Pcg64Mcg::seed_from_u64(SEED);
        let mut requests = Requests::scrambled_zipfian();
        let mut counts = vec![0u32; 10_000];
        for _ in 0..200_000 {
            counts[requests.sample(10_000, &mut random) as usize] += 1;
        }
        let hottest = (0..10_000).max_by_key(|&n| counts[n]).unwrap() as u64;
        assert_eq!(
            hottest,
            fnv_hash(0) % 10_000,
            "rank 0 lands where its hash says"
        );
        // 1 / ζ(10¹⁰) = 3.78 % of the draws, and the other ranks that fold onto it.
        let share = f64::from(counts[hottest as usize]) / 200_000.0;
        assert!((0.035..0.042).contains(&share), "seed {SEED}: {share}");
        let half = counts[..5000].iter().sum::<u32>();
        assert!(
            (60_000..140_000).contains(&half),
            "seed {SEED}: {half} in the lower half"
        );
    }

    #[test]
    fn latest_follows_the_newest_record() {
        let mut random = Pcg64Mcg::seed_from_u64(SEED);
        let mut requests = Requests::latest(100);
        for records in [100u64, 101, 5000] {
            let newest = (0..10_000)
                .filter(|_| requests.sample(records, &mut random) == records - 1)
                .count() as f64;
            let zeta: f64 = (1..=records).map(|n| (n as f64).powf(-0.99)).sum();
            assert!(
                (newest / 10_000.0 * zeta - 1.0).abs() < 0.1,
                "seed {SEED}: {newest}"
            );
        }
    }

    #[test]
    fn a_single_record_is_always_found() {
        let mut random = Pcg64Mcg::seed_from_u64(SEED);
        for mut requests in [Requests::scrambled_zipfian(), Requests::latest(1)] {
            for _ in 0..1000 {
                assert_eq!(requests.sample(1, &mut random), 0);
            }
        }
    }

    #[test]
    fn fnv_matches_the_published_vector() {
        // FNV-1a of eight zero bytes.
        assert_eq!(fnv_hash(0), 0xa8c7_f832_281a_39c5);
    }
}
