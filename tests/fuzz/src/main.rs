//! One target under libFuzzer: `FERRULE_FUZZ_TARGET` names it, and the arguments are libFuzzer's.
#![no_main]

use std::sync::OnceLock;

use fuzz_targets::{Target, named};

/// The target of this process.
static TARGET: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        let name = std::env::var("FERRULE_FUZZ_TARGET").unwrap_or_default();
        match named(&name) {
            Some(target) => {
                TARGET.get_or_init(|| target);
            }
            None => {
                eprintln!("FERRULE_FUZZ_TARGET={name} is no target");
                std::process::exit(2);
            }
        }
    },
    |data: &[u8]| {
        if let Some(target) = TARGET.get() {
            target.check(data);
        }
    }
);
