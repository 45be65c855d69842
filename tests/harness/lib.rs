//! Starts and stops the real services that the integration tests use.
