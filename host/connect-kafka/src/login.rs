//! Kafka clients, and how those log in that show a token (SASL OAUTHBEARER, RFC 7628) or a ticket
//! (SASL GSSAPI, in `kerberos`).
//!
//! librdkafka could ask for tokens itself with libcurl, which is not built in. rdkafka says when to
//! renew one only where a client is polled, which an admin client never is. So a token is kept
//! ready for all clients of one login by a thread of its own, which hands it to each of them; no
//! other thread waits for an authorization server.

mod keeper;
mod kerberos;
mod msk;
mod native;
mod settings;
mod source;
mod spec;
mod strimzi;
mod tls;
mod unsecured;

use std::ops::Deref;
use std::sync::{Arc, Weak};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, KafkaResult};

pub use native::{LoginOutcome, LogsIn};
pub use settings::ENDPOINT as TOKEN_ENDPOINT;
pub(crate) use settings::{
    MECHANISMS, ModuleKind, check_value, is_of_workers_tickets, mechanism_on_the_wire,
    names_token_file, refusal_of_mechanism,
};

use connect_api::{Error, Properties, Result};
use keeper::{Login, Registration};
use kerberos::{TicketSource, Tickets};
use spec::LoginSpec;

/// Where a client's settings carry their login, until the client is made. It is a setting of
/// librdkafka's that this build of it refuses: a client that is not made by [`create`] fails at
/// once. rdkafka shows it to nobody.
const CARRIER: &str = "sasl.oauthbearer.client.secret";

/// A Kafka client, logged in for as long as it lives where its settings want that.
pub struct KafkaClient<T> {
    /// In front of the client: it is dropped first, and nothing is handed to the client then.
    _login: Option<Held>,
    client: Arc<T>,
}

/// What is kept for a client while it lives.
enum Held {
    Token { _registration: Registration },
    Tickets { _tickets: Arc<Tickets> },
}

impl<T> Deref for KafkaClient<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.client
    }
}

/// Makes a client of settings that [`crate::client_config`] has made.
///
/// # Errors
/// Why the library refuses a setting.
pub fn create<T, C>(config: &ClientConfig, context: C) -> KafkaResult<KafkaClient<T>>
where
    C: ClientContext,
    T: FromClientConfigAndContext<C> + LogsIn,
{
    let Some(carried) = config.get(CARRIER) else {
        return Ok(KafkaClient {
            _login: None,
            client: Arc::new(T::from_config_and_context(config, context)?),
        });
    };
    let refused = |error: Error| KafkaError::ClientCreation(error.chain());
    let mut config = config.clone();
    config.remove(CARRIER);
    let settings = settings::carried(carried).map_err(refused)?;
    if settings::is_kerberos(&settings) {
        let source = TicketSource::new(&settings).map_err(refused)?;
        let tickets = Tickets::of(source).map_err(refused)?;
        return Ok(KafkaClient {
            _login: Some(Held::Tickets { _tickets: tickets }),
            client: Arc::new(T::from_config_and_context(&config, context)?),
        });
    }
    let login = Login::of(carried).map_err(refused)?;
    let client = Arc::new(T::from_config_and_context(&config, context)?);
    let weak: Weak<T> = Arc::downgrade(&client);
    let registration = login.register(weak);
    Ok(KafkaClient {
        _login: Some(Held::Token {
            _registration: registration,
        }),
        client,
    })
}

/// Adds the login to a client's settings where it is one by a token or by Kerberos, which
/// `properties` in Java's names describe.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming the setting that is missing or wrong.
pub(crate) fn carry(config: &mut ClientConfig, properties: &Properties) -> Result<()> {
    let Some(settings) = settings::of_login(properties)? else {
        return Ok(());
    };
    match settings::is_kerberos(&settings) {
        true => kerberos::carry(config, &settings)?,
        false => drop(LoginSpec::new(&settings)?),
    }
    let carried = serde_json::to_string(&settings)
        .map_err(|cause| Error::fatal("cannot keep a login").with_source(cause))?;
    config.set(CARRIER, carried);
    Ok(())
}

#[cfg(test)]
mod tests;
