//! Sync: all that a device lacks, conversation by conversation, page by page.
//!
//! Recovery is all or nothing: a cursor that means nothing here is answered with `reset` and the tail,
//! never with silence. Reads the same database that appends go to.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use platform::shares::{Share, Shares};
use proto::chat::{SyncDone, SyncEvent, SyncPage, SyncRequest, sync_event::Event};
use proto::id::{ConversationId, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::page::within;
use super::unavailable;
use crate::config::QueryConfig;
use crate::store::{ChatStore, Page};

/// Pages made ahead of a reader.
const AHEAD: usize = 2;

type Sender = mpsc::Sender<Result<SyncEvent, Status>>;

/// The pages, made as they are read.
pub(super) fn stream(
    store: Arc<dyn ChatStore>,
    config: QueryConfig,
    turns: Turns,
    user_id: UserId,
    request: SyncRequest,
) -> impl Stream<Item = Result<SyncEvent, Status>> + Send {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let work = async move {
        let session = Session { store, config, turns, user_id, sender };
        if let Err(status) = session.run(request).await {
            // The reader is gone when this fails.
            let _ = session.sender.send(Err(status)).await;
        }
    };
    // The work is polled by the reader: when the call ends, so does it, between two reads.
    let work = futures_util::stream::once(work).filter_map(|()| async { None });
    futures_util::stream::select(ReceiverStream::new(receiver), work)
}

/// Whose turn it is to read. A turn is of one read of the store and is over before a page is handed on, so
/// that a reader that takes its time holds up nobody; and a user has few of them at once, however many
/// devices sync and however much they have.
#[derive(Clone)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    users: Arc<Shares<UserId>>,
}

/// A turn, over when this is dropped.
struct Turn {
    _all: Option<OwnedSemaphorePermit>,
    _share: Share<UserId>,
}

impl Turns {
    pub(super) fn new(config: &QueryConfig) -> Self {
        let all = Arc::new(Semaphore::new(config.concurrent_syncs.max(1)));
        Self { all, users: Shares::new(config.syncs_per_user) }
    }

    /// Waiting here is what keeps a thousand returning devices from crowding out the log.
    async fn take(&self, user_id: &UserId) -> Turn {
        // First its own: a user who waits for itself takes nobody's place.
        let share = self.users.take(user_id).await;
        Turn { _all: Arc::clone(&self.all).acquire_owned().await.ok(), _share: share }
    }
}

struct Session {
    store: Arc<dyn ChatStore>,
    config: QueryConfig,
    turns: Turns,
    user_id: UserId,
    sender: Sender,
}

/// Where one conversation goes on from.
struct Start {
    after: u64,
    reset: bool,
}

impl Session {
    async fn run(&self, request: SyncRequest) -> Result<(), Status> {
        let turn = self.turns.take(&self.user_id).await;
        let epoch = self.store.epoch().await.map_err(unavailable)?;
        let is_same_epoch = request.epoch.is_empty() || request.epoch == epoch;
        let cursors: HashMap<ConversationId, u64> = request
            .cursors
            .iter()
            .filter_map(|cursor| {
                Some((ConversationId::from_bytes(&cursor.conversation_id).ok()?, cursor.seq))
            })
            .collect();
        let page_entries = match request.page_entries {
            0 => self.config.page_entries,
            wanted => wanted.min(self.config.page_entries),
        };
        let mut heads = self.store.heads(&self.user_id).await.map_err(unavailable)?;
        drop(turn);
        if let Ok(only) = ConversationId::from_bytes(&request.only) {
            heads.retain(|(id, _, _)| *id == only);
        }
        for (id, head, from_seq) in &heads {
            let start = self.start(cursors.get(id).copied(), *head, *from_seq, is_same_epoch);
            if let Some(start) = start {
                self.pages(*id, *head, *from_seq, start, page_entries).await?;
            }
        }
        let done = SyncDone { epoch, conversations: heads.len() as u32 };
        self.send(Event::Done(done)).await
    }

    /// `None` when the device has everything.
    fn start(
        &self,
        cursor: Option<u64>,
        head: u64,
        from_seq: u64,
        is_same_epoch: bool,
    ) -> Option<Start> {
        let tail = head
            .saturating_sub(u64::from(self.config.tail_entries))
            .max(from_seq.saturating_sub(1));
        match cursor {
            Some(seq) if is_same_epoch && seq == head => None,
            Some(seq) if is_same_epoch && seq < head => Some(Start { after: seq, reset: false }),
            // Beyond the head, or of another database.
            Some(_) => Some(Start { after: tail, reset: true }),
            None if head == 0 => None,
            None => Some(Start { after: tail, reset: false }),
        }
    }

    async fn pages(
        &self,
        id: ConversationId,
        head: u64,
        from_seq: u64,
        start: Start,
        page_entries: u32,
    ) -> Result<(), Status> {
        let mut after = start.after;
        let mut reset = start.reset;
        loop {
            let turn = self.turns.take(&self.user_id).await;
            let stored = self
                .store
                .entries(id, Page::After(after), from_seq, page_entries)
                .await
                .map_err(unavailable)?;
            drop(turn);
            let last = stored.last().map_or(after, |stored| stored.entry.seq);
            let head = head.max(last);
            let more = stored.len() == page_entries as usize && last < head;
            let mut pages = within(stored, self.config.page_bytes).peekable();
            loop {
                let entries = pages.next().unwrap_or_default();
                let is_last = pages.peek().is_none();
                let conversation_id = id.to_bytes();
                let more = more || !is_last;
                let page = SyncPage { conversation_id, entries, head, more, reset };
                self.send(Event::Page(page)).await?;
                reset = false;
                if is_last {
                    break;
                }
            }
            if !more {
                return Ok(());
            }
            after = last;
        }
    }

    async fn send(&self, event: Event) -> Result<(), Status> {
        let event = SyncEvent { event: Some(event) };
        self.sender.send(Ok(event)).await.map_err(|_| Status::cancelled("the reader is gone"))
    }
}
