//! Vault by its documented HTTP API, on the loopback.

mod kept;

use std::sync::Mutex as StdMutex;

use connect_api::Properties;

use super::super::ConfigProviders;
use super::super::tests::server::{Asked, Reply, Server};
use super::super::tests::{refusal, resolved, worker};
use super::*;

const KV2: &str = r#"{"data":{"data":{"pw":"p#ä\"\\ =;${x}\n","n":5,"no":null},"metadata":{}}}"#;
const DENIED: &str = r#"{"errors":["permission denied"]}"#;

fn lenses(server: &Server, parameters: &[(&str, &str)]) -> ConfigProviders {
    let mut all = vec![("vault.addr", server.url())];
    all.extend(parameters.iter().map(|(k, v)| (*k, (*v).to_owned())));
    let all: Vec<_> = all.iter().map(|(k, v)| (*k, v.as_str())).collect();
    ConfigProviders::new(&worker(LENSES, &all)).unwrap()
}

/// A Vault that gives a token of its own for each login: t0, t1, …
fn login_reply(number: usize, seconds: u64) -> Reply {
    let body = format!(
        r#"{{"auth":{{"client_token":"t{number}","lease_duration":{seconds},"renewable":true}}}}"#
    );
    Reply::json(200, &body)
}

#[test]
fn a_secret_of_kv_is_read_whatever_stands_in_it() {
    let server = Server::start(|_| Reply::json(200, KV2));
    let parameters = [("vault.token", "hvs.x"), ("vault.namespace", "team/a")];
    let providers = lenses(&server, &parameters);
    let value = resolved(&providers, "<${p:secret/db main:pw}>").unwrap();
    // What looks like a placeholder in a value is none.
    assert_eq!(value, "<p#ä\"\\ =;${x}\n>");
    assert_eq!(resolved(&providers, "${p:secret/db:n}").unwrap(), "5");
    let asked = server.asked_for("/v1/secret/data/db%20main");
    assert_eq!(asked[0].method, "GET");
    assert_eq!(asked[0].header("x-vault-token"), "hvs.x");
    assert_eq!(asked[0].header("x-vault-namespace"), "team/a");
    // It is asked for each time: nothing says how long it may be kept.
    resolved(&providers, "${p:secret/db:n}").unwrap();
    assert_eq!(server.asked_for("/v1/secret/data/db").len(), 2);
}

