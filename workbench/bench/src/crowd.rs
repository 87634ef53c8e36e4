//! Many connections to one server, all alike, that do as little as they can: the generator of the
//! benchmarks.
//!
//! One reader serves every kind of server, so that what the generator costs is the same beside each.
//! It counts and times; it does not judge what was promised: that is what `fleet run` is for.

pub mod approach;
pub mod asking;
pub mod carrier;
pub mod costs;
mod dialing;
pub mod error;
mod hearing;
mod listening;
mod nats;
pub mod number;
pub mod operator;
pub mod posts;
pub mod speech;
mod sse;
pub mod tally;
pub mod voice;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wire_client::latency::Latency;

use approach::{Approach, Role};
use error::BenchError;
use listening::Member;
use tally::Tally;

/// One read of a socket takes at most so many bytes; there is one buffer for all.
const READ_BYTES: usize = 64 * 1024;
/// Kinds of trouble that are told apart.
const MAX_KINDS: usize = 50;

/// How connections are opened.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Opening at once, at most.
    pub parallel: usize,
    /// New ones a second; as fast as they go when absent.
    pub per_second: Option<f64>,
}

/// The connections of one run and what they hear together. Lives in one thread.
#[derive(Debug)]
pub struct Crowd {
    /// Where they connect and what they say there.
    pub approach: Approach,
    /// What they heard.
    pub tally: Tally,
    /// Those that are connected.
    pub members: RefCell<Vec<Rc<Member>>>,
    /// From when a connection was due to when it was ready.
    pub setup: RefCell<Latency>,
    listeners: RefCell<JoinSet<()>>,
    trouble: RefCell<BTreeMap<String, u64>>,
    failed: Notify,
    read_buffer: RefCell<Box<[u8]>>,
}

impl Crowd {
    /// Nobody yet.
    pub fn new(approach: Approach) -> Rc<Self> {
        Rc::new(Self {
            approach,
            tally: Tally::default(),
            members: RefCell::default(),
            setup: RefCell::new(Latency::new()),
            listeners: RefCell::default(),
            trouble: RefCell::default(),
            failed: Notify::new(),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
        })
    }

    /// Opens the connections of these numbers; how long it took until the last was ready.
    pub async fn gather(
        self: &Rc<Self>,
        numbers: std::ops::Range<u32>,
        role: Role,
        pace: Pace,
    ) -> Result<Duration, BenchError> {
        let wanted = numbers.len();
        let begun = Instant::now();
        let mut dials = JoinSet::new();
        for (at, number) in (0_u32..).zip(numbers) {
            while dials.len() >= pace.parallel.max(1) {
                let _ = dials.join_next().await;
            }
            let mut due = Instant::now();
            if let Some(rate) = pace.per_second {
                due = begun + Duration::from_secs_f64(f64::from(at) / rate);
                tokio::time::sleep_until(due).await;
            }
            while dials.try_join_next().is_some() {}
            let crowd = Rc::clone(self);
            dials.spawn_local(async move {
                if let Err(error) = crowd.join(number, role, due).await {
                    crowd.note(error.to_string());
                }
            });
        }
        while dials.join_next().await.is_some() {}
        let took = begun.elapsed();
        let ready = self.members.borrow().len();
        if ready < wanted || !self.trouble.borrow().is_empty() {
            return Err(BenchError::NotReady { ready, wanted, happened: self.happened() });
        }
        Ok(took)
    }

    /// Opens one connection and leaves it to its reader.
    async fn join(
        self: &Rc<Self>,
        number: u32,
        role: Role,
        due: Instant,
    ) -> Result<(), dialing::DialError> {
        let dialed = dialing::dial(&self.approach, number, role).await?;
        let setup_us = due.elapsed().as_micros() as u64;
        self.setup.borrow_mut().record(setup_us);
        self.admit(dialed);
        Ok(())
    }

    /// Opens the connection that publishes; it hears nothing but its answers.
    pub async fn publisher(self: &Rc<Self>) -> Result<Rc<voice::Voice>, BenchError> {
        let dialed = dialing::dial(&self.approach, 0, Role::Publisher).await;
        let dialed = dialed.map_err(|error| BenchError::Failed(error.to_string()))?;
        let voice = Rc::clone(&dialed.voice);
        let listening = listening::listen(Rc::clone(self), None, dialed);
        self.listeners.borrow_mut().spawn_local(listening);
        Ok(voice)
    }

    fn admit(self: &Rc<Self>, mut dialed: dialing::Dialed) {
        let voice = Rc::clone(&dialed.voice);
        let member = Rc::new(Member::new(voice, dialed.post_box.take()));
        self.members.borrow_mut().push(Rc::clone(&member));
        let listening = listening::listen(Rc::clone(self), Some(member), dialed);
        let mut listeners = self.listeners.borrow_mut();
        while listeners.try_join_next().is_some() {}
        listeners.spawn_local(listening);
    }

    /// Something went wrong; [`Crowd::trouble`] tells it.
    fn note(&self, what: String) {
        let mut trouble = self.trouble.borrow_mut();
        if trouble.len() < MAX_KINDS || trouble.contains_key(&what) {
            *trouble.entry(what).or_default() += 1;
        }
        self.failed.notify_one();
    }

    /// Errors by kind.
    fn happened(&self) -> String {
        let trouble = self.trouble.borrow();
        let kinds: Vec<String> =
            trouble.iter().map(|(kind, count)| format!("{kind} ({count})")).collect();
        if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
    }

    /// Ends when something has gone wrong.
    pub async fn trouble(&self) -> BenchError {
        while self.trouble.borrow().is_empty() {
            self.failed.notified().await;
        }
        BenchError::Failed(self.happened())
    }

    /// Resets all connections: they must not wait out their time in the kernel's tables.
    pub fn leave(&self) {
        for member in self.members.take() {
            member.voice.reset();
        }
        self.listeners.borrow_mut().abort_all();
    }
}
