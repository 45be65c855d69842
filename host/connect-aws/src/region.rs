//! Regions, and the addresses of services in them.

use connect_api::{Error, Result};
use reqwest::Url;

use crate::Environment;

/// Where a service is asked.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: Url,
    /// The region that requests to it are signed for.
    pub(crate) region: String,
}

impl Endpoint {
    /// The endpoint of a service: the one that the environment or the profile names
    /// (`AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, `endpoint_url`), else the region's.
    /// `of_profile` is `endpoint_url` of the profile.
    pub(crate) fn new(
        environment: &Environment,
        service: &str,
        region: &str,
        of_profile: Option<&str>,
    ) -> Result<Self> {
        let own = format!("AWS_ENDPOINT_URL_{}", variable(service));
        let ignored = environment.says_true("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
        let of_environment = environment
            .get(&own)
            .or_else(|| environment.get("AWS_ENDPOINT_URL"));
        let named = of_environment.or_else(|| of_profile.map(str::to_owned));
        let fips = environment.says_true("AWS_USE_FIPS_ENDPOINT");
        let fips = if fips { "-fips" } else { "" };
        let url = named.filter(|_| !ignored).unwrap_or_else(|| {
            let host = service.replace('_', "").to_ascii_lowercase();
            format!("https://{host}{fips}.{region}.{}", domain(region))
        });
        Self::at(&url, region)
    }

    /// The endpoint at an address.
    pub(crate) fn at(url: &str, region: &str) -> Result<Self> {
        let parsed = Url::parse(url.trim()).ok();
        let parsed =
            parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = parsed.ok_or_else(|| Error::config(format!("{url} is no URL of an endpoint")))?;
        Ok(Self {
            url,
            region: region.to_owned(),
        })
    }

    /// What the header `Host` says.
    pub(crate) fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

fn variable(service: &str) -> String {
    service.to_ascii_uppercase()
}

/// The domain of the endpoints of a region's partition.
pub(crate) fn domain(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "amazonaws.com.cn",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ if region.starts_with("eusc-") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(pairs: &[(&str, &str)], service: &str, region: &str) -> String {
        let environment = Environment::of(pairs.iter().copied());
        let made = Endpoint::new(&environment, service, region, None);
        made.map_or_else(|e| e.to_string(), |e| format!("{} {}", e.url, e.host()))
    }

    #[test]
    fn endpoints_are_those_of_the_region_or_as_the_environment_says() {
        for (pairs, service, region, expect) in [
            (
                &[][..],
                "sts",
                "eu-central-1",
                "https://sts.eu-central-1.amazonaws.com/ sts.eu-central-1.amazonaws.com",
            ),
            (
                &[],
                "secrets_manager",
                "cn-north-1",
                "https://secretsmanager.cn-north-1.amazonaws.com.cn/ \
                 secretsmanager.cn-north-1.amazonaws.com.cn",
            ),
            (
                &[("AWS_USE_FIPS_ENDPOINT", "true")],
                "sts",
                "us-east-1",
                "https://sts-fips.us-east-1.amazonaws.com/ sts-fips.us-east-1.amazonaws.com",
            ),
            (
                &[
                    ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/"),
                    ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:2"),
                ],
                "secrets_manager",
                "us-east-1",
                "http://127.0.0.1:2/ 127.0.0.1:2",
            ),
            (
                &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1/")],
                "sts",
                "us-east-1",
                "http://127.0.0.1:1/ 127.0.0.1:1",
            ),
            (
                &[
                    ("AWS_ENDPOINT_URL", "http://127.0.0.1:1/"),
                    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
                ],
                "sts",
                "us-east-1",
                "https://sts.us-east-1.amazonaws.com/ sts.us-east-1.amazonaws.com",
            ),
            (
                &[("AWS_ENDPOINT_URL", "localhost:1")],
                "sts",
                "us-east-1",
                "localhost:1 is no URL of an endpoint",
            ),
        ] {
            assert_eq!(endpoint(pairs, service, region), expect);
        }
    }
}
