//! Ways to the server: TLS, several hosts, replicas, poolers, settings of sessions.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use connect_api::{Error, ErrorKind, SinkTask};
use harness_postgres::names;
use harness_postgres::pgbouncer::PgBouncer;
use harness_postgres::postgres::{PASSWORD, TestDatabase, TestPostgres, USER};
use harness_postgres::run;
use harness_postgres::wait::wait_until;

use crate::fixture::{
    Maker, Reports, database, open, opened, partition, put, rows, stored, task, task_at,
};

const TABLE: &str = "CREATE TABLE events (id bigserial, n int)";

/// Opens a partition by this way; the answer is how the session is encrypted.
async fn reach(
    database: &TestDatabase,
    host: &str,
    parameters: &str,
    options: &[(&str, &str)],
) -> Result<std::result::Result<bool, Error>> {
    let port = database.port();
    let url = format!("postgres://{host}:{port}/{}?{parameters}", database.name());
    let mut given = vec![("connection.user", USER), ("connection.password", PASSWORD)];
    given.extend_from_slice(options);
    let mut task = task_at(&url, &given)?;
    if let Err(error) = open(&mut *task, &[partition(0)]).await {
        return Ok(Err(error));
    }
    let sessions = "SELECT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name = 'ferrule:test:0' AND datname = current_database()";
    let encrypted = rows(database, sessions).await?;
    task.stop().await;
    ensure!(encrypted.len() == 1, "{parameters}: {encrypted:?}");
    Ok(Ok(encrypted[0] == "true"))
}

const IP: &str = "127.0.0.1";
/// The server's certificate is for this name.
const NAME: &str = "localhost";

/// A host, parameters in which `{root}`, `{other}` and `{both}` are files of authorities, and
/// whether the session is encrypted; none when there is none.
const TLS: &[(&str, &str, Option<bool>)] = &[
    // The server lets nobody in without encryption.
    (IP, "sslmode=disable", None),
    (IP, "sslmode=allow", Some(true)),
    (IP, "sslmode=prefer", Some(true)),
    (IP, "sslmode=require", Some(true)),
    (IP, "sslmode=require&sslrootcert={root}", Some(true)),
    (IP, "sslmode=require&sslrootcert={other}", None),
    (IP, "sslmode=verify-ca&sslrootcert={root}", Some(true)),
    (IP, "sslmode=verify-ca&sslrootcert={other}", None),
    (IP, "sslmode=verify-full&sslrootcert={root}", None),
    (NAME, "sslmode=verify-full&sslrootcert={root}", Some(true)),
    (NAME, "sslmode=verify-full&sslrootcert={other}", None),
    (NAME, "sslmode=verify-full&sslrootcert={both}", Some(true)),
    (NAME, "ssl=true&sslrootcert={root}", Some(true)),
    (NAME, "ssl=true&sslrootcert={root}.no", None),
];

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_as_libpq_means_it() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let files = postgres.encrypt().await?;
    let database = postgres.database("tls").await?;
    for (host, parameters, expect) in TLS {
        let parameters = parameters
            .replace("{root}", &files.root())
            .replace("{other}", &files.other_root())
            .replace("{both}", &files.both_roots());
        let outcome = reach(&database, host, &parameters, &[]).await?;
        match (outcome, expect) {
            (Ok(encrypted), Some(expected)) => assert_eq!(encrypted, *expected, "{parameters}"),
            (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Config, "{error}"),
            (outcome, _) => anyhow::bail!("{host} {parameters}: {outcome:?}"),
        }
    }
    let wrong = format!("sslmode=verify-full&sslrootcert={}", files.root());
    let refused = reach(&database, IP, &wrong, &[]).await?;
    let text = refused.expect_err("it is for localhost").chain();
    ensure!(text.contains("IP address mismatch"), "{text}");
    Ok(())
}

