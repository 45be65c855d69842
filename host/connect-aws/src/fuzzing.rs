//! The readers of files and of answers, for the fuzz targets.

use connect_api::Result;

use crate::http::Answer;
use crate::profile::{Base, Profiles};
use crate::{Credentials, Role, SecretValue, metadata, secrets_manager, sts};

/// What a profile of two files, `config` and `credentials`, leads to: its keys, where it has any,
/// and the roles to take. None where it says nothing of credentials.
///
/// # Errors
/// As where a worker reads them.
pub fn profile(files: [&str; 2], name: &str) -> Result<Option<(Option<Credentials>, Vec<Role>)>> {
    let mut profiles = Profiles::default();
    profiles.add(files[0], true);
    profiles.add(files[1], false);
    let found = profiles.credentials(name)?;
    Ok(found.map(|found| match found.base {
        Base::Keys(keys) => (Some(keys), found.roles),
        Base::WebIdentity { role, .. } => {
            (None, std::iter::once(role).chain(found.roles).collect())
        }
        Base::Environment | Base::Container | Base::Machine => (None, found.roles),
    }))
}

/// The credentials of an answer of STS.
///
/// # Errors
/// As where a worker reads it.
pub fn sts(status: u16, body: String) -> Result<Credentials> {
    sts::credentials(&Answer { status, body }, "STS")
}

/// The credentials of an answer of a container's agent, or of the machine.
///
/// # Errors
/// As where a worker reads it.
pub fn metadata(body: &str) -> Result<Credentials> {
    metadata::parse(body, "the agent")
}

/// The value of an answer of Secrets Manager; none where there is no such secret.
///
/// # Errors
/// As where a worker reads it.
pub fn secret(status: u16, body: String) -> Result<Option<SecretValue>> {
    secrets_manager::answered(&Answer { status, body }, "Secrets Manager")
}
