//! A schema as it is posted: its text, its type and what it refers to.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal::Refusal;

/// The language of a schema.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum SchemaType {
    #[default]
    Avro,
    Json,
    Protobuf,
}

impl SchemaType {
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Protobuf, Self::Avro];

    fn is_avro(&self) -> bool {
        *self == Self::Avro
    }
}

/// A named schema of another subject that this one uses.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) version: i32,
}

/// What decides whether two schemas are the same, and what `/schemas/ids/{id}` returns.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Content {
    pub(super) schema: String,
    #[serde(default, skip_serializing_if = "SchemaType::is_avro")]
    pub(super) schema_type: SchemaType,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) references: Vec<Reference>,
}

impl Content {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let posted: Self =
            serde_json::from_slice(body).map_err(|error| Refusal::Unreadable(error.to_string()))?;
        posted.normalized()
    }

    /// White space between the tokens of a JSON text does not make another schema.
    fn normalized(mut self) -> Result<Self, Refusal> {
        if self.schema_type != SchemaType::Protobuf {
            match serde_json::from_str::<Value>(&self.schema) {
                Ok(json) => self.schema = json.to_string(),
                // Avro takes a bare type name: string for "string".
                Err(_) if self.schema_type.is_avro() && is_name(&self.schema) => {
                    self.schema = format!("\"{}\"", self.schema);
                }
                Err(error) => return Err(Refusal::InvalidSchema(error.to_string())),
            }
        }
        Ok(self)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}
