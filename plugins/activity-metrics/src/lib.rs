//! The plugin `activity-metrics`: what users do goes in, how many they were and what they viewed
//! comes out, a row for each window.
//!
//! A window is of one partition, and lies in its state: it goes on where it was after a restart and
//! on whatever worker has the partition. Time is that of the records.

mod activity;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ferrule_plugin::state::{Stored, Window, Windows};
use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, FromRow as _, OutRecord, Outcome, Record, Rows,
    Tick, Timestamp, ToRow, Transform, Validator, log,
};
use uuid::{Uuid, uuid};

use activity::Activity;

/// Users are kept as names in this namespace: sixteen bytes each, whatever their ids are.
const NAMESPACE: Uuid = uuid!("2b6c2b1a-52b0-5c59-9e0f-6d9e9a1f0f37");

/// Holds the configuration; the windows are in the state.
pub struct ActivityMetrics {
    windows: Windows<Counted>,
    page_view: String,
    rows: Rows<Metrics>,
}

/// What the records of a window add up to.
#[derive(Debug, Default)]
struct Counted {
    users: BTreeSet<u128>,
    page_views: i64,
}

/// A row of the table.
#[derive(ToRow)]
struct Metrics {
    /// When the window began.
    timestamp: Timestamp,
    unique_users: i32,
    page_view_count: i64,
}

impl Transform for ActivityMetrics {
    const FIELDS: &'static [&'static str] = Activity::FIELDS;

    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Counts users and page views in windows. Each partition has windows of its own, that \
             follow each other; one closes after a time or a number of messages, whichever comes \
             first, and makes a row: timestamp, which is when it began, unique_users, and \
             page_view_count. No user counts twice in a row. Page views of rows may be added up; \
             unique users of partitions too, where the topic is keyed by user_id.",
        )
        .reading_fields(Activity::FIELDS)
        .stateful()
        .ticking()
        .key(
            ConfigKey::long(
                "window.ms",
                30_000,
                "After how many milliseconds of record time a window closes.",
            )
            .valid(Validator::Between((1.0, 86_400_000.0))),
        )
        .key(
            ConfigKey::long(
                "window.messages",
                100,
                "By its message of which number a window closes.",
            )
            .valid(Validator::Between((1.0, 100_000.0))),
        )
        .key(
            ConfigKey::text(
                "page.view.type",
                "page_view",
                "The activity_type that is a page view.",
            )
            .valid(Validator::NonEmpty),
        )
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let millis = errors.note(config.int("window.ms"));
        let messages = errors.note(config.int("window.messages"));
        let page_view = errors.note(config.text("page.view.type").map(str::to_owned));
        errors.or(ActivityMetrics {
            windows: Windows::named("window")
                .lasting(millis)
                .of(messages.unsigned_abs()),
            page_view,
            rows: Rows::named("user_activity_metrics"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let result = self.apply_batch(&[record]).pop();
        result.unwrap_or(Ok(Outcome::Drop))
    }

    fn apply_batch(&mut self, records: &[Record<'_>]) -> Vec<ferrule_plugin::Result> {
        let mut session = match self.windows.load() {
            Ok(session) => session,
            Err(failure) => return records.iter().map(|_| Err(failure.clone())).collect(),
        };
        let results = records.iter().map(|record| {
            // Also one that does not count tells the time.
            session.observe(record.timestamp());
            let activity: Activity<'_> = record.row()?.read()?;
            let user = activity.user()?;
            let viewed = activity.activity_type == self.page_view;
            let closed = session.add(|counted| {
                let id = Uuid::new_v5(&NAMESPACE, user.as_bytes());
                counted.users.insert(id.as_u128());
                counted.page_views += i64::from(viewed);
            });
            Ok(Outcome::Replace(
                closed.into_iter().map(|window| self.row(window)).collect(),
            ))
        });
        let results: Vec<_> = results.collect();
        match session.save() {
            Ok(()) => results,
            // What could not be kept was not counted, and no window was closed.
            Err(failure) => records.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        let closed = self.windows.load().and_then(|mut session| {
            let closed = session.tick(tick.now);
            session.save().map(|()| closed)
        });
        match closed {
            Ok(closed) => Vec::from_iter(closed.map(|window| self.row(window))),
            Err(failure) => {
                // The next record of the partition fails for it.
                log::error(format!("a window could not be closed: {}", failure.reason));
                Vec::new()
            }
        }
    }
}

impl ActivityMetrics {
    fn row(&self, window: Window<Counted>) -> OutRecord {
        let row = self.rows.row(Metrics {
            timestamp: Timestamp(window.start.saturating_mul(1000)),
            // A window has no more users than messages.
            unique_users: i32::try_from(window.value.users.len()).unwrap_or(i32::MAX),
            page_view_count: window.value.page_views,
        });
        OutRecord::new(row)
    }
}

impl Stored for Counted {
    fn write(&self, out: &mut Vec<u8>) {
        self.users.write(out);
        self.page_views.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Counted> {
        Some(Counted {
            users: Stored::read(bytes)?,
            page_views: Stored::read(bytes)?,
        })
    }
}

ferrule_plugin::export!(ActivityMetrics);
