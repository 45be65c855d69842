//! Window.
//!
//! Adds records up, and emits a row when a window closes: here after a minute of record time, or
//! after a number of readings. `tick` closes the window of a partition that has gone quiet. The
//! window lies in the state, so that a restart in its midst neither loses nor doubles anything.

use ferrule_plugin::state::{Window, Windows};
use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, OutRecord, Outcome, Record, Rows, Tick,
    Timestamp, ToRow, Transform,
};

#[derive(ToRow)]
struct Average {
    window_start: Timestamp,
    readings: i64,
    celsius: f64,
}

/// Emits the average of each window of a partition.
pub struct Averages {
    windows: Windows<f64>,
    rows: Rows<Average>,
}

impl Averages {
    fn row(&self, closed: &Window<f64>) -> OutRecord {
        let average = Average {
            window_start: Timestamp(closed.start * 1_000),
            readings: closed.count.cast_signed(),
            celsius: closed.value / closed.count as f64,
        };
        OutRecord::from(self.rows.row(average)).topic("averages")
    }
}

impl Transform for Averages {
    fn describe() -> Description {
        Description::new(
            "averages",
            "1.0.0",
            "Emits the average of each window of readings.",
        )
        .key(ConfigKey::long(
            "window.ms",
            60_000,
            "How long a window is.",
        ))
        .key(ConfigKey::long(
            "window.records",
            1_000,
            "How many readings close it.",
        ))
        .stateful()
        .ticking()
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        Ok(Averages {
            windows: Windows::named("sum")
                .lasting(config.int("window.ms")?)
                .of(config.int("window.records")?.unsigned_abs()),
            rows: Rows::named("average"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let celsius: f64 = record.row()?.required("celsius")?;
        let mut session = self.windows.load()?;
        session.observe(record.timestamp());
        let closed = session.add(|sum| *sum += celsius);
        session.save()?;
        Ok(Outcome::Replace(
            closed.iter().map(|closed| self.row(closed)).collect(),
        ))
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        let Ok(mut session) = self.windows.load() else {
            panic!("the window in the state cannot be read");
        };
        // At the end of the task, with flush.on.stop, a window is shown as far as it has come.
        let now = if tick.flush { i64::MAX } else { tick.now };
        let closed = session.tick(now);
        if session.save().is_err() {
            panic!("the window cannot be kept");
        }
        closed.iter().map(|closed| self.row(closed)).collect()
    }
}

ferrule_plugin::export!(Averages);

#[cfg(test)]
mod tests {
    use ferrule_plugin::testing::{Input, Runner};

    use super::*;

    #[test]
    fn a_window_closes_by_count_and_by_time() {
        let config = [("window.records", "2")];
        let mut plugin = Runner::<Averages>::new(&config).unwrap();
        let read = |celsius: f64, at| Input::of([("celsius", celsius.into())]).at(at);
        let made = plugin
            .deliver([read(10.0, 0), read(20.0, 1), read(7.0, 2)])
            .made();
        assert_eq!(made.len(), 1);
        assert_eq!(made[0].field("celsius"), &15.0.into());
        assert_eq!(made[0].topic.as_deref(), Some("averages"));

        plugin.restart();
        let closed = plugin.tick(60_002);
        assert_eq!(closed[0].field("readings"), &1i64.into());
        assert!(plugin.tick(200_000).is_empty());
    }
}
