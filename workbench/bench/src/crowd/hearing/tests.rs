//! The same messages, however they are carried and cut.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;
use wire_client::identity::Run;

use super::*;
use crate::crowd::sse::tests::chunk;

/// A message as a server compresses it.
fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 1024);
    let mut compress = Compress::new(Compression::fast(), false);
    compress.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    // What ends every message is not sent.
    out.truncate(out.len() - 4);
    out
}

/// A server's frame: not masked.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![0x80 | opcode, 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn text_of(finder: &Finder, number: u32) -> String {
    let mut text = Vec::new();
    finder.write(&mut text, number);
    String::from_utf8(text).unwrap()
}

/// Frames of Tidings as this carrier brings them.
fn carried(carrier: Named, frames: &[&[u8]]) -> Vec<u8> {
    let each = |one: &dyn Fn(&[u8]) -> Vec<u8>| frames.iter().flat_map(|it| one(it)).collect();
    match carrier {
        Named::Json => each(&|json| frame(1, json)),
        Named::Msgpack => each(&|json| frame(2, &msgpack::from_json(json).unwrap())),
        Named::Batches => frame(1, &proto::frame::batch::json(frames)),
        Named::Deflate => each(&|json| match json.len() {
            // As a server does that compresses nothing short.
            0..100 => frame(1, json),
            _ => frame(0x41, &deflated(json)),
        }),
        Named::Sse => each(&|json| chunk(&[b"data: ", json, b"\n\n"].concat())),
    }
}

