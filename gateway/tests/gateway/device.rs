//! One device on the public protocol.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{self, Message};
use uuid::Uuid;

use crate::edge::{Edge, PATIENCE, token};

/// A socket, welcomed or not.
pub struct Device {
    pub socket: WebSocketStream<TcpStream>,
    /// Its connection at the gateway; 0 before the welcome.
    pub number: u64,
}

/// What a socket says.
#[derive(Debug, PartialEq)]
pub enum Heard {
    Frame(Value),
    Ping,
    /// With code and reason; 1006 when it broke without a close frame.
    Closed(u16, String),
}

impl Device {
    /// Connects a new device of a user and hears its welcome.
    pub async fn connect(edge: &Edge, user: &str) -> Self {
        Self::connect_with(edge, &token(user)).await
    }

    /// The same with a token of any kind.
    pub async fn connect_with(edge: &Edge, token: &str) -> Self {
        let mut device = Self::open(edge, &format!("/ws?token={token}"), &[]).await;
        device.welcome().await;
        device
    }

    /// Opens a socket and hears nothing yet.
    pub async fn open(edge: &Edge, path: &str, headers: &[(&'static str, &str)]) -> Self {
        Self::try_open(edge, path, headers).await.unwrap().0
    }

    /// The same, with the answer to the upgrade.
    pub async fn try_open(
        edge: &Edge,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), tungstenite::Error> {
        let stream = TcpStream::connect(edge.address).await.unwrap();
        Self::upgrade(edge, stream, path, headers).await
    }

    /// Connects through a narrow socket, which is full after a few KiB.
    pub async fn connect_narrow(edge: &Edge, user: &str) -> Self {
        Self::connect_narrow_at(edge, &format!("/ws?token={}", token(user))).await
    }

    /// The same on a path.
    pub async fn connect_narrow_at(edge: &Edge, path: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        let stream = socket.connect(edge.address).await.unwrap();
        let mut device = Self::upgrade(edge, stream, path, &[]).await.unwrap().0;
        device.welcome().await;
        device
    }

    /// Opens a socket on a connection that is there.
    pub async fn upgrade(
        edge: &Edge,
        stream: TcpStream,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response), tungstenite::Error> {
        let mut request = format!("ws://{}{path}", edge.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (socket, response) = tokio_tungstenite::client_async(request, stream).await?;
        Ok((Self { socket, number: 0 }, response))
    }

    /// Waits for the welcome and notes the connection.
    pub async fn welcome(&mut self) -> Value {
        let welcome = self.expect("welcome").await;
        let (_, number) = welcome["connection_id"].as_str().unwrap().rsplit_once('.').unwrap();
        self.number = u64::from_str_radix(number, 16).unwrap();
        welcome
    }

    pub async fn say(&mut self, frame: &Value) {
        self.say_raw(Message::text(frame.to_string())).await;
    }

    pub async fn say_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("the socket is open");
    }

    /// Sends a text to a user; the client id.
    pub async fn send_to(&mut self, user: &str, reference: &str) -> Uuid {
        let client_id = Uuid::now_v7();
        self.say(&json!({ "type": "send", "ref": reference, "client_id": client_id, "to": user,
            "content": { "text": "hello" } }))
            .await;
        client_id
    }

    /// The next thing it says.
    pub async fn hear(&mut self) -> Heard {
        loop {
            let next = self.socket.next();
            let message = tokio::time::timeout(PATIENCE, next).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Heard::Frame(serde_json::from_str(&text).expect("frames are JSON"));
                }
                Some(Ok(Message::Ping(_))) => return Heard::Ping,
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

    /// The next frame.
    pub async fn frame(&mut self) -> Value {
        loop {
            match self.hear().await {
                Heard::Frame(frame) => return frame,
                Heard::Ping => {}
                Heard::Closed(code, reason) => panic!("closed: {code} {reason}"),
            }
        }
    }

    /// The next frame, which is of this type.
    pub async fn expect(&mut self, kind: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    }

    /// Skips to the end.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Heard::Closed(code, reason) = self.hear().await {
                return (code, reason);
            }
        }
    }

    /// Finds the connection alive: it answers a ping.
    pub async fn is_served(&mut self) {
        self.say(&json!({ "type": "ping" })).await;
        self.expect("pong").await;
    }
}
