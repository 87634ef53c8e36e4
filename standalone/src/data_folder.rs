//! The folder that holds everything: the database, and the secret that tokens are signed with.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use platform::secret::Secret;

/// An existing data folder.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
}

impl DataFolder {
    /// Makes the folder when it is missing; only its owner may look inside.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("the data folder {} cannot be made", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Keeps other processes out until the file is dropped.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("{} cannot be written", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                bail!("another tidings serves the data folder {}", self.path.display())
            }
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| path.display().to_string())
            }
        }
    }

    /// Where the messages are.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("tidings.db")
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The signing secret, made at the first call: 32 random bytes, for the owner only.
    pub(crate) fn secret(&self) -> Result<Secret> {
        let path = self.path.join("secret");
        // Two version 4 UUIDs would do, but 32 random bytes are what HS256 asks for.
        let fresh = rand::random::<[u64; 4]>().map(|word| format!("{word:016x}")).concat();
        let made = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path);
        match made {
            Ok(mut file) => {
                file.write_all(fresh.as_bytes())
                    .and_then(|()| file.sync_all())
                    .with_context(|| path.display().to_string())?;
                Ok(Secret::new(fresh))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let text =
                    std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                Ok(Secret::new(text.trim()))
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_secret_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(&folder.path().join("data")).unwrap();
        let secret = data.secret().unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(data.secret().unwrap(), secret);
        let mode = std::fs::metadata(data.path().join("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_is_served_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let held = data.lock().unwrap();
        assert!(data.lock().unwrap_err().to_string().contains("another tidings"));
        drop(held);
        assert!(data.lock().is_ok());
    }
}
