//! Options as pages of documentation list them.

use std::fmt::Write as _;

use super::{ConfigDef, ConfigKey};

impl ConfigDef {
    /// A table of options for each group, in the order of their declaration, in Markdown. `heading`
    /// goes before the name of a group, `###` say.
    pub fn tables(&self, heading: &str) -> String {
        let mut groups: Vec<&str> = Vec::new();
        for key in self.keys() {
            if !groups.contains(&group(key)) {
                groups.push(group(key));
            }
        }
        let mut text = String::new();
        for name in groups {
            let _ = write!(
                text,
                "\n{heading} {name}\n\n| option | type | default | what it does |\n\
                 |---|---|---|---|\n"
            );
            for key in self.keys().iter().filter(|key| group(key) == name) {
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

    /// A page in which these options stand as they are declared, between the lines
    /// `<!-- MARK -->` and `<!-- end of MARK -->`. None where the page does not have these lines.
    pub fn in_page(&self, page: &str, mark: &str, heading: &str) -> Option<String> {
        let (start, end) = (
            format!("<!-- {mark} -->\n"),
            format!("<!-- end of {mark} -->\n"),
        );
        let (before, rest) = page.split_once(&start)?;
        let (_, after) = rest.split_once(&end)?;
        let tables = self.tables(heading);
        Some(format!("{before}{start}{tables}{end}{after}"))
    }

    /// What is wrong with the declarations, for a test of whoever declares them: an option that is
    /// there twice, that belongs to no group, or whose text is no sentence.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, key) in self.keys().iter().enumerate() {
            let name = &key.name;
            if self.keys()[..at].iter().any(|other| other.name == *name) {
                faults.push(format!("{name}: is declared twice"));
            }
            if key.group.is_none() {
                faults.push(format!("{name}: belongs to no group"));
            }
            if !key.doc.ends_with('.') {
                faults.push(format!("{name}: its text does not end in a full stop"));
            }
        }
        faults
    }
}

fn group(key: &ConfigKey) -> &str {
    key.group.as_deref().unwrap_or_default()
}
