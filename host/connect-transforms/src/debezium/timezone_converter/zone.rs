//! The time zone that is converted to.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// The years of the Gregorian calendar repeat after 400 years, to the day of the week.
const CYCLE: i64 = 146_097 * 86_400;
/// Java knows no greater offset: 18 hours.
const MOST: i32 = 18 * 3600;

pub(super) struct Zone(TimeZone);

impl Zone {
    /// The zone of a name, in the case in which the database has it, or of an offset such as
    /// `+08:00`.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let zone = match name.as_bytes() {
            [b'+' | b'-', ..] => offset(name).map(TimeZone::fixed),
            b"UTC" | b"GMT" => Some(TimeZone::UTC),
            _ => TimeZone::get(name)
                .ok()
                .filter(|zone| zone.iana_name() == Some(name)),
        };
        zone.map(Self).ok_or_else(|| {
            "it must be a time zone's name, such as America/Los_Angeles, or an offset from UTC, \
             such as +08:00, of at most 18 hours"
                .to_owned()
        })
    }

    /// How many seconds the clocks are ahead of UTC at a moment: seconds since 1970.
    pub(super) fn at(&self, seconds: i64) -> i64 {
        let at = Timestamp::from_second(within(seconds)).unwrap_or_default();
        i64::from(self.0.to_offset(at).seconds())
    }

    /// How many seconds the clocks are ahead of UTC when they show a time: seconds since 1970 of
    /// a clock. Where they show it never or twice, as before the change.
    pub(super) fn when_clocks_show(&self, seconds: i64) -> i64 {
        let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        let shown = epoch.checked_add(SignedDuration::from_secs(within(seconds)));
        let shown = shown.unwrap_or(epoch);
        let offset = match self.0.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        i64::from(offset.seconds())
    }
}

/// The same time in a year that is known: rules that hold for ever repeat with the calendar.
fn within(seconds: i64) -> i64 {
    // A day is left for the offset.
    let most = Timestamp::MAX.as_second() - 86_400;
    let beyond = seconds.saturating_sub(most).max(0);
    let cycles = beyond.div_euclid(CYCLE) + i64::from(beyond > 0);
    (seconds - cycles * CYCLE).max(Timestamp::MIN.as_second() + 86_400)
}

/// `+hh:mm` or `+hh:mm:ss`.
fn offset(text: &str) -> Option<Offset> {
    let numbers: Vec<&str> = text.get(1..)?.split(':').collect();
    let is_number = |it: &&str| it.len() == 2 && it.bytes().all(|b| b.is_ascii_digit());
    if !(2..=3).contains(&numbers.len()) || !numbers.iter().all(is_number) {
        return None;
    }
    let numbers: Vec<i32> = numbers.iter().filter_map(|it| it.parse().ok()).collect();
    if numbers.iter().skip(1).any(|it| *it > 59) {
        return None;
    }
    let seconds = numbers.iter().fold(0, |all, it| all * 60 + it);
    let seconds = if numbers.len() == 2 {
        seconds * 60
    } else {
        seconds
    };
    let seconds = if text.starts_with('-') {
        -seconds
    } else {
        seconds
    };
    (seconds.abs() <= MOST).then(|| Offset::from_seconds(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_rules_for_all_of_time() {
        let paris = Zone::named("Europe/Paris").unwrap();
        // January and July of the year 242024.
        for (seconds, offset) in [
            (1_705_276_800 + 600 * CYCLE, 3600),
            (1_720_915_200 + 600 * CYCLE, 7200),
            (i64::MIN, 561),
        ] {
            assert_eq!(paris.at(seconds), offset, "{seconds}");
            assert_eq!(paris.when_clocks_show(seconds), offset, "{seconds}");
        }
        for seconds in [
            i64::MAX,
            Timestamp::MAX.as_second(),
            Timestamp::MIN.as_second(),
        ] {
            paris.at(seconds);
            paris.when_clocks_show(seconds);
        }
    }
}
