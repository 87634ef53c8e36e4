//! Offline push: who is told of a message through the service of their device's maker, and when that is taken back.
//!
//! The follower `push` reads the tail after the commit, so a message pays nothing for it. A user who is not connected is told
//! at once; one who is, when the message has not arrived after a while. Must not append to a log, and must not know how a
//! provider is asked: that is the crate `push`.

mod became;
mod config;
mod decide;
mod edited;
mod follower;
mod hourly;
mod jobs;
mod metrics;
mod notices;
mod parts;
mod present;
mod resent;
mod retry;
mod round;
pub mod rules;
mod send;
mod taken_back;
mod told;
mod underway;
mod view;
mod wheel;
mod wishes;

use std::sync::Arc;
use std::time::Instant;

use bus::moments::Moments;
use platform::shutdown::{Shutdown, Tasks};
use tokio::sync::mpsc;

use crate::delivery::locate::Directory;
use crate::domain::entry::CursorRow;
use crate::ephemeral::Reads;
use crate::store::ChatStore;

pub(crate) use became::Became;
pub use config::{PreparedPush, PushConfig};
pub(crate) use follower::PushFollower;
pub use metrics::PushMetrics;
pub(crate) use view::OfMember;
pub use view::PushView;

/// Offline push of a process, before anything runs.
pub(crate) struct OfflinePush {
    parts: parts::Parts,
    ends: send::Ends,
    reads: mpsc::Receiver<CursorRow>,
}

impl OfflinePush {
    /// None where no provider is on. [`Reads`] goes to the workers.
    pub(crate) fn new(
        store: Arc<dyn ChatStore>,
        directory: Arc<dyn Directory>,
        push: Arc<PreparedPush>,
        metrics: PushMetrics,
    ) -> (Option<Self>, Reads) {
        if !push.is_on() {
            return (None, Reads::default());
        }
        let (senders, ends) = send::Senders::new(&push.prepared.providers, push.config.queue);
        let (told, reads) = Reads::new();
        let parts = parts::Parts {
            store,
            directory,
            push,
            metrics,
            senders,
            underway: underway::Underway::default(),
            moments: Moments::default(),
            is_owner: Arc::default(),
            began: Instant::now(),
        };
        (Some(Self { parts, ends, reads }), told)
    }

    /// The same, with those who are told of what is given up.
    pub(crate) fn telling(mut self, moments: Moments) -> Self {
        self.parts.moments = moments;
        self
    }

    /// Starts what sends, takes back and tries again; the follower, for a process that follows.
    pub(crate) fn start(self, tasks: &Tasks, shutdown: &Shutdown) -> Arc<PushFollower> {
        let Self { parts, ends, reads } = self;
        send::start(&parts, ends, tasks, shutdown);
        tasks.spawn("pushes taken back", taken_back::run(parts.clone(), reads, shutdown.clone()));
        tasks.spawn("pushes swept", taken_back::sweep(parts.clone(), shutdown.clone()));
        tasks.spawn("pushes sent again", resent::run(parts.clone(), shutdown.clone()));
        tasks.spawn("push retries", retry::run(parts.clone(), shutdown.clone()));
        Arc::new(PushFollower::new(parts))
    }
}

#[cfg(test)]
mod tests;
