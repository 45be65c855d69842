//! Tokens that are kept.

use super::*;
use crate::client_credentials::tests::Server;

const LONG: &str = r#"{"access_token":"first","expires_in":3600}"#;
const OTHER: &str = r#"{"access_token":"second","expires_in":3600}"#;
const AWAY: &str = r#"{"error":"server_error"}"#;

fn cache(server: &Server) -> TokenCache {
    TokenCache::new(server.client(), Duration::from_secs(300))
}

async fn value(cache: &TokenCache) -> String {
    cache.token().await.unwrap().value.expose().to_owned()
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_renewed_when_it_is_refused() {
    let server = Server::start(&[(200, LONG), (200, OTHER)]).await;
    let cache = cache(&server);
    let first = cache.token().await.unwrap();
    assert_eq!(value(&cache).await, "first");
    assert_eq!(server.requests().len(), 1);
    let second = cache.instead_of(&first).await.unwrap();
    assert_eq!(second.value.expose(), "second");
    // Another request that was refused with the first one takes what is there by now.
    let again = cache.instead_of(&first).await.unwrap();
    assert_eq!(again.value.expose(), "second");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_used_to_it() {
    let short = r#"{"access_token":"first","expires_in":0}"#;
    let server = Server::start(&[(200, short), (200, OTHER)]).await;
    let cache = cache(&server);
    assert_eq!(value(&cache).await, "first");
    assert_eq!(value(&cache).await, "second");

    // Its time has come, and no other can be had.
    let server = Server::start(&[(200, LONG), (503, AWAY)]).await;
    let cache = TokenCache::new(server.client(), Duration::from_secs(300));
    let first = cache.token().await.unwrap();
    *cache.kept.lock().await = Some(Kept {
        token: first,
        renew_at: SystemTime::now() - Duration::from_secs(1),
    });
    assert_eq!(value(&cache).await, "first");
    assert_eq!(server.requests().len(), 2);
}
