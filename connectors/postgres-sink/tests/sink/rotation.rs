//! Credentials that are changed under a running task: a password of a config provider, a client's
//! certificate and its key.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use connect_api::{
    Config, Connector as _, ErrorKind, OptionProvider, Properties, ProvidedOptions,
    Result as ConnectResult, SinkConnector as _, SinkTask, TaskContext,
};
use harness_postgres::pgbouncer::PgBouncer;
use harness_postgres::postgres::{PASSWORD, TestDatabase, TestPostgres, USER};
use harness_postgres::run;
use harness_postgres::wait::wait_until;
use postgres_sink::PostgresSinkConnector;

use crate::fixture::{Maker, Reports, context, open, opened, partition, put, task_at};

const TABLE: &str = "CREATE TABLE events (id bigserial, n int)";
const SECOND: &str = "second-password";

/// A config provider that gives the password, which is all that the file holds.
struct PasswordFile {
    path: PathBuf,
    options: Properties,
    /// How often it was told that the password is refused.
    refused: Arc<AtomicUsize>,
}

fn parsed(options: &Properties) -> ConnectResult<Config> {
    let connector = PostgresSinkConnector::new();
    connector.config_def().parse(&connector.normalise(options))
}

#[async_trait]
impl OptionProvider for PasswordFile {
    fn provides(&self, prefix: &str) -> bool {
        "connection.password".starts_with(prefix)
    }

