//! Random numbers that can be had again: each test prints its seed.

use std::time::{Duration, SystemTime};

/// A generator (splitmix64).
pub struct Dice {
    seed: u64,
    state: u64,
}

impl Dice {
    /// Seeded by `FERRULE_TEST_SEED`, or by the clock.
    pub fn new(test: &str) -> Self {
        let given = std::env::var("FERRULE_TEST_SEED").ok();
        let clock = || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            u64::from(now.map_or(0, |now| now.subsec_nanos()))
        };
        let seed = given
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(clock);
        println!("{test}: FERRULE_TEST_SEED={seed}");
        Self::seeded(seed)
    }

    /// One that repeats another with the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// What it was seeded with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number from zero up to, and without, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A time shorter than `end` milliseconds.
    pub fn time(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }
}
