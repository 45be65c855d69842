//! What a request may be at most, and how errors look.

use serde_json::json;

use super::config;
use super::wire::Serving;

#[tokio::test]
async fn names_have_an_end_and_no_control_characters() {
    let serving = Serving::new(&[]).await;
    let create = |name: String| json!({ "name": name, "config": config() });
    for (name, part) in [
        ("x".repeat(250), "249"),
        ("x".repeat(100_000), "249"),
        ("a\u{1b}[2J".to_owned(), "control sequences"),
        ("a\0b".to_owned(), "control sequences"),
        ("a\nb".to_owned(), "control sequences"),
        ("a\u{85}b".to_owned(), "control sequences"),
    ] {
        let post = serving.json("POST", "/connectors", &create(name)).await;
        post.assert_error(400, part);
    }
    for path in [
        format!("/connectors/{}/config", "x".repeat(250)),
        "/connectors/a%00b/config".to_owned(),
        "/connectors/a%0d%0ab/config".to_owned(),
    ] {
        let put = serving.json("PUT", &path, &config()).await;
        put.assert_error(400, "configuration name");
    }
    let most = create("x".repeat(249));
    assert_eq!(serving.json("POST", "/connectors", &most).await.status, 201);
    serving.worker.herder.shutdown().await;
}

#[tokio::test]
async fn keys_of_a_config_have_an_end() {
    let serving = Serving::new(&[]).await;
    let mut long = config();
    long["k".repeat(501)] = json!("v");
    let mut odd = config();
    odd["a\u{1}"] = json!("v");
    let mut many = config();
    for number in 0..5000 {
        many[format!("k{number}")] = json!("v");
    }
    for (body, part) in [(long, "500"), (odd, "control"), (many, "2000")] {
        let put = serving.json("PUT", "/connectors/a/config", &body).await;
        put.assert_error(400, part);
        let path = "/connector-plugins/TestSink/config/validate";
        serving
            .json("PUT", path, &body)
            .await
            .assert_error(400, part);
    }
}

#[tokio::test]
async fn paths_and_queries_have_an_end() {
    let serving = Serving::new(&[]).await;
    let long = "x".repeat(9000);
    for path in [
        format!("/connectors/{long}"),
        format!("/connectors?expand={long}"),
    ] {
        serving.get(&path).await.assert_error(414, "8192");
    }
    let again = "expand=info&".repeat(600);
    let list = serving.get(&format!("/connectors?{again}")).await;
    assert_eq!((list.status, list.json()), (200, json!({})));
}

#[tokio::test]
async fn errors_are_json_wherever_they_arise() {
    let serving = Serving::new(&[]).await;
    for (method, path, status) in [
        ("GET", "/none/such", 404),
        ("GET", "/connectors/none", 404),
        ("POST", "/", 405),
        // Not UTF-8: the router's own error.
        ("GET", "/connectors/%ff", 400),
        ("PUT", "/connectors/%ff/pause", 400),
        ("GET", "/admin/loggers/none", 404),
    ] {
        serving
            .send(method, path, &[], "")
            .await
            .assert_error(status, "");
    }
}

#[tokio::test]
async fn loggers_have_names_and_a_number() {
    let serving = Serving::new(&[]).await;
    let level = json!({ "level": "INFO" });
    for name in ["a%20b", "a=b", "a,b", "%1b[31m", "ferrule::audit", "a::"] {
        let path = format!("/admin/loggers/{name}");
        serving
            .json("PUT", &path, &level)
            .await
            .assert_error(400, "logger");
    }
    let mut refused = false;
    for number in 0..200 {
        let path = format!("/admin/loggers/module{number}");
        refused |= serving.json("PUT", &path, &level).await.status == 400;
    }
    assert!(refused);
    let all = serving.get("/admin/loggers").await.json();
    assert!(all.as_object().unwrap().len() <= 128);
}

#[tokio::test]
async fn bodies_need_a_type_and_have_an_end() {
    let serving = Serving::new(&[]).await;
    let body = json!({ "name": "a", "config": config() }).to_string();
    for headers in [
        &[][..],
        &[("Content-Type", "")],
        &[("Content-Type", "text/plain")],
        &[("Content-Type", "text/plain; charset=application/json")],
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &[("Content-Type", "multipart/form-data; boundary=x")],
        &[("Content-Type", "application/jsonx")],
        &[("Accept", "application/json")],
    ] {
        let text = "HTTP 415 Unsupported Media Type";
        let post = serving.send("POST", "/connectors", headers, &body).await;
        post.assert_error(415, text);
        let put = serving
            .send("PUT", "/connectors/a/config", headers, &body)
            .await;
        put.assert_error(415, text);
        // Also where a body has no meaning.
        let pause = serving
            .send("PUT", "/connectors/a/pause", headers, "x")
            .await;
        pause.assert_error(415, text);
    }
    assert_eq!(serving.get("/connectors").await.json(), json!([]));
    // Clients send such requests, and they are meant.
    let restart = serving.send("POST", "/connectors/a/restart", &[], "").await;
    restart.assert_error(404, "");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let headers = [("Content-Type", "application/json")];
    let post = serving.send("POST", "/connectors", &headers, &long).await;
    post.assert_error(413, "larger than");
    // The same without a length that tells.
    let chunked = [headers[0], ("Transfer-Encoding", "chunked")];
    let chunks = format!("100001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10_0001));
    let stream = tokio::net::TcpStream::connect(serving.address()).await;
    let head = super::wire::request("POST", "/connectors", "localhost", &chunked, "");
    let post = super::wire::exchange(stream.unwrap(), &(head + &chunks)).await;
    post.assert_error(413, "larger than");
}
