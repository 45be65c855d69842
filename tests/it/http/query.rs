//! Queries: documented answers, parameters that are bound, pages, tags, and Postgres away.

use harness::postgres::{PASSWORD, TestDatabase, TestPostgres, USER};
use harness::worker::TestWorker;

use super::*;

const HISTORY: &str = "activity-history-query.json";
const TABLES: &str = "002_track_activity_log.sql";

/// A query connector and its database.
struct Outlet {
    name: String,
    address: String,
    http: Client,
}

impl Outlet {
    /// The file of the activity history, on a database with its table.
    async fn history(
        rest: &ConnectClient,
        database: &TestDatabase,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let outlet = Self {
            name: names::unique("history"),
            address: format!("127.0.0.1:{}", names::free_port()?),
            http: Client::builder().build()?,
        };
        let (listener, url) = (format!("http://{}", outlet.address), database.jdbc_url());
        let mut all = vec![
            ("http.listener", listener.as_str()),
            ("connection.url", url.as_str()),
            ("connection.user", USER),
            ("connection.password", PASSWORD),
        ];
        all.extend(settings);
        let created = rest
            .create(&connector(HISTORY, &outlet.name, &all)?)
            .await?;
        ensure!(created["type"] == "source", "{created}");
        Ok(outlet)
    }

