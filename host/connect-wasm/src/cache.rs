//! Machine code of plugins on disk, from one start to the next.
//!
//! Whoever can write this code runs his own in the worker. It is read only from a folder that
//! nobody but the worker's user can write, and each entry is authenticated (HMAC-SHA256, RFC 2104)
//! by a key that lies beside it and that only that user can read.

use std::fs::{self, DirBuilder, File, Metadata};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use connect_api::{Error, Result};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use tempfile::NamedTempFile;
use wasmtime::Engine;

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// Bytes of one entry.
const ENTRY_BYTES: u64 = 512 << 20;
/// Bytes of all entries; the least recently used go first.
const TOTAL_BYTES: u64 = 1 << 30;
const SUFFIX: &str = ".cwasm";

/// Write permission of the group and of others.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// In such a folder only the owner of a file can rename or remove it, as in /tmp.
const STICKY: u32 = 0o1000;

/// Whether compiled code can be kept in a folder, which is made where there is none.
///
/// # Errors [`connect_api::ErrorKind::Config`] when it cannot be used, or when somebody else could
/// write into it.
pub fn check(folder: &Path) -> Result<()> {
    make(folder).map(drop)
}

/// The folder's own path, without links.
fn make(folder: &Path) -> Result<PathBuf> {
    let wrong = |why: String| wrong(folder, &why);
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(folder);
    let path = made.and_then(|()| folder.canonicalize());
    let path = path.map_err(|e| wrong(e.to_string()))?;
    check_folder(&path).map_err(wrong)?;
    Ok(path)
}

fn wrong(folder: &Path, why: &str) -> Error {
    let folder = folder.display();
    Error::config(format!("cannot keep compiled plugins in {folder}: {why}"))
}

/// A folder of compiled code.
#[derive(Debug)]
pub(crate) struct CodeCache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    /// Of all that machine code depends on beside the file: the compiler and its settings.
    compiler: u64,
}

impl CodeCache {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when it cannot be used, or when somebody else could write
    /// into it.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self> {
        let folder = make(folder)?;
        let key = key(&folder).map_err(|e| wrong(&folder, &e.to_string()))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Self {
            folder,
            key,
            compiler: hasher.finish(),
        };
        cache.remove_oldest(TOTAL_BYTES);
        Ok(cache)
    }

    /// The machine code of the file of this digest.
    pub(crate) fn get(&self, sha256: &str) -> Option<Vec<u8>> {
        let name = self.name(sha256);
        let file = File::open(self.folder.join(&name)).ok()?;
        let length = file.metadata().ok()?.len();
        if length > ENTRY_BYTES {
            return None;
        }
        let mut mac = [0; MAC_BYTES];
        (&file).read_exact(&mut mac).ok()?;
        let mut code = Vec::with_capacity(usize::try_from(length).ok()?);
        (&file).take(ENTRY_BYTES).read_to_end(&mut code).ok()?;
        if self.mac(&name, &code)?.verify_slice(&mac).is_err() {
            tracing::warn!(
                entry = name,
                folder = %self.folder.display(),
                "an entry of compiled code is damaged or not this worker's; it is compiled again"
            );
            return None;
        }
        // By its time it is known which entries are in use.
        let _ = file.set_modified(SystemTime::now());
        Some(code)
    }

    /// Keeps the machine code of the file of this digest. Without success it is compiled again at
    /// the next start.
    pub(crate) fn put(&self, sha256: &str, code: &[u8]) {
        if let Err(error) = self.write(&self.name(sha256), code) {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "cannot keep a compiled plugin");
        }
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let mac = self.mac(name, code);
        let mac = mac.ok_or_else(|| io::Error::other("the key has no length"))?;
        // It has permission 0600, and takes the entry's place in one step.
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(&mac.finalize().into_bytes())?;
        file.write_all(code)?;
        file.persist(self.folder.join(name))?;
        Ok(())
    }

    fn name(&self, sha256: &str) -> String {
        format!("{sha256}-{:016x}{SUFFIX}", self.compiler)
    }

    /// Over the name as well: an entry is no other plugin's.
    fn mac(&self, name: &str, code: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(code);
        Some(mac)
    }

    fn remove_oldest(&self, most: u64) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let metadata = fs::symlink_metadata(&path).ok()?;
                let is_entry = path.to_str()?.ends_with(SUFFIX) && metadata.is_file();
                is_entry.then_some((metadata.modified().ok()?, metadata.len(), path))
            })
            .collect();
        entries.sort();
        let mut kept = 0_u64;
        for (_, bytes, path) in entries.iter().rev() {
            kept = kept.saturating_add(*bytes);
            if kept > most {
                // Another worker of the same user may have been faster.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// # Errors
/// Who else could write into the folder, or put another one in its place.
fn check_folder(folder: &Path) -> std::result::Result<(), String> {
    let me = rustix::process::geteuid().as_raw();
    let stat = |path: &Path| fs::metadata(path).map_err(|e| format!("{}: {e}", path.display()));
    let own = stat(folder)?;
    if own.uid() != me {
        return Err(format!(
            "it belongs to user {}, and the worker runs as user {me}; name a folder of its own",
            own.uid()
        ));
    }
    if own.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!(
            "others can write into it (mode {:o}), and what they write would run in the worker; \
             chmod 700 it once it is empty",
            own.mode() & 0o7777
        ));
    }
    for parent in folder.ancestors().skip(1) {
        let of = stat(parent)?;
        let is_safe = of.mode() & WRITABLE_BY_OTHERS == 0 || of.mode() & STICKY != 0;
        if !is_safe || ![0, me].contains(&of.uid()) {
            return Err(format!(
                "others could put another folder in its place: {} belongs to user {} and has mode \
                 {:o}",
                parent.display(),
                of.uid(),
                of.mode() & 0o7777
            ));
        }
    }
    Ok(())
}

