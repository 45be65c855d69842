//! HTTPS with certificates of clients, users, roles, the audit topic, and what a page may send: by
//! curl, as an operator would.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{names, run};
use serde_json::{Value, json};

use super::shared;
use crate::wire::{plain, send};

const LIMIT: Duration = Duration::from_secs(60);
const CLASS: &str =
    "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
const MODULE: &str = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";

/// The files of the worker and of its clients.
struct Files(PathBuf);

impl Files {
    fn new() -> Result<Self> {
        let files = Self(run::folder("https")?);
        let key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 9";
        let signed = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE";
        files.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca"
        ))?;
        for (name, subject, more) in [
            (
                "worker",
                "/CN=worker",
                "-addext subjectAltName=DNS:localhost",
            ),
            (
                "ops",
                "/O=Example/CN=ops",
                "-addext extendedKeyUsage=clientAuth",
            ),
        ] {
            files.openssl(&format!(
                "req -x509 {key} {signed} {more} -keyout {name}.key -out {name}.pem -subj {subject}"
            ))?;
        }
        files.openssl(
            "pkcs12 -export -inkey worker.key -in worker.pem -out worker.p12 -passout pass:sesame",
        )?;
        files.write("users", "ann=sesame\nbob=open\n")?;
        let users = files.path("users");
        let jaas = format!("KafkaConnect {{\n {MODULE} required\n file=\"{users}\";\n}};\n");
        files.write("jaas", &jaas)?;
        files.write("tokens", "ci=a-token-of-the-tests\n")?;
        files.write("roles", "ann admin *\nbob view public-*\nci edit ci-*\n")?;
        Ok(files)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.path(name), text)?)
    }

    fn openssl(&self, arguments: &str) -> Result<()> {
        let arguments = arguments.split(' ');
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .context("cannot run openssl")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "openssl failed: {reason}");
        Ok(())
    }
}

/// What curl gets: the status, and the body as JSON.
fn curl(folder: &Path, url: &str, arguments: &[&str]) -> Result<(u16, Value)> {
    let output = Command::new("curl")
        .args(["-s", "-S", "-m", "60", "--cacert", "ca.pem"])
        .args(["-w", "\n%{http_code}", url])
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("cannot run curl")?;
    let reason = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "curl: {reason}");
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').context("no status")?;
    let body = serde_json::from_str(body).unwrap_or(Value::Null);
    Ok((status.parse()?, body))
}

/// A worker with all of it, and the port of its HTTPS.
async fn protected(files: &Files, audit: &str) -> Result<(TestWorker, u16)> {
    let (http, https) = (names::free_port()?, names::free_port()?);
    let listeners = format!("http://127.0.0.1:{http},https://127.0.0.1:{https}");
    let own = |name: &str| format!("listeners.https.ssl.{name}");
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", "")
        .set("listeners", &listeners)
        .set(&own("keystore.type"), "PKCS12")
        .set(&own("keystore.location"), &files.path("worker.p12"))
        .set(&own("keystore.password"), "sesame")
        .set(&own("truststore.type"), "PEM")
        .set(&own("truststore.location"), &files.path("ca.pem"))
        .set(&own("client.auth"), "required")
        .set("rest.extension.classes", CLASS)
        .set("ferrule.rest.tokens.file", &files.path("tokens"))
        .set("ferrule.rest.roles.file", &files.path("roles"))
        .set("ferrule.audit.topic", audit)
        .env(
            "KAFKA_OPTS",
            &format!("-Djava.security.auth.login.config={}", files.path("jaas")),
        );
    Ok((TestWorker::start(config).await?, https))
}

const ANN: [&str; 2] = ["-u", "ann:sesame"];
const BOB: [&str; 2] = ["-u", "bob:open"];
const CI: [&str; 2] = ["-H", "Authorization: Bearer a-token-of-the-tests"];

