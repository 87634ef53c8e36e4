//! One fleet's file: its clients' sends, entries, syncs, cursors and connections.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::{CommonLines, Invoked, Judged, is_last, observe};
use crate::event::{CursorKind, Doubt, Event, Seen, Way};
use crate::facts::{Facts, Notice, Receipt, Session, Sync, Unanswered};
use crate::history::{
    ClientHistory, History, Mark, Observation, Oddity, Outcome, Send, Synced, Via, View,
};

/// An entry that came to a client.
#[derive(Debug)]
struct Received {
    client: u32,
    connection: u16,
    entry: Seen,
    via: Via,
}

/// The lines of one fleet, as far as they were read.
#[derive(Debug, Default)]
pub struct RunLines {
    name: Option<String>,
    conversations: Vec<Uuid>,
    /// Whose clients they are, of those whose number is not their user's.
    users: HashMap<u32, u32>,
    history: History,
    facts: Facts,
    invoked: BTreeMap<Uuid, Invoked>,
    first_invoked_us: HashMap<(u32, u32), u64>,
    answered: Vec<(u64, u64)>,
    refused: Vec<u64>,
    received: Vec<Received>,
    /// How many entries had come, whose sync ended then, and how far it reached.
    synced: Vec<(usize, u32, u16, Sync)>,
    shown: BTreeSet<(u32, u32, u32)>,
    logs: Vec<Seen>,
    read_logs: Vec<u32>,
    /// By client: syncs that are under way, the oldest first.
    syncing: HashMap<u32, Vec<Sync>>,
    is_whole: bool,
    doubts: Vec<String>,
}

impl RunLines {
    /// True when the file is a fleet's.
    pub fn is_run(&self) -> bool {
        self.name.is_some()
    }

    pub(super) fn take(&mut self, t: u64, event: Event) {
        self.is_whole = is_last(&event);
        let at_us = t / 1_000;
        match event {
            Event::Run { name, devs, conversations, gateways } => {
                self.name = Some(name);
                self.history.conversations = conversations.len() as u32;
                self.history.clients.resize_with(devs as usize, ClientHistory::default);
                (self.conversations, self.facts.gateways) = (conversations, gateways);
            }
            Event::Device { dev, user } => {
                self.users.insert(dev, user);
            }
            Event::Member { conv, dev, from_seq, to_seq } => {
                let interval = (from_seq, to_seq.unwrap_or(u32::MAX));
                self.history.memberships.insert((conv, dev), interval);
            }
            Event::Log { entry } => self.logs.push(entry),
            Event::LogEnd { conv } => self.read_logs.push(conv),
            Event::End { dev, reached } => self.client(dev).is_reached = reached,
            Event::Done { dropped, drained, doubts } => {
                self.doubts.extend(doubts);
                if dropped > 0 {
                    self.doubts.push(format!("{dropped} events are missing"));
                }
                if !drained {
                    self.doubts.push("the drain was not reached in time".to_owned());
                }
            }
            other => self.take_clients(at_us, other),
        }
    }

    /// What a single client did or heard.
    fn take_clients(&mut self, at_us: u64, event: Event) {
        match event {
            Event::Invoke { dev, conv, n, cid, hash, .. } => {
                let user = self.user_of(dev);
                let invoked = Invoked { client: dev, user, number: n, conversation: conv, hash };
                self.invoked.insert(cid, invoked);
                self.invoke(at_us, dev, n, conv);
            }
            Event::Ok { dev, conv, n, seq, id, .. } => self.ok(at_us, dev, conv, n, (seq, id)),
            Event::Fail { dev, n, .. } => {
                self.refused.push(at_us);
                if let Some(send) = self.unanswered(dev, n) {
                    send.is_late = true;
                    if !send.is_doubtful {
                        send.outcome = Outcome::Refused;
                    }
                }
            }
            Event::Info { dev, n, why } => {
                self.facts.unanswered.push(Unanswered { at_us, client: dev, number: n, why });
                if let Some(send) = self.unanswered(dev, n) {
                    send.is_doubtful = true;
                    send.is_late |= why != Doubt::Lost;
                }
            }
            Event::Recv { dev, epoch, entry, via, shown } => {
                let via = if via == Way::Live { Via::Live } else { Via::Sync };
                let (client, connection) = (dev, epoch);
                if shown && !self.shown.insert((client, entry.conv, entry.seq)) {
                    let (conversation, seq) = (entry.conv, entry.seq);
                    self.odd(Oddity::ShownTwice { client, conversation, seq });
                }
                let place = (client, entry.conv, entry.seq);
                self.facts.arrivals.entry(place).or_insert(at_us);
                self.received.push(Received { client, connection, entry, via });
            }
            Event::Leak { dev, conversation } => {
                self.odd(Oddity::Leak { client: dev, conversation_id: conversation });
            }
            Event::Unreadable { dev } => self.odd(Oddity::Unreadable { client: dev }),
            other => self.take_facts(at_us, other),
        }
    }

