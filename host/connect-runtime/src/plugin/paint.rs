//! Colours, where there is somebody to see them.

use std::fmt::Display;
use std::io::IsTerminal;

use clap::ColorChoice;

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// By the user's choice; else for a terminal, unless `NO_COLOR` is set.
    pub fn new(choice: ColorChoice) -> Self {
        Self(match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
            }
        })
    }

    /// What went away or wrong.
    pub fn red(self, text: impl Display) -> String {
        self.paint("31", text)
    }

    /// What came or is right.
    pub fn green(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// What changed.
    pub fn yellow(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    /// What matters less.
    pub fn dim(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// What matters.
    pub fn bold(self, text: impl Display) -> String {
        self.paint("1", text)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.0 {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}
