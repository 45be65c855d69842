//! The plugin `activity-event`: an activity event that does not meet the schema fails, with the
//! field's name and the reason; every other goes on untouched.

mod activity;

use activity::{FIELDS, RULES, Rule};
use ferrule_plugin::{Config, ConfigErrors, ConfigKey, Description, Outcome, Record, Transform};

/// The rules that are switched on.
pub struct ActivityEvent(Vec<&'static Rule>);

impl Transform for ActivityEvent {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn describe() -> Description {
        let description = Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Validates activity events of aircraft and ships before the sink. An event that \
             breaks a rule fails. Each rule can be switched off.",
        )
        .reading_fields(FIELDS);
        RULES.iter().fold(description, |description, rule| {
            description.key(ConfigKey::boolean(rule.key, true, rule.documentation))
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
        errors.or(ActivityEvent(on))
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        for rule in &self.0 {
            (rule.check)(row)?;
        }
        Ok(Outcome::Keep)
    }
}

ferrule_plugin::export!(ActivityEvent);
