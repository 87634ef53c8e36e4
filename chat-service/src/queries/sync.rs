//! Sync: all that a device lacks, conversation by conversation, page by page.
//!
//! Recovery is all or nothing: a cursor that means nothing here is answered with `reset` and the tail, one of a
//! conversation that the user is no member of with `gone`, and a tail says before which entry something is left
//! out. Nothing is missing in silence. A cursor with the id of its entry means nothing, too, where another entry stands
//! at its place: the database was put back to a moment before, and other entries followed. Reads the same database that
//! appends go to.

mod notices;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use platform::shares::{Share, Shares};
use proto::chat::{ChangedMessage, SyncDone, SyncEvent, SyncPage, SyncRequest, sync_event::Event};
use proto::id::{ConversationId, ConversationKey, EntryId, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use self::notices::NoticeReader;
use super::convert::state_shown_to;
use super::errors::failed;
use super::own::Walk;
use super::page::{fitting_beside, page_bytes};
use super::reactions::own_rows;
use super::request::device_type;
use crate::clock::now_ms;
use crate::config::QueryConfig;
use crate::domain::entry::{Entry, StoredEntry};
use crate::domain::reader::Reader;
use crate::store::heads::Head;
use crate::store::{ChatStore, MessageView, Page, Room};

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

/// Where a device is in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    seq: u64,
    /// Of the entry that it has there, where it says so.
    entry_id: Option<EntryId>,
}

type Cursors = HashMap<ConversationId, Cursor>;

/// Where one conversation goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    after: u64,
    reset: bool,
    /// The member may see what is at or before `after`, and this sync does not bring it.
    skips: bool,
    /// Where the device is, when it goes on from further on.
    left: Option<u64>,
}

/// What was read for a page.
#[derive(Default)]
struct Read {
    stored: Vec<StoredEntry>,
    /// Of those messages that were changed, by seq.
    states: HashMap<u64, Bytes>,
    /// The head that the states hold for; 0 where they were not asked for.
    as_of: u64,
}

/// What pages hold beside the entries that a reader may see by the log.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// The states of messages.
    states: bool,
    /// It is the log of notices, and this is who reads it.
    notices: Option<&'a NoticeReader>,
}

impl Wanted<'_> {
    fn states(states: bool) -> Self {
        Self { states, notices: None }
    }
}

impl Session {
    async fn run(&self, request: SyncRequest) -> Result<(), Status> {
        let turn = self.turns.take(&self.user_id).await;
        let epoch = self.store.epoch().await.map_err(failed)?;
        let is_same_epoch = request.epoch.is_empty() || request.epoch == epoch;
        let mut cursors = cursors(&request);
        let most = self.config.page_entries.max(1);
        let room = Room {
            entries: if request.page_entries == 0 { most } else { request.page_entries.min(most) },
            bytes: page_bytes(self.config.page_bytes, request.page_bytes),
        };
        let notices_id = ConversationId::notices(self.user_id.tenant());
        let only = ConversationId::from_bytes(&request.only).ok();
        let notices_cursor = cursors.remove(&notices_id);
        // Of devices that know the log, and of those that ask for nothing else.
        let asks_for_notices = only.map_or(notices_cursor.is_some(), |only| only == notices_id);
        let who = NoticeReader { device_type: request.device_type(), roles: request.roles.clone() };
        if only == Some(notices_id) {
            drop(turn);
            self.notices(notices_cursor, is_same_epoch, &who, room).await?;
            let only = request.only.clone();
            return self.send(Event::Done(SyncDone { epoch, conversations: 1, only })).await;
        }
        let mut heads = self.store.heads(&self.user_id).await.map_err(failed)?;
        if let Some(only) = only {
            heads.retain(|head| head.conversation_id == only);
            cursors.retain(|id, _| *id == only);
        }
        let others = self.others(&cursors, &heads).await?;
        drop(turn);
        let device_type = device_type(request.device_type);
        let own = ConversationId::own(&self.user_id);
        for head in &heads {
            let id = head.conversation_id;
            let seq = cursors.remove(&id).map(|cursor| cursor.seq);
            let is_same_log = is_same_epoch && !others.contains(&id);
            let start = self.start(seq, head.seq, head.from_seq, is_same_log);
            // Of what a user sets nothing is left out.
            let within =
                |start| if id == own { start } else { self.within(start, head.seq, &request) };
            if let Some(start) = start.map(within) {
                let reader = Reader {
                    user_id: &self.user_id,
                    device_type,
                    from_seq: head.from_seq,
                    now_ms: now_ms(),
                };
                let is_new = seq.is_none() || start.reset;
                let start =
                    if is_new && id == own { self.own(head, start, room).await? } else { start };
                self.pages(head, &reader, start, room, Wanted::states(request.states)).await?;
            }
        }
        if asks_for_notices {
            self.notices(notices_cursor, is_same_epoch, &who, room).await?;
        }
        // What is left of the cursors is of conversations that the user is no member of.
        for id in cursors.into_keys() {
            self.gone(id).await?;
        }
        // A self log is no conversation that its user would look for, unless it is asked for alone.
        let is_counted = |head: &&Head| !request.only.is_empty() || head.conversation_id != own;
        let conversations = heads.iter().filter(is_counted).count();
        let done =
            SyncDone { epoch, conversations: conversations as u32, only: request.only.clone() };
        self.send(Event::Done(done)).await
    }

