//! The contract between the worker and its connectors, converters and transforms; no I/O.
