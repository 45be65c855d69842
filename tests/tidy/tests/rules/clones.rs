//! A test reads the files of the clone that it runs in, not of the one that it was built in.

use tidy::{none, sources};

/// These ask cargo first, because they also run without it.
const WITHOUT_CARGO: &[&str] = &[
    "tests/harness-postgres/src/install.rs",
    "tests/tidy/src/lib.rs",
];

/// Two clones may share a target directory, and cargo then takes a binary that the other has built.
/// cargo runs a test in the folder of its package, so a relative path will do.
#[test]
fn no_path_is_built_in() {
    let built_in = concat!("env!(\"CARGO_", "MANIFEST_DIR\")");
    let mut offences = Vec::new();
    for file in sources() {
        if WITHOUT_CARGO.contains(&file.path.as_str()) {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            if line.contains(built_in) {
                offences.push(format!(
                    "{}:{}: the path of the clone that built it: begin at the package's folder",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    none(&offences);
}
