//! Recorded histories of runs on a system that does everything right, with faults and a graceful
//! stop in the middle.

use proptest::prelude::*;
use uuid::Uuid;

use crate::event::{Act, CursorKind, Doubt, Event, Line, Seen, Way};

/// Clients of every story, all of them members of every conversation.
pub const CLIENTS: u32 = 3;
/// Conversations of every story.
pub const CONVERSATIONS: u32 = 2;
/// Nanoseconds of a millisecond.
pub const MS: u64 = 1_000_000;
/// When sending begins.
const BEGIN: u64 = 60_000 * MS;

/// Which conversation, and who sends.
pub type Step = (u32, u32);

pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..CONVERSATIONS, 0..CLIENTS), 16..40)
}

/// A story under construction.
#[derive(Debug, Clone, Default)]
pub struct Story {
    /// The fleet's file.
    pub run: Vec<Line>,
    /// The file beside it.
    pub common: Vec<Line>,
    /// By conversation: sender and number of each entry.
    logs: [Vec<(u32, u32)>; CONVERSATIONS as usize],
    sends: [u32; CLIENTS as usize],
    /// Which connection of each client is open.
    epochs: [u16; CLIENTS as usize],
    now: u64,
}

pub fn conversation_id(conv: u32) -> Uuid {
    Uuid::from_u128(0xC0 << 64 | u128::from(conv))
}

fn cid(dev: u32, n: u32) -> Uuid {
    Uuid::from_u128(0xA0 << 64 | u128::from(dev) << 32 | u128::from(n))
}

fn text(dev: u32, n: u32) -> String {
    format!("text {n} of {dev}")
}

pub fn hash(dev: u32, n: u32) -> u64 {
    crate::event::text_hash(text(dev, n).as_bytes())
}

pub fn entry(conv: u32, seq: u32, (dev, n): (u32, u32)) -> Seen {
    let id = Uuid::from_u128(0xE0 << 64 | u128::from(conv) << 32 | u128::from(seq));
    Seen { conv, seq, id, cid: Some(cid(dev, n)), from: i64::from(dev), hash: hash(dev, n) }
}

impl Story {
    /// Everything right.
    pub fn of(steps: &[Step]) -> Self {
        let mut story = Self { now: BEGIN, epochs: [1; CLIENTS as usize], ..Self::default() };
        story.begin();
        let half = steps.len() / 2;
        for (at, (conv, dev)) in steps.iter().enumerate() {
            if at == half {
                story.trouble();
            }
            story.send(*conv, *dev);
        }
        story.end();
        story
    }

    pub fn say(&mut self, event: Event) {
        self.now += MS;
        self.run.push(Line { t: self.now, event });
    }

    fn say_beside(&mut self, event: Event) {
        self.now += MS;
        self.common.push(Line { t: self.now, event });
    }

    fn begin(&mut self) {
        let conversations = (0..CONVERSATIONS).map(conversation_id).collect();
        let gateways = vec!["one".to_owned(), "two".to_owned()];
        self.say(Event::Run { name: "story".to_owned(), devs: CLIENTS, conversations, gateways });
        for (conv, dev) in pairs() {
            self.say(Event::Member { conv, dev, from_seq: 1, to_seq: None });
        }
        for dev in 0..CLIENTS {
            self.say(Event::Open { dev, epoch: 1, gateway: dev % 2 });
        }
        let (process, what) = ("gateway-0".to_owned(), "rss".to_owned());
        self.say_beside(Event::Bound { process, what, most: 1_000 });
    }

    /// Client 0 sits on gateway 0, which is stopped gracefully; then the chat service is killed,
    /// and client 1 loses its connection.
    fn trouble(&mut self) {
        let drain = |act, evidence: Option<&str>| Event::Nemesis {
            fault: "drain".to_owned(),
            target: "gateway-0".to_owned(),
            act,
            evidence: evidence.map(str::to_owned),
        };
        self.say_beside(drain(Act::Start, None));
        self.say(Event::Close { dev: 0, epoch: 1, code: 1012, by_peer: true });
        self.say_beside(drain(Act::Stop, Some("exit 0")));
        self.reopen(0, 1);
        let kill = |act, evidence: Option<&str>| Event::Nemesis {
            fault: "kill".to_owned(),
            target: "chat-0".to_owned(),
            act,
            evidence: evidence.map(str::to_owned),
        };
        self.say_beside(kill(Act::Start, Some("pid is gone")));
        self.say(Event::Info { dev: 2, n: self.sends[2], why: Doubt::Overdue });
        self.say_beside(kill(Act::Stop, None));
        self.say(Event::Close { dev: 1, epoch: 1, code: 1006, by_peer: true });
        self.reopen(1, 0);
    }

