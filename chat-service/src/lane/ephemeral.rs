//! What a batch holds beside operations: cursors, typing, profiles, signals and questions of operators. Nothing
//! of it is in the log, and what fails is not tried again here: clients say it again.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use proto::bus::{DeviceType, Finding, PushClass, finding, frame::Body};
use proto::frame::server::{Receipt, ServerFrame, Typing};
use proto::id::{ConversationId, ConversationKey, UserId};

use super::LaneParts;
use super::cache::Cache;
use super::message::{self, Asker, Outgoing, To};
use super::signal;
use crate::domain::entry::{CursorRow, Snapshot, UserRow};
use crate::domain::plan::Audience;

/// How far a member has come.
#[derive(Debug, Default, Clone, Copy)]
struct Marks {
    delivered_seq: u64,
    read_seq: u64,
    /// Others may be told.
    is_told: bool,
}

/// The ephemeral part of a batch, merged where merging loses nothing.
#[derive(Debug, Default)]
pub(super) struct Ephemeral {
    /// The highest of each.
    cursors: HashMap<(ConversationId, UserId), Marks>,
    /// The last word of each, with the trace of its frame.
    typing: HashMap<(ConversationId, UserId), (bool, String)>,
    profiles: HashMap<UserId, UserRow>,
    /// In their order.
    signals: Vec<Outgoing>,
    /// About which entries somebody asks where they were pushed.
    asked: Vec<(Asker, ConversationKey, u64)>,
}

impl Ephemeral {
    /// Takes a body that is ephemeral, gives the others back. Malformed ones are dropped: the
    /// gateway made them.
    #[expect(clippy::result_large_err, reason = "the other half of an either, not an error")]
    pub(super) fn take(&mut self, asker: &Asker, body: Body) -> Result<(), Body> {
        let user = UserId::parse_qualified(&asker.origin.user_id).ok();
        match body {
            Body::AdvanceCursor(cursor) => {
                if let (Some(user), Ok(id)) =
                    (user, ConversationId::from_bytes(&cursor.conversation_id))
                {
                    let highest = self.cursors.entry((id, user)).or_default();
                    highest.delivered_seq = highest.delivered_seq.max(cursor.delivered_seq);
                    highest.read_seq = highest.read_seq.max(cursor.read_seq);
                    highest.is_told |= !cursor.quiet;
                }
            }
            Body::Typing(typing) => {
                if let (Some(user), Ok(id)) =
                    (user, ConversationId::from_bytes(&typing.conversation_id))
                {
                    self.typing.insert((id, user), (typing.on, asker.traceparent.clone()));
                }
            }
            Body::Profile(_) => {
                if let Some(user) = user {
                    let (name, avatar) = (asker.origin.name.clone(), asker.origin.avatar.clone());
                    self.profiles.insert(user.clone(), UserRow { id: user, name, avatar });
                }
            }
            Body::Signal(body) => self.signals.extend(signal::outgoing(asker, body)),
            Body::AskPushed(ask) => {
                if let (Some(user), Ok(id)) =
                    (user, ConversationId::from_bytes(&ask.conversation_id))
                {
                    let key = ConversationKey::new(user.tenant(), id);
                    self.asked.push((asker.clone(), key, ask.seq));
                }
            }
            other => return Err(other),
        }
        Ok(())
    }

