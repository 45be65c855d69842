//! Tests of patterns.

use super::*;
use proptest::prelude::*;

/// 2024-01-15T13:05:09.042Z, a Monday.
const MOMENT: i64 = 1_705_323_909_042;

#[test]
fn formats_as_java_does() {
    for (pattern, expect) in [
        ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2024-01-15T13:05:09.042Z"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", "2024-01-15T13:05:09Z"),
        (
            "EEE, d MMM yyyy hh:mm:ss a z",
            "Mon, 15 Jan 2024 01:05:09 PM UTC",
        ),
        ("EEEE MMMM yy H K k Z", "Monday January 24 13 1 13 +0000"),
        ("yyyyMMddHHmmss", "20240115130509"),
        ("ss.SSSSSS", "09.000042"),
        ("h 'o''clock' ''", "1 o'clock '"),
    ] {
        assert_eq!(
            SimpleDateFormat::new(pattern).unwrap().format(MOMENT),
            expect,
            "{pattern}"
        );
    }
}

#[test]
fn parses_as_java_does() {
    let day = 1_705_276_800_000;
    for (pattern, text, expect) in [
        (
            "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
            "2024-01-15T13:05:09.042Z",
            Some(MOMENT),
        ),
        (
            "yyyy-MM-dd HH:mm:ss z",
            "2024-01-15 14:05:09 GMT+01:00",
            Some(MOMENT - 42),
        ),
        (
            "yyyy-MM-dd'T'HH:mm:ssXXX",
            "2024-01-15T15:05:09+02:00",
            Some(MOMENT - 42),
        ),
        (
            "yyyy-MM-dd'T'HH:mm:ssZ",
            "2024-01-15T08:05:09-0500",
            Some(MOMENT - 42),
        ),
        ("d MMM yyyy hh:mm a", "15 january 2024 12:00 am", Some(day)),
        ("EEE d MMM yy", "Mon 15 Jan 24", Some(day)),
        ("yyyyMMdd", "20240115", Some(day)),
        ("yyyy-MM-dd", "2023-13-15", Some(day)),
        ("yyyy-MM-dd", "2024-01-15T10:00", Some(day)),
        ("yyyy-MM-dd", "2024-01", None),
        ("yyyy-MM-dd", "2024/01/15", None),
        ("yyyy-MM-dd", "", None),
        ("HH:mm", "01:30", Some(5_400_000)),
        ("ss.SSSSSS", "01.123456", None),
        ("yyyy", "99999999999999999999", None),
        ("yyyy", "999999999999", None),
    ] {
        let format = SimpleDateFormat::new(pattern).unwrap();
        assert_eq!(format.parse(text), expect, "{pattern} {text}");
    }
}

#[test]
fn weeks_are_those_of_java_in_english() {
    let day = |year, month, day| days(year, month, day) * DAY;
    for (millis, pattern, expect) in [
        // The last days of a year are of the week of the next one, which begins on a Sunday.
        (1_609_408_800_000, "YYYY-MM-dd", "2021-12-31"),
        (day(2020, 12, 26), "YYYY-MM-dd", "2020-12-26"),
        (day(2020, 12, 27), "YYYY-MM-dd", "2021-12-27"),
        (day(2021, 1, 1), "YYYY-'W'ww", "2021-W01"),
        (day(2021, 1, 3), "YY w", "21 2"),
        (day(2022, 12, 31), "YYYY ww", "2022 53"),
        (day(2023, 1, 1), "YYYY ww", "2023 01"),
        (day(2024, 2, 29), "D F W u G", "60 5 5 4 AD"),
        (day(2024, 9, 1), "D F W u LLL", "245 1 1 7 Sep"),
        (day(2024, 12, 31), "DDD", "366"),
        (day(-5, 1, 1), "G yyyy", "BC 0006"),
    ] {
        let format = SimpleDateFormat::new(pattern).unwrap();
        assert_eq!(format.format(millis), expect, "{pattern}");
    }
    // Java reads such a pattern as the first day of the year's first week, whatever the text is.
    let format = SimpleDateFormat::new("YYYY-MM-dd").unwrap();
    assert!(!format.is_for_parsing());
    assert!(SimpleDateFormat::new("yyyy LLL").unwrap().is_for_parsing());
}

