//! The plugin `sensor-reading`: refuses impossible readings, drops those that say nothing new, and
//! tells the others in Fahrenheit, too.

use ferrule_plugin::state::Map;
use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, FromRow, Outcome, Record, Rows, ToRow,
    Transform,
};

/// What the plugin reads of a record.
#[derive(FromRow)]
struct Reading<'a> {
    device: &'a str,
    celsius: f64,
}

/// What it makes.
#[derive(ToRow)]
struct Checked {
    device: String,
    celsius: f64,
    fahrenheit: f64,
}

/// The plugin: its configuration, and what it keeps.
pub struct Plugin {
    max: f64,
    /// The last reading of each device. It is part of the worker's transactions.
    last: Map<f64>,
    rows: Rows<Checked>,
}

impl Transform for Plugin {
    const FIELDS: &'static [&'static str] = Reading::FIELDS;

    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Refuses readings above a limit, drops those that repeat the device's last one, and \
             adds degrees Fahrenheit.",
        )
        .reading_fields(Reading::FIELDS)
        .stateful()
        .key(ConfigKey::float(
            "max.celsius",
            85.0,
            "Readings above it are refused, in degrees Celsius.",
        ))
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        Ok(Plugin {
            max: config.float("max.celsius")?,
            last: Map::named("last").kept_for(3_600_000),
            rows: Rows::named("reading"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let Reading { device, celsius } = record.row()?.read()?;
        if celsius > self.max {
            return Err(Failure::at("celsius", "is above max.celsius"));
        }
        if self.last.get(device)? == Some(celsius) {
            return Ok(Outcome::Drop);
        }
        self.last.insert(device, &celsius)?;
        Ok(Outcome::replace(self.rows.row(Checked {
            device: device.to_owned(),
            celsius,
            fahrenheit: celsius * 1.8 + 32.0,
        })))
    }
}

ferrule_plugin::export!(Plugin);

#[cfg(test)]
mod tests {
    use ferrule_plugin::testing::{Answer, Runner};

    use super::*;

    #[test]
    fn a_reading_is_told_once_and_in_fahrenheit() {
        let mut plugin = Runner::<Plugin>::new(&[]).unwrap();
        let mut read = || plugin.row([("device", "d1".into()), ("celsius", 100.0.into())]);
        assert_eq!(read().failure().0.as_deref(), Some("celsius"));

        let mut plugin = Runner::<Plugin>::new(&[("max.celsius", "120")]).unwrap();
        let mut read = || plugin.row([("device", "d1".into()), ("celsius", 100.0.into())]);
        assert_eq!(read().record().field("fahrenheit"), &212.0.into());
        assert_eq!(read(), Answer::Drop);
    }
}
