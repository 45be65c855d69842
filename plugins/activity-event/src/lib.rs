//! The plugin `activity-event`: an activity event that does not meet the schema fails, with the
//! field's name and the reason. One without a time of its own gets that of its record; every other
//! goes on untouched.

mod activity;
mod moment;

use activity::{FIELDS, RULES, Rule};
use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, Outcome, Record, Transform, Validator,
};
use moment::{Missing, Stamp};

/// The rules that are switched on, and what an event without a time is.
pub struct ActivityEvent {
    rules: Vec<&'static Rule>,
    missing: Missing,
    stamp: Stamp,
}

impl Transform for ActivityEvent {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn describe() -> Description {
        let description = Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Validates activity events of aircraft and ships before the sink. An event that \
             breaks a rule fails. Each rule can be switched on and off.",
        )
        .reading_fields(FIELDS)
        .key(
            ConfigKey::text(
                Missing::KEY,
                Missing::RECORD_TIME,
                "What an event without event_timestamp, or with null there, is: record.time gives \
                 it the time of its record, which is the same when it is read again; \
                 column.default leaves it to the column, where the event does not have the field; \
                 fail fails it.",
            )
            .valid(Validator::OneOf(Missing::ALL.map(str::to_owned).into())),
        );
        RULES.iter().fold(description, |description, rule| {
            description.key(ConfigKey::boolean(
                rule.key,
                rule.default,
                rule.documentation,
            ))
        })
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut on = Vec::new();
        for rule in RULES {
            if errors.note(config.boolean(rule.key)) {
                on.push(rule);
            }
        }
        let missing = errors.note(Missing::read(config));
        errors.or(ActivityEvent {
            rules: on,
            missing,
            stamp: Stamp::default(),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        for rule in &self.rules {
            (rule.check)(row)?;
        }
        if moment::is_given(row) {
            return Ok(Outcome::Keep);
        }
        match (self.missing, record.timestamp()) {
            (Missing::Fail, _) => Err(Failure::at("event_timestamp", "is required")),
            (Missing::RecordTime, Some(at)) => Ok(Outcome::replace(self.stamp.stamped(row, at)?)),
            // Kafka's oldest messages have no time.
            (Missing::RecordTime | Missing::ColumnDefault, _) => Ok(Outcome::Keep),
        }
    }
}

ferrule_plugin::export!(ActivityEvent);
