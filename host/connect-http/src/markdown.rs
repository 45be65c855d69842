//! Options as the documentation lists them.

use std::fmt::Write as _;

use connect_api::{ConfigDef, ConfigKey};

/// A table of options for each group, in the order of their declaration.
pub fn options_table(def: &ConfigDef) -> String {
    let group_of = |key: &ConfigKey| key.group.clone().unwrap_or_default();
    let mut groups = Vec::new();
    for key in def.keys() {
        if !groups.contains(&group_of(key)) {
            groups.push(group_of(key));
        }
    }
    let mut text = String::new();
    for group in groups {
        let _ = write!(
            text,
            "\n#### {group}\n\n| option | type | default | what it does |\n|---|---|---|---|\n"
        );
        for key in def.keys().iter().filter(|key| group_of(key) == group) {
            let default = match key.default.as_ref().map(Option::as_deref) {
                None => "required".to_owned(),
                Some(None) => "–".to_owned(),
                Some(Some("")) => "empty".to_owned(),
                Some(Some(default)) => format!("`{default}`"),
            };
            let doc = key.doc.replace('|', "\\|");
            let _ = writeln!(
                text,
                "| `{}` | {} | {default} | {doc} |",
                key.name,
                key.kind.name()
            );
        }
    }
    text.push('\n');
    text
}
