//! The chaos suite itself: told to end in the middle of a run, it leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use e2e::eventually::eventually;
use e2e::process::binary;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// A cluster of its own starts, or ends, in this time on a busy machine.
const LONG: Duration = Duration::from_mins(3);

/// Whether a process was started with something of this folder.
fn is_used(folder: &Path) -> bool {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read(process.path().join("cmdline")).ok())
        .any(|arguments| String::from_utf8_lossy(&arguments).contains(folder))
}

#[tokio::test]
async fn a_run_that_is_told_to_end_ends_its_processes_and_removes_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    // Postgres runs as another user.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut chaos = Command::new(binary("chaos"))
        .args(["--quick", "--seed", "1000000"])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(chaos.stderr.take().unwrap()).lines();
    let under_load = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("under load") {
                return;
            }
        }
        panic!("it ended before it began");
    };
    tokio::time::timeout(LONG, under_load).await.unwrap();
    assert!(is_used(folder.path()));

    let pid = chaos.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let status = tokio::time::timeout(LONG, chaos.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(2), "nothing is known");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    eventually("its processes have ended", LONG, || async {
        if is_used(folder.path()) { Err("they run") } else { Ok(()) }
    })
    .await;
}
