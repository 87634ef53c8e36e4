//! A copy of the file while it is used, and the mark that the file was put back from one.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection as _, Executor as _};

use super::SqliteStore;

/// Messages are for nobody but the owner.
const PRIVATE: u32 = 0o600;
/// How long the writer of a running server may hold the file.
const BUSY: Duration = Duration::from_secs(30);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Nothing is there to be copied, or it is no database.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file of messages.
        path: PathBuf,
        source: sqlx::Error,
    },
    /// The copy cannot be made there; it must not be there yet.
    #[error("{} cannot be made", path.display())]
    Make { path: PathBuf, source: io::Error },
    /// The copy was begun and not finished.
    #[error("{} is not whole", path.display())]
    Copy { path: PathBuf, source: sqlx::Error },
}

/// Copies a file of messages as it is at one moment, also while a server uses it. The copy and its name are on the disk
/// when this returns; one that could not be finished is removed.
pub async fn copy(file: &Path, to: &Path) -> Result<(), BackupError> {
    let read = |source| BackupError::Read { path: file.to_owned(), source };
    let make = |source| BackupError::Make { path: to.to_owned(), source };
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(BUSY);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(read)?;
    connection.execute("SELECT 1 FROM store_epoch").await.map_err(read)?;
    let made =
        OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(to).map_err(make)?;
    let copied = sqlx::query("VACUUM INTO $1")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut connection)
        .await;
    if let Err(source) = copied {
        // What is left of it would be taken for a backup.
        let _ = std::fs::remove_file(to);
        return Err(BackupError::Copy { path: to.to_owned(), source });
    }
    made.sync_all().map_err(make)?;
    // Without it a power cut could take the name from its folder again.
    File::open(folder_of(to)).and_then(|folder| folder.sync_all()).map_err(make)?;
    connection.close().await.map_err(read)
}

/// Where a file lies; a name alone lies where the process is.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

impl SqliteStore {
    /// Says that the file was put back from a copy: see guarantee 11 of the port. The new epoch.
    pub async fn begin_epoch(&self) -> Result<String, sqlx::Error> {
        let sql = "UPDATE store_epoch SET epoch = lower(hex(randomblob(16))) RETURNING epoch";
        sqlx::query_scalar(sql).fetch_one(&self.writer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_lies_where_the_process_is() {
        for (file, folder) in
            [("copy.db", "."), ("./copy.db", "."), ("/copy.db", "/"), ("a/b", "a")]
        {
            assert_eq!(folder_of(Path::new(file)), Path::new(folder), "{file}");
            assert!(file.starts_with("a/") || File::open(folder_of(Path::new(file))).is_ok());
        }
    }
}