#[test]
fn paths_are_those_of_the_engine_and_its_mount() {
    for (parameters, path, expect) in [
        (&[][..], "secret/a/b", "/v1/secret/data/a/b"),
        (
            &[("vault.prefix.depth", "2")],
            "kv/team/a",
            "/v1/kv/team/data/a",
        ),
        (&[("vault.engine.version", "1")], "secret/a", "/v1/secret/a"),
        (&[], "secret/a?version=3", "/v1/secret/data/a?version=3"),
        (&[], "secret?version=3", "/v1/secret/data?version=3"),
        (&[], "//secret//a", "/v1/secret/data/a"),
    ] {
        let server = Server::start(|asked: &Asked| match asked.path.contains("/data") {
            true => Reply::json(200, r#"{"data":{"data":{"k":"v"}}}"#),
            false => Reply::json(200, r#"{"data":{"k":"v"},"lease_duration":2764800}"#),
        });
        let mut all = vec![("vault.token", "t")];
        all.extend(parameters);
        let providers = lenses(&server, &all);
        assert_eq!(
            resolved(&providers, &format!("${{p:{path}:k}}")).unwrap(),
            "v"
        );
        assert_eq!(server.asked_for(expect).len(), 1, "{expect}");
    }
    let server = Server::start(|_| Reply::json(200, KV2));
    let providers = lenses(&server, &[("vault.token", "t")]);
    for path in ["", "/", "?version=1", "?version=1/x", "secret/../sys/a"] {
        let error = refusal(&providers, &format!("${{p:{path}:k}}"));
        assert!(error.to_string().contains("is no path"), "{path}: {error}");
    }
}

#[test]
fn what_vault_refuses_names_address_path_and_next_step() {
    for (status, body, part, kind) in [
        (
            403,
            DENIED,
            "403 (permission denied): see the policies",
            ErrorKind::Config,
        ),
        (
            404,
            r#"{"errors":[]}"#,
            "404: there is no such secret",
            ErrorKind::Config,
        ),
        (
            503,
            r#"{"errors":["Vault is sealed"]}"#,
            "(Vault is sealed)",
            ErrorKind::Retriable,
        ),
        (473, "", "name the active one", ErrorKind::Retriable),
        (307, "", "name the active server", ErrorKind::Config),
        (200, "<html>", "has no values", ErrorKind::Config),
        (
            200,
            r#"{"data":{"data":{}}}"#,
            "secret/db has no key pw",
            ErrorKind::Config,
        ),
    ] {
        let server = Server::start(move |_| Reply::json(status, body));
        let providers = lenses(&server, &[("vault.token", "hvs.wrong-token")]);
        let error = refusal(&providers, "${p:secret/db:pw}");
        let text = error.chain();
        let start = format!("k: Vault at http://{}", server.address);
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains("secret/db") && text.contains(part), "{text}");
        assert!(!text.contains("wrong-token"), "{text}");
        assert_eq!(error.kind(), kind, "{text}");
        assert!(error.is_transient(), "{text}");
    }
}

#[test]
fn a_vault_that_is_away_may_come_back() {
    let server = Server::start(|_| Reply::json(200, KV2));
    let providers = lenses(&server, &[("vault.token", "t")]);
    let address = server.address.clone();
    drop(server);
    let error = refusal(&providers, "${p:secret/db:pw}");
    let text = error.to_string();
    assert!(
        text.contains(&address) && text.contains("does not answer"),
        "{text}"
    );
    assert!(error.is_transient());
}

#[test]
fn each_method_logs_in_as_vault_documents_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "a.jwt.token\n").unwrap();
    let file = file.display().to_string();
    for (parameters, path, body) in [
        (
            &[
                ("vault.auth.method", "AppRole"),
                ("app.role.id", "r"),
                ("app.role.secret.id", "s"),
            ][..],
            "/v1/auth/approle/login",
            r#"{"role_id":"r","secret_id":"s"}"#,
        ),
        (
            &[
                ("vault.auth.method", "kubernetes"),
                ("kubernetes.role", "r"),
                ("kubernetes.auth.path", "auth/k8s/eu"),
                ("kubernetes.token.path", &file),
            ],
            "/v1/auth/k8s/eu/login",
            r#"{"role":"r","jwt":"a.jwt.token"}"#,
        ),
        (
            &[
                ("vault.auth.method", "userpass"),
                ("username", "u/x"),
                ("password", "p\"w"),
            ],
            "/v1/auth/userpass/login/u/x",
            r#"{"password":"p\"w"}"#,
        ),
        (
            &[
                ("vault.auth.method", "jwt"),
                ("jwt.provider", "oidc"),
                ("jwt.role", "r"),
                ("jwt", "j"),
            ],
            "/v1/auth/oidc/login",
            r#"{"role":"r","jwt":"j"}"#,
        ),
    ] {
        let server = Server::start(|asked: &Asked| match asked.method.as_str() {
            "POST" => login_reply(0, 3600),
            _ if asked.header("x-vault-token") == "t0" => Reply::json(200, KV2),
            _ => Reply::json(403, DENIED),
        });
        let providers = lenses(&server, parameters);
        assert_eq!(resolved(&providers, "${p:secret/db:n}").unwrap(), "5");
        let asked = server.asked_for(path);
        assert_eq!((asked.len(), asked[0].body.as_str()), (1, body), "{path}");
        assert_eq!(asked[0].header("x-vault-token"), "");
    }
}

#[test]
fn a_message_is_cut_behind_what_hides_its_secrets() {
    let token = "hvs.4f-cut-in-half-otherwise";
    connect_api::keep_secrets([token], &|part| part != token);
    for length in MOST_MESSAGE - token.len()..=MOST_MESSAGE {
        let message = format!("{} {token} is refused", "x".repeat(length));
        let body = serde_json::json!({ "errors": [message] });
        let told = told(&Answer { status: 403, body });
        assert!(!told.contains("hvs.4f"), "{told}");
        assert!(told.len() <= MOST_MESSAGE + 3, "{told}");
    }
}

