//! Commands and acknowledgments in any order, over restarts: the rows that the table makes a state
//! of.

use std::collections::BTreeMap;

use ferrule_plugin::testing::{Input, Made, Runner};
use ferrule_plugin::{Timestamp, Value};
use proptest::prelude::*;

use crate::Correlate;

const COMMANDS: &str = "telescope.commands";
const ACKNOWLEDGMENTS: &str = "telescope.acknowledgments";
const CONFIG: &[(&str, &str)] = &[("timeout.ms", "1000")];

fn runner() -> Runner<Correlate> {
    Runner::new(CONFIG).unwrap()
}

fn command(id: &str, millis: i64) -> Input {
    Input::of([
        ("command_id", id.into()),
        ("telescope_id", "t-1".into()),
        ("command_type", "SLEW".into()),
        ("issued_at", Value::Timestamp(millis * 1000)),
    ])
    .at(millis)
}

fn acknowledgment(id: &str, status: &str, millis: i64) -> Input {
    Input::of([
        ("command_id", id.into()),
        ("telescope_id", Value::Null),
        ("status", status.into()),
        ("acknowledged_at", Value::Timestamp(millis * 1000)),
    ])
    .at(millis)
}

/// The table: a row for each command, of the columns that were set.
#[derive(Debug, Default, PartialEq)]
struct Table(BTreeMap<String, BTreeMap<String, Value>>);

impl Table {
    fn upsert(&mut self, made: Vec<Made>) {
        for made in made {
            assert_eq!(made.topic.as_deref(), Some("telescope_command_status"));
            let ferrule_plugin::testing::Content::Row(fields) = made.value else {
                panic!("not a row")
            };
            let Some((_, Value::Text(id))) = fields.first().cloned() else {
                panic!("no key first: {fields:?}")
            };
            self.0.entry(id).or_default().extend(fields);
        }
    }

    fn get(&self, id: &str, column: &str) -> Option<&Value> {
        self.0.get(id)?.get(column)
    }
}

#[test]
fn a_command_and_its_acknowledgments_fill_one_row() {
    let (mut plugin, mut table) = (runner(), Table::default());
    plugin.turn_to(COMMANDS, 0);
    table.upsert(plugin.deliver([command("c", 1_000)]).made());
    plugin.turn_to(ACKNOWLEDGMENTS, 2);
    let two = [
        acknowledgment("c", "ACCEPTED", 1_250),
        acknowledgment("c", "COMPLETED", 1_900),
    ];
    for one in two {
        table.upsert(plugin.deliver([one]).made());
        plugin.restart();
    }
    let millis = |millis: i64| Value::Timestamp(millis * 1000);
    for (column, value) in [
        ("sent_at", millis(1_000)),
        ("due_at", millis(2_000)),
        ("acknowledged_at", millis(1_250)),
        ("last_acknowledged_at", millis(1_900)),
        ("acknowledgments", 2i64.into()),
        ("status", "COMPLETED".into()),
        // Null does not take away what the command has told.
        ("telescope_id", "t-1".into()),
        ("command_type", "SLEW".into()),
    ] {
        assert_eq!(table.get("c", column), Some(&value), "{column}");
    }
    assert_eq!(table.get("c", "timed_out_at"), None);
}

#[test]
fn a_command_that_is_due_is_told_of_once_by_the_clock() {
    let mut plugin = runner();
    plugin.turn_to(COMMANDS, 0);
    let sent = [command("late", 1_500), command("early", 1_000)];
    assert_eq!(plugin.deliver(sent).emitted, []);
    assert_eq!(plugin.tick(1_999), []);
    plugin.restart();
    let told = |made: Vec<Made>| -> Vec<Value> {
        let ids = made.iter().map(|made| made.field("command_id").clone());
        ids.collect()
    };
    assert_eq!(told(plugin.tick(2_000)), ["early".into()]);
    assert_eq!(told(plugin.tick(2_000)), []);
    // A command that comes later moves the clock, too.
    let later = plugin.deliver([command("last", 9_000)]);
    assert_eq!(told(later.emitted), ["late".into()]);
    let made = plugin.tick(99_000);
    assert_eq!(made[0].field("timed_out_at"), &Value::Timestamp(10_000_000));
}

#[test]
fn more_than_a_tick_tells_of_is_told_of_by_the_next() {
    let mut plugin = runner();
    plugin.turn_to(COMMANDS, 0);
    for number in 0..1_100 {
        plugin.deliver([command(&format!("c{number}"), 1_000)]);
    }
    let counts: Vec<_> = (0..4).map(|_| plugin.tick(5_000).len()).collect();
    assert_eq!(counts, [500, 500, 100, 0]);
}