    /// Stores what is to be stored and adds what is to be told.
    pub(super) async fn run(
        self,
        parts: &LaneParts,
        cache: &mut Cache,
        now_ms: u64,
        outgoing: &mut Vec<Outgoing>,
    ) {
        outgoing.extend(self.signals);
        for (asker, key, seq) in self.asked {
            let pushed = finding::Finding::Pushed(parts.journal.find(key, seq));
            let frame = Finding { finding: Some(pushed) }.encode_to_vec();
            outgoing.push(message::answer(&asker, frame.into()));
        }
        if !self.profiles.is_empty() {
            let users: Vec<_> = self.profiles.into_values().collect();
            if let Err(error) = parts.store.upsert_users(&users, now_ms).await {
                tracing::warn!(%error, users = users.len(), "profiles are not kept");
            }
        }
        let moved = advance(parts, &self.cursors).await;
        let mut keys: Vec<_> = moved.iter().map(CursorRow::conversation).collect();
        keys.extend(self.typing.keys().map(|(id, user)| ConversationKey::new(user.tenant(), *id)));
        let known = known(parts, cache, keys).await;
        for cursor in moved {
            let frame = ServerFrame::Receipt(Receipt {
                conversation_id: cursor.conversation_id,
                user_id: cursor.user_id.name(),
                delivered_seq: cursor.delivered_seq,
                read_seq: cursor.read_seq,
            });
            let marks = self.cursors.get(&(cursor.conversation_id, cursor.user_id.clone()));
            let to = if marks.is_none_or(|marks| marks.is_told) { Told::All } else { Told::Own };
            let id = cursor.conversation_id;
            outgoing.extend(tell(parts, &known, id, cursor.user_id, to, frame.to_json()));
        }
        for ((conversation_id, user_id), (on, traceparent)) in self.typing {
            let frame = ServerFrame::Typing(Typing::new(conversation_id, user_id.name(), on));
            let frame = frame.to_json();
            let told = tell(parts, &known, conversation_id, user_id, Told::Others, frame);
            outgoing.extend(told.map(|outgoing| Outgoing { traceparent, ..outgoing }));
        }
        for snapshot in known.into_values() {
            cache.put(snapshot);
        }
    }
}

async fn advance(
    parts: &LaneParts,
    cursors: &HashMap<(ConversationId, UserId), Marks>,
) -> Vec<CursorRow> {
    if cursors.is_empty() {
        return Vec::new();
    }
    let rows: Vec<_> = cursors
        .iter()
        .map(|((conversation_id, user_id), marks)| CursorRow {
            conversation_id: *conversation_id,
            user_id: user_id.clone(),
            delivered_seq: marks.delivered_seq,
            read_seq: marks.read_seq,
        })
        .collect();
    match parts.store.advance_cursors(&rows).await {
        Ok(moved) => moved,
        Err(error) => {
            tracing::warn!(%error, cursors = rows.len(), "cursors are not kept; clients send them again");
            parts.metrics.cursor_failures.inc_by(rows.len() as u64);
            Vec::new()
        }
    }
}

/// The conversations that something is told about.
async fn known(
    parts: &LaneParts,
    cache: &mut Cache,
    keys: Vec<ConversationKey>,
) -> HashMap<ConversationKey, Snapshot> {
    let mut known = HashMap::with_capacity(keys.len());
    let mut missing = Vec::new();
    for key in keys {
        if known.contains_key(&key) || missing.contains(&key) {
            continue;
        }
        match cache.take(key) {
            Some(snapshot) => {
                known.insert(key, snapshot);
            }
            None => missing.push(key),
        }
    }
    if !missing.is_empty() {
        match parts.store.load(&missing).await {
            Ok(loaded) => {
                known.extend(loaded.into_iter().flatten().map(|snapshot| (snapshot.key, snapshot)));
            }
            Err(error) => tracing::warn!(%error, "receipts and typing are not told"),
        }
    }
    known
}

/// Which members hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Of a receipt: one's own other devices, too, so that their unread counts agree.
    All,
    /// The member who did it has chosen to be invisible.
    Own,
    /// Of typing.
    Others,
}

/// To members, where there are not too many of them; one's own devices hear of a receipt in any case, because they
/// count what is unread by it. Nothing for one who is not a member.
fn tell(
    parts: &LaneParts,
    known: &HashMap<ConversationKey, Snapshot>,
    id: ConversationId,
    user_id: UserId,
    told: Told,
    frame: Bytes,
) -> Option<Outgoing> {
    let snapshot = known.get(&ConversationKey::new(user_id.tenant(), id))?;
    let me = *snapshot.members.get(&user_id)?;
    let is_large = snapshot.members.len() > parts.config.receipt_members;
    let told = match told {
        Told::Others if is_large => return None,
        Told::All if is_large => Told::Own,
        told => told,
    };
    let members = match told {
        Told::All | Told::Others => Arc::clone(&snapshot.members),
        Told::Own => Arc::new(std::iter::once((user_id.clone(), me)).collect()),
    };
    Some(Outgoing {
        to: To::Members {
            audience: Audience { members, ..Audience::default() },
            except: None,
            except_user: (told == Told::Others).then_some(user_id),
            device_type: DeviceType::Unspecified,
        },
        frame,
        class: if told == Told::Others { PushClass::Ephemeral } else { PushClass::Receipt },
        traceparent: String::new(),
        answers: Bytes::new(),
        entry: None,
        sent_ms: 0,
    })
}
