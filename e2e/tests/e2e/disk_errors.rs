//! A disk under the all-in-one that answers with EIO for a while: nothing is acknowledged that is not stored,
//! readiness says what is wrong, and once the disk is well everything works again by itself.

use std::path::Path;
use std::time::Duration;

use e2e::all_in_one::{serve_with, token};
use e2e::client::Client;
use e2e::eventually::eventually;
use e2e::machine;
use e2e::process::Process;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long a database that came back may be left unused.
const USED_AGAIN: Duration = Duration::from_secs(5);

/// The library to preload; none where there is no C compiler, or none is loaded.
fn faulty(folder: &Path) -> Option<String> {
    let library = folder.join("faulty.so").display().to_string();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/disk_errors/faulty.c");
    let arguments = ["-shared", "-fPIC", "-O1", "-o", &library, source, "-ldl"];
    let built = std::process::Command::new("cc").args(arguments).status();
    built.is_ok_and(|status| status.success()).then_some(library)
}

/// One device that says one text after the other.
struct Sender {
    client: Client,
    stored: Vec<String>,
    count: usize,
}

impl Sender {
    async fn say(&mut self, client_id: Uuid, text: &str) -> Value {
        let send = json!({ "type": "send", "ref": text, "client_id": client_id, "to": "bob",
            "content": { "text": text } });
        self.client.say(&send).await;
        self.client.answer_to(text).await
    }

    /// What is answered to a new text, and its id for a repeat.
    async fn try_one(&mut self) -> (Uuid, String, Value) {
        self.count += 1;
        let (id, text) = (Uuid::now_v7(), format!("text {}", self.count));
        let answer = self.say(id, &text).await;
        if answer["type"] == "sent" {
            self.stored.push(text.clone());
        }
        (id, text, answer)
    }

    /// A text goes through in time; the one that was refused goes first.
    async fn is_heard_again(&mut self, refused: Option<(Uuid, String)>) {
        let (id, text) = refused.unwrap_or_else(|| {
            self.count += 1;
            (Uuid::now_v7(), format!("text {}", self.count))
        });
        let began = std::time::Instant::now();
        loop {
            let answer = self.say(id, &text).await;
            if answer["type"] == "sent" {
                self.stored.push(text);
                return;
            }
            assert!(began.elapsed() < USED_AGAIN, "{answer}");
        }
    }
}

async fn ready(server: &Process) -> (u16, String) {
    let url = format!("http://{}/health/ready", server.address("management"));
    let answer = reqwest::get(url).await.expect("it is answered");
    (answer.status().as_u16(), answer.text().await.expect("a text"))
}

async fn is_ready(server: &Process, status: u16) {
    eventually("readiness", Duration::from_secs(10), async || {
        let said = ready(server).await;
        if said.0 == status { Ok(()) } else { Err(said) }
    })
    .await;
}

#[tokio::test]
async fn a_disk_with_errors_of_input_and_output_costs_no_message_and_is_used_again() {
    machine::alone();
    let (data, faults) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(library) = faulty(faults.path()) else {
        eprintln!("not tested: there is no C compiler");
        return;
    };
    let folder = faults.path().to_str().unwrap();
    let settings = [("LD_PRELOAD", library.as_str()), ("FAULTY_FOLDER", folder)];
    let mut server = serve_with("disk-errors", data.path(), "127.0.0.1:0", &settings).await;
    let address = server.address("http").to_owned();
    let (ann, bob) = (token(data.path(), "ann").await, token(data.path(), "bob").await);
    let client = Client::connect(&address, &ann).await;
    let mut sender = Sender { client, stored: Vec::new(), count: 0 };
    let (.., first) = sender.try_one().await;
    let conversation = first["conversation_id"].as_str().unwrap().to_owned();
    for _ in 0..3 {
        for kind in ["write", "sync", "read"] {
            let fault = faults.path().join(kind);
            std::fs::write(&fault, "").unwrap();
            let mut refused = None;
            for _ in 0..3 {
                let (id, text, answer) = sender.try_one().await;
                if answer["type"] == "error" {
                    assert_eq!(answer["code"], "unavailable", "{kind}: {answer}");
                    refused.get_or_insert((id, text));
                }
            }
            // What is read mostly lies in memory.
            if kind != "read" {
                assert!(refused.is_some(), "{kind}: nothing was refused");
                is_ready(&server, 503).await;
                let (_, said) = ready(&server).await;
                assert!(said.contains("database"), "{kind}: {said}");
            }
            std::fs::remove_file(&fault).unwrap();
            sender.is_heard_again(refused).await;
            is_ready(&server, 200).await;
        }
    }
    // Everything that was acknowledged is there once; what was refused at most once.
    let url = format!("http://{address}/api/v1/conversations/{conversation}/messages?limit=200");
    let check = async |url: &str| {
        let page = reqwest::Client::new().get(url).bearer_auth(&bob).send().await.unwrap();
        let page: Value = page.json().await.unwrap();
        let texts: Vec<&str> = page["entries"]
            .as_array()
            .unwrap_or_else(|| panic!("{page}"))
            .iter()
            .filter_map(|entry| entry["content"]["text"].as_str())
            .collect();
        for text in &sender.stored {
            assert_eq!(texts.iter().filter(|it| *it == text).count(), 1, "{text}: {texts:?}");
        }
        for (at, text) in texts.iter().enumerate() {
            assert!(!texts[..at].contains(text), "{text} is there twice: {texts:?}");
        }
    };
    check(&url).await;
    server.terminate(Duration::from_secs(30)).await;
    let again = serve_with("disk-errors", data.path(), "127.0.0.1:0", &[]).await;
    check(&url.replace(&address, again.address("http"))).await;
}