    fn refused(&self, _: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    async fn current(&self, _: &str) -> ConnectResult<Config> {
        let text = std::fs::read_to_string(&self.path);
        let password = text.map_err(|e| connect_api::Error::config(e.to_string()))?;
        let mut options = self.options.clone();
        options.insert("connection.password".into(), password);
        parsed(&options)
    }
}

/// A task whose password stands in a file.
fn provided(database: &TestDatabase, path: &Path) -> Result<Box<dyn SinkTask>> {
    provided_at(&database.jdbc_url(), path, Arc::default())
}

fn provided_at(url: &str, path: &Path, refused: Arc<AtomicUsize>) -> Result<Box<dyn SinkTask>> {
    let options: Properties = [
        ("connection.url", url.to_owned()),
        ("connection.user", USER.to_owned()),
        ("connection.password", std::fs::read_to_string(path)?),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let context = TaskContext {
        provided: Some(ProvidedOptions::new(PasswordFile {
            path: path.to_owned(),
            options: options.clone(),
            refused,
        })),
        ..context()
    };
    Ok(PostgresSinkConnector::new().task(&parsed(&options)?, &context)?)
}

async fn execute(postgres: &TestPostgres, statement: &str) -> Result<()> {
    sqlx::raw_sql(statement)
        .execute(&mut postgres.admin().await?)
        .await?;
    Ok(())
}

/// The role gets another password, and the sessions of the sink are ended.
async fn rotate(postgres: &TestPostgres, password: &str) -> Result<()> {
    execute(
        postgres,
        &format!("ALTER ROLE {USER} PASSWORD '{password}'"),
    )
    .await?;
    end_sessions(postgres).await
}

async fn end_sessions(postgres: &TestPostgres) -> Result<()> {
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
               WHERE application_name LIKE 'ferrule:%'";
    execute(postgres, end).await
}

/// Puts a row where the server lets nobody in: what the task says of it.
async fn waits(task: &mut dyn SinkTask, number: i64) -> Result<String> {
    let given = [row(number)?];
    let mut reports = Reports::default();
    // The end of the session is told first.
    for _ in 0..3 {
        let outcome = task.put(&given, &mut reports).await;
        let error = outcome.err().context("a row was written")?;
        ensure!(error.kind() == ErrorKind::Retriable, "{}", error.chain());
        ensure!(reports.errors.is_empty(), "a record is blamed");
        if error.chain().contains("cannot connect") {
            return Ok(error.chain());
        }
    }
    anyhow::bail!("it does not connect anew")
}

/// Puts a row as the worker does, again until it is written.
async fn write(task: &mut dyn SinkTask, number: i64) -> Result<()> {
    let given = [row(number)?];
    wait_until(
        Duration::from_secs(20),
        "the row to be written",
        async || {
            let mut reports = Reports::default();
            let outcome = task.put(&given, &mut reports).await;
            ensure!(reports.errors.is_empty(), "a record is blamed");
            match outcome {
                Err(error) if error.kind() != ErrorKind::Retriable => Err(error.into()),
                outcome => Ok(outcome.is_ok()),
            }
        },
    )
    .await
}

fn row(number: i64) -> Result<connect_api::RecordBatch> {
    Maker::default().batch(0, number, &[&format!(r#"{{"n":{number}}}"#)])
}

/// The rows as the superuser sees them, whatever becomes of the role.
async fn numbers(database: &TestDatabase) -> Result<Vec<i32>> {
    let query = sqlx::query_scalar("SELECT n FROM events ORDER BY id");
    Ok(query.fetch_all(&mut database.superuser().await?).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_taken_anew_at_each_connect() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let database = postgres.database("rotated").await?;
    database.execute(TABLE).await?;
    let file = run::folder("rotated")?.join("password");
    std::fs::write(&file, PASSWORD)?;
    let refused = Arc::new(AtomicUsize::new(0));
    let mut task = provided_at(&database.jdbc_url(), &file, Arc::clone(&refused))?;
    opened(&mut *task, &[0]).await?;
    write(&mut *task, 0).await?;

    // The server is first, as it is where a person changes both.
    rotate(&postgres, SECOND).await?;
    let told = waits(&mut *task, 1).await?;
    for expect in ["28P01", "connection.password", "the next attempt takes"] {
        ensure!(told.contains(expect), "{expect} is missing: {told}");
    }
    assert_eq!(
        refused.load(Ordering::Relaxed),
        0,
        "it was asked before it was refused"
    );
    std::fs::write(&file, SECOND)?;
    write(&mut *task, 1).await?;
    assert_eq!(
        refused.load(Ordering::Relaxed),
        1,
        "the provider is told of it once"
    );

    // The provider is first, or away while it is written.
    std::fs::remove_file(&file)?;
    end_sessions(&postgres).await?;
    let lost = task.put(&[row(2)?], &mut Reports::default()).await;
    ensure!(
        lost.is_err_and(|e| e.kind() == ErrorKind::Retriable),
        "no session"
    );
    let away = task.put(&[row(2)?], &mut Reports::default()).await;
    let told = away.err().context("there is no password")?;
    ensure!(told.kind() == ErrorKind::Retriable, "{told}");
    ensure!(told.chain().contains("config provider"), "{told}");
    std::fs::write(&file, PASSWORD)?;
    waits(&mut *task, 2).await?;
    rotate(&postgres, PASSWORD).await?;
    write(&mut *task, 2).await?;
    assert_eq!(
        numbers(&database).await?,
        [0, 1, 2],
        "each row is there once"
    );
    assert_eq!(crate::fixture::stored(&database, 0).await?, Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_task_waits_only_for_a_login_that_may_change() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let database = postgres.database("rotated").await?;
    database.execute(TABLE).await?;
    let file = run::folder("rotated")?.join("password");
    std::fs::write(&file, "wrong")?;
    let mut task = provided(&database, &file)?;
    let refused = open(&mut *task, &[partition(0)]).await;
    let error = refused.err().context("a wrong password was taken")?;
    ensure!(error.kind() == ErrorKind::Retriable, "{error}");
    std::fs::write(&file, PASSWORD)?;
    opened(&mut *task, &[0]).await?;
    write(&mut *task, 0).await?;
    task.stop().await;

    // What stands in the config is wrong until somebody changes it.
    let wrong = [("connection.user", USER), ("connection.password", "wrong")];
    let mut task = task_at(&database.jdbc_url(), &wrong)?;
    let refused = open(&mut *task, &[partition(0)]).await;
    let error = refused.err().context("a wrong password was taken")?;
    ensure!(error.kind() == ErrorKind::Config, "{error}");
    ensure!(
        error.is_transient(),
        "the role's may become the same: {error}"
    );

    // It was right before: the role's was changed.
    let right = [("connection.user", USER), ("connection.password", PASSWORD)];
    let mut task = task_at(&database.jdbc_url(), &right)?;
    opened(&mut *task, &[0]).await?;
    rotate(&postgres, SECOND).await?;
    waits(&mut *task, 1).await?;
    rotate(&postgres, PASSWORD).await?;
    write(&mut *task, 1).await?;
    // Nor is a role that may not log in for a while a reason to fail.
    execute(&postgres, &format!("ALTER ROLE {USER} NOLOGIN")).await?;
    end_sessions(&postgres).await?;
    let told = waits(&mut *task, 2).await?;
    ensure!(told.contains("28000"), "{told}");
    execute(&postgres, &format!("ALTER ROLE {USER} LOGIN")).await?;
    write(&mut *task, 2).await?;
    assert_eq!(
        numbers(&database).await?,
        [0, 1, 2],
        "each row is there once"
    );
    Ok(())
}

/// PgBouncer has a code of its own for a login that it refuses.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_refuses_a_login_is_waited_for_too() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let pooler = PgBouncer::start(&postgres, "server_login_retry = 1").await?;
    let database = postgres.database("rotated").await?;
    database.execute(TABLE).await?;
    let file = run::folder("rotated")?.join("password");
    std::fs::write(&file, "wrong")?;
    let address = format!("127.0.0.1:{}/{}", pooler.port(), database.name());
    let mut task = provided_at(
        &format!("jdbc:postgresql://{address}"),
        &file,
        Arc::default(),
    )?;
    let refused = open(&mut *task, &[partition(0)]).await;
    let error = refused.err().context("a wrong password was taken")?;
    ensure!(error.kind() == ErrorKind::Retriable, "{}", error.chain());
    std::fs::write(&file, PASSWORD)?;
    opened(&mut *task, &[0]).await?;
    write(&mut *task, 0).await?;
    // The pooler's own login is refused by the server.
    rotate_all(&postgres, SECOND).await?;
    let mut second = provided_at(
        &format!("jdbc:postgresql://{address}"),
        &file,
        Arc::default(),
    )?;
    let refused = open(&mut *second, &[partition(1)]).await;
    let error = refused.err().context("a wrong password was taken")?;
    ensure!(error.kind() == ErrorKind::Retriable, "{}", error.chain());
    rotate_all(&postgres, PASSWORD).await?;
    write(&mut *task, 1).await?;
    assert_eq!(numbers(&database).await?, [0, 1], "each row is there once");
    Ok(())
}

/// The role gets another password, and all its sessions are ended.
async fn rotate_all(postgres: &TestPostgres, password: &str) -> Result<()> {
    execute(
        postgres,
        &format!("ALTER ROLE {USER} PASSWORD '{password}'"),
    )
    .await?;
    let end = format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '{USER}'"
    );
    execute(postgres, &end).await
}

/// The client's files are those of another pair.
fn replace(folder: &Path, (certificate, key): &(String, String)) -> Result<()> {
    std::fs::copy(certificate, folder.join("tls.crt"))?;
    std::fs::copy(key, folder.join("tls.key"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_read_anew_at_each_connect() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let files = postgres.encrypt().await?;
    let database = postgres.database("rotated").await?;
    execute(&postgres, "GRANT pg_read_all_stats TO certified").await?;
    sqlx::raw_sql(TABLE)
        .execute(&mut database.superuser().await?)
        .await?;
    let folder = run::folder("rotated")?;
    replace(&folder, &files.client())?;
    std::fs::copy(files.root(), folder.join("ca.crt"))?;
    let path = |name: &str| folder.join(name).display().to_string();
    let url = format!(
        "{}?sslmode=verify-ca&sslrootcert={}&sslcert={}&sslkey={}",
        database.jdbc_url(),
        path("ca.crt"),
        path("tls.crt"),
        path("tls.key")
    );
    let mut task = task_at(&url, &[("connection.user", "certified")])?;
    opened(&mut *task, &[0]).await?;
    put(&mut *task, &[row(0)?]).await?;

    // The server trusts another authority from now on, and shows a certificate of that.
    postgres.change_authority().await?;
    end_sessions(&postgres).await?;
    waits(&mut *task, 1).await?;
    std::fs::copy(files.other_root(), folder.join("ca.crt"))?;
    waits(&mut *task, 1).await?;
    // Of the new pair, one file is there before the other, and one is not whole yet.
    let (certificate, key) = files.other_client();
    std::fs::copy(&certificate, folder.join("tls.crt"))?;
    waits(&mut *task, 1).await?;
    std::fs::write(folder.join("tls.key"), "-----BEGIN")?;
    let told = waits(&mut *task, 1).await?;
    ensure!(told.contains("cannot read sslkey"), "{told}");
    std::fs::remove_file(folder.join("tls.key"))?;
    waits(&mut *task, 1).await?;
    replace(&folder, &(certificate, key))?;
    write(&mut *task, 1).await?;
    assert_eq!(numbers(&database).await?, [0, 1], "each row is there once");
    Ok(())
}
