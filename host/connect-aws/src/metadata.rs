//! Credentials that the surroundings of the process hand out: the agent of a container (ECS, EKS
//! Pod Identity) and the metadata service of a machine (EC2, IMDSv2).

use std::net::IpAddr;
use std::time::SystemTime;

use chrono::DateTime;
use connect_api::{Error, Result};
use reqwest::Url;
use serde_json::Value as Json;

use crate::http::{Http, read, send};
use crate::{Credentials, Environment};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// Where the agent of ECS answers.
const ECS: &str = "http://169.254.170.2";
/// The addresses that may be asked without TLS: of ECS and of EKS.
const AGENTS: &[&str] = &["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
const EC2: &str = "http://169.254.169.254";
/// Seconds for which a token of the metadata service is asked for.
const TOKEN_SECONDS: &str = "21600";

/// Credentials of the container's agent; none where the environment names no agent.
pub(crate) async fn of_container(
    environment: &Environment,
    http: &Http,
) -> Result<Option<Credentials>> {
    let (key, url) = match (environment.get(RELATIVE), environment.get(FULL)) {
        (Some(path), _) => (RELATIVE, format!("{ECS}{path}")),
        (None, Some(url)) => (FULL, url),
        (None, None) => return Ok(None),
    };
    let url = agent(&url).map_err(|error| error.context(key))?;
    let whom = format!(
        "the agent of the container's credentials at {}",
        place(&url)
    );
    let mut request = http.metadata()?.get(url);
    // The file is written anew before its token ends.
    let token = match environment.get(TOKEN_FILE) {
        Some(file) => Some(read(&file).await.map_err(|e| e.context(TOKEN_FILE))?),
        None => environment.get(TOKEN),
    };
    if let Some(token) = token {
        request = request.header("authorization", token.trim());
    }
    let answer = send(request, &whom).await?;
    if answer.status != 200 {
        return Err(refused(
            &whom,
            answer.status,
            "see the pod's or the task's IAM role",
        ));
    }
    parse(&answer.body, &whom).map(Some)
}

/// The address of an agent, if it may be asked.
fn agent(url: &str) -> Result<Url> {
    let url = Url::parse(url.trim()).map_err(|_| Error::config("not a URL"))?;
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    let is_loopback = host == "localhost" || address.is_some_and(|a| a.is_loopback());
    let is_agent = || {
        AGENTS
            .iter()
            .any(|agent| agent.parse().ok() == address && address.is_some())
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback || is_agent() => Ok(url),
        _ => Err(Error::config(format!(
            "{host}: without TLS only this machine, or the agent of ECS or EKS, is asked"
        ))),
    }
}

/// Credentials of the role of this EC2 machine; none where it has none or is no such machine.
pub(crate) async fn of_machine(
    environment: &Environment,
    http: &Http,
) -> Result<Option<Credentials>> {
    let Some(service) = MetadataService::new(environment, http).await? else {
        return Ok(None);
    };
    let folder = "latest/meta-data/iam/security-credentials/";
    let Some(role) = service.get(folder).await? else {
        return Ok(None);
    };
    let role = role.lines().next().unwrap_or_default().trim();
    let Some(text) = service.get(&format!("{folder}{role}")).await? else {
        return Ok(None);
    };
    parse(&text, &service.whom()).map(Some)
}

/// The region of this EC2 machine; none where it is no such machine.
pub(crate) async fn region_of_machine(environment: &Environment, http: &Http) -> Option<String> {
    let service = MetadataService::new(environment, http).await.ok()??;
    let region = service
        .get("latest/meta-data/placement/region")
        .await
        .ok()??;
    let region = region.trim();
    (!region.is_empty()).then(|| region.to_owned())
}

/// The metadata service of a machine, and the token that it gave (IMDSv2).
struct MetadataService<'a> {
    address: String,
    token: String,
    http: &'a Http,
}

