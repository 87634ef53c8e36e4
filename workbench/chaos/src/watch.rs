//! Watches memory and open files of the services while they are hurt.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::journal::Journal;
use super::machine;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Pids by name; changes as processes are killed and started.
#[derive(Debug, Clone, Default)]
pub struct Pids(Arc<Mutex<BTreeMap<String, u32>>>);

impl Pids {
    /// A process runs under this pid now.
    pub fn set(&self, name: &str, pid: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), pid);
    }

    fn all(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Watches until it is dropped.
pub fn watch(pids: Pids, journal: Journal) -> JoinSet<anyhow::Result<()>> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            for (name, pid) in pids.all() {
                let gauges =
                    [("rss", machine::resident_bytes(pid)), ("files", machine::open_files(pid))];
                for (what, value) in gauges {
                    if let Some(value) = value {
                        journal.gauge(&name, what, value)?;
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    });
    tasks
}
