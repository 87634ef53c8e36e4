//! What the append step gives delivery: answers and entries, each with the receivers it is for.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::bus::{FrameClass, Origin, Refused, finding};
use proto::common::GatewayRef;
use proto::error_code::{ErrorCode, Stored};
use proto::id::{ConversationId, ConversationKey, EntryId, UserId};

use super::locate::Located;
use crate::domain::conversation::Refusal;
use crate::domain::entry::{Entry, Limits, StoredEntry, StoredOperation};
use crate::encode::{self, Shown};
use crate::operations::plan::Audience;
use crate::operations::{Reference, act};

/// A batch that is committed or refused, with everything there is to tell.
#[derive(Debug, Default)]
pub(crate) struct OutgoingBatch {
    /// In the order in which each receiver must hear it.
    pub(crate) outgoing: Vec<Outgoing>,
    /// When its entries were committed.
    pub(crate) committed_at: Option<Instant>,
    /// Where recipients were before the commit: of a planted bug only.
    pub(crate) located_early: Option<Located>,
}

/// The connection that a frame came from.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    /// Its gateway's incarnation.
    pub(crate) gateway: Arc<GatewayRef>,
    /// Who is behind it.
    pub(crate) origin: Origin,
    /// The span of this step; empty when not sampled.
    pub(crate) traceparent: String,
    /// What to repeat in the answer.
    pub(crate) reference: Reference,
    /// When the first frame of its batch came to the gateway, in Unix milliseconds; 0 when it is not known.
    pub(crate) sent_ms: u64,
}

/// One thing to push.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) to: To,
    /// What they are pushed.
    pub(crate) what: What,
    /// The span that caused it; empty when not sampled.
    pub(crate) traceparent: String,
    /// The entry that it is.
    pub(crate) entry: Option<(ConversationKey, u64)>,
    /// Of an entry: [`Asker::sent_ms`]. Only measured by.
    pub(crate) sent_ms: u64,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// The answer to a request; the gateway writes it as its client wants it.
    Answer(Reference, Reply),
    /// The answer to the question of an operator.
    Finding(finding::Finding),
    /// An entry of a log: the complete frame as JSON text, and what others are pushed in its place where not all of its
    /// receivers may see it.
    Entry(Bytes, Option<Box<Limited>>),
    /// Another complete frame as JSON text.
    Frame(FrameClass, Bytes),
}

/// An entry that some of its receivers may not see.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    /// Sees it in any case.
    pub(crate) author: UserId,
    /// Who else sees it.
    pub(crate) limits: Limits,
    /// The frame for everybody else.
    pub(crate) blank: Bytes,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// It is in the log.
    Sent(EntryPlace),
    /// It is not, or nobody knows.
    Refused(Refused),
}

impl What {
    /// Bytes of what it holds, about.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Answer(_, Reply::Sent(_)) => 0,
            Self::Answer(_, Reply::Refused(refused)) => refused.message.len(),
            Self::Finding(finding) => finding.encoded_len(),
            Self::Entry(frame, None) | Self::Frame(_, frame) => frame.len(),
            Self::Entry(frame, Some(limited)) => frame.len() + limited.blank.len(),
        }
    }
}

/// Whom a push is for.
#[derive(Debug, Clone)]
pub(crate) enum To {
    /// The connection that asked: known without a look-up.
    Connection {
        /// Its gateway's incarnation.
        gateway: Arc<GatewayRef>,
        /// Its number there.
        connection: u64,
        user_id: String,
    },
    /// All devices of a user.
    User(UserId),
    /// All devices of the members of a large conversation: each gateway finds its own.
    Channel {
        /// The members, and who comes and goes.
        audience: Audience,
        /// The connection that asked, which got an answer instead.
        except: (Arc<GatewayRef>, u64),
    },
    /// All devices of the members, but not the connection that asked.
    Members {
        audience: Audience,
        /// The connection that asked, which got an answer instead.
        except: Option<(Arc<GatewayRef>, u64)>,
        /// Its own devices need not hear of it.
        except_user: Option<UserId>,
    },
}

impl To {
    /// True for the answer to a request.
    pub(crate) fn is_answer(&self) -> bool {
        matches!(self, Self::Connection { .. })
    }

    /// The users who are to be looked up for it; none of an answer, and none of a large conversation.
    pub(crate) fn members(&self) -> impl Iterator<Item = &UserId> {
        let (user, members) = match self {
            Self::Connection { .. } | Self::Channel { .. } => (None, None),
            Self::User(user) => (Some(user), None),
            Self::Members { audience, except_user, .. } => (None, Some((audience, except_user))),
        };
        user.into_iter().chain(members.into_iter().flat_map(|(audience, except)| {
            let users = audience.members.keys().chain(&audience.removed);
            users.filter(move |user| Some(*user) != except.as_ref())
        }))
    }
}

