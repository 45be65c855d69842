//! The API of Kubernetes as it is documented, on the loopback.

use super::super::tests::server::{Asked, Reply, Server};
use super::*;
use connect_api::Properties;

const SECRET: &str = r#"{"kind":"Secret","data":{"pw":"cMOkJHt4fSI=","a.crt":"QQ==","b.crt":"Qg==",
    "store.jks":"/u0="}}"#;
const CONFIG_MAP: &str = r#"{"kind":"ConfigMap","data":{"pw":"plain"}}"#;

struct Pod {
    folder: tempfile::TempDir,
    place: Place,
}

fn pod(server: &Server) -> Pod {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "first-token\n").unwrap();
    std::fs::write(folder.path().join("namespace"), "own\n").unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let place = Place {
        address: Some(server.url()),
        namespace: None,
        namespace_file: file("namespace"),
        token: None,
        token_file: file("token"),
        trust: Trust::default(),
    };
    Pod { folder, place }
}

fn provider(class: &str, place: &Place, separator: &str) -> KubernetesProvider {
    let key = "config.providers.p.param.separator".to_owned();
    let given = Properties::from([(key, separator.to_owned())]);
    KubernetesProvider::at(class, &Parameters::new(&given, "p"), place.clone())
}

async fn get(provider: &KubernetesProvider, path: &str, key: &str) -> Result<String> {
    let mut values = provider
        .get(path, &BTreeSet::from([key.to_owned()]))
        .await?;
    Ok(values.remove(key).unwrap_or_default())
}

#[tokio::test]
async fn secrets_and_config_maps_are_read_with_the_token_of_the_pod() {
    let server = Server::start(|asked: &Asked| match asked.path.contains("/configmaps/") {
        true => Reply::json(200, CONFIG_MAP),
        false => Reply::json(200, SECRET),
    });
    let pod = pod(&server);
    let secrets = provider(SECRETS, &pod.place, "");
    assert_eq!(get(&secrets, "team-a/db", "pw").await.unwrap(), "pä${x}\"");
    let maps = provider(CONFIG_MAPS, &pod.place, "");
    assert_eq!(get(&maps, "app.config", "pw").await.unwrap(), "plain");
    let first = &server.asked_for("/api/v1/namespaces/team-a/secrets/db")[0];
    assert_eq!(first.header("authorization"), "Bearer first-token");
    let path = "/api/v1/namespaces/own/configmaps/app.config";
    assert_eq!(server.asked_for(path).len(), 1);
    // Kubernetes writes another token to the file.
    std::fs::write(pod.folder.path().join("token"), "second-token").unwrap();
    get(&maps, "app.config", "pw").await.unwrap();
    let second = &server.asked_for(path)[1];
    assert_eq!(second.header("authorization"), "Bearer second-token");
}

#[tokio::test]
async fn a_pattern_joins_the_values_of_the_keys_that_it_matches() {
    let server = Server::start(|_| Reply::json(200, SECRET));
    let pod = pod(&server);
    let secrets = provider(SECRETS, &pod.place, "");
    assert_eq!(get(&secrets, "x/y", "*.crt").await.unwrap(), "A\nB");
    assert_eq!(get(&secrets, "x/y", "[a-b].crt").await.unwrap(), "A\nB");
    let joined = provider(SECRETS, &pod.place, ";");
    assert_eq!(get(&joined, "x/y", "?.crt").await.unwrap(), "A;B");
    for key in ["*.pem", "missing", "store.jks", "[", "a?b"] {
        let error = get(&secrets, "x/y", key).await.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(&format!("x/y has no key {key}")),
            "{error}"
        );
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn refusals_name_place_path_and_next_step() {
    for (status, part) in [
        (404, "there is none of secrets with this name"),
        (401, "token of the pod's service account"),
        (403, "a role with get on secrets"),
        (500, "see the API server"),
    ] {
        let server = Server::start(move |_| Reply::json(status, r#"{"message":"x"}"#));
        let pod = pod(&server);
        let error = get(&provider(SECRETS, &pod.place, ""), "ns/db", "k")
            .await
            .unwrap_err();
        let text = error.chain();
        assert!(
            text.contains(&server.address) && text.contains("ns/db"),
            "{text}"
        );
        assert!(
            text.contains(part) && !text.contains("first-token"),
            "{text}"
        );
        assert!(error.is_transient());
    }
}

#[tokio::test]
async fn odd_paths_and_places_are_refused() {
    let server = Server::start(|_| Reply::json(200, SECRET));
    let mut pod = pod(&server);
    let secrets = provider(SECRETS, &pod.place, "");
    for path in [
        "",
        "/",
        "a/b/c",
        "../x",
        "A/b",
        "a b/c",
        "x/..",
        "ns/db?x=1",
    ] {
        assert!(get(&secrets, path, "k").await.is_err(), "{path}");
    }
    pod.place.address = None;
    let nowhere = provider(SECRETS, &pod.place, "");
    let error = get(&nowhere, "ns/db", "k").await.unwrap_err();
    assert!(
        error.to_string().contains("DirectoryConfigProvider"),
        "{error}"
    );
}

#[test]
fn the_place_is_that_of_the_pod_or_of_the_variables() {
    let pod = |name: &str| match name {
        "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
        "KUBERNETES_SERVICE_PORT" => Some("6443".to_owned()),
        _ => None,
    };
    let place = Place::of(&pod);
    assert_eq!(place.address.as_deref(), Some("https://[fd00::1]:6443"));
    assert_eq!(
        place.trust.file.as_deref(),
        Some("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
    );
    let outside = |name: &str| match name {
        "KUBERNETES_MASTER" => Some("https://api.example:6443/".to_owned()),
        "KUBERNETES_AUTH_TOKEN" => Some("a-token-outside".to_owned()),
        "KUBERNETES_NAMESPACE" => Some("ns".to_owned()),
        _ => pod(name),
    };
    let place = Place::of(&outside);
    assert_eq!(place.address.as_deref(), Some("https://api.example:6443/"));
    assert_eq!(place.namespace.as_deref(), Some("ns"));
}
