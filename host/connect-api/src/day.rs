//! Days of the calendar.

/// Days from 0000-03-01 to 1970-01-01.
const TO_EPOCH: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;

/// A day of the proleptic Gregorian calendar. The year before year 1 is year 0, as in ISO 8601.
///
/// ```
/// use connect_api::Day;
///
/// let day = Day { year: 2024, month: 2, day: 29 };
/// assert_eq!(day.since_epoch(), Some(19_782));
/// assert_eq!(Day::after_epoch(19_782), day);
/// assert_eq!(Day { year: 2023, ..day }.since_epoch(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The year, without a limit.
    pub year: i64,
    /// The month, 1 to 12.
    pub month: i64,
    /// The day of the month, from 1 on.
    pub day: i64,
}

impl Day {
    /// The day so many days after 1970-01-01, of which there are at most a thousandth of `i64`'s.
    ///
    /// The years start in March, so that the leap day is the last (Howard Hinnant's
    /// `civil_from_days`).
    pub fn after_epoch(days: i64) -> Self {
        let days = days + TO_EPOCH;
        let (cycle, of_cycle) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
        let years = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
        let of_year = of_cycle - (365 * years + years / 4 - years / 100);
        let month = (5 * of_year + 2) / 153;
        Self {
            year: years + cycle * 400 + i64::from(month >= 10),
            month: if month < 10 { month + 3 } else { month - 9 },
            day: of_year - (153 * month + 2) / 5 + 1,
        }
    }

    /// Days from 1970-01-01 to it; none where there is no such day.
    pub fn since_epoch(self) -> Option<i64> {
        let is_day = (1..=12).contains(&self.month)
            && (1..=Self::last_of_month(self.year, self.month)).contains(&self.day);
        is_day.then(|| self.since_epoch_leniently())
    }

    /// The same for a day that may lie before or behind its month, as day 0 or day 32 do.
    pub fn since_epoch_leniently(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        cycle * CYCLE + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - TO_EPOCH
    }

    /// The last day of a month.
    pub fn last_of_month(year: i64, month: i64) -> i64 {
        match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_follows_the_one_before_it() {
        let mut last = Day::after_epoch(-800_001);
        for days in -800_000..800_000 {
            let day = Day::after_epoch(days);
            assert_eq!(day.since_epoch(), Some(days), "{day:?}");
            let is_next = match day {
                Day {
                    day: 1, month: 1, ..
                } => (last.year + 1, last.month, last.day) == (day.year, 12, 31),
                Day {
                    day: 1,
                    month,
                    year,
                } => {
                    last == Day {
                        year,
                        month: month - 1,
                        day: Day::last_of_month(year, month - 1),
                    }
                }
                day => {
                    Day {
                        day: day.day - 1,
                        ..day
                    } == last
                }
            };
            assert!(is_next, "{last:?} {day:?}");
            last = day;
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for (year, month, day) in [(2023, 2, 29), (1900, 2, 29), (2024, 13, 1), (2024, 0, 1)] {
            assert_eq!(Day { year, month, day }.since_epoch(), None);
        }
        let beyond = Day {
            year: 2024,
            month: 1,
            day: 32,
        };
        assert_eq!(
            Day::after_epoch(beyond.since_epoch_leniently()),
            Day {
                year: 2024,
                month: 2,
                day: 1
            }
        );
    }
}
