//! Who may speak: pages, users, tokens, roles; what is told of it.

use serde_json::json;

use super::config;
use super::wire::Serving;

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let serving = Serving::new(&[]).await;
    serving.worker.create("a").await;
    let json = ("Content-Type", "application/json");
    let body = json!({ "name": "b", "config": config() }).to_string();
    for mark in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Referer", "http://evil.example/page"),
    ] {
        for (method, path, body) in [
            ("POST", "/connectors", body.as_str()),
            ("PUT", "/connectors/a/config", "{}"),
            ("PATCH", "/connectors/a/config", "{}"),
            ("POST", "/connectors/a/restart", ""),
            ("POST", "/connectors/a/tasks/0/restart", ""),
            ("PUT", "/connectors/a/pause", ""),
            ("PUT", "/connectors/a/resume", ""),
            ("PUT", "/connectors/a/stop", ""),
            ("PUT", "/connectors/a/topics/reset", ""),
            ("DELETE", "/connectors/a/offsets", ""),
            ("DELETE", "/connectors/a", ""),
            ("PUT", "/admin/loggers/root", "{\"level\":\"OFF\"}"),
        ] {
            let answer = serving.send(method, path, &[json, mark], body).await;
            answer.assert_error(403, "access.control.allow.origin");
        }
    }
    // Its own page, and a program.
    let own = format!("http://{}", serving.address());
    for headers in [&[("Origin", own.as_str())][..], &[]] {
        let answer = serving.send("PUT", "/connectors/a/stop", headers, "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    let read = serving.send(
        "GET",
        "/connectors",
        &[("Origin", "http://evil.example")],
        "",
    );
    let read = read.await;
    assert_eq!(read.status, 200);
    assert_eq!(read.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_name_that_is_not_the_workers_is_refused() {
    let serving = Serving::new(&[("ferrule.rest.allowed.hosts", "connect.example.com")]).await;
    for host in ["rebound.evil.example", "rebound.evil.example:8083", "evil"] {
        for (method, path) in [("GET", "/connectors"), ("POST", "/connectors/a/restart")] {
            let answer = serving.send(method, path, &[("Host", host)], "").await;
            answer.assert_error(403, "ferrule.rest.allowed.hosts");
        }
    }
    for host in ["localhost", "127.0.0.1:1", "connect.example.com:443"] {
        let answer = serving
            .send("GET", "/connectors", &[("Host", host)], "")
            .await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let absolute = serving
        .send("GET", "http://evil.example/connectors", &[], "")
        .await;
    absolute.assert_error(403, "evil.example");
}

#[tokio::test]
async fn pages_that_are_allowed_ask_and_are_told() {
    let settings = [
        ("access.control.allow.origin", "https://ui.example.com"),
        ("access.control.allow.methods", "GET,PUT"),
        (
            "response.http.headers.config",
            "set X-Frame-Options: DENY, \"add X-Many: a, b\"",
        ),
    ];
    let serving = Serving::new(&settings).await;
    serving.worker.create("a").await;
    let origin = ("Origin", "https://ui.example.com");
    let asks = [origin, ("Access-Control-Request-Method", "PUT")];
    let path = "/connectors/a/stop";
    let preflight = serving.send("OPTIONS", path, &asks, "").await;
    assert_eq!(preflight.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", "https://ui.example.com"),
        ("access-control-allow-methods", "GET,PUT"),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
        ("x-frame-options", "DENY"),
        ("x-many", "a, b"),
    ] {
        assert_eq!(preflight.header(name), Some(value), "{name}");
    }
    let cross = [origin, ("Sec-Fetch-Site", "cross-site")];
    let put = serving.send("PUT", path, &cross, "").await;
    assert_eq!(put.status, 204);
    assert_eq!(put.header("access-control-allow-origin"), Some(origin.1));
    let delete = serving.send("DELETE", "/connectors/a", &cross, "").await;
    delete.assert_error(403, "access.control.allow.methods");
    assert_eq!(delete.header("x-frame-options"), Some("DENY"));
    let foreign = [("Origin", "https://evil.example"), asks[1]];
    let foreign = serving.send("OPTIONS", path, &foreign, "").await;
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("access-control-allow-methods"), None);
    assert_eq!(foreign.header("allow"), Some("PUT,OPTIONS"));
    assert_eq!(foreign.status, 200);
}

/// The files of a worker with users, tokens and roles.
struct Protected {
    folder: tempfile::TempDir,
}

impl Protected {
    fn new() -> Self {
        let protected = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let users = protected.write("users", "ann=sesame\nbob=open\n");
        let module = "org.apache.kafka.connect.rest.basic.auth.extension.PropertyFileLoginModule";
        let jaas = format!("KafkaConnect {{ {module} required file=\"{users}\"; }};");
        protected.write("jaas", &jaas);
        protected.write("tokens", "ci=0123456789abcdef\n");
        let roles = "ann admin *\nbob view,x\n".replace("view,x", "view a*");
        protected.write("roles", &(roles + "bob operate a1\nci edit orders-*\n"));
        protected
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    async fn serve(&self) -> Serving {
        let (jaas, tokens, roles) = (self.path("jaas"), self.path("tokens"), self.path("roles"));
        let class =
            "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
        Serving::new(&[
            ("rest.extension.classes", class),
            ("java.security.auth.login.config", &jaas),
            ("ferrule.rest.tokens.file", &tokens),
            ("ferrule.rest.roles.file", &roles),
            ("ferrule.audit.topic", "audit"),
        ])
        .await
    }
}

/// `ann:sesame`, `bob:open`, `ann:open`.
const ANN: (&str, &str) = ("Authorization", "Basic YW5uOnNlc2FtZQ==");
const BOB: (&str, &str) = ("Authorization", "Basic Ym9iOm9wZW4=");
const WRONG: (&str, &str) = ("Authorization", "Basic YW5uOm9wZW4=");
const CI: (&str, &str) = ("Authorization", "Bearer 0123456789abcdef");

#[tokio::test]
async fn without_a_password_or_token_nothing_is_answered() {
    let serving = Protected::new().serve().await;
    for headers in [
        &[][..],
        &[WRONG],
        &[ANN, ANN],
        &[("Authorization", "Basic")],
        &[("Authorization", "Basic ====")],
        &[("Authorization", "Basic YW5u")],
        &[("Authorization", "Bearer 0123456789abcdee")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Digest YW5uOnNlc2FtZQ==")],
        &[("Authorization", "Basic MDEyMzQ1Njc4OWFiY2RlZg==")],
    ] {
        for path in [
            "/",
            "/health",
            "/metrics",
            "/connectors",
            "/connectors/",
            "/connectors/a/status",
            "/connector-plugins",
            "/admin/loggers",
            "/none",
        ] {
            let answer = serving.send("GET", path, headers, "").await;
            answer.assert_error(401, "User cannot access the resource.");
        }
    }
    let challenged = serving.get("/").await;
    assert_eq!(
        challenged.header("www-authenticate"),
        Some("Basic realm=\"Kafka Connect\"")
    );
    for headers in [ANN, BOB, CI, ("Authorization", "bearer  0123456789abcdef")] {
        assert_eq!(serving.send("GET", "/", &[headers], "").await.status, 200);
    }
}

#[tokio::test]
async fn each_does_what_their_role_says() {
    let serving = Protected::new().serve().await;
    for name in ["a1", "a2", "b1"] {
        serving.worker.create(name).await;
    }
    let json = ("Content-Type", "application/json");
    let create = json!({ "name": "orders-1", "config": config() }).to_string();
    let other = json!({ "name": "sales", "config": config() }).to_string();
    let config = config().to_string();
    let named = config.replacen('{', "{\"name\":\"sales\",", 1);
    let validate = "/connector-plugins/TestSink/config/validate";
    for (who, method, path, body, expect) in [
        (BOB, "GET", "/connectors/a1", "", 200),
        (BOB, "GET", "/connectors/a2/status", "", 200),
        (BOB, "GET", "/connectors/b1", "", 403),
        (BOB, "GET", "/connectors/%62%31", "", 403),
        (BOB, "GET", "/connectors/b1/", "", 403),
        (BOB, "HEAD", "/connectors/b1", "", 403),
        (BOB, "GET", "/connectors/none", "", 403),
        (BOB, "GET", "/connectors/a9", "", 404),
        (BOB, "PUT", "/connectors/a1/pause", "", 202),
        (BOB, "PUT", "/connectors/a1/stop", "", 204),
        (BOB, "PUT", "/connectors/a2/pause", "", 403),
        (BOB, "PUT", "/connectors/a2/topics/reset", "", 403),
        (BOB, "POST", "/connectors/a2/tasks/0/restart", "", 403),
        (BOB, "DELETE", "/connectors/a1", "", 403),
        (BOB, "DELETE", "/connectors/a1/offsets", "", 403),
        (BOB, "GET", "/connectors/a1/state", "", 403),
        (BOB, "PUT", "/connectors/a1/config", &config, 403),
        (BOB, "PATCH", "/connectors/a1/config", "{}", 403),
        (BOB, "PUT", validate, &config, 403),
        (BOB, "GET", "/metrics", "", 403),
        (BOB, "GET", "/admin/loggers", "", 403),
        (
            BOB,
            "PUT",
            "/admin/loggers/root",
            "{\"level\":\"OFF\"}",
            403,
        ),
        (CI, "POST", "/connectors", &create, 201),
        (CI, "POST", "/connectors", &other, 403),
        (CI, "PUT", "/connectors/sales/config", &config, 403),
        (CI, "PUT", validate, &config, 200),
        (CI, "PUT", validate, &named, 403),
        (CI, "PUT", "/connectors/orders-1/stop", "", 204),
        (CI, "DELETE", "/connectors/orders-1", "", 204),
        (ANN, "GET", "/metrics", "", 200),
        (ANN, "GET", "/admin/loggers", "", 200),
        (ANN, "DELETE", "/connectors/b1", "", 204),
    ] {
        let answer = serving.send(method, path, &[json, who], body).await;
        assert_eq!(answer.status, expect, "{who:?} {method} {path}: {answer:?}");
    }
    let refused = serving.send("DELETE", "/connectors/a1", &[BOB], "").await;
    refused.assert_error(403, "bob lacks the role edit on the connector a1");
    for (query, expect) in [("", json!(["a1", "a2"])), ("?expand=info", json!(null))] {
        let path = format!("/connectors{query}");
        let list = serving.send("GET", &path, &[BOB], "").await.json();
        match expect.is_null() {
            false => assert_eq!(list, expect),
            true => assert_eq!(list.as_object().unwrap().len(), 2),
        }
    }
    let list = serving.send("GET", "/connectors", &[CI], "").await;
    assert_eq!(list.json(), json!([]));
    serving.worker.herder.shutdown().await;
}

#[tokio::test]
async fn the_audit_log_tells_who_changed_which_keys() {
    let mut serving = Protected::new().serve().await;
    let mut lines = serving.audit.take().unwrap();
    let headers = [("Content-Type", "application/json"), ANN];
    let mut config = config();
    config["password"] = json!("canary");
    let body = json!({ "name": "a", "config": config, "initial_state": "STOPPED" });
    serving
        .send("POST", "/connectors", &headers, &body.to_string())
        .await;
    let patch = json!({ "password": "canary2", "url": "x", "new": "1" }).to_string();
    serving
        .send("PATCH", "/connectors/a/config", &headers, &patch)
        .await;
    let mut fewer = config.clone();
    fewer.as_object_mut().unwrap().remove("tasks.max");
    serving
        .send("PUT", "/connectors/a/config", &headers, &fewer.to_string())
        .await;
    serving.send("GET", "/connectors/a", &[ANN], "").await;
    serving.send("DELETE", "/connectors/a", &[BOB], "").await;
    serving.send("GET", "/connectors/a", &[WRONG], "").await;
    let mut seen = Vec::new();
    while let Ok(line) = lines.try_recv() {
        assert!(!line.to_string().contains("canary"), "{line}");
        let address = line["address"].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:"), "{line}");
        assert!(line["time"].is_u64());
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let changed = line["changed"].as_array().cloned().unwrap_or_default();
        let mut changed: Vec<String> = changed
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        changed.sort_unstable();
        seen.push(format!(
            "{} {} {} {} [{}] {}",
            text("principal"),
            text("method"),
            text("path"),
            text("connector"),
            changed.join(" "),
            line["status"],
        ));
    }
    let created = "connector.class name password tasks.max topics url";
    assert_eq!(
        seen,
        [
            format!("ann POST /connectors a [{created}] 201"),
            "ann PATCH /connectors/a/config a [new password] 200".into(),
            "ann PUT /connectors/a/config a [new password tasks.max] 200".into(),
            "bob DELETE /connectors/a a [] 403".into(),
            " GET /connectors/a  [] 401".into(),
        ]
    );
    serving.worker.herder.shutdown().await;
}

#[tokio::test]
async fn admin_has_listeners_of_its_own_or_none() {
    let own = ("admin.listeners", "http://127.0.0.1:0");
    let serving = Serving::new(&[own]).await;
    for (listener, path, status) in [
        (0, "/admin/loggers", 404),
        (0, "/admin/loggers/root", 404),
        (0, "/connectors", 200),
        (1, "/admin/loggers", 200),
        (1, "/admin/loggers/root", 200),
        (1, "/connectors", 404),
        (1, "/", 404),
    ] {
        let answer = serving.get_from(listener, path).await;
        assert_eq!(answer.status, status, "{listener} {path}");
    }
    let off = Serving::new(&[("admin.listeners", "")]).await;
    assert_eq!(off.addresses.len(), 1);
    assert_eq!(off.get("/admin/loggers").await.status, 404);
    assert_eq!(off.get("/connectors").await.status, 200);
    let shared = Serving::new(&[]).await;
    assert_eq!(shared.get("/admin/loggers").await.status, 200);
}
