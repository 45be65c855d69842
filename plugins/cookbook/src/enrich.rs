//! Enrich from state.
//!
//! Keeps what one kind of record says of a device, and adds it to the records of another kind. What
//! is in the state is written in the transaction of the rows and the offset, so that after a crash
//! it is what the offsets say. Both kinds must have the same key, so that they share a partition.

use ferrule_plugin::state::Map;
use ferrule_plugin::{Config, ConfigErrors, Description, Outcome, Record, Rows, ToRow, Transform};

#[derive(ToRow)]
struct Located {
    device: String,
    celsius: f64,
    site: Option<String>,
}

/// Adds the site that a device has registered.
pub struct Enrich {
    sites: Map<String>,
    rows: Rows<Located>,
}

impl Transform for Enrich {
    fn describe() -> Description {
        Description::new(
            "enrich",
            "1.0.0",
            "Adds to readings the site of their device.",
        )
        .stateful()
    }

    fn configure(_: &Config) -> Result<Self, ConfigErrors> {
        Ok(Enrich {
            sites: Map::named("site"),
            rows: Rows::named("located_reading"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        let device: &str = row.required("device")?;
        if let Some(site) = row.optional::<&str>("registered_at")? {
            self.sites.insert(device, &site.to_owned())?;
            return Ok(Outcome::Drop);
        }
        Ok(Outcome::replace(self.rows.row(Located {
            device: device.to_owned(),
            celsius: row.required("celsius")?,
            site: self.sites.get(device)?,
        })))
    }
}

ferrule_plugin::export!(Enrich);

#[cfg(test)]
mod tests {
    use ferrule_plugin::Value;
    use ferrule_plugin::testing::{Answer, Runner};

    use super::*;

    #[test]
    fn the_site_outlives_the_instance() {
        let mut plugin = Runner::<Enrich>::new(&[]).unwrap();
        let read = [("device", "d1".into()), ("celsius", 20.0.into())];
        assert_eq!(
            plugin.row(read.clone()).record().field("site"),
            &Value::Null
        );
        let registered = plugin.row([("device", "d1".into()), ("registered_at", "roof".into())]);
        assert_eq!(registered, Answer::Drop);
        plugin.restart();
        assert_eq!(plugin.row(read).record().field("site"), &"roof".into());
    }
}
