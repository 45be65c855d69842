//! What an authorization server says when it gives no token (RFC 6749 §5.2), in words for whoever
//! set the options.

use connect_api::Error;
use serde_json::Value as Json;

/// Characters of a server's own description that are told.
const MAX_DESCRIPTION: usize = 200;
/// The longest code of an error that is told.
const MAX_CODE: usize = 64;

/// What the options are called, for errors that say which one to look at.
#[derive(Clone, Copy, Debug)]
pub struct OptionNames {
    /// The address of the token endpoint.
    pub endpoint: &'static str,
    /// The client's id.
    pub client_id: &'static str,
    /// The client's secret.
    pub client_secret: &'static str,
    /// What the token is to be good for.
    pub scope: &'static str,
}

/// An answer without a token.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// `error`, where the answer has one.
    code: Option<String>,
    /// `error_description`.
    description: Option<String>,
}

impl Refusal {
    /// Of an answer. None of the `secrets` stands in a text of it.
    pub(crate) fn new(status: u16, body: &Json, secrets: &[&str]) -> Self {
        let tells = |text: &str| {
            let mut secrets = secrets.iter().filter(|secret| !secret.is_empty());
            secrets.any(|secret| text.contains(secret))
        };
        let is_code = |code: &&str| {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            !code.is_empty() && code.len() <= MAX_CODE && code.chars().all(legal)
        };
        let code = body["error"].as_str().filter(is_code);
        let description = body["error_description"].as_str();
        let description = description.filter(|text| !tells(text));
        let clipped = |text: &str| -> String {
            let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
            text.take(MAX_DESCRIPTION).collect()
        };
        Self {
            status,
            code: code.filter(|code| !tells(code)).map(str::to_owned),
            description: description.map(clipped),
        }
    }

    /// Whether the server may want the client's secret in another place of the request.
    pub(crate) fn is_of_the_client(&self) -> bool {
        match self.code.as_deref() {
            Some(code) => matches!(code, "invalid_client" | "invalid_request"),
            None => matches!(self.status, 400 | 401),
        }
    }

    /// Why there is no token, and which option to look at.
    pub(crate) fn error(&self, endpoint: &str, names: OptionNames) -> Error {
        let OptionNames {
            endpoint: endpoint_option,
            client_id,
            client_secret,
            scope,
        } = names;
        let advice = match (self.code.as_deref(), self.status) {
            (Some("invalid_client"), _) | (None, 401) => {
                format!("check {client_id} and {client_secret}")
            }
            (Some("unauthorized_client"), _) => format!(
                "allow the client that {client_id} names the grant client_credentials at the server"
            ),
            (Some("invalid_scope"), _) => format!("check {scope}"),
            (Some("unsupported_grant_type"), _) => {
                format!("check {endpoint_option}: it gives no token for client credentials")
            }
            (Some("temporarily_unavailable" | "server_error"), _)
            | (None, 408 | 425 | 429 | 500..) => return self.later(endpoint),
            (Some("invalid_request"), _) => {
                format!("check {scope} and what the server wants beside it")
            }
            (None, 300..=399) => format!(
                "it leads to another address, and secrets are not sent there: let \
                 {endpoint_option} name that one"
            ),
            (_, 429 | 500..) => return self.later(endpoint),
            _ => format!("check {endpoint_option}, {client_id} and {scope}"),
        };
        Error::config(format!(
            "the token endpoint {endpoint} refuses a token: {}; {advice}",
            self.told()
        ))
    }

    fn later(&self, endpoint: &str) -> Error {
        Error::retriable(format!(
            "the token endpoint {endpoint} gives no token now: {}",
            self.told()
        ))
    }

    fn told(&self) -> String {
        let status = format!("HTTP {}", self.status);
        match (&self.code, &self.description) {
            (Some(code), Some(description)) => format!("{code} ({description}; {status})"),
            (Some(code), None) => format!("{code} ({status})"),
            (None, Some(description)) => format!("{description} ({status})"),
            (None, None) => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect_api::ErrorKind;
    use serde_json::json;

    const NAMES: OptionNames = OptionNames {
        endpoint: "the.url",
        client_id: "the.id",
        client_secret: "the.secret",
        scope: "the.scope",
    };

    fn error(status: u16, body: &Json) -> Error {
        Refusal::new(status, body, &["canary", "Y2FuYXJ5"]).error("https://idp/token", NAMES)
    }

    #[test]
    fn a_refusal_names_endpoint_code_and_option() {
        for (status, body, expect) in [
            (
                401,
                json!({"error": "invalid_client", "error_description": "no such client"}),
                "the token endpoint https://idp/token refuses a token: invalid_client (no such \
                 client; HTTP 401); check the.id and the.secret",
            ),
            (401, json!({}), "HTTP 401; check the.id and the.secret"),
            (400, json!({"error": "invalid_scope"}), "check the.scope"),
            (
                400,
                json!({"error": "unauthorized_client"}),
                "allow the client that the.id names",
            ),
            (400, json!({"error": "unsupported_grant_type"}), "the.url"),
            (404, json!("no JSON of OAuth"), "HTTP 404; check the.url"),
            (302, json!({}), "let the.url name that one"),
        ] {
            let error = error(status, &body);
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().contains(expect), "{error}");
        }
        for (status, body) in [
            (503, json!({})),
            (429, json!({"error": "slow_down"})),
            (400, json!({"error": "temporarily_unavailable"})),
        ] {
            assert_eq!(error(status, &body).kind(), ErrorKind::Retriable);
        }
    }

    #[test]
    fn no_error_quotes_the_secret_or_breaks_a_line() {
        for body in [
            json!({"error": "canary"}),
            json!({"error": "invalid_client", "error_description": "canary is wrong"}),
            json!({"error": "invalid_client.canary"}),
            json!({"error": "invalid_client", "error_description": "Basic Y2FuYXJ5 is wrong"}),
            json!({"error": "bad code\n", "error_description": "a\nb"}),
            json!({"error": "x".repeat(1000), "error_description": "y".repeat(1000)}),
        ] {
            let told = error(401, &body).to_string();
            assert!(!told.contains("canary") && !told.contains('\n'), "{told}");
            assert!(!told.contains("Y2FuYXJ5"), "{told}");
            assert!(told.len() < 500, "{told}");
        }
    }
}
