//! Tests of the registry's answers, against one that answers what each test says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use connect_api::{Converter, Datum, ErrorKind, Properties, RecordPart, Value};

use schema_registry_converter::async_impl::schema_registry::{SrSettings, get_schema_by_id};

use super::options::URL;
use crate::ConverterContext;
use crate::avro::TYPE;

mod oauth;
mod tls;
mod write;

/// A registry that answers one request after another: status, and body. What it was asked is sent.
pub(crate) fn registry(answers: Vec<(u16, String)>) -> (String, mpsc::Receiver<String>) {
    let answers = answers.into_iter();
    registry_with(
        answers
            .map(|(status, body)| (format!("{status} X"), body))
            .collect(),
    )
}

/// The same, with the whole of the status line and headers.
fn registry_with(answers: Vec<(String, String)>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                request.push(byte[0]);
            }
            let mut body_sent = vec![0; length(&request)];
            stream.read_exact(&mut body_sent).unwrap();
            request.extend(body_sent);
            asked.send(String::from_utf8(request).unwrap()).unwrap();
            let size = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {size}\r\nconnection: close");
            // The client may have heard enough.
            let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
        }
    });
    (url, requests)
}

/// The length of a request's body, by its head.
fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let line = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    line.map_or(0, |length| length.parse().unwrap())
}

pub(crate) struct Fixture {
    /// Dropped last: the converter blocks on it.
    runtime: tokio::runtime::Runtime,
    class: &'static str,
    options: Properties,
}

impl Fixture {
    fn new(url: &str) -> Self {
        Self::of(TYPE.class, url)
    }

    pub(crate) fn of(class: &'static str, url: &str) -> Self {
        Self {
            class,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
            options: Properties::from([(URL.to_owned(), url.to_owned())]),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.options.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn build(&self) -> connect_api::Result<Box<dyn Converter>> {
        let context = ConverterContext {
            runtime: self.runtime.handle().clone(),
            part: RecordPart::Value,
        };
        crate::build(self.class, &self.options, &context)
    }
}

fn schema(text: &str) -> (u16, String) {
    (200, serde_json::json!({"schema": text}).to_string())
}

pub(crate) fn framed(id: u8, payload: &[u8]) -> Bytes {
    [&[0, 0, 0, 0, id], payload].concat().into()
}

#[test]
fn ids_are_asked_for_once() {
    let (url, requests) = registry(vec![schema("\"int\""), schema("\"string\"")]);
    let fixture = Fixture::new(&format!("{url}/"));
    let mut converter = fixture.build().unwrap();
    let mut read = |id, payload: &[u8]| {
        converter
            .to_connect_data("topic", Some(&framed(id, payload)))
            .unwrap()
            .value
    };
    for _ in 0..2 {
        assert_eq!(read(1, &[14]), Value::Int(7));
        assert_eq!(read(2, &[2, b'x']), Value::from("x"));
    }
    let asked: Vec<_> = requests.try_iter().collect();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].starts_with("GET /schemas/ids/1?"), "{}", asked[0]);
    assert_eq!(
        converter.to_connect_data("topic", None).unwrap(),
        Datum::NULL
    );
}

#[test]
fn bytes_without_a_frame_are_refused() {
    let fixture = Fixture::new("http://127.0.0.1:9");
    let mut converter = fixture.build().unwrap();
    for (bytes, expect) in [
        (
            &b""[..],
            "0 bytes are too few for a magic byte and a schema id",
        ),
        (
            &[0, 0, 0, 1],
            "4 bytes are too few for a magic byte and a schema id",
        ),
        (
            b"{\"a\":1}",
            "Unknown magic byte! It is no Avro of a Schema Registry",
        ),
        (
            b"{}",
            "Unknown magic byte! It is no Avro of a Schema Registry",
        ),
    ] {
        let error = converter
            .to_connect_data("topic", Some(&Bytes::copy_from_slice(bytes)))
            .unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Data, expect)
        );
    }
}

