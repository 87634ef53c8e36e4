//! What all clients of one thread share. Nothing here is locked: a thread runs its clients itself.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use verdict::event::Event;
use verdict::history::Oddity;
use wire_client::token::Signer;
use wire_client::ws::handshake::Target;

use crate::counters::Counters;
use crate::measures::Measures;
use crate::options::Options;
use crate::plan::Plan;
use crate::record::Recorder;

/// One read of a socket takes at most so many bytes; the buffer is one per thread.
const READ_BYTES: usize = 64 * 1024;
/// Connections that may be opening at once in a thread.
const OPENING: usize = 1_000;

/// The highest known place of each conversation's log, over all threads.
#[derive(Debug)]
pub struct Heads(Vec<AtomicU32>);

impl Heads {
    /// Empty logs.
    pub fn new(conversations: usize) -> Self {
        Self((0..conversations).map(|_| AtomicU32::new(0)).collect())
    }

    /// The highest known place.
    pub fn get(&self, conversation: u32) -> u32 {
        self.0[conversation as usize].load(Ordering::Relaxed)
    }

    /// Learns of a place.
    pub fn raise(&self, conversation: u32, seq: u32) {
        // Most places are known already: a read costs the other threads nothing.
        if self.get(conversation) < seq {
            self.0[conversation as usize].fetch_max(seq, Ordering::Relaxed);
        }
    }
}

/// The same for every thread.
#[derive(Debug, Clone)]
pub struct Common {
    /// What was asked for.
    pub options: Arc<Options>,
    /// Who talks to whom.
    pub plan: Arc<Plan>,
    /// Where to connect.
    pub targets: Arc<[Target]>,
    /// Signs tokens.
    pub signer: Arc<Signer>,
    /// How far the logs are.
    pub heads: Arc<Heads>,
    /// Where the history is written, when it is.
    pub recorder: Option<Recorder>,
}

/// One thread's.
#[derive(Debug)]
pub struct Shared {
    /// What all threads share.
    pub common: Common,
    /// The thread's totals.
    pub counters: Arc<Counters>,
    /// The thread's latencies and errors.
    pub measures: RefCell<Measures>,
    /// New sends are made.
    pub is_sending: Cell<bool>,
    /// Sends due from here to there are measured; microseconds.
    pub measured_us: Cell<(u64, u64)>,
    /// What sockets are read into.
    pub read_buffer: RefCell<Box<[u8]>>,
    /// A frame in the making.
    pub scratch: RefCell<Vec<u8>>,
    /// Clients to look after before their turn: they were told to wait.
    pub waiting: RefCell<Vec<u32>>,
    /// The run is over.
    pub stop: CancellationToken,
    /// Bounds the connections that are opening.
    pub opening: Semaphore,
    conversation_of: HashMap<Uuid, u32>,
    random: RefCell<StdRng>,
}

impl Shared {
    /// For one thread.
    pub fn new(common: Common, counters: Arc<Counters>, thread: u32) -> Rc<Self> {
        let conversations = (0..).zip(&common.plan.conversations);
        let conversation_of = conversations.map(|(number, each)| (each.id, number)).collect();
        let random = StdRng::seed_from_u64(common.options.seed.wrapping_add(u64::from(thread)));
        Rc::new(Self {
            common,
            counters,
            measures: RefCell::new(Measures::new()),
            is_sending: Cell::new(false),
            measured_us: Cell::new((u64::MAX, u64::MAX)),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            scratch: RefCell::default(),
            waiting: RefCell::default(),
            stop: CancellationToken::new(),
            opening: Semaphore::new(OPENING),
            conversation_of,
            random: RefCell::new(random),
        })
    }

    /// Who talks to whom.
    pub fn plan(&self) -> &Plan {
        &self.common.plan
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.common.options
    }

    /// The number of a conversation.
    pub fn conversation(&self, id: Uuid) -> Option<u32> {
        self.conversation_of.get(&id).copied()
    }

    /// Microseconds of the run's clock.
    pub fn micros(&self, instant: Instant) -> u64 {
        self.plan().run.micros(instant)
    }

    /// True for what was due, or happened, within the measured time.
    pub fn is_measured(&self, at_us: u64) -> bool {
        let (from, until) = self.measured_us.get();
        (from..until).contains(&at_us)
    }

    /// Keeps what is wrong at once.
    pub fn odd(&self, oddity: Oddity) {
        self.measures.borrow_mut().keep_oddity(oddity);
    }

    /// Writes an event to the history, when one is written.
    pub fn record(&self, at_us: u64, event: impl FnOnce() -> Event) {
        if let Some(recorder) = &self.common.recorder {
            recorder.take(self.plan().run.nanos(at_us), event());
        }
    }

    /// Counts an error by its kind.
    pub fn count_error(&self, kind: String) {
        self.measures.borrow_mut().count_error(kind);
    }

    /// From nothing to `most`, evenly.
    pub fn jitter(&self, most: Duration) -> Duration {
        use rand::Rng;
        most.mul_f64(self.random.borrow_mut().random_range(0.0..=1.0))
    }
}
