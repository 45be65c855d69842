//! ARCHITECTURE.md is true as far as a test can tell: what it names exists, and the folders of the
//! data path are lists of its stages in the order of `ls`.

use tidy::{none, page, paths, read};

/// The folders whose files are the stages of a record's way, and how the page names them.
const STAGES: &[(&str, &str)] = &[
    ("host/connect-runtime/src/sink_task", "sink_task/"),
    ("connectors/postgres-sink/src/put", "put/"),
];

/// TO ADAPT: the folders of `STAGES` that are not yet a list of stages. Empty once both are re-cut.
const NOT_YET_A_LIST: &[&str] = &[];

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
    let way = page::section(&architecture, "A record's way").unwrap();
    let mut offences = Vec::new();
    for (folder, named_as) in STAGES {
        let mut named: Vec<&str> = Vec::new();
        for (_, quoted) in page::quoted(way) {
            let file = quoted
                .strip_prefix(named_as)
                .filter(|file| file.ends_with(".rs"));
            named.extend(file.filter(|file| !named.contains(file)));
        }
        let files = listing(folder);
        if named != files && !NOT_YET_A_LIST.contains(folder) {
            offences.push(format!(
                "ARCHITECTURE.md: \"A record's way\" names {named:?} of {named_as}, and `ls {folder}` \
                 gives {files:?}: the page names each stage, in the order of `ls`, which is the \
                 order of the way"
            ));
        }
    }
    none(&offences);
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
