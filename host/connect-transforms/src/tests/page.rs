//! `docs/transforms.md` lists the transforms, as they are registered, with their options.

use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use crate::transformations;

const START: &str = "<!-- transforms -->\n";
const END: &str = "<!-- end of transforms -->\n";
const KAFKAS: &str = "org.apache.kafka.connect.transforms.";

/// What is to be said of a class beside its options: where it differs, and what it takes.
const NOTES: &[(&str, &str)] = &[
    (
        "ExtractField",
        "paths to nested fields by `field.syntax.version=V2` (KIP-821)",
    ),
    ("ValueToKey", "as `ExtractField`, as of Kafka 4.4"),
    ("TimestampConverter", "patterns as below"),
    ("TimestampRouter", "patterns as below"),
    (
        "io.debezium.transforms.ExtractNewRecordState",
        "with `drop.tombstones` and `delete.handling.mode` of versions before 2.5",
    ),
    (
        "io.debezium.transforms.ByLogicalTableRouter",
        "1024 topics are remembered at least, whatever the size of the cache",
    ),
    (
        "io.debezium.transforms.ToLogicalTopicRouter",
        "as `ByLogicalTableRouter`",
    ),
    (
        "io.debezium.transforms.TimezoneConverter",
        "`source` may be null; dates and times of a day are not converted, and no line is logged \
         for each",
    ),
    (
        "io.debezium.transforms.outbox.EventRouter",
        "a payload whose JSON has no one schema stays text, with the schema of text; fields of \
         names that were adjusted keep their values; `tracing.…` is refused; `warn` and `error` \
         drop, and no line is logged for each",
    ),
    (
        "io.confluent.connect.transforms.ExtractTopic",
        "`field.format=JSON_PATH` as below",
    ),
    (
        "io.confluent.connect.transforms.Filter",
        "`filter.condition` as below",
    ),
    (
        "io.confluent.connect.transforms.MessageTimestampRouter",
        "patterns as below",
    ),
    (
        "io.confluent.connect.transforms.TombstoneHandler",
        "`warn` drops as `ignore` does; no line is logged for each",
    ),
    (
        "io.aiven.kafka.connect.transforms.TombstoneHandler",
        "as Confluent's",
    ),
    (
        "io.aiven.kafka.connect.transforms.CaseTransform",
        "a field that has a schema and is no STRING is an error",
    ),
    (
        "io.aiven.kafka.connect.transforms.ConcatFields",
        "of texts, numbers and booleans; the schema keeps its name",
    ),
    (
        "io.aiven.kafka.connect.transforms.FilterByFieldValue",
        "numbers are compared by their value, whatever their type",
    ),
];

/// A class without what stands for key, value or header.
fn base(class: &str) -> &str {
    class.split('$').next().unwrap_or(class)
}

fn table() -> String {
    let mut text = String::from("\n| class | options | |\n|---|---|---|\n");
    let mut seen = BTreeSet::new();
    for kind in transformations() {
        if !seen.insert(base(kind.class)) {
            continue;
        }
        let same = || {
            transformations()
                .iter()
                .filter(|it| base(it.class) == base(kind.class))
        };
        let parts: Vec<String> = same()
            .filter_map(|it| it.class.split_once('$'))
            .map(|(_, part)| format!("`${part}`"))
            .collect();
        let parts = match parts.is_empty() {
            true => String::new(),
            false => format!(" with {}", parts.join(", ")),
        };
        let mut options: Vec<String> = Vec::new();
        for key in same().flat_map(|it| (it.config_def)().keys().to_vec()) {
            let option = format!("`{}`", key.name);
            if !options.contains(&option) {
                options.push(option);
            }
        }
        let name = base(kind.class);
        let name = name.strip_prefix(KAFKAS).unwrap_or(name);
        let note = NOTES.iter().find(|(class, _)| *class == name);
        let note = note.map_or("", |(_, note)| note);
        let options = options.join(", ");
        text += &format!("| `{name}`{parts} | {options} | {note} |\n");
    }
    text.push('\n');
    text
}

#[test]
fn each_transform_is_listed_with_its_options() {
    let path = Path::new("../../docs/transforms.md");
    let page = fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(START).unwrap();
    let (listed, after) = rest.split_once(END).unwrap();
    let table = table();
    if env::var_os("UPDATE_README").is_some() {
        fs::write(path, format!("{before}{START}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(
        listed, table,
        "the page differs from the transforms: UPDATE_README=1 cargo test -p connect-transforms \
         page"
    );
}

#[test]
fn each_note_is_of_a_transform() {
    let names: BTreeSet<&str> = transformations()
        .iter()
        .map(|kind| base(kind.class))
        .map(|name| name.strip_prefix(KAFKAS).unwrap_or(name))
        .collect();
    for (class, _) in NOTES {
        assert!(names.contains(class), "{class}");
    }
}
