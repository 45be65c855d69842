//! HTTPS, certificates of clients, and files that change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificates::Certificate;
use super::wire::{LONG, Reply, Serving, exchange, request};
use crate::config::WorkerConfig;
use crate::config::tests::minimal;
use crate::config_provider::ConfigProviders;
use crate::config_provider::tests::{refusal, worker as provider_properties};
use crate::rest::{Gate, Server};

/// A folder with the files of an authority.
struct Files {
    folder: tempfile::TempDir,
    authority: Certificate,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: Certificate::authority("The tests' own"),
        };
        files.write("trusted.pem", files.authority.pem());
        files
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    fn server(&self) -> Certificate {
        self.authority.signed(&[("CN", "localhost")])
    }
}

/// A request over TLS by a client that trusts the authority, or why there is no TLS.
async fn ask(
    serving: &Serving,
    files: &Files,
    client: Option<&Certificate>,
    headers: &[(&str, &str)],
    path: &str,
) -> Result<Reply, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(files.authority.der()))
        .unwrap();
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client.key_der()));
            let chain = vec![CertificateDer::from(client.der())];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let stream = TcpStream::connect(serving.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = tokio::time::timeout(LONG, connecting).await.unwrap();
    let mut stream = stream.map_err(|error| error.to_string())?;
    // In TLS 1.3 a client hears only afterwards that it is refused.
    let mut request = request("GET", path, "localhost", headers, "");
    request.push_str("");
    let task = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        match stream.read_to_end(&mut bytes).await {
            Err(error) if bytes.is_empty() => Err(error.to_string()),
            _ => Ok(bytes),
        }
    });
    let bytes = tokio::time::timeout(LONG, task).await.unwrap().unwrap()?;
    let (client, server) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut server = server;
        let _ = server.write_all(&bytes).await;
    });
    Ok(exchange(client, "").await)
}

const HTTPS: (&str, &str) = ("listeners", "https://127.0.0.1:0");

