//! The options of a task, resolved once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use connect_api::{Config, Error, Result};
use sqlx::ConnectOptions;

use crate::session::{IDLE_LIMIT, Servers};

use crate::put::encode::{ExcessDigits, NulCharacters, Rules, Zone};

/// What becomes of rows whose key is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InsertMode {
    Insert,
    InsertIgnore,
    Upsert,
    Update,
}

/// The column that must be greater in a record than in the row that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newer {
    pub column: String,
    pub or_equal: bool,
}

/// Where the columns of the primary key come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PkMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
    RecordHeader,
}

/// What a field without a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownFields {
    Error,
    Ignore,
}

/// What an integer counts since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EpochUnit {
    Days,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// Where the offsets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// In the target, by the transaction of the rows.
    ExactlyOnce,
    /// In Kafka alone.
    AtLeastOnce,
}

/// The table of a topic.
#[derive(Clone, Debug)]
pub(crate) struct TableNaming {
    format: String,
    /// Whether a dot of a topic becomes an underscore.
    undotted: bool,
    /// Whether all but letters, digits and underscores become underscores.
    normalized: bool,
    mapping: BTreeMap<String, String>,
}

impl TableNaming {
    /// The name of the topic's table, with its schema, not quoted yet.
    pub fn table(&self, topic: &str) -> Result<String> {
        if self.mapping.is_empty() {
            let mut name = if self.undotted {
                self.format.replace("${topic}", &topic.replace('.', "_"))
            } else {
                self.format.replace("${topic}", topic)
            };
            if self.normalized {
                name = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '_', "_");
            }
            return Ok(name);
        }
        self.mapping.get(topic).cloned().ok_or_else(|| {
            Error::config(format!(
                "the topic {topic} has no table in topics.to.tables.mapping"
            ))
        })
    }
}

/// The fields of values that are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    included: BTreeSet<(Option<String>, String)>,
    excluded: BTreeSet<(Option<String>, String)>,
}

impl Fields {
    /// Confluent's list has fields, Debezium's also topics and fields; both take names, not
    /// expressions. A topic has no colon.
    fn read(items: &[String]) -> BTreeSet<(Option<String>, String)> {
        let items = filled(items).into_iter();
        items
            .map(|item| match item.split_once(':') {
                Some((topic, field)) => (Some(topic.trim().to_owned()), field.trim().to_owned()),
                None => (None, item),
            })
            .collect()
    }

    /// Whether the field is written besides the primary key.
    pub fn allow(&self, topic: &str, field: &str) -> bool {
        let names = |list: &BTreeSet<(Option<String>, String)>| {
            let mut entries = list.iter().filter(|(_, name)| name == field);
            entries.any(|(of, _)| of.as_deref().is_none_or(|of| of == topic))
        };
        (self.included.is_empty() || names(&self.included)) && !names(&self.excluded)
    }
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
    pub max_retries: Option<u64>,
    pub tables: TableNaming,
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
    /// The most records of a transaction.
    pub batch_size: usize,
    pub delivery: Delivery,
    /// The table of dead letters.
    pub letters: Option<String>,
}