/// Where an operation is in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EntryPlace {
    pub(crate) conversation_id: ConversationId,
    /// None for an operation that changed nothing, is tallied, or is stored elsewhere.
    pub(crate) id: Option<EntryId>,
    /// The head of the log for one that changed nothing.
    pub(crate) seq: u64,
    /// In Unix milliseconds.
    pub(crate) at_ms: u64,
    /// A reaction that is stored, and told later.
    pub(crate) is_tallied: bool,
    /// It is in a log that its sender does not read.
    pub(crate) is_elsewhere: bool,
}

impl EntryPlace {
    pub(crate) fn of(entry: &Entry) -> Self {
        let Entry { conversation_id, id, seq, created_at_ms, .. } = *entry;
        if let Some(place) = Self::about(entry) {
            return place;
        }
        // What tells the counts is no entry of the one who asked.
        let is_tallied = entry.body.is_tally();
        let id = (!is_tallied).then_some(id);
        let at_ms = created_at_ms;
        Self { conversation_id, id, seq, at_ms, is_tallied, is_elsewhere: false }
    }

    /// The card that a press is about: where that is stored is no business of who has pressed.
    fn about(entry: &Entry) -> Option<Self> {
        if !entry.body.is_act() {
            return None;
        }
        let (conversation_id, seq) = act::card_of(entry.body.content())?;
        let place = Self::without_entry(conversation_id, seq, entry.created_at_ms);
        Some(Self { is_elsewhere: true, ..place })
    }

    pub(crate) fn stored(stored: &StoredOperation) -> Self {
        let StoredOperation { conversation, entry_id, seq, created_at_ms, .. } = *stored;
        if let Some(place) = stored.entry.as_deref().and_then(Self::about) {
            return place;
        }
        let conversation_id = conversation.id;
        let is_tallied = stored.entry.as_ref().is_some_and(|entry| entry.body.is_tally());
        let id = (!is_tallied).then_some(entry_id);
        let at_ms = created_at_ms;
        Self { conversation_id, id, seq, at_ms, is_tallied, is_elsewhere: false }
    }

    /// Of an operation that stored no entry.
    pub(crate) fn without_entry(conversation_id: ConversationId, seq: u64, at_ms: u64) -> Self {
        let (is_tallied, is_elsewhere) = (false, false);
        Self { conversation_id, id: None, seq, at_ms, is_tallied, is_elsewhere }
    }
}

pub(crate) fn sent(asker: &Asker, place: EntryPlace) -> Outgoing {
    answer(asker, What::Answer(asker.reference.clone(), Reply::Sent(place)))
}

/// `error` for what the rules refuse: nothing is stored.
pub(crate) fn refused(asker: &Asker, refusal: Refusal) -> Outgoing {
    let refused = Refused::new(refusal.code, refusal.message, Stored::No);
    let refused = Refused { current: refusal.current, ..refused };
    answer(asker, What::Answer(asker.reference.clone(), Reply::Refused(refused)))
}

pub(crate) fn error(
    asker: &Asker,
    code: ErrorCode,
    message: impl Into<String>,
    stored: Stored,
    retry_after_ms: Option<u64>,
) -> Outgoing {
    let refused = Refused { retry_after_ms, ..Refused::new(code, message, stored) };
    answer(asker, What::Answer(asker.reference.clone(), Reply::Refused(refused)))
}

/// To the connection that asked.
pub(crate) fn answer(asker: &Asker, what: What) -> Outgoing {
    Outgoing {
        to: To::Connection {
            gateway: Arc::clone(&asker.gateway),
            connection: asker.origin.connection,
            user_id: asker.origin.user_id.clone(),
        },
        what,
        traceparent: asker.traceparent.clone(),
        entry: None,
        sent_ms: 0,
    }
}

/// `entry`, for every device but the one that wrote it.
pub(crate) fn entry(
    asker: &Asker,
    entry: Entry,
    audience: Audience,
    large_members: usize,
) -> Outgoing {
    let place = (entry.conversation(), entry.seq);
    let (author, limits) = (entry.author.id.clone(), entry.limits());
    let stored = StoredEntry {
        entry,
        sender_name: asker.origin.name.clone(),
        sender_avatar: asker.origin.avatar.clone(),
    };
    // Its sender has to hear of what it did not write itself.
    let is_others = stored.entry.body.is_tally() || stored.entry.body.is_act();
    let connection = (!is_others).then_some(asker.origin.connection);
    let is_limited = limits.device_type.is_some() || limits.target.is_some();
    let limited = is_limited.then(|| {
        let blank = encode::entry(stored.clone(), Shown::Blank);
        Box::new(Limited { author, limits, blank })
    });
    let gateway = Arc::clone(&asker.gateway);
    let to = if audience.members.len() > large_members {
        To::Channel { audience, except: (gateway, connection.unwrap_or_default()) }
    } else {
        let except = connection.map(|connection| (gateway, connection));
        To::Members { audience, except, except_user: None }
    };
    Outgoing {
        to,
        what: What::Entry(encode::entry(stored, Shown::Whole), limited),
        traceparent: asker.traceparent.clone(),
        entry: Some(place),
        sent_ms: asker.sent_ms,
    }
}
