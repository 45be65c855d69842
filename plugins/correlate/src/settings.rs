//! The configuration.

use ferrule_plugin::{Config, ConfigError, ConfigErrors, ConfigKey, Description, Validator};

/// The configuration.
pub(crate) struct Settings {
    pub(crate) commands_topic: String,
    pub(crate) acknowledgments_topic: String,
    pub(crate) output_topic: String,
    pub(crate) key_field: String,
    pub(crate) sent_at_field: String,
    pub(crate) acknowledged_at_field: String,
    pub(crate) status_field: String,
    pub(crate) commands_fields: Vec<String>,
    pub(crate) acknowledgments_fields: Vec<String>,
    pub(crate) timeout_ms: i64,
    pub(crate) retention_ms: u64,
}

/// Columns that the plugin fills itself.
const OWN: [&str; 7] = [
    "sent_at",
    "due_at",
    "acknowledged_at",
    "last_acknowledged_at",
    "acknowledgments",
    "status",
    "timed_out_at",
];

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;

/// Name, default, documentation.
const TEXTS: [(&str, &str, &str); 7] = [
    (
        "commands.topic",
        "telescope.commands",
        "The topic of the commands.",
    ),
    (
        "acknowledgments.topic",
        "telescope.acknowledgments",
        "The topic of the acknowledgments.",
    ),
    (
        "output.topic",
        "telescope_command_status",
        "Where the rows go.",
    ),
    (
        "key.field",
        "command_id",
        "The field by which an acknowledgment names its command; also the column of the key.",
    ),
    (
        "sent.at.field",
        "issued_at",
        "The field of a command that tells when it was sent: a timestamp, ISO 8601 text or \
         milliseconds since 1970. Without it: when its record came.",
    ),
    (
        "acknowledged.at.field",
        "acknowledged_at",
        "The field of an acknowledgment that tells when it was given; otherwise as sent.at.field.",
    ),
    (
        "status.field",
        "status",
        "The field of an acknowledgment that tells what became of the command; the last one stays.",
    ),
];

impl Settings {
    pub(crate) fn describe(description: Description) -> Description {
        let count = Validator::Between((1.0, i64::MAX as f64));
        let texts = TEXTS.iter().fold(description, |all, (name, default, doc)| {
            all.key(ConfigKey::text(name, default, doc).valid(Validator::NonEmpty))
        });
        texts
            .key(ConfigKey::list(
                "commands.fields",
                "telescope_id, command_type",
                "Fields of a command that the row has, too.",
            ))
            .key(ConfigKey::list(
                "acknowledgments.fields",
                "telescope_id, message",
                "Fields of an acknowledgment that the row has, too.",
            ))
            .key(
                ConfigKey::long(
                    "timeout.ms",
                    MINUTE,
                    "For how many milliseconds after it was sent a command may wait.",
                )
                .valid(count.clone()),
            )
            .key(
                ConfigKey::long(
                    "retention.ms",
                    DAY,
                    "For how many milliseconds of record time after an acknowledgment it is \
                     remembered which was the first; one that comes later counts as the first.",
                )
                .valid(count),
            )
    }

    pub(crate) fn read(config: &Config) -> Result<Settings, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let mut text = |key| errors.note(config.text(key).map(str::to_owned));
        let mut settings = Settings {
            commands_topic: text("commands.topic"),
            acknowledgments_topic: text("acknowledgments.topic"),
            output_topic: text("output.topic"),
            key_field: text("key.field"),
            sent_at_field: text("sent.at.field"),
            acknowledged_at_field: text("acknowledged.at.field"),
            status_field: text("status.field"),
            commands_fields: Vec::new(),
            acknowledgments_fields: Vec::new(),
            timeout_ms: 0,
            retention_ms: 0,
        };
        settings.commands_fields = errors.note(config.list("commands.fields"));
        settings.acknowledgments_fields = errors.note(config.list("acknowledgments.fields"));
        settings.timeout_ms = errors.note(config.int("timeout.ms"));
        settings.retention_ms = errors.note(config.int("retention.ms")).unsigned_abs();
        if settings.commands_topic == settings.acknowledgments_topic {
            let error = ConfigError::new(
                "acknowledgments.topic",
                "must be another topic than commands.topic",
            );
            errors.0.push(error);
        }
        for (key, fields) in [
            ("commands.fields", &settings.commands_fields),
            ("acknowledgments.fields", &settings.acknowledgments_fields),
        ] {
            let own = |field: &String| OWN.contains(&&**field) || *field == settings.key_field;
            let twice = |at: usize| fields[..at].contains(&fields[at]);
            if fields.iter().any(own) || (0..fields.len()).any(twice) {
                let error = ConfigError::new(
                    key,
                    "must name each field once, and none that the row has anyway",
                );
                errors.0.push(error);
            }
        }
        errors.or(settings)
    }
}
