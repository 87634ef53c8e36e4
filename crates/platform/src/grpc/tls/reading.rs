//! Reads certificate files again at intervals and at SIGHUP. What cannot be used is said once and counted,
//! and the last good files stay in use.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use super::files::{FileError, Files, Material, Pems};
use super::incoming::Refused;
use crate::metrics::Metrics;
use crate::reload::Reload;
use crate::shutdown::{Shutdown, Tasks};

/// Which side the files are of: `grpc_tls` or the section of a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Section {
    section: &'static str,
}

/// Keeps the certificates of this process as their files are. Clones are the same.
#[derive(Debug, Clone)]
pub struct Certificates {
    not_after: Family<Section, Gauge>,
    unusable: Family<Section, Gauge>,
    failures: Family<Section, Counter>,
    refused: Refused,
    reload: Reload,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Certificates {
    /// Files are read until the shutdown is forced: calls are still made while draining.
    pub fn new(metrics: &Metrics, reload: &Reload, tasks: &Tasks, shutdown: &Shutdown) -> Self {
        let this = Self {
            not_after: Family::default(),
            unusable: Family::default(),
            failures: Family::default(),
            refused: Refused::default(),
            reload: reload.clone(),
            tasks: tasks.clone(),
            shutdown: shutdown.clone(),
        };
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("tidings_grpc_tls");
            registry.register(
                "not_after_seconds",
                "When the certificate of this process that is used ends, in seconds since 1970",
                this.not_after.clone(),
            );
            registry.register(
                "unusable_files",
                "1 while the files cannot be used, so that the last good ones stay in use",
                this.unusable.clone(),
            );
            registry.register(
                "reload_failures",
                "Readings that found files which cannot be used",
                this.failures.clone(),
            );
            this.refused.register(registry);
        });
        this
    }

    pub(super) fn refused(&self) -> Refused {
        self.refused.clone()
    }

    /// What is made of the files, now and after each change.
    pub(super) fn keep<T: Send + Sync + 'static>(
        &self,
        section: &'static str,
        opened: Opened<T>,
    ) -> watch::Receiver<Arc<T>> {
        let Opened { read, made, mut used, not_after } = opened;
        let (sender, receiver) = watch::channel(Arc::new(made));
        let label = Section { section };
        let this = self.clone();
        this.uses(section, not_after);
        this.unusable.get_or_create(&label).set(0);
        this.failures.get_or_create(&label).inc_by(0);
        let mut moments = self.reload.moments();
        self.tasks.spawn("certificate files", async move {
            let mut said = String::new();
            loop {
                tokio::select! {
                    () = moments.next() => {}
                    () = sender.closed() => return,
                    () = this.shutdown.forced() => return,
                }
                let (read, before) = (read.clone(), used.clone());
                let again = tokio::task::spawn_blocking(move || read.again(&before)).await;
                let Ok(again) = again else { continue };
                this.unusable.get_or_create(&label).set(i64::from(again.is_err()));
                match again {
                    Ok(None) => said.clear(),
                    Ok(Some((made, pems, not_after))) => {
                        said.clear();
                        used = pems;
                        this.uses(section, not_after);
                        tracing::info!(section, "new certificate files are used from now on");
                        sender.send_replace(Arc::new(made));
                    }
                    Err(error) => {
                        this.failures.get_or_create(&label).inc();
                        let error = in_one_line(&error);
                        // Once, and not at each interval.
                        if said != error {
                            tracing::error!(
                                %error,
                                "certificate files cannot be used; the last good ones stay"
                            );
                            said = error;
                        }
                    }
                }
            }
        });
        receiver
    }

    fn uses(&self, section: &'static str, not_after: i64) {
        self.not_after.get_or_create(&Section { section }).set(not_after);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        if not_after < crate::number::fitted(now) {
            tracing::error!(section, "the certificate has expired: everybody refuses it; renew it");
        }
    }
}

/// Files that were good at the start, and what was made of them.
pub(super) struct Opened<T> {
    read: Reading<T>,
    made: T,
    used: Pems,
    not_after: i64,
}

impl<T> std::fmt::Debug for Opened<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the key.
        f.debug_struct("Opened").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl<T> Opened<T> {
    /// Reads the files, which must be good now. Blocks.
    pub(super) fn open(
        files: Files,
        make: fn(&Material) -> Result<T, String>,
    ) -> Result<Self, Vec<FileError>> {
        let read = Reading { files: Arc::new(files), make };
        let (made, used, not_after) = read.make(read.files.read()?).map_err(|error| vec![error])?;
        Ok(Self { read, made, used, not_after })
    }
}

fn in_one_line(errors: &[FileError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How one set of files is read and what is made of it.
struct Reading<T> {
    files: Arc<Files>,
    make: fn(&Material) -> Result<T, String>,
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        Self { files: Arc::clone(&self.files), make: self.make }
    }
}

impl<T> Reading<T> {
    /// Nothing when the files hold what they held before. Blocks.
    fn again(&self, before: &Pems) -> Result<Option<(T, Pems, i64)>, Vec<FileError>> {
        let pems = self.files.read()?;
        if *before == pems {
            return Ok(None);
        }
        self.make(pems).map(Some).map_err(|error| vec![error])
    }

    fn make(&self, pems: Pems) -> Result<(T, Pems, i64), FileError> {
        let material = self.files.check(pems)?;
        let made = (self.make)(&material).map_err(|what| self.files.bad_authority(what))?;
        Ok((made, material.pems, material.not_after))
    }
}
