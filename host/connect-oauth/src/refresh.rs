//! When a token is renewed, and how long a failed request for one waits, by the rules of Kafka's
//! `sasl.login.*` options.

use std::hash::BuildHasher as _;
use std::time::Duration;

/// When a token is renewed: `sasl.login.refresh.*` (KIP-255).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefreshSchedule {
    /// The part of the token's lifetime after which it is renewed; 0.5 to 1.
    pub window_factor: f64,
    /// The most that is added to that part by chance; 0 to 0.25.
    pub window_jitter: f64,
    /// The least time between two renewals.
    pub min_period: Duration,
    /// The time before the end in which no renewal is begun, where the lifetime allows it.
    pub buffer: Duration,
}

impl Default for RefreshSchedule {
    fn default() -> Self {
        Self {
            window_factor: 0.8,
            window_jitter: 0.05,
            min_period: Duration::from_secs(60),
            buffer: Duration::from_secs(300),
        }
    }
}

impl RefreshSchedule {
    /// How long to wait before the renewal of a token that lives for `lifetime` from now. `random`
    /// is from 0 to 1. A token that lives shorter than the two periods together is renewed by the
    /// factor alone, as by Java's `ExpiringCredentialRefreshingLogin`.
    #[must_use]
    pub fn delay(&self, lifetime: Duration, random: f64) -> Duration {
        let part = self.window_factor + self.window_jitter * random.clamp(0.0, 1.0);
        let proposed = lifetime.mul_f64(part.clamp(0.0, 1.0));
        if self.min_period + self.buffer > lifetime {
            return proposed;
        }
        proposed
            .min(lifetime.saturating_sub(self.buffer))
            .max(self.min_period)
    }
}

/// How long a request that failed waits before it is made again: `sasl.login.retry.backoff.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBackoff {
    /// Before the first repetition. Each one after it waits twice as long.
    pub first: Duration,
    /// The longest wait.
    pub most: Duration,
}

impl Default for RetryBackoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            most: Duration::from_secs(10),
        }
    }
}

impl RetryBackoff {
    /// The wait after so many failures in a row; the first is number 0.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.min(30));
        self.first.saturating_mul(factor).min(self.most)
    }
}

/// A number from 0 to 1 by chance, for [`RefreshSchedule::delay`].
#[must_use]
pub fn random() -> f64 {
    let bits = std::hash::RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: u64) -> Duration {
        Duration::from_secs(text)
    }

    #[test]
    fn renewals_keep_to_the_window_and_both_periods() {
        let schedule = RefreshSchedule {
            window_jitter: 0.0,
            ..RefreshSchedule::default()
        };
        // By the factor; by the buffer, which is earlier; by the least period, which is later.
        assert_eq!(schedule.delay(seconds(3600), 0.5), seconds(2880));
        assert_eq!(schedule.delay(seconds(1000), 0.5), seconds(700));
        assert_eq!(schedule.delay(seconds(361), 0.5), seconds(61));
        let busy = RefreshSchedule {
            min_period: seconds(900),
            buffer: Duration::ZERO,
            ..schedule
        };
        assert_eq!(busy.delay(seconds(1000), 0.5), seconds(900));
        // Shorter than both together: the factor alone.
        assert_eq!(schedule.delay(seconds(5), 0.5), seconds(4));
    }

    #[test]
    fn chance_moves_a_renewal_within_the_jitter() {
        let schedule = RefreshSchedule::default();
        assert_eq!(schedule.delay(seconds(10_000), 0.0), seconds(8000));
        assert_eq!(schedule.delay(seconds(10_000), 1.0), seconds(8500));
        let drawn = random();
        assert!((0.0..=1.0).contains(&drawn), "{drawn}");
    }

    #[test]
    fn waits_grow_to_the_most() {
        let backoff = RetryBackoff::default();
        assert_eq!(backoff.delay(0), Duration::from_millis(100));
        assert_eq!(backoff.delay(3), Duration::from_millis(800));
        assert_eq!(backoff.delay(7), seconds(10));
        assert_eq!(backoff.delay(u32::MAX), seconds(10));
    }
}
