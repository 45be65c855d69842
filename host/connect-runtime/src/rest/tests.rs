//! The REST API against a herder in memory.
