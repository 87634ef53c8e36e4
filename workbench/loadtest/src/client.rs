//! One device of one user: what it sent, what it saw, what it waits for. Knows frames and time, but
//! no socket: [`crate::connection`] hands it bytes and takes the bytes it wants written.

mod answers;
mod entries;
mod heads;
mod link;
mod mixing;
mod outbox;
mod signals;
pub mod telling;
#[cfg(test)]
mod tests;
mod timing;

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use proto::frame::msgpack;
use tokio::net::tcp::OwnedWriteHalf;
use uuid::Uuid;
use verdict::cursor::Cursor;
use verdict::history::{ClientHistory, Observation, Oddity, Outcome, Send, View};
use wire_client::hear::{self, Heard};
use wire_client::identity::MAX_SENDS;
use wire_client::message::{self, Canary, Recipient};
use wire_client::scan::Malformed;
use wire_client::ws::codec::MAX_MESSAGE_BYTES;

use crate::options::Encoding;
use crate::shared::Shared;
use mixing::{Addition, Reactions, Targets};
use outbox::{Outbox, Pending};

/// What a client wrote, in an entry of a page of a batch.
const MAX_DEPTH: usize = proto::frame::MAX_DEPTH + 8;

/// The clients of a thread. A client and the task behind it share it; both run in this thread.
pub type Clients = Rc<[Rc<RefCell<Client>>]>;

/// How far the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// No socket.
    Down,
    /// The socket is open since then, `welcome` has not come.
    Opening(u64),
    /// Asked for what it lacks, then.
    Syncing(u64),
    /// Up to date, as far as the server told.
    Live,
}

/// Why the client wants its connection to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HangUp {
    /// The run is over.
    Done,
    /// The server closed, with this code.
    Closed(u16),
    /// The server asked to go elsewhere after so many milliseconds.
    Redirected(u64),
    /// Nothing was heard for too long.
    Silent,
    /// The server broke the WebSocket protocol, or the socket broke.
    Broken(String),
}

/// What the device has of one conversation.
#[derive(Debug)]
struct Held {
    conversation: u32,
    /// With the ids of its entries.
    cursor: Cursor<Uuid>,
    observations: Vec<Observation>,
    /// The last `delivered` said so.
    told: u32,
    /// A hole was seen then.
    hole_since_us: Option<u64>,
    is_sender: bool,
    targets: Targets,
}

/// One device.
#[derive(Debug)]
pub struct Client {
    number: u32,
    held: Vec<Held>,
    sends: Vec<Send>,
    outbox: Outbox,
    reactions: Reactions,
    /// What fell due, of whichever kind.
    made: u32,
    link: Link,
    /// The first is 1.
    connection: u16,
    was_welcomed: bool,
    /// Which of the gateways it is connected to.
    gateway: u32,
    /// The store's, from `synced`.
    epoch: Option<String>,
    is_known_ready: bool,
    mask: [u8; 4],
    out: Vec<u8>,
    writer: Option<OwnedWriteHalf>,
    waker: Option<Waker>,
    hang_up: Option<HangUp>,
    /// Asked to go elsewhere: after so many milliseconds, and when it was asked. Nothing new is
    /// written any more, and it goes when what is under way is answered.
    leaving: Option<(u64, u64)>,
    /// Where it was asked to go.
    server: Option<String>,
    /// When the connection began to open.
    dialed_us: u64,
    heard_us: u64,
    heartbeat_us: u64,
    /// Told to wait: nothing is sent before.
    paused_until_us: u64,
    /// The server could not sync: asked again then.
    sync_again_us: Option<u64>,
    /// A sync for missing entries is not asked for before.
    next_gap_sync_us: u64,
    /// Heads are asked for then.
    next_ping_us: u64,
    /// The next of its conversations to send to, in a closed loop.
    turn: usize,
}

