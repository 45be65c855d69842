//! The plugin `telescope-data`: a telescope record that does not meet the rules fails, with the
//! field's name and the reason; every other goes on untouched.

mod telescope;

use ferrule_plugin::{
    Config, ConfigError, ConfigErrors, ConfigKey, Description, Outcome, Record, Transform,
    Validator,
};
use telescope::{FIELDS, Rules, check};

/// The rules as configured.
pub struct TelescopeData(Rules);

impl Transform for TelescopeData {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn describe() -> Description {
        let any_count = Validator::Between((0.0, i64::MAX as f64));
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Validates telescope records before the sink: ids, sequence number, timestamp, size \
             of the payload, pipeline version. A record that breaks a rule fails.",
        )
        .reading_fields(FIELDS)
        .key(ConfigKey::long(
            "timestamp.min",
            1,
            "Least timestamp allowed, in the unit of the field; milliseconds for a logical \
             timestamp.",
        ))
        .key(ConfigKey::long(
            "timestamp.max",
            i64::MAX,
            "Greatest timestamp allowed, in the unit of the field; milliseconds for a logical \
             timestamp.",
        ))
        .key(
            ConfigKey::long(
                "max.payload.bytes",
                1 << 20,
                "Greatest size of the field data.",
            )
            .valid(any_count),
        )
        .key(ConfigKey::list(
            "pipeline.versions",
            "",
            "Versions allowed in processing_pipeline_version; empty allows any. A record that is \
             not processed need not name one.",
        ))
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let rules = Rules {
            timestamp_min: errors.note(config.int("timestamp.min")),
            timestamp_max: errors.note(config.int("timestamp.max")),
            max_payload_bytes: errors.note(config.int("max.payload.bytes")),
            pipeline_versions: errors.note(config.list("pipeline.versions")),
        };
        if !errors.0.is_empty() {
            // What could not be read has no bounds to check.
            return errors.or(TelescopeData(rules));
        }
        if rules.timestamp_min < 1 {
            errors
                .0
                .push(ConfigError::new("timestamp.min", "must be at least 1"));
        }
        if rules.timestamp_max < rules.timestamp_min {
            let error = ConfigError::new("timestamp.max", "must not be less than timestamp.min");
            errors.0.push(error);
        }
        if rules.max_payload_bytes < 0 {
            errors.0.push(ConfigError::new(
                "max.payload.bytes",
                "must not be negative",
            ));
        }
        errors.or(TelescopeData(rules))
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        check(&self.0, record.row()?)?;
        Ok(Outcome::Keep)
    }
}

ferrule_plugin::export!(TelescopeData);