#[test]
fn a_token_that_has_ended_is_had_anew() {
    let valid = Arc::new(StdMutex::new(0));
    let now = Arc::clone(&valid);
    let server = Server::start(move |asked: &Asked| {
        let now = now.lock().unwrap();
        match asked.path.as_str() {
            "/v1/auth/approle/login" => login_reply(*now, 3600),
            _ if asked.header("x-vault-token") == format!("t{now}") => Reply::json(200, KV2),
            _ => Reply::json(403, DENIED),
        }
    });
    let providers = lenses(
        &server,
        &[
            ("vault.auth.method", "approle"),
            ("app.role.id", "r"),
            ("app.role.secret.id", "s"),
        ],
    );
    for _ in 0..2 {
        resolved(&providers, "${p:secret/db:n}").unwrap();
    }
    assert_eq!(server.asked_for("/v1/auth/approle/login").len(), 1);
    *valid.lock().unwrap() = 1;
    resolved(&providers, "${p:secret/db:n}").unwrap();
    assert_eq!(server.asked_for("/v1/auth/approle/login").len(), 2);
}

#[test]
fn a_login_that_is_refused_tells_of_the_method_and_no_secret() {
    let body = r#"{"errors":["invalid role or secret ID"]}"#;
    let server = Server::start(move |_| Reply::json(400, body));
    let providers = lenses(
        &server,
        &[
            ("vault.auth.method", "approle"),
            ("app.role.id", "r"),
            ("app.role.secret.id", "a-very-secret-id"),
        ],
    );
    let error = refusal(&providers, "${p:secret/db:n}");
    let text = error.chain();
    assert!(
        text.contains("login at auth/approle/login: 400 (invalid role"),
        "{text}"
    );
    assert!(!text.contains("a-very-secret-id"), "{text}");
    assert!(error.is_transient());
}

#[test]
fn tokens_are_renewed_while_nobody_asks() {
    let server = Server::start(|asked: &Asked| match asked.path.as_str() {
        "/v1/auth/token/renew-self" => login_reply(0, 1),
        _ => Reply::json(200, KV2),
    });
    // One that is given, from the start on.
    let _given = lenses(&server, &[("vault.token", "hvs.given")]);
    let renewals = server.waits_for("/v1/auth/token/renew-self", 3);
    assert_eq!(renewals[0].header("x-vault-token"), "hvs.given");
}

