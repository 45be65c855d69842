//! A registry behind TLS, which asks for a client's certificate.
//!
//! The certificates in `tests/tls` are for `localhost`, and are valid for a hundred years.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use connect_api::{ErrorKind, Value};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::{Fixture, framed, schema};

fn file(name: &str) -> PathBuf {
    Path::new("tests/tls").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn server_config() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("ca.pem")).unwrap())
        .unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let certificate = CertificateDer::from_pem_file(file("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// A registry that answers each connection with one schema; its port.
fn registry() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = server_config();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream.unwrap());
            let (mut request, mut byte) = (Vec::new(), [0]);
            // Who does not trust, or is not trusted, goes away here.
            while !request.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                request.push(byte[0]);
            }
            let (_, body) = schema("\"int\"");
            let size = body.len();
            let head = format!("HTTP/1.1 200 X\r\ncontent-length: {size}\r\nconnection: close");
            let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    port
}

fn fixture(host: &str, port: u16, options: &[(&str, &str)]) -> Fixture {
    let fixture = Fixture::new(&format!("https://{host}:{port}"));
    options.iter().fold(fixture, |fixture, (name, value)| {
        fixture.with(&format!("schema.registry.ssl.{name}"), value)
    })
}

#[test]
fn a_registry_behind_tls_answers_who_trusts_it_and_shows_a_certificate() {
    let port = registry();
    let (ca, client) = (file("ca.pem"), file("client.pem"));
    let (ca, client) = (ca.to_str().unwrap(), client.to_str().unwrap());
    let (ca_text, client_text) = (text("ca.pem"), text("client.pem"));
    let (chain, key) = client_text.split_at(client_text.find("-----BEGIN PRIVATE").unwrap());
    let trust = ("truststore.location", ca);
    let own = ("keystore.location", client);
    for (host, options, answers) in [
        ("localhost", vec![trust, own], true),
        (
            "localhost",
            vec![
                ("truststore.certificates", ca_text.as_str()),
                ("keystore.key", key),
                ("keystore.certificate.chain", chain),
            ],
            true,
        ),
        ("localhost", vec![trust], false),
        ("localhost", vec![own], false),
        // The certificate is for localhost.
        ("127.0.0.1", vec![trust, own], false),
        (
            "127.0.0.1",
            vec![trust, own, ("endpoint.identification.algorithm", "")],
            true,
        ),
    ] {
        let fixture = fixture(host, port, &options);
        let mut converter = fixture.build().unwrap();
        let read = converter.to_connect_data("t", Some(&framed(1, &[2])));
        if answers {
            assert_eq!(read.unwrap().value, Value::Int(1), "{host} {options:?}");
        } else {
            let error = read.expect_err(host);
            assert_eq!(error.kind(), ErrorKind::Retriable, "{error}");
        }
    }
}

#[test]
fn what_is_no_pem_is_refused_without_its_text() {
    for (option, value, expect) in [
        (
            "truststore.location",
            "/nowhere.pem",
            "cannot be read: No such file or directory",
        ),
        ("truststore.certificates", "secret", "it has no certificate"),
        (
            "keystore.key",
            "secret",
            "it has no private key that the password opens",
        ),
        ("keystore.type", "BCFKS", "Invalid value BCFKS"),
    ] {
        let error = fixture("localhost", 1, &[(option, value)]).build();
        let error = error.err().expect(option);
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(text.contains(option) && text.contains(expect), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
