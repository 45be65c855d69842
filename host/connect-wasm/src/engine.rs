//! The engine: one compiler and one clock for all plugins of a worker.

use std::thread;
use std::time::Duration;

use connect_api::{Error, Result};
use wasmtime::{Config, Engine, OptLevel};

use crate::fault::plain;

/// How often the clock ticks that deadlines are counted in.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// An engine. What one has compiled runs in every other one of the same build.
///
/// # Errors
/// [`connect_api::ErrorKind::Fatal`] when this machine cannot run WASM.
pub(crate) fn new() -> Result<Engine> {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        // Replays and every kind of CPU must give the same result.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    Engine::new(&config)
        .map_err(|e| Error::fatal("cannot start the WASM engine").with_source(plain(&e)))
}

/// An engine, and the thread that makes its clock tick for as long as the engine lives.
///
/// # Errors
/// [`connect_api::ErrorKind::Fatal`] when it cannot be started.
pub(crate) fn start() -> Result<Engine> {
    let engine = new()?;
    let clock = engine.weak();
    thread::Builder::new()
        .name("ferrule-epoch".into())
        .spawn(move || {
            while let Some(engine) = clock.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map_err(|e| Error::fatal("cannot start the clock of the plugins").with_source(e))?;
    Ok(engine)
}

/// A deadline in ticks. One more than asked for, because the current tick has begun already.
pub(crate) fn ticks(timeout: Duration) -> u64 {
    let ticks = timeout.as_millis().div_ceil(TICK.as_millis()) + 1;
    u64::try_from(ticks).unwrap_or(u64::MAX / 2)
}