    fn take_facts(&mut self, at_us: u64, event: Event) {
        match event {
            Event::SyncBegin { dev, cursors, entries, .. } => {
                let reached: BTreeMap<u32, u32> = cursors.into_iter().collect();
                let held = entries.into_iter();
                let held = held.filter_map(|(conv, id)| {
                    Some((conv, (reached.get(&conv).copied()?, Mark::of(id))))
                });
                let held = held.collect();
                let sync =
                    Sync { client: dev, begun_us: at_us, reached, held, reset: BTreeSet::new() };
                self.syncing.entry(dev).or_default().push(sync);
            }
            Event::SyncPage { dev, conv, head, reset } => {
                if let Some(sync) = self.syncing.get_mut(&dev).and_then(|all| all.first_mut()) {
                    let reached = sync.reached.entry(conv).or_default();
                    *reached = (*reached).max(head);
                    if reset {
                        sync.reset.insert(conv);
                    }
                }
                if reset {
                    // Shown again, and rightly so.
                    self.shown.retain(|(client, conversation, _)| {
                        (*client, *conversation) != (dev, conv)
                    });
                }
            }
            Event::SyncEnd { dev, epoch, done } => {
                let all = self.syncing.entry(dev).or_default();
                if !all.is_empty() {
                    let sync = all.remove(0);
                    if done {
                        self.synced.push((self.received.len(), dev, epoch, sync.clone()));
                        self.facts.syncs.push(sync);
                    }
                }
            }
            Event::Cursor { dev, conv, kind: CursorKind::Delivered | CursorKind::Read, seq } => {
                let user = self.user_of(dev);
                let confirmed = self.facts.confirmed.entry((user, conv)).or_default();
                *confirmed = (*confirmed).max(u64::from(seq));
            }
            Event::Receipt { dev, epoch, conv, user, delivered, read } => {
                let (observer, conversation) = (dev, conv);
                let receipt = Receipt { observer, epoch, conversation, user, delivered, read };
                self.facts.receipts.push(receipt);
            }
            Event::Presence { dev, epoch, user, status } => {
                let is_offline = status == "offline";
                let notice = Notice { at_us, observer: dev, epoch, user, is_offline };
                self.facts.notices.push(notice);
            }
            Event::Status { user, status } => {
                self.facts.statuses.push((at_us, user, status == "offline"));
            }
            Event::Open { dev, epoch, gateway } => self.facts.sessions.push(Session {
                client: dev,
                epoch,
                gateway,
                opened_us: at_us,
                closed_us: u64::MAX,
                closed_by_peer: None,
            }),
            Event::Close { dev, epoch, code, by_peer } => {
                self.syncing.remove(&dev);
                let mut sessions = self.facts.sessions.iter_mut().rev();
                if let Some(open) = sessions.find(|s| (s.client, s.epoch) == (dev, epoch)) {
                    (open.closed_us, open.closed_by_peer) = (at_us, by_peer.then_some(code));
                }
            }
            _ => {}
        }
    }

    /// Whose client it is.
    fn user_of(&self, client: u32) -> u32 {
        self.users.get(&client).copied().unwrap_or(client)
    }

    fn odd(&mut self, oddity: Oddity) {
        self.history.oddities.push(oddity);
    }

    fn client(&mut self, client: u32) -> &mut ClientHistory {
        let clients = &mut self.history.clients;
        if clients.len() <= client as usize {
            clients.resize_with(client as usize + 1, ClientHistory::default);
        }
        &mut clients[client as usize]
    }

    /// A send that was written and has no answer for good.
    fn unanswered(&mut self, client: u32, number: u32) -> Option<&mut Send> {
        let send = self.client(client).sends.get_mut(number as usize);
        send.filter(|send| send.outcome != Outcome::Acknowledged)
    }

    fn invoke(&mut self, at_us: u64, client: u32, number: u32, conversation: u32) {
        self.first_invoked_us.entry((client, number)).or_insert(at_us);
        let sends = &mut self.client(client).sends;
        if sends.len() <= number as usize {
            sends.resize(number as usize + 1, Send::default());
        }
        let send = &mut sends[number as usize];
        send.conversation = conversation;
        if matches!(send.outcome, Outcome::Unsent | Outcome::Refused) {
            (send.outcome, send.invoked_us) = (Outcome::Unknown, at_us);
        }
    }

