//! At least once: acknowledgements, offsets, errant records, pauses, limits.

use super::*;

fn at_least_once() -> SourceDelivery {
    SourceDelivery::AtLeastOnce(NEVER)
}

#[test]
fn records_arrive_in_order_and_a_stop_stores_their_offset() {
    let mut stage = Stage::new(&["a", "b", "c", "d", "e"], at_least_once(), "none").run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 5);
    assert_eq!(stage.stored(), None, "offsets are stored by the interval");
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["a", "b", "c", "d", "e"]);
    assert_eq!(stage.stored(), Some(5));
    assert_eq!(lock(&stage.source).committed, [5]);
}

#[test]
fn a_task_goes_on_from_the_stored_offset() {
    let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), "none");
    lock(&stage.kafka).store(partition(), Some(offset(2)));
    stage = stage.run();
    stage.until("the last record", |_, kafka| !kafka.written.is_empty());
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["c"]);
    assert_eq!(lock(&stage.source).starts, [2]);
}

#[test]
fn offsets_are_stored_by_the_interval() {
    let delivery = SourceDelivery::AtLeastOnce(Duration::from_millis(20));
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "none").run();
    stage.until("the offset", |source, kafka| {
        source.committed.last() == Some(&3) && kafka.stored.len() == 1
    });
    assert_eq!(stage.stored(), Some(3));
    stage.stop().unwrap();
}

#[test]
fn no_offset_is_stored_past_a_record_that_is_not_acknowledged() {
    let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), "none")
        .verdict(|text, _| match text {
            "b" => Verdict::Keep,
            _ => Verdict::Acknowledge,
        })
        .run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 2);
    stage.control.abandon();
    stage.end().unwrap();
    assert_eq!(stage.stored(), Some(1));
}

#[test]
fn a_refused_record_fails_the_task_and_what_is_in_front_of_it_is_stored() {
    for verdict in [
        Verdict::Refuse(Code::MessageSizeTooLarge),
        Verdict::Fail(Code::MessageSizeTooLarge),
    ] {
        let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), "none")
            .verdict(move |text, _| match text {
                "b" => verdict,
                _ => Verdict::Acknowledge,
            })
            .run();
        let error = stage.end().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        let text = error.chain();
        assert!(
            text.contains("KAFKA_PRODUCE") && text.contains(r#"{"position":2}"#),
            "{text}"
        );
        assert_eq!(stage.stored(), Some(1), "{verdict:?}");
    }
}

#[test]
fn a_refused_record_is_passed_over_where_errors_are_tolerated() {
    let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), "all")
        .verdict(|text, _| match text {
            "b" => Verdict::Refuse(Code::MessageSizeTooLarge),
            _ => Verdict::Acknowledge,
        })
        .run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 2);
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["a", "c"]);
    assert_eq!(stage.stored(), Some(3));
}

/// Kafka refuses a request as a whole: "a" only went with "b".
#[test]
fn a_record_that_was_refused_with_another_is_sent_again_alone() {
    let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), "all")
        .verdict(|text, times| match (text, times) {
            ("b", _) | ("a", 0) => Verdict::Fail(Code::MessageSizeTooLarge),
            _ => Verdict::Acknowledge,
        })
        .run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 2);
    stage.stop().unwrap();
    let mut written = stage.written();
    written.sort();
    assert_eq!(written, ["a", "c"]);
    assert_eq!(stage.stored(), Some(3));
}

#[test]
fn a_record_that_cannot_be_converted_is_errant() {
    for (tolerance, stored) in [("none", Some(1)), ("all", Some(3))] {
        let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), tolerance);
        let parts = stage.parts.as_mut().unwrap();
        parts.converters.value = {
            let context = connect_converters::ConverterContext {
                runtime: stage.runtime.handle().clone(),
                part: connect_api::RecordPart::Value,
            };
            connect_converters::build("LongConverter", &Properties::new(), &context).unwrap()
        };
        let number = |n: i64| Value::Int(n);
        lock(&stage.source).texts = vec![number(1), Value::from("b"), number(3)];
        // The eight bytes of a long are text too.
        stage = stage.run();
        if tolerance == "all" {
            stage.until("the last record", |_, kafka| kafka.written.len() == 2);
            stage.stop().unwrap();
        } else {
            let text = stage.end().unwrap_err().chain();
            assert!(text.contains("VALUE_CONVERTER"), "{text}");
        }
        assert_eq!(stage.stored(), stored, "{tolerance}");
    }
}

