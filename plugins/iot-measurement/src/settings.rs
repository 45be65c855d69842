//! How a message is read: the configuration.

use ferrule_plugin::{Config, ConfigError, ConfigErrors, ConfigKey, Description, Validator};

/// The configuration.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) spelling: Spelling,
    pub(crate) numbers: Numbers,
    pub(crate) extra_fields: ExtraFields,
}

/// Which messages are taken for measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// Columns by their own names, too; null for a default; pins as numbers.
    #[default]
    Lenient,
    /// What the document's model takes.
    Strict,
}

/// How a text of `value` is read.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    /// Texts that say that there is no value.
    pub(crate) none: Vec<String>,
    pub(crate) decimal_comma: bool,
    pub(crate) unit_suffix: bool,
    pub(crate) unparsable: Unparsable,
}

/// What a text is that reads as no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unparsable {
    Null,
    #[default]
    Fail,
}

/// What becomes of fields that are none of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ExtraFields {
    #[default]
    Drop,
    Keep,
}

impl Settings {
    /// The keys, added to a description.
    pub(crate) fn describe(description: Description) -> Description {
        let one_of =
            |names: &[&str]| Validator::OneOf(names.iter().map(|&name| name.to_owned()).collect());
        description
            .key(ConfigKey::boolean(
                "strict",
                false,
                "Whether only that is taken which the aliases and types of the document's model \
                 take: mac_address and not device_id, no null but for value, and pin as text.",
            ))
            .key(
                ConfigKey::text(
                    "value.unparsable",
                    "fail",
                    "What a value is that reads as no number: fail fails the message, which keeps \
                     it in the dead letter queue; null takes the message without a value, and \
                     counts it in values_unparsable.",
                )
                .valid(one_of(&["null", "fail"])),
            )
            .key(ConfigKey::list(
                "value.none",
                "N/A, NA, null, none, -",
                "Texts, in any case, that say that there is no value: it becomes null. Empty text \
                 always says so.",
            ))
            .key(ConfigKey::boolean(
                "value.decimal.comma",
                false,
                "Whether 21,5 is 21.5, and 1.234,5 is 1234.5. Without a comma a dot stays what it \
                 is.",
            ))
            .key(ConfigKey::boolean(
                "value.unit.suffix",
                false,
                "Whether a unit may stand behind the number, as in 21.5 C. It becomes the unit of \
                 a message that names none.",
            ))
            .key(
                ConfigKey::text(
                    "extra.fields",
                    "drop",
                    "What becomes of fields that are none of a measurement: drop leaves them out, \
                     keep hands them on, for columns of their names.",
                )
                .valid(one_of(&["drop", "keep"])),
            )
    }

    pub(crate) fn read(config: &Config, errors: &mut ConfigErrors) -> Settings {
        let strict = errors.note(config.boolean("strict"));
        Settings {
            spelling: match strict {
                true => Spelling::Strict,
                false => Spelling::Lenient,
            },
            numbers: Numbers {
                none: errors.note(config.list("value.none")),
                decimal_comma: errors.note(config.boolean("value.decimal.comma")),
                unit_suffix: errors.note(config.boolean("value.unit.suffix")),
                unparsable: errors.note(choice(
                    config,
                    "value.unparsable",
                    [("null", Unparsable::Null), ("fail", Unparsable::Fail)],
                )),
            },
            extra_fields: errors.note(choice(
                config,
                "extra.fields",
                [("drop", ExtraFields::Drop), ("keep", ExtraFields::Keep)],
            )),
        }
    }
}

fn choice<T: Copy>(config: &Config, key: &str, all: [(&str, T); 2]) -> Result<T, ConfigError> {
    let text = config.text(key)?;
    let found = all.iter().find(|(name, _)| *name == text);
    found.map(|(_, it)| *it).ok_or_else(|| {
        let [(one, _), (other, _)] = all;
        ConfigError::new(key, format_args!("must be {one} or {other}"))
    })
}
