//! `ferrule deploy`: connectors from files onto a worker, and SQL files into a database. What is
//! there already is brought to what the files say.

mod files;
mod sql;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use reqwest::Url;

use crate::plugin::say::say;
use files::Connector;
use worker::{Outcome, Worker};

/// What is logged.
pub const LOG_LEVEL: &str = "error";

/// The exit code of what could not be tried at all.
const UNABLE: u8 = 2;

/// What stands below the options.
pub const HELP: &str = "\
A file is what POST /connectors takes, {\"name\": …, \"config\": {…}}, or a config alone, whose
connector is then named by it or by the file. Values such as ${env:PGPASSWORD} are left to the worker.

  ferrule deploy connectors/activity-events-sink.json
  ferrule deploy connectors --worker http://localhost:8083
  ferrule deploy connectors/activity-events-sink.json -c connection.password=… -c tasks.max=1
  ferrule deploy --sql sql/002_track_activity_log.sql --url postgresql://shark:…@localhost/sharkdb

A SQL file runs once, in a transaction of its own: the table ferrule.applied_sql has its name and its
digest, and a file of another content runs again. The SQL goes first where both are given.

The exit code is 0 when all connectors run, 1 when one does not, 2 when it could not be tried.";

#[derive(Args)]
pub struct DeployArgs {
    /// Files of connectors, or folders of them.
    #[arg(value_name = "FILE", required_unless_present = "sql")]
    files: Vec<PathBuf>,
    /// Set an option of all these connectors, in place of what the files say; may be given again.
    /// Without a value, as in topics=, the option is left out.
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE", value_parser = crate::property)]
    config: Vec<(String, String)>,
    /// The REST address of a worker.
    #[arg(
        long,
        value_name = "URL",
        env = "CONNECT_URL",
        default_value = "http://localhost:8083"
    )]
    worker: Url,
    /// The login of the worker's REST API.
    #[arg(
        long,
        value_name = "NAME:PASSWORD",
        env = "FERRULE_REST_USER",
        hide_env_values = true
    )]
    user: Option<String>,
    /// A PEM file of the certificates that the worker's is signed with.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// How long connectors may take until they run.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Do not wait until they run.
    #[arg(long)]
    no_wait: bool,
    /// A SQL file to apply, or a folder of them; may be given again.
    #[arg(long, value_name = "FILE", requires = "url")]
    sql: Vec<PathBuf>,
    /// The database of the SQL files: postgresql://user:password@host:port/database.
    #[arg(
        long,
        value_name = "URL",
        env = "FERRULE_SQL_URL",
        hide_env_values = true
    )]
    url: Option<String>,
}

/// Runs the command.
pub async fn run(args: DeployArgs) -> ExitCode {
    match deploy(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ferrule: {error:#}");
            ExitCode::from(UNABLE)
        }
    }
}

/// Whether all connectors run in the end.
async fn deploy(args: &DeployArgs) -> Result<bool> {
    // All files are looked at before anything is changed.
    let mut connectors = files::connectors(&args.files)?;
    for connector in &mut connectors {
        connector.set(&args.config);
    }
    if let Some(url) = args.url.as_deref().filter(|_| !args.sql.is_empty()) {
        sql::apply(&files::sql(&args.sql)?, url).await?;
    } else if !args.sql.is_empty() {
        bail!("--sql needs --url");
    }
    if connectors.is_empty() {
        return Ok(true);
    }
    let worker = Worker::new(&args.worker, args.user.as_deref(), args.cacert.as_deref())?;
    let mut taken: Vec<&Connector> = Vec::new();
    let mut all = true;
    for connector in &connectors {
        let name = &connector.name;
        match worker.put(connector).await? {
            Outcome::Created => say!("created   {name}"),
            Outcome::Updated => say!("updated   {name}"),
            Outcome::Refused(why) => {
                all = false;
                say!("REFUSED   {name}  ({})", connector.file.display());
                for line in why.lines() {
                    say!("            {line}");
                }
                continue;
            }
        }
        taken.push(connector);
    }
    if args.no_wait {
        return Ok(all);
    }
    let limit = Duration::from_secs(args.timeout);
    for connector in taken {
        all &= worker
            .wait_for(&connector.name, limit)
            .await?
            .tell(&connector.name);
    }
    Ok(all)
}
