//! Connections that take little from the network, so that what is not read lies in the server's memory: for tests of
//! its bounds. They know just enough of HTTP and WebSocket to begin something and leave it there.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection for which the kernel holds little.
pub fn connect(address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_tcp_mss(536).expect("small segments");
    socket.set_recv_buffer_size(4 << 10).expect("a small buffer");
    let address: SocketAddr = address.parse().expect("an address");
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&own.into()).expect("a port");
    socket.connect(&address.into()).expect("the server listens");
    socket.set_nonblocking(true).expect("asynchronous from here on");
    TcpStream::from_std(socket.into()).expect("a socket of the runtime")
}

/// A WebSocket of which nothing is read beyond its handshake.
pub async fn open(address: &str, token: &str) -> TcpStream {
    let mut tcp = connect(address);
    let device = uuid::Uuid::new_v4().simple().to_string();
    let request = format!(
        "GET /ws?token={token}&device={device}&acks=off HTTP/1.1\r\nhost: {address}\r\n\
         connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await.expect("it is open");
    let mut heard = Vec::new();
    while !heard.windows(9).any(|part| part == b"\"welcome\"") {
        let count = tcp.read_buf(&mut heard).await.expect("it is open");
        assert!(count > 0, "closed: {}", String::from_utf8_lossy(&heard));
    }
    tcp
}

/// A client's text frame that announces so many bytes; its payload may be shorter, and is unfinished then.
pub fn frame(announced: usize, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend((announced as u64).to_be_bytes());
    // A mask of zeros changes nothing.
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Writes to all of them for at most so long: a connection without room is still writing then.
pub async fn fill(connections: &mut [TcpStream], bytes: &[u8], most: Duration) {
    let writing = connections.iter_mut().map(|connection| connection.write_all(bytes));
    let _ = tokio::time::timeout(most, join_all(writing)).await;
}

/// Waits for at most so long until each has an answer of which nothing is read.
pub async fn answered(connections: &[TcpStream], most: Duration) {
    let answered = connections.iter().map(async |connection| connection.readable().await);
    let _ = tokio::time::timeout(most, join_all(answered)).await;
}
