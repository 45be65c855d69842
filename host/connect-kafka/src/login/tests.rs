//! Logins of settings in Java's names.

use connect_api::Properties;
use rdkafka::config::ClientConfig;

use super::settings::LoginSettings;
use super::source::Source;
use super::spec::LoginSpec;
use super::{CARRIER, carry, check_value};
use crate::{GivenBy, client_config, setting_refusal};

const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
const HANDLER: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
const SECURED: &str =
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler";
const UNSECURED: &str = "org.apache.kafka.common.security.oauthbearer.internals.unsecured.\
                         OAuthBearerUnsecuredLoginCallbackHandler";
const STRIMZI: &str = "io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler";
const URL: (&str, &str) = ("sasl.oauthbearer.token.endpoint.url", "https://idp/token");

fn spec(handler: &str, options: &str, more: &[(&str, &str)]) -> Result<LoginSpec, String> {
    let mut settings = LoginSettings::new();
    settings.insert("sasl.jaas.config".into(), format!("{MODULE} {options};"));
    if !handler.is_empty() {
        let key = "sasl.login.callback.handler.class";
        settings.insert(key.into(), handler.into());
    }
    settings.extend(more.iter().map(|(k, v)| ((*k).into(), (*v).into())));
    LoginSpec::new(&settings).map_err(|error| error.chain())
}

const CLIENT: &str = r#"clientId="ann" clientSecret="canary" scope="a b""#;

#[test]
fn client_credentials_are_those_of_kafkas_settings() {
    for handler in [HANDLER, SECURED, ""] {
        let spec = spec(handler, CLIENT, &[URL]).unwrap();
        assert_eq!(spec.principal, "ann");
        let told = format!("{spec:?}");
        assert!(told.contains("scope: Some(\"a b\")"), "{told}");
        assert!(!told.contains("canary"), "{told}");
        assert_eq!(
            spec.source.to_string(),
            "the token endpoint https://idp/token"
        );
    }
    // KIP-1139: settings of their own go before the login module's options.
    let of_settings = [
        URL,
        ("sasl.oauthbearer.client.credentials.client.id", "bob"),
        (
            "sasl.oauthbearer.client.credentials.client.secret",
            "canary",
        ),
        ("sasl.oauthbearer.scope", "c"),
        ("sasl.oauthbearer.header.urlencode", "true"),
        (
            "sasl.oauthbearer.jwt.retriever.class",
            "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
        ),
    ];
    for options in ["", CLIENT] {
        let spec = spec(HANDLER, options, &of_settings).unwrap();
        let told = format!("{spec:?}");
        assert_eq!(spec.principal, "bob");
        assert!(told.contains("scope: Some(\"c\")"), "{told}");
        assert!(told.contains("header: FormUrlEncoded"), "{told}");
    }
}

/// A handler, options of the login module, another setting, and what is said of them.
type Wrong = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
    &'static str,
);

const JKS: &str = r#"clientId="a" clientSecret="canary" ssl.truststore.location="/x.jks"
                     ssl.truststore.password="canary""#;
const NO_PEM: &str = r#"clientId="a" clientSecret="canary" ssl.truststore.location="/no/such.pem""#;
const DIGIT: &str = r#"clientId="a" clientSecret="canary" extension_a1="x""#;
const RESERVED: &str = r#"clientId="a" clientSecret="canary" extension_auth="x""#;
const REFRESH: &str = r#"oauth.token.endpoint.uri="https://idp/t" oauth.refresh.token="canary""#;
const LDAP: (&str, &str) = (URL.0, "ldap://canary/x");

