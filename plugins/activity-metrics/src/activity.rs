//! What a user did, as the message tells it.

use std::borrow::Cow;

use ferrule_plugin::{Failure, FromRow, Result, Timestamp};
use uuid::{Uuid, uuid};

/// Users are kept as names in this namespace: sixteen bytes each, whatever their ids are.
const NAMESPACE: Uuid = uuid!("2b6c2b1a-52b0-5c59-9e0f-6d9e9a1f0f37");

/// A message of the topic. The rest of it does not matter here.
#[derive(FromRow)]
pub(crate) struct Activity<'a> {
    /// Some producers number their users.
    #[row(coerce)]
    user_id: Cow<'a, str>,
    pub(crate) activity_type: &'a str,
    /// When it was, as its producer says. What cannot be read as a time is refused, whether or not
    /// it is counted by it.
    #[row(coerce)]
    pub(crate) timestamp: Option<Timestamp>,
}

impl Activity<'_> {
    /// The user, by a hash of the id.
    pub(crate) fn user(&self) -> Result<u128> {
        match self.user_id.trim() {
            "" => Err(Failure::at("user_id", "must not be empty")),
            user => Ok(Uuid::new_v5(&NAMESPACE, user.as_bytes()).as_u128()),
        }
    }
}
