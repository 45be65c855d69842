//! The README lists the options as they are declared.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_readme_lists_every_option() {
    let def = super::config_def();
    assert_eq!(def.faults(), [""; 0]);
    let path = Path::new("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let current = def.in_page(&readme, "options", "###").unwrap();
    if env::var_os("UPDATE_README").is_some() {
        fs::write(path, &current).unwrap();
    } else {
        assert!(
            readme == current,
            "the README differs from the options: UPDATE_README=1 cargo test -p postgres-sink \
             readme"
        );
    }
}
