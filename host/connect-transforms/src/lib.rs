//! Kafka Connect's built-in single message transforms and predicates, and those of Debezium,
//! Confluent and Aiven that configs name with them; pure.
//!
//! One file for each class, under its own name. The behaviour is that of Kafka 4, and of the
//! others' documentation: keys, defaults and error texts, but for errors that would quote a record.

mod aiven;
mod cast;
mod confluent;
mod debezium;
mod drop_headers;
mod extract_field;
mod field_path;
mod filter;
mod flatten;
mod header_from;
mod hoist_field;
mod insert_field;
mod insert_header;
pub mod java_regex;
mod json_path;
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
mod topic_name;
mod value_to_key;

use aiven::extract_topic_from_schema_name::{self, ExtractTopicFromSchemaName};
use confluent::extract_topic::ExtractTopicFromHeader;
use confluent::message_timestamp_router::MessageTimestampRouter;
use confluent::tombstone_handler::{self, TombstoneHandler};
use connect_api::{Config, ConfigDef, Predicate, RecordPart, RecordTransformation, Result};
use debezium::by_logical_table_router::{self, ByLogicalTableRouter};
use debezium::event_router::{self, EventRouter};
use debezium::extract_new_record_state::{self, ExtractNewRecordState};
use debezium::timezone_converter::{self, TimezoneConverter};

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

/// The transform of a class, by its full name or without the package. Where several have the name
/// without a package, it is Kafka's own; of others' none.
pub fn transformation(class: &str) -> Option<&'static TransformationType> {
    let whole = || TRANSFORMATIONS.iter().find(|t| t.class == class);
    let kafkas = || {
        TRANSFORMATIONS
            .iter()
            .find(|t| t.class.strip_prefix(PACKAGE) == Some(class))
    };
    let alone = || {
        let simple = |t: &&TransformationType| t.class.rsplit('.').next() == Some(class);
        let mut named = TRANSFORMATIONS.iter().filter(simple);
        let first = named.next()?;
        named.next().is_none().then_some(first)
    };
    whole().or_else(kafkas).or_else(alone)
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

macro_rules! others_part {
    ($class:literal, $($path:ident)::+, $part:ident) => {
        TransformationType {
            class: $class,
            config_def: $($path)::+::config_def,
            build: |config| {
                Ok(Box::new($($path)::+::Transform::new(config, RecordPart::$part)?))
            },
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
    TransformationType {
        class: "io.debezium.transforms.ExtractNewRecordState",
        config_def: extract_new_record_state::config_def,
        build: |config| Ok(Box::new(ExtractNewRecordState::new(config)?)),
    },
    TransformationType {
        class: "io.debezium.transforms.ByLogicalTableRouter",
        config_def: by_logical_table_router::config_def,
        build: |config| Ok(Box::new(ByLogicalTableRouter::new(config)?)),
    },
    TransformationType {
        class: "io.debezium.transforms.ToLogicalTopicRouter",
        config_def: by_logical_table_router::new_config_def,
        build: |config| Ok(Box::new(ByLogicalTableRouter::new(config)?)),
    },
    TransformationType {
        class: "io.debezium.transforms.TimezoneConverter",
        config_def: timezone_converter::config_def,
        build: |config| Ok(Box::new(TimezoneConverter::new(config)?)),
    },
    TransformationType {
        class: "io.debezium.transforms.outbox.EventRouter",
        config_def: event_router::config_def,
        build: |config| Ok(Box::new(EventRouter::new(config)?)),
    },
    others_part!(
        "io.confluent.connect.transforms.Drop$Key",
        confluent::drop,
        Key
    ),
    others_part!(
        "io.confluent.connect.transforms.Drop$Value",
        confluent::drop,
        Value
    ),
    others_part!(
        "io.confluent.connect.transforms.ExtractTopic$Key",
        confluent::extract_topic,
        Key
    ),
    others_part!(
        "io.confluent.connect.transforms.ExtractTopic$Value",
        confluent::extract_topic,
        Value
    ),
    TransformationType {
        class: "io.confluent.connect.transforms.ExtractTopic$Header",
        config_def: confluent::extract_topic::header_config_def,
        build: |config| Ok(Box::new(ExtractTopicFromHeader::new(config)?)),
    },
    others_part!(
        "io.confluent.connect.transforms.Filter$Key",
        confluent::filter,
        Key
    ),
    others_part!(
        "io.confluent.connect.transforms.Filter$Value",
        confluent::filter,
        Value
    ),
    TransformationType {
        class: "io.confluent.connect.transforms.MessageTimestampRouter",
        config_def: confluent::message_timestamp_router::config_def,
        build: |config| Ok(Box::new(MessageTimestampRouter::new(config)?)),
    },
    TransformationType {
        class: "io.confluent.connect.transforms.TombstoneHandler",
        config_def: tombstone_handler::config_def,
        build: |config| Ok(Box::new(TombstoneHandler::new(config)?)),
    },
    TransformationType {
        class: "io.aiven.kafka.connect.transforms.TombstoneHandler",
        config_def: tombstone_handler::aivens_config_def,
        build: |config| Ok(Box::new(TombstoneHandler::aivens(config)?)),
    },
    TransformationType {
        class: "io.aiven.kafka.connect.transforms.KeyToValue",
        config_def: aiven::key_to_value::config_def,
        build: |config| Ok(Box::new(aiven::key_to_value::KeyToValue::new(config)?)),
    },
    TransformationType {
        class: "io.aiven.kafka.connect.transforms.MakeTombstone",
        config_def: aiven::make_tombstone::config_def,
        build: |config| Ok(Box::new(aiven::make_tombstone::MakeTombstone::new(config)?)),
    },
    others_part!(
        "io.aiven.kafka.connect.transforms.CaseTransform$Key",
        aiven::case_transform,
        Key
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.CaseTransform$Value",
        aiven::case_transform,
        Value
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.ConcatFields$Key",
        aiven::concat_fields,
        Key
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.ConcatFields$Value",
        aiven::concat_fields,
        Value
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.ExtractTimestamp$Key",
        aiven::extract_timestamp,
        Key
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.ExtractTimestamp$Value",
        aiven::extract_timestamp,
        Value
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.ExtractTopic$Key",
        aiven::extract_topic,
        Key
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.ExtractTopic$Value",
        aiven::extract_topic,
        Value
    ),
    TransformationType {
        class: "io.aiven.kafka.connect.transforms.ExtractTopicFromSchemaName$Value",
        config_def: extract_topic_from_schema_name::config_def,
        build: |config| Ok(Box::new(ExtractTopicFromSchemaName::new(config)?)),
    },
    others_part!(
        "io.aiven.kafka.connect.transforms.FilterByFieldValue$Key",
        aiven::filter_by_field_value,
        Key
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.FilterByFieldValue$Value",
        aiven::filter_by_field_value,
        Value
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.Hash$Key",
        aiven::hash,
        Key
    ),
    others_part!(
        "io.aiven.kafka.connect.transforms.Hash$Value",
        aiven::hash,
        Value
    ),
];

static PREDICATES: &[PredicateType] = &[
    predicate!("HasHeaderKey", has_header_key::HasHeaderKey),
    predicate!("RecordIsTombstone", record_is_tombstone::RecordIsTombstone),
    predicate!("TopicNameMatches", topic_name_matches::TopicNameMatches),
];
