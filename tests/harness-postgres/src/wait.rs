//! Waiting for what other processes do.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Asks until `condition` is true; fails after `limit` with the name of what did not happen and
/// the last error that the condition gave.
///
/// An error of the condition counts as "not yet": a server that is starting refuses connections.
pub async fn wait_until(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(5);
    loop {
        let answer = condition().await;
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        if start.elapsed() >= limit {
            answer.with_context(|| format!("waited {limit:?} for {what}"))?;
            bail!("waited {limit:?} for {what}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::*;

    #[tokio::test]
    async fn waits_until_true_and_through_errors() -> Result<()> {
        let mut asked = 0;
        wait_until(Duration::from_secs(5), "the third time", async || {
            asked += 1;
            ensure!(asked > 1, "not up");
            Ok(asked == 3)
        })
        .await?;
        assert_eq!(asked, 3);
        Ok(())
    }

    #[tokio::test]
    async fn tells_what_did_not_happen_and_why() {
        let limit = Duration::from_millis(20);
        let never = wait_until(limit, "godot", async || bail!("on the road")).await;
        let text = never.map_err(|error| format!("{error:#}"));
        assert_eq!(text, Err("waited 20ms for godot: on the road".to_owned()));
    }
}