    fn reopen(&mut self, dev: u32, gateway: u32) {
        self.epochs[dev as usize] = 2;
        self.say(Event::Open { dev, epoch: 2, gateway });
        let heads: Vec<(u32, u32)> =
            (0..CONVERSATIONS).zip(self.logs.iter().map(|log| log.len() as u32)).collect();
        let (cursors, entries) = (Vec::new(), Vec::new());
        self.say(Event::SyncBegin { dev, epoch: 2, cursors, entries });
        for (conv, head) in heads {
            self.say(Event::SyncPage { dev, conv, head, reset: false });
        }
        self.say(Event::SyncEnd { dev, epoch: 2, done: true });
    }

    fn send(&mut self, conv: u32, dev: u32) {
        let n = self.sends[dev as usize];
        self.sends[dev as usize] += 1;
        let log = &mut self.logs[conv as usize];
        log.push((dev, n));
        let seq = log.len() as u32;
        let entry = entry(conv, seq, (dev, n));
        let (cid, hash) = (cid(dev, n), hash(dev, n));
        self.say(Event::Invoke { dev, conv, n, cid, hash, again: false });
        let others = (0..CLIENTS).filter(|other| *other != dev);
        for other in others.clone() {
            let recv = Event::Recv {
                dev: other,
                epoch: self.epochs[other as usize],
                entry,
                via: Way::Live,
                shown: true,
            };
            self.say(recv);
        }
        self.say(Event::Ok { dev, conv: Some(conv), n: Some(n), cid, seq, id: entry.id });
        for user in 0..CLIENTS {
            self.say(Event::Cursor { dev: user, conv, kind: CursorKind::Delivered, seq });
            let observer = (user + 1) % CLIENTS;
            let delivered = u64::from(seq);
            self.say(Event::Receipt { dev: observer, epoch: 1, conv, user, delivered, read: 0 });
        }
    }

    fn end(&mut self) {
        // Presence is still judged against these.
        self.now += 60_000 * MS;
        for user in 0..CLIENTS {
            self.say(Event::Status { user, status: "online".to_owned() });
        }
        let (process, what) = ("gateway-0".to_owned(), "rss".to_owned());
        self.say_beside(Event::Gauge { process, what, value: 900 });
        for conv in 0..CONVERSATIONS {
            let log = self.logs[conv as usize].clone();
            for (seq, author) in (1..).zip(log) {
                self.say(Event::Log { entry: entry(conv, seq, author) });
                let Seen { id, cid, .. } = entry(conv, seq, author);
                let (sender, text) = (format!("story-{}", author.0), text(author.0, author.1));
                let conversation = conversation_id(conv);
                let row = Event::Row { conversation, seq, id, cid, system: false, sender, text };
                self.say_beside(row);
            }
            self.say(Event::LogEnd { conv });
            for user in 0..CLIENTS {
                let user = format!("story-{user}");
                let delivered = self.head(conv).into();
                let conversation = conversation_id(conv);
                self.say_beside(Event::CursorRow { conversation, user, delivered, read: 0 });
            }
        }
        self.say_beside(Event::RowsEnd {});
        for dev in 0..CLIENTS {
            self.say(Event::End { dev, reached: true });
        }
        self.say(Event::Done { dropped: 0, drained: true, doubts: Vec::new() });
    }

    pub fn head(&self, conv: u32) -> u32 {
        self.logs[conv as usize].len() as u32
    }

    pub fn log(&self, conv: u32) -> &[(u32, u32)] {
        &self.logs[conv as usize]
    }

    /// The places of events for which `is_meant` says yes.
    pub fn places(&self, is_meant: impl Fn(&Event) -> bool) -> Vec<usize> {
        let lines = self.run.iter().enumerate();
        lines.filter(|(_, line)| is_meant(&line.event)).map(|(at, _)| at).collect()
    }

    /// Every entry in both files, as mutable place and sequence.
    pub fn renumber(&mut self, conv: u32, to: impl Fn(u32) -> u32) {
        for line in self.run.iter_mut().chain(&mut self.common) {
            match &mut line.event {
                Event::Recv { entry, .. } | Event::Log { entry } if entry.conv == conv => {
                    entry.seq = to(entry.seq);
                }
                Event::Ok { conv: Some(of), seq, .. } if *of == conv => *seq = to(*seq),
                Event::Row { conversation, seq, .. } if *conversation == conversation_id(conv) => {
                    *seq = to(*seq);
                }
                _ => {}
            }
        }
    }
}

fn pairs() -> impl Iterator<Item = (u32, u32)> {
    (0..CONVERSATIONS).flat_map(|conv| (0..CLIENTS).map(move |dev| (conv, dev)))
}
