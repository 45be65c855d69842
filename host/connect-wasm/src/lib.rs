//! The host of WASM plugins.
