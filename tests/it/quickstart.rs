//! The quick start of each system, as its page has it, on a worker, a database server and addresses
//! of its own: every command has to end well and to tell what the page shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::install::repository;
use harness::kafka::TestKafka;
use harness::postgres::TestPostgres;
use harness::registry::TestRegistry;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{names, run};

use crate::pages::{self, Step, blocks_of, is_as_shown, sections, shell, steps};

/// Rows are where a page looks for them a moment after its commands, or half a minute.
const LIMIT: Duration = Duration::from_secs(150);
/// The section that starts the services, which the harness has started.
const START: &str = "Start";
/// What of the clone the commands read.
const READ: [&str; 3] = ["connectors", "sql", "docs/examples"];

/// The services, and a folder with the files of the clone that name them.
struct Stage {
    folder: PathBuf,
    instead: Vec<(&'static str, String)>,
    /// Addresses that commands take where none is written.
    usual: Vec<(&'static str, String)>,
    // It goes with the test.
    _worker: TestWorker,
    _postgres: TestPostgres,
}

impl Stage {
    async fn new(system: &str) -> Result<Self> {
        let kafka = TestKafka::shared().await?;
        let registry = TestRegistry::shared().await?;
        let postgres = TestPostgres::start().await?;
        let worker = TestWorker::start(WorkerConfig::new(&kafka.bootstrap())?).await?;
        let rest = worker
            .rest()
            .base()
            .trim_start_matches("http://")
            .to_owned();
        let http = format!("127.0.0.1:{}", names::free_port()?);
        let stage = Self {
            folder: run::folder(&format!("quickstart-{system}"))?,
            // The addresses of a page, and those of this test. Nothing else is changed.
            instead: vec![
                ("localhost:9092", kafka.bootstrap()),
                ("http://localhost:8081", registry.url()),
                ("localhost:8083", rest),
                ("localhost:8080", http.clone()),
                ("127.0.0.1:8080", http),
                ("localhost:5432", format!("127.0.0.1:{}", postgres.port())),
            ],
            usual: vec![
                ("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap()),
                ("CONNECT_URL", worker.rest().base().to_owned()),
            ],
            _worker: worker,
            _postgres: postgres,
        };
        for folder in READ {
            stage.copy(&repository().join(folder), &stage.folder.join(folder))?;
        }
        Ok(stage)
    }

    fn adapted(&self, text: &str) -> String {
        let each = self.instead.iter();
        each.fold(text.to_owned(), |text, (usual, own)| {
            text.replace(usual, own)
        })
    }

    /// Copies the files of a folder, with the test's addresses; crates stay where they are.
    fn copy(&self, from: &Path, to: &Path) -> Result<()> {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
            let path = entry?.path();
            let target = to.join(path.file_name().context("no name")?);
            if path.is_file() {
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                fs::write(&target, self.adapted(&text))?;
                fs::set_permissions(&target, fs::metadata(&path)?.permissions())?;
            } else if !path.join("Cargo.toml").is_file() {
                self.copy(&path, &target)?;
            }
        }
        Ok(())
    }

    async fn told(&self, command: &str) -> Result<String> {
        shell(command, &self.folder, &self.usual).await
    }

    async fn run(&self, step: &Step) -> Result<()> {
        let command = self.adapted(&step.command);
        let shown = self.adapted(&step.shown);
        if shown.is_empty() {
            return self.told(&command).await.map(drop);
        }
        let fits = async || {
            let told = self.told(&command).await?;
            ensure!(
                is_as_shown(&told, &shown),
                "{command}\n{told}\n--- is shown as\n{shown}"
            );
            Ok(true)
        };
        // What only looks is asked again until all is there.
        let looks = command.starts_with("psql ") && command.contains("SELECT")
            || command.starts_with("curl ") && !command.contains(" -X ");
        match looks {
            true => wait_until(LIMIT, &step.command, fits).await,
            false => fits().await.map(drop),
        }
    }
}

/// Runs all commands of a page but those that start the services.
async fn follow(system: &str) -> Result<()> {
    let page = pages::page(&format!("docs/{system}.md"))?;
    let stage = Stage::new(system).await?;
    let mut count = 0;
    let (start, rest): (Vec<_>, Vec<_>) = sections(&page)
        .into_iter()
        .partition(|(title, _)| *title == START);
    ensure!(start.len() == 1, "{system} has no section {START}");
    for (heading, section) in rest {
        for block in blocks_of(section, "console")? {
            for step in steps(&block) {
                count += 1;
                let named = || format!("docs/{system}.md, {heading}: $ {}", step.command);
                stage.run(&step).await.with_context(named)?;
            }
        }
    }
    ensure!(count > 10, "{system} has {count} commands only");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn shark() -> Result<()> {
    follow("shark").await
}

#[tokio::test(flavor = "multi_thread")]
async fn fleetops() -> Result<()> {
    follow("fleetops").await
}

#[tokio::test(flavor = "multi_thread")]
async fn analytics() -> Result<()> {
    follow("analytics").await
}

#[tokio::test(flavor = "multi_thread")]
async fn telescope() -> Result<()> {
    follow("telescope").await
}

#[tokio::test(flavor = "multi_thread")]
async fn iot() -> Result<()> {
    follow("iot").await
}
