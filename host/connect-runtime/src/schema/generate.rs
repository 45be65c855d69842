//! `ferrule schema generate`: the files that are made of declarations.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

use super::declarations;
use super::json_schema::json_schema;
use super::page;
use crate::plugin::say::say;

/// What stands below the options.
pub const HELP: &str = "\
A declaration is a Connect schema in JSON, in a file that is named by its subject. It is the form of
the `schema` of JsonConverter, so that `value.converter.schema.content` takes it, too:

  orders-value.json
  {\"type\": \"struct\", \"name\": \"shop.Order\", \"doc\": \"An order.\", \"fields\": [
    {\"field\": \"id\", \"type\": \"int64\", \"optional\": false, \"doc\": \"Its number.\"},
    {\"field\": \"note\", \"type\": \"string\", \"optional\": true}]}

  ferrule schema generate connectors/schemas
  ferrule schema generate connectors/schemas --check     exit code 1 when a file is not up to date

An example of a record is taken from FOLDER/examples/SUBJECT.json where it is there. Beside the file
of topics SYSTEM.json, what SYSTEM.md says of the system goes on the page.";

#[derive(Args)]
pub struct GenerateArgs {
    /// The folder of the declarations. The folders avro and json in it are written.
    #[arg(value_name = "FOLDER", default_value = "connectors/schemas")]
    folder: PathBuf,
    /// The files of topics of `ferrule topics apply`, for the page.
    #[arg(long, value_name = "FOLDER", default_value = "connectors/topics")]
    topics: PathBuf,
    /// The page to write.
    #[arg(long, value_name = "FILE", default_value = "docs/kafka_schemas.md")]
    page: PathBuf,
    /// Write nothing, and tell which files are not up to date.
    #[arg(long)]
    check: bool,
}

/// Writes the files, or compares them; whether all are up to date in the end.
pub fn run(args: &GenerateArgs) -> Result<bool> {
    let made = make(args)?;
    let mut current = true;
    for (path, text) in &made {
        let there = fs::read_to_string(path).unwrap_or_default();
        if there == *text {
            continue;
        }
        if args.check {
            current = false;
            say!("not up to date  {}", path.display());
            continue;
        }
        write(path, text)?;
        say!("written         {}", path.display());
    }
    for path in left_over(args, &made)? {
        if args.check {
            current = false;
            say!("not declared    {}", path.display());
            continue;
        }
        fs::remove_file(&path).with_context(|| path.display().to_string())?;
        say!("removed         {}", path.display());
    }
    if current {
        say!("{} files are up to date", made.len());
    } else {
        say!("run: ferrule schema generate {}", args.folder.display());
    }
    Ok(current)
}

fn make(args: &GenerateArgs) -> Result<BTreeMap<PathBuf, String>> {
    let declared = declarations::read(std::slice::from_ref(&args.folder))?;
    let mut made = BTreeMap::new();
    for declaration in &declared {
        let subject = &declaration.subject;
        let avro = args.folder.join("avro").join(format!("{subject}.avsc"));
        made.insert(avro, declaration.avro()?);
        let json = args
            .folder
            .join("json")
            .join(format!("{subject}.schema.json"));
        let schema = json_schema(subject, &declaration.schema);
        made.insert(json, serde_json::to_string_pretty(&schema)? + "\n");
    }
    let page = page::page(&page::systems(&args.topics)?, &declared)?;
    made.insert(args.page.clone(), page);
    Ok(made)
}

/// Files in the folders that are written, of declarations that are gone.
fn left_over(args: &GenerateArgs, made: &BTreeMap<PathBuf, String>) -> Result<Vec<PathBuf>> {
    let mut left = Vec::new();
    for (folder, end) in [("avro", ".avsc"), ("json", ".schema.json")] {
        let folder = args.folder.join(folder);
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.with_context(|| folder.display().to_string())?.path();
            let named = path.file_name().and_then(|name| name.to_str());
            if named.is_some_and(|name| name.ends_with(end)) && !made.contains_key(&path) {
                left.push(path);
            }
        }
    }
    left.sort();
    Ok(left)
}

fn write(path: &Path, text: &str) -> Result<()> {
    let name = || format!("could not write {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(name)?;
    }
    fs::write(path, text).with_context(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(folder: &Path, check: bool) -> GenerateArgs {
        GenerateArgs {
            folder: folder.join("schemas"),
            topics: folder.join("topics"),
            page: folder.join("page.md"),
            check,
        }
    }

    #[test]
    fn files_follow_their_declarations() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("schemas")).unwrap();
        fs::create_dir_all(at("topics")).unwrap();
        let declare = |doc: &str| {
            let text = format!(
                r#"{{"type": "struct", "name": "a.B", "doc": "{doc}", "fields":
                     [{{"field": "id", "type": "int64", "optional": false}}]}}"#
            );
            fs::write(at("schemas/t-value.json"), text).unwrap();
        };
        declare("One.");
        fs::write(
            at("topics/demo.json"),
            r#"[{"name": "t", "partitions": 2}]"#,
        )
        .unwrap();
        assert!(!run(&args(folder.path(), true)).unwrap());
        assert!(!at("schemas/avro").exists());
        assert!(run(&args(folder.path(), false)).unwrap());
        assert!(run(&args(folder.path(), true)).unwrap());
        for file in [
            "schemas/avro/t-value.avsc",
            "schemas/json/t-value.schema.json",
            "page.md",
        ] {
            assert!(
                fs::read_to_string(at(file)).unwrap().contains("One."),
                "{file}"
            );
        }
        declare("Two.");
        assert!(!run(&args(folder.path(), true)).unwrap());
        assert!(run(&args(folder.path(), false)).unwrap());
        // The file of a declaration that has another name now.
        fs::rename(at("schemas/t-value.json"), at("schemas/u-value.json")).unwrap();
        assert!(!run(&args(folder.path(), true)).unwrap());
        assert!(run(&args(folder.path(), false)).unwrap());
        assert!(!at("schemas/avro/t-value.avsc").exists());
        assert!(run(&args(folder.path(), true)).unwrap());
    }
}
