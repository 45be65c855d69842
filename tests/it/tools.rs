//! The commands around a worker: `ferrule topics`, `schema`, `produce` and `deploy`, against real
//! servers.

mod deploy;
mod produce;
mod schema;
mod topics;

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Result, ensure};
use harness::install;

/// Runs `ferrule` with these arguments, in the clone.
async fn ferrule(args: &[&str]) -> Result<Output> {
    let mut command = Command::new(install::ferrule()?);
    command.args(args).env("NO_COLOR", "1");
    command.current_dir(install::repository());
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// What a command has written to both of its outputs.
fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// Runs it, and checks its exit code and words that it has to say.
async fn expect(args: &[&str], code: i32, words: &[&str]) -> Result<String> {
    let output = ferrule(args).await?;
    let text = told(&output);
    ensure!(
        output.status.code() == Some(code),
        "{args:?} ended with {:?}, not {code}:\n{text}",
        output.status.code()
    );
    for word in words {
        ensure!(
            text.contains(word),
            "{args:?}: {word:?} is missing:\n{text}"
        );
    }
    Ok(text)
}

/// Writes a file, and gives its path as text.
fn written(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}
