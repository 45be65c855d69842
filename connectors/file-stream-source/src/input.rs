//! Where lines are read: a file, or the standard input of the worker.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::sync::LazyLock;

use connect_api::{Error, Result};
use tokio::sync::{Mutex, mpsc};

/// Bytes that are read at a time.
const CHUNK: usize = 64 << 10;
/// Chunks of the standard input that are read ahead.
const STDIN_AHEAD: usize = 4;

/// Where a task reads.
#[derive(Debug)]
pub(crate) enum Input {
    /// A file that is open.
    File(File),
    /// The standard input.
    Stdin,
}

impl Input {
    /// Opens a file at a position, or the standard input. None: the file does not exist yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn open(file: Option<&str>, position: u64) -> Result<Option<Self>> {
        let Some(path) = file else {
            return Ok(Some(Self::Stdin));
        };
        let failed = |cause| {
            let failed = Error::fatal(format!("could not open file {path}"));
            failed.with_source(cause).transient()
        };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        let size = file.metadata().map_err(failed)?.len();
        if size < position {
            tracing::warn!(
                file = path,
                position,
                size,
                "the file ends before the stored position; nothing is read until it has grown"
            );
        }
        file.seek(SeekFrom::Start(position)).map_err(failed)?;
        Ok(Some(Self::File(file)))
    }

    /// The next bytes; none when there are no more for now. Of the standard input, they are waited
    /// for.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn read(&mut self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::File(file) => {
                let mut chunk = vec![0; CHUNK];
                let read = file.read(&mut chunk)?;
                chunk.truncate(read);
                Ok(chunk)
            }
            Self::Stdin => Ok(STDIN.lock().await.recv().await.unwrap_or_default()),
        }
    }
}

/// A read of the standard input cannot be cancelled, so one thread of the process does it for
/// whichever task asks: a task that has ended must not take what the next one is to have.
static STDIN: LazyLock<Mutex<mpsc::Receiver<Vec<u8>>>> = LazyLock::new(|| {
    let (sender, chunks) = mpsc::channel(STDIN_AHEAD);
    let forward = move || {
        let mut stdin = std::io::stdin().lock();
        let mut chunk = vec![0; CHUNK];
        loop {
            match stdin.read(&mut chunk) {
                Ok(0) => return,
                Ok(read) => {
                    if sender.blocking_send(chunk[..read].to_vec()).is_err() {
                        return;
                    }
                }
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => {
                    tracing::warn!(error = %cause, "could not read the standard input");
                    return;
                }
            }
        }
    };
    let thread = std::thread::Builder::new().name("stdin".into());
    if let Err(cause) = thread.spawn(forward) {
        tracing::error!(error = %cause, "could not start the thread of the standard input");
    }
    Mutex::new(chunks)
});
