//! The floors under the benchmarks' own load, and a scripted NATS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use bench::crowd::costs::Figures;
use bench::floor::{self, Floor, FloorOptions};
use clap::Parser as _;
use loadtest::options::{Command, CommandLine};

/// Serves until the test process ends.
fn start(floor: Floor) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        floor::run(&FloorOptions { floor, listen }, |address| {
            sender.send(address).expect("the test waits");
        })
    });
    receiver.recv().expect("the floor listens")
}

fn bench(line: &str) -> Result<Figures, String> {
    let words = ["fleet"].into_iter().chain(line.split_ascii_whitespace());
    let measured = match CommandLine::try_parse_from(words).expect("good options").command {
        Command::Fanout(options) => bench::fanout::run(&options, |_| {}),
        Command::Arrivals(options) => bench::arrivals::run(&options),
        Command::Idle(options) => bench::idle::run(&options, |_| {}),
        other => panic!("{other:?}"),
    };
    measured.map_err(|error| error.to_string())
}

fn number(figures: &Figures, name: &str) -> f64 {
    figures.get(name).unwrap_or_else(|| panic!("{name} in {figures}")).parse().expect("a number")
}

#[test]
fn every_floor_hands_each_message_to_each_member_in_turn() {
    let this = std::process::id();
    for floor in [Floor::Tcp, Floor::Axum] {
        let server = start(floor);
        let name = format!("{floor:?}").to_lowercase();
        for load in ["--window 1", "--window 16", "--rate 200"] {
            let figures = bench(&format!(
                "fanout --target {name} --server {server} --members 20 {load} --hold 0s \
                 --warmup 100ms --duration 300ms --sources 127.0.0.2-127.0.0.3 \
                 --server-pids floor={this}"
            ))
            .expect("figures");
            let messages = number(&figures, "messages");
            assert!(messages >= 10.0, "{figures}");
            let deliveries = number(&figures, "deliveries");
            // The window's messages are between the two counts.
            assert!((deliveries - messages * 20.0).abs() <= 16.0 * 20.0, "{figures}");
            assert_eq!(figures.get("out_of_turn"), Some("0"), "{figures}");
            assert!(number(&figures, "last_p50_ms") >= number(&figures, "each_p50_ms"));
            assert!(figures.get("cpu_us.floor").is_some(), "{figures}");
        }
    }
}

#[test]
fn arrivals_and_idle_connections_are_measured_on_a_floor() {
    for floor in [Floor::Tcp, Floor::Axum] {
        let server = start(floor);
        let name = format!("{floor:?}").to_lowercase();
        for load in ["--parallel 8", "--rate 500"] {
            let figures = bench(&format!(
                "arrivals --target {name} --server {server} --connections 50 {load}"
            ))
            .expect("figures");
            assert!(number(&figures, "per_second") > 10.0, "{figures}");
            assert!(number(&figures, "p99_ms") > 0.0, "{figures}");
        }
        let figures = bench(&format!(
            "idle --target {name} --server {server} --connections 50 --settle 0s --duration 50ms"
        ))
        .expect("figures");
        assert!(figures.get("kernel_slab_kib").is_some(), "{figures}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error_that_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let server = free.expect("a port");
    let failed = bench(&format!("arrivals --target tcp --server {server} --connections 3"));
    let why = failed.expect_err("nobody listens");
    assert!(why.contains("0 of 3 connections were ready"), "{why}");
    let why = bench(&format!("fanout --target tidings --server {server} --members 3"));
    assert!(why.expect_err("no secret").contains("secret"));
}

/// A NATS server for one client, as far as a subscriber needs it: the upgrade, INFO, PONG, and a
/// PING whose answer it waits for.
fn scripted_nats(listener: &TcpListener) -> std::io::Result<Vec<u8>> {
    let (mut stream, _) = listener.accept()?;
    read_until(&mut stream, b"\r\n\r\n")?;
    stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x82\x09INFO {}\r\n",
    )?;
    let said = read_frame(&mut stream)?;
    stream.write_all(b"\x82\x06PING\r\n\x82\x06PONG\r\n")?;
    let pong = read_frame(&mut stream)?;
    Ok([said, pong].concat())
}

fn read_until(stream: &mut TcpStream, end: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    Ok(bytes)
}

/// The payload of one masked frame below 64 KiB.
fn read_frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    assert_eq!(head[0], 0x82, "binary, and whole");
    let mut length = usize::from(head[1] & 0x7F);
    if length == 126 {
        let mut more = [0; 2];
        stream.read_exact(&mut more)?;
        length = usize::from(u16::from_be_bytes(more));
    }
    let mut mask = [0; 4];
    stream.read_exact(&mut mask)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload)?;
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    Ok(payload)
}

#[test]
fn a_connection_to_nats_connects_subscribes_and_answers_a_ping() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let server = listener.local_addr().expect("an address");
    let script = thread::spawn(move || scripted_nats(&listener));
    let figures =
        bench(&format!("arrivals --target nats --server {server} --connections 1")).expect("ready");
    assert_eq!(figures.get("target"), Some("nats"));
    let said = script.join().expect("the script ends").expect("it was spoken to");
    let said = String::from_utf8(said).expect("text");
    assert!(
        said.starts_with("CONNECT {") && said.contains("\r\nSUB tidings.bench.1 1\r\nPING\r\n")
    );
    assert!(said.ends_with("PONG\r\n"), "{said}");
}
