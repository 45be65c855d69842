//! Route.
//!
//! Sends a record to another topic by what is in it; the sink maps topics to tables
//! (`table.name.format`). The value itself need not be made again.

use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, OutRecord, Outcome, Record, Transform,
};

/// Routes by the text of a field.
pub struct Route {
    field: String,
    prefix: String,
}

impl Transform for Route {
    fn describe() -> Description {
        Description::new(
            "route",
            "1.0.0",
            "Sends each record to the topic that a field names.",
        )
        .key(ConfigKey::text("field", "kind", "The field."))
        .key(ConfigKey::text(
            "prefix",
            "events-",
            "What topics start with.",
        ))
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        Ok(Route {
            field: config.text("field")?.to_owned(),
            prefix: config.text("prefix")?.to_owned(),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let kind: &str = record.row()?.required(self.field.as_str())?;
        // A topic of one's own making has to be a name that Kafka allows.
        if !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(Failure::at(&self.field, "is no name"));
        }
        let topic = format!("{}{kind}", self.prefix);
        Ok(Outcome::replace(OutRecord::of_input().topic(topic)))
    }
}

ferrule_plugin::export!(Route);

#[cfg(test)]
mod tests {
    use ferrule_plugin::testing::Runner;

    use super::*;

    #[test]
    fn the_field_names_the_topic() {
        let mut plugin = Runner::<Route>::new(&[]).unwrap();
        let made = plugin.row([("kind", "login".into())]).record();
        assert_eq!(made.topic.as_deref(), Some("events-login"));
        let failure = plugin.row([("kind", "../x".into())]).failure();
        assert_eq!(failure.0.as_deref(), Some("kind"));
    }
}
