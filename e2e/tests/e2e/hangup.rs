//! SIGHUP, sent to a real server: it reads its keys again, and drains when its terminal goes away.

use std::path::Path;
use std::time::{Duration, Instant};

use e2e::all_in_one::{serve, token};
use e2e::client::Client;
use e2e::process::{Process, binary};
use reqwest::StatusCode;

async fn me(address: &str, token: &str) -> StatusCode {
    let url = format!("http://{address}/api/v1/me");
    reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap().status()
}

#[tokio::test]
async fn sighup_takes_over_a_new_secret_while_the_one_before_stays_good() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve("rotation", folder.path()).await;
    let address = server.address("http");
    let old = token(folder.path(), "ann").await;
    let mut ann = Client::connect(address, &old).await;
    let file = folder.path().join("secret");
    let secrets =
        format!("a new secret of enough bytes\n{}", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, secrets).unwrap();
    let new = token(folder.path(), "ann").await;
    assert_ne!(me(address, &new).await, StatusCode::OK, "not read yet");
    server.signal("HUP").await;
    let began = Instant::now();
    while me(address, &new).await != StatusCode::OK {
        assert!(began.elapsed() < Duration::from_secs(8), "{}", server.log_tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(me(address, &old).await, StatusCode::OK);
    ann.send_to("bob", "still here").await;
    ann.expect("sent").await;
}

/// In a terminal of its own, which ends with this process; its SIGHUP counts even where the test itself was started by `nohup`.
async fn in_terminal(folder: &Path) -> Process {
    let (server, data) = (binary("tidings"), folder.display());
    let line = format!(
        "exec env --default-signal=HUP {} serve --listen 127.0.0.1:0 --management-listen 127.0.0.1:0 --data {data}",
        server.display()
    );
    let arguments = ["-qec", line.as_str(), "/dev/null"];
    Process::start_at("terminal", Path::new("/usr/bin/script"), &arguments, &[]).await
}

#[tokio::test]
async fn a_server_drains_when_its_terminal_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut terminal = in_terminal(folder.path()).await;
    let address = terminal.address("http").to_owned();
    let mut ann = Client::connect(&address, &token(folder.path(), "ann").await).await;
    terminal.kill().await;
    assert_eq!(ann.expect_close().await.0, 1012, "restarting, not broken");
    // The folder is free again, and was left in order.
    let began = Instant::now();
    while reqwest::get(format!("http://{address}/")).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "it still serves");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
