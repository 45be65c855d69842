//! Every kind of value against every type of column: `matrix.txt` says what each cell holds then,
//! or why it cannot. `UPDATE_MATRIX=1 cargo test -p postgres-sink matrix` writes it anew; what
//! changes is to be read before it is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use connect_api::{Datum, Kind, Schema, SinkRecord, Struct, Value};
use harness_postgres::postgres::TestDatabase;

use super::sources::{Source, sources};
use crate::fixture::{Reports, batch, database, opened, record, rows, task};

/// The types of columns, as a person writes them.
const COLUMNS: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "numeric(6,2)",
    "boolean",
    "text",
    "varchar(5)",
    "char(5)",
    "name",
    "citext",
    "bytea",
    "uuid",
    "json",
    "jsonb",
    "date",
    "time",
    "time(3)",
    "timetz",
    "timestamp",
    "timestamp(3)",
    "timestamptz",
    "interval",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(4)",
    "bit varying(8)",
    "mood",
    "short",
    "positive",
    "xml",
    "ltree",
    "hstore",
    "jsonpath",
    "point",
    "int4range",
    "tsvector",
    "pg_lsn",
    "integer[]",
    "numeric(6,2)[]",
    "text[]",
    "boolean[]",
    "bytea[]",
    "date[]",
    "timestamptz[]",
    "interval[]",
    "uuid[]",
    "jsonb[]",
    "mood[]",
    "short[]",
];

const TYPES: &str = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; \
    CREATE TYPE mood AS ENUM ('sad', 'ok'); \
    CREATE DOMAIN short AS varchar(3); CREATE DOMAIN positive AS integer CHECK (VALUE > 0)";

/// A row of one field, or an object of one.
fn made(offset: i64, source: &Source) -> SinkRecord {
    let field = connect_api::Field::new("c", source.schema.clone());
    let schema = Arc::new(Schema::new(Kind::Struct(vec![field])));
    let row = Struct::new(schema, vec![source.value.clone()]);
    let value = match source.schema.kind {
        Kind::Any => Datum::schemaless_row(row),
        _ => Datum::row(row),
    };
    record(0, offset, value)
}

/// What a column of the type holds after each source, or why it cannot.
async fn outcomes(database: &TestDatabase, column: &str, given: &[Source]) -> Result<Vec<String>> {
    database
        .execute("DROP TABLE IF EXISTS events; DROP TABLE IF EXISTS ferrule.offsets")
        .await?;
    let table = "CREATE TABLE events (__connect_topic text, __connect_partition int, \
                 __connect_offset bigint, c ";
    database.execute(&format!("{table}{column})")).await?;
    let mut task = task(database, &[("pk.mode", "kafka")])?;
    opened(&mut *task, &[0]).await?;
    let records = (0..)
        .zip(given)
        .map(|(offset, source)| made(offset, source));
    let mut reports = Reports::default();
    task.put(&[batch(0, 0, records.collect())?], &mut reports)
        .await
        .with_context(|| column.to_owned())?;
    task.stop().await;
    // Each type has a statement of its own: a prepared one does not outlive the type.
    let query = format!(
        "SELECT __connect_offset || ' ' || coalesce(c::text, 'NULL') FROM events /* {column} */"
    );
    let mut found = BTreeMap::new();
    for row in rows(database, &query).await? {
        let (offset, text) = row.split_once(' ').context("an offset and a text")?;
        found.insert(offset.parse::<i64>()?, format!("holds {text}"));
    }
    let shown = rows(
        database,
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute \
         WHERE attrelid = 'events'::regclass AND attname = 'c'",
    );
    let named = format!("column c of type {}", shown.await?.concat());
    for (offset, text) in reports.errors {
        let position = format!("record at offset {offset} of events-0: ");
        let text = text.strip_prefix(&position);
        let text = text.with_context(|| format!("an error of {column} without its position"))?;
        let (_, why) = text
            .split_once(&named)
            .with_context(|| format!("an error without {named}: {text}"))?;
        let why = why.trim_start_matches([' ', ':']).to_owned();
        let before = found.insert(offset, why);
        anyhow::ensure!(before.is_none(), "{offset} was written and reported");
    }
    anyhow::ensure!(found.len() == given.len(), "every record has an outcome");
    Ok(found.into_values().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_in_every_column_is_as_the_matrix_says() -> Result<()> {
    let database = database(TYPES).await?;
    let given = sources();
    let mut columns = Vec::new();
    for column in COLUMNS {
        columns.push(outcomes(&database, column, &given).await?);
    }
    let mut text = String::new();
    for (at, source) in given.iter().enumerate() {
        text.push_str(&format!("{}\n", source.label));
        // The columns by what became of the value, in the order of the first of each.
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (column, outcomes) in COLUMNS.iter().zip(&columns) {
            let outcome = outcomes[at].as_str();
            match groups.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, columns)) => columns.push(column),
                None => groups.push((outcome, vec![column])),
            }
        }
        for (outcome, columns) in groups {
            text.push_str(&format!("  {outcome}\n    {}\n", columns.join(", ")));
        }
    }
    let path = Path::new("tests/sink/types/matrix.txt");
    if std::env::var_os("UPDATE_MATRIX").is_some() {
        std::fs::write(path, &text)?;
    }
    let expect = std::fs::read_to_string(path)?;
    for (number, (now, then)) in text.lines().zip(expect.lines()).enumerate() {
        assert_eq!(now, then, "matrix.txt:{}", number + 1);
    }
    assert_eq!(text.len(), expect.len(), "matrix.txt has all lines");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_no_value_can_fill_is_a_matter_of_the_configuration() -> Result<()> {
    let database = database("CREATE TYPE pair AS (a int, b text)").await?;
    for column in [
        "money",
        "pair",
        "pair[]",
        "\"char\"",
        "int4range[]",
        "interval year to month",
        "regclass",
        "bit",
    ] {
        let source = Source::any("a text", Value::from("1"));
        let outcome = outcomes(&database, column, &[source]).await;
        // One bit is a bit(1), which a text of one digit fills.
        if column == "bit" {
            assert_eq!(outcome?, ["holds 1"]);
            continue;
        }
        let error = outcome.expect_err(column);
        let text = format!("{error:?}");
        assert!(text.contains("which is not supported"), "{column}: {text}");
        assert!(text.contains("fields.whitelist"), "{column}: {text}");
    }
    Ok(())
}
