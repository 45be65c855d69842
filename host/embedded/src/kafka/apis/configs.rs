//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs: of topics; of the broker, to read.

use std::collections::BTreeMap;

use super::super::broker::{Broker, State};
use super::super::error_code::ErrorCode;
use super::super::topics::{DEFAULTS, alter as alter_config};
use super::super::wire::{Read, Reader, Writer};
use super::{super::NODE_ID, Request};

/// Kinds of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from.
const FROM_TOPIC: i8 = 1;
const FROM_BROKER: i8 = 4;
const FROM_DEFAULT: i8 = 5;

/// What IncrementalAlterConfigs does to a config.
const SET: i8 = 0;
const DELETE: i8 = 1;

const BROKER_CONFIGS: [(&str, &str); 4] = [
    ("auto.create.topics.enable", "true"),
    ("default.replication.factor", "1"),
    ("group.initial.rebalance.delay.ms", "100"),
    ("num.partitions", "1"),
];

struct Config {
    name: String,
    value: String,
    source: i8,
}

struct Resource {
    kind: i8,
    name: String,
}

impl Resource {
    fn read(body: &mut Reader) -> Read<Self> {
        Ok(Self {
            kind: body.i8()?,
            name: body.string()?,
        })
    }

    fn configs(&self, state: &State) -> Result<Vec<Config>, ErrorCode> {
        let config = |name: &str, value: &str, source| Config {
            name: name.to_owned(),
            value: value.to_owned(),
            source,
        };
        match self.kind {
            TOPIC => {
                let topic = state.topics.get(&self.name);
                let own = &topic.ok_or(ErrorCode::UnknownTopicOrPartition)?.configs;
                let defaults = DEFAULTS.iter().filter(|(name, _)| !own.contains_key(*name));
                let own = own
                    .iter()
                    .map(|(name, value)| config(name, value, FROM_TOPIC));
                let defaults = defaults.map(|(name, value)| config(name, value, FROM_DEFAULT));
                Ok(own.chain(defaults).collect())
            }
            BROKER if self.name == NODE_ID.to_string() => {
                let configs = BROKER_CONFIGS.iter();
                Ok(configs
                    .map(|(name, value)| config(name, value, FROM_BROKER))
                    .collect())
            }
            _ => Err(ErrorCode::InvalidRequest),
        }
    }

    fn write_outcome<T>(&self, writer: &mut Writer, outcome: &Result<T, ErrorCode>) {
        writer.i16(ErrorCode::of(outcome));
        writer.nullable_string(None);
        writer.i8(self.kind);
        writer.string(&self.name);
    }
}

pub(super) fn describe(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let resources = request.body.array(|it| {
        let resource = Resource::read(it)?;
        Ok((resource, it.nullable_array(Reader::string)?))
    })?;
    let state = broker.state();
    let mut response = request.throttled_since(0);
    response.array(resources, |it, (resource, names)| {
        let configs = resource.configs(&state);
        resource.write_outcome(it, &configs);
        let asked = |config: &Config| {
            let names = names.as_ref();
            names.is_none_or(|names| names.contains(&config.name))
        };
        let configs: Vec<_> = configs.into_iter().flatten().filter(asked).collect();
        it.array(configs, |it, config| {
            it.string(&config.name);
            it.nullable_string(Some(&config.value));
            it.bool(config.source == FROM_BROKER);
            it.i8(config.source);
            it.bool(false);
            // Synonyms, which nobody looks at.
            it.array([], |_, (): ()| {});
        });
    });
    Ok(response)
}

/// Whether a request is to change something.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Change,
    Validate,
}

impl Kind {
    /// The field `validate_only`.
    fn read(body: &mut Reader) -> Read<Self> {
        Ok(if body.bool()? {
            Self::Validate
        } else {
            Self::Change
        })
    }
}

/// Alters a topic's configs, all that are named or none.
fn change(
    state: &mut State,
    resource: &Resource,
    kind: Kind,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<(), ErrorCode>,
) -> Result<(), ErrorCode> {
    if resource.kind != TOPIC {
        return Err(ErrorCode::InvalidRequest);
    }
    let configs = state.topics.configs_mut(&resource.name)?;
    let mut changed = configs.clone();
    change(&mut changed)?;
    if kind == Kind::Change {
        *configs = changed;
    }
    Ok(())
}

/// The configs that are not named go back to their defaults.
pub(super) fn alter(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let resources = body.array(|it| {
        let resource = Resource::read(it)?;
        let configs = it.array(|it| Ok((it.string()?, it.nullable_string()?)))?;
        Ok((resource, configs))
    })?;
    let kind = Kind::read(body)?;
    let mut state = broker.state();
    let mut response = request.throttled_since(0);
    response.array(resources, |it, (resource, named)| {
        let altered = change(&mut state, &resource, kind, |configs| {
            configs.clear();
            let mut named = named.into_iter();
            named.try_for_each(|(name, value)| alter_config(configs, &name, value))
        });
        resource.write_outcome(it, &altered);
    });
    Ok(response)
}

pub(super) fn alter_incrementally(broker: &Broker, request: &mut Request) -> Read<Writer> {
    let body = &mut request.body;
    let resources = body.array(|it| {
        let resource = Resource::read(it)?;
        let configs = it.array(|it| Ok((it.string()?, it.i8()?, it.nullable_string()?)))?;
        Ok((resource, configs))
    })?;
    let kind = Kind::read(body)?;
    let mut state = broker.state();
    let mut response = request.throttled_since(0);
    response.array(resources, |it, (resource, named)| {
        let altered = change(&mut state, &resource, kind, |configs| {
            let mut named = named.into_iter();
            named.try_for_each(|(name, operation, value)| match (operation, value) {
                (SET, Some(value)) => alter_config(configs, &name, Some(value)),
                (DELETE, _) => alter_config(configs, &name, None),
                // To append to lists and to take from them; no config here needs it.
                _ => Err(ErrorCode::InvalidRequest),
            })
        });
        resource.write_outcome(it, &altered);
    });
    Ok(response)
}
