//! A device: connects, syncs, writes, shows, goes away and comes back, until the run is over.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use uuid::Uuid;
use verdict::changes::account::{Answer, Held, Outcome};
use verdict::changes::fold::{Entry, Sender};

use super::asking::{self, Question};
use super::choosing::Author;
use super::link::Link;
use super::log::Log;
use super::{DEVICES, Phase, Shared};

/// How often a device looks at what is due.
const STEP: Duration = Duration::from_millis(50);
/// It says `ping`, and how far it is.
const PING: Duration = Duration::from_secs(4);
const TELL: Duration = Duration::from_millis(500);
/// Nothing was heard for so long: the connection is lost.
const SILENCE: Duration = Duration::from_secs(12);
/// A gap that does not close, and a place behind the end of a log, are synced.
const GAP: Duration = Duration::from_millis(700);
/// An operation that is not answered is said again.
const OVERDUE: Duration = Duration::from_secs(10);
/// Operations under way, and those that wait as well.
const IN_FLIGHT: usize = 8;
const MOST_WAITING: usize = 40;
/// Waited when the server does not say how long.
const RETRY_MS: u64 = 300;

/// An operation that is not answered for good.
struct Pending {
    number: usize,
    client_id: Uuid,
    group: usize,
    frame: Value,
    /// When it was said on this connection.
    said: Option<Instant>,
    not_before: Instant,
}

/// A device of a user.
pub(super) struct Device {
    number: usize,
    user: usize,
    shared: Rc<Shared>,
    random: StdRng,
    logs: BTreeMap<usize, Log>,
    epoch: Option<String>,
    outbox: VecDeque<Pending>,
    pages: JoinSet<Option<Answer>>,
    /// Groups of which changes are asked for.
    asked: BTreeMap<usize, Instant>,
    texts: u64,
    connections: usize,
    next: Times,
}

/// When the next of each is due.
struct Times {
    operation: Instant,
    page: Instant,
    ping: Instant,
    tell: Instant,
    sync: Option<Instant>,
    leave: Instant,
    heard: Instant,
    /// A sync is under way since then.
    syncing: Option<Instant>,
}

/// The connection is of no use any more.
struct Lost;

impl Device {
    pub(super) fn new(number: usize, shared: Rc<Shared>) -> Self {
        let user = number % shared.users.len();
        let groups = shared.groups.iter().enumerate();
        let own = groups.filter(|(_, group)| group.members.contains(&user));
        let logs = own.map(|(group, _)| (group, Log::of(&shared.users[user]))).collect();
        let now = Instant::now();
        let next = Times {
            operation: now,
            page: now,
            ping: now,
            tell: now,
            sync: None,
            leave: now,
            heard: now,
            syncing: None,
        };
        Self {
            number,
            user,
            random: StdRng::seed_from_u64(shared.options.seed ^ (number as u64) << 8),
            shared,
            logs,
            epoch: None,
            outbox: VecDeque::new(),
            pages: JoinSet::new(),
            asked: BTreeMap::new(),
            texts: 0,
            connections: 0,
            next,
        }
    }

