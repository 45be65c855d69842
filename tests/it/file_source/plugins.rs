//! WASM plugins and built-in transforms in a source.

use super::*;

/// A line becomes a row, which the plugin checks, and then a line again.
const CHECKED: [(&str, &str); 13] = [
    ("transforms", "row,check,line"),
    (
        "transforms.row.type",
        "org.apache.kafka.connect.transforms.HoistField$Value",
    ),
    ("transforms.row.field", "domain"),
    ("transforms.check.type", "activity-event"),
    ("transforms.check.rules.track_id", "false"),
    ("transforms.check.rules.event_type", "false"),
    ("transforms.check.rules.event_timestamp", "false"),
    ("transforms.check.rules.coordinates", "false"),
    ("transforms.check.rules.mode_s", "false"),
    ("transforms.check.rules.mmsi", "false"),
    (
        "transforms.line.type",
        "org.apache.kafka.connect.transforms.ExtractField$Value",
    ),
    ("transforms.line.field", "domain"),
    ("errors.log.enable", "true"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_changes_and_refuses_records_of_a_source() -> Result<()> {
    let (rest, lines) = (shared().await?, Lines::new("plugin").await?);
    lines.append("AIR\nLAND\nMARITIME\n")?;
    let mut settings = CHECKED.to_vec();
    settings.push(("errors.tolerance", "all"));
    lines.deploy(rest, &settings).await?;
    lines
        .holds(&["AIR".to_owned(), "MARITIME".to_owned()])
        .await?;
    let status = rest.status(&lines.name).await?;
    let plugins = status["tasks"][0]["plugins"].as_str().unwrap_or_default();
    ensure!(
        plugins.starts_with("check: plugin activity-event"),
        "{status}"
    );
    let skipped = "kafka_connect_task_error_total_records_skipped";
    ensure!(metric(rest, skipped, &lines.name).await? == 1.0);
    // What was passed over is not read again, and no partition was made up.
    lines.append("AIR\n")?;
    let expected = ["AIR", "MARITIME", "AIR"].map(str::to_owned);
    lines.holds(&expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_errant_record_fails_a_source_that_tolerates_none() -> Result<()> {
    let (rest, lines) = (shared().await?, Lines::new("intolerant").await?);
    lines.append("AIR\nLAND\nMARITIME\n")?;
    let body = json!({ "name": lines.name, "config": lines.config(&CHECKED) });
    rest.create(&body).await?;
    rest.wait_for_state(&lines.name, "FAILED").await?;
    let trace = rest.trace(&lines.name).await?.unwrap_or_default();
    for part in [
        "Exiting WorkerSourceTask",
        "TRANSFORMATION",
        "activity-event",
        "\"position\":9",
    ] {
        ensure!(trace.contains(part), "no {part} in {trace}");
    }
    ensure!(!trace.contains("LAND"), "{trace}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_keeps_state_is_refused() -> Result<()> {
    let (rest, lines) = (shared().await?, Lines::new("stateful").await?);
    let settings = [
        ("transforms", "guest"),
        ("transforms.guest.type", "test-guest"),
    ];
    let body = json!({ "name": lines.name, "config": lines.config(&settings) });
    rest.create(&body).await?;
    rest.wait_for_state(&lines.name, "FAILED").await?;
    let trace = rest.trace(&lines.name).await?.unwrap_or_default();
    let expected = "transforms.guest: test-guest keeps state, which a source has no place for";
    ensure!(trace.contains(expected), "{trace}");
    Ok(())
}
