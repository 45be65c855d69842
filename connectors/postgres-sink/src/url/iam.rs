//! `wrapperPlugins`, and the parameters of its plugin `iam`, as the AWS Advanced JDBC Wrapper has
//! them (`jdbc:aws-wrapper:postgresql://…`): tokens of AWS IAM stand for the password.

use sqlx::postgres::PgSslMode;

use crate::session::IamOptions;

/// Plugins of the wrapper that look after its connections: a task has one connection and finds the
/// server that takes writes by itself.
const WITHOUT_EFFECT: &[&str] = &[
    "auroraConnectionTracker",
    "auroraStaleDns",
    "autoReadWriteSplitting",
    "autoSimpleReadWriteSplitting",
    "bg",
    "connectTime",
    "customEndpoint",
    "dataCache",
    "dev",
    "driverMetaData",
    "efm",
    "efm2",
    "endpoint",
    "executionTime",
    "failover",
    "failover2",
    "fastestResponseStrategy",
    "gdbFailover",
    "gdbReadWriteSplitting",
    "initialConnection",
    "limitless",
    "logQuery",
    "readWriteSplitting",
    "remoteQueryCache",
    "srw",
    "staleDns",
];

/// Plugins that give credentials in other ways.
const REFUSED: &[(&str, &str)] = &[
    ("awsSecretsManager", SECRETS_MANAGER),
    ("awsSecretsManager2", SECRETS_MANAGER),
    ("federatedAuth", FEDERATED),
    ("okta", FEDERATED),
    ("iamDsql", "tokens are made for RDS and Aurora alone"),
    ("kmsEncryption", "no column is encrypted here"),
];
const SECRETS_MANAGER: &str =
    "give connection.password from a config provider that reads AWS Secrets Manager";
const FEDERATED: &str =
    "no identity provider is asked: give iam, with AWS credentials of the worker";

/// The parameters of the plugin `iam`.
pub(super) const PARAMETERS: &[&str] = &[
    "awsProfile",
    "iamAccessTokenPropertyName",
    "iamDefaultPort",
    "iamExpiration",
    "iamHost",
    "iamRegion",
];

/// How a session is encrypted whose password is a token: RDS takes one over TLS alone, and a server
/// that is none must not read it.
pub(super) fn encrypted(mode: PgSslMode) -> Result<PgSslMode, String> {
    match mode {
        PgSslMode::Disable | PgSslMode::Allow => Err("wrapperPlugins=iam needs TLS, as RDS takes \
            tokens over TLS alone: sslmode must be require, verify-ca or verify-full"
            .to_owned()),
        PgSslMode::Prefer => Ok(PgSslMode::Require),
        mode => Ok(mode),
    }
}

/// What an address says of the wrapper.
#[derive(Default)]
pub(super) struct Wrapper {
    is_signing: bool,
    options: IamOptions,
    given: Vec<&'static str>,
    passed_over: Vec<String>,
}

impl Wrapper {
    /// Reads `wrapperPlugins`.
    pub fn plugins(&mut self, list: &str) -> Result<(), String> {
        let names = list
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        for name in names {
            let is = |known: &str| known.eq_ignore_ascii_case(name);
            if is("iam") {
                self.is_signing = true;
            } else if let Some(known) = WITHOUT_EFFECT.iter().find(|known| is(known)) {
                self.passed_over.push(format!("{known} of wrapperPlugins"));
            } else {
                let refused = REFUSED.iter().find(|(known, _)| is(known));
                return Err(match refused {
                    Some((known, why)) => format!("wrapperPlugins cannot have {known}: {why}"),
                    None => "wrapperPlugins names a plugin that is not known".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Reads one of [`PARAMETERS`].
    pub fn parameter(&mut self, key: &str, value: &str) -> Result<(), String> {
        let value = value.trim();
        let text = || (!value.is_empty()).then(|| value.to_owned());
        match key {
            "iamHost" => self.options.host = text(),
            "iamRegion" => self.options.region = text(),
            "awsProfile" => self.options.profile = text(),
            // The wrapper's own default, which is the port of the address.
            "iamDefaultPort" if value == "-1" => {}
            "iamDefaultPort" => self.options.port = Some(super::number(key, value)?),
            "iamExpiration" => {
                let seconds = value.parse::<i32>();
                seconds.map_err(|_| "the parameter iamExpiration is no number of seconds")?;
                self.passed_over
                    .push("iamExpiration (each connect has a token of its own)".to_owned());
            }
            _ if value == "password" => {}
            _ => return Err("iamAccessTokenPropertyName must be password".to_owned()),
        }
        self.given
            .extend(PARAMETERS.iter().find(|known| **known == key));
        Ok(())
    }

    /// Whether tokens stand for the password.
    pub fn is_signing(&self) -> bool {
        self.is_signing
    }

    /// How tokens are made for these hosts; none where they are not asked for. The parameters that
    /// are passed over are told to `ignored`.
    pub fn finish(
        self,
        hosts: &[(String, u16)],
        ignored: &mut Vec<String>,
    ) -> Result<Option<IamOptions>, String> {
        ignored.extend(self.passed_over);
        if !self.is_signing {
            let idle = self.given.iter();
            ignored.extend(idle.map(|key| format!("{key} (wrapperPlugins does not name iam)")));
            return Ok(None);
        }
        let lacks_region = |(host, _): &(String, u16)| self.options.region_for(host).is_none();
        if hosts.iter().any(lacks_region) {
            return Err(
                "wrapperPlugins=iam makes tokens for a region, and the host's name has \
                        none: give iamRegion, and the database's own name as iamHost"
                    .to_owned(),
            );
        }
        Ok(Some(self.options))
    }
}
