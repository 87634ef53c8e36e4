//! What a caller hears that speaks plain HTTP/2 to a port with TLS: an end with a reason, instead of bytes
//! that it cannot read.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What callers are told; their log shows it.
pub(super) const REASON: &str = "this port takes TLS only";
/// What HTTP/2 calls a connection that is not protected as it has to be.
const INADEQUATE_SECURITY: u32 = 0xc;
/// An empty SETTINGS frame, with which a server begins.
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: u8 = 7;
/// What is still read of such a caller: bytes that nobody reads would reset the connection, and the reason
/// would be lost.
const MOST_READ: u64 = 16 * 1024;

/// Tells the reason and ends the connection.
pub(super) async fn send(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = SETTINGS.to_vec();
    let length = 8 + crate::number::fitted::<u32, _>(REASON.len());
    bytes.extend_from_slice(&length.to_be_bytes()[1..]);
    bytes.extend_from_slice(&[GOAWAY, 0, 0, 0, 0, 0]);
    // No stream was worked on.
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(&INADEQUATE_SECURITY.to_be_bytes());
    bytes.extend_from_slice(REASON.as_bytes());
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MOST_READ), &mut tokio::io::sink()).await?;
    Ok(())
}
