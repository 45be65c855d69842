//! Users with passwords, and tokens with names, from files of `name=secret` lines.

use std::collections::BTreeMap;

use connect_api::{Error, Result};
use openssl::{memcmp, sha};

use crate::config::parse_properties;
use connect_http::watched::text;

/// Characters of a token, at least: a short one can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// The digest of a secret: all are of one length, so that comparing takes the same time whatever
/// they are.
type Digest = [u8; 32];

/// Names and secrets.
#[derive(Debug)]
pub struct Credentials(BTreeMap<String, Digest>);

impl Credentials {
    /// The file of Kafka's `PropertyFileLoginModule`: a Java properties file. Kafka takes anybody
    /// where the file is empty; here that is an error.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that quotes nothing of the file.
    pub fn passwords(bytes: &[u8], file: &str) -> Result<Self> {
        let users = parse(bytes, file)?;
        if let Some((user, _)) = users.iter().find(|(_, password)| password.is_empty()) {
            return Err(Error::config(format!("{file}: {user} has no password")));
        }
        let digests = users.iter();
        let digests = digests.map(|(user, password)| (user.clone(), digest(password)));
        Ok(Self(digests.collect()))
    }

    /// A file of tokens: after each name the token, or `sha256:` and its SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that quotes nothing of the file but names.
    pub fn tokens(bytes: &[u8], file: &str) -> Result<Self> {
        let mut digests = BTreeMap::new();
        for (name, token) in parse(bytes, file)? {
            if token.is_empty() {
                // A token without a name is read as a name without a token.
                let why = "a name and its token are expected, with = between them";
                return Err(Error::config(format!("{file}: {why}")));
            }
            let invalid = |why: &str| Err(Error::config(format!("{file}: {name}: {why}")));
            let digest = match token.strip_prefix("sha256:") {
                Some(hex) => match from_hex(hex.trim()) {
                    Some(digest) => digest,
                    None => return invalid("sha256: is followed by 64 hexadecimal digits"),
                },
                None if token.len() < SHORTEST_TOKEN => {
                    return invalid("a token has 16 characters or more");
                }
                None => digest(&token),
            };
            if digests.values().any(|other| *other == digest) {
                return invalid("another name has the same token");
            }
            digests.insert(name, digest);
        }
        Ok(Self(digests))
    }

    /// The user, if this is their password.
    pub fn user(&self, user: &str, password: &str) -> Option<String> {
        let given = digest(password);
        // Unknown users take as long as known ones.
        let (known, expected) = self.0.get(user).map_or((false, [0; 32]), |d| (true, *d));
        let equal = memcmp::eq(&given, &expected);
        (equal && known).then(|| user.to_owned())
    }

    /// Whose token it is.
    pub fn owner(&self, token: &str) -> Option<String> {
        let given = digest(token);
        let mut owner = None;
        for (name, expected) in &self.0 {
            if memcmp::eq(&given, expected) {
                owner = Some(name);
            }
        }
        owner.cloned()
    }
}

fn parse(bytes: &[u8], file: &str) -> Result<BTreeMap<String, String>> {
    let failed = |error: Error| Error::config(format!("{file}: {error}"));
    let properties = parse_properties(text(bytes, file)?).map_err(failed)?;
    if properties.is_empty() {
        return Err(Error::config(format!("{file} names nobody")));
    }
    Ok(properties.into_iter().collect())
}

fn digest(secret: &str) -> Digest {
    sha::sha256(secret.as_bytes())
}

fn from_hex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() == 64)?;
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] << 4 | pair[1]).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_compared_as_a_whole() {
        let users = Credentials::passwords(b"ann=secret\nbob = p q\n", "f").unwrap();
        assert_eq!(users.user("ann", "secret").as_deref(), Some("ann"));
        assert_eq!(users.user("bob", "p q").as_deref(), Some("bob"));
        for (user, password) in [
            ("ann", ""),
            ("ann", "secre"),
            ("ann", "secrets"),
            ("ann", "p q"),
            ("Ann", "secret"),
            ("", ""),
            ("eve", "secret"),
        ] {
            assert_eq!(users.user(user, password), None, "{user} {password}");
        }
    }

    #[test]
    fn files_that_protect_nothing_are_refused() {
        for bytes in [&b""[..], b"# nobody\n", b"ann=\n", b"\xff"] {
            assert!(Credentials::passwords(bytes, "f").is_err(), "{bytes:?}");
        }
        for bytes in [
            &b"ci=short\n"[..],
            b"ci=sha256:12\n",
            b"short-0123456789abcdef\n",
            b"a=0123456789abcdef\nb=0123456789abcdef\n",
        ] {
            let error = Credentials::tokens(bytes, "f").unwrap_err().to_string();
            assert!(
                !error.contains("short") && !error.contains("0123"),
                "{error}"
            );
        }
    }

    #[test]
    fn tokens_may_be_stored_as_digests() {
        let hex: String = sha::sha256(b"a token that is long")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let file = format!("ci=0123456789abcdef\nbot=sha256:{hex}\n");
        let tokens = Credentials::tokens(file.as_bytes(), "f").unwrap();
        assert_eq!(tokens.owner("0123456789abcdef").as_deref(), Some("ci"));
        assert_eq!(tokens.owner("a token that is long").as_deref(), Some("bot"));
        assert_eq!(tokens.owner(&hex), None);
        assert_eq!(tokens.owner(""), None);
    }
}
