//! Further devices of the fleet's users that ask for everything and read nothing.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::token::token;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

/// As small as the kernel allows.
const RECEIVE_BYTES: u32 = 2_048;
/// A socket that was given up says so within this time.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Devices that read nothing.
#[derive(Debug)]
pub struct SlowReaders(Vec<WebSocketStream<TcpStream>>);

impl SlowReaders {
    /// Connects one device for each user, in turns to each gateway.
    pub async fn connect(gateways: &[SocketAddr], users: &[String]) -> anyhow::Result<Self> {
        let mut sockets = Vec::new();
        for (gateway, user) in gateways.iter().cycle().zip(users) {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(RECEIVE_BYTES)?;
            let stream = socket.connect(*gateway).await?;
            let url = format!("ws://{gateway}/ws?token={}", token(user)).into_client_request()?;
            let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
            // Everything from the beginning, again and again.
            for _ in 0..8 {
                socket.send(Message::text(r#"{"type":"sync","cursors":{}}"#)).await?;
            }
            sockets.push(socket);
        }
        Ok(Self(sockets))
    }

    /// Reads at last: how many there were, and how many the gateways had given up.
    pub async fn hang_up(self) -> (usize, usize) {
        let count = self.0.len();
        let ends = self.0.into_iter().map(|mut socket| async move {
            let end = async {
                loop {
                    match socket.next().await {
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                        Some(Ok(_)) => {}
                    }
                }
            };
            tokio::time::timeout(LAST_WORDS, end).await.is_ok()
        });
        let given_up = futures_util::future::join_all(ends).await;
        (count, given_up.into_iter().filter(|is_given_up| *is_given_up).count())
    }
}
