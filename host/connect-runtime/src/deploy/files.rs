//! The files that are deployed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value as Json};

/// A connector as a file has it.
#[derive(Debug, PartialEq)]
pub struct Connector {
    /// Its name.
    pub name: String,
    /// Its config, as `PUT /connectors/NAME/config` takes it.
    pub config: Map<String, Json>,
    /// Where it is from.
    pub file: PathBuf,
}

impl Connector {
    /// Sets options, in place of those of the file; one without a value is left out.
    pub fn set(&mut self, options: &[(String, String)]) {
        for (key, value) in options {
            match &**value {
                "" => self.config.remove(key),
                value => self.config.insert(key.clone(), Json::from(value)),
            };
        }
    }
}

/// Reads the connectors of files, and of those of folders that end in `.json`.
pub fn connectors(files: &[PathBuf]) -> Result<Vec<Connector>> {
    let mut all: Vec<Connector> = Vec::new();
    for file in listed(files, "json")? {
        let connector = connector(&file).with_context(|| file.display().to_string())?;
        if let Some(known) = all.iter().find(|known| known.name == connector.name) {
            bail!(
                "{} and {} are both of a connector {}",
                known.file.display(),
                file.display(),
                connector.name
            );
        }
        all.push(connector);
    }
    Ok(all)
}

fn connector(file: &Path) -> Result<Connector> {
    let text = fs::read_to_string(file)?;
    let json: Json = serde_json::from_str(&text)?;
    let Json::Object(mut all) = json else {
        bail!("it is no object of JSON: {{\"name\": …, \"config\": {{…}}}} is expected");
    };
    let mut name = all.get("name").and_then(Json::as_str).map(str::to_owned);
    let config = match all.remove("config") {
        Some(Json::Object(config)) => config,
        Some(_) => bail!("its config is no object"),
        None => all,
    };
    ensure!(
        config.contains_key("connector.class"),
        "it is no connector: it has no connector.class"
    );
    if name.is_none() {
        name = config.get("name").and_then(Json::as_str).map(str::to_owned);
    }
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = name.or_else(|| stem.map(str::to_owned));
    Ok(Connector {
        name: name.context("the connector has no name")?,
        config,
        file: file.to_owned(),
    })
}

/// A SQL file.
pub struct SqlFile {
    /// Its name, without folders.
    pub name: String,
    /// Its statements.
    pub text: String,
}

/// Reads SQL files, and those of folders that end in `.sql`, in the order of their names.
pub fn sql(files: &[PathBuf]) -> Result<Vec<SqlFile>> {
    let read = |file: &PathBuf| {
        let named = || file.display().to_string();
        let name = file.file_name().and_then(|name| name.to_str());
        Ok(SqlFile {
            name: name.with_context(named)?.to_owned(),
            text: fs::read_to_string(file).with_context(named)?,
        })
    };
    listed(files, "sql")?.iter().map(read).collect()
}

/// Files, and those of folders that end so.
fn listed(files: &[PathBuf], end: &str) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
            continue;
        }
        let named = || file.display().to_string();
        let entries = fs::read_dir(file).with_context(named)?;
        let paths = entries.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<Result<Vec<_>>>().with_context(named)?;
        paths.retain(|path| path.extension().is_some_and(|it| it == end) && path.is_file());
        paths.sort();
        ensure!(!paths.is_empty(), "{} has no .{end} files", file.display());
        all.extend(paths);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_the_command_line_are_set_in_place_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let text = r#"{"connector.class": "C", "tasks.max": 3, "topics": "a", "x": "=y="}"#;
        fs::write(&path, text).unwrap();
        let mut connector = connectors(&[path]).unwrap().remove(0);
        let option = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        connector.set(&[
            option("tasks.max", "1"),
            option("x", ""),
            option("new", "a=b"),
        ]);
        let expected = serde_json::json!({"connector.class": "C", "tasks.max": "1", "topics": "a", "new": "a=b"});
        assert_eq!(Json::Object(connector.config), expected);
    }

    #[test]
    fn a_file_has_a_connector_or_its_config() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let named =
            |path: &PathBuf| connectors(std::slice::from_ref(path)).map(|all| all[0].name.clone());
        let whole = write(
            "a.json",
            r#"{"name": "x", "config": {"connector.class": "C"}}"#,
        );
        assert_eq!(named(&whole).unwrap(), "x");
        let config = write("b.json", r#"{"name": "y", "connector.class": "C"}"#);
        assert_eq!(named(&config).unwrap(), "y");
        let bare = write("c.json", r#"{"connector.class": "C"}"#);
        assert_eq!(named(&bare).unwrap(), "c");
        let all = connectors(&[folder.path().to_owned()]).unwrap();
        assert_eq!(all.len(), 3);
        for wrong in [
            r#"{"name": "x", "config": {}}"#,
            "[]",
            "{",
            r#"[{"name": "topic"}]"#,
        ] {
            let path = write("d.txt", wrong);
            let told = format!("{:#}", named(&path).unwrap_err());
            assert!(told.contains("d.txt"), "{told}");
        }
        write(
            "e.json",
            r#"{"name": "x", "config": {"connector.class": "C"}}"#,
        );
        let told = connectors(&[folder.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(told.contains("both of a connector x"), "{told}");
    }
}
