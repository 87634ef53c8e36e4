//! Sync: all that a device lacks, conversation by conversation, page by page.
//!
//! Recovery is all or nothing: a cursor that means nothing here is answered with `reset` and the tail, one of a
//! conversation that the user is no member of with `gone`, and a tail says before which entry something is left
//! out. Nothing is missing in silence. Reads the same database that appends go to.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use platform::shares::{Share, Shares};
use proto::chat::{SyncDone, SyncEvent, SyncPage, SyncRequest, sync_event::Event};
use proto::id::{ConversationId, ConversationKey, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::failed;
use super::page::{fitting, page_bytes};
use crate::config::QueryConfig;
use crate::store::{ChatStore, Page, Room};

/// Pages made ahead of a reader.
const AHEAD: usize = 1;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    after: u64,
    reset: bool,
    /// The member may see what is at or before `after`, and this sync does not bring it.
    skips: bool,
}

impl Session {
    async fn run(&self, request: SyncRequest) -> Result<(), Status> {
        let turn = self.turns.take(&self.user_id).await;
        let epoch = self.store.epoch().await.map_err(failed)?;
        let is_same_epoch = request.epoch.is_empty() || request.epoch == epoch;
        let mut cursors: HashMap<ConversationId, u64> = request
            .cursors
            .iter()
            .filter_map(|cursor| {
                Some((ConversationId::from_bytes(&cursor.conversation_id).ok()?, cursor.seq))
            })
            .collect();
        let most = self.config.page_entries.max(1);
        let room = Room {
            entries: if request.page_entries == 0 { most } else { request.page_entries.min(most) },
            bytes: page_bytes(self.config.page_bytes, request.page_bytes),
        };
        let mut heads = self.store.heads(&self.user_id).await.map_err(failed)?;
        drop(turn);
        if let Ok(only) = ConversationId::from_bytes(&request.only) {
            heads.retain(|(id, _, _)| *id == only);
            cursors.retain(|id, _| *id == only);
        }
        for (id, head, from_seq) in &heads {
            let cursor = cursors.remove(id);
            if let Some(start) = self.start(cursor, *head, *from_seq, is_same_epoch) {
                self.pages(*id, *head, *from_seq, start, room).await?;
            }
        }
        // What is left of the cursors is of conversations that the user is no member of.
        for id in cursors.into_keys() {
            let gone = SyncPage {
                conversation_id: id.to_bytes(),
                reset: true,
                gone: true,
                ..SyncPage::default()
            };
            self.send(Event::Page(gone)).await?;
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
        let before_all = from_seq.saturating_sub(1);
        let tail = head.saturating_sub(u64::from(self.config.tail_entries)).max(before_all);
        let tail = |reset| Some(Start { after: tail, reset, skips: tail > before_all });
        match cursor {
            Some(seq) if is_same_epoch && seq == head => None,
            // Between the cursor and what the member may see lies what it must not: it left and came back.
            Some(seq) if is_same_epoch && seq < before_all => tail(true),
            Some(seq) if is_same_epoch && seq < head => {
                Some(Start { after: seq, reset: false, skips: false })
            }
            // Beyond the head, or of another database.
            Some(_) => tail(true),
            None if head == 0 => None,
            None => tail(false),
        }
    }

    async fn pages(
        &self,
        id: ConversationId,
        mut head: u64,
        from_seq: u64,
        start: Start,
        room: Room,
    ) -> Result<(), Status> {
        let Start { mut after, mut reset, skips } = start;
        let key = ConversationKey::new(self.user_id.tenant(), id);
        let mut skipped_before = if skips { after + 1 } else { 0 };
        loop {
            let page = Page::After(after);
            let turn = self.turns.take(&self.user_id).await;
            let stored = self.store.entries(key, page, from_seq, room).await.map_err(failed)?;
            drop(turn);
            head = head.max(stored.last().map_or(0, |last| last.entry.seq));
            let fitting = fitting(stored, page, room.bytes);
            let more = fitting.seqs.is_some_and(|(_, last)| last < head);
            after = fitting.seqs.map_or(after, |(_, last)| last);
            self.send(Event::Page(SyncPage {
                conversation_id: id.to_bytes(),
                entries: fitting.entries,
                head,
                more,
                reset,
                skipped_before,
                gone: false,
            }))
            .await?;
            if !more {
                return Ok(());
            }
            (reset, skipped_before) = (false, 0);
        }
    }

    async fn send(&self, event: Event) -> Result<(), Status> {
        let event = SyncEvent { event: Some(event) };
        self.sender.send(Ok(event)).await.map_err(|_| Status::cancelled("the reader is gone"))
    }
}
