//! C, by clang and wasi-libc: its allocator and string functions, nothing that asks for WASI.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{contract, needed, program, scratch, tool};

const DEBIAN: &str = "on Debian, as root, `apt-get install clang lld-19 wasi-libc`";
const WIT_BINDGEN: &str = "`cargo install wit-bindgen-cli --version 0.61.1 --locked`";
const LINKERS: &[&str] = &["wasm-ld", "wasm-ld-19", "wasm-ld-14"];
/// Where Debian has the library, and its headers.
const LIBC: &str = "/usr/lib/wasm32-wasi/libc.a";
const HEADERS: &str = "/usr/include/wasm32-wasi";

/// The module of the C files in the folder.
pub fn build(folder: &Path, wit: &Path) -> Result<Vec<u8>> {
    let clang = needed("clang", DEBIAN)?;
    let linker = LINKERS.iter().find_map(|name| program(name));
    let linker = linker.with_context(|| format!("wasm-ld is missing: {DEBIAN}"))?;
    let libc = PathBuf::from(LIBC);
    let libc = Some(libc).filter(|file| file.is_file());
    let libc = libc.with_context(|| format!("{LIBC} is missing: {DEBIAN}"))?;
    let bindgen = needed("wit-bindgen", WIT_BINDGEN)?;
    let made = scratch(folder, "c")?;
    let contract = contract(wit, &made)?;
    tool(
        Command::new(bindgen)
            .args(["c", "--world", "transform", "--out-dir"])
            .arg(&made)
            .arg(contract),
    )?;
    let module = made.join("plugin.wasm");
    let mut command = Command::new(clang);
    command
        .args([
            "--target=wasm32-wasi",
            "-mexec-model=reactor",
            "-O2",
            "-Wall",
            "-nostdlib",
        ])
        .args(["-isystem", HEADERS, "-Wl,--no-entry", "-Wl,--strip-debug"])
        .arg(format!("-fuse-ld={}", linker.display()))
        .arg("-I")
        .arg(&made)
        .arg("-o")
        .arg(&module);
    for file in sources(folder)? {
        command.arg(file);
    }
    command
        .arg(made.join("transform.c"))
        .arg(made.join("transform_component_type.o"))
        .arg(libc);
    tool(&mut command)?;
    std::fs::read(&module).with_context(|| module.display().to_string())
}

/// The C files of the folder itself.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files
        .filter(|file| file.extension().is_some_and(|e| e == "c"))
        .collect();
    files.sort();
    Ok(files)
}
