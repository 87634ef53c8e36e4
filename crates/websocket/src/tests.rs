//! The socket against the library at the other end, and against bytes that no library would send.

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message as Theirs};

use super::header::{Header, NotAHeader, Side, unmask};
use super::*;

const LIMIT: usize = 1 << 16;

/// As much memory and time as anybody wants.
#[derive(Debug)]
struct NoBounds;

impl ReadBounds for NoBounds {
    type Counted = ();

    fn go_on(&mut self) {}

    fn pause(&mut self) {}

    fn poll_room(&mut self, _: &mut Context<'_>, _: usize) -> Poll<Result<(), ReadError>> {
        Poll::Ready(Ok(()))
    }

    fn take_whole(&mut self, _: usize) -> Result<(), ReadError> {
        Ok(())
    }

    fn poll_late(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// A text frame, not compressed.
struct Text(Box<[u8]>);

impl Prepared for Text {
    fn wire(&self, _: Encoding) -> &[u8] {
        &self.0
    }
}

fn reader() -> Reader {
    Reader::new(LIMIT, true)
}

/// A client's frame with this first byte.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let mask = [1, 2, 3, 4];
    header::write(&mut frame, Opcode::Text, false, payload.len(), Some(mask));
    frame[0] = first;
    let mut payload = payload.to_vec();
    unmask(&mut payload, mask, 0);
    frame.extend_from_slice(&payload);
    frame
}

/// Everything that is read of these bytes, cut where it is said.
fn read(reader: &mut Reader, bytes: &[u8], cuts: &[usize]) -> Result<Vec<Message>, ReadError> {
    let mut messages = Vec::new();
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (now, later) = rest.split_at(cut.min(rest.len()));
        reader.put(now);
        while let Some(message) = reader.next()? {
            messages.push(message);
        }
        rest = later;
    }
    Ok(messages)
}

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn frame(text: &str) -> Text {
    Text(wire::text(text.as_bytes()).0)
}

#[test]
fn fragments_become_one_message_with_control_frames_in_between() {
    let mut bytes = masked(0x01, "gr".as_bytes());
    bytes.extend(masked(0x89, b"are you there"));
    bytes.extend(masked(0x80, "üße".as_bytes()));
    let messages = read(&mut reader(), &bytes, &[]).unwrap();
    assert_eq!(messages, [Message::Ping(b"are you there".as_slice().into()), text("grüße")]);
}

#[test]
fn a_reader_of_a_silent_client_holds_no_memory() {
    let mut reader = reader();
    read(&mut reader, &masked(0x81, b"hello"), &[1, 1, 2]).unwrap();
    assert!(reader.is_at_rest());
    reader.put(&masked(0x81, b"hello")[..3]);
    assert!(reader.next().unwrap().is_none());
    assert!(!reader.is_at_rest());
}

#[test]
fn what_is_against_the_protocol_is_refused() {
    let long = [b'x'; 126];
    let cases: [(&str, Vec<u8>); 10] = [
        ("an unmasked frame", vec![0x81, 0x01, b'x']),
        ("an unknown opcode", masked(0x83, b"")),
        ("a reserved bit", masked(0xA1, b"")),
        ("a compressed continuation", [masked(0x01, b"a"), masked(0xC0, b"b")].concat()),
        ("a fragmented ping", masked(0x09, b"")),
        ("a long ping", masked(0x89, &long)),
        ("a continuation of nothing", masked(0x80, b"")),
        ("a message within a message", [masked(0x01, b"a"), masked(0x81, b"b")].concat()),
        ("a close code of one byte", masked(0x88, b"x")),
        ("a close code that is not to be sent", masked(0x88, &1005_u16.to_be_bytes())),
    ];
    for (name, bytes) in cases {
        let outcome = read(&mut reader(), &bytes, &[]);
        assert!(matches!(outcome, Err(ReadError::NotFrames)), "{name}: {outcome:?}");
    }
}

#[test]
fn compression_that_was_not_agreed_on_is_refused() {
    let mut reader = Reader::new(LIMIT, false);
    let outcome = read(&mut reader, &masked(0xC1, b"x"), &[]);
    assert!(matches!(outcome, Err(ReadError::NotFrames)));
}

#[test]
fn bytes_that_are_no_text_are_found_before_the_message_is_whole() {
    let mut bytes = masked(0x81, b"abc\xFF\xFFdefghij");
    bytes.truncate(bytes.len() - 5);
    assert!(matches!(read(&mut reader(), &bytes, &[]), Err(ReadError::NotText)));
    assert!(matches!(read(&mut reader(), &masked(0x81, b"\xC3"), &[]), Err(ReadError::NotText)));
}

