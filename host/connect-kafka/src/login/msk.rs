//! The login to Kafka on Amazon MSK by AWS's IAM, with the options of `aws-msk-iam-auth`.
//!
//! On the wire it is not Java's mechanism AWS_MSK_IAM, but OAUTHBEARER with a signed URL for a
//! token, as all clients that are not Java have it (`aws-msk-iam-sasl-signer`).

use std::time::SystemTime;

use connect_api::{Error, Result, keep_secrets};
use connect_aws::{Credentials, CredentialsProvider, Role, Settings, msk_token};
use connect_oauth::AccessToken;
use connect_oauth::jaas::LoginModule;

const PROFILE: &str = "awsProfileName";
const ROLE: &str = "awsRoleArn";
const SESSION: &str = "awsRoleSessionName";
const EXTERNAL_ID: &str = "awsRoleExternalId";
const STS_REGION: &str = "awsStsRegion";
const REGION: &str = "awsRegion";
const KEY_ID: &str = "awsRoleAccessKeyId";
const KEY: &str = "awsRoleSecretAccessKey";
const KEY_SESSION: &str = "awsRoleSessionToken";

const FOLLOWED: &[&str] = &[
    PROFILE,
    ROLE,
    SESSION,
    EXTERNAL_ID,
    STS_REGION,
    REGION,
    KEY_ID,
    KEY,
    KEY_SESSION,
];
/// Options that change nothing here: a token is asked for again until there is one, and no
/// credentials are logged.
const WITHOUT_EFFECT: &[&str] = &["awsDebugCreds", "awsMaxRetries", "awsMaxBackOffTimeMs"];

/// Who logs in, and in which region.
#[derive(Debug)]
pub(super) struct Msk {
    credentials: CredentialsProvider,
    /// None: AWS's environment, profile or machine says it.
    region: Option<String>,
    machine: CredentialsProvider,
}

