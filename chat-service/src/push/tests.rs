//! Offline push as a process runs it, over SQLite, with a provider that a test holds in its hand.

mod edits;
mod notices;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::in_process::{InProcessBus, InProcessConfig};
use parking_lot::Mutex;
use platform::metrics::Metrics;
use platform::shutdown::{Shutdown, Tasks};
use proto::common::GatewayRef;
use proto::id::{ConversationId, ConversationKey, DeviceId, TenantId, UserId};
use push::{BadToken, NoteKind, Outcome, Provider, Providers, PushJob, PushProvider};
use tokio::sync::Notify;

use super::*;
use crate::delivery::locate::{Device, DirectoryError, Located};
use crate::domain::entry::tests::text;
use crate::domain::entry::{Body, ConversationKind, ConversationRow, Entry, MemberRow, Role};
use crate::domain::own::{Place, Setting, What, check};
use crate::followers::{FollowerConfig, FollowerMetrics, FollowerParts, Following};
use crate::store::AppendBatch;
use crate::store::push::{PushContent, PushDevice};
use crate::store::sqlite::SqliteStore;

const SOON: Duration = Duration::from_secs(20);

/// Answers as it is told, and remembers what it was asked.
struct Hand {
    asked: Mutex<Vec<PushJob>>,
    answer: Mutex<Option<Outcome>>,
    changed: Notify,
}

#[async_trait]
impl PushProvider for Hand {
    fn provider(&self) -> Provider {
        Provider::Fcm
    }

    fn token(&self, given: &str) -> Result<String, BadToken> {
        Ok(given.to_owned())
    }

    async fn send(&self, jobs: Vec<PushJob>) -> Vec<Outcome> {
        self.asked.lock().extend(jobs.iter().cloned());
        self.changed.notify_waiters();
        let answer = self.answer.lock().clone();
        match answer {
            Some(answer) => vec![answer; jobs.len()],
            None => std::future::pending().await,
        }
    }
}

impl Hand {
    fn new(answer: Option<Outcome>) -> Arc<Self> {
        let (asked, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { asked, answer: Mutex::new(answer), changed })
    }

    async fn asked(&self, count: usize) -> Vec<PushJob> {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                let asked = self.asked.lock().clone();
                if asked.len() >= count {
                    return asked;
                }
                changed.await;
            }
        };
        tokio::time::timeout(SOON, waiting).await.expect("the provider is asked")
    }
}

/// These users are connected.
struct Connected(HashSet<UserId>);

#[async_trait]
impl Directory for Connected {
    async fn locate(&self, users: &[UserId], _: &str) -> Result<Located, DirectoryError> {
        let devices = users.iter().filter(|user| self.0.contains(*user));
        let none = Vec::<Device>::new;
        Ok(Located {
            gateways: Vec::new(),
            devices: devices.map(|user| (user.clone(), none())).collect(),
        })
    }

    async fn gateways(&self, _: &str) -> Result<Vec<GatewayRef>, DirectoryError> {
        Ok(Vec::new())
    }
}

