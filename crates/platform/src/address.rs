//! The address of a backend, with its password: from the configuration, or from a file that may be replaced while the
//! process runs. The file is read again before a connection is opened and at intervals. What cannot be used is said
//! once, and the last good address stays. The authorities of a backend are followed in the same way. Must not know any
//! protocol: the caller says what one is.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::Metrics;
use crate::reload::Reload;
use crate::secret::Secret;
use crate::shutdown::{Shutdown, Tasks};

/// Largest file that is read: an address, or the authorities of a whole system.
const MOST_BYTES: u64 = 1 << 20;

/// Whether a text is an address, or what is wrong with it; without quoting it, since it may hold a password.
pub type Check = fn(&str) -> Result<(), String>;

/// Where a backend is, now. Clones are the same.
#[derive(Debug, Clone)]
pub struct Address(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What the file holds, and the key that names it.
    content: Content,
    file: Option<PathBuf>,
    check: Check,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    good: Secret,
    /// How often another one was taken over.
    changes: u64,
    /// What is wrong with the file now; it was said.
    wrong: Option<String>,
}

/// What a followed file holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// For people.
    pub(super) what: &'static str,
    pub(super) section: &'static str,
    pub(super) key: &'static str,
}

impl Content {
    const fn address(section: &'static str) -> Self {
        Self { what: "address", section, key: "url_file" }
    }

    /// For metrics.
    fn label(self) -> Section {
        let Self { section, key, .. } = self;
        let is_address = key == "url_file";
        Section {
            section: if is_address { section.to_owned() } else { format!("{section}.{key}") },
        }
    }
}

