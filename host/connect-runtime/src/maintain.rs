//! `ferrule maintain`: the partitions of a table, made ahead and dropped behind.

use std::io::Write as _;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use connect_api::mask;
use postgres_sink::maintain::{Address, Maintainer, Plan, Schedule};

use crate::process;

/// What is logged unless the command line says otherwise: the steps themselves are printed.
pub const LOG_LEVEL: &str = "warn";

/// After a run that failed the next one comes at least so soon.
const RETRY: Duration = Duration::from_secs(60);

/// The arguments of `ferrule maintain`.
#[derive(Args)]
#[command(after_help = "\
What is to be done, and then doing it every hour until SIGTERM or SIGINT:

  ferrule maintain --url postgresql://shark@localhost/sharkdb --table track_activity_log \\
      --interval '1 month' --ahead 2 --retention '90 days' --dry-run
  ferrule maintain … --every 1h

A partition is dropped once its upper bound is older than the retention: none of its rows can be
newer. Months, days and hours are those of UTC. Several runs at the same time do it once. The role
must own the table, and the address must be the server's own, not that of a pooler.

For a table by range of one column of timestamptz, timestamp or date; for a hypertable of
TimescaleDB, its own policies do this (sql/004b_timescale_policies.sql).")]
pub struct MaintainArgs {
    /// Where the database is: postgresql://user@host:port/database, or a jdbc: URL.
    #[arg(long, env = "FERRULE_MAINTAIN_URL", hide_env_values = true)]
    url: String,
    /// The role, in place of one in the URL.
    #[arg(long)]
    user: Option<String>,
    /// The password, in place of one in the URL. Better given by the environment.
    #[arg(long, env = "FERRULE_MAINTAIN_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// The partitioned table, perhaps with its schema.
    #[arg(long)]
    table: String,
    /// How long a partition is: '1 month', '7 days', '6 hours'.
    #[arg(long, default_value = "1 month")]
    interval: String,
    /// How many partitions there shall be after the present one.
    #[arg(long, default_value_t = 2)]
    ahead: u32,
    /// How many there shall be before the present one, for rows that come late.
    #[arg(long, default_value_t = 0)]
    behind: u32,
    /// Drop partitions whose rows are all older than this: '90 days'. Without it none is dropped.
    #[arg(long)]
    retention: Option<String>,
    /// Show what is to be done, and do nothing.
    #[arg(long, conflicts_with = "every")]
    dry_run: bool,
    /// Do it again after so long: 30s, 15m, 1h, 1d.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    every: Option<Duration>,
    /// How long a statement waits for a lock that a writer holds; what it cannot do then, the next
    /// run does.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "10s")]
    lock_timeout: Duration,
}

fn duration(text: &str) -> std::result::Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("a number and s, m, h or d is expected, such as 15m".to_owned()),
    };
    let count: u64 = digits
        .trim()
        .parse()
        .map_err(|_| "a whole number is expected before the unit".to_owned())?;
    match count.checked_mul(unit) {
        Some(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err("it must be greater than 0 and less than an age".to_owned()),
    }
}

/// Runs it once, or until a signal comes.
///
/// # Errors
/// When a run fails that is not to be repeated.
pub async fn run(args: MaintainArgs) -> Result<()> {
    let address = Address {
        url: args.url,
        user: args.user,
        password: args.password,
        lock_timeout: args.lock_timeout,
    };
    let schedule = Schedule {
        table: args.table,
        interval: args.interval,
        ahead: args.ahead,
        behind: args.behind,
        retention: args.retention,
    };
    if args.dry_run {
        let plan = Maintainer::connect(&address).await?.plan(&schedule).await?;
        show(&plan);
        return Ok(());
    }
    let Some(every) = args.every else {
        return once(&address, &schedule).await;
    };
    let mut signalled = pin!(process::signalled().context("could not listen for signals")?);
    loop {
        let turn = async {
            let pause = match once(&address, &schedule).await {
                Ok(()) => every,
                Err(error) => {
                    say(&mask(format!("Error: {error:#}")));
                    every.min(RETRY)
                }
            };
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            () = turn => {}
            _ = &mut signalled => return Ok(()),
        }
    }
}

async fn once(address: &Address, schedule: &Schedule) -> Result<()> {
    let mut maintainer = Maintainer::connect(address).await?;
    let plan = maintainer
        .run(schedule, |step| say(&format!("done   {step}")))
        .await?;
    for warning in &plan.warnings {
        say(&format!("not    {warning}"));
    }
    if plan.steps.is_empty() {
        say(&format!("nothing to do; {} partitions stay", plan.kept));
    }
    if !plan.warnings.is_empty() {
        bail!("{} of it could not be done", plan.warnings.len());
    }
    Ok(())
}

fn show(plan: &Plan) {
    for step in &plan.steps {
        say(&format!("would  {step}"));
    }
    for warning in &plan.warnings {
        say(&format!("not    {warning}"));
    }
    let (steps, kept) = (plan.steps.len(), plan.kept);
    say(&format!("{steps} steps, {kept} partitions stay"));
}

/// There is nobody left to tell when it cannot be written.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        for text in [
            "",
            "1",
            "h",
            "0s",
            "-1h",
            "1.5h",
            "1w",
            "99999999999999999999d",
            "é",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("1000000000000000000d").is_err());
    }
}