impl PostgresSinkConfig {
    /// The options of a task.
    pub fn resolve(config: &Config) -> Result<Self> {
        let insert_mode = match lower(config, "insert.mode").as_str() {
            "insert_ignore" => InsertMode::InsertIgnore,
            "upsert" => InsertMode::Upsert,
            "update" => InsertMode::Update,
            _ => InsertMode::Insert,
        };
        let pk_mode = match lower(config, "pk.mode").as_str() {
            "kafka" => PkMode::Kafka,
            "record_key" => PkMode::RecordKey,
            "record_value" => PkMode::RecordValue,
            "record_header" => PkMode::RecordHeader,
            _ => PkMode::None,
        };
        let zone = Zone::named(config.text("db.timezone"));
        let zone = zone.map_err(|why| Error::config(format!("db.timezone: {why}")))?;
        Ok(Self {
            servers: servers(config)?,
            socket_timeout: millis(config, "socket.timeout.ms"),
            insert_mode,
            newer: match super::newer(config.text("upsert.condition")) {
                (_, "") => None,
                (or_equal, column) => Some(Newer {
                    column: column.to_owned(),
                    or_equal,
                }),
            },
            keeps_nulls: lower(config, "upsert.nulls") == "keep",
            delete_enabled: config.flag("delete.enabled"),
            max_retries: config
                .optional_integer("max.retries")
                .map(i64::unsigned_abs),
            tables: table_naming(config)?,
            pk_mode,
            pk_fields: filled(config.list("pk.fields")),
            fields: Fields {
                included: Fields::read(config.list("fields.whitelist")),
                excluded: Fields::read(config.list("field.exclude.list")),
            },
            unknown_fields: match lower(config, "unknown.fields").as_str() {
                "ignore" => UnknownFields::Ignore,
                _ => UnknownFields::Error,
            },
            auto_create: config.flag("auto.create"),
            auto_evolve: config.flag("auto.evolve"),
            widens: config.flag("auto.evolve.widen"),
            epoch_unit: match lower(config, "timestamp.epoch.unit").as_str() {
                "seconds" => Some(EpochUnit::Seconds),
                "milliseconds" => Some(EpochUnit::Milliseconds),
                "microseconds" => Some(EpochUnit::Microseconds),
                "nanoseconds" => Some(EpochUnit::Nanoseconds),
                _ => None,
            },
            rules: Rules {
                excess_digits: match lower(config, "timestamp.excess.digits").as_str() {
                    "truncate" => ExcessDigits::Truncate,
                    _ => ExcessDigits::Error,
                },
                rounds_decimals: lower(config, "numeric.excess.digits") == "round",
                nul_characters: match lower(config, "nul.characters").as_str() {
                    "strip" => NulCharacters::Strip,
                    "replace" => NulCharacters::Replace,
                    _ => NulCharacters::Error,
                },
                zone,
                date_zone: zone.filter(|_| lower(config, "date.timezone") != "utc"),
            },
            replace_nulls: config.flag("replace.null.with.default"),
            batch_size: match config.optional_integer("batch.size") {
                Some(size) if size > 0 => usize::try_from(size).unwrap_or(usize::MAX),
                _ => usize::MAX,
            },
            delivery: match lower(config, "delivery.guarantee").as_str() {
                "at_least_once" => Delivery::AtLeastOnce,
                _ => Delivery::ExactlyOnce,
            },
            letters: Some(config.text("errors.deadletterqueue.table.name"))
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        })
    }
}

fn lower(config: &Config, key: &str) -> String {
    config.text(key).to_lowercase()
}

fn millis(config: &Config, key: &str) -> Duration {
    Duration::from_millis(config.integer(key).unsigned_abs())
}

fn filled(items: &[String]) -> Vec<String> {
    let filled = items.iter().filter(|item| !item.is_empty());
    filled.cloned().collect()
}

fn table_naming(config: &Config) -> Result<TableNaming> {
    let pairs = filled(config.list("topics.to.tables.mapping"));
    let mapping = pairs.iter().map(|pair| {
        let (topic, table) = pair.split_once(':').ok_or_else(|| {
            Error::config("topics.to.tables.mapping must be a list of topic:table pairs")
        })?;
        Ok((topic.trim().to_owned(), table.trim().to_owned()))
    });
    Ok(TableNaming {
        format: config.text("table.name.format").to_owned(),
        undotted: lower(config, "table.name.dots") == "underscore",
        normalized: config.flag("table.name.normalize"),
        mapping: mapping.collect::<Result<_>>()?,
    })
}

fn servers(config: &Config) -> Result<Servers> {
    let target = crate::url::parse(config.text("connection.url"))
        .map_err(|why| Error::config(format!("connection.url: {why}")))?;
    let mut options = target.options.disable_statement_logging();
    if let Some(user) = config.optional_text("connection.user") {
        options = options.username(user);
    }
    if let Some(password) = config.secret("connection.password") {
        options = options.password(password.expose());
    }
    let own = [
        ("TimeZone", "UTC".to_owned()),
        (
            "lock_timeout",
            config.integer("lock.timeout.ms").to_string(),
        ),
        ("synchronous_commit", lower(config, "synchronous.commit")),
        ("idle_in_transaction_session_timeout", IDLE_LIMIT.to_owned()),
        // The server's side notices within half a minute that this side is gone.
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "4".to_owned()),
        ("tcp_user_timeout", "30000".to_owned()),
    ];
    let mut settings = target.settings;
    settings.extend(own.map(|(name, value)| (name.to_owned(), value)));
    let statement_timeout = config.integer("statement.timeout.ms");
    if statement_timeout > 0 {
        let value = statement_timeout.to_string();
        settings.push(("statement_timeout".to_owned(), value));
    }
    let hosts = target.hosts.iter();
    Ok(Servers {
        hosts: hosts.map(|host| crate::url::at(&options, host)).collect(),
        settings,
        certificates: target.certificates,
        timeout: millis(config, "connection.timeout.ms"),
    })
}
