//! The files of `sslrootcert`, `sslcert` and `sslkey`, read as libpq reads them: a file of
//! authorities may hold many, and a key may have any of the forms that OpenSSL knows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::error::{Error as OpensslError, ErrorStack};
use openssl::pkey::PKey;
use openssl::x509::X509;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, PgConnection};

/// The paths of the files. They are read for each connection, as they may be renewed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    /// `sslrootcert`: certificates of authorities.
    pub root: Option<String>,
    /// `sslcert` and `sslkey`.
    pub client: Option<(String, String)>,
    /// Which of the authorities the last connection was checked with.
    trusted: Arc<AtomicUsize>,
}

impl Certificates {
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
        let Some((certificate, key)) = &self.client else {
            return Ok(options);
        };
        // With a pass phrase of its own, or none: OpenSSL would ask for one at the terminal.
        let key = PKey::private_key_from_pem_passphrase(&read("sslkey", key)?, b"");
        let key = key.and_then(|key| key.private_key_to_pem_pkcs8());
        let key = key.map_err(|e| unreadable("sslkey", &reason(&e)))?;
        Ok(options
            .ssl_client_cert_from_pem(read("sslcert", certificate)?)
            .ssl_client_key_from_pem(key))
    }
}

/// The certificates of a file, each by itself.
fn authorities(path: &str) -> sqlx::Result<Vec<Vec<u8>>> {
    let certificates = X509::stack_from_pem(&read("sslrootcert", path)?);
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
