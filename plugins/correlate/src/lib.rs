//! The plugin `correlate`: commands and their acknowledgments, from two topics, become one row for
//! each command, which tells whether it was acknowledged in time.
//!
//! State belongs to a partition of a topic, so what reads a command does not see its
//! acknowledgment. It need not: a command, its time-out and its acknowledgments each fill columns
//! of their own in the row of the same key, by upsert, in any order, and the table makes the state
//! of them (`sql/003c_telescope_command_status.sql`). So the two topics may have any numbers of
//! partitions. What the plugin needs is that the acknowledgments of one command come on one
//! partition, because which was the first is in the state: key them by the command, or by whoever
//! carries it out.

mod settings;
#[cfg(test)]
mod tests;

use ferrule_plugin::state::{Map, Stored};
use ferrule_plugin::{
    Config, ConfigErrors, Description, Failure, Kind, OutRecord, OutRow, Outcome, Record, Result,
    Row, RowShape, Tick, Timestamp, Transform, Value, ValueRef, metrics,
};

use settings::Settings;

/// Time-outs that one tick tells of; the next tick tells of more.
const AT_ONCE: u32 = 500;
/// The most characters of a key, as its column has them.
const MAX_KEY: usize = 255;

/// Holds the configuration; what is waited for is in the state.
pub struct Correlate {
    settings: Settings,
    /// Commands by the time when they are due, those that are due first.
    due: Map<Due>,
    /// What is known of the acknowledgments of a command.
    acknowledged: Map<Acknowledged>,
}

/// A command whose time-out is yet to come, or to be told.
#[derive(Debug, PartialEq)]
struct Due {
    key: String,
    /// Microseconds since 1970.
    at: i64,
}

/// The acknowledgments of a command.
#[derive(Debug, PartialEq)]
struct Acknowledged {
    /// When the first came, in microseconds since 1970.
    first: i64,
    count: i64,
}

impl Stored for Due {
    fn write(&self, out: &mut Vec<u8>) {
        self.key.write(out);
        self.at.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Due> {
        Some(Due {
            key: Stored::read(bytes)?,
            at: Stored::read(bytes)?,
        })
    }
}

impl Stored for Acknowledged {
    fn write(&self, out: &mut Vec<u8>) {
        self.first.write(out);
        self.count.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Acknowledged> {
        Some(Acknowledged {
            first: Stored::read(bytes)?,
            count: Stored::read(bytes)?,
        })
    }
}

impl Transform for Correlate {
    fn describe() -> Description {
        Settings::describe(Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Brings commands and their acknowledgments together, by a field that both have. A \
             command makes a row of key, sent_at and due_at; an acknowledgment one of key, \
             acknowledged_at (of the first), last_acknowledged_at, acknowledgments and status; a \
             command that is due one of key and timed_out_at. They are for one table, by upsert, \
             which makes the state of them: waiting, acknowledged, timed_out. The topics may have \
             any numbers of partitions, but the acknowledgments of one command must come on one: \
             key them by the command or by whoever carries it out.",
        ))
        .stateful()
        .ticking()
    }

    fn configure(config: &Config) -> std::result::Result<Self, ConfigErrors> {
        let settings = Settings::read(config)?;
        Ok(Correlate {
            due: Map::named("due"),
            acknowledged: Map::named("acknowledged").kept_for(settings.retention_ms),
            settings,
        })
    }

