//! The compose file and its example of variables agree, and it has a profile for each system. No
//! Docker is asked.

use std::collections::BTreeSet;

use tidy::{none, read};

const COMPOSE: &str = "docker/compose.yaml";
const EXAMPLE: &str = "docker/.env.example";
const SYSTEMS: [&str; 5] = ["shark", "fleetops", "analytics", "telescope", "iot"];

/// The variables of a text, each with its default.
fn variables(compose: &str) -> BTreeSet<(&str, &str)> {
    let parts = compose.split("${").skip(1);
    let inner = parts.filter_map(|part| Some(part.split_once('}')?.0));
    inner
        .map(|it| it.split_once(":-").unwrap_or((it, "")))
        .collect()
}

#[test]
fn every_variable_of_the_compose_file_is_in_the_example() {
    let (compose, example) = (read(COMPOSE), read(EXAMPLE));
    let lines = example.lines().filter(|line| !line.starts_with('#'));
    let told: BTreeSet<_> = lines.filter_map(|line| line.split_once('=')).collect();
    assert!(told.len() > 30, "{EXAMPLE} has {} variables", told.len());
    // With the same defaults: without a .env all is as the example says.
    assert_eq!(
        variables(&compose),
        told,
        "{COMPOSE} (left) and {EXAMPLE} differ"
    );
}

/// The text of a service, from its name to the next one.
fn service<'a>(compose: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = compose.split_once(&format!("\n  {name}:\n"))?;
    let end = rest.match_indices("\n  ").find(|(at, _)| {
        let next = rest[at + 3..].chars().next();
        next.is_some_and(|c| c.is_ascii_lowercase())
    });
    Some(end.map_or(rest, |(at, _)| &rest[..at]))
}

#[test]
fn every_system_has_a_profile() {
    let compose = read(COMPOSE);
    let mut offences = Vec::new();
    for system in SYSTEMS {
        let name = format!("deploy-{system}");
        let Some(service) = service(&compose, &name) else {
            offences.push(format!("{COMPOSE}: no service {name}"));
            continue;
        };
        let topics = format!("/connectors/topics/{system}.json");
        for needed in [
            format!("profiles: [{system}]"),
            topics,
            "ferrule deploy ".into(),
        ] {
            if !service.contains(&needed) {
                offences.push(format!("{COMPOSE}: {name} lacks {needed}"));
            }
        }
        let words = service.split_whitespace();
        for file in words.filter(|word| word.starts_with("/connectors/")) {
            let path = file
                .trim_start_matches('/')
                .split('*')
                .next()
                .unwrap_or_default();
            if !tidy::paths().iter().any(|there| there.starts_with(path)) {
                offences.push(format!("{COMPOSE}: {name} names {file}"));
            }
        }
    }
    let stay = [
        "kafka",
        "registry",
        "postgres",
        "worker",
        "maintain-shark",
        "ui",
    ];
    for service_that_stays in stay {
        let text = service(&compose, service_that_stays).unwrap_or_default();
        if !text.contains("restart: unless-stopped") {
            offences.push(format!(
                "{COMPOSE}: {service_that_stays} does not start again"
            ));
        }
    }
    let maintain = service(&compose, "maintain-shark").unwrap_or_default();
    if !maintain.contains("profiles: [shark-retention]") || !maintain.contains("--every=") {
        offences.push(format!("{COMPOSE}: nothing maintains shark's partitions"));
    }
    for table in [
        "002_track_activity_log",
        "002b_track_activity_log_partitioned",
    ] {
        let path = format!("sql/{table}.sql");
        if !read(EXAMPLE).contains(table) || !tidy::paths().contains(&path) {
            offences.push(format!("{EXAMPLE}: SHARK_TABLE and {path} do not agree"));
        }
    }
    if !compose.contains("\n  ui:\n    profiles: [tools]\n") {
        offences.push(format!("{COMPOSE}: Kafka UI is not in the profile tools"));
    }
    none(&offences);
}
