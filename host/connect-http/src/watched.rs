//! Files that are read again when they change: certificates, users, tokens, roles.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use connect_api::{Error, Result};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info};

/// How soon a change is seen. Contents are compared, not times: a secret that is mounted into a
/// container changes by a link, and a file system's clock may be coarse.
const INTERVAL: Duration = Duration::from_secs(2);
/// Bytes of a file, at most.
const LIMIT: u64 = 1 << 20;

/// What was made of some files, as they last were valid.
#[derive(Debug)]
pub struct Watched<T>(watch::Receiver<Arc<T>>);

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Watched<T> {
    /// Reads the files and watches them until the tasks are dropped. `make` gets their contents in
    /// the order of the paths. A change that `make` refuses is logged, and the old state counts on.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a file cannot be read, or `make` refuses it.
    pub async fn start(
        paths: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<T> + Send + Sync + 'static,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self> {
        let mut files = read(&paths).await?;
        let (sender, receiver) = watch::channel(Arc::new(make(&files)?));
        if !paths.is_empty() {
            tasks.spawn(async move {
                let mut said: Option<String> = None;
                loop {
                    tokio::time::sleep(INTERVAL).await;
                    let made = match read(&paths).await {
                        Ok(now) if now == files => continue,
                        Ok(now) => {
                            files = now;
                            make(&files)
                        }
                        Err(error) => Err(error),
                    };
                    let names = names(&paths);
                    match made {
                        Ok(made) => {
                            said = None;
                            info!(files = names, "read again after a change");
                            sender.send_replace(Arc::new(made));
                        }
                        Err(error) => {
                            let why = error.chain();
                            if said.as_ref() != Some(&why) {
                                error!(files = names, error = why, "the change is not taken over");
                                said = Some(why);
                            }
                        }
                    }
                }
            });
        }
        Ok(Self(receiver))
    }

    /// The state as of now.
    pub fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }
}

fn names(paths: &[PathBuf]) -> String {
    let names = paths.iter().map(|path| path.display().to_string());
    names.collect::<Vec<_>>().join(", ")
}

async fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    let paths = paths.to_vec();
    let reading = move || paths.iter().map(|path| read_file(path)).collect();
    // A file system that hangs must not hold up the runtime.
    let read = tokio::task::spawn_blocking(reading).await;
    read.unwrap_or_else(|cause| Err(Error::fatal("could not read files").with_source(cause)))
}

/// The bytes of a regular file that is not too long.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] that names the file.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let failed =
        |cause| Error::config(format!("cannot read {}", path.display())).with_source(cause);
    let odd = |why: &str| Error::config(format!("{} {why}", path.display()));
    // A pipe would hold up whoever opens it.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(odd("is not a regular file"));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    match bytes.len() as u64 > LIMIT {
        true => Err(odd(&format!("is longer than {LIMIT} bytes"))),
        false => Ok(bytes),
    }
}

/// The text of a file.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when it is not UTF-8.
pub fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| Error::config(format!("{what} is not UTF-8 text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_is_seen_and_a_broken_one_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        std::fs::write(&path, "1").unwrap();
        let make = |files: &[Vec<u8>]| {
            let number = text(&files[0], "it")?.parse::<u32>();
            number.map_err(|_| Error::config("not a number"))
        };
        let mut tasks = JoinSet::new();
        let watched = Watched::start(vec![path.clone()], make, &mut tasks).await;
        let watched = watched.unwrap();
        assert_eq!(*watched.now(), 1);
        std::fs::write(&path, "x").unwrap();
        tokio::time::sleep(INTERVAL * 2).await;
        assert_eq!(*watched.now(), 1);
        std::fs::write(&path, "2").unwrap();
        let seen = async {
            while *watched.now() != 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(60), seen).await;
        assert!(seen.is_ok());
    }

    #[test]
    fn only_regular_files_of_a_usual_size_are_read() {
        for path in ["/dev/zero", "/proc", "/nowhere"] {
            assert!(read_file(Path::new(path)).is_err(), "{path}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        std::fs::write(&path, vec![0; (1 << 20) + 1]).unwrap();
        assert!(read_file(&path).is_err());
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        assert_eq!(read_file(&path).unwrap().len(), 1 << 20);
    }
}
