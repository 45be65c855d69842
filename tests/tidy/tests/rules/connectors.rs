//! A connector is one folder and one line: each folder of `connectors/` is in the worker's list.

use tidy::manifest::{Manifest, ident};
use tidy::rust::Code;
use tidy::{none, read, root};

const LIST: &str = "host/connect-runtime/src/connectors.rs";

#[test]
fn every_connector_is_in_the_workers_list() {
    assert!(
        root().join(LIST).is_file(),
        "{LIST} is missing: it lists all connectors"
    );
    let list = Code::new(&read(LIST));
    let mut offences = Vec::new();
    for manifest in Manifest::all() {
        let Some(package) = manifest.package.as_deref() else {
            continue;
        };
        let in_folder = manifest.folder().strip_prefix("connectors/");
        if in_folder.is_some_and(|folder| !folder.contains('/'))
            && list.word(&ident(package), 0).is_none()
        {
            offences.push(format!(
                "{LIST}: {} is not in the list: add it",
                manifest.folder()
            ));
        }
    }
    none(&offences);
}
