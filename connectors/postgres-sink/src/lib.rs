//! The Postgres sink: COPY, exactly once.
