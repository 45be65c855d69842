//! Each foreign crate is named in stated places only: `tests/tidy/libraries.txt` has them.

use std::collections::{BTreeMap, BTreeSet};

use tidy::manifest::{Manifest, ident};
use tidy::rust::Code;
use tidy::{is_within, none, read, sources};

const TABLE: &str = "tests/tidy/libraries.txt";

/// The rows of the table: a crate, and the places that may name it. A line that begins with a space
/// goes on with the row above it.
fn table() -> BTreeMap<String, Vec<(usize, String)>> {
    let mut rows = BTreeMap::new();
    let mut current = String::new();
    for (index, line) in read(TABLE).lines().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let mut words = line.split_whitespace();
        if !line.starts_with(' ') {
            current = words.next().unwrap().to_owned();
            let doubled = rows.insert(current.clone(), Vec::new());
            assert!(
                doubled.is_none(),
                "{TABLE}:{}: {current} has two rows",
                index + 1
            );
        }
        let places = words.map(|place| (index + 1, place.to_owned()));
        rows.get_mut(&current).unwrap().extend(places);
    }
    rows
}

/// Where a package is used: the path of a file, and the line.
type Uses = BTreeMap<String, BTreeSet<(String, usize)>>;

/// Where each package is used: in lines of code, or, when no code of a package names what it
/// depends on, in its manifest.
fn uses(manifests: &[Manifest]) -> Uses {
    let mut uses = Uses::new();
    for file in sources() {
        let code = Code::new(&file.text);
        let own = manifest_of(&file.path, manifests);
        for dependency in own.iter().flat_map(|manifest| &manifest.dependencies) {
            let lines = code.names(&crate_name(&dependency.name));
            let places = lines.into_iter().map(|line| (file.path.clone(), line));
            uses.entry(dependency.name.clone())
                .or_default()
                .extend(places);
        }
    }
    for manifest in manifests.iter().filter(|m| m.package.is_some()) {
        for dependency in &manifest.dependencies {
            let found = uses.entry(dependency.name.clone()).or_default();
            let is_named = found.iter().any(|(path, _)| {
                manifest_of(path, manifests).is_some_and(|own| own.path == manifest.path)
            });
            if !is_named {
                found.insert((manifest.path.clone(), dependency.line));
            }
        }
    }
    uses
}

/// The name that code knows a package by.
fn crate_name(package: &str) -> String {
    match package {
        "connect-tests" => "harness".to_owned(),
        _ => ident(package),
    }
}

/// The manifest of the package that a file belongs to.
fn manifest_of<'a>(path: &str, manifests: &'a [Manifest]) -> Option<&'a Manifest> {
    let packages = manifests.iter().filter(|m| m.package.is_some());
    let above = packages.filter(|m| is_within(path, m.folder()));
    above.max_by_key(|m| m.folder().len())
}

#[test]
fn libraries_are_named_only_where_they_belong() {
    let manifests = Manifest::all();
    let (table, mut uses) = (table(), uses(&manifests));
    for own in manifests
        .iter()
        .filter_map(|manifest| manifest.package.as_deref())
    {
        uses.remove(own);
    }
    let mut offences = Vec::new();
    for (library, places) in &uses {
        let Some(allowed) = table.get(library) else {
            let first = places.first().map(|(path, line)| format!("{path}:{line}"));
            offences.push(format!(
                "{}: {library} has no row in {TABLE}: add one with the places that need it",
                first.unwrap_or_else(|| "Cargo.toml".to_owned())
            ));
            continue;
        };
        let mut told = None;
        for (path, line) in places.iter().filter(|(path, _)| path.ends_with(".rs")) {
            // Once for a file.
            if told.replace(path) != Some(path)
                && !allowed.iter().any(|(_, place)| is_within(path, place))
            {
                offences.push(format!(
                    "{path}:{line}: names {library}, which {TABLE} keeps to other places: move the \
                     code there, or add the place"
                ));
            }
        }
    }
    for (library, places) in &table {
        let used = uses.get(library);
        for (line, place) in places {
            let is_used = used.is_some_and(|u| u.iter().any(|(path, _)| is_within(path, place)));
            if !is_used {
                offences.push(format!(
                    "{TABLE}:{line}: nothing in {place} uses {library}: take the place out"
                ));
            }
        }
    }
    none(&offences);
}

#[test]
fn packages_name_all_that_they_depend_on() {
    let table = table();
    let mut offences = Vec::new();
    for (package, places) in uses(&Manifest::all()) {
        for (path, line) in places.iter().filter(|(path, _)| path.ends_with(".toml")) {
            let allowed = table.get(&package).into_iter().flatten();
            if !allowed.into_iter().any(|(_, place)| place == path) {
                offences.push(format!(
                    "{path}:{line}: no code of the package names {package}: take it out, or make \
                     the manifest a place in {TABLE}"
                ));
            }
        }
    }
    none(&offences);
}

#[test]
fn a_workspace_offers_what_its_members_use() {
    let manifests = Manifest::all();
    let mut offences = Vec::new();
    for workspace in manifests.iter().filter(|m| m.package.is_none()) {
        for offered in &workspace.dependencies {
            if !manifests.iter().any(|m| m.depends_on(&offered.name)) {
                offences.push(format!(
                    "{}:{}: no package depends on {}: take it out",
                    workspace.path, offered.line, offered.name
                ));
            }
        }
    }
    none(&offences);
}
