//! The fields that a text held, and the moment that they mean: the rules of Java's
//! `GregorianCalendar` in English, where weeks begin on a Sunday and the one that has January 1st
//! is the first. Of several ways to tell a day the one of the last field counts.

use connect_api::Day;

use super::{DAY, days, weekday};

/// A field. The letters of patterns stand beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `G`: 0 is before Christ.
    Era,
    /// `y`
    Year,
    /// `Y`
    WeekYear,
    /// `M`, from 0 on.
    Month,
    /// `w`
    WeekOfYear,
    /// `W`
    WeekOfMonth,
    /// `D`
    DayOfYear,
    /// `d`
    DayOfMonth,
    /// `E`, and `u`: 1 is Sunday.
    DayOfWeek,
    /// `F`
    DayOfWeekInMonth,
    /// `a`: 1 is PM.
    Half,
    /// `h` and `K`
    Hour,
    /// `H` and `k`
    HourOfDay,
    /// `m`
    Minute,
    /// `s`
    Second,
    /// `S`
    Milli,
}

const PARTS: usize = 16;

#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    values: [i64; PARTS],
    /// When each was set; 0: it was not.
    stamps: [u32; PARTS],
    last: u32,
    /// Milliseconds that the clock is ahead of UTC.
    pub zone: i64,
    /// A year of two digits was set, which may be one of the next century.
    pub has_short_year: bool,
}

impl Fields {
    /// Sets a field. None: the number is beyond any that Java reads as it is written.
    pub(super) fn set(&mut self, part: Part, value: i64) -> Option<()> {
        i32::try_from(value).ok()?;
        self.last += 1;
        self.stamps[part as usize] = self.last;
        self.values[part as usize] = value;
        Some(())
    }

    fn stamp(&self, part: Part) -> u32 {
        self.stamps[part as usize]
    }

    fn get(&self, part: Part) -> Option<i64> {
        (self.stamp(part) > 0).then(|| self.values[part as usize])
    }

    /// When both were set: the later time.
    fn both(&self, one: Part, other: Part) -> u32 {
        match (self.stamp(one), self.stamp(other)) {
            (0, _) | (_, 0) => 0,
            (one, other) => one.max(other),
        }
    }

    /// The same a hundred years later.
    pub(super) fn next_century(mut self) -> Self {
        self.values[Part::Year as usize] += 100;
        self.values[Part::WeekYear as usize] += 100;
        self
    }

    /// Milliseconds since 1970; none where there are too many.
    pub(super) fn millis(&self) -> Option<i64> {
        let of = |part| self.get(part).unwrap_or(0);
        let hour = self.hour();
        let seconds = (hour * 60 + of(Part::Minute)) * 60 + of(Part::Second);
        let of_day = seconds * 1000 + of(Part::Milli) - self.zone;
        self.day().checked_mul(DAY)?.checked_add(of_day)
    }

    fn hour(&self) -> i64 {
        let of = |part| self.get(part).unwrap_or(0);
        let of_day = self.stamp(Part::HourOfDay);
        if of_day > 0 && of_day >= self.both(Part::Hour, Part::Half) {
            return of(Part::HourOfDay);
        }
        of(Part::Hour) + 12 * of(Part::Half)
    }

    fn year(&self) -> i64 {
        let year = self.get(Part::Year).unwrap_or(1970);
        match self.get(Part::Era) {
            Some(0) => 1 - year,
            _ => year,
        }
    }

    /// The day, since 1970.
    fn day(&self) -> i64 {
        if let Some(year) = self.get(Part::WeekYear)
            && self.stamp(Part::WeekYear) > self.stamp(Part::Year)
        {
            return self.day_of_week_date(year);
        }
        let week = self.stamp(Part::DayOfWeek);
        let of_month = self.both(Part::WeekOfMonth, Part::DayOfWeek);
        let in_month = self.both(Part::DayOfWeekInMonth, Part::DayOfWeek);
        let of_year = self.both(Part::WeekOfYear, Part::DayOfWeek);
        let day = self.stamp(Part::DayOfMonth);
        let day_of_year = self.stamp(Part::DayOfYear);
        let all = [day, of_month, in_month, day_of_year, of_year];
        let mut ways = Ways {
            best: all.into_iter().max().unwrap_or(0),
            day,
            of_month,
            in_month,
            day_of_year,
        };
        if ways.best == 0 {
            // No way is whole: a week alone counts, a day of the week is the first of its month.
            ways.of_month = self.stamp(Part::WeekOfMonth);
            ways.in_month = self.stamp(Part::DayOfWeekInMonth).max(week);
            let of_year = self.stamp(Part::WeekOfYear);
            ways.best = ways.of_month.max(ways.in_month).max(of_year);
            if ways.best == 0 {
                ways.day = self.stamp(Part::Month);
                ways.best = ways.day;
            }
        }
        self.day_by(&ways)
    }

