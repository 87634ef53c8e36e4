//! The socket of the user of the same name in the second tenant.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::paired::{self, Side};
use super::{MARK, is_on, mark, path_there};

/// How long a frame waits until it is known which conversation it is about there, in steps.
const STEP: Duration = Duration::from_millis(20);
const STEPS: u32 = 100;
/// Messages that wait to be said again; then the test waits, too.
const WAITING: usize = 10_000;

/// One socket of the second tenant. It ends with its owner.
#[derive(Debug)]
pub struct Second {
    said: mpsc::Sender<Said>,
    /// Goes with it.
    _life: JoinSet<()>,
}

#[derive(Debug)]
enum Said {
    Message(Message),
    StopAcknowledging,
}

impl Second {
    /// Opens one beside a socket of a test; none where no second tenant is wanted or the install does not know it.
    pub(crate) async fn open(address: &str, path: &str) -> Option<Self> {
        if is_on() { Self::open_anyway(address, path).await } else { None }
    }

    /// The same, wanted or not.
    pub async fn open_anyway(address: &str, path: &str) -> Option<Self> {
        let url = format!("ws://{address}{}", path_there(path)?);
        let (socket, _) = tokio_tungstenite::connect_async(url).await.ok()?;
        let (said, to_say) = mpsc::channel(WAITING);
        let mut life = JoinSet::new();
        life.spawn(Life { socket, acknowledges: true }.run(to_say));
        Some(Self { said, _life: life })
    }

    /// The test said something.
    pub async fn say(&self, message: &Message) {
        // The socket may have been closed for what was said before, as the test's own will be.
        let _ = self.said.send(Said::Message(message.clone())).await;
    }

    pub(crate) fn stop_acknowledging(&self) {
        let _ = self.said.try_send(Said::StopAcknowledging);
    }

    /// The test heard something.
    pub fn heard(&self, frame: &Value) {
        let text = frame.to_string();
        assert!(!text.contains(MARK), "a message of another tenant: {text}");
        paired::heard(Side::Test, frame);
    }
}

struct Life {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    acknowledges: bool,
}

impl Life {
    async fn run(mut self, mut to_say: mpsc::Receiver<Said>) {
        loop {
            let goes_on = tokio::select! {
                said = to_say.recv() => match said {
                    Some(Said::Message(message)) => self.say(message).await,
                    Some(Said::StopAcknowledging) => {
                        self.acknowledges = false;
                        true
                    }
                    None => break,
                },
                heard = self.socket.next() => match heard {
                    Some(Ok(message)) => self.heard(&message).await,
                    _ => return,
                },
            };
            if !goes_on {
                return;
            }
        }
        let _ = self.socket.close(None).await;
    }

    async fn say(&mut self, message: Message) -> bool {
        let frame: Option<Value> = match &message {
            Message::Text(text) => serde_json::from_str(text).ok(),
            Message::Binary(bytes) => rmp_serde::from_slice(bytes).ok(),
            _ => None,
        };
        let message = match frame {
            // Whatever is no frame is sent as it is.
            None => message,
            Some(mut frame) => {
                self.wait_for_its_conversation(&frame).await;
                mark(&mut frame);
                Message::text(paired::there(&frame.to_string()))
            }
        };
        self.socket.send(message).await.is_ok()
    }

    async fn wait_for_its_conversation(&mut self, frame: &Value) {
        for _ in 0..STEPS {
            if paired::is_known(frame) {
                return;
            }
            if let Ok(Some(Ok(message))) = tokio::time::timeout(STEP, self.socket.next()).await {
                self.heard(&message).await;
            }
        }
    }

    async fn heard(&mut self, message: &Message) -> bool {
        let Message::Text(text) = message else { return true };
        let frame: Value = serde_json::from_str(text).expect("server frames are JSON");
        paired::heard(Side::Second, &frame);
        if frame["type"] == "entry" {
            let said = frame["content"]["text"].as_str();
            assert!(
                said.is_none_or(|said| said.ends_with(MARK)),
                "a message of another tenant: {frame}"
            );
            if self.acknowledges {
                let (id, seq) = (&frame["conversation_id"], &frame["seq"]);
                let delivered = json!({ "type": "delivered", "conversation_id": id, "seq": seq });
                return self.socket.send(Message::text(delivered.to_string())).await.is_ok();
            }
        }
        true
    }
}
