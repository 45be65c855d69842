//! `ferrule schema`: what is generated is up to date, and a registry keeps what is declared.

use anyhow::{Result, ensure};
use harness::registry::TestRegistry;
use harness::{names, run};
use serde_json::{Value, json};

use super::{expect, written};

#[tokio::test]
async fn the_generated_files_are_up_to_date() -> Result<()> {
    expect(&["schema", "generate", "--check"], 0, &["up to date"]).await?;
    Ok(())
}

fn declaration(fields: &Value) -> String {
    json!({ "type": "struct", "name": "demo.Reading", "doc": "A reading.", "fields": fields })
        .to_string()
}

fn id() -> Value {
    json!({ "field": "id", "type": "int32", "optional": false, "doc": "Its number." })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_registered_once_and_evolves() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let (url, folder) = (registry.url(), run::folder("schema")?);
    let topic = names::unique("evolve");
    let (subject, name) = (format!("{topic}-value"), format!("{topic}-value.json"));
    let file = written(&folder, &name, &declaration(&json!([id()])))?;
    let register = ["schema", "register", &file, "--registry", &url];
    let check = ["schema", "check", &file, "--registry", &url];

    expect(&check, 0, &["new", &subject]).await?;
    expect(&register, 0, &["registered", &subject]).await?;
    expect(&register, 0, &["unchanged", "version 1"]).await?;
    registry.demand(&subject, "BACKWARD").await?;

    // An optional field more is compatible.
    let note = json!({ "field": "note", "type": "string", "optional": true });
    written(&folder, &name, &declaration(&json!([id(), note])))?;
    expect(&check, 0, &["compatible", &subject]).await?;
    expect(&register, 0, &["registered"]).await?;
    expect(&register, 0, &["unchanged", "version 2"]).await?;

    // One that must be there is not, and the field is named.
    let needed = json!({ "field": "needed", "type": "int64", "optional": false });
    written(&folder, &name, &declaration(&json!([id(), note, needed])))?;
    expect(&check, 1, &["INCOMPATIBLE", &subject, "field needed"]).await?;
    expect(&register, 1, &["REFUSED", &subject, "field needed"]).await?;
    let other = json!({ "field": "id", "type": "string", "optional": false });
    written(&folder, &name, &declaration(&json!([other])))?;
    expect(&check, 1, &["field id", "its type was int and is string"]).await?;
    // With a default it may come.
    let default = json!({ "field": "more", "type": "int64", "optional": false, "default": 7 });
    written(&folder, &name, &declaration(&json!([id(), note, default])))?;
    expect(&check, 0, &["compatible"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn json_schema_is_registered_too() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let (url, folder) = (registry.url(), run::folder("schema-json")?);
    let subject = format!("{}-value", names::unique("json"));
    let file = written(
        &folder,
        &format!("{subject}.json"),
        &declaration(&json!([id()])),
    )?;
    let register = [
        "schema",
        "register",
        "--type",
        "json",
        &file,
        "--registry",
        &url,
    ];
    expect(&register, 0, &["registered"]).await?;
    expect(&register, 0, &["unchanged"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_declarations_of_the_systems_are_taken() -> Result<()> {
    let registry = TestRegistry::start().await?;
    let url = registry.url();
    expect(
        &["schema", "register", "--registry", &url],
        0,
        &["registered"],
    )
    .await?;
    let text = expect(
        &["schema", "register", "--registry", &url],
        0,
        &["unchanged"],
    )
    .await?;
    ensure!(!text.contains("registered"), "{text}");
    expect(&["schema", "check", "--registry", &url], 0, &["compatible"]).await?;
    let subjects = registry.subjects().await?;
    ensure!(
        subjects.contains(&"telescope.data-value".to_owned()),
        "{subjects:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_registry_that_is_away_is_named() -> Result<()> {
    let nowhere = format!("http://127.0.0.1:{}", names::free_port()?);
    let args = ["schema", "register", "--registry", &nowhere];
    expect(&args, 2, &[&nowhere, "does not answer"]).await?;
    expect(&["schema", "register"], 2, &["--registry"]).await?;
    let args = [&args[..], &["-D", "basic.auth.user=x"]].concat();
    expect(&args, 2, &["basic.auth.user is no option"]).await?;
    Ok(())
}
