//! TLS to a token endpoint, by the options of a login module, in the names of Kafka's clients.

use std::path::Path;

use connect_api::{Error, Result, Secret, read_config_file};
use connect_keystore::{Passwords, StoreFormat};
use connect_oauth::jaas::LoginModule;
use reqwest::{Client, ClientBuilder};

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
        let format = format("truststore.type")?;
        let with = connect_client::trusting(builder, &bytes, format, passwords);
        builder = with.map_err(|why| invalid(&why))?;
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
        let format = format("keystore.type")?;
        let with = connect_client::showing(builder, &bytes, format, passwords);
        builder = with.map_err(|why| invalid(&why))?;
    }
    if option("endpoint.identification.algorithm") == Some("") {
        builder = builder.tls_danger_accept_invalid_hostnames(true);
    }
    Ok(builder)
}
