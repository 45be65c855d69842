//! Kafka Connect's built-in single message transforms and predicates; pure.
//!
//! One file for each class, under Kafka's name for it. The behaviour is that of Kafka 4: keys,
//! defaults and error texts, but for errors that would quote a record.

mod cast;
mod drop_headers;
mod extract_field;
mod field_path;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
mod java_regex;
mod mask_field;
mod plans;
mod predicates;
mod regex_router;
mod replace_field;
mod rows;
mod set_schema_metadata;
mod simple_date_format;
#[cfg(test)]
mod tests;
mod timestamp_converter;
mod timestamp_router;
mod value_to_key;

use connect_api::{Config, ConfigDef, Predicate, RecordPart, RecordTransformation, Result};

/// A class of transforms.
#[derive(Clone, Copy, Debug)]
pub struct TransformationType {
    /// Its Java name, such as `org.apache.kafka.connect.transforms.ReplaceField$Value`.
    pub class: &'static str,
    /// Its options.
    pub config_def: fn() -> ConfigDef,
    /// Makes one.
    pub build: fn(&Config) -> Result<Box<dyn RecordTransformation>>,
}

/// A class of predicates.
#[derive(Clone, Copy, Debug)]
pub struct PredicateType {
    /// Its Java name.
    pub class: &'static str,
    /// Its options.
    pub config_def: fn() -> ConfigDef,
    /// Makes one.
    pub build: fn(&Config) -> Result<Box<dyn Predicate>>,
}

const PACKAGE: &str = "org.apache.kafka.connect.transforms.";
const PREDICATES_PACKAGE: &str = "org.apache.kafka.connect.transforms.predicates.";

/// The transform of a class, by its full name or without the package.
pub fn transformation(class: &str) -> Option<&'static TransformationType> {
    let simple = class.strip_prefix(PACKAGE).unwrap_or(class);
    TRANSFORMATIONS
        .iter()
        .find(|t| t.class.strip_prefix(PACKAGE) == Some(simple))
}

/// The predicate of a class, by its full name or without the package.
pub fn predicate(class: &str) -> Option<&'static PredicateType> {
    let simple = class.strip_prefix(PREDICATES_PACKAGE).unwrap_or(class);
    PREDICATES
        .iter()
        .find(|p| p.class.strip_prefix(PREDICATES_PACKAGE) == Some(simple))
}

/// All transforms.
pub fn transformations() -> &'static [TransformationType] {
    TRANSFORMATIONS
}

/// All predicates.
pub fn predicates() -> &'static [PredicateType] {
    PREDICATES
}

macro_rules! of_part {
    ($class:literal, $module:ident :: $name:ident, $part:ident) => {
        TransformationType {
            class: concat!("org.apache.kafka.connect.transforms.", $class),
            config_def: $module::config_def,
            build: |config| Ok(Box::new($module::$name::new(config, RecordPart::$part)?)),
        }
    };
}

macro_rules! of_record {
    ($class:literal, $module:ident :: $name:ident) => {
        TransformationType {
            class: concat!("org.apache.kafka.connect.transforms.", $class),
            config_def: $module::config_def,
            build: |config| Ok(Box::new($module::$name::new(config)?)),
        }
    };
}

macro_rules! predicate {
    ($class:literal, $module:ident :: $name:ident) => {
        PredicateType {
            class: concat!("org.apache.kafka.connect.transforms.predicates.", $class),
            config_def: predicates::$module::config_def,
            build: |config| Ok(Box::new(predicates::$module::$name::new(config)?)),
        }
    };
}

static TRANSFORMATIONS: &[TransformationType] = &[
    of_part!("Cast$Key", cast::Cast, Key),
    of_part!("Cast$Value", cast::Cast, Value),
    of_record!("DropHeaders", drop_headers::DropHeaders),
    of_part!("ExtractField$Key", extract_field::ExtractField, Key),
    of_part!("ExtractField$Value", extract_field::ExtractField, Value),
    of_record!("Filter", filter::Filter),
    of_part!("Flatten$Key", flatten::Flatten, Key),
    of_part!("Flatten$Value", flatten::Flatten, Value),
    of_part!("HeaderFrom$Key", header_from::HeaderFrom, Key),
    of_part!("HeaderFrom$Value", header_from::HeaderFrom, Value),
    of_part!("HoistField$Key", hoist_field::HoistField, Key),
    of_part!("HoistField$Value", hoist_field::HoistField, Value),
    of_part!("InsertField$Key", insert_field::InsertField, Key),
    of_part!("InsertField$Value", insert_field::InsertField, Value),
    of_record!("InsertHeader", insert_header::InsertHeader),
    of_part!("MaskField$Key", mask_field::MaskField, Key),
    of_part!("MaskField$Value", mask_field::MaskField, Value),
    of_record!("RegexRouter", regex_router::RegexRouter),
    of_part!("ReplaceField$Key", replace_field::ReplaceField, Key),
    of_part!("ReplaceField$Value", replace_field::ReplaceField, Value),
    of_part!(
        "SetSchemaMetadata$Key",
        set_schema_metadata::SetSchemaMetadata,
        Key
    ),
    of_part!(
        "SetSchemaMetadata$Value",
        set_schema_metadata::SetSchemaMetadata,
        Value
    ),
    of_part!(
        "TimestampConverter$Key",
        timestamp_converter::TimestampConverter,
        Key
    ),
    of_part!(
        "TimestampConverter$Value",
        timestamp_converter::TimestampConverter,
        Value
    ),
    of_record!("TimestampRouter", timestamp_router::TimestampRouter),
    of_record!("ValueToKey", value_to_key::ValueToKey),
];

static PREDICATES: &[PredicateType] = &[
    predicate!("HasHeaderKey", has_header_key::HasHeaderKey),
    predicate!("RecordIsTombstone", record_is_tombstone::RecordIsTombstone),
    predicate!("TopicNameMatches", topic_name_matches::TopicNameMatches),
];
