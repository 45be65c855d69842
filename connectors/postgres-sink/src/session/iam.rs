//! Tokens of AWS IAM, which databases on RDS and Aurora take for a password (`wrapperPlugins=iam`).

use std::sync::Arc;
use std::time::SystemTime;

use connect_api::{Error, Result, Secret};
use connect_aws::{CredentialsProvider, RdsUser, Settings, rds_token};
use sqlx::postgres::PgConnectOptions;

/// For which database tokens are made, by the parameters of the AWS Advanced JDBC Wrapper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IamOptions {
    /// `iamHost`: the database's own name, where the address has another.
    pub host: Option<String>,
    /// `iamDefaultPort`: its own port, where the address has another.
    pub port: Option<u16>,
    /// `iamRegion`; none: the name of the host has it.
    pub region: Option<String>,
    /// `awsProfile`: the profile of the AWS files whose credentials sign.
    pub profile: Option<String>,
}

impl IamOptions {
    /// The region of a host.
    pub fn region_for(&self, host: &str) -> Option<String> {
        let host = self.host.as_deref().unwrap_or(host);
        self.region.clone().or_else(|| region_of(host))
    }
}

/// The region in a name such as `db.c0ffee.eu-west-1.rds.amazonaws.com`; those of China have it
/// behind `rds` in later names.
fn region_of(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    let at = labels.iter().position(|label| *label == "rds")?;
    let is_region =
        |label: &&str| label.contains('-') && label.ends_with(|last: char| last.is_ascii_digit());
    let behind = labels.get(at + 1).copied().filter(is_region);
    let before = at.checked_sub(1).and_then(|at| labels.get(at).copied());
    behind.or(before.filter(is_region)).map(str::to_owned)
}

/// Makes the tokens of a task.
#[derive(Clone, Debug)]
pub(crate) struct Iam {
    options: IamOptions,
    credentials: Arc<CredentialsProvider>,
    clock: fn() -> SystemTime,
}

impl Iam {
    /// With the credentials that the worker finds as AWS's SDKs do.
    pub fn new(options: IamOptions) -> Self {
        let settings = Settings {
            profile: options.profile.clone(),
            region: options.region.clone(),
            ..Settings::default()
        };
        Self::with(options, settings, SystemTime::now)
    }

    fn with(options: IamOptions, settings: Settings, clock: fn() -> SystemTime) -> Self {
        Self {
            options,
            credentials: Arc::new(CredentialsProvider::new(settings)),
            clock,
        }
    }

    /// The same tokens, with the credentials that were found before.
    pub fn following(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if before.options == self.options => before.clone(),
            _ => self,
        }
    }

    /// A token for the user of these options, which lasts for fifteen minutes.
    ///
    /// # Errors
    /// When there are no credentials, or the host's region is not known.
    pub async fn token(&self, to: &PgConnectOptions) -> Result<Secret> {
        let credentials = self.credentials.credentials().await;
        let credentials = credentials.map_err(|e| e.context("wrapperPlugins=iam"))?;
        let host = self.options.host.as_deref().unwrap_or(to.get_host());
        let region = self.options.region_for(host);
        let region = region.ok_or_else(|| Error::config("iamRegion is missing"))?;
        let user = RdsUser {
            host,
            port: self.options.port.unwrap_or(to.get_port()),
            name: to.get_username(),
        };
        Ok(rds_token(&credentials, &region, &user, (self.clock)()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use connect_aws::Credentials;

    use super::*;

    #[test]
    fn a_region_is_read_from_the_name() {
        for (host, region) in [
            ("db.c0ffee.eu-west-1.rds.amazonaws.com", Some("eu-west-1")),
            (
                "c.cluster-c0ffee.us-gov-west-1.rds.amazonaws.com.",
                Some("us-gov-west-1"),
            ),
            (
                "c.proxy-c0ffee.US-EAST-2.RDS.amazonaws.com",
                Some("us-east-2"),
            ),
            (
                "db.c0ffee.rds.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            (
                "db.c0ffee.cn-north-1.rds.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("rds.amazonaws.com", None),
            ("db.example.com", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of(host).as_deref(), region, "{host}");
        }
        let options = IamOptions {
            host: Some("db.c0ffee.eu-west-1.rds.amazonaws.com".to_owned()),
            ..IamOptions::default()
        };
        assert_eq!(
            options.region_for("localhost").as_deref(),
            Some("eu-west-1")
        );
    }

    fn at_a_moment() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_689_601)
    }

    /// What the signature is of; that it is right is tested where it is made.
    #[tokio::test]
    async fn a_token_is_for_the_host_the_port_and_the_role() {
        let keys = || Credentials::new("AKIA", "SECRET");
        let token = async |options: IamOptions| {
            let settings = Settings {
                keys: Some(keys()),
                ..Settings::default()
            };
            let iam = Iam::with(options, settings, at_a_moment);
            let to = PgConnectOptions::new_without_pgpass().username("sink");
            let to = to.host("db.c0ffee.eu-west-1.rds.amazonaws.com").port(5433);
            iam.token(&to).await.unwrap()
        };
        let signed = |host: &str, port: u16, region: &str| {
            let user = RdsUser {
                host,
                port,
                name: "sink",
            };
            rds_token(&keys(), region, &user, at_a_moment())
        };
        let of_address = signed("db.c0ffee.eu-west-1.rds.amazonaws.com", 5433, "eu-west-1");
        assert_eq!(token(IamOptions::default()).await, of_address);
        let named = IamOptions {
            host: Some("h.example".to_owned()),
            port: Some(5432),
            region: Some("us-east-2".to_owned()),
            profile: None,
        };
        assert_eq!(token(named).await, signed("h.example", 5432, "us-east-2"));
    }
}
