//! Credentials as they are asked for: found once, kept until shortly before they end.

use std::time::Duration;

use connect_api::{Error, Result};
use tokio::sync::Mutex;
use tracing::warn;

use crate::http::Http;
use crate::profile::{self, Profiles};
use crate::region::Endpoint;
use crate::{Credentials, Environment, chain, metadata};

pub use crate::sts::Role;

/// How long before their end credentials are asked for anew.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// How long finding credentials may take, over all requests.
const LIMIT: Duration = Duration::from_secs(20);

/// What is known of the credentials beforehand. The default is to look for all of it as the SDKs
/// do.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Keys that are given: nothing is looked for.
    pub keys: Option<Credentials>,
    /// The profile of the shared files; then no other place is looked at.
    pub profile: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// A role to take with the credentials that are found.
    pub role: Option<Role>,
    /// Where variables are looked up.
    pub environment: Environment,
}

/// Finds credentials where AWS's SDKs find them, in their order: the environment, a web identity
/// token (IRSA), the shared files, the agent of a container (ECS, EKS Pod Identity), the metadata
/// service of a machine (EC2).
///
/// Temporary credentials are kept until five minutes before their end, and, where there are no
/// others then, to their end. Keys without an end are looked up each time, so that keys that are
/// exchanged in their file are seen.
#[derive(Debug)]
pub struct CredentialsProvider {
    settings: Settings,
    http: Http,
    kept: Mutex<Option<Credentials>>,
}

impl CredentialsProvider {
    /// A provider. Nothing is looked for yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            http: Http::default(),
            kept: Mutex::new(None),
        }
    }

    /// Credentials that are valid now. It takes 20 seconds at most.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when who has them is away;
    /// [`connect_api::ErrorKind::Config`] when there are none, or they are refused.
    pub async fn credentials(&self) -> Result<Credentials> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.last_for(EARLY)) {
            return Ok(kept.clone());
        }
        let finding = chain::find(&self.settings, &self.http);
        let found = tokio::time::timeout(LIMIT, finding).await;
        let found = found.unwrap_or_else(|_| Err(Error::retriable("no answer in time")));
        match (found, kept.as_ref()) {
            (Ok(found), _) => {
                *kept = found.expires().map(|_| found.clone());
                Ok(found)
            }
            (Err(error), Some(kept)) if kept.last_for(Duration::ZERO) => {
                let error = connect_api::mask(error.chain());
                warn!(%error, "AWS credentials are not renewed yet; the old ones are still valid");
                Ok(kept.clone())
            }
            (Err(error), _) => Err(error.context("AWS credentials")),
        }
    }

    /// The region: the one that is given, else that of the environment (`AWS_REGION`,
    /// `AWS_DEFAULT_REGION`), of the profile, or of the machine.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when nothing names one.
    pub async fn region(&self) -> Result<String> {
        let Settings {
            region,
            environment,
            profile,
            ..
        } = &self.settings;
        let given = region.clone().or_else(|| environment.get("AWS_REGION"));
        if let Some(region) = given.or_else(|| environment.get("AWS_DEFAULT_REGION")) {
            return Ok(region.trim().to_owned());
        }
        let profiles = Profiles::read(environment).await?;
        let profile = profile::name(profile.as_deref(), environment);
        if let Some(region) = profiles.get(&profile, "region") {
            return Ok(region.to_owned());
        }
        let of_machine = metadata::region_of_machine(environment, &self.http).await;
        of_machine
            .ok_or_else(|| Error::config("no AWS region: set AWS_REGION, or region in the profile"))
    }

    /// The endpoint of a service, such as `secrets_manager`.
    pub(crate) async fn endpoint(&self, service: &str, named: Option<&str>) -> Result<Endpoint> {
        let region = self.region().await?;
        if let Some(url) = named {
            return Endpoint::at(url, &region);
        }
        let Settings {
            environment,
            profile,
            ..
        } = &self.settings;
        let profiles = Profiles::read(environment).await?;
        let profile = profile::name(profile.as_deref(), environment);
        let of_profile = profiles.get(&profile, "endpoint_url");
        Endpoint::new(environment, service, &region, of_profile)
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.settings.environment
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }
}

#[cfg(test)]
mod tests;