#[tokio::test(flavor = "multi_thread")]
async fn https_with_client_certificates_users_and_roles() -> Result<()> {
    let (files, audit) = (Files::new()?, names::unique("audit"));
    let (worker, https) = protected(&files, &audit).await?;
    let at = |path: &str| format!("https://localhost:{https}{path}");
    let ask = |path: &str, more: &[&str]| {
        let certificate = ["--cert", "ops.pem", "--key", "ops.key"];
        let arguments: Vec<&str> = certificate.iter().chain(more).copied().collect();
        curl(&files.0, &at(path), &arguments)
    };
    wait_until(LIMIT, "the worker to be healthy", async || {
        Ok(ask("/health", &ANN)?.0 == 200)
    })
    .await?;
    ensure!(
        curl(&files.0, &at("/"), &ANN).is_err(),
        "without a certificate"
    );
    assert_eq!(ask("/", &[])?.0, 401);
    assert_eq!(ask("/", &["-u", "ann:open"])?.0, 401);
    // The other listener asks for a password too.
    assert_eq!(plain(worker.rest(), "GET", "/connectors").await?.code, 401);
    let put = |name: &str, who: [&str; 2]| {
        let config = json!({
            "connector.class": "FerruleBlackholeSink", "topics": "none", "password": "canary",
        });
        let body = config.to_string();
        let json = [
            "-X",
            "PUT",
            "-H",
            "Content-Type: application/json",
            "-d",
            &body,
        ];
        let arguments: Vec<&str> = json.iter().chain(&who).copied().collect();
        ask(&format!("/connectors/{name}/config"), &arguments)
    };
    let refused = |answer: (u16, Value), why: &str| {
        assert_eq!((answer.0, &answer.1["message"]), (403, &json!(why)));
    };
    assert_eq!(put("ci-1", CI)?.0, 201);
    let why = "ci lacks the role edit on the connector public-1";
    refused(put("public-1", CI)?, why);
    assert_eq!(put("public-1", ANN)?.0, 201);
    assert_eq!(ask("/connectors", &BOB)?, (200, json!(["public-1"])));
    let all = json!(["ci-1", "public-1"]);
    assert_eq!(ask("/connectors", &ANN)?, (200, all));
    let restart = [BOB[0], BOB[1], "-X", "POST"];
    let why = "bob lacks the role operate on the connector public-1";
    refused(ask("/connectors/public-1/restart", &restart)?, why);
    // More rights while it runs.
    files.write("roles", "ann admin *\nbob operate public-*\n")?;
    wait_until(LIMIT, "the new roles", async || {
        Ok(ask("/connectors/public-1/restart", &restart)?.0 == 204)
    })
    .await?;
    audited(TestKafka::shared().await?, &worker, &audit).await
}

/// The topic and the log have the changes, with no value.
async fn audited(kafka: &TestKafka, worker: &TestWorker, topic: &str) -> Result<()> {
    let mut lines = Vec::new();
    wait_until(LIMIT, "the lines of the audit topic", async || {
        lines = kafka.read(topic).await?;
        Ok(lines.len() >= 3)
    })
    .await?;
    let lines: Vec<Value> = lines
        .iter()
        .filter_map(|line| serde_json::from_slice(line.value.as_deref()?).ok())
        .collect();
    let created = lines
        .iter()
        .find(|line| line["principal"] == "ci" && line["status"] == 201)
        .context("no line of the change")?;
    assert_eq!(
        (&created["method"], &created["path"], &created["connector"]),
        (
            &json!("PUT"),
            &json!("/connectors/ci-1/config"),
            &json!("ci-1")
        )
    );
    assert_eq!(
        created["changed"],
        json!(["connector.class", "name", "password", "topics"])
    );
    ensure!(
        lines
            .iter()
            .any(|line| line["status"] == 403 && line["principal"] == "ci"),
        "no line of the refusal: {lines:?}"
    );
    let log = worker.log()?;
    ensure!(
        log.contains("ferrule::audit"),
        "the audit log is not in the log"
    );
    ensure!(!log.contains("canary"), "a value in the log");
    ensure!(
        !lines.iter().any(|line| line.to_string().contains("canary")),
        "a value"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_may_send_changes_nothing() -> Result<()> {
    let rest = shared().await?;
    let name = names::unique("page");
    let config = json!({ "connector.class": "FerruleBlackholeSink", "topics": "none" });
    let body = json!({ "name": name, "config": config }).to_string();
    let origin = ("Origin", "http://evil.example");
    let host = ("Sec-Fetch-Site", "cross-site");
    // What fetch sends in mode no-cors for a Blob without a type, and for a form.
    for headers in [
        &[origin, host][..],
        &[origin, ("Content-Type", "text/plain;charset=UTF-8")],
        &[origin, ("Content-Type", "application/json")],
        &[host, ("Content-Type", "application/json")],
    ] {
        let answer = send(rest, "POST", "/connectors", headers, Some(&body)).await?;
        answer.error(403)?;
        let path = "/connectors/any/restart";
        send(rest, "POST", path, headers, None).await?.error(403)?;
    }
    let untyped = send(rest, "POST", "/connectors", &[], Some(&body)).await?;
    untyped.error(415)?;
    plain(rest, "GET", &format!("/connectors/{name}"))
        .await?
        .error(404)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn protection_that_is_not_there_keeps_the_worker_from_starting() -> Result<()> {
    let kafka = TestKafka::shared().await?.bootstrap();
    for (key, value, part) in [
        (
            "rest.extension.classes",
            "com.example.Ldap",
            "com.example.Ldap is not supported",
        ),
        ("ssl.client.auth", "required", "begins with https://"),
        (
            "listeners.https.ssl.keystore.location",
            "none",
            "begins with https://",
        ),
        (
            "ferrule.rest.roles.file",
            "/nowhere/roles",
            "cannot read /nowhere/roles",
        ),
        (
            "ferrule.rest.tokens.file",
            "/dev/null",
            "not a regular file",
        ),
    ] {
        let config = WorkerConfig::new(&kafka)?
            .set("plugin.path", "")
            .set(key, value)
            .env("RUST_BACKTRACE", "0");
        let Err(error) = TestWorker::start(config).await else {
            anyhow::bail!("it starts with {key}={value}");
        };
        let error = format!("{error:#}");
        ensure!(error.contains(part), "{key}: {error}");
    }
    Ok(())
}
