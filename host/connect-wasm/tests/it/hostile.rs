//! Each kind of harm costs only the record that orders it.

use std::sync::Arc;

use tracing::span::{Attributes, Id, Record as SpanRecord};
use tracing::{Event, Metadata, Subscriber};

use connect_api::{Datum, ErrorKind, Field, Kind, Outcome, Schema, SinkRecord, Struct, Value};
use connect_wasm::TransformContext;

use crate::{apply, commands, failure, guest};

/// One bad record among good ones: it fails as told, the others are kept.
fn only_it_suffers(command: &str, expect: &str) {
    let mut guest = guest(&[]);
    for place in [0, 3, 6] {
        let mut batch = ["keep"; 7];
        batch[place] = command;
        let outcomes = apply(&mut guest, &commands(&batch));
        for (at, outcome) in outcomes.iter().enumerate() {
            if at == place {
                let message = failure(outcome).to_string();
                assert!(message.contains(expect), "{command}: {message}");
                assert!(message.starts_with("plugin test-guest "), "{message}");
                if !matches!(command, "state" | "fail" | "unheard-of" | "deep-json")
                    && !command.starts_with("bad-")
                {
                    assert!(
                        message.ends_with(&format!(", at topic-3@{at}")),
                        "{message}"
                    );
                }
            } else {
                assert!(
                    matches!(outcome, Outcome::Keep),
                    "{command} at {at}: {outcome:?}"
                );
            }
        }
        assert_eq!(outcomes.len(), 7);
    }
}

#[test]
fn a_loop_runs_into_the_deadline() {
    only_it_suffers("loop", "ran longer than 300 ms");
}

#[test]
fn a_memory_bomb_is_refused() {
    only_it_suffers(
        "allocate",
        "needed more memory than its limit of 16777216 bytes",
    );
}

#[test]
fn a_recursion_ends_with_the_stack() {
    // Rust keeps the stack at the bottom of the memory: its end is the end of the memory.
    only_it_suffers("recurse", "trapped: out of bounds memory access");
}

#[test]
fn a_panic_tells_its_place_and_its_functions_but_not_its_message() {
    only_it_suffers("trap", "panicked at test-guest/src/answer.rs:");
    only_it_suffers("trap", " < ferrule:transform/plugin@0.4.0#apply");
    let outcomes = apply(&mut guest(&[]), &commands(&["trap"]));
    let message = failure(&outcomes[0]).to_string();
    assert!(!message.contains("the record says"), "{message}");
    only_it_suffers("recurse", "in test_guest::harm::recurse");
}

#[test]
fn deep_json_is_refused() {
    only_it_suffers("deep-json", "json");
    let outcomes = apply(&mut guest(&[]), &commands(&["deep-json:50"]));
    assert!(
        matches!(outcomes[..], [Outcome::Replace(_)]),
        "{outcomes:?}"
    );
}

#[test]
fn memory_that_former_calls_took_is_no_record_s_fault() {
    let mut guest = guest(&[]);
    for _ in 0..40 {
        // Some take the instance over its limit, others have it replaced before.
        let outcomes = apply(&mut guest, &commands(&["hoard:5000000"]));
        assert!(matches!(outcomes[..], [Outcome::Keep]), "{outcomes:?}");
    }
}

#[test]
fn a_secret_is_told_to_nobody_but_the_plugin() {
    let canary = [("secret", "canary-4711")];
    let mut told = guest(&canary);
    let outcomes = apply(&mut told, &commands(&["secret", "secret-panic"]));
    let row = crate::replacement(&outcomes[0]).value.value.as_struct();
    let text = row.and_then(|row| row.get("cmd"));
    assert_eq!(text, Some(&Value::from("1174-yranac")));
    let message = failure(&outcomes[1]).to_string();
    assert!(!message.contains("canary"), "{message}");
    for key in ["configure.panic", "configure.error"] {
        let given = [canary[0], (key, "true")];
        let error = crate::build(crate::plugins(), "test-guest", &given);
        let message = error.map(drop).unwrap_err().to_string();
        let expect = "is true, and the secret is [hidden]";
        assert!(message.contains(expect), "{message}");
    }
}

