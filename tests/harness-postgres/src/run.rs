//! The folder of one test run: data and logs of its servers, gone when the run is.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result};

struct Run {
    folder: PathBuf,
    /// The janitor reads this pipe and acts when it closes, that is, when this process ends.
    _janitor: Option<ChildStdin>,
}

/// A new folder of this run for the server or file called `name`.
pub fn folder(name: &str) -> Result<PathBuf> {
    let folder = run()?.join(crate::names::unique(name));
    std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder)
}

/// The same, owned by a user: a server that drops its rights writes to it.
pub fn folder_of(user: &str, name: &str) -> Result<PathBuf> {
    let folder = run()?.join(crate::names::unique(name));
    let made = Command::new("install")
        .args(["-d", "-m", "700", "-o", user, "-g", user])
        .arg(&folder)
        .status()?;
    anyhow::ensure!(
        made.success(),
        "cannot make {} for {user}",
        folder.display()
    );
    Ok(folder)
}

fn run() -> Result<&'static Path> {
    static RUN: OnceLock<Result<Run, String>> = OnceLock::new();
    let run = RUN.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    match run {
        Ok(run) => Ok(&run.folder),
        Err(reason) => Err(anyhow::anyhow!(
            "cannot make the folder of this run: {reason}"
        )),
    }
}

/// A static is never dropped, and a killed process drops nothing: hence the janitor, in a process
/// group of its own so that Ctrl-C does not take it along.
fn start() -> Result<Run> {
    let folder = tempfile::Builder::new()
        .prefix("ferrule-test-")
        .tempdir()?
        .keep();
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
    if std::env::var_os("FERRULE_TEST_KEEP").is_some() {
        println!("keeping data and logs in {}", folder.display());
        return Ok(Run {
            folder,
            _janitor: None,
        });
    }
    let sweep = "cat >/dev/null; for pause in 0.2 1 3; do \
                 sleep $pause; rm -rf \"$0\" 2>/dev/null && exit; done";
    let janitor = Command::new("sh")
        .args(["-c", sweep])
        .arg(&folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    Ok(Run {
        folder,
        _janitor: janitor.stdin,
    })
}
