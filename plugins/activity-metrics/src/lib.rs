//! The plugin `activity-metrics`: what users do goes in, how many they were and what they viewed
//! comes out, a row for each window.
//!
//! What is counted lies in the state of the partition: it goes on where it was after a restart and
//! on whatever worker has the partition. Time is that of the records, or that which the messages
//! tell.

mod activity;
mod intervals;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ferrule_plugin::state::{Stored, Window, Windows};
use ferrule_plugin::{
    Config, ConfigError, ConfigErrors, ConfigKey, Description, Failure, FromRow as _, OutRecord,
    Outcome, Record, Rows, Tick, Timestamp, ToRow, Transform, Validator, log,
};

use activity::Activity;
use intervals::{Counted, Interval};

/// Holds the configuration; what is counted is in the state.
pub struct ActivityMetrics {
    align: Align,
    time: Time,
    page_view: String,
    rows: Rows<Metrics>,
}

/// `window.align`.
enum Align {
    Record(Windows<Counts>),
    Epoch(intervals::Settings),
}

/// `window.time`.
#[derive(Clone, Copy, PartialEq)]
enum Time {
    Record,
    Event,
}

/// What the records of a window add up to.
#[derive(Debug, Default)]
struct Counts {
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
        let description = Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Counts users and page views in windows: a row has timestamp, which is when the window \
             began, unique_users, and page_view_count. No user counts twice in a row. A message \
             whose timestamp cannot be read fails. With window.align=record, windows of a partition \
             follow each other, and each makes one row. With window.align=epoch, they are the same \
             for all, each message counts in that of its own time, however late it comes, and a \
             window makes its row again when it has changed: upsert the rows by timestamp, and read \
             a topic of one partition, so that users are counted in one place.",
        );
        let description = description
            .reading_fields(Activity::FIELDS)
            .stateful()
            .ticking();
        keys().into_iter().fold(description, Description::key)
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let length = errors.note(config.int("window.ms"));
        let messages = errors.note(config.int("window.messages")).unsigned_abs();
        let users = errors.note(config.int("window.remembered.users"));
        let page_view = errors.note(config.text("page.view.type").map(str::to_owned));
        let time = match errors.note(config.text("window.time").map(str::to_owned)) {
            time if time == "event" => Time::Event,
            _ => Time::Record,
        };
        let align = match &*errors.note(config.text("window.align").map(str::to_owned)) {
            "epoch" => Align::Epoch(intervals::Settings {
                length: length.max(1),
                messages,
                users: users.unsigned_abs(),
            }),
            _ => Align::Record(Windows::named("window").lasting(length).of(messages)),
        };
        if time == Time::Event && matches!(align, Align::Record(_)) {
            let why = "event needs window.align=epoch: the windows of records follow record time";
            errors.0.push(ConfigError::new("window.time", why));
        }
        errors.or(ActivityMetrics {
            align,
            time,
            page_view,
            rows: Rows::named("user_activity_metrics"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let result = self.apply_batch(&[record]).pop();
        result.unwrap_or(Ok(Outcome::Drop))
    }

    fn apply_batch(&mut self, records: &[Record<'_>]) -> Vec<ferrule_plugin::Result> {
        let results = match &self.align {
            Align::Record(windows) => self.count_in_windows(windows, records),
            Align::Epoch(settings) => self.count_in_intervals(settings, records),
        };
        // What could not be kept was not counted, and no window was closed.
        results.unwrap_or_else(|failure| records.iter().map(|_| Err(failure.clone())).collect())
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        let now = if tick.flush { i64::MAX } else { tick.now };
        let closed = match &self.align {
            Align::Record(windows) => windows.load().and_then(|mut session| {
                let closed = session.tick(now);
                session.save()?;
                Ok(Vec::from_iter(closed.map(|window| self.window(window))))
            }),
            Align::Epoch(settings) => settings
                .close(now)
                .map(|closed| closed.iter().map(|it| self.interval(it)).collect()),
        };
        closed.unwrap_or_else(|failure| {
            // The next record of the partition fails for it.
            log::error(format!("a window could not be closed: {}", failure.reason));
            Vec::new()
        })
    }
}

fn keys() -> [ConfigKey; 6] {
    let one_of = |words: [&str; 2]| Validator::OneOf(words.map(str::to_owned).into());
    [
        ConfigKey::long("window.ms", 30_000, "How many milliseconds a window lasts.")
            .valid(Validator::Between((1.0, 86_400_000.0))),
        ConfigKey::long(
            "window.messages",
            100,
            "By its message of which number a window makes a row before it is over: with \
             window.align=record it is closed by it, with epoch it goes on.",
        )
        .valid(Validator::Between((1.0, 1_000_000_000.0))),
        ConfigKey::text(
            "window.align",
            "record",
            "record: a window begins with the record that follows the window before. epoch: windows \
             are the intervals of window.ms since 1970, and late messages change their rows.",
        )
        .valid(one_of(["record", "epoch"])),
        ConfigKey::text(
            "window.time",
            "record",
            "Which time counts: that of the record in Kafka, or the event's, which is the message's \
             timestamp. A message without one then goes by the record's.",
        )
        .valid(one_of(["record", "event"])),
        ConfigKey::long(
            "window.remembered.users",
            400_000,
            "With window.align=epoch: of how many users, in all windows together, it is remembered \
             that they are counted. Beyond, the oldest windows are forgotten, and messages that come \
             for them fail. Each takes about 90 bytes of state.max.bytes.",
        )
        .valid(Validator::Between((1.0, 1_000_000_000.0))),
        ConfigKey::text(
            "page.view.type",
            "page_view",
            "The activity_type that is a page view.",
        )
        .valid(Validator::NonEmpty),
    ]
}

impl ActivityMetrics {
    fn count_in_windows(
        &self,
        windows: &Windows<Counts>,
        records: &[Record<'_>],
    ) -> ferrule_plugin::Result<Vec<ferrule_plugin::Result>> {
        let mut session = windows.load()?;
        let results = records.iter().map(|record| {
            // Also one that does not count tells the time.
            session.observe(record.timestamp());
            let activity: Activity<'_> = record.row()?.read()?;
            let user = activity.user()?;
            let viewed = activity.activity_type == self.page_view;
            let closed = session.add(|counts| {
                counts.users.insert(user);
                counts.page_views += i64::from(viewed);
            });
            let closed = closed.into_iter().map(|window| self.window(window));
            Ok(Outcome::Replace(closed.collect()))
        });
        let results = results.collect();
        session.save()?;
        Ok(results)
    }

    fn count_in_intervals(
        &self,
        settings: &intervals::Settings,
        records: &[Record<'_>],
    ) -> ferrule_plugin::Result<Vec<ferrule_plugin::Result>> {
        let counted: Vec<_> = records.iter().map(|record| self.counted(*record)).collect();
        let results = settings.count(&counted)?.into_iter();
        let results = results.map(|result| {
            result.map(|row| match row {
                Some(interval) => Outcome::replace(self.interval(&interval)),
                None => Outcome::Drop,
            })
        });
        Ok(results.collect())
    }

    fn counted(&self, record: Record<'_>) -> ferrule_plugin::Result<Counted> {
        if record.partition() != 0 {
            return Err(Failure::new(
                "it is of another partition than 0: with window.align=epoch users are counted in \
                 one place, and the topic must have one partition; bring several together by a \
                 connector to a topic of one",
            ));
        }
        let activity: Activity<'_> = record.row()?.read()?;
        let event = activity
            .timestamp
            .map(|at| at.0.div_euclid(1000))
            .filter(|_| self.time == Time::Event);
        let at = event.or(record.timestamp());
        Ok(Counted {
            at: at.ok_or_else(|| Failure::new("neither it nor its message has a timestamp"))?,
            user: activity.user()?,
            is_page_view: activity.activity_type == self.page_view,
        })
    }

    fn window(&self, window: Window<Counts>) -> OutRecord {
        let users = window.value.users.len() as u64;
        self.row(window.start, users, window.value.page_views)
    }

    fn interval(&self, Interval { start, sum }: &Interval) -> OutRecord {
        self.row(*start, sum.users, sum.page_views)
    }

    fn row(&self, start: i64, users: u64, page_view_count: i64) -> OutRecord {
        OutRecord::new(self.rows.row(Metrics {
            timestamp: Timestamp(start.saturating_mul(1000)),
            // There is no room for more users than that.
            unique_users: i32::try_from(users).unwrap_or(i32::MAX),
            page_view_count,
        }))
    }
}

impl Stored for Counts {
    fn write(&self, out: &mut Vec<u8>) {
        self.users.write(out);
        self.page_views.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Counts> {
        Some(Counts {
            users: Stored::read(bytes)?,
            page_views: Stored::read(bytes)?,
        })
    }
}

ferrule_plugin::export!(ActivityMetrics);
