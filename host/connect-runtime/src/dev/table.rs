//! The live table of the demo: how far each connector is, drawn again in its place on a terminal.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::progress::{Progress, Watch};
use super::systems::{Connector, Target};

/// How often a rate is taken anew: over less it jumps.
const RATE_INTERVAL: Duration = Duration::from_millis(500);
/// How often the terminal is asked for its size: somebody may have changed it.
const SIZE_INTERVAL: Duration = Duration::from_secs(2);

/// How much a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    rows: usize,
    columns: usize,
}

impl Size {
    /// That of a terminal that does not tell its own.
    const USUAL: Self = Self {
        rows: 24,
        columns: 80,
    };

    /// As the terminal tells it.
    fn ask() -> Option<Self> {
        let terminal = File::open("/dev/tty").ok()?;
        let mut stty = Command::new("stty");
        let stty = stty.arg("size").stdin(terminal).stderr(Stdio::null());
        let told = stty.output().ok()?;
        Self::parse(&String::from_utf8_lossy(&told.stdout))
    }

    /// `ROWS COLUMNS`.
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().map(str::parse::<usize>);
        let (rows, columns) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        (rows > 0 && columns > 0).then_some(Self { rows, columns })
    }
}

/// What a line of the table is: where there is no room for all, some go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The head, or the last line.
    Frame,
    /// The name of a system.
    System,
    Connector,
}

/// A table on a terminal that is drawn again in its place.
pub struct Table {
    started: Instant,
    /// What the rates are counted from.
    before: Option<(Instant, Vec<u64>)>,
    rates: Vec<f64>,
    size: Size,
    asked: Option<Instant>,
    /// Lines of the last drawing.
    drawn: usize,
}

impl Table {
    /// A table that begins now.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            before: None,
            rates: Vec::new(),
            size: Size::USUAL,
            asked: None,
            drawn: 0,
        }
    }

    /// Says something above it.
    pub fn say(&mut self, line: &str) {
        write(&format!("{}\x1b[Jferrule dev: {line}\n", up(self.drawn)));
        self.drawn = 0;
    }

    /// Draws it, over what was drawn before.
    pub fn draw(&mut self, watch: &Watch) {
        self.take_rates(watch);
        if self.asked.is_none_or(|at| at.elapsed() > SIZE_INTERVAL) {
            self.asked = Some(Instant::now());
            self.size = Size::ask().unwrap_or(self.size);
        }
        let head = format!(
            "  {:<30} {:<32} {:>8} {:>10} {:>7} {:>6}",
            "connector", "target", "landed", "records/s", "lag", "state"
        );
        let mut lines = vec![(Kind::Frame, head)];
        let mut system = "";
        for (at, (of, connector, progress)) in watch.connectors().enumerate() {
            if of.name != system {
                system = of.name;
                lines.push((Kind::System, format!("  {system}")));
            }
            let line = line(connector, progress, self.rates.get(at).copied());
            lines.push((Kind::Connector, line));
        }
        let last = format!("  {:.1} s", self.started.elapsed().as_secs_f64());
        lines.push((Kind::Frame, last));
        let lines = fitting(lines, self.size);
        // Up to where the last drawing began; what stood there goes.
        let text: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        write(&format!("{}{text}\x1b[J", up(self.drawn)));
        self.drawn = lines.len();
    }

    fn take_rates(&mut self, watch: &Watch) {
        let now = Instant::now();
        // What sends requests on reads no topic: its rate is that of what lands.
        let counts = watch
            .connectors()
            .map(|(_, _, progress)| progress.done.max(progress.landed));
        let counts: Vec<u64> = counts.collect();
        match &self.before {
            Some((at, before)) if now - *at >= RATE_INTERVAL => {
                let seconds = (now - *at).as_secs_f64();
                let rate =
                    |(now, before): (&u64, &u64)| now.saturating_sub(*before) as f64 / seconds;
                self.rates = counts.iter().zip(before).map(rate).collect();
                self.before = Some((now, counts));
            }
            Some(_) => {}
            None => self.before = Some((now, counts)),
        }
    }
}

/// Nobody is there to be told when it cannot be written.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn up(lines: usize) -> String {
    match lines {
        0 => String::new(),
        lines => format!("\x1b[{lines}A"),
    }
}

/// The lines that a terminal shows without scrolling, none longer than it is wide: a line that
/// wraps, or has left the screen, could not be drawn over. Names of systems go first, and then the
/// last connectors.
fn fitting(mut lines: Vec<(Kind, String)>, size: Size) -> Vec<String> {
    // The cursor stands below.
    let room = size.rows.saturating_sub(1).max(1);
    if lines.len() > room {
        lines.retain(|(kind, _)| *kind != Kind::System);
    }
    let over = lines.len().saturating_sub(room);
    if over > 0 {
        let left = over + 1;
        let shown = lines.len().saturating_sub(1 + left);
        let last = lines.pop();
        lines.truncate(shown);
        let more = format!("    … and {left} more: the terminal is too low");
        lines.push((Kind::Frame, more));
        lines.extend(last);
        lines.truncate(room);
    }
    let cut = |(_, line): (Kind, String)| line.chars().take(size.columns).collect();
    lines.into_iter().map(cut).collect()
}

fn line(connector: &Connector, progress: Progress, rate: Option<f64>) -> String {
    let target = match connector.target {
        Target::Tables(tables) => tables[0].to_owned(),
        Target::Topic(name) => format!("topic {name}"),
        Target::Answers(name) => format!("answers of {name}"),
    };
    let rate = rate.map_or_else(|| "-".into(), |rate| format!("{rate:.0}"));
    let state = match progress.state {
        0 => "-".to_owned(),
        entries => entries.to_string(),
    };
    let lag = match connector.inputs {
        [] => "-".to_owned(),
        _ => progress.lag.to_string(),
    };
    format!(
        "    {:<28} {target:<32} {:>8} {rate:>10} {lag:>7} {state:>6}",
        connector.name, progress.landed,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_more_than_the_terminal_shows() {
        let lines = || {
            let connector = |n: u32| (Kind::Connector, format!("    connector {n} ä"));
            let mut lines = vec![(Kind::Frame, "head".to_owned())];
            for system in ["one", "two"] {
                lines.push((Kind::System, system.to_owned()));
                lines.extend((0..3).map(connector));
            }
            lines.push((Kind::Frame, "1.0 s".to_owned()));
            lines
        };
        let with = |rows, columns| fitting(lines(), Size { rows, columns });
        assert_eq!(with(11, 80).len(), 10);
        assert_eq!(with(10, 80).len(), 8);
        let cut = with(7, 15);
        let more = "    … and 3 more: the terminal is too low";
        let more: String = more.chars().take(15).collect();
        assert_eq!(
            cut,
            [
                "head",
                "    connector 0",
                "    connector 1",
                "    connector 2",
                &more,
                "1.0 s"
            ]
        );
        for rows in 0..12 {
            for columns in [0, 1, 15, 100] {
                let lines = with(rows, columns);
                assert!(lines.len() < rows.max(2), "{rows}: {lines:?}");
                assert!(lines.iter().all(|line| line.chars().count() <= columns));
            }
        }
    }

    #[test]
    fn a_size_is_read_as_stty_tells_it() {
        let size = |rows, columns| Some(Size { rows, columns });
        assert_eq!(Size::parse("24 80\n"), size(24, 80));
        for none in ["", "0 0", "24", "a b"] {
            assert_eq!(Size::parse(none), None, "{none}");
        }
    }
}
