//! Refusing a connection before a request was read: an answer that a client can read, and no more.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answers;
use crate::admission::Refusal;

/// How long a refusal may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The complete answer.
fn answer(refusal: Refusal) -> Vec<u8> {
    let status = if refusal.is_of_gateway() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::TOO_MANY_REQUESTS
    };
    let wait = refusal.retry_after();
    let after = HeaderValue::from(wait.as_secs().max(1));
    let error = answers::refusal(status, &refusal.reason()).after(wait);
    answers::on_the_wire(status, &HeaderMap::from_iter([(header::RETRY_AFTER, after)]), error)
}

/// Answers and closes. What the client has sent is read: otherwise the system would reset the connection,
/// and the answer would be lost with it.
pub(super) async fn politely(mut tcp: TcpStream, refusal: Refusal) {
    let polite = async {
        tcp.write_all(&answer(refusal)).await?;
        tcp.shutdown().await?;
        let mut rest = [0; 512];
        while tcp.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Hang-ups of clients are no event.
    let _ = tokio::time::timeout(PATIENCE, polite).await;
}
