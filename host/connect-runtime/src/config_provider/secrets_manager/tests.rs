//! What the Java classes make of a secret, on the loopback; `connect-aws` has the protocol's tests.

use super::super::tests::server::{Asked, Reply, Server};
use super::super::tests::worker;
use super::*;

const SECRET: &str = r#"{"SecretString":"{\"pw\":\"ä\\\"${x}\",\"port\":5432,\"no\":null}"}"#;
const KEYS: &[(&str, &str)] = &[("aws.access.key", "ID"), ("aws.secret.key", "a-secret-key")];

fn provider(class: &str, server: &Server, parameters: &[(&str, &str)]) -> Result<Provider> {
    let environment = Environment::of([
        ("AWS_ENDPOINT_URL", server.url()),
        ("AWS_ACCESS_KEY_ID", "OF-ENVIRONMENT".into()),
        ("AWS_SECRET_ACCESS_KEY", "another-secret-key".into()),
        ("AWS_REGION", "eu-west-1".into()),
    ]);
    let given = worker(class, parameters);
    SecretsManagerProvider::within(class, &Parameters::new(&given, "p"), environment)
}

type Provider = SecretsManagerProvider;

async fn get(provider: &Provider, path: &str, key: &str) -> Result<String> {
    let mut values = provider
        .get(path, &BTreeSet::from([key.to_owned()]))
        .await?;
    Ok(values.remove(key).unwrap_or_default())
}

fn asked_with(asked: &Asked, part: &str) -> bool {
    asked.header("authorization").contains(part)
}

