//! A process of its own that compiles one file: it reads the file from standard input and writes
//! machine code to standard output. A file that makes the compiler run or grow without end costs
//! this process alone, and what the compiler used is given back.

use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use connect_api::{Error, Result};
use rustix::process::{Resource, Rlimit, Signal};

use super::{COMPILE_COMMAND, CompileLimits, compile};
use crate::engine;

/// How often it is looked whether the child has to be killed.
const LOOK: Duration = Duration::from_millis(50);
/// Machine code of a plugin: the largest file of plain code gives some ten times its size.
const CODE_BYTES: u64 = 512 << 20;
/// What the child says of a file that it cannot compile.
const MESSAGE_BYTES: u64 = 4096;

/// The child's side: compiles standard input to standard output, within the limits.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] saying why it cannot be compiled. The caller prints it to
/// standard error and exits with a status that is not 0.
pub fn compile_stdin(limits: &CompileLimits) -> Result<()> {
    limit_this_process(limits)?;
    let mut bytes = Vec::new();
    let failed = |e: io::Error| Error::config(format!("standard input or output failed: {e}"));
    let mut input = io::stdin().lock().take(limits.file_bytes + 1);
    input.read_to_end(&mut bytes).map_err(failed)?;
    let code = compile(&engine::new()?, &bytes)?;
    let mut output = io::stdout().lock();
    output.write_all(&code).map_err(failed)?;
    output.flush().map_err(failed)
}

fn limit_this_process(limits: &CompileLimits) -> Result<()> {
    let failed = |e: rustix::io::Errno| Error::fatal(format!("cannot limit the compiler: {e}"));
    // The child must not outlive the worker.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed)?;
    let limit = |resource, most: u64| {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        rustix::process::setrlimit(resource, limit).map_err(failed)
    };
    limit(Resource::As, limits.memory_bytes)?;
    limit(Resource::Core, 0)?;
    // All its threads together; the worker itself looks at the clock on the wall.
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    limit(Resource::Cpu, limits.timeout.as_secs().max(1) * threads)
}

/// The worker's side.
///
/// # Errors [`connect_api::ErrorKind::Config`] saying why the bytes cannot be compiled, or which
/// limit was met.
pub(super) fn run(
    program: &Path,
    bytes: &[u8],
    limits: &CompileLimits,
    stopped: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<u8>> {
    let failed = |e: io::Error| {
        let program = program.display();
        Error::config(format!(
            "it cannot be compiled: {program} cannot be run: {e}"
        ))
    };
    let mut child = Command::new(program)
        .arg(COMPILE_COMMAND)
        .arg(limits.memory_bytes.to_string())
        .arg(limits.timeout.as_millis().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (Some(mut input), Some(output), Some(messages)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::fatal("a child process has no pipes"));
    };
    let child = Mutex::new(child);
    let (done, watched) = mpsc::channel();
    let (code, message, killed) = thread::scope(|scope| {
        let watch = {
            let child = &child;
            scope.spawn(move || watch(child, &watched, limits.timeout, stopped))
        };
        // A child that refuses the file closes its end, which is no error of ours.
        scope.spawn(move || drop(input.write_all(bytes)));
        let message = scope.spawn(move || read(messages, MESSAGE_BYTES));
        let code = read(output, CODE_BYTES);
        let message = message.join().unwrap_or_default();
        drop(done);
        (code, message, watch.join().unwrap_or(false))
    });
    let mut child = child.into_inner().unwrap_or_else(PoisonError::into_inner);
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(code);
    }
    Err(Error::config(if killed {
        let millis = limits.timeout.as_millis();
        format!("it cannot be compiled within {millis} ms, the worker's limit")
    } else {
        refusal(status, &String::from_utf8_lossy(&message), limits)
    }))
}

/// Waits until the child has ended, and kills it at its deadline. Whether it was killed.
fn watch(
    child: &Mutex<Child>,
    done: &mpsc::Receiver<()>,
    timeout: Duration,
    stopped: &(dyn Fn() -> bool + Sync),
) -> bool {
    let begin = Instant::now();
    while let Err(mpsc::RecvTimeoutError::Timeout) = done.recv_timeout(LOOK) {
        if begin.elapsed() > timeout || stopped() {
            let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
            // It fails when the child has ended meanwhile.
            let _ = child.kill();
            return true;
        }
    }
    false
}

/// What comes until the end, and no more than `most` of it; the rest is passed over.
fn read(mut from: impl Read, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut part = from.by_ref().take(most);
    // What an end in the midst leaves is known by the child's status.
    let _ = part.read_to_end(&mut bytes);
    let _ = io::copy(&mut from, &mut io::sink());
    bytes
}

/// Why a child that ended by itself has made nothing.
fn refusal(status: ExitStatus, message: &str, limits: &CompileLimits) -> String {
    let message = message.trim();
    // A compiler that is refused memory aborts; Rust's own words for it are the only other sign.
    if status.code().is_none() || message.is_empty() || message.contains("memory allocation of") {
        let (megabytes, millis) = (limits.memory_bytes >> 20, limits.timeout.as_millis());
        format!(
            "it cannot be compiled within {megabytes} MiB of memory and {millis} ms, the worker's \
             limits"
        )
    } else {
        message.replace('\n', " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(program: &str, timeout: Duration, stopped: bool) -> String {
        let limits = CompileLimits {
            timeout,
            ..CompileLimits::default()
        };
        let compiled = run(Path::new(program), b"wasm", &limits, &|| stopped);
        compiled.unwrap_err().to_string()
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        // It writes without end.
        let refused = |timeout, stopped| refused("/usr/bin/yes", timeout, stopped);
        let error = refused(Duration::from_millis(100), false);
        assert!(error.contains("within 100 ms"), "{error}");
        refused(Duration::from_secs(3600), true);
    }

    #[test]
    fn a_program_that_fails_says_why() {
        let long = Duration::from_secs(3600);
        let error = refused("/bin/cat", long, false);
        assert!(error.contains(COMPILE_COMMAND), "{error}");
        let error = refused("/bin/false", long, false);
        assert!(error.contains("within 2048 MiB of memory"), "{error}");
        let error = refused("/nowhere/ferrule", long, false);
        assert!(error.contains("/nowhere/ferrule cannot be run"), "{error}");
    }
}
