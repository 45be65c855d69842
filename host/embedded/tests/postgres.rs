//! Starts the server as `ferrule dev` does, and kills the process that started it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use embedded::{Error, Postgres, PostgresOptions};
use sqlx::{Connection, PgConnection, Row};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Set in the child process of the kill test: the data directory to serve from.
const CHILD_DATA_DIR: &str = "EMBEDDED_TEST_DATA_DIR";

fn options(data_dir: Option<&Path>) -> PostgresOptions {
    let data_dir = data_dir.map(Path::to_owned);
    PostgresOptions {
        port: 0,
        data_dir,
        ..PostgresOptions::default()
    }
}

async fn text(connection: &mut PgConnection, query: &'static str) -> sqlx::Result<String> {
    sqlx::query(query).fetch_one(connection).await?.try_get(0)
}

#[tokio::test]
async fn a_fresh_server_is_utf8_and_asks_for_the_password() -> TestResult {
    let postgres = Postgres::start(options(None)).await?;
    let mut connection = PgConnection::connect(postgres.url()).await?;
    assert_eq!(text(&mut connection, "SHOW server_encoding").await?, "UTF8");
    assert_eq!(
        text(&mut connection, "SELECT current_database()::text").await?,
        "ferrule"
    );
    let collate = "SELECT datcollate::text FROM pg_database WHERE datname = 'ferrule'";
    assert_eq!(text(&mut connection, collate).await?, "C.UTF-8");

    let wrong = postgres.url().replace("ferrule:ferrule@", "ferrule:wrong@");
    assert!(
        PgConnection::connect(&wrong).await.is_err(),
        "a wrong password was taken"
    );

    let directory = postgres.log().parent().ok_or("a parent")?.to_owned();
    postgres.stop().await?;
    assert!(!directory.exists(), "the temporary directory was left");
    Ok(())
}

#[tokio::test]
async fn a_second_start_finds_the_rows_of_the_first() -> TestResult {
    let directory = tempfile::tempdir()?;
    let first = Postgres::start(options(Some(directory.path()))).await?;
    let mut connection = PgConnection::connect(first.url()).await?;
    sqlx::query("CREATE TABLE kept AS SELECT 'row' AS value")
        .execute(&mut connection)
        .await?;
    // Left open: a fast shutdown does not wait for clients.
    first.stop().await?;

    let second = Postgres::start(options(Some(directory.path()))).await?;
    let mut connection = PgConnection::connect(second.url()).await?;
    assert_eq!(
        text(&mut connection, "SELECT value FROM kept").await?,
        "row"
    );
    second.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_taken_port_and_a_foreign_directory_are_refused() -> TestResult {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let refused = Postgres::start(PostgresOptions {
        port,
        ..options(None)
    })
    .await;
    assert!(matches!(refused, Err(Error::Bind { .. })), "{refused:?}");

    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("thesis.tex"), "do not touch")?;
    let refused = Postgres::start(options(Some(directory.path()))).await;
    assert!(matches!(refused, Err(Error::DataDir { .. })), "{refused:?}");
    assert_eq!(
        std::fs::read_to_string(directory.path().join("thesis.tex"))?,
        "do not touch"
    );
    Ok(())
}

/// Not a test of its own: without the variable it ends at once. With it, it is the process that
/// the test below kills.
#[tokio::test]
async fn serve_until_killed() -> TestResult {
    let Some(directory) = std::env::var_os(CHILD_DATA_DIR) else {
        return Ok(());
    };
    let postgres = Postgres::start(options(Some(directory.as_ref()))).await?;
    std::fs::write(Path::new(&directory).join("url"), postgres.url())?;
    std::future::pending::<()>().await;
    Ok(())
}

#[tokio::test]
async fn the_server_dies_with_its_killed_parent_and_starts_again() -> TestResult {
    let directory = tempfile::tempdir()?;
    let mut parent = Command::new(std::env::current_exe()?)
        .args(["--exact", "serve_until_killed"])
        .env(CHILD_DATA_DIR, directory.path())
        .stdout(Stdio::null())
        .spawn()?;
    let url = directory.path().join("url");
    wait_until("the server is ready", || url.exists()).await;
    let mut connection = PgConnection::connect(&std::fs::read_to_string(&url)?).await?;
    sqlx::query("CREATE TABLE kept AS SELECT 'row' AS value")
        .execute(&mut connection)
        .await?;

    parent.kill()?;
    parent.wait()?;
    // At once, while the orphan may still be shutting down.
    let again = Postgres::start(options(Some(directory.path()))).await?;
    let mut connection = PgConnection::connect(again.url()).await?;
    assert_eq!(
        text(&mut connection, "SELECT value FROM kept").await?,
        "row"
    );
    again.stop().await?;
    let pid_file = directory.path().join("data/postmaster.pid");
    wait_until("the pid file is gone", || !pid_file.exists()).await;
    Ok(())
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not in 30 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
