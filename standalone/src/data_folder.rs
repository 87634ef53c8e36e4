//! The folder that holds everything a `tidings` process keeps: messages, signing secret, lock.
//!
//! One process at a time. Must not know what is in the database.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use platform::secret::Secret;

/// Bytes of a new secret: as many as HS256 can use (RFC 7518 section 3.2).
const SECRET_BYTES: usize = 32;
/// For nobody but the owner.
const FOLDER_MODE: u32 = 0o700;
const PRIVATE: u32 = 0o600;

/// A folder that this process holds; let go when dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// The system lets go of the lock when the process ends, however it ends.
    lock: File,
    after_unclean_end: bool,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process has it.
    #[error("the data folder {} is in use by another tidings{process}; stop it, or name another folder with --data", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which process, where that is known.
        process: String,
    },
    /// There is no secret to sign with.
    #[error("there is no signing secret in {}; start `tidings serve --data {}` once, which makes it", path.display(), path.display())]
    NoSecret {
        /// The folder.
        path: PathBuf,
    },
    /// The system refuses something.
    #[error("{} cannot be used", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataFolder {
    /// Takes hold of a folder; makes it, and its secret, when they are not there.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(path)
            .map_err(|source| io_error(path, source))?;
        let path = std::path::absolute(path).map_err(|source| io_error(path, source))?;
        let (lock, after_unclean_end) = lock(&path)?;
        make_secret(&secret_file(&path))?;
        Ok(Self { path, lock, after_unclean_end })
    }

    /// Whether the process before this one ended without [`DataFolder::close`].
    pub fn after_unclean_end(&self) -> bool {
        self.after_unclean_end
    }

    /// Says where the server on this folder listens, for commands beside it.
    pub fn listens_at(&self, address: SocketAddr) -> Result<(), DataFolderError> {
        let file = address_file(&self.path);
        std::fs::write(&file, address.to_string()).map_err(|source| io_error(&file, source))
    }

    /// Lets go of the folder, and leaves word that this was meant.
    pub fn close(self) {
        // Where it is left, a command asks there and is told that nobody answers.
        let _ = std::fs::remove_file(address_file(&self.path));
        if let Err(error) = self.lock.set_len(0) {
            tracing::debug!(%error, "the next start will take this end for a crash");
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of messages; empty at first. SQLite gives its mode to the files beside it.
    pub fn database_file(&self) -> Result<PathBuf, DataFolderError> {
        let path = database_file(&self.path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(PRIVATE);
        options.open(&path).map_err(|source| io_error(&path, source))?;
        Ok(path)
    }

    /// Whether others than the owner can read the secret: then they can sign tokens.
    pub fn is_secret_exposed(&self) -> bool {
        std::fs::metadata(secret_file(&self.path))
            .is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    }
}

/// Whether a folder can be that of a server, as far as that is seen without making or holding anything.
pub fn look(path: &Path) -> Result<(), DataFolderError> {
    let failed = |source| io_error(path, source);
    let path = std::path::absolute(path).map_err(failed)?;
    // What is not there will be made, in the last of these that is.
    let there = path.ancestors().find(|ancestor| ancestor.exists());
    there.map_or(Ok(()), |there| std::fs::read_dir(there).map(|_| ()).map_err(failed))
}

/// The file of messages in a folder.
pub fn database_file(folder: &Path) -> PathBuf {
    folder.join("tidings.db")
}

/// The file of the signing secret in a folder.
pub fn secret_file(folder: &Path) -> PathBuf {
    folder.join("secret")
}

/// The file that says where the server on a folder listens.
fn address_file(folder: &Path) -> PathBuf {
    folder.join("address")
}

/// Where the server on a folder listens, as far as this machine reaches it; none when it has not said so.
pub fn address(folder: &Path) -> Option<SocketAddr> {
    let mut address: SocketAddr =
        std::fs::read_to_string(address_file(folder)).ok()?.trim().parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(address)
}

/// The signing secret's file, if it is there already; a command that only signs does not make it, since a server that was
/// started elsewhere would refuse what it signs.
pub fn existing_secret_file(folder: &Path) -> Result<PathBuf, DataFolderError> {
    let file = secret_file(folder);
    match file.try_exists() {
        Ok(true) => Ok(file),
        Ok(false) => Err(DataFolderError::NoSecret { path: folder.to_owned() }),
        Err(source) => Err(io_error(&file, source)),
    }
}

/// The lock, and whether the one before was left as if by a crash.
fn lock(folder: &Path) -> Result<(File, bool), DataFolderError> {
    let path = folder.join("lock");
    let failed = |source| io_error(&path, source);
    let mut options = OpenOptions::new();
    let mut file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file.read_to_string(&mut text).ok().and(text.trim().parse::<u32>().ok());
            let process = holder.map(|id| format!(" (process {id})")).unwrap_or_default();
            return Err(DataFolderError::InUse { path: folder.to_owned(), process });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let was_left = file.metadata().map_err(failed)?.len() > 0;
    // For the message above, and for the next start: what counts is the lock.
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok((file, was_left))
}

/// Makes the secret where there is none: written aside and renamed, so that a crash leaves none or all
/// of it.
fn make_secret(path: &Path) -> Result<(), DataFolderError> {
    let failed = |source| io_error(path, source);
    if path.try_exists().map_err(failed)? {
        return Ok(());
    }
    let secret = new_secret();
    let aside = path.with_extension("new");
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&aside)
        .map_err(failed)?;
    file.write_all(secret.expose().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&aside, path))
        .map_err(failed)
}

