//! Filter.
//!
//! Drops what a predicate of Kafka Connect cannot tell apart: here, records older than the ones
//! that matter, and those of devices that are not wanted. A dropped record counts as done.

use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, FromRow, Outcome, Record, Transform,
};

#[derive(FromRow)]
struct Reading<'a> {
    device: &'a str,
    #[row(default = "ok")]
    status: &'a str,
}

/// Drops records of some devices, and those whose status is not wanted.
pub struct Filter {
    devices: Vec<String>,
    status: String,
}

impl Transform for Filter {
    const FIELDS: &'static [&'static str] = Reading::FIELDS;

    fn describe() -> Description {
        Description::new("filter", "1.0.0", "Drops readings that are not wanted.")
            .reading_fields(Reading::FIELDS)
            .key(ConfigKey::list(
                "devices.not",
                "",
                "Devices whose readings are dropped.",
            ))
            .key(ConfigKey::text(
                "status",
                "ok",
                "The status that readings must have.",
            ))
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        Ok(Filter {
            devices: config.list("devices.not")?,
            status: config.text("status")?.to_owned(),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let reading: Reading<'_> = record.row()?.read()?;
        let unwanted = self.devices.iter().any(|device| device == reading.device);
        Ok(if unwanted || reading.status != self.status {
            Outcome::Drop
        } else {
            Outcome::Keep
        })
    }
}

ferrule_plugin::export!(Filter);

#[cfg(test)]
mod tests {
    use ferrule_plugin::testing::{Answer, Runner};

    use super::*;

    #[test]
    fn what_is_not_wanted_is_dropped() {
        let mut plugin = Runner::<Filter>::new(&[("devices.not", "d2, d3")]).unwrap();
        assert_eq!(plugin.row([("device", "d1".into())]), Answer::Keep);
        assert_eq!(plugin.row([("device", "d3".into())]), Answer::Drop);
        let bad = plugin.row([("device", "d1".into()), ("status", "bad".into())]);
        assert_eq!(bad, Answer::Drop);
        let failure = plugin.row([("status", "ok".into())]).failure();
        assert_eq!(failure, (Some("device".into()), "is required".into()));
    }
}
