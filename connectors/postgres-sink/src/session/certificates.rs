//! The files of `sslrootcert`, `sslcert` and `sslkey`, read as libpq and the JDBC driver read them:
//! a file of authorities may hold many, and a key may have any of the forms that OpenSSL knows, as
//! PEM or, as the JDBC driver wants it, as DER or in PKCS12.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use connect_api::Secret;
use connect_keystore::{Passwords, StoreFormat, identity, to_pem};
use openssl::error::{Error as OpensslError, ErrorStack};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

/// The paths of the files. They are read for each connection, as they may be renewed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// `sslrootcert`: certificates of authorities.
    pub root: Option<String>,
    /// The client's certificate and its key.
    pub client: Option<ClientFiles>,
    /// `sslpassword`: what the key is encrypted with, or the store.
    pub pass_phrase: Option<Secret>,
    /// Which of the authorities the last connection was checked with.
    trusted: Arc<AtomicUsize>,
}

/// Where the client's certificate and its key are.
#[derive(Clone, Debug)]
pub(crate) enum ClientFiles {
    /// Each in a file of its own: `sslcert` and `sslkey`.
    Pair {
        /// The certificate.
        certificate: String,
        /// The key.
        key: String,
    },
    /// Both in a PKCS12 file: `sslkey`.
    Store(String),
}

impl Certificates {
    /// The same files, for who has connected with them before.
    pub fn following(self, before: &Self) -> Self {
        Self {
            trusted: Arc::clone(&before.trusted),
            ..self
        }
    }

    /// Whether there is a file that may be renewed.
    pub fn has_files(&self) -> bool {
        self.root.is_some() || self.client.is_some()
    }

    /// Connects. A server is trusted that any of the authorities vouches for; native-tls takes
    /// one of them, so they are tried in turns, the one that was right the last time first.
    ///
    /// # Errors
    /// [`sqlx::Error::Configuration`] for a file that cannot be read, and those of sqlx.
    pub async fn connect(&self, options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
        let options = self.identified(options)?;
        let authorities = match (&self.root, options.get_ssl_mode()) {
            (Some(path), PgSslMode::VerifyCa | PgSslMode::VerifyFull) => authorities(path)?,
            _ => return options.connect().await,
        };
        let first = self.trusted.load(Ordering::Relaxed);
        let mut refused = None;
        for at in (first..first + authorities.len()).map(|at| at % authorities.len()) {
            let authority = authorities[at].clone();
            match options
                .clone()
                .ssl_root_cert_from_pem(authority)
                .connect()
                .await
            {
                Err(error @ sqlx::Error::Tls(_)) => refused = Some(error),
                outcome => {
                    self.trusted.store(at, Ordering::Relaxed);
                    return outcome;
                }
            }
        }
        Err(refused.unwrap_or_else(|| unreadable("sslrootcert", "it holds no certificate")))
    }

    fn identified(&self, options: &PgConnectOptions) -> sqlx::Result<PgConnectOptions> {
        let options = options.clone();
        let (certificate, key) = match &self.client {
            None => return Ok(options),
            Some(ClientFiles::Pair { certificate, key }) => (certificate, key),
            Some(ClientFiles::Store(path)) => {
                let (certificate, key) = self.of_store(path)?;
                return Ok(options
                    .ssl_client_cert_from_pem(certificate)
                    .ssl_client_key_from_pem(key.expose()));
            }
        };
        let key = private_key(&read("sslkey", key)?, self.pass_phrase.as_ref());
        let key = key.and_then(|key| key.private_key_to_pem_pkcs8());
        let key = key.map_err(|e| {
            unreadable(
                "sslkey",
                &format!(
                    "{}; it must be a key as PEM, or as DER in PKCS#8 (openssl pkcs8 -topk8 \
                     -outform DER), and sslpassword its pass phrase where it has one",
                    reason(&e)
                ),
            )
        })?;
        let certificate = read("sslcert", certificate)?;
        let certificate = match is_der(&certificate) {
            true => X509::from_der(&certificate)
                .and_then(|certificate| certificate.to_pem())
                .map_err(|e| unreadable("sslcert", &reason(&e)))?,
            false => certificate,
        };
        Ok(options
            .ssl_client_cert_from_pem(certificate)
            .ssl_client_key_from_pem(key))
    }
}

