//! The demo of all five systems, to its end: every record of each is accounted for.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use harness::install::{ferrule, plugins, repository};
use harness::process::guarded;
use harness::run;

/// The demo itself gives up sooner, and says what is missing.
const LIMIT: Duration = Duration::from_secs(400);
const ROWS: usize = 24;
const COLUMNS: usize = 80;

/// What a command tells that has to end well.
async fn told(mut command: Command) -> Result<String> {
    command.current_dir(repository());
    let run = tokio::task::spawn_blocking(move || command.output());
    let output = tokio::time::timeout(LIMIT, run).await;
    let output = output.context("the demo does not end")???;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}\n{told}\n{errors}",
        output.status
    );
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_all_systems_is_accounted_for() -> Result<()> {
    let mut command = guarded(&ferrule()?);
    command.args([
        "dev",
        "--demo",
        "--exit",
        "--records",
        "2000",
        "--ports",
        "0",
    ]);
    command.arg("--plugins").arg(plugins()?);
    let told = told(command).await?;
    let (_, account) = told.split_once("of the first POST").context("no account")?;
    // Each connector of the repository has its part in it, and something of each is looked at.
    let mut names = 0;
    for entry in std::fs::read_dir(repository().join("connectors"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path
            .file_stem()
            .context("no name")?
            .to_string_lossy()
            .into_owned();
        let heading = format!("  {name}");
        let mut lines = account.lines().skip_while(|line| **line != *heading);
        ensure!(lines.next().is_some(), "nothing of {name}: {told}");
        let check = lines.next().unwrap_or_default();
        ensure!(
            check.contains(" of "),
            "nothing of {name} is looked at: {told}"
        );
        names += 1;
    }
    ensure!(names > 15, "{names} connectors only");
    ensure!(told.contains("every record is accounted for"), "{told}");
    ensure!(!told.contains("WRONG"), "{told}");
    Ok(())
}

/// The command, on a terminal of its own of this size.
fn on_a_terminal(ferrule: &Path, typed: &Path) -> Result<Command> {
    let ferrule = ferrule.display();
    let plugins = plugins()?;
    let line = format!(
        "stty rows {ROWS} cols {COLUMNS}; exec '{ferrule}' dev --demo --exit --records 400 \
         --ports 0 --plugins '{}'",
        plugins.display()
    );
    let mut command = guarded(Path::new("script"));
    command.args(["-qec", &line]).arg(typed);
    command.env("TERM", "xterm");
    Ok(command)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_stays_in_its_place_on_a_terminal() -> Result<()> {
    let typed = run::folder("demo-terminal")?.join("typed");
    let told = told(on_a_terminal(&ferrule()?, &typed)?).await?;
    ensure!(told.contains("every record is accounted for"), "{told}");
    let mut drawings = 0;
    for part in told.split("\x1b[").skip(1) {
        let Some((count, _)) = part.split_once('A') else {
            continue;
        };
        if let Ok(up) = count.parse::<usize>() {
            ensure!(up < ROWS, "{up} lines up of {ROWS}: {told}");
            drawings += 1;
        }
    }
    ensure!(drawings > 3, "drawn {drawings} times: {told}");
    let drawn = told
        .lines()
        .filter_map(|line| line.trim_end().strip_suffix("\x1b[K"));
    for line in drawn {
        let line = line.rsplit_once("\x1b[").map_or(line, |(_, rest)| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit())
                .trim_start_matches('A')
        });
        ensure!(line.chars().count() <= COLUMNS, "it wraps: {line}");
    }
    Ok(())
}
