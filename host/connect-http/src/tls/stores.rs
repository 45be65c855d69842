//! Keystores and truststores, as rustls takes what is in them.

use connect_api::{Error, Result};
use connect_keystore::Passwords;
use openssl::x509::X509;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Store, StoreSource};

/// A private key, and the certificates that belong to it.
pub struct Identity {
    /// The worker's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS8.
    pub key: PrivateKeyDer<'static>,
}

/// The private key of a keystore and its certificates.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] that names the file.
pub fn identity(store: &Store, bytes: &[u8]) -> Result<Identity> {
    let found = connect_keystore::identity(bytes, store.format, passwords(store));
    let found = found.map_err(|why| invalid(store, &why))?;
    let key = found.key.private_key_to_pkcs8();
    let key = key.map_err(|cause| invalid(store, "has an odd private key").with_source(cause))?;
    Ok(Identity {
        chain: der(store, &found.chain)?,
        key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key)),
    })
}

/// The certificates of a truststore.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] that names the file.
pub fn certificates(store: &Store, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found = connect_keystore::certificates(bytes, store.format, passwords(store));
    der(store, &found.map_err(|why| invalid(store, &why))?)
}

fn passwords(store: &Store) -> Passwords<'_> {
    Passwords {
        store: store.password.as_ref(),
        key: store.key_password.as_ref(),
    }
}

fn invalid(store: &Store, why: &str) -> Error {
    match &store.source {
        StoreSource::File(path) => Error::config(format!("{} {why}", path.display())),
        StoreSource::Inline(_) => Error::config(format!("the PEM of the HTTPS options {why}")),
    }
}

fn der(store: &Store, certificates: &[X509]) -> Result<Vec<CertificateDer<'static>>> {
    let encoded = certificates.iter().map(|certificate| {
        let der = certificate.to_der().map(CertificateDer::from);
        der.map_err(|cause| invalid(store, "has an odd certificate").with_source(cause))
    });
    encoded.collect()
}