/// One that nobody knows.
pub fn new_secret() -> Secret {
    Secret::new(rand::random::<[u8; SECRET_BYTES]>().map(|byte| format!("{byte:02x}")).concat())
}

fn io_error(path: &Path, source: io::Error) -> DataFolderError {
    DataFolderError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_find_the_server_of_a_folder_wherever_it_listens() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(parent.path()).unwrap();
        assert_eq!(address(parent.path()), None);
        for (listens, reached) in [
            ("127.0.0.1:8081", "127.0.0.1:8081"),
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8082", "[::1]:8082"),
        ] {
            folder.listens_at(listens.parse().unwrap()).unwrap();
            assert_eq!(address(parent.path()), Some(reached.parse().unwrap()));
        }
        folder.close();
        assert_eq!(address(parent.path()), None);
    }

    #[test]
    fn the_secret_is_made_once_for_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let folder = DataFolder::open(&path).unwrap();
        let file = secret_file(&path);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&file)), (FOLDER_MODE, PRIVATE));
        assert!(!folder.is_secret_exposed());
        let secret = std::fs::read_to_string(&file).unwrap();
        assert_eq!(secret.len(), 2 * SECRET_BYTES);
        drop(folder);
        drop(DataFolder::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), secret, "kept");

        let other = tempfile::tempdir().unwrap();
        drop(DataFolder::open(other.path()).unwrap());
        assert_ne!(std::fs::read_to_string(secret_file(other.path())).unwrap(), secret);
    }

    #[test]
    fn a_folder_that_was_not_closed_was_left_by_a_crash() {
        let parent = tempfile::tempdir().unwrap();
        let first = DataFolder::open(parent.path()).unwrap();
        assert!(!first.after_unclean_end());
        first.close();
        let second = DataFolder::open(parent.path()).unwrap();
        assert!(!second.after_unclean_end());
        drop(second);
        assert!(DataFolder::open(parent.path()).unwrap().after_unclean_end());
    }

    #[test]
    fn messages_are_for_the_owner_only_also_in_a_folder_that_others_can_enter() {
        let parent = tempfile::tempdir().unwrap();
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(parent.path(), all).unwrap();
        let file = DataFolder::open(parent.path()).unwrap().database_file().unwrap();
        std::fs::write(&file, "kept").unwrap();
        let again = DataFolder::open(parent.path()).unwrap().database_file().unwrap();
        assert_eq!(std::fs::read_to_string(&again).unwrap(), "kept");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, PRIVATE);
    }

    #[test]
    fn a_crash_while_the_secret_is_made_leaves_nothing_in_the_way() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("secret.new"), "half").unwrap();
        drop(DataFolder::open(parent.path()).unwrap());
        assert_eq!(std::fs::read(secret_file(parent.path())).unwrap().len(), 2 * SECRET_BYTES);
        assert!(!parent.path().join("secret.new").exists());
    }

    #[test]
    fn a_folder_is_held_by_one_process_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let held = DataFolder::open(parent.path()).unwrap();
        let error = DataFolder::open(parent.path()).unwrap_err().to_string();
        let process = format!("(process {})", std::process::id());
        assert!(error.contains(&process) && error.contains("--data"), "{error}");
        assert!(!error.contains('\n'), "one line");
        drop(held);
        DataFolder::open(parent.path()).unwrap();
    }

    #[test]
    fn a_secret_that_others_can_read_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        drop(DataFolder::open(parent.path()).unwrap());
        let all = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(secret_file(parent.path()), all).unwrap();
        assert!(DataFolder::open(parent.path()).unwrap().is_secret_exposed());
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataFolder::open(&file).unwrap_err().to_string();
        assert!(error.contains(&file.display().to_string()), "{error}");
    }

    #[test]
    fn nothing_is_signed_without_the_servers_secret() {
        let parent = tempfile::tempdir().unwrap();
        let error = existing_secret_file(parent.path()).unwrap_err().to_string();
        assert!(error.contains("tidings serve"), "{error}");
        drop(DataFolder::open(parent.path()).unwrap());
        assert_eq!(existing_secret_file(parent.path()).unwrap(), secret_file(parent.path()));
    }
}
