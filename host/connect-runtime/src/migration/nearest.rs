//! What comes nearest to what Ferrule refuses.

use connect_api::Properties;

use crate::connectors::RegisteredConnector;
use crate::plugins::Plugins;
use crate::suggest::closest;

/// A part of a class's name, in small letters, and what to do in its place. The first that fits
/// counts.
type Table = &'static [(&'static str, &'static str)];

const CONNECTORS: Table = &[
    (
        ".mirror.",
        "MirrorMaker stays on Kafka Connect, under a group.id and topics of its own; within one \
         Kafka cluster FerruleKafkaSink copies topics, exactly once",
    ),
    (
        "datagen",
        "`ferrule produce` makes records up, or takes them from a file",
    ),
    (
        "filestreamsink",
        "FerrulePostgresSink or FerruleKafkaSink; docs/write-a-sink.md has a sink to a file, line \
         by line",
    ),
    (
        "postgresqlsink",
        "FerrulePostgresSink, with the options of the JDBC sinks",
    ),
    (
        "jdbcsource",
        "leave it on Kafka Connect, under a group.id and topics of its own: Ferrule reads no tables",
    ),
    (
        "debezium",
        "leave it on Kafka Connect, under a group.id and topics of its own; a sink of Ferrule reads \
         what it writes",
    ),
    (
        "httpsource",
        "FerruleHttpSource takes requests, docs/http.md; it does not poll an address",
    ),
    (
        "source",
        "leave it on Kafka Connect, under a group.id and topics of its own; docs/write-a-source.md \
         tells how to write one",
    ),
    (
        "",
        "leave it on Kafka Connect, under a group.id and topics of its own; docs/write-a-sink.md \
         tells how to write one",
    ),
];

const TRANSFORMS: Table = &[(
    "",
    "a plugin: `ferrule plugin new NAME` makes one, plugins/COOKBOOK.md has recipes",
)];

const CONVERTERS: Table = &[(
    "",
    "Ferrule has JsonConverter, AvroConverter, JsonSchemaConverter, ProtobufConverter, \
     StringConverter, ByteArrayConverter and those of numbers",
)];

/// In place of classes that read secrets from elsewhere.
const PROVIDERS: Table = &[
    (
        "envsecret",
        "EnvVarConfigProvider; values that begin with ENV-base64: or are written to files are not \
         decoded",
    ),
    (
        "aes256",
        "keep the value itself in a secret store or a file: docs/secrets.md",
    ),
    (
        "ssmparam",
        "AWS Secrets Manager, by com.amazonaws.kafka.config.providers.SecretsManagerConfigProvider, \
         or let an agent write the parameters to files",
    ),
    (
        "s3import",
        "FileConfigProvider, or the option's own path: let an agent bring the file",
    ),
    (
        "secretsmanager",
        "AWS Secrets Manager is read under com.amazonaws.kafka.config.providers.\
         SecretsManagerConfigProvider, Lenses', Confluent's and jcustenborder's names: \
         docs/secrets.md",
    ),
    (
        "awssecret",
        "io.lenses.connect.secrets.providers.AWSSecretProvider: docs/secrets.md",
    ),
    (
        "azure",
        "let an agent, or the CSI driver of Kubernetes, write the secrets to files: \
         DirectoryConfigProvider",
    ),
    (
        "vault",
        "Vault is read under Lenses', Confluent's and jcustenborder's class names, \
         io.lenses.connect.secrets.providers.VaultSecretProvider with the most of logins: \
         docs/secrets.md",
    ),
    (
        "k8s",
        "io.strimzi.kafka.KubernetesSecretConfigProvider, or the secret mounted as files and \
         DirectoryConfigProvider",
    ),
    (
        "kubernetes",
        "io.strimzi.kafka.KubernetesSecretConfigProvider, or the secret mounted as files and \
         DirectoryConfigProvider",
    ),
    (
        "",
        "files, directories, the environment, Vault, AWS Secrets Manager and Kubernetes \
         (docs/secrets.md); let an agent of any other store write its secrets to files",
    ),
];

/// What comes nearest to an option of the worker; none: the reason says it.
pub(super) fn of_worker(key: &str, given: &Properties) -> Option<String> {
    let text = match key {
        _ if key.starts_with("config.providers.") && key.ends_with(".class") => {
            return Some(in_table(
                PROVIDERS,
                given.get(key).map_or("", String::as_str),
            ));
        }
        "key.converter" | "value.converter" | "header.converter" if given.contains_key(key) => {
            return given.get(key).map(|class| in_table(CONVERTERS, class));
        }
        "rest.extension.classes" => {
            "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension; \
             tokens, roles and an audit log have options of their own, docs/rest-security.md"
        }
        "config.storage.topic" | "group.id" if given.contains_key(STANDALONE) => {
            "this is a file of a standalone worker, whose connectors are files, too: give them to \
             `ferrule deploy`; a worker's file needs group.id and three topics, README.md has one"
        }
        "config.storage.topic" | "offset.storage.topic" | "status.storage.topic" | "group.id" => {
            "give the properties file of a distributed worker (connect-distributed.properties), or \
             the CONNECT_* variables of its container"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What only standalone workers have.
const STANDALONE: &str = "offset.storage.file.filename";

/// What comes nearest to a connector that there is not.
pub(super) fn of_connector(class: &str, plugins: &Plugins) -> String {
    let connectors = plugins.connectors();
    let known: Vec<&str> = connectors
        .flat_map(|it: &RegisteredConnector| it.connector().classes().iter().copied())
        .collect();
    match closest(class, known) {
        Some(meant) => format!("did you mean {meant}?"),
        None => in_table(CONNECTORS, class),
    }
}

/// What comes nearest to what a connector's key asks for; none: the reason says it.
pub(super) fn of_key(key: &str, what: &str, class: Option<&str>) -> Option<String> {
    if what.contains("policy does not allow") {
        let all = "connector.client.config.override.policy=All in the worker's properties, which \
                   is Kafka Connect's default, or the key in \
                   connector.client.config.override.allowlist";
        return Some(all.to_owned());
    }
    if key.starts_with("connection.") && what.contains("parameter") {
        let own = "take it out of the address, or give it as libpq calls it: sslmode, sslrootcert, \
                   connect_timeout, options";
        return Some(own.to_owned());
    }
    if key.ends_with(".plugin.version") {
        return Some("leave the key out: there is one version of everything".to_owned());
    }
    if !what.contains("could not be found") {
        return None;
    }
    let class = class.unwrap_or(what);
    let table = match key {
        _ if key.ends_with(".converter") => CONVERTERS,
        _ if key.starts_with("transforms.") => TRANSFORMS,
        _ if key.starts_with("predicates.") => {
            let three = "Kafka's own three: TopicNameMatches, HasHeaderKey, RecordIsTombstone; a \
                         plugin can pass over records by itself";
            return Some(three.to_owned());
        }
        _ => return None,
    };
    Some(in_table(table, class))
}

fn in_table(table: Table, class: &str) -> String {
    let class = class.to_ascii_lowercase();
    let found = table.iter().find(|(part, _)| class.contains(part));
    found.map_or("", |(_, text)| text).to_owned()
}