    fn ok(
        &mut self,
        at_us: u64,
        client: u32,
        conversation: Option<u32>,
        number: Option<u32>,
        (seq, id): (u32, Uuid),
    ) {
        let mark = Mark::of(id);
        let sends = &mut self.client(client).sends;
        let send = number.and_then(|number| Some((number, sends.get_mut(number as usize)?)));
        let Some((number, send)) = send.filter(|(_, send)| {
            Some(send.conversation) == conversation && send.outcome != Outcome::Unsent
        }) else {
            return self.odd(Oddity::StrangeAnswer { client });
        };
        if send.outcome == Outcome::Acknowledged {
            if (send.seq, send.mark) != (seq, mark) {
                self.odd(Oddity::ChangedAnswer { client, number });
            }
            return;
        }
        (send.outcome, send.seq, send.mark) = (Outcome::Acknowledged, seq, mark);
        send.acknowledged_us = at_us;
        let first_us = self.first_invoked_us.get(&(client, number)).copied().unwrap_or(at_us);
        self.answered.push((first_us, at_us));
    }

    /// Puts everything together.
    pub fn judged(mut self, common: &CommonLines) -> Judged {
        if !self.is_whole {
            self.doubts.push("the history is cut off".to_owned());
        }
        self.views();
        self.accounts(common);
        let end_us = common.end_us;
        for session in &mut self.facts.sessions {
            session.closed_us = session.closed_us.min(end_us);
        }
        self.facts.end_us = end_us;
        self.facts.faults.clone_from(&common.faults);
        self.facts.bounds.clone_from(&common.bounds);
        self.facts.peaks.clone_from(&common.peaks);
        let Self { history, facts, answered, refused, doubts, .. } = self;
        Judged { history, facts, answered, refused, doubts }
    }

    /// What each client saw of each of its conversations.
    fn views(&mut self) {
        let mut views: BTreeMap<(u32, u32), (Vec<Observation>, Vec<Synced>)> = BTreeMap::new();
        for member in self.history.memberships.keys() {
            views.entry((member.1, member.0)).or_default();
        }
        let mut syncs = std::mem::take(&mut self.synced).into_iter().peekable();
        for (place, received) in self.received.iter().enumerate() {
            while let Some((_, client, connection, sync)) = syncs.next_if(|it| it.0 <= place) {
                for (conversation, reached) in sync.reached {
                    let (seen, synced) = views.entry((client, conversation)).or_default();
                    synced.push(Synced { after: seen.len(), connection, reached });
                }
            }
            let seen = observe(&self.invoked, &received.entry, received.connection, received.via);
            views.entry((received.client, received.entry.conv)).or_default().0.push(seen);
        }
        for ((client, conversation), (observations, synced)) in views {
            self.client(client).views.push(View { conversation, observations, synced });
        }
    }

    /// The logs by REST's and by the database's account.
    fn accounts(&mut self, common: &CommonLines) {
        for conversation in &self.read_logs {
            self.history.stored.insert(*conversation, Vec::new());
        }
        for entry in &self.logs {
            let seen = observe(&self.invoked, entry, 0, Via::History);
            // A log that was not read to its end is no account.
            if let Some(log) = self.history.stored.get_mut(&entry.conv) {
                log.push(seen);
            }
        }
        if !common.are_rows_whole {
            return;
        }
        let numbers: HashMap<Uuid, u32> = self.conversations.iter().copied().zip(0..).collect();
        for conversation in numbers.values() {
            self.history.tables.insert(*conversation, Vec::new());
        }
        for row in &common.rows {
            let Some(conv) = numbers.get(&row.conversation).copied() else { continue };
            let from = match self.user(&row.sender) {
                Some(client) if row.entry.from != -1 => i64::from(client),
                _ => row.entry.from,
            };
            let seen = observe(&self.invoked, &Seen { conv, from, ..row.entry }, 0, Via::Table);
            self.history.tables.entry(conv).or_default().push(seen);
        }
        for row in &common.cursors {
            if let (Some(conv), Some(user)) = (numbers.get(&row.conversation), self.user(&row.user))
            {
                self.facts.cursor_rows.insert((user, *conv), (row.delivered, row.read));
            }
        }
    }

    /// The number behind a user's name.
    fn user(&self, name: &str) -> Option<u32> {
        name.strip_prefix(self.name.as_deref()?)?.strip_prefix('-')?.parse().ok()
    }
}
