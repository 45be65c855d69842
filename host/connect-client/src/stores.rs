//! Keystores and truststores, for the TLS of requests.

use connect_keystore::{Passwords, StoreFormat, certificates, identity, to_pem};
use reqwest::{Certificate, ClientBuilder, Identity};

/// The same client, which trusts the certificates of a truststore and no others.
///
/// # Errors
/// A fragment that says what is wrong with the file, as `has no certificate`.
pub fn trusting(
    builder: ClientBuilder,
    bytes: &[u8],
    format: Option<StoreFormat>,
    passwords: Passwords<'_>,
) -> Result<ClientBuilder, String> {
    let pem = to_pem(&certificates(bytes, format, passwords)?)?;
    let trusted = Certificate::from_pem_bundle(pem.as_bytes());
    let trusted = trusted.map_err(|_| "has a certificate that is not valid")?;
    Ok(builder.tls_certs_only(trusted))
}

/// The same client, which shows the certificate of a keystore.
///
/// # Errors
/// As [`trusting`].
pub fn showing(
    builder: ClientBuilder,
    bytes: &[u8],
    format: Option<StoreFormat>,
    passwords: Passwords<'_>,
) -> Result<ClientBuilder, String> {
    let own = identity(bytes, format, passwords)?;
    let pem = to_pem(&own.chain)? + own.key_pem()?.expose();
    let shown = Identity::from_pem(pem.as_bytes()).map_err(|_| "has an odd private key")?;
    Ok(builder.identity(shown))
}
