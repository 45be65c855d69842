//! Every type.
