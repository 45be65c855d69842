//! Every input of `corpus/` holds, without a fuzzer: a target or a parser that
//! changes is seen to fail in `cargo test`.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_targets::{all, named};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(name)
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

// One test, because the memory that is counted is that of the process.
#[test]
fn every_input_holds() {
    for target in all() {
        let inputs = inputs(&folder("corpus").join(target.name));
        assert!(!inputs.is_empty(), "{} has no inputs", target.name);
        for path in inputs {
            println!("{}", path.display());
            let data = fs::read(&path).unwrap_or_else(|error| panic!("{error}"));
            target.check(&data);
            // Whatever is cut short is an input, too.
            for end in (0..data.len().min(64)).chain([data.len() / 2]) {
                target.check(&data[..end]);
            }
        }
    }
}

#[test]
fn every_folder_is_a_target() {
    for path in inputs(&folder("corpus")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        assert!(named(&name).is_some(), "{name} is no target");
        let bytes: u64 = inputs(&path)
            .iter()
            .filter_map(|path| fs::metadata(path).ok())
            .map(|it| fs::Metadata::len(&it))
            .sum();
        assert!(
            bytes <= 32 << 10,
            "{name}: {bytes} bytes are too many to keep"
        );
    }
}
