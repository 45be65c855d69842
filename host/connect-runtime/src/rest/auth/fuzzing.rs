//! The files of logins, for the fuzz targets.

use std::path::PathBuf;

use connect_api::Result;

use super::credentials::Credentials;
use super::jaas;
use super::roles::{Role, Roles};

const FILE: &str = "the file";

/// The file of passwords that a JAAS file names.
///
/// # Errors
/// Why it names none.
pub fn jaas(text: &str) -> std::result::Result<PathBuf, String> {
    jaas::users_of(text)
}

/// Whether a file of passwords gives a user this one.
///
/// # Errors
/// As where a worker reads it.
pub fn is_password(file: &[u8], user: &str, password: &str) -> Result<bool> {
    let users = Credentials::passwords(file, FILE)?;
    Ok(users.user(user, password).is_some())
}

/// Whose a token is, by a file of tokens.
///
/// # Errors
/// As where a worker reads it.
pub fn owner(file: &[u8], token: &str) -> Result<Option<String>> {
    Ok(Credentials::tokens(file, FILE)?.owner(token))
}

/// Whether a principal has each role on a connector, the one that may most first.
///
/// # Errors
/// As where a worker reads the file.
pub fn roles(file: &[u8], principal: &str, connector: &str) -> Result<[bool; 4]> {
    let roles = Roles::parse(file, FILE)?;
    let has = [Role::Admin, Role::Edit, Role::Operate, Role::View];
    Ok(has.map(|role| roles.allow(principal, role, connector)))
}
