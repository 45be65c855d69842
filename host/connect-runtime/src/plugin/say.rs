//! Standard output of the commands.

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::process;

/// What a shell tells of a command that SIGPIPE has ended.
const PIPE_CLOSED: i32 = 141;

/// Writes a line. Whoever reads no further (`| head`) ends the command, as it ends others.
macro_rules! say {
    ($($arg:tt)*) => {
        $crate::plugin::say::line(::std::format_args!($($arg)*))
    };
}
pub(crate) use say;

/// See [`say`].
///
/// # Panics
/// When standard output cannot be written for another reason, as `println!` does.
pub fn line(text: fmt::Arguments<'_>) {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(PIPE_CLOSED),
        Err(error) => panic!("cannot write to standard output: {error}"),
    }
}