#[test]
fn keys_tell_lenses_how_values_are_encoded() {
    let body = r#"{"data":{"data":{"base64_pw":"cMOk","base64_x":"%","utf8_file_k":"x"}}}"#;
    let server = Server::start(move |_| Reply::json(200, body));
    let providers = lenses(&server, &[("vault.token", "t")]);
    assert_eq!(
        resolved(&providers, "${p:secret/db:base64_pw}").unwrap(),
        "pä"
    );
    for (key, part) in [
        ("base64_x", "no text in base64"),
        ("utf8_file_k", "not written to files"),
    ] {
        let error = refusal(&providers, &format!("${{p:secret/db:{key}}}"));
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn the_other_classes_have_their_own_parameters() {
    let server = Server::start(|asked: &Asked| match asked.number {
        // It is asked again, as often as the driver does.
        0 | 1 if !asked.path.contains("renew") => Reply::json(500, "{}"),
        _ if asked.method == "POST" && asked.path.contains("login") => login_reply(7, 3600),
        _ => Reply::json(200, KV2),
    });
    let url = server.url();
    for (class, parameters) in [
        (
            JCUSTENBORDER,
            &[
                ("vault.token", "t"),
                ("vault.retry.interval.ms", "1"),
                ("vault.login.by", "Token"),
            ][..],
        ),
        (
            CONFLUENT,
            &[
                ("vault.auth.method", "LDAP"),
                ("vault.auth.username", "ann"),
                ("vault.auth.password", "pw"),
                ("vault.retry.interval.ms", "1"),
            ],
        ),
    ] {
        let mut all = vec![("vault.address", url.as_str())];
        all.extend(parameters);
        let providers = ConfigProviders::new(&worker(class, &all)).unwrap();
        assert_eq!(
            resolved(&providers, "${p:secret/db:n}").unwrap(),
            "5",
            "{class}"
        );
    }
    assert_eq!(server.asked_for("/v1/auth/ldap/login/ann").len(), 1);
}

#[test]
fn what_is_not_done_is_refused_with_its_key() {
    for (class, parameters, key) in [
        (LENSES, &[][..], "vault.token"),
        (
            LENSES,
            &[("vault.auth.method", "awsiam")],
            "vault.auth.method",
        ),
        (
            LENSES,
            &[("vault.token", "t"), ("file.write", "true")],
            "file.write",
        ),
        (
            LENSES,
            &[("vault.token", "t"), ("vault.engine.version", "3")],
            "vault.engine.version",
        ),
        (
            LENSES,
            &[("vault.token", "t"), ("vault.addr", "vault:8200")],
            "vault.addr",
        ),
        (LENSES, &[("vault.auth.method", "approle")], "app.role.id"),
        (
            JCUSTENBORDER,
            &[("vault.token", "t"), ("vault.prefix", "staging")],
            "vault.prefix",
        ),
        (
            JCUSTENBORDER,
            &[("vault.token", "t"), ("vault.login.by", "LDAP")],
            "vault.login.by",
        ),
        (
            CONFLUENT,
            &[("vault.auth.method", "Certificate")],
            "vault.auth.method",
        ),
    ] {
        let error = ConfigProviders::new(&worker(class, parameters)).unwrap_err();
        let expect = format!("config.providers.p.param.{key}: ");
        assert!(error.to_string().starts_with(&expect), "{error}");
    }
}

#[test]
fn a_trust_file_that_cannot_be_used_is_named_and_may_come() {
    let server = Server::start(|_| Reply::json(200, KV2));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem").display().to_string();
    let providers = lenses(&server, &[("vault.token", "t"), ("vault.pem", &file)]);
    for (text, part) in [
        (None, "could not read"),
        (Some("no PEM"), "has no certificate"),
    ] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let error = refusal(&providers, "${p:secret/db:n}");
        let chain = error.chain();
        assert!(chain.contains(part) && chain.contains(&file), "{chain}");
        assert!(error.is_transient());
    }
    // Nothing was asked without the trust that is wanted.
    assert!(server.asked_for("/v1/secret/data/db").is_empty());
}

#[test]
fn stores_of_java_are_read_for_vault() {
    const STORES: &str = "../connect-keystore/src/tests";
    let server = Server::start(|_| Reply::json(200, KV2));
    let (trust, keys) = (
        format!("{STORES}/trust.jks"),
        format!("{STORES}/key.pkcs12"),
    );
    let given = |password| {
        [
            ("vault.token", "t"),
            ("vault.ssl.truststore.location", &*trust),
            ("vault.ssl.keystore.location", &*keys),
            ("vault.ssl.keystore.password", password),
        ]
    };
    let wrong = refusal(&lenses(&server, &given("canary")), "${p:secret/db:n}").chain();
    assert!(
        wrong.contains(&keys) && wrong.contains("the password opens"),
        "{wrong}"
    );
    assert!(!wrong.contains("canary"), "{wrong}");
    assert!(server.asked_for("/v1/secret/data/db").is_empty());
    let right = lenses(&server, &given("changeit"));
    let given = resolved(&right, "${p:secret/db:n}").map_err(|error| error.chain());
    assert_eq!(given.map(drop), Ok(()));
}

#[test]
fn the_variables_of_vault_stand_in_for_parameters() {
    let given = Properties::new();
    let parameters = Parameters::new(&given, "p");
    let variable = |name: &str| match name {
        "VAULT_ADDR" => Some("https://vault.example:8200/base/".to_owned()),
        "VAULT_TOKEN" => Some("hvs.of-the-environment\n".to_owned()),
        _ => None,
    };
    let settings = Settings::new(JCUSTENBORDER, &parameters, &variable).unwrap();
    let vault = Vault::with(settings);
    assert_eq!(vault.whom(), "Vault at https://vault.example:8200");
    let url = vault.url("secret/data/a").unwrap();
    assert_eq!(
        url.as_str(),
        "https://vault.example:8200/base/v1/secret/data/a"
    );
    assert!(vault.url("secret/../sys").is_err());
    assert!(!format!("{vault:?}").contains("hvs.of"));
}
