//! Where the server's programs are, and which account may run them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::{Error, Result};

/// Debian keeps one directory a major version here, out of PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The directory with `initdb` and `postgres`.
#[derive(Clone, Debug)]
pub(super) struct Binaries(PathBuf);

impl Binaries {
    /// PATH first, then the newest of Debian's directories.
    pub(super) fn find() -> Result<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path)
            .find(|directory| holds_server(directory))
            .or_else(|| newest(Path::new(DEBIAN)))
            .map(Self)
            .ok_or(Error::PostgresMissing)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn holds_server(directory: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|name| directory.join(name).is_file())
}

fn newest(root: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(root).ok()?;
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            let bin = entry.path().join("bin");
            holds_server(&bin).then_some((major, bin))
        })
        .max_by_key(|(major, _)| *major)
        .map(|(_, bin)| bin)
}

/// The account that root gives the server to, since Postgres refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// `None` where this process is not root and the server may run as it is.
    pub(super) async fn find() -> Result<Option<Self>> {
        if id(&["-u"]).await != Some(0) {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id(&["-u", name]).await, id(&["-g", name]).await) {
                return Ok(Some(Self { uid, gid }));
            }
        }
        let none = "running as root, and there is no user postgres or nobody to drop to";
        Err(Error::Postgres(none.to_owned()))
    }

    pub(super) fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

async fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id")
        .args(args)
        .stderr(Stdio::null())
        .output()
        .await
        .ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_installation_wins() {
        let root = tempfile::tempdir().expect("a directory");
        for (version, programs) in [
            ("9", &["initdb", "postgres"][..]),
            ("15", &["initdb", "postgres"]),
            ("16", &["psql"]),
            ("common", &["initdb", "postgres"]),
        ] {
            let bin = root.path().join(version).join("bin");
            std::fs::create_dir_all(&bin).expect("a directory");
            for program in programs {
                std::fs::write(bin.join(program), "").expect("a file");
            }
        }
        assert_eq!(newest(root.path()), Some(root.path().join("15/bin")));
    }

    #[test]
    fn no_installation_is_none() {
        let root = tempfile::tempdir().expect("a directory");
        assert_eq!(newest(root.path()), None);
        assert_eq!(newest(&root.path().join("missing")), None);
    }
}
