//! `faucet-cli`: no server, but a process for a run that a file describes.

use anyhow::{Context, Result, ensure};
use harness::process::{Server, guarded};
use harness::{install, run};

use crate::drain::Case;
use crate::stand::Stand;

/// One run of faucet, once it has started.
#[derive(Default)]
pub struct Faucet {
    server: Option<Server>,
}

impl Faucet {
    /// Starts a run.
    pub fn start(&mut self, stand: &Stand, case: &Case<'_>, name: &str) -> Result<()> {
        let binary = install::cache()?.join("faucet/bin/faucet");
        ensure!(
            binary.is_file(),
            "{} is missing: run `tests/services/install.sh faucet`",
            binary.display()
        );
        let folder = run::folder("faucet")?;
        let file = folder.join("pipeline.yaml");
        std::fs::write(&file, pipeline(stand, case, name))?;
        let mut faucet = guarded(&binary);
        faucet.arg("run").arg(&file).current_dir(&folder);
        self.server = Some(Server::spawn("faucet", faucet, &folder.join("log"))?);
        Ok(())
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Fails when the process has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        let server = self.server.as_mut().context("faucet was not started")?;
        server.ensure_running()
    }
}

/// It waits for more when all rows are there, so that its figures can still be read.
///
/// The fields of a record lie under `value`; of its transforms only the one for change events
/// takes them out whole. Its sink writes no arrays, so these columns are left out.
fn pipeline(stand: &Stand, case: &Case<'_>, name: &str) -> String {
    format!(
        "version: 1
name: {name}
delivery: exactly_once
pipeline:
  source:
    type: kafka
    config:
      brokers: {}
      topics: [{}]
      group_id: {name}
      value_format: {{ type: json }}
      auto_offset_reset: earliest
      idle_timeout: 30
      batch_size: 5000
  transforms:
    - type: cdc_unwrap
      config: {{ after_field: value }}
    - type: drop
      config: {{ fields: [associated_track_ids, associated_kb_ids] }}
  sink:
    type: postgres
    config:
      connection_url: {}
      schema: public
      table_name: {}
      column_mapping: auto_map
      write_method: copy
      batch_size: 5000
  state:
    type: file
    config: {{ path: ./state }}
",
        stand.kafka.bootstrap(),
        case.topic.name,
        stand.database.url(),
        case.table,
    )
}
