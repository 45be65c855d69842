//! The HTTP client of the harness.

use std::sync::OnceLock;

use anyhow::Result;
use reqwest::Client;

/// One client for all tests: making one reads the machine's certificates. It keeps no connection
/// for later, because a connection belongs to the runtime of the test that opened it.
pub(crate) fn client() -> Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    // The worker's crates build reqwest for a TLS that the program chooses. An error says that
    // another thread was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()?;
    Ok(CLIENT.get_or_init(|| client))
}
