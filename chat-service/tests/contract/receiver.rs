//! A receiver of webhooks that behaves as a test says: it checks signatures and remembers what it was given.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A delivery as it came.
#[derive(Debug, Clone)]
pub struct Got {
    pub conversation: String,
    pub seq: u64,
    pub is_signed: bool,
}

/// How the receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Taken,
    Status(u16),
    /// A success with 10 MB behind it.
    Huge,
    /// Another address.
    Redirect,
    Garbage,
    CloseEarly,
    /// Nothing, for longer than anybody waits.
    Silence,
}

impl Reply {
    fn is_taken(self) -> bool {
        matches!(self, Self::Taken | Self::Huge)
    }
}

type Behaviour = Box<dyn Fn(&Got, usize) -> Reply + Send + Sync>;

/// What a receiver knows.
#[derive(Default)]
pub struct Seen {
    /// Everything, with how it was answered.
    pub all: Vec<(Got, Reply)>,
}

impl Seen {
    /// The sequences that were taken, each once, in the order of their first coming, by conversation.
    pub fn taken(&self) -> BTreeMap<String, Vec<u64>> {
        let mut taken: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (got, _) in self.all.iter().filter(|(_, reply)| reply.is_taken()) {
            let seqs = taken.entry(got.conversation.clone()).or_default();
            if !seqs.contains(&got.seq) {
                seqs.push(got.seq);
            }
        }
        taken
    }
}

pub struct Receiver {
    pub url: String,
    pub seen: Arc<Mutex<Seen>>,
    behaviour: Arc<Mutex<Behaviour>>,
    _tasks: JoinSet<()>,
}

impl Receiver {
    pub async fn start(behaviour: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let behaviour: Arc<Mutex<Behaviour>> = Arc::new(Mutex::new(Box::new(behaviour)));
        let (to, by) = (Arc::clone(&seen), Arc::clone(&behaviour));
        let mut tasks = JoinSet::new();
        // Ends with the receiver, and its connections with it.
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(serve(stream, Arc::clone(&to), Arc::clone(&by)));
            }
        });
        Self { url, seen, behaviour, _tasks: tasks }
    }

    /// Behaves otherwise from now on.
    pub fn behave(&self, behaviour: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static) {
        *self.behaviour.lock() = Box::new(behaviour);
    }
}

async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Seen>>, by: Arc<Mutex<Behaviour>>) {
    let mut read = Vec::new();
    while let Some((headers, body)) = request(&mut stream, &mut read).await {
        let got = got(&headers, &body);
        let reply = {
            let behaviour = by.lock();
            let mut seen = seen.lock();
            let number = seen.all.len();
            let reply = behaviour(&got, number);
            seen.all.push((got, reply));
            reply
        };
        let answer = match reply {
            Reply::Taken => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            Reply::Status(code) => format!("HTTP/1.1 {code} No\r\ncontent-length: 0\r\n\r\n"),
            Reply::Redirect => {
                "HTTP/1.1 307 There\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
                    .to_owned()
            }
            Reply::Garbage => "never heard of it\r\n\r\n".to_owned(),
            Reply::Huge => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 10485760\r\n\r\n";
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&vec![b'x'; 10 << 20]).await;
                return;
            }
            Reply::CloseEarly => return,
            Reply::Silence => std::future::pending().await,
        };
        if stream.write_all(answer.as_bytes()).await.is_err() || reply == Reply::Garbage {
            return;
        }
    }
}

async fn request(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
) -> Option<(BTreeMap<String, String>, Vec<u8>)> {
    let head = loop {
        if let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") {
            let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
            break head;
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let headers: BTreeMap<_, _> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers["content-length"].parse().unwrap();
    while read.len() < length {
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    Some((headers, read.drain(..length).collect()))
}

fn got(headers: &BTreeMap<String, String>, body: &[u8]) -> Got {
    let event: Value = serde_json::from_slice(body).unwrap();
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let (id, timestamp) = (headers["webhook-id"].clone(), &headers["webhook-timestamp"]);
    assert_eq!(id, text("id"));
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let is_signed = headers["webhook-signature"].split(' ').any(|signature| {
        let tag = STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, &signed, &tag).is_ok()
    });
    Got {
        conversation: text("partitionkey"),
        seq: text("sequence").parse().unwrap_or_default(),
        is_signed,
    }
}
