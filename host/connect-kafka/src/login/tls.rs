//! TLS to a token endpoint, by the options of a login module, in the names of Kafka's clients.

use std::path::Path;

use connect_api::{Error, Result, Secret, read_config_file};
use connect_keystore::{Passwords, StoreFormat, certificates, identity, to_pem};
use connect_oauth::jaas::LoginModule;
use reqwest::{Certificate, Client, ClientBuilder, Identity};

/// The options that are followed, without the prefix.
const FOLLOWED: &[&str] = &[
    "endpoint.identification.algorithm",
    "key.password",
    "keystore.certificate.chain",
    "keystore.key",
    "keystore.location",
    "keystore.password",
    "keystore.type",
    "truststore.certificates",
    "truststore.location",
    "truststore.password",
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
            return Err(wrong(name, "it is not followed"));
        }
    }
    let format = |name: &str| {
        let format = option(name).map_or(Ok(None), StoreFormat::parse);
        format.map_err(|why| wrong(name, &why))
    };
    let secret = |name: &str| option(name).map(Secret::new);
    let given = |file: &str, text: &str| -> Result<Option<Vec<u8>>> {
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
    if let Some(bytes) = given("truststore.location", "truststore.certificates")? {
        let invalid = |why: &str| wrong("truststore.location", &format!("it {why}"));
        let password = secret("truststore.password");
        let passwords = Passwords {
            store: password.as_ref(),
            key: None,
        };
        let found = certificates(&bytes, format("truststore.type")?, passwords);
        let pem = found.and_then(|found| to_pem(&found));
        let pem = pem.map_err(|why| invalid(&why))?;
        let found = Certificate::from_pem_bundle(pem.as_bytes());
        let found = found.map_err(|_| invalid("has a certificate that is not valid"))?;
        builder = builder.tls_certs_only(found);
    }
    if let Some(mut bytes) = given("keystore.location", "keystore.key")? {
        let invalid = |why: &str| wrong("keystore.location", &format!("it {why}"));
        if let Some(chain) = option("keystore.certificate.chain") {
            bytes.push(b'\n');
            bytes.extend_from_slice(chain.as_bytes());
        }
        let (password, of_key) = (secret("keystore.password"), secret("key.password"));
        let passwords = Passwords {
            store: password.as_ref(),
            key: of_key.as_ref(),
        };
        let found = identity(&bytes, format("keystore.type")?, passwords);
        let pem = found.and_then(|found| Ok(to_pem(&found.chain)? + found.key_pem()?.expose()));
        let pem = pem.map_err(|why| invalid(&why))?;
        let shown = Identity::from_pem(pem.as_bytes());
        builder = builder.identity(shown.map_err(|_| invalid("has an odd private key"))?);
    }
    if option("endpoint.identification.algorithm") == Some("") {
        builder = builder.tls_danger_accept_invalid_hostnames(true);
    }
    Ok(builder)
}