#[tokio::test]
async fn each_class_reads_a_secret_with_its_own_parameters() {
    let lenses = [KEYS[0], KEYS[1], ("aws.region", "us-east-2")];
    for (class, parameters, path, id, credential) in [
        (LENSES, &lenses[..], "db/main", "db/main", "ID/"),
        (
            LENSES,
            &[("aws.region", "us-east-2"), ("aws.auth.method", "default")],
            "db",
            "db",
            "OF-ENVIRONMENT/",
        ),
        (
            JCUSTENBORDER,
            &[("secret.prefix", "staging/")],
            "db",
            "staging/db",
            "OF-ENVIRONMENT/",
        ),
        (JCUSTENBORDER, KEYS, "db", "db", "ID/"),
        (
            AWS,
            &[],
            "arn%3Aaws%3As%2Bx",
            "arn:aws:s+x",
            "OF-ENVIRONMENT/",
        ),
    ] {
        let server = Server::start(|_| Reply::json(200, SECRET));
        let provider = provider(class, &server, parameters).unwrap();
        assert_eq!(
            get(&provider, path, "pw").await.unwrap(),
            "ä\"${x}",
            "{class}"
        );
        assert_eq!(get(&provider, path, "port").await.unwrap(), "5432");
        let asked = &server.asked_for("/")[0];
        assert_eq!(asked.body, format!(r#"{{"SecretId":"{id}"}}"#));
        assert!(asked_with(asked, credential), "{class}");
    }
}

#[tokio::test]
async fn a_version_is_named_behind_the_path() {
    let server = Server::start(|_| Reply::json(200, SECRET));
    let provider = provider(CONFLUENT, &server, &[]).unwrap();
    get(&provider, "db?version=v1", "pw").await.unwrap();
    let body = &server.asked_for("/")[0].body;
    assert_eq!(body, r#"{"SecretId":"db","VersionId":"v1"}"#);
}

#[tokio::test]
async fn a_role_is_taken_to_read_the_secret() {
    let server = Server::start(|asked: &Asked| match asked.body.contains("AssumeRole") {
        true => Reply::json(
            200,
            "<x><AccessKeyId>ROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
             <SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></x>",
        ),
        false => Reply::json(200, SECRET),
    });
    let parameters = [
        ("aws.sts.role.arn", "arn:r"),
        ("aws.sts.session.name", "connect"),
    ];
    let provider = provider(JCUSTENBORDER, &server, &parameters).unwrap();
    get(&provider, "db", "pw").await.unwrap();
    let asked = server.asked_for("/");
    assert!(
        asked[0].body.contains("RoleSessionName=connect"),
        "{}",
        asked[0].body
    );
    assert!(asked_with(&asked[1], "Credential=ROLE/"));
}

#[tokio::test]
async fn what_is_missing_is_an_error_or_empty_where_awss_class_says_so() {
    let missing = r#"{"__type":"ResourceNotFoundException"}"#;
    for body in [SECRET, missing] {
        let status = if body == SECRET { 200 } else { 400 };
        let server = Server::start(move |_| Reply::json(status, body));
        let lenient = provider(AWS, &server, &[]).unwrap();
        assert_eq!(get(&lenient, "db", "none?ttl=1000").await.unwrap(), "");
        for (class, parameters) in [
            (AWS, &[("NotFoundStrategy", "fail")][..]),
            (JCUSTENBORDER, &[]),
        ] {
            let strict = provider(class, &server, parameters).unwrap();
            let error = get(&strict, "db", "none").await.unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("AWS Secrets Manager") && text.contains("db"),
                "{text}"
            );
            assert!(error.is_transient());
        }
    }
}

#[tokio::test]
async fn a_key_of_awss_class_may_have_options() {
    let server = Server::start(|_| Reply::json(200, SECRET));
    let provider = provider(AWS, &server, &[]).unwrap();
    assert_eq!(
        get(&provider, "db", "port?ttl=300000").await.unwrap(),
        "5432"
    );
}

#[tokio::test]
async fn texts_that_are_no_json_are_told_without_their_text() {
    let body = r#"{"SecretString":"only-a-secret-text"}"#;
    let server = Server::start(move |_| Reply::json(200, body));
    let lenses = [KEYS[0], KEYS[1], ("aws.region", "r")];
    let provider_of_json = provider(LENSES, &server, &lenses).unwrap();
    let error = get(&provider_of_json, "db", "value").await.unwrap_err();
    let text = error.chain();
    assert!(text.contains("db is no JSON object"), "{text}");
    assert!(!text.contains("only-a-secret"), "{text}");
    let of_text = [lenses[0], lenses[1], lenses[2], ("secret.type", "STRING")];
    let of_text = provider(LENSES, &server, &of_text).unwrap();
    assert_eq!(
        get(&of_text, "db", "value").await.unwrap(),
        "only-a-secret-text"
    );
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_key() {
    let server = Server::start(|_| Reply::json(200, SECRET));
    for (class, parameters, key) in [
        (LENSES, &[][..], "aws.region"),
        (LENSES, &[("aws.region", "r")], "aws.access.key"),
        (
            LENSES,
            &[("aws.region", "r"), ("aws.auth.method", "x")],
            "aws.auth.method",
        ),
        (JCUSTENBORDER, &[("aws.access.key", "ID")], "aws.secret.key"),
        (AWS, &[("NotFoundStrategy", "warn")], "NotFoundStrategy"),
    ] {
        let error = provider(class, &server, parameters).unwrap_err();
        let expect = format!("config.providers.p.param.{key}: ");
        assert!(error.to_string().starts_with(&expect), "{error}");
    }
}

#[tokio::test]
async fn credentials_that_are_missing_are_told_with_the_secret() {
    let nothing = Environment::of([("AWS_EC2_METADATA_DISABLED", "true")]);
    let given = worker(JCUSTENBORDER, &[("aws.region", "eu-west-1")]);
    let given = Parameters::new(&given, "p");
    let provider = SecretsManagerProvider::within(JCUSTENBORDER, &given, nothing).unwrap();
    let error = get(&provider, "db", "pw").await.unwrap_err();
    let text = error.to_string();
    let start = "AWS Secrets Manager in eu-west-1, asked for db: AWS credentials: none found";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn paths_are_decoded_as_java_does() {
    for (given, expect) in [
        ("a%2Fb%20c+d", Some("a/b c d")),
        ("%C3%A4", Some("ä")),
        ("%", None),
        ("%zz", None),
        ("%C3", None),
    ] {
        assert_eq!(url_decoded(given).as_deref(), expect);
    }
}
