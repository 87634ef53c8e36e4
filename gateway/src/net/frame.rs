//! A frame on its way to sockets: encoded once, shared by all the sockets that get it, with what the
//! gateway has to know of it. As JSON in text messages, as MessagePack in binary ones. Knows no socket. No frame is
//! made here that is larger than the configuration says, in whichever form.

pub(crate) mod bounds;
mod class;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use proto::bus::EntryPush;
use proto::error_code::ErrorCode;
use proto::frame::{batch, msgpack};
use proto::id::ConversationId;
use websocket::{Encoding, wire};

use bounds::Counted;
pub use class::Class;

/// Nothing, in MessagePack.
const NIL: Bytes = Bytes::from_static(b"\xc0");

/// Entries of one conversation, one after the other in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entries {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The seq of the first.
    pub first: u64,
    /// The seq of the last.
    pub last: u64,
}

impl Entries {
    /// A single one.
    pub fn one(conversation_id: ConversationId, seq: u64) -> Self {
        Self { conversation_id, first: seq, last: seq }
    }

    /// Takes those that come right behind. False when they do not.
    pub fn join(&mut self, next: Self) -> bool {
        let follows = self.conversation_id == next.conversation_id
            && self.last.checked_add(1) == Some(next.first);
        if follows {
            self.last = next.last;
        }
        follows
    }
}

/// Stretches of entries, in the order in which they were written. One alone takes no memory.
#[derive(Debug, Default)]
pub struct Stretches {
    first: Option<Entries>,
    further: Vec<Entries>,
}

