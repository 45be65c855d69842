//! The places where credentials are looked for, one after the other.

use connect_api::{Error, Result};

use crate::http::{Http, read};
use crate::profile::{self, Base, Found, Profiles};
use crate::provider::Settings;
use crate::region::Endpoint;
use crate::sts::{Role, Sts};
use crate::{Credentials, Environment, metadata};

const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Finds credentials, and takes the role that the settings name.
pub(crate) async fn find(settings: &Settings, http: &Http) -> Result<Credentials> {
    let chain = Chain { settings, http };
    let found = match &settings.keys {
        Some(keys) => keys.clone(),
        None => chain.look().await?,
    };
    match &settings.role {
        Some(role) => chain.sts().await?.assume_role(role, &found).await,
        None => Ok(found),
    }
}

struct Chain<'a> {
    settings: &'a Settings,
    http: &'a Http,
}

impl Chain<'_> {
    fn environment(&self) -> &Environment {
        &self.settings.environment
    }

    async fn look(&self) -> Result<Credentials> {
        if self.settings.profile.is_some() {
            return self.of_profile().await?.ok_or_else(none);
        }
        if let Some(found) = of_environment(self.environment())? {
            return Ok(found);
        }
        if let Some(found) = self.of_web_identity().await? {
            return Ok(found);
        }
        if let Some(found) = self.of_profile().await? {
            return Ok(found);
        }
        if let Some(found) = metadata::of_container(self.environment(), self.http).await? {
            return Ok(found);
        }
        let of_machine = metadata::of_machine(self.environment(), self.http).await?;
        of_machine.ok_or_else(none)
    }

    async fn of_web_identity(&self) -> Result<Option<Credentials>> {
        let environment = self.environment();
        let Some(file) = environment.get(TOKEN_FILE) else {
            return Ok(None);
        };
        let arn = environment.get("AWS_ROLE_ARN");
        let arn = arn.ok_or_else(|| Error::config(format!("{TOKEN_FILE} needs AWS_ROLE_ARN")))?;
        let role = Role {
            arn,
            session_name: environment.get("AWS_ROLE_SESSION_NAME"),
            external_id: None,
        };
        self.web_identity(&file, &role).await.map(Some)
    }

    /// The file is read each time: Kubernetes writes a new token before the old one ends.
    async fn web_identity(&self, file: &str, role: &Role) -> Result<Credentials> {
        let token = read(file)
            .await
            .map_err(|error| error.context(TOKEN_FILE))?;
        self.sts().await?.with_web_identity(role, &token).await
    }

    async fn of_profile(&self) -> Result<Option<Credentials>> {
        let environment = self.environment();
        let profiles = Profiles::read(environment).await?;
        let given = self.settings.profile.as_deref();
        let name = profile::name(given, environment);
        let is_named = given.is_some() || environment.get("AWS_PROFILE").is_some();
        if is_named && !profiles.has(&name) {
            let why = "no such profile in ~/.aws/credentials, ~/.aws/config or the files that \
                       AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE name";
            return Err(Error::config(format!("profile {name}: {why}")));
        }
        let Some(Found { base, roles }) = profiles.credentials(&name)? else {
            return Ok(None);
        };
        let base = match base {
            Base::Keys(keys) => Some(keys),
            Base::WebIdentity { token_file, role } => {
                Some(self.web_identity(&token_file, &role).await?)
            }
            Base::Environment => of_environment(environment)?,
            Base::Container => metadata::of_container(environment, self.http).await?,
            Base::Machine => metadata::of_machine(environment, self.http).await?,
        };
        let mut credentials = base.ok_or_else(none)?;
        for role in &roles {
            credentials = self.sts().await?.assume_role(role, &credentials).await?;
        }
        Ok(Some(credentials))
    }

    async fn sts(&self) -> Result<Sts<'_>> {
        let environment = self.environment();
        let profiles = Profiles::read(environment).await?;
        let profile = profile::name(self.settings.profile.as_deref(), environment);
        let given = self.settings.region.clone();
        let region = given
            .or_else(|| environment.get("AWS_REGION"))
            .or_else(|| environment.get("AWS_DEFAULT_REGION"))
            .or_else(|| profiles.get(&profile, "region").map(str::to_owned));
        // Every account has STS there.
        let region = region.unwrap_or_else(|| "us-east-1".into());
        let of_profile = profiles.get(&profile, "endpoint_url");
        Ok(Sts {
            environment,
            http: self.http,
            endpoint: Endpoint::new(environment, "sts", &region, of_profile)?,
        })
    }
}

fn of_environment(environment: &Environment) -> Result<Option<Credentials>> {
    let id = environment.get("AWS_ACCESS_KEY_ID");
    let secret = environment.get("AWS_SECRET_ACCESS_KEY");
    match (id, secret) {
        (Some(id), Some(secret)) => {
            let credentials = Credentials::new(id.trim(), secret.trim());
            Ok(Some(match environment.get("AWS_SESSION_TOKEN") {
                Some(token) => credentials.with_session_token(token.trim()),
                None => credentials,
            }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(Error::config("AWS_SECRET_ACCESS_KEY is not set")),
        (None, Some(_)) => Err(Error::config("AWS_ACCESS_KEY_ID is not set")),
    }
}

fn none() -> Error {
    Error::config(
        "none found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or give the \
         pod, task or machine a role of IAM",
    )
}
