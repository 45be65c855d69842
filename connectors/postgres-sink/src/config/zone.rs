//! Time zones: what a clock on the wall shows at a point in time, for columns without a time zone.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::TimeZone;

/// The years of the Gregorian calendar repeat after 400 years, to the day of the week.
const CYCLE: i64 = 146_097 * 86_400;

/// A time zone other than UTC. It is kept for the life of the process, once for each name, so that
/// rules for values stay as cheap to copy as they are.
#[derive(Clone, Copy)]
pub(crate) struct Zone(&'static Named);

struct Named {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// The zone of a name of the IANA database, such as `Europe/Paris`, or of an offset such as
    /// `+05:30`. None: UTC.
    ///
    /// # Errors
    /// When no zone has the name.
    pub fn named(name: &str) -> Result<Option<Self>, String> {
        static ZONES: OnceLock<Mutex<BTreeMap<&'static str, Zone>>> = OnceLock::new();
        if matches!(name, "UTC" | "Z" | "GMT" | "Etc/UTC") {
            return Ok(None);
        }
        let zones = ZONES.get_or_init(Mutex::default);
        let mut zones = zones.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = zones.get(name) {
            return Ok(Some(*known));
        }
        let zone = match name.as_bytes() {
            [b'+' | b'-', ..] => DateTimeParser::new().parse_time_zone(name),
            _ => TimeZone::get(name),
        };
        let zone = zone.map_err(|_| {
            format!(
                "No time zone is called {name}: it must be of the IANA database, such as \
                 Europe/Paris, or an offset such as +05:30"
            )
        })?;
        let name = name.to_owned();
        let named: &'static Named = Box::leak(Box::new(Named { name, zone }));
        zones.insert(&named.name, Self(named));
        Ok(Some(Self(named)))
    }

    /// How many seconds its clocks are ahead of UTC, at a count of seconds since 1970.
    pub fn offset(self, seconds: i64) -> i64 {
        let most = Timestamp::MAX.as_second();
        let beyond = (seconds.saturating_sub(most)).max(0);
        // Rules that hold for ever repeat with the calendar.
        let cycles = beyond.div_euclid(CYCLE) + i64::from(beyond > 0);
        let known = (seconds - cycles * CYCLE).max(Timestamp::MIN.as_second());
        let at = Timestamp::from_second(known).unwrap_or_default();
        i64::from(self.0.zone.to_offset(at).seconds())
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap().unwrap()
    }

    #[test]
    fn a_zone_has_a_name_or_an_offset() {
        for name in ["UTC", "Z", "GMT", "Etc/UTC"] {
            assert_eq!(Zone::named(name), Ok(None), "{name}");
        }
        for (name, offset) in [
            ("America/New_York", -5 * 3600),
            ("US/Eastern", -5 * 3600),
            ("Asia/Kolkata", 19_800),
            ("Etc/GMT+2", -7200),
            ("+05:30", 19_800),
            ("-02:00", -7200),
        ] {
            assert_eq!(zone(name).offset(1_700_000_000), offset, "{name}");
        }
        for name in ["", "Europe", "Foo/Bar", "PST", "+1", "+99:00", "Foo3"] {
            let error = Zone::named(name).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn a_gap_and_an_overlap_begin_and_end_to_the_second() {
        let paris = zone("Europe/Paris");
        // 2024-03-31T01:00:00Z and 2024-10-27T01:00:00Z.
        for (change, before, after) in [(1_711_846_800, 3600, 7200), (1_729_990_800, 7200, 3600)] {
            assert_eq!(paris.offset(change - 1), before);
            assert_eq!(paris.offset(change), after);
        }
        assert_eq!(zone("Australia/Lord_Howe").offset(1_700_000_000), 39_600);
    }

    #[test]
    fn a_zone_has_rules_for_all_of_time() {
        let paris = zone("Europe/Paris");
        // Before there were zones, noon was when the sun stood highest.
        assert_eq!(paris.offset(-4_000_000_000), 561);
        // January and July of the year 242024, and around the last second that jiff knows.
        for (seconds, offset) in [
            (1_705_276_800 + 600 * CYCLE, 3600),
            (1_720_915_200 + 600 * CYCLE, 7200),
            (Timestamp::MAX.as_second(), 3600),
            (Timestamp::MAX.as_second() + 1, 3600),
            (i64::MIN, 561),
        ] {
            assert_eq!(paris.offset(seconds), offset, "{seconds}");
        }
        let far = paris.offset(i64::MAX);
        assert!(far == 3600 || far == 7200);
    }
}
