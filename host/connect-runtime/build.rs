//! Puts the SDK and the contract into the binary, so that `ferrule plugin new` makes folders that
//! build anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = |name| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let here = folder("CARGO_MANIFEST_DIR");
    let root = here.join("../..").canonicalize()?;
    let mut files = vec![root.join("plugins/Cargo.toml")];
    for part in ["plugins/sdk", "plugins/sdk-derive"] {
        let part = root.join(part);
        files.push(part.join("Cargo.toml"));
        walk(&part.join("src"), &mut files)?;
    }
    walk(&root.join("wit"), &mut files)?;
    files.retain(|file| file.extension().is_some_and(|e| e != "md"));
    files.sort();
    let mut code = String::from("const FILES: &[(&str, &str)] = &[\n");
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file);
        // Writing to a String never fails.
        let _ = writeln!(code, "    ({name:?}, include_str!({file:?})),");
    }
    code.push_str("];\n");
    fs::write(folder("OUT_DIR").join("vendored.rs"), code)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // A file that comes or goes changes the folder.
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
