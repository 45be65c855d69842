//! A child that arrives before its parent waits for it as long as the JDBC sinks repeat a batch.

use anyhow::Result;
use harness::names;
use harness::record::Record;
use harness::wait::wait_until;
use serde_json::json;

use super::{Case, LIMIT, Running};

const DDL: &str = "CREATE TABLE orders (id int PRIMARY KEY, customer text); \
    CREATE TABLE order_items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders)";

/// A connector of Confluent's class for items whose order is not there.
fn case(topic: &str, errors: &str) -> Case {
    let config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": topic,
        "connection.url": "jdbc:postgresql://{{PG_HOST}}:{{PG_PORT}}/{{PG_DB}}",
        "connection.user": "{{PG_USER}}",
        "connection.password": "{{PG_PASSWORD}}",
        "table.name.format": "order_items",
        "insert.mode": "upsert",
        "pk.mode": "record_value",
        "pk.fields": "id",
        "errors.tolerance": errors,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    });
    let item = Record::json(&json!({ "id": 10, "order_id": 1 }));
    Case {
        config: config.as_object().cloned().unwrap_or_default(),
        ddl: DDL.to_owned(),
        records: vec![(topic.to_owned(), item)],
        query: "SELECT o.id, i.id AS item FROM orders o JOIN order_items i ON i.order_id = o.id"
            .to_owned(),
        rows: vec!["1 | 10".to_owned()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_waits_for_a_parent_that_another_writes() -> Result<()> {
    for errors in ["none", "all"] {
        let case = case(&names::unique("items"), errors);
        case.produce().await?;
        let running = Running::start(&case).await?;
        wait_until(LIMIT, "the child to wait", async || {
            let status = running.rest.status(&running.name).await?;
            Ok(status.to_string().contains("23503"))
        })
        .await?;
        let order = "INSERT INTO orders VALUES (1, 'Ann')";
        running.database.execute(order).await?;
        running.has(&case.query, &case.rows).await?;
    }
    Ok(())
}
