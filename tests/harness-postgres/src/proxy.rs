//! A TCP proxy between the worker and a service, which a test can cut, slow down, silence, and set
//! to act at the very message that matters.

mod pump;
mod trap;

use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait::wait_until;
pub use pump::{Flow, Shape};
use trap::Trap;
pub use trap::{Act, COMMIT, COPY};

/// A proxy on a port of its own. It ends when dropped.
pub struct FaultProxy {
    port: u16,
    switch: Arc<Switch>,
    listener: JoinHandle<()>,
}

struct Switch {
    target: AtomicU16,
    /// Each cut raises the number; a connection lives as long as the number it began with.
    cuts: watch::Sender<u64>,
    refusing: AtomicBool,
    passed: AtomicU64,
    shape: watch::Sender<Shape>,
    trap: Mutex<Option<Trap>>,
    /// How many traps have sprung.
    sprung: AtomicU64,
    /// Each release raises the number and lets go what a trap holds.
    releases: watch::Sender<u64>,
}

impl FaultProxy {
    /// A proxy to a port of this machine.
    pub async fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", crate::names::free_port()?)).await?;
        let port = listener.local_addr()?.port();
        let switch = Arc::new(Switch {
            target: AtomicU16::new(target),
            cuts: watch::Sender::new(0),
            refusing: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            shape: watch::Sender::new(Shape::default()),
            trap: Mutex::new(None),
            sprung: AtomicU64::new(0),
            releases: watch::Sender::new(0),
        });
        let listener = tokio::spawn(accept(listener, Arc::clone(&switch)));
        Ok(Self {
            port,
            switch,
            listener,
        })
    }

    /// The port to connect to in place of the service's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads new connections to another port, as a name does after a failover.
    pub fn lead_to(&self, target: u16) {
        self.switch.target.store(target, Ordering::SeqCst);
    }

    /// Bytes passed on so far, both ways together: tells a test that something is under way.
    pub fn passed(&self) -> u64 {
        self.switch.passed.load(Ordering::Relaxed)
    }

    /// Breaks all connections at once, wherever they are; new ones are let through.
    pub fn cut(&self) {
        self.switch.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Breaks all connections and closes every new one at once, until [`FaultProxy::restore`].
    pub fn refuse(&self) {
        self.switch.refusing.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Passes bytes on in another way from now on.
    pub fn shape(&self, shape: Shape) {
        self.switch.shape.send_replace(shape);
    }

    /// Acts once, at the next message to the service that holds these bytes.
    pub fn trap(&self, bytes: &'static [u8], act: Act) {
        let trap = Trap { bytes, act };
        *self
            .switch
            .trap
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(trap);
    }

    /// How many traps have sprung.
    pub fn sprung(&self) -> u64 {
        self.switch.sprung.load(Ordering::SeqCst)
    }

    /// Waits until the trap that is set now has sprung.
    pub async fn springs(&self, limit: Duration) -> Result<()> {
        let set = || {
            let trap = &self.switch.trap;
            trap.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some()
        };
        wait_until(limit, "the trap to spring", async || Ok(!set())).await
    }

    /// Lets go what a trap holds.
    pub fn release(&self) {
        self.switch.releases.send_modify(|releases| *releases += 1);
    }

    /// Lets connections through again, as they are by default. Those that have lost bytes end.
    pub fn restore(&self) {
        let before = self.switch.shape.send_replace(Shape::default());
        *self
            .switch
            .trap
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.switch.refusing.store(false, Ordering::SeqCst);
        if before.flow == Flow::Lost {
            self.cut();
        }
        self.release();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, switch: Arc<Switch>) {
    while let Ok((client, _)) = listener.accept().await {
        let cuts = switch.cuts.subscribe();
        // Looked up after the subscription, so that a refusal in between still cuts.
        if !switch.refusing.load(Ordering::SeqCst) {
            tokio::spawn(serve(client, cuts, Arc::clone(&switch)));
        }
    }
}

async fn serve(mut client: TcpStream, mut cuts: watch::Receiver<u64>, switch: Arc<Switch>) {
    let target = switch.target.load(Ordering::SeqCst);
    let Ok(mut service) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    // Slices are to arrive as they are sent.
    if client.set_nodelay(true).is_err() || service.set_nodelay(true).is_err() {
        return;
    }
    let deaf = AtomicBool::new(false);
    let (from_client, to_client) = client.split();
    let (from_service, to_service) = service.split();
    // Whichever side ends first ends both, and a cut ends them in the middle of a message.
    tokio::select! {
        () = pump::requests(from_client, to_service, &switch, &deaf) => {}
        () = pump::replies(from_service, to_client, &switch, &deaf) => {}
        _ = cuts.changed() => {}
    }
}
