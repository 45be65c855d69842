//! What providers make of answers, for the fuzz targets.

use std::sync::OnceLock;

use connect_api::{Properties, Result};

use super::ConfigProviders;
pub use super::kubernetes::kubernetes;
pub use super::secrets_manager::secrets_manager;
pub use super::vault::{VaultAnswer, vault};

/// Classes of Secrets Manager that read a secret each in their own way.
pub const SECRETS_MANAGERS: [&str; 3] = [
    super::secrets_manager::LENSES,
    super::secrets_manager::CONFLUENT,
    super::secrets_manager::AWS,
];

/// The value of an option where the provider `env` gives no variable at all.
///
/// # Errors
/// As where a worker resolves a config.
pub fn resolved(value: &str) -> Result<String> {
    static PROVIDERS: OnceLock<Option<ConfigProviders>> = OnceLock::new();
    let providers = PROVIDERS.get_or_init(|| {
        let worker = [
            ("config.providers", "env"),
            ("config.providers.env.class", "EnvVarConfigProvider"),
            (
                "config.providers.env.param.allowlist.pattern",
                "none of them",
            ),
        ];
        let worker = worker.map(|(key, value)| (key.to_owned(), value.to_owned()));
        ConfigProviders::new(&Properties::from(worker)).ok()
    });
    let option = Properties::from([("option".to_owned(), value.to_owned())]);
    let Some(providers) = providers else {
        return Ok(String::new());
    };
    let mut resolved = providers.resolve(&option)?;
    Ok(resolved.remove("option").unwrap_or_default())
}