#[test]
fn a_message_beyond_the_limit_is_refused_by_its_head() {
    let whole = masked(0x82, &vec![0; LIMIT + 1]);
    assert!(matches!(read(&mut reader(), &whole[..20], &[]), Err(ReadError::TooBig)));
    let half = vec![0; LIMIT / 2 + 1];
    let halves = [masked(0x02, &half), masked(0x80, &half)].concat();
    assert!(matches!(read(&mut reader(), &halves, &[]), Err(ReadError::TooBig)));
    let fits = read(&mut reader(), &masked(0x82, &vec![7; LIMIT]), &[]).unwrap();
    assert!(matches!(&fits[..], [Message::Binary(bytes)] if bytes.len() == LIMIT));
}

/// A socket and the library's client at the other end.
async fn pair(room: usize) -> (Socket<DuplexStream, NoBounds>, WebSocketStream<DuplexStream>) {
    let (here, there) = duplex(room);
    let client = WebSocketStream::from_raw_socket(there, Role::Client, None).await;
    (Socket::new(here, &[], LIMIT, Encoding::default(), NoBounds), client)
}

#[tokio::test]
async fn many_frames_arrive_in_order_through_a_narrow_stream() {
    let (mut socket, mut client) = pair(7).await;
    let texts: Vec<String> = (0..300).map(|number| "x".repeat(number * 3)).collect();
    let mut frames: VecDeque<Text> = texts.iter().map(|text| frame(text)).collect();
    let writing = async {
        socket.write(&mut frames).await.unwrap();
        assert!(frames.is_empty());
    };
    let reading = async {
        for text in &texts {
            assert_eq!(client.next().await.unwrap().unwrap(), Theirs::text(text.clone()));
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn a_ping_is_answered_and_a_close_is_returned() {
    let (mut socket, mut client) = pair(4_096).await;
    client.send(Theirs::Ping(b"p".as_slice().into())).await.unwrap();
    client.send(Theirs::text("after")).await.unwrap();
    assert!(matches!(socket.recv().await, Some(Ok(Message::Ping(_)))));
    assert_eq!(socket.recv().await.unwrap().unwrap(), text("after"));
    assert_eq!(client.next().await.unwrap().unwrap(), Theirs::Pong(b"p".as_slice().into()));
    client.close(None).await.unwrap();
    assert!(matches!(socket.recv().await, Some(Ok(Message::Close(None)))));
    socket.flush().await.unwrap();
    assert!(socket.recv().await.is_none());
    assert!(matches!(client.next().await, Some(Ok(Theirs::Close(None))) | None));
}

#[tokio::test]
async fn a_goodbye_has_its_code_and_a_reason_cut_to_fit() {
    let (mut socket, mut client) = pair(4_096).await;
    socket.close(4008, &"ü".repeat(100)).await.unwrap();
    let Theirs::Close(Some(close)) = client.next().await.unwrap().unwrap() else {
        panic!("not a close frame");
    };
    assert_eq!((u16::from(close.code), close.reason.as_str()), (4008, &*"ü".repeat(61)));
    client.flush().await.unwrap();
    assert!(matches!(socket.recv().await, Some(Ok(Message::Close(Some(4008))))));
    assert!(socket.control.is_empty(), "a goodbye is not answered by another");
}

#[tokio::test]
async fn after_what_is_against_the_protocol_the_last_word_is_said_and_nothing_is_waited_for() {
    let (here, mut there) = duplex(100);
    let mut socket = Socket::new(here, &[], LIMIT, Encoding::default(), NoBounds);
    there.write_all(&masked(0x88, &1005_u16.to_be_bytes())).await.unwrap();
    assert!(matches!(socket.recv().await, Some(Err(ReadError::NotFrames))));
    socket.close(1002, "").await.unwrap();
    assert!(socket.recv().await.is_none());
    let mut bytes = [0; 4];
    there.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, [0x88, 2, 0x03, 0xEA]);
}

#[tokio::test]
async fn after_a_frame_that_was_cut_off_nothing_else_is_written() {
    let (mut socket, _client) = pair(10).await;
    let mut frames = VecDeque::from([frame(&"x".repeat(100))]);
    tokio::select! {
        biased;
        _ = socket.write(&mut frames) => panic!("it has no room"),
        () = std::future::ready(()) => {}
    }
    assert!(socket.close(4009, "too slow").await.is_err());
}

#[test]
fn a_compressed_frame_inflates_to_the_same_text_and_a_short_one_is_not_compressed() {
    let json = format!("[{}]", "1234567,".repeat(200));
    let wire = wire::deflated(json.as_bytes(), false).unwrap();
    assert!(wire.len() < json.len() / 4);
    let payload = &wire[2..];
    assert_eq!(read(&mut reader(), &masked(0xC1, payload), &[]).unwrap(), [text(&json)]);
    assert!(wire::deflated(b"{}", false).is_none());
}

#[tokio::test]
async fn bytes_that_came_with_the_request_are_read_first() {
    let (here, mut there) = duplex(100);
    let mut socket =
        Socket::new(here, &masked(0x81, b"early"), LIMIT, Encoding::default(), NoBounds);
    there.write_all(&masked(0x81, b"late")).await.unwrap();
    assert_eq!(socket.recv().await.unwrap().unwrap(), text("early"));
    assert_eq!(socket.recv().await.unwrap().unwrap(), text("late"));
    drop(there);
    assert!(socket.recv().await.is_none());
}

fn message() -> impl Strategy<Value = Theirs> {
    prop_oneof![
        "\\PC{0,300}".prop_map(Theirs::text),
        proptest::collection::vec(any::<u8>(), 0..70_000)
            .prop_map(|bytes| Theirs::Binary(bytes.into())),
        proptest::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Theirs::Ping(bytes.into())),
    ]
}

fn same(ours: &Message, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Message::Text(ours), Theirs::Text(theirs)) => ours == theirs.as_str(),
        (Message::Binary(ours), Theirs::Binary(theirs))
        | (Message::Ping(ours), Theirs::Ping(theirs)) => ours == theirs,
        _ => false,
    }
}

