//! Passes bytes from one side of a proxy to the other, in the way that the test wants.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Switch;
use super::trap::{Act, springs};

/// How bytes are passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How long they take.
    pub delay: Duration,
    /// At most so many a second.
    pub bytes_per_second: Option<u64>,
    /// At most so many at a time.
    pub slice: Option<usize>,
    /// Whether they arrive.
    pub flow: Flow,
}

/// Whether bytes arrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They do.
    #[default]
    Open,
    /// They wait until the flow is another.
    Held,
    /// They are lost, and neither side is told: the connection is half open.
    Lost,
}

/// From the client to the service.
pub(super) async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    switch: &Switch,
    deaf: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut left: Option<usize> = None;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let mut data = &buffer[..length];
        if let Some((at, act)) = springs(switch, data) {
            let (before, rest) = data.split_at(at);
            // Subscribed before the message is held: no release in between is missed.
            let mut releases = switch.releases.subscribe();
            if act == Act::CutAnswer {
                deaf.store(true, Ordering::SeqCst);
            }
            if pass(before, &mut to, switch).await.is_none() {
                return;
            }
            match act {
                Act::CutBefore => return,
                Act::CutAfter(bytes) => left = Some(bytes),
                Act::CutAnswer => {}
                Act::Hold => {
                    if releases.changed().await.is_err() {
                        return;
                    }
                }
            }
            data = rest;
        }
        if let Some(bytes) = left {
            data = &data[..bytes.min(data.len())];
            left = Some(bytes - data.len());
        }
        if pass(data, &mut to, switch).await.is_none() || left == Some(0) {
            return;
        }
    }
}

/// From the service to the client.
pub(super) async fn replies(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    switch: &Switch,
    deaf: &AtomicBool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // The service has answered what the trap let through.
        if deaf.load(Ordering::SeqCst) || pass(&buffer[..length], &mut to, switch).await.is_none() {
            return;
        }
    }
}

/// None: the other side has gone.
async fn pass(data: &[u8], to: &mut (impl AsyncWrite + Unpin), switch: &Switch) -> Option<()> {
    let mut shapes = switch.shape.subscribe();
    let shape = *shapes
        .wait_for(|shape| shape.flow != Flow::Held)
        .await
        .ok()?;
    if shape.flow == Flow::Lost {
        return Some(());
    }
    if !shape.delay.is_zero() {
        tokio::time::sleep(shape.delay).await;
    }
    for piece in data.chunks(shape.slice.unwrap_or(usize::MAX).max(1)) {
        to.write_all(piece).await.ok()?;
        to.flush().await.ok()?;
        switch
            .passed
            .fetch_add(piece.len() as u64, Ordering::Relaxed);
        if let Some(rate) = shape.bytes_per_second {
            let seconds = piece.len() as f64 / rate.max(1) as f64;
            tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        } else if shape.slice.is_some() {
            // Else the kernel would put the pieces together again.
            tokio::task::yield_now().await;
        }
    }
    Some(())
}
