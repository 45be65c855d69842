//! Keystores and truststores: PEM and PKCS12.

use connect_api::{Error, Result, Secret};
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Store, StoreFormat, StoreSource};

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
    let (key, certificates) = match format(store, bytes)? {
        StoreFormat::Pem => {
            let password = store.key_password.as_ref().or(store.password.as_ref());
            let password = password.map(Secret::expose).unwrap_or_default();
            let key = PKey::private_key_from_pem_passphrase(bytes, password.as_bytes());
            let key = key.map_err(|cause| {
                invalid(store, "has no private key that the password opens").with_source(cause)
            })?;
            (key, pem(store, bytes)?)
        }
        StoreFormat::Pkcs12 => {
            let ParsedPkcs12_2 { pkey, cert, ca } = pkcs12(store, bytes)?;
            let missing = || invalid(store, "has no private key with its certificate");
            let (key, cert) = pkey.zip(cert).ok_or_else(missing)?;
            let chain = std::iter::once(cert).chain(ca.into_iter().flatten());
            (key, chain.collect())
        }
    };
    let own = certificates.first();
    let own = own.ok_or_else(|| invalid(store, "has no certificate"))?;
    let public = own.public_key();
    let public = public.map_err(|cause| invalid(store, "has an odd key").with_source(cause))?;
    if !public.public_eq(&key) {
        let why = "has a private key that does not belong to its first certificate";
        return Err(invalid(store, why));
    }
    Ok(Identity {
        chain: der(store, certificates)?,
        key: private(store, &key)?,
    })
}

/// The certificates of a truststore.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] that names the file.
pub fn certificates(store: &Store, bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = match format(store, bytes)? {
        StoreFormat::Pem => pem(store, bytes)?,
        StoreFormat::Pkcs12 => {
            let ParsedPkcs12_2 { cert, ca, .. } = pkcs12(store, bytes)?;
            cert.into_iter().chain(ca.into_iter().flatten()).collect()
        }
    };
    match certificates.is_empty() {
        true => Err(invalid(store, "has no certificate")),
        false => der(store, certificates),
    }
}

fn format(store: &Store, bytes: &[u8]) -> Result<StoreFormat> {
    const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
    if bytes.starts_with(&JKS) {
        let why = "is a JKS file, which is not supported: keytool -importkeystore -srckeystore … \
                   -destkeystore … -deststoretype pkcs12 makes a PKCS12 file of it";
        return Err(invalid(store, why));
    }
    let looks_like = match bytes.first() {
        // The start of a DER sequence.
        Some(0x30) => StoreFormat::Pkcs12,
        _ => StoreFormat::Pem,
    };
    Ok(store.format.unwrap_or(looks_like))
}

fn invalid(store: &Store, why: &str) -> Error {
    match &store.source {
        StoreSource::File(path) => Error::config(format!("{} {why}", path.display())),
        StoreSource::Inline(_) => Error::config(format!("the PEM of the HTTPS options {why}")),
    }
}

fn pem(store: &Store, bytes: &[u8]) -> Result<Vec<X509>> {
    X509::stack_from_pem(bytes)
        .map_err(|cause| invalid(store, "has a certificate that is not valid").with_source(cause))
}

fn pkcs12(store: &Store, bytes: &[u8]) -> Result<ParsedPkcs12_2> {
    let password = store.password.as_ref().map(Secret::expose);
    let password = password.unwrap_or_default();
    if password.contains('\0') {
        return Err(invalid(store, "has a password with a NUL character in it"));
    }
    let parsed = Pkcs12::from_der(bytes).and_then(|store| store.parse2(password));
    parsed.map_err(|cause| {
        let why = "is no PKCS12 file that the password opens";
        invalid(store, why).with_source(cause)
    })
}

fn der(store: &Store, certificates: Vec<X509>) -> Result<Vec<CertificateDer<'static>>> {
    let encoded = certificates.iter().map(|certificate| {
        let der = certificate.to_der().map(CertificateDer::from);
        der.map_err(|cause| invalid(store, "has an odd certificate").with_source(cause))
    });
    encoded.collect()
}

fn private(store: &Store, key: &PKey<Private>) -> Result<PrivateKeyDer<'static>> {
    let der = key.private_key_to_pkcs8();
    let der = der.map_err(|cause| invalid(store, "has an odd private key").with_source(cause))?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)))
}
