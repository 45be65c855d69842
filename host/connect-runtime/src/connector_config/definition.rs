//! The options that every sink connector has, as Kafka Connect declares them.

use std::borrow::Cow;
use std::sync::LazyLock;

use connect_api::{
    Choice, ConfigDef, ConfigKey, ConfigType as T, Importance, Tolerance, Validator, Width,
    WordCase,
};

use super::bounds::name_refusal;
use super::naming::most_tasks;
use super::pattern;
use super::source::source_options;
use crate::task_restart::connector_keys as restart_keys;

const COMMON: &str = "Common";
const ERRORS: &str = "Error Handling";

/// `config.action.reload`.
#[derive(Clone, Copy, PartialEq)]
enum ReloadAction {
    None,
    Restart,
}

impl Choice for ReloadAction {
    const WORDS: &'static [(&'static str, Self)] =
        &[("none", Self::None), ("restart", Self::Restart)];
    const CASE: WordCase = WordCase::Exact;
}

/// The options that the worker itself understands in the config of a sink.
pub fn sink_config_def() -> &'static ConfigDef {
    static DEF: LazyLock<ConfigDef> = LazyLock::new(|| {
        let mut keys = common();
        keys.extend(converters());
        keys.extend(chain());
        keys.extend(errors());
        keys.extend(topics());
        keys.extend(dead_letters());
        keys.extend(restarts());
        ConfigDef::new(keys)
    });
    &DEF
}

/// The options that the worker itself understands in the config of a source.
pub fn source_config_def() -> &'static ConfigDef {
    static DEF: LazyLock<ConfigDef> = LazyLock::new(|| {
        let mut keys = common();
        keys.extend(converters());
        keys.extend(chain());
        keys.extend(errors());
        keys.extend(restarts());
        keys.extend(source_options());
        ConfigDef::new(keys)
    });
    &DEF
}

/// The options of error handling.
pub fn error_config_def() -> &'static ConfigDef {
    static DEF: LazyLock<ConfigDef> =
        LazyLock::new(|| ConfigDef::new(errors().into_iter().chain(dead_letters()).collect()));
    &DEF
}

fn common() -> Vec<ConfigKey> {
    vec![
        ConfigKey::required(
            "name",
            T::String,
            "Globally unique name to use for this connector.",
        )
        .validator(Validator::Check(connector_name))
        .importance(Importance::High)
        .group(COMMON)
        .display(Width::Medium, "Connector name"),
        ConfigKey::required(
            "connector.class",
            T::String,
            "Name or alias of the class for this connector.",
        )
        .importance(Importance::High)
        .group(COMMON)
        .display(Width::Long, "Connector class"),
        plugin_version("connector.plugin.version", "connector")
            .display(Width::Medium, "Connector version"),
        ConfigKey::new(
            "tasks.max",
            T::Int,
            "1",
            "Maximum number of tasks to use for this connector.",
        )
        .validator(Validator::Between(1.0, most_tasks()))
        .importance(Importance::High)
        .group(COMMON)
        .display(Width::Short, "Tasks max"),
        ConfigKey::new(
            "tasks.max.enforce",
            T::Boolean,
            "true",
            "Deprecated: whether the number of tasks is kept to tasks.max. It always is.",
        )
        .importance(Importance::Low)
        .group(COMMON)
        .display(Width::Short, "Enforce tasks max"),
    ]
}

/// `*.plugin.version` (KIP-891).
pub(super) fn plugin_version(name: impl Into<Cow<'static, str>>, of: &str) -> ConfigKey {
    let doc = format!(
        "Version of the {of}: the one that this worker has, or a range that it is in. Another is \
         refused."
    );
    ConfigKey::nullable(name, T::String, doc).group(COMMON)
}

fn converters() -> Vec<ConfigKey> {
    let converter = |name: &'static str, display: &'static str, part: &str| {
        let doc = format!("Converter class for {part}. Default: the worker's, with its options.");
        ConfigKey::nullable(name, T::Class, doc)
            .importance(Importance::Low)
            .group(COMMON)
            .display(Width::Short, display)
    };
    let version = |name: &'static str, of: &str, display: &'static str| {
        plugin_version(name, of)
            .importance(Importance::Low)
            .display(Width::Short, display)
    };
    vec![
        converter("key.converter", "Key converter class", "record keys"),
        version(
            "key.converter.plugin.version",
            "key converter",
            "Key converter version",
        ),
        converter("value.converter", "Value converter class", "record values"),
        version(
            "value.converter.plugin.version",
            "value converter",
            "Value converter version",
        ),
        converter(
            "header.converter",
            "Header converter class",
            "record headers",
        ),
        version(
            "header.converter.plugin.version",
            "header converter",
            "Header converter version",
        ),
    ]
}