/// A process.
struct Process {
    reads: Reads,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Process {
    fn start(
        store: &SqliteStore,
        hand: &Arc<Hand>,
        connected: &[&str],
        config: PushConfig,
    ) -> Self {
        let store: Arc<dyn ChatStore> = Arc::new(store.clone());
        let providers = Providers::new(vec![Arc::clone(hand) as Arc<dyn PushProvider>]);
        let prepared = push::Prepared { providers, web_push_key: None };
        let push = Arc::new(PreparedPush { config, prepared, ..PreparedPush::default() });
        let metrics = Metrics::new();
        let connected = connected.iter().map(|name| user(name)).collect();
        let (offline, reads) = OfflinePush::new(
            Arc::clone(&store),
            Arc::new(Connected(connected)),
            push,
            PushMetrics::new(&metrics),
        );
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let config = FollowerConfig { poll_ms: 10, lease_ms: 3_000, ..FollowerConfig::default() };
        let parts = FollowerParts {
            owner: uuid::Uuid::now_v7().to_string(),
            store,
            bus: Arc::new(InProcessBus::new(InProcessConfig::default())),
            metrics: FollowerMetrics::new(&metrics),
            config: Arc::new(config),
        };
        let follower = offline.unwrap().start(&tasks, &shutdown);
        let walk = Following::start(&parts, &tasks, &shutdown).walk(&parts, follower);
        tasks.spawn("follower push", walk.run(shutdown.clone()));
        Self { reads, tasks, shutdown }
    }

    async fn stop(self) {
        self.shutdown.begin();
        self.tasks.join(SOON).await.unwrap();
    }
}

fn user(name: &str) -> UserId {
    UserId::parse_qualified(name).unwrap()
}

fn key() -> ConversationKey {
    ConversationKey::new(TenantId::DEFAULT, ConversationId(uuid::Uuid::from_u128(1)))
}

fn quick() -> PushConfig {
    PushConfig { after_ms: 50, between_ms: 0, ..PushConfig::default() }
}

#[expect(clippy::unnecessary_wraps, reason = "an outcome is one of a list that may have none")]
fn sent() -> Option<Outcome> {
    Some(Outcome::Sent("1".to_owned()))
}

/// Ann and bob in a conversation; bob has a device that may be told everything. The follower is there before anything is said.
async fn prepared() -> (tempfile::TempDir, SqliteStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("chat.db")).await.unwrap();
    let device = PushDevice {
        user_id: user("bob"),
        device_id: DeviceId::parse("phone").unwrap(),
        provider: Provider::Fcm,
        token: "t".to_owned(),
        token_sha256: "hash".to_owned(),
        app: String::new(),
        locale: String::new(),
        content: Some(PushContent::Full),
        seen_at_ms: crate::clock::now_ms(),
    };
    crate::store::push::PushStore::keep_push_device(&store, &device, 9).await.unwrap();
    crate::store::tail::FollowerStore::follow(&store, "push", "nobody", Duration::ZERO)
        .await
        .unwrap();
    let member = |name: &str| MemberRow {
        conversation_id: key().id,
        user_id: user(name),
        role: Role::Member,
        from_seq: 1,
    };
    let batch = AppendBatch {
        conversations: vec![ConversationRow {
            key: key(),
            kind: ConversationKind::Direct,
            title: String::new(),
            created_at_ms: 1,
        }],
        members_set: vec![member("ann"), member("bob")],
        ..said(1)
    };
    crate::store::LogStore::append(&store, &batch).await.unwrap();
    (folder, store)
}

fn said(seq: u64) -> AppendBatch {
    let entry = Entry { created_at_ms: crate::clock::now_ms(), ..text(seq, &user("ann")) };
    AppendBatch { entries: vec![entry], ..AppendBatch::default() }
}

async fn say(store: &SqliteStore, seq: u64) {
    crate::store::LogStore::append(store, &said(seq)).await.unwrap();
}

#[tokio::test]
async fn what_no_provider_answered_is_decided_again_by_the_next_process() {
    let (_folder, store) = prepared().await;
    let silent = Hand::new(None);
    let first = Process::start(&store, &silent, &[], quick());
    let asked = silent.asked(1).await;
    first.stop().await;
    let answering = Hand::new(sent());
    let second = Process::start(&store, &answering, &[], quick());
    let again = answering.asked(1).await;
    assert_eq!((again[0].id, again[0].note.seq), (asked[0].id, 1), "the same push, once more");
    say(&store, 2).await;
    let told = answering.asked(2).await;
    assert_eq!((told[1].note.seq, told[1].note.count), (2, 1), "the first one is not told again");
    second.stop().await;
}

/// Bob sets something of his own.
async fn set(store: &SqliteStore, what: What, conversation_id: Option<ConversationId>, json: &str) {
    let place = Place { conversation_id, what, thread: 0 };
    let value = check(what, json).unwrap().unwrap();
    let batch = AppendBatch {
        settings_set: vec![Setting { user_id: user("bob"), place, value, as_of: 1 }],
        ..AppendBatch::default()
    };
    crate::store::LogStore::append(store, &batch).await.unwrap();
}

#[tokio::test]
async fn who_muted_a_conversation_is_told_only_when_a_message_names_them() {
    let (_folder, store) = prepared().await;
    set(&store, What::Mute, Some(key().id), "{}").await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], quick());
    say(&store, 2).await;
    let mut naming = said(3);
    if let Body::Message(message) = &mut naming.entries[0].body {
        message.mentions = vec![user("bob").name().clone()];
    }
    crate::store::LogStore::append(&store, &naming).await.unwrap();
    let told = hand.asked(1).await;
    assert_eq!((told[0].note.seq, told[0].note.count), (3, 1), "of the one that names him alone");
    assert_eq!(told[0].note.reason, "muted_mention");
    process.stop().await;
}

