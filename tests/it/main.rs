//! The integration tests.

mod harness_smoke;
