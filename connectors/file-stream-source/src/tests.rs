//! Unit tests: lines, the following of a file, offsets, and the options.

use std::io::Write as _;

use connect_api::{ErrorKind, OffsetStorageReader};
use serde_json::json;

use super::*;
use crate::lines::{Line, Lines};

/// Stored offsets: the same for every partition.
struct Stored(Option<SourceOffset>);

#[async_trait::async_trait]
impl OffsetStorageReader for Stored {
    async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        Ok(vec![self.0.clone(); partitions.len()])
    }
}

fn config(options: &[(&str, &str)]) -> Config {
    let options = options.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    let mut properties: Properties = options.collect();
    properties.insert("topic".into(), "lines".into());
    config_def().parse(&properties).unwrap()
}

async fn started(path: &str, stored: Option<SourceOffset>) -> Result<Box<dyn SourceTask>> {
    let context = SourceTaskContext {
        connector: "test".into(),
        ..SourceTaskContext::default()
    };
    let config = config(&[("file", path), ("batch.size", "2")]);
    let mut task = FileStreamSourceConnector::new().task(&config, &context)?;
    task.start(&Stored(stored)).await?;
    Ok(task)
}

/// The lines of one poll, and the position behind each.
async fn poll(task: &mut Box<dyn SourceTask>) -> Vec<(String, u64)> {
    let records = task.poll().await.unwrap();
    let line = |record: connect_api::SourceRecord| {
        let (key, value) = (&record.record.key, &record.record.value);
        assert!(key.value.is_null() && key.schema.is_none());
        let position = record.source_offset.get(POSITION).unwrap();
        let text = value.value.as_str().unwrap().to_owned();
        (text, position.as_u64().unwrap())
    };
    records.into_iter().map(line).collect()
}

fn all(lines: &mut Lines) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    while let Some(Line {
        text,
        next_position,
    }) = lines.next()
    {
        found.push((text.into_owned(), next_position));
    }
    found
}

#[test]
fn lines_are_found_however_the_bytes_are_cut() {
    let text = b"one\r\ntwo\n\nthree\rfour \xc3\xa9\npartial";
    let expect = [
        ("one", 5),
        ("two", 9),
        ("", 10),
        ("three", 16),
        ("four \u{e9}", 24),
    ];
    let expect: Vec<_> = expect.map(|(line, at)| (line.to_owned(), at)).into();
    for size in 1..=text.len() {
        let mut lines = Lines::new(0);
        let mut found = Vec::new();
        for chunk in text.chunks(size) {
            lines.extend(chunk);
            found.extend(all(&mut lines));
        }
        assert_eq!(found, expect, "in pieces of {size} bytes");
        assert_eq!(lines.position(), 24);
    }
}

#[test]
fn a_carriage_return_at_the_end_waits_for_what_follows() {
    let mut lines = Lines::new(100);
    lines.extend(b"a\r");
    assert_eq!(lines.next(), None);
    lines.extend(b"\nb\n");
    assert_eq!(
        all(&mut lines),
        [("a".to_owned(), 103), ("b".to_owned(), 105)]
    );
}

#[tokio::test]
async fn a_file_is_waited_for_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    let mut task = started(path.to_str().unwrap(), None).await.unwrap();
    assert_eq!(poll(&mut task).await, []);
    std::fs::write(&path, "one\ntwo\nthree\npart").unwrap();
    let line = |text: &str, at| (text.to_owned(), at);
    assert_eq!(poll(&mut task).await, [line("one", 4), line("two", 8)]);
    assert_eq!(poll(&mut task).await, [line("three", 14)]);
    assert_eq!(poll(&mut task).await, []);
    let mut file = std::fs::File::options().append(true).open(&path).unwrap();
    file.write_all(b"ial\n").unwrap();
    assert_eq!(poll(&mut task).await, [line("partial", 22)]);
}

#[tokio::test]
async fn a_task_goes_on_from_the_stored_position() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    std::fs::write(&path, "one\ntwo\n").unwrap();
    let path = path.to_str().unwrap();
    let mut task = started(path, Some(source_offset(4))).await.unwrap();
    assert_eq!(poll(&mut task).await, [("two".to_owned(), 8)]);
    for wrong in [json!("4"), json!(-4), json!(null)] {
        let stored = SourceOffset::from([(POSITION, wrong)]);
        let refused = started(path, Some(stored)).await.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Config);
    }
}

/// The task's lines must not be lost when a poll is dropped while it waits.
#[tokio::test]
async fn a_poll_that_is_dropped_loses_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.txt");
    std::fs::write(&path, "par").unwrap();
    let mut task = started(path.to_str().unwrap(), None).await.unwrap();
    let cut = tokio::time::timeout(std::time::Duration::from_millis(150), task.poll()).await;
    assert!(cut.is_err());
    std::fs::write(&path, "partial\n").unwrap();
    assert_eq!(poll(&mut task).await, [("partial".to_owned(), 8)]);
}

#[test]
fn offsets_are_checked_as_kafka_does() {
    let connector = FileStreamSourceConnector::new();
    let check = |file: &str, partition, offset: Option<Value>| {
        let partition = SourcePartition::from([("filename", partition)]);
        let offset = offset.map(|at| SourceOffset::from([(POSITION, at)]));
        let checked = connector.check_offsets(&config(&[("file", file)]), &[(partition, offset)]);
        checked.err().map(|error| error.to_string())
    };
    assert_eq!(check("f", json!("f"), Some(json!(0))), None);
    assert_eq!(check("f", json!(7), None), None);
    for (partition, position, expect) in [
        (json!("f"), json!(-1), "should be a non-negative value"),
        (json!("f"), json!("1"), "expected to be a Long value"),
        (json!("f"), json!(1.5), "expected to be a Long value"),
        (json!(7), json!(1), "expected to be a string"),
    ] {
        let found = check("f", partition, Some(position)).unwrap();
        assert!(found.contains(expect), "{found}");
    }
    let found = check("", json!("f"), Some(json!(1))).unwrap();
    assert!(found.contains("stdin is used"), "{found}");
}

#[test]
fn only_a_file_is_read_exactly_once() {
    let connector = FileStreamSourceConnector::new();
    for (file, expect) in [
        ("f", ExactlyOnceSupport::Supported),
        ("", ExactlyOnceSupport::Unsupported),
    ] {
        assert_eq!(
            connector.exactly_once_support(&config(&[("file", file)])),
            expect
        );
    }
    assert_eq!(
        connector.task_configs(&Properties::new(), 5).unwrap().len(),
        1
    );
}