impl Msk {
    /// What the options of a login module say.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the option that cannot be followed.
    pub(super) fn new(module: &LoginModule, brokers: &str) -> Result<Self> {
        for (name, _) in module.options() {
            if !FOLLOWED.contains(&name) && !WITHOUT_EFFECT.contains(&name) {
                return Err(Error::config(format!(
                    "{name} is not followed; what is: {}",
                    FOLLOWED.join(", ")
                )));
            }
        }
        let option = |name: &str| {
            let value = module.option(name).map(str::trim);
            value.filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let region = option(REGION).or_else(|| region_of(brokers));
        let profile = option(PROFILE);
        let role = option(ROLE).map(|arn| Role {
            arn,
            session_name: option(SESSION),
            external_id: option(EXTERNAL_ID),
        });
        let machine = Settings {
            profile: profile.clone(),
            ..Settings::default()
        };
        let settings = Settings {
            keys: keys(&option)?,
            profile,
            region: option(STS_REGION).or_else(|| region.clone()),
            role,
            ..Settings::default()
        };
        Ok(Self {
            credentials: CredentialsProvider::new(settings),
            region,
            machine: CredentialsProvider::new(machine),
        })
    }

    /// A token from now on.
    ///
    /// # Errors
    /// As for [`CredentialsProvider::credentials`].
    pub(super) async fn token(&self) -> Result<AccessToken> {
        let region = match &self.region {
            Some(region) => region.clone(),
            None => self.machine.region().await.map_err(|error| {
                error.context(format!(
                    "{REGION} of sasl.jaas.config, or the address of a broker"
                ))
            })?,
        };
        let credentials = self.credentials.credentials().await?;
        let now = SystemTime::now();
        let made = msk_token(&credentials, &region, now);
        let end = credentials
            .expires()
            .map_or(made.expires, |end| end.min(made.expires));
        let lifetime = end.duration_since(now).unwrap_or_default();
        AccessToken::new(made.token.expose(), Some(lifetime), now)
    }
}

fn keys(option: &dyn Fn(&str) -> Option<String>) -> Result<Option<Credentials>> {
    let (id, key) = match (option(KEY_ID), option(KEY)) {
        (Some(id), Some(key)) => (id, key),
        (None, None) => return Ok(None),
        _ => return Err(Error::config(format!("{KEY_ID} and {KEY} belong together"))),
    };
    keep_secrets([key.as_str()], &|_| false);
    let keys = Credentials::new(id, key);
    Ok(Some(match option(KEY_SESSION) {
        Some(token) => keys.with_session_token(token),
        None => keys,
    }))
}

/// The region that stands in the name of a broker of MSK, as
/// `b-1.name.abc123.c2.kafka.eu-west-1.amazonaws.com:9098`.
fn region_of(brokers: &str) -> Option<String> {
    brokers.split(',').find_map(|broker| {
        let host = broker.trim().rsplit("://").next()?;
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let named = host.strip_suffix(".amazonaws.com").or_else(|| {
            // China's.
            host.strip_suffix(".amazonaws.com.cn")
        })?;
        let (rest, region) = named.rsplit_once('.')?;
        let service = rest.rsplit('.').next()?;
        matches!(service, "kafka" | "kafka-serverless").then(|| region.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msk(options: &str, brokers: &str) -> Result<Msk> {
        let module = format!("software.amazon.msk.auth.iam.IAMLoginModule required {options};");
        Msk::new(&LoginModule::parse(&module).unwrap(), brokers)
    }

    #[test]
    fn the_region_stands_in_the_name_of_a_broker() {
        for (brokers, region) in [
            (
                "b-1.a.x1.c2.kafka.eu-west-1.amazonaws.com:9098",
                Some("eu-west-1"),
            ),
            (
                "boot-x.c1.kafka-serverless.us-east-1.amazonaws.com:9098",
                Some("us-east-1"),
            ),
            (
                "kafka:9092, b-1.a.x1.c2.kafka.cn-north-1.amazonaws.com.cn:9098",
                Some("cn-north-1"),
            ),
            ("kafka:9092", None),
            ("kafka.amazonaws.com:9098", None),
            ("", None),
        ] {
            assert_eq!(region_of(brokers).as_deref(), region, "{brokers}");
        }
        let given = msk(
            "awsRegion=eu-north-1",
            "b.kafka.eu-west-1.amazonaws.com:9098",
        )
        .unwrap();
        assert_eq!(given.region.as_deref(), Some("eu-north-1"));
    }

    #[tokio::test]
    async fn a_token_is_the_signed_url_that_msks_brokers_take() {
        let options = r#"awsRoleAccessKeyId="AKIA" awsRoleSecretAccessKey="canary-key""#;
        let login = msk(options, "b.kafka.eu-west-1.amazonaws.com:9098").unwrap();
        assert!(!format!("{login:?}").contains("canary"));
        let token = login.token().await.unwrap();
        // The start of `https://kafka.eu-west-1.` in base64.
        let start = "aHR0cHM6Ly9rYWZrYS5ldS13ZXN0LTEu";
        assert!(token.value.expose().starts_with(start));
        let lifetime = token.lifetime(SystemTime::now()).as_secs();
        assert!((880..=900).contains(&lifetime), "{lifetime}");
    }

    #[test]
    fn options_that_are_not_followed_are_named() {
        let told = msk("awsSomething=canary", "")
            .map(drop)
            .unwrap_err()
            .chain();
        assert!(told.contains("awsSomething is not followed"), "{told}");
        let told = msk("awsRoleAccessKeyId=canary", "")
            .map(drop)
            .unwrap_err()
            .chain();
        assert!(
            told.contains("belong together") && !told.contains("canary"),
            "{told}"
        );
        let role =
            r#"awsRoleArn="arn:aws:iam::1:role/r" awsRoleSessionName=s awsDebugCreds="true""#;
        assert!(msk(role, "").is_ok());
    }
}
