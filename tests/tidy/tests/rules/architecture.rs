//! ARCHITECTURE.md is true as far as a test can tell: what it names exists, and the folders of the
//! data path are lists of its stages in the order of `ls`.

use std::collections::{BTreeMap, BTreeSet};

use tidy::manifest::{Manifest, Section};
use tidy::{none, page, paths, read};

/// A folder whose files are stages, and the section of the page that names them.
struct Stages {
    section: &'static str,
    folder: &'static str,
    /// How the page names the folder.
    named_as: &'static str,
}

const STAGES: &[Stages] = &[
    Stages {
        section: "A record's way",
        folder: "host/connect-runtime/src/sink_task",
        named_as: "sink_task/",
    },
    Stages {
        section: "A record's way",
        folder: "connectors/postgres-sink/src/put",
        named_as: "put/",
    },
    Stages {
        section: "The way from a source",
        folder: "host/connect-runtime/src/source_task",
        named_as: "source_task/",
    },
];

#[test]
fn what_the_pages_name_exists() {
    let paths = paths();
    let mut offences = Vec::new();
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = read(name);
        for (line, quoted) in page::quoted(&text) {
            if !page::is_path(quoted) {
                continue;
            }
            match page::matching(quoted, &paths).as_slice() {
                [] => offences.push(format!(
                    "{name}:{line}: `{quoted}` does not exist: write what it is called now"
                )),
                [_] => {}
                // Of a pattern, and of a name that the sentence before it places.
                [_, ..] if quoted.contains('*') || !quoted.contains('/') => {}
                many => offences.push(format!(
                    "{name}:{line}: `{quoted}` may be any of {many:?}: write more of the path"
                )),
            }
        }
    }
    none(&offences);
}

#[test]
fn the_stages_of_a_records_way_are_the_files_of_their_folder() {
    let architecture = read("ARCHITECTURE.md");
    let mut offences = Vec::new();
    for Stages {
        section,
        folder,
        named_as,
    } in STAGES
    {
        let way = page::section(&architecture, section).unwrap();
        let mut named: Vec<&str> = Vec::new();
        for (_, quoted) in page::quoted(way) {
            let file = quoted
                .strip_prefix(named_as)
                .filter(|file| file.ends_with(".rs"));
            named.extend(file.filter(|file| !named.contains(file)));
        }
        let files = listing(folder);
        if named != files {
            offences.push(format!(
                "ARCHITECTURE.md: \"{section}\" names {named:?} of {named_as}, and `ls {folder}` \
                 gives {files:?}: the page names each stage, in the order of `ls`, which is the \
                 order of the way"
            ));
        }
    }
    none(&offences);
}

#[test]
fn the_picture_of_dependencies_is_that_of_the_manifests() {
    let architecture = read("ARCHITECTURE.md");
    let section = page::section(&architecture, "Dependencies").unwrap();
    let picture = section.split("```").nth(1).expect("the picture is a block");
    let manifests = Manifest::all();
    let ours = |folder: &str| folder.starts_with("host/") || folder.starts_with("connectors/");
    let crates: Vec<&str> = manifests
        .iter()
        .filter(|manifest| ours(manifest.folder()))
        .filter_map(|manifest| manifest.package.as_deref())
        .collect();
    // A line that begins with a space goes on with the crate of the line before it.
    let mut drawn: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut last = "";
    for line in picture.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        if !line.starts_with(' ') {
            last = words.next().unwrap_or_default();
        }
        let on = drawn.entry(last).or_default();
        on.extend(words.filter(|word| crates.contains(word)));
    }
    let mut real: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for manifest in manifests.iter().filter(|m| ours(m.folder())) {
        let Some(package) = manifest.package.as_deref() else {
            continue;
        };
        let own = manifest.dependencies.iter();
        let on = own.filter(|d| d.section == Section::Normal && crates.contains(&&*d.name));
        real.insert(package, on.map(|d| &*d.name).collect());
    }
    assert_eq!(
        drawn, real,
        "ARCHITECTURE.md (left) and the manifests (right) differ"
    );
}

/// The files right in a folder, in the order of `ls`; tests are no stage.
fn listing(folder: &str) -> Vec<String> {
    let mut files: Vec<String> = paths()
        .iter()
        .filter_map(|path| path.strip_prefix(folder)?.strip_prefix('/'))
        .filter(|file| !file.contains('/') && *file != "tests.rs")
        .map(str::to_owned)
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "{folder} has no files: name the folder of the stages in STAGES"
    );
    files
}
