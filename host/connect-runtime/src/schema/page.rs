//! The page of topics and messages, in Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use connect_api::{Kind, Schema};
use serde_json::{Map, Value as Json, json};

use super::declarations::{Declaration, Part};
use super::json_schema::{is_needed, scalar};
use crate::topics::file::{self, Topic};

/// The topics of a system.
pub struct System {
    /// The name of its file.
    name: String,
    topics: Vec<Topic>,
    /// What is to be known beside the topics.
    notes: String,
}

/// The systems of a folder of topic files.
pub fn systems(folder: &Path) -> Result<Vec<System>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let files = file::listed(&[folder.to_owned()])?;
    let system = |path: &std::path::PathBuf| {
        let topics = file::read_file(path).with_context(|| path.display().to_string())?;
        let name = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        Ok(System {
            name: name.to_owned(),
            topics,
            notes: fs::read_to_string(path.with_extension("md")).unwrap_or_default(),
        })
    };
    files.iter().map(system).collect()
}

/// The page.
pub fn page(systems: &[System], declared: &[Declaration]) -> Result<String> {
    let mut out = String::from(
        "# Topics and messages\n\n\
         Made by `ferrule schema generate` from the files of topics and from the declarations of \
         the messages: change those, not this page.\n",
    );
    for system in systems {
        write!(out, "\n## {}\n\n", system.name)?;
        table(&mut out, system)?;
        if !system.notes.trim().is_empty() {
            write!(out, "\n{}\n", system.notes.trim())?;
        }
        for topic in &system.topics {
            for declaration in declared.iter().filter(|it| it.topic == topic.name) {
                message(&mut out, declaration, Some(topic))?;
            }
        }
    }
    let named = |declaration: &&Declaration| {
        let mut topics = systems.iter().flat_map(|system| &system.topics);
        topics.any(|topic| topic.name == declaration.topic)
    };
    let others: Vec<_> = declared.iter().filter(|it| !named(it)).collect();
    if !others.is_empty() {
        out.push_str("\n## Other messages\n");
        for declaration in others {
            message(&mut out, declaration, None)?;
        }
    }
    Ok(out)
}

fn table(out: &mut String, system: &System) -> Result<()> {
    out.push_str("| topic | partitions | key | settings | consumer groups | what it has |\n");
    out.push_str("|---|---|---|---|---|---|\n");
    for topic in &system.topics {
        let settings = topic.settings().into_iter();
        let settings: Vec<_> = settings.map(|(key, value)| setting(key, &value)).collect();
        let groups = topic.consumer_groups.iter();
        let groups: Vec<_> = groups
            .map(|(name, what)| format!("`{name}`: {what}"))
            .collect();
        let key = topic.key.as_ref().map(|key| format!("`{key}`"));
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | {} |",
            topic.name,
            topic.partitions,
            key.unwrap_or_default(),
            settings.join("<br>"),
            groups.join("<br>"),
            cell(topic.doc.as_deref().unwrap_or_default()),
        )?;
    }
    Ok(())
}

/// A setting; whole days are told beside their milliseconds.
fn setting(key: &str, value: &str) -> String {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let days = value
        .parse::<u64>()
        .ok()
        .filter(|ms| *ms > 0 && ms % DAY == 0);
    match days.filter(|_| key.ends_with(".ms")) {
        Some(ms) => format!("`{key}={value}` ({} days)", ms / DAY),
        None => format!("`{key}={value}`"),
    }
}

fn message(out: &mut String, declaration: &Declaration, topic: Option<&Topic>) -> Result<()> {
    let Declaration {
        subject, schema, ..
    } = declaration;
    let part = match declaration.part {
        Part::Key => "key",
        Part::Value => "value",
    };
    write!(out, "\n### {}: the {part}\n\n", declaration.topic)?;
    if let Some(doc) = schema.doc.as_deref() {
        write!(out, "{doc}\n\n")?;
    }
    let key = topic.and_then(|topic| topic.key.as_deref());
    if let Some(key) = key.filter(|_| declaration.part == Part::Value) {
        write!(out, "The key of the record is `{key}`. ")?;
    }
    write!(
        out,
        "Subject `{subject}`; record `{}`.\n\n",
        schema.name.as_deref().unwrap_or("without a name")
    )?;
    out.push_str("| field | type | needed | what it is |\n|---|---|---|---|\n");
    fields(out, "", schema)?;
    write!(out, "\n```json\n{}\n```\n", example(declaration)?.trim())?;
    Ok(())
}

fn fields(out: &mut String, path: &str, schema: &Schema) -> Result<()> {
    for field in schema.fields().unwrap_or_default() {
        let at = format!("{path}{}", field.name);
        let needed = match (is_needed(&field.schema), field.schema.default.as_ref()) {
            (true, _) => "yes".to_owned(),
            (false, Some(default)) => match scalar(default) {
                Some(default) => format!("no: `{default}`"),
                None => "no".to_owned(),
            },
            (false, None) => "no".to_owned(),
        };
        let doc = cell(field.schema.doc.as_deref().unwrap_or_default());
        writeln!(
            out,
            "| `{at}` | {} | {needed} | {doc} |",
            word(&field.schema)
        )?;
        fields(out, &format!("{at}."), &field.schema)?;
    }
    Ok(())
}