proptest! {
    #[test]
    fn what_the_library_writes_is_read_the_same_however_it_is_cut(
        messages in proptest::collection::vec(message(), 1..5),
        cuts in proptest::collection::vec(1..5_000_usize, 0..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let bytes = runtime.block_on(async {
            let (mut here, there) = duplex(1 << 20);
            let mut client = WebSocketStream::from_raw_socket(there, Role::Client, None).await;
            for message in &messages {
                client.send(message.clone()).await.unwrap();
            }
            drop(client);
            let mut bytes = Vec::new();
            here.read_to_end(&mut bytes).await.unwrap();
            bytes
        });
        let mut reader = Reader::new(1 << 17, false);
        let ours = read(&mut reader, &bytes, &cuts).unwrap();
        prop_assert_eq!(ours.len(), messages.len());
        prop_assert!(ours.iter().zip(&messages).all(|(ours, theirs)| same(ours, theirs)));
        prop_assert!(reader.is_at_rest());
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_the_limit(
        bytes in proptest::collection::vec(any::<u8>(), 0..4_000),
        cuts in proptest::collection::vec(1..100_usize, 0..40),
    ) {
        let _ = read(&mut reader(), &bytes, &cuts);
    }

    #[test]
    fn a_mask_taken_off_in_pieces_is_the_same(
        bytes in proptest::collection::vec(any::<u8>(), 0..100), mask: [u8; 4], cut in 0..100_usize,
    ) {
        let (mut whole, mut pieces) = (bytes.clone(), bytes.clone());
        unmask(&mut whole, mask, 0);
        let cut = cut.min(bytes.len());
        unmask(&mut pieces[..cut], mask, 0);
        unmask(&mut pieces[cut..], mask, cut as u64);
        prop_assert_eq!(&whole, &pieces);
        let plain: Vec<u8> = bytes.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
        prop_assert_eq!(whole, plain);
    }

    #[test]
    fn a_head_is_read_as_it_was_written(
        length in 0..u64::MAX, shift in 0..63_u32, is_masked: bool,
    ) {
        let length = length >> shift;
        let mut bytes = Vec::new();
        let mask = is_masked.then_some([9, 8, 7, 6]);
        let (side, other) =
            if is_masked { (Side::Client, Side::Server) } else { (Side::Server, Side::Client) };
        header::write(&mut bytes, Opcode::Binary, true, length as usize, mask);
        let head = bytes.len();
        bytes.extend_from_slice(&[1, 2]);
        let mask = mask.unwrap_or_default();
        let expected =
            Header { opcode: Opcode::Binary, is_last: true, is_compressed: true, mask, length };
        prop_assert_eq!(Header::read(&bytes, side), Ok(Some((expected, head))));
        for part in 0..head {
            prop_assert_eq!(Header::read(&bytes[..part], side), Ok(None));
        }
        prop_assert_eq!(Header::read(&bytes, other), Err(NotAHeader::Mask));
    }
}

#[test]
fn the_library_takes_our_answer_to_its_key() {
    // The example of RFC 6455, section 1.3.
    let accept = tungstenite::handshake::derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(opening::accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="), accept);
    assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
