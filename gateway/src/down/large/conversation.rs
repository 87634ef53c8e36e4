//! One large conversation: its members with connections at this gateway, and what waits to be handed out.

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use proto::bus::{ChannelPush, EntryPush};
use proto::common::DeviceType;
use proto::id::{TenantId, UserId};

use super::members_query::MembersHere;
use crate::connections::dropped::Dropped;
use crate::connections::outbox::OutboxLimits;
use crate::connections::{Connection, Registry};
use crate::down::own_keys::OwnKeys;
use crate::memory::Share;
use crate::net::frame::Frame;

/// Answers to one push that do not help before it is given up.
const MOST_ASKS: u8 = 5;
/// Pushes under way at once.
const UNDER_WAY: usize = 64;
/// Bytes of what goes to a connection as one.
const RUN_BYTES: usize = 64 << 10;

/// A push and what had happened when it came.
#[derive(Debug)]
pub(super) struct WaitingPush {
    /// Without its frames.
    pub(super) push: EntryPush,
    /// For the sockets.
    pub(super) frame: Frame,
    /// Those of the devices that are written another one, with their keys.
    pub(super) keys: Option<OwnKeys>,
    /// For devices that the entry is not addressed to; none where they get nothing.
    pub(super) blank: Option<Frame>,
    /// Its part of what may wait for all large conversations.
    pub(super) _share: Share,
    /// Connections that had arrived: those must be known.
    pub(super) arrivals: u64,
    pub(super) asked: u8,
    /// Members who have not had it yet, once it is under way.
    pub(super) left: usize,
}

/// A local connection of a member.
#[derive(Debug)]
pub(super) struct Member {
    connection: Arc<Connection>,
    /// First entry that it may see.
    from_seq: u64,
}

/// What is known and waited for of one conversation.
#[derive(Debug, Default)]
pub(super) struct LargeConversation {
    /// The members are those after this entry; none: they are not known.
    as_of: Option<u64>,
    pub(super) members: Vec<Member>,
    /// Connections that arrived before this one are among the members or known not to be.
    seen: u64,
    /// In the order of the log. The first is being asked about or handed out.
    pub(super) waiting: VecDeque<WaitingPush>,
    /// The highest seq that has come.
    pub(super) newest: u64,
    /// How many of them are under way.
    under_way: usize,
    /// The same as one, for members who want all of it.
    run: Option<Run>,
    /// The member whose turn it is next.
    place: usize,
    /// Names the last ask.
    pub(super) asking: u64,
    pub(super) used_at: u64,
}

/// What the first push that waits needs.
pub(super) enum Need {
    /// There is none.
    Nothing,
    /// Everything is known.
    HandOut,
    /// An answer about these connections, all that arrived before that one.
    Arrivals(Vec<Arc<Connection>>, u64),
    /// An answer about all of this gateway.
    Everybody,
    /// No answer helps.
    GiveUp,
}

impl LargeConversation {
    pub(super) fn need(&mut self, registry: &Registry, tenant: TenantId) -> Need {
        let Some(first) = self.waiting.front() else { return Need::Nothing };
        if first.push.channel.is_none() {
            return Need::HandOut;
        }
        let follows = self.as_of.is_some_and(|as_of| first.push.seq <= as_of + 1);
        if follows && self.seen >= first.arrivals {
            return Need::HandOut;
        }
        if first.asked >= MOST_ASKS {
            return Need::GiveUp;
        }
        let arrivals = first.arrivals;
        match registry.arrived_since(self.seen) {
            Some((mut connections, seen)) if follows => {
                let count = connections.len();
                connections.retain(|connection| connection.user_id.tenant() == tenant);
                // Nobody needs to be asked whether users of other tenants are members.
                if count > 0 && connections.is_empty() && seen >= arrivals {
                    self.seen = seen;
                    return Need::HandOut;
                }
                Need::Arrivals(connections, seen)
            }
            _ => Need::Everybody,
        }
    }

    /// Takes an answer.
    pub(super) fn learn(&mut self, here: MembersHere, seen: u64, is_everybody: bool) {
        if is_everybody {
            self.members.clear();
            self.as_of = Some(here.head);
        } else {
            let asked: HashSet<u64> = here.asked.iter().map(|asked| asked.number).collect();
            self.members.retain(|member| !asked.contains(&member.connection.number));
        }
        let from_seqs = here.from_seqs;
        self.members.extend(here.asked.into_iter().filter_map(|connection| {
            let from_seq = *from_seqs.get(&connection.user_id)?;
            Some(Member { connection, from_seq })
        }));
        self.members.shrink_to_fit();
        self.seen = seen;
    }