/// Puts a certificate and its key into a PKCS12 file.
fn pkcs12(certificate: &str, key: &str, store: &Path, password: &str) -> Result<()> {
    let output = std::process::Command::new("openssl")
        .args(["pkcs12", "-export", "-in", certificate, "-inkey", key])
        .args(["-passout", &format!("pass:{password}"), "-out"])
        .arg(store)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_have_a_certificate_or_no_encryption() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let files = postgres.encrypt().await?;
    let database = postgres.database("tls").await?;
    let certified = [("connection.user", "certified")];
    let (root, (certificate, key)) = (files.root(), files.client());
    let parameters = format!("sslmode=verify-ca&sslrootcert={root}");
    let refused = reach(&database, "127.0.0.1", &parameters, &certified).await?;
    let error = refused.expect_err("there is no certificate");
    ensure!(error.kind() != ErrorKind::Data, "{error}");
    let parameters = format!("{parameters}&sslcert={certificate}&sslkey={key}");
    let reached = reach(&database, "127.0.0.1", &parameters, &certified).await?;
    assert!(reached?);
    let traditional = parameters.replace(&key, &files.traditional_key());
    let reached = reach(&database, "127.0.0.1", &traditional, &certified).await?;
    assert!(reached?);
    let store = run::folder("store")?.join("client.p12");
    pkcs12(&certificate, &key, &store, "canary")?;
    let store = format!(
        "sslmode=verify-ca&sslrootcert={root}&sslkey={}",
        store.display()
    );
    let with_password = format!("{store}&sslpassword=canary");
    let reached = reach(&database, "127.0.0.1", &with_password, &certified).await?;
    assert!(reached?);
    let refused = reach(&database, "127.0.0.1", &store, &certified).await?;
    let text = refused.expect_err("it has a password").chain();
    ensure!(
        text.contains("cannot read sslkey") && text.contains("sslpassword"),
        "{text}"
    );
    let broken = parameters.replace(&key, &certificate);
    let refused = reach(&database, "127.0.0.1", &broken, &certified).await?;
    let text = refused.expect_err("it is no key").chain();
    ensure!(text.contains("cannot read sslkey"), "{text}");
    // With encryption the role is refused, so it is tried without.
    let plain = [("connection.user", "plain")];
    let reached = reach(&database, "127.0.0.1", "sslmode=prefer", &plain).await?;
    assert!(!reached?);
    let refused = reach(&database, "127.0.0.1", "sslmode=require", &plain).await?;
    let error = refused.expect_err("it must not be encrypted");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_hosts_the_primary_is_found() -> Result<()> {
    let primary = TestPostgres::start().await?;
    let database = primary.database("hosts").await?;
    database.execute(TABLE).await?;
    let standby = primary.standby(primary.port()).await?;
    let dead = names::free_port()?;
    let address = |hosts: &[u16]| {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        let (hosts, name) = (hosts.join(","), database.name());
        format!("postgres://{USER}:{PASSWORD}@{hosts}/{name}?target_session_attrs=read-write")
    };
    let mut replica = task_at(&address(&[standby.port()]), &[])?;
    let error = open(&mut *replica, &[partition(0)])
        .await
        .expect_err("a replica");
    assert_eq!(error.kind(), ErrorKind::Retriable);
    ensure!(
        error
            .to_string()
            .contains(&format!("127.0.0.1:{} is a replica", standby.port())),
        "{error}"
    );
    let mut lost = task_at(&address(&[dead, standby.port()]), &[])?;
    let error = open(&mut *lost, &[partition(0)])
        .await
        .expect_err("no primary");
    assert_eq!(error.kind(), ErrorKind::Retriable);
    let text = error.to_string();
    ensure!(
        text.contains("no server of connection.url takes writes"),
        "{text}"
    );
    ensure!(!text.contains(PASSWORD) || PASSWORD == USER, "{text}");

    let all = [dead, standby.port(), primary.port()];
    let mut task = task_at(&address(&all), &[])?;
    opened(&mut *task, &[0]).await?;
    put(
        &mut *task,
        &[Maker::default().batch(0, 0, &[r#"{"n":1}"#])?],
    )
    .await?;
    assert_eq!(database.count("events").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_is_waited_for() -> Result<()> {
    let database = database(TABLE).await?;
    let name = database.name();
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    database.execute(&read_only).await?;
    let mut task = task(&database, &[])?;
    let error = open(&mut *task, &[partition(0)])
        .await
        .expect_err("read-only");
    assert_eq!(error.kind(), ErrorKind::Retriable);
    ensure!(
        error.to_string().contains("is read-only: a replica"),
        "{error}"
    );
    Ok(())
}

const WITNESS: &str = "CREATE TABLE events (k int PRIMARY KEY, n int, \
    commit text DEFAULT current_setting('synchronous_commit'), \
    lock text DEFAULT current_setting('lock_timeout'), \
    statement text DEFAULT current_setting('statement_timeout'), \
    idle text DEFAULT current_setting('idle_in_transaction_session_timeout'))";
const SETTINGS: [(&str, &str); 3] = [
    ("synchronous.commit", "off"),
    ("lock.timeout.ms", "3210"),
    ("statement.timeout.ms", "4321"),
];

async fn settings(database: &TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT DISTINCT concat_ws(' ', commit, lock, statement, idle) FROM events";
    rows(database, query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_has_settings_of_its_own() -> Result<()> {
    let database = database(WITNESS).await?;
    let mut task = task(&database, &SETTINGS)?;
    opened(&mut *task, &[0]).await?;
    put(
        &mut *task,
        &[Maker::default().batch(0, 0, &[r#"{"k":1}"#])?],
    )
    .await?;
    assert_eq!(settings(&database).await?, ["off 3210ms 4321ms 30s"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_waited_for_only_so_long() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[("lock.timeout.ms", "50")])?;
    opened(&mut *task, &[0]).await?;
    let given = [Maker::default().batch(0, 0, &[r#"{"n":1}"#])?];
    let mut holder = database.pool().begin().await?;
    sqlx::query("LOCK TABLE events")
        .execute(&mut *holder)
        .await?;
    let waiting = task.put(&given, &mut Reports::default()).await;
    let error = waiting.expect_err("it is locked");
    assert_eq!(error.kind(), ErrorKind::Retriable);
    ensure!(error.to_string().contains("55P03"), "{error}");
    holder.rollback().await?;
    put(&mut *task, &given).await?;
    assert_eq!(database.count("events").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_takes_too_long_is_parted() -> Result<()> {
    // Each row takes some time, so only few of them fit into a statement.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
        'BEGIN PERFORM pg_sleep(0.05); RETURN NEW; END'; \
        CREATE TRIGGER slow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION slow()";
    let database = database(&format!("{TABLE}; {slow}")).await?;
    let mut task = task(&database, &[("statement.timeout.ms", "500")])?;
    opened(&mut *task, &[0]).await?;
    let given = Maker::default().batch(0, 0, &[r#"{"n":1}"#; 20])?;
    put(&mut *task, &[given]).await?;
    assert_eq!(database.count("events").await?, 20);
    assert_eq!(stored(&database, 0).await?, Some(20));
    Ok(())
}

/// Two tasks and a stranger take turns on two sessions of the server.
async fn through_a_pooler(settings_of_pooler: &str) -> Result<()> {
    let postgres = TestPostgres::shared().await?;
    let pooler = PgBouncer::start(postgres, settings_of_pooler).await?;
    let database = database(WITNESS).await?;
    let (port, name) = (pooler.port(), database.name());
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{name}");
    let mut options = SETTINGS.to_vec();
    options.extend([
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "k"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.table.name", "letters"),
    ]);
    let mut tasks: Vec<Box<dyn SinkTask>> = Vec::new();
    for number in [0, 1] {
        let mut task = task_at(&url, &options)?;
        opened(&mut *task, &[number]).await?;
        tasks.push(task);
    }
    let mut makers = [Maker::default(), Maker::default()];
    for round in 0..8_i64 {
        for number in 0..2_usize {
            let first = round * 3;
            let key = round * 2 + number as i64;
            let objects = [
                format!(r#"{{"k":{key},"n":1}}"#),
                r#"{"k":"none"}"#.to_owned(),
                format!(r#"{{"k":{key},"n":2}}"#),
            ];
            let objects: Vec<_> = objects.iter().map(String::as_str).collect();
            let given = [makers[number].batch(number as i32, first, &objects)?];
            let mut reports = Reports {
                kept: true,
                ..Reports::default()
            };
            tasks[number].put(&given, &mut reports).await?;
            assert_eq!(reports.offsets(), [first + 1]);
        }
    }
    assert_eq!(database.count("events WHERE n = 2").await?, 16);
    assert_eq!(database.count("letters").await?, 16);
    assert_eq!(settings(&database).await?, ["off 3210ms 4321ms 30s"]);
    // Nothing is left on the sessions that others get.
    let left = "pg_class WHERE relpersistence = 't' AND relkind = 'r'";
    assert_eq!(database.count(left).await?, 0);
    for (number, mut task) in (0..).zip(tasks) {
        assert_eq!(stored(&database, number).await?, Some(24));
        task.stop().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_may_swap_sessions_between_transactions() -> Result<()> {
    // It refuses the parameters of the start-up, or drops them without a word.
    through_a_pooler("").await?;
    through_a_pooler("ignore_startup_parameters = options, extra_float_digits").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_called_ferrule_has_its_tables_elsewhere() -> Result<()> {
    assert_eq!(
        USER, "ferrule",
        "its own schema is first on its search path"
    );
    let database = database("").await?;
    let options = [("auto.create", "true"), ("pk.mode", "kafka")];
    for offset in [0, 1] {
        // The first task creates the schema, the second one finds it.
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let field =
            connect_api::Field::new("n", connect_api::Schema::new(connect_api::Kind::Int32));
        let schema = connect_api::Schema::new(connect_api::Kind::Struct(vec![field]));
        let value = connect_api::Struct::new(schema.into(), vec![connect_api::Value::Int(1)]);
        let record = crate::fixture::row(0, offset, value);
        put(
            &mut *task,
            &[crate::fixture::batch(0, offset, vec![record])?],
        )
        .await?;
        task.stop().await;
    }
    assert_eq!(database.count("public.events").await?, 2);
    let own = "pg_tables WHERE schemaname = 'ferrule' AND tablename = 'events'";
    assert_eq!(database.count(own).await?, 0);
    // Ferrule's own tables are not for topics.
    let mut task = task(&database, &[("table.name.format", "offsets")])?;
    opened(&mut *task, &[1]).await?;
    let given = Maker::default().batch(1, 0, &[r#"{"epoch":1}"#])?;
    let refused = task.put(&[given], &mut Reports::default()).await;
    let error = refused.expect_err("there is no such table");
    ensure!(
        error.to_string().contains("table offsets is missing"),
        "{error}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_partitions_holds_no_session() -> Result<()> {
    let database = database("CREATE TABLE events (n int)").await?;
    let sessions = "pg_stat_activity WHERE datname = current_database() \
                    AND application_name LIKE 'ferrule:%'";
    let mut task = task(&database, &[])?;
    for _ in 0..2 {
        crate::fixture::verify(&mut *task).await?;
        // The server ends it a moment later.
        wait_until(Duration::from_secs(30), "no session", async || {
            Ok(database.count(sessions).await? == 0)
        })
        .await?;
        opened(&mut *task, &[0]).await?;
        crate::fixture::verify(&mut *task).await?;
        ensure!(database.count(sessions).await? == 1, "it has a partition");
        let offsets = task.offsets().expect("the sink keeps offsets");
        offsets.close(&[partition(0)]).await;
    }
    Ok(())
}
