//! A frame on its way to sockets: encoded once, shared by all the sockets that get it, with what the
//! gateway has to know of it. Knows no socket.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use proto::bus::{Push, PushClass};
use proto::id::ConversationId;

use crate::socket::wire;

/// How a socket wants its frames, as it was agreed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Compressed, where that saves something.
    pub is_deflated: bool,
}

/// What the gateway has to know of a frame.
#[derive(Debug)]
pub struct About {
    /// What it is.
    pub class: PushClass,
    /// The client id of the request that it settles; empty when it settles none.
    pub answers: Bytes,
    /// The entry that it is, whose delivery is followed.
    pub entry: Option<(ConversationId, u64)>,
    /// For its span; empty when not sampled.
    pub traceparent: String,
}

impl About {
    /// A frame that settles and is followed by nothing.
    pub fn class(class: PushClass) -> Self {
        Self { class, answers: Bytes::new(), entry: None, traceparent: String::new() }
    }
}

/// The frame. Copies of it are cheap.
#[derive(Debug, Clone)]
pub struct Frame(Arc<Prepared>);

#[derive(Debug)]
struct Prepared {
    about: About,
    /// As a text frame of WebSocket, its head included.
    text: Box<[u8]>,
    /// Where the JSON begins.
    json_at: usize,
    /// The same compressed, once somebody wanted it; none where that saves nothing.
    deflated: OnceLock<Option<Box<[u8]>>>,
}

impl Frame {
    /// Of JSON. The bytes are copied: a small frame does not keep the batch that it came in.
    pub fn new(json: &[u8], about: About) -> Self {
        let (text, json_at) = wire::text(json);
        Self(Arc::new(Prepared { about, text, json_at, deflated: OnceLock::new() }))
    }

    /// Of bytes that are no JSON.
    #[cfg(feature = "echo")]
    pub fn binary(bytes: &[u8], about: About) -> Self {
        let (text, json_at) = wire::binary(bytes);
        let deflated = OnceLock::from(None);
        Self(Arc::new(Prepared { about, text, json_at, deflated }))
    }

    /// Of JSON that this gateway has to say itself.
    pub fn answer(json: &[u8]) -> Self {
        Self::new(json, About::class(PushClass::Answer))
    }

    /// Of what came over the bus.
    pub fn pushed(push: &Push) -> Self {
        let entry = ConversationId::from_bytes(&push.conversation_id).ok();
        let about = About {
            class: push.class(),
            // A copy: it must not keep the batch that it came in.
            answers: Bytes::copy_from_slice(&push.answers),
            entry: entry.map(|id| (id, push.seq)),
            traceparent: push.traceparent.clone(),
        };
        Self::new(&push.frame, about)
    }

    /// What is to be known of it.
    pub fn about(&self) -> &About {
        &self.0.about
    }

    /// Its JSON.
    pub fn json(&self) -> &[u8] {
        &self.0.text[self.0.json_at..]
    }

    /// Bytes of its JSON.
    pub fn len(&self) -> usize {
        self.0.text.len() - self.0.json_at
    }

    /// The bytes for a socket.
    pub(crate) fn wire(&self, encoding: Encoding) -> &[u8] {
        if encoding.is_deflated
            && let Some(deflated) = self.0.deflated.get_or_init(|| wire::deflated(self.json()))
        {
            return deflated;
        }
        &self.0.text
    }
}
