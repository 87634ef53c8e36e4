//! What the fleet hears is what the contract's own types write.

use proto::frame::server;
use proto::id::{ClientId, ConversationId, EntryId, UserName};
use serde_json::value::RawValue;

use super::*;

fn an_entry() -> server::Entry {
    server::Entry {
        conversation_id: ConversationId::generate(),
        seq: 17,
        id: EntryId::generate(),
        kind: "text".to_owned(),
        sender: server::Sender {
            id: UserName::parse("ann").unwrap(),
            r#type: "user".to_owned(),
            name: "Ann \"the\" {first}".to_owned(),
            avatar: String::new(),
        },
        content: RawValue::from_string(r#"{ "other": [1, "}"], "text": "hi" }"#.to_owned())
            .unwrap(),
        reply_to: Some(3),
        target: None,
        thread: None,
        also_in_main: false,
        expires_at: None,
        mentions: vec![UserName::parse("bob").unwrap()],
        mention_all: false,
        forwarded: None,
        is_important: true,
        extra: None,
        client_id: Some(ClientId::generate()),
        timestamp: 1,
    }
}

fn assert_same(heard: &Entry<'_>, entry: &server::Entry) {
    assert_eq!(heard.conversation_id, entry.conversation_id.0);
    assert_eq!(heard.seq, entry.seq);
    assert_eq!(heard.id, entry.id.0);
    assert!(!heard.is_system);
    assert_eq!(heard.sender, b"ann");
    assert_eq!(heard.text, b"hi");
    assert_eq!(heard.client_id, entry.client_id.map(|id| id.0));
}

#[test]
fn frames_are_heard_as_the_contract_writes_them() {
    let entry = an_entry();
    let frame = entry.to_frame_json();
    let Heard::Entry(heard) = parse(&frame).unwrap() else { panic!("an entry") };
    assert_same(&heard, &entry);

    let conversation_id = entry.conversation_id;
    let page = server::SyncPage {
        conversation_id,
        entries: vec![entry.clone(), entry.clone()],
        head: 18,
        more: true,
        reset: true,
        skipped_before: Some(18),
        gone: false,
        as_of: Some(18),
        states: std::collections::BTreeMap::new(),
        skipped: None,
        own: None,
    };
    let body = serde_json::to_string(&page).unwrap();
    let json = format!(r#"{{"type":"sync_page",{}"#, &body[1..]);
    let Heard::SyncPage(mut heard) = parse(json.as_bytes()).unwrap() else { panic!("a page") };
    assert_eq!((heard.head, heard.is_reset), (18, true));
    let mut count = 0;
    while let Some(element) = heard.entries.next().unwrap() {
        assert_same(&super::entry(element).unwrap(), &entry);
        count += 1;
    }
    assert_eq!(count, 2);

    let sent = server::Sent {
        r#ref: Some("5".to_owned()),
        client_id: ClientId::generate(),
        conversation_id,
        id: Some(entry.id),
        seq: 9,
        timestamp: 1,
        unchanged: false,
        tallied: false,
    };
    let json = server::ServerFrame::Sent(sent.clone()).to_json();
    let Heard::Sent(heard) = parse(&json).unwrap() else { panic!("sent") };
    assert_eq!(heard.client_id, sent.client_id.0);
    assert_eq!((heard.seq, heard.id), (9, entry.id.0));
}

#[test]
fn rare_frames_are_heard_too() {
    let error = server::ErrorFrame {
        r#ref: Some("8".to_owned()),
        client_id: None,
        code: ErrorCode::Unavailable,
        message: "later".to_owned(),
        stored: Stored::Unknown,
        retry_after_ms: Some(20),
        limit: None,
        current: None,
    };
    let json = server::ServerFrame::Error(error).to_json();
    let Heard::Error(heard) = parse(&json).unwrap() else { panic!("an error") };
    assert_eq!((heard.code, heard.retry_after_ms), (ErrorCode::Unavailable, Some(20)));
    let json = br#"{"type":"batch","frames":[{"type":"pong"},{"type":"pong"}]}"#;
    assert!(matches!(parse(json), Ok(Heard::Batch(_))));
    let json = br#"{"type":"welcome","connection_id":"c","user_id":"u","heartbeat_ms":30000,
        "limits":{"frame_bytes":1,"in_flight":32}}"#;
    let Ok(Heard::Welcome(welcome)) = parse(json) else { panic!("welcome") };
    assert_eq!((welcome.heartbeat_ms, welcome.limits.in_flight), (30_000, 32));
    let json =
        server::ServerFrame::Redirect(server::Redirect { after_ms: 250, server: None }).to_json();
    assert!(matches!(parse(&json), Ok(Heard::Redirect(250, None))));
    let server = Some("ws://b:1".to_owned());
    let json = server::ServerFrame::Redirect(server::Redirect { after_ms: 0, server }).to_json();
    assert!(matches!(parse(&json), Ok(Heard::Redirect(0, Some(server))) if server == "ws://b:1"));
    let frame = server::ServerFrame::Receipt(server::Receipt {
        conversation_id: ConversationId::generate(),
        user_id: UserName::parse("ann").unwrap(),
        delivered_seq: 5,
        read_seq: 3,
    });
    let json = frame.to_json();
    let Ok(Heard::Receipt(heard)) = parse(&json) else { panic!("a receipt") };
    let heard = receipt(heard).unwrap();
    assert_eq!((heard.user_id.as_str(), heard.delivered_seq, heard.read_seq), ("ann", 5, 3));
    let frame = server::ServerFrame::Presence(server::Presence {
        user_id: UserName::parse("ann").unwrap(),
        status: "offline".to_owned(),
        last_seen: None,
        devices: 0,
        event: "user_offline".to_owned(),
    });
    let json = frame.to_json();
    let Ok(Heard::Presence(heard)) = parse(&json) else { panic!("presence") };
    assert_eq!(presence(heard).unwrap().status, "offline");
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let mut signal = server::Signal {
        from: UserName::parse("ann").unwrap(),
        call_id: proto::id::CallId::generate(),
        kind: proto::frame::client::SignalKind::Ice,
        data: Some(raw("17")),
    };
    assert!(matches!(parse(&signal.to_frame_json()), Ok(Heard::Signal(17))));
    signal.data = Some(raw(r#"{"sdp":"v=0"}"#));
    assert!(matches!(parse(&signal.to_frame_json()), Ok(Heard::Signal(0))));
    let notice =
        |content| server::Notice { id: uuid::Uuid::now_v7(), content, sender: None, timestamp: 1 };
    let ours = notice(raw(r#"{"due_us":5}"#)).to_frame_json();
    assert!(matches!(parse(&ours), Ok(Heard::Notice(5))));
    let other = notice(raw(r#"{"text":"hello"}"#)).to_frame_json();
    assert!(matches!(parse(&other), Ok(Heard::Notice(0))));
    assert!(matches!(parse(br#"{"type":"a_newer_one","x":1}"#), Ok(Heard::Other)));
    assert!(parse(b"[]").is_err());
    assert!(parse(br#"{"type":"entry","seq":1}"#).is_err());
}
