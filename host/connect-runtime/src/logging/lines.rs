//! Lines of the log as they leave: without secrets, and one line for each event, whatever it
//! quotes.
//!
//! An event quotes what others wrote: names of fields and files, notices of a server, texts of
//! plugins. In a line for people, no character of it ends the line or steers the terminal.

use std::fmt::Write as _;
use std::io::{self, Write};

use connect_api::mask;
use tracing_subscriber::fmt::MakeWriter;

/// What the level's word is painted in: SGR, as terminals know it (ECMA-48).
const PAINT: &[(&str, &str)] = &[
    ("ERROR", "31"),
    ("WARN", "33"),
    ("INFO", "32"),
    ("DEBUG", "34"),
    ("TRACE", "35"),
];

/// How lines leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// For people, in a file or a pipe.
    Plain,
    /// For people, at a terminal.
    Painted,
    /// JSON has its own way to write control characters.
    Json,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter(*self)
    }
}

/// Writes one event.
pub(super) struct LineWriter(Lines);

impl Write for LineWriter {
    /// The layer hands over whole events.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = line(self.0, &String::from_utf8_lossy(event));
        io::stdout().lock().write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}

fn line(lines: Lines, event: &str) -> String {
    let event = mask(event.strip_suffix('\n').unwrap_or(event));
    let mut line = match lines {
        Lines::Json => event.into_owned(),
        Lines::Plain => one_line(&event),
        Lines::Painted => painted(&one_line(&event)),
    };
    line.push('\n');
    line
}

/// A text whose characters neither end a line, nor steer a terminal, nor turn the direction of what
/// stands around them.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if is_unsafe(c) => {
                // Writing to a String never fails.
                let _ = write!(line, "\\u{{{:x}}}", u32::from(c));
            }
            c => line.push(c),
        }
    }
    line
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The time comes first, then the level.
fn painted(line: &str) -> String {
    let Some((time, rest)) = line.split_once(' ') else {
        return line.to_owned();
    };
    let rest = rest.trim_start();
    let level = PAINT.iter().find(|(level, _)| {
        rest.strip_prefix(level)
            .is_some_and(|after| after.starts_with(' '))
    });
    match level {
        Some((level, paint)) => {
            let after = &rest[level.len()..];
            format!("\u{1b}[2m{time}\u{1b}[0m \u{1b}[{paint}m{level:>5}\u{1b}[0m{after}")
        }
        None => line.to_owned(),
    }
}

/// A panic is told in one line, too; its text may quote anything.
pub(super) fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let told = one_line(&mask(format!("thread {name} {panic}")));
        let trace = std::backtrace::Backtrace::capture();
        let mut error = io::stderr().lock();
        // There is nobody left to tell when it cannot be written.
        let _ = writeln!(error, "{told}");
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            let _ = writeln!(error, "{trace}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: &str = "x\n2026-01-01T00:00:00Z  INFO forged\r\u{1b}[2J\u{7f}\u{9b}31m\u{85}\
                          \u{2028}\u{2029}\u{202e}\u{2066}\u{200f}\u{0}\t";

    #[test]
    fn no_text_ends_a_line_or_steers_a_terminal() {
        let event = format!("2026-01-01T00:00:00Z  WARN a: {FORGED}\n");
        let plain = line(Lines::Plain, &event);
        assert_eq!(plain.lines().count(), 1, "{plain:?}");
        assert!(
            !plain.trim_end_matches('\n').chars().any(is_unsafe),
            "{plain:?}"
        );
        assert!(
            plain.starts_with("2026-01-01T00:00:00Z  WARN a: x\\n2026"),
            "{plain}"
        );
        assert!(
            plain.contains("\\u{1b}[2J\\u{7f}\\u{9b}31m\\u{85}\\u{2028}"),
            "{plain}"
        );
        let own = line(Lines::Painted, &event);
        let bare = own
            .replace("\u{1b}[2m", "")
            .replace("\u{1b}[33m", "")
            .replace("\u{1b}[0m", "");
        assert!(
            !bare.trim_end_matches('\n').chars().any(is_unsafe),
            "{bare:?}"
        );
        assert_eq!(own.matches('\u{1b}').count(), 4);
    }

    #[test]
    fn letters_of_all_languages_stay() {
        let text = "größe 温度 Ωμέγα עברית 🚀 a\\b";
        assert_eq!(one_line(text), text);
    }

    #[test]
    fn lines_tell_no_secret() {
        connect_api::keep_secrets(["canary-of-a-line"], &|_| false);
        for lines in [Lines::Plain, Lines::Painted, Lines::Json] {
            let told = line(lines, "a canary-of-a-line b\n");
            assert_eq!(told, "a [hidden] b\n");
        }
    }
}