    fn day_by(&self, ways: &Ways) -> i64 {
        let year_week = self.stamp(Part::WeekOfYear);
        let month_week = self.stamp(Part::WeekOfMonth);
        let in_month = self.stamp(Part::DayOfWeekInMonth);
        let best = ways.best;
        if best == ways.day {
            return self.first_of_month() + self.get(Part::DayOfMonth).unwrap_or(1) - 1;
        }
        let by_week = best == ways.of_month && month_week >= year_week;
        let by_count = best == ways.in_month && in_month >= year_week;
        if by_week || by_count {
            let is_week = match ways.of_month == ways.in_month {
                true => month_week >= in_month,
                false => best == ways.of_month,
            };
            return match is_week {
                true => self.by_week(self.first_of_month(), Part::WeekOfMonth),
                false => self.by_day_of_week(),
            };
        }
        let first = days(self.year(), 1, 1);
        match best == ways.day_of_year {
            true => first + self.get(Part::DayOfYear).unwrap_or(1) - 1,
            false => self.by_week(first, Part::WeekOfYear),
        }
    }

    /// The first day of the month; a 13th month is the first of the next year.
    fn first_of_month(&self) -> i64 {
        let month = self.get(Part::Month).unwrap_or(0);
        let year = self.year() + month.div_euclid(12);
        days(year, month.rem_euclid(12) + 1, 1)
    }

    /// The day of a week, counted from the one that has the first day.
    fn by_week(&self, first: i64, week: Part) -> i64 {
        let sunday = first - weekday(first);
        let day = match self.get(Part::DayOfWeek) {
            Some(day) => on_or_before(sunday + 6, day),
            None => sunday,
        };
        day + 7 * (self.get(week).unwrap_or(1) - 1)
    }

    /// Such as the second Friday of a month.
    fn by_day_of_week(&self) -> i64 {
        let day = self.get(Part::DayOfWeek).unwrap_or(1);
        let count = self.get(Part::DayOfWeekInMonth).unwrap_or(1);
        on_or_before(self.first_of_month() + 7 * count - 1, day)
    }

    /// A day of the year that weeks are counted in.
    fn day_of_week_date(&self, year: i64) -> i64 {
        let mut week = self.get(Part::WeekOfYear).unwrap_or(1);
        let mut day = self.get(Part::DayOfWeek).unwrap_or(1);
        if day >= 8 {
            week += (day - 1) / 7;
            day = of_iso((day - 1) % 7 + 1);
        } else if day <= 0 {
            let weeks = (-day).div_euclid(7) + 1;
            week -= weeks;
            day = of_iso(day + 7 * weeks);
        }
        let first = days(year, 1, 1);
        first - weekday(first) + (day - 1) + 7 * (week - 1)
    }
}

/// When each way to tell a day was complete, and the last of them.
struct Ways {
    best: u32,
    day: u32,
    of_month: u32,
    in_month: u32,
    day_of_year: u32,
}

/// The day of the week from Sunday on, of one from Monday on. Others stay.
pub(super) fn of_iso(day: i64) -> i64 {
    match day {
        7 => 1,
        1..=6 => day + 1,
        other => other,
    }
}

/// The last day up to one that is of a day of the week, 1 for Sunday.
fn on_or_before(day: i64, of_week: i64) -> i64 {
    day - (weekday(day) - (of_week - 1)).rem_euclid(7)
}

/// The year from which years of two digits are: 80 years before a moment, and the milliseconds of
/// that day.
pub(super) fn century(now: i64) -> (i64, i64) {
    let Day { year, month, day } = Day::after_epoch(now.div_euclid(DAY));
    let start = days(year - 80, month, day) * DAY + now.rem_euclid(DAY);
    (year - 80, start)
}
