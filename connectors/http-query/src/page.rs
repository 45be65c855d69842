//! The page of the documentation lists the options as they are declared.

use std::path::Path;
use std::{env, fs};

#[test]
fn the_page_lists_every_option() {
    let def = crate::options::config_def();
    assert_eq!(def.faults(), [""; 0]);
    let path = Path::new("../../docs/http.md");
    let page = fs::read_to_string(path).unwrap();
    let current = def.in_page(&page, "options of http-query", "####").unwrap();
    if env::var_os("UPDATE_README").is_some() {
        fs::write(path, &current).unwrap();
    } else {
        assert!(
            page == current,
            "docs/http.md differs from the options: UPDATE_README=1 cargo test -p http-query page"
        );
    }
}
