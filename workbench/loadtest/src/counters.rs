//! Running totals, written by one thread each and read by the progress line.

use std::sync::atomic::{AtomicU64, Ordering};

/// A total with one writer: no locked instruction is needed.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds; only the owning thread may.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Takes away; only the owning thread may.
    pub fn subtract(&self, less: u64) {
        self.set(self.get().wrapping_sub(less));
    }

    /// Replaces; only the owning thread may.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Reads, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The totals of one thread.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Count,)*
        }

        /// The totals of all threads at one moment.
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct Totals {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Totals {
            /// Adds up the threads.
            pub fn of<'a>(threads: impl IntoIterator<Item = &'a Counters>) -> Self {
                let mut totals = Self::default();
                for counters in threads {
                    $(totals.$name += counters.$name.get();)*
                }
                totals
            }
        }
    };
}

counters! {
    /// Clients connected now.
    connected,
    /// Clients that were ready (welcome, first sync) at least once.
    ready,
    /// Connections after a client's first.
    reconnects,
    /// Sends that were due.
    offered,
    /// Sends that were due and dropped, since the client's outbox was full.
    skipped,
    /// `send` frames written, repeats included.
    written,
    /// Sends and reactions acknowledged.
    acknowledged,
    /// Of what is acknowledged, reactions (`--reactions`).
    reactions,
    /// Entries received by other members than the sender, each once.
    delivered,
    /// Bytes that came over the sockets, frames of any kind and their heads.
    received_bytes,
    /// Call signals written.
    signals,
    /// Call signals heard.
    signals_heard,
    /// Broadcasts heard, by each client.
    notices,
    /// Acknowledgements of what was acknowledged already, with the same answer.
    repeated_answers,
    /// Sends without an answer for so long that they were sent again.
    overdue_answers,
    /// Syncs asked for because an entry was missing.
    gap_syncs,
    /// Sync pages that dropped the cursor.
    resets,
    /// `error` frames.
    errors,
    /// Everything recorded for the checker.
    observations,
    /// Clients that still wait for something; counted while draining, all until then.
    incomplete,
}
