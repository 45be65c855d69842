//! Stores of `keytool`, which are those of the tests of `connect-keystore`.

use connect_api::{Properties, Result};
use rdkafka::config::ClientConfig;

use crate::{GivenBy, client_config, setting_refusal};

const FOLDER: &str = "../connect-keystore/src/tests/";

fn config(pairs: &[(&str, &str)]) -> Result<ClientConfig> {
    let owned = pairs.iter().map(|(key, value)| {
        let value = value.replace("FOLDER/", FOLDER);
        ((*key).to_owned(), value)
    });
    client_config(&owned.collect::<Properties>())
}

fn texts(config: &ClientConfig, setting: &str, what: &str) -> usize {
    let text = config.get(setting).unwrap_or_default();
    text.matches(&format!("-----BEGIN {what}-----")).count()
}

#[test]
fn javas_stores_become_pem() {
    for (trust, keys, key_password) in [
        ("trust.jks", "key.jks", Some("other-password")),
        ("trust.pkcs12", "key.pkcs12", None),
    ] {
        let (trust, keys) = (format!("FOLDER/{trust}"), format!("FOLDER/{keys}"));
        let mut pairs = vec![
            ("ssl.truststore.location", &*trust),
            ("ssl.truststore.password", "changeit"),
            ("ssl.truststore.type", "JKS"),
            ("ssl.keystore.location", &*keys),
            ("ssl.keystore.password", "changeit"),
        ];
        pairs.extend(key_password.map(|password| ("ssl.key.password", password)));
        let config = config(&pairs).unwrap();
        assert_eq!(texts(&config, "ssl.ca.pem", "CERTIFICATE"), 2, "{trust}");
        assert_eq!(
            texts(&config, "ssl.certificate.pem", "CERTIFICATE"),
            2,
            "{keys}"
        );
        assert_eq!(texts(&config, "ssl.key.pem", "PRIVATE KEY"), 1, "{keys}");
        for gone in [
            "ssl.keystore.location",
            "ssl.keystore.password",
            "ssl.key.password",
        ] {
            assert_eq!(config.get(gone), None, "{gone}");
        }
    }
}

#[test]
fn pem_is_given_on_and_a_folder_is_the_clients() {
    let pem = "-----BEGIN CERTIFICATE-----";
    let config = config(&[
        ("ssl.truststore.certificates", pem),
        ("ssl.keystore.key", "key"),
        ("ssl.keystore.certificate.chain", pem),
        ("ssl.truststore.type", "PEM"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.key.password", "canary"),
    ])
    .unwrap();
    assert_eq!(config.get("ssl.ca.pem"), Some(pem));
    assert_eq!(config.get("ssl.key.pem"), Some("key"));
    assert_eq!(config.get("ssl.certificate.pem"), Some(pem));
    assert_eq!(config.get("ssl.key.password"), Some("canary"));
    let folder = client_config(&Properties::from([(
        "ssl.truststore.location".to_owned(),
        "/etc".to_owned(),
    )]));
    assert_eq!(folder.unwrap().get("ssl.ca.location"), Some("/etc"));
}

#[test]
fn what_is_wrong_names_the_setting_and_the_file() {
    let jks = "FOLDER/key.jks";
    for (pairs, expect) in [
        (
            vec![
                ("ssl.truststore.location", jks),
                ("ssl.truststore.password", "canary"),
            ],
            "ssl.truststore.location: the file ",
        ),
        (
            vec![
                ("ssl.keystore.location", jks),
                ("ssl.keystore.password", "changeit"),
            ],
            "has a private key that the password does not open",
        ),
        (
            vec![
                ("ssl.keystore.location", jks),
                ("ssl.keystore.key", "canary"),
            ],
            "ssl.keystore.location is given too",
        ),
        (
            vec![
                ("ssl.truststore.location", jks),
                ("ssl.truststore.certificates", "canary"),
            ],
            "ssl.truststore.location is given too",
        ),
        (
            vec![("ssl.keystore.certificate.chain", "canary")],
            "must be given together",
        ),
        (
            vec![("ssl.keystore.location", "FOLDER/trust.jks")],
            "has no private key",
        ),
        (
            vec![("ssl.truststore.location", "FOLDER/../lib.rs")],
            "has no certificate",
        ),
        (
            vec![
                ("ssl.truststore.location", jks),
                ("ssl.truststore.type", "BCFKS"),
            ],
            "ssl.truststore.type: it is not known",
        ),
    ] {
        let told = config(&pairs).map(drop).unwrap_err().chain();
        assert!(told.contains(expect) && !told.contains("canary"), "{told}");
    }
    let refused = setting_refusal(GivenBy::Worker, "ssl.keystore.type", Some("BCFKS"));
    assert!(refused.is_some_and(|why| why.contains("PKCS12")));
}
