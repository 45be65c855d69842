//! `ferrule plugin build`: the component of a folder, by the tools of its language.

mod c;
mod python;
mod rust;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use connect_wasm::componentize;

use super::host::Host;
use super::say::say;

#[derive(Args)]
pub struct BuildArgs {
    /// The plugin's folder.
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The file to make, instead of NAME.wasm in the folder.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the contract is, instead of wit/ in the folder: for C and Python.
    #[arg(long, value_name = "DIR")]
    wit: Option<PathBuf>,
}

/// Builds the plugin; it is loaded once, so that what is made is known to be good.
pub fn run(args: &BuildArgs) -> Result<bool> {
    let folder = &args.folder;
    let wit = args.wit.clone().unwrap_or_else(|| folder.join("wit"));
    let wasm = if folder.join("Cargo.toml").is_file() {
        rust::build(folder)?
    } else if folder.join("plugin.c").is_file() {
        c::build(folder, &wit)?
    } else if folder.join("plugin.py").is_file() {
        python::build(folder, &wit)?
    } else {
        bail!(
            "{} is no plugin: it has no Cargo.toml, plugin.c or plugin.py; \
             `ferrule plugin new` makes one",
            folder.display()
        );
    };
    let component = componentize(&wasm)?;
    let (name, version) = described(&component)?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| folder.join(format!("{name}.wasm")));
    write(&out, &component)?;
    say!(
        "{}: {name} {version}, {} bytes",
        out.display(),
        component.len()
    );
    Ok(true)
}

/// What the component says of itself.
fn described(component: &[u8]) -> Result<(String, String)> {
    let file = tempfile::NamedTempFile::new().context("no place for the component")?;
    std::fs::write(file.path(), component).context("no place for the component")?;
    let host = Host::open(file.path()).context("what was built is no plugin")?;
    Ok((host.info.name.clone(), host.info.version.clone()))
}

/// Where the tools of C and Python put what they make; the folder is made anew.
fn scratch(folder: &Path, language: &str) -> Result<PathBuf> {
    let scratch = folder.join("target").join(language);
    let name = || format!("could not write {}", scratch.display());
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).with_context(name)?;
    }
    std::fs::create_dir_all(&scratch).with_context(name)?;
    scratch.canonicalize().with_context(name)
}

/// The contract's files, without what else may lie beside them.
fn contract(wit: &Path, scratch: &Path) -> Result<PathBuf> {
    let copies = scratch.join("wit");
    let name = || format!("could not read the contract in {}", wit.display());
    std::fs::create_dir_all(&copies).with_context(name)?;
    for entry in std::fs::read_dir(wit).with_context(name)? {
        let path = entry.with_context(name)?.path();
        if let (true, Some(file)) = (
            path.extension().is_some_and(|e| e == "wit"),
            path.file_name(),
        ) {
            std::fs::copy(&path, copies.join(file)).with_context(name)?;
        }
    }
    Ok(copies)
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

/// Runs a tool whose own words say what is wrong.
fn tool(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("could not run {name}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{name} failed: {}\n{told}",
        output.status
    );
    Ok(())
}

/// A program on the PATH, or how to get it.
fn needed(name: &str, get: &str) -> Result<PathBuf> {
    program(name).with_context(|| format!("{name} is missing: {get}"))
}