#[test]
fn each_answer_has_its_kind() {
    let error = |code: u32| format!(r#"{{"error_code":{code},"message":"secret"}}"#);
    for (status, body, kind) in [
        // Someone may register it; it is asked again before a record is blamed.
        (404, error(40403), ErrorKind::Retriable),
        (404, error(40401), ErrorKind::Retriable),
        (404, "<html>no such page</html>".into(), ErrorKind::Config),
        (404, error(404), ErrorKind::Config),
        (401, error(401), ErrorKind::Config),
        (403, String::new(), ErrorKind::Config),
        (400, error(400), ErrorKind::Config),
        (408, String::new(), ErrorKind::Retriable),
        (429, error(42900), ErrorKind::Retriable),
        (500, error(50001), ErrorKind::Retriable),
        (502, "bad gateway".into(), ErrorKind::Retriable),
        (503, error(503), ErrorKind::Retriable),
        (200, "no JSON".into(), ErrorKind::Retriable),
        (
            200,
            r#"{"schema":"{}","schemaType":"JSON"}"#.into(),
            ErrorKind::Data,
        ),
        (200, r#"{"schema":"{}"}"#.into(), ErrorKind::Data),
    ] {
        let (url, _requests) = registry(vec![(status, body.clone())]);
        let fixture = Fixture::new(&url);
        let mut converter = fixture.build().unwrap();
        let error = converter
            .to_connect_data("topic", Some(&framed(9, &[0])))
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}: {error}");
        let told = error.chain();
        assert!(told.starts_with("schema id 9: "), "{told}");
        assert!(
            !told.contains("secret") && !told.contains("127.0.0.1"),
            "{told}"
        );
        // A schema that is no Avro stays none; anything else is asked for again.
        let again = converter
            .to_connect_data("topic", Some(&framed(9, &[0])))
            .unwrap_err();
        let expect = if kind == ErrorKind::Data {
            ErrorKind::Data
        } else {
            ErrorKind::Retriable
        };
        assert_eq!(again.kind(), expect, "{status} {body}");
    }
}

#[test]
fn a_registry_that_is_away_is_tried_again() {
    let fixture = Fixture::new("http://user:secret@127.0.0.1:9");
    let mut converter = fixture.build().unwrap();
    let error = converter
        .to_connect_data("topic", Some(&framed(1, &[0])))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    let expect = "schema id 1: the Schema Registry does not answer: connection refused";
    assert_eq!(error.chain(), expect);

    let (url, _requests) = registry(vec![schema("\"int\"")]);
    let fixture = Fixture::new(&format!("http://127.0.0.1:9,{url}"));
    let mut converter = fixture.build().unwrap();
    let datum = converter
        .to_connect_data("topic", Some(&framed(1, &[2])))
        .unwrap();
    assert_eq!(datum.value, Value::Int(1));
}

#[test]
fn credentials_are_sent() {
    let basic = "authorization: Basic dXNlcjpwYTpzcw==";
    let source = ("basic.auth.credentials.source", "USER_INFO");
    for (in_url, options, expect) in [
        (
            "",
            vec![source, ("basic.auth.user.info", "user:pa:ss")],
            basic,
        ),
        (
            "",
            vec![
                source,
                ("schema.registry.basic.auth.user.info", "user:pa:ss"),
            ],
            basic,
        ),
        ("user:pa%3Ass@", vec![], basic),
        (
            "",
            vec![
                ("bearer.auth.credentials.source", "STATIC_TOKEN"),
                ("bearer.auth.token", "t"),
            ],
            "authorization: Bearer t",
        ),
    ] {
        let (url, requests) = registry(vec![schema("\"int\"")]);
        let url = url.replace("//", &format!("//{in_url}"));
        let fixture = options
            .iter()
            .fold(Fixture::new(&url), |f, (name, value)| f.with(name, value));
        let mut converter = fixture.build().unwrap();
        converter
            .to_connect_data("topic", Some(&framed(1, &[2])))
            .unwrap();
        let request = requests.recv().unwrap();
        assert!(request.contains(expect), "{request}");
    }
    let fixture = Fixture::new("http://localhost").with(source.0, source.1);
    assert_eq!(fixture.build().err().unwrap().kind(), ErrorKind::Config);
    let error = fixture
        .with("basic.auth.user.info", "secret")
        .build()
        .err()
        .unwrap();
    assert!(
        error.kind() == ErrorKind::Config && !error.chain().contains("secret"),
        "{error}"
    );
}

#[test]
fn references_are_fetched_deepest_first() {
    let record = |name: &str, of: &str| {
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"f","type":"{of}"}}]}}"#)
    };
    let answer = |id: u32, text: String, references: &[&str]| {
        let references: Vec<_> = references
            .iter()
            .map(|name| serde_json::json!({"name": name, "subject": name, "version": 1}))
            .collect();
        (
            200,
            serde_json::json!({"id": id, "schema": text, "references": references}).to_string(),
        )
    };
    let (url, requests) = registry(vec![
        answer(1, record("A", "B"), &["B", "C"]),
        answer(2, record("B", "C"), &["C"]),
        answer(3, record("C", "int"), &[]),
    ]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    let datum = converter
        .to_connect_data("topic", Some(&framed(1, &[14])))
        .unwrap();
    let mut value = &datum.value;
    for _ in 0..3 {
        value = &value.as_struct().unwrap().values()[0];
    }
    assert_eq!(*value, Value::Int(7));
    let asked: Vec<_> = requests.try_iter().collect();
    assert!(
        asked[1].starts_with("GET /subjects/B/versions/1 "),
        "{}",
        asked[1]
    );
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_schema_that_is_registered_a_moment_later_blames_no_record() {
    let unknown = || {
        (
            404,
            r#"{"error_code":40403,"message":"no such schema"}"#.to_owned(),
        )
    };
    let (url, requests) = registry(vec![unknown(), unknown(), schema("\"int\"")]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    for _ in 0..2 {
        let bytes = framed(9, &[2]);
        let error = converter
            .to_connect_data("topic", Some(&bytes))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retriable);
        let expect = "schema id 9: the Schema Registry does not have it; it is asked again";
        assert_eq!(error.to_string(), expect);
    }
    let datum = converter
        .to_connect_data("topic", Some(&framed(9, &[2])))
        .unwrap();
    assert_eq!(datum.value, Value::Int(1));
    assert_eq!(requests.try_iter().count(), 3);
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let schema = format!("\"{}\"", "x".repeat(9 << 20));
    let (url, _requests) = registry(vec![(
        200,
        serde_json::json!({"schema": schema}).to_string(),
    )]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    let error = converter
        .to_connect_data("topic", Some(&framed(1, &[0])))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert!(error.to_string().contains("larger than 8 MiB"), "{error}");
}

#[test]
fn a_redirect_is_followed_on_the_same_server_alone() {
    let (other, asked) = registry(vec![schema("\"int\"")]);
    for (location, expect) in [
        ("/elsewhere".to_owned(), None),
        (format!("{other}/schemas/ids/1"), Some(ErrorKind::Config)),
    ] {
        let moved = format!("302 Found\r\nlocation: {location}");
        let (url, requests) = registry_with(vec![
            (moved, String::new()),
            ("200 OK".to_owned(), schema("\"int\"").1),
        ]);
        let fixture = Fixture::new(&url)
            .with("basic.auth.credentials.source", "USER_INFO")
            .with("basic.auth.user.info", "user:secret");
        let mut converter = fixture.build().unwrap();
        let read = converter.to_connect_data("topic", Some(&framed(1, &[2])));
        assert_eq!(
            read.as_ref().err().map(connect_api::Error::kind),
            expect,
            "{read:?}"
        );
        assert!(requests.recv().unwrap().contains("authorization: Basic"));
        if expect.is_none() {
            assert!(requests.recv().unwrap().contains("/elsewhere"));
        }
    }
    assert_eq!(
        asked.try_iter().count(),
        0,
        "credentials went to another server"
    );
}

/// The client tells the status in its message alone, and what is blamed depends on it.
#[test]
fn the_status_is_read_from_the_clients_message() {
    for told in [404, 418, 503] {
        let (url, _requests) = registry(vec![(told, String::new())]);
        let fixture = Fixture::new(&url);
        let settings = SrSettings::new(url);
        let answer = fixture.runtime.block_on(get_schema_by_id(1, &settings));
        let message = answer.unwrap_err().error;
        assert_eq!(super::status(&message), Some(told), "{message}");
    }
    assert_eq!(super::status("could not be reached"), None);
}
