//! What is counted: totals, and Kafka's sampled statistics, which are rates, averages and extremes
//! of the last half minute or so.
//!
//! A value is recorded for a batch, a commit or an error, never for each record.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// `metrics.sample.window.ms`.
const WINDOW: Duration = Duration::from_secs(30);
/// `metrics.num.samples`: this one and the one before.
const WINDOWS: u32 = 2;

/// A number of events.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts so many more.
    pub fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn total(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }
}

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// It is this from now on.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// What it is.
    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Values that were recorded: their sum and number, of all time and of the last windows.
#[derive(Debug, Default)]
pub struct Sensor(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    sum: f64,
    count: u64,
    last: f64,
    current: Option<Window>,
    former: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    sum: f64,
    count: u64,
    max: f64,
    min: f64,
}

impl Window {
    fn new(since: Instant) -> Self {
        Self {
            since,
            sum: 0.0,
            count: 0,
            max: f64::NEG_INFINITY,
            min: f64::INFINITY,
        }
    }

    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

/// What a [`Sensor`] says at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// The sum of all values.
    pub total: f64,
    /// How many there were.
    pub count: f64,
    /// The last one; 0 where there is none.
    pub last: f64,
    /// The sum of the last windows, by the second.
    pub rate: f64,
    /// How many there are in the last windows.
    pub recent: f64,
    /// The average of the last windows; NaN without a value, as in Kafka.
    pub average: f64,
    /// The greatest value of the last windows; NaN without one.
    pub max: f64,
    /// The least value of the last windows; NaN without one.
    pub min: f64,
}

impl Sensor {
    /// Takes in a number of records.
    pub fn increment(&self, by: u64) {
        self.record(by as f64);
    }

    /// Takes in how long something took, in milliseconds.
    pub fn took(&self, time: Duration) {
        self.record(time.as_secs_f64() * 1000.0);
    }

    /// Takes in a value.
    pub fn record(&self, value: f64) {
        self.record_at(value, Instant::now());
    }

    /// What it says now.
    pub fn read(&self) -> Reading {
        self.read_at(Instant::now())
    }

    fn record_at(&self, value: f64, now: Instant) {
        let mut samples = self.lock();
        samples.sum += value;
        samples.count += 1;
        samples.last = value;
        let window = samples.window(now);
        window.sum += value;
        window.count += 1;
        window.max = window.max.max(value);
        window.min = window.min.min(value);
    }

    fn read_at(&self, now: Instant) -> Reading {
        let mut samples = self.lock();
        samples.forget_old(now);
        let windows = || samples.former.iter().chain(&samples.current);
        let sum: f64 = windows().map(|it| it.sum).sum();
        let count: u64 = windows().map(|it| it.count).sum();
        let of_values = |value: f64| if count == 0 { f64::NAN } else { value };
        let max = windows().map(|it| it.max).fold(f64::NEG_INFINITY, f64::max);
        let min = windows().map(|it| it.min).fold(f64::INFINITY, f64::min);
        let first = windows().next();
        Reading {
            total: samples.sum,
            count: samples.count as f64,
            last: samples.last,
            rate: first.map_or(0.0, |first| sum / seconds_of_rate(first.age(now))),
            recent: count as f64,
            average: of_values(sum / count as f64),
            max: of_values(max),
            min: of_values(min),
        }
    }

    /// It is whole after each of its changes.
    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Samples {
    /// The window that a value of now belongs to.
    fn window(&mut self, now: Instant) -> &mut Window {
        self.forget_old(now);
        if self.current.is_some_and(|it| it.age(now) >= WINDOW) {
            self.former = self.current.take();
        }
        self.current.get_or_insert_with(|| Window::new(now))
    }

    fn forget_old(&mut self, now: Instant) {
        for window in [&mut self.current, &mut self.former] {
            if window.is_some_and(|it| it.age(now) >= WINDOW * WINDOWS) {
                *window = None;
            }
        }
    }
}

/// As Kafka's `Rate`: what is younger than all windows but one counts as that old, so that a first
/// value is not taken for the rate of a moment.
fn seconds_of_rate(age: Duration) -> f64 {
    age.as_secs_f64()
        + if age < WINDOW {
            WINDOW.as_secs_f64()
        } else {
            0.0
        }
}

/// A value that goes up and down, and what it was lately.
#[derive(Debug, Default)]
pub struct Level(Sensor);

impl Level {
    /// It is this from now on.
    pub fn set(&self, value: f64) {
        self.0.record(value);
    }

    /// What it is.
    pub fn value(&self) -> f64 {
        self.0.lock().last
    }

    /// What it is, and what it was lately. One that has not changed lately was what it is.
    pub fn read(&self) -> Reading {
        let reading = self.0.read();
        if reading.recent > 0.0 {
            return reading;
        }
        Reading {
            average: reading.last,
            max: reading.last,
            ..reading
        }
    }
}

/// How often something succeeded and failed.
#[derive(Debug, Default)]
pub struct Outcomes {
    succeeded: Sensor,
    failed: Sensor,
    /// Whether the last one failed.
    last_failed: AtomicBool,
}

impl Outcomes {
    /// It has succeeded once more.
    pub fn succeed(&self) {
        self.succeeded.increment(1);
        self.last_failed.store(false, Ordering::Relaxed);
    }

