//! What Lenses' classes have in common: files, encodings, times to live.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connect_api::{Error, Result};

use super::parameters::Parameters;

/// What Lenses' classes make of a value by the beginning of its key.
pub(super) fn decode_by_key(key: &str, value: &str) -> Result<String> {
    let lower = key.trim().to_ascii_lowercase();
    if lower.starts_with("utf8_file") || lower.starts_with("base64_file") {
        let why = "secrets are not written to files; let an agent write the file, and name it";
        return Err(Error::config(format!("{lower}: {why}")));
    }
    if !lower.starts_with("base64") {
        return Ok(value.to_owned());
    }
    let invalid = || Error::config(format!("{lower}: the value is no text in base64"));
    let bytes = STANDARD.decode(value.trim()).map_err(|_| invalid())?;
    String::from_utf8(bytes).map_err(|_| invalid())
}

/// Lenses' classes write secrets to files where they are told to.
pub(super) fn refuse_files(given: &Parameters) -> Result<()> {
    if given.flag("file.write", false)? {
        let why = "secrets are not written to files; let an agent write them, and name the files";
        return Err(given.invalid("file.write", why));
    }
    given.without_effect(&["file.dir"], "no file is written");
    Ok(())
}

/// `secret.default.ttl`: how long a secret without a lease is kept; 0 is not at all.
pub(super) fn keep_for(given: &Parameters) -> Result<Option<Duration>> {
    let time = given.number("secret.default.ttl", 0)?;
    Ok((time > 0).then(|| Duration::from_millis(time)))
}
