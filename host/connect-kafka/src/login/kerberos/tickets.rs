//! The thread that keeps the tickets of the process fresh.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use connect_api::{Error, Result};
use tokio::process::Command;
use tokio::sync::oneshot;
use tracing::{Instrument as _, debug, info, info_span, warn};

use super::{Keys, TicketSource};

/// After it `kinit` is ended: a KDC that does not answer is tried again.
const KINIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How soon tickets are asked for again that did not come.
const RETRY: Duration = Duration::from_secs(2);

/// The login that the process has.
static LOGIN: Mutex<Option<(TicketSource, Weak<Tickets>)>> = Mutex::new(None);

/// A login by Kerberos, for as long as a client has it.
pub(crate) struct Tickets {
    /// Dropped with the last client, which ends the thread.
    _stop: oneshot::Sender<()>,
    first: Arc<First>,
}

/// Whether tickets have been asked for once, whatever came of it.
#[derive(Default)]
struct First {
    is_over: Mutex<bool>,
    over: Condvar,
}

impl First {
    fn set_over(&self) {
        *self.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.over.notify_all();
    }

    fn wait(&self) {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .over
            .wait_timeout_while(is_over, KINIT_TIMEOUT, |is_over| !*is_over);
        drop(waited);
    }
}

impl Tickets {
    /// The login of this source, which is begun where no client has it. The first client of a
    /// process waits here until `kinit` has ended: without a ticket it would be turned away.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the process is logged in as somebody else.
    pub(crate) fn of(source: TicketSource) -> Result<Arc<Self>> {
        let tickets = {
            let mut login = LOGIN.lock().unwrap_or_else(PoisonError::into_inner);
            let live = login.as_ref().and_then(|(of, tickets)| {
                let tickets = tickets.upgrade()?;
                Some((of, tickets))
            });
            match live {
                Some((of, tickets)) if *of == source => tickets,
                Some(_) => {
                    return Err(Error::config(
                        "sasl.jaas.config: this process is logged in to Kerberos by another keyTab \
                         or principal, and has one cache of tickets; give all of the worker's \
                         clients the same, or the other cluster a worker of its own",
                    ));
                }
                None => {
                    let tickets = Arc::new(Self::start(source.clone())?);
                    *login = Some((source, Arc::downgrade(&tickets)));
                    tickets
                }
            }
        };
        tickets.first.wait();
        Ok(tickets)
    }

    fn start(source: TicketSource) -> Result<Self> {
        let failed = |cause: io::Error| {
            Error::retriable("cannot start the thread of a login").with_source(cause)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let first = Arc::new(First::default());
        let (stop, stopped) = oneshot::channel();
        let span = info_span!(parent: None, "kerberos", principal = source.principal);
        let keep = keep(source, Arc::clone(&first), stopped).instrument(span);
        std::thread::Builder::new()
            .name("kerberos".into())
            .spawn(move || runtime.block_on(keep))
            .map_err(failed)?;
        Ok(Self { _stop: stop, first })
    }
}

/// Asks for tickets again and again until the last client is gone.
async fn keep(source: TicketSource, first: Arc<First>, mut stopped: oneshot::Receiver<()>) {
    let mut failure = None;
    loop {
        let asked = tokio::select! {
            _ = &mut stopped => return,
            asked = kinit(&source) => asked,
        };
        first.set_over();
        let wait = match asked {
            Ok(()) => {
                if failure.take().is_some() {
                    info!("there are tickets to log in with again");
                }
                source.renewal
            }
            Err(why) => {
                tell(&source, &why, failure.as_deref());
                failure = Some(why);
                RETRY.min(source.renewal)
            }
        };
        tokio::select! {
            _ = &mut stopped => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Tells why there are no new tickets, unless that has been told.
fn tell(source: &TicketSource, why: &str, told: Option<&str>) {
    if told == Some(why) {
        return;
    }
    let kinit = source.kinit.display();
    match source.keys {
        Keys::Keytab(_) => warn!(
            error = why,
            %kinit,
            "there is no new ticket of Kerberos; it is tried again. Check keyTab and principal of \
             sasl.jaas.config, and krb5.conf"
        ),
        // Whoever fills the cache may do it without tickets that can be renewed.
        Keys::TicketCache => {
            debug!(error = why, %kinit, "the tickets in the cache are not renewed");
        }
    }
}

/// Runs `kinit` once.
///
/// # Errors
/// What it says.
async fn kinit(source: &TicketSource) -> std::result::Result<(), String> {
    let mut command = Command::new(&source.kinit);
    command
        .args(source.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(KINIT_TIMEOUT, command.output()).await;
    let output = match ended {
        Err(_) => return Err(format!("no answer within {KINIT_TIMEOUT:?}")),
        Ok(Err(cause)) => return Err(cause.to_string()),
        Ok(Ok(output)) => output,
    };
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(said.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}
