//! The commands that CONTRIBUTING.md tells people to run exist, and those that are said to need no
//! service need none.

use tidy::manifest::{Lock, Manifest};
use tidy::rust::Code;
use tidy::{is_within, none, page, read, root, sources};

const PAGE: &str = "CONTRIBUTING.md";
/// The section whose commands run without services and without librdkafka.
const UNIT_TESTS: &str = "Tests that need nothing";
/// What starts services.
const HARNESSES: &[&str] = &["harness", "harness_postgres"];

/// The words of a command behind an option, such as those behind `-p`.
fn after<'a>(command: &'a str, option: &str) -> Vec<&'a str> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == option);
    pairs.map(|pair| pair[1]).collect()
}

/// A command that goes on in the next line is one line.
fn commands(page: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    for (_, line) in page::code(page) {
        let (part, goes_on) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        commands.last_mut().unwrap().push_str(part);
        if !goes_on {
            commands.push(String::new());
        }
    }
    commands.retain(|command| !command.trim().is_empty());
    commands
}

fn folder_of(manifests: &[Manifest], package: &str) -> Option<String> {
    let named = manifests
        .iter()
        .find(|m| m.package.as_deref() == Some(package));
    named.map(|manifest| manifest.folder().to_owned())
}

#[test]
fn commands_name_what_exists() {
    let manifests = Manifest::all();
    let targets = read("Makefile");
    let mut offences = Vec::new();
    let commands = commands(&read(PAGE));
    assert!(!commands.is_empty(), "{PAGE} has no commands");
    for command in &commands {
        for package in after(command, "-p") {
            let Some(folder) = folder_of(&manifests, package) else {
                offences.push(format!("{PAGE}: `{command}`: no package {package}"));
                continue;
            };
            for test in after(command, "--test") {
                let tests = [format!("{folder}/tests/{test}"), format!("{folder}/{test}")];
                if !tests.iter().any(|test| root().join(test).is_dir()) {
                    offences.push(format!("{PAGE}: `{command}`: {package} has no test {test}"));
                }
            }
        }
        for target in after(command, "make") {
            if !targets
                .lines()
                .any(|line| line.starts_with(&format!("{target}:")))
            {
                offences.push(format!("{PAGE}: `{command}`: the Makefile has no {target}"));
            }
        }
    }
    none(&offences);
}

#[test]
fn tests_that_need_nothing_need_nothing() {
    let manifests = Manifest::all();
    let lock = Lock::read("Cargo.lock");
    let sources = sources();
    let text = read(PAGE);
    let section = page::section(&text, UNIT_TESTS).unwrap();
    let commands = commands(section);
    let mut offences = Vec::new();
    let mut packages = 0;
    for command in &commands {
        for package in after(command, "-p") {
            packages += 1;
            if let Some(way) = lock.way(package, "rdkafka-sys") {
                offences.push(format!("{PAGE}: `{command}` builds {}", way.join(" > ")));
            }
            let folder = folder_of(&manifests, package).unwrap_or_default();
            // With `--lib` a package's own `tests/` are not run.
            let run = match command.contains("--lib") {
                true => format!("{folder}/src"),
                false => folder,
            };
            for file in sources.iter().filter(|file| is_within(&file.path, &run)) {
                let code = Code::new(&file.text);
                if HARNESSES
                    .iter()
                    .any(|harness| !code.names(harness).is_empty())
                {
                    offences.push(format!("{}: starts services in `{command}`", file.path));
                }
            }
        }
    }
    assert!(
        packages > 0,
        "\"{UNIT_TESTS}\" of {PAGE} has no command with -p"
    );
    none(&offences);
}
