//! Where `make services` puts what the harness starts.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The clone whose tests run.
pub fn repository() -> PathBuf {
    // As cargo says while a test runs: this crate may have been built for another clone that shares
    // the target directory.
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let folder: PathBuf = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, Into::into);
    let mut parents = folder.ancestors();
    let root = parents.find(|parent| parent.join("Cargo.lock").is_file());
    root.unwrap_or(&folder).to_path_buf()
}

/// The folder of Kafka's jars.
pub fn kafka_jars() -> Result<PathBuf> {
    present(services()?.join("kafka"))
}

/// The registry's jar, which finds its libraries beside itself.
pub fn registry_jar() -> Result<PathBuf> {
    let folder = present(services()?.join("registry"))?;
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with("-runner.jar") {
            return Ok(path);
        }
    }
    anyhow::bail!("no registry in {}: run `make services`", folder.display())
}

/// The folder of PostgreSQL's `bin` and `lib`: `FERRULE_POSTGRES`, such as a server with other
/// extensions, or Debian's, which is off the PATH.
pub fn postgres() -> PathBuf {
    let given = std::env::var_os("FERRULE_POSTGRES");
    given.map_or_else(|| "/usr/lib/postgresql/15".into(), PathBuf::from)
}

/// One of PostgreSQL's programs.
pub fn postgres_program(name: &str) -> Result<PathBuf> {
    present(postgres().join("bin").join(name))
}

/// The worker's binary: `FERRULE_BIN`, or what cargo built beside this test binary.
///
/// Cargo does not build another package's binary for a test, so a stale one would be tested
/// without a word: it is refused when any of its sources is newer.
pub fn ferrule() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("FERRULE_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let profile = test
        .parent()
        .and_then(Path::parent)
        .context("test binary has no profile")?;
    let binary = profile.join("ferrule");
    let build = "run `make test`, or `cargo build -p connect-runtime`";
    ensure!(binary.is_file(), "{} is missing: {build}", binary.display());
    if let Some(source) = newer_source(&binary)? {
        anyhow::bail!("{} is older than {source}: {build}", binary.display());
    }
    Ok(binary)
}

/// The folder of the built WASM plugins: `FERRULE_PLUGINS`, or the clone's.
pub fn plugins() -> Result<PathBuf> {
    let folder = match std::env::var_os("FERRULE_PLUGINS") {
        Some(path) => path.into(),
        None => repository().join("plugins/dist"),
    };
    ensure!(
        folder.is_dir(),
        "{} is missing: run `make plugins`",
        folder.display()
    );
    Ok(folder)
}

/// The folder that `tests/services/install.sh` fills: `FERRULE_CACHE`, or one of the user's.
pub fn cache() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("FERRULE_CACHE") {
        return Ok(path.into());
    }
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    Ok(Path::new(&home).join(".cache/ferrule"))
}

fn services() -> Result<PathBuf> {
    Ok(cache()?.join("services"))
}

fn present(path: PathBuf) -> Result<PathBuf> {
    ensure!(
        path.exists(),
        "{} is missing: run `make services`",
        path.display()
    );
    Ok(path)
}

/// Reads the dependency file that cargo writes beside a binary: `binary: source source …`.
fn newer_source(binary: &Path) -> Result<Option<String>> {
    let built = binary.metadata()?.modified()?;
    let Ok(sources) = std::fs::read_to_string(binary.with_extension("d")) else {
        return Ok(None);
    };
    let newer = sources.split_whitespace().skip(1).find(|source| {
        let modified = std::fs::metadata(source).and_then(|file| file.modified());
        modified.is_ok_and(|modified| modified > built)
    });
    Ok(newer.map(str::to_owned))
}
