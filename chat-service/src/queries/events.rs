//! Events for clients that ask for them instead of being told: read from the tail at each question, so that a reader holds
//! nothing here but its place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use proto::chat::events_server::Events;
use proto::chat::{ReadEventsReply, ReadEventsRequest};
use proto::id::{ConversationId, TenantId};
use tonic::{Request, Response, Status};

use super::errors::failed;
use super::request::{conversation_id, tenant};
use crate::clock::now_ms;
use crate::events::{Event, Patterns};
use crate::store::ChatStore;
use crate::store::tail::{Position, TailRow};

/// Entries of one read of the store.
const PAGE_ENTRIES: u32 = 500;
/// Entries that one answer looks at.
const MOST_ENTRIES: usize = 5_000;
/// Events of an answer; the transaction that reaches them is told whole.
const MOST_EVENTS: u32 = 1_000;
/// What an answer holds. Events of a transaction beyond it come without their entry.
const PAGE_BYTES: usize = 1 << 20;
/// Patterns of one question.
const MOST_TYPES: usize = 32;
/// How often a store that keeps the tail for readers is told that there are some.
const KEEP_EVERY: Duration = Duration::from_mins(1);

pub struct EventDesk {
    store: Arc<dyn ChatStore>,
    kept: Mutex<Option<Instant>>,
}

/// What somebody wants to know.
struct Wanted {
    tenant: TenantId,
    conversation: Option<ConversationId>,
    types: Patterns,
    limit: usize,
}

/// An answer that grows.
#[derive(Default)]
struct Found {
    events: Vec<Bytes>,
    bytes: usize,
    looked_at: usize,
    /// All up to here was looked at.
    next: Position,
    newest_ms: u64,
}

impl EventDesk {
    /// Reads the tail of a store.
    pub fn new(store: Arc<dyn ChatStore>) -> Self {
        Self { store, kept: Mutex::default() }
    }

    async fn keep(&self) -> Result<(), Status> {
        let is_recent = |kept: &Instant| kept.elapsed() < KEEP_EVERY;
        if self.kept.lock().as_ref().is_some_and(is_recent) {
            return Ok(());
        }
        self.store.keep_for_readers().await.map_err(failed)?;
        *self.kept.lock() = Some(Instant::now());
        Ok(())
    }

    async fn read(&self, wanted: &Wanted, after: Position) -> Result<(Found, bool), Status> {
        let mut found = Found { next: after, ..Found::default() };
        let now = now_ms();
        loop {
            let page = self.store.tail(found.next, PAGE_ENTRIES).await.map_err(failed)?;
            if page.rows.is_empty() {
                return Ok((found, false));
            }
            for row in page.rows {
                if row.position != found.next && found.is_full(wanted) {
                    return Ok((found, true));
                }
                found.take(row, wanted, now);
            }
        }
    }
}

impl Found {
    fn is_full(&self, wanted: &Wanted) -> bool {
        self.events.len() >= wanted.limit
            || self.bytes >= PAGE_BYTES
            || self.looked_at >= MOST_ENTRIES
    }

    fn take(&mut self, row: TailRow, wanted: &Wanted, now_ms: u64) {
        self.looked_at += 1;
        self.next = row.position;
        let entry = &row.entry.entry;
        self.newest_ms = entry.created_at_ms;
        let is_other = wanted.conversation.is_some_and(|id| id != entry.conversation_id);
        if entry.author.id.tenant() != wanted.tenant || is_other {
            return;
        }
        let Some(event) = Event::of(row, now_ms).filter(|it| wanted.types.want(it.r#type)) else {
            return;
        };
        let json = if self.bytes < PAGE_BYTES { event.json.clone() } else { event.thin() };
        self.bytes += json.len();
        self.events.push(json);
    }
}

#[tonic::async_trait]
impl Events for EventDesk {
    async fn read_events(
        &self,
        request: Request<ReadEventsRequest>,
    ) -> Result<Response<ReadEventsReply>, Status> {
        let request = request.into_inner();
        let wanted = wanted(&request)?;
        if !self.store.is_ready().await.map_err(failed)? {
            return Err(Status::unavailable("the index of the tail is still being built"));
        }
        self.keep().await?;
        let epoch = self.store.epoch().await.map_err(failed)?;
        let (after, is_reset) = match Cursor::read(&request.after)? {
            Some(cursor) if cursor.epoch == short(&epoch) => (Some(cursor.position), false),
            Some(_) => (None, true),
            None => (None, false),
        };
        let Some(after) = after else {
            let horizon = self.store.horizon().await.map_err(failed)?;
            let next = Cursor { position: horizon.position, epoch: short(&epoch).to_owned() };
            let next = next.text();
            return Ok(Response::new(ReadEventsReply { next, is_reset, ..Default::default() }));
        };
        let kept_from = self.store.kept_from().await.map_err(failed)?;
        let is_truncated = after < kept_from;
        let (found, more) = self.read(&wanted, after.max(kept_from)).await?;
        let next = Cursor { position: found.next, epoch: short(&epoch).to_owned() };
        Ok(Response::new(ReadEventsReply {
            lag_ms: if more { now_ms().saturating_sub(found.newest_ms) } else { 0 },
            events: found.events,
            next: next.text(),
            more,
            is_truncated,
            is_reset: false,
        }))
    }
}

fn wanted(request: &ReadEventsRequest) -> Result<Wanted, Status> {
    let types = match &request.types[..] {
        [] => vec!["*".to_owned()],
        types if types.len() <= MOST_TYPES => types.to_vec(),
        _ => return Err(Status::invalid_argument("types: at most 32 of them")),
    };
    let types = Patterns::new(types);
    let types = types.map_err(|error| Status::invalid_argument(format!("types: {error}")))?;
    let is_any = request.conversation_id.is_empty();
    Ok(Wanted {
        tenant: tenant(&request.tenant)?,
        conversation: if is_any { None } else { Some(conversation_id(&request.conversation_id)?) },
        types,
        limit: request.limit.clamp(1, MOST_EVENTS) as usize,
    })
}

/// A place in the tail as readers keep it.
#[derive(Debug, PartialEq, Eq)]
struct Cursor {
    position: Position,
    /// The end of that of the store.
    epoch: String,
}

/// As much of an epoch as tells two apart.
fn short(epoch: &str) -> &str {
    epoch.rsplit('-').next().unwrap_or(epoch)
}

impl Cursor {
    fn text(&self) -> String {
        format!("{}.{}", self.position.0, self.epoch)
    }

    /// `None` for an empty text.
    fn read(text: &str) -> Result<Option<Self>, Status> {
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = || Status::invalid_argument("after: not a `next` of this server");
        let (position, epoch) = text.split_once('.').ok_or_else(wrong)?;
        let position: u64 = position.parse().map_err(|_| wrong())?;
        if position > i64::MAX as u64 || epoch.len() > 64 {
            return Err(wrong());
        }
        Ok(Some(Self { position: Position(position), epoch: epoch.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back_and_nothing_else_is_taken() {
        let cursor = Cursor { position: Position(7), epoch: "0198abcd".to_owned() };
        assert_eq!(Cursor::read(&cursor.text()).unwrap(), Some(cursor));
        assert_eq!(Cursor::read("").unwrap(), None);
        for wrong in ["7", "x.y", "-1.a", "9223372036854775808.a", ".", "7 .a"] {
            assert!(Cursor::read(wrong).is_err(), "{wrong}");
        }
    }
}
