//! Files that an option names: certificates, keys, what a config provider reads.
//!
//! Whoever may write a config may name any path. A FIFO has no writer, a device no end, and a file
//! of the kernel may be either: only regular files of a file system are read, up to a limit.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Most bytes of a file that an option names.
pub const MOST_CONFIG_FILE_BYTES: u64 = 1 << 20;

/// File systems of the kernel: their files have no size, and reading one may wait.
const KERNEL: &[&str] = &["/proc", "/sys"];

/// Reads a file that an option names: a regular one, up to [`MOST_CONFIG_FILE_BYTES`]. It never
/// waits for whoever writes to the file.
///
/// # Errors
/// When the file cannot be read, or is none of this kind.
pub fn read_config_file(path: &Path) -> Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(MOST_CONFIG_FILE_BYTES + 1)
        .read_to_end(&mut bytes)?;
    // It may have grown since it was opened.
    match u64::try_from(bytes.len()) {
        Ok(..=MOST_CONFIG_FILE_BYTES) => Ok(bytes),
        _ => Err(too_large()),
    }
}

/// Looks whether [`read_config_file`] would read the file, for a library that opens it itself.
///
/// # Errors
/// As for [`read_config_file`].
pub fn check_config_file(path: &Path) -> Result<()> {
    open(path).map(drop)
}

fn open(path: &Path) -> Result<File> {
    // Opening a FIFO waits for a writer, unless it is told not to.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || is_of_the_kernel(&metadata) {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    if metadata.len() > MOST_CONFIG_FILE_BYTES {
        return Err(too_large());
    }
    Ok(file)
}

fn too_large() -> Error {
    let why = format!("larger than {MOST_CONFIG_FILE_BYTES} bytes");
    Error::new(ErrorKind::FileTooLarge, why)
}

fn is_of_the_kernel(metadata: &Metadata) -> bool {
    let device = |path| std::fs::metadata(path).map(|root| root.dev());
    KERNEL
        .iter()
        .any(|root| device(root).is_ok_and(|device| device == metadata.dev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_regular_files_up_to_a_limit_are_read() {
        let folder = folder("config-file");
        let path = |name: &str| folder.join(name);
        std::fs::write(path("small"), "abc").unwrap();
        assert_eq!(read_config_file(&path("small")).unwrap(), b"abc");
        std::os::unix::fs::symlink(path("small"), path("link")).unwrap();
        assert_eq!(read_config_file(&path("link")).unwrap(), b"abc");
        let most = usize::try_from(MOST_CONFIG_FILE_BYTES).unwrap();
        std::fs::write(path("most"), vec![0; most]).unwrap();
        assert_eq!(read_config_file(&path("most")).unwrap().len(), most);
        std::fs::write(path("more"), vec![0; most + 1]).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(path("fifo"))
            .status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink(path("fifo"), path("to-fifo")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let own = ["more", "fifo", "to-fifo", "socket", "", "missing"].map(path);
        let others = [
            "/dev/zero",
            "/dev/null",
            "/dev/tty",
            "/proc/self/environ",
            "/proc/kmsg",
            "/sys/kernel/uevent_seqnum",
            "/",
        ];
        for path in own
            .iter()
            .map(std::path::PathBuf::as_path)
            .chain(others.map(Path::new))
        {
            assert!(read_config_file(path).is_err(), "{}", path.display());
            assert!(check_config_file(path).is_err(), "{}", path.display());
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
