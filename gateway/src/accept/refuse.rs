//! Refusing a connection before a request was read: an answer that a client can read, and no more.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::admission::Refusal;

/// How long a refusal may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The complete answer.
fn answer(refusal: Refusal) -> String {
    let status =
        if refusal.is_of_gateway() { "503 Service Unavailable" } else { "429 Too Many Requests" };
    let (after, reason) = (refusal.retry_after().as_secs().max(1), refusal.reason());
    format!(
        "HTTP/1.1 {status}\r\nretry-after: {after}\r\nconnection: close\r\n\
         content-type: text/plain\r\ncontent-length: {}\r\n\r\n{reason}",
        reason.len()
    )
}

/// Answers and closes. What the client has sent is read: otherwise the system would reset the connection,
/// and the answer would be lost with it.
pub(super) async fn politely(mut tcp: TcpStream, refusal: Refusal) {
    let polite = async {
        tcp.write_all(answer(refusal).as_bytes()).await?;
        tcp.shutdown().await?;
        let mut rest = [0; 512];
        while tcp.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Hang-ups of clients are no event.
    let _ = tokio::time::timeout(PATIENCE, polite).await;
}