#[tokio::test]
async fn keystores_are_pem_and_pkcs12() {
    let files = Files::new();
    let server = files.server();
    let (pem, key) = (server.pem(), server.key_pem());
    let plain = files.write("plain.pem", format!("{key}{pem}"));
    let encrypted = format!("{pem}{}", server.encrypted_key_pem("sesame"));
    let encrypted = files.write("encrypted.pem", encrypted);
    let store = files.write("store.p12", server.pkcs12("sesame"));
    let own = |name: &str| format!("listeners.https.ssl.{name}");
    let cases = [
        vec![(own("keystore.location"), plain.clone())],
        vec![
            (own("keystore.type"), "PEM".to_owned()),
            (own("keystore.location"), encrypted.clone()),
            (own("key.password"), "sesame".to_owned()),
        ],
        vec![
            (own("keystore.type"), "PKCS12".to_owned()),
            (own("keystore.location"), store.clone()),
            (own("keystore.password"), "sesame".to_owned()),
        ],
        vec![
            (own("keystore.key"), key),
            (own("keystore.certificate.chain"), pem),
            (own("enabled.protocols"), "TLSv1.2".to_owned()),
        ],
        // Without a prefix, as Kafka Connect falls back to.
        vec![("ssl.keystore.location".to_owned(), plain)],
    ];
    for case in cases {
        let mut settings = vec![HTTPS];
        settings.extend(case.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let serving = Serving::new(&settings).await;
        let answer = ask(&serving, &files, None, &[], "/health").await.unwrap();
        assert_eq!(answer.status, 200, "{case:?}");
        // In the clear there is no answer.
        let clear = TcpStream::connect(serving.address()).await.unwrap();
        let mut clear = clear;
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let get = request("GET", "/", "localhost", &[], "");
        let _ = clear.write_all(get.as_bytes()).await;
        let mut bytes = Vec::new();
        let read = clear.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(LONG, read).await.unwrap();
        assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_client_shows_a_certificate_that_is_trusted() {
    let files = Files::new();
    let server = files.server();
    let keystore = files.write(
        "server.pem",
        format!("{}{}", server.key_pem(), server.pem()),
    );
    let trusted = files.path("trusted.pem");
    let roles = files.write("roles", "\"CN=ops\\, x,O=Example\" view *\n");
    let settings = |auth: &'static str| {
        vec![
            HTTPS,
            ("listeners.https.ssl.keystore.location", keystore.as_str()),
            ("listeners.https.ssl.truststore.location", trusted.as_str()),
            ("listeners.https.ssl.client.auth", auth),
            ("ferrule.rest.roles.file", roles.as_str()),
        ]
    };
    let ops = files
        .authority
        .signed(&[("O", "Example"), ("CN", "ops, x")]);
    let eve = files.authority.signed(&[("O", "Example"), ("CN", "eve")]);
    let stranger = Certificate::authority("Another").signed(&[("O", "Example"), ("CN", "ops, x")]);
    let serving = Serving::new(&settings("required")).await;
    let known = ask(&serving, &files, Some(&ops), &[], "/metrics").await;
    assert_eq!(known.unwrap().status, 200);
    let other = ask(&serving, &files, Some(&eve), &[], "/metrics")
        .await
        .unwrap();
    other.assert_error(403, "CN=eve,O=Example lacks the role view");
    assert!(
        ask(&serving, &files, Some(&stranger), &[], "/")
            .await
            .is_err()
    );
    assert!(ask(&serving, &files, None, &[], "/").await.is_err());
    let serving = Serving::new(&settings("requested")).await;
    let none = ask(&serving, &files, None, &[], "/metrics").await.unwrap();
    none.assert_error(403, "ANONYMOUS lacks the role view on all connectors");
    assert!(
        ask(&serving, &files, Some(&stranger), &[], "/")
            .await
            .is_err()
    );
}

/// The worker stands in for a Vault behind TLS: it has no such path.
#[tokio::test]
async fn a_config_provider_trusts_what_its_file_has_and_nothing_else() {
    let files = Files::new();
    let server = files.server();
    let keystore = format!("{}{}", server.key_pem(), server.pem());
    let keystore = files.write("server.pem", keystore);
    let keystore = ("listeners.https.ssl.keystore.location", keystore.as_str());
    let serving = Serving::new(&[HTTPS, keystore]).await;
    let port = serving.address().port();
    let stranger = Certificate::authority("Another").pem();
    let (own, other) = (
        files.path("trusted.pem"),
        files.write("other.pem", stranger),
    );
    for (host, trusted, part) in [
        ("localhost", &own, "answers 404"),
        ("localhost", &other, "invalid peer certificate"),
        // The certificate is of another name.
        ("127.0.0.1", &own, "invalid peer certificate"),
    ] {
        let address = format!("https://{host}:{port}");
        let given = provider_properties(
            "io.lenses.connect.secrets.providers.VaultSecretProvider",
            &[
                ("vault.addr", &address),
                ("vault.token", "t"),
                ("vault.pem", trusted),
            ],
        );
        let asking = tokio::task::spawn_blocking(move || {
            refusal(&ConfigProviders::new(&given).unwrap(), "${p:secret/db:pw}")
        });
        let text = asking.await.unwrap().to_string();
        assert!(text.contains(part) && text.contains(&address), "{text}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_taken_while_the_worker_runs() {
    let files = Files::new();
    let other = Files::new();
    let (first, second) = (files.server(), other.server());
    let pem = |one: &Certificate| format!("{}{}", one.key_pem(), one.pem());
    let keystore = files.write("server.pem", pem(&first));
    let settings = [HTTPS, ("listeners.https.ssl.keystore.location", &keystore)];
    let serving = Serving::new(&settings).await;
    assert!(ask(&serving, &files, None, &[], "/").await.is_ok());
    assert!(ask(&serving, &other, None, &[], "/").await.is_err());
    // One that is half written is not taken.
    files.write("server.pem", &pem(&second)[..300]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(ask(&serving, &files, None, &[], "/").await.is_ok());
    files.write("server.pem", pem(&second));
    let taken = async {
        while ask(&serving, &other, None, &[], "/").await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(LONG, taken).await.unwrap();
}

/// Why a worker with these settings does not start.
async fn refused(settings: &[(&str, &str)]) -> String {
    let config = match WorkerConfig::new(&minimal(settings)) {
        Ok(config) => config,
        Err(error) => return error.chain(),
    };
    match Server::bind(config.rest(), Gate::default(), 1024).await {
        Ok(_) => panic!("it starts: {settings:?}"),
        Err(error) => error.chain(),
    }
}

#[tokio::test]
async fn stores_that_protect_nothing_keep_the_worker_from_starting() {
    let files = Files::new();
    let (server, other) = (files.server(), files.server());
    let plain = files.write("s.pem", format!("{}{}", server.key_pem(), server.pem()));
    let mixed = files.write("m.pem", format!("{}{}", other.key_pem(), server.pem()));
    let bare = files.write("b.pem", server.pem());
    let store = files.write("s.p12", server.pkcs12("sesame"));
    let jks = files.write("s.jks", [0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2]);
    let empty = files.write("empty.pem", "");
    let missing: PathBuf = Path::new(&plain).with_file_name("none");
    let missing = missing.display().to_string();
    let location = "listeners.https.ssl.keystore.location";
    let password = "listeners.https.ssl.keystore.password";
    for (settings, part) in [
        (vec![], "needs listeners.https.ssl.keystore.location"),
        (vec![(location, missing.as_str())], "cannot read"),
        (vec![(location, "/dev/zero")], "not a regular file"),
        (vec![(location, &mixed)], "does not belong"),
        (vec![(location, &bare)], "no private key"),
        (vec![(location, &empty)], "no private key"),
        (vec![(location, &jks)], "JKS"),
        (
            vec![(location, &store), (password, "wrong-canary")],
            "password opens",
        ),
        (vec![(location, &store)], "password opens"),
        (
            vec![
                (location, &plain),
                ("listeners.https.ssl.client.auth", "required"),
            ],
            "needs listeners.https.ssl.truststore.location",
        ),
        (
            vec![
                (location, &plain),
                ("listeners.https.ssl.truststore.location", &empty),
                ("listeners.https.ssl.client.auth", "required"),
            ],
            "no certificate",
        ),
        (
            vec![
                (location, &plain),
                ("listeners.https.ssl.cipher.suites", "TLS_NONE"),
            ],
            "no cipher suite",
        ),
    ] {
        let mut all = vec![HTTPS];
        all.extend(settings);
        let why = refused(&all).await;
        assert!(
            why.contains(part) && !why.contains("canary"),
            "{part}: {why}"
        );
    }
}