impl<'a> MetadataService<'a> {
    /// None where nothing answers: this is no machine of EC2, or containers on it may not ask.
    async fn new(environment: &Environment, http: &'a Http) -> Result<Option<Self>> {
        if environment.says_true("AWS_EC2_METADATA_DISABLED") {
            return Ok(None);
        }
        let named = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let address = named.clone().unwrap_or_else(|| EC2.into());
        let address = address.trim_end_matches('/').to_owned();
        let mut service = Self {
            address,
            token: String::new(),
            http,
        };
        let request = http
            .metadata()?
            .put(format!("{}/latest/api/token", service.address));
        let request = request.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
        let request = request.header("content-length", "0");
        match send(request, &service.whom()).await {
            Ok(answer) if answer.status == 200 => answer.body.trim().clone_into(&mut service.token),
            Ok(answer) => {
                let next = "IMDSv2 may be off, or the hop limit of the machine too small";
                return Err(refused(&service.whom(), answer.status, next));
            }
            // One that is named is meant to be there.
            Err(error) if named.is_some() => return Err(error),
            Err(_) => return Ok(None),
        }
        Ok(Some(service))
    }

    fn whom(&self) -> String {
        format!("the metadata service of EC2 at {}", self.address)
    }

    /// None for what is not there.
    async fn get(&self, path: &str) -> Result<Option<String>> {
        let request = self
            .http
            .metadata()?
            .get(format!("{}/{path}", self.address));
        let request = request.header("x-aws-ec2-metadata-token", &self.token);
        let answer = send(request, &self.whom()).await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            status => Err(refused(&self.whom(), status, "see the machine's IAM role")),
        }
    }
}

fn refused(whom: &str, status: u16, next: &str) -> Error {
    Error::config(format!("{whom} answers {status}: {next}")).transient()
}

fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The answer of an agent or of the metadata service.
pub(crate) fn parse(text: &str, whom: &str) -> Result<Credentials> {
    let unusable = |what: &str| Error::retriable(format!("{whom}: the answer has no {what}"));
    let json: Json = serde_json::from_str(text).map_err(|_| unusable("JSON"))?;
    let field = |name: &str| json.get(name).and_then(Json::as_str);
    let id = field("AccessKeyId").ok_or_else(|| unusable("AccessKeyId"))?;
    let secret = field("SecretAccessKey").ok_or_else(|| unusable("SecretAccessKey"))?;
    let mut credentials = Credentials::new(id, secret);
    if let Some(token) = field("Token").filter(|token| !token.is_empty()) {
        credentials = credentials.with_session_token(token);
    }
    if let Some(expires) = field("Expiration") {
        let expires = time(expires).ok_or_else(|| unusable("Expiration that is a time"))?;
        credentials = credentials.with_expiry(expires);
    }
    Ok(credentials)
}

/// A time of an answer, in RFC 3339.
pub(crate) fn time(text: &str) -> Option<SystemTime> {
    DateTime::parse_from_rfc3339(text.trim())
        .ok()
        .map(SystemTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_agents_are_asked_without_tls() {
        for (url, may) in [
            ("http://127.0.0.1:8080/creds", true),
            ("http://localhost/creds", true),
            ("http://[::1]/creds", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("https://example.com/creds", true),
            ("http://example.com/creds", false),
            ("http://169.254.170.2.example.com/", false),
            ("http://10.0.0.1/", false),
            ("ftp://127.0.0.1/", false),
            ("no url", false),
        ] {
            assert_eq!(agent(url).is_ok(), may, "{url}");
        }
    }

    #[test]
    fn an_answer_without_a_part_is_refused_without_telling_it() {
        let error = parse(r#"{"SecretAccessKey":"very-secret-key"}"#, "it").unwrap_err();
        assert_eq!(error.to_string(), "it: the answer has no AccessKeyId");
        assert!(error.is_transient());
        let text = r#"{"AccessKeyId":"a","SecretAccessKey":"b","Expiration":"soon"}"#;
        assert!(parse(text, "it").is_err());
    }
}
