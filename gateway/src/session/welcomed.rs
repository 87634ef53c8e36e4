//! A welcomed connection: frames in, frames out, heartbeats, deadlines.

mod broadcasting;
mod event;
mod heartbeat;
mod leaving;
mod marks;
mod operating;
mod pausing;
mod rated;
mod refusing;
mod resting;
mod said;
mod serving;
mod showing;
mod signalling;
mod syncing;
mod typing;
mod waiting_request;
mod writing;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use proto::bus::{self, Frame, Origin, frame::Body};
use proto::error_code::{ErrorCode, Stored};
use proto::frame::FrameError;
use proto::frame::client::{self, ClientFrame};
use proto::frame::server::{Pong, ServerFrame};
use proto::id::ConversationId;
use tokio::time::Instant;
use websocket::Message;

use super::in_flight::InFlight;
use super::unacknowledged::Unacknowledged;
use super::{decoding, sync};
use crate::connections::Connection;
use crate::connections::own_status::OwnStatus;
use crate::identity::Identity;
use crate::memory::Share;
use crate::net::close::Close;
use crate::net::transport::Transport;
use crate::planted;
use crate::session::SessionContext;
use event::{Event, Order};
use leaving::Leaving;
use marks::Held;
use said::Said;
use serving::Serving;
use syncing::{Asked, Syncing};
use typing::Typing;
use waiting_request::WaitingRequest;

/// Unix seconds in the year 2100.
const FAR_SECS: u64 = 4_102_444_800;

/// The state of one connection.
pub(super) struct Session {
    context: SessionContext,
    connection: Arc<Connection>,
    identity: Box<Identity>,
    in_flight: InFlight,
    /// None for a device that acknowledges nothing.
    unacknowledged: Option<Unacknowledged>,
    /// Frames to be written besides those of the outbox.
    replies: Vec<Bytes>,
    /// An empty queue whose memory is used again.
    spare: VecDeque<crate::net::frame::Frame>,
    /// None for a client that asked for nothing.
    serving: Option<Box<Serving>>,
    heard_at: Instant,
    /// Since when heartbeat and redelivery stand still; none while they do not.
    still_since: Option<Instant>,
    syncing: Option<Box<Syncing>>,
    /// A request for which there is no room yet.
    waiting: Option<Box<WaitingRequest>>,
    /// What the sync takes that is asked next.
    sync_share: Option<Box<Share>>,
    pinged_at: Instant,
    joined: Option<ConversationId>,
    leaving: Option<Leaving>,
    /// When the token ends, by what the wall clock said last.
    expires_at: Instant,
    /// Until when this connection has used its rate of frames up, in the clock of rates.
    booked_us: u64,
    typing: Typing,
    held: Held,
    /// The log of notices of its user's tenant.
    notices_id: ConversationId,
}

/// What of a frame has to wait for another service or task.
enum Later {
    /// A fresh token.
    Renew(String),
    /// The check whether the user may ring the other one comes first.
    Signal(client::Signal),
    /// A claim that a notice is shown here.
    Show(client::Show),
    /// It is sent to all connections of the tenant.
    Broadcast(client::Broadcast),
}

/// Why the loop goes on or ends.
enum Step {
    On,
    End(Option<Close>),
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop_typing();
        // The socket is closed when nobody holds its line any more.
        self.connection.outbox.connect(None);
    }
}

impl Session {
    pub(super) fn new(
        context: SessionContext,
        connection: Arc<Connection>,
        identity: Identity,
        request: &super::Request,
    ) -> Self {
        let now = Instant::now();
        let notices_id = ConversationId::notices(identity.tenant());
        let is_followed = request.acknowledges && !context.patience.again_after.is_empty();
        let mut session = Self {
            context,
            connection,
            identity: Box::new(identity),
            in_flight: InFlight::default(),
            unacknowledged: is_followed.then(Unacknowledged::default),
            replies: Vec::new(),
            spare: VecDeque::new(),
            serving: request.asked.as_deref().map(Serving::new),
            heard_at: now,
            still_since: None,
            syncing: None,
            waiting: None,
            sync_share: None,
            pinged_at: now,
            joined: request.conversation_id,
            leaving: None,
            expires_at: now,
            booked_us: 0,
            typing: Typing::default(),
            held: Held::default(),
            notices_id,
        };
        session.expires_at = now + session.token_left();
        session
    }

