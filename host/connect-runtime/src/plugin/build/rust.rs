//! Rust, by cargo: with rustup's target, or with Debian's toolchain for WebAssembly, which builds
//! the standard library along.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

use super::{output, program};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN: &str = "rustc-web cargo-web rust-web-src lld-19";
const DEBIAN_LINKER: &str = "wasm-ld-19";

/// The module of the package in the folder.
pub fn build(folder: &Path) -> Result<Vec<u8>> {
    let mut cargo = cargo(folder)?;
    cargo
        .current_dir(folder)
        .args(["build", "--release", "--lib", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = cargo.output().context("could not run cargo")?;
    ensure!(output.status.success(), "cargo failed: {}", output.status);
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Json>(line).ok());
    let modules: Vec<_> = messages.filter_map(module).collect();
    match modules.as_slice() {
        [file] => std::fs::read(file).with_context(|| file.display().to_string()),
        [] => bail!("the package has no library of crate-type cdylib, which a plugin is"),
        _ => bail!("the workspace has more than one plugin: name the folder of one"),
    }
}

/// The module that a package is made, if the message tells of one.
fn module(message: Json) -> Option<PathBuf> {
    let kinds = message["target"]["kind"].as_array()?;
    kinds.iter().find(|kind| **kind == "cdylib")?;
    let files = message["filenames"].as_array()?;
    let mut files = files.iter().filter_map(Json::as_str);
    files
        .find(|file| file.ends_with(".wasm"))
        .map(PathBuf::from)
}

/// A cargo that can build for WebAssembly.
fn cargo(folder: &Path) -> Result<Command> {
    let libraries = output(Command::new("rustc").current_dir(folder).args([
        "--print",
        "target-libdir",
        "--target",
        TARGET,
    ]));
    if libraries.is_some_and(|libraries| Path::new(&libraries).is_dir()) {
        return Ok(Command::new("cargo"));
    }
    if let Some(cargo) = debian() {
        return Ok(cargo);
    }
    bail!(
        "no Rust toolchain here can build for {TARGET}: {}run `rustup target add {TARGET}`, or on \
         Debian, as root, `apt-get install {DEBIAN}`",
        if program("cargo").is_some() {
            ""
        } else {
            "install Rust from https://rustup.rs, then "
        }
    )
}

fn debian() -> Option<Command> {
    let rustc = Path::new("/usr/bin/rustc");
    let cargo = Path::new("/usr/bin/cargo");
    program(DEBIAN_LINKER)?;
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    let sources = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    if !cargo.is_file() || !sources.is_dir() {
        return None;
    }
    let mut path = std::ffi::OsString::from("/usr/bin");
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    let mut command = Command::new(cargo);
    command
        .env("PATH", path)
        // A toolchain manager sets these for its own compiler.
        .env_remove("RUSTC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER)
        .arg("-Zbuild-std=std,panic_abort");
    Some(command)
}
