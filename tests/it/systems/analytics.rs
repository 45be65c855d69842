//! User analytics: windows over three partitions, on three workers, in one table.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::json;

/// The connector's file.
pub const FILE: &str = "user-activity-metrics-sink.json";
/// The file of the table.
pub const TABLES: &str = "006_user_activity_metrics.sql";
/// Noon of the first of July 2024, in milliseconds.
pub const NOON: i64 = 1_719_835_200_000;

/// A record of the topic, so many milliseconds after noon.
pub fn activity(user: &str, kind: &str, after: i64) -> Record {
    let message = json!({
        "user_id": user,
        "activity_type": kind,
        "timestamp": "2024-07-01T12:00:00Z",
        "metadata": { "page_url": "https://example.com/home", "referrer": "https://google.com" },
    });
    Record::json(&message).key(user).timestamp(NOON + after)
}

#[tokio::test(flavor = "multi_thread")]
async fn activities_are_counted_in_windows() -> Result<()> {
    let pipeline = Pipeline::shared("analytics", 3).await?;
    pipeline.database.apply(TABLES).await?;
    pipeline.deploy_file(FILE, &[]).await?;
    let on = |partition, record: Record| record.partition(partition);
    let mut records = vec![
        on(0, activity("a", "page_view", 1_000)),
        on(0, activity("b", "click", 2_000)),
        on(0, activity("a", "page_view", 30_999)),
        // Its time closes the window, and it begins the next one.
        on(0, activity("a", "page_view", 31_000)),
    ];
    // A window of a hundred messages, and one that is not over.
    records.extend((0..150).map(|n| on(1, activity(&format!("u{}", n % 40), "page_view", n))));
    let broken = [
        (
            json!({ "activity_type": "page_view" }),
            "user_id: is required",
        ),
        (
            json!({ "user_id": "c", "activity_type": 5 }),
            "activity_type: must be text, not an integer",
        ),
    ];
    let mut refused = Vec::new();
    for (offset, (message, why)) in (0..).zip(broken) {
        let record = Record::json(&message).timestamp(NOON);
        refused.push(Refused {
            record: record.clone(),
            at: (2, offset),
            reason: Reason::transform("activity-metrics", why),
        });
        records.push(on(2, record));
    }
    pipeline.produce(records).await?;
    pipeline.drained().await?;
    pipeline.assert_refused(&refused).await?;
    let columns = "timestamp, unique_users, page_view_count";
    let query = format!("SELECT {columns} FROM user_activity_metrics ORDER BY unique_users");
    let row = |at: &str, users: &str, views: &str| json!({ "timestamp": at, "unique_users": users, "page_view_count": views });
    let expected = [
        row("2024-07-01T12:00:01", "2", "2"),
        row("2024-07-01T12:00:00", "40", "100"),
    ];
    assert_eq!(pipeline.rows(&query).await?, expected);
    Ok(())
}