    /// Runs to the reason to close; `None` when the client has gone.
    pub(super) async fn run(mut self, socket: &mut Transport) -> Option<Close> {
        if self.serving.is_some()
            && let Step::End(ended) = Box::pin(self.begin(socket)).await
        {
            return ended;
        }
        if let Some(id) = self.joined.take() {
            let request = sync::of_conversation(&self.identity.user_id, id);
            self.begin_sync(Asked { request, reference: None, share: None });
            self.note_stillness();
        }
        if self.context.shutdown.is_begun()
            && let Step::End(ended) = self.stop()
        {
            return ended;
        }
        // One alarm for everything: it is only ever moved when something is due earlier.
        let mut alarm = std::pin::pin!(tokio::time::sleep_until(self.next_wake()));
        let mut order = Order::default();
        if self.serving.is_none() {
            self.connection.outbox.connect(socket.line());
        }
        loop {
            let event = self.event(socket, &mut order, alarm.as_mut()).await;
            let step = match event {
                Event::Heard(Some(Ok(message))) => self.hear(socket, message).await,
                Event::Heard(Some(Err(error))) => Step::End(decoding::read_error(&error)),
                Event::Heard(None) => Step::End(None),
                Event::Changed => self.write(socket).await,
                Event::Synced(progress) => Box::pin(self.go_on_syncing(socket, progress)).await,
                Event::Waited(waited) => {
                    self.go_on_with(waited);
                    self.flush_replies(socket).await
                }
                Event::Due => {
                    let step = self.tick(socket).await;
                    alarm.as_mut().reset(self.next_wake());
                    step
                }
            };
            match step {
                Step::On => {}
                Step::End(Some(Close::Restarting)) => {
                    return Box::pin(self.drain(socket)).await;
                }
                Step::End(ended) => return ended,
            }
            self.note_stillness();
            let wake = self.next_wake();
            if wake < alarm.deadline() {
                alarm.as_mut().reset(wake);
            }
        }
    }

    /// The gateway stops, or is to stop at once, or has more than its share of connections.
    fn stop(&mut self) -> Step {
        if self.context.shutdown.is_forced() {
            Step::End(Some(Close::Restarting))
        } else if self.leaving.is_some() {
            Step::On
        } else if self.context.shutdown.is_begun() {
            self.leave()
        } else if self.connection.is_to_move.load(Ordering::Relaxed) {
            self.move_away()
        } else {
            Step::On
        }
    }

    /// The next moment at which something is due without anybody speaking.
    fn next_wake(&self) -> Instant {
        let limits = &self.context.limits;
        let mut wake = self.next_ping();
        if let Some(due) = self.serving.as_ref().and_then(|serving| serving.due()) {
            wake = wake.min(Instant::from_std(due));
        }
        if let Some(oldest) = self.in_flight.oldest() {
            wake = wake
                .min(Instant::from_std(oldest) + Duration::from_millis(limits.answer_timeout_ms));
        }
        if let Some(look) = self.next_look() {
            wake = wake.min(look);
        }
        if let Some(syncing) = &self.syncing {
            wake = wake.min(syncing.due());
        }
        // While a sync is under way nothing is pushed again, and its end looks what is due.
        let may_redeliver = self.still_since.is_none() && self.syncing.is_none();
        let unacknowledged = self.unacknowledged.as_ref().filter(|_| may_redeliver);
        if let Some(due) = unacknowledged.and_then(|it| it.next_due(&self.context.patience)) {
            wake = wake.min(Instant::from_std(due));
        }
        if let Some(due) = self.leaving.and_then(Leaving::due) {
            wake = wake.min(due);
        }
        wake.min(self.expires_at)
    }

    fn token_left(&self) -> Duration {
        let end_secs = self.identity.claims.exp.saturating_add(self.context.access.leeway_secs);
        // A century is as good as never, and safe to add to any clock.
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(end_secs.min(FAR_SECS));
        end.duration_since(SystemTime::now()).unwrap_or_default()
    }

