//! Disks that are full or cannot be written to, and files that somebody else locks.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chat_service::store::ChatStore;
use chat_service::store::sqlite::SqliteStore;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::contract::Writer;

/// Larger than what a statement may find room for by chance.
const TEXT_BYTES: usize = 60_000;

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A file system of 4 MiB in memory; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let place = disk.0.path().to_str().unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=4m", "tidings-test", place]).then_some(disk)
    }

    /// Leaves no room at all.
    fn fill(&self) -> PathBuf {
        let path = self.0.path().join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        for size in [64 * 1024, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.path().to_str().unwrap()]);
    }
}

async fn open(folder: &Path) -> (SqliteStore, Arc<dyn ChatStore>) {
    let store = SqliteStore::open(&folder.join("chat.db")).await.unwrap();
    (store.clone(), Arc::new(store))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_was_full_is_written_to_again() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("not tested: this user may not mount");
        return;
    };
    let (sqlite, store) = open(disk.0.path()).await;
    let mut writer = Writer::begin(&store).await;
    for _ in 0..2 {
        let ballast = disk.fill();
        writer.is_refused(TEXT_BYTES).await;
        std::fs::remove_file(ballast).unwrap();
        writer.is_heard_again().await;
    }
    sqlite.close().await;
}

/// Every write to a file that is immutable fails, through open descriptors too (with EPERM: an error of input
/// and output), and who opens it anew may only read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_could_not_be_written_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let (sqlite, store) = open(folder.path()).await;
    let mut writer = Writer::begin(&store).await;
    let paths: Vec<String> = ["chat.db", "chat.db-wal"]
        .map(|name| folder.path().join(name).to_str().unwrap().to_owned())
        .to_vec();
    let set = |flag: &str| paths.iter().all(|path| run("chattr", &[flag, path]));
    let mut log = std::fs::OpenOptions::new().append(true).open(&paths[1]).unwrap();
    let is_immutable = set("+i") && log.write_all(&[]).is_ok() && log.set_len(0).is_err();
    if is_immutable {
        writer.is_refused(TEXT_BYTES).await;
        assert!(set("-i"));
        writer.is_heard_again().await;
    } else {
        set("-i");
        eprintln!("not tested: files cannot be made immutable here");
    }
    sqlite.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_another_process_locked_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let (sqlite, store) = open(folder.path()).await;
    let mut writer = Writer::begin(&store).await;
    let options = SqliteConnectOptions::new().filename(folder.path().join("chat.db"));
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    // It waits for some seconds, and gives up.
    writer.say(10).await.unwrap_err();
    lock.rollback().await.unwrap();
    writer.is_heard_again().await;
    other.close().await.unwrap();
    sqlite.close().await;
}
