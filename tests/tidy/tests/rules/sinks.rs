//! Who writes a connector waits neither for librdkafka nor for the WASM compiler to build.

use tidy::manifest::{Lock, Manifest};
use tidy::none;

/// What takes minutes to build, as the lock file calls it.
const HEAVY: &[&str] = &["rdkafka-sys", "wasmtime"];
/// The connectors whose target is Kafka itself.
const OF_KAFKA: &[&str] = &["kafka-sink"];

#[test]
fn connectors_and_their_tests_build_without_kafka_and_wasm() {
    let lock = Lock::read("Cargo.lock");
    let mut offences = Vec::new();
    for heavy in HEAVY {
        assert!(
            lock.has(heavy),
            "Cargo.lock has no {heavy}: name what takes long now"
        );
    }
    for manifest in Manifest::all() {
        let Some(package) = manifest.package.as_deref() else {
            continue;
        };
        if !manifest.folder().starts_with("connectors/") || OF_KAFKA.contains(&package) {
            continue;
        }
        for way in HEAVY.iter().filter_map(|heavy| lock.way(package, heavy)) {
            offences.push(format!(
                "{}: {} builds for {package} or its tests: cut the way",
                manifest.path,
                way.join(" > ")
            ));
        }
    }
    none(&offences);
}