    async fn tick(&mut self, socket: &mut Transport) -> Step {
        let token_left = self.token_left();
        if token_left.is_zero() {
            return Step::End(Some(Close::Unauthenticated(platform::token::TokenError::Expired)));
        }
        // Anew each time: the wall clock may have been set meanwhile.
        self.expires_at = Instant::now() + token_left;
        let answer_timeout = Duration::from_millis(self.context.limits.answer_timeout_ms);
        let overdue = std::time::Instant::now().checked_sub(answer_timeout);
        for request in overdue.map(|before| self.in_flight.take_older(before)).unwrap_or_default() {
            self.refuse_request(
                &request,
                Stored::Unknown,
                "no answer in time; send again with the same client id",
            );
        }
        let heartbeat = self.heartbeat();
        if self.pinged_at.elapsed() >= heartbeat {
            let misses = self.context.limits.heartbeat_misses.max(1);
            if self.still_since.is_none() && self.heard_at.elapsed() >= heartbeat * misses {
                return Step::End(Some(Close::Silent));
            }
            self.pinged_at = Instant::now();
            if let Step::End(ended) = self.ping(socket).await {
                return Step::End(ended);
            }
        }
        if self.serving.as_mut().is_some_and(|serving| serving.is_due())
            && let Step::End(ended) = self.write_waiting(socket).await
        {
            return Step::End(ended);
        }
        if let Step::End(ended) = Box::pin(self.give_up_sync(socket)).await {
            return Step::End(ended);
        }
        if self.still_since.is_none()
            && let Step::End(ended) = self.redeliver()
        {
            return Step::End(ended);
        }
        if let Step::End(ended) = self.leave_on() {
            return Step::End(ended);
        }
        self.flush_replies(socket).await
    }

    /// Takes one message of the client.
    async fn hear(&mut self, socket: &mut Transport, message: Message) -> Step {
        self.heard_at = Instant::now();
        if let Message::Text(text) = &message {
            planted::panic_if_asked(text);
        }
        let limit = self.context.limits.frame_bytes;
        match message {
            Message::Text(text) if text.len() > limit => self.too_large(socket).await,
            Message::Binary(bytes) if bytes.len() > limit => self.too_large(socket).await,
            Message::Close(_) => Step::End(None),
            Message::Pong(payload) if self.serving.is_some() => {
                Box::pin(self.pong(socket, &payload)).await
            }
            Message::Ping(_) | Message::Pong(_) => Step::On,
            message => {
                self.context.metrics.frames_in.inc();
                let bytes = message.data_bytes().unwrap_or_default();
                self.context.metrics.bytes_in.inc_by(bytes as u64);
                let frame = decoding::decode(&message, socket.encoding(), limit);
                if let Ok(frame) = &frame {
                    self.context.moments.said(&self.connection, frame, bytes);
                }
                // Its memory is not needed while the answer is written.
                drop(message);
                match self.take_frame(frame) {
                    Some(Later::Renew(token)) => {
                        if let Err(close) = Box::pin(self.renew(&token)).await {
                            return Step::End(Some(close));
                        }
                    }
                    Some(Later::Signal(signal)) => Box::pin(self.signal_if_allowed(signal)).await,
                    Some(Later::Show(show)) => Box::pin(self.show(show)).await,
                    Some(Later::Broadcast(said)) => Box::pin(self.broadcast(said)).await,
                    None => {}
                }
                self.flush_replies(socket).await
            }
        }
    }

    /// Takes one frame. Returns what of it has to wait for another service or task.
    fn take_frame(&mut self, frame: Result<ClientFrame, FrameError>) -> Option<Later> {
        let said = frame.map(|frame| Said::of(&self.identity, frame));
        if self.refuse_beyond_rate(&said) {
            return None;
        }
        match said {
            Ok(Said::Auth(auth)) => return Some(Later::Renew(auth.token)),
            Ok(Said::Show(show)) => return Some(Later::Show(show)),
            Ok(Said::Broadcast(said)) => return Some(Later::Broadcast(said)),
            Ok(Said::Signal(signal)) if self.must_ask_for(&signal) => {
                return Some(Later::Signal(signal));
            }
            Ok(said) => {
                if let Some(said) = self.with_room(said) {
                    self.take(said);
                    // What was refused needs no room.
                    self.in_flight.fit();
                }
            }
            Err(error) => self.refuse_frame(error),
        }
        None
    }

