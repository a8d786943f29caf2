//! Seeds of randomized tests: shown when one fails, taken from outside to repeat it.

/// Runs `test` with `count` seeds, or with the one in `RDSTORE_SEED`.
pub(crate) fn each_seed(count: u64, test: impl Fn(u64)) {
    /// Says how to repeat the run when it unwinds.
    struct Announce(u64);

    impl Drop for Announce {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with seed {0}; repeat with RDSTORE_SEED={0}", self.0);
            }
        }
    }

    let only = std::env::var("RDSTORE_SEED")
        .ok()
        .map(|seed| seed.parse().expect("a number"));
    let factor: u64 = std::env::var("RDSTORE_SEEDS").map_or(1, |n| n.parse().expect("a number"));
    let seeds = only.map_or(0..count * factor, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let _announce = Announce(seed);
        test(seed);
    }
}
