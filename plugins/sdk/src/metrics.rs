//! Numbers for the worker's metrics, under the plugin's name.

/// Adds to a counter.
pub fn count(name: &str, by: u64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::ferrule::transform::metrics::count(name, by);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::world(|world| *world.counters.entry(name.to_owned()).or_default() += by);
}

/// Sets a gauge.
pub fn gauge(name: &str, value: f64) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::ferrule::transform::metrics::gauge(name, value);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::world(|world| world.gauges.insert(name.to_owned(), value));
}
