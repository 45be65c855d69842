//! The engine: one compiler and one clock for all plugins of a worker.

use std::path::Path;
use std::thread;
use std::time::Duration;

use connect_api::{Error, Result};
use wasmtime::{Cache, CacheConfig, Config, Engine, OptLevel};

use crate::fault::plain;

/// How often the clock ticks that deadlines are counted in.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// An engine that keeps compiled code in `cache_dir`, and the thread that makes its clock tick for
/// as long as the engine lives.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the directory cannot be used.
pub(crate) fn start(cache_dir: Option<&Path>) -> Result<Engine> {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        // Replays and every kind of CPU must give the same result.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    if let Some(directory) = cache_dir {
        // Its files are named by a hash of the code and of all that the compiler depends on.
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        let cache = Cache::new(cache).map_err(|e| {
            let directory = directory.display();
            Error::config(format!("cannot keep compiled plugins in {directory}"))
                .with_source(plain(&e))
        })?;
        config.cache(Some(cache));
    }
    let engine = Engine::new(&config)
        .map_err(|e| Error::fatal("cannot start the WASM engine").with_source(plain(&e)))?;
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
