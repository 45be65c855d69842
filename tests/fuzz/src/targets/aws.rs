//! What AWS is asked for, and the files that its tools share.

use connect_api::Result;
use connect_aws::{Credentials, SecretValue, fuzzing};

use super::secret::{MARKER, hides, is_in};
use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "aws",
    about: "`profile`, a name, the file `config` and two halves of the file `credentials` with a secret \
            between them; or `sts`, `secret` or `metadata`, a status, and two halves of an answer with \
            one between them; each ended by NUL: refused without the secret, or read with it",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        let kind = parts.bytes();
        if is_in(data) {
            return;
        }
        let Some(first) = parts.text() else { return };
        let (Some(second), Some(third)) = (parts.text(), parts.text()) else {
            return;
        };
        if kind == b"profile" {
            let Some(rest) = parts.text() else { return };
            let credentials = format!("{third}\naws_secret_access_key = {MARKER}\n{rest}");
            profile(first, second, &credentials);
            return;
        }
        let status = first.parse().unwrap_or(200);
        let body = format!("{second}{MARKER}{third}");
        match kind {
            b"sts" => credentials(fuzzing::sts(status, body)),
            b"metadata" => credentials(fuzzing::metadata(&body)),
            b"secret" => match fuzzing::secret(status, body) {
                Ok(Some(SecretValue::Text(text))) => assert!(text.len() <= data.len() + 64),
                Ok(Some(SecretValue::Binary(bytes))) => assert!(bytes.len() <= data.len() + 64),
                Ok(None) => assert_ne!(status, 200),
                Err(error) => hides(error.chain()),
            },
            _ => {}
        }
    },
};

fn profile(name: &str, config: &str, credentials: &str) {
    match fuzzing::profile([config, credentials], name) {
        Ok(Some((keys, roles))) => {
            assert!(keys.is_some() || !roles.is_empty());
            assert!(roles.len() <= 9 && roles.iter().all(|role| !role.arn.is_empty()));
            if let Some(keys) = keys {
                used(&keys);
            }
        }
        Ok(None) => {}
        Err(error) => hides(error.chain()),
    }
}

fn credentials(read: Result<Credentials>) {
    match read {
        Ok(credentials) => used(&credentials),
        Err(error) => hides(error.chain()),
    }
}

/// Tokens are made of whatever was read.
fn used(credentials: &Credentials) {
    // The id of a key is no secret.
    if !credentials.access_key_id().contains(MARKER) {
        hides(format!("{credentials:?}"));
    }
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_735_689_601);
    let token = connect_aws::msk_token(credentials, "eu-west-1", time);
    assert!(token.token.expose().bytes().all(|b| b.is_ascii_graphic()));
}
