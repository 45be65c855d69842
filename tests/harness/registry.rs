//! A real schema registry with the Confluent API: Apicurio.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::process::guarded;
use crate::service::{Service, Shared, shared};
use crate::{http, install, names, run};

const START_LIMIT: Duration = Duration::from_secs(90);

/// A schema registry of the tests. It keeps its schemas when it is stopped and started again.
pub struct TestRegistry {
    port: u16,
    folder: PathBuf,
    service: Service,
}

impl TestRegistry {
    /// The registry that all tests of the run share, started by the first that asks.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: Shared<TestRegistry> = Shared::const_new();
        shared(&SHARED, "registry", Self::start).await
    }

    /// A registry for one test, which may stop it.
    pub async fn start() -> Result<Self> {
        let folder = run::folder("registry")?;
        let service = Service::new("the registry", folder.join("log"));
        let registry = Self {
            port: names::free_port()?,
            folder,
            service,
        };
        registry.start_again().await?;
        Ok(registry)
    }

    /// The address for `schema.registry.url`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts a stopped registry on its port, with its schemas.
    pub async fn start_again(&self) -> Result<()> {
        let database = self.folder.join("schemas");
        let mut java = guarded("java".as_ref());
        java.args([
            "-Xms64m",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
        ])
        .arg(format!("-Djava.io.tmpdir={}", self.folder.display()))
        .arg("-Dquarkus.http.host=127.0.0.1")
        .arg(format!("-Dquarkus.http.port={}", self.port))
        .args([
            "-Dapicurio.storage.kind=sql",
            "-Dapicurio.storage.sql.kind=h2",
        ])
        .arg(format!(
            "-Dapicurio.datasource.url=jdbc:h2:file:{}",
            database.display()
        ))
        // Ids as Confluent's: one number for a schema, whatever subject it is under.
        .arg("-Dapicurio.ccompat.legacy-id-mode.enabled=true")
        .arg("-Dapicurio.ccompat.use-canonical-hash=true")
        .arg("-jar")
        .arg(install::registry_jar()?);
        self.service
            .start(java, START_LIMIT, async || {
                self.subjects().await.map(|_| true)
            })
            .await
    }

    /// Stops the registry.
    pub async fn stop(&self) -> Result<()> {
        self.service.stop("TERM").await
    }

    /// Registers an Avro schema and returns its id.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32> {
        self.register_request(subject, &json!({ "schema": schema }))
            .await
    }

    /// Registers with a whole request body, which may hold `references`, and returns the id.
    pub async fn register_request(&self, subject: &str, request: &Value) -> Result<u32> {
        let url = format!("{}/subjects/{subject}/versions", self.url());
        let response = http::client()?.post(url).json(request).send().await?;
        let answer = body(response).await?;
        let id = answer["id"].as_u64().context("the registry gave no id")?;
        Ok(u32::try_from(id)?)
    }

    /// Sets how schemas of a subject must be compatible, such as `BACKWARD`.
    pub async fn demand(&self, subject: &str, level: &str) -> Result<()> {
        let url = format!("{}/config/{subject}", self.url());
        let request = json!({ "compatibility": level });
        let response = http::client()?.put(url).json(&request).send().await?;
        body(response).await.map(drop)
    }

    /// The text of the schema that has this id.
    pub async fn schema(&self, id: u32) -> Result<String> {
        let url = format!("{}/schemas/ids/{id}", self.url());
        let answer = body(http::client()?.get(url).send().await?).await?;
        Ok(answer["schema"]
            .as_str()
            .context("the registry gave no schema")?
            .to_owned())
    }

    /// The names that schemas are registered under.
    pub async fn subjects(&self) -> Result<Vec<String>> {
        let answer = body(
            http::client()?
                .get(format!("{}/subjects", self.url()))
                .send()
                .await?,
        )
        .await?;
        Ok(serde_json::from_value(answer)?)
    }
}

async fn body(response: reqwest::Response) -> Result<Value> {
    let status = response.status();
    let text = response.text().await?;
    ensure!(
        status.is_success(),
        "the registry answered {status}: {text}"
    );
    Ok(serde_json::from_str(&text)?)
}
