//! Tokens handed to librdkafka.

use std::ffi::{CStr, CString, c_char};

use rdkafka::admin::AdminClient;
use rdkafka::bindings::{rd_kafka_oauthbearer_set_token, rd_kafka_oauthbearer_set_token_failure};
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;

/// What librdkafka has room for to say why it does not take a token.
const MAX_WHY: usize = 512;

/// A token as librdkafka takes it.
#[derive(Clone)]
pub(super) struct SaslToken {
    pub(super) value: CString,
    /// Whom it is for, by name.
    pub(super) principal: CString,
    /// When it expires, in milliseconds since 1970.
    pub(super) expires_at: i64,
    /// Names and values of SASL extensions in turn (RFC 7628 §3.1).
    pub(super) extensions: Vec<CString>,
}

/// What came of a request for a token.
pub struct LoginOutcome<'a>(pub(super) Result<&'a SaslToken, &'a CStr>);

/// A client that can be handed tokens.
pub trait LogsIn: Send + Sync + 'static {
    /// Hands the client what came of a request for a token.
    ///
    /// # Errors
    /// Why the library does not take the token.
    fn hand(&self, outcome: &LoginOutcome<'_>) -> Result<(), String>;
}

impl<C: ConsumerContext + 'static> LogsIn for BaseConsumer<C> {
    fn hand(&self, outcome: &LoginOutcome<'_>) -> Result<(), String> {
        hand(self.client(), outcome)
    }
}

impl<C: ProducerContext + 'static> LogsIn for BaseProducer<C> {
    fn hand(&self, outcome: &LoginOutcome<'_>) -> Result<(), String> {
        hand(self.client(), outcome)
    }
}

impl<C: ProducerContext + 'static> LogsIn for ThreadedProducer<C> {
    fn hand(&self, outcome: &LoginOutcome<'_>) -> Result<(), String> {
        hand(self.client(), outcome)
    }
}

impl<C: ClientContext + 'static> LogsIn for AdminClient<C> {
    fn hand(&self, outcome: &LoginOutcome<'_>) -> Result<(), String> {
        hand(self.inner(), outcome)
    }
}

#[expect(
    unsafe_code,
    reason = "rdkafka's own way to hand a token over needs a client that is polled, which an admin \
              client is not, and knows no SASL extensions"
)]
fn hand<C: ClientContext>(client: &Client<C>, outcome: &LoginOutcome<'_>) -> Result<(), String> {
    let client = client.native_ptr();
    let token = match outcome.0 {
        Ok(token) => token,
        Err(why) => {
            // SAFETY: the client lives as long as the reference to it, both functions may be called
            // on any thread, and the library copies the text.
            unsafe { rd_kafka_oauthbearer_set_token_failure(client, why.as_ptr()) };
            return Ok(());
        }
    };
    let mut extensions: Vec<*const c_char> =
        token.extensions.iter().map(|text| text.as_ptr()).collect();
    let mut why = [0_u8; MAX_WHY];
    // SAFETY: as above; each text ends with a NUL character, and the numbers are those of the
    // pointers that `extensions` has and of the bytes that `why` has.
    let code = unsafe {
        rd_kafka_oauthbearer_set_token(
            client,
            token.value.as_ptr(),
            token.expires_at,
            token.principal.as_ptr(),
            extensions.as_mut_ptr(),
            extensions.len(),
            why.as_mut_ptr().cast(),
            why.len(),
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let why = CStr::from_bytes_until_nul(&why).unwrap_or_default();
    // It quotes a token that has other characters than it may: none comes as far as here.
    Err(why.to_string_lossy().into_owned())
}
