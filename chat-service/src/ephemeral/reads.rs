//! Tells what users have read to the task that takes notifications back.

use tokio::sync::mpsc;

use crate::domain::entry::CursorRow;

/// Cursors that wait to be looked at; what is beyond it is found later.
const WAITING: usize = 10_000;

/// Told of what users read, by the worker that stored it. Clones share it; where nothing is pushed nobody listens, and a
/// call costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reads(Option<mpsc::Sender<CursorRow>>);

impl Reads {
    pub(crate) fn new() -> (Self, mpsc::Receiver<CursorRow>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(Some(sender)), receiver)
    }

    /// A user has read up to there.
    pub(crate) fn told(&self, cursor: &CursorRow) {
        if let Some(sender) = &self.0 {
            // Full: the walk over all that was told finds it.
            let _ = sender.try_send(cursor.clone());
        }
    }
}
