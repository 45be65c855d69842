//! Topics that a transform routes to.

use std::sync::Arc;

use connect_api::{Error, Record, Result};

/// The most bytes of a topic's name: Kafka takes 249. What a record holds may be longer.
const MAX_NAME: usize = 1024;

/// Sends a record to another topic.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the name is longer than any that Kafka takes.
pub(crate) fn route(record: &mut Record, topic: &str) -> Result<()> {
    if topic.len() > MAX_NAME {
        return Err(Error::data(format!(
            "the new topic's name would be {} bytes, and at most {MAX_NAME} are taken",
            topic.len()
        )));
    }
    // Records of one topic go on sharing one name.
    if *record.topic != *topic {
        record.topic = Arc::from(topic);
    }
    Ok(())
}
