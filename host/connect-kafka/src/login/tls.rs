//! TLS to a token endpoint, by the options of a login module, in the names of Kafka's clients.
//! Certificates and keys are PEM.

use std::path::Path;

use connect_api::{Error, Result, read_config_file};
use connect_oauth::jaas::LoginModule;
use reqwest::{Certificate, Client, ClientBuilder, Identity};

/// The options that are followed, without the prefix.
const FOLLOWED: &[&str] = &[
    "endpoint.identification.algorithm",
    "keystore.certificate.chain",
    "keystore.key",
    "keystore.location",
    "keystore.type",
    "truststore.certificates",
    "truststore.location",
    "truststore.type",
];

/// A client that trusts and shows what the options with this prefix say (`ssl.`).
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming the option that cannot be followed.
pub(super) fn client(module: &LoginModule, prefix: &str) -> Result<ClientBuilder> {
    let wrong = |name: &str, why: &str| Error::config(format!("{prefix}{name}: {why}"));
    let option = |name: &str| module.option(&format!("{prefix}{name}"));
    for (name, _) in module.options() {
        let name = name.strip_prefix(prefix);
        if let Some(name) = name.filter(|name| !FOLLOWED.contains(name)) {
            return Err(wrong(
                name,
                "it is not followed: stores are PEM files without a password",
            ));
        }
    }
    let is_pem = |name: &str| option(name).is_none_or(|kind| kind.eq_ignore_ascii_case("PEM"));
    for name in ["truststore.type", "keystore.type"] {
        if !is_pem(name) {
            return Err(wrong(
                name,
                "only PEM: keytool and openssl turn a JKS or PKCS12 into it",
            ));
        }
    }
    let text = |file: &str, text: &str| -> Result<Option<Vec<u8>>> {
        if let Some(text) = option(text) {
            return Ok(Some(text.as_bytes().to_vec()));
        }
        let Some(path) = option(file) else {
            return Ok(None);
        };
        let read = read_config_file(Path::new(path)).map(Some);
        read.map_err(|cause| wrong(file, &format!("{path} cannot be read: {cause}")))
    };
    let mut builder = Client::builder();
    if let Some(pem) = text("truststore.location", "truststore.certificates")? {
        let trusted = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if trusted.is_empty() {
            return Err(wrong("truststore.location", "it has no certificate in PEM"));
        }
        builder = builder.tls_certs_only(trusted);
    }
    if let Some(mut pem) = text("keystore.location", "keystore.key")? {
        if let Some(chain) = option("keystore.certificate.chain") {
            pem.push(b'\n');
            pem.extend_from_slice(chain.as_bytes());
        }
        let why = "it has no certificate and private key in PEM, or the key is encrypted";
        let identity = Identity::from_pem(&pem).map_err(|_| wrong("keystore.location", why))?;
        builder = builder.identity(identity);
    }
    if option("endpoint.identification.algorithm") == Some("") {
        builder = builder.tls_danger_accept_invalid_hostnames(true);
    }
    Ok(builder)
}
