//! What a user did, as the message tells it.

use std::borrow::Cow;

use ferrule_plugin::{Failure, FromRow, Result};

/// A message of the topic. The rest of it does not matter here.
#[derive(FromRow)]
pub(crate) struct Activity<'a> {
    /// Some producers number their users.
    #[row(coerce)]
    user_id: Cow<'a, str>,
    pub(crate) activity_type: &'a str,
}

impl Activity<'_> {
    /// The id of the user.
    pub(crate) fn user(&self) -> Result<&str> {
        match self.user_id.trim() {
            "" => Err(Failure::at("user_id", "must not be empty")),
            user => Ok(user),
        }
    }
}