    /// Begins to hand out the first push.
    pub(super) fn begin(&mut self, registry: &Registry) {
        let joined = self.joined_now();
        if let (Some(first), false) = (self.waiting.front(), joined.is_empty()) {
            let seq = first.push.seq;
            self.join(&joined, seq, registry);
        }
        self.under_way = 1;
        let members = self.members.len();
        if self.place >= members {
            self.place = 0;
        }
        if let Some(first) = self.waiting.front_mut() {
            first.left = if first.push.channel.is_none() { 0 } else { members };
        }
    }

    /// Takes up those behind the first that need nothing else, wherever the round is: each goes once
    /// round from there. So a member gets all it has not had with one write.
    fn take_up(&mut self) {
        let Some(first) = self.waiting.front() else { return };
        if first.push.channel.as_ref().is_none_or(|about| !about.left.is_empty()) {
            return;
        }
        let (seq, seen) = (first.push.seq, self.seen);
        let is_alike = |place: usize, waiting: &WaitingPush| {
            let about = waiting.push.channel.as_ref();
            waiting.push.seq == seq + place as u64
                && waiting.arrivals <= seen
                && about.is_some_and(|about| about.joined.is_empty() && about.left.is_empty())
        };
        while self.under_way < UNDER_WAY
            && let Some(next) = self.waiting.get_mut(self.under_way)
            && is_alike(self.under_way, next)
        {
            next.left = self.members.len();
            self.under_way += 1;
            self.run = None;
        }
    }

    /// Whom the first push adds, when that is not known yet.
    fn joined_now(&self) -> HashSet<UserId> {
        let Some(first) = self.waiting.front() else { return HashSet::new() };
        let Some(about) = &first.push.channel else { return HashSet::new() };
        if self.as_of.is_none_or(|as_of| first.push.seq != as_of + 1) {
            return HashSet::new();
        }
        about.joined.iter().filter_map(|user| UserId::parse_qualified(user).ok()).collect()
    }

    /// Adds the connections here of the users that the entry at `seq` adds.
    fn join(&mut self, joined: &HashSet<UserId>, seq: u64, registry: &Registry) {
        let known: HashSet<u64> = self
            .members
            .iter()
            .filter(|member| joined.contains(&member.connection.user_id))
            .map(|member| member.connection.number)
            .collect();
        self.members.extend(
            registry
                .all()
                .into_iter()
                .filter(|here| joined.contains(&here.user_id) && !known.contains(&here.number))
                .map(|connection| Member { connection, from_seq: seq }),
        );
    }

    /// Hands what is under way to the next few members, without waking them.
    pub(super) fn hand_out(
        &mut self,
        slice: usize,
        limits: OutboxLimits,
        registry: &Registry,
    ) -> Slice {
        self.take_up();
        let Some(first) = self.waiting.front() else { return Slice::default() };
        let mut handed = Slice::default();
        if first.push.channel.is_none() {
            handed = named(first, limits, registry);
        }
        // Limit the slice to members that need the same set of pushes.
        let count = slice.min(first.left).min(self.members.len() - self.place);
        let group = || self.waiting.iter().take(self.under_way);
        if self.run.is_none() {
            self.run = Run::of(group());
        }
        for member in &self.members[self.place..self.place + count] {
            if let Some(run) = self.run.as_ref().filter(|run| run.is_for(member)) {
                handed.add(&member.connection, std::iter::once(run.frame.clone()), limits);
                continue;
            }
            let wanted = group().filter_map(|waiting| member.wants(waiting));
            handed.add(&member.connection, wanted, limits);
        }
        self.place += count;
        if self.place >= self.members.len() {
            self.place = 0;
        }
        for waiting in self.waiting.iter_mut().take(self.under_way) {
            waiting.left -= count;
        }
        self.finish();
        handed
    }

    /// Nothing is under way.
    pub(super) fn is_handed_out(&self) -> bool {
        self.under_way == 0
    }