/// A type in words.
fn word(schema: &Schema) -> String {
    if schema.name.as_deref() == Some("io.debezium.data.Json") {
        return "any JSON".into();
    }
    match &schema.kind {
        Kind::Any => "any".into(),
        Kind::Int8 => "int8".into(),
        Kind::Int16 => "int16".into(),
        Kind::Int32 => "int32".into(),
        Kind::Int64 => "int64".into(),
        Kind::Float32 => "float".into(),
        Kind::Float64 => "double".into(),
        Kind::Boolean => "boolean".into(),
        Kind::String => "string".into(),
        Kind::Bytes => "bytes".into(),
        Kind::Decimal(_) => "decimal".into(),
        Kind::Date => "date".into(),
        Kind::Time => "time".into(),
        Kind::Timestamp => "timestamp".into(),
        Kind::Array(item) => format!("array of {}", word(item)),
        Kind::Map(_, item) => format!("map of {}", word(item)),
        Kind::Struct(_) => "struct".into(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The example beside the declaration, which must be of it; else one of its types.
fn example(declaration: &Declaration) -> Result<String> {
    let Some(text) = declaration.example()? else {
        return Ok(serde_json::to_string_pretty(&made_up(&declaration.schema))?);
    };
    let named = || format!("examples/{}.json", declaration.subject);
    let json: Json = serde_json::from_str(&text).with_context(named)?;
    check(&declaration.schema, &json, "").with_context(named)?;
    Ok(text)
}

fn made_up(schema: &Schema) -> Json {
    match &schema.kind {
        _ if schema.name.as_deref() == Some("io.debezium.data.Json") => json!("any"),
        Kind::Any | Kind::String => json!("text"),
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => json!(1),
        Kind::Float32 | Kind::Float64 | Kind::Decimal(_) => json!(1.5),
        Kind::Boolean => json!(true),
        Kind::Bytes => json!("AQID"),
        Kind::Date => json!(20_454),
        Kind::Time => json!(43_200_000),
        Kind::Timestamp => json!(1_767_225_600_000_i64),
        Kind::Array(item) => json!([made_up(item)]),
        Kind::Map(_, item) => json!({ "name": made_up(item) }),
        Kind::Struct(fields) => {
            let named =
                |field: &connect_api::Field| (field.name.to_string(), made_up(&field.schema));
            Json::Object(fields.iter().map(named).collect::<Map<_, _>>())
        }
    }
}

/// Whether an example has the fields of its schema and no others.
fn check(schema: &Schema, json: &Json, path: &str) -> Result<()> {
    if json.is_null() {
        ensure!(!is_needed(schema), "{path} is null");
        return Ok(());
    }
    let fits = match &schema.kind {
        Kind::Any => true,
        _ if schema.name.as_deref() == Some("io.debezium.data.Json") => true,
        Kind::String | Kind::Bytes => json.is_string(),
        Kind::Boolean => json.is_boolean(),
        Kind::Float32 | Kind::Float64 | Kind::Decimal(_) => json.is_number(),
        Kind::Array(_) => json.is_array(),
        Kind::Map(..) | Kind::Struct(_) => json.is_object(),
        _ => json.is_i64(),
    };
    ensure!(fits, "{path} is no {}", word(schema));
    let Kind::Struct(fields) = &schema.kind else {
        return Ok(());
    };
    let empty = Map::new();
    let object = json.as_object().unwrap_or(&empty);
    let known: BTreeMap<&str, &Schema> = fields
        .iter()
        .map(|field| (field.name.as_str(), &*field.schema))
        .collect();
    for (name, value) in object {
        let schema = known.get(name.as_str());
        let schema = schema.ok_or_else(|| anyhow!("{path}.{name} is not declared"))?;
        check(schema, value, &format!("{path}.{name}"))?;
    }
    for (name, schema) in known {
        ensure!(
            object.contains_key(name) || !is_needed(schema),
            "{path}.{name} is missing"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use connect_converters::declared_schema;

    use super::*;

    #[test]
    fn an_example_that_is_not_of_its_schema_is_refused() {
        let schema = declared_schema(
            r#"{"type": "struct", "fields": [
                 {"field": "id", "type": "int32", "optional": false},
                 {"field": "in", "type": "struct", "optional": true, "fields": [
                   {"field": "x", "type": "double", "optional": true}]}]}"#,
        )
        .unwrap();
        let told = |json: &Json| check(&schema, json, "").map_err(|e| e.to_string());
        assert_eq!(told(&made_up(&schema)), Ok(()));
        assert_eq!(told(&json!({ "id": 1, "in": null })), Ok(()));
        for (json, word) in [
            (json!({}), ".id is missing"),
            (json!({ "id": "1" }), ".id is no int32"),
            (
                json!({ "id": 1, "in": { "y": 1 } }),
                ".in.y is not declared",
            ),
        ] {
            assert_eq!(told(&json).unwrap_err(), word);
        }
    }
}
