//! The formats of texts that are checked.

use connect_http::formats::{is_date, is_date_time, is_uuid};

/// A `format` of JSON Schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 3339.
    DateTime,
    /// RFC 3339: `2025-01-06`.
    Date,
    /// RFC 9562.
    Uuid,
}

impl Format {
    pub(super) const ALL: &'static [Self] = &[Self::DateTime, Self::Date, Self::Uuid];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Date => "date",
            Self::Uuid => "uuid",
        }
    }

    pub(super) fn holds(self, text: &str) -> bool {
        match self {
            Self::DateTime => is_date_time(text),
            Self::Date => is_date(text),
            Self::Uuid => is_uuid(text),
        }
    }
}
