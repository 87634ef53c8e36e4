//! Each fault on real sockets of loopback, against an echo.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);
/// Nothing comes for so long: it is held back.
const SILENCE: Duration = Duration::from_millis(150);

/// A proxy before an echo.
struct Bench {
    proxy: Proxy,
    _echo: JoinSet<()>,
}

impl Bench {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = listener.local_addr().unwrap();
        let mut echo = JoinSet::new();
        echo.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut from, mut to) = socket.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                    let _ = to.shutdown().await;
                });
            }
        });
        let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), upstream).unwrap();
        Self { proxy, _echo: echo }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).await.unwrap()
    }

    /// Connected and heard by the echo.
    async fn warm(&self) -> TcpStream {
        let mut socket = self.connect().await;
        assert_eq!(echoed(&mut socket, b"hello").await, b"hello");
        socket
    }
}

async fn echoed(socket: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    socket.write_all(bytes).await.unwrap();
    heard(socket, bytes.len()).await
}

async fn heard(socket: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    tokio::time::timeout(LONG, socket.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

/// How the stream ends: with so many bytes and then cleanly, or with an error.
async fn end(socket: &mut TcpStream) -> Result<usize, ErrorKind> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(LONG, socket.read_to_end(&mut bytes)).await.unwrap();
    read.map_err(|error| error.kind())
}

async fn is_silent(socket: &mut TcpStream) -> bool {
    let mut byte = [0];
    tokio::time::timeout(SILENCE, socket.read(&mut byte)).await.is_err()
}

#[tokio::test]
async fn bytes_pass_both_ways_and_so_does_the_end() {
    let bench = Bench::start().await;
    let mut socket = bench.connect().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (mut from, mut to) = socket.split();
    let mut back = Vec::new();
    let sending = async {
        to.write_all(&bytes).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let ((), read) = tokio::join!(sending, from.read_to_end(&mut back));
    assert_eq!(read.unwrap(), bytes.len());
    assert!(back == bytes);
    let seen = bench.proxy.seen();
    assert_eq!((seen.up_bytes, seen.down_bytes), (3_000_000, 3_000_000));
    assert_eq!((seen.accepted, seen.broken, seen.held), (1, 0, 0));
    bench.proxy.stop().await;
}

#[tokio::test]
async fn a_delay_is_felt_and_keeps_the_order() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    bench.proxy.set(Fault::Delay { ms: 60, jitter_ms: 40 });
    let begun = Instant::now();
    let mut expected = Vec::new();
    for n in 0..20_u8 {
        socket.write_all(&[n]).await.unwrap();
        expected.push(n);
    }
    assert_eq!(heard(&mut socket, 20).await, expected);
    assert!(begun.elapsed() >= Duration::from_millis(120), "{:?}", begun.elapsed());
    assert!(bench.proxy.seen().held >= 2);
    bench.proxy.set(Fault::Delay { ms: 600_000, jitter_ms: 0 });
    socket.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut socket).await);
    bench.proxy.set(Fault::Pass);
    assert_eq!(heard(&mut socket, 4).await, b"late", "nothing waits once the fault is over");
}

#[tokio::test]
async fn a_throttle_bounds_the_rate() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    bench.proxy.set(Fault::Throttle { bytes_per_second: 20_000 });
    let begun = Instant::now();
    assert_eq!(echoed(&mut socket, &[7; 8_000]).await.len(), 8_000);
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(390), "8,000 bytes in {took:?}");
}

#[tokio::test]
async fn a_reset_reaches_both_sides_and_spares_new_connections() {
    let bench = Bench::start().await;
    let mut sockets = [bench.warm().await, bench.warm().await];
    bench.proxy.set(Fault::Reset);
    for socket in &mut sockets {
        assert_eq!(end(socket).await, Err(ErrorKind::ConnectionReset));
    }
    bench.warm().await;
    assert_eq!(bench.proxy.seen().broken, 2);
}

