//! A small file system in memory for a backend's data, so that it can be full without the machine's
//! being full. Wants the right to mount.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

/// Enough for a run.
const SIZE: &str = "size=512m";
/// A disk in a file: enough for a short run.
const IMAGE_BYTES: u64 = 96 << 20;
/// What is written at a time.
static BLOCK: [u8; 64 * 1024] = [0; 64 * 1024];

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().context("mounting")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.lines().next().unwrap_or("it failed"));
    Ok(())
}

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one there.
    pub fn mount(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)?;
        let options = format!("{SIZE},mode=755");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tidings-chaos"])
            .arg(path))?;
        Ok(Self(path.to_path_buf()))
    }

    /// Mounts a file as a disk of its own: slower, and with everything that file systems of disks can do.
    pub fn mount_image(path: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path)?;
        let image = path.with_extension("image");
        File::create(&image)?.set_len(IMAGE_BYTES)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(path))?;
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
        // Lazily: a process that still has a file open there is about to end.
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
