//! A TCP proxy between the worker and a service, which a test can cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy on a port of its own. It ends when dropped.
pub struct FaultProxy {
    port: u16,
    switch: Arc<Switch>,
    listener: JoinHandle<()>,
}

struct Switch {
    /// Each cut raises the number; a connection lives as long as the number it began with.
    cuts: watch::Sender<u64>,
    refusing: AtomicBool,
    passed: AtomicU64,
}

impl FaultProxy {
    /// A proxy to a port of this machine.
    pub async fn to(target: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", crate::names::free_port()?)).await?;
        let port = listener.local_addr()?.port();
        let switch = Arc::new(Switch {
            cuts: watch::Sender::new(0),
            refusing: AtomicBool::new(false),
            passed: AtomicU64::new(0),
        });
        let listener = tokio::spawn(accept(listener, target, Arc::clone(&switch)));
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

    /// Lets connections through again.
    pub fn restore(&self) {
        self.switch.refusing.store(false, Ordering::SeqCst);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: u16, switch: Arc<Switch>) {
    while let Ok((client, _)) = listener.accept().await {
        let cuts = switch.cuts.subscribe();
        // Looked up after the subscription, so that a refusal in between still cuts.
        if !switch.refusing.load(Ordering::SeqCst) {
            tokio::spawn(serve(client, target, cuts, Arc::clone(&switch)));
        }
    }
}

async fn serve(
    mut client: TcpStream,
    target: u16,
    mut cuts: watch::Receiver<u64>,
    switch: Arc<Switch>,
) {
    let Ok(mut service) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    let (from_client, to_client) = client.split();
    let (from_service, to_service) = service.split();
    // Whichever side ends first ends both, and a cut ends them in the middle of a message.
    tokio::select! {
        () = pass(from_client, to_service, &switch.passed) => {}
        () = pass(from_service, to_client, &switch.passed) => {}
        _ = cuts.changed() => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    passed: &AtomicU64,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        passed.fetch_add(length as u64, Ordering::Relaxed);
    }
}
