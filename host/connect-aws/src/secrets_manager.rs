//! AWS Secrets Manager: `GetSecretValue` (API of 2017-10-17).

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connect_api::{Error, Result};
use serde_json::{Value as Json, json};

use crate::http::{Answer, error_code, send};
use crate::sign::{Scope, ToSign, sign};
use crate::{CredentialsProvider, region::Endpoint};

const TYPE: &str = "application/x-amz-json-1.1";
const TARGET: &str = "secretsmanager.GetSecretValue";

/// Which version of a secret is asked for; the default is the current one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretVersion {
    /// `VersionId`.
    pub id: Option<String>,
    /// `VersionStage`, such as `AWSPREVIOUS`.
    pub stage: Option<String>,
}

/// What a secret holds.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// `SecretString`: most often JSON.
    Text(String),
    /// `SecretBinary`.
    Binary(Vec<u8>),
}

/// A client of Secrets Manager.
#[derive(Clone, Debug)]
pub struct SecretsManager {
    credentials: Arc<CredentialsProvider>,
    endpoint: Option<String>,
}

impl SecretsManager {
    /// A client. `endpoint` stands in for that of the region.
    pub fn new(credentials: Arc<CredentialsProvider>, endpoint: Option<String>) -> Self {
        Self {
            credentials,
            endpoint,
        }
    }

    /// The value of a secret, by its name or ARN; none when there is no such secret or version.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Secrets Manager is away or asks for patience;
    /// [`connect_api::ErrorKind::Config`], and a restart may help, when it refuses.
    pub async fn get(&self, id: &str, version: &SecretVersion) -> Result<Option<SecretValue>> {
        let endpoint = self.endpoint.as_deref();
        let endpoint = self
            .credentials
            .endpoint("secrets_manager", endpoint)
            .await?;
        let whom = format!("AWS Secrets Manager at {}, asked for {id}", endpoint.host());
        let mut body = json!({ "SecretId": id });
        for (key, value) in [("VersionId", &version.id), ("VersionStage", &version.stage)] {
            if let Some(value) = value {
                body[key] = json!(value);
            }
        }
        let answer = self.post(&endpoint, &body.to_string(), &whom).await?;
        answered(&answer, &whom)
    }

    async fn post(&self, endpoint: &Endpoint, body: &str, whom: &str) -> Result<Answer> {
        let credentials = self.credentials.credentials().await?;
        let scope = Scope {
            region: &endpoint.region,
            service: "secretsmanager",
            time: SystemTime::now(),
        };
        let to_sign = ToSign {
            method: "POST",
            host: &endpoint.host(),
            path: endpoint.url.path(),
            query: &[],
            headers: &[("content-type", TYPE), ("x-amz-target", TARGET)],
            body: body.as_bytes(),
        };
        let http = self.credentials.http();
        let client = http.services(self.credentials.environment()).await?;
        let mut request = client.post(endpoint.url.clone());
        for (name, value) in sign(&credentials, &scope, &to_sign) {
            request = request.header(name, value);
        }
        let request = request.header("content-type", TYPE);
        let request = request.header("x-amz-target", TARGET);
        send(request.body(body.to_owned()), whom).await
    }
}

/// What an answer gives; none: there is no such secret.
pub(crate) fn answered(answer: &Answer, whom: &str) -> Result<Option<SecretValue>> {
    if answer.status == 200 {
        return value(&answer.body, whom).map(Some);
    }
    let code = code(answer);
    if code == "ResourceNotFoundException" {
        return Ok(None);
    }
    let error = format!(
        "{whom}, answers {} {code}: {}",
        answer.status,
        next_step(&code)
    );
    Err(match (answer.status, &*code) {
        (429 | 500.., _) | (_, "ThrottlingException") => Error::retriable(error),
        _ => Error::config(error).transient(),
    })
}

fn value(text: &str, whom: &str) -> Result<SecretValue> {
    let unusable = || Error::retriable(format!("{whom}: the answer has no value of a secret"));
    let json: Json = serde_json::from_str(text).map_err(|_| unusable())?;
    if let Some(text) = json.get("SecretString").and_then(Json::as_str) {
        return Ok(SecretValue::Text(text.to_owned()));
    }
    let binary = json.get("SecretBinary").and_then(Json::as_str);
    let bytes = STANDARD.decode(binary.ok_or_else(unusable)?);
    bytes.map(SecretValue::Binary).map_err(|_| unusable())
}

/// The name of the error: `__type` is it, or `namespace#name`.
fn code(answer: &Answer) -> String {
    let json: Json = serde_json::from_str(&answer.body).unwrap_or_default();
    let code = json.get("__type").and_then(Json::as_str);
    error_code(code.and_then(|code| code.rsplit('#').next())).to_owned()
}

fn next_step(code: &str) -> &'static str {
    match code {
        "AccessDeniedException" => {
            "the role or user needs secretsmanager:GetSecretValue, and kms:Decrypt for a key of \
             one's own"
        }
        "ExpiredTokenException" => "the session of the credentials has ended",
        "UnrecognizedClientException" | "InvalidSignatureException" => {
            "see the access key, its secret, and this machine's clock"
        }
        "DecryptionFailure" => "see the KMS key of the secret",
        "InvalidRequestException" => "the secret is marked for deletion, or has no value yet",
        _ => "see the secret, its region and the policy of IAM",
    }
}

#[cfg(test)]
mod tests;