#[test]
fn times_are_those_of_the_records_where_fields_are_missing() {
    let (mut plugin, mut table) = (runner(), Table::default());
    plugin.turn_to(COMMANDS, 0);
    let bare = |at: Value| Input::of([("command_id", "c".into()), ("issued_at", at)]).at(7);
    for (given, micros) in [
        (Value::Null, 7_000),
        (3i64.into(), 3_000),
        ("1970-01-01T00:00:01Z".into(), 1_000_000),
    ] {
        let answer = plugin.deliver([bare(given)]).answers.remove(0);
        table.upsert(vec![answer.record()]);
        assert_eq!(table.get("c", "sent_at"), Some(&Value::Timestamp(micros)));
    }
    let failure = plugin
        .deliver([bare("noon".into())])
        .answers
        .remove(0)
        .failure();
    assert_eq!(failure.0.as_deref(), Some("issued_at"));
}

#[test]
fn what_has_no_key_or_is_of_another_topic_fails() {
    let mut plugin = runner();
    let failure = plugin.row([("command_id", "c".into())]).failure();
    assert!(
        failure.1.contains("neither commands.topic nor"),
        "{}",
        failure.1
    );
    plugin.turn_to(ACKNOWLEDGMENTS, 0);
    for (key, reason) in [
        (Value::Null, "is required"),
        (" ".into(), "must not be empty"),
        ("é".repeat(256).into(), "must have at most 255 characters"),
        (5i64.into(), "must be text, not an integer"),
    ] {
        let failure = plugin.row([("command_id", key)]).failure();
        assert_eq!(failure, (Some("command_id".into()), reason.into()));
    }
}

#[test]
fn a_bad_configuration_names_its_keys() {
    let config = [
        ("acknowledgments.topic", COMMANDS),
        ("commands.fields", "a, a"),
        ("acknowledgments.fields", "status"),
        ("timeout.ms", "soon"),
    ];
    let errors = Runner::<Correlate>::new(&config).err().unwrap();
    let mut keys: Vec<_> = errors.0.iter().map(|error| error.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "acknowledgments.fields",
            "acknowledgments.topic",
            "commands.fields",
            "timeout.ms"
        ]
    );
}

/// Who sends what, and when.
#[derive(Clone, Debug)]
enum Event {
    Command(u8),
    Acknowledgment(u8),
}

fn events() -> impl Strategy<Value = Vec<(Event, i64)>> {
    let event = prop_oneof![
        (0u8..6).prop_map(Event::Command),
        (0u8..6).prop_map(Event::Acknowledgment),
    ];
    proptest::collection::vec((event, 0i64..900), 0..40)
}

/// What the table has at the end, with the two topics drained in turns or one after the other.
fn drained(events: &[(Event, i64)], in_turns: bool, restarts: bool) -> Table {
    ferrule_plugin::testing::reset();
    let (mut plugin, mut table) = (runner(), Table::default());
    let (mut time, mut sent) = (0, Vec::new());
    for (number, (event, pause)) in events.iter().enumerate() {
        time += pause;
        sent.push(match event {
            // Each command is sent once.
            Event::Command(id) => (COMMANDS, command(&format!("{id}/{number}"), time)),
            Event::Acknowledgment(id) => {
                let last = events[..number]
                    .iter()
                    .rposition(|(event, _)| matches!(event, Event::Command(sent) if sent == id));
                let id = format!("{id}/{}", last.unwrap_or(number));
                (ACKNOWLEDGMENTS, acknowledgment(&id, "COMPLETED", time))
            }
        });
    }
    if !in_turns {
        sent.sort_by_key(|(topic, _)| *topic);
    }
    for (topic, input) in sent {
        plugin.turn_to(topic, 0);
        table.upsert(plugin.deliver([input]).made());
        if restarts {
            plugin.restart();
        }
    }
    plugin.turn_to(COMMANDS, 0);
    table.upsert(plugin.tick(time + 1_000));
    table
}

proptest! {
    #[test]
    fn the_order_of_the_topics_and_restarts_do_not_matter(events in events()) {
        let table = drained(&events, true, false);
        prop_assert_eq!(&table, &drained(&events, false, false));
        prop_assert_eq!(&table, &drained(&events, true, true));
        for row in table.0.values() {
            // Each command is due in the end, and is told of with the time at which it was.
            prop_assert_eq!(row.get("timed_out_at"), row.get("due_at"));
            let Some(Value::Timestamp(at)) = row.get("acknowledged_at") else { continue };
            let Some(Value::Timestamp(last)) = row.get("last_acknowledged_at") else {
                panic!("no last one")
            };
            prop_assert!(last >= at);
        }
    }

    #[test]
    fn places_are_in_the_order_of_time(a in any::<i64>(), b in any::<i64>()) {
        let place = |Timestamp(at)| crate::place(&crate::Due { key: "k".into(), at });
        prop_assert_eq!(place(Timestamp(a)).cmp(&place(Timestamp(b))), a.cmp(&b));
    }
}
