//! A child that arrives before its parent waits for it as long as the JDBC sinks repeat a batch.

use anyhow::Result;
use harness::kafka::TestKafka;
use harness::names;
use harness::record::Record;
use serde_json::json;

use super::{Case, Running};

const DDL: &str = "CREATE TABLE orders (id int PRIMARY KEY, customer text); \
    CREATE TABLE order_items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders)";

/// A connector of Confluent's class for topics that begin with a name of the test.
fn case(stem: &str, topics: &[&str], errors: &str) -> Case {
    let topics: Vec<_> = topics
        .iter()
        .map(|topic| format!("{stem}_{topic}"))
        .collect();
    let config = json!({
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": topics.join(","),
        "connection.url": "jdbc:postgresql://{{PG_HOST}}:{{PG_PORT}}/{{PG_DB}}",
        "connection.user": "{{PG_USER}}",
        "connection.password": "{{PG_PASSWORD}}",
        "insert.mode": "upsert",
        "pk.mode": "record_value",
        "pk.fields": "id",
        "transforms": "route",
        "transforms.route.type": "org.apache.kafka.connect.transforms.RegexRouter",
        "transforms.route.regex": format!("{stem}_(.*)"),
        "transforms.route.replacement": "$1",
        "errors.tolerance": errors,
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    });
    Case {
        config: config.as_object().cloned().unwrap_or_default(),
        ddl: DDL.to_owned(),
        records: Vec::new(),
        query: "SELECT o.id, i.id AS item FROM orders o JOIN order_items i ON i.order_id = o.id"
            .to_owned(),
        rows: vec!["1 | 10".to_owned()],
    }
}

fn records(stem: &str) -> [(String, Record); 2] {
    let item = Record::json(&json!({ "id": 10, "order_id": 1 }));
    let order = Record::json(&json!({ "id": 1, "customer": "Ann" }));
    [
        (format!("{stem}_order_items"), item),
        (format!("{stem}_orders"), order),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_waits_for_a_parent_in_either_topic() -> Result<()> {
    for errors in ["none", "all"] {
        let stem = names::unique("late").replace('-', "_");
        let [item, order] = records(&stem);
        let mut case = case(&stem, &["order_items", "orders"], errors);
        case.records = vec![item];
        case.produce().await?;
        let running = Running::start(&case).await?;
        let message = || async {
            let status = running.rest.status(&running.name).await?;
            Ok::<_, anyhow::Error>(status.to_string())
        };
        harness::wait::wait_until(super::LIMIT, "the child to wait", async || {
            Ok(message().await?.contains("23503"))
        })
        .await?;
        TestKafka::shared()
            .await?
            .produce(&order.0, [order.1])
            .await?;
        running.has(&case.query, &case.rows).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn both_in_topics_that_are_full_before() -> Result<()> {
    let stem = names::unique("full").replace('-', "_");
    let mut case = case(&stem, &["order_items", "orders"], "none");
    case.records = records(&stem).to_vec();
    case.produce().await?;
    case.run().await?;
    Ok(())
}
