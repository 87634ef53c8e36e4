//! Requests to addresses that others name, against a server of the test.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Answers each connection with a text, and ends.
async fn receiver(answer: String) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test joins it")]
    let serving = tokio::spawn(async move {
        let mut asked = Vec::new();
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 4_096];
        let count = tcp.read(&mut read).await.unwrap();
        asked.push(String::from_utf8_lossy(&read[..count]).into_owned());
        // The client may have read enough.
        let _ = tcp.write_all(answer.as_bytes()).await;
        asked
    });
    (address, serving)
}

fn trusting(hosts: &[&str]) -> OutgoingHttp {
    crate::install_crypto_provider();
    let trusted_hosts = hosts.iter().map(ToString::to_string).collect();
    let config = OutgoingConfig { trusted_hosts, timeout_ms: 2_000, ..OutgoingConfig::default() };
    OutgoingHttp::new(&config, HttpVersion::Any).unwrap()
}

#[test]
fn addresses_that_lead_inside_are_refused_before_anything_is_asked() {
    let http = trusting(&["hooks.internal"]);
    for refused in [
        "http://push.example/x",
        "ftp://push.example/x",
        "https://user:secret@push.example/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        // Other spellings of 127.0.0.1.
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://0177.0.0.1/x",
        "nonsense",
        "https://",
    ] {
        let error = http.check(refused).unwrap_err();
        assert!(matches!(error, OutgoingError::Refused(_)), "{refused}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let long = format!("https://push.example/{}", "x".repeat(URL_BYTES));
    assert!(http.check(&long).is_err());
    for taken in ["https://push.example/x", "https://8.8.8.8/x", "http://hooks.internal/x"] {
        assert!(http.check(taken).is_ok(), "{taken}");
    }
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_resolved() {
    let error = trusting(&[]).post("https://localhost/x", HeaderMap::new(), Vec::new()).await;
    assert_eq!(error.unwrap_err(), OutgoingError::Refused("its host has no public address"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let text = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (address, serving) = receiver(text.to_owned()).await;
    let url = format!("http://{address}/hook");
    let answer =
        trusting(&["127.0.0.1"]).post(&url, HeaderMap::new(), b"hi".to_vec()).await.unwrap();
    assert_eq!(answer.status, StatusCode::FOUND);
    let asked = serving.await.unwrap();
    assert!(asked[0].starts_with("POST /hook HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].ends_with("\r\n\r\nhi"), "{asked:?}");
}

#[tokio::test]
async fn an_answer_is_read_to_its_bound() {
    let text =
        format!("HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n{}", "x".repeat(200_000));
    let (address, serving) = receiver(text).await;
    let http = trusting(&["localhost"]);
    let url = format!("http://localhost:{}/hook", address.port());
    let answer = http.post(&url, HeaderMap::new(), Vec::new()).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 64 << 10));
    serving.await.unwrap();
}

#[tokio::test]
async fn who_does_not_answer_is_late_and_who_is_away_is_not_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let config = OutgoingConfig { timeout_ms: 50, ..OutgoingConfig::default() };
    let http = OutgoingHttp::to_configured(&config, HttpVersion::Any).unwrap();
    let late = http.post(&url, HeaderMap::new(), Vec::new()).await.unwrap_err();
    assert_eq!(late, OutgoingError::Late(50));
    drop(listener);
    let away = http.post(&url, HeaderMap::new(), Vec::new()).await.unwrap_err();
    let OutgoingError::Failed(text) = &away else { panic!("{away}") };
    assert!(!text.contains("/hook"), "{text}");
}