/// The stream in which a server of this kind delivers `count` messages among other frames.
fn stream(kind: Kind, carrier: Named, finder: &Finder, count: u32) -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 0..count {
        let text = text_of(finder, number);
        match kind {
            Kind::Tidings => {
                let entry = format!(r#"{{"type":"entry","content":{{"text":"{text}"}}}}"#);
                let presence = br#"{"type":"presence","user_id":"ann"}"#;
                let page = format!(r#"{{"type":"sync_page","text":"{text}"}}"#);
                stream.extend(carried(carrier, &[entry.as_bytes(), presence, page.as_bytes()]));
            }
            Kind::Nats => {
                let message = format!("MSG s 1 {}\r\n{text}\r\nPING\r\n", text.len());
                // One operation in two frames.
                let (one, other) = message.as_bytes().split_at(20);
                stream.extend(frame(2, one));
                stream.extend(frame(2, other));
            }
            Kind::Tcp | Kind::Axum => stream.extend(frame(1, text.as_bytes())),
        }
        // The server's heartbeat.
        match carrier {
            Named::Sse => stream.extend(chunk(b":\n\n")),
            _ => stream.extend([0x89, 0]),
        }
    }
    stream
}

fn hearing(kind: Kind, carrier: Named) -> Hearing {
    Hearing::new(kind, carrier, crate::crowd::carrier::shared_inflater())
}

fn numbers(kind: Kind, carrier: Named, finder: &Finder, chunks: &[&[u8]]) -> Vec<u32> {
    let mut hearing = hearing(kind, carrier);
    let mut numbers = Vec::new();
    for chunk in chunks {
        let fed = hearing.feed(chunk, finder, |heard| {
            if let Heard::Message(number) = heard {
                numbers.push(number);
            }
        });
        fed.unwrap();
    }
    numbers
}

const CARRIERS: [Named; 5] =
    [Named::Json, Named::Msgpack, Named::Batches, Named::Deflate, Named::Sse];

#[test]
fn the_frames_that_matter_are_told_apart_whatever_carries_them() {
    let run = Run::begin();
    let finder = Finder::new(&run, 200);
    let client_id = run.client_id(0, 3, 0).0;
    let sent = format!(r#"{{"type":"sent","client_id":"{client_id}","id":"x","seq":12}}"#);
    let frames = [
        br#"{"type":"welcome","heartbeat_ms":1}"#,
        br#"{"type":"synced","epoch":"e"}"#.as_slice(),
        sent.as_bytes(),
        br#"{"type":"error","code":"rate_limited"}"#,
        br#"{"type":"pong"}"#,
    ];
    for carrier in CARRIERS {
        let mut heard = Vec::new();
        let stream = carried(carrier, &frames);
        let fed = hearing(Kind::Tidings, carrier).feed(&stream, &finder, |one| {
            heard.push(match one {
                Heard::Greeting(frame) => String::from_utf8_lossy(frame).into_owned(),
                other => format!("{other:?}"),
            });
        });
        fed.unwrap();
        assert_eq!(heard.len(), 4, "{carrier:?}: {heard:?}");
        assert_eq!(&heard[..2], [r#"{"type":"welcome","heartbeat_ms":1}"#, "Done"]);
        assert!(heard[2].contains("seq: 12") && heard[3].contains("rate_limited"), "{heard:?}");
    }
    let mut hearing = hearing(Kind::Nats, Named::Json);
    let fed = hearing.feed(&frame(2, b"nonsense\r\n"), &finder, |_| {});
    assert!(matches!(fed, Err(HearingError::Nats(_))));
}

#[test]
fn what_is_not_what_was_asked_for_is_refused() {
    let finder = Finder::new(&Run::begin(), 200);
    let fed = |carrier, stream: &[u8]| {
        let fed = hearing(Kind::Tidings, carrier).feed(stream, &finder, |_| {});
        fed.expect_err("it is refused").to_string()
    };
    let json = br#"{"type":"presence"}"#;
    assert!(fed(Named::Msgpack, &frame(2, json)).starts_with("a frame"));
    assert!(fed(Named::Batches, &frame(1, br#"{"type":"batch"}"#)).starts_with("a batch"));
    assert!(fed(Named::Deflate, &frame(0x41, json)).contains("inflated"));
    assert!(fed(Named::Json, &frame(0x41, json)).contains("reserved"));
    assert!(fed(Named::Sse, b"data: {}\n\n").contains("event stream"));
}

#[test]
fn the_goodbye_of_an_event_stream_is_the_end() {
    let finder = Finder::new(&Run::begin(), 200);
    let mut why = None;
    let stream = chunk(b"event: close\ndata: {\"code\":1001}\n\n");
    let fed = hearing(Kind::Tidings, Named::Sse).feed(&stream, &finder, |heard| {
        if let Heard::Refused(told) = heard {
            why = Some(told);
        }
    });
    fed.unwrap();
    assert_eq!(why.as_deref(), Some("close {\"code\":1001}"));
}

proptest! {
    #[test]
    fn any_split_of_the_stream_counts_the_same(
        kind in prop::sample::select(vec![Kind::Nats, Kind::Tcp, Kind::Axum]),
        count in 0_u32..12,
        cuts in prop::collection::vec(1_usize..400, 0..60),
    ) {
        let finder = Finder::new(&Run::begin(), 200);
        let stream = stream(kind, Named::Json, &finder, count);
        let chunks = wire_client::cuts::cut(&stream, cuts);
        let expected: Vec<u32> = (0..count).collect();
        prop_assert_eq!(numbers(kind, Named::Json, &finder, &chunks), expected);
    }

    #[test]
    fn each_delivery_counts_once_whatever_carries_it_and_however_it_is_cut(
        carrier in prop::sample::select(CARRIERS.to_vec()),
        count in 0_u32..12,
        cuts in prop::collection::vec(1_usize..400, 0..60),
    ) {
        let finder = Finder::new(&Run::begin(), 200);
        let stream = stream(Kind::Tidings, carrier, &finder, count);
        let chunks = wire_client::cuts::cut(&stream, cuts);
        let expected: Vec<u32> = (0..count).collect();
        prop_assert_eq!(numbers(Kind::Tidings, carrier, &finder, &chunks), expected);
    }
}
