//! The options that all converters have which read and write through a Schema Registry: where it
//! is, what is shown to it, and how schemas to write with are found there.

use connect_api::{Choice, ConfigKey, ConfigType, Importance, Validator, WordCase};

use super::{subject, tls};

pub(crate) const URL: &str = "schema.registry.url";
pub(super) const BASIC_SOURCE: &str = "basic.auth.credentials.source";
pub(super) const BASIC_USER_INFO: &str = "basic.auth.user.info";
pub(super) const BASIC_USER_INFO_OLD: &str = "schema.registry.basic.auth.user.info";
pub(super) const BEARER_SOURCE: &str = "bearer.auth.credentials.source";
pub(super) const BEARER_TOKEN: &str = "bearer.auth.token";
pub(super) const BEARER_ENDPOINT: &str = "bearer.auth.issuer.endpoint.url";
pub(super) const BEARER_CLIENT_ID: &str = "bearer.auth.client.id";
pub(super) const BEARER_CLIENT_SECRET: &str = "bearer.auth.client.secret";
pub(super) const BEARER_SCOPE: &str = "bearer.auth.scope";
pub(super) const BEARER_CLUSTER: &str = "bearer.auth.logical.cluster";
pub(super) const BEARER_POOL: &str = "bearer.auth.identity.pool.id";
pub(super) const BEARER_BUFFER: &str = "bearer.auth.cache.expiry.buffer.seconds";
pub(super) const SASL_JAAS: &str = "sasl.jaas.config";
pub(super) const SASL_ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
pub(super) const AUTO_REGISTER: &str = "auto.register.schemas";
pub(super) const NORMALIZE: &str = "normalize.schemas";
pub(super) const USE_LATEST: &str = "use.latest.version";
pub(super) const LATEST_STRICT: &str = "latest.compatibility.strict";

/// `basic.auth.credentials.source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialsSource {
    Url,
    UserInfo,
}

impl Choice for CredentialsSource {
    const WORDS: &'static [(&'static str, Self)] =
        &[("URL", Self::Url), ("USER_INFO", Self::UserInfo)];
    const CASE: WordCase = WordCase::Exact;
}

/// `bearer.auth.credentials.source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BearerSource {
    StaticToken,
    OAuth,
    SaslInherit,
}

impl Choice for BearerSource {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("STATIC_TOKEN", Self::StaticToken),
        ("OAUTHBEARER", Self::OAuth),
        ("SASL_OAUTHBEARER_INHERIT", Self::SaslInherit),
    ];
    const CASE: WordCase = WordCase::Exact;
}

/// The options of the registry's client.
pub(crate) fn client_keys() -> Vec<ConfigKey> {
    let mut keys = vec![
        ConfigKey::required(
            URL,
            ConfigType::List,
            "Comma-separated URLs of Schema Registry instances; the next is asked when one fails.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        ConfigKey::choice(
            BASIC_SOURCE,
            CredentialsSource::Url,
            "Where user and password come from: URL, or USER_INFO for basic.auth.user.info.",
        ),
        ConfigKey::nullable(
            BASIC_USER_INFO,
            ConfigType::Password,
            "user:password, with basic.auth.credentials.source=USER_INFO.",
        ),
        ConfigKey::nullable(
            BASIC_USER_INFO_OLD,
            ConfigType::Password,
            "The older name of basic.auth.user.info.",
        )
        .importance(Importance::Low),
        ConfigKey {
            default: Some(None),
            ..ConfigKey::choice(
                BEARER_SOURCE,
                BearerSource::StaticToken,
                "STATIC_TOKEN to send bearer.auth.token; OAUTHBEARER to get tokens by OAuth's \
                 client credentials (bearer.auth.*); SASL_OAUTHBEARER_INHERIT to get them by the \
                 converter's sasl.jaas.config and sasl.oauthbearer.token.endpoint.url; left out, \
                 no token is sent.",
            )
        },
        ConfigKey::nullable(
            BEARER_TOKEN,
            ConfigType::Password,
            "The token, with bearer.auth.credentials.source=STATIC_TOKEN.",
        ),
    ];
    keys.extend(oauth_keys());
    keys.extend(tls::config_keys());
    keys
}

/// The options of OAuth, in Confluent's names.
fn oauth_keys() -> impl Iterator<Item = ConfigKey> {
    let string = |name, doc| ConfigKey::nullable(name, ConfigType::String, doc);
    let secret = |name, doc| ConfigKey::nullable(name, ConfigType::Password, doc);
    let keys =
        vec![
        string(
            BEARER_ENDPOINT,
            "The token endpoint of the authorization server, with OAUTHBEARER.",
        ),
        string(BEARER_CLIENT_ID, "The client's id, with OAUTHBEARER."),
        secret(BEARER_CLIENT_SECRET, "The client's secret, with OAUTHBEARER."),
        string(
            BEARER_SCOPE,
            "What the token is to be good for, with OAUTHBEARER.",
        ),
        string(
            BEARER_CLUSTER,
            "The registry's cluster, which is sent as target-sr-cluster beside a token.",
        ),
        string(
            BEARER_POOL,
            "The pool of identities, which is sent as Confluent-Identity-Pool-Id beside a token.",
        ),
        ConfigKey::new(
            BEARER_BUFFER,
            ConfigType::Short,
            "300",
            "How long before its end a token is renewed; one that lives shorter than twice as long \
             is renewed in the middle of its life.",
        )
        .validator(Validator::AtLeast(0)),
        secret(
            SASL_JAAS,
            "A login module with clientId, clientSecret and scope, with SASL_OAUTHBEARER_INHERIT.",
        ),
        string(SASL_ENDPOINT, "The token endpoint, with SASL_OAUTHBEARER_INHERIT."),
    ];
    keys.into_iter().map(|key| key.importance(Importance::Low))
}

/// Whether a converter can write under the last version of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LatestVersion {
    /// It can: what is written does not depend on the schema's text.
    Used,
    /// It cannot; the option is refused.
    Refused,
}

/// The options of writing; reading takes a schema by its id, and needs none of them.
pub(crate) fn write_keys(latest: LatestVersion) -> Vec<ConfigKey> {
    let only = |name: &'static str, word: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::String, word, doc)
            .validator(Validator::OneOfIgnoreCase(vec![word.into()]))
            .importance(Importance::Low)
    };
    let mut keys = vec![
        ConfigKey::new(
            AUTO_REGISTER,
            ConfigType::Boolean,
            "true",
            "Whether a schema to write with that the registry does not have is registered; else its \
             records are errant.",
        ),
        ConfigKey::new(
            NORMALIZE,
            ConfigType::Boolean,
            "false",
            "Whether the registry normalizes a schema before it looks for it or registers it.",
        ),
        only(
            "use.schema.id",
            "-1",
            "Only -1: no id is given for what is written.",
        ),
    ];
    match latest {
        LatestVersion::Used => keys.extend([
            ConfigKey::new(
                USE_LATEST,
                ConfigType::Boolean,
                "false",
                "Whether records are written under the last version of their subject, with \
                 auto.register.schemas=false.",
            ),
            ConfigKey::new(
                LATEST_STRICT,
                ConfigType::Boolean,
                "true",
                "Whether the last version must be able to read what is written, with \
                 use.latest.version.",
            ),
        ]),
        LatestVersion::Refused => keys.push(only(
            USE_LATEST,
            "false",
            "Only false: Avro is written under the record's own schema.",
        )),
    }
    keys.extend(subject::config_keys());
    keys
}