fn chain() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "transforms",
            T::List,
            "",
            "Aliases for the transformations to be applied to records.",
        )
        .importance(Importance::Low)
        .group("Transforms")
        .order(12)
        .display(Width::Long, "Transforms"),
        ConfigKey::new(
            "predicates",
            T::List,
            "",
            "Aliases for the predicates used by transformations.",
        )
        .importance(Importance::Low)
        .group("Predicates")
        .order(13)
        .display(Width::Long, "Predicates"),
        ConfigKey::choice(
            "config.action.reload",
            ReloadAction::Restart,
            "What to do when the values of config providers change. Not used: they are asked for \
             each time that they are used, and nothing is restarted on their account.",
        )
        .importance(Importance::Low)
        .group(COMMON)
        .order(14)
        .display(Width::Medium, "Reload Action"),
    ]
}

fn errors() -> Vec<ConfigKey> {
    let key =
        |key: ConfigKey, width, display: &'static str| key.group(ERRORS).display(width, display);
    let flag = |name: &'static str, display, doc: &'static str| {
        key(
            ConfigKey::new(name, T::Boolean, "false", doc),
            Width::Short,
            display,
        )
    };
    vec![
        key(
            ConfigKey::new(
                "errors.retry.timeout",
                T::Long,
                "0",
                "Milliseconds for which a converter or transform that fails with a retriable error, \
                 such as a Schema Registry that does not answer, is tried again with the same \
                 record, counted from its first failure. When they are over, errors.tolerance \
                 decides: the record is skipped and reported, or the task fails. -1 tries without \
                 end. So does 0, at least once a second: a service that is away is waited for, and \
                 no record is blamed (Kafka Connect does not retry at 0). Errors that are the \
                 record's own are never retried.",
            ),
            Width::Medium,
            "Retry Timeout for Errors",
        ),
        key(
            ConfigKey::new(
                "errors.retry.delay.max.ms",
                T::Long,
                "60000",
                "The longest delay in milliseconds between two such tries. The first is 300 ms, and \
                 each one is twice as long as the one before.",
            )
            .validator(Validator::AtLeast(1)),
            Width::Medium,
            "Maximum Delay Between Retries for Errors",
        ),
        key(Tolerance::config_key(), Width::Short, "Error Tolerance"),
        flag(
            "errors.log.enable",
            "Log Errors",
            "Whether errant records are logged.",
        ),
        flag(
            "errors.log.include.messages",
            "Log Error Details",
            "Whether the log names the topic, partition, offset and timestamp of errant records.",
        ),
    ]
}

fn restarts() -> Vec<ConfigKey> {
    let of_errors = |key: ConfigKey| key.group(ERRORS);
    restart_keys().into_iter().map(of_errors).collect()
}

fn topics() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "topics",
            T::List,
            "",
            "List of topics to consume, separated by commas.",
        )
        .importance(Importance::High)
        .group(COMMON)
        .order(4)
        .display(Width::Long, "Topics"),
        ConfigKey::new(
            "topics.regex",
            T::String,
            "",
            "Regular expression giving topics to consume. Only one of topics or topics.regex \
             should be specified.",
        )
        .validator(Validator::Check(pattern::check))
        .importance(Importance::High)
        .group(COMMON)
        .order(4)
        .display(Width::Long, "Topics regex"),
    ]
}

fn dead_letters() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "errors.deadletterqueue.topic.name",
            T::String,
            "",
            "The topic to which errant records go. Blank: none.",
        )
        .group(ERRORS)
        .display(Width::Medium, "Dead Letter Queue Topic Name"),
        ConfigKey::new(
            "errors.deadletterqueue.topic.replication.factor",
            T::Short,
            "3",
            "Replicas of the dead letter topic when it is created; -1: as the broker's default.",
        )
        .group(ERRORS)
        .display(Width::Medium, "Dead Letter Queue Topic Replication Factor"),
        ConfigKey::new(
            "errors.deadletterqueue.context.headers.enable",
            T::Boolean,
            "false",
            "Whether dead letters get headers that tell where and why they failed.",
        )
        .group(ERRORS)
        .display(Width::Medium, "Enable Error Context Headers"),
    ]
}

fn connector_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("String may not be empty".into());
    }
    let control: Vec<String> = name
        .chars()
        .filter(|c| c.is_control())
        .map(|c| u32::from(c).to_string())
        .collect();
    if control.is_empty() {
        return name_refusal(name).map_or(Ok(()), Err);
    }
    Err(format!(
        "String may not contain control sequences but had the following ASCII chars: {}",
        control.join(", ")
    ))
}
