//! HTTPS: certificates and keys as rustls wants them, from the stores that the options name.

mod options;
mod stores;

use std::path::PathBuf;
use std::sync::Arc;

use connect_api::{Error, Result};
use openssl::x509::X509;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::task::JoinSet;

use crate::watched::Watched;

pub use options::{ClientAuth, Store, StoreSource, TlsConfig};

/// The TLS of some listeners, which follows the files of its certificates.
pub type Tls = Watched<ServerConfig>;

/// Reads the stores and watches their files.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when a store cannot be read, or is not enough for TLS.
pub async fn start(config: TlsConfig, tasks: &mut JoinSet<()>) -> Result<Tls> {
    let stores = [Some(&config.keystore), config.truststore.as_ref()];
    let files = stores.into_iter().flatten().filter_map(file).collect();
    let make = move |files: &[Vec<u8>]| server_config(&config, files);
    Watched::start(files, make, tasks).await
}

fn file(store: &Store) -> Option<PathBuf> {
    match &store.source {
        StoreSource::File(path) => Some(path.clone()),
        StoreSource::Inline(_) => None,
    }
}

/// `files` has the contents of the stores that are files, in the order of the stores.
fn server_config(config: &TlsConfig, files: &[Vec<u8>]) -> Result<ServerConfig> {
    let mut files = files.iter();
    let mut bytes = |store: &Store| match &store.source {
        StoreSource::File(_) => files.next().cloned().unwrap_or_default(),
        StoreSource::Inline(pem) => pem.expose().as_bytes().to_vec(),
    };
    let identity = stores::identity(&config.keystore, &bytes(&config.keystore))?;
    let roots = match &config.truststore {
        None => None,
        Some(store) => Some(stores::certificates(store, &bytes(store))?),
    };
    let provider = Arc::new(provider(&config.cipher_suites)?);
    let invalid = |cause| Error::config("the settings of HTTPS").with_source(cause);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&config.protocols))
        .map_err(invalid)?;
    let builder = match (config.client_auth, roots) {
        (ClientAuth::None, _) | (_, None) => builder.with_no_client_auth(),
        (auth, Some(roots)) => {
            let roots = Arc::new(root_store(roots)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match auth {
                ClientAuth::Requested => verifier.allow_unauthenticated(),
                ClientAuth::Required | ClientAuth::None => verifier,
            };
            let failed = |cause| Error::config("the truststore of HTTPS").with_source(cause);
            builder.with_client_cert_verifier(verifier.build().map_err(failed)?)
        }
    };
    let mut server = builder
        .with_single_cert(identity.chain, identity.key)
        .map_err(invalid)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}

fn versions(names: &[String]) -> Vec<&'static SupportedProtocolVersion> {
    let named = |name: &str| names.iter().any(|given| given == name);
    [
        ("TLSv1.3", &rustls::version::TLS13),
        ("TLSv1.2", &rustls::version::TLS12),
    ]
    .into_iter()
    .filter_map(|(name, version)| named(name).then_some(version))
    .collect()
}

/// The worker's own cryptography, with some of its cipher suites or all.
fn provider(suites: &[String]) -> Result<CryptoProvider> {
    let mut provider = ring::default_provider();
    if suites.is_empty() {
        return Ok(provider);
    }
    // Java's names are IANA's; rustls has those of TLS 1.3 with another beginning.
    let name = |suite: &rustls::SupportedCipherSuite| {
        let name = format!("{:?}", suite.suite());
        name.replace("TLS13_", "TLS_")
    };
    provider
        .cipher_suites
        .retain(|suite| suites.contains(&name(suite)));
    match provider.cipher_suites.is_empty() {
        true => Err(Error::config(
            "ssl.cipher.suites names no cipher suite that this worker has",
        )),
        false => Ok(provider),
    }
}

fn root_store(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let failed = |cause| Error::config("a certificate of the truststore").with_source(cause);
        roots.add(certificate).map_err(failed)?;
    }
    Ok(roots)
}

/// The subject of a client's certificate, as Java prints it (RFC 2253).
pub fn subject(certificate: &[u8]) -> Option<String> {
    let certificate = X509::from_der(certificate).ok()?;
    let mut parts = Vec::new();
    for entry in certificate.subject_name().entries() {
        let value = entry.data().to_string().ok()?;
        let name = entry.object().nid().short_name().unwrap_or("UNDEF");
        parts.push(format!("{name}={}", escaped(&value)));
    }
    parts.reverse();
    Some(parts.join(","))
}

fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let special = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || (at == 0 && matches!(c, '#' | ' '))
            || (at == last && c == ' ');
        if special {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
