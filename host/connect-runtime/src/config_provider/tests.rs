//! Providers of this machine, and what all of them have in common.

pub(crate) mod server;

use std::path::Path;
use std::time::Duration;

use connect_api::mask;

use super::*;
use server::{Reply, Server};

/// The properties of a worker with one provider, by its short parameters.
pub(crate) fn worker(class: &str, parameters: &[(&str, &str)]) -> Properties {
    let mut properties = Properties::from([
        ("config.providers".to_owned(), "p".to_owned()),
        ("config.providers.p.class".to_owned(), class.to_owned()),
    ]);
    for (key, value) in parameters {
        let key = format!("config.providers.p.param.{key}");
        properties.insert(key, (*value).to_owned());
    }
    properties
}

/// What becomes of the value of one option.
pub(crate) fn resolved(providers: &ConfigProviders, value: &str) -> Result<String> {
    let properties = Properties::from([("k".to_owned(), value.to_owned())]);
    let mut resolved = providers.resolve(&properties)?;
    Ok(resolved.remove("k").unwrap_or_default())
}

/// The error of one option, with its causes.
pub(crate) fn refusal(providers: &ConfigProviders, value: &str) -> Error {
    match resolved(providers, value) {
        Err(error) => error,
        // It may be a secret.
        Ok(_) => panic!("{value} is resolved"),
    }
}

fn local_providers(folder: &Path) -> ConfigProviders {
    let class = |name: &str| format!("org.apache.kafka.common.config.provider.{name}");
    let pairs = [
        ("config.providers", "file,dir,env".to_owned()),
        ("config.providers.file.class", class("FileConfigProvider")),
        (
            "config.providers.file.param.allowed.paths",
            folder.display().to_string(),
        ),
        (
            "config.providers.dir.class",
            class("DirectoryConfigProvider"),
        ),
        ("config.providers.env.class", class("EnvVarConfigProvider")),
        (
            "config.providers.env.param.allowlist.pattern",
            "CARGO_.*".to_owned(),
        ),
    ];
    let properties = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    ConfigProviders::new(&properties).unwrap()
}

#[test]
fn placeholders_are_replaced_and_what_is_unknown_stays() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("db.properties"), "password=p:w\n").unwrap();
    std::fs::write(folder.path().join("token"), "t\n").unwrap();
    let path = folder.path().display();
    let name = std::env::var("CARGO_PKG_NAME").unwrap();
    for (given, expect) in [
        (
            format!("a${{file:{path}/db.properties:password}}b"),
            "ap:wb",
        ),
        (format!("${{dir:{path}:token}}"), "t\n"),
        (format!("${{dir:{path}:../token}}"), "-"),
        ("${env:CARGO_PKG_NAME}".to_owned(), name.as_str()),
        ("${env:PATH}".to_owned(), "-"),
        ("${vault:x:y}".to_owned(), "-"),
        (format!("${{file:{path}/db.properties:user}}"), "-"),
        ("${file:/etc/hostname:x}".to_owned(), "-"),
    ] {
        let properties = Properties::from([("k".to_owned(), given.clone())]);
        let providers = local_providers(folder.path());
        let (resolved, provided) = providers.provide(&properties).unwrap();
        assert_eq!(provided.contains_key("k"), expect != "-");
        for part in provided.values().flatten() {
            assert!(resolved["k"].contains(part) && !given.contains(part));
        }
        let expect = if expect == "-" { &given } else { expect };
        assert_eq!(resolved["k"], expect);
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let error = refusal(&local_providers(folder.path()), "${file:/no/such:x}");
    assert!(
        error.to_string().starts_with("k: could not read /no/such"),
        "{error}"
    );
    assert!(error.is_transient(), "the file may come");
}

#[test]
fn classes_are_known_by_their_names_and_none_is_guessed() {
    let vault = [("vault.token", "t")];
    for class in ["VaultSecretProvider", vault::LENSES] {
        ConfigProviders::new(&worker(class, &vault)).unwrap();
    }
    ConfigProviders::new(&worker("KubernetesSecretConfigProvider", &[])).unwrap();
    for class in [
        // Two classes have this name, with other parameters.
        "VaultConfigProvider",
        "SecretsManagerConfigProvider",
        "com.example.VaultSecretProvider",
        "",
    ] {
        let error = ConfigProviders::new(&worker(class, &vault)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("config.providers.p.class: "), "{text}");
        assert!(text.contains("is not known"), "{text}");
    }
}

#[test]
fn each_class_is_on_the_page_of_secrets() {
    let page = include_str!("../../../../docs/secrets.md");
    for class in CLASSES {
        assert!(page.contains(&format!("`{class}`")), "{class}");
    }
}

#[test]
fn a_parameter_may_stand_in_a_file_and_is_hidden() {
    let server = Server::start(|_| Reply::json(200, r#"{"data":{"data":{"k":"v"}}}"#));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vault.properties");
    std::fs::write(&file, "token=hvs.of-a-file\n").unwrap();
    let token = format!("${{file:{}:token}}", file.display());
    let mut properties = worker(
        vault::LENSES,
        &[("vault.addr", &server.url()), ("vault.token", &token)],
    );
    properties.insert("config.providers".into(), "p,file".into());
    properties.insert(
        "config.providers.file.class".into(),
        "FileConfigProvider".into(),
    );
    let providers = ConfigProviders::new(&properties).unwrap();
    assert_eq!(resolved(&providers, "${p:secret/a:k}").unwrap(), "v");
    let asked = server.asked_for("/v1/secret/data/a");
    assert_eq!(asked[0].header("x-vault-token"), "hvs.of-a-file");
    assert!(!format!("{providers:?}").contains("hvs.of-a-file"));
    assert!(!mask("x hvs.of-a-file").contains("of-a-file"));
}

#[test]
fn what_a_path_has_is_asked_for_once_and_belongs_together() {
    let server = Server::start(|asked| {
        let number = asked.number;
        let body = format!(r#"{{"data":{{"data":{{"user":"u{number}","pw":"p{number}"}}}}}}"#);
        Reply::json(200, &body)
    });
    let parameters = [("vault.addr", &*server.url()), ("vault.token", "t")];
    let providers = ConfigProviders::new(&worker(vault::LENSES, &parameters)).unwrap();
    let given = Properties::from([
        ("a".to_owned(), "${p:secret/db:user}".to_owned()),
        ("b".to_owned(), "${p:secret/db:pw}".to_owned()),
        ("c".to_owned(), "plain".to_owned()),
    ]);
    let (resolved, provided) = providers.provide(&given).unwrap();
    assert_eq!(
        resolved["a"].replace('u', ""),
        resolved["b"].replace('p', "")
    );
    assert_eq!(resolved["c"], "plain");
    assert_eq!(provided.len(), 2);
    assert_eq!(server.asked_for("/v1/secret/data/db").len(), 1);
}

#[test]
fn a_provider_that_never_answers_is_given_up_and_named() {
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let server = Server::start(move |_| {
        let gate = gate
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = gate.recv_timeout(Duration::from_secs(60));
        Reply::json(200, "{}")
    });
    let parameters = [("vault.addr", &*server.url()), ("vault.token", "t")];
    let providers = ConfigProviders::new(&worker(vault::LENSES, &parameters)).unwrap();
    let error = refusal(&providers, "${p:secret/db:pw}");
    drop(open);
    let text = error.to_string();
    assert!(text.starts_with("k: Vault at http://127.0.0.1:"), "{text}");
    assert!(text.ends_with("does not answer: timed out"), "{text}");
    assert!(error.is_transient());
}
