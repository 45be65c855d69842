//! What the encoder of COPY writes, a real server takes: the fields of every input of the target
//! `copy`, those of random bytes, and those of `FERRULE_FUZZ_CORPUS`, a folder of inputs that a
//! fuzzer has found.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use fuzz_targets::copy_fields;
use harness_postgres::dice::Dice;
use harness_postgres::postgres::{TestDatabase, TestPostgres};

/// The signature, no flags and no extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// Inputs of random bytes.
const RANDOM: usize = 5000;
/// Bytes of one of them.
const BYTES: usize = 96;

/// The fields, by the type of their column.
type Fields = BTreeMap<&'static str, Vec<Vec<u8>>>;

fn add(input: &[u8], fields: &mut Fields) {
    for field in copy_fields(input) {
        if let Some(sql) = field.sql {
            fields.entry(sql).or_default().push(field.bytes);
        }
    }
}

fn folders() -> Vec<PathBuf> {
    let own = PathBuf::from("corpus/copy");
    let found = std::env::var_os("FERRULE_FUZZ_CORPUS").map(PathBuf::from);
    found.into_iter().chain([own]).collect()
}

async fn copy(database: &TestDatabase, table: &str, rows: &[Vec<u8>]) -> Result<()> {
    let mut data = HEADER.to_vec();
    for row in rows {
        data.extend(1_i16.to_be_bytes());
        data.extend(row);
    }
    data.extend(TRAILER);
    let mut connection = database.pool().acquire().await?;
    let statement = format!("COPY {table} FROM STDIN WITH (FORMAT binary)");
    let mut copy = connection.copy_in_raw(&statement).await?;
    copy.send(data).await?;
    copy.finish().await?;
    Ok(())
}

/// Copies the rows, those that the server refuses each by itself: why it does.
async fn refusals(database: &TestDatabase, table: &str, rows: &[Vec<u8>]) -> Vec<String> {
    let mut refusals = Vec::new();
    let mut parts = vec![rows];
    while let Some(part) = parts.pop() {
        match copy(database, table, part).await {
            Ok(()) => {}
            Err(why) if part.len() == 1 => refusals.push(format!("{why:#}: {:?}", part[0])),
            Err(_) => parts.extend(part.chunks(part.len().div_ceil(2))),
        }
    }
    refusals
}

/// Nobody looks at the numbers of a JSON text before the server does: the sink finds the record by
/// halving, as for all that only the server can tell.
fn is_known(sql: &str, why: &str) -> bool {
    sql.starts_with("jsonb") && why.contains("value overflows numeric format")
}

#[tokio::test]
async fn a_server_takes_what_the_encoder_writes() -> Result<()> {
    let mut fields = Fields::new();
    for folder in folders() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            add(&fs::read(entry?.path())?, &mut fields);
        }
    }
    let mut dice = Dice::new("server");
    for _ in 0..RANDOM {
        let input: Vec<u8> = (0..BYTES).map(|_| dice.below(256) as u8).collect();
        add(&input, &mut fields);
    }
    let database = TestPostgres::shared().await?.database("fuzz").await?;
    for (at, (sql, rows)) in fields.iter().enumerate() {
        let table = format!("fields_{at}");
        let create = format!("CREATE TABLE {table} (c {sql})");
        database.execute(&create).await?;
        let refusals = refusals(&database, &table, rows).await;
        let others: Vec<_> = refusals.iter().filter(|why| !is_known(sql, why)).collect();
        assert!(others.is_empty(), "{sql}: {others:?}");
        let there = usize::try_from(database.count(&table).await?)?;
        assert_eq!(there + refusals.len(), rows.len(), "{sql}");
        // The server reads them again.
        let query = format!("SELECT max(c::text) FROM {table}");
        database.texts(&query).await?;
    }
    // Every type takes something of so many values, a null at least.
    assert!(fields.len() > 30, "{:?}", fields.keys());
    Ok(())
}
