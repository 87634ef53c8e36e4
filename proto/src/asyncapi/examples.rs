//! The examples of the document, and what they have to stand: each one goes through its Rust type and back.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::frames::{CLIENT, SERVER};
use crate::frame::client::ClientFrame;
use crate::frame::server::{self, ServerFrame};
use crate::frame::{batch, decode_client};

/// One example of a frame.
#[derive(Deserialize, Serialize)]
pub(super) struct Example {
    name: String,
    summary: String,
    payload: Value,
}

/// The examples by the name of their frame.
pub(super) fn examples() -> BTreeMap<String, Vec<Example>> {
    serde_json::from_str(include_str!("examples.json")).expect("the examples are JSON")
}

/// What a server makes of a client frame, as JSON again.
fn client_again(frame: &ClientFrame) -> Value {
    let (tag, body) = match frame {
        ClientFrame::Auth(auth) => ("auth", json!({ "token": auth.token })),
        ClientFrame::Ping => ("ping", json!({})),
        ClientFrame::Send(send) => ("send", json(send)),
        ClientFrame::Pin(pin) => ("pin", json(pin)),
        ClientFrame::Forward(forward) => ("forward", json(forward)),
        ClientFrame::Edit(edit) => ("edit", json(edit)),
        ClientFrame::Delete(delete) => ("delete", json(delete)),
        ClientFrame::React(react) => ("react", json(react)),
        ClientFrame::Set(set) => ("set", json(set)),
        ClientFrame::Draft(draft) => ("draft", json(draft)),
        ClientFrame::Act(act) => ("act", json(act)),
        ClientFrame::Sync(sync) => ("sync", json(sync)),
        ClientFrame::Delivered(cursor) => ("delivered", json(cursor)),
        ClientFrame::Read(cursor) => ("read", json(cursor)),
        ClientFrame::Typing(typing) => ("typing", json(typing)),
        ClientFrame::Status(status) => ("status", json(status)),
        ClientFrame::Signal(signal) => ("signal", json(signal)),
        ClientFrame::Show(show) => ("show", json(show)),
        ClientFrame::Broadcast(broadcast) => ("broadcast", json(broadcast)),
    };
    with_type(tag, body)
}

/// `RawValue`s go through text.
fn json<T: Serialize>(body: &T) -> Value {
    serde_json::from_str(&serde_json::to_string(body).unwrap()).unwrap()
}

fn with_type(tag: &str, mut body: Value) -> Value {
    body["type"] = json!(tag);
    body
}

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What a Rust client makes of a server frame, as JSON again.
fn server_again(tag: &str, text: &str) -> Value {
    let frame = match tag {
        "welcome" => ServerFrame::Welcome(read(text)),
        "pong" => ServerFrame::Pong(read(text)),
        "sent" => ServerFrame::Sent(read(text)),
        "receipt" => ServerFrame::Receipt(read(text)),
        "thread_read" => ServerFrame::ThreadRead(read(text)),
        "typing" => ServerFrame::Typing(read(text)),
        "presence" => ServerFrame::Presence(read(text)),
        "synced" => ServerFrame::Synced(read(text)),
        "redirect" => ServerFrame::Redirect(read(text)),
        "shown" => ServerFrame::Shown(read(text)),
        "notice_mark" => ServerFrame::NoticeMark(read(text)),
        "network_optimization" => ServerFrame::NetworkOptimization(read(text)),
        "error" => ServerFrame::Error(read(text)),
        "entry" => return with_type(tag, json(&read::<server::Entry>(text))),
        "signal" => return with_type(tag, json(&read::<server::Signal>(text))),
        "notice" => return with_type(tag, json(&read::<server::Notice>(text))),
        "sync_page" => return with_type(tag, json(&read::<server::SyncPage>(text))),
        "batch" => return batch_again(text),
        _ => panic!("{tag} is no frame of a server"),
    };
    assert_eq!(tag_of(&frame), tag);
    read(std::str::from_utf8(&frame.to_json()).unwrap())
}

/// Without a wildcard: a new frame type does not compile until it is here, and then wants an example.
fn tag_of(frame: &ServerFrame) -> &'static str {
    match frame {
        ServerFrame::Welcome(_) => "welcome",
        ServerFrame::Pong(_) => "pong",
        ServerFrame::Sent(_) => "sent",
        ServerFrame::Receipt(_) => "receipt",
        ServerFrame::ThreadRead(_) => "thread_read",
        ServerFrame::Typing(_) => "typing",
        ServerFrame::Presence(_) => "presence",
        ServerFrame::Synced(_) => "synced",
        ServerFrame::Redirect(_) => "redirect",
        ServerFrame::Shown(_) => "shown",
        ServerFrame::NoticeMark(_) => "notice_mark",
        ServerFrame::NetworkOptimization(_) => "network_optimization",
        ServerFrame::Error(_) => "error",
    }
}

fn batch_again(text: &str) -> Value {
    let value: Value = read(text);
    let frames = value["frames"].as_array().expect("a batch has frames");
    let again = |frame: &Value| {
        server_again(frame["type"].as_str().expect("a type"), &frame.to_string()).to_string()
    };
    read(std::str::from_utf8(&batch::json(&frames.iter().map(again).collect::<Vec<_>>())).unwrap())
}

#[test]
fn every_frame_has_an_example_that_its_type_round_trips() {
    let mut examples = examples();
    for (frame, is_client) in
        CLIENT.iter().map(|frame| (frame, true)).chain(SERVER.iter().map(|frame| (frame, false)))
    {
        let of_frame = examples.remove(frame.name).unwrap_or_default();
        assert!(!of_frame.is_empty(), "{} has no example", frame.name);
        for Example { name, payload, .. } in of_frame {
            let text = payload.to_string();
            assert_eq!(payload["type"], frame.tag, "{}: {name}", frame.name);
            let again = if is_client {
                client_again(
                    &decode_client(&text).unwrap_or_else(|error| panic!("{name}: {error}")),
                )
            } else {
                server_again(frame.tag, &text)
            };
            assert_eq!(again, payload, "{}: {name}", frame.name);
        }
    }
    assert!(examples.is_empty(), "of no frame: {:?}", examples.keys());
}
