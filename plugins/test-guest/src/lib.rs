//! The plugin `test-guest`: does what the record says, harm above all, for the tests of the host.
//!
//! It speaks the contract without the SDK's trait, because the SDK would not let it break it.

mod answer;
mod command;
mod harm;

use std::cell::RefCell;

use answer::{Answer, out, shape};
use command::Command;
use ferrule_plugin::bindings::exports::ferrule::transform::plugin::{
    Batch, ConfigError, Description, Emission, EpochMillis, Reply,
};
use ferrule_plugin::bindings::ferrule::transform::data::{
    InRecord, Kind, OutPayload, Outcome, Payload, Pool, Row,
};
use ferrule_plugin::{ConfigKey, Failure, Parts, ValueRef};

thread_local! {
    static EMITS: RefCell<bool> = const { RefCell::new(false) };
    static SECRET: RefCell<String> = const { RefCell::new(String::new()) };
    static NOTE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Exports the contract.
pub struct TestGuest;

impl TestGuest {
    /// What the plugin is.
    pub fn describe() -> Description {
        ferrule_plugin::glue::log_panics();
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Does what the field cmd of a record, or its text, says. For the tests of the host.",
        )
        .reading(Parts::KEY | Parts::VALUE | Parts::HEADERS)
        .key(ConfigKey::boolean(
            "configure.panic",
            false,
            "Whether configure panics.",
        ))
        .key(ConfigKey::boolean(
            "configure.error",
            false,
            "Whether configure refuses.",
        ))
        .key(ConfigKey::boolean(
            "tick.emit",
            false,
            "Whether a tick emits a record.",
        ))
        .key(ConfigKey::password(
            "secret",
            "What the command secret tells, and the log must not.",
        ))
        .key(ConfigKey::text(
            "note",
            "",
            "What the command secret-fail tells besides.",
        ))
        .stateful()
        .ticking()
    }

    /// Takes the configuration, or panics, or refuses.
    pub fn configure(config: Vec<(String, String)>) -> Result<(), Vec<ConfigError>> {
        ferrule_plugin::glue::log_panics();
        let on = |key| {
            config
                .iter()
                .any(|(name, value)| name == key && value == "true")
        };
        let given = |key: &str| {
            let found = config.iter().find(|(name, _)| name == key);
            found.map_or("", |(_, value)| value)
        };
        let secret = given("secret");
        SECRET.set(secret.to_owned());
        NOTE.set(given("note").to_owned());
        if !secret.is_empty() {
            ferrule_plugin::log::info(format!("the secret is {secret}"));
        }
        assert!(
            !on("configure.panic"),
            "configure.panic is true, and the secret is {secret}"
        );
        if on("configure.error") {
            let message = format!("is true, and the secret is {secret}");
            return Err(vec![ConfigError::new("configure.error", message)]);
        }
        EMITS.set(on("tick.emit"));
        Ok(())
    }

    /// Obeys each record.
    pub fn apply(batch: Batch) -> Reply {
        let mut answer = Answer::to(&batch);
        let mut outcomes = Vec::with_capacity(batch.records.len());
        let (mut less, mut more) = (0, 0);
        for record in &batch.records {
            let outcome = match command(record, &batch.pool) {
                Ok(command) => {
                    less += usize::from(command == Command::OneOutcomeLess);
                    more += usize::from(command == Command::OneOutcomeMore);
                    answer.obey(record, command)
                }
                Err(failure) => Outcome::Fail(failure),
            };
            outcomes.push(outcome);
        }
        outcomes.truncate(outcomes.len() - less);
        outcomes.extend((0..more).map(|_| Outcome::Keep));
        Reply {
            outcomes,
            records: answer.records,
            sources: answer.sources,
            pool: answer.pool,
        }
    }

    /// Emits one record with topic, partition and time, if the configuration says so.
    pub fn tick(topic: String, partition: i32, now: EpochMillis) -> Emission {
        let mut pool = Pool::EMPTY;
        let mut records = Vec::new();
        if EMITS.with_borrow(|emits| *emits) {
            let fields = [
                ("topic", Kind::Text),
                ("partition", Kind::Int32),
                ("now", Kind::Int64),
            ];
            pool.shapes.push(shape("tick", &fields));
            let values = [
                ValueRef::Text(&topic),
                ValueRef::Int(partition.into()),
                ValueRef::Int(now),
            ];
            let first = pool.add_row(values);
            records.push(out(OutPayload::Row(Row { shape: 0, first })));
        }
        Emission { records, pool }
    }
}

fn command(record: &InRecord, pool: &Pool) -> Result<Command, Failure> {
    let value = match record.value {
        Payload::Scalar(value) => Some(value),
        Payload::Row(row) => {
            let fields = &pool.shapes[row.shape as usize].fields;
            let place = fields.iter().position(|field| field.name == "cmd");
            place.map(|place| pool.values_of(row, fields.len())[place])
        }
    };
    match value.map(|value| pool.value(value)) {
        Some(ValueRef::Text(text)) => text.parse(),
        Some(ValueRef::Bytes(bytes)) => {
            // The weight behind the command is not looked at.
            let word = bytes.split(|byte| *byte == b' ').next();
            String::from_utf8_lossy(word.unwrap_or_default()).parse()
        }
        Some(ValueRef::Json(json)) => json.trim_matches('"').parse(),
        _ => Err(Failure::at("cmd", "is required")),
    }
}

#[cfg(target_arch = "wasm32")]
mod export {
    //! The exported functions.

    use ferrule_plugin::bindings;

    use super::*;

    impl bindings::exports::ferrule::transform::plugin::Guest for TestGuest {
        fn describe() -> Description {
            TestGuest::describe()
        }
        fn configure(config: Vec<(String, String)>) -> Result<(), Vec<ConfigError>> {
            TestGuest::configure(config)
        }
        fn apply(batch: Batch) -> Reply {
            TestGuest::apply(batch)
        }
        fn tick(topic: String, partition: i32, now: EpochMillis) -> Emission {
            TestGuest::tick(topic, partition, now)
        }
    }

    bindings::export!(TestGuest with_types_in bindings);
}

#[cfg(test)]
mod tests;