impl Stretches {
    /// Adds entries behind those before them.
    pub fn add(&mut self, next: Entries) {
        match self.further.last_mut().or(self.first.as_mut()) {
            None => self.first = Some(next),
            Some(last) => {
                if !last.join(next) {
                    self.further.push(next);
                }
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.further.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Entries> {
        self.first.iter().chain(&self.further).copied()
    }
}

/// What the gateway has to know of a frame.
#[derive(Debug)]
pub struct About {
    /// What it is.
    pub class: Class,
    /// The client id of the request that it settles; empty when it settles none.
    pub answers: Bytes,
    /// Of an answer that is an error: its code.
    pub refused: Option<ErrorCode>,
    /// The entries that it is, whose delivery is followed.
    pub entries: Option<Entries>,
    /// Entries that come after later ones of their conversation: only the session knows whether its client is to have
    /// them.
    pub is_late: bool,
    /// For its span; empty when not sampled.
    pub traceparent: String,
    /// Of a notice, which is an entry of the log of notices: its place there; else 0.
    pub notice: u64,
    /// Of an entry: when its operation came to a gateway, in Unix milliseconds; 0 when it is not known.
    pub sent_ms: u64,
}

impl About {
    /// A frame that settles and is followed by nothing.
    pub fn class(class: Class) -> Self {
        let (answers, traceparent) = (Bytes::new(), String::new());
        let (entries, refused) = (None, None);
        Self {
            class,
            answers,
            refused,
            entries,
            is_late: false,
            traceparent,
            notice: 0,
            sent_ms: 0,
        }
    }

    /// An entry that came over the bus.
    pub fn entry(push: &EntryPush, traceparent: String) -> Self {
        let id = ConversationId::from_bytes(&push.conversation_id).ok();
        let entries = id.map(|id| Entries::one(id, push.seq));
        Self { entries, traceparent, sent_ms: push.sent_ms, ..Self::class(Class::Entry) }
    }
}

/// The frame. Copies of it are cheap.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    about: About,
    /// The frames that this is several of; none for a single one.
    parts: Vec<Frame>,
    /// Bytes of the JSON of all of it.
    length: usize,
    /// So large a payload may be, in every form.
    largest: usize,
    json: Form,
    /// As MessagePack, once somebody wanted it.
    packed: OnceLock<Box<Form>>,
}

/// A frame in one of its forms.
#[derive(Debug)]
struct Form {
    /// As a frame of WebSocket, its head included.
    wire: Counted,
    /// Where the payload begins.
    payload_at: usize,
    /// The same compressed, once somebody wanted it; none where that saves nothing.
    deflated: OnceLock<Option<Counted>>,
}

impl Form {
    fn text(json: &[u8], largest: usize) -> Self {
        let json = if bounds::is_oversized(json, largest) { bounds::LEFT_OUT } else { json };
        Self::of(wire::text(json))
    }

    fn binary(bytes: &[u8], largest: usize) -> Self {
        if bounds::is_oversized(bytes, largest) {
            let left_out = msgpack::from_json(bounds::LEFT_OUT);
            return Self::of(wire::binary(&left_out.unwrap_or(NIL)));
        }
        Self::of(wire::binary(bytes))
    }

    fn of((wire, payload_at): (Box<[u8]>, usize)) -> Self {
        Self { wire: wire.into(), payload_at, deflated: OnceLock::new() }
    }

    fn payload(&self) -> &[u8] {
        &self.wire[self.payload_at..]
    }
}

impl Frame {
    /// Of JSON that is small anyway. The bytes are copied: a small frame does not keep the batch that it came in.
    pub fn new(json: &[u8], about: About) -> Self {
        Self::within(usize::MAX, json, about)
    }

    /// The same, unless it is larger than a client may be sent: then an error in its place.
    pub fn within(largest: usize, json: &[u8], about: About) -> Self {
        Self::of(about, largest, Form::text(json, largest), OnceLock::new())
    }

    /// Several as one `batch`, for one connection.
    pub(crate) fn batch<'a>(
        frames: impl ExactSizeIterator<Item = &'a Self>,
        encoding: Encoding,
    ) -> Self {
        let about = About::class(Class::Answer);
        if !encoding.is_binary {
            return Self::new(&batch::json(&frames.map(Self::json).collect::<Vec<_>>()), about);
        }
        let payloads: Vec<_> = frames.map(|frame| frame.packed().payload()).collect();
        let packed = Box::new(Form::binary(&batch::msgpack(&payloads), usize::MAX));
        // Nobody asks for its JSON.
        Self::of(about, usize::MAX, Form::text(&[], 0), OnceLock::from(packed))
    }

    /// Of bytes that are no JSON.
    #[cfg(feature = "echo")]
    pub fn binary(bytes: &[u8], about: About) -> Self {
        let json = Form { deflated: OnceLock::from(None), ..Form::binary(bytes, usize::MAX) };
        Self::of(about, usize::MAX, json, OnceLock::new())
    }

    /// Of JSON that this gateway has to say itself.
    pub fn answer(json: &[u8]) -> Self {
        Self::new(json, About::class(Class::Answer))
    }

    /// What is to be known of it.
    pub fn about(&self) -> &About {
        &self.0.about
    }

    /// Its JSON.
    pub fn json(&self) -> &[u8] {
        self.0.json.payload()
    }

    /// Bytes of its JSON.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Entries of one conversation, one after the other, that go to the same sockets, as one: a socket has
    /// one thing to look at, to take and to write instead of many.
    pub fn run(parts: Vec<Self>) -> Self {
        let joined = joined(&parts, Encoding::default());
        let json = Form::of((joined, 0));
        let mut about = About::class(Class::Entry);
        let bounds =
            parts.first().zip(parts.last()).map(|(first, last)| (first.about(), last.about()));
        about.entries = bounds
            .and_then(|(first, last)| Some(Entries { last: last.entries?.last, ..first.entries? }));
        about.sent_ms = parts.first().map_or(0, |first| first.about().sent_ms);
        let length = parts.iter().map(Self::len).sum();
        let (largest, packed) = (usize::MAX, OnceLock::new());
        Self(Arc::new(Prepared { about, parts, length, largest, json, packed }))
    }

    /// The single frames of a run; of any other frame, itself.
    pub fn parts(&self) -> &[Self] {
        if self.0.parts.is_empty() { std::slice::from_ref(self) } else { &self.0.parts }
    }

    /// The bytes for a socket.
    pub(crate) fn wire(&self, encoding: Encoding) -> &[u8] {
        let form = if encoding.is_binary { self.packed() } else { &self.0.json };
        if encoding.is_deflated
            && let Some(deflated) = form.deflated.get_or_init(|| self.deflated(form, encoding))
        {
            return deflated;
        }
        &form.wire
    }

    fn deflated(&self, form: &Form, encoding: Encoding) -> Option<Counted> {
        if self.0.parts.is_empty() {
            return wire::deflated(form.payload(), encoding.is_binary).map(Counted::from);
        }
        Some(joined(&self.0.parts, encoding).into())
    }

    fn of(about: About, largest: usize, json: Form, packed: OnceLock<Box<Form>>) -> Self {
        let length = json.payload().len();
        Self(Arc::new(Prepared { about, parts: Vec::new(), length, largest, json, packed }))
    }

    fn packed(&self) -> &Form {
        self.0.packed.get_or_init(|| {
            if !self.0.parts.is_empty() {
                let encoding = Encoding { is_binary: true, ..Encoding::default() };
                let wire = joined(&self.0.parts, encoding);
                return Box::new(Form::of((wire, 0)));
            }
            let packed = msgpack::from_json(self.json()).unwrap_or_else(|error| {
                // A service's fault; nil is the least that keeps the connection.
                tracing::error!(%error, "a frame that is no JSON");
                NIL
            });
            Box::new(Form::binary(&packed, self.0.largest))
        })
    }
}

impl websocket::Prepared for Frame {
    fn wire(&self, encoding: Encoding) -> &[u8] {
        Self::wire(self, encoding)
    }
}

/// The bytes of several frames, one after the other.
fn joined(frames: &[Frame], encoding: Encoding) -> Box<[u8]> {
    let parts: Vec<&[u8]> = frames.iter().map(|frame| frame.wire(encoding)).collect();
    parts.concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_too_large_in_a_form_is_an_error_in_that_form() {
        let small = Frame::within(200, br#"{"type":"entry"}"#, About::class(Class::Entry));
        assert_eq!(small.json(), br#"{"type":"entry"}"#);
        let floats = format!("[{}0.5]", "0.5,".repeat(40));
        let large = Frame::within(200, floats.as_bytes(), About::class(Class::Entry));
        assert_eq!(large.json(), floats.as_bytes());
        assert_eq!(large.packed().payload(), &msgpack::from_json(bounds::LEFT_OUT).unwrap()[..]);
        let larger = Frame::within(20, floats.as_bytes(), About::class(Class::Entry));
        let said: proto::frame::server::ErrorFrame = serde_json::from_slice(larger.json()).unwrap();
        assert_eq!(said.code, proto::error_code::ErrorCode::TooLarge);
    }

    #[test]
    fn a_frame_is_compressed_once_for_all_its_sockets() {
        let json = format!("[{}]", "1234567,".repeat(200));
        let frame = Frame::new(json.as_bytes(), About::class(Class::Entry));
        let deflated = Encoding { is_deflated: true, is_binary: false };
        let wire = frame.wire(deflated);
        assert!(wire.len() < frame.wire(Encoding::default()).len());
        assert!(std::ptr::eq(wire, frame.clone().wire(deflated)), "not made again");
        let short = Frame::new(b"{}", About::class(Class::Entry));
        assert_eq!(short.wire(deflated), short.wire(Encoding::default()));
    }

    #[test]
    fn what_frames_take_is_counted_while_they_are_there() {
        let frame = Frame::new(&vec![b'x'; 1 << 26], About::class(Class::Entry));
        let copy = frame.clone();
        assert!((1 << 26..2 << 26).contains(&bounds::held()), "once");
        drop(frame);
        assert!(bounds::held() > 1 << 26);
        drop(copy);
        assert!(bounds::held() < 1 << 26);
    }

    #[test]
    fn a_run_is_its_frames_one_after_the_other_in_every_encoding() {
        let texts = ["short".to_owned(), "long ".repeat(100), "é".repeat(70_000)];
        let entries = |seq| Entries::one(ConversationId(uuid::Uuid::from_u128(1)), seq);
        let entry = |(seq, text): (u64, &String)| {
            let json = serde_json::json!({ "type": "entry", "text": text }).to_string();
            let about = About { entries: Some(entries(seq)), ..About::class(Class::Entry) };
            Frame::new(json.as_bytes(), about)
        };
        let parts: Vec<Frame> = (3..).zip(&texts).map(entry).collect();
        let run = Frame::run(parts.clone());
        assert_eq!((run.parts().len(), parts[0].parts().len()), (3, 1));
        assert_eq!(run.about().entries, Some(Entries { first: 3, last: 5, ..entries(3) }));
        assert_eq!(run.len(), parts.iter().map(Frame::len).sum::<usize>());
        for (is_deflated, is_binary) in [(false, false), (true, false), (false, true), (true, true)]
        {
            let encoding = Encoding { is_deflated, is_binary };
            let single: Vec<&[u8]> = parts.iter().map(|frame| frame.wire(encoding)).collect();
            assert_eq!(run.wire(encoding), single.concat(), "{encoding:?}");
        }
    }
}
