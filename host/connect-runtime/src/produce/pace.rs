//! When a record is due.

use std::time::{Duration, Instant};

/// How fast records are sent.
pub enum Pace {
    /// As fast as they are taken.
    Free,
    /// So many a second.
    Rate { per_second: f64, started: Instant },
    /// As far apart as their times, but for the speed.
    ByTime {
        speed: f64,
        /// The time of the first record in microseconds, and when it was sent.
        first: Option<(i64, Instant)>,
    },
}

impl Pace {
    /// So many records a second.
    pub fn rate(per_second: f64) -> Self {
        Self::Rate {
            per_second,
            started: Instant::now(),
        }
    }

    /// By the times of the records, so many times faster.
    pub fn by_time(speed: f64) -> Self {
        Self::ByTime { speed, first: None }
    }

    /// How long the next record still waits, after `sent` others; none: it is due. `time` is its
    /// own, in microseconds; a record without one, or with an earlier one, is due.
    pub fn wait(&mut self, sent: u64, time: Option<i64>) -> Option<Duration> {
        let due = match self {
            Self::Free => return None,
            Self::Rate {
                per_second,
                started,
            } => started.checked_add(Duration::try_from_secs_f64(sent as f64 / *per_second).ok()?),
            Self::ByTime { speed, first } => {
                let time = time?;
                let (from, since) = *first.get_or_insert((time, Instant::now()));
                let ahead = time.saturating_sub(from) as f64 / 1e6 / *speed;
                since.checked_add(Duration::try_from_secs_f64(ahead).ok()?)
            }
        };
        let left = due?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "a number is expected")?;
    match number.is_finite() && number > 0.0 {
        true => Ok(number),
        false => Err("a number above 0 is expected".into()),
    }
}

/// A time such as `30s`, `500ms`, `5m`, `2h`; seconds without a unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    const FORM: &str = "a time such as 30s, 500ms, 5m or 2h is expected";
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: f64 = number.parse().map_err(|_| FORM)?;
    let unit = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(FORM.into()),
    };
    Duration::try_from_secs_f64(number * unit).map_err(|_| FORM.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_waits_for_its_turn() {
        assert_eq!(Pace::Free.wait(7, None), None);
        let mut rate = Pace::rate(1.0);
        assert_eq!(rate.wait(0, None), None);
        let left = rate.wait(3600, None).unwrap();
        assert!(left > Duration::from_secs(1800), "{left:?}");
        let mut by_time = Pace::by_time(10.0);
        assert_eq!(by_time.wait(0, Some(5_000_000)), None);
        let left = by_time.wait(1, Some(5_000_000 + 36_000_000_000)).unwrap();
        assert!(left <= Duration::from_secs(3600), "{left:?}");
        assert!(left > Duration::from_secs(1800), "{left:?}");
        assert_eq!(by_time.wait(2, Some(0)), None);
        assert_eq!(by_time.wait(2, None), None);
    }

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        for wrong in ["", "s", "5d", "-1s", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
