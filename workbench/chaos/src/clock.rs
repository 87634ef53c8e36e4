//! A clock of its own for some services, by the library `faketime` where it is installed: their time
//! of day jumps, nobody else's, and what counts durations goes on.

use std::fs::{File, FileTimes};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;

use super::system::Service;

/// Whose clocks can jump.
pub const CLOCKED: [Service; 3] = [Service::Presence, Service::Chat(0), Service::Gateway(0)];

/// The library and the files that tell it the time.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
}

impl Clocks {
    /// Where the library is installed, each clock is right at first.
    pub fn find(folder: &Path) -> anyhow::Result<Self> {
        let mut found = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let library = found
            .find_map(|entry| {
                let path = entry.path().join("faketime/libfaketimeMT.so.1");
                path.exists().then_some(path)
            })
            .context("libfaketime is not installed")?;
        let clocks = Self { library, folder: folder.to_path_buf() };
        for service in CLOCKED {
            clocks.set(service, "+0")?;
        }
        Ok(clocks)
    }

    fn file(&self, service: Service) -> PathBuf {
        self.folder.join(format!("clock-{service}"))
    }

    /// What a service is started with besides.
    pub fn environment(&self, service: Service) -> Vec<(String, String)> {
        if !CLOCKED.contains(&service) {
            return Vec::new();
        }
        let pairs = [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file(service).display().to_string()),
            // The file is read once a second.
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Sets a clock so far off, as in `+3d` or `-1h`.
    pub fn set(&self, service: Service, offset: &str) -> anyhow::Result<()> {
        let path = self.file(service);
        let new = path.with_extension("new");
        // Never seen half written, and marked as never read.
        let mut file = File::create(&new)?;
        writeln!(file, "{offset}")?;
        file.set_times(FileTimes::new().set_accessed(UNIX_EPOCH))?;
        std::fs::rename(&new, &path).with_context(|| path.display().to_string())
    }

    /// Whether the service has read its clock since it was set.
    pub fn is_read(&self, service: Service) -> anyhow::Result<bool> {
        Ok(std::fs::metadata(self.file(service))?.accessed()? > UNIX_EPOCH)
    }
}
