//! Names and ports that no other test of this run, nor another run, has taken.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Linux hands out ports from 32768 up to clients, so one taken from below that stays free between
/// the moment it is found and the moment its server binds it.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

static COUNTER: AtomicU32 = AtomicU32::new(1);
static NEXT_PORT: LazyLock<AtomicU16> = LazyLock::new(|| {
    let spread = std::process::id().wrapping_mul(7919) % u32::from(PORTS.end - PORTS.start);
    AtomicU16::new(u16::try_from(spread).unwrap_or(0))
});

/// `stem`, with an ending that makes it the only one: fit for topics, groups and connectors.
pub fn unique(stem: &str) -> String {
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{count}", std::process::id())
}

/// A TCP port of the loopback address that nothing listens on.
pub fn free_port() -> Result<u16> {
    for _ in PORTS {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + step % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
