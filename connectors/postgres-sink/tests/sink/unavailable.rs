//! Values that the source did not send (Debezium's placeholder for unchanged TOAST values).

use anyhow::Result;

use crate::fixture::{Maker, Reports, database, opened, put, rows, stored, task};

const TABLE: &str = "CREATE TABLE events (id int PRIMARY KEY, title text, body jsonb, memo text, \
                     tags text[], raw hstore)";
const NONE: &str = "__debezium_unavailable_value";
const UPSERT: [(&str, &str); 3] = [
    ("insert.mode", "upsert"),
    ("pk.mode", "record_value"),
    ("pk.fields", "id"),
];

const ALL: &str = "SELECT concat_ws(' ', id, title, coalesce(body::text, '-'), coalesce(memo, '-'), \
                   coalesce(tags::text, '-'), coalesce(raw::text, '-')) FROM events ORDER BY id";

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_not_sent_stays_as_it_is() -> Result<()> {
    let objects = [
        r#"{"id":1,"title":"draft","body":{"n":1},"memo":"long","tags":["a"],"raw":{"k":"v"}}"#,
        &format!(
            r#"{{"id":1,"title":"final","body":"{NONE}","memo":"{NONE}","tags":["{NONE}"],
               "raw":{{"{NONE}":"{NONE}"}}}}"#
        ),
        &format!(
            r#"{{"id":1,"title":"again","body":"{NONE}","memo":"x","tags":["b"],"raw":null}}"#
        ),
        // Of a row that is not there: what is known of it.
        &format!(r#"{{"id":2,"title":"new","body":"{NONE}","memo":"m","tags":[],"raw":null}}"#),
        r#"{"id":3,"title":"other","body":{},"memo":"__debezium","tags":null,"raw":null}"#,
    ];
    for mode in ["upsert", "update"] {
        for size in [1, objects.len()] {
            let database = database(&format!("CREATE EXTENSION hstore; {TABLE}")).await?;
            let there = "INSERT INTO events VALUES (1, 'old', '{}', '-'), (2, 'old', '[2]', '-'), \
                         (3, '-', '[]', '-')";
            if mode == "update" {
                database.execute(there).await?;
            }
            let options = [&UPSERT[1..], &[("insert.mode", mode)]].concat();
            let mut task = task(&database, &options)?;
            opened(&mut *task, &[0]).await?;
            let mut maker = Maker::default();
            for (at, chunk) in objects.chunks(size).enumerate() {
                let first = i64::try_from(at * size)?;
                put(&mut *task, &[maker.batch(0, first, chunk)?]).await?;
            }
            let second = if mode == "update" { "[2]" } else { "-" };
            assert_eq!(
                rows(&database, ALL).await?,
                [
                    "1 again {\"n\": 1} x {b} -",
                    &format!("2 new {second} m {{}} -"),
                    "3 other {} __debezium - -",
                ],
                "{mode} {size}"
            );
            assert_eq!(stored(&database, 0).await?, Some(5));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_row_is_looked_at_the_record_is_errant() -> Result<()> {
    let database = database(&format!("CREATE EXTENSION hstore; {TABLE}")).await?;
    let mut task = task(&database, &[("insert.mode", "insert")])?;
    opened(&mut *task, &[0]).await?;
    let unsent = format!(r#"{{"id":1,"title":"a","memo":"{NONE}"}}"#);
    let objects = [&*unsent, r#"{"id":2,"title":"b","memo":"m"}"#];
    let batch = Maker::default().batch(0, 0, &objects)?;
    let mut reports = Reports::default();
    task.put(&[batch], &mut reports).await?;
    assert_eq!(reports.offsets(), [0]);
    let error = &reports.errors[0].1;
    assert!(
        error.contains("column memo") && error.contains("placeholder"),
        "{error}"
    );
    assert_eq!(rows(&database, ALL).await?, ["2 b - m - -"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_placeholder_or_none() -> Result<()> {
    for (placeholder, expect) in [("?", "1 b - was - -"), ("", "1 b - ? - -")] {
        let database = database(&format!("CREATE EXTENSION hstore; {TABLE}")).await?;
        let options = [
            &UPSERT[..],
            &[("unavailable.value.placeholder", placeholder)],
        ]
        .concat();
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let objects = [
            r#"{"id":1,"title":"a","memo":"was"}"#,
            r#"{"id":1,"title":"b","memo":"?"}"#,
        ];
        put(&mut *task, &[Maker::default().batch(0, 0, &objects)?]).await?;
        assert_eq!(rows(&database, ALL).await?, [expect]);
    }
    Ok(())
}

/// Also in a column that must not be null, which an INSERT would want.
#[tokio::test(flavor = "multi_thread")]
async fn a_required_column_keeps_its_value_too() -> Result<()> {
    let database = database(
        "CREATE TABLE events (id int PRIMARY KEY, title text, memo text NOT NULL); \
         INSERT INTO events VALUES (1, 'draft', 'long')",
    )
    .await?;
    let mut task = task(&database, &UPSERT)?;
    opened(&mut *task, &[0]).await?;
    let objects = [
        format!(r#"{{"id":1,"title":"final","memo":"{NONE}"}}"#),
        // There is no row whose value could stay.
        format!(r#"{{"id":2,"title":"new","memo":"{NONE}"}}"#),
        r#"{"id":3,"title":"other","memo":"m"}"#.to_owned(),
    ];
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let mut reports = Reports::default();
    let batch = Maker::default().batch(0, 0, &objects)?;
    task.put(&[batch], &mut reports).await?;
    assert_eq!(reports.offsets(), [1]);
    assert!(
        reports.errors[0].1.contains("column memo"),
        "{:?}",
        reports.errors
    );
    let all = "SELECT concat_ws(' ', id, title, memo) FROM events ORDER BY id";
    assert_eq!(rows(&database, all).await?, ["1 final long", "3 other m"]);
    Ok(())
}
