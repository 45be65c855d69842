//! The commands that a page shows, as a reader would run them: what a block of code has, and what
//! each of its commands tells.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use harness::install::{ferrule, postgres, repository};

/// A command of a block, and what the page shows below it.
#[derive(Debug, PartialEq)]
pub struct Step {
    pub command: String,
    pub shown: String,
}

/// A page of the repository.
pub fn page(path: &str) -> Result<String> {
    std::fs::read_to_string(repository().join(path)).with_context(|| path.to_owned())
}

/// The sections of the second level: heading and text.
pub fn sections(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("\n## ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).collect()
}

/// The blocks of a language below a heading of the second level.
pub fn blocks(page: &str, heading: &str, language: &str) -> Result<Vec<String>> {
    let sections = sections(page);
    let section = sections.iter().find(|(title, _)| *title == heading);
    let (_, section) = section.with_context(|| format!("the heading {heading} is gone"))?;
    let blocks = blocks_of(section, language)?;
    ensure!(!blocks.is_empty(), "{heading} has no {language}");
    Ok(blocks)
}

/// The blocks of a language in a section.
pub fn blocks_of(section: &str, language: &str) -> Result<Vec<String>> {
    let start = format!("```{language}\n");
    let parts = section.split(&start).skip(1);
    let block = |part: &str| {
        Ok(part
            .split_once("```")
            .context("a block has no end")?
            .0
            .into())
    };
    parts.map(block).collect()
}

/// The commands of a block: each begins with a prompt, and goes on while a quotation is open or a
/// line ends with a backslash or a pipe.
pub fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        if let (Some(command), false) = (line.strip_prefix("$ "), goes_on) {
            steps.push(Step {
                command: command.to_owned(),
                shown: String::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            let part = if goes_on {
                &mut step.command
            } else {
                &mut step.shown
            };
            part.push('\n');
            part.push_str(line);
        }
        goes_on = steps
            .last()
            .is_some_and(|step| step.shown.is_empty() && !is_complete(&step.command));
    }
    steps
}

fn is_complete(command: &str) -> bool {
    let (mut single, mut double) = (false, false);
    for c in command.chars() {
        match c {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            _ => {}
        }
    }
    !single && !double && !command.ends_with(['\\', '|'])
}

/// What a command tells on its standard output; it is an error when it does not end well. `ferrule`
/// is the binary under test, `psql` that of the installed Postgres.
pub async fn shell(text: &str, folder: &Path, environment: &[(&str, String)]) -> Result<String> {
    let binary = ferrule()?;
    let own = binary.parent().unwrap_or(Path::new("")).display();
    let psql = postgres().join("bin");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    // A refusal of REST is told and has a status, which curl's exit code is to show.
    let strict = text.replace("curl ", "curl -sS --fail-with-body ");
    command
        .args(["-euo", "pipefail", "-c", &strict])
        .current_dir(folder);
    command
        .env("PATH", format!("{own}:{}:{path}", psql.display()))
        .env("NO_COLOR", "1")
        .env("PGTZ", "UTC")
        .envs(environment.iter().cloned());
    let output: Output = tokio::task::spawn_blocking(move || command.output()).await??;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let wrong = String::from_utf8_lossy(&output.stderr);
        bail!("{text}: {}: {told}{wrong}", output.status);
    }
    Ok(told)
}

/// Whether a command told what the page shows: line by line, but for blanks at the ends; `…` stands
/// for anything within a line, and alone on a line for any lines.
pub fn is_as_shown(told: &str, shown: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.trim_matches('\n')
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    };
    lines_fit(&lines(told), &lines(shown))
}

fn lines_fit(told: &[String], shown: &[String]) -> bool {
    match shown.split_first() {
        None => told.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=told.len()).any(|skipped| lines_fit(&told[skipped..], rest))
        }
        Some((first, rest)) => told
            .split_first()
            .is_some_and(|(line, left)| line_fits(line, first) && lines_fit(left, rest)),
    }
}

fn line_fits(told: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = told.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn a_block_is_commands_and_what_they_tell() {
    let block = "$ curl -d '{\n    \"a\": 1\n  }' x\n{\"status\":\"queued\"}\n$ psql \\\n    -c \"SELECT 1\"\n$ c\n";
    let step = |command: &str, shown: &str| Step {
        command: command.to_owned(),
        shown: shown.to_owned(),
    };
    let expected = [
        step(
            "curl -d '{\n    \"a\": 1\n  }' x",
            "\n{\"status\":\"queued\"}",
        ),
        step("psql \\\n    -c \"SELECT 1\"", ""),
        step("c", ""),
    ];
    assert_eq!(steps(block), expected);
}

#[test]
fn what_is_shown_may_have_gaps() {
    for (told, shown, fits) in [
        ("a 12 b  \n", "\na … b", true),
        ("a 12 c", "a … b", false),
        ("x\ny\nz", "x\n…\nz", true),
        ("x\ny", "x", false),
        ("x", "x\ny", false),
        ("a1b2c", "a…b…c", true),
        ("", "…", true),
    ] {
        assert_eq!(is_as_shown(told, shown), fits, "{told:?} {shown:?}");
    }
}
