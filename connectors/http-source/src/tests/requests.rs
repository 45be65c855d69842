//! Requests: what they become, how they are refused, and their keys.

use std::time::{Duration, Instant};

use connect_api::{Connector as _, Value};

use super::*;
use crate::HttpSourceConnector;
use crate::memory::{Memory, Taken};
use crate::rate::Rate;
use crate::response::Place;

#[tokio::test]
async fn a_request_is_answered_once_kafka_has_its_record() {
    let mut stage = Stage::new(&[("key.field", "vehicle.id")]).await;
    let mut sent = send(
        &stage.address,
        &post(r#"{"vehicle": {"id": "v1"}, "n": 1}"#),
    );
    let record = stage.poll().await.remove(0);
    assert_eq!(record.record.key.value, Value::from("v1"));
    assert_eq!(&*record.record.topic, "events");
    let waiting = tokio::time::timeout(Duration::from_millis(100), &mut sent).await;
    assert!(waiting.is_err(), "answered before Kafka has acknowledged");
    stage.acknowledge(&record).unwrap();
    let answer = sent.await.unwrap();
    assert_eq!(
        (status(&answer), body(&answer)),
        ("202", r#"{"status":"queued"}"#)
    );
    stage.task.stop().await;
    assert!(TcpStream::connect(&stage.address).await.is_err());
}

#[tokio::test]
async fn the_answer_is_the_users() {
    let options = [
        ("http.response.status", "201"),
        (
            "http.response.body",
            r#"{"at":"{{topic}}/{{partition}}/{{offset}}"}"#,
        ),
    ];
    let mut stage = Stage::new(&options).await;
    let answer = stage.taken(&post("{}")).await;
    assert_eq!(
        (status(&answer), body(&answer)),
        ("201", r#"{"at":"events/2/40"}"#)
    );
}

#[tokio::test]
async fn what_cannot_be_a_record_is_refused_before_kafka() {
    let options = [
        ("http.max.body.bytes", "50"),
        ("key.field", "id"),
        (
            "value.schema",
            r#"{"properties": {"domain": {"enum": ["AIR"]}}}"#,
        ),
    ];
    let mut stage = Stage::new(&options).await;
    let long = format!(r#"{{"id": "{}"}}"#, "x".repeat(50));
    let chunked = "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \
                   application/json\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n";
    let chunked = format!("{chunked}{}\r\n0\r\n\r\n", " ".repeat(64));
    for (request, code, part) in [
        (post(&long), "413", "larger than 50 bytes"),
        (chunked, "413", "larger than 50 bytes"),
        (post("[1]"), "400", "must be a JSON object"),
        (post(""), "400", "must be a JSON object"),
        (post("{\"id\": "), "400", "not valid JSON"),
        (post("{} {}"), "400", "not valid JSON"),
        (post("{}"), "400", r#""field":"id","reason":"is required"#),
        (post(r#"{"id": 1.5}"#), "400", r#""field":"id""#),
        (
            post(r#"{"id": 1, "domain": "SEA"}"#),
            "400",
            r#""field":"domain","reason":"must be"#,
        ),
        (
            post("{}").replace("application/json", "text/plain"),
            "415",
            "application/json",
        ),
        (
            post_with("Content-Encoding: gzip\r\n", "{}"),
            "415",
            "Content-Encoding",
        ),
        (post("{}").replace("POST", "GET"), "405", "no such method"),
        (
            post("{}").replace("/events", "/other"),
            "404",
            "no connector",
        ),
        (
            post_with("Idempotency-Key: a b\r\n", "{}"),
            "400",
            "Idempotency-Key",
        ),
    ] {
        let answer = stage.refused(&request).await;
        assert_eq!(status(&answer), code, "{request}: {answer}");
        assert!(body(&answer).contains(part), "{request}: {answer}");
        assert!(!answer.contains("SEA"), "a value is told: {answer}");
    }
}

#[tokio::test]
async fn malformed_json_is_refused_where_nothing_looks_at_it_before() {
    let mut stage = Stage::new(&[]).await;
    for text in ["{\"a\": }", "{\"a\": 1", "{} x", "{\"a\": [1,}"] {
        let answer = stage.refused(&post(text)).await;
        assert_eq!(status(&answer), "400", "{text}: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_behind_the_task_is_told_with_field_and_reason() {
    let mut stage = Stage::new(&[]).await;
    let sent = send(&stage.address, &post("{}"));
    let record = stage.poll().await.remove(0);
    let error = refusal("must be AIR");
    stage
        .settle(&record, RecordOutcome::Failed(&error))
        .unwrap();
    let answer = sent.await.unwrap();
    let expect = r#"{"error":"domain: must be AIR","field":"domain","reason":"must be AIR"}"#;
    assert_eq!((status(&answer), body(&answer)), ("400", expect));
    let sent = send(&stage.address, &post("{}"));
    let record = stage.poll().await.remove(0);
    stage.settle(&record, RecordOutcome::Dropped).unwrap();
    let answer = sent.await.unwrap();
    assert_eq!(
        (status(&answer), body(&answer)),
        ("202", r#"{"status":"dropped"}"#)
    );
}

#[tokio::test]
async fn kafka_that_is_away_is_told_in_time_and_nothing_more_is_taken() {
    let options = [
        ("http.response.timeout.ms", "200"),
        ("http.unavailable.status", "500"),
        ("http.retry.after.seconds", "7"),
    ];
    let mut stage = Stage::new(&options).await;
    let sent = send(&stage.address, &post("{}"));
    let record = stage.poll().await.remove(0);
    let answer = sent.await.unwrap();
    assert_eq!(status(&answer), "500", "{answer}");
    assert!(answer.contains("retry-after: 7"), "{answer}");
    let health = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let down = send(&stage.address, health).await.unwrap();
    assert_eq!(status(&down), "503", "{down}");
    let next = stage.refused(&post("{}")).await;
    assert_eq!(status(&next), "500", "{next}");
    stage.acknowledge(&record).unwrap();
    assert_eq!(status(&stage.taken(&post("{}")).await), "202");
    let up = send(&stage.address, health).await.unwrap();
    assert_eq!(status(&up), "200", "{up}");
}

#[tokio::test]
async fn floods_are_held_back() {
    let mut stage = Stage::new(&[("http.max.in.flight.requests", "1")]).await;
    let first = send(&stage.address, &post("{}"));
    let record = stage.poll().await.remove(0);
    let second = stage.refused(&post("{}")).await;
    assert_eq!(status(&second), "503");
    assert!(second.contains("retry-after: 1"), "{second}");
    stage.acknowledge(&record).unwrap();
    assert_eq!(status(&first.await.unwrap()), "202");

    let mut stage = Stage::new(&[("http.rate.limit", "1")]).await;
    assert_eq!(status(&stage.taken(&post("{}")).await), "202");
    let second = stage.refused(&post("{}")).await;
    assert_eq!(status(&second), "429", "{second}");
    assert!(second.contains("retry-after: 1"), "{second}");
}

#[tokio::test]
async fn a_key_is_written_once_also_while_the_first_is_on_its_way() {
    let mut stage = Stage::new(&[]).await;
    let request = post_with("Idempotency-Key: k1\r\n", r#"{"n": 1}"#);
    let first = send(&stage.address, &request);
    let record = stage.poll().await.remove(0);
    assert_eq!(&*record.own_headers[0].name, "idempotency-key");
    assert_eq!(record.own_headers[0].value.value, Value::from("k1"));
    let second = send(&stage.address, &request);
    let polled = stage.task.poll().await.unwrap();
    assert!(polled.is_empty(), "written again");
    stage.acknowledge(&record).unwrap();
    for sent in [first, second] {
        assert_eq!(status(&sent.await.unwrap()), "202");
    }
    let third = stage.refused(&request).await;
    assert_eq!(status(&third), "202");
    assert!(third.contains("idempotency-replayed: true"), "{third}");
    // A refusal is not remembered.
    let other = post_with("Idempotency-Key: k2\r\n", "{}");
    let sent = send(&stage.address, &other);
    let record = stage.poll().await.remove(0);
    let error = refusal("no");
    stage
        .settle(&record, RecordOutcome::Failed(&error))
        .unwrap();
    assert_eq!(status(&sent.await.unwrap()), "400");
    assert_eq!(status(&stage.taken(&other).await), "202");
}

#[tokio::test]
async fn a_key_belongs_to_one_body() {
    let mut stage = Stage::new(&[]).await;
    let with = |body: &str| post_with("Idempotency-Key: k1\r\n", body);
    let first = send(&stage.address, &with(r#"{"n": 1}"#));
    let record = stage.poll().await.remove(0);
    let other = [r#"{"n": 2}"#, r#"{"n":1}"#, r#"{"n": 1} "#];
    let expect = r#""field":"Idempotency-Key","reason":"belongs to a request with another body""#;
    // While the first one is on its way, and once it is in Kafka.
    for _ in 0..2 {
        for body_of in other {
            let answer = stage.refused(&with(body_of)).await;
            assert_eq!(status(&answer), "422", "{body_of}: {answer}");
            assert!(body(&answer).contains(expect), "{answer}");
        }
        stage.acknowledge(&record).unwrap();
    }
    assert_eq!(status(&first.await.unwrap()), "202");
    let again = stage.refused(&with(r#"{"n": 1}"#)).await;
    assert!(again.contains("idempotency-replayed: true"), "{again}");
    // What was refused, or dropped, is corrected under the same key.
    let corrected = post_with("Idempotency-Key: k2\r\n", r#"{"n": "2"}"#);
    let sent = send(&stage.address, &corrected);
    let record = stage.poll().await.remove(0);
    stage
        .settle(&record, RecordOutcome::Failed(&refusal("no")))
        .unwrap();
    assert_eq!(status(&sent.await.unwrap()), "400");
    let corrected = post_with("Idempotency-Key: k2\r\n", r#"{"n": 2}"#);
    assert_eq!(status(&stage.taken(&corrected).await), "202");
}

#[tokio::test]
async fn the_body_of_a_key_is_known_from_the_topic() {
    let mut stage = Stage::new(&[]).await;
    let old = post_with("Idempotency-Key: old\r\n", r#"{"n": 1}"#);
    let sent = send(&stage.address, &old);
    let record = stage.poll().await.remove(0);
    stage.acknowledge(&record).unwrap();
    assert_eq!(status(&sent.await.unwrap()), "202");
    let [key, print] = &record.own_headers[..] else {
        panic!("{:?}", record.own_headers);
    };
    assert_eq!(
        (&*key.name, &*print.name),
        ("idempotency-key", "idempotency-fingerprint")
    );
    let Value::String(print) = &print.value.value else {
        panic!("{print:?}");
    };
    // `printf '{"n": 1}' | sha256sum | head -c 32`
    assert_eq!(&**print, "e5d5f7c1d225fd6b13623ebb1b5b9d07");
    let known = [("old", Some(&**print)), ("older", None), ("odd", Some("x"))];
    let mut next = Stage::after(&[], &known).await;
    assert_eq!(status(&next.refused(&old).await), "202");
    let other = |key: &str| post_with(&format!("Idempotency-Key: {key}\r\n"), r#"{"n": 2}"#);
    assert_eq!(status(&next.refused(&other("old")).await), "422");
    // Of records without it, only the key is known.
    assert_eq!(status(&next.refused(&other("older")).await), "202");
    assert_eq!(status(&next.refused(&other("odd")).await), "202");
}

#[tokio::test]
async fn what_waits_for_kafka_is_told_so_whatever_the_rate() {
    let options = [("http.rate.limit", "1"), ("http.retry.after.seconds", "7")];
    let mut stage = Stage::starting(&options).await;
    for wrong in ["", "Content-Encoding: gzip\r\n", "Idempotency-Key: a b\r\n"] {
        for _ in 0..5 {
            let answer = send(&stage.address, &post_with(wrong, "{}")).await.unwrap();
            assert_eq!(status(&answer), "503", "{answer}");
            assert!(answer.contains("retry-after: 7"), "{answer}");
        }
    }
    // None of them counts for the rate.
    stage.task.read_back(&Written(Vec::new())).await.unwrap();
    assert_eq!(status(&stage.taken(&post("{}")).await), "202");
    let health = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stage.task.give_up(&Error::retriable("lost"));
    assert_eq!(status(&send(&stage.address, health).await.unwrap()), "503");
    for _ in 0..3 {
        let answer = send(&stage.address, &post("{}")).await.unwrap();
        assert_eq!(status(&answer), "503", "{answer}");
    }
}

#[tokio::test]
async fn keys_at_the_end_of_the_topic_are_known() {
    let mut stage = Stage::after(&[("idempotency.key", "required")], &[("old", None)]).await;
    let again = post_with("Idempotency-Key: old\r\n", "{}");
    assert_eq!(status(&stage.refused(&again).await), "202");
    assert_eq!(status(&stage.refused(&post("{}")).await), "400");
    // Given up, a request may be in Kafka or not: only the topic tells.
    let new = post_with("Idempotency-Key: new\r\n", "{}");
    let sent = send(&stage.address, &new);
    let record = stage.poll().await.remove(0);
    stage.task.give_up(&Error::retriable("lost"));
    assert_eq!(status(&sent.await.unwrap()), "503");
    let refused = send(&stage.address, &new).await.unwrap();
    assert_eq!(status(&refused), "503", "{refused}");
    stage
        .task
        .read_back(&Written(vec![("new".into(), None)]))
        .await
        .unwrap();
    assert_eq!(status(&stage.refused(&new).await), "202");
    drop(record);
}

#[tokio::test]
async fn a_transform_under_which_keys_would_be_lost_fails_the_task() {
    let mut stage = Stage::new(&[]).await;
    let sent = send(&stage.address, &post_with("Idempotency-Key: k\r\n", "{}"));
    let mut record = stage.poll().await.remove(0);
    record.record.topic = "elsewhere".into();
    let error = stage.acknowledge(&record).unwrap_err().to_string();
    assert!(error.contains("idempotency.key=ignored"), "{error}");
    assert_eq!(status(&sent.await.unwrap()), "202");
}

#[tokio::test]
async fn tokens_and_pages_are_checked() {
    let options = [
        ("http.bearer.tokens", "one,two"),
        ("access.control.allow.origin", "https://ui.example.com"),
    ];
    let mut stage = Stage::new(&options).await;
    for token in [
        "",
        "Authorization: Bearer three\r\n",
        "Authorization: Basic two\r\n",
    ] {
        let answer = stage.refused(&post_with(token, "{}")).await;
        assert_eq!(status(&answer), "401", "{token}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    let good = "Authorization: bearer two\r\nOrigin: https://ui.example.com\r\n";
    let answer = stage.taken(&post_with(good, "{}")).await;
    assert_eq!(status(&answer), "202");
    assert!(answer.contains("access-control-allow-origin: https://ui.example.com"));
    for (origin, code) in [
        ("https://ui.example.com", "200"),
        ("https://evil.net", "403"),
    ] {
        let asks = format!(
            "OPTIONS /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\r\n"
        );
        assert_eq!(status(&stage.refused(&asks).await), code, "{origin}");
    }
}

#[tokio::test]
async fn two_connectors_share_a_listener_but_no_path() {
    let first = Stage::new(&[]).await;
    let context = SourceTaskContext {
        connector: "other".into(),
        ..SourceTaskContext::default()
    };
    let other = |options: &[(&str, &str)]| {
        let mut all = vec![("http.listener", first.address.as_str())];
        all.extend(options);
        HttpSourceTask::new(Settings::new(&config(&all)).unwrap(), &context)
    };
    let error = other(&[]).start(&Nothing).await.unwrap_err().to_string();
    assert!(error.contains("taken by connector test"), "{error}");
    let more = [("http.path", "/more"), ("http.max.connections", "5")];
    let error = other(&more).start(&Nothing).await.unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
    let own = [("http.path", "/more"), ("http.unavailable.status", "500")];
    let mut second = other(&own);
    second.start(&Nothing).await.unwrap();
    let health = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = send(&first.address, health).await.unwrap();
    assert_eq!(status(&answer), "503");
    let one = health.replace("/health", "/health?connector=test");
    assert_eq!(status(&send(&first.address, &one).await.unwrap()), "200");
    second.stop().await;
    assert_eq!(status(&send(&first.address, health).await.unwrap()), "200");
    // Its clients may try again; those of a path that never was need not.
    let more = |path: &str| post("{}").replace("/events", path);
    let left = send(&first.address, &more("/more")).await.unwrap();
    assert_eq!(status(&left), "500", "{left}");
    assert!(left.contains("retry-after: 1"), "{left}");
    for path in ["/more/than", "/none"] {
        let answer = send(&first.address, &more(path)).await.unwrap();
        assert_eq!(status(&answer), "404", "{answer}");
    }
    // Back with another path, it has none but that.
    let mut third = other(&[("http.path", "/other")]);
    third.start(&Nothing).await.unwrap();
    for (path, code) in [("/other", "503"), ("/more", "404")] {
        let answer = send(&first.address, &more(path)).await.unwrap();
        assert_eq!(status(&answer), code, "{path}: {answer}");
    }
}

#[test]
fn memory_is_bounded_and_forgets_by_time() {
    let place = Place {
        partition: 0,
        offset: 1,
    };
    let taken = |at| Taken {
        at,
        place,
        fingerprint: None,
    };
    let mut memory = Memory::new(Duration::from_secs(10), 2);
    memory.insert("a".into(), taken(1_000));
    assert_eq!(memory.find("a", 11_000), Some(taken(1_000)));
    assert_eq!(memory.room(0, 11_000), Ok(()));
    memory.insert("b".into(), taken(5_000));
    assert_eq!(memory.room(0, 6_000), Err(6));
    assert_eq!(memory.find("a", 11_001), None);
    assert_eq!(
        (memory.room(0, 11_001), memory.room(1, 11_001)),
        (Ok(()), Err(4))
    );
    memory.clear();
    assert_eq!(memory.find("b", 5_000), None);
}

#[test]
fn a_rate_holds_over_time() {
    let start = Instant::now();
    let mut rate = Rate::new(2, start);
    assert!(rate.take(start).is_ok() && rate.take(start).is_ok());
    assert_eq!(rate.take(start), Err(Duration::from_millis(500)));
    let later = start + Duration::from_secs(60);
    let taken = (0..10).filter(|_| rate.take(later).is_ok()).count();
    assert_eq!(taken, 2);
}

#[test]
fn only_keys_make_it_exactly_once_and_keep_it_to_one_task() {
    use connect_api::{ExactlyOnceSupport, SourceConnector as _};
    let connector = HttpSourceConnector::new();
    for (word, tasks, support) in [
        ("ignored", 3, ExactlyOnceSupport::Unsupported),
        ("optional", 1, ExactlyOnceSupport::Unsupported),
        ("required", 1, ExactlyOnceSupport::Supported),
    ] {
        let options = [("idempotency.key", word)];
        assert_eq!(connector.exactly_once_support(&config(&options)), support);
        let options = [
            ("idempotency.key", word),
            ("topic", "t"),
            ("http.path", "/p"),
        ];
        let properties = options.map(|(k, v)| (k.to_owned(), v.to_owned()));
        let configs = connector.task_configs(&Properties::from(properties), 3);
        assert_eq!(configs.unwrap().len(), tasks);
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let connector = HttpSourceConnector::new();
    for (options, part) in [
        (
            &[("ssl.client.auth", "required")][..],
            "does not begin with https",
        ),
        (&[("http.listener", "https://:1")], "ssl.keystore"),
        (&[("header.converter", "JsonConverter")], "Idempotency-Key"),
        (
            &[("value.schema", "{}"), ("value.schema.file", "/dev/null")],
            "",
        ),
        (&[("http.path", "/a/{b}")], "braces"),
        (&[("http.path", "/health")], "listener's own"),
    ] {
        let mut properties = Properties::from(
            [("topic", "t"), ("http.path", "/p")].map(|(k, v)| (k.to_owned(), v.to_owned())),
        );
        properties.extend(options.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        let mut values = connector.config_def().validate(&properties);
        connector.validate(&properties, &mut values);
        let errors: Vec<&String> = values.iter().flat_map(|value| &value.errors).collect();
        assert!(
            errors.iter().any(|error| error.contains(part)),
            "{options:?}: {errors:?}"
        );
    }
}
