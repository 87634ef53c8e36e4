//! The codec against another implementation: tungstenite as the server.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::codec::{self, Reader};
use super::handshake::{self, HandshakeError, Target};

const MASK: [u8; 4] = [0xA1, 0x00, 0x5C, 0xFF];

fn target(listener: &TcpListener) -> Target {
    let address = listener.local_addr().unwrap();
    Target {
        address,
        authority: address.to_string(),
        path: "/ws?x=1".to_owned(),
        subprotocol: None,
        offers_deflate: false,
    }
}

/// Sizes at the edges of the three length encodings.
const SIZES: [usize; 8] = [0, 1, 125, 126, 127, 65_535, 65_536, 300_000];

#[tokio::test]
async fn messages_of_every_length_survive_the_way_there_and_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(&listener);
    let echo = async {
        let (stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)));
        let config = WebSocketConfig::default().accept_unmasked_frames(false);
        let mut server =
            tokio_tungstenite::accept_async_with_config(stream, Some(config)).await.unwrap();
        let mut pongs = 0;
        while let Some(message) = server.next().await {
            match message.unwrap() {
                Message::Text(text) => {
                    server.send(Message::Ping(Bytes::from_static(b"are you there"))).await.unwrap();
                    server.send(Message::Text(text)).await.unwrap();
                }
                Message::Pong(payload) => {
                    assert_eq!(payload, "are you there");
                    pongs += 1;
                }
                // The answer to it goes out with the next turn, which ends the stream.
                Message::Close(close) => assert_eq!(close.unwrap().code, CloseCode::Normal),
                other => panic!("{other:?}"),
            }
        }
        pongs
    };
    let client = async {
        let source = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)));
        let (mut stream, early) = handshake::open(&target, source, "token").await.unwrap();
        assert!(early.is_empty());
        let mut reader = Reader::default();
        let mut chunk = vec![0; 10_000];
        for size in SIZES {
            let text: Vec<u8> = (0..size).map(|at| b'a' + (at % 26) as u8).collect();
            let mut out = Vec::new();
            codec::write_text(&mut out, &text, MASK);
            stream.write_all(&out).await.unwrap();
            let mut heard = Vec::new();
            while heard.is_empty() {
                let count = stream.read(&mut chunk).await.unwrap();
                assert!(count > 0, "the server closed");
                let mut out = Vec::new();
                reader
                    .feed(&chunk[..count], |message| match message {
                        codec::Message::Whole(text) => heard.push(text.to_vec()),
                        codec::Message::Ping(ping) => codec::write_pong(&mut out, ping, MASK),
                        other => panic!("{other:?}"),
                    })
                    .unwrap();
                stream.write_all(&out).await.unwrap();
            }
            assert!(heard == [text], "{size} bytes came back changed");
        }
        let mut out = Vec::new();
        codec::write_close(&mut out, 1000, MASK);
        stream.write_all(&out).await.unwrap();
        let count = stream.read(&mut chunk).await.unwrap();
        let mut close = None;
        let take = |message: codec::Message<'_>| {
            if let codec::Message::Close(code) = message {
                close = Some(code);
            }
        };
        reader.feed(&chunk[..count], take).unwrap();
        close
    };
    let (pongs, close) = tokio::join!(echo, client);
    assert_eq!((pongs, close), (SIZES.len(), Some(1000)));
}

#[tokio::test]
async fn frames_right_behind_the_upgrade_are_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(&listener);
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut server = tokio_tungstenite::accept_async(stream).await.unwrap();
        server.send(Message::text("at once")).await.unwrap();
        let reason = "restart".into();
        server.close(Some(CloseFrame { code: CloseCode::Restart, reason })).await.unwrap();
        server
    };
    let client = async {
        let (mut stream, mut bytes) = handshake::open(&target, None, "token").await.unwrap();
        let (mut reader, mut heard) = (Reader::default(), Vec::new());
        loop {
            reader.feed(&bytes, |message| heard.push(format!("{message:?}"))).unwrap();
            if heard.len() == 2 {
                return heard;
            }
            bytes.clear();
            stream.read_buf(&mut bytes).await.unwrap();
        }
    };
    let (_server, heard) = tokio::join!(server, client);
    assert!(heard[0].starts_with("Whole"), "{heard:?}");
    assert_eq!(heard[1], "Close(1012)");
}

#[tokio::test]
async fn a_refusal_tells_its_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(&listener);
    let server = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with("GET /ws?x=1 HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Bearer token\r\n"), "{request}");
        let answer = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    };
    let client = handshake::open(&target, None, "token");
    let ((), refused) = tokio::join!(server, client);
    assert!(matches!(refused, Err(HandshakeError::Refused { status: 401, .. })), "{refused:?}");
}