#[test]
fn a_source_that_is_away_is_asked_again() {
    let mut stage = Stage::new(&["a"], at_least_once(), "none");
    lock(&stage.source)
        .errors
        .push_back(Error::retriable("away"));
    stage = stage.run();
    stage.until("the record", |_, kafka| kafka.written.len() == 1);
    stage.stop().unwrap();
    let waiting = TaskState::Waiting(Some("away".into()));
    assert_eq!(
        stage.states(),
        [TaskState::Running, waiting, TaskState::Waiting(None)]
    );
    let mut stage = Stage::new(&["a"], at_least_once(), "none");
    lock(&stage.source).errors.push_back(Error::fatal("broken"));
    stage = stage.run();
    assert_eq!(stage.end().unwrap_err().to_string(), "broken");
}

#[test]
fn a_paused_task_stores_its_offset_and_polls_no_more() {
    let mut stage = Stage::new(&["a", "b", "c"], at_least_once(), "none").run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 3);
    stage.control.pause(true);
    stage.until("the offset", |source, _| source.committed == [3]);
    lock(&stage.source).texts.push(Value::from("d"));
    let polls = lock(&stage.source).polls;
    std::thread::sleep(IDLE * 3);
    assert_eq!(lock(&stage.source).polls, polls);
    stage.control.pause(false);
    stage.until("the next record", |_, kafka| kafka.written.len() == 4);
    stage.stop().unwrap();
    let states = [TaskState::Running, TaskState::Paused, TaskState::Running];
    assert_eq!(stage.states(), states);
}

#[test]
fn a_source_is_not_polled_while_kafka_has_too_much_to_acknowledge() {
    let texts: Vec<String> = (0..100).map(|n| format!("{n:0>500}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut stage = Stage::new(&texts, at_least_once(), "none").verdict(|_, _| Verdict::Keep);
    stage.parts.as_mut().unwrap().buffer_bytes = 10_000;
    stage = stage.run();
    stage.until("the limit", |_, kafka| kafka.kept.len() >= 5);
    std::thread::sleep(IDLE * 3);
    let sent = lock(&stage.kafka).sent.len();
    assert!((5..20).contains(&sent), "{sent} records are in flight");
    for sender in std::mem::take(&mut lock(&stage.kafka).kept) {
        sender.send(Ok((0, 0))).unwrap();
    }
    stage.until("more records", |_, kafka| kafka.sent.len() > sent);
    stage.control.abandon();
    stage.end().unwrap();
}

/// Writes texts once its registry is back.
struct AwayConverter {
    failures: usize,
}

impl connect_api::Converter for AwayConverter {
    fn class_name(&self) -> &'static str {
        "com.example.AwayConverter"
    }

    fn to_connect_data(&mut self, _: &str, _: Option<&bytes::Bytes>) -> Result<Datum> {
        Err(Error::data("it only writes"))
    }

    fn from_connect_data<'a>(
        &mut self,
        _: &str,
        datum: &'a Datum,
    ) -> Result<Option<std::borrow::Cow<'a, [u8]>>> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(Error::retriable("the registry is away"));
        }
        let text = datum.value.as_str().unwrap_or_default();
        Ok(Some(text.as_bytes().into()))
    }
}

#[test]
fn a_registry_that_is_away_is_asked_for_as_long_as_the_config_says() {
    for (timeout, failures, arrives) in [("0", 2, true), ("50", 1000, false)] {
        let mut stage = Stage::new(&["a"], at_least_once(), "none");
        let parts = stage.parts.as_mut().unwrap();
        parts.converters.value = Box::new(AwayConverter { failures });
        let options = [("errors.retry.timeout".to_owned(), timeout.to_owned())];
        let errors = ErrorConfig::new(&Properties::from(options)).unwrap();
        parts.errors = SourceErrors::new(errors, Arc::clone(&parts.metrics));
        stage = stage.run();
        if arrives {
            stage.until("the record", |_, kafka| kafka.written.len() == 1);
            stage.stop().unwrap();
            let waiting = TaskState::Waiting(Some("the registry is away".into()));
            let states = [TaskState::Running, waiting, TaskState::Waiting(None)];
            assert_eq!(stage.states(), states);
        } else {
            let text = stage.end().unwrap_err().chain();
            assert!(text.contains("VALUE_CONVERTER"), "{text}");
            assert_eq!(stage.stored(), None);
        }
    }
}
