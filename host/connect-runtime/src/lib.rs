//! The worker: REST, herder, tasks; library and the binary ferrule.