const WRONG: &[Wrong] = &[
    (HANDLER, CLIENT, None, "sasl.oauthbearer.token.endpoint.url"),
    (
        HANDLER,
        "clientSecret=canary",
        Some(URL),
        "clientId of sasl.jaas.config",
    ),
    (
        HANDLER,
        "clientId=ann",
        Some(URL),
        "clientSecret of sasl.jaas.config",
    ),
    (HANDLER, CLIENT, Some(LDAP), "https or http"),
    (HANDLER, DIGIT, Some(URL), "extension"),
    (HANDLER, RESERVED, Some(URL), "extension"),
    (HANDLER, JKS, Some(URL), "/x.jks cannot be read"),
    (HANDLER, NO_PEM, Some(URL), "/no/such.pem"),
    ("", "", None, "sasl.login.callback.handler.class or"),
    (
        "",
        "unsecuredLoginScopeClaimName=x",
        None,
        "unsecuredLoginStringClaim_sub",
    ),
    (
        "com.example.Mine",
        CLIENT,
        Some(URL),
        "no code of Java runs here",
    ),
    (
        STRIMZI,
        "oauth.client.id=a",
        None,
        "oauth.client.secret is missing",
    ),
    (
        STRIMZI,
        REFRESH,
        None,
        "oauth.refresh.token is not followed",
    ),
];

#[test]
fn what_is_missing_or_wrong_is_named_without_a_secret() {
    for (handler, options, more, expect) in WRONG {
        let told = spec(handler, options, more.as_slice())
            .map(drop)
            .unwrap_err();
        assert!(told.contains(expect), "{options}: {told}");
        assert!(!told.contains("canary"), "{options}: {told}");
    }
    let numbers = [URL, ("sasl.login.refresh.window.factor", "0.1")];
    let told = spec(HANDLER, CLIENT, &numbers).map(drop).unwrap_err();
    let expect = "sasl.login.refresh.window.factor: it must be";
    assert!(told.contains(expect), "{told}");
}

