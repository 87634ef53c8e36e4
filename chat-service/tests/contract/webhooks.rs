//! Webhooks against a receiver that does everything wrong: nothing is lost, each conversation stays in order, and what
//! fails holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use bus::in_process::{InProcessBus, InProcessConfig};
use bus::moments::Moments;
use chat_service::domain::webhook::{
    SigningSecret, Subscription, Webhook, WebhookKey, WebhookState,
};
use chat_service::followers::webhooks::{self, WebhookParts, WebhookSettings};
use chat_service::followers::{FollowerConfig, FollowerMetrics, FollowerParts, Following};
use chat_service::store::deliveries::Replayed;
use platform::metrics::Metrics;
use platform::shutdown::{Shutdown, Tasks};
use proto::id::{ConversationId, TenantId};
use uuid::Uuid;

use super::receiver::{Got, Receiver, Reply, SECRET};
use super::{Store, entry, group, keyed, name, only};

const LONG: Duration = Duration::from_mins(2);

/// A process that delivers.
struct Process {
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Process {
    fn start(store: &Store, owner: &str, retry_secs: &[u64]) -> Self {
        let (tasks, shutdown) = (Tasks::new(), Shutdown::new());
        let config = FollowerConfig {
            lease_ms: 600,
            poll_ms: 10,
            page_entries: 64,
            ..FollowerConfig::default()
        };
        let bus = Arc::new(InProcessBus::new(InProcessConfig::default())) as Arc<dyn Bus>;
        let parts = FollowerParts {
            owner: owner.to_owned(),
            store: Arc::clone(store),
            bus,
            metrics: FollowerMetrics::new(&Metrics::new()),
            config: Arc::new(config),
        };
        let settings = WebhookSettings {
            insecure_hosts: vec!["127.0.0.1".to_owned()],
            retry_secs: retry_secs.to_vec(),
            ..WebhookSettings::default()
        };
        let webhooks = WebhookParts::new(settings, Moments::default()).unwrap();
        let following = Following::start(&parts, &tasks, &shutdown);
        tasks.spawn("webhooks", webhooks::run(parts, webhooks, following, shutdown.clone()));
        Self { tasks, shutdown }
    }

    async fn stop(self) {
        self.shutdown.begin();
        self.tasks.join(LONG).await.unwrap();
    }
}

/// A webhook for everything, that begins now.
pub(super) async fn subscribe(store: &Store, url: &str) -> WebhookKey {
    subscribe_to(store, url, "{}").await
}

/// The same for what a filter lets through.
async fn subscribe_to(store: &Store, url: &str, filter: &str) -> WebhookKey {
    let config = format!(r#"{{"url":"{url}","types":["*"],"timeout_ms":300,"filter":{filter}}}"#);
    let config: Subscription = serde_json::from_str(&config).unwrap();
    let key = WebhookKey { tenant: TenantId::DEFAULT, id: Uuid::now_v7() };
    let webhook = Webhook {
        key,
        config,
        secrets: vec![SigningSecret { text: SECRET.to_owned(), until_ms: None }],
        state: WebhookState::Enabled,
        reason: String::new(),
        attempt: 0,
        next_at_ms: 0,
        failing_since_ms: None,
        last_errors: Vec::new(),
        version: 1,
        created_by: "root".to_owned(),
        created_at_ms: 1,
    };
    store.follow(&key.follower(), "nobody", Duration::from_secs(9)).await.unwrap().unwrap();
    store.release(&key.follower(), "nobody").await.unwrap();
    assert!(store.create_webhook(&webhook, 50).await.unwrap());
    key
}

/// Conversations with entries 1 to `entries`, written beside each other.
async fn talk(store: &Store, conversations: usize, entries: u64) -> Vec<ConversationId> {
    let ids: Vec<_> = (0..conversations).map(|_| ConversationId::generate()).collect();
    let writing = ids.iter().map(|id| async {
        store.append(&group(*id, &["ann"])).await.unwrap();
        for seq in 2..=entries {
            store.append(&only(vec![entry(*id, seq, "ann")])).await.unwrap();
        }
    });
    futures_util::future::join_all(writing).await;
    ids
}

/// Waits until all entries of conversations were taken, in order.
async fn all_taken(receiver: &Receiver, ids: &[ConversationId], entries: u64) {
    let all = || {
        let taken = receiver.seen.lock().taken();
        ids.iter()
            .all(|id| taken.get(&id.to_string()).is_some_and(|seqs| seqs.len() as u64 == entries))
    };
    let waiting = async {
        while !all() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(LONG, waiting).await.is_ok(),
        "not all came: {:?}",
        receiver.seen.lock().taken()
    );
    let seen = receiver.seen.lock();
    for (conversation, seqs) in seen.taken() {
        assert!(seqs.is_sorted(), "{conversation}: {seqs:?}");
    }
    assert!(seen.all.iter().all(|(got, _)| got.is_signed));
}

/// One of many, by chance that is the same in each run.
fn odd(number: usize, of: usize) -> bool {
    (number.wrapping_mul(2_654_435_761) >> 7).is_multiple_of(of)
}

pub async fn a_receiver_that_does_everything_wrong_gets_everything_in_order(store: Store) {
    let replies = [
        Reply::Status(500),
        Reply::Redirect,
        Reply::Garbage,
        Reply::CloseEarly,
        Reply::Status(429),
        Reply::Huge,
    ];
    let receiver = Receiver::start(move |_, number| match number {
        _ if number == 40 => Reply::Silence,
        _ if odd(number, 6) => replies[number % replies.len()],
        _ => Reply::Taken,
    })
    .await;
    subscribe(&store, &receiver.url).await;
    let (one, other) =
        (Process::start(&store, "one", &[0; 60]), Process::start(&store, "other", &[0; 60]));
    let ids = talk(&store, 12, 12).await;
    // One process ends in the middle; the other goes on.
    one.stop().await;
    let more = talk(&store, 3, 5).await;
    all_taken(&receiver, &ids, 12).await;
    all_taken(&receiver, &more, 5).await;
    other.stop().await;
}

pub async fn a_conversation_that_fails_waits_alone_and_is_given_up_and_replayed(store: Store) {
    let bad: Arc<parking_lot::Mutex<Option<String>>> = Arc::default();
    let refused = Arc::clone(&bad);
    let receiver = Receiver::start(move |got: &Got, _| {
        let is_bad = refused.lock().as_ref() == Some(&got.conversation) && got.seq == 2;
        if is_bad { Reply::Status(422) } else { Reply::Taken }
    })
    .await;
    let key = subscribe(&store, &receiver.url).await;
    let id = ConversationId::generate();
    *bad.lock() = Some(id.to_string());
    let process = Process::start(&store, "one", &[0, 0, 0]);
    store.append(&group(id, &["ann"])).await.unwrap();
    for seq in 2..=4 {
        store.append(&only(vec![entry(id, seq, "ann")])).await.unwrap();
    }
    let others = talk(&store, 5, 5).await;
    all_taken(&receiver, &others, 5).await;
    // Given up after the last attempt; what is behind it comes.
    all_taken(&receiver, &[id], 3).await;
    let dead = store.dead_events(key, 10).await.unwrap();
    assert_eq!((dead.len(), dead[0].seq, store.count_dead(key).await.unwrap()), (1, 2, 1));
    let unblocked = async {
        while !store.blocked(key, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, unblocked).await.expect("nothing waits any more");
    // It takes it now.
    *bad.lock() = None;
    assert_eq!(store.replay_dead(key, Some(id), 5).await.unwrap(), 1);
    let webhook = store.webhook(key).await.unwrap().unwrap();
    assert!(store.change_webhook(&webhook, 6).await.unwrap());
    assert!(!store.change_webhook(&webhook, 7).await.unwrap(), "it has another version now");
    let replayed = async {
        while store.count_dead(key).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, replayed).await.expect("it is replayed");
    let taken = receiver.seen.lock().taken();
    assert_eq!(taken[&id.to_string()], [1, 3, 4, 2]);
    process.stop().await;
}

pub async fn a_receiver_that_is_away_makes_all_wait_and_one_that_is_gone_is_disabled(store: Store) {
    let receiver = Receiver::start(|_, _| Reply::Status(503)).await;
    let key = subscribe(&store, &receiver.url).await;
    let process = Process::start(&store, "one", &[0; 10]);
    let ids = talk(&store, 20, 3).await;
    let failing = async {
        while store.webhook(key).await.unwrap().unwrap().attempt < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, failing).await.expect("its receiver is seen to fail");
    let blocked = store.blocked(key, 100).await.unwrap();
    assert!(blocked.len() <= 2, "the receiver fails, not its conversations: {blocked:?}");
    receiver.behave(|_, _| Reply::Taken);
    all_taken(&receiver, &ids, 3).await;
    receiver.behave(|_, _| Reply::Status(410));
    let later = talk(&store, 2, 2).await;
    let disabled = async {
        loop {
            let webhook = store.webhook(key).await.unwrap().unwrap();
            if webhook.state == WebhookState::Disabled {
                return webhook;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let mut webhook = tokio::time::timeout(LONG, disabled).await.expect("it is disabled");
    assert!(webhook.reason.contains("410"), "{}", webhook.reason);
    assert!(!webhook.last_errors.is_empty());
    // Nothing is lost by that.
    receiver.behave(|_, _| Reply::Taken);
    webhook.state = WebhookState::Enabled;
    assert!(store.change_webhook(&webhook, 9).await.unwrap());
    all_taken(&receiver, &later, 2).await;
    process.stop().await;
    assert!(store.remove_webhook(key).await.unwrap());
    assert!(store.webhook(key).await.unwrap().is_none());
    assert!(store.followers().await.unwrap().iter().all(|it| it.name != key.follower()));
}

pub async fn a_tenant_has_as_many_webhooks_as_it_may(store: Store) {
    for _ in 0..3 {
        subscribe(&store, "https://example.org/").await;
    }
    let webhooks = store.webhooks(TenantId::DEFAULT).await.unwrap();
    assert_eq!((webhooks.len(), store.enabled_webhooks().await.unwrap().len()), (3, 3));
    let fourth = WebhookKey { tenant: TenantId::DEFAULT, id: Uuid::now_v7() };
    let fourth = Webhook { key: fourth, ..webhooks[0].clone() };
    assert!(!store.create_webhook(&fourth, 3).await.unwrap());
    let elsewhere =
        WebhookKey { tenant: TenantId::parse("elsewhere").unwrap(), id: webhooks[0].key.id };
    assert!(store.create_webhook(&Webhook { key: elsewhere, ..fourth }, 3).await.unwrap());
    assert_eq!(store.webhooks(TenantId::DEFAULT).await.unwrap(), webhooks);
}

pub async fn a_filter_by_members_lets_their_conversations_through(store: Store) {
    let receiver = Receiver::start(|_, _| Reply::Taken).await;
    subscribe_to(&store, &receiver.url, r#"{"members":["bob","nobody"]}"#).await;
    let process = Process::start(&store, "one", &[0; 10]);
    let (theirs, others) = (ConversationId::generate(), ConversationId::generate());
    for (id, members) in [(others, ["ann", "cleo"]), (theirs, ["ann", "bob"])] {
        store.append(&group(id, &members)).await.unwrap();
        store.append(&only(vec![entry(id, 2, "ann"), entry(id, 3, "ann")])).await.unwrap();
    }
    // What a user does is theirs wherever they are no member any more.
    store.append(&only(vec![entry(others, 4, "bob")])).await.unwrap();
    all_taken(&receiver, &[theirs], 3).await;
    all_taken(&receiver, &[others], 1).await;
    assert_eq!(receiver.seen.lock().taken()[&others.to_string()], [4]);
    let keys = [keyed(theirs), keyed(others)];
    let with = store.conversations_with(&keys, &[name("bob"), name("cleo")]).await.unwrap();
    assert_eq!(with.len(), 2);
    let with = store.conversations_with(&keys, &[name("bob")]).await.unwrap();
    assert_eq!(with.into_iter().collect::<Vec<_>>(), [theirs]);
    assert!(store.conversations_with(&keys, &[]).await.unwrap().is_empty());
    assert!(store.conversations_with(&[], &[name("bob")]).await.unwrap().is_empty());
    process.stop().await;
}

pub async fn events_are_replayed_in_the_order_of_their_conversation(store: Store) {
    let receiver = Receiver::start(|_, _| Reply::Taken).await;
    let key = subscribe(&store, &receiver.url).await;
    let process = Process::start(&store, "one", &[0; 10]);
    let ids = talk(&store, 3, 30).await;
    all_taken(&receiver, &ids, 30).await;
    let before = receiver.seen.lock().all.len();
    let event = |id: &ConversationId, seq| Replayed {
        conversation_id: *id,
        seq,
        event_type: "chat.message.received",
    };
    let mut events: Vec<_> =
        ids.iter().flat_map(|id| (5..=25).rev().map(|seq| event(id, seq))).collect();
    // Of what is no longer there nothing is left to do.
    events.push(event(&ids[0], 99));
    store.replay_events(key, &events, 7).await.unwrap();
    store.replay_events(key, &events[..1], 8).await.unwrap();
    assert_eq!(store.replays(key, 100).await.unwrap().len(), 64);
    assert!(store.undelivered(keyed(ids[0]), 5).await.unwrap().is_empty(), "it is not refused");
    let webhook = store.webhook(key).await.unwrap().unwrap();
    assert!(store.change_webhook(&webhook, 9).await.unwrap());
    let replayed = async {
        while !store.replays(key, 1).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, replayed).await.expect("all are replayed");
    assert_eq!(store.count_dead(key).await.unwrap(), 0);
    let again = receiver.seen.lock().all[before..].to_vec();
    for id in &ids {
        let of_it = again.iter().filter(|(got, _)| got.conversation == id.to_string());
        // The last ones may come again from where the cursor was written.
        let seqs: Vec<u64> = of_it.map(|(got, _)| got.seq).filter(|seq| *seq <= 25).collect();
        assert_eq!(seqs, (5..=25).collect::<Vec<_>>(), "each once, in order");
    }
    process.stop().await;
}
