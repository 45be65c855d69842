//! `GET /admin/loggers` knows all crates of the worker that log.

use std::collections::BTreeSet;

use tidy::manifest::{Manifest, Section, ident};
use tidy::rust::Code;
use tidy::{is_within, none, paths, read, sources};

const LOGGING: &str = "host/connect-runtime/src/logging.rs";
const WORKER: &str = "connect-runtime";
/// Loggers that are no crate of the worker: librdkafka's lines come by the crate `log`.
const OTHERS: &[&str] = &["librdkafka"];

#[test]
fn known_loggers_are_the_crates_that_log() {
    let manifests = Manifest::all();
    let text = read(LOGGING);
    let (_, list) = text.split_once("const KNOWN: &[&str] = &[").unwrap();
    let (list, _) = list.split_once("];").unwrap();
    let known: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let mut offences = Vec::new();
    let logging: BTreeSet<String> = crates_that_log(&manifests);
    for name in logging.iter().filter(|name| !known.contains(name.as_str())) {
        offences.push(format!(
            "{LOGGING}: {name} logs and is not in KNOWN: add it"
        ));
    }
    for name in known.difference(&OTHERS.iter().copied().collect()) {
        let exists = match name.split_once("::") {
            None => logging.contains(*name),
            Some((_, module)) => is_module_of_the_worker(module),
        };
        if !exists {
            offences.push(format!(
                "{LOGGING}: nothing logs as {name}: take it out of KNOWN"
            ));
        }
    }
    none(&offences);
}

/// The worker and all that it is made of, as far as it logs, by the name that it logs under.
fn crates_that_log(manifests: &[Manifest]) -> BTreeSet<String> {
    let by_name = |name: &str| {
        manifests
            .iter()
            .find(|m| m.package.as_deref() == Some(name))
    };
    let mut parts = vec![by_name(WORKER).unwrap()];
    let mut next = 0;
    while let Some(manifest) = parts.get(next) {
        next += 1;
        for dependency in &manifest.dependencies {
            // What a feature chooses is not in every worker.
            if dependency.section != Section::Normal || dependency.optional {
                continue;
            }
            let part = by_name(&dependency.name);
            if let Some(part) = part.filter(|part| !parts.iter().any(|p| p.path == part.path)) {
                parts.push(part);
            }
        }
    }
    let sources = sources();
    let logs = |manifest: &Manifest| {
        let own = format!("{}/src", manifest.folder());
        let mut own = sources.iter().filter(|file| is_within(&file.path, &own));
        own.any(|file| !Code::new(&file.text).names("tracing").is_empty())
    };
    let logging = parts.into_iter().filter(|manifest| logs(manifest));
    logging
        .filter_map(|manifest| manifest.package.as_deref().map(ident))
        .collect()
}

fn is_module_of_the_worker(module: &str) -> bool {
    let file = format!("host/connect-runtime/src/{}", module.replace("::", "/"));
    paths().iter().any(|path| is_within(path, &file))
}