/// The key of the folder; a new one where there is none that only this user could have read.
fn key(folder: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let path = folder.join(KEY_FILE);
    if let Some(key) = read_key(&path) {
        return Ok(key);
    }
    if fs::symlink_metadata(&path).is_ok() {
        fs::remove_file(&path)?;
    }
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&key)?;
    // Of two workers that start at the same time one is first, and the other takes its key.
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(key),
        Err(failed) => read_key(&path).ok_or(failed.error),
    }
}

fn read_key(path: &Path) -> Option<[u8; KEY_BYTES]> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if !is_private(&metadata) {
        return None;
    }
    fs::read(path).ok()?.try_into().ok()
}

/// A file that nobody but this user can read or write.
fn is_private(file: &Metadata) -> bool {
    let me = rustix::process::geteuid().as_raw();
    file.is_file() && file.uid() == me && file.mode() & 0o077 == 0 && file.len() == KEY_BYTES as u64
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const DIGEST: &str = "abc";

    fn open(folder: &Path) -> Result<CodeCache> {
        CodeCache::open(folder, &Engine::default())
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn entry(cache: &CodeCache) -> PathBuf {
        cache.folder.join(cache.name(DIGEST))
    }

    #[test]
    fn an_entry_is_found_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/for/it");
        let cache = open(&path).unwrap();
        assert!(cache.get(DIGEST).is_none());
        cache.put(DIGEST, b"code");
        assert_eq!(open(&path).unwrap().get(DIGEST).unwrap(), b"code");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert!(cache.get("abd").is_none());
    }

    #[test]
    fn an_entry_that_is_not_the_workers_own_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path()).unwrap();
        let damaged: [&dyn Fn(Vec<u8>) -> Vec<u8>; 5] = [
            &|mut bytes| {
                *bytes.last_mut().unwrap() ^= 1;
                bytes
            },
            &|mut bytes| {
                bytes[0] ^= 1;
                bytes
            },
            &|bytes| [bytes, b"more".to_vec()].concat(),
            &|bytes| bytes[..bytes.len() - 1].to_vec(),
            &|_| Vec::new(),
        ];
        for damage in damaged {
            cache.put(DIGEST, b"code");
            fs::write(entry(&cache), damage(fs::read(entry(&cache)).unwrap())).unwrap();
            assert!(cache.get(DIGEST).is_none());
        }
        // The entry of another plugin, and one that was made with another key.
        cache.put("other", b"code");
        fs::rename(cache.folder.join(cache.name("other")), entry(&cache)).unwrap();
        assert!(cache.get(DIGEST).is_none());
        let foreign = tempfile::tempdir().unwrap();
        let other = open(foreign.path()).unwrap();
        other.put(DIGEST, b"code");
        fs::copy(entry(&other), entry(&cache)).unwrap();
        assert!(cache.get(DIGEST).is_none());
    }

    #[test]
    fn an_entry_beyond_all_size_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path()).unwrap();
        let file = File::create(entry(&cache)).unwrap();
        // A sparse file: it would be read as zeros.
        file.set_len(8 << 30).unwrap();
        assert!(cache.get(DIGEST).is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        open(&path).unwrap();
        for mode in [0o777, 0o770, 0o702, 0o1777] {
            chmod(&path, mode);
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains("others can write into it"), "{error}");
        }
        chmod(&path, 0o700);
        for mode in [0o777, 0o775] {
            chmod(folder.path(), mode);
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains("put another folder in its place"), "{error}");
            // A link from a safe place leads there all the same.
            let elsewhere = tempfile::tempdir().unwrap();
            let link = elsewhere.path().join("link");
            symlink(&path, &link).unwrap();
            assert!(open(&link).is_err());
        }
        chmod(folder.path(), 0o1777);
        open(&path).unwrap();
    }

    #[test]
    fn a_key_that_others_could_have_read_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path()).unwrap();
        cache.put(DIGEST, b"code");
        let key = folder.path().join(KEY_FILE);
        chmod(&key, 0o644);
        assert!(open(folder.path()).unwrap().get(DIGEST).is_none());
        assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
        // Neither is one that a link leads to.
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("known");
        fs::write(&target, [0; KEY_BYTES]).unwrap();
        chmod(&target, 0o600);
        fs::remove_file(&key).unwrap();
        symlink(&target, &key).unwrap();
        assert_ne!(open(folder.path()).unwrap().key, [0; KEY_BYTES]);
    }

    #[test]
    fn the_entries_that_were_not_used_for_longest_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path()).unwrap();
        for (age, digest) in [(30, "a"), (10, "b"), (20, "c")] {
            cache.put(digest, &[0; 1000]);
            let file = File::open(folder.path().join(cache.name(digest))).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age);
            file.set_modified(time).unwrap();
        }
        cache.remove_oldest(2500);
        assert!(cache.get("a").is_none());
        assert!(cache.get("b").is_some() && cache.get("c").is_some());
    }
}