    async fn is_well(&self, rest: &ConnectClient) -> Result<()> {
        rest.wait_for_state(&self.name, "RUNNING").await?;
        wait_until(LIMIT, "the query to be well", async || {
            let health = answer(self.http.get(self.url("/health"))).await?;
            ensure!(health.status == StatusCode::OK, "{health:?}");
            Ok(true)
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        answer(self.http.get(self.url(path))).await
    }
}

async fn count(database: &TestDatabase) -> Result<String> {
    let counted = database
        .texts("SELECT count(*)::text FROM track_activity_log")
        .await?;
    counted.into_iter().flatten().next().context("no count")
}

async fn database(postgres: &TestPostgres) -> Result<TestDatabase> {
    let database = postgres.database("history").await?;
    database.apply(TABLES).await?;
    let row = |at: &str, mmsi: &str, mode_s: &str, properties: &str| {
        format!(
            "INSERT INTO track_activity_log (track_id, domain, event_type, activity_type, mmsi, \
             mode_s, event_timestamp, properties) VALUES ('T-1', 'MARITIME', 'updated', \
             'port_call', {mmsi}, {mode_s}, '{at}', {properties})"
        )
    };
    let documented = r#"'{"location_name": "Port of Los Angeles", "duration_hours": 24.5, "purpose": "refueling"}'"#;
    for sql in [
        row("2025-01-06T14:30:00Z", "'366123456'", "NULL", documented),
        row(
            "2025-01-05T14:30:00Z",
            "'366123456'",
            "NULL",
            r#"'{"duration_hours": "long"}'"#,
        ),
        row("2025-01-04T15:30:00+01:00", "'366123456'", "NULL", "NULL"),
        row("2025-01-03T00:00:00Z", "NULL", "'A12345'", "NULL"),
    ] {
        database.execute(&sql).await?;
    }
    Ok(database)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_what_the_document_shows() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let database = database(TestPostgres::shared().await?).await?;
    let outlet = Outlet::history(worker.rest(), &database, &[]).await?;
    outlet.is_well(worker.rest()).await?;
    let found = outlet.get("/api/activity/mmsi/366123456").await?;
    ensure!(found.status == StatusCode::OK, "{found:?}");
    let expect = json!([
        {"timestamp": "2025-01-06T14:30:00Z", "location_name": "Port of Los Angeles",
         "duration_hours": 24.5, "purpose": "refueling"},
        {"timestamp": "2025-01-05T14:30:00Z", "location_name": null,
         "duration_hours": null, "purpose": "port_call"},
        {"timestamp": "2025-01-04T14:30:00Z", "location_name": null,
         "duration_hours": null, "purpose": "port_call"},
    ]);
    ensure!(found.body == expect, "{found:?}");
    let head = outlet.http.head(outlet.url("/api/activity/mmsi/366123456"));
    let head = answer(head).await?;
    ensure!(head.status == StatusCode::OK, "{head:?}");
    ensure!(head.body.is_null(), "{head:?}");
    ensure!(head.header("etag") == found.header("etag"), "{head:?}");
    for (path, rows) in [
        ("/api/activity/mode_s/A12345", 1),
        ("/api/activity/track/T-1", 4),
        ("/api/activity/mmsi/000000000", 0),
        (
            "/api/activity/mmsi/366123456?before=2025-01-05T14:30:00Z",
            1,
        ),
        ("/api/activity/mmsi/366123456?activity_type=convoy", 0),
    ] {
        let found = outlet.get(path).await?;
        ensure!(
            found.body.as_array().is_some_and(|all| all.len() == rows),
            "{path}: {found:?}"
        );
    }
    // It is shown like any other connector.
    let status = worker.rest().status(&outlet.name).await?;
    ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
    let config = worker
        .rest()
        .get(&format!("/connectors/{}", outlet.name))
        .await?;
    ensure!(
        config["config"]["connector.class"] == "FerruleHttpQuery",
        "{config}"
    );
    worker.rest().delete(&outlet.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_values_whatever_is_in_them() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let database = database(TestPostgres::shared().await?).await?;
    let outlet = Outlet::history(worker.rest(), &database, &[]).await?;
    outlet.is_well(worker.rest()).await?;
    for attack in [
        "x' OR '1'='1",
        "'; DROP TABLE track_activity_log; --",
        "366123456' UNION SELECT version()--",
        "\\'; SELECT pg_sleep(10); --",
        "$1",
        "%s",
        "{mmsi}",
        ":mode_s",
        "366123456\u{2019}",
        "\"",
        "*/ 1 /*",
    ] {
        let encoded: String = attack.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in ["mmsi", "mode_s", "track"] {
            let found = outlet
                .get(&format!("/api/activity/{path}/{encoded}"))
                .await?;
            ensure!(
                found.status == StatusCode::OK && found.body == json!([]),
                "{attack}: {found:?}"
            );
        }
        let found = outlet
            .get(&format!(
                "/api/activity/mmsi/366123456?activity_type={encoded}"
            ))
            .await?;
        ensure!(found.body == json!([]), "{attack}: {found:?}");
        let wrong = outlet
            .get(&format!("/api/activity/mmsi/366123456?before={encoded}"))
            .await?;
        ensure!(
            wrong.status == StatusCode::BAD_REQUEST,
            "{attack}: {wrong:?}"
        );
        ensure!(wrong.body["field"] == "before", "{attack}: {wrong:?}");
    }
    for (path, field) in [
        ("?limit=all", "limit"),
        ("?limit=1001", "limit"),
        ("?offset=-1", "offset"),
        ("?before=yesterday", "before"),
        ("?mmsi=1", "mmsi"),
        ("?other=1", "other"),
        (
            "?before=2025-01-05T14:30:00Z&before=2025-01-05T14:30:00Z",
            "before",
        ),
    ] {
        let wrong = outlet
            .get(&format!("/api/activity/mmsi/366123456{path}"))
            .await?;
        ensure!(wrong.status == StatusCode::BAD_REQUEST, "{path}: {wrong:?}");
        ensure!(wrong.body["field"] == field, "{path}: {wrong:?}");
    }
    let nul = outlet.get("/api/activity/mmsi/a%00b").await?;
    ensure!(nul.status == StatusCode::BAD_REQUEST, "{nul:?}");
    ensure!(count(&database).await? == "4");
    worker.rest().delete(&outlet.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_on_and_tags_save_the_answer() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let database = database(TestPostgres::shared().await?).await?;
    let settings = [
        ("http.no.rows.status", "404"),
        ("http.bearer.tokens", "t-1"),
    ];
    let outlet = Outlet::history(worker.rest(), &database, &settings).await?;
    outlet.is_well(worker.rest()).await?;
    ensure!(outlet.get("/api/activity/track/T-1").await?.status == StatusCode::UNAUTHORIZED);
    let get = async |path: &str, tag: Option<&str>| {
        let mut request = outlet.http.get(outlet.url(path)).bearer_auth("t-1");
        if let Some(tag) = tag {
            request = request.header("If-None-Match", tag);
        }
        answer(request).await
    };
    let mut next = "/api/activity/track/T-1?limit=3".to_owned();
    let mut seen = Vec::new();
    for pages in 1.. {
        let page = get(&next, None).await?;
        seen.extend(page.body.as_array().context("a list")?.clone());
        let Some(link) = page.header("link") else {
            ensure!(pages == 2, "{pages} pages");
            break;
        };
        let (path, rel) = link.split_once(">; ").context("a link")?;
        ensure!(rel == "rel=\"next\"", "{link}");
        next = path.trim_start_matches('<').to_owned();
    }
    ensure!(seen.len() == 4, "{seen:?}");
    let path = "/api/activity/track/T-1";
    let first = get(path, None).await?;
    let tag = first.header("etag").context("no tag")?.to_owned();
    let same = get(path, Some(&tag)).await?;
    ensure!(
        same.status == StatusCode::NOT_MODIFIED && same.body == Value::Null,
        "{same:?}"
    );
    database
        .execute("DELETE FROM track_activity_log WHERE mode_s IS NOT NULL")
        .await?;
    let changed = get(path, Some(&tag)).await?;
    ensure!(changed.status == StatusCode::OK, "{changed:?}");
    let none = get("/api/activity/mmsi/0", None).await?;
    ensure!(none.status == StatusCode::NOT_FOUND, "{none:?}");
    worker.rest().delete(&outlet.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_writes_nothing_and_ends_in_time() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let database = database(TestPostgres::shared().await?).await?;
    database
        .execute(
            "CREATE FUNCTION written() RETURNS int LANGUAGE sql AS $$ INSERT INTO \
             track_activity_log (track_id, domain, event_type) VALUES ('X', 'AIR', 'updated') \
             RETURNING 1 $$",
        )
        .await?;
    let settings = [
        ("http.paths", "/run/{what}"),
        ("query.parameters", "what:text"),
        (
            "query",
            "SELECT CASE :what WHEN 'write' THEN written() WHEN 'sleep' THEN length(pg_sleep(60)::text) \
             ELSE 1 END AS n FROM (SELECT :what WHERE :what IS NOT NULL) q",
        ),
        ("statement.timeout.ms", "300"),
        ("pool.size", "1"),
    ];
    let outlet = Outlet::history(worker.rest(), &database, &settings).await?;
    outlet.is_well(worker.rest()).await?;
    ensure!(outlet.get("/run/one").await?.body == json!([{"n": 1}]));
    let written = outlet.get("/run/write").await?;
    ensure!(
        written.status == StatusCode::INTERNAL_SERVER_ERROR,
        "{written:?}"
    );
    let slept = outlet.get("/run/sleep").await?;
    ensure!(slept.status == StatusCode::GATEWAY_TIMEOUT, "{slept:?}");
    ensure!(outlet.get("/run/one").await?.status == StatusCode::OK);
    ensure!(count(&database).await? == "4");
    worker.rest().delete(&outlet.name).await?;
    // A statement that is none fails the task, with its reason.
    let wrong = [(
        "query",
        "SELECT * FROM no_such_table WHERE :mmsi = :mode_s OR :track_id = '' OR \
                   :before IS NULL OR :activity_type = ''",
    )];
    let outlet = Outlet::history(worker.rest(), &database, &wrong).await?;
    worker.rest().wait_for_state(&outlet.name, "FAILED").await?;
    let trace = worker.rest().trace(&outlet.name).await?.unwrap_or_default();
    ensure!(trace.contains("42P01"), "{trace}");
    worker.rest().delete(&outlet.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_goes_away_and_comes_back() -> Result<()> {
    let (worker, postgres) = (TestWorker::shared().await?, TestPostgres::start().await?);
    let database = database(&postgres).await?;
    let outlet = Outlet::history(worker.rest(), &database, &[]).await?;
    outlet.is_well(worker.rest()).await?;
    let path = "/api/activity/track/T-1";
    ensure!(outlet.get(path).await?.status == StatusCode::OK);
    postgres.stop().await?;
    let away = outlet.get(path).await?;
    ensure!(away.status == StatusCode::SERVICE_UNAVAILABLE, "{away:?}");
    ensure!(away.header("retry-after").is_some(), "{away:?}");
    let health = outlet.get("/health").await?;
    ensure!(
        health.status == StatusCode::SERVICE_UNAVAILABLE,
        "{health:?}"
    );
    postgres.start_again().await?;
    outlet.is_well(worker.rest()).await?;
    ensure!(outlet.get(path).await?.status == StatusCode::OK);
    worker.rest().delete(&outlet.name).await
}
