//! What config providers give and what options of type PASSWORD hold is told by no answer.

use super::*;

const CANARY: &str = "S3cr3tCanary";

struct Provided {
    worker: TestWorker,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Provided {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.properties");
        let text = format!(
            "s={CANARY}\nlist=a,{CANARY},b\nurl=postgres://u:{CANARY}@host/db\nglued=x{CANARY}y\n\
             nul={CANARY}\\u0000\n"
        );
        std::fs::write(&file, text).unwrap();
        let path = folder.path().display().to_string();
        let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
        let settings = [
            ("config.providers", "file"),
            ("config.providers.file.class", class),
            ("config.providers.file.param.allowed.paths", &*path),
            ("connector.client.config.override.policy", "All"),
        ];
        let worker = TestWorker::with(&settings, Vec::new());
        Self {
            worker,
            file,
            _folder: folder,
        }
    }

    fn placeholder(&self, key: &str) -> String {
        format!("${{file:{}:{key}}}", self.file.display())
    }
}

/// Keys whose values a text quotes, each in a way of its own.
const KEYS: &[&str] = &[
    "config.action.reload",
    "connector.plugin.version",
    "consumer.override.fetch.min.bytes",
    "consumer.override.sasl.jaas.config",
    "consumer.override.ssl.key.location",
    "errors.deadletterqueue.topic.name",
    "errors.retry.timeout",
    "errors.tolerance",
    "key.converter",
    "name",
    "output.topics.allow",
    "password",
    "predicates",
    "producer.override.security.protocol",
    "tasks.max",
    "topics.regex",
    "transforms",
    "transforms.r.renames",
    "transforms.t.predicate",
    "transforms.t.spec",
    "transforms.t.type",
    "unknown.key",
    "url",
    "value.converter.schemas.enable",
];

#[tokio::test]
async fn no_answer_tells_what_a_provider_gave() {
    let provided = Provided::new();
    let worker = &provided.worker;
    for key in KEYS {
        for value in ["s", "list", "url", "glued", "nul"] {
            let mut config = config();
            config["value.converter"] = json!("org.apache.kafka.connect.json.JsonConverter");
            config["transforms"] = json!("t,r");
            config["transforms.t.type"] = json!("org.apache.kafka.connect.transforms.Cast$Value");
            config["transforms.t.spec"] = json!("a:int32");
            config["transforms.r.type"] =
                json!("org.apache.kafka.connect.transforms.ReplaceField$Value");
            config[*key] = json!(provided.placeholder(value));
            let path = "/connector-plugins/TestSinkConnector/config/validate";
            let validated = worker.put(path, config.clone()).await;
            let text = validated.text;
            assert!(!text.contains(CANARY), "{key} {value}: {text}");
            let name = format!("{key}-{value}");
            let path = format!("/connectors/{name}/config");
            let text = worker.put(&path, config.clone()).await.text;
            assert!(!text.contains(CANARY), "{key} {value}: {text}");
            // What is stored already is looked at by the task.
            worker.stores(&format!("stored-{name}"), config);
        }
    }
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let all = worker.get("/connectors?expand=status&expand=info").await;
        assert_eq!(all.status, StatusCode::OK);
        assert!(!all.text.contains(CANARY), "{}", all.text);
    }
}

#[tokio::test]
async fn a_provider_gives_no_names() {
    let provided = Provided::new();
    for key in [
        "transforms",
        "predicates",
        "topics",
        "tasks.max",
        "transforms.t.type",
    ] {
        let mut config = config();
        config[key] = json!(provided.placeholder("s"));
        let path = "/connectors/a/config";
        let refused = provided.worker.put(path, config.clone()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let why = format!("configuration {key}: a config provider cannot give it");
        assert!(refused.text.contains(&why), "{}", refused.text);
        let name = format!("stored-{key}");
        provided.worker.stores(&name, config);
        let status = provided.worker.waits_for(&name, "FAILED").await;
        assert!(status.to_string().contains(key), "{status}");
    }
}

#[tokio::test]
async fn a_masked_value_that_comes_back_is_400_and_changes_nothing() {
    let worker = TestWorker::new();
    let mut stored = config();
    stored["password"] = json!("the-very-password");
    let path = "/connectors/a/config";
    assert_eq!(worker.put(path, stored).await.status, StatusCode::CREATED);
    let before = worker.get(path).await.json;
    for mask in ["******", "********", "[hidden]", "••••", "<hidden>"] {
        let mut config = before.clone();
        config["password"] = json!(mask);
        let put = worker.put(path, config.clone()).await;
        let patch = json!({ "password": mask }).to_string();
        let patch = worker.request(Method::PATCH, path, patch).await;
        config["name"] = json!("b");
        let create = json!({ "name": "b", "config": config });
        let post = worker.post("/connectors", create).await;
        for refused in [put, patch, post] {
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{mask}");
            assert!(refused.text.contains("password"), "{}", refused.text);
        }
        let validate = "/connector-plugins/TestSinkConnector/config/validate";
        let infos = worker.put(validate, config).await;
        assert_eq!(infos.json["error_count"], 1, "{}", infos.text);
        assert_eq!(worker.get(path).await.json, before);
        assert_eq!(worker.get("/connectors").await.json, json!(["a"]));
    }
}
