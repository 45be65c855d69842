//! Rows that refer to rows which come later, in another topic or by another writer.

use std::time::Duration;

use anyhow::Result;
use connect_api::{ErrorKind, RecordBatch};

use crate::fixture::{Maker, Reports, database, opened, rows, stored, task};

const TABLES: &str = "CREATE TABLE orders (id int PRIMARY KEY); \
                      CREATE TABLE items (id int PRIMARY KEY, \
                      order_id int NOT NULL REFERENCES orders)";
const ITEMS: &str = "SELECT id || ' of ' || order_id FROM items ORDER BY id";

/// A batch of a partition for one table.
fn rows_of(table: &str, number: i32, objects: &[&str]) -> Result<RecordBatch> {
    let mut batch = Maker::default().batch(number, 0, objects)?;
    for record in &mut batch.records {
        record.record.topic = table.into();
    }
    Ok(batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_of_the_same_put_is_in_time() -> Result<()> {
    for size in ["1", "2", "100"] {
        let database = database(TABLES).await?;
        let mut task = task(&database, &[("batch.size", size)])?;
        opened(&mut *task, &[0, 1]).await?;
        let items = [r#"{"id":10,"order_id":1}"#, r#"{"id":11,"order_id":2}"#];
        let orders = [r#"{"id":1}"#, r#"{"id":2}"#];
        let batches = [rows_of("items", 0, &items)?, rows_of("orders", 1, &orders)?];
        let mut reports = Reports::default();
        // The first put stops at the items, and has written the orders.
        let mut puts = 0;
        while let Err(error) = task.put(&batches, &mut reports).await {
            assert_eq!(error.kind(), ErrorKind::Retriable, "{error}");
            assert!(error.chain().contains("waits"), "{error}");
            puts += 1;
            assert!(puts < 3, "{size}");
        }
        assert_eq!(reports.errors, []);
        assert_eq!(rows(&database, ITEMS).await?, ["10 of 1", "11 of 2"]);
        assert_eq!(stored(&database, 0).await?, Some(2));
        assert_eq!(stored(&database, 1).await?, Some(2));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_waits_and_what_is_before_it_lands() -> Result<()> {
    let database = database(&format!("{TABLES}; INSERT INTO orders VALUES (1)")).await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let items = [
        r#"{"id":10,"order_id":1}"#,
        r#"{"id":20,"order_id":2}"#,
        r#"{"id":11,"order_id":1}"#,
    ];
    let batches = [rows_of("items", 0, &items)?];
    let mut reports = Reports::default();
    for _ in 0..2 {
        let waits = task.put(&batches, &mut reports).await;
        let kind = waits.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::Retriable));
        assert_eq!(rows(&database, ITEMS).await?, ["10 of 1"]);
        assert_eq!(stored(&database, 0).await?, Some(1));
    }
    database.execute("INSERT INTO orders VALUES (2)").await?;
    task.put(&batches, &mut reports).await?;
    assert_eq!(
        rows(&database, ITEMS).await?,
        ["10 of 1", "11 of 1", "20 of 2"]
    );
    assert_eq!(reports.errors, []);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_has_waited_long_enough_is_errant() -> Result<()> {
    for (retries, backoff) in [("0", "3000"), ("3", "10"), ("3", "0")] {
        let database = database(&format!("{TABLES}; INSERT INTO orders VALUES (1)")).await?;
        let options = [("max.retries", retries), ("retry.backoff.ms", backoff)];
        let mut task = task(&database, &options)?;
        opened(&mut *task, &[0]).await?;
        let items = [
            r#"{"id":20,"order_id":2}"#,
            r#"{"id":10,"order_id":1}"#,
            r#"{"id":30,"order_id":3}"#,
        ];
        let batches = [rows_of("items", 0, &items)?];
        let mut reports = Reports::default();
        let mut waited = 0;
        while let Err(error) = task.put(&batches, &mut reports).await {
            assert_eq!(error.kind(), ErrorKind::Retriable, "{error}");
            assert_eq!(reports.errors, [], "none is blamed before");
            waited += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(waited > 0, (retries, backoff) == ("3", "10"), "{waited}");
        assert_eq!(reports.offsets(), [0, 2]);
        assert!(
            reports.errors[0].1.contains("23503"),
            "{:?}",
            reports.errors
        );
        assert_eq!(rows(&database, ITEMS).await?, ["10 of 1"]);
        assert_eq!(stored(&database, 0).await?, Some(3));
    }
    Ok(())
}