#[test]
fn no_reason_tells_a_secret_or_is_long() {
    // The password, and what came by a config provider.
    let given = [("secret", "canary-4711"), ("note", "by env-4712.")];
    let config = crate::config(crate::plugins(), "test-guest", &given);
    let context = TransformContext {
        connector: "connector".into(),
        task: 0,
        transform: "transform".into(),
        secrets: vec!["env-4712".into()],
    };
    let plugins = crate::plugins();
    let mut guest = plugins.build("test-guest", &config, &context).unwrap();
    let orders = ["secret-fail", "secret-field", "fail:100000"];
    let outcomes = apply(&mut guest, &commands(&orders));
    let told: Vec<_> = outcomes.iter().map(|it| failure(it).to_string()).collect();
    let (plugin, hidden) = ("plugin test-guest 0.1.0", "[hidden]");
    assert_eq!(
        told[0],
        format!("{plugin}: {hidden}: the secret is {hidden}, and the note is by {hidden}.!")
    );
    let broken = format!("{plugin} broke the contract: field {hidden}: a value of type ");
    assert!(told[1].starts_with(&broken), "{}", told[1]);
    assert!(told[2].len() < 1_100, "{} bytes", told[2].len());
}

#[test]
fn an_answer_beyond_the_output_limit_is_refused() {
    only_it_suffers(
        "huge:4000000",
        "gave more output at once than its limit of 1048576 bytes",
    );
}

#[test]
fn an_answer_beyond_the_memory_is_refused() {
    only_it_suffers("huge", "needed more memory than its limit");
}

#[test]
fn many_copies_are_output_too() {
    only_it_suffers("copies:20000", "gave more output at once than its limit");
}

#[test]
fn an_edited_row_of_no_row_is_refused() {
    only_it_suffers(
        "bad-source",
        "broke the contract: an edited row takes the place of what is no row",
    );
}

/// A batch whose second record is a row that orders this.
fn row_among(command: &str) -> Vec<SinkRecord> {
    let mut batch = commands(&["keep", "keep", "keep"]);
    let field = |name: &str| Field::new(name, Schema::any());
    let shape = Schema::new(Kind::Struct(vec![field("cmd"), field("nothing")]));
    let row = Struct::new(Arc::new(shape), vec![command.into(), Value::Null]);
    batch[1].record.value = Datum::schemaless_row(row);
    batch
}

#[test]
fn what_a_reply_takes_or_gives_again_is_output_too() {
    // Much more than a megabyte, by some bytes of the reply.
    let heavy = |command: &str| format!("{command} {}", "x".repeat(1_000_000));
    for command in [
        heavy("picks:2000"),
        heavy("repeat:2000"),
        "echo:2000".to_owned(),
        "wide:2000".to_owned(),
    ] {
        let outcomes = apply(&mut guest(&[]), &row_among(&command));
        let message = failure(&outcomes[1]).to_string();
        let expect = "gave more output at once than its limit of 1048576 bytes, at topic-3@1";
        assert!(message.ends_with(expect), "{}: {message}", &command[..9]);
        assert!(matches!(outcomes[0], Outcome::Keep) && matches!(outcomes[2], Outcome::Keep));
    }
    for (command, count) in [("echo:3", 3), ("wide:4", 4)] {
        let outcomes = apply(&mut guest(&[]), &row_among(command));
        let made = matches!(&outcomes[1], Outcome::Replace(made) if made.len() == count);
        assert!(made, "{command}: {:?}", outcomes[1]);
    }
}

#[test]
fn a_value_of_two_rows_is_refused() {
    let outcomes = apply(&mut guest(&[]), &row_among("bad-order"));
    let message = failure(&outcomes[1]).to_string();
    let expect = "broke the contract: a row has not one value of its own for each field";
    assert!(message.ends_with(expect), "{message}");
    assert!(matches!(outcomes[0], Outcome::Keep) && matches!(outcomes[2], Outcome::Keep));
}

#[test]
fn records_that_are_not_there_are_found_out() {
    only_it_suffers(
        "one-record-less",
        "broke the contract: 0 records for outcomes that name 1",
    );
}