    /// It has failed once more.
    pub fn fail(&self) {
        self.failed.increment(1);
        self.last_failed.store(true, Ordering::Relaxed);
    }

    /// How often it has succeeded.
    pub fn successes(&self) -> f64 {
        self.succeeded.read().total
    }

    /// How often it succeeds in a second.
    pub fn success_rate(&self) -> f64 {
        self.succeeded.read().rate
    }

    /// How often it has failed.
    pub fn failures(&self) -> f64 {
        self.failed.read().total
    }

    /// Which part of the last windows' attempts succeeded, from 0 to 1. Without any it goes by the
    /// last one: where nothing is to be done, nothing is wrong. 0 before the first, as in Kafka.
    pub fn success_part(&self) -> f64 {
        self.part(&self.succeeded, &self.failed, |last_failed| !last_failed)
    }

    /// Which part of the last windows' attempts failed.
    pub fn failure_part(&self) -> f64 {
        self.part(&self.failed, &self.succeeded, |last_failed| last_failed)
    }

    fn part(&self, of: &Sensor, others: &Sensor, is_last: fn(bool) -> bool) -> f64 {
        let (of, others) = (of.read(), others.read());
        if of.recent + others.recent > 0.0 {
            return of.recent / (of.recent + others.recent);
        }
        let is_any = of.count + others.count > 0.0;
        let last_failed = self.last_failed.load(Ordering::Relaxed);
        f64::from(u8::from(is_any && is_last(last_failed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_rate_is_that_of_the_last_windows() {
        let (sensor, start) = (Sensor::default(), Instant::now());
        assert_eq!(sensor.read_at(start).rate, 0.0);
        sensor.record_at(300.0, start);
        // A window counts as full before it is.
        assert_eq!(sensor.read_at(start).rate, 10.0);
        assert_eq!(sensor.read_at(at(start, 15)).rate, 300.0 / 45.0);
        sensor.record_at(300.0, at(start, 30));
        assert_eq!(sensor.read_at(at(start, 50)).rate, 600.0 / 50.0);
        // The first window is too old by now.
        assert_eq!(sensor.read_at(at(start, 60)).rate, 300.0 / 30.0);
        assert_eq!(sensor.read_at(at(start, 90)).rate, 0.0);
        assert_eq!(sensor.read_at(at(start, 90)).total, 600.0);
    }

    #[test]
    fn averages_and_extremes_are_those_of_the_last_windows() {
        let (sensor, start) = (Sensor::default(), Instant::now());
        assert!(sensor.read_at(start).average.is_nan());
        for (second, value) in [(0, 9.0), (35, 2.0), (40, 4.0)] {
            sensor.record_at(value, at(start, second));
        }
        let all = sensor.read_at(at(start, 41));
        assert_eq!((all.average, all.max, all.min), (5.0, 9.0, 2.0));
        let late = sensor.read_at(at(start, 61));
        assert_eq!((late.average, late.max, late.min), (3.0, 4.0, 2.0));
        let none = sensor.read_at(at(start, 200));
        assert!(none.average.is_nan() && none.max.is_nan() && none.min.is_nan());
        assert_eq!((none.count, none.total, none.last), (3.0, 15.0, 4.0));
    }

    #[test]
    fn a_level_that_does_not_change_is_what_it_was() {
        let (level, start) = (Level::default(), Instant::now());
        assert_eq!((level.read().last, level.read().max), (0.0, 0.0));
        let long_ago = start.checked_sub(Duration::from_secs(100));
        level.0.record_at(7.0, long_ago.unwrap_or(start));
        let read = level.read();
        assert_eq!((read.last, read.average, read.max), (7.0, 7.0, 7.0));
    }

    #[test]
    fn parts_add_up_to_one() {
        let outcomes = Outcomes::default();
        assert_eq!(
            (outcomes.success_part(), outcomes.failure_part()),
            (0.0, 0.0)
        );
        for _ in 0..3 {
            outcomes.succeed();
        }
        outcomes.fail();
        let parts = (outcomes.success_part(), outcomes.failure_part());
        assert_eq!(parts, (0.75, 0.25));
        assert_eq!((outcomes.successes(), outcomes.failures()), (3.0, 1.0));
    }

    #[test]
    fn without_recent_outcomes_the_last_one_counts() {
        let outcomes = Outcomes::default();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(100));
        let long_ago = long_ago.unwrap_or_else(Instant::now);
        outcomes.failed.record_at(1.0, long_ago);
        outcomes.succeeded.record_at(1.0, long_ago);
        let parts = (outcomes.success_part(), outcomes.failure_part());
        assert_eq!(parts, (1.0, 0.0));
        outcomes.last_failed.store(true, Ordering::Relaxed);
        let parts = (outcomes.success_part(), outcomes.failure_part());
        assert_eq!(parts, (0.0, 1.0));
    }
}