#[tokio::test]
async fn a_push_says_no_more_than_the_server_and_the_user_allow() {
    let (_folder, store) = prepared().await;
    let full = PushConfig { content: PushContent::Full, ..quick() };
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], full.clone());
    assert!(hand.asked(1).await[0].note.text.is_some(), "everybody allows it");
    process.stop().await;
    set(&store, What::Push, None, r#"{"content":"sender"}"#).await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], full);
    say(&store, 2).await;
    let told = hand.asked(1).await;
    assert!(told[0].note.text.is_none() && told[0].note.title.is_some());
    process.stop().await;
}

#[tokio::test]
async fn who_is_connected_is_told_only_of_what_does_not_arrive() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(sent());
    let config = PushConfig { after_ms: 1_000, ..quick() };
    let process = Process::start(&store, &hand, &["bob"], config);
    let arrived = CursorRow {
        conversation_id: key().id,
        user_id: user("bob"),
        delivered_seq: 1,
        read_seq: 0,
    };
    crate::store::LogStore::advance_cursors(&store, &[arrived]).await.unwrap();
    say(&store, 2).await;
    let told = hand.asked(1).await;
    assert_eq!((told[0].note.seq, told[0].note.count), (2, 1));
    process.stop().await;
}

#[tokio::test]
async fn what_was_told_is_taken_back_when_it_is_read() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(sent());
    let process = Process::start(&store, &hand, &[], quick());
    hand.asked(1).await;
    let read = CursorRow {
        conversation_id: key().id,
        user_id: user("bob"),
        delivered_seq: 1,
        read_seq: 1,
    };
    crate::store::LogStore::advance_cursors(&store, std::slice::from_ref(&read)).await.unwrap();
    // The row is written when the provider has answered: until then there is nothing to take back.
    let telling = async {
        while hand.asked.lock().len() < 2 {
            process.reads.told(&read);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, telling).await.expect("it is taken back");
    let cleared = hand.asked(2).await;
    assert_eq!((cleared[1].note.kind, cleared[1].note.seq), (NoteKind::Clear, 1));
    assert_eq!(cleared[1].note.badge, Some(0));
    process.stop().await;
}

#[tokio::test]
async fn what_a_provider_refuses_is_listed_and_what_it_throttles_is_kept() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(Some(Outcome::Refused("400: no".to_owned())));
    let process = Process::start(&store, &hand, &[], quick());
    let store_port: Arc<dyn ChatStore> = Arc::new(store.clone());
    let dead = async {
        loop {
            let dead = store_port.dead_pushes(TenantId::DEFAULT, None, 9).await.unwrap();
            if let Some(dead) = dead.into_iter().next() {
                return dead;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let dead = tokio::time::timeout(SOON, dead).await.expect("it is listed");
    assert_eq!((dead.seq, dead.attempts, dead.reason.as_str()), (1, 1, "400: no"));
    *hand.answer.lock() = Some(Outcome::Retry(None, "503".to_owned()));
    say(&store, 2).await;
    let kept = async {
        loop {
            let kept = store_port.due_push_retries(u64::MAX >> 1, u64::MAX >> 1, 9).await.unwrap();
            if let Some(kept) = kept.into_iter().next() {
                return kept;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let kept = tokio::time::timeout(SOON, kept).await.expect("it is kept");
    assert_eq!((kept.attempt, kept.reason.as_str()), (1, "503"));
    assert!(kept.next_at_ms > crate::clock::now_ms(), "not at once");
    process.stop().await;
}

#[tokio::test]
async fn a_device_that_is_gone_is_forgotten() {
    let (_folder, store) = prepared().await;
    let hand = Hand::new(Some(Outcome::Gone { since_ms: None }));
    let process = Process::start(&store, &hand, &[], quick());
    let store_port: Arc<dyn ChatStore> = Arc::new(store.clone());
    let gone = async {
        while !store_port.push_devices(&[user("bob")]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, gone).await.expect("it goes");
    process.stop().await;
}