    /// To the end of the run; what it holds then.
    pub(super) async fn live(mut self, mut phases: watch::Receiver<Phase>) -> Vec<Held> {
        loop {
            let phase = *phases.borrow();
            if phase == Phase::End {
                break;
            }
            let was_left = self.connection(&mut phases).await;
            self.pages.abort_all();
            while self.pages.join_next().await.is_some() {}
            self.asked.clear();
            for pending in &mut self.outbox {
                pending.said = None;
            }
            self.settle(false);
            let away_ms = if was_left && *phases.borrow() == Phase::Write {
                self.random.random_range(500..9_000)
            } else {
                self.random.random_range(50..500)
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(away_ms)) => {}
                _ = phases.wait_for(|phase| *phase != Phase::Write) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let name = format!("{} of {}", self.number, self.shared.users[self.user]);
        self.logs.into_iter().map(|(group, log)| log.held(&name, group)).collect()
    }

    fn settle(&self, is_settled: bool) {
        self.shared.settled.borrow_mut()[self.number] = is_settled;
    }

    /// One connection; true when the device left by itself.
    async fn connection(&mut self, phases: &mut watch::Receiver<Phase>) -> bool {
        self.connections += 1;
        let place = self.number + self.connections;
        let mut target = self.shared.targets[place % self.shared.targets.len()].clone();
        wire_client::wire::add(&mut target.path, &format!("device=changes-{}", self.number));
        let claims = json!({
            "sub": self.shared.users[self.user],
            "exp": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()) + 86_400,
        });
        let Ok(token) = self.shared.signer.sign_claims(&claims) else { return false };
        let Ok(mut link) = Link::open(&target, &token).await else { return false };
        let now = Instant::now();
        self.next.heard = now;
        self.next.syncing = None;
        self.next.sync = None;
        self.next.leave = now + Duration::from_millis(self.random.random_range(4_000..25_000));
        let mut ticks = tokio::time::interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let phase = *phases.borrow();
            let is_over = phase == Phase::End;
            let is_left = phase == Phase::Write && Instant::now() > self.next.leave;
            if is_over || is_left {
                return true;
            }
            tokio::select! {
                read = link.read() => {
                    if read.is_err() {
                        return false;
                    }
                    self.next.heard = Instant::now();
                    for frame in link.frames() {
                        if self.hear(&frame).is_err() {
                            return false;
                        }
                    }
                }
                _ = ticks.tick() => {
                    // Read again: once the run drains, an operation more would be missing in the logs it reads.
                    let phase = *phases.borrow();
                    let said = self.step(phase);
                    let is_silent = self.next.heard.elapsed() > SILENCE;
                    if is_silent || link.write(&said).await.is_err() {
                        return false;
                    }
                }
                Some(answer) = self.pages.join_next(), if !self.pages.is_empty() => {
                    if let Ok(Some(answer)) = answer {
                        self.answer(answer);
                    }
                }
            }
        }
    }

    /// What is due: the frames to say.
    fn step(&mut self, phase: Phase) -> Vec<Value> {
        let now = Instant::now();
        let mut said = Vec::new();
        if phase == Phase::Write {
            self.write_more(now);
            if now >= self.next.page {
                self.next.page = now + Duration::from_millis(self.random.random_range(800..3_500));
                self.ask_any();
            }
        }
        self.ask_what_is_stale(now);
        if now >= self.next.ping {
            self.next.ping = now + PING;
            said.push(json!({ "type": "ping" }));
        }
        if now >= self.next.tell {
            self.next.tell = now + TELL;
            self.tell(&mut said);
        }
        self.plan_sync(now);
        if self.next.sync.is_some_and(|due| now >= due) && self.next.syncing.is_none() {
            (self.next.sync, self.next.syncing) = (None, Some(now));
            said.push(self.sync());
        }
        self.say_operations(now, &mut said);
        let is_done = self.outbox.is_empty() && phase == Phase::Drain && self.has_everything();
        self.settle(is_done);
        said
    }

    fn has_everything(&self) -> bool {
        let heads = self.shared.heads.borrow();
        self.logs.iter().all(|(group, log)| {
            heads.get(group).is_some_and(|head| log.device.cursor() >= *head)
                && log.device.stale().is_empty()
        })
    }

    /// A gap, or a log that is known to go further, is synced soon.
    fn plan_sync(&mut self, now: Instant) {
        let heads = self.shared.heads.borrow();
        let lacks = |(group, log): (&usize, &Log)| {
            log.device.has_gap() || heads.get(group).is_some_and(|head| log.device.cursor() < *head)
        };
        if self.next.sync.is_none() && self.logs.iter().any(lacks) {
            self.next.sync = Some(now + GAP);
        }
        if self.next.syncing.is_some_and(|since| now - since > OVERDUE) {
            self.next.syncing = None;
        }
    }

    fn sync(&self) -> Value {
        let cursors: BTreeMap<String, Value> = self
            .logs
            .iter()
            .filter(|(_, log)| log.device.cursor() > 0)
            .map(|(group, log)| {
                let mut cursor = json!({ "seq": log.device.cursor() });
                if let Some(id) = log.device.last() {
                    cursor["id"] = id.to_string().into();
                }
                (self.shared.groups[*group].id.to_string(), cursor)
            })
            .collect();
        let mut sync = json!({ "type": "sync", "ref": "sync", "cursors": cursors, "states": true });
        if let Some(epoch) = &self.epoch {
            sync["epoch"] = epoch.clone().into();
        }
        // Half of the devices take whole logs.
        if self.number.is_multiple_of(2) {
            sync["max_behind"] = 12.into();
        }
        sync
    }

    fn tell(&mut self, said: &mut Vec<Value>) {
        for (group, log) in &mut self.logs {
            let seq = log.device.cursor();
            if seq > log.told {
                log.told = seq;
                let id = self.shared.groups[*group].id;
                said.push(json!({ "type": "delivered", "conversation_id": id, "seq": seq }));
            }
        }
    }

    fn write_more(&mut self, now: Instant) {
        let rate = self.shared.options.rate.per_second() / DEVICES as f64;
        if now < self.next.operation || self.outbox.len() >= MOST_WAITING {
            return;
        }
        let pause = self.random.random_range(0.5..1.5) / rate;
        self.next.operation = now + Duration::from_secs_f64(pause);
        let groups: Vec<usize> = self.logs.keys().copied().collect();
        let group = groups[self.random.random_range(0..groups.len())];
        self.texts += 1;
        let text = format!("{}.{}", self.number, self.texts);
        let author =
            Author { shared: &self.shared, user: self.user, group, log: &self.logs[&group] };
        let chosen = author.next(&mut self.random, &text);
        let client_id = chosen.operation.client_id;
        let Some(number) = self.shared.book.borrow_mut().ask(chosen.operation) else { return };
        let mut frame = chosen.frame;
        frame["ref"] = number.to_string().into();
        self.outbox.push_back(Pending {
            number,
            client_id,
            group,
            frame,
            said: None,
            not_before: now,
        });
    }

    fn say_operations(&mut self, now: Instant, said: &mut Vec<Value>) {
        for pending in self.outbox.iter_mut().take(IN_FLIGHT) {
            let is_due = pending.said.is_none_or(|at| now - at > OVERDUE);
            if is_due && now >= pending.not_before {
                pending.said = Some(now);
                said.push(pending.frame.clone());
            }
        }
    }

    fn hear(&mut self, frame: &Value) -> Result<(), Lost> {
        match frame["type"].as_str().unwrap_or_default() {
            "welcome" => self.next.sync = Some(Instant::now()),
            "entry" => {
                if let (Some(group), Ok(entry)) =
                    (self.group(frame), serde_json::from_value::<Entry>(frame.clone()))
                {
                    self.log(group, |log| log.live(entry));
                }
            }
            "sync_page" => {
                let Some(group) = self.group(frame) else { return Ok(()) };
                let mut page = None;
                self.log(group, |log| page = log.sync(frame));
                if let Some(page) = page {
                    let user = self.shared.users[self.user].clone();
                    let answer = Answer { conversation: group, user, page };
                    self.shared.book.borrow_mut().answer(answer);
                }
            }
            "synced" => {
                self.next.syncing = None;
                self.epoch = frame["epoch"].as_str().map(str::to_owned);
            }
            "sent" => self.sent(frame),
            "error" => self.error(frame),
            "redirect" => return Err(Lost),
            _ => {}
        }
        Ok(())
    }

    fn group(&self, frame: &Value) -> Option<usize> {
        let id: Uuid = frame["conversation_id"].as_str()?.parse().ok()?;
        self.shared.groups.iter().position(|group| group.id == id)
    }

    fn log(&mut self, group: usize, change: impl FnOnce(&mut Log)) {
        match self.logs.get_mut(&group) {
            Some(log) => change(log),
            None => {
                let doubt = format!("device {} hears of group {group}", self.number);
                self.shared.book.borrow_mut().doubts.push(doubt);
            }
        }
    }

    fn pending(&self, frame: &Value) -> Option<usize> {
        let id: Uuid = frame["client_id"].as_str()?.parse().ok()?;
        self.outbox.iter().position(|pending| pending.client_id == id)
    }

    fn sent(&mut self, frame: &Value) {
        let Some(pending) = self.pending(frame).and_then(|at| self.outbox.remove(at)) else {
            return;
        };
        let seq = frame["seq"].as_u64().unwrap_or(0);
        let id = frame["id"].as_str().and_then(|id| id.parse().ok());
        let shared = Rc::clone(&self.shared);
        let mut book = shared.book.borrow_mut();
        let Some(id) = id else {
            book.settle(pending.number, Outcome::Unchanged { seq });
            return;
        };
        book.settle(pending.number, Outcome::Stored { seq, id });
        if !shared.has_begun.replace(true) {
            // Who waits for the load to begin reads this.
            eprintln!("under load");
        }
        let operation = &book.operations[pending.number];
        let entry = Entry {
            seq,
            id,
            kind: operation.kind.clone(),
            sender: Sender { id: operation.user.clone() },
            content: operation.content.clone(),
            timestamp: frame["timestamp"].as_u64().unwrap_or(0),
            target: operation.target,
            thread: operation.thread,
            client_id: Some(operation.client_id),
        };
        drop(book);
        self.log(pending.group, |log| log.live(entry));
    }

    fn error(&mut self, frame: &Value) {
        let now = Instant::now();
        let wait = frame["retry_after_ms"].as_u64().unwrap_or(RETRY_MS);
        let later = now + Duration::from_millis(wait + self.random.random_range(0..RETRY_MS));
        let code = frame["code"].as_str().unwrap_or_default();
        let Some(at) = self.pending(frame) else {
            if frame["ref"] == "sync" {
                (self.next.syncing, self.next.sync) = (None, Some(later));
            }
            return;
        };
        let for_now = ["unavailable", "rate_limited", "expired", "internal"];
        if frame["stored"] == "unknown" || for_now.contains(&code) {
            (self.outbox[at].said, self.outbox[at].not_before) = (None, later);
        } else if let Some(pending) = self.outbox.remove(at) {
            let refused = Outcome::Refused { code: code.to_owned() };
            self.shared.book.borrow_mut().settle(pending.number, refused);
        }
    }

    fn ask(&mut self, group: usize, question: Question) {
        let rest = &self.shared.rests[self.random.random_range(0..self.shared.rests.len())];
        let (user, id) = (self.shared.users[self.user].clone(), self.shared.groups[group].id);
        let delay = asking::lateness(&mut self.random);
        let rest = rest.clone();
        self.pages.spawn_local(asking::late(question, rest, user, group, id, delay));
    }

    fn ask_any(&mut self) {
        let groups: Vec<usize> = self.logs.keys().copied().collect();
        let group = groups[self.random.random_range(0..groups.len())];
        let head = self.logs[&group].device.cursor();
        let known: Vec<u64> = self.logs[&group].device.messages().keys().copied().collect();
        let question = match known.len() {
            0 => Question::any(&mut self.random, head),
            count if self.random.random_bool(0.1) => {
                Question::One(known[self.random.random_range(0..count)])
            }
            _ => Question::any(&mut self.random, head),
        };
        self.ask(group, question);
    }

    /// What a device does before it shows messages that it may have missed something of.
    fn ask_what_is_stale(&mut self, now: Instant) {
        let mut wanted = Vec::new();
        for (group, log) in &self.logs {
            let is_asked = self.asked.get(group).is_some_and(|at| now - *at < OVERDUE);
            let stale = if is_asked { Vec::new() } else { log.device.stale() };
            let (Some(first), Some(last)) = (stale.first(), stale.last()) else { continue };
            let as_of = stale.iter().filter_map(|seq| log.device.messages().get(seq));
            let after = as_of.map(|message| message.as_of).min().unwrap_or(0);
            wanted.push((*group, Question::Changes(*first..=*last, after)));
        }
        for (group, question) in wanted {
            self.asked.insert(group, now);
            self.ask(group, question);
        }
    }

    fn answer(&mut self, answer: Answer) {
        let group = answer.conversation;
        if answer.page.range.is_some() {
            self.asked.remove(&group);
        }
        self.log(group, |log| {
            log.answer(&answer.page);
        });
        self.shared.book.borrow_mut().answer(answer);
    }
}