impl Client {
    /// A device that was never connected.
    pub fn new(number: u32, shared: &Shared) -> Self {
        let plan = shared.plan();
        let held = plan.memberships[number as usize]
            .iter()
            .map(|conversation| Held {
                conversation: *conversation,
                cursor: Cursor::starting_at(plan.first_place(number, *conversation)),
                observations: Vec::new(),
                told: 0,
                hole_since_us: None,
                is_sender: plan.is_sender(number, *conversation),
                targets: Targets::default(),
            })
            .collect();
        Self {
            number,
            held,
            sends: Vec::new(),
            outbox: Outbox::default(),
            reactions: Reactions::default(),
            made: 0,
            link: Link::Down,
            connection: 0,
            was_welcomed: false,
            gateway: 0,
            epoch: None,
            is_known_ready: false,
            mask: number.wrapping_mul(0x9E37_79B1).to_ne_bytes(),
            out: Vec::new(),
            writer: None,
            waker: None,
            hang_up: None,
            leaving: None,
            server: None,
            dialed_us: 0,
            heard_us: 0,
            heartbeat_us: 0,
            paused_until_us: 0,
            sync_again_us: None,
            next_gap_sync_us: 0,
            next_ping_us: 0,
            turn: 0,
        }
    }

    /// Its number in the plan.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its views that it sends to.
    pub fn sending_slots(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.held).filter(|(_, held)| held.is_sender).map(|(slot, _)| slot)
    }

    /// A send to one of its conversations is due; it is written as soon as the connection allows.
    pub fn offer(&mut self, shared: &Shared, slot: u32, due_us: u64, now_us: u64) {
        shared.counters.offered.add(1);
        let number = self.sends.len() as u32;
        if self.outbox.len() >= shared.options().outbox || number >= MAX_SENDS {
            shared.counters.skipped.add(1);
            return;
        }
        let Some(addition) = self.mixed(shared, slot, due_us, now_us) else { return };
        let held = &self.held[slot as usize];
        let conversation = held.conversation;
        // The first message makes a direct conversation, so it names the other user.
        let is_direct = shared.plan().conversations[conversation as usize].is_direct;
        let is_to_user = is_direct && held.cursor.highest() == 0;
        self.sends.push(Send { conversation, ..Send::default() });
        self.outbox.push(Pending { number, slot, due_us, is_to_user, addition, written_us: None });
        self.write_sends(shared, now_us);
    }

    /// Keeps the closed loop's window full.
    pub fn refill(&mut self, shared: &Shared, now_us: u64) {
        let Some(window) = shared.options().window.filter(|_| shared.is_sending.get()) else {
            return;
        };
        while self.outbox.len() + self.reactions.len() < window
            && self.sends.len() < MAX_SENDS as usize
        {
            let slots = self.held.len();
            let next = (0..slots).map(|step| (self.turn + step) % slots);
            let Some(slot) = next.into_iter().find(|slot| self.held[*slot].is_sender) else {
                return;
            };
            self.turn = slot + 1;
            self.offer(shared, slot as u32, now_us, now_us);
        }
    }

    /// Writes what the outbox may write now.
    fn write_sends(&mut self, shared: &Shared, now_us: u64) {
        if self.link != Link::Live || self.leaving.is_some() || now_us < self.paused_until_us {
            return;
        }
        let plan = shared.plan();
        while let Some(pending) = self.outbox.next_to_write(now_us) {
            let send = &mut self.sends[pending.number as usize];
            let is_new = matches!(send.outcome, Outcome::Unsent | Outcome::Refused);
            if is_new {
                (send.outcome, send.invoked_us) = (Outcome::Unknown, now_us);
            }
            let conversation = send.conversation;
            let canary = Canary {
                nonce: plan.run.nonce(),
                conversation,
                sender: self.number,
                number: pending.number,
                due_us: pending.due_us,
            };
            self.record_invoke(shared, canary, !is_new, now_us);
            let partner = plan.partner(self.number, conversation);
            let addition = match (pending.addition, partner) {
                (Addition::Thread(root), _) => message::Addition::Thread(root),
                (Addition::Mention, Some(partner)) => message::Addition::Mention(partner),
                _ => message::Addition::None,
            };
            let recipient = match partner {
                Some(user) if pending.is_to_user => Recipient::User(user),
                _ => {
                    let conversation = &plan.conversations[conversation as usize];
                    Recipient::Conversation(proto::id::ConversationId(conversation.id))
                }
            };
            let mut frame = shared.scratch.borrow_mut();
            frame.clear();
            let payload = shared.options().payload;
            message::write_send(&mut frame, &plan.run, recipient, canary, payload, addition);
            self.say(shared, &frame);
            shared.counters.written.add(1);
        }
    }

    /// Hears one message of the server.
    pub fn hear(&mut self, shared: &Shared, message: &[u8], now_us: u64) {
        let heard = match shared.options().wire.encoding {
            Encoding::Json => self.hear_frame(shared, message, now_us),
            Encoding::Msgpack => msgpack::to_json(message, MAX_DEPTH, MAX_MESSAGE_BYTES)
                .map_err(|_| Malformed)
                .and_then(|json| self.hear_frame(shared, json.as_bytes(), now_us)),
        };
        if heard.is_err() {
            self.unreadable_frame(shared, now_us);
            shared.count_error("unreadable frame".to_owned());
        }
    }

    fn unreadable_frame(&self, shared: &Shared, now_us: u64) {
        shared.odd(Oddity::Unreadable { client: self.number });
        self.record_unreadable(shared, now_us);
    }

    fn hear_frame(&mut self, shared: &Shared, json: &[u8], now_us: u64) -> Result<(), Malformed> {
        match hear::parse(json)? {
            Heard::Entry(entry) => self.live_entry(shared, &entry, now_us),
            Heard::Sent(sent) => self.sent(shared, &sent, now_us),
            Heard::SyncPage(page) => self.sync_page(shared, page, now_us)?,
            Heard::Synced { epoch } => self.synced(shared, epoch, now_us),
            Heard::Welcome(welcome) => self.welcome(shared, &welcome, now_us),
            Heard::Error(error) => self.error(shared, &error, now_us),
            Heard::Redirect(after_ms, server) => self.redirected(after_ms, server, now_us),
            Heard::Batch(mut frames) => {
                while let Some(frame) = frames.next()? {
                    // A batch holds no batch.
                    if !matches!(hear::parse(frame)?, Heard::Batch(_)) {
                        self.hear_frame(shared, frame, now_us)?;
                    }
                }
            }
            Heard::Receipt(json) => self.hear_receipt(shared, json, now_us),
            Heard::Presence(json) => self.hear_presence(shared, json, now_us),
            Heard::Signal(due_us) => Self::hear_signal(shared, due_us, now_us),
            Heard::Notice(due_us) => Self::hear_notice(shared, due_us, now_us),
            Heard::Pong(pong) => self.compare_heads(shared, pong, now_us),
            Heard::Other => {}
        }
        Ok(())
    }

    /// True when it waits for nothing: all answered, all there, up to date.
    pub fn is_complete(&self, shared: &Shared) -> bool {
        self.link == Link::Live
            && self.outbox.is_empty()
            && self.reactions.len() == 0
            && self
                .held
                .iter()
                .all(|held| held.cursor.contiguous() >= shared.common.heads.get(held.conversation))
    }

    /// True when the server has told everything the client asked for.
    pub fn is_up_to_date(&self) -> bool {
        self.link == Link::Live
    }

    /// Takes the client's part of the history out.
    pub fn take_history(&mut self, is_reached: bool) -> ClientHistory {
        let view = |held: Held| View {
            conversation: held.conversation,
            observations: held.observations,
            synced: Vec::new(),
        };
        let views = std::mem::take(&mut self.held).into_iter().map(view).collect();
        ClientHistory { sends: std::mem::take(&mut self.sends), views, is_reached }
    }
}