#[test]
fn zones_have_names() {
    let format = SimpleDateFormat::new("yyyy-MM-dd HH:mm z").unwrap();
    for (text, hours) in [
        ("2024-01-15 12:00 UTC", 0),
        ("2024-01-15 12:00 PST", -8),
        ("2024-07-15 12:00 PDT", -7),
        ("2024-07-15 12:00 Pacific Daylight Time", -7),
        ("2024-01-15 12:00 Central European Standard Time", 1),
        ("2024-07-15 12:00 cest", 2),
        ("2024-01-15 12:00 JST", 9),
        ("2024-01-15 12:00 GMT-03:00", -3),
    ] {
        let noon = SimpleDateFormat::new("yyyy-MM-dd HH:mm")
            .unwrap()
            .parse(text)
            .unwrap();
        assert_eq!(format.parse(text), Some(noon - hours * 3_600_000), "{text}");
    }
    assert_eq!(format.parse("2024-01-15 12:00 XYZ"), None);
}

/// What Java 17 makes of patterns in English and UTC: a moment, or `-` where a text is none.
#[test]
fn patterns_mean_what_java_means() {
    let mut failures = Vec::new();
    for line in include_str!("golden.tsv").lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [what, pattern, given, expect] = cells[..] else {
            panic!("{line}");
        };
        let format = SimpleDateFormat::new(pattern).unwrap();
        let found = match what {
            "format" => format.format(given.parse().unwrap()),
            _ => format
                .parse(given)
                .map_or_else(|| "-".to_owned(), |millis| millis.to_string()),
        };
        if found != expect {
            failures.push(format!("{line}\there: {found}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn years_of_two_digits_are_around_the_clock() {
    let mut format = SimpleDateFormat::new("yy-MM-dd").unwrap();
    let day = |year, month, day| days(year, month, day) * DAY;
    // 15 January 2024.
    format.century = fields::century(MOMENT);
    for (text, expect) in [
        ("43-12-31", day(2043, 12, 31)),
        ("44-01-15", day(2044, 1, 15)),
        ("44-01-16", day(1944, 1, 16)),
        ("45-01-01", day(1945, 1, 1)),
        ("00-01-01", day(2000, 1, 1)),
    ] {
        assert_eq!(format.parse(text), Some(expect), "{text}");
    }
}

#[test]
fn a_bad_pattern_is_named() {
    for (pattern, expect) in [
        ("yyyy-QQ", "pattern letter 'Q' is not supported"),
        ("'T", "Unterminated quote"),
        ("XXXX", "invalid ISO 8601 format: length=4"),
    ] {
        assert_eq!(SimpleDateFormat::new(pattern).unwrap_err(), expect);
    }
}

proptest! {
    #[test]
    fn what_is_formatted_parses_back(millis in -62_135_596_800_000..253_402_300_800_000i64) {
        for pattern in [
            "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "yyyyMMddHHmmssSSS",
            "EEE d MMMM yyyy hh:mm:ss.S a z",
            "kk:mm:ss.SSS MM/dd/yyyy Z",
        ] {
            let format = SimpleDateFormat::new(pattern).unwrap();
            prop_assert_eq!(format.parse(&format.format(millis)), Some(millis), "{}", pattern);
        }
    }

    #[test]
    fn any_text_is_parsed_or_refused(
        pattern in "[yYMLdDFuwWGHhkKmsSazZXE' :+-]{0,12}",
        text in ".{0,24}",
    ) {
        if let Ok(format) = SimpleDateFormat::new(&pattern) {
            let _ = format.parse(&text);
            let _ = format.parse("99999999999 99999999999 9999999999");
        }
    }

    #[test]
    fn any_moment_is_formatted(millis: i64) {
        let format = SimpleDateFormat::new("yyyy YYYY MMMM EEE HH:mm:ss.SSS w W D F u G");
        let format = format.unwrap();
        prop_assert!(!format.format(millis).is_empty());
    }
}