    fn apply(&mut self, record: Record<'_>) -> Result {
        let row = record.row()?;
        // Who sends no time acts when the record comes.
        let came = record.timestamp().map(|it| it.saturating_mul(1000));
        let made = if record.topic() == self.settings.commands_topic {
            self.command(row, came)?
        } else if record.topic() == self.settings.acknowledgments_topic {
            self.acknowledgment(row, came)?
        } else {
            return Err(Failure::new(
                "the record's topic is neither commands.topic nor acknowledgments.topic",
            ));
        };
        Ok(Outcome::replace(
            OutRecord::new(made).topic(&*self.settings.output_topic),
        ))
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        // What another version wrote in another form is not told of: a tick has no record to fail.
        let Ok(next) = self.due.scan(None, AT_ONCE) else {
            return Vec::new();
        };
        let now = tick.now.saturating_mul(1000);
        let due: Vec<_> = next
            .into_iter()
            .take_while(|(_, due)| due.at <= now)
            .collect();
        metrics::count("commands_due", due.len() as u64);
        let rows = due.into_iter().map(|(place, Due { key, at })| {
            self.due.remove(place);
            let shape = RowShape::new("command_timed_out")
                .of::<String>(&self.settings.key_field)
                .of::<Timestamp>("timed_out_at");
            let row = shape.row([Value::from(key), Value::Timestamp(at)]);
            OutRecord::new(row).topic(&*self.settings.output_topic)
        });
        rows.collect()
    }
}

impl Correlate {
    fn command(&self, row: Row<'_>, came: Option<i64>) -> Result<OutRow> {
        let settings = &self.settings;
        let key = self.key(row)?;
        let sent_at = time(row, &settings.sent_at_field, came)?;
        let due_at = sent_at.saturating_add(settings.timeout_ms.saturating_mul(1000));
        let due = Due {
            key: key.to_owned(),
            at: due_at,
        };
        self.due.insert(place(&due), &due)?;
        let shape = RowShape::new("command")
            .of::<String>(&settings.key_field)
            .of::<Timestamp>("sent_at")
            .of::<Timestamp>("due_at");
        row.reshaped(
            &with_fields(shape, row, &settings.commands_fields),
            [
                (&*settings.key_field, Value::from(key)),
                ("sent_at", Value::Timestamp(sent_at)),
                ("due_at", Value::Timestamp(due_at)),
            ],
        )
    }

    fn acknowledgment(&self, row: Row<'_>, came: Option<i64>) -> Result<OutRow> {
        let settings = &self.settings;
        let key = self.key(row)?;
        let at = time(row, &settings.acknowledged_at_field, came)?;
        let status: Option<&str> = row.optional(&*settings.status_field)?;
        let known = self.acknowledged.get(key)?;
        let known = Acknowledged {
            first: known.as_ref().map_or(at, |known| known.first),
            count: known.map_or(1, |known| known.count.saturating_add(1)),
        };
        self.acknowledged.insert(key, &known)?;
        let shape = RowShape::new("acknowledgment")
            .of::<String>(&settings.key_field)
            .of::<Timestamp>("acknowledged_at")
            .of::<Timestamp>("last_acknowledged_at")
            .of::<i64>("acknowledgments")
            .of::<Option<String>>("status");
        row.reshaped(
            &with_fields(shape, row, &settings.acknowledgments_fields),
            [
                (&*settings.key_field, Value::from(key)),
                ("acknowledged_at", Value::Timestamp(known.first)),
                ("last_acknowledged_at", Value::Timestamp(at)),
                ("acknowledgments", known.count.into()),
                ("status", Value::from(status.map(str::to_owned))),
            ],
        )
    }

    fn key<'a>(&self, row: Row<'a>) -> Result<&'a str> {
        let field = &*self.settings.key_field;
        let key: &str = row.required(field)?;
        if key.trim().is_empty() {
            return Err(Failure::at(field, "must not be empty"));
        }
        if key.chars().count() > MAX_KEY {
            let reason = format_args!("must have at most {MAX_KEY} characters");
            return Err(Failure::at(field, reason));
        }
        Ok(key)
    }
}

/// The shape with those of the fields that the row has a value for: null would take away what the
/// other topic has told.
fn with_fields(shape: RowShape, row: Row<'_>, fields: &[String]) -> RowShape {
    let is_given =
        |field: &&String| !matches!(row.value(field.as_str()), None | Some(ValueRef::Null));
    let given = fields.iter().filter(is_given);
    given.fold(shape, |shape, field| shape.optional(field, Kind::Any))
}

/// Microseconds since 1970.
fn time(row: Row<'_>, field: &str, came: Option<i64>) -> Result<i64> {
    let given: Option<Timestamp> = row.coerced(field)?;
    let micros = given.map(|Timestamp(micros)| micros).or(came);
    micros.ok_or_else(|| Failure::at(field, "is required of a record without a time"))
}

/// The key of an entry: in the order of time, before 1970 too.
fn place(due: &Due) -> Vec<u8> {
    let time = due.at.cast_unsigned() ^ 1 << 63;
    [&time.to_be_bytes()[..], due.key.as_bytes()].concat()
}

ferrule_plugin::export!(Correlate);
