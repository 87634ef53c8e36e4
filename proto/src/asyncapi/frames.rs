//! Every frame type by name, and what answers it. A frame that is missing here fails the tests of the examples.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::schema;
use crate::frame::{client, server};

/// One frame type.
pub(super) struct FrameType {
    /// Names the message and its schema.
    pub(super) name: &'static str,
    /// Its `type`.
    pub(super) tag: &'static str,
    /// The frames that may answer it.
    pub(super) answers: &'static [&'static str],
    schema: fn(&mut SchemaGenerator, &str) -> Value,
}

impl FrameType {
    /// The schema of the whole frame, `type` included.
    pub(super) fn schema(&self, generator: &mut SchemaGenerator) -> Value {
        (self.schema)(generator, self.tag)
    }
}

const fn frame<T: JsonSchema>(
    name: &'static str,
    tag: &'static str,
    answers: &'static [&'static str],
) -> FrameType {
    FrameType { name, tag, answers, schema: schema::frame::<T> }
}

fn ping(_: &mut SchemaGenerator, tag: &str) -> Value {
    let text = "Asks for `pong`. At least one frame in each heartbeat interval shows that the client is alive.";
    schema::tagged(schemars::json_schema!({ "description": text, "type": "object" }), tag)
}

fn batch(_: &mut SchemaGenerator, tag: &str) -> Value {
    let text = "Several server frames in one, for connections with `batch` or `network`. None of them is a `batch`.";
    let frames = json!({
        "type": "array",
        "description": "The frames, in their order.",
        "items": schema::reference("ServerFrame"),
    });
    let body = schemars::json_schema!({
        "description": text,
        "type": "object",
        "properties": { "frames": frames },
        "required": ["frames"],
    });
    schema::tagged(body, tag)
}

/// What a client sends.
pub(super) static CLIENT: [FrameType; 19] = [
    frame::<client::Auth>("ClientAuth", "auth", &["ServerWelcome"]),
    FrameType { name: "ClientPing", tag: "ping", answers: &["ServerPong"], schema: ping },
    frame::<client::Send>("ClientSend", "send", &["ServerSent", "ServerError"]),
    frame::<client::Pin>("ClientPin", "pin", &["ServerSent", "ServerError"]),
    frame::<client::Forward>("ClientForward", "forward", &["ServerSent", "ServerError"]),
    frame::<client::Edit>("ClientEdit", "edit", &["ServerSent", "ServerError"]),
    frame::<client::Delete>("ClientDelete", "delete", &["ServerSent", "ServerError"]),
    frame::<client::React>("ClientReact", "react", &["ServerSent", "ServerError"]),
    frame::<client::Set>("ClientSet", "set", &["ServerSent", "ServerError"]),
    frame::<client::Draft>("ClientDraft", "draft", &["ServerSent", "ServerError"]),
    frame::<client::Act>("ClientAct", "act", &["ServerSent", "ServerError"]),
    frame::<client::Sync>("ClientSync", "sync", &["ServerSyncPage", "ServerSynced", "ServerError"]),
    frame::<client::Cursor>("ClientDelivered", "delivered", &[]),
    frame::<client::Read>("ClientRead", "read", &[]),
    frame::<client::Typing>("ClientTyping", "typing", &[]),
    frame::<client::Status>("ClientStatus", "status", &[]),
    frame::<client::Signal>("ClientSignal", "signal", &[]),
    frame::<client::Show>("ClientShow", "show", &["ServerShown", "ServerError"]),
    frame::<client::Broadcast>("ClientBroadcast", "broadcast", &[]),
];

/// What a server sends.
pub(super) static SERVER: [FrameType; 18] = [
    frame::<server::Welcome>("ServerWelcome", "welcome", &[]),
    frame::<server::Pong>("ServerPong", "pong", &[]),
    frame::<server::Entry>("ServerEntry", "entry", &[]),
    frame::<server::Sent>("ServerSent", "sent", &[]),
    frame::<server::SyncPage>("ServerSyncPage", "sync_page", &[]),
    frame::<server::Synced>("ServerSynced", "synced", &[]),
    frame::<server::Receipt>("ServerReceipt", "receipt", &[]),
    frame::<server::ThreadRead>("ServerThreadRead", "thread_read", &[]),
    frame::<server::Typing>("ServerTyping", "typing", &[]),
    frame::<server::Presence>("ServerPresence", "presence", &[]),
    frame::<server::Signal>("ServerSignal", "signal", &[]),
    frame::<server::Notice>("ServerNotice", "notice", &[]),
    frame::<server::Shown>("ServerShown", "shown", &[]),
    frame::<server::NoticeMark>("ServerNoticeMark", "notice_mark", &[]),
    frame::<server::Redirect>("ServerRedirect", "redirect", &[]),
    frame::<server::NetworkOptimization>("ServerNetworkOptimization", "network_optimization", &[]),
    FrameType { name: "ServerBatch", tag: "batch", answers: &[], schema: batch },
    frame::<server::ErrorFrame>("ServerError", "error", &[]),
];

/// All schemas of the document: each frame, what frames consist of, and one that is any frame of a side.
pub(super) fn schemas() -> serde_json::Map<String, Value> {
    let mut all = serde_json::Map::new();
    let sides = [
        ("ClientFrame", "Any frame that a client sends.", &CLIENT[..], schema::of_client()),
        ("ServerFrame", "Any frame that a server sends.", &SERVER[..], schema::of_server()),
    ];
    for (side, description, frames, mut generator) in sides {
        for frame in frames {
            all.insert(frame.name.to_owned(), frame.schema(&mut generator));
        }
        let any: Vec<_> = frames.iter().map(|frame| schema::reference(frame.name)).collect();
        all.insert(side.to_owned(), json!({ "description": description, "oneOf": any }));
        for (name, schema) in generator.take_definitions(true) {
            // What both sides use has no field with a default, so it is the same for both.
            let known = all.insert(name.clone(), schema.clone());
            assert!(known.is_none_or(|known| known == schema), "{name} is two types");
        }
    }
    all.values_mut().for_each(schema::simplify);
    all
}
