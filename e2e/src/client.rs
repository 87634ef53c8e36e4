//! One device on the public protocol, for tests that look at single frames. Load is the fleet's.

use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderName, header};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use uuid::Uuid;

use crate::second_tenant::Second;

/// How long a frame may take on a busy machine.
const FRAME: Duration = Duration::from_secs(20);

/// A connected socket.
#[derive(Debug)]
pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    acknowledges: bool,
    /// Its frames are MessagePack.
    is_binary: bool,
    /// The user of the same name in the second tenant, where there is one.
    second: Option<Second>,
}

/// What a socket said.
#[derive(Debug)]
pub enum Heard {
    /// A server frame.
    Frame(Value),
    /// The close code and reason; 1006 when the connection broke.
    Closed(u16, String),
}

impl Client {
    /// Opens the socket and waits for `welcome`.
    pub async fn connect(address: &str, token: &str) -> Self {
        let mut client = Self::open(address, &format!("/ws?token={token}")).await;
        client.expect("welcome").await;
        client
    }

    /// The same for a client with a name.
    pub async fn connect_as(address: &str, token: &str, user_agent: &str) -> Self {
        let headers = [(header::USER_AGENT, user_agent)];
        let mut client = Self::open_with(address, &format!("/ws?token={token}"), &headers).await;
        client.expect("welcome").await;
        client
    }

    /// The same for a client whose frames are MessagePack.
    pub async fn connect_binary(address: &str, token: &str) -> Self {
        let mut client = Self::open_binary(address, &format!("/ws?token={token}")).await;
        client.expect("welcome").await;
        client
    }

    /// Opens a socket on a path and hears nothing yet.
    pub async fn open(address: &str, path: &str) -> Self {
        Self::open_with(address, path, &[]).await
    }

    async fn open_with(address: &str, path: &str, headers: &[(HeaderName, &str)]) -> Self {
        let (socket, _) = tokio_tungstenite::connect_async(request(address, path, headers))
            .await
            .unwrap_or_else(|error| panic!("ws://{address}: {error}"));
        let second = Second::open(address, path).await;
        Self { socket, acknowledges: true, is_binary: false, second }
    }

    /// Opens a socket whose frames are MessagePack, and hears nothing yet.
    pub async fn open_binary(address: &str, path: &str) -> Self {
        let headers = [(header::SEC_WEBSOCKET_PROTOCOL, "tidings.v1.msgpack")];
        Self { is_binary: true, ..Self::open_with(address, path, &headers).await }
    }

