//! What it costs to convert one activity event of about 400 bytes, by converter.
//!
//! `cargo bench -p connect-converters`: the least of several runs, in microseconds a record.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use apache_avro::types::Value as Avro;
use connect_api::values;
use connect_api::{Properties, RecordPart};
use connect_converters::{ConverterContext, build};
use serde_json::{Value as Json, json};

const RECORDS: u32 = 20_000;
const RUNS: u32 = 10;

fn event() -> Json {
    json!({
        "event_id": "5f0c5b1e-9d2e-4c58-9f0a-2d1c3b4a5968",
        "user_id": 184_467,
        "session_id": "s-2026-11-21-0000431",
        "kind": "page_view",
        "url": "https://shop.example/catalogue/telescopes?page=3&sort=price",
        "referrer": "https://shop.example/",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
        "duration_ms": 1834,
        "score": 0.731,
        "signed_in": true,
        "occurred_at": 1_795_000_000_123_i64
    })
}

/// Names and types of the event, in Connect's and in Avro's words.
const FIELDS: [(&str, &str, &str); 11] = [
    ("event_id", "string", "string"),
    ("user_id", "int64", "long"),
    ("session_id", "string", "string"),
    ("kind", "string", "string"),
    ("url", "string", "string"),
    ("referrer", "string", "string"),
    ("user_agent", "string", "string"),
    ("duration_ms", "int32", "int"),
    ("score", "double", "double"),
    ("signed_in", "boolean", "boolean"),
    ("occurred_at", "int64", "long"),
];

fn enveloped() -> String {
    let fields: Vec<_> = FIELDS
        .iter()
        .map(|(name, kind, _)| json!({"field": name, "type": kind, "optional": true}))
        .collect();
    let schema = json!({"type": "struct", "name": "Event", "fields": fields});
    json!({"schema": schema, "payload": event()}).to_string()
}

fn avro_schema() -> String {
    let fields: Vec<_> = FIELDS
        .iter()
        .map(|(name, _, kind)| json!({"name": name, "type": ["null", kind], "default": null}))
        .collect();
    json!({"type": "record", "name": "Event", "fields": fields}).to_string()
}

fn avro(event: &Json) -> Vec<u8> {
    let fields = FIELDS.iter().map(|(name, _, kind)| {
        let value = match (&event[name], *kind) {
            (Json::String(text), _) => Avro::String(text.clone()),
            (Json::Bool(flag), _) => Avro::Boolean(*flag),
            (number, "double") => Avro::Double(number.as_f64().unwrap_or_default()),
            (number, "int") => Avro::Int(number.as_i64().unwrap_or_default() as i32),
            (number, _) => Avro::Long(number.as_i64().unwrap_or_default()),
        };
        ((*name).to_owned(), Avro::Union(1, Box::new(value)))
    });
    let record = Avro::Record(fields.collect());
    let schema = apache_avro::Schema::parse_str(&avro_schema()).expect("the schema is valid");
    let mut bytes = vec![0, 0, 0, 0, 1];
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&schema)
        .build()
        .expect("resolved");
    bytes.extend(writer.write_value_to_vec(record).expect("of the schema"));
    bytes
}

/// Answers one request with the schema, on this machine.
fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let _ = stream.read(&mut [0; 4096]);
        let body = json!({"schema": avro_schema()}).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    });
    url
}

fn measure(what: &str, size: usize, mut each: impl FnMut()) {
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..RECORDS {
            each();
        }
        least = least.min(start.elapsed());
    }
    let micros = least.as_secs_f64() * 1e6 / f64::from(RECORDS);
    println!("{what:<24} {size:>5} bytes {micros:>8.3} \u{b5}s");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let context = ConverterContext {
        runtime: runtime.handle().clone(),
        part: RecordPart::Value,
    };
    for (what, class, options, bytes) in [
        (
            "JSON without schema",
            "JsonConverter",
            ("schemas.enable", "false".to_owned()),
            event().to_string().into_bytes(),
        ),
        (
            "JSON with schema",
            "JsonConverter",
            ("schemas.enable", "true".to_owned()),
            enveloped().into_bytes(),
        ),
        (
            "Avro",
            "AvroConverter",
            ("schema.registry.url", registry()),
            avro(&event()),
        ),
    ] {
        let given = Properties::from([(options.0.to_owned(), options.1)]);
        let mut converter = build(class, &given, &context).expect("a converter");
        let bytes = bytes::Bytes::from(bytes);
        measure(what, bytes.len(), || {
            let datum = converter.to_connect_data("activity", Some(black_box(&bytes)));
            black_box(datum.expect("an event"));
        });
    }
    let header = b"trace-00-4bf92f3577b34da6a3ce929d0e0e4736";
    measure("header of plain text", header.len(), || {
        black_box(values::parse(Some(black_box(header))));
    });
}