#[test]
fn too_few_outcomes_are_found_out() {
    only_it_suffers(
        "one-outcome-less",
        "broke the contract: 0 outcomes for 1 records",
    );
}

#[test]
fn too_many_outcomes_are_found_out() {
    only_it_suffers(
        "one-outcome-more",
        "broke the contract: 2 outcomes for 1 records",
    );
}

#[test]
fn lies_about_values_are_found_out() {
    for (command, expect) in [
        (
            "bad-json",
            "broke the contract: field json: a json value is not valid JSON",
        ),
        (
            "bad-shape",
            "broke the contract: a row has a shape that there is not",
        ),
        (
            "bad-width",
            "broke the contract: a row has not one value of its own for each field",
        ),
        (
            "bad-kind",
            "broke the contract: field a: a value of type string in a field of type INT32",
        ),
        (
            "bad-span",
            "broke the contract: a text is not within the texts of the reply",
        ),
        (
            "bad-text",
            "broke the contract: a text is not within the texts of the reply",
        ),
    ] {
        only_it_suffers(command, expect);
    }
}

#[test]
fn a_full_state_is_an_answer_and_not_a_trap() {
    only_it_suffers("state", "the state was full at 1048576 bytes");
}

#[test]
fn writes_without_end_run_into_the_deadline() {
    only_it_suffers("state-forever", "ran longer than 300 ms");
}

#[test]
fn a_flood_of_log_lines_harms_nobody() {
    let outcomes = apply(&mut guest(&[]), &commands(&["keep", "log:2000", "keep"]));
    assert!(
        outcomes.iter().all(|o| matches!(o, Outcome::Keep)),
        "{outcomes:?}"
    );
}

#[test]
fn a_refusal_names_the_field_and_the_reason() {
    only_it_suffers("fail", ": cmd: says fail");
    only_it_suffers("unheard-of", ": cmd: is not a command");
}

#[test]
fn several_bad_records_of_every_kind_are_all_found() {
    let mut batch = vec!["keep"; 64];
    for (place, command) in [
        (0, "trap"),
        (1, "recurse"),
        (31, "one-outcome-less"),
        (63, "loop"),
    ] {
        batch[place] = command;
    }
    let outcomes = apply(&mut guest(&[]), &commands(&batch));
    let failed: Vec<_> = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Fail(_)))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(failed, [0, 1, 31, 63]);
}

#[test]
fn a_plugin_that_fails_on_every_record_in_time_fails_them_all() {
    let outcomes = apply(&mut guest(&[]), &commands(&["trap"; 100]));
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Fail(_))));
}

#[test]
fn a_plugin_that_runs_out_of_time_on_every_record_fails_the_task() {
    let mut guest = guest(&[("call.timeout.ms", "20")]);
    let error = guest
        .apply(&crate::topic_partition(), &mut commands(&["loop"; 100]))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    let message = error.to_string();
    for part in [
        "test-guest",
        "topic-3",
        "offsets 0 and 99",
        "16 times 20 ms",
        "kind deadline",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let outcomes = apply(&mut guest, &commands(&["keep"]));
    assert!(matches!(outcomes[..], [Outcome::Keep]));
}

#[test]
fn memory_that_the_host_keeps_is_bounded() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let mut guest = guest(&[]);
    let batch = commands(&[
        "allocate",
        "huge",
        "huge:4000000",
        "copies:20000",
        "state-forever",
    ]);
    apply(&mut guest, &batch);
    let before = resident();
    for _ in 0..3 {
        apply(&mut guest, &batch);
    }
    let grown = resident().saturating_sub(before);
    // Other tests run in this process: a leak of the guests' memory would be ten times as much.
    assert!(grown < 256 << 20, "{grown} bytes more");
}

/// A log that panics on a line of a plugin.
struct PanickingLog;

impl Subscriber for PanickingLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ferrule::plugin"
    }

    fn event(&self, _: &Event<'_>) {
        panic!("of the log");
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &SpanRecord<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_panic_of_the_worker_in_a_call_of_the_plugin_costs_the_record_alone() {
    tracing::subscriber::with_default(PanickingLog, || {
        only_it_suffers("log:1", "made the worker panic");
    });
}
