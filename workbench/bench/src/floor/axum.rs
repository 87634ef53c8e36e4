//! The floor of a WebSocket server: axum, a task and a bounded queue for each connection.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use futures_util::SinkExt as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::READY;
use super::members::Members;

/// Without it each connection has a read buffer of 128 KiB.
const READ_BYTES: usize = 1024;
/// Messages that may wait for one connection; what comes beyond is missed.
const QUEUE: usize = 256;
/// Messages written with one flush.
const BATCH: usize = 64;

type Queues = Members<Sender<Utf8Bytes>>;

/// Serves until the listener fails.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let router = Router::new().route("/ws", get(upgrade)).with_state(Arc::new(Queues::default()));
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, router).await
}

async fn upgrade(upgrade: WebSocketUpgrade, State(queues): State<Arc<Queues>>) -> Response {
    upgrade
        .read_buffer_size(READ_BYTES)
        // How a connection ended matters to nobody: its peer sees it.
        .on_upgrade(|socket| async move { drop(connection(socket, &queues).await) })
}

async fn connection(mut socket: WebSocket, queues: &Queues) -> Result<(), axum::Error> {
    let Some(Message::Text(first)) = socket.recv().await.transpose()? else { return Ok(()) };
    match first.as_str() {
        "subscribe" => {
            let (sender, receiver) = channel(QUEUE);
            let number = queues.join(sender);
            let ended = subscribe(socket, receiver).await;
            queues.leave(number);
            ended
        }
        "publish" => {
            socket.send(Message::Text(READY.into())).await?;
            while let Some(message) = socket.recv().await.transpose()? {
                if let Message::Text(text) = message {
                    publish(queues, &text);
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Puts a message into every queue.
fn publish(queues: &Queues, text: &Utf8Bytes) {
    for queue in queues.all().iter() {
        // A full queue: the member misses it, and the count shows that.
        let _ = queue.try_send(text.clone());
    }
}

async fn subscribe(
    mut socket: WebSocket,
    mut receiver: Receiver<Utf8Bytes>,
) -> Result<(), axum::Error> {
    socket.send(Message::Text(READY.into())).await?;
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = receiver.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Ok(());
                }
                for text in batch.drain(..) {
                    socket.feed(Message::Text(text)).await?;
                }
                socket.flush().await?;
            }
            message = socket.recv() => {
                if message.transpose()?.is_none() {
                    return Ok(());
                }
            }
        }
    }
}