    /// Refuses the frame and ends the connection: a client that sends such frames does not know the protocol.
    async fn too_large(&mut self, socket: &mut Transport) -> Step {
        let text = "larger than `limits.frame_bytes` of `welcome`";
        self.refuse(None, None, ErrorCode::TooLarge, text);
        match self.flush_replies(socket).await {
            Step::On => Step::End(Some(Close::TooBig)),
            ended @ Step::End(_) => ended,
        }
    }

    /// A fresh token for the same user extends the connection.
    async fn renew(&mut self, token: &str) -> Result<(), Close> {
        let identity = self.context.access.identify(token).map_err(Close::Unauthenticated)?;
        if identity.user_id != self.identity.user_id {
            return Err(Close::BadSubject);
        }
        let (is_exempt, ip) = (self.identity.is_exempt, self.identity.ip);
        *self.identity = Identity { is_exempt, ip, ..identity };
        self.expires_at = Instant::now() + self.token_left();
        let credential = self.identity.credential.clone();
        *self.connection.credential.lock() = credential.clone();
        *self.connection.roles.lock() = self.identity.claims.roles.as_slice().into();
        // Asked again: it may have been revoked before the registry knew it.
        let (user_id, device_id) = (&self.connection.user_id, &self.connection.device_id);
        if self.context.access.revocations.has(&credential, user_id, Some(device_id)) {
            return Err(Close::Unauthenticated(platform::token::TokenError::Revoked));
        }
        self.context.access.notes.note(&credential, user_id, device_id).await;
        Ok(())
    }

    fn take(&mut self, said: Said) {
        match said {
            Said::Ping => {
                self.tell_held();
                if !self.context.down.heads.ping(&self.connection) {
                    let notices = self.context.down.notices.for_connection(&self.connection);
                    let pong = Pong { notices, ..Pong::default() };
                    self.replies.push(ServerFrame::Pong(pong).to_json());
                }
            }
            Said::Operation(asked) => self.operate(asked),
            Said::Delivered(cursor) => self.advance(cursor.conversation_id, cursor.seq, 0),
            Said::Read(read) => match read.thread {
                None => self.advance(read.conversation_id, 0, read.seq),
                Some(thread) => self.read_thread(read.conversation_id, thread, read.seq),
            },
            Said::Typing(typing) => self.type_in(typing),
            Said::Status(status) => self.set_status(status),
            Said::Signal(signal) => self.signal(signal),
            Said::Sync(sync) => self.sync(sync),
            // These have to wait for another service or task.
            Said::Auth(_) | Said::Show(_) | Said::Broadcast(_) => {}
        }
    }

    fn set_status(&mut self, status: client::Status) {
        if !["online", "away", "busy", "invisible"].contains(&status.status.as_str()) {
            let text = "`status` is online, away, busy or invisible";
            return self.refuse(None, None, ErrorCode::Invalid, text);
        }
        if status.status == OwnStatus::Invisible.as_str() {
            // At once, and not only when presence has taken it.
            self.connection.own_status.set(Some(OwnStatus::Invisible));
            self.stop_typing();
        }
        let frame =
            self.frame(Body::SetStatus(bus::SetStatus { status: status.status }), String::new());
        if self.context.up.uplink.presence(&self.identity.user_id, frame).is_err() {
            self.refuse_away(None, None);
        }
    }

    fn frame(&self, body: Body, traceparent: String) -> Frame {
        Frame { origin: Some(self.origin()), traceparent, ..Frame::from(body) }
    }

    fn origin(&self) -> Origin {
        let Connection { number, device_id, device_type, .. } = &*self.connection;
        self.identity.origin(*number, device_id.as_str(), *device_type)
    }
}
