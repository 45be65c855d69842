//! Mask.
//!
//! Sets fields of a row and leaves the others as they are: `Row::with` makes a copy of the same
//! shape, so that the table behind it does not change. The salt is a password: REST and logs show
//! it as `[hidden]`.

use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, ConfigType, Description, Outcome, Record, Transform, Value,
    ValueRef,
};

/// Replaces texts by a digest, so that equal ones stay equal.
pub struct Mask {
    fields: Vec<String>,
    salt: String,
}

impl Transform for Mask {
    fn describe() -> Description {
        Description::new("mask", "1.0.0", "Replaces the text of fields by a digest.")
            .key(ConfigKey::required(
                "fields",
                ConfigType::List,
                "The fields.",
            ))
            .key(ConfigKey::required(
                "salt",
                ConfigType::Password,
                "What makes it hard to guess.",
            ))
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        Ok(Mask {
            fields: config.list("fields")?,
            salt: config.text("salt")?.to_owned(),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let row = record.row()?;
        let mut masked = Vec::new();
        for (name, value) in row.fields() {
            if let (true, ValueRef::Text(text)) = (self.fields.iter().any(|f| f == name), value) {
                masked.push((name, Value::from(digest(&self.salt, text))));
            }
        }
        Ok(Outcome::replace(row.with(masked)?))
    }
}

/// FNV-1a, for the example; use a keyed hash such as HMAC-SHA-256 (crate `hmac`) for people's data.
fn digest(salt: &str, text: &str) -> String {
    let bytes = salt.bytes().chain(text.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

ferrule_plugin::export!(Mask);

#[cfg(test)]
mod tests {
    use ferrule_plugin::testing::Runner;

    use super::*;

    #[test]
    fn equal_texts_stay_equal_and_the_rest_stays() {
        let config = [("fields", "email"), ("salt", "s")];
        let mut plugin = Runner::<Mask>::new(&config).unwrap();
        let mut mask = |email: &str| {
            let made = plugin
                .row([("email", email.into()), ("age", 7i64.into())])
                .record();
            assert_eq!(made.field("age"), &7i64.into());
            made.field("email").clone()
        };
        assert_eq!(mask("ann@example.org"), mask("ann@example.org"));
        assert_ne!(mask("ann@example.org"), mask("bob@example.org"));
    }
}
