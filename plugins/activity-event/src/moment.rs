//! The time of an event that has none of its own.

use ferrule_plugin::{Config, ConfigError, Kind, OutRow, Result, Row, RowShape, Value, ValueRef};

use crate::activity::EVENT_TIMESTAMP;

/// What an event without a time is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Of the time of its record.
    #[default]
    RecordTime,
    /// The column's to decide.
    ColumnDefault,
    /// An errant one.
    Fail,
}

impl Missing {
    pub(crate) const KEY: &str = "event_timestamp.missing";
    pub(crate) const RECORD_TIME: &str = "record.time";
    const COLUMN_DEFAULT: &str = "column.default";
    const FAIL: &str = "fail";
    pub(crate) const ALL: [&str; 3] = [Self::RECORD_TIME, Self::COLUMN_DEFAULT, Self::FAIL];

    pub(crate) fn read(config: &Config) -> std::result::Result<Missing, ConfigError> {
        match config.text(Self::KEY)? {
            Self::RECORD_TIME => Ok(Missing::RecordTime),
            Self::COLUMN_DEFAULT => Ok(Missing::ColumnDefault),
            Self::FAIL => Ok(Missing::Fail),
            _ => Err(ConfigError::new(
                Self::KEY,
                "must be record.time, column.default or fail",
            )),
        }
    }
}

/// Whether the event has a time.
pub(crate) fn is_given(row: Row<'_>) -> bool {
    !matches!(row.value(EVENT_TIMESTAMP), None | Some(ValueRef::Null))
}

/// Gives events a time.
#[derive(Default)]
pub(crate) struct Stamp(Option<Shape>);

/// The shape of the last event, as most have the same fields.
struct Shape {
    names: Vec<String>,
    shape: RowShape,
}

impl Stamp {
    /// The event with this time, in milliseconds since 1970. Its other fields stay as they are.
    pub(crate) fn stamped(&mut self, row: Row<'_>, at: i64) -> Result<OutRow> {
        let names = || row.fields().map(|(name, _)| name);
        let known = self.0.take().filter(|last| names().eq(&last.names));
        let last = known.unwrap_or_else(|| Shape::of(names()));
        let at = Value::Timestamp(at.saturating_mul(1000));
        let stamped = row.reshaped(&last.shape, [(EVENT_TIMESTAMP.name(), at)]);
        self.0 = Some(last);
        stamped
    }
}

impl Shape {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Shape {
        let names: Vec<String> = names.map(str::to_owned).collect();
        // Of no kind, as those of an object are: each value keeps its own.
        let mut shape = RowShape::new("activity_event");
        for name in &names {
            shape = shape.optional(name, Kind::Any);
        }
        if !names.iter().any(|name| name == EVENT_TIMESTAMP.name()) {
            shape = shape.optional(EVENT_TIMESTAMP.name(), Kind::Any);
        }
        Shape { names, shape }
    }
}