    /// Opens the socket from an address of this machine, without waiting for anything; the status where it
    /// is refused.
    pub async fn open_from(
        source: Ipv4Addr,
        address: &str,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<Self, u16> {
        let tcp = TcpSocket::new_v4().expect("a socket");
        tcp.bind((source, 0).into()).expect("all of loopback is this machine");
        let peer = address.parse().expect("an address and a port");
        let tcp = tcp.connect(peer).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        let request = request(address, path, headers);
        match tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(tcp)).await {
            Ok((socket, _)) => {
                Ok(Self { socket, acknowledges: true, is_binary: false, second: None })
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("ws://{address}: {error}"),
        }
    }

    /// Sends a frame, in the form that its connection has.
    pub async fn say(&mut self, frame: &Value) {
        let message = self.message(frame);
        self.say_raw(message).await;
    }

    fn message(&self, frame: &Value) -> Message {
        if !self.is_binary {
            return Message::text(frame.to_string());
        }
        Message::binary(rmp_serde::to_vec_named(frame).expect("JSON has a form in MessagePack"))
    }

    /// Sends anything.
    pub async fn say_raw(&mut self, message: Message) {
        if let Some(second) = &self.second {
            second.say(&message).await;
        }
        self.socket.send(message).await.expect("the socket is open");
    }

    /// Sends a text to a user; the client id.
    pub async fn send_to(&mut self, user: &str, text: &str) -> Uuid {
        let client_id = Uuid::now_v7();
        self.say(&json!({ "type": "send", "ref": text, "client_id": client_id, "to": user, "content": { "text": text } }))
            .await;
        client_id
    }

    /// Sends a text to a conversation; the client id.
    pub async fn send_in(&mut self, conversation_id: &str, text: &str) -> Uuid {
        let client_id = Uuid::now_v7();
        self.say(&json!({ "type": "send", "ref": text, "client_id": client_id,
            "conversation_id": conversation_id, "content": { "text": text } }))
            .await;
        client_id
    }

    /// The next frame or the end, which has to come soon.
    pub async fn hear(&mut self) -> Heard {
        tokio::time::timeout(FRAME, self.listen()).await.expect("a frame in time")
    }

    /// The next frame or the end, whenever it comes.
    pub async fn listen(&mut self) -> Heard {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).expect("server frames are JSON");
                    self.heard(&frame).await;
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Binary(bytes))) => {
                    let frame = rmp_serde::from_slice(&bytes).expect("frames are MessagePack");
                    self.heard(&frame).await;
                    return Heard::Frame(frame);
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Heard::Closed(close.code.into(), close.reason.to_string());
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    return Heard::Closed(1006, String::new());
                }
                Some(Ok(_)) => {}
            }
        }
    }

    /// Acknowledges an entry, as every device does; one that does not is closed after a while.
    async fn heard(&mut self, frame: &Value) {
        if let Some(second) = &self.second {
            second.heard(frame);
        }
        if frame["type"] == "entry" && self.acknowledges {
            let (id, seq) = (&frame["conversation_id"], &frame["seq"]);
            let delivered = json!({ "type": "delivered", "conversation_id": id, "seq": seq });
            // A socket that is closing cannot take it, and need not.
            let message = self.message(&delivered);
            let _ = self.socket.send(message).await;
        }
    }

    /// Acknowledges nothing from now on.
    pub fn stop_acknowledging(&mut self) {
        self.acknowledges = false;
        if let Some(second) = &self.second {
            second.stop_acknowledging();
        }
    }

    /// Skips to the next frame of a type. Panics when the socket closes first.
    pub async fn expect(&mut self, kind: &str) -> Value {
        self.expect_where(kind, |_| true).await
    }

    /// Skips to the next frame of a type that satisfies `is_meant`.
    pub async fn expect_where(&mut self, kind: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.hear().await {
                Heard::Frame(frame) if frame["type"] == kind && is_meant(&frame) => return frame,
                Heard::Frame(_) => {}
                Heard::Closed(code, reason) => {
                    panic!("closed {code} {reason:?} while waiting for `{kind}`")
                }
            }
        }
    }

    /// Skips to the next frame of one of these types.
    pub async fn expect_any(&mut self, kinds: &[&str]) -> Value {
        loop {
            match self.hear().await {
                Heard::Frame(frame) if kinds.iter().any(|kind| frame["type"] == *kind) => {
                    return frame;
                }
                Heard::Frame(_) => {}
                Heard::Closed(code, reason) => {
                    panic!("closed {code} {reason:?} while waiting for {kinds:?}")
                }
            }
        }
    }

    /// Skips to the answer to the operation with this `ref`: an operation that was told `unknown` may be
    /// answered again later, between the answers to others.
    pub async fn answer_to(&mut self, reference: &str) -> Value {
        loop {
            let answer = self.expect_any(&["sent", "error"]).await;
            if answer["ref"] == reference {
                return answer;
            }
        }
    }

    /// Skips to the end of the connection.
    pub async fn expect_close(&mut self) -> (u16, String) {
        loop {
            if let Heard::Closed(code, reason) = self.hear().await {
                return (code, reason);
            }
        }
    }

    /// Closes politely.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }
}

fn request(address: &str, path: &str, headers: &[(HeaderName, &str)]) -> Request {
    let request = format!("ws://{address}{path}").into_client_request();
    let mut request = request.unwrap_or_else(|error| panic!("ws://{address}: {error}"));
    for (name, value) in headers {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    request
}
