//! TLS to Kafka with keystores and truststores as `keytool` makes them: the formats of before and
//! since Java 9, on a real broker that asks for the client's certificate.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::names::{free_port, unique};
use harness::record::Record;
use harness::run;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "canary-of-store";
const KEY_PASSWORD: &str = "canary-of-key";

fn keytool(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut keytool = Command::new("keytool");
    let output = keytool.args(arguments).current_dir(folder).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "keytool {arguments:?}: {told}");
    Ok(())
}

/// A keystore of this format with a key and a certificate that vouches for itself.
fn keystore(folder: &Path, name: &str, format: &str, key_password: &str) -> Result<PathBuf> {
    let file = format!("{name}.keys");
    let subject = format!("CN={name}");
    let key = [
        "-genkeypair",
        "-keyalg",
        "EC",
        "-alias",
        "own",
        "-dname",
        &subject,
    ];
    let more = [
        "-ext",
        "san=dns:localhost",
        "-storetype",
        format,
        "-keystore",
        &file,
    ];
    let passwords = ["-storepass", PASSWORD, "-keypass", key_password];
    keytool(folder, &[&key[..], &more, &passwords].concat())?;
    let export = [
        "-exportcert",
        "-alias",
        "own",
        "-keystore",
        &file,
        "-storepass",
        PASSWORD,
    ];
    keytool(
        folder,
        &[&export[..], &["-rfc", "-file", &format!("{name}.pem")]].concat(),
    )?;
    Ok(folder.join(file))
}

/// A truststore of this format with the certificates of these.
fn truststore(folder: &Path, name: &str, format: &str, of: &[&str]) -> Result<PathBuf> {
    let file = format!("{name}.trust");
    for other in of {
        let pem = format!("{other}.pem");
        let import = ["-importcert", "-noprompt", "-alias", other, "-file", &pem];
        let store = [
            "-storetype",
            format,
            "-keystore",
            &file,
            "-storepass",
            PASSWORD,
        ];
        keytool(folder, &[&import[..], &store].concat())?;
    }
    Ok(folder.join(file))
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_of_keytool_are_used_as_they_are() -> Result<()> {
    let folder = run::folder("stores")?;
    let formats = [("old", "JKS", KEY_PASSWORD), ("new", "PKCS12", PASSWORD)];
    let own = keystore(&folder, "broker", "PKCS12", PASSWORD)?;
    for (name, format, key_password) in formats {
        keystore(&folder, name, format, key_password)?;
    }
    let trusted = truststore(&folder, "broker", "PKCS12", &["old", "new"])?;
    let (kafka, address) = TestKafka::start_with_tls(&own, &trusted, PASSWORD).await?;
    for (name, format, key_password) in formats {
        let trust = truststore(&folder, name, format, &["broker"])?;
        let keys = folder.join(format!("{name}.keys"));
        let https = format!("https://localhost:{}", free_port()?);
        let config = WorkerConfig::new(&address)?;
        let listeners = format!("{},{https}", config.get("listeners")?);
        // What is said of Kafka's clients holds for the REST API too.
        let config = config
            .set("listeners", &listeners)
            .set("plugin.path", "")
            .set("offset.flush.interval.ms", "100")
            .set("security.protocol", "SSL")
            .set("ssl.truststore.location", &trust.display().to_string())
            .set("ssl.truststore.password", PASSWORD)
            .set("ssl.keystore.location", &keys.display().to_string())
            .set("ssl.keystore.password", PASSWORD)
            .set("ssl.key.password", key_password);
        let mut worker = TestWorker::start(config).await?;
        let topic = unique(name);
        kafka.create_topic(&topic, 1).await?;
        kafka.produce(&topic, [Record::of("x")]).await?;
        let sink = json!({
            "name": topic,
            "config": {
                "connector.class": "FerruleBlackholeSink",
                "topics": topic,
                "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            },
        });
        worker.rest().create(&sink).await?;
        wait_until(LIMIT, "the record's offset", async || {
            Ok(kafka.sink_offsets(&topic).await?.get(&0) == Some(&1))
        })
        .await?;
        // Whom to trust is not the question here.
        let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true);
        let told = client.build()?.get(&https).send().await?.text().await?;
        ensure!(told.contains("kafka_cluster_id"), "{told}");
        let log = worker.log()?;
        ensure!(!log.contains("canary"), "a password is in the log: {log}");
        let status = worker.stop().await?;
        ensure!(status.success(), "the worker ended with {status}");
    }
    Ok(())
}