    /// The device has entries of what is no conversation of the user.
    async fn gone(&self, id: ConversationId) -> Result<(), Status> {
        let conversation_id = id.to_bytes();
        let gone = SyncPage { conversation_id, reset: true, gone: true, ..SyncPage::default() };
        self.send(Event::Page(gone)).await
    }

    /// Conversations of which a device has another entry at its place than there is now.
    async fn others(
        &self,
        cursors: &Cursors,
        heads: &[Head],
    ) -> Result<HashSet<ConversationId>, Status> {
        let (mut others, mut within) = (HashSet::new(), Vec::new());
        for head in heads {
            let Some(Cursor { seq, entry_id: Some(held) }) = cursors.get(&head.conversation_id)
            else {
                continue;
            };
            if *seq < head.seq {
                within.push((head.conversation_id, *seq, *held));
            } else if *seq == head.seq && *held != head.entry_id {
                others.insert(head.conversation_id);
            }
        }
        if within.is_empty() {
            return Ok(others);
        }
        let places: Vec<_> = within.iter().map(|(id, seq, _)| (*id, *seq)).collect();
        let tenant = self.user_id.tenant();
        let stored = self.store.entry_ids(tenant, &places).await.map_err(failed)?;
        let is_other = |(id, _, held): &&(_, _, EntryId)| stored.get(id) != Some(held);
        others.extend(within.iter().filter(is_other).map(|(id, _, _)| *id));
        Ok(others)
    }

    /// `None` when the device has everything.
    fn start(
        &self,
        cursor: Option<u64>,
        head: u64,
        from_seq: u64,
        is_same_log: bool,
    ) -> Option<Start> {
        let before_all = from_seq.saturating_sub(1);
        let tail = head.saturating_sub(u64::from(self.config.tail_entries)).max(before_all);
        let skips = tail > before_all;
        let tail = |reset| Some(Start { after: tail, reset, skips, left: None });
        match cursor {
            Some(seq) if is_same_log && seq == head => None,
            // Between the cursor and what the member may see lies what it must not: it left and came back.
            Some(seq) if is_same_log && seq < before_all => tail(true),
            Some(seq) if is_same_log && seq < head => {
                Some(Start { after: seq, reset: false, skips: false, left: None })
            }
            // Beyond the head, or of another database: what is held is forgotten, from there on both have the same.
            Some(_) => tail(true),
            None if head == 0 => None,
            None => tail(false),
        }
    }

    /// A device that is further behind than it wants to be goes on from the tail.
    fn within(&self, start: Start, head: u64, request: &SyncRequest) -> Start {
        let most = u64::from(request.max_behind);
        let is_going_on = !start.reset && !start.skips;
        let tail = head.saturating_sub(u64::from(self.config.tail_entries));
        if !request.states
            || most == 0
            || !is_going_on
            || head - start.after <= most
            || tail <= start.after
        {
            return start;
        }
        Start { after: tail, left: Some(start.after), ..start }
    }

