//! A login: the thread that keeps its token, and the clients that are handed it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connect_api::{Error, ErrorKind, Result};
use connect_oauth::{AccessToken, random};
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug, info, info_span, warn};

use super::native::{LoginOutcome, LogsIn, SaslToken};
use super::settings::carried;
use super::spec::LoginSpec;

/// All logins that clients have, by what describes them.
static LOGINS: Mutex<BTreeMap<String, Weak<Login>>> = Mutex::new(BTreeMap::new());

/// A login, which all clients of the same settings share.
pub(super) struct Login {
    clients: Arc<Clients>,
    /// Dropped with the login, which ends its thread.
    _stop: oneshot::Sender<()>,
}

/// The clients of a login, and what they are handed.
#[derive(Default)]
struct Clients(Mutex<State>);

#[derive(Default)]
struct State {
    token: Option<Held>,
    /// Why there is no token.
    failure: Option<CString>,
    registered: BTreeMap<u64, Weak<dyn LogsIn>>,
    next: u64,
}

struct Held {
    token: SaslToken,
    expires_at: SystemTime,
}

/// A client's place among those that are handed tokens, until it is dropped.
pub(super) struct Registration {
    login: Arc<Login>,
    number: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // The lock is held while a client is handed something: after this nobody else has it.
        self.login.clients.state().registered.remove(&self.number);
    }
}

impl Login {
    /// The login of these settings, which is begun where no client has it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the settings describe none.
    pub(super) fn of(settings: &str) -> Result<Arc<Self>> {
        let mut logins = LOGINS.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, login| login.strong_count() > 0);
        if let Some(login) = logins.get(settings).and_then(Weak::upgrade) {
            return Ok(login);
        }
        let parsed = carried(settings)?;
        let login = Arc::new(Self::start(LoginSpec::new(&parsed)?)?);
        logins.insert(settings.to_owned(), Arc::downgrade(&login));
        Ok(login)
    }

    fn start(spec: LoginSpec) -> Result<Self> {
        let failed = |cause: std::io::Error| {
            Error::retriable("cannot start the thread of a login").with_source(cause)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let clients = Arc::new(Clients::default());
        let (stop, stopped) = oneshot::channel();
        // It is not the task's that has begun it: others share it, and may outlive that one.
        let span = info_span!(parent: None, "login", source = %spec.source);
        let keep = keep(spec, Arc::clone(&clients), stopped).instrument(span);
        std::thread::Builder::new()
            .name("login".into())
            .spawn(move || runtime.block_on(keep))
            .map_err(failed)?;
        Ok(Self {
            clients,
            _stop: stop,
        })
    }

    /// Hands a client what there is now, and from now on whatever comes.
    pub(super) fn register(self: Arc<Self>, client: Weak<dyn LogsIn>) -> Registration {
        let number = {
            let mut state = self.clients.state();
            state.hand(&client);
            let number = state.next;
            state.next += 1;
            state.registered.insert(number, client);
            number
        };
        Registration {
            login: self,
            number,
        }
    }
}

impl Clients {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, held: Held) {
        let mut state = self.state();
        state.token = Some(held);
        state.failure = None;
        state.hand_to_all();
    }

    /// No token came. Clients hear of it when they have none that is still good.
    fn fail(&self, error: &Error) {
        let told = error.chain();
        let mut state = self.state();
        if state.token.as_ref().is_some_and(Held::is_good) {
            warn!(
                error = told,
                "the token cannot be renewed; it is tried again"
            );
            return;
        }
        let text = CString::new(told.replace('\0', " ")).unwrap_or_default();
        if state.failure.as_ref() != Some(&text) {
            warn!(
                error = told,
                "there is no token to log in with; it is tried again"
            );
        }
        state.token = None;
        state.failure = Some(text);
        state.hand_to_all();
    }
}

impl State {
    fn hand_to_all(&self) {
        for client in self.registered.values() {
            self.hand(client);
        }
    }

    fn hand(&self, client: &Weak<dyn LogsIn>) {
        let good = self.token.as_ref().filter(|held| held.is_good());
        let outcome = match (good, &self.failure) {
            (Some(held), _) => LoginOutcome(Ok(&held.token)),
            (None, Some(failure)) => LoginOutcome(Err(failure)),
            (None, None) => return,
        };
        let Some(client) = client.upgrade() else {
            return;
        };
        if let Err(why) = client.hand(&outcome) {
            warn!(why, "the Kafka client does not take the token");
            if let Ok(why) = CString::new(why) {
                // It takes a failure in any state.
                let _ = client.hand(&LoginOutcome(Err(&why)));
            }
        }
    }
}

impl Held {
    fn is_good(&self) -> bool {
        self.expires_at > SystemTime::now()
    }
}

/// Keeps the token of a login until the login is dropped.
async fn keep(spec: LoginSpec, clients: Arc<Clients>, mut stopped: oneshot::Receiver<()>) {
    let mut failures = 0_u32;
    loop {
        let fetched = tokio::select! {
            _ = &mut stopped => return,
            fetched = spec.fetch() => fetched,
        };
        let wait = match fetched.and_then(|token| held(&spec, &token)) {
            Ok(held) => {
                let lifetime = held.expires_at.duration_since(SystemTime::now());
                let lifetime = lifetime.unwrap_or_default();
                clients.take(held);
                if failures > 0 {
                    info!("there is a token to log in with again");
                }
                failures = 0;
                let wait = spec.schedule.delay(lifetime, random());
                debug!(?wait, "the token will be renewed");
                // One that is gone at once must not be asked for without end.
                wait.max(spec.backoff.first)
            }
            Err(error) => {
                clients.fail(&error);
                let number = failures;
                failures = failures.saturating_add(1);
                match error.kind() {
                    ErrorKind::Retriable => spec.backoff.delay(number),
                    // A refusal stays one until somebody changes something.
                    _ => spec.backoff.most,
                }
            }
        };
        tokio::select! {
            _ = &mut stopped => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// A token with what goes to the broker beside it.
fn held(spec: &LoginSpec, token: &AccessToken) -> Result<Held> {
    let text = |text: &str| {
        CString::new(text).map_err(|_| Error::config("the login has a NUL character in it"))
    };
    let lifetime = token.lifetime(SystemTime::now());
    if lifetime.is_zero() {
        return Err(Error::config(format!(
            "{}: the token has expired already; the clocks of the server and of this machine may \
             differ",
            spec.source
        )));
    }
    let since = token.expires_at.duration_since(UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_millis();
    let mut extensions = Vec::with_capacity(2 * spec.extensions.len());
    for (name, value) in &spec.extensions {
        extensions.extend([text(name)?, text(value)?]);
    }
    Ok(Held {
        token: SaslToken {
            value: text(token.value.expose())?,
            principal: text(token.subject.as_deref().unwrap_or(&spec.principal))?,
            expires_at: i64::try_from(since).unwrap_or(i64::MAX / 1000),
            extensions,
        },
        expires_at: token.expires_at,
    })
}
