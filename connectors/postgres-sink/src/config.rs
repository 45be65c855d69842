//! The options: declared once, in the words of the JDBC sinks, and resolved for a task.
//!
//! Each file holds the options of one concept: their words, their declarations, and what a task
//! makes of them. No option is read by its name outside of this folder, and nothing here imports
//! from `put`.

mod accepted;
mod columns;
#[cfg(test)]
mod compatibility;
mod conflicts;
mod connection;
mod delivery;
mod events;
mod naming;
mod primary_key;
#[cfg(test)]
mod readme;
mod spelling;
mod tables;
#[cfg(test)]
mod tests;
mod unavailable;
mod values;
mod writes;
mod zone;

use std::time::Duration;

use connect_api::{Config, ConfigDef, ConfigKey, LostOffsets, Result};

use crate::session::Servers;
use writes::UpsertNulls;

pub(crate) use columns::{Fields, UnknownFields};
pub(crate) use conflicts::validate;
pub(crate) use connection::servers;
pub(crate) use delivery::Delivery;
pub(crate) use events::ChangeEvents;
pub(crate) use naming::ColumnNaming;
pub(crate) use primary_key::PkMode;
pub(crate) use spelling::{DEBEZIUM, is_debezium, normalise};
pub(crate) use tables::TableNaming;
pub(crate) use unavailable::Unavailable;
pub(crate) use values::{EpochUnit, ExcessDigits, NulCharacters, Rules};
pub(crate) use writes::{InsertMode, Newer};
pub(crate) use zone::Zone;

/// The options in the order in which they are shown.
pub(crate) fn config_def() -> ConfigDef {
    let mut keys = connection::keys();
    keys.extend(writes::keys());
    keys.extend(events::keys().into_iter().map(|key| key.group("Writes")));
    keys.extend(data_mapping());
    keys.extend(delivery::keys());
    keys.extend(accepted::keys());
    ConfigDef::new(keys)
}

fn data_mapping() -> Vec<ConfigKey> {
    let mut keys = tables::keys();
    keys.extend(primary_key::keys());
    keys.extend(columns::keys());
    keys.push(unavailable::key());
    keys.extend(values::keys());
    keys.extend(naming::keys());
    keys.extend(values::zones());
    keys.into_iter()
        .map(|key| key.group("Data Mapping"))
        .collect()
}

/// The options of a task.
#[derive(Clone, Debug)]
pub(crate) struct PostgresSinkConfig {
    pub servers: Servers,
    pub socket_timeout: Duration,
    pub insert_mode: InsertMode,
    /// None: the last write of a key always wins.
    pub newer: Option<Newer>,
    /// Whether a null leaves the column of a row that is there as it is.
    pub keeps_nulls: bool,
    pub delete_enabled: bool,
    pub change_events: ChangeEvents,
    pub truncate_enabled: bool,
    pub max_retries: Option<u64>,
    /// How long a row waits for the one that it refers to.
    pub parent_wait: Duration,
    pub tables: TableNaming,
    pub columns: ColumnNaming,
    pub pk_mode: PkMode,
    pub pk_fields: Vec<String>,
    pub fields: Fields,
    pub unknown_fields: UnknownFields,
    pub auto_create: bool,
    pub auto_evolve: bool,
    pub widens: bool,
    /// None: integers are refused where a column is a timestamp or a date.
    pub epoch_unit: Option<EpochUnit>,
    pub rules: Rules,
    pub replace_nulls: bool,
    pub unavailable: Unavailable,
    /// The most records of a transaction.
    pub batch_size: usize,
    pub delivery: Delivery,
    /// Where a partition goes on whose offset the database has lost.
    pub lost_offsets: LostOffsets,
    /// The table of dead letters, as `errors.deadletterqueue.table.name` names it.
    pub dead_letter_table: Option<String>,
}

impl PostgresSinkConfig {
    /// The options of a task.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when an option is not what its declaration checks.
    pub fn resolve(config: &Config) -> Result<Self> {
        let max_retries = config.optional_integer("max.retries");
        Ok(Self {
            servers: servers(config)?,
            socket_timeout: connection::socket_timeout(config),
            insert_mode: config.choice(writes::INSERT_MODE),
            newer: Newer::resolve(config),
            keeps_nulls: config.choice::<UpsertNulls>(writes::UPSERT_NULLS) == UpsertNulls::Keep,
            delete_enabled: config.flag(writes::DELETE_ENABLED),
            change_events: config.choice(events::CHANGE_EVENTS),
            truncate_enabled: events::truncates(config),
            max_retries: max_retries.map(i64::unsigned_abs),
            parent_wait: writes::parent_wait(config),
            tables: TableNaming::resolve(config)?,
            columns: ColumnNaming::resolve(config),
            pk_mode: config.choice(primary_key::PK_MODE),
            pk_fields: filled(config.list(primary_key::PK_FIELDS)),
            fields: Fields::resolve(config),
            unknown_fields: config.choice(columns::UNKNOWN_FIELDS),
            auto_create: config.flag("auto.create"),
            auto_evolve: config.flag(columns::AUTO_EVOLVE),
            widens: config.flag("auto.evolve.widen"),
            epoch_unit: EpochUnit::resolve(config),
            rules: Rules::resolve(config)?,
            replace_nulls: config.flag("replace.null.with.default"),
            unavailable: Unavailable::resolve(config),
            batch_size: writes::batch_size(config),
            delivery: config.choice("delivery.guarantee"),
            lost_offsets: config.choice(LostOffsets::KEY),
            dead_letter_table: delivery::dead_letter_table(config),
        })
    }
}

/// The items of a list that are not empty: `a,,b` has two.
fn filled(items: &[String]) -> Vec<String> {
    let filled = items.iter().filter(|item| !item.is_empty());
    filled.cloned().collect()
}
