//! What config providers make of the answers of Vault, Kubernetes and Secrets Manager.

use connect_api::{Result, keep_secrets};
use connect_aws::SecretValue;
use connect_runtime::fuzzing::config_provider::{
    SECRETS_MANAGERS, VaultAnswer, kubernetes, resolved, secrets_manager, vault,
};

use super::secret::{MARKER, hides, is_in};
use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "providers",
    about: "`vault`, a path, a key, a status, and two halves of an answer with a token between them; \
            `secrets` or `maps`, a key, a status, and two halves of an answer; `aws`, a path, a key, \
            and two halves of a secret; or `config` and an option; each ended by NUL: refused without \
            the secret, or a value; Vault is asked below /v1/ alone; an option of which nothing is \
            given stays as it is",
    // A pattern of a few bytes may be compiled to a large automaton.
    memory: 1 << 20,
    run: |data| {
        keep_secrets([MARKER], &|part| part != MARKER);
        let mut parts = Parts::new(data);
        let kind = parts.bytes();
        if is_in(data) {
            return;
        }
        let mut text = || parts.text().unwrap_or_default();
        match kind {
            b"vault" => {
                let (path, key, status, body) =
                    (text(), text(), status(text()), between(text(), text()));
                let body = body.as_bytes();
                let given = VaultAnswer {
                    path,
                    key,
                    status,
                    body,
                };
                told(vault(MARKER, &given).map(drop));
            }
            b"secrets" | b"maps" => {
                let (key, status, body) = (text(), status(text()), between(text(), text()));
                told(kubernetes(kind == b"secrets", key, status, body.as_bytes()));
            }
            b"aws" => {
                let (path, key, secret) = (text(), text(), between(text(), text()));
                for class in SECRETS_MANAGERS {
                    told(secrets_manager(
                        class,
                        path,
                        key,
                        SecretValue::Text(secret.clone()),
                    ));
                    let bytes = secret.clone().into_bytes();
                    told(secrets_manager(
                        class,
                        path,
                        key,
                        SecretValue::Binary(bytes),
                    ));
                }
            }
            b"config" => {
                let option = text();
                match resolved(option) {
                    Ok(resolved) => assert_eq!(resolved, option),
                    // The provider of variables takes no path.
                    Err(_) => assert!(option.contains("${env:"), "{option}"),
                }
            }
            _ => {}
        }
    },
};

fn status(text: &str) -> u16 {
    text.parse().unwrap_or(200)
}

fn between(first: &str, second: &str) -> String {
    format!("{first}{MARKER}{second}")
}

fn told<T>(read: Result<T>) {
    if let Err(error) = read {
        hides(error.chain());
    }
}
