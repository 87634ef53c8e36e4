//! The program: arguments, exit codes, the report as JSON.

use std::process::{Command, Output};

use serde_json::Value;

use crate::scripted::{Fault, Server};

fn fleet(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleet")).args(arguments).output().expect("the fleet starts")
}

fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_good_run_exits_with_0_and_writes_its_report() {
    let server = Server::start(Fault::None);
    let folder = tempfile::tempdir().expect("a folder");
    let (secret, json) = (folder.path().join("secret"), folder.path().join("report.json"));
    std::fs::write(&secret, "a secret\n").expect("a file");
    let output = fleet(&[
        "run",
        "--url",
        &format!("ws://{}/ws", server.address),
        "--secret-file",
        secret.to_str().expect("a plain path"),
        "--json",
        json.to_str().expect("a plain path"),
        "--pairs",
        "2",
        "--duration",
        "1200ms",
        "--warmup",
        "0s",
        "--verify-history=1",
        "--server-pids",
        &format!("this={}", std::process::id()),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", error_text(&output));
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("acknowledged") && table.contains("\nvalid: "), "{table}");
    assert!(error_text(&output).contains("acknowledged"), "a progress line each second");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("a report"))
        .expect("the report is JSON");
    assert_eq!(report["verdict"], "valid");
    assert!(report["acknowledged"].as_u64() > Some(50), "{report:#}");
    assert_eq!(report["reconnects"], 0);
    assert_eq!(report["findings"]["verified_logs"], 1);
    assert!(report["delivery_ms"]["p99"].as_f64() > Some(0.0));
    assert_eq!(report["processes"][0]["name"], "this");
    assert!(report["servers_cpu_us_per_message"].is_number());
}

#[test]
fn a_broken_rule_exits_with_1_and_says_which() {
    let server = Server::start(Fault::StoreTwice);
    let output = fleet(&[
        "run",
        "--url",
        &format!("ws://{}/ws", server.address),
        "--secret",
        "s",
        "--pairs",
        "1",
        "--duration",
        "500ms",
        "--warmup",
        "0s",
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", error_text(&output));
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("INVALID") && table.contains("duplicate: "), "{table}");
}

#[test]
fn what_cannot_be_run_exits_with_2_and_one_clear_line() {
    let url = ["--url", "ws://127.0.0.1:9/ws", "--secret", "s"];
    let cases: [(&[&str], &str); 6] = [
        (&["--connect-timeout", "200ms", "--pairs", "1"], "connection refused"),
        (&["--payload", "10"], "--payload: 39 to"),
        (&["--clients", "0", "--scenario", "idle"], "clients: 1 to"),
        (&["--scenario", "group", "--members", "5", "--clients", "3"], "--members: 1 to"),
        (&["--server-pids", "gone=4194304"], "not running: gone=4194304"),
        (&["--pairs", "1000000"], "`ulimit -n`"),
    ];
    for (arguments, message) in cases {
        let all = [["run"].as_slice(), &url, arguments].concat();
        let output = fleet(&all);
        let text = error_text(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.starts_with("fleet: ") && text.contains(message), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
    }
}

#[test]
fn a_secret_file_that_is_not_there_is_named() {
    let output = fleet(&["run", "--url", "ws://127.0.0.1:9/ws", "--secret-file", "/no/such/file"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(error_text(&output).contains("--secret-file /no/such/file"), "{output:?}");
}

#[test]
fn the_proxy_obeys_lines_and_ends_with_its_input() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::process::Stdio;

    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let link = format!("broker=127.0.0.1:0,{}", upstream.local_addr().expect("an address"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(["proxy", "--link", &link])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut line = move || lines.next().expect("a line").expect("text");
    let listening = line();
    let address = listening.strip_prefix("listening broker=").expect("one link");
    let mut client = TcpStream::connect(address).expect("the proxy listens");
    client.write_all(b"ping").expect("the proxy takes it");
    let (mut server, _) = upstream.accept().expect("forwarded");
    let mut bytes = [0; 4];
    server.read_exact(&mut bytes).expect("forwarded");
    assert_eq!(&bytes, b"ping");

    let mut input = child.stdin.take().expect("a pipe");
    let mut tell = |order: &str| {
        writeln!(input, "{order}").expect("the proxy reads");
        serde_json::from_str::<Value>(&line()).expect("JSON")
    };
    assert_eq!(tell(r#"{"fault":"seen"}"#)["links"]["broker"]["open"], 1);
    assert!(tell(r#"{"fault":"earthquake"}"#)["error"].is_string());
    assert!(tell(r#"{"link":"other","fault":"reset"}"#)["error"].is_string());
    tell(r#"{"link":"broker","fault":"reset"}"#);
    assert!(client.read(&mut bytes).is_err(), "reset");
    assert_eq!(tell(r#"{"fault":"seen"}"#)["links"]["broker"]["broken"], 1);
    drop(input);
    assert!(child.wait().expect("it ends").success());
}
