//! The Security Token Service: temporary credentials of a role.

use std::time::SystemTime;

use connect_api::{Error, Result};

use crate::http::{Answer, Http, error_code, send};
use crate::metadata::time;
use crate::region::Endpoint;
use crate::sign::{Scope, ToSign, encoded, sign};
use crate::{Credentials, Environment};

const VERSION: &str = "2011-06-15";
/// The name of the sessions that are asked for, where none is given.
const SESSION: &str = "ferrule";

/// The role to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The name of the session in AWS's logs; `ferrule` when none is given.
    pub session_name: Option<String>,
    /// What the role's owner asks for besides.
    pub external_id: Option<String>,
}

/// How STS is reached.
pub(crate) struct Sts<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) http: &'a Http,
    pub(crate) endpoint: Endpoint,
}

impl Sts<'_> {
    /// Credentials of a role for whoever shows the token of an OpenID provider.
    pub(crate) async fn with_web_identity(&self, role: &Role, token: &str) -> Result<Credentials> {
        let form = form("AssumeRoleWithWebIdentity", role, Some(token.trim()));
        let request = self.http.services(self.environment).await?;
        let request = request.post(self.endpoint.url.clone());
        let request = request.header("content-type", FORM).body(form);
        let answer = send(request, &self.whom(role)).await?;
        credentials(&answer, &self.whom(role))
    }

    /// Credentials of a role for whoever has others.
    pub(crate) async fn assume_role(&self, role: &Role, with: &Credentials) -> Result<Credentials> {
        let form = form("AssumeRole", role, None);
        let scope = Scope {
            region: &self.endpoint.region,
            service: "sts",
            time: SystemTime::now(),
        };
        let to_sign = ToSign {
            method: "POST",
            host: &self.endpoint.host(),
            path: self.endpoint.url.path(),
            query: &[],
            headers: &[("content-type", FORM)],
            body: form.as_bytes(),
        };
        let request = self.http.services(self.environment).await?;
        let mut request = request.post(self.endpoint.url.clone());
        for (name, value) in sign(with, &scope, &to_sign) {
            request = request.header(name, value);
        }
        let request = request.header("content-type", FORM).body(form);
        let answer = send(request, &self.whom(role)).await?;
        credentials(&answer, &self.whom(role))
    }

    fn whom(&self, role: &Role) -> String {
        format!(
            "STS at {}, asked for the role {}",
            self.endpoint.host(),
            role.arn
        )
    }
}

/// The credentials of an answer.
pub(crate) fn credentials(answer: &Answer, whom: &str) -> Result<Credentials> {
    if answer.status != 200 {
        let code = error_code(element(&answer.body, "Code"));
        let error = format!(
            "{whom}, answers {} {code}: {}",
            answer.status,
            next_step(code)
        );
        return Err(match answer.status {
            429 | 500.. => Error::retriable(error),
            _ => Error::config(error).transient(),
        });
    }
    let field = |name: &str| {
        let missing = || Error::retriable(format!("{whom}: the answer has no {name}"));
        element(&answer.body, name).ok_or_else(missing)
    };
    let expires = time(field("Expiration")?);
    let no_time = || Error::retriable(format!("{whom}: the answer has no usable Expiration"));
    let credentials = Credentials::new(field("AccessKeyId")?, field("SecretAccessKey")?)
        .with_session_token(field("SessionToken")?);
    Ok(credentials.with_expiry(expires.ok_or_else(no_time)?))
}

const FORM: &str = "application/x-www-form-urlencoded";

fn form(action: &str, role: &Role, token: Option<&str>) -> String {
    let session = role.session_name.as_deref().unwrap_or(SESSION);
    let fields = [
        ("Action", Some(action)),
        ("Version", Some(VERSION)),
        ("RoleArn", Some(&role.arn)),
        ("RoleSessionName", Some(session)),
        ("ExternalId", role.external_id.as_deref()),
        ("WebIdentityToken", token),
    ];
    let fields = fields
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    let fields = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
    fields.collect::<Vec<_>>().join("&")
}

fn next_step(code: &str) -> &'static str {
    match code {
        "ExpiredTokenException" | "ExpiredToken" => "the token that was shown has ended",
        "InvalidIdentityToken" => "the role's account does not trust who issued the token",
        "AccessDenied" | "AccessDeniedException" => "see the trust policy of the role",
        "InvalidClientTokenId" | "SignatureDoesNotMatch" => "see the access key and its secret",
        "RegionDisabledException" => "STS is not activated in this region",
        _ => "see the role and its trust policy",
    }
}

/// The text of the first element of a name. What is read here has no markup in it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_no_name_is_not_told() {
        for (code, told) in [
            ("AccessDenied", "AccessDenied"),
            ("InvalidClientTokenId.Sender", "InvalidClientTokenId.Sender"),
            ("the token eyJhbGciOi.Jub25lIn0_ is bad", "no code"),
            ("a\nb", "no code"),
            ("", "no code"),
        ] {
            let body = format!("<Error><Code>{code}</Code></Error>");
            let error = credentials(&Answer { status: 403, body }, "STS").unwrap_err();
            let expect = format!("STS, answers 403 {told}: ");
            assert!(error.to_string().starts_with(&expect), "{error}");
        }
        let body = format!("<Code>{}</Code>", "x".repeat(1 << 20));
        let error = credentials(&Answer { status: 403, body }, "STS").unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
