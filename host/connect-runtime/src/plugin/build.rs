//! `ferrule plugin build`: the component of a folder, by the tools of its language.

mod rust;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use connect_wasm::componentize;

use super::host::Host;

#[derive(Args)]
pub struct BuildArgs {
    /// The plugin's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The file to make, instead of NAME.wasm in the folder.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What a build has made.
struct Built {
    name: String,
    wasm: Vec<u8>,
}

/// Builds the plugin; it is loaded once, so that what is made is known to be good.
pub fn run(args: &BuildArgs) -> Result<bool> {
    let folder = &args.folder;
    let built = if folder.join("Cargo.toml").is_file() {
        rust::build(folder)?
    } else {
        bail!(
            "{} is no plugin: it has no Cargo.toml; `ferrule plugin new` makes one",
            folder.display()
        );
    };
    let component = componentize(&built.wasm)?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| folder.join(format!("{}.wasm", built.name)));
    write(&out, &component)?;
    let host = Host::open(&out).context("what was built is no plugin")?;
    println!(
        "{}: {} {}, {} bytes",
        out.display(),
        host.info.name,
        host.info.version,
        component.len()
    );
    Ok(true)
}

/// Under another name first: a worker may look at any time. An unchanged file keeps its time.
fn write(out: &Path, component: &[u8]) -> Result<()> {
    let name = || format!("could not write {}", out.display());
    if std::fs::read(out).is_ok_and(|old| old == component) {
        return Ok(());
    }
    let new = out.with_extension("wasm.new");
    std::fs::write(&new, component).with_context(name)?;
    std::fs::rename(&new, out).with_context(name)
}

/// A program on the PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// What a program prints; none where it fails or is not there.
fn output(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