/// The address of the start cannot be used: waiting for a backend there would never end.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// What stands in the configuration is none.
    #[error("{section}.url: {what}")]
    Inline {
        /// The section of the configuration.
        section: &'static str,
        /// What is wrong.
        what: String,
    },
    /// What stands in the file is none.
    #[error("{section}.{key}: {}: {what}", path.display())]
    InFile {
        /// The section of the configuration.
        section: &'static str,
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file cannot be read.
    #[error("{section}.{key}: cannot read {}: {source}", path.display())]
    Unreadable {
        /// The section of the configuration.
        section: &'static str,
        /// The key that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Address {
    /// That of the keys `url` and `url_file` of a section; the file goes first.
    pub fn open(
        section: &'static str,
        url: &str,
        file: Option<&Path>,
        check: Check,
    ) -> Result<Self, AddressError> {
        let content = Content::address(section);
        let Some(path) = file else {
            check(url).map_err(|what| AddressError::Inline { section, what })?;
            return Ok(Self::of(content, None, check, Secret::new(url)));
        };
        Self::in_file(content, path, check)
    }

    /// Something else that stands in a file.
    pub(super) fn in_file(
        content: Content,
        path: &Path,
        check: Check,
    ) -> Result<Self, AddressError> {
        let good = read(content, path, check)?;
        Ok(Self::of(content, Some(path.to_owned()), check, good))
    }

    fn of(content: Content, file: Option<PathBuf>, check: Check, good: Secret) -> Self {
        let last = Mutex::new(Last { good, changes: 0, wrong: None });
        Self(Arc::new(Inner { content, file, check, last }))
    }

    /// The last good one. Reads nothing.
    pub fn last_good(&self) -> Secret {
        self.0.last.lock().good.clone()
    }

    /// Reads the file again, if there is one: the address to connect to now. Blocks for as long as a small file takes.
    pub fn present(&self) -> Secret {
        let Inner { content, file, check, last } = &*self.0;
        let Some(path) = file else { return self.last_good() };
        let read = read(*content, path, *check);
        let Content { what, section, .. } = *content;
        let mut last = last.lock();
        match read {
            Ok(address) => {
                last.wrong = None;
                if address != last.good {
                    last.good = address;
                    last.changes += 1;
                    tracing::info!(section, "another {what} is used for new connections");
                }
            }
            Err(error) => {
                let wrong = Some(error.to_string());
                // Once, and not at each reading.
                if last.wrong != wrong {
                    tracing::warn!(%error, "a file with an {what} cannot be used; the last good one stays");
                    last.wrong = wrong;
                }
            }
        }
        last.good.clone()
    }
}

fn read(content: Content, path: &Path, check: Check) -> Result<Secret, AddressError> {
    let Content { section, key, .. } = content;
    let unusable =
        |what: String| AddressError::InFile { section, key, path: path.to_owned(), what };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .map_err(|source| AddressError::Unreadable {
            section,
            key,
            path: path.to_owned(),
            source,
        })?;
    if text.len() as u64 > MOST_BYTES {
        return Err(unusable("larger than 1 MiB".to_owned()));
    }
    let text = text.trim();
    check(text).map_err(unusable)?;
    Ok(Secret::new(text))
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Section {
    section: String,
}

/// Keeps the addresses of this process as their files are.
#[derive(Debug)]
pub struct Addresses {
    changes: Family<Section, Counter>,
    unusable: Family<Section, Gauge>,
    reload: Reload,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Addresses {
    /// Files are read until the shutdown is forced: connections are still opened while draining.
    pub fn new(metrics: &Metrics, reload: &Reload, tasks: &Tasks, shutdown: &Shutdown) -> Self {
        let this = Self {
            changes: Family::default(),
            unusable: Family::default(),
            reload: reload.clone(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("tidings_address");
            registry.register(
                "changes",
                "Addresses and authorities of backends that were found changed in their file and taken over",
                this.changes.clone(),
            );
            registry.register(
                "unusable_files",
                "1 while the file of an address or of authorities cannot be used, so that the last good one stays in use",
                this.unusable.clone(),
            );
        });
        this
    }

    /// Reads the file again and again, and tells of each other address: for callers that do not ask before each
    /// connection. Does nothing for an address that stands in the configuration itself.
    pub fn keep(&self, address: &Address, changed: impl Fn(&Secret) + Send + 'static) {
        if address.0.file.is_none() {
            return;
        }
        let label = address.0.content.label();
        let changes = self.changes.get_or_create_owned(&label);
        let unusable = self.unusable.get_or_create_owned(&label);
        let (address, stop) = (address.clone(), self.shutdown.clone());
        let mut moments = self.reload.moments();
        self.tasks.spawn("address file", async move {
            let mut seen = 0;
            loop {
                tokio::select! {
                    () = moments.next() => {}
                    () = stop.forced() => return,
                }
                let reading = address.clone();
                let read = tokio::task::spawn_blocking(move || reading.present()).await;
                let Ok(present) = read else { continue };
                let (now, is_wrong) = {
                    let last = address.0.last.lock();
                    (last.changes, last.wrong.is_some())
                };
                unusable.set(i64::from(is_wrong));
                // Also what somebody else has found before a connection.
                if now != seen {
                    changes.inc_by(now - seen);
                    seen = now;
                    changed(&present);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn is_http(text: &str) -> Result<(), String> {
        if text.starts_with("http://") { Ok(()) } else { Err("not like http://host".to_owned()) }
    }

    fn open(file: &Path) -> Result<Address, AddressError> {
        Address::open("some", "", Some(file), is_http)
    }

    #[test]
    fn the_last_good_address_stays_while_the_file_is_bad_and_not_that_of_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        let missing = open(&file).unwrap_err().to_string();
        assert!(missing.starts_with("some.url_file: cannot read /"), "{missing}");
        std::fs::write(&file, "http://first\n").unwrap();
        let address = open(&file).unwrap();
        assert_eq!(address.present().expose(), "http://first");
        std::fs::write(&file, "  http://second\n").unwrap();
        assert_eq!(address.last_good().expose(), "http://first", "nobody has read it");
        assert_eq!(address.present().expose(), "http://second");
        std::fs::write(&file, "half of an addr").unwrap();
        assert_eq!(address.present().expose(), "http://second");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(address.present().expose(), "http://second");
        std::fs::write(&file, "http://third").unwrap();
        assert_eq!(address.present().expose(), "http://third");
    }

    #[test]
    fn what_is_wrong_is_said_once_and_again_when_it_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "http://first").unwrap();
        let address = open(&file).unwrap();
        let said = crate::telemetry::captured::log("info", || {
            for text in ["hunter2", "hunter2", "http://second", "hunter2", "hunter2"] {
                std::fs::write(&file, text).unwrap();
                address.present();
            }
        });
        assert_eq!(said.matches("the last good one stays").count(), 2, "{said}");
        assert_eq!(said.matches("another address is used").count(), 1, "{said}");
        assert!(!said.contains("hunter2") && !said.contains("second"), "{said}");
    }

    #[test]
    fn an_address_in_the_configuration_is_checked_at_the_start_and_never_shown() {
        let error = Address::open("some", "ftp://u:hunter2@h", None, is_http).unwrap_err();
        assert_eq!(error.to_string(), "some.url: not like http://host");
        let address = Address::open("some", "http://u:hunter2@h", None, is_http).unwrap();
        assert_eq!(address.present().expose(), "http://u:hunter2@h");
        assert!(!format!("{address:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn who_does_not_ask_is_told_of_a_change_and_bad_files_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "http://first").unwrap();
        let address = open(&file).unwrap();
        let (metrics, reload, tasks, shutdown) =
            (Metrics::new(), Reload::new(), Tasks::new(), Shutdown::new());
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = Arc::clone(&told);
        Addresses::new(&metrics, &reload, &tasks, &shutdown)
            .keep(&address, move |url| telling.lock().push(url.expose().to_owned()));
        let until = async |line: &str| {
            let began = Instant::now();
            while !metrics.encode().contains(line) {
                assert!(began.elapsed() < Duration::from_secs(5), "{line}: {}", metrics.encode());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        std::fs::write(&file, "nonsense").unwrap();
        reload.ask();
        until("tidings_address_unusable_files{section=\"some\"} 1").await;
        std::fs::write(&file, "http://second").unwrap();
        reload.ask();
        until("tidings_address_unusable_files{section=\"some\"} 0").await;
        until("tidings_address_changes_total{section=\"some\"} 1").await;
        std::fs::write(&file, "http://third").unwrap();
        // Found before a connection was opened.
        assert_eq!(address.present().expose(), "http://third");
        reload.ask();
        until("tidings_address_changes_total{section=\"some\"} 2").await;
        assert_eq!(*told.lock(), ["http://second", "http://third"]);
        shutdown.force();
        assert_eq!(tasks.join(Duration::from_secs(5)).await, Ok(()));
    }
}
