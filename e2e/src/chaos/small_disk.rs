//! A small file system in memory for a backend's data, so that it can be full without the machine's
//! being full. Wants the right to mount.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Enough for a run.
const SIZE: &str = "size=512m";
/// What is written at a time.
static BLOCK: [u8; 64 * 1024] = [0; 64 * 1024];

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one there.
    pub fn mount(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("{SIZE},mode=755"), "tidings-chaos"])
            .arg(path)
            .stdin(Stdio::null())
            .output()
            .context("mount")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", said.lines().next().unwrap_or("mount failed"));
        Ok(Self(path.to_path_buf()))
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) -> anyhow::Result<Ballast> {
        let path = self.0.join("ballast");
        let mut file = File::create(&path)?;
        let ballast = Ballast(path);
        loop {
            match file.write_all(&BLOCK) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(ballast),
                Err(error) => return Err(error).context("the ballast"),
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there is about to end.
        let _ = Command::new("umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

/// What fills a disk, until it is dropped.
#[derive(Debug)]
pub struct Ballast(PathBuf);

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
