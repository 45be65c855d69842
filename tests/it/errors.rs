//! Errant records: each is refused with its bytes and the reason, and nothing else is lost.

mod bisection;
mod bytes;
mod letters;
mod nesting;
mod secrets;
mod tolerance;
mod values;