    /// What all members have had waits no more, and what it changes is changed.
    fn finish(&mut self) {
        while self.under_way > 0
            && let Some(WaitingPush { push, .. }) =
                self.waiting.pop_front_if(|first| first.left == 0)
        {
            self.under_way -= 1;
            self.run = None;
            let Some(about) = push.channel else { continue };
            if self.as_of.is_none_or(|as_of| push.seq != as_of + 1) {
                continue;
            }
            self.as_of = Some(push.seq);
            if !about.left.is_empty() {
                // This push is under way alone. A user who joined again later stays.
                self.members.retain(|member| {
                    member.connection.user_id.as_str() != about.left || member.from_seq > push.seq
                });
            }
        }
        if self.under_way == 0 {
            self.members.retain(|member| !member.connection.is_gone());
        }
    }
}

impl WaitingPush {
    /// For a device that sees all of the entry.
    fn frame_for(&self, connection: &Connection) -> Frame {
        let own = self.keys.as_ref().and_then(|keys| keys.frame(&self.push, connection));
        own.unwrap_or_else(|| self.frame.clone())
    }
}

impl Member {
    /// What it gets of an entry, if anything.
    fn wants(&self, waiting: &WaitingPush) -> Option<Frame> {
        let (connection, push) = (&self.connection, &waiting.push);
        let about = push.channel.as_ref()?;
        let is_there =
            self.from_seq <= push.seq && about.except != connection.number && !connection.is_gone();
        if !is_there {
            return None;
        }
        // The same rule as in the chat service (`chat-service/src/domain/reader.rs`): a log without a gap, in which some see
        // only that there is an entry.
        let device_type = about.device_type();
        let is_meant = device_type == DeviceType::Unspecified
            || device_type == connection.device_type
            || connection.user_id.as_str() == about.sender;
        if is_meant && (about.target == 0 || about.target >= self.from_seq) {
            return Some(waiting.frame_for(connection));
        }
        waiting.blank.clone()
    }
}

/// Several entries as one frame.
#[derive(Debug)]
struct Run {
    frame: Frame,
    first_seq: u64,
    /// Connections that do not want all of it.
    except: Vec<u64>,
}

impl Run {
    /// None where a single frame has something of its own.
    fn of<'a>(group: impl Iterator<Item = &'a WaitingPush> + Clone) -> Option<Self> {
        let is_plain = |waiting: &WaitingPush| {
            let about = waiting.push.channel.as_ref();
            let is_for_all = |about: &ChannelPush| {
                about.device_type() == DeviceType::Unspecified && about.target == 0
            };
            about.is_some_and(is_for_all)
                && waiting.keys.is_none()
                && !waiting.frame.about().is_late
                && waiting.frame.about().traceparent.is_empty()
        };
        let bytes: usize = group.clone().map(|waiting| waiting.frame.len()).sum();
        if group.clone().nth(1).is_none() || bytes > RUN_BYTES || !group.clone().all(is_plain) {
            return None;
        }
        let first_seq = group.clone().next()?.push.seq;
        let abouts = group.clone().filter_map(|waiting| waiting.push.channel.as_ref());
        let except = abouts.map(|about| about.except).collect();
        let frame = Frame::run(group.map(|waiting| waiting.frame.clone()).collect());
        Some(Self { frame, first_seq, except })
    }

    fn is_for(&self, member: &Member) -> bool {
        let connection = &member.connection;
        member.from_seq <= self.first_seq
            && !self.except.contains(&connection.number)
            && !connection.is_gone()
    }
}

/// What was handed out at once.
#[derive(Debug, Default)]
pub(super) struct Slice {
    /// Whose outboxes have something that they were not woken for.
    pub(super) connections: Vec<Arc<Connection>>,
    pub(super) dropped: Dropped,
}

impl Slice {
    fn add(
        &mut self,
        connection: &Arc<Connection>,
        frames: impl Iterator<Item = Frame>,
        limits: OutboxLimits,
    ) {
        self.dropped.extend(connection.outbox.push_quietly(frames, limits));
        self.connections.push(Arc::clone(connection));
    }
}

/// To the connections that the push itself names.
fn named(waiting: &WaitingPush, limits: OutboxLimits, registry: &Registry) -> Slice {
    let numbers = waiting.push.connections.iter();
    let mut handed = Slice::default();
    for connection in numbers.filter_map(|number| registry.get(*number)) {
        handed.add(&connection, std::iter::once(waiting.frame_for(&connection)), limits);
    }
    handed
}