impl Certificates {
    /// The certificates and the key of a PKCS12 file, as PEM.
    fn of_store(&self, path: &str) -> sqlx::Result<(String, Secret)> {
        let passwords = Passwords {
            store: self.pass_phrase.as_ref(),
            key: None,
        };
        let found = identity(&read("sslkey", path)?, Some(StoreFormat::Pkcs12), passwords);
        let pem = found.and_then(|found| Ok((to_pem(&found.chain)?, found.key_pem()?)));
        pem.map_err(|why| unreadable("sslkey", &format!("{path} {why} (sslpassword)")))
    }
}

/// DER begins with the tag of a sequence, PEM is text.
fn is_der(file: &[u8]) -> bool {
    file.first() == Some(&0x30)
}

fn private_key(file: &[u8], pass_phrase: Option<&Secret>) -> Result<PKey<Private>, ErrorStack> {
    // With a pass phrase, or an empty one: OpenSSL would ask for one at the terminal.
    let pass_phrase = pass_phrase.map_or(&b""[..], |secret| secret.expose().as_bytes());
    if !is_der(file) {
        return PKey::private_key_from_pem_passphrase(file, pass_phrase);
    }
    PKey::private_key_from_der(file)
        .or_else(|_| PKey::private_key_from_pkcs8_passphrase(file, pass_phrase))
}

/// The certificates of a file, each by itself.
fn authorities(path: &str) -> sqlx::Result<Vec<Vec<u8>>> {
    let file = read("sslrootcert", path)?;
    let certificates = match is_der(&file) {
        true => X509::from_der(&file).map(|one| vec![one]),
        false => X509::stack_from_pem(&file),
    };
    certificates
        .and_then(|all| all.iter().map(|one| one.to_pem()).collect())
        .map_err(|e| unreadable("sslrootcert", &reason(&e)))
}

fn read(parameter: &str, path: &str) -> sqlx::Result<Vec<u8>> {
    connect_api::read_config_file(Path::new(path))
        .map_err(|e| unreadable(parameter, &format!("{path}: {e}")))
}

/// What OpenSSL says of a file, without the places in its source.
fn reason(errors: &ErrorStack) -> String {
    let reasons = errors.errors().iter().filter_map(OpensslError::reason);
    reasons.collect::<Vec<_>>().join(", ")
}

fn unreadable(parameter: &str, why: &str) -> sqlx::Error {
    sqlx::Error::Configuration(format!("cannot read {parameter}: {why}").into())
}

#[cfg(test)]
mod tests {
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;

    use super::*;

    #[test]
    fn a_key_is_read_in_each_form() -> Result<(), ErrorStack> {
        let key = PKey::from_rsa(Rsa::generate(2048)?)?;
        let phrase = Secret::new("pa\"ss".to_owned());
        let bytes = phrase.expose().as_bytes();
        let cipher = Cipher::aes_256_cbc();
        for (file, phrase) in [
            (key.private_key_to_pem_pkcs8()?, None),
            (key.private_key_to_pkcs8()?, None),
            // A pass phrase that is not wanted is no error, as in libpq.
            (key.private_key_to_pkcs8()?, Some(&phrase)),
            (key.rsa()?.private_key_to_der()?, None),
            (
                key.private_key_to_pem_pkcs8_passphrase(cipher, bytes)?,
                Some(&phrase),
            ),
            (
                key.private_key_to_pkcs8_passphrase(cipher, bytes)?,
                Some(&phrase),
            ),
        ] {
            let read = private_key(&file, phrase)?;
            assert!(read.public_eq(&key));
        }
        let encrypted = key.private_key_to_pkcs8_passphrase(cipher, bytes)?;
        assert!(private_key(&encrypted, None).is_err());
        assert!(private_key(b"0 no key", None).is_err());
        assert!(private_key(b"", None).is_err());
        Ok(())
    }
}