#[tokio::test]
async fn a_cut_ends_what_is_open_and_loses_what_is_held_back() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    bench.proxy.set(Fault::Delay { ms: 600_000, jitter_ms: 0 });
    socket.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut socket).await);
    bench.proxy.set(Fault::Cut);
    // A stream with unread bytes may end with a reset: the kernel's, not the proxy's.
    assert!(matches!(end(&mut socket).await, Ok(0) | Err(ErrorKind::ConnectionReset)));
    assert_eq!(bench.proxy.seen().broken, 1);
}

#[tokio::test]
async fn what_is_said_for_the_upstream_comes_to_one_connection_and_what_follows_still_passes() {
    let bench = Bench::start().await;
    let (mut first, mut second) = (bench.warm().await, bench.warm().await);
    bench.proxy.set(Fault::OneWay { way: Way::Down });
    bench.proxy.say(0, b"to the first".to_vec());
    bench.proxy.say(1, b"to the second".to_vec());
    assert_eq!(heard(&mut first, 12).await, b"to the first");
    assert_eq!(heard(&mut second, 13).await, b"to the second");
    bench.proxy.set(Fault::Pass);
    assert_eq!(echoed(&mut first, b"again").await, b"again");
}

#[tokio::test]
async fn a_truncated_stream_ends_in_the_middle() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    bench.proxy.set(Fault::Truncate { way: Way::Down, after_bytes: 3 });
    socket.write_all(b"abcdef").await.unwrap();
    assert_eq!(end(&mut socket).await, Ok(3));
    bench.warm().await;
}

#[tokio::test]
async fn a_half_open_link_takes_connections_and_answers_nothing_until_it_passes() {
    let bench = Bench::start().await;
    let mut old = bench.warm().await;
    bench.proxy.set(Fault::HalfOpen);
    let mut new = bench.connect().await;
    for socket in [&mut old, &mut new] {
        socket.write_all(b"anybody").await.unwrap();
        assert!(is_silent(socket).await);
    }
    bench.proxy.set(Fault::Pass);
    assert_eq!(heard(&mut old, 7).await, b"anybody");
    assert_eq!(heard(&mut new, 7).await, b"anybody");
}

#[tokio::test]
async fn a_half_open_link_holds_no_more_than_its_buffer() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    bench.proxy.set(Fault::HalfOpen);
    let flood = vec![1_u8; 64 * 1024];
    // Until the kernel's buffers are full: a proxy that read on would take all.
    let mut written = 0_usize;
    while let Ok(count) = tokio::time::timeout(SILENCE, socket.write(&flood)).await {
        written += count.unwrap();
        assert!(written < 64 << 20, "the proxy reads without end");
    }
    assert_eq!(bench.proxy.seen().up_bytes, 5);
}

#[tokio::test]
async fn one_way_forwards_requests_and_keeps_the_answers() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    let before = bench.proxy.seen();
    bench.proxy.set(Fault::OneWay { way: Way::Up });
    socket.write_all(b"request").await.unwrap();
    assert!(is_silent(&mut socket).await);
    assert_eq!(bench.proxy.seen().up_bytes, before.up_bytes + 7);
    assert_eq!(bench.proxy.seen().down_bytes, before.down_bytes);
    bench.proxy.set(Fault::OneWay { way: Way::Down });
    assert_eq!(heard(&mut socket, 7).await, b"request");
}

#[tokio::test]
async fn a_refusing_link_looks_like_a_closed_port_and_comes_back_at_the_same_address() {
    let bench = Bench::start().await;
    let mut socket = bench.warm().await;
    bench.proxy.set(Fault::Refuse);
    assert_eq!(end(&mut socket).await, Err(ErrorKind::ConnectionReset));
    let deadline = Instant::now() + LONG;
    loop {
        match TcpStream::connect(bench.proxy.address()).await {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => break,
            _ => assert!(Instant::now() < deadline, "connections are still taken"),
        }
    }
    bench.proxy.set(Fault::Pass);
    loop {
        match TcpStream::connect(bench.proxy.address()).await {
            Ok(mut socket) => {
                assert_eq!(echoed(&mut socket, b"again").await, b"again");
                break;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_away_looks_like_a_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), gone).unwrap();
    let mut socket = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(end(&mut socket).await, Err(ErrorKind::ConnectionReset));
    assert_eq!(proxy.seen().unreachable, 1);
    proxy.stop().await;
}