    /// The next page, with the states of its messages where they are asked for.
    async fn page(
        &self,
        key: ConversationKey,
        after: u64,
        reader: &Reader<'_>,
        room: Room,
        with_states: bool,
    ) -> Result<Read, Status> {
        let (page, _turn) = (Page::After(after), self.turns.take(&self.user_id).await);
        if !with_states {
            let stored = self.store.entries(key, page, reader.from_seq, room).await;
            return Ok(Read { stored: stored.map_err(failed)?, ..Read::default() });
        }
        let view = self.store.entries_with_states(key, page, reader.from_seq, room).await;
        let view = view.map_err(failed)?;
        let mut read = Read { as_of: view.head, ..Read::default() };
        let states = view.messages.iter().filter_map(|it| {
            let state = it.state.as_ref()?;
            Some((it.stored.entry.seq, state))
        });
        let own = own_rows(&*self.store, key, reader.user_id, states).await.map_err(failed)?;
        for MessageView { stored, state } in view.messages {
            let Entry { seq, ref author, .. } = stored.entry;
            let shown = state.and_then(|state| {
                let rows = own.get(&seq).map_or(&[][..], Vec::as_slice);
                state_shown_to(reader, &author.id, stored.entry.limits(), &state, rows)
            });
            read.states.extend(shown.map(|state| (seq, state)));
            read.stored.push(stored);
        }
        Ok(read)
    }

    async fn pages(
        &self,
        of: &Head,
        reader: &Reader<'_>,
        start: Start,
        room: Room,
        wanted: Wanted<'_>,
    ) -> Result<(), Status> {
        let Head { conversation_id: id, seq: mut head, .. } = *of;
        let Start { mut after, mut reset, skips, mut left } = start;
        let key = ConversationKey::new(self.user_id.tenant(), id);
        let mut skipped_before = if skips { after + 1 } else { 0 };
        loop {
            let Read { mut stored, mut states, as_of } =
                self.page(key, after, reader, room, wanted.states).await?;
            if let Some(who) = wanted.notices {
                self.blank_notices(&mut stored, who).await?;
            }
            head = head.max(stored.last().map_or(0, |last| last.entry.seq));
            let fitting = fitting_beside(stored, Page::After(after), room.bytes, reader, &states);
            states.retain(|seq, _| fitting.seqs.is_some_and(|(_, last)| *seq <= last));
            let (skipped_from, skipped_to) = left.take().map_or((0, 0), |left| (left + 1, after));
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
                as_of,
                states: states
                    .into_iter()
                    .map(|(seq, state)| ChangedMessage { seq, state })
                    .collect(),
                skipped_from,
                skipped_to,
                own: None,
            }))
            .await?;
            if !more {
                return Ok(());
            }
            (reset, skipped_before) = (false, 0);
        }
    }

    /// Hands on what the user set, which is what the entries of the self log come to, however many there were. The last of
    /// them follows nevertheless, so that the device has an entry to go on from.
    async fn own(&self, of: &Head, start: Start, room: Room) -> Result<Start, Status> {
        let after = of.seq.saturating_sub(1);
        let (mut walk, mut reset) = (Walk::new(after), start.reset);
        loop {
            let turn = self.turns.take(&self.user_id).await;
            let own = walk.next(&*self.store, &self.user_id, room.bytes / 2).await;
            drop(turn);
            let Some(own) = own.map_err(failed)? else {
                return Ok(Start { after, reset: false, skips: after > 0, left: None });
            };
            self.send(Event::Page(SyncPage {
                conversation_id: of.conversation_id.to_bytes(),
                head: of.seq,
                more: true,
                reset,
                own: Some(own),
                ..SyncPage::default()
            }))
            .await?;
            reset = false;
        }
    }

    async fn send(&self, event: Event) -> Result<(), Status> {
        let event = SyncEvent { event: Some(event) };
        self.sender.send(Ok(event)).await.map_err(|_| Status::cancelled("the reader is gone"))
    }
}

fn cursors(request: &SyncRequest) -> Cursors {
    let cursor = |cursor: &proto::chat::Cursor| {
        let id = ConversationId::from_bytes(&cursor.conversation_id).ok()?;
        let entry_id = EntryId::from_bytes(&cursor.id).ok();
        Some((id, Cursor { seq: cursor.seq, entry_id }))
    };
    request.cursors.iter().filter_map(cursor).collect()
}