#[test]
fn files_extensions_and_strimzis_options_are_followed() {
    let file = ("sasl.oauthbearer.token.endpoint.url", "file:///run/token");
    let of_file = spec(HANDLER, "", &[file]).unwrap();
    assert_eq!(of_file.source.to_string(), "the token file /run/token");

    let options =
        format!(r#"{CLIENT} extension_logicalCluster="lkc-1" extension_identityPoolId="p""#);
    let extended = spec(HANDLER, &options, &[URL]).unwrap();
    let expect = [("identityPoolId", "p"), ("logicalCluster", "lkc-1")];
    let expect = expect.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(extended.extensions, expect);

    let options = r#"oauth.token.endpoint.uri="https://idp/t" oauth.client.id="ann"
        oauth.client.secret="canary" oauth.scope="s" oauth.audience="kafka"
        oauth.connect.timeout.seconds="5" oauth.http.retries="3""#;
    let strimzis = spec(STRIMZI, options, &[]).unwrap();
    let told = format!("{strimzis:?}");
    assert!(
        told.contains(r#"parameters: [("audience", "kafka")]"#),
        "{told}"
    );
    assert!(!told.contains("canary"), "{told}");
    let given = spec(STRIMZI, r#"oauth.access.token="canary""#, &[]).unwrap();
    assert!(matches!(given.source, Source::Given(_)));
}

#[tokio::test]
async fn unsecured_tokens_are_kafkas() {
    let options = r#"unsecuredLoginStringClaim_sub="ann" unsecuredLoginListClaim_scope="|a|b"
        unsecuredLoginNumberClaim_n="7" unsecuredLoginLifetimeSeconds="60"
        unsecuredLoginExtension_traceId="1""#;
    for handler in ["", UNSECURED] {
        let spec = spec(handler, options, &[]).unwrap();
        assert_eq!(spec.principal, "ann");
        assert_eq!(spec.extensions, [("traceId".to_owned(), "1".to_owned())]);
        let token = spec.fetch().await.unwrap();
        assert!(token.value.expose().ends_with('.'), "no signature");
        assert_eq!(token.subject.as_deref(), Some("ann"));
        let lifetime = token.lifetime(std::time::SystemTime::now()).as_secs();
        assert!((50..=60).contains(&lifetime), "{lifetime}");
    }
}

#[tokio::test]
async fn a_token_file_is_read_anew_each_time() {
    let folder = std::env::temp_dir().join(format!("token-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("token");
    let url = format!("file://{}", path.display());
    let spec = spec(
        HANDLER,
        "",
        &[("sasl.oauthbearer.token.endpoint.url", &url)],
    )
    .unwrap();
    let missing = spec.fetch().await.unwrap_err().chain();
    assert!(missing.contains(&path.display().to_string()), "{missing}");
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).unwrap();
        let read = spec.fetch().await.unwrap();
        assert_eq!(read.value.expose(), token);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn properties(more: &[(&str, &str)]) -> Properties {
    let common = [
        ("bootstrap.servers", "kafka:9092"),
        ("security.protocol", "SASL_SSL"),
    ];
    let all = common.iter().chain(more);
    all.map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

#[test]
fn a_clients_settings_carry_their_login() {
    let jaas = format!("{MODULE} {CLIENT};");
    let login = [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.jaas.config", &*jaas),
        ("sasl.login.callback.handler.class", HANDLER),
        URL,
    ];
    let config = client_config(&properties(&login)).unwrap();
    assert!(config.get(CARRIER).is_some());
    assert_eq!(config.get("sasl.mechanisms"), Some("OAUTHBEARER"));
    assert!(!format!("{config:?}").contains("canary"), "{config:?}");
    // A client that is made in any other way does not go without a token in silence.
    assert!(config.create_native_config().is_err());
    // Nothing is asked for where no login is wanted.
    let mut plain = properties(&login);
    plain.insert("security.protocol".into(), "SSL".into());
    assert_eq!(client_config(&plain).unwrap().get(CARRIER), None);
    let mut config = ClientConfig::new();
    carry(&mut config, &plain).unwrap();
    assert_eq!(config.get(CARRIER), None);
}

#[test]
fn a_login_of_another_mechanism_is_refused() {
    let oauth = format!("{MODULE} {CLIENT};");
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required username=u \
                 password=canary;";
    for (login, expect) in [
        (
            vec![("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", &*oauth)],
            "sasl.mechanism=PLAIN",
        ),
        (
            vec![
                ("sasl.mechanism", "OAUTHBEARER"),
                ("sasl.jaas.config", plain),
                URL,
            ],
            "sasl.mechanism=OAUTHBEARER",
        ),
    ] {
        let told = client_config(&properties(&login))
            .map(drop)
            .unwrap_err()
            .chain();
        assert!(told.contains(expect), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn settings_are_refused_by_their_names() {
    let refused =
        |setting: &str, value: &str| setting_refusal(GivenBy::Connector, setting, Some(value));
    for (setting, value, expect) in [
        (
            "sasl.oauthbearer.assertion.private.key.file",
            "/k",
            "nearest",
        ),
        (
            "sasl.login.callback.handler.class",
            "com.example.Mine",
            "no code of Java",
        ),
        (
            "sasl.oauthbearer.jwt.retriever.class",
            "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever",
            "nearest",
        ),
        (
            "sasl.oauthbearer.token.endpoint.url",
            "file:///etc/passwd",
            "a file of a token",
        ),
        (
            "sasl.jaas.config",
            "M required oauth.access.token.location=\"/etc/passwd\";",
            "a file of a token",
        ),
        (
            "sasl.oauthbearer.token.endpoint.url",
            "ldap://x",
            "https, http or file",
        ),
        (
            "sasl.login.refresh.buffer.seconds",
            "3601",
            "from 0 to 3600",
        ),
        ("sasl.login.retry.backoff.ms", "0", "from 1"),
        ("sasl.oauthbearer.header.urlencode", "yes", "true or false"),
        ("sasl.login.class", "com.example.Mine", "not a setting"),
    ] {
        let why = refused(setting, value).unwrap_or_default();
        assert!(why.contains(expect), "{setting}: {why}");
    }
    for (setting, value) in [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.login.callback.handler.class", HANDLER),
        ("sasl.login.refresh.window.jitter", "0.1"),
        ("sasl.oauthbearer.jwks.endpoint.url", "https://idp/keys"),
        ("sasl.oauthbearer.expected.audience", "kafka"),
    ] {
        assert_eq!(refused(setting, value), None, "{setting}");
    }
    let file = setting_refusal(
        GivenBy::Worker,
        "sasl.oauthbearer.token.endpoint.url",
        Some("file:///run/token"),
    );
    assert_eq!(file, None);
    assert!(check_value("sasl.oauthbearer.scope", "anything").is_ok());
}
